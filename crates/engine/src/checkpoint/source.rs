//! Bytes at an offset, read by many threads at once: a file, or a slice in tests and fuzz targets.

use std::fs::File;
use std::io::{self, ErrorKind};

use rayon::prelude::*;

/// Random access without a cursor, so that one open file serves every thread.
pub trait Source: Sync {
    /// Length in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Fills `buf` from `offset`; an error if the bytes end before.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;
}

impl Source for File {
    fn size(&self) -> io::Result<u64> {
        self.metadata().map(|m| m.len())
    }

    #[cfg(unix)]
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buf, offset)
    }

    #[cfg(windows)]
    fn read_exact_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            match std::os::windows::fs::FileExt::seek_read(self, buf, offset) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    buf = &mut buf[n..];
                    offset += n as u64;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

impl Source for &[u8] {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|at| self.get(at..at.checked_add(buf.len())?))
            .ok_or(ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(bytes);
        Ok(())
    }
}

/// How stored bytes become f32 values, block by block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decoder {
    /// Values in one block.
    pub elements: usize,
    /// Bytes of one block.
    pub bytes: usize,
    /// Decodes whole blocks: `values.len() / elements == raw.len() / bytes`.
    pub decode: fn(raw: &[u8], values: &mut [f32]),
}

/// How many values are not finite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Odd {
    pub nan: usize,
    pub infinite: usize,
}

impl Odd {
    pub(super) fn count(values: &[f32]) -> Self {
        // One branchless pass first, which vectorises: nearly always all is well.
        if values.iter().fold(true, |sound, x| sound & x.is_finite()) {
            return Self::default();
        }
        let nan = values.iter().filter(|x| x.is_nan()).count();
        Self { nan, infinite: values.iter().filter(|x| x.is_infinite()).count() }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self { nan: self.nan + other.nan, infinite: self.infinite + other.infinite }
    }
}

/// Reads `values.len() / elements` blocks from `offset` and decodes them, in parallel pieces of at most 256 Ki values,
/// so that no more than a few raw megabytes stand beside the result.
pub(super) fn fill(source: &impl Source, offset: u64, decoder: Decoder, values: &mut [f32]) -> io::Result<Odd> {
    let blocks_per_piece = ((1 << 18) / decoder.elements).max(1);
    values
        .par_chunks_mut(blocks_per_piece * decoder.elements)
        .enumerate()
        .map(|(i, piece)| {
            let mut raw = vec![0u8; piece.len() / decoder.elements * decoder.bytes];
            source.read_exact_at(&mut raw, offset + (i * blocks_per_piece * decoder.bytes) as u64)?;
            (decoder.decode)(&raw, piece);
            Ok(Odd::count(piece))
        })
        .try_reduce(Odd::default, |a, b| Ok(a.plus(b)))
}
