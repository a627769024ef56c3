//! Bytes to records: JSON Lines, a JSON array, Parquet, plain text, each also gzipped; told apart by content.

use crate::error::{Error, Problem};
use crate::json;
use crate::parquet_rows;
use flate2::read::MultiGzDecoder;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::io::Read;
use std::path::Path;

/// Largest file, and largest unpacked content of one, in bytes.
pub(crate) const MAX_BYTES: u64 = 2 << 30;
/// Longest record, in bytes.
const MAX_RECORD: usize = 64 << 20;

/// One record and where it was.
#[derive(Debug)]
pub(crate) struct Record {
    /// Number in the file, from 1.
    pub number: usize,
    /// Line in the file, from 1; none in Parquet.
    pub line: Option<usize>,
    pub fields: Map<String, Value>,
}

impl Record {
    /// `FILE:LINE`, or `FILE: record N` where there are no lines; a JSON array gives both.
    pub fn place(&self, name: &str) -> String {
        match self.line {
            Some(line) if line == self.number => format!("{name}:{line}"),
            Some(line) => format!("{name}:{line}: record {}", self.number),
            None => format!("{name}: record {}", self.number),
        }
    }
}

/// Everything a file holds.
#[derive(Debug)]
pub(crate) enum Content {
    /// Structured records, and how many blank lines were between them.
    Records { records: Vec<Record>, blank: u64 },
    /// Lines of text with their numbers.
    Text { lines: Vec<(usize, String)>, blank: u64 },
}

pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    let name = path.display().to_string();
    let file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
    let metadata = file.metadata().map_err(|e| Error::io(path, e))?;
    if metadata.is_dir() {
        return Err(data(name, "is a folder", "a data file", "name the file inside it"));
    }
    let mut bytes = Vec::new();
    // The size may be a lie (a pipe, a growing file), so the limit is on what is read.
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|e| Error::io(path, e))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(too_large(&name));
    }
    Ok(bytes)
}

/// Reads what `bytes` hold; `text_allowed` says whether lines of plain text are data.
pub(crate) fn read(name: &str, bytes: &[u8], text_allowed: bool) -> Result<Content, Error> {
    let bytes = &*unpacked(name, bytes)?;
    if bytes.starts_with(b"PAR1") {
        return parquet_rows::read(name, bytes);
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let Some(first) = bytes.iter().position(|b| !b.is_ascii_whitespace()) else {
        return Err(data(name, "is empty", "at least one record", "check how the file was made"));
    };
    match bytes[first] {
        b'[' if !text_allowed || looks_like_array(&bytes[first..]) => array(name, bytes, first),
        b'{' if !text_allowed || json_line(bytes, first) => lines(name, bytes),
        _ if text_allowed => text(name, bytes),
        _ => {
            let shown: String = String::from_utf8_lossy(&bytes[first..bytes.len().min(first + 24)]).into_owned();
            let line = line_at(bytes, first);
            Err(data(
                format!("{name}:{line}"),
                format!("begins with {shown:?}"),
                "JSON Lines, a JSON array or Parquet, also gzipped",
                "convert the file to JSON Lines",
            ))
        }
    }
}

/// The bytes themselves, or what they hold where they are gzip.
pub(crate) fn unpacked<'a>(name: &str, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, Error> {
    if !bytes.starts_with(&[0x1F, 0x8B]) {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut unpacked = Vec::new();
    if let Err(e) = MultiGzDecoder::new(bytes).take(MAX_BYTES + 1).read_to_end(&mut unpacked) {
        return Err(data(name, format!("gzip: {e}"), "a complete gzip file", "download it again"));
    }
    if unpacked.len() as u64 > MAX_BYTES {
        return Err(too_large(name));
    }
    if unpacked.starts_with(&[0x1F, 0x8B]) {
        return Err(data(name, "is gzip inside gzip", "one layer of compression", "unpack it once"));
    }
    Ok(Cow::Owned(unpacked))
}

/// The line, from 1, that a byte is on.
fn line_at(bytes: &[u8], at: usize) -> usize {
    bytes[..at].split(|&b| b == b'\n').count()
}

/// In plain text a line may begin with a bracket; a JSON array goes on with an object or ends.
fn looks_like_array(bytes: &[u8]) -> bool {
    bytes[1..].iter().find(|b| !b.is_ascii_whitespace()).is_some_and(|b| matches!(b, b'{' | b']'))
}

/// In plain text a line may begin with a brace; JSON Lines has a whole object on it, or at least a quoted key.
fn json_line(bytes: &[u8], first: usize) -> bool {
    bytes[first + 1..].iter().find(|b| !b.is_ascii_whitespace()).is_some_and(|b| matches!(b, b'"' | b'}'))
}

fn lines(name: &str, bytes: &[u8]) -> Result<Content, Error> {
    let (mut records, mut blank) = (Vec::new(), 0);
    // A file that ends in a line break has no line after it.
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    for (i, line) in body.split(|&b| b == b'\n').enumerate() {
        if line.iter().all(u8::is_ascii_whitespace) {
            blank += 1;
            continue;
        }
        let fields = record(name, i + 1, line, true)?;
        records.push(Record { number: i + 1, line: Some(i + 1), fields });
    }
    // With blank lines between, records are numbered by line, which is what an editor shows.
    Ok(Content::Records { records, blank })
}

/// Parses one record that begins on `line`.
fn record(name: &str, line: usize, bytes: &[u8], alone_on_line: bool) -> Result<Map<String, Value>, Error> {
    if bytes.len() > MAX_RECORD {
        let what = format!("the record is {} bytes long", bytes.len());
        return Err(data(format!("{name}:{line}"), what, format!("at most {MAX_RECORD} bytes"), "split the document"));
    }
    if let Err(e) = std::str::from_utf8(bytes) {
        let before = line_at(bytes, e.valid_up_to()) - 1;
        let what = format!("byte {} of the record is not UTF-8", e.valid_up_to() + 1);
        return Err(data(format!("{name}:{}", line + before), what, "UTF-8 text", "iconv -f latin1 -t utf-8"));
    }
    match json::parse(bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => {
            Err(data(format!("{name}:{line}"), format!("the record is {}", json::kind(&other)), "an object", ""))
        }
        Err(e) => {
            let at = format!("{name}:{}", line + e.line().saturating_sub(1));
            if alone_on_line && e.is_eof() {
                let expected = "one whole JSON object a line";
                return Err(data(at, "the object does not end on its line", expected, "jq -c . FILE > FILE.jsonl"));
            }
            // serde_json ends its messages with a line and column of the record alone.
            let message = e.to_string();
            let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _)| what);
            let what = format!("is not JSON: {message} (column {})", e.column());
            Err(data(at, what, "a JSON object", "check how the file was made"))
        }
    }
}

/// Cuts an array into its elements, so that each error has a record and a line.
fn array(name: &str, bytes: &[u8], open: usize) -> Result<Content, Error> {
    let mut records: Vec<Record> = Vec::new();
    let mut line = line_at(bytes, open);
    let (mut depth, mut in_string, mut escaped) = (0u32, false, false);
    // Start of the current element and the line it begins on, once something other than white space was seen.
    let mut element: Option<(usize, usize)> = None;
    let mut after_comma = false;
    let close = |element: Option<(usize, usize)>, end: usize, number: usize| -> Result<Option<Record>, Error> {
        let Some((start, line)) = element else { return Ok(None) };
        let fields = record(name, line, &bytes[start..end], false)?;
        Ok(Some(Record { number, line: Some(line), fields }))
    };
    for (at, &byte) in bytes.iter().enumerate().skip(open + 1) {
        if byte == b'\n' {
            line += 1;
        }
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b',' | b']' if depth == 0 => {
                let number = records.len() + 1;
                let empty_end = byte == b']' && !after_comma && element.is_none();
                match close(element.take(), at, number)? {
                    Some(record) => records.push(record),
                    None if empty_end => {}
                    None => return Err(data(format!("{name}:{line}"), "a comma without a record", "a JSON array", "")),
                }
                after_comma = byte == b',';
                if byte == b']' {
                    let rest = &bytes[at + 1..];
                    if rest.iter().any(|b| !b.is_ascii_whitespace()) {
                        return Err(data(
                            format!("{name}:{line}"),
                            "text after the end of the array",
                            "one JSON array",
                            "",
                        ));
                    }
                    if records.is_empty() {
                        return Err(data(name, "is an empty array", "at least one record", ""));
                    }
                    return Ok(Content::Records { records, blank: 0 });
                }
            }
            b if b.is_ascii_whitespace() => {}
            _ => {
                element.get_or_insert((at, line));
                match byte {
                    b'"' => in_string = true,
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => match depth.checked_sub(1) {
                        Some(less) => depth = less,
                        None => {
                            return Err(data(format!("{name}:{line}"), "a brace closes nothing", "a JSON array", ""));
                        }
                    },
                    _ => {}
                }
            }
        }
    }
    Err(data(format!("{name}:{line}"), "the array does not end", "a complete file", "download it again"))
}

fn text(name: &str, bytes: &[u8]) -> Result<Content, Error> {
    let (mut lines, mut blank) = (Vec::new(), 0);
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    for (i, line) in body.split(|&b| b == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > MAX_RECORD {
            let what = format!("the line is {} bytes long", line.len());
            return Err(data(
                format!("{name}:{}", i + 1),
                what,
                format!("at most {MAX_RECORD} bytes"),
                "split the document",
            ));
        }
        match std::str::from_utf8(line) {
            Ok(line) if line.trim().is_empty() => blank += 1,
            Ok(line) => lines.push((i + 1, line.to_owned())),
            Err(e) => {
                let what = format!("byte {} of the line is not UTF-8", e.valid_up_to() + 1);
                return Err(data(format!("{name}:{}", i + 1), what, "UTF-8 text", "iconv -f latin1 -t utf-8"));
            }
        }
    }
    Ok(Content::Text { lines, blank })
}

fn too_large(name: &str) -> Error {
    data(name, "holds more than 2 GiB", "a file that fits in memory", "split it: split -n l/4 FILE")
}

pub(crate) fn data(
    place: impl Into<String>,
    what: impl Into<String>,
    expected: impl Into<String>,
    hint: impl Into<String>,
) -> Error {
    Error::Data(Problem::new(place, what, expected, hint))
}
