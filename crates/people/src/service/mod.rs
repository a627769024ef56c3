//! The annotation service: tasks for people, and what they say, stored so that nothing acknowledged is lost.
//!
//! - [`event`] is what can happen, [`state`] a fold over it, [`assign`] who gets what next, [`decide`] what a request may do.
//! - [`log`] keeps events in SQLite or PostgreSQL, [`desk`] is the one writer in front of it.
//! - [`import`] brings work from other tools' files, [`export`] gives it out as files.
//! - [`http`] is the door; [`show`] says what of the state people see; [`pages`], [`messages`] and [`markdown`] are what people look at.

pub mod assign;
pub mod decide;
pub mod desk;
pub mod event;
pub mod export;
pub mod http;
pub mod import;
pub mod log;
pub mod markdown;
pub mod messages;
pub mod overview;
pub mod pages;
pub mod show;
pub mod state;

pub use desk::Desk;
pub use state::State;

use decide::Refusal;
use std::fmt::Write as _;

/// A secret of 256 bits from the system's generator, as hexadecimal.
///
/// # Errors
/// [`Refusal::Unavailable`] where the system has no randomness to give.
pub fn secret() -> Result<String, Refusal> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|e| Refusal::Unavailable(format!("the system gives no random bytes: {e}")))?;
    Ok(bytes.iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}
