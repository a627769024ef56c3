//! Register tiles and packing for the matrix product, one set per instruction set, chosen at run time.
//!
//! A packed panel holds `lanes` rows (of A) or columns (of B) side by side for each step along the summed dimension
//! ("depth"): element (lane i, depth p) lies at `p * stride + i`. The tile kernel multiplies one panel of A with one
//! panel of B. Every kernel adds the products of one output element in order of depth, one fused multiply-add at a
//! time, and begins a new partial sum after every [`FOLD`] of them, whatever the shape of the tile; so an element's
//! value does not depend on where it lies in the product, and its rounding error grows with FOLD, not with the depth.

#[cfg(target_arch = "x86_64")]
mod x86;

/// Products in one partial sum. Shorter ones cost adds, longer ones accuracy (design record 3).
pub(super) const FOLD: usize = 96;

/// One register tile: `c[i][j] = alpha * sum_p a[p][i] * b[p][j] + beta * c[i][j]` for i < rows, j < cols.
pub(super) struct Tile {
    pub depth: usize,
    /// Panel of A.
    pub a: Panel,
    /// Packed panel of B, `tile_cols` lanes at the same stride.
    pub b: *const f32,
    pub c: *mut f32,
    pub c_stride: usize,
    pub rows: usize,
    pub cols: usize,
    pub alpha: f32,
    /// 0 overwrites `c` without reading it.
    pub beta: f32,
    /// Whether the lines of `c` are asked for before the sum begins.
    pub fetch_c: bool,
    /// What to bring into the second-level cache meanwhile: the first lines, one for two steps of depth.
    pub fetch: [Run; 2],
}

impl Tile {
    /// How many lines of `fetch` one for two steps of depth are.
    fn lines(&self) -> usize {
        (self.fetch[0].lines + self.fetch[1].lines).min(self.depth / 2)
    }
}

/// A panel of A: packed, with `tile_rows` lanes side by side at a stride of `a_stride`, or rows of a matrix as they lie, each with its
/// depth contiguous.
#[derive(Clone, Copy)]
pub(super) struct Panel {
    pub ptr: *const f32,
    /// From one row to the next: 1 where it is packed.
    pub row: usize,
}

/// Addresses a fixed distance apart. They need not be valid: a prefetch never faults.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub ptr: *const f32,
    /// In values.
    pub apart: usize,
    pub lines: usize,
}

impl Run {
    pub const NOTHING: Run = Run { ptr: std::ptr::null(), apart: 0, lines: 0 };
}

/// Lanes of a matrix that lies anywhere: element (lane i, depth p) at `ptr + i * lane_stride + p * depth_stride`.
#[derive(Clone, Copy)]
pub(super) struct Lanes {
    pub ptr: *const f32,
    pub lane_stride: usize,
    pub depth_stride: usize,
}

impl Lanes {
    /// The same matrix, seen from `lane` and `depth` on.
    ///
    /// # Safety
    /// That element must lie in the allocation, or one past its end.
    pub unsafe fn at(self, lane: usize, depth: usize) -> Self {
        // SAFETY: the caller's promise.
        Lanes { ptr: unsafe { self.ptr.add(lane * self.lane_stride + depth * self.depth_stride) }, ..self }
    }

    /// [`Lanes::at`], of an element that need not be there as long as it is not read.
    pub fn wrapping_at(self, lane: usize, depth: usize) -> Self {
        Lanes { ptr: self.ptr.wrapping_add(lane * self.lane_stride + depth * self.depth_stride), ..self }
    }
}

/// A block of A or B to pack: `lanes` lanes, `depth` steps, in panels of `width` lanes; the last one may be partial.
#[derive(Clone, Copy)]
pub(super) struct Pack {
    pub src: Lanes,
    pub lanes: usize,
    pub depth: usize,
    pub width: usize,
    /// Values per step of a panel, at least `width`; lanes past the block's last become zero.
    pub stride: usize,
    pub dst: *mut f32,
    /// Distance between panels in `dst`.
    pub panel: usize,
    /// Where depth is contiguous: the line so many values behind each one that is read is fetched. It need not exist.
    pub ahead: usize,
}

/// The kernels of one instruction set.
pub(super) struct Kernels {
    #[cfg_attr(not(test), allow(dead_code, reason = "named in test failures"))]
    pub name: &'static str,
    /// Rows of the register tile.
    pub tile_rows: usize,
    /// Stride of a packed panel of A, at least `tile_rows`.
    pub a_stride: usize,
    /// Columns of the register tile, and stride of a packed panel of B.
    pub tile_cols: usize,
    /// Whether the tile reads rows of A where they lie; else all panels are packed.
    pub rows_as_they_lie: bool,
    /// Packs a block of A or B to panels.
    pub pack: unsafe fn(&Pack),
    pub tile: unsafe fn(&Tile),
}

/// The best kernels that this processor runs.
pub(super) fn best() -> &'static Kernels {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
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
pub(super) fn available() -> Vec<&'static Kernels> {
    let mut all = vec![&PORTABLE];
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            all.push(&x86::AVX512);
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            all.push(&x86::AVX2);
        }
    }
    all
}

pub(super) static PORTABLE: Kernels = Kernels {
    name: "portable",
    tile_rows: 4,
    a_stride: 4,
    tile_cols: 8,
    rows_as_they_lie: false,
    pack: pack_portable,
    tile: tile_portable,
};

/// # Safety
/// `src` and `dst` hold the block as the fields say.
unsafe fn pack_portable(p: &Pack) {
    for (q, lane) in (0..p.lanes).step_by(p.width).enumerate() {
        let lanes = p.width.min(p.lanes - lane);
        for d in 0..p.depth {
            for i in 0..p.stride {
                // SAFETY: within the sizes that the caller promises.
                unsafe {
                    let value = if i < lanes { *p.src.at(lane + i, d).ptr } else { 0.0 };
                    *p.dst.add(q * p.panel + d * p.stride + i) = value;
                }
            }
        }
    }
}

/// # Safety
/// The tile's panels and its corner of C are as long as its fields say, and nobody else touches that corner of C.
unsafe fn tile_portable(t: &Tile) {
    let mut sum = [[0.0f32; 8]; 4];
    for start in (0..t.depth).step_by(FOLD) {
        let mut acc = [[0.0f32; 8]; 4];
        for p in start..t.depth.min(start + FOLD) {
            // SAFETY: panels hold 4 and 8 values per step.
            let (a, b) = unsafe { (&*t.a.ptr.add(p * 4).cast::<[f32; 4]>(), &*t.b.add(p * 8).cast::<[f32; 8]>()) };
            for i in 0..4 {
                for j in 0..8 {
                    acc[i][j] += a[i] * b[j];
                }
            }
        }
        for i in 0..4 {
            for j in 0..8 {
                sum[i][j] += acc[i][j];
            }
        }
    }
    for i in 0..t.rows {
        for j in 0..t.cols {
            // SAFETY: within the tile's corner of C.
            let c = unsafe { &mut *t.c.add(i * t.c_stride + j) };
            let value = t.alpha * sum[i][j];
            *c = if t.beta == 0.0 { value } else { value + t.beta * *c };
        }
    }
}
