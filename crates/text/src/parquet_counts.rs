//! The counts in a Parquet file that memory is reserved by, held against the bytes that are there.
//!
//! 1. The footer and the headers of pages are Thrift compact structures; what is not looked at is stepped over.
//! 2. Whatever ends too early or is nested too deeply is refused here, before the library reads it.
//!
//! Sources: Apache Parquet format, parquet.thrift (`FileMetaData` field 2, `SchemaElement` field 5, `PageHeader`
//! fields 2 and 3) and Encodings.md (delta encoding); Thrift compact protocol specification.

use std::ops::Range;

/// Deepest nesting of columns, and of Thrift structures.
const MAX_DEPTH: usize = 64;
/// Largest page once unpacked, in bytes; writers make pages of about 1 MiB, but a page holds one record at least.
const MAX_PAGE: i64 = 256 << 20;

/// Refuses a footer whose schema claims more columns than it names, or nests them too deeply.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn check_schema(file: &[u8]) -> Result<(), String> {
    let Some((body, b"PAR1")) = file.split_last_chunk::<4>() else {
        return Err("the end of the file is missing".into());
    };
    let footer = body.split_last_chunk::<4>().and_then(|(body, length)| {
        let length = u32::from_le_bytes(*length) as usize;
        body.get(body.len().checked_sub(length)?..)
    });
    let footer = footer.ok_or("the footer is longer than the file")?;
    let mut schema: Option<Vec<i64>> = None;
    let mut at = Compact(footer);
    at.fields(|at, id, kind| {
        if (id, kind) != (2, LIST) {
            return at.skip(kind, 0);
        }
        let (count, STRUCT) = at.list()? else { return None };
        let mut children = Vec::new();
        for _ in 0..count {
            children.push(at.int_field(5)?.unwrap_or(0));
        }
        schema = Some(children);
        Some(())
    })
    .ok_or("the footer contradicts itself")?;
    let children = schema.ok_or("the footer has no schema")?;
    let mut open: Vec<i64> = Vec::new();
    for (i, &claimed) in children.iter().enumerate() {
        let after = (children.len() - i - 1) as i64;
        if claimed < 0 || claimed > after {
            return Err(format!("the schema claims a column with {claimed} parts, and names {after} after it"));
        }
        while open.last() == Some(&0) {
            open.pop();
        }
        if let Some(left) = open.last_mut() {
            *left -= 1;
        }
        if claimed > 0 {
            open.push(claimed);
        }
        if open.len() > MAX_DEPTH {
            return Err(format!("columns are nested more than {MAX_DEPTH} deep"));
        }
    }
    Ok(())
}

/// Refuses a column whose pages claim to unpack to more than a page may, by the headers in `range`: offset, length.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn check_page_headers(file: &[u8], range: (u64, u64)) -> Result<(), String> {
    let within = |(start, length): (u64, u64)| -> Option<Range<usize>> {
        Some(usize::try_from(start).ok()?..usize::try_from(start.checked_add(length)?).ok()?)
    };
    let pages = within(range).and_then(|range| file.get(range)).ok_or("a column lies outside the file")?;
    let mut at = Compact(pages);
    while !at.0.is_empty() {
        let (mut unpacked, mut packed) = (None, None);
        at.fields(|at, id, kind| match (id, kind) {
            (2, I32) => at.int().map(|v| unpacked = Some(v)),
            (3, I32) => at.int().map(|v| packed = Some(v)),
            _ => at.skip(kind, 0),
        })
        .ok_or("the header of a page contradicts itself")?;
        let (Some(unpacked), Some(packed)) = (unpacked, packed) else {
            return Err("the header of a page has no sizes".into());
        };
        if !(0..=MAX_PAGE).contains(&unpacked) {
            return Err(format!("a page claims to hold {unpacked} bytes: at most {MAX_PAGE} are read"));
        }
        let body = usize::try_from(packed).ok().and_then(|packed| at.0.get(packed..));
        at = Compact(body.ok_or("a page does not end in its column")?);
    }
    Ok(())
}

/// How many numbers a delta-encoded block claims, and the bytes after it; `None` where it does not end.
pub(crate) fn delta(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut at = Compact(bytes);
    let (block, minis, count) = (at.varint()?, at.varint()?, at.varint()?);
    at.varint()?;
    if minis == 0 || block % minis != 0 || (block / minis) % 8 != 0 {
        return None;
    }
    // The first number is in the header.
    let mut left = count.saturating_sub(1);
    while left > 0 {
        at.varint()?;
        let widths = at.take(usize::try_from(minis).ok()?)?;
        for &width in widths {
            if left == 0 {
                break;
            }
            at.take(usize::try_from((block / minis / 8).checked_mul(u64::from(width))?).ok()?)?;
            left = left.saturating_sub(block / minis);
        }
    }
    Some((count, at.0))
}

const I32: u8 = 5;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// A Thrift compact structure being read; every step is `None` where the bytes end or make no sense.
struct Compact<'a>(&'a [u8]);

impl<'a> Compact<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A number in zigzag form.
    fn int(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// Length and kind of the elements of a list or set, which never has more of them than bytes.
    fn list(&mut self) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        (count <= self.0.len() as u64).then_some((count, head & 15))
    }

    /// Calls `read` with the number and kind of every field of a structure; it must leave the bytes after the field.
    fn fields(&mut self, mut read: impl FnMut(&mut Self, i64, u8) -> Option<()>) -> Option<()> {
        let mut id = 0i64;
        loop {
            let head = self.byte()?;
            if head & 15 == 0 {
                return Some(());
            }
            id = if head >> 4 == 0 { self.int()? } else { id.checked_add(i64::from(head >> 4))? };
            read(self, id, head & 15)?;
        }
    }

    /// The number in one field of a structure, if it has the field.
    fn int_field(&mut self, wanted: i64) -> Option<Option<i64>> {
        let mut found = None;
        self.fields(|at, id, kind| match (id, kind) {
            (id, I32) if id == wanted => at.int().map(|v| found = Some(v)),
            _ => at.skip(kind, 0),
        })?;
        Some(found)
    }

    /// Steps over a field of a structure.
    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        // The value of a truth is in its kind.
        if matches!(kind, 1 | 2) { Some(()) } else { self.skip_element(kind, depth) }
    }

    fn skip_element(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        match kind {
            1..=3 => self.take(1).map(drop),
            4..=6 => self.varint().map(drop),
            7 => self.take(8).map(drop),
            8 => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.take(length).map(drop)
            }
            LIST | 10 => {
                let (count, kind) = self.list()?;
                (0..count).try_for_each(|_| self.skip_element(kind, depth + 1))
            }
            11 => {
                let count = self.varint()?;
                if count == 0 {
                    return Some(());
                }
                let kinds = self.byte()?;
                (0..count).try_for_each(|_| {
                    self.skip_element(kinds >> 4, depth + 1)?;
                    self.skip_element(kinds & 15, depth + 1)
                })
            }
            STRUCT => self.fields(|at, _, kind| at.skip(kind, depth + 1)),
            13 => self.take(16).map(drop),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of nothing but a footer: version 1 and a schema of `columns`, each a name and a number of parts.
    fn footer(columns: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut footer = vec![0x15, 0x02, 0x19, 0xFC, columns.len() as u8];
        for (name, parts) in columns {
            footer.extend([0x48, name.len() as u8]);
            footer.extend(*name);
            if !parts.is_empty() {
                footer.push(0x15);
                footer.extend(*parts);
            }
            footer.push(0);
        }
        footer.push(0);
        let length = (footer.len() as u32).to_le_bytes();
        [b"PAR1", footer.as_slice(), &length, b"PAR1"].concat()
    }

    #[test]
    fn a_schema_names_the_columns_it_claims() {
        assert_eq!(check_schema(&footer(&[(b"root", &[4]), (b"a", &[]), (b"b", &[])])), Ok(()));
        // Found by fuzzing: half a billion columns in a footer of a few bytes.
        let claim = check_schema(&footer(&[(b"root", &[0xA2, 0xA4, 0x89, 0x84, 0x04]), (b"a", &[])])).unwrap_err();
        assert!(claim.contains("541141265 parts, and names 1"), "{claim}");
        assert!(check_schema(&footer(&[(b"root", &[1])])).is_err(), "a negative count");
        let chain = vec![(b"a".as_slice(), [2u8].as_slice()); 70];
        let deep = check_schema(&footer(&[chain, vec![(b"a", &[])]].concat())).unwrap_err();
        assert!(deep.contains("nested"), "{deep}");
        let wide = vec![(b"a".as_slice(), [].as_slice()); 70];
        assert_eq!(check_schema(&footer(&[vec![(b"r".as_slice(), [0x8C, 0x01].as_slice())], wide].concat())), Ok(()));
    }

    #[test]
    fn a_footer_that_ends_early_is_refused() {
        let whole = footer(&[(b"root", &[2]), (b"a", &[])]);
        for end in 0..whole.len() {
            assert!(check_schema(&whole[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn pages_claim_what_a_page_may_hold() {
        let page = |unpacked: &[u8]| [&[0x15, 0, 0x15][..], unpacked, &[0x15, 4, 0, 7, 7]].concat();
        let two = [page(&[4]), page(&[4])].concat();
        assert_eq!(check_page_headers(&two, (0, two.len() as u64)), Ok(()));
        assert!(check_page_headers(&two, (0, two.len() as u64 - 1)).is_err(), "the last page is cut");
        assert!(check_page_headers(&two, (1, u64::MAX)).is_err(), "outside the file");
        let huge = page(&[0xFE, 0xFF, 0xFF, 0xFF, 0x0F]);
        let claim = check_page_headers(&huge, (0, huge.len() as u64)).unwrap_err();
        assert!(claim.contains("2147483647 bytes"), "{claim}");
    }

    #[test]
    fn a_delta_block_ends_where_its_numbers_end() {
        // Encodings.md, example 1 (1, 2, 3, 4, 5): block of 128 in 4, 5 numbers, the first 1, smallest step 1, no bits.
        let block = [0x80, 0x01, 4, 5, 2, 2, 0, 0, 0, 0, 0xAA];
        assert_eq!(delta(&block), Some((5, &[0xAAu8][..])));
        // Two bits for each of the 32 numbers of the first part.
        let wide = [&[0x80, 0x01, 4, 5, 2, 2, 2, 0, 0, 0][..], &[0; 8], &[0xBB]].concat();
        assert_eq!(delta(&wide), Some((5, &[0xBBu8][..])));
        assert_eq!(delta(&block[..7]), None);
        assert_eq!(delta(&[0x80, 0x01, 0, 5, 2]), None, "no parts");
        let claim = delta(&[0x80, 0x01, 4, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 2, 2, 0, 0, 0, 0]);
        assert_eq!(claim, None, "four billion numbers and one block");
    }
}
