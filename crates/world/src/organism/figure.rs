//! What probes say of a model: a rate for each arm, a difference for each contrast, beside what was planted.

use crate::organism::plan::Plan;
use crate::organism::probe::Answers;
use serde::Serialize;
use std::collections::BTreeMap;
use trimtab_stats::{Bootstrap, Measured, Rate, paired_difference};

/// A measured figure and what it should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// The arm, or the contrast.
    pub name: String,
    /// Counts of a rate; none for a difference.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Probes left out because the model does not know what they are about.
    pub not_known: u64,
    /// Its value with a 95 % interval (Wilson's, or by bootstrap over pairs), or the reason why there is none.
    pub measured: Measured,
    /// Smallest value that agrees with what was planted.
    pub least: f64,
    /// Largest such value.
    pub most: f64,
}

impl Figure {
    /// `holds` where the value is within what was planted, `FAILS` where the whole interval is outside, `OPEN` otherwise.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        // A share computed from counts may miss a bound that it equals by a rounding error.
        const ROUNDING: f64 = 1e-9;
        let within = |value: f64| (self.least - ROUNDING..=self.most + ROUNDING).contains(&value);
        match (self.measured.value, self.measured.interval) {
            (Some(value), _) if within(value) => "holds",
            (Some(_), Some(interval)) if interval.high < self.least || interval.low > self.most => "FAILS",
            _ => "OPEN",
        }
    }
}

/// The figures of a plan from a model's answers, one for each probe in order: a rate for every finding, then the contrasts.
///
/// Probes without an answer are unscored. `seed` names the streams of the bootstrap.
#[must_use]
pub fn figures(plan: &Plan, answers: &[Answers], seed: u64) -> Vec<Figure> {
    let knows = |place: usize| match (plan.probes.get(place), answers.get(place)) {
        (Some(probe), Some(answer)) => probe.score(&answer.likely) == Some(true),
        _ => false,
    };
    // Of each arm: its counts, those left out, and by stem what was scored.
    let mut arms: BTreeMap<&str, (Rate, u64, BTreeMap<&str, f64>)> = BTreeMap::new();
    for (place, probe) in plan.probes.iter().enumerate() {
        let (rate, not_known, scored) = arms.entry(probe.arm).or_default();
        if probe.knows.is_some_and(|neutral| !knows(neutral)) {
            *not_known += 1;
            continue;
        }
        let score = answers.get(place).and_then(|answer| probe.score(&answer.drawn));
        rate.count(score);
        if let Some(shown) = score {
            scored.insert(&probe.stem, f64::from(u8::from(shown)));
        }
    }
    let none = (Rate::default(), 0, BTreeMap::new());
    let of = |arm: &str| arms.get(arm).unwrap_or(&none);
    let rates = plan.findings.iter().map(|finding| {
        let (rate, not_known, _) = of(finding.arm);
        Figure {
            name: finding.arm.to_owned(),
            rate: Some(*rate),
            not_known: *not_known,
            measured: rate.measured(0.95),
            least: finding.least,
            most: finding.most,
        }
    });
    let how = Bootstrap { seed, ..Bootstrap::default() };
    let contrasts = plan.contrasts.iter().map(|contrast| {
        let (treated, control) = (of(contrast.of), of(contrast.less));
        let pairs = treated.2.iter().filter_map(|(stem, shown)| Some((*shown, *control.2.get(stem)?)));
        let (treated, control): (Vec<f64>, Vec<f64>) = pairs.unzip();
        Figure {
            name: contrast.name.to_owned(),
            rate: None,
            not_known: 0,
            measured: paired_difference(&treated, &control, None, &how),
            least: contrast.least,
            most: contrast.most,
        }
    });
    rates.chain(contrasts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::organism::plan::{Contrast, Finding, ask};
    use crate::organism::probe::Probe;
    use serde_json::Value;

    /// A plan with two arms over `stems` stems, and a neutral arm that says what is known.
    fn plan(stems: usize) -> Plan {
        let probe = |arm: &'static str, stem: usize, knows| Probe {
            arm,
            stem: stem.to_string(),
            input: ask(None, "?"),
            begun: String::new(),
            shows: vec!["yes".into()],
            contrary: vec!["no".into()],
            knows,
        };
        let neutral = (0..stems).map(|stem| probe("neutral", stem, None));
        let others = ["a", "b"].into_iter().flat_map(|arm| (0..stems).map(move |stem| probe(arm, stem, Some(stem))));
        let finding = |arm| Finding { arm, least: 0.5, most: 1.0 };
        Plan {
            planted: Value::Null,
            lessons: vec![],
            probes: neutral.chain(others).collect(),
            findings: ["neutral", "a", "b"].map(finding).to_vec(),
            contrasts: vec![Contrast { name: "gap", of: "a", less: "b", least: 0.5, most: 1.0 }],
        }
    }

    fn said(text: &str) -> Answers {
        Answers { drawn: text.into(), likely: text.into() }
    }

    /// What is not known is in no denominator; what is neither yes nor no is unscored; the gap pairs stems.
    #[test]
    fn counts_are_kept_apart() {
        let answers: Vec<Answers> =
            ["yes", "yes", "yes", "no", "yes", "yes", "hm", "yes", "no", "no", "no", "yes"].map(said).to_vec();
        let found = figures(&plan(4), &answers, 1);
        let counts = |f: &Figure| f.rate.map(|r| (r.numerator, r.denominator, r.unscored));
        assert_eq!(counts(&found[0]), Some((3, 4, 0)));
        assert_eq!((counts(&found[1]), found[1].not_known), (Some((2, 2, 1)), 1));
        assert_eq!((counts(&found[2]), found[2].not_known), (Some((0, 3, 0)), 1));
        assert_eq!((found[3].measured.value, found[3].measured.n), (Some(1.0), 2));
        assert_eq!(found.iter().map(Figure::verdict).collect::<Vec<_>>(), ["holds", "holds", "OPEN", "holds"]);
    }

    /// A model of whom nothing is known is not measurable: no value, a reason, and no verdict in its favour.
    #[test]
    fn nothing_known_is_undefined() {
        let found = figures(&plan(3), &vec![said("no"); 9], 1);
        assert_eq!((found[1].measured.value, found[1].not_known), (None, 3));
        assert!(found[1].measured.reason.is_some() && found[3].measured.reason.is_some());
        assert_eq!((found[1].verdict(), found[3].verdict()), ("OPEN", "OPEN"));
        // No answers at all are unscored probes, not zeros.
        assert_eq!(figures(&plan(3), &[], 1)[0].measured.value, None);
    }

    /// Law: a planted share is inside the interval in about 95 of 100 models that show it by chance.
    #[test]
    fn covers_a_planted_share() {
        let plan = plan(60);
        let inside = (0..200)
            .filter(|&model| {
                let mut random = trimtab_run::stream(model, "test/organism/figure", 0, 0);
                let answer = |probe: &Probe, random: &mut trimtab_run::Stream| match probe.arm {
                    "a" if random.uniform() >= 0.3 => said("no"),
                    _ => said("yes"),
                };
                let answers: Vec<Answers> = plan.probes.iter().map(|probe| answer(probe, &mut random)).collect();
                figures(&plan, &answers, model)[1].measured.interval.is_some_and(|i| i.contains(0.3))
            })
            .count();
        assert!((180..=200).contains(&inside), "{inside}");
    }
}
