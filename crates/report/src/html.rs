//! HTML from text: escaping, tables, and the page around them.
//!
//! Everything that comes from a file goes through [`escape`]: model answers, names, reasons, settings. What a model says
//! may look like markup, hide in control characters, or turn the direction of the line.

use crate::format::Unit;
use std::fmt::Write as _;
/// The one escape of the house: what a model says is as hostile in a report as on a page.
pub use trimtab_people::service::pages::html::escape;
use trimtab_stats::Measured;

const STYLE: &str = include_str!("style.css");

/// At most `limit` characters, with a note where text was cut.
#[must_use]
pub fn cut(text: &str, limit: usize) -> String {
    let n = text.chars().count();
    if n <= limit {
        return text.to_owned();
    }
    format!("{} … ({} more characters)", text.chars().take(limit).collect::<String>(), n - limit)
}

/// One cell of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Words, not yet escaped.
    Text(String),
    /// A number, set in tabular figures to the right.
    Number(String),
    /// Hatched, with the reason; not yet escaped.
    Undefined(String),
    /// Finished HTML.
    Html(String),
}

impl Cell {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number.
    pub fn number(text: impl Into<String>) -> Self {
        Self::Number(text.into())
    }

    /// A value with its bounds, or a hatched cell with the reason.
    #[must_use]
    pub fn measured(m: &Measured, unit: &Unit) -> Self {
        match (m.value, &m.interval) {
            (Some(_), _) => Self::Number(unit.measured(m)),
            (None, _) => Self::Undefined(unit.measured(m)),
        }
    }

    fn html(&self, first: bool) -> String {
        match self {
            Self::Text(text) if first => format!("<th scope=\"row\">{}</th>", escape(text)),
            Self::Text(text) => format!("<td>{}</td>", escape(text)),
            Self::Number(text) if first => format!("<th scope=\"row\" class=\"num\">{}</th>", escape(text)),
            Self::Number(text) => format!("<td class=\"num\">{}</td>", escape(text)),
            Self::Undefined(why) => format!("<td class=\"hatched\">{}</td>", escape(&cut(why, 300))),
            Self::Html(html) => format!("<td>{html}</td>"),
        }
    }
}

/// A table that scrolls within its frame, its first column standing still. Without rows it is nothing.
#[must_use]
pub fn table(caption: &str, columns: &[&str], rows: &[Vec<Cell>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let (mut head, mut body) = (String::new(), String::new());
    for column in columns {
        let _ = write!(head, "<th scope=\"col\">{}</th>", escape(column));
    }
    for row in rows {
        let cells: String = row.iter().enumerate().map(|(i, cell)| cell.html(i == 0)).collect();
        let _ = writeln!(body, "<tr>{cells}</tr>");
    }
    // A frame that scrolls must be reachable by keyboard.
    format!(
        "<div class=\"frame\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\"><table>\n<caption><span>{0}</span></caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n",
        escape(caption)
    )
}

/// A paragraph of plain words.
#[must_use]
pub fn paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", escape(text))
}

/// A quieter paragraph, led by its kind: "How to read", "Control", …
#[must_use]
pub fn aside(kind: &str, text: &str) -> String {
    format!("<p class=\"aside\"><b>{}.</b> {}</p>\n", escape(kind), escape(text))
}

/// Chart and table, side by side where there is room.
#[must_use]
pub fn figure(chart: &str, table: &str) -> String {
    format!("<div class=\"pair\"><figure>{chart}</figure>\n<div>{table}</div></div>\n")
}

/// A chart by itself.
#[must_use]
pub fn single(chart: &str) -> String {
    format!("<figure>{chart}</figure>\n")
}

/// Panels that stand beside each other where there is room.
#[must_use]
pub fn panels(panels: &[String]) -> String {
    let panels = panels.join("</figure>\n<figure>");
    format!("<div class=\"panels\"><figure>{panels}</figure></div>\n")
}

/// The whole page; `body` is finished HTML.
#[must_use]
pub fn page(title: &str, body: &str) -> String {
    let hatch = "<svg width=\"0\" height=\"0\" aria-hidden=\"true\" style=\"position:absolute\"><defs><pattern id=\"hatch\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect width=\"7\" height=\"7\" class=\"hatch-ground\"/><line x1=\"0\" y1=\"0\" x2=\"0\" y2=\"7\" class=\"hatch-line\"/></pattern></defs></svg>";
    format!(
        "<!doctype html>\n<html lang=\"en-GB\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{hatch}\n<main>\n{body}</main>\n</body>\n</html>\n",
        escape(title)
    )
}
