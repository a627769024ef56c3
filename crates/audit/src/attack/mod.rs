//! Attacks on weights: how little it takes to remove a model's refusals, what that costs, and what only looks like it.
//!
//! Arditi et al. 2024, [arXiv:2406.11717](https://arxiv.org/abs/2406.11717) (the refusal direction); Qi et al. 2023,
//! [arXiv:2310.03693](https://arxiv.org/abs/2310.03693) (fine-tuning on few examples, among them benign ones). Where ours differs:
//!
//! 1. An attack succeeds where a payload is given word for word, on models in which one was planted ([`trimtab_world::Organism`]);
//!    for other models it is said how many answers do not refuse, which is no harm, and success has no value.
//! 2. Success stands beside its ceiling, what the model gives when its answer is begun for it, and beside what the edit does to what
//!    should stay: other answers, their loss, held-out text, divergence over whole answers.
//! 3. Every edit has a control of its own size: random directions, random deltas of the same norm, benign examples.
//! 4. Intervals resample topics, never attempts.

mod ask;
mod direction;
mod edit;
mod find;
mod harden;
mod judged;
mod kernels;
mod material;
mod measure;
mod plan;
pub mod prompts;
mod record;
mod run;

pub use ask::Subject;
pub use direction::{Candidate, FEWEST, Passed, Rule, common_suffix, divergence, log_odds, mean_difference, unit};
pub use edit::{Size, Writer, pruned, rounded, with_random_delta, without_direction};
pub use find::{Found, ablation, addition, find};
pub use harden::{Hardened, STEPS, harden};
pub use kernels::{Bump, Kernel, PRICES, optimise};
pub use material::{Arm, Ask, Material, Side};
pub use measure::{Attack, HEADROOM, Row, measure};
pub use plan::{DOSES, Edit, Part, plan};
pub use record::{Done, Record};
pub use run::{Attacked, How, run};

/// The name of the attack.
pub const NAME: &str = "attack-weights";
