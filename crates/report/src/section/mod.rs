//! The sections of the report, one a file, from top to bottom.

pub mod appendix;
pub mod attack_prompts;
pub mod attacks;
pub mod audits;
pub mod can_or_will;
pub mod judged;
pub mod opening;
pub mod outer;
pub mod oversight;
pub mod oversight_chess;
pub mod oversight_reward;
pub mod people;
pub mod ppo;
pub mod pressed;
pub mod refusals;
pub mod rescored;
pub mod signatures;
pub mod sycophancy;
pub mod training;
pub mod transcripts;

use crate::html::escape;

/// A section: its anchor, its kind in a quiet line, the finding as its title, and its finished body.
#[must_use]
pub fn section(id: &str, kind: &str, title: &str, body: &str) -> String {
    format!(
        "<section id=\"{id}\">\n<p class=\"kind\">{}</p>\n<h2>{}</h2>\n{body}</section>\n",
        escape(kind),
        escape(title)
    )
}

/// A section that cannot be shown: what it lacks.
#[must_use]
pub fn absent(id: &str, kind: &str, why: &str) -> String {
    let chart = format!("<figure>{}</figure>\n", crate::chart::line::undefined(why));
    section(id, kind, &format!("{kind}: not measurable"), &chart)
}
