//! Pages without a task: finished, waiting, joining, signed out, errors. Each says what to do next.

use super::html::{escape, exact, t, tf};
use super::view::NoTask;
use crate::service::messages::Messages;

fn state(title: &str, text: &str, more: &str) -> String {
    format!("<section class=\"state\">\n<h1>{title}</h1>\n<p>{text}</p>\n{more}<p data-state></p>\n</section>\n")
}

/// Why there is no task, and what to do.
#[must_use]
pub fn no_task_main(why: NoTask, done: u64, m: &Messages) -> String {
    let (name, title, text) = match why {
        NoTask::Finished => ("finished", t(m, "finished_title"), t(m, "finished_text")),
        NoTask::Waiting => ("waiting", t(m, "waiting_title"), t(m, "waiting_text")),
        NoTask::Quota => ("quota", t(m, "quota_title"), t(m, "quota_text")),
        NoTask::Calibration => ("calibration", t(m, "calibration_title"), t(m, "calibration_text")),
        NoTask::Empty => ("empty", t(m, "empty_title"), t(m, "empty_text")),
    };
    let done_words = tf(m, "done", &[("n", &done.to_string())]);
    let history =
        if done > 0 { format!("<a href=\"/history\">{}</a> ", t(m, "look_at_history")) } else { String::new() };
    // The script asks again by itself where a task may come.
    let more = format!(
        "<p class=\"quiet\">{done_words}</p>\n<p class=\"next\" data-none=\"{name}\">{history}<a href=\"/task\">{}</a></p>\n",
        t(m, "look_again")
    );
    state(&title, &text, &more)
}

/// An invitation, before it is taken: opening the link alone changes nothing, so that a preview does not use it up.
#[must_use]
pub fn join_main(invite: &str, name: &str, m: &Messages) -> String {
    let title = if name.is_empty() { t(m, "join_title") } else { tf(m, "join_title_name", &[("name", name)]) };
    let more = format!(
        "<form method=\"post\" action=\"/join\"><input type=\"hidden\" name=\"invite\" value=\"{}\"><p><button class=\"main\">{}</button></p></form>\n<p class=\"quiet\">{}</p>\n",
        exact(invite),
        t(m, "join_button"),
        t(m, "join_small")
    );
    state(&title, &t(m, "join_text"), &more)
}

/// What somebody without a session sees.
#[must_use]
pub fn signed_out_main(m: &Messages) -> String {
    state(&t(m, "signed_out_title"), &t(m, "signed_out_text"), "")
}

/// An error, with what it was and the way on. `what` is not yet escaped.
#[must_use]
pub fn error_main(code: u16, what: &str, m: &Messages) -> String {
    let title = match code {
        403 => t(m, "error_403"),
        404 => t(m, "error_404"),
        429 => t(m, "error_429"),
        503 => t(m, "error_503"),
        _ => t(m, "error_other"),
    };
    let what =
        if what.is_empty() { String::new() } else { format!("<p class=\"quiet\">{code}: {}</p>\n", escape(what)) };
    let text = if code >= 500 { t(m, "error_kept") } else { t(m, "error_text") };
    state(&title, &text, &format!("{what}<p class=\"next\"><a href=\"/task\">{}</a></p>\n", t(m, "to_tasks")))
}
