//! The edits that are tried, and what each group of them is a control of.

use crate::attack::kernels::PRICES;
use crate::attack::material::Arm;
use serde::{Deserialize, Serialize};

/// Examples of a fine-tuning attack.
pub const DOSES: [u64; 5] = [1, 4, 16, 64, 256];
/// Percent of a map's entries that pruning removes.
const PRUNED: [u64; 3] = [10, 30, 50];
/// Bits that maps are rounded to.
const BITS: [u64; 2] = [8, 4];
/// Draws of a random direction that is added.
pub const ADDED: u64 = 5;

/// A part of the plan, as `--only` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Ablation of the direction.
    Direction,
    /// Random directions and deltas.
    Random,
    /// Optimised kernels.
    Kernels,
    /// Fine-tuning.
    Finetuning,
    /// Pruning and rounding.
    Incidental,
}

impl Part {
    /// All of them, with their names.
    pub const ALL: [(&'static str, Self); 5] = [
        ("direction", Self::Direction),
        ("random", Self::Random),
        ("kernels", Self::Kernels),
        ("finetuning", Self::Finetuning),
        ("incidental", Self::Incidental),
    ];
}

/// One edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edit {
    /// The model as it is.
    None,
    /// The refusal direction ablated.
    Ablation,
    /// A random direction ablated, of this draw.
    RandomDirection(u64),
    /// A random delta of the ablation's norms, of this draw.
    RandomDelta(u64),
    /// A kernel at this price of a nat.
    Kernel(u64),
    /// Fine-tuned on so many examples.
    FineTuned(Arm, u64),
    /// So many percent of each map's entries removed.
    Pruned(u64),
    /// Maps rounded to so many bits.
    Rounded(u64),
    /// The refusal direction added.
    Added,
    /// A random vector of its length added, of this draw.
    RandomAdded(u64),
}

impl Edit {
    /// What its records are called; draws of one edit share a name.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::None => "none".into(),
            Self::Ablation => "ablation".into(),
            Self::RandomDirection(_) => "random_direction".into(),
            Self::RandomDelta(_) => "random_delta".into(),
            Self::Kernel(price) => format!("kernels_{price}"),
            Self::FineTuned(arm, k) => format!("{}_{k}", arm.word()),
            Self::Pruned(percent) => format!("pruned_{percent}"),
            Self::Rounded(bits) => format!("int{bits}"),
            Self::Added => "added".into(),
            Self::RandomAdded(_) => "random_added".into(),
        }
    }

    /// Which draw, from 0.
    #[must_use]
    pub fn draw(self) -> u64 {
        match self {
            Self::RandomDirection(draw) | Self::RandomDelta(draw) | Self::RandomAdded(draw) => draw,
            _ => 0,
        }
    }

    /// The name of the edit that it is compared with; none for the unedited model.
    #[must_use]
    pub fn control(self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Ablation => Some("random_direction".into()),
            Self::Kernel(_) => Some("random_delta".into()),
            Self::FineTuned(Arm::Harmful | Arm::Identity, k) => Some(format!("{}_{k}", Arm::Benign.word())),
            Self::Added => Some("random_added".into()),
            _ => Some("none".into()),
        }
    }
}

/// The edits of these parts, `draws` of each random one; `examples` says how many there are of each arm. Without headroom there is
/// nothing to remove, and the direction is added instead.
#[must_use]
pub fn plan(parts: &[Part], draws: u64, headroom: bool, direction: bool, examples: &[(Arm, usize)]) -> Vec<Edit> {
    let mut edits = Vec::new();
    let wants = |part| parts.contains(&part);
    if !headroom {
        if direction {
            edits.push(Edit::Added);
            edits.extend((0..draws.min(ADDED)).map(Edit::RandomAdded));
        }
        return edits;
    }
    if direction && wants(Part::Direction) {
        edits.push(Edit::Ablation);
    }
    if direction && wants(Part::Random) {
        edits.extend((0..draws).map(Edit::RandomDirection));
        edits.extend((0..draws).map(Edit::RandomDelta));
    }
    if direction && wants(Part::Kernels) {
        edits.extend(PRICES.map(Edit::Kernel));
    }
    if wants(Part::Finetuning) {
        for (arm, available) in examples {
            edits.extend(DOSES.into_iter().filter(|k| *k as usize <= *available).map(|k| Edit::FineTuned(*arm, k)));
        }
    }
    if wants(Part::Incidental) {
        edits.extend(PRUNED.map(Edit::Pruned));
        edits.extend(BITS.map(Edit::Rounded));
    }
    edits
}
