//! What a person has said so far, and the guidelines.

use super::html::{escape, moment, percent, said, t, tf, verdict_words};
use super::view::Saved;
use crate::service::markdown;
use crate::service::messages::Messages;
use std::fmt::Write as _;

/// One's own judgements, newest as given; those not yet replaced can be changed.
#[must_use]
pub fn history_main(saved: &[Saved], m: &Messages) -> String {
    let mut out = format!("<div class=\"page\">\n<h1>{}</h1>\n", t(m, "history_title"));
    if saved.is_empty() {
        let _ = write!(
            out,
            "<p>{}</p>\n<p class=\"next\"><a href=\"/task\">{}</a></p>\n</div>\n",
            t(m, "history_empty"),
            t(m, "to_tasks")
        );
        return out;
    }
    let _ = write!(out, "<p class=\"quiet\">{}</p>\n<ol class=\"saved\">\n", t(m, "history_text"));
    for s in saved {
        let class = if s.revised { " class=\"old\"" } else { "" };
        let _ = write!(
            out,
            "<li{class}><p class=\"title\" dir=\"auto\">{}</p><p class=\"what\">{}</p>",
            escape(&s.title),
            line(s, m)
        );
        let _ = write!(out, "<p class=\"quiet\">{}", moment(s.at));
        if s.revised {
            let _ = writeln!(out, " · {}</p></li>", t(m, "replaced"));
        } else {
            // The words of the link alone would be the same on every line.
            let _ = writeln!(
                out,
                "</p><p><a class=\"button\" href=\"/task?revise={}\" aria-label=\"{}\">{}</a></p></li>",
                percent(&s.judgement),
                tf(m, "change_of", &[("title", &s.title)]),
                t(m, "change")
            );
        }
    }
    out + "</ol>\n</div>\n"
}

/// What a judgement says, without names of answers: here nobody sees the answers.
fn line(s: &Saved, m: &Messages) -> String {
    if s.ranks.is_empty() {
        return said(s, str::to_owned, m);
    }
    let ranks: Vec<u32> = s.ranks.values().copied().collect();
    let ties = ranks.iter().filter(|r| ranks.iter().filter(|o| o == r).count() > 1).count();
    let mut parts = vec![m.fill("ranked_n", &[("n", &ranks.len().to_string())])];
    parts.extend((ties > 0).then(|| m.fill("tied_n", &[("n", &ties.to_string())])));
    let flags: usize = s.flags.values().map(Vec::len).sum();
    parts.extend((flags > 0).then(|| m.fill("ticks_n", &[("n", &flags.to_string())])));
    parts.extend(s.verdict.as_deref().map(|v| verdict_words(v, m)));
    parts.extend(s.comment.as_deref().filter(|c| !c.is_empty()).map(|c| format!("“{}”", super::html::cut(c, 80))));
    escape(&parts.join(" · "))
}

/// The guidelines that hold.
#[must_use]
pub fn guidelines_main(version: &str, text: &str, m: &Messages) -> String {
    let version = tf(m, "guidelines_version", &[("version", version)]);
    let text = if text.trim().is_empty() {
        format!("<p>{}</p>\n", t(m, "guidelines_none"))
    } else {
        format!("<div class=\"said\" dir=\"auto\">{}</div>\n", markdown::render_below(text, 1))
    };
    format!(
        "<div class=\"page\">\n<h1>{}</h1>\n<p class=\"quiet\">{version}</p>\n{text}</div>\n",
        t(m, "nav_guidelines")
    )
}
