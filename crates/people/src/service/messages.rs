//! The words of the pages, one file a language, so that no sentence is buried in code.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Language, its tag in a page (which also decides how the script writes times), its direction, and its file. English first: it is what every other one falls back to.
const LANGUAGES: [(&str, &str, &str, &str); 2] =
    [("en", "en-GB", "ltr", include_str!("messages/en.toml")), ("de", "de", "ltr", include_str!("messages/de.toml"))];

static ALL: LazyLock<Vec<Messages>> = LazyLock::new(|| {
    // A file that does not parse leaves the keys themselves on the page; a test keeps that from being released.
    let read = |text: &str| toml::from_str(text).unwrap_or_default();
    LANGUAGES.iter().map(|&(language, tag, dir, text)| Messages { language, tag, dir, texts: read(text) }).collect()
});

/// The words of one language.
#[derive(Debug)]
pub struct Messages {
    language: &'static str,
    tag: &'static str,
    dir: &'static str,
    texts: BTreeMap<String, String>,
}

impl Messages {
    /// The words for a language, or for a browser's list of them: `de`, `de-AT`, `fr;q=0.9, de;q=0.8`. English where none fits.
    ///
    /// ```
    /// use trimtab_people::service::messages::Messages;
    /// assert_eq!(Messages::of("fr, de-AT;q=0.8, en;q=0.5").language(), "de");
    /// assert_eq!(Messages::of("xx").language(), "en");
    /// ```
    #[must_use]
    pub fn of(language: &str) -> &'static Self {
        let mut best: Option<(f32, &'static Self)> = None;
        for part in language.split(',').take(20) {
            let mut fields = part.split(';').map(str::trim);
            let wanted = fields.next().unwrap_or_default().to_ascii_lowercase();
            let primary = wanted.split('-').next().unwrap_or_default();
            let weight = fields.find_map(|f| f.strip_prefix("q=")).and_then(|q| q.parse().ok()).unwrap_or(1.0);
            let Some(found) = ALL.iter().find(|m| m.language == primary) else { continue };
            // Earlier in the list wins among equals; a weight of 0 means "not this one".
            if weight > 0.0 && best.is_none_or(|(w, _)| weight > w) {
                best = Some((weight, found));
            }
        }
        best.map_or(&ALL[0], |(_, found)| found)
    }

    /// Its code: `en`.
    #[must_use]
    pub fn language(&self) -> &'static str {
        self.language
    }

    /// Its tag, as the `lang` attribute wants it: `en-GB`.
    #[must_use]
    pub fn tag(&self) -> &'static str {
        self.tag
    }

    /// The direction in which it is read, `ltr` or `rtl`.
    #[must_use]
    pub fn dir(&self) -> &'static str {
        self.dir
    }

    /// The words of a key; the key itself where there are none, which is ugly but says what is missing.
    #[must_use]
    pub fn get<'a>(&'a self, key: &'a str) -> &'a str {
        self.texts.get(key).map_or(key, String::as_str)
    }

    /// The words of a key with its placeholders filled: `{n}` by the value named `n`.
    ///
    /// ```
    /// use trimtab_people::service::messages::Messages;
    /// assert_eq!(Messages::of("en").fill("answer", &[("letter", "B")]), "Answer B");
    /// ```
    #[must_use]
    pub fn fill(&self, key: &str, values: &[(&str, &str)]) -> String {
        // One pass, so that a value which looks like a placeholder stays what it is.
        let mut out = String::new();
        let mut rest = self.get(key);
        while let Some(start) = rest.find('{') {
            out += &rest[..start];
            rest = &rest[start..];
            let end = rest.find('}').map_or(rest.len(), |end| end + 1);
            let name = rest[..end].trim_matches(['{', '}']);
            out += values.iter().find(|(n, _)| *n == name).map_or(&rest[..end], |(_, value)| value);
            rest = &rest[end..];
        }
        out + rest
    }

    /// What the script says, as JSON: every key that begins with `js_`, without the prefix.
    #[must_use]
    pub fn script(&self) -> String {
        let of_script = self.texts.iter().filter_map(|(key, text)| Some((key.strip_prefix("js_")?, text)));
        let texts: BTreeMap<&str, &String> = of_script.collect();
        serde_json::to_string(&texts).unwrap_or_else(|_| "{}".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn placeholders(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|part| Some(part.split_once('}')?.0)).collect()
    }

    #[test]
    fn every_language_has_the_same_keys_and_placeholders() {
        assert!(ALL.len() == LANGUAGES.len() && ALL[0].texts.len() > 50, "the files parse");
        for other in &ALL[1..] {
            let keys = |m: &Messages| m.texts.keys().cloned().collect::<BTreeSet<_>>();
            assert_eq!(keys(&ALL[0]), keys(other), "{}", other.language);
            for (key, text) in &ALL[0].texts {
                assert_eq!(placeholders(text), placeholders(&other.texts[key]), "{key} in {}", other.language);
            }
        }
    }

    /// What follows `opening` in `source`, up to the closing quote.
    fn quoted<'a>(source: &'a str, opening: &'a str) -> impl Iterator<Item = &'a str> {
        source.split(opening).skip(1).filter_map(|part| part.split('"').next())
    }

    #[test]
    fn every_key_in_code_exists_and_every_key_is_used() {
        let script = crate::service::pages::JS;
        let sources = [
            include_str!("pages/admin.rs"),
            include_str!("pages/history.rs"),
            include_str!("pages/html.rs"),
            include_str!("pages/item.rs"),
            include_str!("pages/layout.rs"),
            include_str!("pages/measured.rs"),
            include_str!("pages/states.rs"),
            include_str!("pages/task.rs"),
        ];
        let mut used = BTreeSet::new();
        for source in sources {
            for opening in ["m.get(\"", "m.fill(\"", "t(m, \"", "tf(m, \""] {
                used.extend(quoted(source, opening).map(str::to_owned));
            }
        }
        for (at, _) in script.match_indices("t(\"") {
            // `t(` and not the end of another name: `closest(`.
            let before = script[..at].chars().next_back().unwrap_or(' ');
            if !before.is_alphanumeric() {
                used.extend(script[at + 3..].split('"').next().map(|key| format!("js_{key}")));
            }
        }
        used.extend(quoted(script, "/* key */ \"").map(|key| format!("js_{key}")));
        let known: BTreeSet<String> = ALL[0].texts.keys().cloned().collect();
        assert_eq!(used.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "used but not written");
        assert_eq!(known.difference(&used).collect::<Vec<_>>(), Vec::<&String>::new(), "written but not used");
    }

    #[test]
    fn a_value_that_looks_like_a_placeholder_stays_as_it_is() {
        let m = Messages {
            language: "en",
            tag: "en-GB",
            dir: "ltr",
            texts: [("k".into(), "{a} and {b} {c".into())].into(),
        };
        assert_eq!(m.fill("k", &[("a", "{b}"), ("b", "x")]), "{b} and x {c");
        assert_eq!(m.get("missing"), "missing");
    }
}
