//! The product of a few rows with a large weight, as in decoding: y = x · wᵀ, where reading w is most of the work.
//!
//! Each weight row is read from memory once and multiplied with all rows of x as dot products along k, four weight
//! rows by up to six rows of x in registers. A dot product adds its terms into as many partial sums as a vector has
//! lanes and folds those at the end, in an order that depends on k only. So a row of y is the same bits whatever
//! other rows there are, and however the threads share the work.

use super::gemm::{claim, fork};
use std::sync::atomic::AtomicUsize;

/// Weight rows per block of the kernels.
const BLOCK: usize = 4;
/// Rows of x per pass over the weights: more would not stay in cache.
const MAX_ROWS: usize = 64;
/// Most weight values claimed at once.
const MAX_CLAIM: usize = 64 << 10;
/// Multiply-adds (a weight value counts as four at least, for reading it) below which one thread is faster.
pub(super) const MIN_PARALLEL: usize = 1 << 19;
/// Weight values fetched ahead of their use, at least.
const AHEAD: usize = 4 << 10;

/// One weight `[n, k]` and its result `[m, n]`.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub y: *mut f32,
    pub w: *const f32,
    pub n: usize,
}

/// Up to four weight rows against all rows of x.
pub(super) struct Block {
    x: *const f32,
    m: usize,
    k: usize,
    /// First weight row; the `rows` follow each other at a distance of k.
    w: *const f32,
    rows: usize,
    /// Result of the first row of x with the first weight row.
    y: *mut f32,
    y_stride: usize,
    /// Where weight rows to come lie, to fetch them.
    ahead: *const f32,
}

/// The kernel of one instruction set.
pub(super) struct Kernel {
    #[cfg_attr(not(test), allow(dead_code, reason = "named in test failures"))]
    pub name: &'static str,
    block: unsafe fn(&Block),
}

/// The best kernel that this processor runs.
pub(super) fn best() -> &'static Kernel {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
            return &x86::AVX512;
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return &x86::AVX2;
        }
    }
    &PORTABLE
}

/// All kernels that this processor runs.
#[cfg(test)]
pub(super) fn available() -> Vec<&'static Kernel> {
    let mut all = vec![&PORTABLE];
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            all.push(&x86::AVX2);
        }
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
            all.push(&x86::AVX512);
        }
    }
    all
}

struct Work<'a> {
    kernel: &'a Kernel,
    targets: &'a [Target],
    x: *const f32,
    m: usize,
    k: usize,
    claimed: AtomicUsize,
    threads: usize,
}

// SAFETY: threads read x and the weights, and write to columns of the results that they claimed through the counter.
unsafe impl Sync for Work<'_> {}

/// Computes all targets on at most `threads` threads of the current pool; with 1, on the calling thread without it.
///
/// # Safety
/// `x` is `[m, k]`, the targets are as their fields say and overlap nothing, and the processor has the instructions
/// of the kernel.
pub(super) unsafe fn run(kernel: &Kernel, targets: &[Target], x: *const f32, m: usize, k: usize, threads: usize) {
    for first in (0..m).step_by(MAX_ROWS) {
        let rows = MAX_ROWS.min(m - first);
        let x = x.wrapping_add(first * k);
        let work = Work { kernel, targets, x, m: rows, k, claimed: AtomicUsize::new(0), threads };
        fork(threads, &|| work.run(first));
    }
}

impl Work<'_> {
    /// Claims blocks of weight rows, numbered through all targets, until none is left. `first` is the row of the
    /// result that belongs to the first row of x.
    fn run(&self, first: usize) {
        let blocks: usize = self.targets.iter().map(|t| t.n.div_ceil(BLOCK)).sum();
        let most = (MAX_CLAIM / (BLOCK * self.k.max(1))).max(1);
        let size = |_, left: usize| left.div_ceil(4 * self.threads).clamp(1, most);
        let ahead = AHEAD.div_ceil(BLOCK * self.k.max(1)) * BLOCK * self.k;
        while let Some((from, count)) = claim(&self.claimed, blocks, size) {
            let mut start = 0;
            for target in self.targets {
                let here = target.n.div_ceil(BLOCK);
                for block in from.max(start)..(from + count).min(start + here) {
                    let row = (block - start) * BLOCK;
                    let w = target.w.wrapping_add(row * self.k);
                    // SAFETY: these rows lie in the target, and this thread claimed them.
                    unsafe {
                        (self.kernel.block)(&Block {
                            x: self.x,
                            m: self.m,
                            k: self.k,
                            w,
                            rows: BLOCK.min(target.n - row),
                            y: target.y.wrapping_add(first * target.n + row),
                            y_stride: target.n,
                            ahead: w.wrapping_add(ahead),
                        });
                    }
                }
                start += here;
            }
        }
    }
}

static PORTABLE: Kernel = Kernel { name: "portable", block: block_portable };

/// # Safety
/// The block's pointers are as its fields say.
unsafe fn block_portable(b: &Block) {
    for i in 0..b.m {
        for j in 0..b.rows {
            // SAFETY: row i of x, row j of the block, and their place in y.
            unsafe {
                let x = std::slice::from_raw_parts(b.x.add(i * b.k), b.k);
                let w = std::slice::from_raw_parts(b.w.add(j * b.k), b.k);
                let mut sums = [0.0f32; 8];
                let (x_whole, w_whole) = (x.chunks_exact(8), w.chunks_exact(8));
                let rest = x_whole.remainder().iter().zip(w_whole.remainder());
                for (x, w) in x_whole.zip(w_whole) {
                    for lane in 0..8 {
                        sums[lane] += x[lane] * w[lane];
                    }
                }
                for (sum, (x, w)) in sums.iter_mut().zip(rest) {
                    *sum += x * w;
                }
                let [a, b1, c, d, e, f, g, h] = sums;
                *b.y.add(i * b.y_stride + j) = ((a + e) + (c + g)) + ((b1 + f) + (d + h));
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{BLOCK, Block, Kernel};
    use std::arch::x86_64::{
        __m128, __m256, __m512, _MM_HINT_T0, _mm_add_ps, _mm_castpd_ps, _mm_castps_pd, _mm_prefetch, _mm_storeu_ps,
        _mm_unpackhi_pd, _mm_unpackhi_ps, _mm_unpacklo_pd, _mm_unpacklo_ps, _mm256_add_ps, _mm256_castpd_ps,
        _mm256_castps256_ps128, _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256,
        _mm256_maskload_ps, _mm256_setzero_ps, _mm512_castps_pd, _mm512_castps512_ps256, _mm512_extractf64x4_pd,
        _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_maskz_loadu_ps, _mm512_setzero_ps,
    };

    pub static AVX512: Kernel = Kernel { name: "avx512", block: block_avx512 };
    pub static AVX2: Kernel = Kernel { name: "avx2", block: block_avx2 };

    /// Stores the results of one row of x.
    ///
    /// # Safety
    /// `y` has room for `rows` values, at most four.
    #[inline]
    #[target_feature(enable = "avx")]
    unsafe fn store(y: *mut f32, rows: usize, sums: __m128) {
        // SAFETY: the caller's promise.
        unsafe {
            if rows == BLOCK {
                _mm_storeu_ps(y, sums);
            } else {
                let mut part = [0.0f32; BLOCK];
                _mm_storeu_ps(part.as_mut_ptr(), sums);
                std::ptr::copy_nonoverlapping(part.as_ptr(), y, rows);
            }
        }
    }

    /// The four sums of four vectors.
    #[inline]
    #[target_feature(enable = "avx")]
    fn fold4(v: [__m128; 4]) -> __m128 {
        let ab = _mm_add_ps(_mm_unpacklo_ps(v[0], v[1]), _mm_unpackhi_ps(v[0], v[1]));
        let cd = _mm_add_ps(_mm_unpacklo_ps(v[2], v[3]), _mm_unpackhi_ps(v[2], v[3]));
        let (ab, cd) = (_mm_castps_pd(ab), _mm_castps_pd(cd));
        _mm_add_ps(_mm_castpd_ps(_mm_unpacklo_pd(ab, cd)), _mm_castpd_ps(_mm_unpackhi_pd(ab, cd)))
    }

    #[inline]
    #[target_feature(enable = "avx")]
    fn fold8(v: [__m256; 4]) -> __m128 {
        fold4(v.map(|v| _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v))))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512vl")]
    fn fold16(v: [__m512; 4]) -> __m128 {
        fold8(v.map(|v| {
            let high = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(v)));
            _mm256_add_ps(_mm512_castps512_ps256(v), high)
        }))
    }

    /// Pointers to the four weight rows; rows that the block lacks repeat the first and are not stored.
    fn weight_rows(b: &Block) -> [*const f32; BLOCK] {
        std::array::from_fn(|j| b.w.wrapping_add(if j < b.rows { j * b.k } else { 0 }))
    }

    /// # Safety
    /// The block's pointers are as its fields say; the processor has AVX-512F and AVX-512VL.
    #[target_feature(enable = "avx512f,avx512vl")]
    unsafe fn block_avx512(b: &Block) {
        let groups = b.m.div_ceil(6);
        for g in 0..groups {
            let (from, to) = (g * b.m / groups, (g + 1) * b.m / groups);
            let ahead = b.ahead.wrapping_add(g * BLOCK * b.k / groups);
            // SAFETY: the caller's promise; the constant is the number of rows.
            unsafe {
                match (groups, to - from) {
                    (1, 1) => tile512::<1, 4>(b, from, ahead),
                    (1, 2) => tile512::<2, 4>(b, from, ahead),
                    (1, 3) => tile512::<3, 4>(b, from, ahead),
                    (1, 4) => tile512::<4, 4>(b, from, ahead),
                    (1, 5) => tile512::<5, 4>(b, from, ahead),
                    (1, _) => tile512::<6, 4>(b, from, ahead),
                    (_, 3) => tile512::<3, 2>(b, from, ahead),
                    (_, 4) => tile512::<4, 2>(b, from, ahead),
                    (2 | 3, 5) => tile512::<5, 2>(b, from, ahead),
                    (2 | 3, _) => tile512::<6, 2>(b, from, ahead),
                    (_, 5) => tile512::<5, 1>(b, from, ahead),
                    (_, _) => tile512::<6, 1>(b, from, ahead),
                }
            }
        }
    }

    /// ROWS rows of x, from row `first` on; fetches FETCH lines from `ahead` on for each vector along k.
    ///
    /// # Safety
    /// As for the block, whose rows of x these are.
    #[target_feature(enable = "avx512f,avx512vl")]
    unsafe fn tile512<const ROWS: usize, const FETCH: usize>(b: &Block, first: usize, ahead: *const f32) {
        // SAFETY: whole vectors end within rows of length k, the last one is masked.
        unsafe {
            let w = weight_rows(b);
            let x = b.x.add(first * b.k);
            let mut sums = [[_mm512_setzero_ps(); BLOCK]; ROWS];
            let whole = b.k / 16 * 16;
            let mut p = 0;
            while p < whole {
                for line in 0..FETCH {
                    _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(FETCH * p + 16 * line).cast());
                }
                let wv = w.map(|w| _mm512_loadu_ps(w.add(p)));
                for i in 0..ROWS {
                    let xi = _mm512_loadu_ps(x.add(i * b.k + p));
                    for j in 0..BLOCK {
                        sums[i][j] = _mm512_fmadd_ps(xi, wv[j], sums[i][j]);
                    }
                }
                p += 16;
            }
            if whole < b.k {
                let mask = (1 << (b.k - whole)) - 1;
                let wv = w.map(|w| _mm512_maskz_loadu_ps(mask, w.add(whole)));
                for i in 0..ROWS {
                    let xi = _mm512_maskz_loadu_ps(mask, x.add(i * b.k + whole));
                    for j in 0..BLOCK {
                        sums[i][j] = _mm512_fmadd_ps(xi, wv[j], sums[i][j]);
                    }
                }
            }
            for i in 0..ROWS {
                store(b.y.add((first + i) * b.y_stride), b.rows, fold16(sums[i]));
            }
        }
    }

    /// # Safety
    /// The block's pointers are as its fields say; the processor has AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn block_avx2(b: &Block) {
        let groups = b.m.div_ceil(2);
        for g in 0..groups {
            let (from, to) = (g * b.m / groups, (g + 1) * b.m / groups);
            let ahead = b.ahead.wrapping_add(g * BLOCK * b.k / groups);
            // SAFETY: the caller's promise; the constant is the number of rows.
            unsafe {
                match (groups, to - from) {
                    (1, 1) => tile256::<1, 4>(b, from, ahead),
                    (1, _) => tile256::<2, 4>(b, from, ahead),
                    (_, 1) => tile256::<1, 1>(b, from, ahead),
                    (_, _) => tile256::<2, 1>(b, from, ahead),
                }
            }
        }
    }

    /// As `tile512`; half a line is fetched twice.
    ///
    /// # Safety
    /// As for the block, whose rows of x these are.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn tile256<const ROWS: usize, const FETCH: usize>(b: &Block, first: usize, ahead: *const f32) {
        // SAFETY: whole vectors end within rows of length k, the last one is masked.
        unsafe {
            let w = weight_rows(b);
            let x = b.x.add(first * b.k);
            let mut sums = [[_mm256_setzero_ps(); BLOCK]; ROWS];
            let whole = b.k / 8 * 8;
            let mut p = 0;
            while p < whole {
                for line in 0..FETCH {
                    _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(FETCH * p + 8 * line).cast());
                }
                let wv = w.map(|w| _mm256_loadu_ps(w.add(p)));
                for i in 0..ROWS {
                    let xi = _mm256_loadu_ps(x.add(i * b.k + p));
                    for j in 0..BLOCK {
                        sums[i][j] = _mm256_fmadd_ps(xi, wv[j], sums[i][j]);
                    }
                }
                p += 8;
            }
            if whole < b.k {
                // The first k − whole of eight lanes.
                const LANES: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
                let mask = _mm256_loadu_si256(LANES.as_ptr().add(8 - (b.k - whole)).cast());
                let wv = w.map(|w| _mm256_maskload_ps(w.add(whole), mask));
                for i in 0..ROWS {
                    let xi = _mm256_maskload_ps(x.add(i * b.k + whole), mask);
                    for j in 0..BLOCK {
                        sums[i][j] = _mm256_fmadd_ps(xi, wv[j], sums[i][j]);
                    }
                }
            }
            for i in 0..ROWS {
                store(b.y.add((first + i) * b.y_stride), b.rows, fold8(sums[i]));
            }
        }
    }
}
