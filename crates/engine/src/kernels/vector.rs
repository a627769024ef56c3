//! Vector loops compiled once for each instruction set, chosen at run time.
//!
//! A shipped binary is built for the oldest x86-64, so loops that the compiler vectorises would stay at four lanes.
//! [`simd!`] compiles a function body three times (AVX-512, AVX2, portable) and picks one when called. Bodies are plain
//! safe Rust: the same arithmetic in the same order of operations, so paths differ by rounding of vector width only.

/// Lanes of every reduction below; fixed so that a sum does not depend on the instruction set.
pub const LANES: usize = 16;

/// Declares functions whose bodies are compiled for AVX-512, AVX2 and the baseline, and dispatched at run time. In a body,
/// the constant `FMA` says whether the instruction set has fused multiply-adds, for [`madd`].
macro_rules! simd {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block)*) => {$(
        $(#[$meta])*
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            #[allow(clippy::inline_always)] // the point: inlined into each wrapper, compiled with its features
            fn body<const FMA: bool>($($arg: $ty),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
                fn v4($($arg: $ty),*) $(-> $ret)? { body::<true>($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                fn v3($($arg: $ty),*) $(-> $ret)? { body::<true>($($arg),*) }
                if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("fma")
                {
                    // SAFETY: the features were detected in the line above.
                    return unsafe { v4($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: the features were detected in the line above.
                    return unsafe { v3($($arg),*) };
                }
            }
            body::<false>($($arg),*)
        }
    )*};
}
pub(crate) use simd;

/// exp(x) to about 2 ulp, without branches so that loops over it vectorise. Underflows to 0, overflows to a huge value.
///
/// Cephes' split x = n·ln 2 + r with a degree-6 polynomial in r.
#[inline(always)]
#[allow(clippy::inline_always, clippy::excessive_precision)]
pub fn exp(x: f32) -> f32 {
    // 1.5·2²³: adding it rounds to an integer held in the low mantissa bits.
    const ROUND: f32 = 12_582_912.0;
    let clamped = x.clamp(-87.3, 88.3);
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = clamped - n * 0.693_359_375 - n * -2.121_944_4e-4;
    let mut p = 1.987_569_2e-4;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let e = p * r * r + r + 1.0;
    let scale = f32::from_bits(((shifted.to_bits().wrapping_sub(ROUND.to_bits())).wrapping_add(127)) << 23);
    // Below the clamp the true value is under the smallest normal number.
    if x < -87.3 { 0.0 } else { e * scale }
}

/// a·b + c as the matrix kernels of the same instruction set compute it: with one rounding, or with two.
#[inline(always)]
#[allow(clippy::inline_always)]
pub fn madd<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { c + a * b }
}

/// 1 / (1 + exp(−x)).
#[inline(always)]
#[allow(clippy::inline_always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn lane_sum(acc: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    let mut acc = acc;
    while width > 0 {
        for i in 0..width {
            acc[i] += acc[i + width];
        }
        width /= 2;
    }
    acc[0]
}

/// Dot product of equally long slices; a fixed order of summation. Inlined into [`simd!`] bodies.
#[inline(always)]
#[allow(clippy::inline_always)]
pub fn dot_body(a: &[f32], b: &[f32]) -> f32 {
    let n = a.len().min(b.len());
    let (a, b) = (&a[..n], &b[..n]);
    let mut acc = [0.0f32; LANES];
    let (mut ca, mut cb) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for (x, y) in (&mut ca).zip(&mut cb) {
        for i in 0..LANES {
            acc[i] += x[i] * y[i];
        }
    }
    let mut tail = 0.0;
    for (x, y) in ca.remainder().iter().zip(cb.remainder()) {
        tail += x * y;
    }
    lane_sum(acc) + tail
}

/// Sum of a slice in the same fixed order.
#[inline(always)]
#[allow(clippy::inline_always)]
fn sum_body(a: &[f32]) -> f32 {
    let mut acc = [0.0f32; LANES];
    let mut chunks = a.chunks_exact(LANES);
    for x in &mut chunks {
        for i in 0..LANES {
            acc[i] += x[i];
        }
    }
    lane_sum(acc) + chunks.remainder().iter().sum::<f32>()
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn max_body(a: &[f32]) -> f32 {
    let mut acc = [f32::NEG_INFINITY; LANES];
    let mut chunks = a.chunks_exact(LANES);
    for x in &mut chunks {
        for i in 0..LANES {
            acc[i] = if x[i] > acc[i] { x[i] } else { acc[i] };
        }
    }
    let head = acc.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    chunks.remainder().iter().copied().fold(head, f32::max)
}

simd! {
    /// Dot product, in a fixed order of summation.
    pub fn dot(a: &[f32], b: &[f32]) -> f32 { dot_body(a, b) }

    /// Sum of a slice, in a fixed order.
    pub fn sum(a: &[f32]) -> f32 { sum_body(a) }

    /// Largest entry; −∞ for an empty slice. NaN entries are passed over.
    pub fn max(a: &[f32]) -> f32 { max_body(a) }

    /// `y += a · x`.
    pub fn axpy(y: &mut [f32], a: f32, x: &[f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y += a * x;
        }
    }

    /// `x *= a`.
    pub fn scale(x: &mut [f32], a: f32) {
        for x in x {
            *x *= a;
        }
    }

    /// Replaces each entry by exp(entry − shift) and returns the sum.
    pub fn exp_shift_sum(x: &mut [f32], shift: f32) -> f32 {
        let mut acc = [0.0f32; LANES];
        let mut chunks = x.chunks_exact_mut(LANES);
        for c in &mut chunks {
            for i in 0..LANES {
                c[i] = exp(c[i] - shift);
                acc[i] += c[i];
            }
        }
        let mut tail = 0.0;
        for v in chunks.into_remainder() {
            *v = exp(*v - shift);
            tail += *v;
        }
        lane_sum(acc) + tail
    }

    /// Sum of exp((entry − shift)·rate), leaving the slice as it is.
    pub fn sum_exp(x: &[f32], shift: f32, rate: f32) -> f32 {
        let mut acc = [0.0f32; LANES];
        let mut chunks = x.chunks_exact(LANES);
        for c in &mut chunks {
            for i in 0..LANES {
                acc[i] += exp((c[i] - shift) * rate);
            }
        }
        lane_sum(acc) + chunks.remainder().iter().map(|v| exp((v - shift) * rate)).sum::<f32>()
    }

    /// Σ pᵢ·zᵢ with zᵢ = entry·rate and pᵢ = exp(zᵢ − lse): the mean logit, so that entropy = lse − mean.
    pub fn mean_logit(x: &[f32], lse: f32, rate: f32) -> f32 {
        let mut acc = [0.0f32; LANES];
        let mut chunks = x.chunks_exact(LANES);
        for c in &mut chunks {
            for i in 0..LANES {
                let z = c[i] * rate;
                acc[i] += exp(z - lse) * z;
            }
        }
        lane_sum(acc) + chunks.remainder().iter().map(|v| exp(v * rate - lse) * v * rate).sum::<f32>()
    }

    /// Logits to their gradient, in place: entry := rate·(d_entropy·(−p·(ln p + entropy)) − d_logp·p), p = exp(entry·rate − lse).
    ///
    /// The caller adds `rate·d_logp` at the target.
    pub fn logit_gradient(x: &mut [f32], lse: f32, rate: f32, d_logp: f32, d_entropy: f32, entropy: f32) {
        if d_entropy == 0.0 {
            let factor = -rate * d_logp;
            for v in x {
                *v = factor * exp(*v * rate - lse);
            }
        } else {
            for v in x {
                let ln_p = *v * rate - lse;
                let p = exp(ln_p);
                *v = -rate * p * (d_logp + d_entropy * (ln_p + entropy));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_agrees_with_f64_over_its_whole_range() {
        let mut worst = 0.0f64;
        for i in -870..=880 {
            let x = i as f32 * 0.1 + 0.013;
            let (got, want) = (f64::from(exp(x)), f64::from(x).exp());
            worst = worst.max((got / want - 1.0).abs());
        }
        assert!(worst < 3e-7, "worst relative error {worst:e}");
        assert_eq!(exp(-1000.0), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn reductions_agree_with_f64() {
        for n in [0, 1, 15, 16, 17, 100] {
            let a: Vec<f32> = (0..n).map(|i| ((i * 37 % 11) as f32 - 5.0) * 0.3).collect();
            let b: Vec<f32> = (0..n).map(|i| ((i * 53 % 13) as f32 - 6.0) * 0.2).collect();
            let want: f64 = a.iter().zip(&b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
            assert!((f64::from(dot(&a, &b)) - want).abs() < 1e-4);
            assert!((f64::from(sum(&a)) - a.iter().map(|x| f64::from(*x)).sum::<f64>()).abs() < 1e-5);
            assert_eq!(max(&a), a.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let m = max(&a).max(0.0);
            let want: f64 = a.iter().map(|x| f64::from(*x - m).exp()).sum();
            assert!((f64::from(sum_exp(&a, m, 1.0)) - want).abs() < 1e-5);
            let mut c = a.clone();
            assert!((f64::from(exp_shift_sum(&mut c, m)) - want).abs() < 1e-5);
        }
    }
}
