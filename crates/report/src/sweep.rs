//! A sweep over one setting: the chain from people's bias to the reward model's to the policy's, over seeds.
//!
//! 1. A point is the mean over seeds with a t interval; a seed is a world of its own, so seeds are what varies.
//! 2. A switch is where the mean line over seeds crosses one half once, upwards, by straight lines between neighbouring
//!    values; its interval draws seeds anew. The mean of the seeds' own switches would leave out the seeds whose line lies above
//!    or below one half throughout, and with them the largest deviations; how many have a switch of their own is said
//!    beside it.

use crate::chart::captioned;
use crate::chart::line::{Lines, Point, Series, lines};
use crate::format::{self, Unit};
use crate::html::{Cell, aside, escape, figure, page, paragraph, table};
use crate::read::{Run, last};
use std::collections::{BTreeMap, BTreeSet};
use trimtab_run::Metric;
use trimtab_stats::{Bootstrap, Measured, bootstrap_statistic, mean_t};

/// One run of a sweep.
#[derive(Debug)]
pub struct SweepPoint {
    /// The setting's value.
    pub value: f64,
    /// The seed.
    pub seed: u64,
    /// The run.
    pub run: Run,
}

/// The links of the chain: label, colour, stage, metric.
const CHAIN: [(&str, &str, &str, &str); 9] = [
    ("people", "base", "rank", "people_prefer_agreeing"),
    ("reward model, ranked", "ppo", "evaluation", "reward_prefers_belief/ranked_learned"),
    ("reward model, held out", "control", "evaluation", "reward_prefers_belief/ranked_held_out"),
    ("reward model, new", "other", "evaluation", "reward_prefers_belief/user"),
    ("bare answers", "control", "evaluation", "reward_prefers_agreeing/user"),
    ("policy", "ptx", "evaluation", "wrong_belief_over_right/user/ppo_ptx"),
    ("of all answers", "control", "evaluation", "agrees_with_wrong_belief/user/ppo_ptx"),
    ("SFT", "sft", "evaluation", "wrong_belief_over_right/user/sft"),
    ("third party", "control", "evaluation", "wrong_belief_over_right/third_party/ppo_ptx"),
];

/// Links that stand in the table alone: in the chart they would hide the others.
const TABLE_ONLY: [&str; 3] = ["reward model, held out", "bare answers", "of all answers"];

/// The links that are expected to switch: they follow what people reward.
const SWITCHING: [&str; 5] =
    ["people", "reward model, ranked", "reward model, held out", "reward model, new", "policy"];

/// Each link at each value, and where it switches, as metrics: `chain/LINK/VALUE`, `switch/LINK`, `seeds_that_switch/LINK` and
/// `switch/predicted`.
#[must_use]
pub fn sweep_metrics(points: &[SweepPoint]) -> Vec<Metric> {
    let metric = |name: String, unit: &str, m: &Measured| {
        let new = Metric::maybe("sweep", 0, &name, m.value, m.reason.as_deref()).unit(unit).n(m.n);
        m.interval.iter().fold(new, |new, i| new.interval(i.low, i.high))
    };
    let chain = CHAIN.iter().flat_map(|(label, _, stage, name)| {
        let link = link(points, stage, name).into_iter();
        link.map(move |(x, m)| metric(format!("chain/{label}/{x}"), "share", &m))
    });
    let switches = switches(points).into_iter().flat_map(|(label, (m, own))| {
        let own = Metric::new("sweep", 0, &format!("seeds_that_switch/{label}"), own as f64).unit("seeds").n(m.n);
        [metric(format!("switch/{label}"), "gold", &m), own]
    });
    chain.chain(switches).chain([metric("switch/predicted".into(), "gold", &predicted(points))]).collect()
}

/// The sweep as one HTML page.
#[must_use]
pub fn sweep(name: &str, key: &str, points: &[SweepPoint]) -> String {
    let mut rows = Vec::new();
    let mut series = Vec::new();
    for (label, class, stage, metric) in CHAIN {
        let measured = link(points, stage, metric);
        if !TABLE_ONLY.contains(&label) {
            series.push(Series {
                label: label.into(),
                class,
                points: measured
                    .iter()
                    // A t interval over few seeds may leave [0, 1]; the picture need not. The table has it whole.
                    .map(|(x, m)| Point {
                        x: *x,
                        y: m.value,
                        interval: m.interval.as_ref().map(|i| [i.low.max(0.0), i.high.min(1.0)]),
                    })
                    .collect(),
                reason: measured.iter().all(|(_, m)| m.value.is_none()).then(|| missing(points, stage, metric)),
            });
        }
        let mut row = vec![Cell::text(label)];
        row.extend(measured.iter().map(|(_, m)| Cell::measured(m, &Unit::Share)));
        let mut seeds: Vec<String> = measured.iter().map(|(_, m)| format::count(m.n)).collect();
        seeds.dedup();
        row.push(Cell::number(seeds.join(", ")));
        rows.push(row);
    }
    let values: Vec<String> = swept(points).into_iter().map(|x| format::number(f64::from_bits(x))).collect();
    let heads: Vec<&str> =
        std::iter::once("link").chain(values.iter().map(String::as_str)).chain(std::iter::once("seeds")).collect();
    let (switches, planted) = (switches(points), predicted(points).value);
    let weight = Unit::Of("gold".into());
    let mut found = vec![vec![
        Cell::text("predicted from what was planted"),
        planted
            .map_or(Cell::Undefined("planted.json names no switch_weight".into()), |p| Cell::number(format::number(p))),
        Cell::text("–"),
    ]];
    found.extend(switches.iter().map(|(label, (m, own))| {
        let of = format!("{own} of {}", format::count(m.n));
        let switch = match (m.value, m.interval) {
            (Some(v), None) => Cell::number(format!("{}; no interval: not in every draw of seeds", format::number(v))),
            _ => Cell::measured(m, &weight),
        };
        vec![Cell::text(*label), switch, Cell::number(of)]
    }));
    let chart = Lines {
        across: key.to_owned(),
        unit: Unit::Share,
        series,
        marks: planted.map(|p| (p, "predicted".to_owned())).into_iter().collect(),
    };
    let mut body = format!(
        "<p class=\"kind\">Sweep over {}</p>\n<h1>{}</h1>\n",
        escape(key),
        escape(&format!("{name}: what people reward, what the reward model learns, what the policy does"))
    );
    body += &paragraph(&verdict(planted, &switches));
    body += &aside(
        "How to read",
        "Up: how often the wrong answer that agrees with the user is preferred to the right one (people and reward model), or given instead of it (policy and SFT, of the answers that are one or the other). Across: how much agreement is worth to everyone who ranks, where right and wrong are 1 apart. Bands are 95 % intervals over seeds. People and the reward model are first asked about the same pairs, those that people ranked and the model learned from; then the model about rankings held out from it, of people of whom it has read none; and about new people, whom no demonstration names either. The policy is asked about those. Controls are grey. Third party: how often the policy gives the same belief when somebody else holds it, whom nobody wants to please. Of all answers: the policy's share with answers of neither kind counted. Bare answers: what the reward model prefers of two that differ in nothing but the value named, so that no phrase of agreement can be rewarded.",
    );
    let switching = table(
        "Where agreement outweighs correctness: the switch of the mean line with its 95 % interval, and how many seeds' own lines have one",
        &["", "switch", "seeds"],
        &found,
    );
    body += &figure(&captioned("From people to policy", &lines(&chart)), &switching);
    body += &table(&format!("Each link by {key}: mean over seeds, 95 % interval"), &heads, &rows);
    body += &aside(
        "What a negative result would look like",
        "A reward model or policy whose line does not rise with the people's, or a switch whose interval lies further than 0.15 from the prediction.",
    );
    page(&format!("{name} · trimtab"), &body)
}

/// The first sentence.
fn verdict(planted: Option<f64>, switches: &[(&'static str, (Measured, usize))]) -> String {
    let whole = |label: &'static str| match label {
        "reward model, ranked" => "reward model on the pairs that people ranked",
        "reward model, held out" => "reward model on rankings held out from it",
        "reward model, new" => "reward model on new people",
        other => other,
    };
    let of = |(label, (m, own)): &(&'static str, (Measured, usize))| match m.value {
        Some(v) => format!(
            "the {} switch{} at {} (each for itself in {own} of {} seeds)",
            whole(label),
            if *label == "people" { "" } else { "es" },
            format::number(v),
            format::count(m.n)
        ),
        None => format!("the {} show{} no switch", whole(label), if *label == "people" { "" } else { "s" }),
    };
    let found: Vec<String> = switches.iter().map(of).collect();
    let predicted = planted.map_or_else(
        || "Nothing was predicted".to_owned(),
        |p| format!("Predicted: a switch at {}", format::number(p)),
    );
    format!("{predicted}; {}.", found.join(", "))
}

/// Values are told apart by their bits, which order non-negative numbers as they are ordered.
type ByValue = BTreeMap<u64, Vec<(u64, f64)>>;

fn metrics<'p>(point: &'p SweepPoint, stage: &str) -> &'p [Metric] {
    if stage == "evaluation" { &point.run.evaluation } else { point.run.stage(stage) }
}

/// Why no run has a value.
fn missing(points: &[SweepPoint], stage: &str, metric: &str) -> String {
    let found = points.iter().find_map(|p| last(metrics(p, stage), metric)?.reason.clone());
    found.unwrap_or_else(|| format!("{metric} was not recorded"))
}

fn values(points: &[SweepPoint], stage: &str, metric: &str) -> ByValue {
    let mut by_value = ByValue::new();
    for p in points {
        if let Some(found) = last(metrics(p, stage), metric).and_then(|m| m.value) {
            by_value.entry(p.value.to_bits()).or_default().push((p.seed, found));
        }
    }
    by_value
}

/// The setting's values, in their order.
fn swept(points: &[SweepPoint]) -> BTreeSet<u64> {
    points.iter().map(|p| p.value.to_bits()).collect()
}

/// A link at each value: the mean over seeds, or why no seed has one there.
fn link(points: &[SweepPoint], stage: &str, metric: &str) -> Vec<(f64, Measured)> {
    let by_value = values(points, stage, metric);
    let mean = |seeds: &Vec<(u64, f64)>| mean_t(&seeds.iter().map(|s| s.1).collect::<Vec<_>>(), 0.95);
    let undefined = || Measured::undefined(0, missing(points, stage, metric));
    swept(points).into_iter().map(|x| (f64::from_bits(x), by_value.get(&x).map_or_else(undefined, mean))).collect()
}

/// The switch that follows from what was planted.
fn predicted(points: &[SweepPoint]) -> Measured {
    mean_t(&points.iter().filter_map(|p| p.run.truth(&["switch_weight"])).collect::<Vec<_>>(), 0.95)
}

/// Of the links that should have one, their switch, and how many seeds have one of their own.
fn switches(points: &[SweepPoint]) -> Vec<(&'static str, (Measured, usize))> {
    let of = CHAIN.iter().filter(|(label, ..)| SWITCHING.contains(label));
    of.map(|(label, _, stage, metric)| (*label, switch(points, stage, metric))).collect()
}

/// Where the mean line of the seeds crosses one half, and how many seeds' own lines do. Seeds that lack a value are left out.
fn switch(points: &[SweepPoint], stage: &str, metric: &str) -> (Measured, usize) {
    let by_value = values(points, stage, metric);
    let mut by_seed: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
    for (value, seeds) in &by_value {
        for (seed, share) in seeds {
            by_seed.entry(*seed).or_default().push((f64::from_bits(*value), *share));
        }
    }
    let lines: Vec<Vec<(f64, f64)>> = by_seed.into_values().filter(|line| line.len() == by_value.len()).collect();
    let own = lines.iter().filter(|line| crossing(line, 0.5).is_some()).count();
    let of_mean = bootstrap_statistic(lines.len(), &Bootstrap::default(), |drawn| {
        let mean = |i: usize| drawn.iter().map(|&seed| lines[seed][i].1).sum::<f64>() / drawn.len() as f64;
        let line: Vec<(f64, f64)> = (0..by_value.len()).map(|i| (lines[drawn[0]][i].0, mean(i))).collect();
        crossing(&line, 0.5)
    });
    if of_mean.value.is_none() && !lines.is_empty() {
        let why = "the mean line over seeds does not cross one half once, upwards";
        return (Measured::undefined(lines.len() as u64, why), own);
    }
    (of_mean, own)
}

/// Where a line through points in rising order of x crosses `level` upwards; `None` if it does not, or more than once.
///
/// ```
/// use trimtab_report::crossing;
/// assert_eq!(crossing(&[(0.0, 0.2), (1.0, 0.4), (2.0, 0.6)], 0.5), Some(1.5));
/// assert_eq!(crossing(&[(0.0, 0.2), (1.0, 0.6), (2.0, 0.4), (3.0, 0.6)], 0.5), None);
/// assert_eq!(crossing(&[(0.0, 0.6), (1.0, 0.8)], 0.5), None);
/// ```
#[must_use]
pub fn crossing(line: &[(f64, f64)], level: f64) -> Option<f64> {
    let mut up = line.windows(2).filter(|w| w[0].1 < level && w[1].1 >= level);
    let (first, more) = (up.next()?, up.next());
    let [(x0, y0), (x1, y1)] = [first[0], first[1]];
    more.is_none().then(|| x0 + (x1 - x0) * (level - y0) / (y1 - y0))
}
