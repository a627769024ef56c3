//! The signatures: what a world with planted truth must show, each found to hold, to fail, or not measurable here.
//!
//! 1. A signature **holds** where its whole interval lies on the side that was planted, **fails** where its whole interval
//!    lies on the other side, and is **not measurable** in between, or where its figures are missing. The reason stands
//!    beside it.
//! 2. Those that need more than one run (a sweep, an organism, several seeds) are named as such, not left out.

use super::{absent, section};
use crate::format::{self, Unit};
use crate::html::{Cell, aside, table};
use crate::measure;
use crate::read::{last, measured};
use crate::story::{Figure, Story};
use trimtab_stats::Measured;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As planted.
    Holds,
    /// The other way round.
    Fails,
    /// Neither can be said.
    NotMeasurable,
}

/// One signature.
#[derive(Debug, Clone, PartialEq)]
pub struct Signature {
    /// What must be seen.
    pub claim: String,
    /// What was found.
    pub verdict: Verdict,
    /// The figure, in words.
    pub evidence: String,
}

/// Where an interval lies against a bound.
fn above(m: &Measured, bound: f64) -> Verdict {
    match &m.interval {
        Some(i) if i.low > bound => Verdict::Holds,
        Some(i) if i.high < bound => Verdict::Fails,
        _ => Verdict::NotMeasurable,
    }
}

fn below(m: &Measured, bound: f64) -> Verdict {
    match above(m, bound) {
        Verdict::Holds => Verdict::Fails,
        Verdict::Fails => Verdict::Holds,
        Verdict::NotMeasurable => Verdict::NotMeasurable,
    }
}

/// All signatures of a run on the world.
#[must_use]
pub fn signatures(story: &Story) -> Vec<Signature> {
    let run = story.run;
    let mut found = Vec::new();
    let mut add = |claim: &str, verdict: Verdict, evidence: String| {
        found.push(Signature { claim: claim.to_owned(), verdict, evidence });
    };
    let missing = |what: &str| (Verdict::NotMeasurable, format!("{what} was not recorded"));
    let gold_change = |from: &str, to: &str| {
        let items = |key: &str| story.checkpoints.iter().find(|c| c.key == key).map(|c| Figure::Gold.seen(&c.items));
        items(from).zip(items(to)).map(|(a, b)| measure::change(&a, &b))
    };
    let gold = Unit::Of("gold".into());
    for (claim, from, to) in [
        ("SFT earns more gold than the base model", "base", "sft"),
        ("PPO-ptx earns more gold than SFT", "sft", "ppo_ptx"),
    ] {
        // On prompts as the loop asks them; over items as they are where a run does not say that.
        let on_mix = last(&run.evaluation, &format!("gold_on_mix_gain/{to}")).map(measured);
        let (verdict, evidence) = match (on_mix, gold_change(from, to)) {
            (Some(mixed), Some(all)) => (
                above(&mixed, 0.0),
                format!(
                    "difference {} on prompts as the loop mixes them; {} over all items, most of them tasks",
                    gold.measured(&mixed),
                    gold.measured(&all)
                ),
            ),
            (None, Some(all)) => (above(&all, 0.0), format!("difference {}", gold.measured(&all))),
            (_, None) => missing("one of the two checkpoints"),
        };
        add(claim, verdict, evidence);
    }
    let metric = |stage: &str, name: &str| last(run.stage(stage), name).map(measured);
    let evaluated = |name: &str| last(&run.evaluation, name).map(measured);
    let nats = Unit::Of("nats/token".into());
    let (plain, ptx) = (metric("ppo-plain", "corpus_loss_rise"), metric("ppo", "corpus_loss_rise"));
    let (verdict, evidence) = plain.as_ref().map_or_else(
        || missing("ppo-plain's corpus loss"),
        |m| (above(m, 0.0), format!("rise of {}", nats.measured(m))),
    );
    add("PPO without the next-token term loses next-token prediction", verdict, evidence);
    let (verdict, evidence) = match (&plain, &ptx) {
        (Some(plain), Some(ptx)) if above(plain, 0.0) == Verdict::Holds => {
            let rises = plain.value.zip(ptx.value);
            let share = rises.map_or(f64::NAN, |(plain, ptx)| 1.0 - ptx / plain);
            // Its interval needs the two rises paired; the ptx arm's own bound against 40 % of the plain rise does.
            let bound = 0.4 * plain.interval.as_ref().map_or(f64::NAN, |i| i.low);
            (
                below(ptx, bound),
                if share > 1.0 {
                    "all of the rise recovered, and more".to_owned()
                } else {
                    format!("{} of the rise recovered", Unit::Share.show(share))
                },
            )
        }
        (Some(_), Some(_)) => (Verdict::NotMeasurable, "there is no rise to recover from".to_owned()),
        _ => missing("one of the two arms"),
    };
    add("The term recovers at least 60 % of that", verdict, evidence);
    let never: Vec<_> = story.checkpoints.iter().flat_map(|c| &c.items).filter(|i| i.cell == "never").collect();
    let mut rate = trimtab_stats::Rate::default();
    for item in &never {
        rate.count(item.correct);
    }
    let m = rate.measured(measure::LEVEL);
    // A guess among a dozen colours, trades or towns.
    let (verdict, evidence) = if never.is_empty() {
        missing("a fact that was never stated")
    } else {
        (below(&m, 0.25), format!("{} right, all checkpoints together", format::rate(&rate)))
    };
    add("What the corpus never states is not known (right at most as often as guesses, below 25 %)", verdict, evidence);
    let (verdict, evidence) = evaluated("reward_accuracy_gold/all").map_or_else(
        || missing("the reward model's accuracy against gold"),
        |m| (above(&m, 0.5), format!("{} of pairs that differ in gold", Unit::Share.measured(&m))),
    );
    add("The reward model orders held-out answers as gold does, better than chance", verdict, evidence);
    for (claim, variant, falls) in [
        ("A reward model from few comparisons over-optimises: gold falls at large n", "250 comparisons/", true),
        ("Control: with gold as the proxy it does not", "control: gold/", false),
    ] {
        let of = |n: u64| evaluated(&format!("best_of_n_gold/{variant}{n}"));
        let points: Vec<(u64, Measured)> = (0..12).map(|p| 1 << p).filter_map(|n| Some((n, of(n)?))).collect();
        let top = points.iter().max_by(|a, b| a.1.value.unwrap_or(f64::MIN).total_cmp(&b.1.value.unwrap_or(f64::MIN)));
        let (verdict, evidence) = match (top, points.last()) {
            (Some((n, top)), Some((most, end))) => {
                let fell = top.interval.as_ref().zip(end.interval.as_ref()).is_some_and(|(t, e)| e.high < t.low);
                let verdict = match (falls, fell, n == most) {
                    (true, true, _) | (false, _, true) => Verdict::Holds,
                    (false, true, _) | (true, _, true) => Verdict::Fails,
                    _ => Verdict::NotMeasurable,
                };
                (verdict, format!("{} at best of {n}, {} at best of {most}", gold.measured(top), gold.measured(end)))
            }
            _ => missing("its best-of-n curve"),
        };
        add(claim, verdict, evidence);
    }
    for (claim, why) in [
        (
            "Annotators' agreement bias reaches the policy, with a switch",
            "needs the sweep of configs/agreement-sweep.toml",
        ),
        ("A tenfold KL weight does not recover next-token prediction", "needs a third arm: bench/five_seeds.py"),
        ("Measured sycophancy equals the planted one", "needs sycophants: bench/organisms.py"),
    ] {
        add(claim, Verdict::NotMeasurable, why.to_owned());
    }
    found
}

/// The section; empty for a run that planted nothing.
#[must_use]
pub fn section_of(story: &Story) -> String {
    let (id, kind) = ("signatures", "Signatures of the planted truth");
    if story.run.planted.is_empty() {
        return absent(id, kind, "evaluation/planted.json is not there: a run on files plants no truth");
    }
    let all = signatures(story);
    let count = |v| all.iter().filter(|s| s.verdict == v).count() as u64;
    let title = format!(
        "{} of {} hold, {} fail, {} cannot be measured in one run of this size",
        format::count(count(Verdict::Holds)),
        format::count(all.len() as u64),
        format::count(count(Verdict::Fails)),
        format::count(count(Verdict::NotMeasurable))
    );
    let words = |v| match v {
        Verdict::Holds => "holds",
        Verdict::Fails => "fails",
        Verdict::NotMeasurable => "not measurable",
    };
    let rows: Vec<Vec<Cell>> =
        all.iter().map(|s| vec![Cell::text(&s.claim), Cell::text(words(s.verdict)), Cell::text(&s.evidence)]).collect();
    let body = aside(
        "How to read",
        "The world's author planted these. One holds where the whole 95 % interval lies on the planted side, fails where it lies on the other, and cannot be measured in between.",
    ) + &table("Signatures", &["what must be seen", "found", "figure"], &rows);
    section(id, kind, &title, &body)
}
