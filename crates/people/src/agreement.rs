//! How far people agree, in four figures, each with its interval over items and over people.

use serde::{Deserialize, Serialize};
use trimtab_stats::{
    Bootstrap, Clusters, Distance, Measured, RanksOf, krippendorff_alpha, mean_tau, mean_w, pair_agreement,
};

/// One figure of agreement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// `pairs` ([`pair_agreement`]), `alpha` ([`krippendorff_alpha`], ordinal), `tau` ([`mean_tau`]) or `w` ([`mean_w`]).
    pub figure: String,
    /// With the interval that other items, ranked by the same people, would give.
    pub over_items: Measured,
    /// With the interval that other people, ranking the same items, would give; n counts people.
    pub over_people: Measured,
}

impl Agreement {
    /// What the figure is called.
    #[must_use]
    pub fn label(&self) -> &str {
        match self.figure.as_str() {
            "pairs" => "pairs ordered alike",
            "alpha" => "Krippendorff's α, ordinal",
            "tau" => "Kendall's τ-b, mean over pairs of people",
            "w" => "Kendall's W, mean over items ranked whole",
            other => other,
        }
    }
}

/// Every figure, of the rankings of each item.
#[must_use]
pub fn agreement(items: &[Vec<RanksOf>], how: &Bootstrap) -> Vec<Agreement> {
    // A unit is an answer; its values are the ranks that people gave it. A person's earlier ranking of an item is left out, as
    // a second value of one person is not agreement.
    let last = |of: &'_ [RanksOf], i: usize| of[i + 1..].iter().all(|later| later.0 != of[i].0);
    let latest: Vec<Vec<&RanksOf>> =
        items.iter().map(|of| (0..of.len()).filter(|&i| last(of, i)).map(|i| &of[i]).collect()).collect();
    let unit = |of: &[&RanksOf], answer: usize| -> Vec<(usize, f64)> {
        of.iter().filter_map(|r| Some((r.0, f64::from((*r.1.get(answer)?)?)))).collect()
    };
    let answers = |of: &[&RanksOf]| of.iter().map(|r| r.1.len()).max().unwrap_or(0);
    let units: Vec<Vec<(usize, f64)>> =
        latest.iter().flat_map(|of| (0..answers(of)).map(|answer| unit(of, answer)).collect::<Vec<_>>()).collect();
    let whole = |r: &&RanksOf| Some((r.0, r.1.iter().map(|rank| rank.map(f64::from)).collect::<Option<Vec<f64>>>()?));
    let rows: Vec<Vec<(usize, Vec<f64>)>> = latest.iter().map(|of| of.iter().filter_map(whole).collect()).collect();
    let figure = |name: &str, of: &dyn Fn(Clusters) -> Measured| Agreement {
        figure: name.to_owned(),
        over_items: of(Clusters::Items),
        over_people: of(Clusters::People),
    };
    vec![
        figure("pairs", &|clusters| pair_agreement(items, clusters, how)),
        figure("alpha", &|clusters| krippendorff_alpha(&units, Distance::Ordinal, clusters, how)),
        figure("tau", &|clusters| mean_tau(items, clusters, how)),
        figure("w", &|clusters| mean_w(&rows, clusters, how)),
    ]
}
