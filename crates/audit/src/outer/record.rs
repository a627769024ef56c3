//! What is asked (`items.jsonl`) and what came of it (a line of `results.jsonl`).

use super::features::Features;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trimtab_text::record::{Input, Ranking, Samples, Verdict};
use trimtab_world::Truth;

/// Whose answers they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// The reference's, to choose the best of.
    Reference,
    /// The policy's.
    Policy,
    /// Answers that people ranked.
    Ranked,
}

/// How one person ranked the answers of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranks {
    /// Who, as a pseudonym; where nobody is named, nobody can be told from somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// Rank of each answer of the record, 1 is best, equal is a tie; none where it was not ranked.
    pub ranks: Vec<Option<u32>>,
}

/// A prompt to answer, or answers that were ranked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Whose answers are wanted.
    pub arm: Arm,
    /// The prompt's name.
    pub item: String,
    /// What prompts have in common: intervals resample these.
    pub cluster: String,
    /// What is asked.
    #[serde(flatten)]
    pub input: Input,
    /// What is true, on a world.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truth: Option<Truth>,
    /// The answers that were ranked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<Samples>,
    /// How people ranked them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rankings: Vec<Ranks>,
}

impl Task {
    /// Tasks from rankings: each set of ranked answers once, with everybody who ranked any of them. Counts in `left_out` what
    /// ranks nothing, and rankings of prompts or answers that the samples do not hold.
    #[must_use]
    pub fn ranked(rankings: &[Ranking], samples: &[Samples], left_out: &mut BTreeMap<String, u64>) -> Vec<Self> {
        let known: BTreeMap<&str, &Samples> = samples.iter().map(|s| (s.id.as_str(), s)).collect();
        let mut count = |why: &str| *left_out.entry(why.to_owned()).or_default() += 1;
        let mut of: BTreeMap<&str, Vec<Ranks>> = BTreeMap::new();
        for ranking in rankings {
            let Some(record) = known.get(ranking.prompt_id.as_str()) else {
                count("rankings of prompts without answers");
                continue;
            };
            if matches!(ranking.verdict, Some(Verdict::CannotJudge | Verdict::Skip)) || ranking.ranks.len() < 2 {
                count("rankings that compare nothing");
                continue;
            }
            if ranking.ranks.keys().any(|id| record.answers.iter().all(|a| &a.id != id)) {
                count("rankings of answers that are not there");
                continue;
            }
            let ranks = record.answers.iter().map(|a| ranking.ranks.get(&a.id).copied()).collect();
            of.entry(record.id.as_str()).or_default().push(Ranks { person: ranking.person.clone(), ranks });
        }
        let task = |(id, rankings): (&str, Vec<Ranks>)| {
            let record = known.get(id)?;
            Some(Self {
                arm: Arm::Ranked,
                item: id.to_owned(),
                cluster: record.group.clone().unwrap_or_else(|| id.to_owned()),
                input: record.input.clone(),
                truth: None,
                samples: Some((*record).clone()),
                rankings,
            })
        };
        of.into_iter().filter_map(task).collect()
    }
}

/// One answer with what is known of it. Either `proxy` or `unscored` is there, never both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// The answer.
    pub text: String,
    /// Its score by the reward model, in units of reward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<f64>,
    /// Why there is no score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unscored: Option<String>,
    /// Its gold reward, on a world.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gold: Option<f64>,
    /// ln of how much likelier the policy says it than the reference, in nats; of the policy's answers alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl: Option<f64>,
    /// Whether it was cut at the longest length.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// What it has.
    #[serde(flatten)]
    pub features: Features,
}

/// All answers of one arm to one prompt: a line of `results.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The audit.
    pub audit: String,
    /// The prompt.
    pub item: String,
    /// Whose answers.
    pub arm: Arm,
    /// What intervals resample.
    pub cluster: String,
    /// The answers.
    pub answers: Vec<Said>,
    /// How people ranked them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rankings: Vec<Ranks>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn records<T: serde::de::DeserializeOwned>(values: &[serde_json::Value]) -> Vec<T> {
        values.iter().map(|v| serde_json::from_value(v.clone()).unwrap()).collect()
    }

    /// Two people on one prompt are one task; what compares nothing, or answers that are not there, is counted.
    #[test]
    fn rankings_become_tasks() {
        let answer = |id: &str| json!({"id": id, "text": id, "tokens": [], "logprobs": [], "seed": 0, "stop": "eos"});
        let samples: Vec<Samples> = records(&[
            json!({"id": "p", "prompt": "?", "group": "g", "answers": [answer("a"), answer("b"), answer("c")]}),
        ]);
        let ranking = |prompt: &str, ranks: serde_json::Value, person: &str| json!({"prompt_id": prompt, "answers": ["a", "b", "c"], "shown": ["a", "b", "c"], "ranks": ranks, "person": person});
        let rankings: Vec<Ranking> = records(&[
            ranking("p", json!({"a": 2, "b": 1}), "x"),
            ranking("p", json!({"a": 1, "b": 1, "c": 2}), "y"),
            ranking("q", json!({"a": 1, "b": 2}), "x"),
            ranking("p", json!({"a": 1}), "z"),
            ranking("p", json!({"a": 1, "d": 2}), "z"),
        ]);
        let mut left_out = BTreeMap::new();
        let tasks = Task::ranked(&rankings, &samples, &mut left_out);
        assert_eq!((tasks.len(), tasks[0].cluster.as_str()), (1, "g"));
        assert_eq!(tasks[0].rankings[0].ranks, [Some(2), Some(1), None]);
        assert_eq!(tasks[0].rankings.len(), 2);
        assert_eq!(left_out.values().sum::<u64>(), 3);
        assert_eq!(left_out.len(), 3, "{left_out:?}");
        let line = serde_json::to_string(&tasks[0]).unwrap();
        assert_eq!(serde_json::from_str::<Task>(&line).unwrap(), tasks[0]);
    }
}
