//! What has to be fitted for a ladder of sizes, in which order, and under which names.
//!
//! 1. All pairs weak ≤ strong, a ceiling for each student, and the controls: the same shape without pretraining, labels of other
//!    items, and what a model says without training.
//! 2. Controls are for the weakest supervisor alone, and for the largest student but one: the largest costs as much as all others.
//! 3. Fits of the largest model as a student come last, so that what is predicted for them can be written before them.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How a student learns from weak labels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// Every parameter, cross-entropy with soft labels.
    Naive,
    /// The confidence loss with α up to this, in (0, 1].
    Confidence(f64),
    /// Naive, on this share of the items: those of which the weak model is surest, as many of either class.
    Filtered(f64),
    /// A logistic model on the hidden state at the last token of the model that was pretrained, with hard labels.
    Probe,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Naive => f.write_str("naive"),
            Self::Confidence(alpha) => write!(f, "confidence-{alpha}"),
            Self::Filtered(share) => write!(f, "filtered-{share}"),
            Self::Probe => f.write_str("probe"),
        }
    }
}

impl FromStr for Method {
    type Err = Error;

    /// ```
    /// use trimtab_oversight::transformers::Method;
    /// assert_eq!("confidence-0.5".parse::<Method>()?, Method::Confidence(0.5));
    /// assert!("confidence-2".parse::<Method>().is_err());
    /// # Ok::<(), trimtab_oversight::Error>(())
    /// ```
    fn from_str(text: &str) -> Result<Self, Error> {
        let share = |number: &str| number.parse::<f64>().ok().filter(|share| *share > 0.0 && *share <= 1.0);
        match text.split_once('-') {
            None if text == "naive" => return Ok(Self::Naive),
            None if text == "probe" => return Ok(Self::Probe),
            Some(("confidence", number)) => share(number).map(Self::Confidence),
            Some(("filtered", number)) => share(number).map(Self::Filtered),
            _ => None,
        }
        .ok_or_else(|| {
            let expected = "naive, probe, confidence-ALPHA or filtered-SHARE, with a number above 0 and up to 1";
            Error::input(format!("there is no method {text:?}"), expected, "naive,confidence-0.5")
        })
    }
}

impl Serialize for Method {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One fit of one seed; sizes are places on the ladder, from 0, the smallest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fit {
    /// What the model says without training.
    ZeroShot(usize),
    /// Gold of half A.
    Weak(usize),
    /// Gold of half B; as a probe where students are probes.
    Ceiling {
        /// The student's size.
        strong: usize,
        /// Whether it is a probe.
        probe: bool,
    },
    /// Labels of half B by a weak model.
    Student {
        /// Who labels.
        weak: usize,
        /// Who learns.
        strong: usize,
        /// How.
        method: Method,
    },
    /// Labels of the link below it, on a part of half B of its own.
    Chain(usize),
    /// Control: random weights of this size learn the smallest model's labels.
    Untrained(usize),
    /// Control: the smallest model's labels, of other items.
    Shuffled(usize),
}

impl Fit {
    /// Its name, as files have it; `names` are those of the sizes.
    ///
    /// ```
    /// use trimtab_oversight::transformers::{Fit, Method};
    /// let names = ["30k".to_owned(), "1M".to_owned()];
    /// let fit = Fit::Student { weak: 0, strong: 1, method: Method::Confidence(0.5) };
    /// assert_eq!(fit.name(&names), "student-30k-1M-confidence-0.5");
    /// ```
    #[must_use]
    pub fn name(&self, names: &[String]) -> String {
        match *self {
            Self::ZeroShot(size) => format!("zero-shot-{}", names[size]),
            Self::Weak(size) => format!("weak-{}", names[size]),
            Self::Ceiling { strong, probe: false } => format!("ceiling-{}", names[strong]),
            Self::Ceiling { strong, probe: true } => format!("ceiling-{}-probe", names[strong]),
            Self::Student { weak, strong, method } => format!("student-{}-{}-{method}", names[weak], names[strong]),
            Self::Chain(size) => format!("chain-{}", names[size]),
            Self::Untrained(size) => format!("untrained-{}", names[size]),
            Self::Shuffled(size) => format!("shuffled-{}", names[size]),
        }
    }

    /// The size that is fitted.
    #[must_use]
    pub fn size(&self) -> usize {
        match *self {
            Self::ZeroShot(size)
            | Self::Weak(size)
            | Self::Chain(size)
            | Self::Untrained(size)
            | Self::Shuffled(size)
            | Self::Ceiling { strong: size, .. }
            | Self::Student { strong: size, .. } => size,
        }
    }
}

/// The size of the students of the controls: the largest but one, or the larger of two.
#[must_use]
pub fn control_size(sizes: usize) -> usize {
    sizes.saturating_sub(2).max(1)
}

/// The fits of one seed: those to be made before anything is predicted, and those of the largest student.
///
/// ```
/// use trimtab_oversight::transformers::{Fit, Method, plan};
/// let [before, after] = plan(2, &[Method::Naive], true);
/// assert!(before.contains(&Fit::Weak(1)) && before.contains(&Fit::Ceiling { strong: 0, probe: false }));
/// assert!(after.contains(&Fit::Student { weak: 0, strong: 1, method: Method::Naive }));
/// assert!(!after.contains(&Fit::Chain(1))); // the first link is the student itself
/// ```
#[must_use]
pub fn plan(sizes: usize, methods: &[Method], chain: bool) -> [Vec<Fit>; 2] {
    let last = sizes.saturating_sub(1);
    let mut all: Vec<Fit> = (0..sizes).flat_map(|size| [Fit::ZeroShot(size), Fit::Weak(size)]).collect();
    for strong in 0..sizes {
        all.push(Fit::Ceiling { strong, probe: false });
        if methods.contains(&Method::Probe) {
            all.push(Fit::Ceiling { strong, probe: true });
        }
        let students =
            |method: &Method| (0..=strong).map(|weak| Fit::Student { weak, strong, method: *method }).collect();
        all.extend(methods.iter().flat_map(|method| -> Vec<Fit> { students(method) }));
        if chain && strong >= 2 {
            all.push(Fit::Chain(strong));
        }
        if strong == control_size(sizes) {
            all.extend([Fit::Untrained(strong), Fit::Shuffled(strong)]);
        }
    }
    let as_student = |fit: &Fit| fit.size() == last && !matches!(fit, Fit::ZeroShot(_) | Fit::Weak(_));
    let (after, before) = all.into_iter().partition(as_student);
    [before, after]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Law: every fit has a name of its own, comes after those whose labels it needs, and all pairs are there.
    #[test]
    fn plans_are_in_order_and_whole() {
        let names: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        for sizes in 2..=4 {
            let methods = [Method::Naive, Method::Confidence(0.5), Method::Filtered(0.5), Method::Probe];
            let all = plan(sizes, &methods, true).concat();
            let mut seen = BTreeSet::new();
            for fit in &all {
                let needs = match *fit {
                    Fit::Student { weak, .. } => Some(Fit::Weak(weak)),
                    Fit::Chain(2) => Some(Fit::Student { weak: 0, strong: 1, method: Method::Naive }),
                    Fit::Chain(size) => Some(Fit::Chain(size - 1)),
                    Fit::Untrained(_) | Fit::Shuffled(_) => Some(Fit::Weak(0)),
                    _ => None,
                };
                assert!(needs.is_none_or(|fit| seen.contains(&fit.name(&names))), "{fit:?}");
                assert!(seen.insert(fit.name(&names)), "{fit:?} twice");
            }
            let students = all.iter().filter(|fit| matches!(fit, Fit::Student { .. })).count();
            assert_eq!(students, methods.len() * sizes * (sizes + 1) / 2);
        }
    }

    #[test]
    fn methods_are_read_as_they_are_written() {
        for method in [Method::Naive, Method::Probe, Method::Confidence(0.75), Method::Filtered(0.5)] {
            assert_eq!(method.to_string().parse::<Method>().unwrap(), method);
        }
        for bad in ["", "naive-1", "confidence", "confidence-0", "filtered-NaN", "probe-0.5"] {
            assert!(bad.parse::<Method>().unwrap_err().to_string().contains("there is no method"), "{bad}");
        }
    }
}
