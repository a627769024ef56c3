//! How far to trust people: agreement, then each person's reliability and biases, then what a reward model took over.
//!
//! 1. Reliability is that of [`trimtab_stats::crowd_plackett_luce()`], biases those of [`trimtab_stats::bias_regression()`], in
//!    which an answer's quality is what *other* people's rankings say of it. The biases found are then given to the reliability
//!    model as offsets, and both are fitted once more: in one pass, people look biased against what others like.
//! 2. Coefficients are relative to the crowd. A taste that everybody shares looks like quality, and is not found here.
//!    What others miss of quality is credited to whatever goes along with it: with two people for each item, careful people
//!    seem to dislike length where padding is bad. More overlap, or covariates that quality does not go with, is the way out.
//! 3. A reward model is one more judge: its preferences between the same answers go through the same regression, with
//!    the quality that the crowd as a whole gives them.
//! 4. The ceiling takes every person to order a pair rightly with one same chance q, independently: two of them then agree in
//!    a = q² + (1 − q)² of pairs, so that q = (1 + √(2a − 1))/2. People who share a bias agree more than that, and a
//!    crowd that differs in skill has a higher ceiling for its best people than for all.

use crate::agreement::{Agreement, agreement};
use crate::{Perceived, Values};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trimtab_stats::{
    Bootstrap, Covariate, CrowdPlackettLuce, CrowdRanking, CrowdSettings, GroupRanking, Interval, ItemScores,
    JudgedPair, Measured, RanksOf, bias_regression, crowd_plackett_luce,
};
use trimtab_text::record::{Answer, Ranking, Samples, Verdict};

/// What may sway people, in the order of the regression's columns; quality comes first and is no bias.
pub const COVARIATES: [&str; 7] = ["quality", "length", "slot", "format", "agreement", "flattery", "drift"];
/// What each is measured in.
pub const UNITS: [&str; 7] = ["score", "10 words", "slot earlier", "mark", "yes", "yes", "score × sitting"];
/// Rate of false discoveries that is aimed at.
const RATE: f64 = 0.05;
/// A pause after which somebody is fresh again, in seconds.
const PAUSE: f64 = 1800.0;
/// Length of a sitting where times are not known, in rankings.
const SITTING: usize = 50;

/// One judge's coefficient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bias {
    /// Which of [`COVARIATES`].
    pub name: String,
    /// In log-odds to a unit; with its reason where it is undefined.
    pub estimate: Measured,
    /// p-value, adjusted for all tests of all people.
    pub adjusted: Option<f64>,
    /// Whether it is a finding at a false-discovery rate of 0.05.
    pub found: bool,
}

/// One judge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judge {
    /// Name, a pseudonym.
    pub person: String,
    /// Rankings that say something.
    pub rankings: u64,
    /// Inverse temperature; below 0 for an adversary.
    pub reliability: Measured,
    /// The chance that goes with it to order two typical answers as the crowd does.
    pub accuracy: Measured,
    /// What sways them.
    pub biases: Vec<Bias>,
}

/// The whole of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrowdReport {
    /// Rankings given, and of those: skipped or not judged.
    pub rankings: u64,
    /// Rankings that rank nothing.
    pub without_ranks: u64,
    /// Items ranked by more than one person.
    pub shared_items: u64,
    /// Agreement, figure by figure.
    pub agreement: Vec<Agreement>,
    /// Highest accuracy on people's held-out pairs that their agreement allows.
    pub ceiling: Measured,
    /// Why there are no reliabilities, where there are none.
    pub no_fit: Option<String>,
    /// Everybody.
    pub people: Vec<Judge>,
    /// The reward model as one more judge, where one was asked.
    pub reward_model: Option<Judge>,
}

/// An item's answers with what is to be seen of them.
struct Item<'a> {
    samples: &'a Samples,
    /// Covariates of each answer but quality, slot and drift.
    seen: Vec<[f64; 4]>,
}

/// A ranking that says something, by numbers.
struct Said {
    item: usize,
    person: usize,
    /// By answer of the item.
    ranks: Vec<Option<u32>>,
    slots: Vec<Option<usize>>,
    /// Place in the sitting, 0 to 1.
    tired: f64,
}

/// Markdown marks that catch the eye: headers, list items, bold.
fn marks(text: &str) -> f64 {
    let lines = text.lines().map(str::trim_start);
    let of_line = |line: &str| {
        let item = line.starts_with("- ") || line.starts_with("* ") || line.starts_with('#');
        let numbered =
            line.split_once(". ").is_some_and(|(n, _)| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        u32::from(item || numbered)
    };
    f64::from(lines.map(of_line).sum::<u32>()) + (text.matches("**").count() / 2) as f64
}

fn seen(samples: &Samples, answer: &Answer, values: Option<&dyn Values>) -> [f64; 4] {
    let yes = |yes: bool| f64::from(u8::from(yes));
    let of = |p: Perceived| [yes(p.agrees == Some(true)), yes(p.flatters)];
    let [agrees, flatters] = values.and_then(|v| v.perceive(samples, answer)).map_or([0.0; 2], of);
    [answer.text.split_whitespace().count() as f64 / 10.0, marks(&answer.text), agrees, flatters]
}

/// Everything about these rankings of these answers. `values` knows about agreement and flattery where the truth is known;
/// `scores` are a reward model's, by answers' records and in their order.
#[must_use]
pub fn crowd_report(
    rankings: &[Ranking],
    answers: &[Samples],
    values: Option<&dyn Values>,
    scores: Option<&[Vec<f64>]>,
) -> CrowdReport {
    let places: BTreeMap<&str, usize> = answers.iter().enumerate().map(|(i, s)| (s.id.as_str(), i)).collect();
    let of = |samples| Item { samples, seen: samples.answers.iter().map(|a| seen(samples, a, values)).collect() };
    let items: Vec<Item<'_>> = answers.iter().map(of).collect();
    let mut names: Vec<&str> = Vec::new();
    let said = read(rankings, &items, &places, &mut names);
    let mut by_item: Vec<Vec<&Said>> = (0..items.len()).map(|_| Vec::new()).collect();
    for s in &said {
        by_item[s.item].push(s);
    }
    let ranks: Vec<Vec<RanksOf>> =
        by_item.iter().map(|of| of.iter().map(|s| (s.person, s.ranks.clone())).collect()).collect();
    let agreement = agreement(&ranks, &Bootstrap::default());
    let mut report = CrowdReport {
        rankings: rankings.len() as u64,
        without_ranks: (rankings.len() - said.len()) as u64,
        shared_items: by_item.iter().filter(|of| of.iter().any(|s| s.person != of[0].person)).count() as u64,
        ceiling: ceiling(&agreement[0].over_items),
        agreement,
        no_fit: None,
        people: vec![],
        reward_model: None,
    };
    if let Err(why) = judge(&mut report, &items, &said, &names, scores) {
        report.no_fit = Some(why);
    }
    report
}

fn read<'a>(
    rankings: &'a [Ranking],
    items: &[Item<'_>],
    places: &BTreeMap<&str, usize>,
    names: &mut Vec<&'a str>,
) -> Vec<Said> {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    // Of each person: rankings in this sitting, and seconds since it began where times are known.
    let mut sitting: BTreeMap<usize, (usize, Option<f64>)> = BTreeMap::new();
    let mut said = Vec::new();
    for ranking in rankings {
        if matches!(ranking.verdict, Some(Verdict::CannotJudge | Verdict::Skip)) || ranking.ranks.len() < 2 {
            continue;
        }
        let Some(&item) = places.get(ranking.prompt_id.as_str()) else { continue };
        let name = ranking.person.as_deref().unwrap_or("unnamed");
        let person = *numbers.entry(name).or_insert_with(|| {
            names.push(name);
            names.len() - 1
        });
        let at = ranking.at.as_deref().and_then(|at| humantime::parse_rfc3339(at).ok());
        let at = at.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok()).map(|since| since.as_secs_f64());
        let entry = sitting.entry(person).or_insert((0, at));
        let paused = at.zip(entry.1).is_some_and(|(now, last)| now - last > PAUSE);
        *entry = if paused || entry.0 >= SITTING { (0, at) } else { (entry.0, at) };
        let ids = items[item].samples.answers.iter().map(|answer| &answer.id);
        said.push(Said {
            item,
            person,
            ranks: ids.clone().map(|id| ranking.ranks.get(id).copied()).collect(),
            slots: ids.map(|id| ranking.shown.iter().position(|shown| shown == id)).collect(),
            tired: entry.0 as f64 / SITTING as f64,
        });
        entry.0 += 1;
    }
    said
}

/// Highest accuracy that agreement in a share `a` of pairs allows.
fn ceiling(agreement: &Measured) -> Measured {
    let of = |a: f64| (2.0 * a - 1.0).max(0.0).sqrt().mul_add(0.5, 0.5);
    match (agreement.value, agreement.interval) {
        (Some(a), _) if a < 0.5 => {
            Measured::undefined(agreement.n, "people agree less than by chance: no one order underlies what they say")
        }
        (Some(a), Some(i)) => {
            let interval = Interval { low: of(i.low), high: of(i.high), level: i.level };
            Measured::new(of(a), interval, agreement.n)
        }
        (Some(a), None) => Measured::point(of(a), agreement.n, "the agreement has no interval"),
        (None, _) => Measured::undefined(agreement.n, agreement.reason.clone().unwrap_or_default()),
    }
}

/// Reliabilities and biases, twice; and the reward model's.
fn judge(
    report: &mut CrowdReport,
    items: &[Item<'_>],
    said: &[Said],
    names: &[&str],
    scores: Option<&[Vec<f64>]>,
) -> Result<(), String> {
    let answers: Vec<usize> = items.iter().map(|item| item.samples.answers.len()).collect();
    let mut told: Vec<CrowdRanking> =
        said.iter().map(|s| CrowdRanking::of(s.item, s.person, GroupRanking::of_ranks(&s.ranks))).collect();
    let fit = |told: &[CrowdRanking]| {
        crowd_plackett_luce(&answers, names.len(), told, &CrowdSettings::default()).map_err(|why| why.to_string())
    };
    let columns: Vec<Covariate> = COVARIATES
        .iter()
        .map(|name| if *name == "quality" { Covariate::control(name) } else { Covariate::bias(name) })
        .collect();
    let regress = |fitted: &CrowdPlackettLuce, told: &[CrowdRanking]| {
        let by_others = fitted.scores_by_others(told).map_err(|why| why.to_string())?;
        let pairs = pairs(items, said, &by_others);
        bias_regression(names.len(), &columns, &pairs, 0.95, RATE).map_err(|why| why.to_string())
    };
    let first = fit(&told)?;
    let biases = regress(&first, &told)?;
    for (s, told) in said.iter().zip(&mut told) {
        // Of what was found only: the rest is noise, and drift is not a taste for an answer.
        let slopes = &biases.people[s.person].slopes;
        let found = |c: usize| if slopes[c].found && c != 6 { slopes[c].estimate.value.unwrap_or(0.0) } else { 0.0 };
        let of = |i: usize| {
            let [length, format, agrees, flatters] = items[s.item].seen[i];
            let earlier = s.slots[i].map_or(0.0, |slot| (s.ranks.len() - 1).saturating_sub(slot) as f64);
            found(1) * length + found(2) * earlier + found(3) * format + found(4) * agrees + found(5) * flatters
        };
        told.offset = (0..s.ranks.len()).map(of).collect();
    }
    let again = fit(&told)?;
    let found = regress(&again, &told)?;
    let bias = |of: &trimtab_stats::PersonBias| -> Vec<Bias> {
        let slopes = COVARIATES.iter().zip(&of.slopes);
        slopes
            .map(|(name, slope)| Bias {
                name: (*name).to_owned(),
                estimate: slope.estimate.clone(),
                adjusted: slope.adjusted,
                found: slope.found,
            })
            .collect()
    };
    report.people = names
        .iter()
        .enumerate()
        .map(|(i, name)| Judge {
            person: (*name).to_owned(),
            rankings: said.iter().filter(|s| s.person == i).count() as u64,
            reliability: again.reliability[i].clone(),
            accuracy: again.accuracy[i].clone(),
            biases: bias(&found.people[i]),
        })
        .collect();
    if let Some(scores) = scores {
        let pairs = model_pairs(items, &again.items, scores);
        let model = bias_regression(1, &columns, &pairs, 0.95, RATE).map_err(|why| format!("reward model: {why}"))?;
        report.reward_model = Some(Judge {
            person: "reward model".into(),
            rankings: model.people[0].items,
            reliability: Measured::undefined(0, "a reward model ranks each item once, and is not of the crowd"),
            accuracy: Measured::undefined(0, "see stage reward"),
            biases: bias(&model.people[0]),
        });
    }
    Ok(())
}

/// Difference of two answers in every covariate.
fn difference(item: &Item<'_>, quality: f64, (i, j): (usize, usize), slots: &[Option<usize>], tired: f64) -> Vec<f64> {
    let [a, b] = [item.seen[i], item.seen[j]];
    let slot = match (slots[i], slots[j]) {
        (Some(first), Some(second)) => second as f64 - first as f64,
        _ => 0.0,
    };
    vec![quality, a[0] - b[0], slot, a[1] - b[1], a[2] - b[2], a[3] - b[3], quality * tired]
}

/// Every pair that somebody put into a strict order.
fn pairs(items: &[Item<'_>], said: &[Said], by_others: &[Option<ItemScores>]) -> Vec<JudgedPair> {
    let mut out = Vec::new();
    for (s, scores) in said.iter().zip(by_others) {
        let Some(scores) = scores else { continue };
        for i in 0..s.ranks.len() {
            for j in i + 1..s.ranks.len() {
                let (Some(a), Some(b)) = (s.ranks[i], s.ranks[j]) else { continue };
                let Some((quality, _)) = scores.difference(i, j).filter(|_| a != b) else { continue };
                let difference = difference(&items[s.item], quality, (i, j), &s.slots, s.tired);
                out.push(JudgedPair { person: s.person, item: s.item, first_preferred: a < b, difference });
            }
        }
    }
    out
}

/// Every pair of answers that the crowd says something about, as the reward model orders it.
fn model_pairs(items: &[Item<'_>], quality: &[Option<ItemScores>], scores: &[Vec<f64>]) -> Vec<JudgedPair> {
    let mut out = Vec::new();
    for (at, ((item, quality), scores)) in items.iter().zip(quality).zip(scores).enumerate() {
        let Some(quality) = quality else { continue };
        let nowhere = vec![None; scores.len()];
        for i in 0..scores.len().min(item.seen.len()) {
            for j in i + 1..scores.len().min(item.seen.len()) {
                let Some((better, _)) = quality.difference(i, j).filter(|_| scores[i] != scores[j]) else { continue };
                let difference = difference(item, better, (i, j), &nowhere, 0.0);
                out.push(JudgedPair { person: 0, item: at, first_preferred: scores[i] > scores[j], difference });
            }
        }
    }
    out
}
