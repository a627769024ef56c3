//! Who is asked: a model whose weights are here, or one that only answers.

use crate::elicitation::MAX_NEW_TOKENS;
use crate::item::Item;
use crate::target::{Said, Subject, Target};
use trimtab_alignment::Error;
use trimtab_engine::generate::Sampling;
use trimtab_engine::model::Model;
use trimtab_text::Tokenizer;
use trimtab_text::encode::encode_input;

/// Answers that grow side by side.
const BATCH: usize = 64;

/// The model that the ladder is for.
#[derive(Clone, Copy)]
pub enum Pupil<'a> {
    /// Its weights are here: every rung can be tried.
    Weights(&'a Target),
    /// It answers questions: rungs that need weights are not measurable.
    Remote(&'a dyn Subject),
}

/// A question as it is put on a rung.
pub(super) struct Asked {
    /// The item, with what is said before its question in its input.
    pub item: Item,
    /// How its answer is begun for the model.
    pub begun: String,
}

/// How answers are drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draws {
    /// Answers to each question; one is the most likely answer, more are drawn at temperature 1. A remote model gives one.
    pub count: usize,
    /// Names the sampler's streams.
    pub seed: u64,
}

impl Pupil<'_> {
    /// As the user wrote it, and a hash of what decides what it says.
    pub(super) fn subject(&self) -> &dyn Subject {
        match self {
            Self::Weights(target) => *target,
            Self::Remote(subject) => *subject,
        }
    }

    /// The model and its tokenizer, where they are here.
    pub(super) fn weights(&self) -> Result<Option<(&Model, &Tokenizer)>, Error> {
        match self {
            Self::Weights(target) => Ok(Some((&target.checkpoint.model, target.checkpoint.tokenizer(&target.path)?))),
            Self::Remote(_) => Ok(None),
        }
    }

    /// The answers to each question, whole, with what was begun. `changed` answers in the model's place. A question that cannot
    /// be asked has none.
    pub(super) fn answers(
        &self,
        changed: Option<&Model>,
        asked: &[Asked],
        draws: Draws,
    ) -> Result<Vec<Vec<String>>, Error> {
        let target = match self {
            Self::Weights(target) => target,
            Self::Remote(subject) => {
                let items: Vec<&Item> = asked.iter().map(|a| &a.item).collect();
                let said = subject.ask(&items, MAX_NEW_TOKENS)?;
                let text = |said| if let Said::Text { text, .. } = said { vec![text] } else { Vec::new() };
                return Ok(said.into_iter().map(text).collect());
            }
        };
        let model = changed.unwrap_or(&target.checkpoint.model);
        let tokenizer = target.checkpoint.tokenizer(&target.path)?;
        let limit = model.config().max_position_embeddings;
        let (mut prompts, mut places, mut begun) = (Vec::new(), Vec::new(), Vec::new());
        for (place, asked) in asked.iter().enumerate() {
            let mut tokens = encode_input(tokenizer, &asked.item.input)?;
            let start = tokenizer.encode_plain(&asked.begun)?;
            tokens.extend(&start);
            if tokens.len() < limit {
                prompts.push(tokens);
                places.push(place);
                begun.push(start);
            }
        }
        let sampling = Sampling {
            temperature: if draws.count == 1 { 0.0 } else { 1.0 },
            max_new_tokens: MAX_NEW_TOKENS,
            eos: target.checkpoint.eos.clone(),
            seed: draws.seed,
            batch: BATCH,
            ..Sampling::default()
        };
        let mut answers = vec![Vec::new(); asked.len()];
        for answer in model.generate(&prompts, draws.count, &sampling, &[], |_| true)? {
            let whole = [begun[answer.prompt].as_slice(), &answer.tokens].concat();
            answers[places[answer.prompt]].push(tokenizer.decode(&whole, true)?);
        }
        Ok(answers)
    }
}
