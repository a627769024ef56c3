//! The rungs of the ladder and their doses, the same for every model.

use serde::{Deserialize, Serialize};

/// Answers drawn to each question for best-of-n.
pub const BEST_OF_DRAWS: usize = 64;
/// Answers drawn to each question on any other rung.
pub const DRAWS: usize = 4;
/// Draws of the noise.
const NOISES: u64 = 3;

/// One way to get an answer out of a model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Rung {
    /// The question as it is.
    Plain,
    /// The most likely answer instead of drawn ones.
    Greedy,
    /// After other questions with their answers, as earlier turns of the conversation.
    FewShot {
        /// How many.
        k: usize,
    },
    /// One of several drawn answers.
    BestOf {
        /// How many.
        n: u64,
    },
    /// The answer begun with what all possible answers have in common.
    Prefill,
    /// Normal noise added to every weight.
    Noise {
        /// Its standard deviation, as a share of the root mean square of the tensor.
        sigma: f64,
    },
    /// After fine-tuning on other questions with their answers.
    FineTuned {
        /// How many.
        k: usize,
    },
}

/// Every rung, the cheapest first.
#[must_use]
pub fn ladder() -> Vec<Rung> {
    let few = [1, 4, 8].map(|k| Rung::FewShot { k });
    let noise = [0.03, 0.1, 0.2, 0.4].map(|sigma| Rung::Noise { sigma });
    let tuned = [1, 4, 16, 64, 256].map(|k| Rung::FineTuned { k });
    let plain = [Rung::Plain, Rung::Greedy, Rung::Prefill];
    let best = [Rung::BestOf { n: 8 }];
    [&plain[..], &few, &best, &noise, &tuned].concat()
}

impl Rung {
    /// As records, figures and `--fail-on` name it.
    ///
    /// ```
    /// use trimtab_audit::elicitation::Rung;
    /// assert_eq!(Rung::FineTuned { k: 16 }.name(), "fine_tuned.16");
    /// assert_eq!(Rung::Noise { sigma: 0.1 }.name(), "noise.0.1");
    /// ```
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Plain => "plain".into(),
            Self::Greedy => "greedy".into(),
            Self::FewShot { k } => format!("few_shot.{k}"),
            Self::BestOf { n } => format!("best_of.{n}"),
            Self::Prefill => "prefill".into(),
            Self::Noise { sigma } => format!("noise.{sigma}"),
            Self::FineTuned { k } => format!("fine_tuned.{k}"),
        }
    }

    /// What is counted, in words.
    #[must_use]
    pub fn what(self) -> String {
        let how = match self {
            Self::Plain => "asked plainly".into(),
            Self::Greedy => "by the most likely answer".into(),
            Self::FewShot { k } => format!("after {k} other questions with their answers in the conversation"),
            Self::BestOf { n } => format!("in one of {n} drawn answers"),
            Self::Prefill => "with the answer begun".into(),
            Self::Noise { sigma } => format!("with noise of {sigma} of each tensor's size in the weights"),
            Self::FineTuned { k } => format!("after fine-tuning on {k} other questions with their answers"),
        };
        format!("answers to held-out questions that are right, {how}")
    }

    /// Whether it changes the weights, or reads from within the model.
    #[must_use]
    pub fn needs_weights(self) -> bool {
        !matches!(self, Self::Plain | Self::Greedy | Self::FewShot { .. })
    }

    /// Whether the same is done with answers drawn at random.
    #[must_use]
    pub fn has_control(self) -> bool {
        matches!(self, Self::FewShot { .. } | Self::FineTuned { .. })
    }

    /// Answers to each question: one if it is the most likely one, else how many are drawn.
    pub(super) fn draws(self) -> usize {
        match self {
            Self::Greedy => 1,
            Self::BestOf { .. } => BEST_OF_DRAWS,
            _ => DRAWS,
        }
    }

    /// What is asked one after the other: of the rung itself or of its control, and in which draw.
    pub(super) fn passes(self) -> Vec<(bool, u64)> {
        match self {
            Self::Noise { .. } => (0..NOISES).map(|draw| (false, draw)).collect(),
            _ if self.has_control() => vec![(false, 0), (true, 0)],
            _ => vec![(false, 0)],
        }
    }
}
