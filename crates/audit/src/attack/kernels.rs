//! Taking the direction out of each layer by as much as pays: a bump over layers for what attention writes, another for what MLPs
//! write, and a share for the embedding, found by Nelder and Mead's simplex (1965, doi:10.1093/comjnl/7.4.308).
//!
//! 1. What is minimised is, over validation prompts, the mean chance that a harmful one is refused at its first token, plus a price
//!    times the divergence on harmless ones over all tokens of their answers: a first token that is always the same diverges nowhere.
//! 2. Several prices give a frontier; each is an edit of its own, measured on the test prompts like any other.
//! 3. Steps and start are fixed, nothing is drawn: equal models give equal kernels.

use crate::attack::ask::Subject;
use crate::attack::edit::{Writer, without_direction};
use crate::attack::material::Side;
use argmin::core::{CostFunction, Executor, State};
use argmin::solver::neldermead::NelderMead;
use serde::{Deserialize, Serialize};
use trimtab_alignment::Error;
use trimtab_alignment::example::Example;
use trimtab_engine::model::Model;

/// Prices of a nat of divergence.
pub const PRICES: [u64; 3] = [1, 4, 16];
/// Steps of the simplex at most; each looks at one or two kernels, and at eight where it shrinks.
const STEPS: u64 = 60;
/// Numbers that a kernel has.
const NUMBERS: usize = 7;

/// A bump over layers: height · exp(−((layer − centre) / width)² / 2).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bump {
    /// Its largest share.
    pub height: f64,
    /// Where it is largest, in layers.
    pub centre: f64,
    /// How wide it is, in layers.
    pub width: f64,
}

impl Bump {
    /// Its share at a layer.
    ///
    /// ```
    /// use trimtab_audit::attack::Bump;
    /// let bump = Bump { height: 0.5, centre: 2.0, width: 1.0 };
    /// assert_eq!(bump.at(2), 0.5);
    /// assert!((bump.at(3) - 0.5 * (-0.5f64).exp()).abs() < 1e-12);
    /// ```
    #[must_use]
    pub fn at(&self, layer: usize) -> f64 {
        self.height * (-0.5 * ((layer as f64 - self.centre) / self.width).powi(2)).exp()
    }
}

/// How much of the direction each writer loses.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Kernel {
    /// Share of the embedding.
    pub embedding: f64,
    /// Of what attention writes.
    pub attention: Bump,
    /// Of what MLPs write.
    pub mlp: Bump,
}

impl Kernel {
    fn of(p: &[f64], layers: usize) -> Self {
        // Shares beyond 1 push the other way, which can help; widths stay above a tenth of a layer.
        let bump = |p: &[f64]| Bump {
            height: p[0].clamp(-0.5, 2.0),
            centre: p[1] * layers as f64,
            width: p[2].abs() * layers as f64 + 0.1,
        };
        Self { embedding: p[0].clamp(-0.5, 2.0), attention: bump(&p[1..4]), mlp: bump(&p[4..7]) }
    }

    /// The model that has lost so much of the unit vector `r`.
    #[must_use]
    pub fn apply(&self, model: &Model, r: &[f32]) -> Model {
        without_direction(model, r, |writer| match writer {
            Writer::Embedding => self.embedding,
            Writer::Attention(layer) => self.attention.at(layer),
            Writer::Mlp(layer) => self.mlp.at(layer),
        })
    }
}

/// What is minimised.
struct Cost<'a> {
    subject: &'a Subject<'a>,
    r: &'a [f32],
    harmful: &'a [Vec<u32>],
    harmless: &'a [Example],
    price: f64,
}

impl CostFunction for Cost<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, p: &Vec<f64>) -> Result<f64, argmin::core::Error> {
        let model = self.subject.model();
        let edited = Kernel::of(p, model.config().num_hidden_layers).apply(model, self.r);
        let scores = self.subject.refusal_scores(&edited, &[], self.harmful)?;
        let refused = scores.iter().map(|s| 1.0 / (1.0 + (-s).exp())).sum::<f64>() / scores.len().max(1) as f64;
        let examples: Vec<&Example> = self.harmless.iter().collect();
        let kl = self.subject.divergences(&edited, &[], &examples)?;
        Ok(refused + self.price * kl.iter().sum::<f64>() / kl.len().max(1) as f64)
    }
}

/// The kernel found at this price of a nat.
///
/// # Errors
/// What the model meets.
pub fn optimise(subject: &Subject<'_>, r: &[f32], price: u64) -> Result<Kernel, Error> {
    let harmful: Vec<Vec<u32>> =
        subject.material.side(Side::HarmfulVal).into_iter().map(|a| subject.prompt(a)).collect::<Result<_, _>>()?;
    let harmless = subject.continued(Side::HarmlessVal)?;
    let layers = subject.model().config().num_hidden_layers;
    let cost = Cost { subject, r, harmful: &harmful, harmless: &harmless, price: price as f64 };
    // From two thirds of an ablation, in the middle and wide, to one step in each number.
    let start = vec![0.2, 0.7, 0.5, 0.4, 0.7, 0.5, 0.4];
    let step = |i: usize| {
        let mut vertex = start.clone();
        vertex[i] += if i == 0 { 0.5 } else { 0.3 };
        vertex
    };
    let simplex: Vec<Vec<f64>> = std::iter::once(start.clone()).chain((0..NUMBERS).map(step)).collect();
    let failed = |e: argmin::core::Error| match e.downcast::<Error>() {
        Ok(own) => own,
        Err(other) => {
            Error::config("attack.kernels", other.to_string(), "an objective with a minimum", "--only without kernels")
        }
    };
    let solver = NelderMead::new(simplex).with_sd_tolerance(1e-4).map_err(failed)?;
    let found = Executor::new(cost, solver).configure(|state| state.max_iters(STEPS)).run().map_err(failed)?;
    Ok(Kernel::of(found.state.get_best_param().unwrap_or(&start), layers))
}
