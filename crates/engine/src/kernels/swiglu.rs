//! SwiGLU's gate: act = silu(gate) · up, silu(x) = x·σ(x). Shazeer 2020, arXiv:2002.05202, eq. 6.

use super::vector::{sigmoid, simd};
use rayon::prelude::*;

/// Entries handled by one task.
const CHUNK: usize = 16 * 1024;

simd! {
    fn forward_chunk(act: &mut [f32], gate: &[f32], up: &[f32]) {
        for ((a, g), u) in act.iter_mut().zip(gate).zip(up) {
            *a = g * sigmoid(*g) * u;
        }
    }

    fn backward_chunk(d_act: &mut [f32], gate: &mut [f32], up: &mut [f32]) {
        for ((d, g), u) in d_act.iter_mut().zip(gate).zip(up) {
            let (dy, x, y) = (*d, *g, *u);
            let s = sigmoid(x);
            let silu = x * s;
            *d = silu * y;
            *u = dy * silu;
            *g = dy * y * (s + silu * (1.0 - s));
        }
    }
}

/// `act = silu(gate) · up`, entry by entry.
pub fn swiglu(act: &mut [f32], gate: &[f32], up: &[f32]) {
    assert!(act.len() == gate.len() && gate.len() == up.len(), "swiglu shapes");
    if act.len() <= CHUNK {
        return forward_chunk(act, gate, up);
    }
    act.par_chunks_mut(CHUNK)
        .zip(gate.par_chunks(CHUNK))
        .zip(up.par_chunks(CHUNK))
        .for_each(|((a, g), u)| forward_chunk(a, g, u));
}

/// Backward in place: `d_act` becomes `act` again (the weight gradient wants it), `gate` and `up` become their gradients.
pub fn swiglu_backward(d_act: &mut [f32], gate: &mut [f32], up: &mut [f32]) {
    assert!(d_act.len() == gate.len() && gate.len() == up.len(), "swiglu_backward shapes");
    d_act
        .par_chunks_mut(CHUNK)
        .zip(gate.par_chunks_mut(CHUNK))
        .zip(up.par_chunks_mut(CHUNK))
        .for_each(|((d, g), u)| backward_chunk(d, g, u));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{close, finite_difference, noise};

    #[test]
    fn forward_and_backward_agree_with_f64() {
        let n = 1003;
        let (g, u, d) = (noise(n, 1), noise(n, 2), noise(n, 3));
        let up = |v: &[f32]| v.iter().map(|&v| f64::from(v) * 3.0).collect::<Vec<_>>();
        let (g64, u64, d64) = (up(&g), up(&u), up(&d));
        let f = |g: &[f64], u: &[f64]| g.iter().zip(u).map(|(g, u)| g / (1.0 + (-g).exp()) * u).collect::<Vec<_>>();
        let down = |v: &[f64]| v.iter().map(|&v| v as f32).collect::<Vec<_>>();
        let mut act = vec![0.0; n];
        swiglu(&mut act, &down(&g64), &down(&u64));
        close(&act, &f(&g64, &u64), 1e-5);
        let (mut da, mut dg, mut du) = (down(&d64), down(&g64), down(&u64));
        swiglu_backward(&mut da, &mut dg, &mut du);
        close(&da, &f(&g64, &u64), 1e-5);
        let loss = |g: &[f64], u: &[f64]| f(g, u).iter().zip(&d64).map(|(a, b)| a * b).sum::<f64>();
        close(&dg, &finite_difference(&g64, |g| loss(g, &u64)), 1e-4);
        close(&du, &finite_difference(&u64, |u| loss(&g64, u)), 1e-4);
    }
}
