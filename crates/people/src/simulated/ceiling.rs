//! How often a crowd orders by gold, by formula.
//!
//! A reward model that knew gold would agree with the strict orders of a crowd in this share of pairs, so an accuracy
//! on held-out rankings above it means that the biases were learnt too (or that the held-out pairs leaked). Accuracy
//! against gold itself can be higher: a model averages over people and noise.
//!
//! 1. With normal noise the chance of an order is Φ of the difference in utility over √2 times the noise (Thurstone
//!    1927, case V). No draws are made.
//! 2. Where three or more answers are shown and people tie, it is near but not exact: a pair within the tie threshold
//!    is ordered after all if a third answer parts it.
//! 3. Fatigue is averaged over whole sittings, or over a person's share of the items where that is less than one, at
//!    up to 16 evenly spaced points.

use super::{Crowd, Perceived, Person, Values, complexity, perceive};
use trimtab_stats::special::normal_cdf;
use trimtab_text::record::Samples;

/// The chances that the first of two answers is put strictly first, and that the second is; what is missing to 1 is the
/// chance of a tie.
///
/// `advantage` is the utility of the first less that of the second without noise, `noise` the standard deviation of
/// either's, `tie` the threshold: P(advantage + √2·noise·ε > tie) and P(… < −tie).
///
/// ```
/// use trimtab_people::simulated::order_chances;
/// // Noise 1/√2 on either is noise 1 on the difference: Φ(1) = 0.8413.
/// let [first, second] = order_chances(1.0, 0.5f64.sqrt(), 0.0);
/// assert!((first - 0.841344746).abs() < 1e-9 && (first + second - 1.0).abs() < 1e-12);
/// assert_eq!(order_chances(0.5, 0.0, 0.5), [0.0, 0.0]); // a difference at the threshold ties
/// ```
#[must_use]
pub fn order_chances(advantage: f64, noise: f64, tie: f64) -> [f64; 2] {
    let scale = noise * std::f64::consts::SQRT_2;
    let above = |margin: f64| if scale > 0.0 { normal_cdf(margin / scale) } else { f64::from(u8::from(margin > 0.0)) };
    [above(advantage - tie), above(-advantage - tie)]
}

/// The share of strictly ordered pairs, among those that differ in gold, in which a person of this crowd is expected to
/// order by gold. `None` where no pair differs in gold, or nobody orders any.
///
/// Pairs weigh by their chance of being ordered, as they do in a file of rankings; every kind weighs by its count.
///
/// ```
/// use std::collections::BTreeMap;
/// use trimtab_people::{Crowd, Perceived, Person, Values, ceiling};
/// use trimtab_text::record::{Answer, Samples};
/// struct Length;
/// impl Values for Length {
///     fn perceive(&self, _: &Samples, answer: &Answer) -> Option<Perceived> {
///         let gold = answer.text.len() as f64;
///         let (words, agrees, complexity) = (1, None, 0.0);
///         Some(Perceived { gold, complexity, words, agrees, flatters: false, false_claim: false, harmful: false })
///     }
/// }
/// let answer = |id: &str| format!(r#"{{"id":"{id}","text":"{id}","tokens":[],"logprobs":[],"seed":0,"stop":"eos"}}"#);
/// let record = format!(r#"{{"id":"p","prompt":"?","answers":[{},{}]}}"#, answer("a"), answer("bb"));
/// let samples: Vec<Samples> = vec![serde_json::from_str(&record).unwrap()];
/// // Gold 1 and 2, noise 1/√2 on either: Φ(1). A second person of the other sign makes it a coin.
/// let person = Person { noise: 0.5f64.sqrt(), tie: 0.0, ..Person::default() };
/// let share = ceiling(&Crowd::of("plain", person.clone()), &Length, &samples).unwrap();
/// assert!((share - 0.841344746).abs() < 1e-9);
/// let adversary = Person { adversarial: true, ..person.clone() };
/// let both = Crowd { overlap: 2, agreement: None, kinds: BTreeMap::from([("a".into(), person), ("b".into(), adversary)]) };
/// assert!((ceiling(&both, &Length, &samples).unwrap() - 0.5).abs() < 1e-12);
/// ```
#[must_use]
pub fn ceiling(crowd: &Crowd, values: &dyn Values, samples: &[Samples]) -> Option<f64> {
    let items: Vec<Vec<Option<Perceived>>> = samples.iter().filter_map(|s| perceive(values, s)).collect();
    let people = crowd.count().max(1);
    let share = (items.len() * crowd.overlap.min(people)).div_ceil(people);
    let (mut right, mut strict) = (0.0, 0.0);
    for person in crowd.kinds.values() {
        let noises = noises(person, share);
        for seen in &items {
            let checks = person.checks(complexity(seen));
            let weight = person.count as f64 * if checks { 1.0 } else { 1.0 - person.cannot_judge };
            if weight == 0.0 {
                continue;
            }
            let answers: Vec<&Perceived> = seen.iter().flatten().collect();
            for (i, a) in answers.iter().enumerate() {
                for b in &answers[i + 1..] {
                    if a.gold == b.gold {
                        continue;
                    }
                    let (better, worse) = if a.gold > b.gold { (a, b) } else { (b, a) };
                    let [by_gold, against] = pair_chances(person, better, worse, checks, seen.len(), &noises);
                    right += weight * by_gold;
                    strict += weight * (by_gold + against);
                }
            }
        }
    }
    (strict > 0.0).then(|| right / strict)
}

/// The chances that a person puts the first of two answers strictly first, and the second, averaged over where both of
/// them stand among `slots` and over the noises given.
pub(super) fn pair_chances(
    person: &Person,
    first: &Perceived,
    second: &Perceived,
    checks: bool,
    slots: usize,
    noises: &[f64],
) -> [f64; 2] {
    let advantage = person.sees(first, checks) - person.sees(second, checks);
    // Of the ordered pairs of slots, K − d have the first answer d slots earlier, and as many d slots later.
    let furthest = if person.position == 0.0 { 0 } else { slots as i64 - 1 };
    let (mut sums, mut total) = ([0.0; 2], 0.0);
    for distance in -furthest..=furthest {
        if distance == 0 && furthest > 0 {
            continue;
        }
        let weight = (slots as i64 - distance.abs()) as f64;
        for &noise in noises {
            let chances = order_chances(advantage + person.position * distance as f64, noise, person.tie);
            for (sum, chance) in sums.iter_mut().zip(chances) {
                *sum += weight * chance;
            }
            total += weight;
        }
    }
    let [first, second] = sums.map(|sum| sum / total);
    if person.adversarial { [second, first] } else { [first, second] }
}

/// Noise at evenly spaced points of a sitting, of which a person with `share` items gets through at most so many.
pub(super) fn noises(person: &Person, share: usize) -> Vec<f64> {
    let sitting = person.session.min(share).max(1);
    let points = if person.fatigue == 0.0 { 1 } else { sitting.min(16) };
    let session = person.session.max(1) as f64;
    let at = |j: usize| ((j as f64 + 0.5) * sitting as f64 / points as f64 - 0.5) / session;
    (0..points).map(|j| person.noise * (1.0 + person.fatigue * at(j))).collect()
}
