//! The product of a few rows with a large weight, as in decoding: y = x · wᵀ, where reading w is most of the work.
//!
//! 1. It packs and multiplies with the kernels of [`super::simd`], and adds in the order of [`super::gemm`]: an element
//!    has the same bits as in the large product. So a token's log-probability at decoding is the trainer's, exactly.
//! 2. Rows of x are packed once. Each thread then claims blocks of weight rows and packs a short stretch of one at a
//!    time, which stays in the first-level cache while all rows of x are multiplied with it: w is read once.
//! 3. While a block is multiplied, the memory behind it is fetched, in order.

use super::gemm::{AHEAD, MAX_DEPTH, PRIVATE, SHARED, claim, fork, with_buffer};
use super::simd::{FOLD, Kernels, Lanes, Pack, Panel, Run, Tile};
use std::sync::atomic::AtomicUsize;

/// Rows of x per pass over the weights: more would not stay in cache.
const MAX_ROWS: usize = 64;
/// Columns of the widest register tile.
const MAX_COLS: usize = 32;
/// Multiply-adds (a weight value counts as four at least, for reading it) below which one thread is faster.
pub(super) const MIN_PARALLEL: usize = 1 << 19;

/// One weight `[n, k]` and its result `[m, n]`.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub y: *mut f32,
    pub w: *const f32,
    pub n: usize,
}

/// What all threads share.
struct Work<'a> {
    kernels: &'a Kernels,
    targets: &'a [Target],
    /// Row of the results that belongs to the first row of x.
    first: usize,
    /// Rows of x, in `groups` panels of like height.
    m: usize,
    groups: usize,
    packed: *const f32,
    k: usize,
    accumulate: bool,
    claimed: AtomicUsize,
    threads: usize,
}

// SAFETY: threads read x and the weights, and write to columns of the results that they claimed through the counter.
unsafe impl Sync for Work<'_> {}

/// Computes all targets, added to what is there if `accumulate`, on at most `threads` threads of the current pool; with 1,
/// on the calling thread without it.
///
/// # Safety
/// `x` is `[m, k]`, the targets are as their fields say and overlap nothing, and the processor has the instructions
/// of the kernels.
pub(super) unsafe fn run(
    kernels: &Kernels,
    targets: &[Target],
    x: *const f32,
    (m, k): (usize, usize),
    accumulate: bool,
    threads: usize,
) {
    for first in (0..m).step_by(MAX_ROWS) {
        let rows = MAX_ROWS.min(m - first);
        let groups = rows.div_ceil(kernels.tile_rows);
        with_buffer(&SHARED, groups * k * kernels.a_stride, |packed| {
            let work = Work {
                kernels,
                targets,
                first,
                m: rows,
                groups,
                packed,
                k,
                accumulate,
                claimed: AtomicUsize::new(0),
                threads,
            };
            for g in 0..groups {
                let rows = work.group(g);
                // SAFETY: the buffer holds all panels; x is `[m, k]`.
                unsafe {
                    (kernels.pack)(&Pack {
                        src: Lanes { ptr: x.add((first + rows.start) * k), lane_stride: k, depth_stride: 1 },
                        lanes: rows.len(),
                        depth: k,
                        width: kernels.tile_rows,
                        stride: kernels.a_stride,
                        dst: packed.add(g * k * kernels.a_stride),
                        panel: 0,
                        ahead: AHEAD,
                    });
                }
            }
            fork(threads, &|| work.run());
        });
    }
}

impl Work<'_> {
    /// The rows of group `g`.
    fn group(&self, g: usize) -> std::ops::Range<usize> {
        g * self.m / self.groups..(g + 1) * self.m / self.groups
    }

    /// Claims blocks of weight rows, numbered through all targets, until none is left.
    fn run(&self) {
        let width = self.kernels.tile_cols;
        let blocks: usize = self.targets.iter().map(|t| t.n.div_ceil(width)).sum();
        let size = |_, left: usize| left.div_ceil(4 * self.threads).max(1);
        with_buffer(&PRIVATE, FOLD * width, |panel| {
            while let Some((from, count)) = claim(&self.claimed, blocks, size) {
                let mut start = 0;
                for target in self.targets {
                    let here = target.n.div_ceil(width);
                    for block in from.max(start)..(from + count).min(start + here) {
                        // SAFETY: these rows lie in the target, and this thread claimed them.
                        unsafe { self.block(target, (block - start) * width, panel) }
                    }
                    start += here;
                }
            }
        });
    }

    /// What group `g` fetches while it is multiplied: two columns of lines of one stretch. Packing will ask for all of
    /// them when it comes to that stretch; spread over the time before, they hold it up less.
    fn lines_ahead(&self, stretch: *const f32, g: usize) -> [Run; 2] {
        let column = |c: usize| Run { ptr: stretch.wrapping_add(16 * c), apart: self.k, lines: self.kernels.tile_cols };
        [column(2 * g), column(2 * g + 1)].map(|run| if 2 * g < FOLD / 16 { run } else { Run::NOTHING })
    }

    /// All rows of x with up to a tile's width of weight rows, from `row` on.
    ///
    /// # Safety
    /// The rows lie in the target and nobody else has them; `panel` has room for a stretch of them.
    unsafe fn block(&self, target: &Target, row: usize, panel: *mut f32) {
        let Kernels { tile_cols: width, a_stride, .. } = *self.kernels;
        let cols = width.min(target.n - row);
        let w = target.w.wrapping_add(row * self.k);
        let mut sums = [0.0f32; MAX_ROWS * MAX_COLS];
        for depth in (0..self.k).step_by(MAX_DEPTH) {
            let end = self.k.min(depth + MAX_DEPTH);
            for p in (depth..end).step_by(FOLD) {
                let len = FOLD.min(end - p);
                // SAFETY: rows and stretch lie in the weight; panel and sums have the tile's shape.
                unsafe {
                    (self.kernels.pack)(&Pack {
                        src: Lanes { ptr: w.add(p), lane_stride: self.k, depth_stride: 1 },
                        lanes: cols,
                        depth: len,
                        width,
                        stride: width,
                        dst: panel,
                        panel: 0,
                        // The same place in the rows behind these.
                        ahead: cols * self.k,
                    });
                    for g in 0..self.groups {
                        let rows = self.group(g);
                        (self.kernels.tile)(&Tile {
                            depth: len,
                            a: Panel { ptr: self.packed.add((g * self.k + p) * a_stride), row: 1 },
                            b: panel,
                            c: sums.as_mut_ptr().add(rows.start * width),
                            c_stride: width,
                            rows: rows.len(),
                            cols: width,
                            alpha: 1.0,
                            beta: if p == depth { 0.0 } else { 1.0 },
                            fetch_c: false,
                            fetch: self.lines_ahead(w.wrapping_add(cols * self.k + p + FOLD), g),
                        });
                    }
                }
            }
            let add = self.accumulate || depth > 0;
            for (i, sums) in sums.chunks_exact(width).take(self.m).enumerate() {
                // SAFETY: this thread claimed these columns of the result.
                let y =
                    unsafe { std::slice::from_raw_parts_mut(target.y.add((self.first + i) * target.n + row), cols) };
                for (y, sum) in y.iter_mut().zip(sums) {
                    *y = if add { *y + sum } else { *sum };
                }
            }
        }
        if self.k == 0 && !self.accumulate {
            for i in 0..self.m {
                // SAFETY: as above.
                unsafe { std::slice::from_raw_parts_mut(target.y.add((self.first + i) * target.n + row), cols) }
                    .fill(0.0);
            }
        }
    }
}
