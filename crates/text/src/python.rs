//! Functions of Python that chat templates call: `json.dumps`, `datetime.strftime`, `str.title`.

use serde_json::Value;
use std::fmt::Write as _;

/// Options of `json.dumps`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Dump {
    pub indent: Option<usize>,
    pub ascii: bool,
    pub sort: bool,
}

/// JSON with Python's separators: `", "` and `": "`, or `","` and a line break under an indent.
pub(crate) fn dumps(value: &Value, how: Dump) -> String {
    let mut out = String::new();
    dump(value, how, 0, &mut out);
    out
}

fn dump(value: &Value, how: Dump, depth: usize, out: &mut String) {
    let line = |depth: usize, out: &mut String| {
        if let Some(indent) = how.indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent * depth));
        }
    };
    let separator = if how.indent.is_some() { "," } else { ", " };
    match value {
        Value::Array(items) if !items.is_empty() => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { separator });
                line(depth + 1, out);
                dump(item, how, depth + 1, out);
            }
            line(depth, out);
            out.push(']');
        }
        Value::Object(fields) if !fields.is_empty() => {
            out.push('{');
            let mut fields: Vec<_> = fields.iter().collect();
            if how.sort {
                fields.sort_by_key(|(key, _)| *key);
            }
            for (i, (key, item)) in fields.into_iter().enumerate() {
                out.push_str(if i == 0 { "" } else { separator });
                line(depth + 1, out);
                dump_string(key, how.ascii, out);
                out.push_str(": ");
                dump(item, how, depth + 1, out);
            }
            line(depth, out);
            out.push('}');
        }
        Value::String(text) => dump_string(text, how.ascii, out),
        other => out.push_str(&other.to_string()),
    }
}

fn dump_string(text: &str, ascii: bool, out: &mut String) {
    for c in Value::from(text).to_string().chars() {
        // Python escapes DEL only where it escapes all that is not ASCII; serde_json never does.
        if ascii && (!c.is_ascii() || c == '\u{7F}') {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
}

/// Each word with a capital letter; a word begins after anything that is not a letter.
pub(crate) fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_word = false;
    for c in text.chars() {
        if in_word {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        in_word = c.is_alphabetic();
    }
    out
}

/// The directives of `strftime` that templates use, in UTC and English; the error is the directive that is not known.
pub(crate) fn strftime(format: &str, unix_seconds: i64) -> Result<String, String> {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
    let (days, seconds) = (unix_seconds.div_euclid(86_400), unix_seconds.rem_euclid(86_400));
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    // Civil date from a day count, in eras of 400 years that begin on 1 March.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (month_name, day_name) = (MONTHS[(month - 1) as usize], DAYS[days.rem_euclid(7) as usize]);

    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        // Writing to a String cannot fail.
        let _ = match chars.next() {
            Some('d') => write!(out, "{day:02}"),
            Some('m') => write!(out, "{month:02}"),
            Some('Y') => write!(out, "{year}"),
            Some('y') => write!(out, "{:02}", year.rem_euclid(100)),
            Some('b') => write!(out, "{}", &month_name[..3]),
            Some('B') => write!(out, "{month_name}"),
            Some('a') => write!(out, "{}", &day_name[..3]),
            Some('A') => write!(out, "{day_name}"),
            Some('H') => write!(out, "{hour:02}"),
            Some('I') => write!(out, "{:02}", (hour + 11) % 12 + 1),
            Some('M') => write!(out, "{minute:02}"),
            Some('S') => write!(out, "{second:02}"),
            Some('p') => write!(out, "{}", if hour < 12 { "AM" } else { "PM" }),
            Some('%') => write!(out, "%"),
            other => return Err(format!("%{}", other.map_or(String::new(), String::from))),
        };
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Dates from the standard library of Python, `datetime.fromtimestamp(s, timezone.utc)`.
    #[test]
    fn dates_are_those_of_the_calendar() {
        let all = "%d %b %Y|%A %B %m %y|%H:%M:%S %I %p %%";
        for (seconds, expected) in [
            (0, "01 Jan 1970|Thursday January 01 70|00:00:00 12 AM %"),
            (951_827_696, "29 Feb 2000|Tuesday February 02 00|12:34:56 12 PM %"),
            (-1, "31 Dec 1969|Wednesday December 12 69|23:59:59 11 PM %"),
            (4_107_542_400, "01 Mar 2100|Monday March 03 00|00:00:00 12 AM %"),
        ] {
            assert_eq!(strftime(all, seconds).unwrap(), expected);
        }
        assert_eq!(strftime("%Q", 0), Err("%Q".into()));
    }

    #[test]
    fn json_has_pythons_separators() {
        let value = json!({"b": [1, 2.5, null, true], "a": {"é<": "\n\"'&"}, "e": [], "o": {}});
        let plain = "{\"b\": [1, 2.5, null, true], \"a\": {\"é<\": \"\\n\\\"'&\"}, \"e\": [], \"o\": {}}";
        assert_eq!(dumps(&value, Dump::default()), plain);
        let sorted = dumps(&json!({"b": 1, "a": "é😀"}), Dump { indent: Some(2), ascii: true, sort: true });
        assert_eq!(sorted, "{\n  \"a\": \"\\u00e9\\ud83d\\ude00\",\n  \"b\": 1\n}");
    }
}
