//! What has to be fitted for one seed, in which order, and under which names. Sizes are places in a list, from 0, the weak one.

/// One fit of one seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// What a model says that has read games and no puzzle.
    ZeroShot(usize),
    /// The first size: gold of half A.
    Weak,
    /// Gold of half B.
    Ceiling(usize),
    /// The weak model's moves on half B.
    Direct(usize),
    /// A step of the chain: moves of the step below, on a part of its own; the last one on half B.
    Chain(usize),
    /// Control: the last size without having read anything, the weak model's moves on half B.
    Untrained,
    /// Control: the last size, the weak model's moves of other puzzles.
    Shuffled,
}

impl Fit {
    /// Its name, as files have it; `names` are those of the sizes.
    ///
    /// ```
    /// use trimtab_oversight::chess::Fit;
    /// assert_eq!(Fit::Chain(1).name(&["30k".into(), "1M".into()]), "chain-1M");
    /// ```
    #[must_use]
    pub fn name(&self, names: &[String]) -> String {
        match *self {
            Self::ZeroShot(size) => format!("zero-shot-{}", names[size]),
            Self::Weak => "weak".into(),
            Self::Ceiling(size) => format!("ceiling-{}", names[size]),
            Self::Direct(size) => format!("direct-{}", names[size]),
            Self::Chain(size) => format!("chain-{}", names[size]),
            Self::Untrained => "untrained".into(),
            Self::Shuffled => "shuffled".into(),
        }
    }

    /// The size that is fitted, of `sizes`.
    #[must_use]
    pub fn size(&self, sizes: usize) -> usize {
        match *self {
            Self::ZeroShot(size) | Self::Ceiling(size) | Self::Direct(size) | Self::Chain(size) => size,
            Self::Weak => 0,
            Self::Untrained | Self::Shuffled => sizes - 1,
        }
    }

    /// Whose labels it learns from, of `sizes`; none of gold, or of nothing.
    ///
    /// The first step of the chain is taught by the weak model, each other one by the step below.
    #[must_use]
    pub fn teacher(&self) -> Option<Self> {
        match *self {
            Self::ZeroShot(_) | Self::Weak | Self::Ceiling(_) => None,
            Self::Chain(size) if size > 1 => Some(Self::Chain(size - 1)),
            Self::Chain(_) | Self::Direct(_) | Self::Untrained | Self::Shuffled => Some(Self::Weak),
        }
    }
}

/// The fits of one seed, each after its teacher. A chain needs a size between the first and the last.
///
/// ```
/// use trimtab_oversight::chess::{Fit, plan};
/// assert!(!plan(2).contains(&Fit::Chain(1)));
/// assert!(plan(3).contains(&Fit::Chain(1)) && plan(3).contains(&Fit::Chain(2)));
/// ```
#[must_use]
pub fn plan(sizes: usize) -> Vec<Fit> {
    let mut all: Vec<Fit> = (0..sizes).map(Fit::ZeroShot).collect();
    all.push(Fit::Weak);
    all.extend((1..sizes).flat_map(|size| [Fit::Ceiling(size), Fit::Direct(size)]));
    if sizes > 2 {
        all.extend((1..sizes).map(Fit::Chain));
    }
    all.extend([Fit::Untrained, Fit::Shuffled]);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Law: every fit has a name of its own and comes after its teacher.
    #[test]
    fn plans_are_in_order() {
        let names: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        for sizes in 2..=4 {
            let mut seen = BTreeSet::new();
            for fit in plan(sizes) {
                assert!(fit.teacher().is_none_or(|teacher| seen.contains(&teacher.name(&names))), "{fit:?}");
                assert!(seen.insert(fit.name(&names)) && fit.size(sizes) < sizes);
            }
        }
    }
}
