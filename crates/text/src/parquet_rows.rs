//! Parquet to records.
//!
//! 1. The library trusts the counts that a file gives: a footer of a thousand bytes that claims half a billion columns
//!    makes it ask for 4 GB, and a program that is refused memory is ended, not panicked. So the counts it reserves
//!    memory by are held against the bytes that are there ([`crate::parquet_counts`]) before it sees them.
//! 2. It still has corners in which a corrupt file panics: those are contained, and the caller gets an error.

use crate::contain::contained;
use crate::error::Error;
use crate::parquet_counts::{check_page_headers, check_schema, delta};
use crate::source::{Content, MAX_BYTES, Record, data};
use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::record::reader::TreeBuilder;
use parquet::record::{Field, Row};
use serde_json::{Map, Value};

/// What a row, and each field of it, takes in memory at least, in bytes.
const ROW_BYTES: u64 = 64;
/// Most values on a page: as many as there may be rows.
const MAX_VALUES: u64 = MAX_BYTES / ROW_BYTES;

pub(crate) fn read(name: &str, bytes: &[u8]) -> Result<Content, Error> {
    let broken = |what: String| data(name, format!("Parquet: {what}"), "a complete Parquet file", "download it again");
    let owned = Bytes::copy_from_slice(bytes);
    let read = contained(|| rows(&owned));
    let records = read.ok_or_else(|| broken("the file contradicts itself".into()))?.map_err(broken)?;
    if records.is_empty() {
        return Err(data(name, "has no rows", "at least one record", ""));
    }
    Ok(Content::Records { records, blank: 0 })
}

fn rows(bytes: &Bytes) -> Result<Vec<Record>, String> {
    check_schema(bytes)?;
    let reader = SerializedFileReader::new(bytes.clone()).map_err(|e| e.to_string())?;
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let (mut records, mut size) = (Vec::new(), 0);
    for group in 0..reader.num_row_groups() {
        let group = Counted(reader.get_row_group(group).map_err(|e| e.to_string())?);
        for column in group.metadata().columns() {
            check_page_headers(bytes, column.byte_range())?;
        }
        let rows = TreeBuilder::new().as_iter(schema.clone(), &group).map_err(|e| e.to_string())?;
        for row in rows {
            let row = row.map_err(|e| e.to_string())?;
            // A run-length code can claim billions of rows in a few bytes.
            size += ROW_BYTES * (1 + row.len() as u64);
            if size > MAX_BYTES {
                return Err(format!("more than {} rows, which do not fit in 2 GiB", records.len()));
            }
            records.push(Record { number: records.len() + 1, line: None, fields: fields_of(&row, 0)? });
        }
    }
    Ok(records)
}

/// A row group whose pages are looked at before they are decoded.
struct Counted<'a>(Box<dyn RowGroupReader + 'a>);

impl RowGroupReader for Counted<'_> {
    fn metadata(&self) -> &RowGroupMetaData {
        self.0.metadata()
    }

    fn num_columns(&self) -> usize {
        self.0.num_columns()
    }

    fn get_column_page_reader(&self, column: usize) -> ParquetResult<Box<dyn PageReader>> {
        let kind = self.metadata().schema_descr().column(column);
        let levels = usize::from(kind.max_rep_level() > 0) + usize::from(kind.max_def_level() > 0);
        Ok(Box::new(CountedPages { pages: self.0.get_column_page_reader(column)?, levels }))
    }

    fn get_column_bloom_filter(&self, column: usize) -> Option<&parquet::bloom_filter::Sbbf> {
        self.0.get_column_bloom_filter(column)
    }

    fn get_row_iter(
        &self,
        projection: Option<parquet::schema::types::Type>,
    ) -> ParquetResult<parquet::record::reader::RowIter<'_>> {
        self.0.get_row_iter(projection)
    }
}

/// The pages of a column, and how many kinds of levels (repetition, definition) stand before its values.
struct CountedPages {
    pages: Box<dyn PageReader>,
    levels: usize,
}

impl Iterator for CountedPages {
    type Item = ParquetResult<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for CountedPages {
    fn get_next_page(&mut self) -> ParquetResult<Option<Page>> {
        let page = self.pages.get_next_page()?;
        if let Some(page) = &page {
            check_page(page, self.levels).map_err(ParquetError::General)?;
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> ParquetResult<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> ParquetResult<()> {
        self.pages.skip_next_page()
    }
}

/// The decoders make room for as many values as a page claims.
fn check_page(page: &Page, levels: usize) -> Result<(), String> {
    let (values, room) = (u64::from(page.num_values()), page.buffer().len());
    if matches!(page, Page::DictionaryPage { .. }) {
        // An entry of a dictionary takes a byte at least.
        let fits = values <= room as u64;
        return if fits { Ok(()) } else { Err(format!("a dictionary of {values} values in {room} bytes")) };
    }
    if values > MAX_VALUES {
        return Err(format!("a page of {values} values: at most {MAX_VALUES} fit in 2 GiB"));
    }
    let encoding = page.encoding();
    if !matches!(encoding, Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BYTE_ARRAY) {
        return Ok(());
    }
    let lengths = values_of(page, levels).and_then(delta);
    let fits = match (encoding, lengths) {
        (Encoding::DELTA_BYTE_ARRAY, Some((prefixes, rest))) => {
            prefixes <= values && delta(rest).is_some_and(|(suffixes, _)| suffixes <= values)
        }
        (_, Some((count, _))) => count <= values,
        (_, None) => false,
    };
    if fits { Ok(()) } else { Err(format!("a page of {values} values whose lengths do not fit it")) }
}

/// The bytes after the levels: `levels` kinds of them, each with its length before it in a page of the first version.
fn values_of(page: &Page, levels: usize) -> Option<&[u8]> {
    let mut body: &[u8] = page.buffer();
    match page {
        Page::DataPageV2 { def_levels_byte_len, rep_levels_byte_len, .. } => {
            body.get((*def_levels_byte_len as usize).checked_add(*rep_levels_byte_len as usize)?..)
        }
        Page::DataPage { def_level_encoding: Encoding::RLE, rep_level_encoding: Encoding::RLE, .. } => {
            for _ in 0..levels {
                let (length, rest) = body.split_first_chunk::<4>()?;
                body = rest.get(u32::from_le_bytes(*length) as usize..)?;
            }
            Some(body)
        }
        _ => None,
    }
}

fn fields_of(row: &Row, depth: usize) -> Result<Map<String, Value>, String> {
    row.get_column_iter().map(|(key, field)| Ok((key.clone(), value_of(field, depth)?))).collect()
}

fn value_of(field: &Field, depth: usize) -> Result<Value, String> {
    if depth > 64 {
        return Err("columns are nested more than 64 deep".into());
    }
    Ok(match field {
        Field::Null => Value::Null,
        Field::Bool(v) => (*v).into(),
        Field::Byte(v) => (*v).into(),
        Field::Short(v) => (*v).into(),
        Field::Int(v) => (*v).into(),
        Field::Long(v) => (*v).into(),
        Field::UByte(v) => (*v).into(),
        Field::UShort(v) => (*v).into(),
        Field::UInt(v) => (*v).into(),
        Field::ULong(v) => (*v).into(),
        Field::Float(v) => (*v).into(),
        Field::Double(v) => (*v).into(),
        Field::Str(v) => v.as_str().into(),
        // Files written without the string annotation hold text as bytes.
        Field::Bytes(v) => match std::str::from_utf8(v.data()) {
            Ok(text) => text.into(),
            Err(_) => return Err("a column holds bytes that are not UTF-8".into()),
        },
        Field::Group(row) => Value::Object(fields_of(row, depth + 1)?),
        Field::ListInternal(list) => {
            Value::Array(list.elements().iter().map(|item| value_of(item, depth + 1)).collect::<Result<_, _>>()?)
        }
        Field::MapInternal(map) => {
            let mut object = Map::new();
            for (key, value) in map.entries() {
                let Field::Str(key) = key else { return Err("a map column whose keys are not strings".into()) };
                object.insert(key.clone(), value_of(value, depth + 1)?);
            }
            Value::Object(object)
        }
        // Dates, times and decimals: kept as the text that the library prints.
        other => other.to_string().into(),
    })
}
