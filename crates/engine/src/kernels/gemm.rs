//! The packed matrix product behind every large product of the engine.
//!
//! C = alpha · A · B + beta · C in the manner of Goto and van de Geijn 2008 and BLIS, with these differences:
//! 1. One operand (the smaller) is packed once, by all threads together, and shared; the other is packed in pieces by
//!    the thread that multiplies the piece. Nothing is packed twice.
//! 2. Threads claim work through counters inside one fork-join, so a call costs one rayon region.
//! 3. Lines are fetched ahead one by one between the multiply-adds of a tile: its corner of C (to be written, which
//!    spares the wait for the core that wrote it last), the next shared panel, and the source of the next packing.
//! 4. Blocks of the summed dimension have one fixed length and elements are summed in order, so that an element's value
//!    depends neither on its place in C nor on the size of C, the number of threads, or their timing; and zeros behind
//!    the last term change nothing.
//!
//! K. Goto and R. van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34(3), 2008;
//! F. van Zee and R. van de Geijn, "BLIS: a framework for rapidly instantiating BLAS functionality", ACM TOMS 41(3), 2015.

use super::simd::{FOLD, Kernels, Lanes, Pack, Tile};
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
        let mut list = [std::ptr::null(); MAX_DEPTH / 2 + 8];
        for start in (from..to).step_by(depth) {
            let len = depth.min(to - start);
            let lanes = |piece: &Piece| (piece.count * width).min(total - piece.first * width);
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
            let tiles = piece.shared.len() * piece.count;
            // A list for a few steps costs more than it spares, and so short a sum is mostly one of small matrices in cache.
            let fetches = len >= FOLD;
            let mut source = if start + len < to {
                Fetch::new(src, piece.first * width, lanes(piece), start + len, depth.min(to - start - len), tiles)
            } else if let Some(next) = next {
                Fetch::new(src, next.first * width, lanes(next), from, depth.min(to - from), tiles)
            } else {
                Fetch::nothing()
            };
            for s in piece.shared.clone() {
                for i in 0..piece.count {
                    let shared = self.shared.wrapping_add(
                        (start - from) / depth * shared_panels * panel_len(depth, shared_stride)
                            + s * panel_len(len, shared_stride),
                    );
                    let panel = piece.first + i;
                    let (row, col) = if share_b { (panel * rows, s * cols) } else { (s * rows, panel * cols) };
                    let (height, breadth) = (rows.min(p.m - row), cols.min(p.n - col));
                    let c = p.c.wrapping_add(row * p.c_stride + col);
                    // This tile's corner of C comes first, then its share of the next shared panel, then of the source.
                    let mut fetched = 0;
                    for i in 0..if fetches { height } else { 0 } {
                        let row = c.wrapping_add(i * p.c_stride);
                        let end = row.wrapping_add(breadth);
                        let mut line = row.wrapping_byte_sub(row as usize % 64);
                        while line < end && fetched < len / 2 {
                            list[fetched] = line;
                            line = line.wrapping_add(16);
                            fetched += 1;
                        }
                    }
                    let to_write = fetched;
                    if fetches && s + 1 < piece.shared.end {
                        let lines = (len * shared_stride / 16).div_ceil(piece.count).min(len / 2 - fetched);
                        let next = shared.wrapping_add(panel_len(len, shared_stride) + i * lines * 16);
                        for (l, slot) in list[fetched..fetched + lines].iter_mut().enumerate() {
                            *slot = next.wrapping_add(16 * l).cast_const();
                        }
                        fetched += lines;
                    }
                    if fetches {
                        fetched += source.take(&mut list[fetched..len / 2]);
                    }
                    let private = private.wrapping_add(i * panel_len(len, private_stride));
                    let (a, b) = if share_b { (private, shared) } else { (shared, private) };
                    // SAFETY: both panels are packed, and this thread claimed these rows or columns of C.
                    unsafe {
                        (self.kernels.tile)(&Tile {
                            depth: len,
                            a,
                            b,
                            c,
                            c_stride: p.c_stride,
                            rows: height,
                            cols: breadth,
                            alpha: p.alpha,
                            beta: if start == 0 { p.beta } else { 1.0 },
                            prefetch: &list[..fetched],
                            to_write,
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

/// The cache lines of a block that will be packed next, handed out tile by tile.
struct Fetch {
    base: *const f32,
    /// Contiguous runs: how far apart, how many lines each, how many.
    apart: usize,
    lines: usize,
    runs: usize,
    /// Next line to hand out, and lines per tile.
    next: usize,
    quota: usize,
}

impl Fetch {
    fn nothing() -> Self {
        Fetch { base: std::ptr::null(), apart: 0, lines: 1, runs: 0, next: 0, quota: 0 }
    }

    fn new(src: Lanes, lane: usize, lanes: usize, step: usize, steps: usize, tiles: usize) -> Self {
        let (apart, length, runs) = if src.lane_stride == 1 {
            (src.depth_stride, lanes, steps)
        } else if src.depth_stride == 1 {
            (src.lane_stride, steps, lanes)
        } else {
            return Fetch::nothing();
        };
        let base = src.ptr.wrapping_add(lane * src.lane_stride + step * src.depth_stride);
        let lines = length.div_ceil(16) + 1;
        Fetch { base, apart, lines, runs, next: 0, quota: (lines * runs).div_ceil(tiles) }
    }

    /// Fills `list` with this tile's share; returns its length.
    fn take(&mut self, list: &mut [*const f32]) -> usize {
        let count = self.quota.min(list.len()).min(self.lines * self.runs - self.next);
        let (mut run, mut line) = (self.next / self.lines, self.next % self.lines);
        for slot in &mut list[..count] {
            *slot = self.base.wrapping_add(run * self.apart + line * 16);
            line += 1;
            if line == self.lines {
                (run, line) = (run + 1, 0);
            }
        }
        self.next += count;
        count
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
