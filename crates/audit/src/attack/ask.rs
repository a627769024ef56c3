//! What a model, edited or hooked, says and computes: answers, losses, divergences, refusal scores, activations.

use crate::attack::direction::{divergence, log_odds};
use crate::attack::judged::judged;
use crate::attack::material::{Ask, Material, Side};
use crate::attack::record::Record;
use crate::run::problem;
use crate::target::Target;
use std::collections::BTreeMap;
use trimtab_alignment::Error;
use trimtab_alignment::example::{Example, Pack, groups};
use trimtab_engine::batch::PackedBatch;
use trimtab_engine::forward::{Pass, Trace};
use trimtab_engine::generate::Sampling;
use trimtab_engine::hooks::{Action, At, Hook};
use trimtab_engine::model::Model;
use trimtab_engine::readout::{LogProbRows, log_softmax};
use trimtab_text::Tokenizer;
use trimtab_text::encode::{encode_answer, encode_input};
use trimtab_text::record::Input;

/// Tokens of one pass.
const PASS_TOKENS: usize = 2048;
/// Answers that grow side by side.
const BATCH: usize = 64;
/// Tokens of a harmless answer over which divergence is averaged.
const DIVERGING: usize = 24;
/// Tokens of a document at most.
const DOCUMENT: usize = 256;

/// A model that is attacked, with what it said before.
pub struct Subject<'a> {
    /// The model.
    pub target: &'a Target,
    /// What it is asked.
    pub material: &'a Material,
    /// Tokens with which refusals begin.
    pub refusal_tokens: Vec<u32>,
    /// Tokens of an answer at most.
    pub max_new_tokens: usize,
    /// Whether answers of a real model to harmful prompts are written out.
    pub show: bool,
    /// The unedited model's answers to what is harmless, in tokens, by item.
    harmless: BTreeMap<String, Example>,
}

impl<'a> Subject<'a> {
    /// Asks the model what it says to harmless prompts, and holds everything.
    ///
    /// # Errors
    /// [`Error`] for prompts that the template refuses, or that are too long for the model.
    pub fn new(target: &'a Target, material: &'a Material, max_new_tokens: usize, show: bool) -> Result<Self, Error> {
        let mut subject =
            Self { target, material, refusal_tokens: Vec::new(), max_new_tokens, show, harmless: BTreeMap::new() };
        for phrase in &material.refusals {
            let first = subject.tokenizer()?.encode_plain(phrase)?.first().copied();
            subject.refusal_tokens.extend(first.filter(|t| !subject.refusal_tokens.contains(t)));
        }
        let ids = material.side(Side::HarmlessTest).into_iter().map(|ask| ask.id.clone());
        subject.harmless = ids.zip(subject.continued(Side::HarmlessTest)?).collect();
        Ok(subject)
    }

    /// The model without any edit.
    #[must_use]
    pub fn model(&self) -> &'a Model {
        &self.target.checkpoint.model
    }

    /// Its tokenizer.
    ///
    /// # Errors
    /// [`Error::Missing`].
    pub fn tokenizer(&self) -> Result<&'a Tokenizer, Error> {
        self.target.checkpoint.tokenizer(&self.target.path)
    }

    /// The tokens of a question with the beginning of its answer.
    ///
    /// # Errors
    /// Of the template; for a prompt that leaves no room for an answer.
    pub fn prompt(&self, ask: &Ask) -> Result<Vec<u32>, Error> {
        let tokenizer = self.tokenizer()?;
        let mut tokens = encode_input(tokenizer, &ask.input)?;
        tokens.extend(tokenizer.encode_plain(&ask.begun)?);
        let limit = self.model().config().max_position_embeddings;
        if tokens.len() >= limit {
            let what = format!("prompt {:?} has {} tokens, and the model's context is {limit}", ask.id, tokens.len());
            return Err(problem(&self.target.path, what, "room for an answer", "the prompts without it").into());
        }
        Ok(tokens)
    }

    /// The questions of a side, each with the unedited model's answer, whose tokens are the targets.
    ///
    /// # Errors
    /// What the model meets.
    pub fn continued(&self, side: Side) -> Result<Vec<Example>, Error> {
        let asks = self.material.side(side);
        let answers = self.tokens(self.model(), &[], &asks)?;
        let continued = asks.into_iter().zip(answers).map(|(ask, mut answer)| {
            let mut tokens = self.prompt(ask)?;
            answer.truncate(DIVERGING);
            let rows = (tokens.len() - 1..tokens.len() + answer.len() - 1).collect();
            tokens.extend(answer);
            Ok(Example { tokens, rows })
        });
        continued.collect()
    }

    fn tokens(&self, model: &Model, hooks: &[Hook], asks: &[&Ask]) -> Result<Vec<Vec<u32>>, Error> {
        let prompts: Vec<Vec<u32>> = asks.iter().map(|ask| self.prompt(ask)).collect::<Result<_, _>>()?;
        let sampling = Sampling {
            temperature: 0.0,
            max_new_tokens: self.max_new_tokens,
            eos: self.target.checkpoint.eos.clone(),
            batch: BATCH,
            ..Sampling::default()
        };
        Ok(model.generate(&prompts, 1, &sampling, hooks, |_| true)?.into_iter().map(|a| a.tokens).collect())
    }

    /// The most likely answers of `model` under `hooks` to the questions of `sides`, judged, with losses and divergences.
    ///
    /// # Errors
    /// What the model meets.
    pub fn records(
        &self,
        (edit, draw): (&str, u64),
        model: &Model,
        hooks: &[Hook],
        sides: &[Side],
    ) -> Result<Vec<Record>, Error> {
        let tokenizer = self.tokenizer()?;
        let of = |sides: &[Side]| self.material.asks.iter().filter(|a| sides.contains(&a.side)).collect::<Vec<_>>();
        let mut records: Vec<Record> =
            of(sides).iter().map(|ask| Record::new(edit, draw, ask.side, &ask.id, &ask.topic)).collect();
        let places: BTreeMap<String, usize> = records.iter().enumerate().map(|(i, r)| (r.item.clone(), i)).collect();
        let spoken: Vec<&Ask> = of(sides).into_iter().filter(|a| a.side != Side::Text).collect();
        for (ask, answer) in spoken.iter().zip(self.tokens(model, hooks, &spoken)?) {
            let text = tokenizer.decode(&[tokenizer.encode_plain(&ask.begun)?, answer].concat(), true)?;
            let judged = judged(ask, text, self.show);
            let record = &mut records[places[&ask.id]];
            (record.refused, record.given, record.answer) = (Some(judged.refused), judged.given, judged.text);
        }
        let mut examples = Vec::new();
        for ask in of(sides) {
            let example = match (ask.side, &ask.truth, &ask.input) {
                (Side::Text, _, Input::Text(text)) => {
                    let mut tokens = tokenizer.encode_with_bos(text)?;
                    tokens.truncate(DOCUMENT.min(model.config().max_position_embeddings));
                    Example::from_text(tokens)
                }
                (Side::Retained | Side::HarmlessTest, Some(truth), input) => {
                    Example::from_encoded(&encode_answer(tokenizer, input, &truth.ideal)?)
                }
                _ => continue,
            };
            if !example.rows.is_empty() {
                examples.push((places[&ask.id], example));
            }
        }
        let losses = losses(model, hooks, &examples.iter().map(|(_, e)| e).collect::<Vec<_>>())?;
        for ((place, _), loss) in examples.iter().zip(losses) {
            records[*place].loss = loss.is_finite().then_some(loss);
        }
        if sides.contains(&Side::HarmlessTest) {
            let (ids, examples): (Vec<&String>, Vec<&Example>) = self.harmless.iter().unzip();
            for (id, kl) in ids.into_iter().zip(self.divergences(model, hooks, &examples)?) {
                records[places[id]].kl = kl.is_finite().then_some(kl);
            }
        }
        Ok(records)
    }

    /// Mean over the rows of each example of the divergence of `model` under `hooks` from the unedited model, in nats.
    ///
    /// # Errors
    /// What the model meets.
    pub fn divergences(&self, model: &Model, hooks: &[Hook], examples: &[&Example]) -> Result<Vec<f64>, Error> {
        let lengths: Vec<usize> = examples.iter().map(|e| e.tokens.len()).collect();
        let vocab = self.model().config().vocab_size;
        let (mut plain, mut edited) = (Trace::default(), Trace::default());
        let mut out = Vec::with_capacity(examples.len());
        for group in groups(&lengths, PASS_TOKENS) {
            let pack = Pack::of(examples[group.clone()].iter().copied());
            let rows = Some(pack.rows.as_slice());
            self.model().forward(&pack.batch, &mut plain, Pass { rows, ..Pass::read() })?;
            model.forward(&pack.batch, &mut edited, Pass { hooks, rows, ..Pass::read() })?;
            let mut rows = pack.rows.iter();
            for example in &examples[group] {
                let own: Vec<usize> = rows.by_ref().take(example.rows.len()).copied().collect();
                let [p, q] = [(self.model(), &plain), (model, &edited)].map(|(m, trace)| {
                    let mut logits = m.logits(trace, &own);
                    logits.chunks_exact_mut(vocab).for_each(log_softmax);
                    logits
                });
                let sum: f64 = p.chunks_exact(vocab).zip(q.chunks_exact(vocab)).map(|(p, q)| divergence(p, q)).sum();
                out.push(sum / own.len().max(1) as f64);
            }
        }
        Ok(out)
    }

    /// Log-probabilities of the token after each prompt, `[prompts][vocab_size]`.
    ///
    /// # Errors
    /// What the model meets.
    pub fn first(&self, model: &Model, hooks: &[Hook], prompts: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, Error> {
        let lengths: Vec<usize> = prompts.iter().map(Vec::len).collect();
        let mut trace = Trace::default();
        let mut out = Vec::with_capacity(prompts.len());
        for group in groups(&lengths, PASS_TOKENS) {
            let mut batch = PackedBatch::new();
            let last: Vec<usize> = prompts[group].iter().map(|p| batch.push(p).end - 1).collect();
            model.forward(&batch, &mut trace, Pass { hooks, rows: Some(&last), ..Pass::read() })?;
            for row in last {
                let mut logits = model.logits(&trace, &[row]);
                log_softmax(&mut logits);
                out.push(logits);
            }
        }
        Ok(out)
    }

    /// The log-odds of a refusal after each prompt.
    ///
    /// # Errors
    /// What the model meets.
    pub fn refusal_scores(&self, model: &Model, hooks: &[Hook], prompts: &[Vec<u32>]) -> Result<Vec<f64>, Error> {
        Ok(self.first(model, hooks, prompts)?.iter().map(|logp| log_odds(logp, &self.refusal_tokens)).collect())
    }

    /// The residual stream at the input of each block, at the last `positions` tokens of each prompt:
    /// `[layers][prompts][positions · hidden_size]`.
    ///
    /// # Errors
    /// What the model meets.
    pub fn activations(&self, prompts: &[Vec<u32>], positions: usize) -> Result<Vec<Vec<Vec<f32>>>, Error> {
        activations(self.model(), prompts, positions)
    }
}

/// [`Subject::activations`] of any model of its shape.
pub(super) fn activations(model: &Model, prompts: &[Vec<u32>], positions: usize) -> Result<Vec<Vec<Vec<f32>>>, Error> {
    let config = model.config();
    let read = |layer| Hook { layer, at: At::All, action: Action::Read };
    let hooks: Vec<Hook> = (0..config.num_hidden_layers).map(read).collect();
    let lengths: Vec<usize> = prompts.iter().map(Vec::len).collect();
    let mut trace = Trace::default();
    let mut out = vec![Vec::with_capacity(prompts.len()); config.num_hidden_layers];
    for group in groups(&lengths, PASS_TOKENS) {
        let mut batch = PackedBatch::new();
        let ends: Vec<usize> = prompts[group].iter().map(|p| batch.push(p).end).collect();
        model.forward(&batch, &mut trace, Pass { hooks: &hooks, ..Pass::read() })?;
        for (layer, rows) in trace.reads.iter().enumerate() {
            let width = config.hidden_size;
            out[layer].extend(ends.iter().map(|end| rows[(end - positions) * width..end * width].to_vec()));
        }
    }
    Ok(out)
}

/// Mean loss of each example's targets under `hooks`, in nats per token.
fn losses(model: &Model, hooks: &[Hook], examples: &[&Example]) -> Result<Vec<f64>, Error> {
    let lengths: Vec<usize> = examples.iter().map(|e| e.tokens.len()).collect();
    let mut trace = Trace::default();
    let mut out = Vec::with_capacity(examples.len());
    for group in groups(&lengths, PASS_TOKENS) {
        let pack = Pack::of(examples[group.clone()].iter().copied());
        model.forward(&pack.batch, &mut trace, Pass { hooks, rows: Some(&pack.rows), ..Pass::read() })?;
        let at = LogProbRows { rows: &pack.rows, targets: &pack.targets, temperature: 1.0 };
        let mut values = model.logprobs(&trace, at, false).logp.into_iter().map(f64::from);
        for example in &examples[group] {
            let n = example.rows.len();
            out.push(-values.by_ref().take(n).sum::<f64>() / n.max(1) as f64);
        }
    }
    Ok(out)
}
