//! Stored number formats to f32: IEEE half, bfloat16, and ggml's block formats.
//!
//! The layouts are ggml's (`ggml-common.h`, `ggml-quants.c`): a block holds a few half-precision scales and 4 to 8 bits
//! a value. Products and sums are taken in f32 in ggml's order without fusing, so results equal those of the `gguf`
//! Python package bit for bit (`goldens/gguf`).
//!
//! Every function takes whole blocks and fills `values` exactly; `chunks_exact` makes any other input a no-op on the
//! odd rest rather than a panic.

use half::{bf16, f16};

use super::source::Decoder;

pub(super) const F32: Decoder = Decoder { elements: 1, bytes: 4, decode: f32s };
pub(super) const F16: Decoder = Decoder { elements: 1, bytes: 2, decode: f16s };
pub(super) const BF16: Decoder = Decoder { elements: 1, bytes: 2, decode: bf16s };
pub(super) const Q4_0: Decoder = Decoder { elements: 32, bytes: 18, decode: q4_0 };
pub(super) const Q4_1: Decoder = Decoder { elements: 32, bytes: 20, decode: q4_1 };
pub(super) const Q5_0: Decoder = Decoder { elements: 32, bytes: 22, decode: q5_0 };
pub(super) const Q5_1: Decoder = Decoder { elements: 32, bytes: 24, decode: q5_1 };
pub(super) const Q8_0: Decoder = Decoder { elements: 32, bytes: 34, decode: q8_0 };
pub(super) const Q4_K: Decoder = Decoder { elements: 256, bytes: 144, decode: q4_k };
pub(super) const Q5_K: Decoder = Decoder { elements: 256, bytes: 176, decode: q5_k };
pub(super) const Q6_K: Decoder = Decoder { elements: 256, bytes: 210, decode: q6_k };

fn f32s(raw: &[u8], values: &mut [f32]) {
    for (b, v) in raw.chunks_exact(4).zip(values) {
        *v = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    }
}

fn f16s(raw: &[u8], values: &mut [f32]) {
    for (b, v) in raw.chunks_exact(2).zip(values) {
        *v = half_at(b, 0);
    }
}

fn bf16s(raw: &[u8], values: &mut [f32]) {
    for (b, v) in raw.chunks_exact(2).zip(values) {
        *v = bf16::from_le_bytes([b[0], b[1]]).to_f32();
    }
}

fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// 18 bytes: scale, 16 pairs of nibbles; value j in the low nibble of byte j, value j + 16 in the high one, less 8.
fn q4_0(raw: &[u8], values: &mut [f32]) {
    for (b, v) in raw.chunks_exact(18).zip(values.chunks_exact_mut(32)) {
        let d = half_at(b, 0);
        for j in 0..16 {
            v[j] = d * (i32::from(b[2 + j] & 15) - 8) as f32;
            v[j + 16] = d * (i32::from(b[2 + j] >> 4) - 8) as f32;
        }
    }
}

/// 20 bytes: scale, minimum, nibbles as in [`q4_0`] without the offset.
fn q4_1(raw: &[u8], values: &mut [f32]) {
    for (b, v) in raw.chunks_exact(20).zip(values.chunks_exact_mut(32)) {
        let (d, m) = (half_at(b, 0), half_at(b, 2));
        for j in 0..16 {
            v[j] = d * f32::from(b[4 + j] & 15) + m;
            v[j + 16] = d * f32::from(b[4 + j] >> 4) + m;
        }
    }
}

/// Fifth bits of value j and of value j + 16, already in place, out of the 32 of a block.
fn fifth_bits(high: &[u8], j: usize) -> (u8, u8) {
    let bits = u32::from_le_bytes([high[0], high[1], high[2], high[3]]);
    (((bits >> j) & 1) as u8 * 16, ((bits >> (j + 16)) & 1) as u8 * 16)
}

/// 22 bytes: scale, 32 fifth bits, nibbles; less 16.
fn q5_0(raw: &[u8], values: &mut [f32]) {
    for (b, v) in raw.chunks_exact(22).zip(values.chunks_exact_mut(32)) {
        let d = half_at(b, 0);
        for j in 0..16 {
            let (low, high) = fifth_bits(&b[2..6], j);
            v[j] = d * (i32::from((b[6 + j] & 15) | low) - 16) as f32;
            v[j + 16] = d * (i32::from((b[6 + j] >> 4) | high) - 16) as f32;
        }
    }
}

/// 24 bytes: scale, minimum, 32 fifth bits, nibbles.
fn q5_1(raw: &[u8], values: &mut [f32]) {
    for (b, v) in raw.chunks_exact(24).zip(values.chunks_exact_mut(32)) {
        let (d, m) = (half_at(b, 0), half_at(b, 2));
        for j in 0..16 {
            let (low, high) = fifth_bits(&b[4..8], j);
            v[j] = d * f32::from((b[8 + j] & 15) | low) + m;
            v[j + 16] = d * f32::from((b[8 + j] >> 4) | high) + m;
        }
    }
}

/// 34 bytes: scale, 32 signed bytes.
fn q8_0(raw: &[u8], values: &mut [f32]) {
    for (b, v) in raw.chunks_exact(34).zip(values.chunks_exact_mut(32)) {
        let d = half_at(b, 0);
        for (v, &q) in v.iter_mut().zip(&b[2..]) {
            *v = d * f32::from(q.cast_signed());
        }
    }
}

/// Scale and minimum of sub-block `j` of 8, six bits each, packed in 12 bytes: the first four whole in bytes j and
/// j + 4; of the last four, the low nibbles in byte j + 4 and the top two bits above those of the first four.
fn scale_min(packed: &[u8], j: usize) -> (f32, f32) {
    let (scale, min) = if j < 4 {
        (packed[j] & 63, packed[j + 4] & 63)
    } else {
        (
            (packed[j + 4] & 15) | ((packed[j - 4] >> 6) << 4), //
            (packed[j + 4] >> 4) | ((packed[j] >> 6) << 4),
        )
    };
    (f32::from(scale), f32::from(min))
}

/// 144 bytes: scale of scales, scale of minima, 12 bytes of scales and minima, 128 bytes of nibbles.
/// Each 32 bytes hold two sub-blocks of 32 values: low nibbles, then high nibbles.
fn q4_k(raw: &[u8], values: &mut [f32]) {
    for (b, v) in raw.chunks_exact(144).zip(values.chunks_exact_mut(256)) {
        let (d, d_min) = (half_at(b, 0), half_at(b, 2));
        for (j, v) in v.chunks_exact_mut(32).enumerate() {
            let (scale, min) = scale_min(&b[4..16], j);
            let (scale, min) = (d * scale, d_min * min);
            let (nibbles, shift) = (&b[16 + j / 2 * 32..][..32], 4 * (j % 2));
            for (v, &q) in v.iter_mut().zip(nibbles) {
                *v = scale * f32::from((q >> shift) & 15) - min;
            }
        }
    }
}

/// 176 bytes: [`q4_k`] with 32 bytes of fifth bits before the nibbles; bit j of byte i belongs to value i of sub-block j.
fn q5_k(raw: &[u8], values: &mut [f32]) {
    for (b, v) in raw.chunks_exact(176).zip(values.chunks_exact_mut(256)) {
        let (d, d_min) = (half_at(b, 0), half_at(b, 2));
        for (j, v) in v.chunks_exact_mut(32).enumerate() {
            let (scale, min) = scale_min(&b[4..16], j);
            let (scale, min) = (d * scale, d_min * min);
            let (nibbles, shift) = (&b[48 + j / 2 * 32..][..32], 4 * (j % 2));
            for ((v, &q), &high) in v.iter_mut().zip(nibbles).zip(&b[16..48]) {
                *v = scale * f32::from(((q >> shift) & 15) | (((high >> j) & 1) << 4)) - min;
            }
        }
    }
}

/// 210 bytes: 128 of low nibbles, 64 of upper bit pairs, 16 signed scales, scale of scales; values less 32.
/// Each half of 128 values: quarter k (32 values) has its nibbles in bytes (k mod 2)·32.., low for k < 2, and its bit
/// pairs at bits 2k of 32 shared bytes; a scale serves 16 values.
fn q6_k(raw: &[u8], values: &mut [f32]) {
    for (b, v) in raw.chunks_exact(210).zip(values.chunks_exact_mut(256)) {
        let d = half_at(b, 208);
        for (half, v) in v.chunks_exact_mut(128).enumerate() {
            let (low, high, scales) = (&b[half * 64..][..64], &b[128 + half * 32..][..32], &b[192 + half * 8..][..8]);
            for (k, v) in v.chunks_exact_mut(32).enumerate() {
                for (i, v) in v.iter_mut().enumerate() {
                    let nibble = (low[(k % 2) * 32 + i] >> (4 * (k / 2))) & 15;
                    let q = i32::from(nibble | (((high[i] >> (2 * k)) & 3) << 4)) - 32;
                    *v = (d * f32::from(scales[k * 2 + i / 16].cast_signed())) * q as f32;
                }
            }
        }
    }
}
