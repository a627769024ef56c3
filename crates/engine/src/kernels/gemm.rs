//! The packed matrix product behind every large product of the engine.
//!
//! C = alpha · A · B + beta · C in the manner of Goto and van de Geijn 2008 and BLIS, with these differences:
//! 1. One operand (the smaller) is packed once, by all threads together, and shared; the other is packed in pieces by
//!    the thread that multiplies the piece. Nothing is packed twice, and rows of A whose depth is contiguous are not
//!    packed at all where tiles can read them as they lie.
//! 2. Threads claim work through counters inside one fork-join, so a call costs one rayon region.
//! 3. Lines are fetched ahead: before a tile its corner of C (to be written, which spares the wait for the core that
//!    wrote it last), and one by one between its multiply-adds the next shared panel and the source of the next piece.
//! 4. Blocks of the summed dimension have one fixed length and elements are summed in order, so that an element's value
//!    depends neither on its place in C nor on the size of C, the number of threads, or their timing; and zeros behind
//!    the last term change nothing.
//!
//! K. Goto and R. van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34(3), 2008;
//! F. van Zee and R. van de Geijn, "BLIS: a framework for rapidly instantiating BLAS functionality", ACM TOMS 41(3), 2015.

use super::simd::{FOLD, Kernels, Lanes, Pack, Panel, Run, Tile};
use std::cell::Cell;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::LocalKey;

/// Length of a block of the summed dimension: whole partial sums.
pub(super) const MAX_DEPTH: usize = 7 * FOLD;
/// Values by which packing along the summed dimension fetches ahead.
pub(super) const AHEAD: usize = 64;
/// Most values of the packed shared operand in one round: it should stay in the third-level cache with everything else.
const MAX_SHARED: usize = 512 << 10;
/// Most values of a packed private piece: it should stay in the second-level cache.
const MAX_PRIVATE: usize = 96 << 10;
/// Multiply-adds below which a second thread costs more than it saves.
pub(super) const MIN_PARALLEL: usize = 1 << 20;

/// A product to compute: shapes A `[m, k]`, B `[k, n]`, C `[m, n]` with unit column stride.
#[derive(Clone, Copy)]
pub(super) struct Product {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub alpha: f32,
    /// Lanes are rows of A.
    pub a: Lanes,
    /// Lanes are columns of B.
    pub b: Lanes,
    pub beta: f32,
    pub c: *mut f32,
    pub c_stride: usize,
}

/// Runs the product on at most `threads` threads of the current pool; with 1, on the calling thread without the pool.
///
/// # Safety
/// The three matrices lie where the fields say; C overlaps nothing and nobody else touches it; the processor has the
/// instructions of `kernels`.
pub(super) unsafe fn run(kernels: &Kernels, product: &Product, threads: usize) {
    let p = product;
    if p.m == 0 || p.n == 0 {
        return;
    }
    if p.k == 0 {
        for i in 0..p.m {
            for j in 0..p.n {
                // SAFETY: within C.
                let c = unsafe { &mut *p.c.add(i * p.c_stride + j) };
                *c = if p.beta == 0.0 { 0.0 } else { p.beta * *c };
            }
        }
        return;
    }
    let plan = Plan::new(kernels, *p, threads);
    with_buffer(&SHARED, plan.shared_len(), |shared| {
        let job = Job { plan: &plan, kernels, shared, counters: Counters::default() };
        fork(threads, &|| job.work());
    });
}

/// Calls `f` once on each of `threads` threads; calls whose thread never came run on this one.
pub(super) fn fork(threads: usize, f: &(impl Fn() + Sync)) {
    if threads <= 1 {
        f();
    } else {
        rayon::join(|| fork(threads / 2, f), || fork(threads - threads / 2, f));
    }
}

thread_local! {
    pub(super) static SHARED: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
    pub(super) static PRIVATE: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// A cache line of values.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Line {
    _values: [f32; 16],
}

/// Lends `len` values of a buffer that this thread keeps between calls. The buffer is taken out of its cell for the
/// time of use, since a thread that waits inside rayon may start another product.
pub(super) fn with_buffer(cell: &'static LocalKey<Cell<Vec<Line>>>, len: usize, f: impl FnOnce(*mut f32)) {
    let mut lines = cell.take();
    if lines.len() < len.div_ceil(16) {
        lines.resize(len.div_ceil(16), Line { _values: [0.0; 16] });
    }
    f(lines.as_mut_ptr().cast());
    cell.set(lines);
}

/// How a product is cut up.
struct Plan {
    p: Product,
    /// B is the shared operand, and threads claim rows; else A, and they claim columns.
    share_b: bool,
    /// Length of a block of the summed dimension.
    depth: usize,
    /// Length of a round, a multiple of `depth`.
    round: usize,
    shared_panels: usize,
    private_panels: usize,
    /// The private operand is rows of A whose depth is contiguous, and tiles read them where they lie.
    rows_as_they_lie: bool,
    /// Strides of panels and lanes per panel.
    shared_stride: usize,
    private_stride: usize,
    /// Most panels in one private piece.
    piece: usize,
    /// Units of work per private panel: each multiplies it with that part of the shared panels.
    parts: usize,
    /// A task of packing the shared operand: so many steps of depth of so many panels.
    pack_steps: usize,
    pack_panels: usize,
    threads: usize,
}

impl Plan {
    fn new(kernels: &Kernels, p: Product, threads: usize) -> Self {
        let row_panels = p.m.div_ceil(kernels.tile_rows);
        let col_panels = p.n.div_ceil(kernels.tile_cols);
        let share_b = p.n <= 2 * p.m;
        let depth = p.k.next_multiple_of(8).min(MAX_DEPTH);
        let (shared_panels, private_panels) = if share_b { (col_panels, row_panels) } else { (row_panels, col_panels) };
        let (shared_stride, private_stride) =
            if share_b { (kernels.tile_cols, kernels.a_stride) } else { (kernels.a_stride, kernels.tile_cols) };
        let round = depth * (MAX_SHARED / (shared_panels * shared_stride * depth)).max(1);
        let piece = (MAX_PRIVATE / (private_stride * depth)).max(1);
        let shared = if share_b { p.b } else { p.a };
        // Rows are packed in full, so that memory is read in order.
        let (pack_steps, pack_panels) = if shared.lane_stride == 1 { (32, shared_panels.min(64)) } else { (depth, 1) };
        Plan {
            p,
            share_b,
            depth,
            round,
            shared_panels,
            private_panels,
            rows_as_they_lie: share_b && kernels.rows_as_they_lie && p.a.depth_stride == 1 && p.a.lane_stride > 1,
            shared_stride,
            private_stride,
            piece,
            parts: if threads > 1 { shared_panels.min(4) } else { 1 },
            pack_steps,
            pack_panels,
            threads,
        }
    }

    fn pack_tasks_per_block(&self) -> usize {
        self.depth.div_ceil(self.pack_steps) * self.shared_panels.div_ceil(self.pack_panels)
    }

    /// Packing tasks in `len` steps of depth.
    fn pack_tasks(&self, len: usize) -> usize {
        len.div_ceil(self.depth) * self.pack_tasks_per_block()
    }

    fn shared_len(&self) -> usize {
        self.round.min(self.p.k).div_ceil(self.depth) * self.shared_panels * panel_len(self.depth, self.shared_stride)
    }
}

/// Values from one packed panel to the next. The odd number of cache lines keeps panels, which are often a multiple of
/// 4 KiB, from falling on the same lines of the first-level cache.
fn panel_len(depth: usize, stride: usize) -> usize {
    (depth * stride).next_multiple_of(16) + 48
}

#[derive(Default)]
struct Counters {
    pack_claimed: AtomicUsize,
    pack_done: AtomicUsize,
    units_claimed: AtomicUsize,
    units_done: AtomicUsize,
}

struct Job<'a> {
    plan: &'a Plan,
    kernels: &'a Kernels,
    shared: *mut f32,
    counters: Counters,
}

// SAFETY: the threads read A and B, and write to parts of C and of the shared buffer that they claimed through
// counters; a panel of the shared buffer is read only after all of its round's packs are counted as done.
unsafe impl Sync for Job<'_> {}

impl Job<'_> {
    fn work(&self) {
        let len = self.plan.piece * panel_len(self.plan.depth, self.plan.private_stride);
        with_buffer(&PRIVATE, len, |private| {
            for r in 0..self.plan.p.k.div_ceil(self.plan.round) {
                self.round(r, private);
            }
        });
    }

    /// One round: packs the shared operand with the other threads, then multiplies pieces of the private one.
    fn round(&self, r: usize, private: *mut f32) {
        let Plan { p, round, private_panels, parts, .. } = *self.plan;
        let counters = &self.counters;
        let (from, to) = (r * round, (r * round + round).min(p.k));
        let units = private_panels * parts;
        // The last round's panels may still be in use.
        wait(&counters.units_done, r * units);
        let tasks = self.plan.pack_tasks(to - from);
        let before = r * self.plan.pack_tasks(round);
        while let Some((task, _)) = claim(&counters.pack_claimed, before + tasks, |_, _| 1) {
            self.pack_shared(from, to, task - before);
            counters.pack_done.fetch_add(1, Ordering::Release);
        }
        wait(&counters.pack_done, before + tasks);
        let whole = self.plan.piece * parts;
        let size = |now: usize, left: usize| {
            let fair = left.div_ceil(2 * self.plan.threads).min(whole);
            let within = now % parts;
            if within == 0 && fair >= parts { fair - fair % parts } else { fair.min(parts - within) }
        };
        let next_claim = || claim(&counters.units_claimed, (r + 1) * units, size);
        let mut current = next_claim();
        while let Some((first, count)) = current {
            // While there is plenty left, the next piece is claimed early and fetched while this one is multiplied.
            let mut next = if count == whole { next_claim() } else { None };
            let piece = |(first, count): (usize, usize)| Piece::new(first - r * units, count, self.plan);
            self.multiply(from, to, &piece((first, count)), next.map(piece).as_ref(), private);
            counters.units_done.fetch_add(count, Ordering::Release);
            if next.is_none() {
                next = next_claim();
            }
            current = next;
        }
    }

    fn pack_shared(&self, from: usize, to: usize, task: usize) {
        let Plan { p, share_b, depth, shared_panels, shared_stride, pack_steps, pack_panels, .. } = *self.plan;
        let per_block = self.plan.pack_tasks_per_block();
        let start = from + task / per_block * depth;
        let len = depth.min(to - start);
        let by_panel = shared_panels.div_ceil(pack_panels);
        let step = task % per_block / by_panel * pack_steps;
        let panel = task % per_block % by_panel * pack_panels;
        if step >= len {
            return;
        }
        let (src, width, total) =
            if share_b { (p.b, self.kernels.tile_cols, p.n) } else { (p.a, self.kernels.tile_rows, p.m) };
        // SAFETY: this panel was claimed by this thread; sizes are those of the plan.
        unsafe {
            let block = self.shared.add((start - from) / depth * shared_panels * panel_len(depth, shared_stride));
            (self.kernels.pack)(&Pack {
                src: src.at(panel * width, start + step),
                lanes: (pack_panels * width).min(total - panel * width),
                depth: pack_steps.min(len - step),
                width,
                stride: shared_stride,
                dst: block.add(panel * panel_len(len, shared_stride) + step * shared_stride),
                panel: panel_len(len, shared_stride),
                ahead: AHEAD,
            });
        }
    }

    /// Multiplies a piece of the private operand with its panels of the shared one, and fetches the next piece.
    fn multiply(&self, from: usize, to: usize, piece: &Piece, next: Option<&Piece>, private: *mut f32) {
        let Plan { p, share_b, depth, shared_panels, shared_stride, private_stride, .. } = *self.plan;
        let (rows, cols) = (self.kernels.tile_rows, self.kernels.tile_cols);
        let (src, width, total) = if share_b { (p.a, rows, p.m) } else { (p.b, cols, p.n) };
        for start in (from..to).step_by(depth) {
            let len = depth.min(to - start);
            let lanes = |piece: &Piece| (piece.count * width).min(total - piece.first * width);
            let unpacked = self.plan.rows_as_they_lie.then(|| src.wrapping_at(piece.first * width, start));
            if unpacked.is_none() {
                // SAFETY: the private buffer holds a piece; sizes are those of the plan.
                unsafe {
                    (self.kernels.pack)(&Pack {
                        src: src.at(piece.first * width, start),
                        lanes: lanes(piece),
                        depth: len,
                        width,
                        stride: private_stride,
                        dst: private,
                        panel: panel_len(len, private_stride),
                        ahead: AHEAD,
                    });
                }
            }
            let tiles = piece.shared.len() * piece.count;
            // So short a sum is mostly one of small matrices in cache.
            let fetches = len >= FOLD;
            let mut source = if !fetches {
                Fetch::nothing()
            } else if start + len < to {
                Fetch::new(src, piece.first * width, lanes(piece), start + len, depth.min(to - start - len), tiles)
            } else if let Some(next) = next {
                Fetch::new(src, next.first * width, lanes(next), from, depth.min(to - from), tiles)
            } else {
                Fetch::nothing()
            };
            let shared_lines = if fetches { (len * shared_stride / 16).div_ceil(piece.count) } else { 0 };
            for s in piece.shared.clone() {
                let shared = self.shared.wrapping_add(
                    (start - from) / depth * shared_panels * panel_len(depth, shared_stride)
                        + s * panel_len(len, shared_stride),
                );
                for i in 0..piece.count {
                    let panel = piece.first + i;
                    let (row, col) = if share_b { (panel * rows, s * cols) } else { (s * rows, panel * cols) };
                    let next = if s + 1 < piece.shared.end {
                        let ptr = shared.wrapping_add(panel_len(len, shared_stride) + i * shared_lines * 16);
                        Run { ptr, apart: 16, lines: shared_lines }
                    } else {
                        Run::NOTHING
                    };
                    let private = match unpacked {
                        Some(src) => Panel { ptr: src.wrapping_at(i * width, 0).ptr, row: src.lane_stride },
                        None => Panel { ptr: private.wrapping_add(i * panel_len(len, private_stride)), row: 1 },
                    };
                    let (a, b) = if share_b {
                        (private, shared.cast_const())
                    } else {
                        (Panel { ptr: shared, row: 1 }, private.ptr)
                    };
                    // SAFETY: both panels are there, and this thread claimed these rows or columns of C.
                    unsafe {
                        (self.kernels.tile)(&Tile {
                            depth: len,
                            a,
                            b,
                            c: p.c.wrapping_add(row * p.c_stride + col),
                            c_stride: p.c_stride,
                            rows: rows.min(p.m - row),
                            cols: cols.min(p.n - col),
                            alpha: p.alpha,
                            beta: if start == 0 { p.beta } else { 1.0 },
                            fetch_c: fetches,
                            fetch: [next, source.take()],
                        });
                    }
                }
            }
        }
    }
}

/// Panels of the private operand, and the shared panels to multiply them with.
struct Piece {
    first: usize,
    count: usize,
    shared: Range<usize>,
}

impl Piece {
    /// A claim of `count` units from `first` on: whole panels, or a part of one.
    fn new(first: usize, count: usize, plan: &Plan) -> Self {
        let (panel, part) = (first / plan.parts, first % plan.parts);
        let at = |part: usize| part * plan.shared_panels / plan.parts;
        if part == 0 && count >= plan.parts {
            Piece { first: panel, count: count / plan.parts, shared: 0..plan.shared_panels }
        } else {
            Piece { first: panel, count: 1, shared: at(part)..at(part + count) }
        }
    }
}

/// The cache lines of a block that will be read next, handed out tile by tile: column after column of lines, since those of a
/// column are equally far apart.
struct Fetch {
    next: *const f32,
    apart: usize,
    /// Lines left in this column, lines of a column, columns left behind it, lines for a tile.
    left: usize,
    column: usize,
    columns: usize,
    quota: usize,
}

impl Fetch {
    fn nothing() -> Self {
        Fetch { next: std::ptr::null(), apart: 0, left: 0, column: 0, columns: 0, quota: 0 }
    }

    fn new(src: Lanes, lane: usize, lanes: usize, step: usize, steps: usize, tiles: usize) -> Self {
        let (apart, length, runs) = if src.lane_stride == 1 {
            (src.depth_stride, lanes, steps)
        } else if src.depth_stride == 1 {
            (src.lane_stride, steps, lanes)
        } else {
            return Fetch::nothing();
        };
        let next = src.wrapping_at(lane, step).ptr;
        // One run after another without a gap is one column.
        let (apart, column, columns) = if apart == length {
            (16, (length * runs).div_ceil(16), 1)
        } else {
            (apart, runs, length.div_ceil(16) + 1)
        };
        // A tile's share lies in one column.
        let quota = column.div_ceil((tiles / columns).max(1));
        Fetch { next, apart, left: column, column, columns: columns - 1, quota }
    }

    /// This tile's share.
    fn take(&mut self) -> Run {
        let run = Run { ptr: self.next, apart: self.apart, lines: self.quota.min(self.left) };
        self.left -= run.lines;
        self.next = self.next.wrapping_add(run.lines * self.apart);
        if self.left == 0 && self.columns > 0 {
            self.columns -= 1;
            self.left = self.column;
            self.next = self.next.wrapping_sub(self.column * self.apart).wrapping_add(16);
        }
        run
    }
}

/// Claims `size(first, left)` numbers below `limit`; returns the first and how many.
pub(super) fn claim(
    counter: &AtomicUsize,
    limit: usize,
    size: impl Fn(usize, usize) -> usize,
) -> Option<(usize, usize)> {
    let mut now = counter.load(Ordering::Relaxed);
    while now < limit {
        let count = size(now, limit - now).min(limit - now);
        match counter.compare_exchange_weak(now, now + count, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return Some((now, count)),
            Err(seen) => now = seen,
        }
    }
    None
}

/// Waits until the counter reaches `target`. Whoever has still to count is running, so the wait is short.
fn wait(counter: &AtomicUsize, target: usize) {
    let mut spins = 0u32;
    while counter.load(Ordering::Acquire) < target {
        spins += 1;
        if spins.is_multiple_of(4096) {
            std::thread::yield_now();
        } else {
            std::hint::spin_loop();
        }
    }
}
