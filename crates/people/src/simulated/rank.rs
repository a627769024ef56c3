//! From a crowd and sampled answers to rankings.

use super::{Crowd, Perceived, Person, Values, complexity, perceive};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use std::collections::BTreeMap;
use trimtab_run::{Stream, stream};
use trimtab_text::record::{Ranking, Samples, Verdict};

/// What became of the items: nothing is left out in silence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Samples records given.
    pub items: u64,
    /// Of those, left out: fewer than two answers with values, or two answers of one name.
    pub unusable: u64,
    /// Answers that the source of values knows nothing about, in the items that were ranked; they are shown, not ranked.
    pub unvalued: u64,
    /// Rankings handed in, verdicts alone included.
    pub rankings: u64,
    /// Rankings whose verdict is "cannot judge".
    pub cannot_judge: u64,
    /// Rankings by people who could not check the item and judged it all the same, by their biases.
    pub unchecked: u64,
    /// Rankings whose verdict is "all bad".
    pub all_bad: u64,
    /// Pairs of answers in all rankings that were ordered.
    pub ordered_pairs: u64,
    /// Pairs of answers in all rankings that tied.
    pub tied_pairs: u64,
    /// Flags raised.
    pub flags: u64,
}

impl Counts {
    /// Adds what became of other items.
    pub fn add(&mut self, other: &Self) {
        let Self {
            items,
            unusable,
            unvalued,
            rankings,
            cannot_judge,
            unchecked,
            all_bad,
            ordered_pairs,
            tied_pairs,
            flags,
        } = other;
        for (sum, more) in [
            (&mut self.items, items),
            (&mut self.unusable, unusable),
            (&mut self.unvalued, unvalued),
            (&mut self.rankings, rankings),
            (&mut self.cannot_judge, cannot_judge),
            (&mut self.unchecked, unchecked),
            (&mut self.all_bad, all_bad),
            (&mut self.ordered_pairs, ordered_pairs),
            (&mut self.tied_pairs, tied_pairs),
            (&mut self.flags, flags),
        ] {
            *sum += more;
        }
    }
}

/// Ranks every record's answers by `crowd.overlap` people each: what is planted is written at [`crate::simulated`].
///
/// Work is dealt out evenly: each item goes to people who had the fewest items before it, drawn among equals. Rankings
/// come by item and then by person, with the name of the person, the order shown (shuffled per person and item), ranks
/// from 1 (after a tie the next rank counts all before it), verdict, flags and seconds. A draw depends on `seed`,
/// `label` (which call of several this is: `train`, `eval`), the person's name and the item's place in `samples`.
pub fn simulate(
    crowd: &Crowd,
    values: &dyn Values,
    samples: &[Samples],
    seed: u64,
    label: &str,
) -> (Vec<Ranking>, Counts) {
    let people = crowd.people();
    let mut given = vec![0; people.len()];
    let (mut out, mut counts) = (Vec::new(), Counts { items: samples.len() as u64, ..Counts::default() });
    for (item, record) in samples.iter().enumerate() {
        let Some(seen) = perceive(values, record) else {
            counts.unusable += 1;
            continue;
        };
        counts.unvalued += seen.iter().filter(|p| p.is_none()).count() as u64;
        let mut order: Vec<usize> = (0..people.len()).collect();
        stream(seed, &format!("people/{label}/assign"), 0, item as u64).shuffle(&mut order);
        order.sort_by_key(|&who| given[who]); // stable: chance decides among equals
        order.truncate(crowd.overlap);
        order.sort_unstable();
        for who in order {
            let (name, person) = &people[who];
            let draws = |of: &str| stream(seed, &format!("people/{label}/{name}/{of}"), 0, item as u64);
            let mut shown: Vec<usize> = (0..seen.len()).collect();
            draws("shown").shuffle(&mut shown);
            let judged = judge(person, &seen, &shown, given[who], &mut draws("judge"), &mut counts);
            out.push(judged.record(record, &shown, name));
            given[who] += 1;
        }
    }
    counts.rankings = out.len() as u64;
    (out, counts)
}

/// The records that can be ranked; those that cannot, and answers without values, are counted.
pub fn rankable(values: &dyn Values, samples: Vec<Samples>, counts: &mut Counts) -> Vec<Samples> {
    counts.items += samples.len() as u64;
    let mut kept = Vec::with_capacity(samples.len());
    for record in samples {
        match perceive(values, &record) {
            Some(seen) => {
                counts.unvalued += seen.iter().filter(|p| p.is_none()).count() as u64;
                kept.push(record);
            }
            None => counts.unusable += 1,
        }
    }
    kept
}

/// What one person says of one record whose answers stand on their page in the order `shown`; it is the `t`-th item they
/// are given. `None` where the record cannot be ranked, as in [`simulate`], or `shown` is not its answers.
///
/// The draws depend on `seed`, `label`, the person's name and the record's, and by answer in the record's order: neither on
/// who else is at work nor on the order shown. They are others than those of [`simulate`], which deals the work out itself.
/// What became of the record is added to `counts`.
#[allow(clippy::too_many_arguments)] // who, what they see, what they are shown, and where the draws come from
pub fn judge_one(
    (name, person): (&str, &Person),
    values: &dyn Values,
    samples: &Samples,
    shown: &[String],
    t: usize,
    seed: u64,
    label: &str,
    counts: &mut Counts,
) -> Option<Ranking> {
    let seen = perceive(values, samples)?;
    let place = |id: &String| samples.answers.iter().position(|answer| answer.id == *id);
    let shown = shown.iter().map(place).collect::<Option<Vec<usize>>>()?;
    let mut every = shown.clone();
    every.sort_unstable();
    if every.into_iter().ne(0..seen.len()) {
        return None;
    }
    let mut draws = stream(seed, &format!("people/{label}/{name}/judge/{}", samples.id), 0, 0);
    counts.rankings += 1;
    Some(judge(person, &seen, &shown, t, &mut draws, counts).record(samples, &shown, name))
}

/// What one person says about one item; answers by their place in the record.
struct Judged {
    ranks: Vec<Option<u32>>,
    flags: Vec<Vec<&'static str>>,
    verdict: Option<Verdict>,
    seconds: f64,
}

impl Judged {
    fn record(self, samples: &Samples, shown: &[usize], person: &str) -> Ranking {
        let id = |i: usize| samples.answers[i].id.clone();
        let flagged = |(i, flags): (usize, Vec<&str>)| {
            (!flags.is_empty()).then(|| (id(i), flags.into_iter().map(str::to_owned).collect()))
        };
        Ranking {
            prompt_id: samples.id.clone(),
            answers: samples.answers.iter().map(|a| a.id.clone()).collect(),
            shown: shown.iter().map(|&i| id(i)).collect(),
            ranks: self.ranks.iter().enumerate().filter_map(|(i, rank)| rank.map(|r| (id(i), r))).collect(),
            person: Some(person.to_owned()),
            at: None,
            seconds: Some(self.seconds),
            flags: self.flags.into_iter().enumerate().filter_map(flagged).collect::<BTreeMap<_, _>>(),
            verdict: self.verdict,
            margin: None,
            guideline: None,
            extra: Map::new(),
        }
    }
}

/// The `t`-th item of a person, whose answers stand in the order `shown`. The draws come in a fixed order and number,
/// by answer and not by slot, so that settings and order shown do not change them.
fn judge(
    person: &Person,
    seen: &[Option<Perceived>],
    shown: &[usize],
    t: usize,
    draws: &mut Stream,
    counts: &mut Counts,
) -> Judged {
    let k = seen.len();
    let time = person.seconds * k as f64 * (person.seconds_spread * draws.normal()).exp();
    // Milliseconds, as a page would log.
    let seconds = (time * 1000.0).round() / 1000.0;
    let gives_up = draws.uniform() < person.cannot_judge;
    let noise: Vec<f64> = (0..k).map(|_| person.noise_at(t) * draws.normal()).collect();
    let attention: Vec<[f64; 2]> = (0..k).map(|_| [draws.uniform(), draws.uniform()]).collect();

    let checks = person.checks(complexity(seen));
    let mut judged = Judged { ranks: vec![None; k], flags: vec![Vec::new(); k], verdict: None, seconds };
    if !checks && gives_up {
        counts.cannot_judge += 1;
        judged.verdict = Some(Verdict::CannotJudge);
        return judged;
    }
    counts.unchecked += u64::from(!checks);

    let mut utility: Vec<(usize, f64)> = Vec::with_capacity(k);
    for (slot, &i) in shown.iter().enumerate() {
        if let Some(answer) = &seen[i] {
            let earlier = (k - 1 - slot) as f64;
            utility.push((i, person.sees(answer, checks) + person.position * earlier + noise[i]));
        }
    }
    let mut groups = tie_groups(utility, person.tie);
    let best = groups.first().and_then(|group| group.first()).map(|&(_, u)| u);
    if person.adversarial {
        groups.reverse();
    }
    let mut rank = 1;
    for group in &groups {
        for &(i, _) in group {
            judged.ranks[i] = Some(rank);
        }
        let (size, before) = (group.len() as u64, u64::from(rank - 1));
        counts.tied_pairs += size * (size - 1) / 2;
        counts.ordered_pairs += size * before;
        rank += group.len() as u32;
    }
    if person.adversarial {
        return judged;
    }
    if checks && person.all_bad.zip(best).is_some_and(|(threshold, best)| best < threshold) {
        counts.all_bad += 1;
        judged.verdict = Some(Verdict::AllBad);
    }
    for (i, answer) in seen.iter().enumerate() {
        let Some(answer) = answer else { continue };
        let deserved = [("false_claim", answer.false_claim && checks), ("harmful", answer.harmful)];
        for ((flag, due), attention) in deserved.into_iter().zip(attention[i]) {
            if attention < if due { person.skill } else { person.false_alarm } {
                counts.flags += 1;
                judged.flags[i].push(flag);
            }
        }
    }
    judged
}

/// Groups of (answer, utility) in falling order: each holds what is at most `tie` below its first, so that no two in a
/// group are further apart. Equal utilities are always in one group.
fn tie_groups(mut utility: Vec<(usize, f64)>, tie: f64) -> Vec<Vec<(usize, f64)>> {
    utility.sort_by(|(i, u), (j, v)| v.total_cmp(u).then(i.cmp(j)));
    let mut groups: Vec<Vec<(usize, f64)>> = Vec::new();
    for (i, u) in utility {
        match groups.last_mut() {
            Some(group) if group[0].1 - u <= tie => group.push((i, u)),
            _ => groups.push(vec![(i, u)]),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain 0, 0.6, 1.2 with ties up to 0.7 is no tie of three: the ends are too far apart.
    #[test]
    fn tie_groups_by_hand() {
        let groups = tie_groups(vec![(0, 0.0), (1, 0.6), (2, 1.2)], 0.7);
        let names: Vec<Vec<usize>> = groups.iter().map(|g| g.iter().map(|x| x.0).collect()).collect();
        assert_eq!(names, [vec![2, 1], vec![0]]);
        assert_eq!(tie_groups(vec![(0, 1.0), (1, 1.0), (2, 1.0)], 0.0).len(), 1);
        assert!(tie_groups(vec![], 0.0).is_empty());
    }

    /// The longer the better, for one answer of each length.
    struct Lengths;

    impl Values for Lengths {
        fn perceive(&self, _: &Samples, answer: &trimtab_text::record::Answer) -> Option<Perceived> {
            let gold = answer.text.len() as f64;
            let (agrees, flatters, false_claim, harmful) = (None, false, false, false);
            Some(Perceived { gold, complexity: 0.0, words: 1, agrees, flatters, false_claim, harmful })
        }
    }

    #[test]
    fn one_persons_ranking_does_not_hang_on_the_order_shown() {
        let answers = ["a", "bbb", "cc"].map(|text| {
            serde_json::json!({"id": text, "text": text, "tokens": [],
            "logprobs": [], "seed": 0, "stop": ""})
        });
        let samples = serde_json::json!({"id": "q", "prompt": "?", "answers": answers});
        let samples: Samples = serde_json::from_value(samples).unwrap();
        let person = Person { noise: 0.5, ..Person::default() };
        let ranked = |shown: [&str; 3]| {
            let (shown, mut counts) = (shown.map(str::to_owned), Counts::default());
            judge_one(("p", &person), &Lengths, &samples, &shown, 0, 1, "test", &mut counts)
        };
        let (one, other) = (ranked(["a", "bbb", "cc"]).unwrap(), ranked(["cc", "a", "bbb"]).unwrap());
        assert_eq!((&one.ranks, &one.seconds), (&other.ranks, &other.seconds));
        assert_eq!((one.shown[0].as_str(), other.shown[0].as_str()), ("a", "cc"));
        assert!(one.ranks["bbb"] < one.ranks["a"]);
        assert!(ranked(["a", "bbb", "bbb"]).is_none() && ranked(["a", "bbb", "x"]).is_none());
    }
}
