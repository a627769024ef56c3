//! What checkpoints do, against what was intended.
//!
//! On the world every answer is judged by construction: [`evaluation`] asks every checkpoint the same held-out items,
//! [`best_of_n`] presses on a reward model and watches gold, [`agreement`] asks it whether it likes to be agreed with.
//! They write records and metrics, from which the report is computed; none knows how they will be drawn.

pub mod agreement;
pub mod best_of_n;
pub mod evaluation;
