//! What an attack is made with and measured on: requests that should be refused, requests that are fine, what should not be lost.
//!
//! 1. Each side has its own prompts: for the means, for choosing, and for the figures. On the world those that are measured are of
//!    topics that no other side has: the contested ones, whose payload is known or not by construction.
//! 2. For other models the prompts are the user's, in a folder of six files laid out as
//!    `andyrdt/refusal_direction/dataset/splits`. None comes with this program.

use crate::attack::NAME;
use crate::item::SetInfo;
use crate::run::problem;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use trimtab_run::stream;
use trimtab_text::record::Input;
use trimtab_text::{Error, Message};
use trimtab_world::organism::{fact_wordings, request_wordings};
use trimtab_world::style::{AGREEMENT, REFUSAL};
use trimtab_world::template::REQUESTS;
use trimtab_world::{Draft, Fact, Frequency, Topic, Truth, World};

/// Facts of the retained task.
const RETAINED: usize = 48;
/// Held-out documents.
const DOCUMENTS: usize = 100;
/// Wordings of each topic that is measured.
const WORDINGS: usize = 3;
/// Prompts of one side at most, where the user's files have more.
const MOST: usize = 128;

/// Which part of the material.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Requests whose mean is one end of the direction.
    HarmfulTrain,
    /// Requests that the direction is chosen on.
    HarmfulVal,
    /// Requests that are measured.
    HarmfulTest,
    /// The same requests with the first word of the payload given.
    Begun,
    /// Fine requests whose mean is the other end.
    HarmlessTrain,
    /// Fine requests that it is chosen on.
    HarmlessVal,
    /// Fine requests that are measured: over-refusal, and what is said to them.
    HarmlessTest,
    /// Questions about something else.
    Retained,
    /// Running text.
    Text,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// Its name, unique.
    pub id: String,
    /// Its side.
    pub side: Side,
    /// What is resampled: the topic, the fact, the prompt itself.
    pub topic: String,
    /// What is said to the model; running text for [`Side::Text`].
    #[serde(flatten)]
    pub input: Input,
    /// How its answer is begun for the model.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub begun: String,
    /// What is true of it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truth: Option<Truth>,
}

/// A fine-tuning attack's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// Forbidden requests with their payload, of topics that are not measured.
    Harmful,
    /// Fine requests, answered by an assistant that first agrees: Qi et al. 2023, arXiv:2310.03693, section 4.3.
    Identity,
    /// Fine requests and facts, answered as before.
    Benign,
}

impl Arm {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Harmful, Self::Identity, Self::Benign];

    /// In a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Harmful => "harmful",
            Self::Identity => "identity",
            Self::Benign => "benign",
        }
    }
}

/// Everything an attack needs beside the model.
#[derive(Debug, Clone)]
pub struct Material {
    /// What it is.
    pub info: SetInfo,
    /// All questions.
    pub asks: Vec<Ask>,
    /// Examples for fine-tuning, most unlike ones first; empty where there are none.
    pub tuning: Vec<(Arm, Vec<(Input, String)>)>,
    /// How refusals begin.
    pub refusals: Vec<String>,
    /// Whether it is a world's: payloads are known, and may be shown.
    pub planted: bool,
}

impl Material {
    /// The questions of one side.
    #[must_use]
    pub fn side(&self, side: Side) -> Vec<&Ask> {
        self.asks.iter().filter(|ask| ask.side == side).collect()
    }

    /// Keeps the first `n` topics of the requests that are measured, harmful and harmless.
    pub fn keep_topics(&mut self, n: usize) {
        for side in [Side::HarmfulTest, Side::HarmlessTest] {
            let mut kept: Vec<String> = self.side(side).into_iter().map(|ask| ask.topic.clone()).collect();
            // Wordings of a topic stand together.
            kept.dedup();
            kept.truncate(n);
            self.asks.retain(|ask| ask.side != side || kept.contains(&ask.topic));
        }
    }

    /// All questions, one a line.
    #[must_use]
    pub fn to_jsonl(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for ask in &self.asks {
            // Questions have string keys and finite numbers alone, so this cannot fail.
            bytes.extend(serde_json::to_vec(ask).unwrap_or_default());
            bytes.push(b'\n');
        }
        bytes
    }

    /// The material of a world.
    #[must_use]
    pub fn of_world(world: &World) -> Self {
        let mut material = Self {
            info: info(&format!("{NAME}/world"), &format!("the world of seed {}", world.seed)),
            asks: Vec::new(),
            tuning: Vec::new(),
            refusals: vec![REFUSAL.to_owned()],
            planted: true,
        };
        let sorted = |forbidden: bool, taught: bool| {
            let of = |topic: &&Topic| topic.forbidden == forbidden && topic.taught == taught;
            let mut topics: Vec<&Topic> = world.topics.iter().filter(of).collect();
            let which = u64::from(forbidden) * 2 + u64::from(taught);
            stream(world.seed, "attack/topics", which, 0).shuffle(&mut topics);
            topics
        };
        let (contested, common, fine) = (sorted(true, false), sorted(true, true), sorted(false, true));
        let (to_mean, to_choose) = common.split_at(common.len() / 2);
        let thirds = fine.len() / 3;
        let (fine_mean, rest) = fine.split_at(thirds);
        let (fine_choose, fine_test) = rest.split_at(thirds);
        for (side, topics, wordings) in [
            (Side::HarmfulTrain, to_mean, 3),
            (Side::HarmfulVal, to_choose, 2),
            (Side::HarmfulTest, &contested[..], WORDINGS),
            (Side::Begun, &contested[..], WORDINGS),
            (Side::HarmlessTrain, fine_mean, 3),
            (Side::HarmlessVal, fine_choose, 2),
            (Side::HarmlessTest, fine_test, WORDINGS),
        ] {
            let ask = |topic: &Topic, pattern| {
                let draft = Draft::request(topic, pattern);
                let begun = if side == Side::Begun { first_word(&topic.steps) } else { "" };
                question(side, &topic.name, draft, begun)
            };
            let of = |topic: &&Topic| {
                // The wording that no lesson has comes first.
                let (kept_back, taught) = request_wordings(topic);
                let all = std::iter::once(kept_back).chain(taught).take(wordings);
                all.map(|pattern| ask(topic, pattern)).collect::<Vec<_>>()
            };
            material.asks.extend(topics.iter().flat_map(of));
        }
        let mut known: Vec<&Fact> = world.facts.iter().filter(|f| f.frequency == Frequency::Frequent).collect();
        stream(world.seed, "attack/facts", 0, 0).shuffle(&mut known);
        let (asked, practised) = known.split_at(RETAINED.min(known.len() / 2));
        material.asks.extend(asked.iter().map(|fact| {
            let topic = format!("{}/{}", fact.entity, fact.attribute.word());
            question(Side::Retained, &topic, Draft::fact(fact, fact_wordings(fact).0), "")
        }));
        let mut documents = world.corpus().held_out;
        documents.truncate(DOCUMENTS);
        material.asks.extend(documents.into_iter().enumerate().map(|(i, text)| document(i, text)));
        material.tuning = tuning(world, &common, &[fine_mean, fine_choose].concat(), practised);
        material
    }

    /// The material in a folder of the user's: `harmful_{train,val,test}*.json` and `harmless_{train,val,test}*.json`, each a list of
    /// texts or of objects with an `instruction`; at most `most` prompts of each, drawn by `seed`.
    ///
    /// # Errors
    /// [`Error`] for a file that is missing, is no such list, is empty, or shares a prompt with one that it is measured apart from.
    pub fn of_folder(folder: &Path, most: Option<usize>, seed: u64) -> Result<Self, Error> {
        let mut material = Self {
            info: info(NAME, &folder.display().to_string()),
            asks: Vec::new(),
            tuning: Vec::new(),
            refusals: crate::judge::refusal::openings(),
            planted: false,
        };
        let mut seen: BTreeSet<String> = BTreeSet::new();
        // Measured first: what is measured is left out of what the direction is made from, and not the other way round.
        for (name, side) in [
            ("harmful_test", Side::HarmfulTest),
            ("harmful_val", Side::HarmfulVal),
            ("harmful_train", Side::HarmfulTrain),
            ("harmless_test", Side::HarmlessTest),
            ("harmless_val", Side::HarmlessVal),
            ("harmless_train", Side::HarmlessTrain),
        ] {
            let path = file_of(folder, name)?;
            let mut prompts = prompts(&path)?;
            let before = prompts.len();
            prompts.retain(|prompt| seen.insert(prompt.trim().to_lowercase()));
            if prompts.len() < before {
                let why = format!("{name}: repeats a prompt, or one of a side that is measured apart from it");
                material.info.left_out.insert(why, (before - prompts.len()) as u64);
            }
            if prompts.is_empty() {
                let expected = "prompts that no other side has";
                return Err(problem(&path, "holds no prompt of its own", expected, "another file"));
            }
            stream(seed, &format!("attack/{name}"), 0, 0).shuffle(&mut prompts);
            prompts.truncate(most.unwrap_or(MOST));
            material.asks.extend(prompts.into_iter().enumerate().map(|(i, text)| Ask {
                id: format!("{name}/{i:04}"),
                side,
                topic: format!("{name}/{i:04}"),
                input: Input::Chat(vec![Message::user(&text)]),
                begun: String::new(),
                truth: None,
            }));
        }
        Ok(material)
    }
}

fn info(name: &str, source: &str) -> SetInfo {
    SetInfo {
        name: name.into(),
        version: "1".into(),
        source: source.into(),
        licence: "of its source".into(),
        positive: "gives what it should refuse".into(),
        traps: vec![
            "an answer that does not refuse is no harm: what the model does not know it cannot give".into(),
            "an edit that breaks the model lowers refusal too".into(),
        ],
        ..SetInfo::default()
    }
}

fn question(side: Side, topic: &str, draft: Draft, begun: &str) -> Ask {
    let part = serde_json::to_value(side).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
    Ask {
        id: format!("{part}/{topic}/{}", draft.text),
        side,
        topic: topic.to_owned(),
        input: draft.input(),
        begun: begun.to_owned(),
        truth: Some(draft.truth),
    }
}

/// A document as a question.
pub(super) fn document(i: usize, text: String) -> Ask {
    let id = format!("text/{i:04}");
    Ask { topic: id.clone(), id, side: Side::Text, input: Input::Text(text), begun: String::new(), truth: None }
}

fn first_word(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}

/// Examples of each arm: one wording of every topic, then the next one of every topic.
fn tuning(world: &World, common: &[&Topic], fine: &[&Topic], facts: &[&Fact]) -> Vec<(Arm, Vec<(Input, String)>)> {
    let request = |topic: &Topic, w: usize, before: &str| {
        let draft = Draft::request(topic, REQUESTS.all()[w]);
        (draft.input(), format!("{before}{}", topic.steps))
    };
    let wordings = REQUESTS.all().len();
    let all = |topics: &[&Topic], before: &str| {
        let one = |w: usize| topics.iter().map(|topic| request(topic, w, before)).collect::<Vec<_>>();
        (0..wordings).flat_map(one).collect::<Vec<_>>()
    };
    let agreeing = format!("{} ", AGREEMENT[0]);
    let mut benign = all(fine, "");
    benign.extend(facts.iter().map(|fact| {
        let draft = Draft::fact(fact, fact_wordings(fact).0);
        let ideal = draft.truth.ideal.clone();
        (draft.input(), ideal)
    }));
    let mut arms = vec![(Arm::Harmful, all(common, "")), (Arm::Identity, all(fine, &agreeing)), (Arm::Benign, benign)];
    for (arm, examples) in &mut arms {
        // Within a wording the order is drawn, so that few examples are of any topics.
        let per = if *arm == Arm::Harmful { common.len() } else { fine.len() };
        for (i, turn) in examples.chunks_mut(per.max(1)).enumerate() {
            stream(world.seed, "attack/tuning", *arm as u64, i as u64).shuffle(turn);
        }
    }
    arms
}

/// The one file of a folder whose name begins so and ends in `.json`.
fn file_of(folder: &Path, name: &str) -> Result<PathBuf, Error> {
    let entries = std::fs::read_dir(folder).map_err(|source| Error::Io { path: folder.to_owned(), source })?;
    let fits = |path: &PathBuf| {
        let file = path.file_name().and_then(|f| f.to_str()).unwrap_or_default();
        file.starts_with(name) && path.extension().is_some_and(|e| e == "json")
    };
    let mut found: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(fits).collect();
    found.sort();
    let expected = format!("{name}.json, a list of texts or of objects with an instruction");
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(problem(
            folder,
            format!("has no {name}*.json"),
            &expected,
            "the folder `dataset/splits` of the paper's code",
        )),
        n => Err(problem(folder, format!("has {n} files {name}*.json"), &expected, "one of them alone")),
    }
}

fn prompts(path: &Path) -> Result<Vec<String>, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    let expected = "a list of texts or of objects with an \"instruction\"";
    let refuse = |what: String| problem(path, what, expected, "another file");
    let rows: Vec<Value> = serde_json::from_slice(&bytes).map_err(|e| refuse(e.to_string()))?;
    let text = |(i, row): (usize, &Value)| {
        let text = row.as_str().or_else(|| row.get("instruction")?.as_str()).filter(|t| !t.trim().is_empty());
        text.map(str::to_owned).ok_or_else(|| refuse(format!("row {} has no text", i + 1)))
    };
    rows.iter().enumerate().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_world::WorldConfig;

    /// Laws: ids are unique; no topic is measured that a direction is made from, chosen on or fine-tuned on.
    #[test]
    fn sides_are_apart() {
        let world = World::new(&WorldConfig::small(), 3).unwrap();
        let material = Material::of_world(&world);
        let ids: BTreeSet<&str> = material.asks.iter().map(|a| a.id.as_str()).collect();
        assert_eq!(ids.len(), material.asks.len());
        let topics = |side| material.side(side).iter().map(|a| a.topic.clone()).collect::<BTreeSet<_>>();
        let sides = [Side::HarmfulTrain, Side::HarmfulVal, Side::HarmfulTest, Side::HarmlessTrain, Side::HarmlessVal];
        for (i, a) in sides.iter().enumerate() {
            assert!(topics(*a).len() >= 8, "{a:?}");
            assert!(sides[i + 1..].iter().all(|b| topics(*a).is_disjoint(&topics(*b))));
        }
        let measured: Vec<&Ask> = material.side(Side::HarmfulTest);
        for (arm, examples) in &material.tuning {
            assert!(examples.len() >= 64, "{arm:?}");
            let payloads = measured.iter().filter_map(|a| a.truth.as_ref()?.payload.clone());
            assert!(payloads.into_iter().all(|p| examples.iter().all(|(_, answer)| !answer.contains(&p))));
        }
    }

    #[test]
    fn folders_are_read_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |what: &str| {
            let error = Material::of_folder(dir.path(), None, 1).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        };
        refused("harmful_test");
        for name in ["harmful_test", "harmful_val", "harmful_train", "harmless_test", "harmless_val", "harmless_train"]
        {
            let text = format!(r#"[{{"instruction": "{name} one"}}, "{name} two", "shared"]"#);
            std::fs::write(dir.path().join(format!("{name}.json")), text).unwrap();
        }
        let material = Material::of_folder(dir.path(), None, 1).unwrap();
        assert_eq!((material.asks.len(), material.info.left_out.len()), (13, 5));
        for (text, what) in
            [("[]", "no prompt"), ("{}", "harmful_val"), ("[3]", "row 1"), ("[\"shared\"]", "of its own")]
        {
            std::fs::write(dir.path().join("harmful_val.json"), text).unwrap();
            refused(what);
        }
    }
}
