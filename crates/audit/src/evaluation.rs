//! Checkpoints of the world's loop against its held-out items, each answer judged by construction.
//!
//! 1. What a checkpoint **does** is one answer to each item, drawn at the temperature that the loop samples at, from one
//!    random stream per item for all checkpoints: what a model does in a fifth of its answers is seen in a fifth of the
//!    items, and not in none, as a greedy answer would have it.
//! 2. What it **knows** is its most likely answer: to the question itself where it is asked plainly, and to the neutral
//!    arm's question, with nobody to please, where a belief was stated. A request that gave its payload away, in either
//!    answer, knew it; of any other request nothing is said.
//! 3. Win rates compare gold rewards item by item, so neither order nor position enters; an equal reward is half a win.
//! 4. Items are as many of each kind as that kind's figures need, four fifths of them tasks. What a checkpoint earns on prompts as the loop
//!    asks them weighs kinds as those are mixed ([`on_mix`]).

use serde::Serialize;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;
use trimtab_alignment::Error;
use trimtab_alignment::checkpoint::Checkpoint;
use trimtab_alignment::example::Example;
use trimtab_alignment::stage::{mean_by, ratio};
use trimtab_alignment::update::negative_log_likelihoods;
use trimtab_engine::generate::{Sampling, Stop};
use trimtab_stats::{Bootstrap, Measured, bootstrap_statistic};
use trimtab_text::encode::encode_input;
use trimtab_text::record::Prompt;
use trimtab_world::{Gold, Kind, Truth, gold};

/// Answers that grow side by side.
const BATCH: usize = 64;

/// One answer of one checkpoint to one item; a line of `evaluation/items.jsonl`.
#[allow(clippy::struct_excessive_bools)] // each is a separate question about the answer
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judged {
    /// Which checkpoint: `base`, `sft`, `ppo`, `ppo_ptx`.
    pub checkpoint: String,
    /// The item's name, the same for every checkpoint.
    pub item: String,
    /// fact, skill, opinion or request.
    pub kind: Kind,
    /// The arm within the kind.
    pub cell: String,
    /// Dial of a skill, 1 to 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difficulty: Option<u32>,
    /// What items have in common: intervals resample these.
    pub cluster: String,
    /// What was asked.
    pub prompt: String,
    /// What was said.
    pub answer: String,
    /// What would have been right.
    pub expected: String,
    /// Whether the answer did what was intended.
    pub correct: bool,
    /// Whether it refused.
    pub refused: bool,
    /// Whether a refusal was due.
    pub refusal_due: bool,
    /// Whether it sided with the stated belief.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreed: Option<bool>,
    /// Whether the checkpoint knows the answer (point 2 above).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub knows: Option<bool>,
    /// Gold reward.
    pub gold: f64,
    /// Length in words.
    pub words: usize,
    /// Whether the answer came to its own end.
    pub ended: bool,
}

/// Asks `model` all items and judges what it says, in the order of items. Items without a truth are left out. `sampling`
/// says how answers are drawn; its end tokens and batch are set here.
///
/// # Errors
/// [`Error::Text`] for an item that the template refuses, [`Error::Input`] for one that the model cannot read.
pub fn judge(
    name: &str,
    model: &Checkpoint,
    path: &Path,
    items: &[Prompt],
    sampling: &Sampling,
) -> Result<Vec<Judged>, Error> {
    let tokenizer = model.tokenizer(path)?;
    let asked: Vec<(&Prompt, Truth)> = items.iter().filter_map(|item| Some((item, Truth::of(item)?))).collect();
    let prompts: Vec<Vec<u32>> =
        asked.iter().map(|(item, _)| encode_input(tokenizer, &item.input)).collect::<Result<_, _>>()?;
    let sampling = Sampling { eos: model.eos.clone(), batch: BATCH, ..sampling.clone() };
    let likely = Sampling { temperature: 0.0, ..sampling.clone() };
    let [answers, likely] = [&sampling, &likely].map(|s| model.model.generate(&prompts, 1, s, &[], |_| true));
    let mut out = Vec::with_capacity(asked.len());
    // Pair number of a question to whether its neutral arm was answered rightly.
    let mut neutral = BTreeMap::new();
    for ((item, truth), (answer, likely)) in asked.iter().zip(answers?.into_iter().zip(likely?)) {
        let text = tokenizer.decode(&answer.tokens, true)?;
        let judged = gold(truth, &text);
        let can = gold(truth, &tokenizer.decode(&likely.tokens, true)?);
        let pair = item.extra.get("pair").and_then(serde_json::Value::as_u64);
        let cell = cell(item);
        if let (Some(pair), "neutral") = (pair, cell.as_str()) {
            neutral.insert(pair, can.correct);
        }
        let mut line = line(name, item, truth, &judged, text);
        line.ended = answer.stop == Stop::Eos;
        line.cell = cell;
        line.knows = match (line.cell.as_str(), pair) {
            (_, Some(pair)) => neutral.get(&pair).copied(),
            _ if truth.kind == Kind::Request => (judged.payload || can.payload).then_some(true),
            _ => Some(can.correct),
        };
        out.push(line);
    }
    Ok(out)
}

/// The arm in an item's first tag, `KIND/ARM` or `skill/NAME/DIFFICULTY`, in the words of the report.
fn cell(item: &Prompt) -> String {
    let arm = item.tags.first().and_then(|tag| tag.split('/').nth(1)).unwrap_or("other");
    match arm {
        "wrong_user" => "wrong_first".into(),
        "right_user" => "right_first".into(),
        other => other.to_owned(),
    }
}

fn line(name: &str, item: &Prompt, truth: &Truth, judged: &Gold, answer: String) -> Judged {
    let cluster = match truth.kind {
        Kind::Fact | Kind::Opinion => truth.entity.clone(),
        Kind::Request => truth.topic.clone(),
        Kind::Skill => None,
    };
    Judged {
        checkpoint: name.to_owned(),
        item: item.id.clone(),
        kind: truth.kind,
        cell: String::new(),
        difficulty: (truth.difficulty > 0).then_some(truth.difficulty),
        cluster: cluster.unwrap_or_else(|| item.id.clone()),
        prompt: item.input.plain(),
        answer,
        expected: truth.expected.clone(),
        correct: judged.correct,
        refused: judged.refused,
        refusal_due: truth.refusal_due,
        agreed: judged.agreed,
        knows: None,
        gold: judged.reward,
        words: judged.words,
        ended: false,
    }
}

/// Next-token loss on documents, in nats per token, with an interval over documents.
///
/// # Errors
/// [`Error::Input`] for documents that the model cannot read.
pub fn corpus_loss(model: &Checkpoint, documents: &[String], seed: u64) -> Result<Measured, Error> {
    let examples: Vec<Example> =
        trimtab_world::pretrain::encode(documents).into_iter().map(Example::from_text).collect();
    let nll = negative_log_likelihoods(&model.model, &examples.iter().collect::<Vec<_>>(), 4096)?;
    Ok(ratio(&nll.into_iter().map(|(sum, n)| (sum, n as f64)).collect::<Vec<_>>(), seed))
}

/// Mean of `values`, one for each of `judged`, over prompts that mix kinds by `weight`: the mean of each kind's mean, weighted; interval
/// over clusters. Undefined where a kind with a weight has no item.
///
/// # Panics
/// If there is not one value for each.
pub fn on_mix(judged: &[Judged], values: &[f64], weight: impl Fn(Kind) -> f64, seed: u64) -> Measured {
    assert_eq!(judged.len(), values.len(), "a value for each item");
    const KINDS: [Kind; 4] = [Kind::Fact, Kind::Skill, Kind::Opinion, Kind::Request];
    let weights = KINDS.map(weight);
    if let Some(kind) = (0..4).find(|&k| weights[k] > 0.0 && judged.iter().all(|j| j.kind != KINDS[k])) {
        return Measured::undefined(0, format!("no item of a kind that is asked: {:?}", KINDS[kind]).to_lowercase());
    }
    // Sum and count of each kind.
    let mut clusters = BTreeMap::<&str, [(f64, f64); 4]>::new();
    for (j, value) in judged.iter().zip(values) {
        for (of_kind, kind) in clusters.entry(&j.cluster).or_default().iter_mut().zip(KINDS) {
            if j.kind == kind {
                *of_kind = (of_kind.0 + value, of_kind.1 + 1.0);
            }
        }
    }
    let clusters: Vec<[(f64, f64); 4]> = clusters.into_values().collect();
    bootstrap_statistic(clusters.len(), &Bootstrap { seed, ..Bootstrap::default() }, |drawn| {
        let of_kind = |k: usize| {
            let (sum, n) = drawn.iter().fold((0.0, 0.0), |(s, n), &i| (s + clusters[i][k].0, n + clusters[i][k].1));
            if weights[k] > 0.0 { weights[k] * sum / n } else { 0.0 }
        };
        Some((0..4).map(of_kind).sum::<f64>() / weights.iter().sum::<f64>())
    })
}

/// Share of items, each (cluster, the subject's gold, the control's), on which the subject earns more, ties half; interval
/// over clusters.
///
/// ```
/// use trimtab_audit::evaluation::win_rate;
/// // One win, one tie, one loss, one win: (1 + 0.5 + 0 + 1) / 4.
/// let items = [("a", 1.0, 0.0), ("b", 0.0, 0.0), ("c", 0.0, 1.0), ("d", 1.0, 0.5)];
/// assert_eq!(win_rate(items, 1).value, Some(0.625));
/// ```
pub fn win_rate<'c>(items: impl IntoIterator<Item = (&'c str, f64, f64)>, seed: u64) -> Measured {
    let won = |(cluster, subject, control): (&'c str, f64, f64)| {
        let won = match subject.partial_cmp(&control) {
            Some(Ordering::Greater) => 1.0,
            Some(Ordering::Less) => 0.0,
            _ => 0.5,
        };
        (cluster, won)
    };
    mean_by(items.into_iter().map(won), seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(kind: Kind, cluster: usize) -> Judged {
        Judged {
            checkpoint: "sft".into(),
            item: format!("{kind:?}/{cluster}"),
            kind,
            cell: String::new(),
            difficulty: None,
            cluster: cluster.to_string(),
            prompt: String::new(),
            answer: String::new(),
            expected: String::new(),
            correct: false,
            refused: false,
            refusal_due: false,
            agreed: None,
            knows: None,
            gold: 0.0,
            words: 0,
            ended: true,
        }
    }

    /// By hand: three tasks of mean 2 and one request of 8, at 1 to 3, are (2 + 24) / 4, however many there are of either; the mean over
    /// items would be 3.5.
    #[test]
    fn kinds_weigh_as_they_are_mixed() {
        let all: Vec<Judged> = [(Kind::Skill, 0), (Kind::Skill, 1), (Kind::Skill, 2), (Kind::Request, 3)]
            .map(|(k, c)| judged(k, c))
            .into();
        let weight = |kind| match kind {
            Kind::Skill => 1.0,
            Kind::Request => 3.0,
            _ => 0.0,
        };
        assert_eq!(on_mix(&all, &[1.0, 2.0, 3.0, 8.0], weight, 1).value, Some(6.5));
        let none = on_mix(&all, &[0.0; 4], |_| 1.0, 1);
        assert_eq!((none.value, none.reason.as_deref()), (None, Some("no item of a kind that is asked: fact")));
        // One request alone is missing from a third of the resamples: there is a figure and no interval.
        assert!(on_mix(&all, &[1.0, 2.0, 3.0, 8.0], weight, 1).interval.is_none());
    }

    /// Law: where kinds are as many as they weigh it is the mean, with the interval of a mean over clusters.
    #[test]
    fn a_proportional_mix_is_the_mean() {
        let all: Vec<Judged> =
            (0..200).map(|i| judged(if i % 4 == 0 { Kind::Fact } else { Kind::Opinion }, i)).collect();
        let values: Vec<f64> = (0..200).map(|i| f64::from(i * 7 % 31)).collect();
        let weight = |kind| match kind {
            Kind::Fact => 1.0,
            Kind::Opinion => 3.0,
            _ => 0.0,
        };
        let (mixed, mean) = (on_mix(&all, &values, weight, 1), mean_by(all.iter().map(|j| &j.cluster).zip(values), 1));
        assert!((mixed.value.unwrap() - mean.value.unwrap()).abs() < 1e-12);
        let width = |m: &Measured| m.interval.as_ref().map(|i| i.high - i.low).unwrap();
        assert!((width(&mixed) / width(&mean) - 1.0).abs() < 0.15, "{mixed:?} {mean:?}");
    }
}
