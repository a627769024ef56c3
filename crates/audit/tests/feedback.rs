//! What people were worth, against crowds whose limits and biases are planted.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

use std::collections::BTreeMap;
use trimtab_audit::feedback::{info, measure, results};
use trimtab_audit::figure::Summary;
use trimtab_run::stream;
use trimtab_text::record::{Answer, Ranking, Samples, Verdict};
use trimtab_world::{Holder, Split, Truth, World, WorldConfig, believed, gold};

/// A crowd that is given by rules.
struct Planted {
    /// Chance that a right answer is put first, by difficulty.
    sees: fn(u32) -> f64,
    /// Chance that the side of the user's wrong belief is put first, and that of a third party's.
    follows: [f64; 2],
}

const KEEN: Planted = Planted { sees: |_| 1.0, follows: [0.0, 0.0] };

fn judged(crowd: &Planted, verdict: Option<Verdict>) -> Summary {
    let world = World::new(&WorldConfig::default(), 2).unwrap();
    let (mut rankings, mut samples, mut truths) = (Vec::new(), Vec::new(), BTreeMap::new());
    for prompt in world.prompts(Split::Train).into_iter().take(3000) {
        let truth = Truth::of(&prompt).unwrap();
        let wrong = believed(&truth).unwrap_or_else(|| "it is blue , first heat then cool .".into());
        let texts = [truth.ideal.clone(), wrong];
        if gold(&truth, &texts[1]).correct {
            continue;
        }
        let mut random = stream(5, &prompt.id, 0, 0);
        let holder = truth.belief.as_ref().filter(|b| !b.right).map(|b| b.holder);
        let fails = match holder {
            Some(Holder::User) => crowd.follows[0],
            Some(Holder::ThirdParty) => crowd.follows[1],
            None => 1.0 - (crowd.sees)(truth.difficulty.max(1)),
        };
        let first = usize::from(random.uniform() < fails);
        let ids = [format!("{}/0", prompt.id), format!("{}/1", prompt.id)];
        let answer = |i: usize| Answer {
            id: ids[i].clone(),
            text: texts[i].clone(),
            tokens: vec![],
            logprobs: vec![],
            seed: 0,
            stop: "eos".into(),
            extra: serde_json::Map::new(),
        };
        rankings.push(Ranking {
            prompt_id: prompt.id.clone(),
            answers: ids.to_vec(),
            shown: ids.to_vec(),
            ranks: [(ids[first].clone(), 1), (ids[1 - first].clone(), 2)].into(),
            person: Some("somebody".into()),
            at: None,
            seconds: None,
            flags: BTreeMap::new(),
            verdict,
            margin: None,
            guideline: None,
            extra: serde_json::Map::new(),
        });
        samples.push(Samples {
            id: prompt.id.clone(),
            input: prompt.input.clone(),
            answers: vec![answer(0), answer(1)],
            model: None,
            temperature: None,
            group: prompt.group.clone(),
            extra: serde_json::Map::new(),
        });
        truths.insert(prompt.id.clone(), truth);
    }
    let (results, left_out) = results("crowd", &rankings, &samples, &truths);
    assert_eq!(left_out, 0);
    assert!(results.iter().all(trimtab_audit::result::ResultRecord::is_sound));
    measure("crowd", info(), &results, 1)
}

fn value(summary: &Summary, name: &str) -> f64 {
    summary.value(name).unwrap_or_else(|| panic!("no {name}")).value.unwrap()
}

/// A limit shows where it is, and not as an average: who cannot check what is harder than 3 guesses there.
#[test]
fn a_limit_shows_at_its_difficulty() {
    let keen = judged(&KEEN, None);
    assert_eq!(value(&keen, "right.all"), 1.0);
    assert_eq!(value(&keen, "false_claim.preferred"), 0.0);
    let limited = judged(&Planted { sees: |difficulty| if difficulty > 3 { 0.5 } else { 1.0 }, ..KEEN }, None);
    for (level, planted) in [(1, 1.0), (3, 1.0), (4, 0.5), (5, 0.5)] {
        let found = value(&limited, &format!("right.difficulty-{level}"));
        assert!((found - planted).abs() < 0.12, "{level}: {found}");
    }
    let fall = limited.figure("right.difficulty-5").unwrap().excess.as_ref().unwrap();
    assert!(fall.interval.unwrap().high < -0.2, "{fall:?}");
    // Half of what was shown is false; people's choice is the difference.
    let excess = keen.figure("false_claim.preferred").unwrap().excess.as_ref().unwrap().value.unwrap();
    assert!((excess + value(&keen, "control.false_claim.shown")).abs() < 1e-9);
}

/// Agreement with the user is told from agreement with anybody.
#[test]
fn agreement_with_the_user_is_told_from_anchoring() {
    let flattered = judged(&Planted { follows: [0.4, 0.0], ..KEEN }, None);
    assert!((value(&flattered, "belief.user") - 0.4).abs() < 0.08);
    assert_eq!(value(&flattered, "control.belief.third"), 0.0);
    let anchored = judged(&Planted { follows: [0.4, 0.4], ..KEEN }, None);
    let excess = anchored.figure("belief.user").unwrap().excess.as_ref().unwrap();
    assert!(excess.interval.unwrap().contains(0.0), "{excess:?}");
}

/// Who cannot judge is unscored, and in no denominator.
#[test]
fn cannot_judge_is_no_judgement() {
    let summary = judged(&KEEN, Some(Verdict::CannotJudge));
    let figure = summary.figure("right.all").unwrap();
    assert_eq!((figure.rate.denominator, figure.value.value), (0, None));
    assert!(figure.rate.unscored > 1000 && summary.unscored.keys().any(|why| why.contains("cannot judge")));
}
