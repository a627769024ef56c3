//! Matrix products in the three forms a linear layer needs, for few rows, and for blocks inside parallel tasks.
//!
//! Kernels are chosen at run time: AVX-512, AVX2 with FMA, or portable code. Results are the same bits from run to run
//! and for any number of threads; they differ by rounding between instruction sets. A row of a result does not depend
//! on the other rows or on how many there are.

use super::few_rows::{self, Target};
use super::gemm::{self, Product};
use super::simd::{self, Lanes};

/// Forward of a linear layer: `y = x · wᵀ`, or `y += x · wᵀ` when `accumulate`.
///
/// Shapes: `y [m, n]`, `x [m, k]`, `w [n, k]`, all row-major and dense. A row of `y` is the same bits whatever `m` is
/// and wherever the row stands in `x`.
///
/// # Panics
/// If a slice does not have its shape.
pub fn matmul_nt(y: &mut [f32], x: &[f32], w: &[f32], m: usize, n: usize, k: usize, accumulate: bool) {
    assert!(is(y, m, n) && is(x, m, k) && is(w, n, k), "y [{m}, {n}], x [{m}, {k}] and w [{n}, {k}]");
    let a = Lanes { ptr: x.as_ptr(), lane_stride: k, depth_stride: 1 };
    let b = Lanes { ptr: w.as_ptr(), lane_stride: k, depth_stride: 1 };
    dense(y, a, b, m, n, k, accumulate);
}

/// Gradient with respect to the input: `dx = dy · w`, or `dx += dy · w` when `accumulate`.
///
/// Shapes: `dx [m, k]`, `dy [m, n]`, `w [n, k]`.
///
/// # Panics
/// If a slice does not have its shape.
pub fn matmul_nn(dx: &mut [f32], dy: &[f32], w: &[f32], m: usize, n: usize, k: usize, accumulate: bool) {
    assert!(is(dx, m, k) && is(dy, m, n) && is(w, n, k), "dx [{m}, {k}], dy [{m}, {n}] and w [{n}, {k}]");
    let a = Lanes { ptr: dy.as_ptr(), lane_stride: n, depth_stride: 1 };
    let b = Lanes { ptr: w.as_ptr(), lane_stride: 1, depth_stride: k };
    dense(dx, a, b, m, k, n, accumulate);
}

/// Gradient with respect to the weight: `dw = dyᵀ · x`, or `dw += dyᵀ · x` when `accumulate`.
///
/// Shapes: `dw [n, k]`, `dy [m, n]`, `x [m, k]`.
///
/// # Panics
/// If a slice does not have its shape.
pub fn matmul_tn(dw: &mut [f32], dy: &[f32], x: &[f32], m: usize, n: usize, k: usize, accumulate: bool) {
    assert!(is(dw, n, k) && is(dy, m, n) && is(x, m, k), "dw [{n}, {k}], dy [{m}, {n}] and x [{m}, {k}]");
    let a = Lanes { ptr: dy.as_ptr(), lane_stride: 1, depth_stride: n };
    let b = Lanes { ptr: x.as_ptr(), lane_stride: 1, depth_stride: k };
    dense(dw, a, b, n, k, m, accumulate);
}

/// Whether a slice is `[rows, cols]`.
fn is(slice: &[f32], rows: usize, cols: usize) -> bool {
    rows.checked_mul(cols) == Some(slice.len())
}

/// A product whose C is dense `[m, n]`; the callers have checked that A and B have their shapes.
fn dense(c: &mut [f32], a: Lanes, b: Lanes, m: usize, n: usize, k: usize, accumulate: bool) {
    let beta = if accumulate { 1.0 } else { 0.0 };
    let product = Product { m, n, k, alpha: 1.0, a, b, beta, c: c.as_mut_ptr(), c_stride: n };
    let small = c.len().saturating_mul(k) < gemm::MIN_PARALLEL;
    let threads = if small { 1 } else { rayon::current_num_threads() };
    // SAFETY: the slices have their shapes, C is borrowed mutably, and the kernels were chosen by what the processor has.
    unsafe { gemm::run(simd::best(), &product, threads) }
}

/// One strided product on the calling thread: `C = alpha · A · B + beta · C`, for blocks inside parallel tasks.
///
/// Shapes: A `[m, k]` with element (i, p) at `i * a_row_stride + p * a_col_stride`, B `[k, n]` likewise,
/// C `[m, n]` with element (i, j) at `i * c_row_stride + j`. With `beta` 0, C is overwritten and never read.
///
/// # Panics
/// If a slice is too short for its shape, or the rows of C overlap.
pub fn gemm_serial(
    m: usize,
    n: usize,
    k: usize,
    alpha: f32,
    a: &[f32],
    a_row_stride: usize,
    a_col_stride: usize,
    b: &[f32],
    b_row_stride: usize,
    b_col_stride: usize,
    beta: f32,
    c: &mut [f32],
    c_row_stride: usize,
) {
    assert!(holds(a, (m, a_row_stride), (k, a_col_stride)), "A [{m}, {k}] does not fit in its slice");
    assert!(holds(b, (k, b_row_stride), (n, b_col_stride)), "B [{k}, {n}] does not fit in its slice");
    assert!(holds(c, (m, c_row_stride), (n, 1)), "C [{m}, {n}] does not fit in its slice");
    assert!(m <= 1 || c_row_stride >= n, "rows of C overlap: stride {c_row_stride} of {n} columns");
    let a = Lanes { ptr: a.as_ptr(), lane_stride: a_row_stride, depth_stride: a_col_stride };
    let b = Lanes { ptr: b.as_ptr(), lane_stride: b_col_stride, depth_stride: b_row_stride };
    let product = Product { m, n, k, alpha, a, b, beta, c: c.as_mut_ptr(), c_stride: c_row_stride };
    // SAFETY: all elements lie in their slices, C is borrowed mutably and its rows are apart, and the kernels were
    // chosen by what the processor has.
    unsafe { gemm::run(simd::best(), &product, 1) }
}

/// Whether a slice holds a strided matrix of these two (size, stride) dimensions.
fn holds(slice: &[f32], rows: (usize, usize), cols: (usize, usize)) -> bool {
    if rows.0 == 0 || cols.0 == 0 {
        return true;
    }
    let last = |(size, stride): (usize, usize)| (size - 1).checked_mul(stride);
    last(rows).zip(last(cols)).and_then(|(r, c)| r.checked_add(c)).is_some_and(|end| end < slice.len())
}

/// One of several weights that share an input in [`matmul_nt_few`].
pub struct FewJob<'a> {
    /// Result, `[m, n]`.
    pub y: &'a mut [f32],
    /// Weight, `[n, k]`.
    pub w: &'a [f32],
    /// Rows of the weight, columns of the result.
    pub n: usize,
}

/// [`matmul_nt`] for few rows, as in decoding, and several weights that share the input `x [m, k]`: the same bits, with
/// `w` read from memory once for 64 rows, in one parallel region for each four weights.
///
/// # Panics
/// If a slice does not have its shape.
pub fn matmul_nt_few(jobs: &mut [FewJob<'_>], x: &[f32], m: usize, k: usize, accumulate: bool) {
    assert!(is(x, m, k), "x [{m}, {k}]");
    let mut targets = [Target { y: std::ptr::null_mut(), w: std::ptr::null(), n: 0 }; 4];
    for jobs in jobs.chunks_mut(targets.len()) {
        let mut values = 0;
        for (target, job) in targets.iter_mut().zip(jobs.iter_mut()) {
            assert!(is(job.y, m, job.n) && is(job.w, job.n, k), "y [{m}, {}] and w [{}, {k}]", job.n, job.n);
            *target = Target { y: job.y.as_mut_ptr(), w: job.w.as_ptr(), n: job.n };
            values += job.w.len();
        }
        let small = values.saturating_mul(m.max(4)) < few_rows::MIN_PARALLEL;
        let threads = if small { 1 } else { rayon::current_num_threads() };
        // SAFETY: the slices have their shapes, the results are borrowed mutably, and the kernels were chosen by what the
        // processor has.
        unsafe { few_rows::run(simd::best(), &targets[..jobs.len()], x.as_ptr(), (m, k), accumulate, threads) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::noise;
    use super::*;

    const SIZES: [usize; 11] = [1, 2, 3, 15, 17, 31, 33, 63, 65, 127, 577];

    /// Asserts that C is `alpha · A · B + beta · before` within rounding of f32 sums; `a` and `b` give elements.
    fn check(
        what: &str,
        (m, n, k): (usize, usize, usize),
        (c, before, c_stride): (&[f32], &[f32], usize),
        (alpha, a): (f32, impl Fn(usize, usize) -> f32),
        (beta, b): (f32, impl Fn(usize, usize) -> f32),
    ) {
        for i in 0..m {
            for j in 0..n {
                let (mut sum, mut size) = (0.0f64, 0.0f64);
                for p in 0..k {
                    let term = f64::from(alpha) * f64::from(a(i, p)) * f64::from(b(p, j));
                    sum += term;
                    size += term.abs();
                }
                let at = i * c_stride + j;
                if beta != 0.0 {
                    sum += f64::from(beta) * f64::from(before[at]);
                    size += f64::from(before[at]).abs();
                }
                let error = (f64::from(c[at]) - sum).abs();
                assert!(error <= 1e-6 * size + 1e-30, "{what} [{m}, {n}, {k}] at ({i}, {j}): {} for {sum}", c[at]);
            }
        }
    }

    /// The three forms on given kernels and threads; `form` 0 is NT, 1 NN, 2 TN. Shapes are those of the product.
    fn product(kernels: &simd::Kernels, form: usize, (m, n, k): (usize, usize, usize), beta: f32, threads: usize) {
        let (a, b, before) = (noise(m * k, 1), noise(k * n, 2), noise(m * n, 3));
        let (a_row, a_col) = if form == 2 { (1, m) } else { (k, 1) };
        let (b_row, b_col) = if form == 0 { (1, k) } else { (n, 1) };
        let mut c = if beta == 0.0 { vec![f32::NAN; m * n] } else { before.clone() };
        let product = Product {
            m,
            n,
            k,
            alpha: 1.0,
            a: Lanes { ptr: a.as_ptr(), lane_stride: a_row, depth_stride: a_col },
            b: Lanes { ptr: b.as_ptr(), lane_stride: b_col, depth_stride: b_row },
            beta,
            c: c.as_mut_ptr(),
            c_stride: n,
        };
        // SAFETY: the vectors have these shapes, and the kernels are available.
        unsafe { gemm::run(kernels, &product, threads) }
        let what = format!("{} form {form} beta {beta} threads {threads}", kernels.name);
        let (a, b) = (|i: usize, p: usize| a[i * a_row + p * a_col], |p: usize, j: usize| b[p * b_row + j * b_col]);
        check(&what, (m, n, k), (&c, &before, n), (1.0, a), (beta, b));
    }

    #[test]
    fn every_path_agrees_with_f64_on_awkward_sizes() {
        for kernels in simd::available() {
            for m in SIZES {
                for n in SIZES {
                    for k in SIZES {
                        if m * n * k <= 20_000 {
                            for form in 0..3 {
                                product(kernels, form, (m, n, k), 0.0, 1);
                                product(kernels, form, (m, n, k), 1.0, 1);
                            }
                        }
                    }
                }
            }
            for (m, n, k) in [(127, 577, 65), (577, 33, 127), (31, 63, 1300), (2, 1030, 577), (3, 5, 0), (0, 7, 3)] {
                for form in 0..3 {
                    for threads in [1, 2, 3, 5] {
                        product(kernels, form, (m, n, k), 0.0, threads);
                        product(kernels, form, (m, n, k), 1.0, threads);
                    }
                }
            }
        }
    }

    /// More than one round of the shared operand, on either side.
    #[test]
    fn long_sums_agree_with_f64() {
        for kernels in simd::available() {
            product(kernels, 0, (20, 40, 30_000), 1.0, 2);
            product(kernels, 1, (40, 20, 30_000), 0.0, 3);
            product(kernels, 2, (70, 6, 30_000), 0.0, 2);
        }
    }

    #[test]
    fn public_products_agree_with_f64() {
        for (m, n, k) in [(65, 577, 127), (33, 17, 3), (1, 2, 0)] {
            let (x, w, dy) = (noise(m * k, 1), noise(n * k, 2), noise(m * n, 3));
            let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), w.clone());
            matmul_nt(&mut y, &x, &w, m, n, k, true);
            let (xs, ws) = (|i: usize, p: usize| x[i * k + p], |p: usize, j: usize| w[j * k + p]);
            check("nt", (m, n, k), (&y, &dy, n), (1.0, xs), (1.0, ws));
            matmul_nn(&mut dx, &dy, &w, m, n, k, true);
            let (dys, ws) = (|i: usize, p: usize| dy[i * n + p], |p: usize, j: usize| w[p * k + j]);
            check("nn", (m, k, n), (&dx, &x, k), (1.0, dys), (1.0, ws));
            matmul_tn(&mut dw, &dy, &x, m, n, k, false);
            let (dys, xs) = (|i: usize, p: usize| dy[p * n + i], |p: usize, j: usize| x[p * k + j]);
            check("tn", (n, k, m), (&dw, &w, k), (1.0, dys), (0.0, xs));
        }
    }

    /// Law: a row is the same bits alone, among others, anywhere, and on any number of threads.
    #[test]
    fn rows_of_nt_do_not_depend_on_each_other() {
        for (m, n, k) in [(100, 130, 577), (61, 33, 1300), (40, 700, 65)] {
            let (x, w) = (noise(m * k, 1), noise(n * k, 2));
            for kernels in simd::available() {
                let run = |x: &[f32], threads: usize| {
                    let rows = x.len() / k;
                    let mut y = vec![0.0; rows * n];
                    let product = Product {
                        m: rows,
                        n,
                        k,
                        alpha: 1.0,
                        a: Lanes { ptr: x.as_ptr(), lane_stride: k, depth_stride: 1 },
                        b: Lanes { ptr: w.as_ptr(), lane_stride: k, depth_stride: 1 },
                        beta: 0.0,
                        c: y.as_mut_ptr(),
                        c_stride: n,
                    };
                    // SAFETY: the vectors have these shapes, and the kernels are available.
                    unsafe { gemm::run(kernels, &product, threads) }
                    y
                };
                let whole = run(&x, 1);
                for threads in [2, 3, 4] {
                    assert_eq!(whole, run(&x, threads), "{} on {threads} threads", kernels.name);
                }
                for rows in [0..1, 1..2, 7..29, m - 3..m, 0..m - 1] {
                    let part = run(&x[rows.start * k..rows.end * k], 2);
                    assert_eq!(whole[rows.start * n..rows.end * n], part, "{} rows {rows:?}", kernels.name);
                }
            }
        }
    }

    #[test]
    fn serial_product_takes_any_strides() {
        for (m, n, k) in [(1, 1, 1), (33, 65, 17), (15, 31, 64), (64, 100, 3), (5, 6, 0), (130, 40, 127)] {
            let side: usize = m.max(n).max(k);
            let space = 3 * side * side + 300;
            let (a, b, before) = (noise(space, 1), noise(space, 2), noise(m * (n + 5), 3));
            for (a_row, a_col) in [(k, 1), (1, m), (k + 3, 1), (1, m + 2), (2 * k + 1, 2), (0, 1)] {
                for (b_row, b_col) in [(n, 1), (1, k), (n + 3, 1), (1, k + 2), (2, 2 * k + 1)] {
                    for (c_stride, alpha, beta) in
                        [(n, 1.0, 0.0), (n + 5, 0.125, 1.0), (n + 5, -1.5, 0.5), (n, 0.0, 2.0)]
                    {
                        let mut c = before.clone();
                        if beta == 0.0 {
                            c.fill(f32::NAN);
                        }
                        gemm_serial(m, n, k, alpha, &a, a_row, a_col, &b, b_row, b_col, beta, &mut c, c_stride);
                        let (a, b) = (
                            |i: usize, p: usize| a[i * a_row + p * a_col],
                            |p: usize, j: usize| b[p * b_row + j * b_col],
                        );
                        check("serial", (m, n, k), (&c, &before, c_stride), (alpha, a), (beta, b));
                        for (at, (now, before)) in c.iter().zip(&before).enumerate() {
                            let gap = at % c_stride >= n || at / c_stride >= m;
                            assert!(!gap || beta == 0.0 || now == before, "wrote outside C at {at}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "A [4, 4] does not fit")]
    fn serial_product_checks_its_slices() {
        gemm_serial(4, 4, 4, 1.0, &[0.0; 15], 4, 1, &[0.0; 16], 4, 1, 0.0, &mut [0.0; 16], 4);
    }

    #[test]
    #[should_panic(expected = "does not fit")]
    fn serial_product_checks_for_overflow() {
        gemm_serial(3, 1, 1, 1.0, &[0.0; 15], usize::MAX / 2 + 1, 1, &[0.0; 1], 1, 1, 0.0, &mut [0.0; 3], 1);
    }

    #[test]
    #[should_panic(expected = "rows of C overlap")]
    fn serial_product_refuses_overlapping_rows() {
        gemm_serial(2, 2, 1, 1.0, &[0.0; 2], 1, 1, &[0.0; 2], 2, 1, 0.0, &mut [0.0; 4], 1);
    }

    #[test]
    #[should_panic(expected = "y [4294967296, 4294967296]")]
    fn shapes_that_overflow_are_refused() {
        matmul_nt(&mut [], &[], &[], 1 << 32, 1 << 32, 0, false);
    }

    /// Law: however many rows, weights and threads share the work, the product for few rows has the large product's bits.
    #[test]
    fn few_rows_have_the_bits_of_the_large_product() {
        let few = |kernels: &simd::Kernels, x: &[f32], ws: &[(&[f32], usize)], y: &mut [Vec<f32>], k, add, threads| {
            let target =
                |(y, &(w, n)): (&mut Vec<f32>, &(&[f32], usize))| Target { y: y.as_mut_ptr(), w: w.as_ptr(), n };
            let targets: Vec<Target> = y.iter_mut().zip(ws).map(target).collect();
            // SAFETY: the vectors have these shapes, and the kernels are available.
            unsafe { few_rows::run(kernels, &targets, x.as_ptr(), (x.len() / k, k), add, threads) }
        };
        for kernels in simd::available() {
            for (n, k) in [(70, 577), (33, 64), (9, 31), (4, 1), (17, 1300), (5, 672), (64, 96)] {
                for m in [1, 2, 5, 7, 14, 15, 31, 64, 65, 130] {
                    let (x, w, other) = (noise(m * k, 1), noise(n * k, 2), noise(23 * k, 3));
                    for add in [false, true] {
                        let before = if add { noise(m * n, 4) } else { vec![f32::NAN; m * n] };
                        let mut want = before.clone();
                        let product = Product {
                            m,
                            n,
                            k,
                            alpha: 1.0,
                            a: Lanes { ptr: x.as_ptr(), lane_stride: k, depth_stride: 1 },
                            b: Lanes { ptr: w.as_ptr(), lane_stride: k, depth_stride: 1 },
                            beta: if add { 1.0 } else { 0.0 },
                            c: want.as_mut_ptr(),
                            c_stride: n,
                        };
                        // SAFETY: the vectors have these shapes, and the kernels are available.
                        unsafe { gemm::run(kernels, &product, 2) }
                        let mut y = [vec![0.0; m * 23], before];
                        few(kernels, &x, &[(&other, 23), (&w, n)], &mut y, k, add, 1 + m % 3);
                        assert_eq!(y[1], want, "{} [{m}, {n}, {k}] add {add}", kernels.name);
                    }
                }
            }
        }
    }

    /// Law: zeros behind the last term change nothing, as where keys that a query may not see follow those it may.
    #[test]
    fn zeros_at_the_end_of_a_sum_change_nothing() {
        let (m, n, k) = (20, 40, 1500);
        let (mut x, w) = (noise(m * k, 1), noise(n * k, 2));
        for used in [1, 96, 100, 671, 672, 900] {
            x.chunks_exact_mut(k).for_each(|row| row[used..].fill(0.0));
            let mut whole = vec![0.0; m * n];
            matmul_nt(&mut whole, &x, &w, m, n, k, false);
            let cut = |v: &[f32]| -> Vec<f32> { v.chunks_exact(k).flat_map(|row| &row[..used]).copied().collect() };
            let mut part = vec![0.0; m * n];
            matmul_nt(&mut part, &cut(&x), &cut(&w), m, n, used, false);
            assert_eq!(whole, part, "{used} of {k}");
            x = noise(m * k, 1);
        }
    }

    #[test]
    fn few_rows_of_nothing() {
        let mut y = vec![f32::NAN; 6];
        matmul_nt_few(&mut [FewJob { y: &mut y, w: &[], n: 3 }], &[], 2, 0, false);
        assert_eq!(y, [0.0; 6]);
        matmul_nt_few(&mut [FewJob { y: &mut [], w: &[1.0; 6], n: 2 }], &[], 0, 3, false);
        matmul_nt_few(&mut [FewJob { y: &mut [], w: &[], n: 0 }], &[1.0; 6], 2, 3, false);
    }
}
