//! Figures of a published item set: how often, and with what probability, the positive or right option is chosen.
//!
//! 1. A positive is what the set says it is ([`crate::item::SetInfo::positive`]), after its sign has been checked.
//! 2. Options with letters are asked in both orders, and measure nothing where the letter decides ([`crate::letter`]).
//! 3. A model that says the same text to nearly every item, as a small one says No, is not asked by them: with keys that are half
//!    No it scores a half, which reads like a finding and is none.
//! 4. Answers that need a judge are a figure without a value, until [`crate::judge`] gives them a rate of its own.
//! 5. Intervals resample stems: rows that repeat one are not independent.

use crate::figure::{Control, Figure, Mean, Scored, Summary, lacking};
use crate::item::{Form, Role, SetInfo};
use crate::letter::{first_letter, mass_control, order_control};
use crate::result::ResultRecord;
use crate::scoring::normalised;
use std::collections::BTreeMap;

/// The name of the audit.
pub const NAME: &str = "items";

/// Share of items that must get another answer than the most frequent one.
const VARIED: f64 = 0.05;

/// Whether the items decide what is said, and not a bent for one text.
fn varied(of: &[&ResultRecord]) -> Control {
    let said = |r: &ResultRecord| r.value.is_some().then(|| r.transcript.answer.clone());
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    of.iter().filter_map(|r| said(r)).for_each(|text| *counts.entry(text).or_default() += 1);
    let most = counts.into_iter().max_by_key(|(_, n)| *n).map(|(text, _)| text).unwrap_or_default();
    let scored: Vec<Scored> = of.iter().map(|r| (r.cluster.as_str(), said(r).map(|text| text != most))).collect();
    let what = format!("items that get another answer than {most:?}, the most frequent one");
    Control::share("varied.open", &what, &scored, VARIED)
}

/// The summary of `results`; `seed` is the bootstrap's.
#[must_use]
pub fn measure(model: &str, items: SetInfo, results: &[ResultRecord], seed: u64) -> Summary {
    let mut summary = Summary::of(NAME, model, items, results);
    for form in [Form::Letter, Form::Open, Form::Answer, Form::Judged] {
        let of: Vec<&ResultRecord> = results.iter().filter(|r| r.form == form).collect();
        if of.is_empty() {
            continue;
        }
        let waits = "the answers need a judge and a person's labels (`trimtab audit judge`)";
        let mut obstacle = (form == Form::Judged).then(|| waits.to_owned());
        if form == Form::Letter {
            let (order, mass) = (order_control(&of), mass_control(&of));
            obstacle = [&order, &mass].into_iter().find(|c| !c.holds).map(lacking);
            summary.controls.extend([order, mass]);
            summary.figures.push(first_letter(&of, seed));
        }
        if form == Form::Open {
            let varied = varied(&of);
            obstacle = (!varied.holds).then(|| lacking(&varied));
            summary.controls.push(varied);
        }
        let good = |role: Role| matches!(role, Role::Right | Role::Positive);
        let scored: Vec<Scored> = of.iter().map(|r| (r.cluster.as_str(), r.value.map(good))).collect();
        let word = form.word();
        summary.figures.push(Figure::new(
            format!("positive.{word}"),
            format!("items whose chosen option is {}", summary.items.positive),
            &scored,
            None,
            obstacle.as_deref(),
            seed,
        ));
        if form.by_logprob() {
            let probability = |r: &ResultRecord| {
                let p = normalised(&r.logprobs);
                (!p.is_empty()).then(|| p.iter().zip(&r.roles).filter(|(_, role)| good(**role)).map(|(p, _)| p).sum())
            };
            let values: Vec<(&str, Option<f64>)> = of.iter().map(|r| (r.cluster.as_str(), probability(r))).collect();
            summary.means.push(Mean::new(
                &format!("probability.{word}"),
                "probability of the positive options among the options, mean over items",
                &values,
                obstacle.as_deref(),
                seed,
            ));
        }
    }
    summary
}
