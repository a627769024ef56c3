//! Labels of items by several people, their majority, and what models of them share ([`mod@crate::dawid_skene`],
//! [`mod@crate::mace`]).

use std::fmt;

/// Labels of items by people, all numbered from 0.
#[derive(Debug, Clone, Copy)]
pub struct CrowdLabels<'a> {
    /// Number of items.
    pub items: usize,
    /// Number of people.
    pub people: usize,
    /// Number of classes.
    pub classes: usize,
    /// (item, person, class), in any order.
    pub labels: &'a [(usize, usize, usize)],
}

/// Why labels cannot be used.
#[derive(Debug, Clone, PartialEq)]
pub enum BadLabels {
    /// There are none.
    Empty,
    /// An index beyond what there is.
    OutOfRange {
        /// What is counted: item, person, class.
        what: &'static str,
        /// The index found.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// A model of more than 2²⁸ numbers (2 GiB).
    TooLarge,
    /// A setting that is not a number from 0 to 10¹², beyond which counts would be lost beside it.
    Setting {
        /// Its name.
        what: &'static str,
        /// The value found.
        value: f64,
    },
}

impl fmt::Display for BadLabels {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "there are no labels"),
            Self::OutOfRange { what, index, count } => write!(f, "{what} {index} is beyond the {count} there are"),
            Self::TooLarge => {
                write!(f, "items × classes or people × classes² is above 2²⁸; number only those that occur")
            }
            Self::Setting { what, value } => write!(f, "{what} {value} is not a number from 0 to 10¹²"),
        }
    }
}

impl std::error::Error for BadLabels {}

impl CrowdLabels<'_> {
    /// The (person, class) labels of each item.
    pub(crate) fn by_item(&self) -> Result<Vec<Vec<(usize, usize)>>, BadLabels> {
        let product = |a: usize, b: usize| a.checked_mul(b).filter(|&n| n <= 1 << 28).ok_or(BadLabels::TooLarge);
        product(self.items.max(1), self.classes.max(1))?;
        product(product(self.people.max(1), self.classes.max(1))?, self.classes.max(1))?;
        let mut by_item = vec![Vec::new(); self.items];
        for &(item, person, class) in self.labels {
            for (what, index, count) in
                [("item", item, self.items), ("person", person, self.people), ("class", class, self.classes)]
            {
                if index >= count {
                    return Err(BadLabels::OutOfRange { what, index, count });
                }
            }
            by_item[item].push((person, class));
        }
        Ok(by_item)
    }
}

/// The most frequent label of each item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Majority {
    /// The class of each item; `None` without labels. Among equally frequent classes the one of smallest index.
    pub class: Vec<Option<usize>>,
    /// Number of items whose class was decided by that rule: always the same side is taken, so look at it.
    pub ties: u64,
}

/// The majority of the labels of each item.
///
/// # Errors
/// An index beyond what there is. No labels at all is not an error: every class is then `None`.
///
/// ```
/// use trimtab_stats::{CrowdLabels, majority};
/// let labels = [(0, 0, 1), (0, 1, 1), (0, 2, 0), (1, 0, 2), (1, 1, 1)];
/// let found = majority(&CrowdLabels { items: 3, people: 3, classes: 3, labels: &labels }).unwrap();
/// assert_eq!((found.class, found.ties), (vec![Some(1), Some(1), None], 1)); // 1 and 2 tie on the second item
/// ```
pub fn majority(labels: &CrowdLabels) -> Result<Majority, BadLabels> {
    let (items, mut found) = (labels.by_item()?, Majority { class: Vec::new(), ties: 0 });
    let mut counts = vec![0u64; labels.classes];
    for item in items {
        counts.fill(0);
        for &(_, class) in &item {
            counts[class] += 1;
        }
        let most = counts.iter().copied().max().unwrap_or(0);
        found.class.push(if item.is_empty() { None } else { counts.iter().position(|&c| c == most) });
        found.ties += u64::from(!item.is_empty() && counts.iter().filter(|&&c| c == most).count() > 1);
    }
    Ok(found)
}

/// How to run EM.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Em {
    /// Pseudo-count added to every count before it becomes a chance, from 0.
    pub smoothing: f64,
    /// Most iterations.
    pub max_iterations: u32,
    /// Converged once an iteration raises the objective by no more than this, in nats per label.
    pub tolerance: f64,
}

impl Default for Em {
    /// 0.01, 1,000 iterations, 10⁻⁹ nats per label.
    fn default() -> Self {
        Self { smoothing: 0.01, max_iterations: 1000, tolerance: 1e-9 }
    }
}

impl Em {
    pub(crate) fn check(&self) -> Result<(), BadLabels> {
        for (what, value) in [("smoothing", self.smoothing), ("tolerance", self.tolerance)] {
            if !(0.0..=1e12).contains(&value) {
                return Err(BadLabels::Setting { what, value });
            }
        }
        Ok(())
    }

    /// `smoothing`·Σ ln of the chances, without 0·ln 0.
    pub(crate) fn ln_prior<'a>(&self, chances: impl IntoIterator<Item = &'a f64>) -> f64 {
        if self.smoothing > 0.0 { self.smoothing * chances.into_iter().map(|x| x.ln()).sum::<f64>() } else { 0.0 }
    }
}

/// The index of the highest chance, the first of equals.
pub(crate) fn most_likely(chances: &[f64]) -> Option<usize> {
    (0..chances.len()).reduce(|best, i| if chances[i] > chances[best] { i } else { best })
}

/// Turns ln weights into chances, and returns the ln of their sum.
pub(crate) fn normalise(ln: &mut [f64]) -> f64 {
    let top = ln.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum = ln.iter().map(|x| (x - top).exp()).sum::<f64>();
    for x in ln {
        *x = (*x - top).exp() / sum;
    }
    top + sum.ln()
}
