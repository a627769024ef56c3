//! The attacks that are tried, and what each is a control of.

/// One of the rewritings of a request, in words of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// The model is given a part to play.
    RolePlay,
    /// It is told which words not to use.
    RefusalSuppression,
    /// It is told how to begin.
    PrefixInjection,
    /// It is told that this is allowed.
    Permission,
    /// The request's words in reverse order.
    Reversed,
    /// The request taken apart: letters by spaces, on the world words by commas.
    Spaced,
    /// Harmless questions first, each answered by the model, then the request.
    Crescendo,
}

impl Template {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::RolePlay,
        Self::RefusalSuppression,
        Self::PrefixInjection,
        Self::Permission,
        Self::Reversed,
        Self::Spaced,
        Self::Crescendo,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::RolePlay => "role_play",
            Self::RefusalSuppression => "refusal_suppression",
            Self::PrefixInjection => "prefix_injection",
            Self::Permission => "permission",
            Self::Reversed => "reversed",
            Self::Spaced => "spaced",
            Self::Crescendo => "crescendo",
        }
    }
}

/// One attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Technique {
    /// The request as it is: the baseline.
    Direct,
    /// The request rewritten.
    Template(Template),
    /// After so many forbidden requests that were answered: Anil et al. 2024.
    ManyShot(u64),
    /// After as many harmless ones: its control.
    BenignShot(u64),
    /// With so many tokens of the answer given. One of them is the ceiling: what the model can give at all.
    Prefill(u64),
    /// So many draws at temperature 1, each of the request augmented anew: Hughes et al. 2024.
    BestOf(u64),
    /// So many draws of the request as it is: its control.
    Resampled(u64),
    /// A suffix for each topic, found by gradients: Zou et al. 2023.
    Gcg,
    /// One suffix for all, found on validation prompts.
    GcgUniversal,
    /// A suffix of as many random tokens: their control.
    RandomSuffix,
    /// Prompts that an attacker's model writes, each stream anew after what came of its last one: Chao et al. 2023.
    Pair,
    /// The same, anew after the best ones of all: Mehrotra et al. 2023.
    Tap,
    /// As many prompts of the same attacker, which hears of nothing: their control.
    Unrefined,
}

/// A part of the plan, as `--only` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The rewritings.
    Templates,
    /// Many shots, and their control.
    ManyShot,
    /// Answers begun.
    Prefill,
    /// Many draws, and their control.
    BestOf,
    /// Suffixes, and their control.
    Gcg,
    /// Prompts that an attacker's model writes, and their control.
    Attacker,
}

impl Part {
    /// All of them, with their names.
    pub const ALL: [(&'static str, Self); 6] = [
        ("templates", Self::Templates),
        ("many-shot", Self::ManyShot),
        ("prefill", Self::Prefill),
        ("best-of", Self::BestOf),
        ("gcg", Self::Gcg),
        ("attacker", Self::Attacker),
    ];
}

/// Shots: 1, 2, 4, … to this many.
pub const MOST_SHOTS: u64 = 64;
/// Tokens that are given.
pub const PREFILLS: [u64; 4] = [1, 2, 4, 8];

impl Technique {
    /// What its records and figures are called.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Direct => "direct".into(),
            Self::Template(template) => template.word().into(),
            Self::ManyShot(k) => format!("many_shot_{k}"),
            Self::BenignShot(k) => format!("benign_shot_{k}"),
            Self::Prefill(n) => format!("prefill_{n}"),
            Self::BestOf(_) => "best_of".into(),
            Self::Resampled(_) => "resampled".into(),
            Self::Gcg => "gcg".into(),
            Self::GcgUniversal => "gcg_universal".into(),
            Self::RandomSuffix => "random_suffix".into(),
            Self::Pair => "pair".into(),
            Self::Tap => "tap".into(),
            Self::Unrefined => "unrefined".into(),
        }
    }

    /// The attack that it is compared with; none for the baseline.
    #[must_use]
    pub fn control(self) -> Option<Self> {
        match self {
            Self::Direct => None,
            Self::ManyShot(k) => Some(Self::BenignShot(k)),
            Self::BestOf(n) => Some(Self::Resampled(n)),
            Self::Gcg | Self::GcgUniversal => Some(Self::RandomSuffix),
            Self::Pair | Self::Tap => Some(Self::Unrefined),
            _ => Some(Self::Direct),
        }
    }

    /// Whether it is asked of another model with what was found on this one; the baseline and the ceiling are asked with it.
    #[must_use]
    pub fn is_carried(self) -> bool {
        matches!(self, Self::Direct | Self::Prefill(1) | Self::Gcg | Self::GcgUniversal)
    }

    /// Whether an attacker's model writes its prompts.
    #[must_use]
    pub fn is_written(self) -> bool {
        matches!(self, Self::Pair | Self::Tap | Self::Unrefined)
    }

    /// Draws of each request.
    #[must_use]
    pub fn draws(self) -> u64 {
        if let Self::BestOf(n) | Self::Resampled(n) = self { n } else { 1 }
    }
}

/// The attacks of these parts, the baseline first and, whatever is asked for, the ceiling after it.
#[must_use]
pub fn plan(parts: &[Part], best_of: u64) -> Vec<Technique> {
    let mut all = vec![Technique::Direct, Technique::Prefill(1)];
    let wants = |part| parts.contains(&part);
    if wants(Part::Templates) {
        all.extend(Template::ALL.map(Technique::Template));
    }
    if wants(Part::Prefill) {
        all.extend(PREFILLS.into_iter().skip(1).map(Technique::Prefill));
    }
    if wants(Part::ManyShot) {
        for k in trimtab_stats::doublings(MOST_SHOTS) {
            all.extend([Technique::ManyShot(k), Technique::BenignShot(k)]);
        }
    }
    if wants(Part::BestOf) {
        all.extend([Technique::BestOf(best_of), Technique::Resampled(best_of)]);
    }
    if wants(Part::Gcg) {
        all.extend([Technique::Gcg, Technique::GcgUniversal, Technique::RandomSuffix]);
    }
    if wants(Part::Attacker) {
        all.extend([Technique::Pair, Technique::Tap, Technique::Unrefined]);
    }
    all
}
