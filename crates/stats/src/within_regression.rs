//! Least squares within groups: what a feature does to a value among things that share everything else about their group.
//!
//! Frisch and Waugh 1933; Wooldridge 2010, *Econometric Analysis of Cross Section and Panel Data*, section 10.5 (fixed effects).
//! With a mean of its own for every group g, y = a_g + Σ b_k·x_k + e.
//!
//! 1. Each group's means are taken off first, so that no a_g is fitted: a hard prompt with long answers says nothing about length.
//! 2. Intervals are by bootstrap over clusters of groups, and so need no equal variances.
//! 3. A column that within groups does not vary, or only as the columns before it do, has no slope, and says so; the others are
//!    fitted without it.
//! 4. Columns measured with noise are held fixed only as far as they were measured: what noise hides of them falls to the others.

use crate::measured::not_finite;
use crate::{Bootstrap, Measured, bootstrap_statistic};
use std::collections::BTreeMap;

/// The rows of one group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WithinGroup {
    /// What is resampled: groups of one cluster are drawn together.
    pub cluster: u64,
    /// The value of each row.
    pub y: Vec<f64>,
    /// The columns of each row, as many in all rows of all groups.
    pub x: Vec<Vec<f64>>,
}

/// The slope of y on each of `columns` columns, in units of y per unit of the column; n counts clusters.
///
/// ```
/// use trimtab_stats::{Bootstrap, WithinGroup, within_regression};
/// // Two groups at heights 0 and 100, both rising by 2 per step.
/// let group = |cluster, height: f64| WithinGroup {
///     cluster, y: vec![height, height + 2.0, height + 4.0], x: vec![vec![0.0], vec![1.0], vec![2.0]],
/// };
/// let slopes = within_regression(&[group(0, 0.0), group(1, 100.0)], 1, &Bootstrap::default());
/// assert!((slopes[0].value.unwrap() - 2.0).abs() < 1e-12);
/// ```
#[must_use]
pub fn within_regression(groups: &[WithinGroup], columns: usize, how: &Bootstrap) -> Vec<Measured> {
    let n = groups.len() as u64;
    let all = |reason: &str| vec![Measured::undefined(n, reason); columns];
    if groups.iter().any(|g| g.x.len() != g.y.len() || g.x.iter().any(|row| row.len() != columns)) {
        return all("rows of unlike length");
    }
    let values: Vec<f64> = groups.iter().flat_map(|g| g.y.iter().chain(g.x.iter().flatten()).copied()).collect();
    if let Some(reason) = not_finite(&values) {
        return all(&reason);
    }
    let mut clusters: BTreeMap<u64, Products> = BTreeMap::new();
    for group in groups.iter().filter(|g| !g.y.is_empty()) {
        clusters.entry(group.cluster).or_insert_with(|| Products::none(columns)).add_group(group);
    }
    let clusters: Vec<Products> = clusters.into_values().collect();
    let sum = |drawn: &[usize]| {
        let mut total = Products::none(columns);
        for &i in drawn {
            total.add(&clusters[i]);
        }
        total
    };
    let whole = sum(&(0..clusters.len()).collect::<Vec<_>>());
    let kept = whole.independent();
    let slope = |column: usize| {
        let Some(at) = kept.iter().position(|&k| k == column) else {
            return Measured::undefined(
                clusters.len() as u64,
                "does not vary within groups, or only as the columns before it",
            );
        };
        // The same seed draws the same clusters for every column.
        bootstrap_statistic(clusters.len(), how, |drawn| Some(sum(drawn).solve(&kept)?[at]))
    };
    (0..columns).map(slope).collect()
}

/// Sums of products of deviations from group means: of columns with columns, and of columns with y.
#[derive(Debug, Clone)]
struct Products {
    xx: Vec<Vec<f64>>,
    xy: Vec<f64>,
}

impl Products {
    fn none(columns: usize) -> Self {
        Self { xx: vec![vec![0.0; columns]; columns], xy: vec![0.0; columns] }
    }

    fn add_group(&mut self, group: &WithinGroup) {
        let (rows, columns) = (group.y.len() as f64, self.xy.len());
        let mean = |of: &dyn Fn(usize) -> f64| (0..group.y.len()).map(of).sum::<f64>() / rows;
        let y = mean(&|i| group.y[i]);
        let x: Vec<f64> = (0..columns).map(|k| mean(&|i| group.x[i][k])).collect();
        for (row, value) in group.x.iter().zip(&group.y) {
            for k in 0..columns {
                self.xy[k] += (row[k] - x[k]) * (value - y);
                for l in 0..columns {
                    self.xx[k][l] += (row[k] - x[k]) * (row[l] - x[l]);
                }
            }
        }
    }

    fn add(&mut self, other: &Self) {
        for (row, of) in self.xx.iter_mut().zip(&other.xx) {
            row.iter_mut().zip(of).for_each(|(a, b)| *a += b);
        }
        self.xy.iter_mut().zip(&other.xy).for_each(|(a, b)| *a += b);
    }

    /// Columns of which something is left when what they share with those before is taken off.
    fn independent(&self) -> Vec<usize> {
        let mut kept = Vec::new();
        for column in 0..self.xy.len() {
            let own = self.xx[column][column];
            let along = self.reduced(&kept, |k| self.xx[k][column]);
            let shared = along.map_or(0.0, |b| b.iter().zip(&kept).map(|(b, &k)| b * self.xx[k][column]).sum());
            if own - shared > 1e-9 * own.max(f64::MIN_POSITIVE) && own > 1e-12 {
                kept.push(column);
            }
        }
        kept
    }

    fn solve(&self, kept: &[usize]) -> Option<Vec<f64>> {
        self.reduced(kept, |k| self.xy[k])
    }

    /// Solves (kept columns' products)·b = right by elimination; `None` where they are not independent.
    fn reduced(&self, kept: &[usize], right: impl Fn(usize) -> f64) -> Option<Vec<f64>> {
        let m = kept.len();
        let mut rows: Vec<Vec<f64>> =
            kept.iter().map(|&k| kept.iter().map(|&l| self.xx[k][l]).chain([right(k)]).collect()).collect();
        for i in 0..m {
            // Positive definite, so the diagonal is the pivot.
            let pivot = rows[i][i];
            if pivot <= 1e-12 * self.xx[kept[i]][kept[i]] || pivot <= 0.0 {
                return None;
            }
            let above = rows[i].clone();
            for row in &mut rows[i + 1..] {
                let factor = row[i] / pivot;
                row.iter_mut().zip(&above).for_each(|(a, b)| *a -= factor * b);
            }
        }
        let mut b = vec![0.0; m];
        for i in (0..m).rev() {
            let known: f64 = (i + 1..m).map(|j| rows[i][j] * b[j]).sum();
            b[i] = (rows[i][m] - known) / rows[i][i];
        }
        Some(b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;

    /// Planted: y = 0.3·x₀ − 1.5·x₁ + 2·x₂ + a group's own height, with x₂ a yes or no that adds to x₀ as flattery adds words. The
    /// slopes come back, and over repetitions the intervals hold them about as often as they say.
    #[test]
    fn planted_slopes_are_recovered() {
        let planted = [0.3, -1.5, 2.0];
        let mut draws = Draws::new(31);
        let (rounds, mut inside) = (200, 0);
        for seed in 0..rounds {
            let groups: Vec<WithinGroup> = (0..40)
                .map(|cluster| {
                    let height = 10.0 * draws.normal();
                    let mut group = WithinGroup { cluster, ..WithinGroup::default() };
                    for _ in 0..8 {
                        let flag = f64::from(u8::from(draws.uniform() < 0.3));
                        let row = vec![3.0 * draws.normal() + 4.0 * flag + height, draws.normal(), flag];
                        let y: f64 = row.iter().zip(planted).map(|(x, b)| x * b).sum();
                        group.y.push(y + height + draws.normal());
                        group.x.push(row);
                    }
                    group
                })
                .collect();
            let how = Bootstrap { resamples: 300, seed, ..Bootstrap::default() };
            for (slope, b) in within_regression(&groups, 3, &how).iter().zip(planted) {
                assert!((slope.value.unwrap() - b).abs() < 0.8, "{slope:?} for {b}");
                inside += u32::from(slope.interval.unwrap().contains(b));
            }
        }
        let coverage = f64::from(inside) / (3.0 * rounds as f64);
        assert!((0.91..=0.98).contains(&coverage), "{coverage}");
    }

    /// Law: what is constant within groups changes nothing, and a copy of a column has no slope of its own.
    #[test]
    fn what_has_no_slope_says_why() {
        let rows = [[1.0, 7.0, 2.0], [2.0, 7.0, 4.0], [4.0, 7.0, 8.0]];
        let group = |cluster: u64| WithinGroup {
            cluster,
            y: rows.iter().map(|r| 3.0 * r[0]).collect(),
            x: rows.iter().map(|r| r.to_vec()).collect(),
        };
        let slopes = within_regression(&[group(0), group(1), group(2)], 3, &Bootstrap::default());
        assert!((slopes[0].value.unwrap() - 3.0).abs() < 1e-12);
        for slope in &slopes[1..] {
            assert!(slope.value.is_none() && slope.reason.as_ref().unwrap().contains("does not vary"), "{slope:?}");
        }
        let bad = WithinGroup { cluster: 0, y: vec![1.0], x: vec![] };
        assert_eq!(within_regression(&[bad], 1, &Bootstrap::default())[0].value, None);
        let none = within_regression(&[], 1, &Bootstrap::default());
        assert!(none[0].value.is_none() && none[0].reason.is_some());
        let nan = WithinGroup { cluster: 0, y: vec![f64::NAN], x: vec![vec![1.0]] };
        assert!(within_regression(&[nan], 1, &Bootstrap::default())[0].reason.as_ref().unwrap().contains("not finite"));
    }
}
