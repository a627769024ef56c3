//! Simulated people: what is planted comes back, and the laws that hold without any estimate.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use trimtab_people::{Crowd, Perceived, Person, Ranking, Samples, Values, ceiling, simulate};
use trimtab_run::{Stream, stream};
use trimtab_stats::special::{normal_cdf, normal_quantile};
use trimtab_text::record::{Answer, Input, Verdict, write_jsonl};

/// A source of values by (prompt, answer).
#[derive(Default)]
struct Table(BTreeMap<(String, String), Perceived>);

impl Values for Table {
    fn perceive(&self, samples: &Samples, answer: &Answer) -> Option<Perceived> {
        self.0.get(&(samples.id.clone(), answer.id.clone())).cloned()
    }
}

impl Table {
    /// Adds a record whose answers are perceived as given; `None` has no value.
    fn item(&mut self, samples: &mut Vec<Samples>, answers: Vec<Option<Perceived>>) {
        let id = format!("prompt-{}", samples.len());
        let answer = |i: usize| Answer {
            id: format!("a{i}"),
            text: "…".into(),
            tokens: vec![],
            logprobs: vec![],
            seed: 0,
            stop: "eos".into(),
            extra: serde_json::Map::new(),
        };
        samples.push(Samples {
            id: id.clone(),
            input: Input::Text("?".into()),
            answers: (0..answers.len()).map(answer).collect(),
            model: None,
            temperature: None,
            group: None,
            extra: serde_json::Map::new(),
        });
        for (i, perceived) in answers.into_iter().enumerate() {
            if let Some(perceived) = perceived {
                self.0.insert((id.clone(), format!("a{i}")), perceived);
            }
        }
    }
}

fn gold(gold: f64) -> Perceived {
    let (flatters, false_claim, harmful) = (false, false, false);
    Perceived { gold, complexity: 1.0, words: 10, agrees: None, flatters, false_claim, harmful }
}

/// `count` items of `k` answers, each made by `make`.
fn items(count: usize, k: usize, mut make: impl FnMut(usize, usize) -> Perceived) -> (Table, Vec<Samples>) {
    let (mut table, mut samples) = (Table::default(), Vec::new());
    for item in 0..count {
        let answers = (0..k).map(|i| Some(make(item, i))).collect();
        table.item(&mut samples, answers);
    }
    (table, samples)
}

/// As [`items`], with every property drawn.
fn varied(count: usize, k: usize) -> (Table, Vec<Samples>) {
    let mut draws = stream(1, "test/varied", 0, 0);
    items(count, k, |_, _| any_answer(&mut draws))
}

fn any_answer(draws: &mut Stream) -> Perceived {
    Perceived {
        gold: (draws.normal() * 8.0).round() / 8.0,
        complexity: 6.0 * draws.uniform(),
        words: 5 + draws.below(40) as usize,
        agrees: [None, Some(false), Some(true)][draws.below(3) as usize],
        flatters: draws.uniform() < 0.5,
        false_claim: draws.uniform() < 0.3,
        harmful: draws.uniform() < 0.1,
    }
}

/// One person without noise, ties and biases.
fn exact() -> Person {
    Person { noise: 0.0, tie: 0.0, ..Person::default() }
}

fn slot(ranking: &Ranking, id: &str) -> usize {
    ranking.shown.iter().position(|s| s == id).unwrap()
}

/// Over rankings of two answers, the share in which a0 is put first; ties count half.
fn share_of_first(rankings: &[Ranking]) -> f64 {
    let score = |r: &Ranking| match r.ranks["a0"].cmp(&r.ranks["a1"]) {
        std::cmp::Ordering::Less => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Greater => 0.0,
    };
    rankings.iter().map(score).sum::<f64>() / rankings.len() as f64
}

/// What one answer of a matched pair has and the other has not.
type Change = fn(&mut Perceived);

/// Matched pairs, alike but for one property, give its weight: √2·noise·Φ⁻¹(share preferring it).
#[test]
fn matched_pairs_recover_each_weight() {
    let person =
        Person { noise: 0.5, tie: 0.0, length: 0.03, agreement: 0.6, flattery: -0.4, skill: 0.7, ..Person::default() };
    let crowd = Crowd::of("p", person);
    let n = 20_000;
    let change: [(&str, f64, Change); 5] = [
        ("20 words", 0.6, |p| p.words += 20),
        ("agreement", 0.6, |p| p.agrees = Some(true)),
        ("flattery", -0.4, |p| p.flatters = true),
        ("a unit of gold", 0.7, |p| p.gold += 1.0),
        ("disagreement", 0.0, |p| p.agrees = Some(false)),
    ];
    for (name, planted, change) in change {
        let (values, samples) = items(n, 2, |_, i| {
            let mut p = gold(0.3);
            if i == 0 {
                change(&mut p);
            }
            p
        });
        let (rankings, _) = simulate(&crowd, &values, &samples, 3, "test");
        let found = 2f64.sqrt() * 0.5 * normal_quantile(share_of_first(&rankings));
        // Four standard errors at this n are about 0.03.
        assert!((found - planted).abs() < 0.03, "{name}: planted {planted}, found {found}");
    }
}

/// Equal answers: the one shown s slots earlier gains s times the position weight.
#[test]
fn position_is_recovered_from_equal_answers() {
    let crowd = Crowd::of("p", Person { noise: 0.4, tie: 0.0, position: 0.15, ..Person::default() });
    let (values, samples) = items(8000, 4, |_, _| gold(1.0));
    let (rankings, _) = simulate(&crowd, &values, &samples, 4, "test");
    for distance in 1..4 {
        let (mut earlier_wins, mut pairs) = (0u32, 0u32);
        for ranking in &rankings {
            for first in 0..4 - distance {
                let (a, b) = (&ranking.shown[first], &ranking.shown[first + distance]);
                earlier_wins += u32::from(ranking.ranks[a] < ranking.ranks[b]);
                pairs += 1;
            }
        }
        let found = 2f64.sqrt() * 0.4 * normal_quantile(f64::from(earlier_wins) / f64::from(pairs));
        let planted = 0.15 * distance as f64;
        assert!((found - planted).abs() < 0.03, "distance {distance}: planted {planted}, found {found}");
    }
}

/// A probit over pairs in which everything varies at once finds all weights together.
#[test]
fn a_probit_recovers_all_weights_at_once() {
    let planted = [0.8, 0.02, 0.1, 0.5, 0.3]; // gold, word, slot, agreement, flattery
    let noise = 0.6;
    let person = Person {
        skill: planted[0],
        length: planted[1],
        position: planted[2],
        agreement: planted[3],
        flattery: planted[4],
        noise,
        tie: 0.0,
        ..Person::default()
    };
    let (values, samples) = varied(20_000, 2);
    let (rankings, _) = simulate(&Crowd::of("p", person), &values, &samples, 5, "test");
    let data: Vec<([f64; 5], bool)> = rankings
        .iter()
        .map(|r| {
            let [a, b] = ["a0", "a1"].map(|id| &values.0[&(r.prompt_id.clone(), id.to_owned())]);
            let flag = |yes: bool| f64::from(u8::from(yes));
            let x = [
                a.gold - b.gold,
                a.words as f64 - b.words as f64,
                slot(r, "a1") as f64 - slot(r, "a0") as f64,
                flag(a.agrees == Some(true)) - flag(b.agrees == Some(true)),
                flag(a.flatters) - flag(b.flatters),
            ];
            (x, r.ranks["a0"] < r.ranks["a1"])
        })
        .collect();
    let found = probit(&data).map(|w| w * 2f64.sqrt() * noise);
    for (i, allowed) in [0.05, 0.002, 0.03, 0.05, 0.05].into_iter().enumerate() {
        assert!((found[i] - planted[i]).abs() < allowed, "planted {planted:?}, found {found:?}");
    }
}

/// Weights of P(first wins) = Φ(w·x), by Fisher scoring.
fn probit<const D: usize>(data: &[([f64; D], bool)]) -> [f64; D] {
    let mut w = [0.0; D];
    for _ in 0..25 {
        let (mut score, mut information) = ([0.0; D], [[0.0; D]; D]);
        for (x, won) in data {
            let z: f64 = w.iter().zip(x).map(|(w, x)| w * x).sum();
            let (p, density) = (normal_cdf(z), (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt());
            let variance = (p * (1.0 - p)).max(1e-12);
            for i in 0..D {
                score[i] += (f64::from(u8::from(*won)) - p) * density / variance * x[i];
                for j in 0..D {
                    information[i][j] += density * density / variance * x[i] * x[j];
                }
            }
        }
        let step = solve(information, score);
        for i in 0..D {
            w[i] += step[i];
        }
    }
    w
}

/// Solves a·x = b by elimination; a is positive definite.
fn solve<const D: usize>(mut a: [[f64; D]; D], mut b: [f64; D]) -> [f64; D] {
    for i in 0..D {
        for j in i + 1..D {
            let factor = a[j][i] / a[i][i];
            for k in i..D {
                a[j][k] -= factor * a[i][k];
            }
            b[j] -= factor * b[i];
        }
    }
    for i in (0..D).rev() {
        let rest: f64 = (i + 1..D).map(|k| a[i][k] * b[k]).sum();
        b[i] = (b[i] - rest) / a[i][i];
    }
    b
}

/// Two rounds on the same pairs agree with chance p² + (1 − p)², p = Φ(Δ/(√2·noise)), which gives the noise back.
#[test]
fn noise_is_recovered_from_repeats() {
    for noise in [0.3, 0.8] {
        let crowd = Crowd::of("p", Person { noise, tie: 0.0, ..Person::default() });
        let (values, samples) = items(20_000, 2, |_, i| gold(0.4 * (1 - i) as f64));
        let round = |label: &str| simulate(&crowd, &values, &samples, 6, label).0;
        let (one, two) = (round("one"), round("two"));
        let agree = one.iter().zip(&two).filter(|(a, b)| a.ranks == b.ranks).count() as f64 / one.len() as f64;
        let p = 0.5 + (0.5 * agree - 0.25).sqrt();
        let found = 0.4 / (2f64.sqrt() * normal_quantile(p));
        assert!((found / noise - 1.0).abs() < 0.08, "planted {noise}, found {found}");
    }
}

/// Fatigue: the noise at the end of a sitting is (1 + fatigue) times that at its start, and rest undoes it.
#[test]
fn fatigue_is_recovered_by_place_in_the_sitting() {
    let crowd = Crowd::of("p", Person { noise: 0.4, fatigue: 1.5, session: 10, tie: 0.0, ..Person::default() });
    let (values, samples) = items(40_000, 2, |_, i| gold(0.6 * (1 - i) as f64));
    let (rankings, _) = simulate(&crowd, &values, &samples, 7, "test");
    for (t, planted) in [(0, 0.4), (5, 0.7), (9, 0.94)] {
        let there: Vec<Ranking> = rankings.iter().skip(t).step_by(10).cloned().collect();
        let found = 0.6 / (2f64.sqrt() * normal_quantile(share_of_first(&there)));
        assert!((found / planted - 1.0).abs() < 0.12, "item {t}: planted {planted}, found {found}");
    }
}

/// Law: without noise and biases the order is gold's, and equal gold ties.
#[test]
fn no_noise_and_no_bias_is_gold() {
    let (values, samples) = varied(400, 5);
    let (rankings, counts) = simulate(&Crowd::of("p", exact()), &values, &samples, 8, "test");
    assert_eq!(counts.rankings, 400);
    for r in &rankings {
        let worth = |id: &String| values.0[&(r.prompt_id.clone(), id.clone())].gold;
        for a in &r.answers {
            let better = r.answers.iter().filter(|b| worth(b) > worth(a)).count() as u32;
            assert_eq!(r.ranks[a], better + 1);
        }
    }
    assert_eq!(ceiling(&Crowd::of("p", exact()), &values, &samples), Some(1.0));
}

/// Law: an adversary hands in the reverse of what the same person would, noise, ties, biases and all.
#[test]
fn an_adversary_is_the_reverse() {
    let (values, samples) = varied(300, 4);
    let person = Person { noise: 0.5, tie: 0.3, length: 0.02, position: 0.1, agreement: 0.4, ..Person::default() };
    let adversary = Person { adversarial: true, ..person.clone() };
    let of = |p: &Person| simulate(&Crowd::of("p", p.clone()), &values, &samples, 9, "test").0;
    for (straight, turned) in of(&person).iter().zip(of(&adversary)) {
        let (mut a, mut b) = (straight.comparisons(), turned.comparisons());
        for (better, worse) in &mut b.wins {
            std::mem::swap(better, worse);
        }
        a.wins.sort();
        b.wins.sort();
        assert_eq!(a, b);
        assert!(turned.flags.is_empty() && turned.verdict.is_none());
    }
    let sum: f64 =
        [&person, &adversary].map(|p| ceiling(&Crowd::of("p", p.clone()), &values, &samples).unwrap()).iter().sum();
    assert!((sum - 1.0).abs() < 1e-12);
}

/// Law: without position bias the ranks do not depend on the order shown; without noise alike answers tie.
#[test]
fn no_position_bias_is_blind_to_the_order_shown() {
    let (values, samples) = varied(300, 4);
    let person = Person { length: 0.05, agreement: 0.5, tie: 0.2, ..exact() };
    let of = |seed| simulate(&Crowd::of("p", person.clone()), &values, &samples, seed, "test").0;
    let (one, two) = (of(1), of(2));
    assert!(one.iter().zip(&two).any(|(a, b)| a.shown != b.shown));
    assert!(one.iter().zip(&two).all(|(a, b)| a.ranks == b.ranks));

    let (values, samples) = items(50, 4, |_, _| gold(0.7));
    let (rankings, counts) = simulate(&Crowd::of("p", exact()), &values, &samples, 1, "test");
    assert!(rankings.iter().all(|r| r.ranks.values().all(|&rank| rank == 1)));
    assert_eq!((counts.tied_pairs, counts.ordered_pairs), (50 * 6, 0));
    // Position alone orders them as shown.
    let first = Person { position: 0.01, ..exact() };
    let (rankings, _) = simulate(&Crowd::of("p", first), &values, &samples, 1, "test");
    assert!(rankings.iter().all(|r| r.shown.iter().zip(1..).all(|(id, rank)| r.ranks[id] == rank)));
}

/// Above the limit a person either cannot judge, with the stated chance, or judges without seeing gold; below never.
#[test]
fn the_limit_is_where_checking_ends() {
    let person = Person { limit: Some(3.0), cannot_judge: 0.3, length: 0.05, ..exact() };
    // Longer is worse in gold; every second item is too complicated, by one of its answers.
    let (values, samples) = items(8000, 2, |item, i| Perceived {
        words: 10 + 10 * i,
        complexity: if item % 2 == 1 && i == 0 { 3.5 } else { 3.0 },
        false_claim: i == 1,
        ..gold(2.0 * (1 - i) as f64)
    });
    let (rankings, counts) = simulate(&Crowd::of("p", person), &values, &samples, 10, "test");
    for (item, r) in rankings.iter().enumerate() {
        r.validate().unwrap();
        let cannot = r.verdict == Some(Verdict::CannotJudge);
        assert!(!cannot || item % 2 == 1);
        if !cannot {
            assert_eq!(r.ranks["a0"] < r.ranks["a1"], item % 2 == 0, "gold is seen below the limit only");
            assert_eq!(r.flags.contains_key("a1"), item % 2 == 0, "so is a false claim");
        }
    }
    let share = counts.cannot_judge as f64 / 4000.0;
    assert!((share - 0.3).abs() < 0.03, "{share}");
    assert_eq!(counts.unchecked + counts.cannot_judge, 4000);
}

/// The ceiling by formula is the share of strict pairs ordered by gold among many simulated rankings.
#[test]
fn the_ceiling_is_what_simulation_shows() {
    for (k, tie) in [(2, 0.3), (4, 0.0)] {
        let (values, samples) = varied(6000, k);
        let mut crowd = Crowd::default();
        for person in crowd.kinds.values_mut() {
            person.tie = tie;
            person.limit = Some(4.0);
        }
        crowd.overlap = 10;
        let (rankings, _) = simulate(&crowd, &values, &samples, 11, "test");
        let (mut right, mut strict) = (0u32, 0u32);
        for r in &rankings {
            for (better, worse) in r.comparisons().wins {
                let [a, b] = [better, worse].map(|id| values.0[&(r.prompt_id.clone(), id)].gold);
                strict += u32::from(a != b);
                right += u32::from(a > b);
            }
        }
        let (formula, shown) = (ceiling(&crowd, &values, &samples).unwrap(), f64::from(right) / f64::from(strict));
        assert!((formula - shown).abs() < 0.006, "{k} answers, tie {tie}: formula {formula}, simulation {shown}");
    }
}

/// The crowd's preference passes one half at the predicted agreement weight.
#[test]
fn the_switch_is_where_it_is_predicted() {
    let pair = |agrees: bool| Perceived { agrees: Some(agrees), ..gold(f64::from(u8::from(!agrees))) };
    let (values, samples) = items(3000, 2, |_, i| pair(i == 0));
    let crowd = Crowd { overlap: 10, ..Crowd::default() };
    let predicted = crowd.switch_weight(&pair(false), &pair(true)).unwrap();
    let share = |b: f64| share_of_first(&simulate(&crowd.with_agreement(b), &values, &samples, 12, "test").0);
    assert!(share(predicted - 0.15) < 0.49 && share(predicted + 0.15) > 0.51, "{predicted}");
    assert!((share(predicted) - 0.5).abs() < 0.02, "{}", share(predicted));
}

/// Same seed, same bytes; another seed or label, other ones. Every record is sound and joins with its samples.
#[test]
fn same_seed_same_bytes_and_sound_records() {
    let (values, samples) = varied(200, 4);
    let of = |seed, label| simulate(&Crowd::default(), &values, &samples, seed, label);
    let (rankings, counts) = of(1, "train");
    let bytes = |r: &[Ranking]| write_jsonl(r).unwrap();
    assert_eq!(bytes(&rankings), bytes(&of(1, "train").0));
    assert_ne!(bytes(&rankings), bytes(&of(2, "train").0));
    assert_ne!(bytes(&rankings), bytes(&of(1, "eval").0));
    for r in &rankings {
        r.validate().unwrap();
        assert!(r.seconds.unwrap() > 0.0 && r.person.is_some());
    }
    let pairs = trimtab_text::record::join(&rankings, &samples).unwrap();
    assert_eq!(pairs.len() as u64, counts.ordered_pairs + counts.tied_pairs);
    assert_eq!(counts.rankings, 400, "two people an item");
    let mut each: BTreeMap<&str, u32> = BTreeMap::new();
    for r in &rankings {
        *each.entry(r.person.as_deref().unwrap()).or_default() += 1;
    }
    assert!(each.len() == 10 && each.values().all(|&n| n == 40), "work is dealt out evenly: {each:?}");
    let seen: BTreeSet<_> = rankings.iter().map(|r| (&r.prompt_id, r.person.as_ref())).collect();
    assert_eq!(seen.len(), 400, "nobody sees an item twice");
}

/// A person's own draws do not depend on who else is in the crowd.
#[test]
fn people_do_not_disturb_each_other() {
    let (values, samples) = varied(100, 3);
    let mut crowd = Crowd { overlap: 100, ..Crowd::default() };
    let by = |crowd: &Crowd, who: &str| -> Vec<Ranking> {
        let all = simulate(crowd, &values, &samples, 1, "test").0;
        all.into_iter().filter(|r| r.person.as_deref() == Some(who)).collect()
    };
    let before = by(&crowd, "careful-2");
    crowd.kinds.insert("another".into(), Person::default());
    crowd.kinds.remove("hurried");
    assert_eq!(before, by(&crowd, "careful-2"));
    assert_eq!(before.len(), 100);
}

/// All bad is said of items whose best answer is below the threshold, and ranks are still given.
#[test]
fn all_bad_and_flags() {
    let person = Person { all_bad: Some(0.0), skill: 1.0, ..exact() };
    let (values, samples) = items(40, 2, |item, i| Perceived {
        harmful: i == 1,
        false_claim: i == 0,
        ..gold(if item < 20 { -1.0 } else { 1.0 } + 0.1 * i as f64)
    });
    let (rankings, counts) = simulate(&Crowd::of("p", person), &values, &samples, 1, "test");
    assert_eq!((counts.all_bad, counts.flags), (20, 80));
    for (item, r) in rankings.iter().enumerate() {
        assert_eq!(r.verdict == Some(Verdict::AllBad), item < 20);
        assert_eq!(r.ranks["a1"], 1);
        assert_eq!(
            (r.flags["a0"].as_slice(), r.flags["a1"].as_slice()),
            (&["false_claim".to_owned()][..], &["harmful".to_owned()][..])
        );
    }
}

/// Median time: `seconds` per answer; the spread of its logarithm is what was asked for.
#[test]
fn time_is_log_normal() {
    let person = Person { seconds: 7.0, seconds_spread: 0.4, ..exact() };
    let (values, samples) = items(4000, 3, |_, _| gold(0.0));
    let (rankings, _) = simulate(&Crowd::of("p", person), &values, &samples, 1, "test");
    let logs: Vec<f64> = rankings.iter().map(|r| (r.seconds.unwrap() / 3.0).ln()).collect();
    assert!((trimtab_stats::median(&logs).unwrap().exp() - 7.0).abs() < 0.3);
    assert!((trimtab_stats::std_dev(&logs).unwrap() - 0.4).abs() < 0.02);
}

/// Answers without values are shown and not ranked; items with too few, or with a name twice, are left out and counted.
#[test]
fn what_cannot_be_valued_is_counted() {
    let (mut values, mut samples) = (Table::default(), Vec::new());
    values.item(&mut samples, vec![Some(gold(1.0)), None, Some(gold(0.0))]);
    values.item(&mut samples, vec![Some(gold(1.0)), None]);
    values.item(&mut samples, vec![Some(gold(1.0)), Some(gold(f64::NAN)), Some(gold(2.0))]);
    values.item(&mut samples, vec![Some(gold(1.0)), Some(gold(2.0))]);
    samples[3].answers[1].id = "a0".into();
    let (rankings, counts) = simulate(&Crowd::of("p", exact()), &values, &samples, 1, "test");
    assert_eq!((counts.items, counts.unusable, counts.unvalued, counts.rankings), (4, 2, 2, 2));
    for r in &rankings {
        r.validate().unwrap();
        assert_eq!((r.shown.len(), r.ranks.len()), (3, 2));
    }
    assert_eq!(rankings[0].ranks, BTreeMap::from([("a0".to_owned(), 1), ("a2".to_owned(), 2)]));
    // Nobody, and nothing: no rankings and no ceiling, but no panic either.
    let nobody = Crowd { overlap: 3, agreement: None, kinds: BTreeMap::new() };
    assert!(simulate(&nobody, &values, &samples, 1, "test").0.is_empty());
    assert_eq!(ceiling(&nobody, &values, &samples), None);
    assert_eq!(ceiling(&Crowd::default(), &values, &[]), None);
}
