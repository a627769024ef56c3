//! Comma-separated values as RFC 4180 has them: quoted fields hold commas, line breaks and doubled quotes.

use super::problem;
use trimtab_text::Error;

/// A table with its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub header: Vec<String>,
    /// Each row with the line that it begins on.
    pub rows: Vec<(usize, Vec<String>)>,
}

impl Table {
    /// Where a column stands.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|h| h.trim() == name)
    }
}

/// Reads a table; every row has as many fields as the header.
pub(super) fn parse(place: &str, text: &str) -> Result<Table, Error> {
    let mut rows: Vec<(usize, Vec<String>)> = Vec::new();
    // Line and byte at which the last row begins. The library's own count of lines is one short after CR LF.
    let mut last = (1, 0);
    // Rows of any length, so that one of another length is named with its line, in our words.
    let reader = ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    for record in reader.into_records() {
        let record =
            record.map_err(|e| problem(place, e.to_string(), "comma-separated values in UTF-8", "another file"))?;
        let at = record.position().map_or(last.1, |at| at.byte() as usize);
        let begun = text.len() - text.get(at..).unwrap_or_default().trim_start_matches(['\r', '\n']).len();
        last = (last.0 + text.get(last.1..begun).unwrap_or_default().matches('\n').count(), begun);
        rows.push((last.0, record.iter().map(str::to_owned).collect()));
    }
    // The library takes a quoted field without an end to end with the file: the quotes of the last row are then odd in number.
    if text.get(last.1..).is_some_and(|row| row.matches('"').count() % 2 == 1) {
        let what = "a quoted field that begins on this line or later has no end";
        let place = format!("{place}:{}", last.0);
        return Err(problem(&place, what, "a closing quote", "double quotes inside a field: \"\""));
    }
    rows.retain(|(_, fields)| fields.iter().any(|f| !f.trim().is_empty()));
    if rows.is_empty() {
        return Err(problem(place, "the file is empty", "a header and rows", "another file"));
    }
    let (_, header) = rows.remove(0);
    if let Some((line, fields)) = rows.iter().find(|(_, fields)| fields.len() != header.len()) {
        let what = format!("{} fields, where the header has {}", fields.len(), header.len());
        return Err(problem(
            &format!("{place}:{line}"),
            what,
            "as many fields as columns",
            "quote fields that hold commas",
        ));
    }
    Ok(Table { header, rows })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_commas_and_lines() {
        let table = parse("t.csv", "a,b\r\n\"x, \"\"y\"\"\",\"two\nlines\"\r\n\n1,2").unwrap();
        assert_eq!(table.header, ["a", "b"]);
        assert_eq!(table.rows[0], (2, vec!["x, \"y\"".to_owned(), "two\nlines".to_owned()]));
        assert_eq!(table.rows[1], (5, vec!["1".to_owned(), "2".to_owned()]));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, place) in [("a,b\n1\n", "t.csv:2"), ("a\n\"x\n", "t.csv:2"), ("", "t.csv")] {
            let error = parse("t.csv", text).unwrap_err().to_string();
            assert!(error.starts_with(place) && error.contains("expected"), "{error}");
        }
    }

    proptest! {
        /// Law: rows written with every field quoted read back.
        #[test]
        fn quoted_rows_read_back(rows in prop::collection::vec(prop::collection::vec("[ -~\n\"]{1,12}", 2..3), 1..6)) {
            let quote = |f: &String| format!("\"{}\"", f.replace('"', "\"\""));
            let lines: Vec<String> = rows.iter().map(|r| r.iter().map(quote).collect::<Vec<_>>().join(",")).collect();
            let table = parse("t.csv", &format!("a,b\n{}\n", lines.join("\n"))).unwrap();
            let kept: Vec<&Vec<String>> = rows.iter().filter(|r| r.iter().any(|f| !f.trim().is_empty())).collect();
            prop_assert_eq!(table.rows.iter().map(|(_, r)| r).collect::<Vec<_>>(), kept);
        }

        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = parse("t.csv", &text);
        }
    }
}
