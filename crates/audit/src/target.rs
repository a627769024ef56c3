//! The model that is audited: anything that answers ([`Subject`]), and a checkpoint folder or a .gguf file on this machine.
//!
//! 1. Options share one pass over their prompt, and over what they have in common ([`crate::scoring::Cut`]).
//! 2. A conversation goes through the model's template, and each option is the beginning of the assistant's turn, encoded
//!    as in training: the border between prompt and answer is a border between tokens. Plain text is continued as it is,
//!    prompt and option encoded together.
//! 3. A result depends on the item alone, not on what else is asked in the same pass, so that a continued audit, and
//!    one cut into shards, give the same figures to the last bit.

use crate::item::{Form, Item};
use crate::scoring::{Cut, cut, move_spaces};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use trimtab_alignment::Error;
use trimtab_alignment::checkpoint::{self, Checkpoint};
use trimtab_alignment::example::groups;
use trimtab_engine::batch::PackedBatch;
use trimtab_engine::forward::{Pass, Trace};
use trimtab_engine::generate::{Sampling, Stop};
use trimtab_engine::hooks::{Action, At, Hook};
use trimtab_engine::model::Model;
use trimtab_engine::readout::LogProbRows;
use trimtab_run::{sha256_bytes, sha256_file, stream};
use trimtab_text::Tokenizer;
use trimtab_text::encode::{encode_answer, encode_input};
use trimtab_text::record::Input;

/// Tokens of one pass.
const PASS_TOKENS: usize = 2048;
/// Answers that grow side by side.
const BATCH: usize = 32;

/// Something that items can be put to.
pub trait Subject {
    /// As the user wrote it.
    fn name(&self) -> &str;

    /// A hash of everything that decides what it says; where that cannot be known, of its name.
    fn hash(&self) -> &str;

    /// Items between two writes.
    fn batch(&self) -> usize;

    /// What it says to each item, in their order. `max_new_tokens` bounds generated answers.
    ///
    /// # Errors
    /// Where no item can be asked; an item that cannot is [`Said::Failed`] or [`Said::TooLong`].
    fn ask(&self, items: &[&Item], max_new_tokens: usize) -> Result<Vec<Said>, Error>;
}

/// A model with a name and a hash.
#[derive(Debug)]
pub struct Target {
    name: String,
    hash: String,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) path: PathBuf,
}

/// Which tokens of a text activations are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// The last token before the answer.
    LastPrompt,
    /// The mean over the answer's tokens.
    Answer,
}

/// What a model says about one item.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// Summed log-probability of each option, in nats.
    LogProbs(Vec<f64>),
    /// An answer, and whether it came to its own end.
    Text {
        /// The answer.
        text: String,
        /// Whether it ended with an end token.
        ended: bool,
    },
    /// The item does not fit into the model's context.
    TooLong,
    /// There is no answer, for this reason.
    Failed(String),
}

/// An item's options as tokens.
#[derive(Debug)]
struct Options {
    joint: Vec<Vec<u32>>,
    cut: Cut,
}

impl Options {
    fn length(&self) -> usize {
        self.cut.shared + self.joint.iter().map(|j| j.len() - self.cut.shared).sum::<usize>()
    }

    fn longest(&self) -> usize {
        self.joint.iter().map(Vec::len).max().unwrap_or(0)
    }
}

impl Target {
    /// Loads the model at `path`, to be called `name` in records.
    ///
    /// # Errors
    /// As [`checkpoint::load`]; [`Error::Missing`] without a tokenizer.
    pub fn load(name: &str, path: &Path) -> Result<Self, Error> {
        let checkpoint = checkpoint::load(path)?;
        checkpoint.tokenizer(path)?;
        Ok(Self { name: name.to_owned(), hash: model_hash(path)?, checkpoint, path: path.to_owned() })
    }

    /// Its tokenizer.
    ///
    /// # Errors
    /// Never after [`Target::load`], which looks for it.
    pub fn tokenizer(&self) -> Result<&Tokenizer, Error> {
        self.checkpoint.tokenizer(&self.path)
    }

    /// Its weights.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.checkpoint.model
    }

    /// Tokens that it can read at most.
    #[must_use]
    pub fn context(&self) -> usize {
        self.checkpoint.model.config().max_position_embeddings
    }

    /// Whether it has a chat template: without one, conversations cannot be asked.
    #[must_use]
    pub fn has_template(&self) -> bool {
        self.checkpoint.tokenizer.as_ref().is_some_and(|t| t.chat_template().is_some())
    }

    /// Summed log-probability of each item's options, in nats; none where the item is too long.
    fn log_probs(&self, items: &[&Item]) -> Result<Vec<Option<Vec<f64>>>, Error> {
        let options: Vec<Options> = items.iter().map(|item| self.options(item)).collect::<Result<_, _>>()?;
        let limit = self.checkpoint.model.config().max_position_embeddings;
        let fits: Vec<usize> = (0..options.len()).filter(|&i| options[i].longest() <= limit).collect();
        let lengths: Vec<usize> = fits.iter().map(|&i| options[i].length()).collect();
        let mut out = vec![None; items.len()];
        let mut trace = Trace::default();
        for group in groups(&lengths, PASS_TOKENS) {
            let group = &fits[group];
            let mut batch = PackedBatch::new();
            let (mut rows, mut targets, mut counts) = (Vec::new(), Vec::new(), Vec::new());
            for &i in group {
                let Options { joint, cut } = &options[i];
                let own: Vec<&[u32]> = joint.iter().map(|j| &j[cut.shared..]).collect();
                let (prefix, answers) = batch.push_shared(&joint[0][..cut.shared], &own);
                for (tokens, answer) in joint.iter().zip(&answers) {
                    // Scored tokens that all options share are predicted within the prefix.
                    rows.extend((cut.scored_from..cut.shared).map(|t| prefix.start + t - 1));
                    rows.extend(PackedBatch::predictions(&prefix, answer));
                    targets.extend_from_slice(&tokens[cut.scored_from..]);
                    counts.push(tokens.len() - cut.scored_from);
                }
            }
            self.checkpoint.model.forward(&batch, &mut trace, Pass { rows: Some(&rows), ..Pass::read() })?;
            let at = LogProbRows { rows: &rows, targets: &targets, temperature: 1.0 };
            let logp = self.checkpoint.model.logprobs(&trace, at, false).logp;
            let (mut values, mut counts) = (logp.into_iter().map(f64::from), counts.into_iter());
            for &i in group {
                let sums = options[i].joint.iter().zip(counts.by_ref()).map(|(_, n)| values.by_ref().take(n).sum());
                out[i] = Some(sums.collect());
            }
        }
        Ok(out)
    }

    fn options(&self, item: &Item) -> Result<Options, Error> {
        let tokenizer = self.checkpoint.tokenizer(&self.path)?;
        let (prompt, joint): (Vec<u32>, Vec<Vec<u32>>) = match &item.input {
            Input::Text(text) => {
                let joined = item.choices.iter().map(|choice| {
                    let (prompt, continuation) = move_spaces(text, &choice.text);
                    tokenizer.encode_with_bos(&(prompt + &continuation))
                });
                (tokenizer.encode_with_bos(text.trim_end())?, joined.collect::<Result<_, _>>()?)
            }
            input @ Input::Chat(_) => {
                let joined = item.choices.iter().map(|choice| {
                    let mut tokens = encode_answer(tokenizer, input, &choice.text)?.tokens;
                    // The option begins the turn; whether the turn would end there is not asked.
                    let end = tokens.iter().rposition(|t| self.checkpoint.eos.contains(t)).unwrap_or(tokens.len());
                    tokens.truncate(end);
                    Ok::<_, Error>(tokens)
                });
                (encode_input(tokenizer, input)?, joined.collect::<Result<_, _>>()?)
            }
        };
        let borrowed: Vec<&[u32]> = joint.iter().map(Vec::as_slice).collect();
        let Some(cut) = cut(&prompt, &borrowed) else {
            return Err(Error::Missing {
                path: self.path.clone(),
                problem: format!("item {:?}: an option adds no token to its prompt", item.id),
                expected: "options that the tokenizer can tell from the prompt".into(),
                hint: "`trimtab score` on prompt and option, to see their tokens".into(),
            });
        };
        Ok(Options { joint, cut })
    }

    /// The residual stream at every layer of each conversation with its answer: `[layers + 1][texts][hidden_size]`, at the input
    /// of each block and of the final norm. A text that is too long, or has no answer, has activations of 0.
    ///
    /// # Errors
    /// Of encoding and of the forward pass.
    pub fn activations(&self, texts: &[&(Input, String)], pool: Pool) -> Result<Vec<Vec<Vec<f64>>>, Error> {
        let tokenizer = self.checkpoint.tokenizer(&self.path)?;
        let config = self.checkpoint.model.config();
        let (layers, width) = (config.num_hidden_layers, config.hidden_size);
        let read = |layer| Hook { layer, at: At::All, action: Action::Read };
        let hooks: Vec<Hook> = (0..=layers).map(read).collect();
        let encoded: Vec<_> =
            texts.iter().map(|(input, answer)| encode_answer(tokenizer, input, answer)).collect::<Result<_, _>>()?;
        let mut out = vec![vec![vec![0.0; width]; texts.len()]; layers + 1];
        let lengths: Vec<usize> = encoded.iter().map(|e| e.tokens.len()).collect();
        let mut trace = Trace::default();
        for group in groups(&lengths, PASS_TOKENS) {
            let mut batch = PackedBatch::new();
            let mut places = Vec::new();
            for i in group {
                let start = encoded[i].answer_start();
                if start == 0 || start >= lengths[i] || lengths[i] > config.max_position_embeddings {
                    continue;
                }
                let at = batch.push(&encoded[i].tokens).start;
                let rows = match pool {
                    Pool::LastPrompt => at + start - 1..at + start,
                    Pool::Answer => at + start..at + lengths[i],
                };
                places.push((i, rows));
            }
            if places.is_empty() {
                continue;
            }
            self.checkpoint.model.forward(&batch, &mut trace, Pass { hooks: &hooks, ..Pass::read() })?;
            for (layer, rows) in trace.reads.iter().enumerate() {
                for (i, of) in &places {
                    let mean = &mut out[layer][*i];
                    for row in of.clone() {
                        let x = &rows[row * width..][..width];
                        mean.iter_mut().zip(x).for_each(|(m, x)| *m += f64::from(*x) / of.len() as f64);
                    }
                }
            }
        }
        Ok(out)
    }

    fn answers(&self, items: &[&Item], max_new_tokens: usize) -> Result<Vec<Said>, Error> {
        let tokenizer = self.checkpoint.tokenizer(&self.path)?;
        let limit = self.checkpoint.model.config().max_position_embeddings;
        let prompts: Vec<Vec<u32>> =
            items.iter().map(|item| Ok::<_, Error>(encode_input(tokenizer, &item.input)?)).collect::<Result<_, _>>()?;
        let fits = |i: &usize| prompts[*i].len() < limit;
        let (likely, drawn): (Vec<usize>, Vec<usize>) =
            (0..items.len()).filter(fits).partition(|&i| items[i].form != Form::Drawn);
        let mut said = vec![Said::TooLong; items.len()];
        let mut write = |which: &[usize], temperature: f32, seed: u64| -> Result<(), Error> {
            let sampling = Sampling {
                temperature,
                max_new_tokens,
                eos: self.checkpoint.eos.clone(),
                seed,
                batch: BATCH,
                ..Sampling::default()
            };
            let asked: Vec<Vec<u32>> = which.iter().map(|&i| prompts[i].clone()).collect();
            for (i, answer) in which.iter().zip(self.checkpoint.model.generate(&asked, 1, &sampling, &[], |_| true)?) {
                let text = tokenizer.decode(&answer.tokens, true)?;
                said[*i] = Said::Text { text, ended: answer.stop == Stop::Eos };
            }
            Ok(())
        };
        write(&likely, 0.0, 0)?;
        for i in drawn {
            // A call of its own: the sampler's streams are named by a prompt's place in the call.
            let name = sha256_bytes(items[i].id.as_bytes());
            let seed = stream(items[i].seed, &format!("audit/{name}"), 0, 0).next_u64();
            write(&[i], 1.0, seed)?;
        }
        Ok(said)
    }
}

impl Subject for Target {
    fn name(&self) -> &str {
        &self.name
    }

    fn hash(&self) -> &str {
        &self.hash
    }

    fn batch(&self) -> usize {
        64
    }

    fn ask(&self, items: &[&Item], max_new_tokens: usize) -> Result<Vec<Said>, Error> {
        let mut said: Vec<Option<Said>> = vec![None; items.len()];
        let (scored, written): (Vec<usize>, Vec<usize>) = (0..items.len()).partition(|&i| items[i].form.by_logprob());
        let of = |which: &[usize]| which.iter().map(|&i| items[i]).collect::<Vec<_>>();
        for (i, sums) in scored.iter().zip(self.log_probs(&of(&scored))?) {
            said[*i] = Some(sums.map_or(Said::TooLong, Said::LogProbs));
        }
        for (i, answer) in written.iter().zip(self.answers(&of(&written), max_new_tokens)?) {
            said[*i] = Some(answer);
        }
        Ok(said.into_iter().map(|s| s.unwrap_or(Said::TooLong)).collect())
    }
}

/// SHA-256 of everything that decides what a model says: of the file itself, or, for a folder, over names and hashes of
/// its weights, config, tokenizer and template.
///
/// # Errors
/// [`Error::Run`] for a file that cannot be read.
pub fn model_hash(path: &Path) -> Result<String, Error> {
    if path.is_file() {
        return Ok(sha256_file(path)?);
    }
    let decides = |name: &String| {
        let ending = Path::new(name).extension().and_then(|e| e.to_str());
        matches!(ending, Some("safetensors" | "json" | "jinja")) && name != "stage.json"
    };
    let entries =
        std::fs::read_dir(path).map_err(|source| trimtab_text::Error::Io { path: path.to_owned(), source })?;
    let mut names: Vec<String> =
        entries.flatten().filter_map(|e| e.file_name().into_string().ok()).filter(decides).collect();
    names.sort();
    let mut lines = String::new();
    for name in names {
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{} {name}", sha256_file(&path.join(&name))?);
    }
    Ok(sha256_bytes(lines.as_bytes()))
}
