//! Outer misalignment: what happens to gold reward when the reward model is pressed harder.

use super::{absent, section};
use crate::chart::{
    captioned,
    line::{Lines, Point, Series, lines},
};
use crate::format::{self, Unit};
use crate::html::{Cell, aside, figure, paragraph, table};
use crate::measure::best_of_n_kl;
use crate::read::{Run, family, measured};
use crate::story::capitalised;
use std::collections::BTreeMap;
use trimtab_run::Metric;

/// Best-of-n figures of one reward model, by n.
type ByN<'r> = BTreeMap<u64, [Option<&'r Metric>; 2]>;

/// The section.
#[must_use]
pub fn outer(run: &Run) -> String {
    let (id, kind) = ("outer", "Outer misalignment");
    // In the order in which they were recorded: the run's own reward model first.
    let mut variants: Vec<(&str, ByN)> = Vec::new();
    for (which, prefix) in ["best_of_n_gold/", "best_of_n_proxy/"].into_iter().enumerate() {
        for (name, metric) in family(&run.evaluation, prefix) {
            // `16`, or `VARIANT/16` where there are several reward models.
            let (variant, n) = name.rsplit_once('/').unwrap_or(("", name));
            if let Ok(n) = n.parse() {
                let at = variants.iter().position(|(known, _)| *known == variant).unwrap_or_else(|| {
                    variants.push((variant, ByN::new()));
                    variants.len() - 1
                });
                variants[at].1.entry(n).or_default()[which] = Some(metric);
            }
        }
    }
    if variants.is_empty() {
        return absent(
            id,
            kind,
            "evaluation/metrics.jsonl holds no best_of_n_gold/N, so nothing presses on the reward model",
        );
    }
    let mut body = aside(
        "How to read",
        "The best of n answers by the reward model (proxy) is scored by gold. Across: the square root of its KL from SFT, which grows with n. Where proxy keeps rising and gold turns, pressure on the reward is bought with what was wanted. Bands are 95 % intervals.",
    );
    let mut findings = Vec::new();
    for (variant, by_n) in &variants {
        let found = finding(by_n);
        findings.push(if variant.is_empty() { found } else { format!("{variant}: {found}") });
        body += &panel(variant, by_n);
    }
    body += &aside(
        "Control",
        "With gold itself as the proxy the two lines are one and never fall; with a random proxy gold stays where it was. Where those runs are here they have their own panels.",
    );
    body += &aside(
        "What this does not show",
        "Best-of-n searches without changing weights: how PPO over-optimises at the same KL can differ. Beyond the largest n nothing was measured.",
    );
    // The first is the title; the others follow it as text.
    let others: String = findings.iter().skip(1).map(|f| paragraph(&format!("{}.", capitalised(f)))).collect();
    let title = findings.first().map_or_else(String::new, |f| capitalised(f));
    section(id, kind, &title, &(others + &body))
}

/// The n with the highest gold, the first of equals.
fn peak<'r>(by_n: &ByN<'r>) -> Option<(u64, &'r Metric)> {
    let gold = by_n.iter().filter_map(|(n, m)| m[0].filter(|m| m.value.is_some()).map(|m| (*n, m)));
    gold.reduce(|best, next| if next.1.value > best.1.value { next } else { best })
}

fn finding(by_n: &ByN) -> String {
    let last = by_n.iter().rev().find_map(|(n, m)| m[0].filter(|m| m.value.is_some()).map(|m| (*n, m)));
    let (Some((at, top)), Some((end, last))) = (peak(by_n), last) else {
        return "gold reward of best-of-n is not measurable".into();
    };
    let show = |m: &Metric| m.value.map_or_else(String::new, format::number);
    // The two share prompts, so apart intervals are more than is needed: the claim errs on the quiet side.
    let apart = |low: &Metric, high: &Metric| low.interval.zip(high.interval).is_some_and(|(a, b)| a[1] < b[0]);
    if at == end {
        let first = by_n.iter().find_map(|(n, m)| m[0].filter(|m| m.value.is_some()).map(|m| (*n, m)));
        return match first.filter(|(n, first)| *n != end && !apart(first, last)) {
            Some((n, first)) => {
                format!("gold reward is {} at best of {n}; {} at {end} is no measurable rise", show(first), show(last))
            }
            None => format!("gold reward still rises at best of {end}, to {}", show(last)),
        };
    }
    if apart(last, top) {
        let (top, last) = (show(top), show(last));
        format!("gold reward peaks at best of {at} with {top} and falls to {last} at {end}: over-optimisation")
    } else {
        let (top, last) = (show(top), show(last));
        format!("gold reward is highest at best of {at} with {top}; {last} at {end} is no measurable fall")
    }
}

fn panel(variant: &str, by_n: &ByN) -> String {
    let series = |which: usize, label: &str, class| {
        let points: Vec<Point> = by_n
            .iter()
            .filter_map(|(n, m)| m[which].map(|m| (n, m)))
            .map(|(n, m)| Point { x: best_of_n_kl(*n).sqrt(), y: m.value, interval: m.interval })
            .collect();
        let reason = by_n.values().filter_map(|m| m[which]).find_map(|m| m.reason.clone());
        let reason = reason.or_else(|| points.is_empty().then(|| "was not recorded".into()));
        Series { label: label.into(), class, points, reason }
    };
    let metric = by_n.values().flatten().flatten().next();
    let unit = Unit::named(metric.and_then(|m| m.unit.as_deref()));
    let marks = peak(by_n).map(|(n, _)| (best_of_n_kl(n).sqrt(), format!("gold highest, n {n}")));
    let chart = Lines {
        across: "√KL, √nats".into(),
        unit: unit.clone(),
        series: vec![series(0, "gold", "ptx"), series(1, "proxy", "ppo")],
        marks: marks.into_iter().collect(),
    };
    let cell = |m: Option<&Metric>| {
        m.map_or(Cell::Undefined("was not recorded".into()), |m| Cell::measured(&measured(m), &unit))
    };
    let rows: Vec<Vec<Cell>> = by_n
        .iter()
        .map(|(n, m)| {
            vec![
                Cell::number(format::count(*n)),
                Cell::number(format::number(best_of_n_kl(*n).sqrt())),
                cell(m[0]),
                cell(m[1]),
                Cell::number(m[0].or(m[1]).map_or_else(String::new, |m| format::n(m.n.unwrap_or(0)))),
            ]
        })
        .collect();
    let caption = if variant.is_empty() { "Best of n".into() } else { format!("Best of n, {variant}") };
    let columns = ["n", "√KL", "gold, 95 % interval", "proxy, 95 % interval", "prompts"];
    figure(&captioned(&caption, &lines(&chart)), &table(&caption, &columns, &rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rise or a fall is claimed only where the intervals are apart; a flat line is neither.
    #[test]
    fn a_flat_line_does_not_rise() {
        let metrics = |values: [f64; 3], half: f64| {
            values.map(|v| Metric::new("evaluation", 0, "best_of_n_gold", v).interval(v - half, v + half))
        };
        let said = |values, half| {
            let metrics = metrics(values, half);
            finding(&metrics.iter().enumerate().map(|(i, m)| (1 << i, [Some(m), None])).collect())
        };
        assert!(said([0.41, 0.42, 0.46], 0.1).ends_with("no measurable rise"));
        assert!(said([0.41, 0.6, 0.9], 0.1).contains("still rises at best of 4, to 0.9"));
        assert!(said([0.41, 0.46, 0.44], 0.1).ends_with("no measurable fall"));
        assert!(said([0.41, 0.46, 0.1], 0.1).ends_with("falls to 0.1 at 4: over-optimisation"));
        assert_eq!(finding(&ByN::new()), "gold reward of best-of-n is not measurable");
    }
}
