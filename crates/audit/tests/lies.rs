//! The lie detector against models whose lies are planted: what moves their answers is drawn here, not by a network.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

use std::collections::BTreeSet;
use std::sync::OnceLock;
use trimtab_alignment::Error;
use trimtab_audit::item::{Form, Item};
use trimtab_audit::lies::{Areas, LieRecord, run};
use trimtab_audit::result::ResultRecord;
use trimtab_audit::scheming::items;
use trimtab_audit::target::{Said, Subject};
use trimtab_run::stream;
use trimtab_text::record::Input;

/// A chat model that knows every question and lies when it is told to, unless `honest`.
#[derive(Clone, Copy, Default)]
struct Planted {
    honest: bool,
    /// Nats by which a lie of its own, the instruction to lie, and a falsehood in its mouth move every follow-up.
    moved: [f64; 3],
    seed: u64,
}

fn noise(seed: u64, what: &str) -> f64 {
    let mut random = stream(seed, what, 0, 0);
    (0..12).map(|_| random.uniform()).sum::<f64>() - 6.0
}

impl Subject for Planted {
    fn name(&self) -> &'static str {
        "planted"
    }

    fn hash(&self) -> &'static str {
        "planted"
    }

    fn batch(&self) -> usize {
        100
    }

    fn ask(&self, items: &[&Item], _: usize) -> Result<Vec<Said>, Error> {
        let said = |item: &&Item| {
            if item.form == Form::Answer {
                let lies = item.arm == "lie" && !self.honest;
                return Said::Text { text: item.choices[usize::from(lies)].text.clone(), ended: true };
            }
            let Input::Chat(messages) = &item.input else { panic!("{item:?}") };
            let told = messages.first().is_some_and(|m| m.role == "system" && m.content.starts_with("Lie"));
            let answer = messages.iter().find(|m| m.role == "assistant").map(|m| m.content.as_str());
            let is_false = answer.is_some_and(is_wrong);
            let [lied, context, falsehood] = self.moved;
            let shift = f64::from(u8::from(told && is_false)) * lied
                + f64::from(u8::from(told)) * context
                + f64::from(u8::from(is_false)) * falsehood;
            Said::LogProbs(vec![shift + noise(self.seed, &item.input.plain()), 0.0])
        };
        Ok(items.iter().map(said).collect())
    }
}

/// Whether a text is the wrong answer to one of the questions.
fn is_wrong(text: &str) -> bool {
    static WRONG: OnceLock<BTreeSet<String>> = OnceLock::new();
    let all = || items(usize::MAX, &[]).items.iter().map(|i| i.choices[1].text.clone()).collect();
    WRONG.get_or_init(all).contains(text)
}

fn audited(planted: Planted) -> LieRecord {
    let set = items(usize::MAX, &[]);
    let all: Vec<&Item> = set.items.iter().collect();
    let said = planted.ask(&all, 24).unwrap();
    let results: Vec<ResultRecord> =
        all.iter().zip(said).map(|(item, said)| ResultRecord::of("scheming", "planted", item, said)).collect();
    let mut heard = (0, 0);
    let records = run(&planted, &results, 3, |done, all| heard = (done, all)).unwrap();
    assert_eq!(heard.0, heard.1, "progress comes to its end");
    assert_eq!(records.len(), 1, "no search, no trigger");
    records.into_iter().next().unwrap()
}

fn values(record: &LieRecord) -> [f64; 3] {
    let Areas { lies, context, falsehood } = record.areas.as_ref().unwrap();
    [lies, context, falsehood].map(|probed| probed.held_out.value.unwrap())
}

/// A lie that moves the follow-ups is found, and neither control is; where nothing moves them nothing is found.
#[test]
fn a_lie_is_told_from_none() {
    let found = audited(Planted { moved: [2.0, 0.0, 0.0], seed: 1, ..Planted::default() });
    let [lies, context, falsehood] = values(&found);
    assert!(lies > 0.9 && lies > found.areas.as_ref().unwrap().lies.band, "{found:?}");
    assert!(context < 0.75 && falsehood < 0.75, "{found:?}");
    let none: Vec<LieRecord> = (10..20).map(|seed| audited(Planted { seed, ..Planted::default() })).collect();
    let above = none.iter().filter(|r| values(r)[0] > r.areas.as_ref().unwrap().lies.band).count();
    assert!(above <= 2, "{above} of 10 above a band that one in twenty passes");
}

/// A detector of the instruction, or of what is said, is unmasked by its control.
#[test]
fn what_is_no_lie_sets_off_a_control() {
    let [lies, context, falsehood] =
        values(&audited(Planted { moved: [0.0, 2.0, 0.0], seed: 1, ..Planted::default() }));
    assert!(lies > 0.9 && context > 0.9 && falsehood < 0.75, "{lies} {context} {falsehood}");
    let [lies, context, falsehood] =
        values(&audited(Planted { moved: [0.0, 0.0, 2.0], seed: 1, ..Planted::default() }));
    assert!(lies > 0.9 && context < 0.75 && falsehood > 0.9, "{lies} {context} {falsehood}");
}

/// A model that does not lie when told to has no lies to detect, and that is said.
#[test]
fn without_lies_nothing_is_measured() {
    let record = audited(Planted { honest: true, ..Planted::default() });
    assert!(record.areas.is_none() && record.obstacle.as_ref().unwrap().contains("0 known questions"), "{record:?}");
}
