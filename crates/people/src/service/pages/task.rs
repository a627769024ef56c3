//! One task: prompt, answers, and what can be said about them.
//!
//! Nothing is ranked or ticked before the person does it. The script reads the task from the attributes of its article.

use super::html::{exact, letter, t, tf, turns};
use super::view::{Kind, Saved, TaskView};
use crate::service::markdown;
use crate::service::messages::Messages;
use std::fmt::Write as _;

/// Beyond this many characters a prompt can be folded away.
const LONG_PROMPT: usize = 900;
/// Beyond this many characters or lines an answer is shown in part until asked for.
const LONG_ANSWER: (usize, usize) = (1400, 18);

/// What stands in `<main>` for a task.
#[must_use]
pub fn task_main(view: &TaskView, m: &Messages) -> String {
    let (name, title) = match (view.kind, view.revises.is_some()) {
        (Kind::Rank, false) => ("rank", t(m, "rank_title")),
        (Kind::Demonstrate, false) => ("demonstrate", t(m, "demonstrate_title")),
        (Kind::Edit, false) => ("edit", t(m, "edit_title")),
        (Kind::Rank, true) => ("rank", t(m, "revise_title")),
        (Kind::Demonstrate, true) => ("demonstrate", t(m, "revise_title")),
        (Kind::Edit, true) => ("edit", t(m, "revise_title")),
    };
    let mut out = format!(
        "<article id=\"task\" class=\"{name}\" data-kind=\"{name}\" data-lease=\"{}\" data-item=\"{}\" data-expires=\"{}\" data-guideline=\"{}\"",
        exact(&view.lease),
        exact(&view.item),
        view.expires,
        exact(&view.guideline)
    );
    if let Some(saved) = &view.revises {
        let _ = write!(out, " data-revises=\"{}\" data-saved=\"{}\"", exact(&saved.judgement), exact(&before(saved)));
    }
    let _ = write!(
        out,
        ">\n<header class=\"taskhead\"><h1 tabindex=\"-1\">{title}</h1><p class=\"quiet\">{}</p></header>\n",
        progress(view, m)
    );
    let _ = writeln!(out, "<noscript><p class=\"notice\">{}</p></noscript>", t(m, "needs_script"));
    let _ = writeln!(out, "<p class=\"notice\" id=\"expired\" hidden>{}</p>", t(m, "expired"));
    guidelines(&mut out, view, m);
    if view.kind == Kind::Rank {
        prompt(&mut out, view, m);
        rank(&mut out, view, m);
    } else {
        write_text(&mut out, view, m);
    }
    verdict(&mut out, m);
    comment(&mut out, m);
    foot(&mut out, view.kind, m);
    out + "</article>\n"
}

/// What was said before, for the script to fill in.
fn before(saved: &Saved) -> String {
    serde_json::json!({
        "ranks": saved.ranks, "flags": saved.flags, "verdict": saved.verdict, "reason": saved.reason,
        "comment": saved.comment, "text": saved.text, "margin": saved.margin,
    })
    .to_string()
}

fn progress(view: &TaskView, m: &Messages) -> String {
    let done = view.done.to_string();
    let mut words = match view.quota {
        Some(quota) => tf(m, "done_of", &[("n", &done), ("quota", &quota.to_string())]),
        None => tf(m, "done", &[("n", &done)]),
    };
    if let Some(left) = view.calibration_left {
        let _ = write!(words, " · {}", tf(m, "calibration_left", &[("n", &left.to_string())]));
    }
    words
}

fn guidelines(out: &mut String, view: &TaskView, m: &Messages) {
    if view.guideline_text.trim().is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "<details class=\"guide\" id=\"guide\"><summary>{}</summary><div class=\"said\" dir=\"auto\">{}</div></details>",
        tf(m, "guidelines_summary", &[("version", &view.guideline)]),
        markdown::render_below(&view.guideline_text, 2)
    );
}

fn prompt(out: &mut String, view: &TaskView, m: &Messages) {
    let long = view.prompt.iter().map(|(_, text)| text.chars().count()).sum::<usize>() > LONG_PROMPT;
    let turns = turns(&view.prompt, m);
    let _ = writeln!(out, "<section class=\"prompt\"><h2>{}</h2>", t(m, "prompt"));
    // Open at first: what is judged must have been read.
    let _ = if long {
        writeln!(out, "<details open><summary>{}</summary>{turns}</details></section>", t(m, "prompt_fold"))
    } else {
        writeln!(out, "{turns}</section>")
    };
}

fn rank(out: &mut String, view: &TaskView, m: &Messages) {
    let count = view.answers.len();
    let _ = writeln!(out, "<div class=\"work\">\n<section class=\"answers\"><h2>{}</h2>", t(m, "answers"));
    for (place, (id, text)) in view.answers.iter().enumerate() {
        card(out, place, count, id, text, m);
    }
    let _ = writeln!(
        out,
        "</section>\n<aside class=\"order\" aria-labelledby=\"order-title\"><h2 id=\"order-title\">{}</h2><p class=\"quiet\">{}</p>\n<ol class=\"rows\">",
        t(m, "your_order"),
        t(m, "order_help")
    );
    for rank in 1..=count {
        let words = match rank {
            1 => t(m, "best"),
            r if r == count => t(m, "worst"),
            _ => String::new(),
        };
        let _ = writeln!(
            out,
            "<li class=\"row\" data-rank=\"{rank}\"><span class=\"place\">{rank}</span><span class=\"chips\"></span><span class=\"quiet\">{words}</span></li>"
        );
    }
    let _ = writeln!(
        out,
        "</ol>\n<h3 id=\"tray-title\">{}</h3><div class=\"tray\" role=\"group\" aria-labelledby=\"tray-title\"><span class=\"chips\"></span></div>",
        t(m, "not_ranked_tray")
    );
    *out += "</aside>\n</div>\n";
    margin(out, m);
}

fn card(out: &mut String, place: usize, count: usize, id: &str, text: &str, m: &Messages) {
    let name = letter(place);
    let title = tf(m, "answer", &[("letter", &name)]);
    let long = text.chars().count() > LONG_ANSWER.0 || text.lines().count() > LONG_ANSWER.1;
    let class = if long { "card long" } else { "card" };
    let body = if text.trim().is_empty() {
        format!("<p class=\"quiet\">{}</p>", t(m, "empty_answer"))
    } else {
        markdown::render_below(text, 3)
    };
    let _ = writeln!(
        out,
        "<section class=\"{class}\" role=\"group\" tabindex=\"0\" data-answer=\"{}\" data-letter=\"{name}\" aria-label=\"{title}\">\n<header><h3>{title}</h3><span class=\"given\" data-given></span></header>\n<div class=\"said\" dir=\"auto\" id=\"said-{place}\">{body}</div>",
        exact(id)
    );
    if long {
        let _ = writeln!(
            out,
            "<button type=\"button\" class=\"more\" data-act=\"more\" aria-expanded=\"true\" aria-controls=\"said-{place}\">{}</button>",
            t(m, "show_less")
        );
    }
    let _ = write!(
        out,
        "<div class=\"say\"><div class=\"ranks\" role=\"group\" aria-label=\"{}\">",
        tf(m, "rank_of", &[("letter", &name)])
    );
    for rank in 1..=count {
        let tab = if rank == 1 { "0" } else { "-1" };
        let label = tf(m, "rank_n", &[("n", &rank.to_string())]);
        let _ = write!(
            out,
            "<button type=\"button\" data-act=\"rank\" data-rank=\"{rank}\" aria-pressed=\"false\" aria-label=\"{label}\" tabindex=\"{tab}\">{rank}</button>"
        );
    }
    *out += "</div><div class=\"ticks\">";
    for (flag, words) in [("false_claim", t(m, "false_claim")), ("harmful", t(m, "harmful"))] {
        let _ = write!(out, "<label class=\"tick\"><input type=\"checkbox\" data-flag=\"{flag}\"> {words}</label>");
    }
    *out += "</div></div>\n</section>\n";
}

fn margin(out: &mut String, m: &Messages) {
    let _ = write!(out, "<fieldset class=\"margin\"><legend>{}</legend>", t(m, "margin"));
    let steps = [
        ("", t(m, "margin_none")),
        ("1", t(m, "margin_1")),
        ("2", t(m, "margin_2")),
        ("3", t(m, "margin_3")),
        ("4", t(m, "margin_4")),
    ];
    for (value, words) in steps {
        let checked = if value.is_empty() { " checked" } else { "" };
        let _ = write!(
            out,
            "<label class=\"tick\"><input type=\"radio\" name=\"margin\" value=\"{value}\"{checked}> {words}</label>"
        );
    }
    *out += "</fieldset>\n";
}

fn write_text(out: &mut String, view: &TaskView, m: &Messages) {
    let edit = view.kind == Kind::Edit;
    let original = view.answers.first();
    *out += "<div class=\"work\">\n<div class=\"beside\">\n";
    prompt(out, view, m);
    if let (true, Some((_, text))) = (edit, original) {
        let _ = writeln!(
            out,
            "<section class=\"prompt\"><h2>{}</h2><div class=\"turn\"><div class=\"said\" dir=\"auto\">{}</div></div></section>",
            t(m, "original"),
            markdown::render_below(text, 2)
        );
    }
    *out += "</div>\n";
    let (label, help) =
        if edit { (t(m, "edit_label"), t(m, "edit_help")) } else { (t(m, "write_label"), t(m, "write_help")) };
    let (id, text) = if edit { original.map_or(("", ""), |(id, text)| (id.as_str(), text.as_str())) } else { ("", "") };
    let answer = if edit { format!(" data-answer=\"{}\"", exact(id)) } else { String::new() };
    // A browser drops the first line break in a text area, so there is one to drop.
    let _ = writeln!(
        out,
        "<section class=\"write\"{answer}><h2><label for=\"text\">{label}</label></h2><p class=\"quiet\" id=\"text-help\">{help}</p>\n<textarea id=\"text\" rows=\"14\" dir=\"auto\" spellcheck=\"true\" aria-describedby=\"text-help\">\n{}</textarea>\n<p class=\"quiet\" id=\"words\"></p>",
        exact(text)
    );
    if edit {
        let _ = writeln!(
            out,
            "<p><label class=\"tick\"><input type=\"checkbox\" id=\"ideal\"> {}</label></p>",
            t(m, "ideal")
        );
    }
    *out += "</section>\n</div>\n";
}

/// Why a task is skipped or cannot be judged; shown when one of the two is chosen.
fn verdict(out: &mut String, m: &Messages) {
    let _ = write!(out, "<fieldset id=\"why\" class=\"why\" hidden><legend>{}</legend>", t(m, "why"));
    let reasons = [
        ("too_long", t(m, "why_too_long")),
        ("topic", t(m, "why_topic")),
        ("language", t(m, "why_language")),
        ("upsetting", t(m, "why_upsetting")),
        ("broken", t(m, "why_broken")),
        ("other", t(m, "why_other")),
    ];
    for (value, words) in reasons {
        let _ =
            write!(out, "<label class=\"tick\"><input type=\"radio\" name=\"why\" value=\"{value}\"> {words}</label>");
    }
    let _ = writeln!(
        out,
        "<p><label for=\"why-text\">{}</label> <input type=\"text\" id=\"why-text\" maxlength=\"500\" autocomplete=\"off\"></p></fieldset>",
        t(m, "why_text")
    );
}

fn comment(out: &mut String, m: &Messages) {
    let _ = writeln!(
        out,
        "<p class=\"comment\"><label for=\"comment\">{}</label>\n<textarea id=\"comment\" rows=\"2\" maxlength=\"4000\" dir=\"auto\"></textarea></p>",
        t(m, "comment")
    );
}

fn foot(out: &mut String, kind: Kind, m: &Messages) {
    *out += "<footer class=\"foot\"><div class=\"acts\">";
    let _ = write!(out, "<button type=\"button\" data-act=\"undo\" disabled>{} <kbd>U</kbd></button>", t(m, "undo"));
    let verdicts =
        [("all_bad", "X", t(m, "all_bad")), ("cannot_judge", "C", t(m, "cannot_judge")), ("skip", "S", t(m, "skip"))];
    for (value, key, words) in verdicts.iter().filter(|v| kind == Kind::Rank || v.0 != "all_bad") {
        let _ = write!(
            out,
            "<button type=\"button\" data-act=\"verdict\" data-verdict=\"{value}\" aria-pressed=\"false\">{words} <kbd>{key}</kbd></button>"
        );
    }
    let _ = writeln!(
        out,
        "<button type=\"button\" data-act=\"back\">{} <kbd>B</kbd></button><button type=\"button\" data-act=\"keys\" aria-haspopup=\"dialog\">{} <kbd>?</kbd></button></div>",
        t(m, "back"),
        t(m, "keys")
    );
    let _ = writeln!(
        out,
        "<div class=\"bar\"><p class=\"words\"><span id=\"missing\"></span><span data-state></span></p><button type=\"button\" class=\"main\" data-act=\"submit\" aria-describedby=\"missing\" disabled>{} <kbd>↵</kbd></button></div></footer>",
        t(m, "submit")
    );
}
