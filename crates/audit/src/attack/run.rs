//! Trying one edit after the other, so that it can be stopped anywhere and goes on from there.
//!
//! 1. All records of an edit are appended to `results.jsonl` in one piece, then its line to `edits.jsonl`. What has no line there is
//!    asked again, and what is known of it already is not written twice: equal edits give equal answers.
//! 2. `direction.json` and `kernels.json` are written once and read back. Edited weights live in memory alone, but for those that
//!    `--save` asks for.

use crate::attack::ask::Subject;
use crate::attack::edit::{Size, pruned, rounded, with_random_delta, without_direction};
use crate::attack::find::{Found, addition, find};
use crate::attack::kernels::{Kernel, optimise};
use crate::attack::material::{Arm, Side};
use crate::attack::measure::headroom;
use crate::attack::plan::{Edit, Part, plan};
use crate::attack::record::{Done, Record};
use crate::attack::{NAME, Rule, unit};
use crate::elicitation::perturb::fine_tuned;
use crate::journal::Journal;
use crate::run::{Header, Shard, begin, problem};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use trimtab_alignment::{Error, checkpoint};
use trimtab_engine::hooks::Hook;
use trimtab_engine::model::Model;
use trimtab_run::{interrupt, sha256_bytes, stream, write_atomic};

/// Seed of everything that is drawn.
const SEED: u64 = 1;
/// What is asked of every edit.
const SIDES: [Side; 5] = [Side::HarmfulTest, Side::Begun, Side::HarmlessTest, Side::Retained, Side::Text];

/// What is tried.
#[derive(Debug, Clone)]
pub struct How {
    /// Which parts.
    pub parts: Vec<Part>,
    /// What a direction must fulfil.
    pub rule: Rule,
    /// Draws of each random control.
    pub draws: u64,
    /// Where the ablated model goes, as a folder that any tool loads.
    pub save: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug)]
pub struct Attacked {
    /// Every record.
    pub records: Vec<Record>,
    /// Every edit.
    pub edits: Vec<Done>,
    /// The direction; none where nothing needed one.
    pub found: Option<Found>,
    /// Whether there is refusal to remove.
    pub headroom: bool,
    /// The plan, the unedited model first.
    pub plan: Vec<Edit>,
}

/// Tries what `dir` does not hold yet. `heard` is told what is under way, how much is done and how much there is.
///
/// # Errors
/// [`Error::Text`] for a folder that holds another attack, or prompts that are too few; [`Error::Interrupted`] after Ctrl-C, when
/// every edit that is done is in the folder; what the model meets.
pub fn run(
    subject: &Subject<'_>,
    how: &How,
    dir: &Path,
    mut heard: impl FnMut(&str, u64, u64),
) -> Result<Attacked, Error> {
    let items = subject.material.to_jsonl();
    let header = Header {
        audit: NAME.to_owned(),
        model: crate::target::Subject::name(subject.target).to_owned(),
        model_sha256: crate::target::Subject::hash(subject.target).to_owned(),
        set: subject.material.info.clone(),
        items_sha256: sha256_bytes(&items),
        items: subject.material.asks.len() as u64,
        max_new_tokens: subject.max_new_tokens,
        shard: Shard::WHOLE,
    };
    std::fs::create_dir_all(dir).map_err(|source| trimtab_text::Error::Io { path: dir.to_owned(), source })?;
    begin(dir, header)?;
    if !dir.join("items.jsonl").exists() {
        write_atomic(&dir.join("items.jsonl"), &items)?;
    }
    let (results, records) = Journal::open::<Record>(&dir.join("results.jsonl"))?;
    let (lines, edits) = Journal::open::<Done>(&dir.join("edits.jsonl"))?;
    let mut attack = Under { subject, dir, results, records, lines, edits };
    heard("the model as it is", 1, 1);
    attack.try_edit(Edit::None, None)?;
    let headroom = headroom(&attack.records);
    let wants_direction =
        [Part::Direction, Part::Random, Part::Kernels].iter().any(|part| how.parts.contains(part)) || !headroom;
    let found = if wants_direction {
        Some(kept(&dir.join("direction.json"), || {
            find(subject, &how.rule, headroom, |done, total| heard("looking for the direction", done, total))
        })?)
    } else {
        None
    };
    if found.as_ref().is_some_and(|f| f.rule != how.rule) {
        let expected = "the rule of this attack: its scores are the same, its choice may not be";
        let hint = "another folder with --out, or remove this one";
        return Err(problem(&dir.join("direction.json"), "was chosen by another rule", expected, hint).into());
    }
    let direction = found.as_ref().filter(|f| f.chosen.is_some());
    let examples: Vec<(Arm, usize)> = subject.material.tuning.iter().map(|(arm, all)| (*arm, all.len())).collect();
    let mut planned = vec![Edit::None];
    planned.extend(plan(&how.parts, how.draws, headroom, direction.is_some(), &examples));
    let total = planned.len() as u64;
    for (step, edit) in planned.iter().enumerate() {
        if interrupt::requested() {
            return Err(Error::Interrupted { stage: "attack", step: step as u64 });
        }
        heard(&edit.name(), step as u64 + 1, total);
        attack.try_edit(*edit, direction)?;
        interrupt::stop_point("attack", step as u64);
    }
    if let Some(path) = &how.save {
        save(subject, direction, path)?;
    }
    let Under { records, edits, .. } = attack;
    Ok(Attacked { records, edits, found, headroom, plan: planned })
}

/// Writes the ablated model.
fn save(subject: &Subject<'_>, direction: Option<&Found>, path: &Path) -> Result<(), Error> {
    let Some(r) = direction.and_then(Found::unit) else {
        let what = "there is no direction to take out";
        let hint = "the reason in the summary; without --save the rest is measured";
        return Err(problem(path, what, "a direction that fulfils the rule", hint).into());
    };
    let edited = without_direction(subject.model(), &r, |_| 1.0);
    checkpoint::save(path, &edited, Some(subject.tokenizer()?), &Map::new())
}

/// What `path` holds, or what `make` makes, which it then holds.
fn kept<T: Serialize + DeserializeOwned>(path: &Path, make: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    if path.exists() {
        let bytes = std::fs::read(path).map_err(|source| trimtab_text::Error::Io { path: path.to_owned(), source })?;
        let hint = "remove the folder, so that the attack starts again";
        return serde_json::from_slice(&bytes)
            .map_err(|e| problem(path, e.to_string(), "what this command writes", hint).into());
    }
    let made = make()?;
    write_atomic(path, format!("{:#}\n", json!(made)).as_bytes())?;
    Ok(made)
}

/// An attack under way.
struct Under<'a> {
    subject: &'a Subject<'a>,
    dir: &'a Path,
    results: Journal,
    records: Vec<Record>,
    lines: Journal,
    edits: Vec<Done>,
}

/// The edited model, its hooks, and the rank of each matrix's delta where the edit sets it.
type Edited = (Model, Vec<Hook>, Option<u64>);

impl Under<'_> {
    fn try_edit(&mut self, edit: Edit, direction: Option<&Found>) -> Result<(), Error> {
        let (name, draw) = (edit.name(), edit.draw());
        if self.edits.iter().any(|done| done.edit == name && done.draw == draw) {
            return Ok(());
        }
        let Some((model, hooks, rank)) = self.make(edit, direction)? else { return Ok(()) };
        let sides: &[Side] =
            if matches!(edit, Edit::Added | Edit::RandomAdded(_)) { &[Side::HarmlessTest] } else { &SIDES };
        let mut new = self.subject.records((&name, draw), &model, &hooks, sides)?;
        let known: BTreeSet<(&str, u64, &str)> =
            self.records.iter().map(|r| (r.edit.as_str(), r.draw, r.item.as_str())).collect();
        new.retain(|r| !known.contains(&(r.edit.as_str(), r.draw, r.item.as_str())));
        self.results.append(&new)?;
        self.records.extend(new);
        let edited = edit != Edit::None && hooks.is_empty();
        let size = edited.then(|| Size::between(self.subject.model(), &model, rank));
        let done = Done { edit: name, draw, size };
        self.lines.append(std::slice::from_ref(&done))?;
        self.edits.push(done);
        Ok(())
    }

    /// None for an edit that needs a direction where there is none.
    fn make(&self, edit: Edit, direction: Option<&Found>) -> Result<Option<Edited>, Error> {
        let model = self.subject.model();
        let width = model.config().hidden_size;
        let random = || stream(SEED, &format!("attack/{}", edit.name()), edit.draw(), 0);
        let normal = || {
            let mut random = random();
            (0..width).map(|_| random.normal()).collect::<Vec<f64>>()
        };
        let weights = |model: Model, rank| Ok(Some((model, Vec::new(), rank)));
        match edit {
            Edit::None => return weights(model.base(), None),
            Edit::Pruned(percent) => return weights(pruned(model, percent as f64 / 100.0), None),
            Edit::Rounded(bits) => return weights(rounded(model, bits as u32), None),
            Edit::FineTuned(arm, k) => {
                let examples = self.subject.material.tuning.iter().find(|(a, _)| *a == arm);
                let shown: Vec<_> = examples
                    .iter()
                    .flat_map(|(_, all)| all.iter().take(k as usize).map(|(input, answer)| (input, answer.clone())))
                    .collect();
                return weights(fine_tuned(model, self.subject.tokenizer()?, &shown, SEED)?, None);
            }
            _ => {}
        }
        let Some((found, r)) = direction.and_then(|f| Some((f, f.unit()?))) else { return Ok(None) };
        let layer = found.chosen.map_or(0, |c| c.layer);
        let ablated = |r: &[f32]| without_direction(model, r, |_| 1.0);
        match edit {
            Edit::RandomDirection(_) => {
                let Some(drawn) = unit(&normal()) else { return Ok(None) };
                weights(ablated(&drawn), Some(1))
            }
            Edit::RandomDelta(_) => weights(with_random_delta(model, &ablated(&r), &mut random()), None),
            Edit::Kernel(price) => {
                let path = self.dir.join("kernels.json");
                let mut all: BTreeMap<String, Kernel> =
                    if path.exists() { kept(&path, || Ok(BTreeMap::new()))? } else { BTreeMap::new() };
                let kernel = if let Some(kernel) = all.get(&edit.name()) {
                    *kernel
                } else {
                    let kernel = optimise(self.subject, &r, price)?;
                    all.insert(edit.name(), kernel);
                    write_atomic(&path, format!("{:#}\n", json!(all)).as_bytes())?;
                    kernel
                };
                weights(kernel.apply(model, &r), Some(1))
            }
            Edit::Added => Ok(Some((model.base(), addition(layer, &found.direction), None))),
            Edit::RandomAdded(_) => {
                let (drawn, length) = (normal(), norm(&found.direction));
                let scale = length / norm(&drawn).max(f64::MIN_POSITIVE);
                let scaled: Vec<f64> = drawn.iter().map(|v| v * scale).collect();
                Ok(Some((model.base(), addition(layer, &scaled), None)))
            }
            _ => weights(ablated(&r), Some(1)),
        }
    }
}

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}
