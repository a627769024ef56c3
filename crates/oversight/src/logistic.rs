//! Logistic regression by plain stochastic gradient descent: the weak model, student and ceiling of the saliency dial.
//!
//! 1. One item a step at a constant rate, from zero; each epoch shuffles the order it left.
//! 2. The last iterate carries the noise of the constant step, which costs 0.2 to 0.5 of PGR on hard labels with independent
//!    flips, and hides a control. [`ReadOut::Mean`] averages the parameters over the epoch (Polyak and Juditsky 1992).
//!    Whichever is chosen serves weak model, student and ceiling alike.
//! 3. Logits are clamped to ±30, as in the reference.

use crate::{Job, SplitMix};

/// Step size of the descent.
const RATE: f64 = 0.05;

/// Which parameters of an epoch are the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadOut {
    /// Those after its last step.
    Last,
    /// The mean of those after every step of it.
    Mean,
}

/// A linear model of log-odds on d numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Logistic {
    /// The d weights.
    pub weights: Vec<f64>,
    /// The log-odds at the origin.
    pub bias: f64,
}

impl Logistic {
    /// The chance of class 1 of an input of d numbers.
    ///
    /// ```
    /// use trimtab_oversight::logistic::Logistic;
    /// let model = Logistic { weights: vec![2.0, -1.0], bias: -1.0 };
    /// assert_eq!(model.chance(&[1.0, 1.0]), 0.5);
    /// ```
    #[must_use]
    pub fn chance(&self, input: &[f64]) -> f64 {
        sigmoid(self.bias + self.weights.iter().zip(input).map(|(w, x)| w * x).sum::<f64>())
    }
}

fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit.clamp(-30.0, 30.0)).exp())
}

/// Fits a job for as many epochs as the last of `epochs`, ascending from 1, and reads the model after each of them.
///
/// Inputs are rows of d numbers each. No input gives models of no weights.
pub fn fit(source: &mut SplitMix, job: &impl Job<Vec<f64>>, epochs: &[usize], read_out: ReadOut) -> Vec<Logistic> {
    let (inputs, targets) = (job.inputs(), job.targets());
    let d = inputs.first().map_or(0, Vec::len);
    let mut model = Logistic { weights: vec![0.0; d], bias: 0.0 };
    let mut order: Vec<usize> = (0..inputs.len()).collect();
    let mut read = Vec::with_capacity(epochs.len());
    for epoch in 1..=epochs.last().copied().unwrap_or(0) {
        source.shuffle(&mut order);
        let asked = epochs.contains(&epoch);
        let mut total = Logistic { weights: vec![0.0; d], bias: 0.0 };
        for &place in &order {
            let input = &inputs[place];
            let mut logit = model.bias;
            for (w, x) in model.weights.iter().zip(input) {
                logit += w * x;
            }
            let step = RATE * (sigmoid(logit) - targets[place]);
            for (w, x) in model.weights.iter_mut().zip(input) {
                *w -= step * x;
            }
            model.bias -= step;
            if asked && read_out == ReadOut::Mean {
                for (sum, w) in total.weights.iter_mut().zip(&model.weights) {
                    *sum += w;
                }
                total.bias += model.bias;
            }
        }
        if asked {
            let n = inputs.len() as f64;
            read.push(match read_out {
                ReadOut::Last => model.clone(),
                ReadOut::Mean => {
                    Logistic { weights: total.weights.iter().map(|sum| sum / n).collect(), bias: total.bias / n }
                }
            });
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Labels, WeakJob};

    /// Planted: labels from known log-odds give their direction back, more closely by the mean of the iterates.
    #[test]
    fn a_planted_direction_is_found() {
        let mut source = SplitMix::new(5);
        let planted = Logistic { weights: vec![3.0, 0.0, -1.5], bias: 0.0 };
        let inputs: Vec<Vec<f64>> = (0..4000).map(|_| (0..3).map(|_| source.normal()).collect()).collect();
        let gold: Vec<bool> = inputs.iter().map(|x| source.uniform() < planted.chance(x)).collect();
        let gold = Labels::gold(&gold);
        let job = WeakJob::new(&inputs, &gold).unwrap();
        let cosine = |model: &Logistic| {
            let norm = |w: &[f64]| w.iter().map(|v| v * v).sum::<f64>().sqrt();
            model.weights.iter().zip(&planted.weights).map(|(a, b)| a * b).sum::<f64>()
                / norm(&model.weights)
                / norm(&planted.weights)
        };
        let of = |read_out| cosine(&fit(&mut SplitMix::new(1), &job, &[5], read_out)[0]);
        let (last, mean) = (of(ReadOut::Last), of(ReadOut::Mean));
        assert!(mean > 0.995 && mean > last, "{mean} {last}");
    }
}
