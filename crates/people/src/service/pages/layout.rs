//! The document around each page.

use super::html::{escape, exact, t, tf};
use crate::service::messages::Messages;
use std::fmt::Write as _;

/// The style sheet, served as `/assets/page.css`.
pub const CSS: &str = include_str!("../assets/page.css");
/// The script, one module, served as `/assets/page.js`.
pub const JS: &str = concat!(
    include_str!("../assets/device.js"),
    include_str!("../assets/outbox.js"),
    include_str!("../assets/ranking.js"),
    include_str!("../assets/hands.js"),
    include_str!("../assets/page.js"),
);

/// FNV-1a: enough to tell one version of a file from the next.
const fn hash(bytes: &[u8], mut hash: u64) -> u64 {
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0100_0000_01b3);
        i += 1;
    }
    hash
}

const HASH: u64 = hash(JS.as_bytes(), hash(CSS.as_bytes(), 0xcbf2_9ce4_8422_2325));

/// Version of the page, stored with each judgement: the crate's, and of the script and style by their content.
#[must_use]
pub fn ui() -> String {
    format!("{}-{:08x}", env!("CARGO_PKG_VERSION"), HASH as u32)
}

/// Who looks at the page, and which.
#[derive(Debug, Clone, Default)]
pub struct Nav {
    /// The person who is signed in, by their pseudonym.
    pub person: Option<String>,
    /// Whether they may see the administrator's page.
    pub admin: bool,
    /// Path of the page, so that the link to it is marked.
    pub path: String,
}

/// A whole document. `main` is finished HTML, `title` is not.
#[must_use]
pub fn layout(title: &str, main: &str, nav: &Nav, m: &Messages) -> String {
    let person = nav.person.as_deref().unwrap_or_default();
    let ui = ui();
    let mut out = format!(
        "<!doctype html>\n<html lang=\"{lang}\" dir=\"{dir}\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"same-origin\">\n<meta name=\"robots\" content=\"noindex\">\n<title>{title} · trimtab</title>\n<link rel=\"stylesheet\" href=\"/assets/page.css?v={ui}\">\n<script type=\"module\" src=\"/assets/page.js?v={ui}\"></script>\n</head>\n<body data-person=\"{person}\" data-ui=\"{ui}\" data-texts=\"{texts}\">\n<a class=\"skip\" href=\"#main\">{skip}</a>\n",
        lang = m.tag(),
        dir = m.dir(),
        title = escape(title),
        person = exact(person),
        texts = exact(&m.script()),
        skip = t(m, "skip_to_content"),
    );
    header(&mut out, nav, m);
    // Judgements the server has refused stay in sight until the person has copied or discarded them.
    let _ = writeln!(out, "<section id=\"refused\" aria-label=\"{}\" hidden></section>", t(m, "refused_title"));
    let _ = write!(out, "<main id=\"main\" tabindex=\"-1\">\n{main}</main>\n");
    let _ = writeln!(out, "<footer class=\"pagefoot\"><p data-state></p></footer>");
    // The live region outlives the task: one that is replaced with it would not be read.
    let _ = writeln!(out, "<div id=\"live\" class=\"unseen\" role=\"status\" aria-live=\"polite\"></div>");
    keys(&mut out, m);
    let _ = writeln!(
        out,
        "<template id=\"between\"><section class=\"state\"><h1>{}</h1><p>{}</p><p data-state></p><p><button type=\"button\" data-act=\"again\">{}</button></p></section></template>",
        t(m, "between_title"),
        t(m, "between_text"),
        t(m, "try_again")
    );
    out + "</body>\n</html>\n"
}

fn header(out: &mut String, nav: &Nav, m: &Messages) {
    let Some(person) = &nav.person else {
        *out += "<header class=\"top\"><span class=\"brand\">trimtab</span></header>\n";
        return;
    };
    let links = [
        ("/task", m.get("nav_task"), true),
        ("/history", m.get("nav_history"), true),
        ("/guidelines", m.get("nav_guidelines"), true),
        ("/admin", m.get("nav_admin"), nav.admin),
    ];
    let _ =
        write!(out, "<header class=\"top\"><span class=\"brand\">trimtab</span><nav aria-label=\"{}\">", t(m, "nav"));
    for (path, words, _) in links.into_iter().filter(|link| link.2) {
        let here = nav.path == path || nav.path.strip_prefix(path).is_some_and(|rest| rest.starts_with(['/', '?']));
        let here = if here { " aria-current=\"page\"" } else { "" };
        let _ = write!(out, "<a href=\"{path}\"{here}>{}</a>", escape(words));
    }
    let who = tf(m, "signed_in_as", &[("person", person)]);
    let _ = writeln!(
        out,
        "</nav><div class=\"who\"><span>{who}</span> <form method=\"post\" action=\"/leave\"><button class=\"plain\">{}</button></form></div></header>",
        t(m, "sign_out")
    );
}

/// Every key, in a dialog that `?` opens.
fn keys(out: &mut String, m: &Messages) {
    let keys: [(&str, &str); 16] = [
        ("Tab ↑ ↓", m.get("key_move")),
        ("1 … 9", m.get("key_rank")),
        ("0", m.get("key_unrank")),
        ("=", m.get("key_tie")),
        ("U · Ctrl Z", m.get("key_undo")),
        ("F", m.get("key_false")),
        ("H", m.get("key_harmful")),
        ("A", m.get("key_open")),
        ("X", m.get("key_all_bad")),
        ("C", m.get("key_cannot_judge")),
        ("S", m.get("key_skip")),
        ("M", m.get("key_comment")),
        ("G", m.get("key_guidelines")),
        ("B", m.get("key_back")),
        ("Enter", m.get("key_submit")),
        ("Ctrl Enter", m.get("key_submit_text")),
    ];
    let _ = write!(
        out,
        "<dialog id=\"keys\" aria-labelledby=\"keys-title\"><h2 id=\"keys-title\">{}</h2><dl>",
        t(m, "keys_title")
    );
    for (key, words) in keys {
        let _ = write!(out, "<div><dt><kbd>{key}</kbd></dt><dd>{}</dd></div>", escape(words));
    }
    // Single letters can get in the way of speech input: they can be turned off.
    let _ = writeln!(
        out,
        "</dl><p><label class=\"tick\"><input type=\"checkbox\" id=\"keys-on\" checked> {}</label></p><form method=\"dialog\"><button>{}</button></form></dialog>",
        t(m, "keys_on"),
        t(m, "close")
    );
}
