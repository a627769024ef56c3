//! The administrator's page: how far the work is, how much people agree, who is who, and the ways out.

use super::html::{cut, escape, exact, percent, t, tf};
use super::measured::{Scale, cell};
use super::view::{AdminView, ItemRow, PersonRow};
use crate::Agreement;
use crate::service::messages::Messages;
use std::fmt::Write as _;

/// The administrator's page.
#[must_use]
pub fn admin_main(view: &AdminView, m: &Messages) -> String {
    let mut out = format!("<div class=\"page wide\">\n<h1>{}</h1>\n", t(m, "nav_admin"));
    if let Some((name, link)) = &view.invited {
        let _ = writeln!(
            out,
            "<section class=\"notice\" id=\"invited\"><h2>{}</h2><p>{}</p><p><label for=\"link\">{}</label> <input id=\"link\" type=\"text\" readonly value=\"{}\"></p></section>",
            tf(m, "invited_title", &[("name", name)]),
            t(m, "invited_text"),
            t(m, "invited_link"),
            exact(link)
        );
    }
    progress(&mut out, view, m);
    agreement(&mut out, view, m);
    people(&mut out, &view.people, m);
    invite(&mut out, m);
    hardest(&mut out, &view.hardest, m);
    guidelines(&mut out, view, m);
    exports(&mut out, m);
    out + "</div>\n"
}

/// A table in a frame that scrolls, which the keyboard must reach. `head` and `rows` are finished HTML.
fn table(caption: &str, head: &[String], rows: &str) -> String {
    let head = head.join("</th><th scope=\"col\">");
    format!(
        "<div class=\"frame\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\"><table><caption class=\"unseen\">{caption}</caption><thead><tr><th scope=\"col\">{head}</th></tr></thead><tbody>\n{rows}</tbody></table></div>\n"
    )
}

fn progress(out: &mut String, view: &AdminView, m: &Messages) {
    let (judged, wanted) = view.judged;
    let _ = writeln!(
        out,
        "<section><h2>{}</h2>\n<p>{}</p>\n<progress max=\"{}\" value=\"{}\" aria-label=\"{}\"></progress>",
        t(m, "progress"),
        tf(m, "judged_of", &[("n", &judged.to_string()), ("wanted", &wanted.to_string())]),
        wanted.max(1),
        judged.min(wanted.max(1)),
        t(m, "progress")
    );
    let most = view.hours.iter().copied().max().unwrap_or(0);
    let total: u64 = view.hours.iter().sum();
    let words = tf(m, "hours", &[("n", &total.to_string()), ("most", &most.to_string())]);
    let _ = writeln!(out, "<figure><figcaption>{words}</figcaption>");
    if most > 0 {
        let _ = write!(
            out,
            "<svg class=\"hours\" viewBox=\"0 0 288 72\" role=\"img\" aria-label=\"{words}\"><path class=\"axis\" d=\"M0 56.5H288\"/>"
        );
        for (i, &hour) in view.hours.iter().enumerate().take(24) {
            let height = if hour == 0 { 0.0 } else { (52.0 * hour as f64 / most as f64).max(1.5) };
            let _ = write!(
                out,
                "<rect x=\"{}\" y=\"{:.1}\" width=\"9\" height=\"{height:.1}\"><title>{hour}</title></rect>",
                12 * i + 1,
                56.0 - height
            );
        }
        let _ = write!(
            out,
            "<text x=\"0\" y=\"70\">{}</text><text x=\"288\" y=\"70\" text-anchor=\"end\">{}</text></svg>",
            t(m, "hours_ago"),
            t(m, "now")
        );
    }
    *out += "</figure></section>\n";
}

fn agreement(out: &mut String, view: &AdminView, m: &Messages) {
    let mut rows = String::new();
    for Agreement { figure: name, over_items, over_people } in &view.agreement {
        let cells = [over_items, over_people].map(|measured| cell(measured, Scale::Signed, m)).concat();
        let _ = writeln!(rows, "<tr><th scope=\"row\">{}</th>{cells}</tr>", figure(name, m));
    }
    let _ = writeln!(out, "<section><h2>{}</h2>", t(m, "agreement"));
    if rows.is_empty() {
        let _ = writeln!(out, "<p>{}</p>", t(m, "agreement_none"));
    } else {
        let _ = writeln!(out, "<p class=\"quiet\">{}</p>", t(m, "agreement_help"));
        *out += &table(&t(m, "agreement"), &[t(m, "measure"), t(m, "over_items"), t(m, "over_people")], &rows);
    }
    *out += "</section>\n";
}

/// What a figure of agreement is called; a name that is not known is shown as it is.
fn figure(name: &str, m: &Messages) -> String {
    match name {
        "pairs" => t(m, "agreement_pairs"),
        "alpha" => t(m, "agreement_alpha"),
        "tau" => t(m, "agreement_tau"),
        "w" => t(m, "agreement_w"),
        other => escape(other),
    }
}

/// What a bias is called.
fn bias(name: &str, m: &Messages) -> String {
    match name {
        "length" => t(m, "bias_length"),
        "slot" => t(m, "bias_slot"),
        "format" => t(m, "bias_format"),
        "agreement" => t(m, "bias_agreement"),
        "flattery" => t(m, "bias_flattery"),
        "drift" => t(m, "bias_drift"),
        other => escape(other),
    }
}

fn people(out: &mut String, people: &[PersonRow], m: &Messages) {
    let _ = writeln!(out, "<section><h2>{}</h2>", t(m, "people"));
    if people.is_empty() {
        let _ = writeln!(out, "<p>{}</p></section>", t(m, "people_none"));
        return;
    }
    let head = [
        t(m, "person"),
        t(m, "judgements"),
        t(m, "gold"),
        t(m, "agreement"),
        t(m, "reliability"),
        t(m, "biases"),
        t(m, "access"),
    ];
    let rows: String = people.iter().map(|person| person_row(person, m)).collect();
    *out += &table(&t(m, "people"), &head, &rows);
    *out += "</section>\n";
}

fn person_row(p: &PersonRow, m: &Messages) -> String {
    let role = if p.role == "admin" { format!(" <small>{}</small>", t(m, "role_admin")) } else { String::new() };
    let mut out = format!(
        "<tr><th scope=\"row\">{}{role}<br><small><code>{}</code></small></th><td class=\"num\">{} <small>{}</small></td>{}{}{}",
        escape(&p.name),
        escape(&p.person),
        p.done,
        // Time is measured where there is a judgement, and nowhere else.
        p.seconds.filter(|s| s.is_finite()).map(|s| tf(m, "seconds", &[("n", &format!("{s:.0}"))])).unwrap_or_default(),
        cell(&p.gold, Scale::Share, m),
        cell(&p.agreement, Scale::Share, m),
        cell(&p.reliability, Scale::Signed, m)
    );
    match p.biases.as_deref() {
        None => {
            let _ = write!(out, "<td class=\"hatched\"><span>{}</span></td>", t(m, "biases_none"));
        }
        Some([]) => {
            let _ = write!(out, "<td>{}</td>", t(m, "biases_not_found"));
        }
        Some(biases) => {
            out += "<td><table class=\"inner\"><tbody>";
            for (name, measured) in biases {
                let (name, cell) = (bias(name, m), cell(measured, Scale::Signed, m));
                let _ = write!(out, "<tr><th scope=\"row\">{name}</th>{cell}</tr>");
            }
            out += "</tbody></table></td>";
        }
    }
    let access = if p.revoked {
        t(m, "revoked")
    } else {
        // Two steps, since it cannot be undone; and without a script.
        format!(
            "{}<details><summary>{}</summary><form method=\"post\" action=\"/admin/revoke\"><input type=\"hidden\" name=\"person\" value=\"{}\"><p>{}</p><button class=\"danger\">{}</button></form></details>",
            if p.signed_in { t(m, "signed_in") } else { t(m, "not_signed_in") },
            t(m, "revoke"),
            exact(&p.person),
            t(m, "revoke_text"),
            tf(m, "revoke_button", &[("name", &p.name)])
        )
    };
    out + &format!("<td>{access}</td></tr>\n")
}

fn invite(out: &mut String, m: &Messages) {
    let _ = writeln!(
        out,
        "<section><h2>{}</h2><form class=\"fields\" method=\"post\" action=\"/admin/invite\"><p><label for=\"name\">{}</label><input id=\"name\" name=\"name\" type=\"text\" required maxlength=\"80\" autocomplete=\"off\"></p><p><label for=\"role\">{}</label><select id=\"role\" name=\"role\"><option value=\"annotator\">{}</option><option value=\"admin\">{}</option></select></p><p><label for=\"quota\">{}</label><input id=\"quota\" name=\"quota\" type=\"number\" min=\"1\" max=\"1000000\" inputmode=\"numeric\"></p><p><button class=\"main\">{}</button></p></form></section>",
        t(m, "invite_title"),
        t(m, "invite_name"),
        t(m, "invite_role"),
        t(m, "role_annotator"),
        t(m, "role_admin"),
        t(m, "invite_quota"),
        t(m, "invite_button")
    );
}

fn hardest(out: &mut String, items: &[ItemRow], m: &Messages) {
    let _ = writeln!(out, "<section><h2>{}</h2>", t(m, "hardest"));
    if items.is_empty() {
        let _ = writeln!(out, "<p>{}</p></section>", t(m, "hardest_none"));
        return;
    }
    let mut rows = String::new();
    for item in items {
        let title = if item.title.trim().is_empty() { &item.item } else { &item.title };
        let _ = writeln!(
            rows,
            "<tr><th scope=\"row\" dir=\"auto\"><a href=\"/admin/items/{}\">{}</a></th><td class=\"num\">{}</td>{}</tr>",
            percent(&item.item),
            escape(&cut(title, 120)),
            tf(m, "n_of", &[("n", &item.judged.to_string()), ("wanted", &item.wanted.to_string())]),
            cell(&item.disagreement, Scale::Share, m)
        );
    }
    *out += &table(&t(m, "hardest"), &[t(m, "item"), t(m, "judgements"), t(m, "disagreement")], &rows);
    *out += "</section>\n";
}

fn guidelines(out: &mut String, view: &AdminView, m: &Messages) {
    let _ = writeln!(
        out,
        "<section><h2>{}</h2><p class=\"quiet\">{} {}</p><form method=\"post\" action=\"/admin/guidelines\"><p><label for=\"text\">{}</label><textarea id=\"text\" name=\"text\" rows=\"10\" dir=\"auto\" required>\n{}</textarea></p><p><button class=\"main\">{}</button></p></form></section>",
        t(m, "nav_guidelines"),
        tf(m, "guidelines_version", &[("version", &view.guideline)]),
        t(m, "guidelines_help"),
        t(m, "guidelines_label"),
        exact(&view.guideline_text),
        t(m, "guidelines_button")
    );
}

fn exports(out: &mut String, m: &Messages) {
    let files = [
        ("rankings.jsonl", t(m, "export_rankings")),
        ("demonstrations.jsonl", t(m, "export_demonstrations")),
        ("pairs.jsonl", t(m, "export_pairs")),
        ("hh.jsonl", t(m, "export_hh")),
        ("argilla.json", t(m, "export_argilla")),
        ("label-studio.json", t(m, "export_label_studio")),
        ("events.jsonl", t(m, "export_events")),
    ];
    let mut rows = String::new();
    for (file, words) in files {
        // The log's hashes are of what it says: without names it would be another log.
        let veiled = if file == "events.jsonl" {
            "–".to_owned()
        } else {
            let words = t(m, "anonymous");
            format!("<a href=\"/export/{file}?anonymous=1\" download aria-label=\"{file}, {words}\">{words}</a>")
        };
        let _ = writeln!(
            rows,
            "<tr><th scope=\"row\"><a href=\"/export/{file}\" download>{file}</a></th><td>{words}</td><td>{veiled}</td></tr>"
        );
    }
    let _ = writeln!(out, "<section><h2>{}</h2><p class=\"quiet\">{}</p>", t(m, "exports"), t(m, "exports_help"));
    *out += &table(&t(m, "exports"), &[t(m, "file"), t(m, "content"), t(m, "without_names")], &rows);
    *out += "</section>\n";
}
