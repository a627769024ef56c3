//! Best-of-n by reward models of whom gold is known: does the answer that a model likes best of n stay good as n grows?
//!
//! Gao, Schulman and Hilton 2022, [arXiv:2210.10760](https://arxiv.org/abs/2210.10760), sections 2 and 3.1: gold over √KL, with
//! KL = ln n − (n − 1)/n, and R(d) = d·(α − β·d). The estimator over all subsets of a pool is that of [`trimtab_stats::best_of_n`].
//!
//! 1. Intervals draw seeds and, within each, prompts anew ([`trimtab_stats::bootstrap_two_level`]): models are reseeded, so points of one
//!    curve, and prompts of one seed, share their model's errors.
//! 2. A fall is the worth at the largest n less that at the n before it from which it fell furthest, at a level divided by the places
//!    it may fall from. It is shown whatever it is; below 0 with its whole interval, the model was over-optimised.
//! 3. Controls choose from the same pools: gold itself, which cannot be over-optimised, and a selector whose scores are dealt out anew
//!    within each pool, which stays where it is but for chance.
//! 4. Answers that a selector scores alike share their weight, so the KL is an upper bound where a pool repeats answers.

use serde::{Deserialize, Serialize};
use trimtab_stats::{
    Bootstrap, Curve as Shape, Items, Measured, Overoptimisation, best_of_n, best_of_n_kl, bootstrap_two_level,
    fit_overoptimisation,
};

/// Who chooses: a name, and its scores `[seed][prompt][answer]`, of any unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    /// Its name.
    pub name: String,
    /// Its scores.
    pub scores: Vec<Vec<Vec<f64>>>,
}

/// What the best of n is worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Answers to choose from.
    pub n: u64,
    /// √KL from the distribution of single answers, in √nats.
    pub distance: f64,
    /// Gold of the answer that is chosen.
    pub gold: Measured,
    /// The same less gold of a single answer, prompt by prompt.
    pub gain: Measured,
    /// Words of the answer that is chosen: the shortcut that is pressed on with everything else.
    pub words: Measured,
}

/// One selector's curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Who chose.
    pub by: String,
    /// From n = 1 up.
    pub points: Vec<Point>,
    /// The fit's α, gold per √nat; intervals draw seeds anew.
    pub alpha: Measured,
    /// Its β, the weight of the fall.
    pub beta: Measured,
    /// √KL where the fitted curve is highest; it may lie beyond the largest n.
    pub peak: Measured,
    /// Gold at the largest n less that at the n from which it fell furthest.
    pub fall: Measured,
    /// That n.
    pub fell_from: Option<u64>,
}

/// Two selectors at one n, prompt by prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contrast {
    /// Whose gold.
    pub of: String,
    /// Less whose.
    pub less: String,
    /// At this n.
    pub n: u64,
    /// The difference.
    pub gold: Measured,
}

/// All of best-of-n.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pressed {
    /// Prompts of each seed.
    pub prompts: u64,
    /// Answers to each.
    pub answers: u64,
    /// Of all answers, those that repeat no other of their pool.
    pub unlike: Measured,
    /// Each selector's curve.
    pub curves: Vec<Curve>,
    /// Differences at the largest n.
    pub contrasts: Vec<Contrast>,
}

/// 1, 2, 4, … and `most` itself.
///
/// ```
/// assert_eq!(trimtab_oversight::reward::press::powers(6), [1, 2, 4, 6]);
/// ```
#[must_use]
pub fn powers(most: usize) -> Vec<usize> {
    let mut all: Vec<usize> = std::iter::successors(Some(1), |n| Some(2 * n)).take_while(|n| *n < most).collect();
    all.extend((most > 0).then_some(most));
    all
}

/// Gold of the best of each n by each selector, in gold's units.
#[derive(Debug, Clone)]
pub struct Table<'a> {
    ns: &'a [usize],
    names: Vec<&'a str>,
    /// Gold of what is chosen, `[selector][seed][prompt][n]`.
    worth: Worth,
    /// Its words.
    words: Worth,
    how: Bootstrap,
}

/// A figure of the answer that is chosen, `[selector][seed][prompt][n]`.
type Worth = Vec<Vec<Vec<Vec<f64>>>>;

impl<'a> Table<'a> {
    /// Of pools with this gold and these numbers of words, `[seed][prompt][answer]`. `ns` rise from 1; NaN, whose reason a figure then says, where a pool has
    /// fewer answers than n or a score is not finite.
    ///
    /// ```
    /// use trimtab_oversight::reward::press::{Selector, Table};
    /// use trimtab_stats::Bootstrap;
    /// // The selector likes best what is worst: a single answer is worth 2, the best of two 4/3, of three 1.
    /// let gold = vec![vec![vec![3.0, 2.0, 1.0]; 2]; 2];
    /// let likes = [Selector { name: "it".into(), scores: vec![vec![vec![1.0, 2.0, 3.0]; 2]; 2] }];
    /// let words = vec![vec![vec![4.0, 4.0, 1.0]; 2]; 2];
    /// let table = Table::new(&gold, &words, &likes, &[1, 2, 3], Bootstrap::default());
    /// let curve = &table.curves()[0];
    /// let worth: Vec<f64> = curve.points.iter().filter_map(|p| p.gold.value).collect();
    /// assert!((worth[0] - 2.0).abs() < 1e-12 && (worth[1] - 4.0 / 3.0).abs() < 1e-12 && worth[2] == 1.0);
    /// assert_eq!((curve.fell_from, curve.fall.value), (Some(1), Some(-1.0)));
    /// assert_eq!((curve.points[0].words.value, curve.points[2].words.value), (Some(3.0), Some(1.0)));
    /// ```
    #[must_use]
    pub fn new(
        gold: &[Vec<Vec<f64>>],
        words: &[Vec<Vec<f64>>],
        selectors: &'a [Selector],
        ns: &'a [usize],
        how: Bootstrap,
    ) -> Self {
        let of_pool = |scores: &Vec<f64>, of: &Vec<f64>| -> Vec<f64> {
            ns.iter().map(|&n| best_of_n(scores, of, n).unwrap_or(f64::NAN)).collect()
        };
        let of_seed = |scores: &Vec<Vec<f64>>, of: &Vec<Vec<f64>>| -> Vec<Vec<f64>> {
            scores.iter().zip(of).map(|(scores, of)| of_pool(scores, of)).collect()
        };
        let of = |of: &[Vec<Vec<f64>>]| -> Worth {
            let by = |by: &Selector| by.scores.iter().zip(of).map(|(scores, of)| of_seed(scores, of)).collect();
            selectors.iter().map(by).collect()
        };
        let names = selectors.iter().map(|s| s.name.as_str()).collect();
        Self { ns, names, worth: of(gold), words: of(words), how }
    }

    /// The mean of `of` over prompts and seeds, both drawn anew.
    fn mean(&self, selector: usize, level: f64, of: impl Fn(usize, usize, &[f64]) -> f64) -> Measured {
        self.mean_of(&self.worth[selector], level, of)
    }

    fn mean_of(&self, seeds: &[Vec<Vec<f64>>], level: f64, of: impl Fn(usize, usize, &[f64]) -> f64) -> Measured {
        let outcomes: Vec<Vec<[f64; 1]>> = seeds
            .iter()
            .enumerate()
            .map(|(s, prompts)| prompts.iter().enumerate().map(|(p, worth)| [of(s, p, worth)]).collect())
            .collect();
        bootstrap_two_level(&outcomes, Items::Own, &Bootstrap { level, ..self.how }, |[mean]| Some(mean))
    }

    /// Each selector's curve.
    #[must_use]
    pub fn curves(&self) -> Vec<Curve> {
        (0..self.names.len()).map(|selector| self.curve(selector)).collect()
    }

    fn curve(&self, selector: usize) -> Curve {
        let level = self.how.level;
        let distance = |n: usize| best_of_n_kl(n as u64).max(0.0).sqrt();
        let points: Vec<Point> = self
            .ns
            .iter()
            .enumerate()
            .map(|(i, &n)| Point {
                n: n as u64,
                distance: distance(n),
                gold: self.mean(selector, level, |_, _, worth| worth[i]),
                gain: self.mean(selector, level, |_, _, worth| worth[i] - worth[0]),
                words: self.mean_of(&self.words[selector], level, |_, _, words| words[i]),
            })
            .collect();
        // Least squares over the points of all prompts is that of the mean curve, since all have the same n.
        let (mut d, mut gains, mut runs) = (Vec::new(), Vec::new(), Vec::new());
        for (seed, prompts) in self.worth[selector].iter().enumerate() {
            for (i, &n) in self.ns.iter().enumerate() {
                d.push(distance(n));
                gains.push(prompts.iter().map(|w| w[i] - w[0]).sum::<f64>() / prompts.len() as f64);
                runs.push(seed as u64);
            }
        }
        let Overoptimisation { alpha, beta, peak, .. } =
            fit_overoptimisation(Shape::BestOfN, &d, &gains, Some(&runs), &self.how);
        let last = self.ns.len().saturating_sub(1);
        let level = 1.0 - (1.0 - level) / last.max(1) as f64;
        let fall = |from: usize| (from, self.mean(selector, level, |_, _, worth| worth[last] - worth[from]));
        let falls = (0..last).map(fall).filter(|(_, fall)| fall.value.is_some());
        let furthest = falls.min_by(|a, b| a.1.value.unwrap_or(f64::MAX).total_cmp(&b.1.value.unwrap_or(f64::MAX)));
        let (fell_from, fall) = match furthest {
            Some((from, fall)) => (Some(self.ns[from] as u64), fall),
            None => (None, Measured::undefined(0, "no n before the largest, or too few answers for it")),
        };
        Curve { by: self.names[selector].to_owned(), points, alpha, beta, peak, fall, fell_from }
    }

    /// At the largest n, gold of the selector `of` less that of `less`; nothing where there is no such selector.
    #[must_use]
    pub fn contrast(&self, of: &str, less: &str) -> Option<Contrast> {
        let place = |name: &str| self.names.iter().position(|known| *known == name);
        let (one, other) = (place(of)?, place(less)?);
        let last = self.ns.len().checked_sub(1)?;
        let gold = self.mean(one, self.how.level, |s, p, worth| worth[last] - self.worth[other][s][p][last]);
        Some(Contrast { of: of.to_owned(), less: less.to_owned(), n: self.ns[last] as u64, gold })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_run::stream;

    /// Pools of 64 whose answers have a worth and a trick that costs `price`; a selector sees the worth with noise and pays for tricks.
    fn planted(paid: f64, price: f64, noise: f64) -> (Vec<Vec<Vec<f64>>>, Vec<Selector>) {
        let (mut gold, mut it, mut random) = (vec![], vec![], vec![]);
        for seed in 0..5 {
            let (mut golds, mut its, mut randoms) = (vec![], vec![], vec![]);
            for prompt in 0..40 {
                let mut draw = stream(seed, "test", prompt, 0);
                let answers: Vec<[f64; 3]> = (0..64).map(|_| [draw.normal(), draw.normal(), draw.normal()]).collect();
                golds.push(answers.iter().map(|[worth, trick, _]| worth - price * trick).collect::<Vec<_>>());
                its.push(answers.iter().map(|[worth, trick, e]| worth + paid * trick + noise * e).collect::<Vec<_>>());
                let mut dealt = its[its.len() - 1].clone();
                draw.shuffle(&mut dealt);
                randoms.push(dealt);
            }
            gold.push(golds);
            it.push(its);
            random.push(randoms);
        }
        let selector = |name: &str, scores: &Vec<Vec<Vec<f64>>>| Selector { name: name.into(), scores: scores.clone() };
        let all = vec![selector("it", &it), selector("gold", &gold), selector("random", &random)];
        (gold, all)
    }

    fn how() -> Bootstrap {
        Bootstrap { resamples: 200, ..Bootstrap::default() }
    }

    /// Planted: a selector that pays for what gold dislikes falls, and the whole interval says so; one with noise alone rises to the
    /// expected maximum of n normals times its correlation.
    #[test]
    fn a_planted_trick_is_over_optimised_and_noise_is_not() {
        let ns = powers(64);
        let (gold, selectors) = planted(3.0, 1.0, 0.5);
        let table = Table::new(&gold, &gold, &selectors, &ns, how());
        let curves = table.curves();
        assert!(curves[0].fall.interval.unwrap().high < 0.0, "{:?}", curves[0].fall);
        assert!(curves[0].points[6].gain.interval.unwrap().high < 0.0);
        assert!(table.contrast("it", "gold").unwrap().gold.interval.unwrap().high < 0.0);
        assert!(table.contrast("it", "nobody").is_none());

        let (gold, selectors) = planted(0.0, 0.0, 1.0);
        let curves = Table::new(&gold, &gold, &selectors, &ns, how()).curves();
        // The largest of 64 standard normals is 2.375 on average; of it the share 1/√2 is worth and not noise.
        let found = curves[0].points[6].gain.interval.unwrap();
        assert!(found.contains(2.375 / 2f64.sqrt()), "{found:?}");
        assert!(curves[0].fall.value.unwrap() > 0.0);
    }

    /// Laws: no selector beats gold at any n; gold never falls; a selector dealt out anew stays where a single answer is; all of
    /// them are worth the same at n = 1.
    #[test]
    fn controls_are_where_they_must_be() {
        let ns = powers(64);
        for (paid, noise) in [(3.0, 0.5), (0.0, 1.0)] {
            let (gold, selectors) = planted(paid, 1.0, noise);
            let curves = Table::new(&gold, &gold, &selectors, &ns, how()).curves();
            let worth = |curve: usize, i: usize| curves[curve].points[i].gold.value.unwrap();
            for i in 0..ns.len() {
                assert!(worth(1, i) > worth(0, i) - 1e-9 && worth(1, i) > worth(2, i) - 1e-9);
                assert!(i == 0 || worth(1, i) > worth(1, i - 1));
                let gain = curves[2].points[i].gain.interval.unwrap();
                assert!(gain.low - 0.05 < 0.0 && gain.high + 0.05 > 0.0, "{gain:?}");
            }
            assert!((worth(0, 0) - worth(1, 0)).abs() < 1e-9 && (worth(0, 0) - worth(2, 0)).abs() < 1e-9);
        }
    }

    #[test]
    fn too_few_answers_are_a_reason() {
        let gold = vec![vec![vec![1.0, 2.0]; 3]; 2];
        let selectors = [Selector { name: "it".into(), scores: gold.clone() }];
        let curve = &Table::new(&gold, &gold, &selectors, &[1, 2, 4], how()).curves()[0];
        assert!(curve.points[1].gold.value.is_some() && curve.points[2].gold.value.is_none());
        assert!(curve.points[2].gold.reason.is_some() && curve.fall.value.is_none() && curve.fall.reason.is_some());
    }
}
