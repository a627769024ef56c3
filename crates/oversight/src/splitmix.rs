//! The portable random source of the experiments whose reference lies outside of this repository.
//!
//! Steele, Lea and Flood 2014, *Fast splittable pseudorandom number generators*, OOPSLA 2014 (SplitMix64). Everything else
//! in the project draws from `trimtab_run::stream`; this one exists so that a program in another language can draw the very
//! same data and be compared number by number.
//!
//! 1. Only the sequential generator is here, with the paper's γ = 0x9E3779B97F4A7C15; nothing is split.
//! 2. `below` keeps the remainder's bias (less than n/2⁶⁴), because the reference does.

/// SplitMix64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitMix {
    state: u64,
}

impl SplitMix {
    /// The source of a seed.
    ///
    /// ```
    /// use trimtab_oversight::SplitMix;
    /// assert_eq!(SplitMix::new(0).next_u64(), 0xE220_A839_7B1D_CDAF); // the published first output of seed 0
    /// ```
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Uniform over all 64-bit numbers.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in (0, 1): the middle of one of 2⁵³ equal cells, so never 0 and never 1.
    pub fn uniform(&mut self) -> f64 {
        ((self.next_u64() >> 11) as f64 + 0.5) * (1.0 / (1u64 << 53) as f64)
    }

    /// Standard normal by Box and Muller 1958, the cosine of the two; two uniforms each.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// A number of 0..n, 0 for n = 0.
    pub fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.next_u64() % n as u64) as usize }
    }

    /// Puts the items in a drawn order (Fisher and Yates, from the last place down).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last + 1);
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Laws of the normal: mean 0, variance 1, and one in four beyond the upper quartile 0.6745.
    #[test]
    fn normals_are_normal() {
        let mut source = SplitMix::new(11);
        let draws: Vec<f64> = (0..40_000).map(|_| source.normal()).collect();
        let mean = draws.iter().sum::<f64>() / 4e4;
        let variance = draws.iter().map(|d| d * d).sum::<f64>() / 4e4;
        let beyond = draws.iter().filter(|d| **d > 0.674_489_750_196_081_7).count() as f64 / 4e4;
        // Standard errors: 0.005, 0.007, 0.002.
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03 && (beyond - 0.25).abs() < 0.01);
    }

    /// Law: a shuffle loses nothing, and over many each item is as often first.
    #[test]
    fn shuffles_are_fair() {
        let mut source = SplitMix::new(3);
        let mut first = [0; 4];
        for _ in 0..8000 {
            let mut items = [0, 1, 2, 3];
            source.shuffle(&mut items);
            first[items[0]] += 1;
            items.sort_unstable();
            assert_eq!(items, [0, 1, 2, 3]);
        }
        assert!(first.iter().all(|count| (1800..2200).contains(count)), "{first:?}");
    }
}
