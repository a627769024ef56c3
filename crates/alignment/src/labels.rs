//! From what people said to what a reward model learns: every vote as it is, the majority's, or a crowd model's posterior.
//!
//! 1. `votes` is InstructGPT's (arXiv:2203.02155, section 3.5): every ranking teaches all its pairs, whoever gave it.
//! 2. `majority` takes of every pair the side that more people took, and ½ where as many took either.
//! 3. `reliability` fits one reliability to each person, below 0 for an adversary, and takes the posterior chance that an
//!    answer is better ([`trimtab_stats::crowd_plackett_luce()`], after Chen et al. 2013). A pair on which unreliable people
//!    disagree teaches little, and whoever ranks against the crowd teaches the contrary of what they say.
//! 4. Both of these two see an item once, however many people ranked it; `votes` sees it once for each of them.

use crate::error::Error;
use crate::loss::SoftPair;
use crate::reward::Ranked;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trimtab_stats::{CrowdRanking, CrowdSettings, GroupRanking, Measured, NoCrowdFit, crowd_plackett_luce};

/// What a reward model learns from several people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Labels {
    /// Every ranking, as it was given.
    #[default]
    Votes,
    /// Of every pair, the side of the majority.
    Majority,
    /// Of every pair, the posterior chance under a model in which people differ in reliability.
    Reliability,
    /// `Reliability` where some answers were ranked by two people, and `Votes` where none were: nothing else tells who is
    /// reliable.
    Auto,
}

/// What is learned from, and what was found about people on the way.
#[derive(Debug, Clone, Default)]
pub struct Labelled {
    /// Prompts with their answers and labels.
    pub ranked: Vec<Ranked>,
    /// What was learned from, which [`Labels::Auto`] leaves open.
    pub labels: Labels,
    /// Each person's reliability, by name; empty unless it was fitted.
    pub reliability: Vec<(String, Measured)>,
}

/// Tokens of a prompt and of its answers: what makes two rankings be of the same item.
type Asked<'a> = (&'a [u32], &'a [Vec<u32>]);

/// Rankings of one prompt's answers, by place in the list given.
fn by_item(ranked: &[&Ranked]) -> Vec<Vec<usize>> {
    let mut items: BTreeMap<Asked<'_>, Vec<usize>> = BTreeMap::new();
    for (i, r) in ranked.iter().enumerate() {
        items.entry((&r.prompt, &r.answers)).or_default().push(i);
    }
    let mut items: Vec<Vec<usize>> = items.into_values().collect();
    // In the order in which the items came, so that labels do not depend on how token ids compare.
    items.sort_unstable_by_key(|of| of[0]);
    items
}

/// The training examples of these rankings.
///
/// # Errors
/// [`Error::Config`] where reliabilities cannot be told from these rankings, such as when no item was ranked twice.
pub fn label(labels: Labels, ranked: &[&Ranked]) -> Result<Labelled, Error> {
    let votes =
        || Labelled { ranked: ranked.iter().copied().cloned().collect(), labels: Labels::Votes, reliability: vec![] };
    match labels {
        Labels::Votes => Ok(votes()),
        Labels::Majority => {
            let items = by_item(ranked);
            let all = items.iter().map(|of| {
                let soft = majority(of.iter().map(|&i| ranked[i].ranks.as_slice()));
                with(ranked[of[0]], soft)
            });
            let ranked = all.filter(|r| r.soft.as_ref().is_some_and(|soft| !soft.is_empty())).collect();
            Ok(Labelled { ranked, labels, reliability: vec![] })
        }
        Labels::Reliability | Labels::Auto => match posterior(ranked) {
            Ok(labelled) => Ok(labelled),
            Err(NoCrowdFit::NothingShared | NoCrowdFit::Empty) if labels == Labels::Auto => Ok(votes()),
            Err(why) => Err(Error::config(
                "reward.labels",
                format!("is reliability, and {why}"),
                "rankings of the same answers by several people",
                "reward.labels=votes, or more people for each prompt",
            )),
        },
    }
}

/// One item with labels that are the crowd's and nobody's.
fn with(item: &Ranked, soft: Vec<SoftPair>) -> Ranked {
    Ranked { soft: Some(soft), source: "crowd".into(), ranks: vec![None; item.answers.len()], ..item.clone() }
}

/// The posterior of each pair under a model in which people differ in reliability.
fn posterior(ranked: &[&Ranked]) -> Result<Labelled, NoCrowdFit> {
    let items = by_item(ranked);
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for r in ranked {
        let next = names.len();
        names.entry(r.source.as_str()).or_insert(next);
    }
    let answers: Vec<usize> = items.iter().map(|of| ranked[of[0]].answers.len()).collect();
    let told: Vec<CrowdRanking> = items
        .iter()
        .enumerate()
        .flat_map(|(item, of)| of.iter().map(move |&i| (item, ranked[i])))
        .filter_map(|(item, r)| {
            Some(CrowdRanking::of(item, *names.get(r.source.as_str())?, GroupRanking::of_ranks(&r.ranks)))
        })
        .collect();
    let fit = crowd_plackett_luce(&answers, names.len(), &told, &CrowdSettings::default())?;
    let soft = |(of, scores): (&Vec<usize>, &Option<trimtab_stats::ItemScores>)| {
        let scores = scores.as_ref()?;
        let k = ranked[of[0]].answers.len();
        let pairs = (0..k).flat_map(|first| (first + 1..k).map(move |second| (first, second)));
        let soft: Vec<SoftPair> = pairs
            .filter_map(|(first, second)| Some(SoftPair { first, second, chance: scores.preference(first, second)? }))
            .collect();
        (!soft.is_empty()).then(|| with(ranked[of[0]], soft))
    };
    let reliability = names.iter().map(|(name, &i)| ((*name).to_owned(), fit.reliability[i].clone())).collect();
    let ranked = items.iter().zip(&fit.items).filter_map(soft).collect();
    Ok(Labelled { ranked, labels: Labels::Reliability, reliability })
}

/// The majority on each pair that somebody ranked.
fn majority<'a>(rankings: impl Iterator<Item = &'a [Option<u32>]>) -> Vec<SoftPair> {
    // For each pair: who took the first, less who took the second; and that somebody ranked both.
    let mut votes: BTreeMap<(usize, usize), i64> = BTreeMap::new();
    for ranks in rankings {
        for first in 0..ranks.len() {
            for second in first + 1..ranks.len() {
                if let (Some(a), Some(b)) = (ranks[first], ranks[second]) {
                    *votes.entry((first, second)).or_default() += i64::from(a < b) - i64::from(a > b);
                }
            }
        }
    }
    let chance = |lead: i64| 0.5 + 0.5 * lead.signum() as f64;
    votes.into_iter().map(|((first, second), lead)| SoftPair { first, second, chance: chance(lead) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(prompt: u32, source: &str, ranks: [u32; 3]) -> Ranked {
        let answers = vec![vec![1], vec![2], vec![3]];
        let unranked = Ranked::unranked(vec![prompt], answers);
        Ranked { ranks: ranks.map(Some).to_vec(), source: source.into(), group: u64::from(prompt), ..unranked }
    }

    #[test]
    fn majority_by_hand() {
        let all = [ranked(7, "a", [1, 2, 3]), ranked(7, "b", [1, 3, 2]), ranked(7, "c", [2, 1, 3])];
        let found = label(Labels::Majority, &all.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(found.ranked.len(), 1, "an item is seen once");
        let pair = |first, second, chance| SoftPair { first, second, chance };
        assert_eq!(found.ranked[0].soft.as_deref().unwrap(), [pair(0, 1, 1.0), pair(0, 2, 1.0), pair(1, 2, 1.0)]);
        let split = label(Labels::Majority, &[&all[0], &ranked(7, "d", [3, 2, 1])]).unwrap();
        assert!(split.ranked[0].soft.as_ref().unwrap().iter().all(|pair| pair.chance == 0.5));
    }

    #[test]
    fn whoever_ranks_against_everybody_teaches_the_contrary() {
        let mut all = Vec::new();
        for prompt in 0..40 {
            let right = if prompt % 2 == 0 { [1, 2, 3] } else { [3, 1, 2] };
            all.extend(["a", "b", "c"].map(|person| ranked(prompt, person, right)));
            all.push(ranked(prompt, "adversary", right.map(|rank| 4 - rank)));
        }
        // One item that two people and the adversary ranked.
        all.push(ranked(99, "adversary", [1, 2, 3]));
        all.push(ranked(99, "adversary too", [1, 2, 3]));
        let found = label(Labels::Reliability, &all.iter().collect::<Vec<_>>()).unwrap();
        let of = |name: &str| found.reliability.iter().find(|(n, _)| n == name).unwrap().1.value.unwrap();
        assert!(of("a") > 0.5 && of("adversary") < -0.3, "{:?}", found.reliability);
        let last = found.ranked.iter().find(|r| r.prompt == [99]).unwrap();
        assert!(last.soft.as_ref().unwrap()[1].chance < 0.5, "{last:?}");
    }

    #[test]
    fn people_who_share_nothing_are_answered_in_words() {
        let all = [ranked(1, "a", [1, 2, 3]), ranked(2, "b", [1, 2, 3])];
        let error = label(Labels::Reliability, &all.iter().collect::<Vec<_>>()).unwrap_err().to_string();
        assert!(error.contains("reward.labels") && error.contains("try"), "{error}");
        // Left open, every vote counts as it is, and the result says so.
        let open = label(Labels::Auto, &all.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!((open.labels, open.ranked.len(), open.reliability.len()), (Labels::Votes, 2, 0));
        let shared = [ranked(1, "a", [1, 2, 3]), ranked(1, "b", [1, 2, 3])];
        assert_eq!(label(Labels::Auto, &shared.iter().collect::<Vec<_>>()).unwrap().labels, Labels::Reliability);
    }
}
