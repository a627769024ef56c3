//! The counts in a Parquet file that memory is reserved by, held against the bytes that are there.
//!
//! 1. The footer and the headers of pages are Thrift compact structures. The library reads a field by its number and believes
//!    the kind that it should have; a reader that goes by the kind that the bytes name would lose its place where the two
//!    differ, and check other numbers than the library then reads. So known fields must have the kind that the format gives
//!    them, in rising order, and a file in which one has not is refused: no writer makes one.
//! 2. Whatever ends too early or is nested too deeply is refused here as well.
//!
//! Sources: Apache Parquet format, parquet.thrift and Encodings.md (delta encoding); Thrift compact protocol specification.

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
    let children = Compact(footer).schema().ok_or("the footer contradicts itself")?;
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
        let (unpacked, packed) = at.page_header().ok_or("the header of a page contradicts itself")?;
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

// Kinds of fields. A truth has its value in its kind, which is 1 or 2, and no bytes.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const I8: u8 = 3;
const I32: u8 = 5;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// The kinds of the fields of a `SchemaElement`, from field 1.
const SCHEMA_ELEMENT: [u8; 10] = [I32, I32, I32, BINARY, I32, I32, I32, I32, I32, STRUCT];
/// Those of a `PageHeader`.
const PAGE_HEADER: [u8; 8] = [I32, I32, I32, I32, STRUCT, STRUCT, STRUCT, STRUCT];
/// Those of `DataPageHeader`, `IndexPageHeader`, `DictionaryPageHeader` and `DataPageHeaderV2`.
const PAGES: [&[u8]; 4] =
    [&[I32, I32, I32, I32, STRUCT], &[], &[I32, I32, TRUE], &[I32, I32, I32, I32, I32, I32, TRUE, STRUCT]];
/// Those of the members of `LogicalType`, from member 1; most have none.
const LOGICAL: [&[u8]; 18] = [
    &[],
    &[],
    &[],
    &[],
    &[I32, I32],
    &[],
    &[TRUE, STRUCT],
    &[TRUE, STRUCT],
    &[],
    &[I8, TRUE],
    &[],
    &[],
    &[],
    &[],
    &[],
    &[I8],
    &[BINARY],
    &[BINARY, I32],
];

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

    /// The `num_children` of every element of a footer's schema, which must be its second field, after the version.
    fn schema(&mut self) -> Option<Vec<i64>> {
        if self.byte()? != 0x15 {
            return None;
        }
        self.int()?;
        if self.byte()? != 0x19 {
            return None;
        }
        let (count, STRUCT) = self.list()? else { return None };
        (0..count)
            .map(|_| {
                let mut children = 0;
                self.fields(Some(&SCHEMA_ELEMENT), |at, id, kind| match id {
                    5 => at.int().map(|v| children = v),
                    10 => at.logical_type(),
                    _ => at.skip(kind, 0),
                })?;
                Some(children)
            })
            .collect()
    }

    fn logical_type(&mut self) -> Option<()> {
        self.fields(Some(&[STRUCT; LOGICAL.len()]), |at, member, kind| {
            let Some(kinds) = LOGICAL.get(member - 1) else { return at.skip(kind, 0) };
            at.fields(Some(kinds), |at, id, kind| {
                // A time has a unit, which is one of three members without fields.
                let unit = kind == STRUCT && kinds.get(id - 1) == Some(&STRUCT);
                if unit {
                    at.fields(Some(&[STRUCT; 3]), |at, _, _| at.fields(Some(&[]), |_, _, _| None))
                } else {
                    at.skip(kind, 0)
                }
            })
        })
    }

    /// What a page unpacks to and what it takes packed, in bytes.
    fn page_header(&mut self) -> Option<(i64, i64)> {
        let (mut unpacked, mut packed) = (None, None);
        self.fields(Some(&PAGE_HEADER), |at, id, kind| match id {
            2 => at.int().map(|v| unpacked = Some(v)),
            3 => at.int().map(|v| packed = Some(v)),
            5..=8 => at.fields(Some(PAGES[id - 5]), |at, _, kind| at.skip(kind, 0)),
            _ => at.skip(kind, 0),
        })?;
        Some((unpacked?, packed?))
    }

    /// Calls `read` with the number and kind of every field of a structure; it must leave the bytes after the field. With `kinds`
    /// those of the known fields must be theirs, and the numbers rise.
    fn fields(&mut self, kinds: Option<&[u8]>, mut read: impl FnMut(&mut Self, usize, u8) -> Option<()>) -> Option<()> {
        let mut id = 0usize;
        loop {
            let head = self.byte()?;
            let (step, kind) = (head >> 4, head & 15);
            if kind == 0 {
                return Some(());
            }
            id = match (step, kinds) {
                (0, Some(_)) => return None,
                (0, None) => usize::try_from(self.int()?).ok()?,
                (step, _) => id.checked_add(usize::from(step))?,
            };
            let as_known = |known: u8| known == kind || (known == TRUE && kind == FALSE);
            if !kinds.and_then(|kinds| kinds.get(id - 1)).copied().is_none_or(as_known) {
                return None;
            }
            read(self, id, kind)?;
        }
    }

    /// Steps over a field of a structure.
    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        // The value of a truth is in its kind.
        if matches!(kind, TRUE | FALSE) { Some(()) } else { self.skip_element(kind, depth) }
    }

    fn skip_element(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        match kind {
            TRUE..=I8 => self.take(1).map(drop),
            4..=6 => self.varint().map(drop),
            7 => self.take(8).map(drop),
            BINARY => {
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
            STRUCT => self.fields(None, |at, _, kind| at.skip(kind, depth + 1)),
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

    /// Found by fuzzing: the number of parts had the kind of another field, was stepped over here, and read by the library.
    #[test]
    fn a_field_of_another_kind_is_refused() {
        let whole = footer(&[(b"root", &[2]), (b"a", &[])]);
        let at = whole.windows(2).position(|w| w == [0x15, 2]).unwrap();
        let place = whole.iter().rposition(|b| *b == 0x15).unwrap();
        assert!(place > at);
        for kind in [0x13, 0x14, 0x16, 0x18, 0x1C, 0x05] {
            let mut other = whole.clone();
            other[place] = kind;
            assert!(check_schema(&other).is_err(), "{kind:#x}");
        }
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
