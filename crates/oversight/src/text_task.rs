//! Two-class text files in the shapes in which they are published.
//!
//! 1. Two shapes: the text, a tab and the label (SST-2), or the label as first word of the line (MR, SUBJ, CR, MPQA). Which one it
//!    is, the file's lines decide together; a line of another shape is an error with its number, not a guess.
//! 2. Bytes are kept as they are: several public files are Latin-1, and a decoder would drop or bend them.
//! 3. Labels are 0 and 1. Blank lines are left out.

use crate::Error;
use crate::naive_bayes::is_space;

/// A text, as bytes, and whether it is of class 1.
pub type LabelledText = (Vec<u8>, bool);

/// How a line is read; `None` where it is of another shape.
type Shape = fn(&[u8]) -> Option<LabelledText>;

/// The (text, class) of each line of a file; `place` names it in errors.
///
/// ```
/// use trimtab_oversight::text_task::read;
/// assert_eq!(read("x", b"a fine film\t1\nbad\t0\n")?, [(b"a fine film".to_vec(), true), (b"bad".to_vec(), false)]);
/// assert_eq!(read("x", b"1 a fine film\n\n0 bad\n")?, [(b"a fine film".to_vec(), true), (b"bad".to_vec(), false)]);
/// # Ok::<(), trimtab_oversight::Error>(())
/// ```
///
/// # Errors
/// [`Error::Input`] for a file without lines, and with the first line that has not the shape of the others.
pub fn read(place: &str, bytes: &[u8]) -> Result<Vec<LabelledText>, Error> {
    let lines: Vec<(usize, &[u8])> =
        bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.iter().all(|b| is_space(*b))).collect();
    let expected = "lines of text, tab and label, or of label and text, with labels 0 and 1";
    if lines.is_empty() {
        return Err(Error::input(format!("{place}: no lines"), expected, "another file"));
    }
    let of = |shape: Shape| lines.iter().map(move |(number, line)| (*number, shape(line)));
    let fits = |shape: Shape| of(shape).filter(|(_, row)| row.is_some()).count();
    let shape = if fits(label_last) >= fits(label_first) { label_last } else { label_first };
    of(shape)
        .map(|(number, row)| {
            row.ok_or_else(|| {
                let what =
                    format!("{place}:{}: a line without a label 0 or 1 where the other lines have it", number + 1);
                Error::input(what, expected, "mending the line, or making labels 0 and 1")
            })
        })
        .collect()
}

fn label_last(line: &[u8]) -> Option<LabelledText> {
    let tab = line.iter().rposition(|byte| *byte == b'\t')?;
    Some((line[..tab].to_vec(), class(&line[tab + 1..])?))
}

fn label_first(line: &[u8]) -> Option<LabelledText> {
    let start = line.iter().position(|byte| !is_space(*byte))?;
    let end = line[start..].iter().position(|byte| is_space(*byte)).map_or(line.len(), |length| start + length);
    let text = line.get(end + 1..).unwrap_or_default();
    Some((text.to_vec(), class(&line[start..end])?))
}

fn class(label: &[u8]) -> Option<bool> {
    match label.trim_ascii() {
        b"0" => Some(false),
        b"1" => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_another_shape_is_named() {
        for (bytes, line) in
            [(&b"good\t1\nbad\nugly\t0\n"[..], "f:2"), (b"1 good\n0 bad\n2 ugly", "f:3"), (b"\n\nhello", "f:3")]
        {
            let error = read("f", bytes).unwrap_err().to_string();
            assert!(error.starts_with(line) && error.contains("try: "), "{error}");
        }
        assert!(read("f", b" \n").unwrap_err().to_string().contains("no lines"));
    }

    /// Bytes that are no UTF-8 stay, a carriage return belongs to the label, a tab in the text to the text.
    #[test]
    fn bytes_are_kept() {
        assert_eq!(read("f", b"caf\xe9\tx\t1\r\n").unwrap(), [(b"caf\xe9\tx".to_vec(), true)]);
        assert_eq!(read("f", b"1\n0 caf\xe9\r\n").unwrap(), [(vec![], true), (b"caf\xe9\r".to_vec(), false)]);
    }
}
