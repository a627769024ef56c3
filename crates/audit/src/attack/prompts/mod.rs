//! Attacks by prompts: how far a request gets when it is put differently, asked often, answered in part, or given a suffix.
//!
//! Wei et al. 2023, [arXiv:2307.02483](https://arxiv.org/abs/2307.02483) (refusal suppression, prefix injection); Anil et al. 2024,
//! *Many-shot jailbreaking*; Hughes et al. 2024, [arXiv:2412.03556](https://arxiv.org/abs/2412.03556) (best of N); Russinovich et al.
//! 2024, [arXiv:2404.01833](https://arxiv.org/abs/2404.01833) (crescendo); Zou et al. 2023,
//! [arXiv:2307.15043](https://arxiv.org/abs/2307.15043) (suffixes by gradients, which need the weights); Chao et al. 2023 and Mehrotra et al.
//! 2023 (prompts that another model writes). Where ours differs:
//!
//! 1. Success is the payload, word for word, where one is planted; elsewhere that nothing was refused, which is said to be no harm.
//! 2. Every attack has a baseline or a control that spends as much: the plain request, as many harmless shots, as many plain draws. A
//!    twin that was never taught a payload is attacked alike.
//! 3. The same rewriting of harmless requests says whether the model still understands what it is asked.
//! 4. Wordings are our own, few, and fixed before anything was measured. An attacker who writes them by looking at answers gets further:
//!    every figure is a lower bound.

mod defence;
mod gcg;
mod measure;
mod record;
mod refine;
mod results;
mod run;
mod suffix;
mod technique;
mod wording;

pub use defence::{Defence, Guard, Shield};
pub(super) use defence::{lessons, retained};
pub use gcg::{Gcg, Goal, Space, Suffix, losses, search};
pub use measure::{Beside, Prompts, Row, Told, measure};
pub use record::Attempt;
pub use refine::{Tree, Written};
pub use results::results;
pub use run::{How, Tried, Victim, run};
pub use suffix::Found;
pub use technique::{MOST_SHOTS, PREFILLS, Part, Technique, Template, plan};

/// The name of the attack.
pub const NAME: &str = "attack-prompts";
