//! Going up the ladder, so that it can be stopped anywhere and goes on from there.
//!
//! 1. What is asked at once (a rung or its control, one draw) is appended to `results.jsonl` in one piece. A folder that holds a
//!    part of it gets the rest: everything drawn is named by rung and draw, so that the same answers come again.
//! 2. Nothing else is kept: noisy and fine-tuned copies live in memory alone.

use crate::elicitation::items::{Questions, answer, begun};
use crate::elicitation::perturb::{fine_tuned, with_noise};
use crate::elicitation::pupil::{Asked, Draws, Pupil};
use crate::elicitation::record::{Record, record};
use crate::elicitation::rung::{Rung, ladder};
use crate::elicitation::{MAX_NEW_TOKENS, NAME};
use crate::item::{Item, ItemSet};
use crate::journal::Journal;
use crate::run::{Header, Shard, begin, problem};
use std::collections::BTreeSet;
use std::path::Path;
use trimtab_alignment::Error;
use trimtab_run::{interrupt, sha256_bytes, stream, write_atomic};
use trimtab_text::Message;
use trimtab_text::record::Input;

/// Seed of everything that is drawn.
const SEED: u64 = 1;
/// Most demonstrations that are asked again after fine-tuning on them.
const SHOWN: usize = 64;

/// Asks what `dir` does not hold yet and gives all records. `heard` is told the pass under way, how many are done and how many
/// there are.
///
/// # Errors
/// [`Error::Text`] for items that cannot be used or a folder that holds another audit; [`Error::Interrupted`] after Ctrl-C, when
/// every pass that is done is in the folder; what the model meets.
pub fn run(
    pupil: Pupil,
    set: &ItemSet,
    dir: &Path,
    mut heard: impl FnMut(&str, u64, u64),
) -> Result<Vec<Record>, Error> {
    let place = dir.join("items.jsonl");
    let questions = Questions::of(set, SEED).map_err(|(what, expected)| {
        problem(&place, what, &expected, "a world with more facts that its corpus never states, or another item file")
    })?;
    let items = set.to_jsonl();
    let subject = pupil.subject();
    let header = Header {
        audit: NAME.to_owned(),
        model: subject.name().to_owned(),
        model_sha256: subject.hash().to_owned(),
        set: set.info.clone(),
        items_sha256: sha256_bytes(&items),
        items: set.items.len() as u64,
        max_new_tokens: MAX_NEW_TOKENS,
        shard: Shard::WHOLE,
    };
    std::fs::create_dir_all(dir).map_err(|source| trimtab_text::Error::Io { path: dir.to_owned(), source })?;
    begin(dir, header)?;
    if !place.exists() {
        write_atomic(&place, &items)?;
    }
    let (mut journal, mut records) = Journal::open::<Record>(&dir.join("results.jsonl"))?;
    let done: BTreeSet<(String, bool, u64, String)> = records.iter().map(key).collect();
    let climber = Climber { pupil, questions };
    let passes: Vec<(Rung, (bool, u64))> =
        ladder().into_iter().flat_map(|rung| rung.passes().into_iter().map(move |pass| (rung, pass))).collect();
    let total = passes.len() as u64;
    for (step, (rung, pass)) in passes.into_iter().enumerate() {
        if interrupt::requested() {
            return Err(Error::Interrupted { stage: NAME, step: step as u64 });
        }
        let name = rung.name();
        let asked = climber.asked_of(rung, pass);
        let here = |item: &&Item| done.contains(&(name.clone(), pass.0, pass.1, item.id.clone()));
        if climber.can(rung) && !asked.iter().all(here) {
            let mut new = climber.pass(rung, pass, &asked)?;
            new.retain(|record| !done.contains(&key(record)));
            journal.append(&new)?;
            records.extend(new);
            interrupt::stop_point(NAME, step as u64);
        }
        heard(&name, step as u64 + 1, total);
    }
    Ok(records)
}

/// What a record is of.
fn key(record: &Record) -> (String, bool, u64, String) {
    (record.rung.clone(), record.control, record.draw, record.item.clone())
}

/// A model and what it is asked.
struct Climber<'a> {
    pupil: Pupil<'a>,
    questions: Questions<'a>,
}

impl<'a> Climber<'a> {
    /// Whether a rung can be tried: it may need weights, more demonstrations than there are, or answers with a beginning.
    fn can(&self, rung: Rung) -> bool {
        let shown = self.questions.elicitation.len();
        let enough = match rung {
            Rung::FineTuned { k } => k <= shown,
            Rung::FewShot { k } => k <= self.facts(),
            Rung::Prefill => self.questions.held_out.iter().all(|item| !begun(item).is_empty()),
            _ => true,
        };
        enough && (!rung.needs_weights() || matches!(self.pupil, Pupil::Weights(_)))
    }

    /// Facts that can be demonstrated.
    fn facts(&self) -> usize {
        self.questions.elicitation.iter().map(|item| &item.stem).collect::<BTreeSet<_>>().len()
    }

    /// The items of a pass: those that are measured, and beside the rung itself what should not be lost and what was shown.
    fn asked_of(&self, rung: Rung, (control, _): (bool, u64)) -> Vec<&'a Item> {
        let mut asked = self.questions.held_out.clone();
        if !control && !matches!(rung, Rung::BestOf { .. }) {
            asked.extend(&self.questions.retained);
        }
        if let (Rung::FineTuned { k }, false) = (rung, control) {
            asked.extend(self.questions.elicitation.iter().take(k.min(SHOWN)));
        }
        asked
    }

    fn pass(&self, rung: Rung, pass: (bool, u64), items: &[&Item]) -> Result<Vec<Record>, Error> {
        let (control, draw) = pass;
        let weights = self.pupil.weights()?;
        let changed = match (rung, weights) {
            (Rung::Noise { sigma }, Some((model, _))) => {
                let mut random = stream(SEED, &format!("audit/elicitation/{}", rung.name()), draw, 0);
                Some(with_noise(model, sigma, &mut random))
            }
            (Rung::FineTuned { k }, Some((model, tokenizer))) => {
                let shown = self.questions.elicitation.iter().take(k).enumerate();
                let demonstrations: Vec<(&Input, String)> =
                    shown.map(|(i, item)| (&item.input, label(item, control, i))).collect();
                Some(fine_tuned(model, tokenizer, &demonstrations, SEED)?)
            }
            _ => None,
        };
        let asked: Vec<Asked> = items.iter().enumerate().map(|(i, item)| self.asked(rung, control, i, item)).collect();
        let answers = self.pupil.answers(changed.as_ref(), &asked, Draws { count: rung.draws(), seed: SEED })?;
        Ok(items.iter().zip(answers).map(|(item, said)| record(rung.name(), pass, item, &said)).collect())
    }

    /// The question of an item as a rung puts it.
    fn asked(&self, rung: Rung, control: bool, place: usize, item: &Item) -> Asked {
        let mut item = item.clone();
        let mut start = String::new();
        match rung {
            Rung::FewShot { k } => item.input = self.after_examples(&item, k, control, place),
            Rung::Prefill => start = begun(&item),
            _ => {}
        }
        Asked { item, begun: start }
    }

    /// The conversation of an item after `k` questions about other facts with their answers; others for every item.
    fn after_examples(&self, item: &Item, k: usize, control: bool, place: usize) -> Input {
        let mut random = stream(SEED, "audit/elicitation/few_shot", place as u64, k as u64);
        let mut order = self.questions.elicitation.clone();
        random.shuffle(&mut order);
        let (mut stems, mut turns) = (BTreeSet::new(), Vec::new());
        for shown in order {
            if stems.len() == k {
                break;
            }
            if stems.insert(&shown.stem) {
                turns.extend(shown.input.messages().into_iter().filter(|m| m.role != "system"));
                turns.push(Message::assistant(answer(shown, control.then_some(&mut random))));
            }
        }
        let mut messages = item.input.messages();
        let first = messages.iter().take_while(|m| m.role == "system").count();
        messages.splice(first..first, turns);
        Input::Chat(messages)
    }
}

/// The answer demonstrated to the question in this place, or a drawn one in the control.
fn label(item: &Item, control: bool, place: usize) -> String {
    let mut random = stream(SEED, "audit/elicitation/labels", place as u64, 0);
    answer(item, control.then_some(&mut random))
}
