//! HTML from text. Everything that was not written in this folder goes through one of these.

use super::view::Saved;
use crate::service::messages::Messages;
use std::fmt::Write as _;

/// Text with what would otherwise be unseen shown: controls, and the marks that turn or hide text.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if c.is_control()
                || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}') =>
            {
                let _ = write!(out, "⟨U+{:04X}⟩", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}

/// Text that is safe in an element and in a quoted attribute, and shows what would otherwise be unseen.
///
/// ```
/// use trimtab_people::service::pages::html::escape;
/// assert_eq!(escape("<b title='x'>"), "&lt;b title=&#39;x&#39;&gt;");
/// assert_eq!(escape("a\u{202E}b\0"), "a⟨U+202E⟩b⟨U+0000⟩");
/// ```
#[must_use]
pub fn escape(text: &str) -> String {
    exact(&visible(text))
}

/// Text that is safe likewise but comes back from the browser as it was: for identifiers, and text to be edited.
pub(crate) fn exact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            // A browser reads a bare carriage return as a line feed.
            '\r' => out += "&#13;",
            c => out.push(c),
        }
    }
    out
}

/// Text as one segment of a path or one value of a query.
pub(crate) fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // A dot too: a segment `..` would walk up.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Words of a key, safe in HTML.
pub(crate) fn t(m: &Messages, key: &str) -> String {
    escape(m.get(key))
}

/// Words of a key with values, safe in HTML.
pub(crate) fn tf(m: &Messages, key: &str, values: &[(&str, &str)]) -> String {
    escape(&m.fill(key, values))
}

/// A, B, C …: what an answer is called on the page, where its own name would tell too much.
pub(crate) fn letter(place: usize) -> String {
    u32::try_from(place)
        .ok()
        .and_then(|i| char::from_u32('A' as u32 + i))
        .filter(char::is_ascii_uppercase)
        .map_or_else(|| (place + 1).to_string(), |c| c.to_string())
}

/// A moment, in UTC; the script shows it in the reader's own time.
pub(crate) fn moment(at: u64) -> String {
    // Year 9999 is the last that RFC 3339 can write.
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(at.min(253_402_300_799_000));
    let text = humantime::format_rfc3339_seconds(at).to_string();
    format!("<time datetime=\"{text}\">{}</time>", text.replace('T', " ").replace('Z', " UTC"))
}

/// At most `limit` characters.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// What a judgement says, in one line: an order such as `A = C > B`, a verdict, or the first words of a text.
/// `name` gives an answer's name.
pub(crate) fn said(saved: &Saved, name: impl Fn(&str) -> String, m: &Messages) -> String {
    let mut parts = Vec::new();
    if let Some(verdict) = &saved.verdict {
        parts.push(verdict_words(verdict, m));
    }
    let mut ranked: Vec<(u32, String)> = saved.ranks.iter().map(|(answer, &rank)| (rank, name(answer))).collect();
    ranked.sort();
    let mut order = String::new();
    for (i, (rank, name)) in ranked.iter().enumerate() {
        if i > 0 {
            order += if ranked[i - 1].0 == *rank { " = " } else { " > " };
        }
        order += name;
    }
    parts.extend((!order.is_empty()).then_some(order));
    parts.extend(saved.text.as_deref().filter(|text| !text.is_empty()).map(|text| cut(text, 120)));
    if parts.is_empty() { t(m, "said_nothing") } else { escape(&parts.join(" · ")) }
}

/// The words of a verdict.
pub(crate) fn verdict_words(verdict: &str, m: &Messages) -> String {
    match verdict {
        "cannot_judge" => m.get("cannot_judge").to_owned(),
        "all_bad" => m.get("all_bad").to_owned(),
        "skip" => m.get("skipped").to_owned(),
        other => other.to_owned(),
    }
}

/// Turns of a conversation, each under the name of who speaks.
pub(crate) fn turns(prompt: &[(String, String)], m: &Messages) -> String {
    let mut out = String::new();
    for (role, text) in prompt {
        let name = match role.as_str() {
            "user" => m.get("role_user").to_owned(),
            "assistant" => m.get("role_assistant").to_owned(),
            "system" => m.get("role_system").to_owned(),
            other => other.to_owned(),
        };
        let text = crate::service::markdown::render_below(text, 3);
        let _ = writeln!(
            out,
            "<div class=\"turn\"><h3>{}</h3><div class=\"said\" dir=\"auto\">{text}</div></div>",
            escape(&name)
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_from_ranks_and_not_from_names() {
        let ranks = [("x".to_owned(), 3), ("y".to_owned(), 1), ("z".to_owned(), 1)].into();
        let saved = Saved { ranks, ..Saved::default() };
        assert_eq!(said(&saved, str::to_owned, Messages::of("en")), "y = z &gt; x");
    }

    #[test]
    fn a_path_cannot_walk() {
        assert_eq!(percent("../a b?"), "%2E%2E%2Fa%20b%3F");
        assert_eq!(letter(2), "C");
        assert_eq!(letter(26), "27");
        assert!(moment(u64::MAX).contains("9999"));
        assert_eq!(moment(0), "<time datetime=\"1970-01-01T00:00:00Z\">1970-01-01 00:00:00 UTC</time>");
    }
}
