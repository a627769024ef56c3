//! Markdown from a hostile source, as HTML of which every tag and attribute is written here.
//!
//! Answers come from models, prompts from anywhere. Raw HTML is shown as the text it is, images as their words and
//! address, and a link leads only to the web or to mail, with the host beside it where the words may pretend another.

use super::pages::html::{escape, exact, visible};
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd};
use std::fmt::Write as _;

/// Longest text that is rendered, in characters.
pub const LIMIT: usize = 60_000;
/// Most HTML from one text: a table of few characters can ask for millions of empty cells.
const MOST: usize = 600_000;
/// Deepest nesting of quotes and lists.
const DEEPEST: usize = 24;

/// HTML of a text under a heading of level 2: its own headings begin at 3.
///
/// ```
/// use trimtab_people::service::markdown::render;
/// assert_eq!(render("# Hi <b>"), "<h3>Hi &lt;b&gt;</h3>\n");
/// assert_eq!(render("[x](javascript:alert)"), "<p>x (javascript:alert)</p>\n");
/// ```
#[must_use]
pub fn render(text: &str) -> String {
    render_below(text, 2)
}

/// HTML of a text under a heading of this level.
#[must_use]
pub fn render_below(text: &str, level: u8) -> String {
    let end = text.char_indices().nth(LIMIT).map_or(text.len(), |(at, _)| at);
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut out = Writer { below: level, ..Writer::default() };
    for event in Parser::new_ext(&text[..end], options) {
        if out.html.len() > MOST {
            break;
        }
        out.event(event);
    }
    let whole = out.html.len() <= MOST && end == text.len();
    while let Some(tag) = out.open.pop() {
        out.html += &tag;
    }
    if !whole {
        let rest = text[end..].chars().count();
        let _ = writeln!(out.html, "<p><em>… ({rest})</em></p>");
    }
    out.html
}

/// The address, where a link may lead there.
fn safe(address: &str) -> Option<&str> {
    let begins = |scheme: &str| address.get(..scheme.len()).is_some_and(|a| a.eq_ignore_ascii_case(scheme));
    let known = ["https://", "http://", "mailto:"].into_iter().any(begins);
    // A browser drops tabs and line breaks inside an address; an address that has them means to mislead.
    (known && !address.chars().any(|c| c.is_control() || c.is_whitespace()) && visible(address) == address)
        .then_some(address)
}

/// The host of an address, as the browser will read it: after any user name, before port, path or query.
fn host(address: &str) -> &str {
    let rest = address.split_once(':').map_or(address, |(_, rest)| rest).trim_start_matches(['/', '\\']);
    let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or(rest);
    authority.rsplit('@').next().unwrap_or(authority)
}

#[derive(Default)]
struct Writer {
    html: String,
    /// Closing tags of what is open.
    open: Vec<String>,
    /// Level of the heading above the text.
    below: u8,
    /// Levels of the headings above this place, as the text gives them: a text that jumps from 1 to 4 does not skip.
    levels: Vec<HeadingLevel>,
    /// Links that are open: where they lead, if anywhere, and their words so far.
    links: Vec<(String, String)>,
    /// Whether cells are of the head.
    head: bool,
    deep: usize,
}

impl Writer {
    fn event(&mut self, event: Event) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Code(text) => {
                self.remember(&text);
                let _ = write!(self.html, "<code>{}</code>", escape(&text));
            }
            // A single line break is kept: models write verses and lists without Markdown's two spaces.
            Event::SoftBreak | Event::HardBreak => self.html += "<br>\n",
            Event::Rule => self.html += "<hr>\n",
            Event::Text(text)
            | Event::Html(text)
            | Event::InlineHtml(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text)
            | Event::FootnoteReference(text) => {
                self.remember(&text);
                self.html += &escape(&text);
            }
            Event::TaskListMarker(done) => self.html += if done { "[x] " } else { "[ ] " },
        }
    }

    fn remember(&mut self, text: &str) {
        if let Some((_, words)) = self.links.last_mut() {
            words.push_str(text);
        }
    }

    fn put(&mut self, opening: &str, closing: &str) {
        self.html += opening;
        self.open.push(closing.to_owned());
    }

    /// A container, unless it is too deep: then its content stands where it is.
    fn nest(&mut self, opening: &str, closing: &str) {
        self.deep += 1;
        if self.deep <= DEEPEST { self.put(opening, closing) } else { self.put("", "") }
    }

    fn start(&mut self, tag: Tag) {
        match tag {
            Tag::Paragraph => self.put("<p>", "</p>\n"),
            Tag::Heading { level, .. } => {
                while self.levels.last().is_some_and(|&above| above >= level) {
                    self.levels.pop();
                }
                self.levels.push(level);
                let level = (usize::from(self.below) + self.levels.len()).min(6);
                self.put(&format!("<h{level}>"), &format!("</h{level}>\n"));
            }
            Tag::BlockQuote(_) => self.nest("<blockquote>\n", "</blockquote>\n"),
            Tag::CodeBlock(CodeBlockKind::Indented | CodeBlockKind::Fenced(_)) => {
                self.put("<pre><code>", "</code></pre>\n");
            }
            Tag::HtmlBlock | Tag::MetadataBlock(_) => self.put("<pre>", "</pre>\n"),
            Tag::List(None) => self.nest("<ul>\n", "</ul>\n"),
            Tag::List(Some(1)) => self.nest("<ol>\n", "</ol>\n"),
            // Beyond this a browser's numbers overflow.
            Tag::List(Some(first)) => self.nest(&format!("<ol start=\"{}\">\n", first.min(999_999_999)), "</ol>\n"),
            Tag::Item if self.deep <= DEEPEST => self.put("<li>", "</li>\n"),
            // A wide table scrolls in its frame, which the keyboard must reach.
            Tag::Table(_) => self.put("<div class=\"frame\" tabindex=\"0\"><table>\n", "</tbody></table></div>\n"),
            Tag::TableHead => {
                self.head = true;
                self.put("<thead><tr>", "</tr></thead>\n<tbody>\n");
            }
            Tag::TableRow => self.put("<tr>", "</tr>\n"),
            Tag::TableCell if self.head => self.put("<th scope=\"col\">", "</th>"),
            Tag::TableCell => self.put("<td>", "</td>"),
            Tag::Emphasis => self.put("<em>", "</em>"),
            Tag::Strong => self.put("<strong>", "</strong>"),
            Tag::Strikethrough => self.put("<del>", "</del>"),
            Tag::Link { link_type, dest_url, .. } => {
                let address =
                    if link_type == LinkType::Email { format!("mailto:{dest_url}") } else { dest_url.to_string() };
                if let Some(safe) = safe(&address) {
                    let how = "rel=\"noopener noreferrer nofollow\" target=\"_blank\"";
                    self.put(&format!("<a href=\"{}\" {how}>", exact(safe)), "</a>");
                } else {
                    self.put("", "");
                }
                self.links.push((address, String::new()));
            }
            Tag::Image { dest_url, .. } => {
                self.put("<span class=\"image\">", "</span>");
                self.links.push((dest_url.to_string(), String::new()));
            }
            _ => self.put("", ""),
        }
    }

    fn end(&mut self, tag: TagEnd) {
        let closing = self.open.pop().unwrap_or_default();
        match tag {
            TagEnd::BlockQuote(_) | TagEnd::List(_) => self.deep = self.deep.saturating_sub(1),
            TagEnd::TableHead => self.head = false,
            TagEnd::Image => {
                let (address, words) = self.links.pop().unwrap_or_default();
                let gap = if words.is_empty() { "" } else { " " };
                let _ = write!(self.html, "{gap}({})", escape(&address));
                // Words of an image inside a link are the link's words too.
                self.remember(&words);
            }
            TagEnd::Link => {
                let (address, words) = self.links.pop().unwrap_or_default();
                let honest = words == address || format!("mailto:{words}") == address;
                if closing.is_empty() {
                    let _ = write!(self.html, " ({})", escape(&address));
                } else if !honest {
                    let _ = write!(self.html, "</a> <small>({})</small>", escape(host(&address)));
                    return;
                }
            }
            _ => {}
        }
        self.html += &closing;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_neither_skip_nor_outrank_the_page() {
        assert_eq!(render("# a\n#### b\n## c\n# d"), "<h3>a</h3>\n<h4>b</h4>\n<h4>c</h4>\n<h3>d</h3>\n");
        assert_eq!(render_below("###### a", 3), "<h4>a</h4>\n");
    }

    #[test]
    fn a_link_says_where_it_leads() {
        let a = |href: &str| format!("<a href=\"{href}\" rel=\"noopener noreferrer nofollow\" target=\"_blank\">");
        assert_eq!(
            render("<https://a.example/x>"),
            format!("<p>{}https://a.example/x</a></p>\n", a("https://a.example/x"))
        );
        assert_eq!(
            render("[https://bank.example](https://bank.example@evil.example:1/x)"),
            format!(
                "<p>{}https://bank.example</a> <small>(evil.example:1)</small></p>\n",
                a("https://bank.example@evil.example:1/x")
            )
        );
        assert_eq!(render("<me@a.example>"), format!("<p>{}me@a.example</a></p>\n", a("mailto:me@a.example")));
        assert_eq!(render("[here](/admin/revoke)"), "<p>here (/admin/revoke)</p>\n");
    }

    #[test]
    fn images_are_words() {
        assert_eq!(
            render("![a *cat*](https://a.example/c.png \"t\")"),
            "<p><span class=\"image\">a <em>cat</em> (https://a.example/c.png)</span></p>\n"
        );
    }

    #[test]
    fn hidden_and_turning_characters_are_seen() {
        assert_eq!(render("a\u{202E}b`\u{200B}`"), "<p>a⟨U+202E⟩b<code>⟨U+200B⟩</code></p>\n");
    }

    #[test]
    fn nothing_explodes() {
        let columns = 4000;
        let table = format!("{}|\n{}|\n{}", "|a".repeat(columns), "|-".repeat(columns), "|x|\n".repeat(4000));
        let quotes = ">".repeat(30_000) + "x";
        let lists = (0..200).fold(String::new(), |out, i| out + &" ".repeat(2 * i) + "- x\n");
        let references = format!("[a]: https://e.example/{}\n\n{}", "x".repeat(20_000), "[a] ".repeat(9_000));
        for text in [table, quotes, lists, references, "[".repeat(50_000), "*_".repeat(30_000), "x".repeat(LIMIT + 7)] {
            let html = render(&text);
            assert!(html.len() < MOST + 200_000, "{}", html.len());
            assert!(html.matches("<blockquote>").count() + html.matches("<ul>").count() <= 2 * DEEPEST);
        }
        assert!(render(&"x".repeat(LIMIT + 7)).ends_with("<p><em>… (7)</em></p>\n"));
    }
}
