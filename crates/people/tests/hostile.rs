//! Hostile text on the pages: whatever a prompt, an answer, a name or a comment holds, only tags and attributes that this
//! project wrote come out. A strict parser reads the HTML, and refuses what it does not know.

use std::collections::BTreeMap;
use trimtab_people::Agreement;
use trimtab_people::service::markdown;
use trimtab_people::service::messages::Messages;
use trimtab_people::service::pages::view::{AdminView, ItemRow, ItemView, Kind, PersonRow, Saved, TaskView};
use trimtab_people::service::pages::{self, Nav};
use trimtab_stats::Measured;

fn payloads() -> Vec<String> {
    let all: Vec<String> = serde_json::from_str(include_str!("hostile.json")).expect("a list of strings");
    assert!(all.len() >= 100, "{}", all.len());
    all
}

/// One tag as read: name, attributes, whether it closes.
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
    closing: bool,
}

/// Reads HTML as strictly as it is written here: lower-case names, double quotes, known entities, nothing else.
fn tags(html: &str) -> Result<Vec<Tag>, String> {
    let mut out = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        text(&rest[..at])?;
        let end = rest[at..].find('>').ok_or("a tag without end")? + at;
        // Quoted values hold no bare `>`: they are escaped.
        out.push(tag(&rest[at + 1..end])?);
        rest = &rest[end + 1..];
    }
    text(rest)?;
    Ok(out)
}

/// Text holds no quote, no `>`, and no `&` but in the entities that the pages write.
fn text(text: &str) -> Result<(), String> {
    for (at, c) in text.char_indices() {
        let entity = || ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;", "&#13;"].iter().any(|e| text[at..].starts_with(e));
        if matches!(c, '>' | '"') || c == '&' && !entity() {
            return Err(format!("{c:?} in {text:?}"));
        }
    }
    Ok(())
}

fn tag(inside: &str) -> Result<Tag, String> {
    let closing = inside.starts_with('/');
    let inside = inside.trim_start_matches('/').trim_end_matches('/');
    let name_end = inside.find(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit()).unwrap_or(inside.len());
    let (name, mut rest) = inside.split_at(name_end);
    let mut attributes = Vec::new();
    while !rest.trim().is_empty() {
        rest = rest.strip_prefix(' ').ok_or_else(|| format!("no space in <{inside}>"))?;
        let end = rest.find(['=', ' ']).unwrap_or(rest.len());
        let key = &rest[..end];
        if !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(format!("attribute {key:?} in <{inside}>"));
        }
        rest = &rest[end..];
        let mut value = "";
        if let Some(quoted) = rest.strip_prefix("=\"") {
            let close = quoted.find('"').ok_or_else(|| format!("open quote in <{inside}>"))?;
            value = &quoted[..close];
            rest = &quoted[close + 1..];
            text(value)?;
        } else if rest.starts_with('=') {
            return Err(format!("unquoted value in <{inside}>"));
        }
        attributes.push((key.to_owned(), value.to_owned()));
    }
    Ok(Tag { name: name.to_owned(), attributes, closing })
}

/// What Markdown may give.
const MARKDOWN: [&str; 26] = [
    "p",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "pre",
    "code",
    "ul",
    "ol",
    "li",
    "div",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "em",
    "strong",
    "del",
    "a",
    "br",
    "hr",
    "span",
    "small",
];

fn check_markdown(html: &str) -> Result<(), String> {
    if let Some(c) = html.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return Err(format!("{c:?}"));
    }
    let mut open = Vec::new();
    for tag in tags(html)? {
        if !MARKDOWN.contains(&tag.name.as_str()) {
            return Err(format!("<{}>", tag.name));
        }
        for (key, value) in &tag.attributes {
            let fine = match (tag.name.as_str(), key.as_str()) {
                ("a", "href") => {
                    ["https://", "http://", "mailto:"].iter().any(|s| value.to_ascii_lowercase().starts_with(s))
                }
                ("a", "rel") => value == "noopener noreferrer nofollow",
                ("a", "target") => value == "_blank",
                ("ol", "start") => value.parse::<u32>().is_ok(),
                ("th", "scope") => value == "col",
                ("div", "class") => value == "frame",
                ("div", "tabindex") => value == "0",
                ("span", "class") => value == "image",
                _ => false,
            };
            if !fine {
                return Err(format!("{key}={value:?} on <{}>", tag.name));
            }
        }
        // What opens closes, in order: nothing gets out of its card.
        match (tag.closing, tag.name.as_str()) {
            (_, "br" | "hr") => {}
            (false, _) => open.push(tag.name),
            (true, name) if open.last().is_some_and(|last| last == name) => _ = open.pop(),
            (true, name) => return Err(format!("</{name}> closes {open:?}")),
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("open: {open:?}")) }
}

#[test]
fn the_reader_refuses_what_it_should() {
    for bad in [
        "<script>",
        "<p onclick=\"x\">",
        "<a href=\"javascript:x\">",
        "<p x=y>",
        "<p title=\"a\"b\">",
        "a > b",
        "&copy;",
        "<p>",
        "<em><p></em></p>",
    ] {
        assert!(check_markdown(bad).is_err(), "{bad}");
    }
    assert_eq!(check_markdown("<p>a &amp; <em>b</em><br>\n</p>"), Ok(()));
}

#[test]
fn markdown_gives_only_what_is_on_the_list() {
    for payload in payloads() {
        for text in [
            payload.clone(),
            format!("a {payload} b"),
            format!("> - {payload}"),
            format!("# {payload}"),
            format!("| {payload} |\n|---|\n| {payload} |"),
        ] {
            let html = markdown::render(&text);
            check_markdown(&html).unwrap_or_else(|problem| panic!("{problem}\nfrom {text:?}\ngave {html}"));
        }
    }
}

#[test]
fn payloads_joined_in_pairs_do_no_more() {
    let all = payloads();
    for (i, first) in all.iter().enumerate() {
        for second in [&all[(7 * i + 3) % all.len()], &all[(31 * i + 11) % all.len()]] {
            for text in [format!("{first}{second}"), format!("[{first}]({second})"), format!("{first}\n\n{second}")] {
                let html = markdown::render(&text);
                check_markdown(&html).unwrap_or_else(|problem| panic!("{problem}\nfrom {text:?}\ngave {html}"));
            }
        }
    }
}

/// Tags and names of attributes of a page, in order: what a payload must not change.
fn skeleton(html: &str) -> Vec<String> {
    let html = html.trim_start_matches("<!doctype html>\n");
    let read = tags(html).unwrap_or_else(|problem| panic!("{problem}\nin {html}"));
    let line = |tag: &Tag| {
        let keys: Vec<&str> = tag.attributes.iter().map(|(key, _)| key.as_str()).collect();
        for (key, value) in &tag.attributes {
            assert!(!key.starts_with("on") && key != "style", "{key} in a page");
            let link = matches!(key.as_str(), "href" | "action" | "src");
            let fine = value.starts_with(['/', '#']) && !value.starts_with("//");
            assert!(!link || fine, "{key}={value:?} leads elsewhere");
        }
        format!("{}{} {}", if tag.closing { "/" } else { "" }, tag.name, keys.join(" "))
    };
    read.iter().map(line).collect()
}

fn saved(text: &str, deep: bool) -> Saved {
    let key = || text.to_owned();
    Saved {
        judgement: key(),
        item: key(),
        title: key(),
        at: 1,
        ranks: BTreeMap::from([(key(), 1), ("b".into(), 1)]),
        flags: BTreeMap::from([(key(), vec![key()])]),
        verdict: deep.then(key),
        reason: Some(key()),
        margin: Some(2),
        comment: Some(key()),
        text: Some(key()),
        revised: false,
    }
}

/// Every page with `text` wherever something from outside can stand. Markdown is left out: it has its own tags.
fn pages_with(text: &str) -> Vec<String> {
    let m = Messages::of("en");
    let own = || text.to_owned();
    let measured = || Measured::undefined(0, text);
    let task = |kind| TaskView {
        lease: own(),
        item: own(),
        kind,
        expires: 1,
        prompt: vec![(own(), "p".into())],
        answers: vec![(own(), "a".into()), ("b".into(), "b".into())],
        guideline: own(),
        guideline_text: "g".into(),
        done: 0,
        quota: None,
        calibration_left: None,
        revises: Some(saved(text, true)),
    };
    let row = || ItemRow { item: own(), title: own(), judged: 1, wanted: 2, disagreement: measured() };
    let person = PersonRow {
        person: own(),
        name: own(),
        role: own(),
        done: 1,
        gold: measured(),
        agreement: measured(),
        reliability: measured(),
        biases: Some(vec![(own(), measured())]),
        seconds: None,
        signed_in: true,
        revoked: false,
    };
    let admin = AdminView {
        hours: vec![1; 24],
        judged: (1, 2),
        agreement: vec![Agreement { figure: own(), over_items: measured(), over_people: measured() }],
        people: vec![person],
        hardest: vec![row()],
        guideline: own(),
        guideline_text: own(),
        invited: Some((own(), own())),
    };
    let item = ItemView {
        row: row(),
        prompt: vec![(own(), "p".into())],
        answers: vec![(own(), "a".into())],
        judgements: vec![(own(), saved(text, true)), (own(), saved(text, false))],
    };
    let nav = Nav { person: Some(own()), admin: true, path: own() };
    vec![
        pages::task_main(&task(Kind::Rank), m),
        pages::task_main(&task(Kind::Demonstrate), m),
        pages::history_main(&[saved(text, true), saved(text, false)], m),
        pages::guidelines_main(text, "g", m),
        pages::admin_main(&admin, m),
        pages::item_main(&item, m),
        pages::join_main(text, text, m),
        pages::error_main(400, text, m),
        pages::layout(text, "<p>x</p>", &nav, m),
    ]
}

#[test]
fn no_page_gains_a_tag_or_an_attribute() {
    let plain: Vec<Vec<String>> = pages_with("plain").iter().map(|page| skeleton(page)).collect();
    for payload in payloads() {
        for (page, plain) in pages_with(&payload).iter().zip(&plain) {
            assert_eq!(&skeleton(page), plain, "{payload:?}");
        }
    }
}

#[test]
fn text_to_be_edited_stays_in_its_field() {
    let m = Messages::of("en");
    for payload in payloads() {
        let view = TaskView {
            lease: "l".into(),
            item: "i".into(),
            kind: Kind::Edit,
            expires: 1,
            prompt: vec![("user".into(), payload.clone())],
            answers: vec![("a".into(), payload.clone())],
            guideline: "1".into(),
            guideline_text: payload.clone(),
            done: 0,
            quota: Some(1),
            calibration_left: Some(1),
            revises: None,
        };
        let html = pages::task_main(&view, m);
        let field = html.split("<textarea id=\"text\"").nth(1).and_then(|rest| rest.split("</textarea>").next());
        let shown = field.and_then(|field| field.split_once(">\n")).map(|(_, text)| text.to_owned());
        let back = shown.map(|text| {
            let pairs =
                [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&#13;", "\r"), ("&amp;", "&")];
            pairs.iter().fold(text, |text, (entity, c)| text.replace(entity, c))
        });
        assert_eq!(back.as_deref(), Some(payload.as_str()));
        // And the Markdown beside it is as safe as by itself.
        let rest =
            html.replace(&markdown::render_below(&payload, 3), "").replace(&markdown::render_below(&payload, 2), "");
        let plain = rest.split("<textarea id=\"text\"").next().unwrap_or_default();
        for tag in tags(plain).unwrap_or_else(|problem| panic!("{problem}")) {
            assert!(tag.name != "script" && tag.name != "a", "{payload:?} gave <{}>", tag.name);
        }
    }
}
