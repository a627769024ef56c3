//! Named random streams.
//!
//! A draw depends on its name (seed, stage, step, item) and on nothing else: not on the order in which streams are
//! made, not on threads, not on what ran before. A resumed run therefore needs no generator state.
//!
//! 1. The key of ChaCha8 (Bernstein 2008, eight rounds) is SHA-256 over the name; the stage is preceded by its length,
//!    so that no two names share a key by running together.
//! 2. Draws are integers until the last step, so `uniform`, `below` and `shuffle` are the same on every machine;
//!    `normal` goes through the platform's `ln` and `cos`.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};
use sha2::{Digest, Sha256};

/// The random stream with this name; `seed` is the run's, `stage` the stage's name, `step` and `item` count within it.
///
/// ```
/// use trimtab_run::stream;
/// let (mut a, mut b) = (stream(7, "ppo", 3, 0), stream(7, "ppo", 3, 0));
/// assert_eq!(a.next_u64(), b.next_u64());
/// assert_ne!(stream(7, "ppo", 3, 1).next_u64(), stream(7, "ppo", 4, 1).next_u64());
/// ```
#[must_use]
pub fn stream(seed: u64, stage: &str, step: u64, item: u64) -> Stream {
    let mut key = Sha256::new();
    key.update(b"trimtab stream 1");
    key.update(seed.to_le_bytes());
    key.update((stage.len() as u64).to_le_bytes());
    key.update(stage.as_bytes());
    key.update(step.to_le_bytes());
    key.update(item.to_le_bytes());
    Stream { rng: ChaCha8Rng::from_seed(key.finalize().into()) }
}

/// A stream of random draws; see [`stream()`].
#[derive(Debug, Clone)]
pub struct Stream {
    rng: ChaCha8Rng,
}

impl Stream {
    /// Uniform over all 32-bit numbers.
    pub fn next_u32(&mut self) -> u32 {
        self.rng.next_u32()
    }

    /// Uniform over all 64-bit numbers.
    pub fn next_u64(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// Uniform in [0, 1), a multiple of 2⁻⁵³.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Standard normal, by Box and Muller 1958; each draw uses two uniforms, so draws can be counted.
    pub fn normal(&mut self) -> f64 {
        // 1 − u is in (0, 1]: the logarithm is finite.
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Uniform in 0..n without bias, by Lemire 2019, arXiv:1805.10941.
    ///
    /// # Panics
    /// If `n` is 0: there is nothing to draw from.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "a draw below 0 does not exist");
        // 2⁶⁴ mod n products are one too many for a fair share.
        let unfair = n.wrapping_neg() % n;
        loop {
            let wide = u128::from(self.next_u64()) * u128::from(n);
            if wide as u64 >= unfair {
                return (wide >> 64) as u64;
            }
        }
    }

    /// Puts the items in a uniformly drawn order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }

    /// The generator itself, for code that takes one.
    #[must_use]
    pub fn into_rng(self) -> ChaCha8Rng {
        self.rng
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Law: streams made in any order, interleaved or not, hold the same draws.
    #[test]
    fn order_does_not_matter() {
        let draw = |step, item| stream(1, "sample", step, item).next_u64();
        let forwards: Vec<_> = (0..20).map(|i| draw(i / 5, i % 5)).collect();
        let mut backwards: Vec<_> = (0..20).rev().map(|i| draw(i / 5, i % 5)).collect();
        backwards.reverse();
        assert_eq!(forwards, backwards);

        let (mut a, mut b) = (stream(1, "sample", 0, 0), stream(1, "sample", 0, 1));
        let mixed: Vec<_> = (0..8).map(|i| if i % 2 == 0 { a.next_u64() } else { b.next_u64() }).collect();
        let mut a = stream(1, "sample", 0, 0);
        assert!((0..4).all(|i| a.next_u64() == mixed[2 * i]));
    }

    /// Law: every part of the name matters, and names do not run together.
    #[test]
    fn names_are_distinct() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..3 {
            for stage in ["", "a", "ab", "b", "a\0"] {
                for (step, item) in [(0, 0), (0, 1), (1, 0), (256, 0), (0, 256), (1 << 56, 97)] {
                    assert!(seen.insert(stream(seed, stage, step, item).next_u64()));
                }
            }
        }
    }

    /// Uniform draws: mean 1/2, variance 1/12, ten equal bins by chi-square (99.9 % point for 9 degrees: 27.9).
    #[test]
    fn uniform_is_uniform() {
        let mut s = stream(2, "test", 0, 0);
        let n = 100_000;
        let draws: Vec<f64> = (0..n).map(|_| s.uniform()).collect();
        assert!(draws.iter().all(|u| (0.0..1.0).contains(u)));
        let mean = draws.iter().sum::<f64>() / n as f64;
        let var = draws.iter().map(|u| (u - mean).powi(2)).sum::<f64>() / n as f64;
        assert!((mean - 0.5).abs() < 0.005 && (var - 1.0 / 12.0).abs() < 0.001, "{mean} {var}");
        let mut bins = [0u32; 10];
        for u in &draws {
            bins[(u * 10.0) as usize] += 1;
        }
        let expected = n as f64 / 10.0;
        let chi2: f64 = bins.iter().map(|&b| (f64::from(b) - expected).powi(2) / expected).sum();
        assert!(chi2 < 27.9, "{chi2}");
    }

    /// First draws of neighbouring streams are uniform too: that is how items are seeded.
    #[test]
    fn first_draws_of_neighbours_are_uniform() {
        let n = 20_000;
        let mut bins = [0u32; 10];
        (0..n).for_each(|item| bins[(stream(0, "sample", 0, item).uniform() * 10.0) as usize] += 1);
        let chi2: f64 = bins.iter().map(|&b| (f64::from(b) - n as f64 / 10.0).powi(2) / (n as f64 / 10.0)).sum();
        assert!(chi2 < 27.9, "{chi2}");
    }

    /// Normal draws: the first four moments 0, 1, 0, 3, and the shares within one and two deviations.
    #[test]
    fn normal_is_normal() {
        let mut s = stream(3, "test", 0, 0);
        let draws: Vec<f64> = (0..200_000).map(|_| s.normal()).collect();
        let moment = |k: i32| draws.iter().map(|x| x.powi(k)).sum::<f64>() / draws.len() as f64;
        assert!(moment(1).abs() < 0.01 && (moment(2) - 1.0).abs() < 0.015);
        assert!(moment(3).abs() < 0.04 && (moment(4) - 3.0).abs() < 0.1);
        let within = |z: f64| draws.iter().filter(|x| x.abs() < z).count() as f64 / draws.len() as f64;
        assert!((within(1.0) - 0.6827).abs() < 0.005 && (within(2.0) - 0.9545).abs() < 0.003);
    }

    /// `below` reaches every value equally often and never n; huge n do not loop for ever.
    #[test]
    fn below_is_fair() {
        let mut s = stream(4, "test", 0, 0);
        let mut counts = [0u32; 7];
        (0..70_000).for_each(|_| counts[s.below(7) as usize] += 1);
        let chi2: f64 = counts.iter().map(|&c| (f64::from(c) - 10_000.0).powi(2) / 10_000.0).sum();
        assert!(chi2 < 22.5, "{chi2} (99.9 % point for 6 degrees)");
        assert_eq!(s.below(1), 0);
        // n = 2⁶³ + 1 is where nearly half of the raw draws are unfair.
        let n = (1 << 63) + 1;
        let high = (0..1000).filter(|_| s.below(n) >= n / 2).count();
        assert!((400..600).contains(&high), "{high}");
    }

    /// A shuffle keeps the items, and all 24 orders of four come up equally often.
    #[test]
    fn shuffle_is_fair() {
        let mut counts = std::collections::BTreeMap::new();
        for item in 0..24_000 {
            let mut items = [0, 1, 2, 3];
            stream(5, "test", 0, item).shuffle(&mut items);
            *counts.entry(items).or_insert(0u32) += 1;
        }
        assert_eq!(counts.len(), 24);
        let chi2: f64 = counts.values().map(|&c| (f64::from(c) - 1000.0).powi(2) / 1000.0).sum();
        assert!(chi2 < 49.7, "{chi2} (99.9 % point for 23 degrees)");
        stream(5, "test", 0, 0).shuffle::<u8>(&mut []);
    }
}
