//! What has to be fitted for one seed, in which order, and under which names.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How a student learns from weak preferences.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// Every parameter, cross-entropy with the labels.
    Naive,
    /// Naive, after next-token training on the texts of half B without their labels.
    Generative,
    /// The confidence loss with α up to this, in (0, 1].
    Confidence(f64),
}

impl Method {
    /// Whether its ceiling too was first trained on the texts.
    #[must_use]
    pub fn generative(self) -> bool {
        self == Self::Generative
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Naive => f.write_str("naive"),
            Self::Generative => f.write_str("generative"),
            Self::Confidence(alpha) => write!(f, "confidence-{alpha}"),
        }
    }
}

impl FromStr for Method {
    type Err = Error;

    /// ```
    /// use trimtab_oversight::reward::Method;
    /// assert_eq!("confidence-0.5".parse::<Method>()?, Method::Confidence(0.5));
    /// assert!("magic".parse::<Method>().is_err());
    /// # Ok::<(), trimtab_oversight::Error>(())
    /// ```
    fn from_str(text: &str) -> Result<Self, Error> {
        let alpha = text.strip_prefix("confidence-").and_then(|number| number.parse::<f64>().ok());
        match (text, alpha) {
            ("naive", _) => Ok(Self::Naive),
            ("generative", _) => Ok(Self::Generative),
            (_, Some(alpha)) if alpha > 0.0 && alpha <= 1.0 => Ok(Self::Confidence(alpha)),
            _ => {
                let expected = "naive, generative or confidence-ALPHA, with a number above 0 and up to 1";
                Err(Error::input(format!("there is no method {text:?}"), expected, "naive,generative"))
            }
        }
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

/// One fit of one seed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fit {
    /// What the weak model's head says before it is fitted.
    UntaughtWeak,
    /// What the strong model's head says before it is fitted.
    UntaughtStrong,
    /// The weak model: gold of half A.
    Weak,
    /// The strong model: gold of half B.
    Ceiling {
        /// Whether it read the texts first.
        generative: bool,
    },
    /// The strong model: the weak one's labels of half B.
    Student(Method),
    /// Control: random weights of the strong size, the weak one's labels.
    Untrained,
    /// Control: the weak one's labels, of other pairs.
    Shuffled,
}

impl Fit {
    /// Its name, as files have it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::UntaughtWeak => "untaught-weak".into(),
            Self::UntaughtStrong => "untaught-strong".into(),
            Self::Weak => "weak".into(),
            Self::Ceiling { generative: false } => "ceiling".into(),
            Self::Ceiling { generative: true } => "ceiling-generative".into(),
            Self::Student(method) => format!("student-{method}"),
            Self::Untrained => "untrained".into(),
            Self::Shuffled => "shuffled".into(),
        }
    }

    /// Whether it reads the texts first.
    #[must_use]
    pub fn generative(&self) -> bool {
        matches!(self, Self::Ceiling { generative: true } | Self::Student(Method::Generative))
    }

    /// Whether best-of-n is by it: of every model that is no control.
    #[must_use]
    pub fn pressed(&self) -> bool {
        matches!(self, Self::Weak | Self::Ceiling { .. } | Self::Student(_))
    }
}

/// The fits of one seed, each after those whose labels it needs.
///
/// ```
/// use trimtab_oversight::reward::{Fit, Method, plan};
/// let all = plan(&[Method::Naive, Method::Generative]);
/// assert!(all.contains(&Fit::Ceiling { generative: true }));
/// assert!(!plan(&[Method::Naive]).contains(&Fit::Ceiling { generative: true }));
/// ```
#[must_use]
pub fn plan(methods: &[Method]) -> Vec<Fit> {
    let mut all = vec![Fit::UntaughtWeak, Fit::UntaughtStrong, Fit::Weak, Fit::Ceiling { generative: false }];
    all.extend(methods.iter().filter(|m| !m.generative()).map(|m| Fit::Student(*m)));
    all.extend([Fit::Untrained, Fit::Shuffled]);
    // Side by side: both begin with the same model that has read the texts.
    if methods.contains(&Method::Generative) {
        all.extend([Fit::Ceiling { generative: true }, Fit::Student(Method::Generative)]);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Law: every fit has a name of its own and comes after the weak model, where it needs its labels.
    #[test]
    fn plans_are_in_order_and_whole() {
        let methods = [Method::Naive, Method::Generative, Method::Confidence(0.5)];
        let all = plan(&methods);
        let weak = all.iter().position(|fit| *fit == Fit::Weak).unwrap();
        for (place, fit) in all.iter().enumerate() {
            let needs = matches!(fit, Fit::Student(_) | Fit::Untrained | Fit::Shuffled);
            assert!(!needs || place > weak, "{fit:?}");
        }
        assert_eq!(all.iter().map(Fit::name).collect::<BTreeSet<_>>().len(), all.len());
        assert!(methods.iter().all(|method| all.contains(&Fit::Student(*method))));
    }

    #[test]
    fn methods_are_read_as_they_are_written() {
        for method in [Method::Naive, Method::Generative, Method::Confidence(0.75)] {
            assert_eq!(method.to_string().parse::<Method>().unwrap(), method);
        }
        for bad in ["", "naive-1", "confidence", "confidence-0", "confidence-NaN", "confidence-2"] {
            assert!(bad.parse::<Method>().unwrap_err().to_string().contains("there is no method"), "{bad}");
        }
    }
}
