//! One self-contained HTML report, computed from the files of a run folder and from nothing else.
//!
//! - A figure is computed here from recorded items or metrics, so anyone can recompute it from the same files.
//! - A measured value is a filled dot with its interval; a planted truth is a hollow diamond on the same axis.
//! - What is undefined is hatched and says why; what is absent is a sentence; a malformed line is an error.
//! - Everything that a file says is escaped: model answers are hostile text.
//! - The page needs no network and no JavaScript, and equal files give equal bytes.
//!
//! [`measure`] holds the pure estimators, [`chart`] the drawings, [`section`] the page from top to bottom.

pub mod chart;
mod compare;
mod error;
pub mod format;
pub mod html;
pub mod inspect_log;
mod item;
pub mod measure;
pub mod read;
pub mod section;
pub mod story;
mod sweep;

pub use compare::compare;
pub use error::Error;
pub use item::{Item, Kind};
pub use read::Run;
pub use section::attack_prompts::attack_prompts_page;
pub use section::attacks::attack_page;
pub use section::oversight::{folder_name, ladder_page, oversight_of};
pub use section::oversight_chess::chess_page;
pub use section::oversight_reward::weak_reward_page;
pub use section::rescored::rescored_page;
pub use sweep::{SweepPoint, crossing, sweep, sweep_metrics};

use story::Story;

/// The report of a run as one HTML page.
#[must_use]
pub fn report(run: &Run) -> String {
    let story = Story::new(run);
    let body = section::opening::sentences(&story)
        + &section::opening::axes(&story)
        + &section::signatures::section_of(&story)
        + &section::people::people(run)
        + &section::training::training(run)
        + &section::sycophancy::sycophancy(&story)
        + &section::refusals::refusals(&story)
        + &section::can_or_will::can_or_will(&story)
        + &section::outer::outer(run)
        + &section::audits::audits(run)
        + &section::attacks::attacks(&run.audits)
        + &section::attack_prompts::attack_prompts(&run.audits)
        + &section::appendix::appendix(run);
    html::page(&format!("{} · trimtab", run.name), &body)
}
