//! The kernels of AVX-512 and of AVX2 with FMA.

use super::{FOLD, Kernels, Pack, Run, Tile, pack_portable};
use std::arch::x86_64::{
    __m256, __m256i, __m512, __mmask16, _MM_HINT_T0, _MM_HINT_T1, _mm_prefetch, _mm256_add_ps, _mm256_broadcast_ss,
    _mm256_cmpgt_epi32, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_maskload_ps, _mm256_maskstore_ps, _mm256_mul_ps,
    _mm256_permute2f128_ps, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32, _mm256_setzero_ps, _mm256_shuffle_ps,
    _mm256_storeu_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps, _mm512_add_ps, _mm512_castpd_ps, _mm512_castps_pd,
    _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_mul_ps, _mm512_set1_ps,
    _mm512_setzero_ps, _mm512_shuffle_f32x4, _mm512_storeu_ps, _mm512_unpackhi_pd, _mm512_unpackhi_ps,
    _mm512_unpacklo_pd, _mm512_unpacklo_ps,
};

pub static AVX512: Kernels = Kernels {
    name: "avx512",
    tile_rows: 14,
    a_stride: 16,
    tile_cols: 32,
    rows_as_they_lie: false,
    pack: pack_avx512,
    tile: tile_avx512,
};
pub static AVX2: Kernels = Kernels {
    name: "avx2",
    tile_rows: 6,
    a_stride: 8,
    tile_cols: 16,
    rows_as_they_lie: true,
    pack: pack_avx2,
    tile: tile_avx2,
};

/// Steps of depth by which packing fetches ahead of its reads.
const AHEAD: usize = 8;

/// Brings a line into the first-level cache to be written. Stores retire one by one, and one to a line that another
/// core holds waits for that core; asking for the lines ahead lets those waits overlap.
#[inline]
fn fetch_to_write(address: *const f32) {
    // SAFETY: a hint that reads and changes nothing; processors with AVX2 have it.
    unsafe { std::arch::asm!("prefetchw [{}]", in(reg) address, options(nostack, preserves_flags)) }
}

/// Asks for the lines of a tile's corner of C.
#[inline]
fn fetch_corner(t: &Tile) {
    for i in 0..if t.fetch_c { t.rows } else { 0 } {
        let row = t.c.wrapping_add(i * t.c_stride);
        for col in (0..t.cols).step_by(16) {
            fetch_to_write(row.wrapping_add(col));
        }
        fetch_to_write(row.wrapping_add(t.cols - 1));
    }
}

/// Brings the next line into the second-level cache; behind the last of `first` come those of `second`.
#[inline]
fn fetch_next(first: &mut Run, second: Run) {
    if first.lines == 0 {
        *first = second;
    }
    // SAFETY: a hint that never faults; every x86-64 processor has it.
    unsafe { _mm_prefetch::<_MM_HINT_T1>(first.ptr.cast()) };
    first.ptr = first.ptr.wrapping_add(first.apart);
    first.lines = first.lines.wrapping_sub(1);
}

/// Mask of the first `count` of 16 lanes.
fn first(count: usize) -> __mmask16 {
    if count >= 16 { 0xffff } else { (1 << count) - 1 }
}

/// # Safety
/// As the portable one, on a processor with AVX-512F; `stride` is a multiple of 16.
#[target_feature(enable = "avx512f")]
unsafe fn pack_avx512(p: &Pack) {
    if p.src.lane_stride != 1 && p.src.depth_stride != 1 {
        // SAFETY: the same promise.
        return unsafe { pack_portable(p) };
    }
    // SAFETY: masks keep every access within the sizes that the caller promises.
    unsafe {
        if p.src.lane_stride == 1 {
            // Step by step over all panels, so that memory is read in order.
            for d in 0..p.depth {
                let row = p.src.ptr.add(d * p.src.depth_stride);
                let ahead = row.wrapping_add(AHEAD * p.src.depth_stride);
                let mut dst = p.dst.add(d * p.stride);
                let mut lane = 0;
                while lane < p.lanes {
                    let lanes = p.width.min(p.lanes - lane);
                    for part in (0..p.stride).step_by(16) {
                        _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(lane + part).cast());
                        fetch_to_write(dst.wrapping_add(4 * p.stride + part));
                        let mask = first(lanes.saturating_sub(part));
                        let values = _mm512_maskz_loadu_ps(mask, row.wrapping_add(lane + part));
                        _mm512_storeu_ps(dst.add(part), values);
                    }
                    dst = dst.wrapping_add(p.panel);
                    lane += p.width;
                }
            }
            return;
        }
        for (q, lane) in (0..p.lanes).step_by(p.width).enumerate() {
            let lanes = p.width.min(p.lanes - lane);
            for part in (0..p.stride).step_by(16) {
                let count = lanes.saturating_sub(part).min(16);
                let src = p.src.ptr.wrapping_add((lane + part) * p.src.lane_stride);
                let dst = p.dst.add(q * p.panel + part);
                pack_transposed(dst, p.stride, src, p.src.lane_stride, count, p.depth, p.ahead);
            }
        }
    }
}

/// 16 lanes (the first `count` of them present) whose depth is contiguous, transposed 16 by 16.
#[target_feature(enable = "avx512f")]
unsafe fn pack_transposed(
    dst: *mut f32,
    stride: usize,
    src: *const f32,
    lane_stride: usize,
    count: usize,
    depth: usize,
    ahead: usize,
) {
    // SAFETY: masks and counts keep every access within the sizes that the caller promises.
    unsafe {
        let mut p = 0;
        while p < depth {
            let steps = (depth - p).min(16);
            let mask = first(steps);
            let mut r = [_mm512_setzero_ps(); 16];
            if count == 16 && steps == 16 {
                for i in 0..16 {
                    r[i] = _mm512_loadu_ps(src.add(i * lane_stride + p));
                }
            } else {
                for i in 0..16 {
                    if i < count {
                        r[i] = _mm512_maskz_loadu_ps(mask, src.add(i * lane_stride + p));
                    }
                }
            }
            for i in 0..16 {
                fetch_to_write(dst.wrapping_add((p + 16 + i) * stride));
                _mm_prefetch::<_MM_HINT_T1>(src.wrapping_add(i * lane_stride + p + ahead).cast());
            }
            transpose16(&mut r);
            if steps == 16 {
                for i in 0..16 {
                    _mm512_storeu_ps(dst.add((p + i) * stride), r[i]);
                }
            } else {
                for i in 0..16 {
                    if i < steps {
                        _mm512_storeu_ps(dst.add((p + i) * stride), r[i]);
                    }
                }
            }
            p += 16;
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn transpose16(r: &mut [__m512; 16]) {
    let mut t = [_mm512_setzero_ps(); 16];
    for i in 0..8 {
        t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    // Each 128-bit lane of u[4 q + s] holds column 4 lane + s of rows 4 q .. 4 q + 4.
    let mut u = [_mm512_setzero_ps(); 16];
    for q in 0..4 {
        let [t0, t1, t2, t3] = [t[4 * q], t[4 * q + 1], t[4 * q + 2], t[4 * q + 3]].map(|v| _mm512_castps_pd(v));
        u[4 * q] = _mm512_castpd_ps(_mm512_unpacklo_pd(t0, t2));
        u[4 * q + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(t0, t2));
        u[4 * q + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(t1, t3));
        u[4 * q + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(t1, t3));
    }
    for s in 0..4 {
        let (a, b, c, d) = (u[s], u[4 + s], u[8 + s], u[12 + s]);
        let ab_even = _mm512_shuffle_f32x4::<0x88>(a, b);
        let ab_odd = _mm512_shuffle_f32x4::<0xdd>(a, b);
        let cd_even = _mm512_shuffle_f32x4::<0x88>(c, d);
        let cd_odd = _mm512_shuffle_f32x4::<0xdd>(c, d);
        r[s] = _mm512_shuffle_f32x4::<0x88>(ab_even, cd_even);
        r[4 + s] = _mm512_shuffle_f32x4::<0x88>(ab_odd, cd_odd);
        r[8 + s] = _mm512_shuffle_f32x4::<0xdd>(ab_even, cd_even);
        r[12 + s] = _mm512_shuffle_f32x4::<0xdd>(ab_odd, cd_odd);
    }
}

/// Mask of the first `count` of 8 lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn first8(count: usize) -> __m256i {
    let lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_cmpgt_epi32(_mm256_set1_epi32(count.min(8) as i32), lane)
}

/// # Safety
/// As the portable one, on a processor with AVX2; `stride` is a multiple of 8.
#[target_feature(enable = "avx2")]
unsafe fn pack_avx2(p: &Pack) {
    if p.src.lane_stride != 1 && p.src.depth_stride != 1 {
        // SAFETY: the same promise.
        return unsafe { pack_portable(p) };
    }
    // SAFETY: masks and counts keep every access within the sizes that the caller promises.
    unsafe {
        if p.src.lane_stride == 1 {
            // Step by step over all panels, so that memory is read in order.
            for d in 0..p.depth {
                let row = p.src.ptr.add(d * p.src.depth_stride);
                let ahead = row.wrapping_add(AHEAD * p.src.depth_stride);
                let mut dst = p.dst.add(d * p.stride);
                let mut lane = 0;
                while lane < p.lanes {
                    _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(lane).cast());
                    fetch_to_write(dst.wrapping_add(4 * p.stride));
                    for part in (0..p.stride).step_by(8) {
                        // Lanes between width and stride may hold anything: no tile reads them.
                        let src = row.wrapping_add(lane + part);
                        let left = p.lanes.saturating_sub(lane + part);
                        let values =
                            if left >= 8 { _mm256_loadu_ps(src) } else { _mm256_maskload_ps(src, first8(left)) };
                        _mm256_storeu_ps(dst.add(part), values);
                    }
                    dst = dst.wrapping_add(p.panel);
                    lane += p.width;
                }
            }
            return;
        }
        for (q, lane) in (0..p.lanes).step_by(p.width).enumerate() {
            let lanes = p.width.min(p.lanes - lane);
            for part in (0..p.stride).step_by(8) {
                let count = lanes.saturating_sub(part).min(8);
                let src = p.src.ptr.wrapping_add((lane + part) * p.src.lane_stride);
                let dst = p.dst.add(q * p.panel + part);
                match count {
                    8 => pack_transposed8::<8>(dst, p.stride, src, p.src.lane_stride, 8, p.depth, p.ahead),
                    6 => pack_transposed8::<6>(dst, p.stride, src, p.src.lane_stride, 6, p.depth, p.ahead),
                    _ => pack_transposed8::<0>(dst, p.stride, src, p.src.lane_stride, count, p.depth, p.ahead),
                }
            }
        }
    }
}

/// 8 lanes, the first `count` of them present, whose depth is contiguous, transposed 8 by 8. COUNT is `count`, or 0 if
/// that is for the run to find.
#[target_feature(enable = "avx2")]
unsafe fn pack_transposed8<const COUNT: usize>(
    dst: *mut f32,
    stride: usize,
    src: *const f32,
    lane_stride: usize,
    count: usize,
    depth: usize,
    ahead: usize,
) {
    let count = if COUNT > 0 { COUNT } else { count };
    // SAFETY: masks and counts keep every access within the sizes that the caller promises.
    unsafe {
        let mut p = 0;
        while p < depth {
            let steps = (depth - p).min(8);
            let mut r = [_mm256_setzero_ps(); 8];
            if steps == 8 {
                for i in 0..8 {
                    if i < count {
                        r[i] = _mm256_loadu_ps(src.add(i * lane_stride + p));
                    }
                }
            } else {
                let mask = first8(steps);
                for i in 0..8 {
                    if i < count {
                        r[i] = _mm256_maskload_ps(src.add(i * lane_stride + p), mask);
                    }
                }
            }
            if p.is_multiple_of(16) {
                for i in 0..count {
                    _mm_prefetch::<_MM_HINT_T1>(src.wrapping_add(i * lane_stride + p + ahead).cast());
                }
            }
            transpose8(&mut r);
            if steps == 8 {
                for i in 0..8 {
                    _mm256_storeu_ps(dst.add((p + i) * stride), r[i]);
                }
            } else {
                for i in 0..8 {
                    if i < steps {
                        _mm256_storeu_ps(dst.add((p + i) * stride), r[i]);
                    }
                }
            }
            p += 8;
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn transpose8(r: &mut [__m256; 8]) {
    let mut t = [_mm256_setzero_ps(); 8];
    for i in 0..4 {
        t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    // u[4 q + s]: columns s and 4 + s, in its two halves, of rows 4 q .. 4 q + 4.
    let mut u = [_mm256_setzero_ps(); 8];
    for q in 0..2 {
        let (a, b, c, d) = (t[4 * q], t[4 * q + 1], t[4 * q + 2], t[4 * q + 3]);
        u[4 * q] = _mm256_shuffle_ps::<0x44>(a, c);
        u[4 * q + 1] = _mm256_shuffle_ps::<0xee>(a, c);
        u[4 * q + 2] = _mm256_shuffle_ps::<0x44>(b, d);
        u[4 * q + 3] = _mm256_shuffle_ps::<0xee>(b, d);
    }
    for s in 0..4 {
        r[s] = _mm256_permute2f128_ps::<0x20>(u[s], u[4 + s]);
        r[4 + s] = _mm256_permute2f128_ps::<0x31>(u[s], u[4 + s]);
    }
}

/// # Safety
/// As the portable one, on a processor with AVX-512F.
#[target_feature(enable = "avx512f")]
unsafe fn tile_avx512(t: &Tile) {
    // SAFETY: the caller's promise, with the constant equal to the number of rows.
    unsafe {
        if t.cols > 16 {
            match t.rows {
                1 => tile512::<1, 2>(t),
                2 => tile512::<2, 2>(t),
                3 => tile512::<3, 2>(t),
                4 => tile512::<4, 2>(t),
                5 => tile512::<5, 2>(t),
                6 => tile512::<6, 2>(t),
                7 => tile512::<7, 2>(t),
                8 => tile512::<8, 2>(t),
                9 => tile512::<9, 2>(t),
                10 => tile512::<10, 2>(t),
                11 => tile512::<11, 2>(t),
                12 => tile512::<12, 2>(t),
                13 => tile512::<13, 2>(t),
                _ => tile512::<14, 2>(t),
            }
        } else {
            match t.rows {
                1..=4 => tile512::<4, 1>(t),
                5..=8 => tile512::<8, 1>(t),
                _ => tile512::<14, 1>(t),
            }
        }
    }
}

/// Adds one step of depth to the tile.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn step512<const ROWS: usize, const NV: usize>(acc: &mut [[__m512; NV]; ROWS], a: *const f32, b: *const f32) {
    // SAFETY: the panels hold 16 and 32 values here.
    unsafe {
        let mut bv = [_mm512_setzero_ps(); NV];
        for v in 0..NV {
            bv[v] = _mm512_loadu_ps(b.add(16 * v));
        }
        for i in 0..ROWS {
            let ai = _mm512_set1_ps(*a.add(i));
            for v in 0..NV {
                acc[i][v] = _mm512_fmadd_ps(ai, bv[v], acc[i][v]);
            }
        }
    }
}

/// ROWS rows (t.rows of them are stored) by NV vectors of columns.
#[target_feature(enable = "avx512f")]
unsafe fn tile512<const ROWS: usize, const NV: usize>(t: &Tile) {
    // SAFETY: the panels hold 16 and 32 values per step; masks keep C's accesses within its rows and columns.
    unsafe {
        fetch_corner(t);
        let mut sum = [[_mm512_setzero_ps(); NV]; ROWS];
        let (mut a, mut b) = (t.a.ptr, t.b);
        let (lines, mut run) = (t.lines(), t.fetch[0]);
        for start in (0..t.depth).step_by(FOLD) {
            let mut acc = [[_mm512_setzero_ps(); NV]; ROWS];
            let end = t.depth.min(start + FOLD);
            let fetches = lines.min(end / 2).saturating_sub(start / 2);
            for _ in 0..fetches {
                fetch_next(&mut run, t.fetch[1]);
                step512(&mut acc, a, b);
                step512(&mut acc, a.add(16), b.add(32));
                a = a.add(32);
                b = b.add(64);
            }
            for _ in start + 2 * fetches..end {
                step512(&mut acc, a, b);
                a = a.add(16);
                b = b.add(32);
            }
            for i in 0..ROWS {
                for v in 0..NV {
                    sum[i][v] = _mm512_add_ps(sum[i][v], acc[i][v]);
                }
            }
        }
        let alpha = _mm512_set1_ps(t.alpha);
        let beta = _mm512_set1_ps(t.beta);
        for i in 0..ROWS {
            if i < t.rows {
                for v in 0..NV {
                    let c = t.c.add(i * t.c_stride + 16 * v);
                    let mask = first(t.cols - 16 * v);
                    let mut value = _mm512_mul_ps(alpha, sum[i][v]);
                    if t.beta != 0.0 {
                        value = _mm512_fmadd_ps(beta, _mm512_maskz_loadu_ps(mask, c), value);
                    }
                    _mm512_mask_storeu_ps(c, mask, value);
                }
            }
        }
    }
}

/// # Safety
/// As the portable one, on a processor with AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn tile_avx2(t: &Tile) {
    // SAFETY: the caller's promise, with the constant equal to the number of rows.
    unsafe {
        match t.rows {
            1 => tile256::<1>(t),
            2 => tile256::<2>(t),
            3 => tile256::<3>(t),
            4 => tile256::<4>(t),
            5 => tile256::<5>(t),
            _ => tile256::<6>(t),
        }
    }
}

/// A tile of one or two vectors of columns, of a panel that is packed or of rows as they lie.
///
/// # Safety
/// As [`tile_avx2`], with ROWS rows.
#[target_feature(enable = "avx2,fma")]
unsafe fn tile256<const ROWS: usize>(t: &Tile) {
    // SAFETY: the same promise.
    unsafe {
        match (t.cols > 8, t.a.row == 1) {
            (true, true) => sum256::<ROWS, 2, true>(t),
            (true, false) => sum256::<ROWS, 2, false>(t),
            (false, true) => sum256::<ROWS, 1, true>(t),
            (false, false) => sum256::<ROWS, 1, false>(t),
        }
    }
}

/// Adds one step of depth to the tile; the rows' values lie `row` apart.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn step256<const ROWS: usize, const NV: usize>(
    acc: &mut [[__m256; NV]; ROWS],
    a: *const f32,
    row: usize,
    b: *const f32,
) {
    // SAFETY: the panels hold ROWS and 16 values here.
    unsafe {
        let mut bv = [_mm256_setzero_ps(); NV];
        for v in 0..NV {
            bv[v] = _mm256_loadu_ps(b.add(8 * v));
        }
        for i in 0..ROWS {
            let ai = _mm256_broadcast_ss(&*a.add(i * row));
            for v in 0..NV {
                acc[i][v] = _mm256_fmadd_ps(ai, bv[v], acc[i][v]);
            }
        }
    }
}

/// ROWS rows by NV vectors of columns, of a panel that is packed or of rows as they lie.
#[target_feature(enable = "avx2,fma")]
unsafe fn sum256<const ROWS: usize, const NV: usize, const PACKED: bool>(t: &Tile) {
    // SAFETY: the panels hold ROWS and 16 values per step; masks keep C's accesses within its rows and columns.
    unsafe {
        fetch_corner(t);
        let (row, step) = if PACKED { (1, 8) } else { (t.a.row, 1) };
        let mut sum = [[_mm256_setzero_ps(); NV]; ROWS];
        let (mut a, mut b) = (t.a.ptr, t.b);
        let (lines, mut run) = (t.lines(), t.fetch[0]);
        for start in (0..t.depth).step_by(FOLD) {
            let mut acc = [[_mm256_setzero_ps(); NV]; ROWS];
            let end = t.depth.min(start + FOLD);
            let fetches = lines.min(end / 2).saturating_sub(start / 2);
            for _ in 0..fetches {
                fetch_next(&mut run, t.fetch[1]);
                step256(&mut acc, a, row, b);
                step256(&mut acc, a.add(step), row, b.add(16));
                a = a.add(2 * step);
                b = b.add(32);
            }
            let left = end - start - 2 * fetches;
            for _ in 0..left / 2 {
                step256(&mut acc, a, row, b);
                step256(&mut acc, a.add(step), row, b.add(16));
                a = a.add(2 * step);
                b = b.add(32);
            }
            if left % 2 == 1 {
                step256(&mut acc, a, row, b);
                a = a.add(step);
                b = b.add(16);
            }
            for i in 0..ROWS {
                for v in 0..NV {
                    sum[i][v] = _mm256_add_ps(sum[i][v], acc[i][v]);
                }
            }
        }
        let alpha = _mm256_set1_ps(t.alpha);
        let beta = _mm256_set1_ps(t.beta);
        for i in 0..ROWS {
            if i < t.rows {
                for v in 0..NV {
                    let c = t.c.wrapping_add(i * t.c_stride + 8 * v);
                    let mut value = _mm256_mul_ps(alpha, sum[i][v]);
                    let here = t.cols - 8 * v;
                    if here >= 8 {
                        if t.beta != 0.0 {
                            value = _mm256_fmadd_ps(beta, _mm256_loadu_ps(c), value);
                        }
                        _mm256_storeu_ps(c, value);
                    } else {
                        let mask = first8(here);
                        if t.beta != 0.0 {
                            value = _mm256_fmadd_ps(beta, _mm256_maskload_ps(c, mask), value);
                        }
                        _mm256_maskstore_ps(c, mask, value);
                    }
                }
            }
        }
    }
}
