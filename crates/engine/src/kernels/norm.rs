//! RMSNorm: y = x / sqrt(mean(x²) + ε) · w. Zhang & Sennrich 2019, arXiv:1910.07467, eq. 4.

use super::vector::{dot_body, simd};
use rayon::prelude::*;

/// Rows handled by one task: enough work to pay for handing it to a thread.
const ROWS: usize = 32;

simd! {
    fn norm_rows(y: &mut [f32], x: &[f32], w: &[f32], inv_rms: &mut [f32], eps: f32) {
        let d = w.len();
        for ((y, x), r) in y.chunks_exact_mut(d).zip(x.chunks_exact(d)).zip(inv_rms) {
            let mean_square = dot_body(x, x) / d as f32;
            *r = 1.0 / (mean_square + eps).sqrt();
            for ((y, x), w) in y.iter_mut().zip(x).zip(w) {
                *y = x * *r * w;
            }
        }
    }

    fn apply_rows(y: &mut [f32], x: &[f32], w: &[f32], inv_rms: &[f32]) {
        let d = w.len();
        for ((y, x), r) in y.chunks_exact_mut(d).zip(x.chunks_exact(d)).zip(inv_rms) {
            for ((y, x), w) in y.iter_mut().zip(x).zip(w) {
                *y = x * *r * w;
            }
        }
    }

    fn backward_rows(dx: &mut [f32], dw: &mut [f32], dy: &[f32], x: &[f32], w: &[f32], inv_rms: &[f32], add: bool) {
        let d = w.len();
        for (((dx, dy), x), &r) in dx.chunks_exact_mut(d).zip(dy.chunks_exact(d)).zip(x.chunks_exact(d)).zip(inv_rms) {
            // With n = x·r: dx = r·(g − n·mean(g·n)), g = dy·w.
            let mut acc = [0.0f32; 16];
            let mut at = 0;
            while at + 16 <= d {
                for i in 0..16 {
                    acc[i] += dy[at + i] * w[at + i] * x[at + i];
                }
                at += 16;
            }
            let mut gx: f32 = acc.iter().sum();
            for i in at..d {
                gx += dy[i] * w[i] * x[i];
            }
            let c = gx * r * r / d as f32;
            if add {
                for i in 0..d {
                    dx[i] += r * (dy[i] * w[i] - x[i] * c);
                    dw[i] += dy[i] * x[i] * r;
                }
            } else {
                for i in 0..d {
                    dx[i] = r * (dy[i] * w[i] - x[i] * c);
                    dw[i] += dy[i] * x[i] * r;
                }
            }
        }
    }
}

/// `y [rows, d]` from `x [rows, d]` and weight `w [d]`; keeps 1/rms of each row in `inv_rms [rows]`.
pub fn rms_norm(y: &mut [f32], x: &[f32], w: &[f32], inv_rms: &mut [f32], eps: f32) {
    let d = w.len();
    assert!(y.len() == x.len() && x.len() == inv_rms.len() * d, "rms_norm shapes");
    if inv_rms.len() <= ROWS {
        return norm_rows(y, x, w, inv_rms, eps);
    }
    y.par_chunks_mut(ROWS * d)
        .zip(x.par_chunks(ROWS * d))
        .zip(inv_rms.par_chunks_mut(ROWS))
        .for_each(|((y, x), r)| norm_rows(y, x, w, r, eps));
}

/// The forward product again, from the kept `inv_rms`, for a backward pass that did not keep `y`.
pub fn rms_norm_again(y: &mut [f32], x: &[f32], w: &[f32], inv_rms: &[f32]) {
    let d = w.len();
    assert!(y.len() == x.len() && x.len() == inv_rms.len() * d, "rms_norm_again shapes");
    y.par_chunks_mut(ROWS * d)
        .zip(x.par_chunks(ROWS * d))
        .zip(inv_rms.par_chunks(ROWS))
        .for_each(|((y, x), r)| apply_rows(y, x, w, r));
}

/// Backward: `dx (+)= ∂/∂x`, and returns `∂/∂w [d]`. `add` accumulates into `dx`, otherwise it is overwritten.
///
/// Partial weight gradients are summed in the order of rows, so the result does not depend on the thread count.
pub fn rms_norm_backward(dx: &mut [f32], dy: &[f32], x: &[f32], w: &[f32], inv_rms: &[f32], add: bool) -> Vec<f32> {
    let d = w.len();
    assert!(dx.len() == x.len() && dy.len() == x.len() && x.len() == inv_rms.len() * d, "rms_norm_backward shapes");
    let partial: Vec<Vec<f32>> = dx
        .par_chunks_mut(ROWS * d)
        .zip(dy.par_chunks(ROWS * d))
        .zip(x.par_chunks(ROWS * d))
        .zip(inv_rms.par_chunks(ROWS))
        .map(|(((dx, dy), x), r)| {
            let mut dw = vec![0.0; d];
            backward_rows(dx, &mut dw, dy, x, w, r, add);
            dw
        })
        .collect();
    let mut dw = vec![0.0; d];
    for part in partial {
        for (a, b) in dw.iter_mut().zip(part) {
            *a += b;
        }
    }
    dw
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{close, finite_difference, noise};

    fn naive(x: &[f64], w: &[f64], eps: f64) -> Vec<f64> {
        let d = w.len();
        x.chunks(d)
            .flat_map(|row| {
                let r = 1.0 / (row.iter().map(|v| v * v).sum::<f64>() / d as f64 + eps).sqrt();
                row.iter().zip(w).map(move |(v, w)| v * r * w).collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn forward_and_backward_agree_with_f64() {
        for (rows, d) in [(1, 3), (5, 16), (70, 37)] {
            let (x, w, g) = (noise(rows * d, 1), noise(d, 2), noise(rows * d, 3));
            let mut y = vec![0.0; rows * d];
            let mut r = vec![0.0; rows];
            rms_norm(&mut y, &x, &w, &mut r, 1e-5);
            let up = |v: &[f32]| v.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
            close(&y, &naive(&up(&x), &up(&w), 1e-5), 1e-5);
            let mut again = vec![0.0; rows * d];
            rms_norm_again(&mut again, &x, &w, &r);
            assert_eq!(y, again);
            let mut dx = vec![1.0; rows * d];
            let dw = rms_norm_backward(&mut dx, &g, &x, &w, &r, true);
            let loss = |x: &[f64], w: &[f64]| naive(x, w, 1e-5).iter().zip(&up(&g)).map(|(a, b)| a * b).sum::<f64>();
            let want: Vec<f64> = finite_difference(&up(&x), |x| loss(x, &up(&w))).iter().map(|v| v + 1.0).collect();
            close(&dx, &want, 1e-4);
            close(&dw, &finite_difference(&up(&w), |w| loss(&up(&x), w)), 1e-4);
        }
    }
}
