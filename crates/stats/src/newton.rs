//! The highest point of a concave function by Newton's method, and the words for when there is none.
//!
//! Nocedal and Wright 2006, *Numerical Optimization*, 2nd edition, chapter 3
//! ([doi:10.1007/978-0-387-40065-5](https://doi.org/10.1007/978-0-387-40065-5)): Newton steps, halved until they rise
//! enough. The linear systems are block-diagonal with a border, and are solved by the Schur complement of the blocks.
//!
//! 1. A fit has converged when its gradient is 0 up to rounding and the next step is below 10⁻⁸ as well. The second
//!    part is what tells a peak from a slope that flattens for ever, where the gradient vanishes and steps stay long.
//! 2. The function may fall by rounding, 10⁻¹³ of its size: close to the peak it cannot tell better from worse.
//! 3. Matrices are minus the Hessian ("information"), so that they are positive definite at a peak.

use std::collections::BTreeMap;
use std::fmt;

/// Why a model of comparisons or rankings cannot be fitted.
#[derive(Debug, Clone, PartialEq)]
pub enum NoFit {
    /// There is nothing to fit: no comparison of positive weight.
    Empty,
    /// An answer beyond those that there are.
    OutOfRange {
        /// The index found.
        answer: usize,
        /// How many there are.
        answers: usize,
    },
    /// An answer is compared with itself, or stands twice in one ranking.
    Repeated {
        /// The answer.
        answer: usize,
    },
    /// A weight that is negative or not finite.
    Weight(f64),
    /// A standard deviation of a prior that is not a positive number.
    Prior(f64),
    /// No path of comparisons links these groups of answers, so that nothing says how they stand to each other.
    Disconnected(Vec<Vec<usize>>),
    /// These answers never lose to the others: without a prior the best fit puts them infinitely far above.
    NeverLose(Vec<usize>),
    /// Every choice is a tie: the tie parameters have no finite best value.
    OnlyTies,
    /// So many ways to tie that they cannot be listed.
    TooManyTies {
        /// Answers to choose from.
        answers: usize,
        /// Answers in the largest tie.
        ties: usize,
    },
    /// The likelihood rises for ever, or too slowly to find its peak.
    NoPeak,
}

impl fmt::Display for NoFit {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "there are no comparisons"),
            Self::OutOfRange { answer, answers } => write!(f, "answer {answer} is beyond the {answers} there are"),
            Self::Repeated { answer } => write!(f, "answer {answer} is compared with itself"),
            Self::Weight(weight) => write!(f, "weight {weight} is not a number from 0"),
            Self::Prior(sd) => write!(f, "prior standard deviation {sd} is not a number above 0"),
            Self::Disconnected(groups) => {
                let first = groups.first().map_or(&[][..], Vec::as_slice);
                write!(f, "{} groups of answers are never compared with each other, ", groups.len())?;
                write!(f, "the first being {}; fit them apart, or give a prior", list(first))
            }
            Self::NeverLose(above) => {
                write!(f, "{} never lose to any other answer, so no finite score is best; give a prior", list(above))
            }
            Self::OnlyTies => write!(f, "every comparison is a tie"),
            Self::TooManyTies { answers, ties } => {
                write!(f, "ties of up to {ties} among {answers} answers are too many to list")
            }
            Self::NoPeak => write!(f, "the likelihood has no highest point that could be found; give a prior"),
        }
    }
}

impl std::error::Error for NoFit {}

/// The first ten of some answers.
fn list(answers: &[usize]) -> String {
    let names: Vec<String> = answers.iter().take(10).map(ToString::to_string).collect();
    let more = answers.len().saturating_sub(10);
    format!("[{}{}]", names.join(", "), if more > 0 { format!(" and {more} more") } else { String::new() })
}

/// Cholesky's factor of a symmetric matrix by rows, in place in the lower triangle; `None` unless positive definite by a
/// margin of 10⁻¹³ of each diagonal element.
pub(crate) fn cholesky(mut a: Vec<f64>, n: usize) -> Option<Vec<f64>> {
    for j in 0..n {
        let own = a[j * n + j];
        let pivot = own - (0..j).map(|k| a[j * n + k].powi(2)).sum::<f64>();
        if !(pivot > 1e-13 * own && pivot.is_finite()) {
            return None;
        }
        let root = pivot.sqrt();
        a[j * n + j] = root;
        for i in j + 1..n {
            let dot: f64 = (0..j).map(|k| a[i * n + k] * a[j * n + k]).sum();
            a[i * n + j] = (a[i * n + j] - dot) / root;
        }
    }
    Some(a)
}

/// Solves L·x = b in place.
fn forward(factor: &[f64], b: &mut [f64]) {
    let n = b.len();
    for i in 0..n {
        let dot: f64 = (0..i).map(|k| factor[i * n + k] * b[k]).sum();
        b[i] = (b[i] - dot) / factor[i * n + i];
    }
}

/// Solves Lᵀ·x = b in place.
fn backward(factor: &[f64], b: &mut [f64]) {
    let n = b.len();
    for i in (0..n).rev() {
        let dot: f64 = (i + 1..n).map(|k| factor[k * n + i] * b[k]).sum();
        b[i] = (b[i] - dot) / factor[i * n + i];
    }
}

/// Solves A·x = b, given Cholesky's factor of A.
pub(crate) fn solve(factor: &[f64], mut b: Vec<f64>) -> Vec<f64> {
    forward(factor, &mut b);
    backward(factor, &mut b);
    b
}

/// The information of parameters that fall into blocks, followed by shared ones that meet every block.
pub(crate) struct Information {
    /// Block of each own parameter, and its place there.
    place: Vec<(usize, usize)>,
    blocks: Vec<Block>,
    corner: Vec<f64>,
    shared: usize,
}

struct Block {
    members: Vec<usize>,
    own: Vec<f64>,
    /// Columns of the border that are not 0, by shared parameter.
    border: BTreeMap<usize, Vec<f64>>,
}

impl Information {
    /// All zeros: `block_of` names the block of each own parameter.
    pub(crate) fn new(block_of: &[usize], shared: usize) -> Self {
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (i, &block) in block_of.iter().enumerate() {
            members.entry(block).or_default().push(i);
        }
        let mut place = vec![(0, 0); block_of.len()];
        let mut blocks = Vec::with_capacity(members.len());
        for members in members.into_values() {
            for (local, &i) in members.iter().enumerate() {
                place[i] = (blocks.len(), local);
            }
            blocks.push(Block { own: vec![0.0; members.len().pow(2)], members, border: BTreeMap::new() });
        }
        Self { place, blocks, corner: vec![0.0; shared * shared], shared }
    }

    /// Adds to the element (i, j), and for i ≠ j to (j, i). Two own parameters must be of one block.
    pub(crate) fn add(&mut self, i: usize, j: usize, value: f64) {
        let own = self.place.len();
        let (i, j) = (i.min(j), i.max(j));
        if i >= own {
            let (i, j) = (i - own, j - own);
            self.corner[i * self.shared + j] += value;
            if i != j {
                self.corner[j * self.shared + i] += value;
            }
            return;
        }
        let (at, row) = self.place[i];
        let block = &mut self.blocks[at];
        let n = block.members.len();
        if j >= own {
            block.border.entry(j - own).or_insert_with(|| vec![0.0; n])[row] += value;
            return;
        }
        let column = self.place[j].1;
        block.own[row * n + column] += value;
        if row != column {
            block.own[column * n + row] += value;
        }
    }

    /// Holds the sum of each block where it is, for likelihoods that do not depend on it: they leave A·1 = 0, and a
    /// constant added to all elements keeps every solution for a right side that sums to 0.
    pub(crate) fn pin(&mut self) {
        for block in &mut self.blocks {
            let n = block.members.len();
            let mean = (0..n).map(|i| block.own[i * n + i]).sum::<f64>() / n as f64;
            // An answer alone has no information at all, and stays where it is.
            let hold = if mean > 0.0 { mean / n as f64 } else { 1.0 };
            block.own.iter_mut().for_each(|v| *v += hold);
        }
    }

    /// The step A⁻¹·gradient; `None` unless A is positive definite.
    pub(crate) fn step(&self, gradient: &[f64]) -> Option<Vec<f64>> {
        let own = self.place.len();
        let mut schur = self.corner.clone();
        let mut right = gradient[own..].to_vec();
        let mut solved = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let factor = cholesky(block.own.clone(), block.members.len())?;
            let mut g: Vec<f64> = block.members.iter().map(|&i| gradient[i]).collect();
            forward(&factor, &mut g);
            let mut columns: Vec<(usize, Vec<f64>)> = block.border.iter().map(|(&k, c)| (k, c.clone())).collect();
            for (_, column) in &mut columns {
                forward(&factor, column);
            }
            for (k, a) in &columns {
                right[*k] -= dot(a, &g);
                for (l, b) in &columns {
                    schur[k * self.shared + l] -= dot(a, b);
                }
            }
            solved.push((factor, g, columns));
        }
        let shared = solve(&cholesky(schur, self.shared)?, right);
        let mut step = vec![0.0; own];
        for (block, (factor, mut g, columns)) in self.blocks.iter().zip(solved) {
            for (k, column) in columns {
                g.iter_mut().zip(column).for_each(|(g, c)| *g -= c * shared[k]);
            }
            backward(&factor, &mut g);
            for (&i, g) in block.members.iter().zip(g) {
                step[i] = g;
            }
        }
        step.extend(shared);
        Some(step)
    }
}

/// Σ aᵢ·bᵢ.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The largest absolute value.
pub(crate) fn largest(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |m, v| m.max(v.abs()))
}

/// Whether the gradient is 0 up to the rounding of a sum of `weight` terms, and the step is too short to matter.
fn at_peak(gradient: &[f64], step: &[f64], weight: f64) -> bool {
    largest(gradient) <= 1e-10 + 1e-12 * weight && largest(step) <= 1e-8
}

/// The first of x + step, x + step/2, x + step/4, … that is enough higher than x (Armijo), with its height.
fn climb(
    x: &[f64],
    height: f64,
    gradient: &[f64],
    step: &[f64],
    objective: impl Fn(&[f64]) -> f64,
) -> Option<(Vec<f64>, f64)> {
    let slope = dot(gradient, step);
    let mut share = 1.0;
    for _ in 0..40 {
        let next: Vec<f64> = x.iter().zip(step).map(|(x, s)| x + share * s).collect();
        let reached = objective(&next);
        if reached >= height + 1e-4 * share * slope - 1e-13 * (1.0 + height.abs()) {
            return Some((next, reached));
        }
        share *= 0.5;
    }
    None
}

/// A peak that was reached.
pub(crate) struct Peak {
    pub(crate) x: Vec<f64>,
    /// The height after each iteration, the start first.
    pub(crate) trace: Vec<f64>,
}

/// Climbs from `x` by Newton steps; `local` gives the gradient and the step at a point, or `None` where the information
/// is not positive definite. `weight` is the number of terms behind the gradient.
pub(crate) fn ascend(
    mut x: Vec<f64>,
    weight: f64,
    objective: impl Fn(&[f64]) -> f64,
    local: impl Fn(&[f64]) -> Option<(Vec<f64>, Vec<f64>)>,
) -> Result<Peak, NoFit> {
    let mut trace = vec![objective(&x)];
    for _ in 0..100 {
        let (gradient, step) = local(&x).ok_or(NoFit::NoPeak)?;
        if at_peak(&gradient, &step, weight) {
            return Ok(Peak { x, trace });
        }
        let height = trace[trace.len() - 1];
        let (next, reached) = climb(&x, height, &gradient, &step, &objective).ok_or(NoFit::NoPeak)?;
        x = next;
        trace.push(reached);
    }
    Err(NoFit::NoPeak)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::bootstrap::tests::Draws;

    /// Central differences of a function, for the gradients of this crate's likelihoods.
    pub(crate) fn differences(f: impl Fn(&[f64]) -> f64, x: &[f64]) -> Vec<f64> {
        let at = |i: usize, h: f64| {
            let mut x = x.to_vec();
            x[i] += h;
            f(&x)
        };
        (0..x.len()).map(|i| (at(i, 1e-5) - at(i, -1e-5)) / 2e-5).collect()
    }

    /// Law: the bordered solution solves the full system.
    #[test]
    fn the_border_is_solved() {
        let mut draws = Draws::new(21);
        let block_of = [0, 1, 0, 1, 1];
        let n = 7;
        let mut full = vec![0.0; n * n];
        let mut information = Information::new(&block_of, 2);
        for i in 0..n {
            for j in i..n {
                if i != j && j < 5 && block_of[i] != block_of[j] {
                    continue;
                }
                let value = if i == j { 6.0 } else { draws.normal() };
                information.add(j, i, value);
                full[i * n + j] = value;
                full[j * n + i] = value;
            }
        }
        let gradient: Vec<f64> = (0..n).map(|_| draws.normal()).collect();
        let step = information.step(&gradient).unwrap();
        for i in 0..n {
            assert!((dot(&full[i * n..][..n], &step) - gradient[i]).abs() < 1e-12);
        }
    }

    /// A slope that flattens for ever, −e⁻ˣ, is no peak, though its gradient goes to 0; −cosh x has its peak at 0.
    #[test]
    fn a_slope_is_no_peak() {
        let slope = ascend(vec![0.0], 1.0, |x| -(-x[0]).exp(), |x| Some((vec![(-x[0]).exp()], vec![1.0])));
        assert_eq!(slope.err(), Some(NoFit::NoPeak));
        let local = |x: &[f64]| Some((vec![-x[0].sinh()], vec![-x[0].tanh()]));
        let peak = ascend(vec![3.0], 1.0, |x| -x[0].cosh(), local).unwrap();
        assert!(peak.x[0].abs() < 1e-8 && peak.trace.windows(2).all(|w| w[1] >= w[0] - 1e-12));
    }

    #[test]
    fn refusals_are_in_words() {
        assert!(cholesky(vec![1.0, 2.0, 2.0, 1.0], 2).is_none() && cholesky(vec![f64::NAN], 1).is_none());
        let groups = NoFit::Disconnected(vec![vec![0, 2], vec![1]]).to_string();
        assert!(groups.contains("2 groups") && groups.contains("[0, 2]"), "{groups}");
        assert!(NoFit::NeverLose((0..12).collect()).to_string().contains("9 and 2 more"));
    }
}
