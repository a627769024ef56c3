//! The header of a GGUF file: metadata and tensor directory, checked against the length of the file.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

use super::super::dequant;
use super::super::error::{Error, fault, quoted};
use super::super::source::{Decoder, Source};

/// A metadata value. The eight integer types of the format become two.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// u8, u16, u32, u64.
    Unsigned(u64),
    /// i8, i16, i32, i64.
    Signed(i64),
    /// f32.
    F32(f32),
    /// f64.
    F64(f64),
    /// One byte, 0 or 1.
    Bool(bool),
    /// UTF-8.
    String(String),
    /// Values of one type.
    Array(Vec<Value>),
}

impl Value {
    /// A whole number from 0 up.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::Unsigned(n) => Some(n),
            Self::Signed(n) => u64::try_from(n).ok(),
            _ => None,
        }
    }

    /// A number. An f32 becomes the f64 nearest to its shortest decimal, so that 1e-5 stays 1e-5.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::F32(x) => x.to_string().parse().ok(),
            Self::F64(x) => Some(x),
            Self::Unsigned(n) => Some(n as f64),
            Self::Signed(n) => Some(n as f64),
            _ => None,
        }
    }

    /// A boolean.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(b) = self { Some(*b) } else { None }
    }

    /// A string.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(s) = self { Some(s) } else { None }
    }

    /// The elements of an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        if let Self::Array(a) = self { Some(a) } else { None }
    }
}

/// Where one tensor stands.
#[derive(Debug, Clone)]
pub(super) struct TensorInfo {
    /// Extents, outermost first (the file has them the other way round).
    pub shape: Vec<usize>,
    pub decoder: Decoder,
    /// From the start of the file, in bytes.
    pub offset: u64,
    /// Number of values.
    pub elements: usize,
}

/// What stands before the tensor data.
pub(super) struct Header {
    pub metadata: BTreeMap<String, Value>,
    pub tensors: BTreeMap<String, TensorInfo>,
}

/// Longest string: chat templates of 100 kB exist, nothing near this.
const MAX_STRING: u64 = 16 << 20;
/// Array elements in one file: vocabularies and merges of 300,000 exist; 16 Mi values keep the tables under 1 GB.
const MAX_ELEMENTS: u64 = 16 << 20;
/// Arrays within arrays are legal and unused.
const MAX_DEPTH: usize = 3;

/// Reads the header in order. `left` never exceeds what the file holds, and every length is checked against it.
struct Reader<'a, S> {
    place: &'a str,
    source: &'a S,
    /// Bytes read ahead and the next of them to hand out.
    ahead: Vec<u8>,
    next: usize,
    /// Offset in the file of the end of `ahead`.
    position: u64,
    size: u64,
    /// Array elements still allowed.
    elements: u64,
}

impl<S: Source> Reader<'_, S> {
    fn offset(&self) -> u64 {
        self.position - (self.ahead.len() - self.next) as u64
    }

    fn left(&self) -> u64 {
        self.size - self.offset()
    }

    fn truncated(&self, wanted: u64, what: &impl Display) -> Error {
        let place = format!("{}: byte {}", self.place, self.offset());
        Error::malformed(place, format!("{what} needs {wanted} bytes, {} are left", self.left()), "a whole GGUF file")
    }

    fn bytes(&mut self, count: u64, what: &impl Display) -> Result<Vec<u8>, Error> {
        if count > self.left() {
            return Err(self.truncated(count, what));
        }
        let mut out = vec![0u8; count as usize];
        let mut done = 0;
        while done < out.len() {
            if self.next == self.ahead.len() {
                let piece = (self.size - self.position).min(1 << 16) as usize;
                self.ahead.resize(piece, 0);
                let io = |e| Error::read(Path::new(self.place), "read the file", e);
                self.source.read_exact_at(&mut self.ahead, self.position).map_err(io)?;
                self.position += piece as u64;
                self.next = 0;
            }
            let n = (out.len() - done).min(self.ahead.len() - self.next);
            out[done..done + n].copy_from_slice(&self.ahead[self.next..self.next + n]);
            done += n;
            self.next += n;
        }
        Ok(out)
    }

    fn array<const N: usize>(&mut self, what: &impl Display) -> Result<[u8; N], Error> {
        let bytes = self.bytes(N as u64, what)?;
        let mut out = [0; N];
        out.copy_from_slice(&bytes);
        Ok(out)
    }

    fn u32(&mut self, what: &impl Display) -> Result<u32, Error> {
        self.array(what).map(u32::from_le_bytes)
    }

    fn u64(&mut self, what: &impl Display) -> Result<u64, Error> {
        self.array(what).map(u64::from_le_bytes)
    }

    fn string(&mut self, what: &impl Display) -> Result<String, Error> {
        let length = self.u64(what)?;
        if length > MAX_STRING {
            let place = format!("{}: byte {}", self.place, self.offset());
            return Err(Error::malformed(place, format!("{what} of {length} bytes"), format!("at most {MAX_STRING}")));
        }
        let at = self.offset();
        String::from_utf8(self.bytes(length, what)?).map_err(|e| {
            let place = format!("{}: byte {at}", self.place);
            Error::malformed(place, format!("{what} is not UTF-8: {}", e.utf8_error()), "UTF-8")
        })
    }

    /// A count of things of at least `least` bytes each, which must fit into the rest of the file.
    fn count(&mut self, least: u64, what: &impl Display) -> Result<u64, Error> {
        let count = self.u64(what)?;
        match count.checked_mul(least) {
            Some(bytes) if bytes <= self.left() => Ok(count),
            _ => Err(self.truncated(count.saturating_mul(least), &format!("{what} of {count}"))),
        }
    }

    fn value(&mut self, kind: u32, depth: usize, key: &str) -> Result<Value, Error> {
        let what = &format!("the value of {}", quoted(key));
        Ok(match kind {
            0 => Value::Unsigned(self.array::<1>(what)?[0].into()),
            1 => Value::Signed(self.array::<1>(what)?[0].cast_signed().into()),
            2 => Value::Unsigned(u16::from_le_bytes(self.array(what)?).into()),
            3 => Value::Signed(i16::from_le_bytes(self.array(what)?).into()),
            4 => Value::Unsigned(self.u32(what)?.into()),
            5 => Value::Signed(i32::from_le_bytes(self.array(what)?).into()),
            6 => Value::F32(f32::from_le_bytes(self.array(what)?)),
            7 => match self.array::<1>(what)?[0] {
                b @ (0 | 1) => Value::Bool(b == 1),
                b => {
                    let place = format!("{}: byte {}", self.place, self.offset() - 1);
                    return Err(Error::malformed(place, format!("{what} is the boolean {b}"), "0 or 1"));
                }
            },
            8 => Value::String(self.string(what)?),
            9 => {
                let kind = self.u32(what)?;
                let least = match kind {
                    0 | 1 | 7 => 1,
                    2 | 3 => 2,
                    4..=6 => 4,
                    9 => 12,
                    _ => 8,
                };
                let count = self.count(least, what)?;
                if count > self.elements || depth == MAX_DEPTH {
                    let place = format!("{}: byte {}", self.place, self.offset());
                    let found = format!("{what} is an array of {count} at depth {depth}");
                    let expected = format!("at most {MAX_ELEMENTS} elements in all and {MAX_DEPTH} levels");
                    return Err(Error::malformed(place, found, expected));
                }
                self.elements -= count;
                Value::Array((0..count).map(|_| self.value(kind, depth + 1, key)).collect::<Result<_, _>>()?)
            }
            10 => Value::Unsigned(self.u64(what)?),
            11 => Value::Signed(i64::from_le_bytes(self.array(what)?)),
            12 => Value::F64(f64::from_le_bytes(self.array(what)?)),
            _ => {
                let place = format!("{}: byte {}", self.place, self.offset());
                return Err(Error::malformed(place, format!("{what} has type {kind}"), "a type from 0 to 12"));
            }
        })
    }
}

/// ggml's number and name of each type, with the decoder where there is one.
fn tensor_type(number: u32) -> Result<Decoder, String> {
    let other = |name: &str| Err(format!("{name} ({number})"));
    match number {
        0 => Ok(dequant::F32),
        1 => Ok(dequant::F16),
        2 => Ok(dequant::Q4_0),
        3 => Ok(dequant::Q4_1),
        6 => Ok(dequant::Q5_0),
        7 => Ok(dequant::Q5_1),
        8 => Ok(dequant::Q8_0),
        12 => Ok(dequant::Q4_K),
        13 => Ok(dequant::Q5_K),
        14 => Ok(dequant::Q6_K),
        30 => Ok(dequant::BF16),
        10 => other("Q2_K"),
        11 => other("Q3_K"),
        15 => other("Q8_K"),
        16..=23 | 29 => other("an IQ type"),
        24..=28 => other("an integer or f64 type"),
        34 | 35 => other("a ternary type"),
        39 => other("MXFP4"),
        _ => other("an unknown type"),
    }
}

/// Reads and checks everything before the data.
pub(super) fn read(place: &str, source: &impl Source) -> Result<Header, Error> {
    let size = source.size().map_err(|e| Error::read(Path::new(place), "read the file", e))?;
    let mut r = Reader { place, source, ahead: Vec::new(), next: 0, position: 0, size, elements: MAX_ELEMENTS };
    if size < 24 || r.array::<4>(&"the magic number")? != *b"GGUF" {
        let what = format!("{size} bytes that do not begin as a GGUF file");
        return Err(Error::malformed(place, what, "the four bytes \"GGUF\", then a header"));
    }
    match r.u32(&"the version")? {
        2 | 3 => {}
        v => {
            let big = if v.swap_bytes() < 16 { ", in big-endian order" } else { "" };
            let hint = "convert the model again with a current llama.cpp";
            let what = format!("GGUF version {v}{big}");
            return Err(Error::Unsupported(fault(place, what, "version 2 or 3, little-endian", hint)));
        }
    }
    // The least a tensor takes: length of its name, number of axes, one axis, type, offset. A key: length, type, a byte.
    let tensor_count = r.count(8 + 4 + 8 + 4 + 8, &"a directory of tensors")?;
    let key_count = r.count(8 + 4 + 1, &"a list of metadata")?;

    let mut metadata = BTreeMap::new();
    for _ in 0..key_count {
        let key = r.string(&"a metadata key")?;
        let kind = r.u32(&"the type of a value")?;
        let value = r.value(kind, 0, &key)?;
        if metadata.insert(key.clone(), value).is_some() {
            return Err(Error::malformed(place, format!("metadata {} stands twice", quoted(&key)), "every key once"));
        }
    }

    let mut directory = Vec::new();
    for _ in 0..tensor_count {
        directory.push(tensor_entry(&mut r)?);
    }

    let alignment = match metadata.get("general.alignment").map(Value::as_u64) {
        None => 32,
        Some(Some(a)) if a.is_power_of_two() && a <= 1 << 20 => a,
        Some(_) => return Err(Error::malformed(place, "\"general.alignment\" is wrong", "a power of two up to 2^20")),
    };
    // Both terms are far below 2^63: the offset is within the file.
    let start = r.offset().next_multiple_of(alignment);
    let tensors = place_tensors(place, directory, start, alignment, size)?;
    Ok(Header { metadata, tensors })
}

struct Entry {
    name: String,
    info: TensorInfo,
    /// Relative to the data, in bytes.
    offset: u64,
    bytes: u64,
}

fn tensor_entry(r: &mut Reader<impl Source>) -> Result<Entry, Error> {
    let name = r.string(&"a tensor name")?;
    let label = format!("tensor {}", quoted(&name));
    let axes = r.u32(&label)?;
    if !(1..=4).contains(&axes) {
        let place = format!("{}: byte {}", r.place, r.offset());
        return Err(Error::malformed(place, format!("{label} has {axes} axes"), "1 to 4"));
    }
    let mut shape = Vec::new();
    let mut elements = Some(1usize);
    for _ in 0..axes {
        let extent = usize::try_from(r.u64(&label)?).ok().filter(|&n| n > 0);
        elements = elements.zip(extent).and_then(|(n, e)| n.checked_mul(e));
        shape.push(extent.unwrap_or(0));
    }
    let number = r.u32(&label)?;
    let offset = r.u64(&label)?;
    let decoder = tensor_type(number).map_err(|kind| {
        let expected = "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K or Q6_K";
        let hint = "a file of one of these types, made by llama-quantize from the original weights";
        Error::Unsupported(fault(r.place, format!("{label} is of type {kind}"), expected, hint))
    })?;
    // A row is a whole number of blocks. Bytes per block exceed bytes per value at most fourfold, so check that too.
    let bytes = elements
        .filter(|_| shape[0].is_multiple_of(decoder.elements))
        .and_then(|n| (n / decoder.elements).checked_mul(decoder.bytes));
    let (Some(elements), Some(bytes)) = (elements, bytes) else {
        let expected = format!("positive extents, the first a multiple of {}", decoder.elements);
        return Err(Error::malformed(r.place, format!("{label} has shape {shape:?}"), expected));
    };
    shape.reverse();
    Ok(Entry { name, info: TensorInfo { shape, decoder, offset: 0, elements }, offset, bytes: bytes as u64 })
}

/// Checks that the tensors lie in the file, aligned and apart.
fn place_tensors(
    place: &str,
    mut directory: Vec<Entry>,
    start: u64,
    alignment: u64,
    size: u64,
) -> Result<BTreeMap<String, TensorInfo>, Error> {
    directory.sort_by_key(|t| t.offset);
    let mut tensors = BTreeMap::new();
    let mut end = start;
    for Entry { name, mut info, offset, bytes } in directory {
        let label = format!("tensor {}", quoted(&name));
        let from = start.checked_add(offset).filter(|_| offset.is_multiple_of(alignment));
        let to = from.and_then(|f| f.checked_add(bytes)).filter(|&t| t <= size);
        let (Some(from), Some(to)) = (from, to) else {
            let what = format!("{label} has {bytes} bytes at {offset} after byte {start}");
            let expected = format!("it within the {size} bytes of the file, at a multiple of {alignment}");
            return Err(Error::malformed(place, what, expected));
        };
        if from < end {
            let what = format!("{label} at byte {from} overlaps the tensor before it, which ends at {end}");
            return Err(Error::malformed(place, what, "tensors that lie apart"));
        }
        end = to;
        info.offset = from;
        if tensors.insert(name, info).is_some() {
            return Err(Error::malformed(place, format!("{label} stands twice"), "every name once"));
        }
    }
    Ok(tensors)
}
