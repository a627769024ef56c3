//! The disagreement viewer: one item, and everything that was said about it.

use super::html::{escape, exact, letter, moment, said, t, tf, turns};
use super::measured::{Scale, cell};
use super::view::{ItemView, Saved};
use crate::service::markdown;
use crate::service::messages::Messages;
use std::fmt::Write as _;

/// An item with its answers, a table of who gave which rank, and each judgement in words.
#[must_use]
pub fn item_main(view: &ItemView, m: &Messages) -> String {
    let row = &view.row;
    let mut out = format!(
        "<div class=\"page\">\n<p><a href=\"/admin\">{}</a></p>\n<h1>{}</h1>\n<p class=\"quiet\">{}</p>\n",
        t(m, "nav_admin"),
        tf(m, "item_title", &[("item", &row.item)]),
        tf(m, "judged_of", &[("n", &row.judged.to_string()), ("wanted", &row.wanted.to_string())])
    );
    let _ = writeln!(
        out,
        "<div class=\"frame\" tabindex=\"0\"><table><tbody><tr><th scope=\"row\">{}</th>{}</tr></tbody></table></div>",
        t(m, "disagreement"),
        cell(&row.disagreement, Scale::Share, m)
    );
    let _ = writeln!(out, "<section class=\"prompt\"><h2>{}</h2>{}</section>", t(m, "prompt"), turns(&view.prompt, m));
    if view.judgements.is_empty() {
        let _ = writeln!(out, "<section><h2>{}</h2><p>{}</p></section>", t(m, "ranks_given"), t(m, "nobody_judged"));
    } else if !view.answers.is_empty() {
        matrix(&mut out, view, m);
    }
    let _ = writeln!(out, "<section><h2>{}</h2>", t(m, "answers"));
    for (place, (id, text)) in view.answers.iter().enumerate() {
        let _ = writeln!(
            out,
            "<div class=\"turn\"><h3>{} <code>{}</code></h3><div class=\"said\" dir=\"auto\">{}</div></div>",
            tf(m, "answer", &[("letter", &letter(place))]),
            escape(id),
            markdown::render_below(text, 3)
        );
    }
    out += "</section>\n";
    judgements(&mut out, view, m);
    out + "</div>\n"
}

/// People down, answers across: the rank, and marks for ticks. Judgements that were replaced stay out.
fn matrix(out: &mut String, view: &ItemView, m: &Messages) {
    let caption = t(m, "ranks_given");
    let _ = write!(
        out,
        "<section><h2>{caption}</h2><p class=\"quiet\">{}</p><div class=\"frame\" tabindex=\"0\"><table class=\"matrix\"><caption class=\"unseen\">{caption}</caption><thead><tr><th scope=\"col\">{}</th>",
        t(m, "matrix_help"),
        t(m, "person")
    );
    for place in 0..view.answers.len() {
        let _ = write!(out, "<th scope=\"col\">{}</th>", letter(place));
    }
    let _ = writeln!(out, "<th scope=\"col\">{}</th></tr></thead><tbody>", t(m, "verdict"));
    for (person, saved) in view.judgements.iter().filter(|(_, saved)| !saved.revised) {
        let _ = write!(out, "<tr><th scope=\"row\">{}</th>", escape(person));
        for (answer, _) in &view.answers {
            out.push_str(&given(saved, answer, view.answers.len(), m));
        }
        let verdict = saved.verdict.as_deref().map(|v| super::html::verdict_words(v, m)).unwrap_or_default();
        let _ = writeln!(out, "<td>{}</td></tr>", escape(&verdict));
    }
    *out += "</tbody></table></div></section>\n";
}

fn given(saved: &Saved, answer: &str, count: usize, m: &Messages) -> String {
    let flags = saved.flags.get(answer).map(Vec::as_slice).unwrap_or_default();
    let mut marks = String::new();
    for flag in flags {
        let _ = write!(marks, " <small class=\"mark\">{}</small>", escape(&flag_words(flag, m)));
    }
    match saved.ranks.get(answer) {
        // Three shades are enough to see where people part ways.
        Some(&rank) => {
            let shade = if rank == 1 {
                "first"
            } else if rank as usize >= count {
                "last"
            } else {
                "mid"
            };
            format!("<td class=\"{shade}\">{rank}{marks}</td>")
        }
        None => format!("<td class=\"hatched\"><small>{}</small>{marks}</td>", t(m, "not_ranked")),
    }
}

fn flag_words(flag: &str, m: &Messages) -> String {
    match flag {
        "false_claim" => m.get("flag_false_claim").to_owned(),
        "harmful" => m.get("flag_harmful").to_owned(),
        other => other.to_owned(),
    }
}

/// A reason is a code, then perhaps the person's own words after a colon.
fn reason_words(reason: &str, m: &Messages) -> String {
    let (code, own) = reason.split_once(": ").map_or((reason, None), |(code, own)| (code, Some(own)));
    let words = match code {
        "too_long" => m.get("why_too_long"),
        "topic" => m.get("why_topic"),
        "language" => m.get("why_language"),
        "upsetting" => m.get("why_upsetting"),
        "broken" => m.get("why_broken"),
        "other" => m.get("why_other"),
        _ => return reason.to_owned(),
    };
    own.map_or_else(|| words.to_owned(), |own| format!("{words}: {own}"))
}

fn judgements(out: &mut String, view: &ItemView, m: &Messages) {
    if view.judgements.is_empty() {
        return;
    }
    let place = |answer: &str| view.answers.iter().position(|(id, _)| id == answer);
    let name = |answer: &str| place(answer).map_or_else(|| answer.to_owned(), letter);
    let _ = writeln!(out, "<section><h2>{}</h2><ol class=\"saved\">", t(m, "in_words"));
    for (person, saved) in &view.judgements {
        let class = if saved.revised { " class=\"old\"" } else { "" };
        let _ = write!(
            out,
            "<li{class} id=\"j-{}\"><p class=\"title\">{}</p><p class=\"what\" dir=\"auto\">{}</p>",
            exact(&super::html::percent(&saved.judgement)),
            escape(person),
            said(saved, name, m)
        );
        if let Some(reason) = saved.reason.as_deref().filter(|reason| !reason.is_empty()) {
            let _ = write!(out, "<p dir=\"auto\">{}</p>", escape(&reason_words(reason, m)));
        }
        if let Some(comment) = saved.comment.as_deref().filter(|comment| !comment.is_empty()) {
            let _ = write!(out, "<p dir=\"auto\">“{}”</p>", escape(comment));
        }
        let replaced = if saved.revised { format!(" · {}", t(m, "replaced")) } else { String::new() };
        let _ = writeln!(out, "<p class=\"quiet\">{}{replaced}</p></li>", moment(saved.at));
    }
    *out += "</ol></section>\n";
}
