//! The pages of the service: data in, HTML out.
//!
//! Each `…_main` gives what stands in `<main>`; [`layout`] puts the document around it. Nothing here is inline script or
//! style, so that the content policy can forbid both.

mod admin;
mod history;
pub mod html;
mod item;
mod layout;
mod measured;
mod states;
mod task;
pub mod view;

pub use admin::admin_main;
pub use history::{guidelines_main, history_main};
pub use item::item_main;
pub use layout::{CSS, JS, Nav, layout, ui};
pub use states::{error_main, join_main, no_task_main, signed_out_main};
pub use task::task_main;
