//! A model: parameters, and what may stand on top of them (an adapter, a head); and the gradients of both.
//!
//! Several models may share one set of parameters (policy, reference and value model as adapters on the same base);
//! training copies them only where they are trained.

use crate::config::{Head, ModelConfig};
use crate::kernels::rope;
use crate::lora::{Adapter, Module};
use crate::params::{Params, Tensor, TensorId};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use std::sync::Arc;

/// Parameters, an optional adapter, an optional head.
///
/// Tensors are numbered: those of `params` first, then the adapter's, then the head.
#[derive(Debug, Clone)]
pub struct Model {
    /// The parameters; shared until trained.
    pub params: Arc<Params>,
    /// A low-rank adapter on top of them.
    pub adapter: Option<Adapter>,
    /// A scalar or class head `[classes, hidden_size]` on the final hidden states.
    pub head: Option<Tensor>,
    pub(crate) frequencies: Vec<f64>,
}

/// Which tensors an optimiser may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trainable {
    /// Everything there is; the parameters too when there is an adapter.
    All,
    /// The adapter and the head; with no adapter, the head alone.
    Adapter,
    /// Whole blocks from this one up, the final norm, an untied output matrix, and the head.
    FromLayer(usize),
}

impl Model {
    /// A model of `params`, whose head, if there is one, moves into [`Model::head`].
    pub fn new(mut params: Params) -> Self {
        let head = params.head.take().and_then(|_| params.tensors.pop());
        let frequencies = rope::frequencies(&params.config);
        Self { params: Arc::new(params), adapter: None, head, frequencies }
    }

    /// The same parameters with nothing on top, and nothing copied.
    #[must_use]
    pub fn base(&self) -> Self {
        Self { params: Arc::clone(&self.params), adapter: None, head: None, frequencies: self.frequencies.clone() }
    }

    /// A model with every matrix drawn from N(0, `std`²) and every norm at one.
    pub fn random(config: &ModelConfig, std: f32, seed: u64) -> Self {
        let mut params = Params::zeros(config, None);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for tensor in &mut params.tensors {
            if tensor.shape.len() == 1 && !tensor.name.ends_with("bias") {
                tensor.data.fill(1.0);
            } else {
                tensor.data.iter_mut().for_each(|v| *v = std * normal(&mut rng));
            }
        }
        Self::new(params)
    }

    /// The shape of the parameters.
    pub fn config(&self) -> &ModelConfig {
        &self.params.config
    }

    /// Puts a fresh head on top: N(0, 1/√(d+1)), as OpenAI's and N+'s reward models (rlhf field notes, trap 7).
    pub fn add_head(&mut self, classes: usize, seed: u64) {
        let d = self.config().hidden_size;
        let std = 1.0 / ((d + 1) as f32).sqrt();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let data = (0..classes * d).map(|_| std * normal(&mut rng)).collect();
        self.head = Some(Tensor { name: "score.weight".into(), shape: vec![classes, d], data });
    }

    /// How many tensors there are in all.
    pub fn tensor_count(&self) -> usize {
        self.params.tensors.len()
            + self.adapter.as_ref().map_or(0, |a| a.tensors.len())
            + usize::from(self.head.is_some())
    }

    pub(crate) fn adapter_id(&self, index: usize) -> TensorId {
        self.params.tensors.len() + index
    }

    pub(crate) fn head_id(&self) -> TensorId {
        self.params.tensors.len() + self.adapter.as_ref().map_or(0, |a| a.tensors.len())
    }

    /// Tensor `id`, if there are so many.
    pub fn tensor(&self, id: TensorId) -> Option<&Tensor> {
        let (p, a) = (self.params.tensors.len(), self.head_id());
        if id < p {
            self.params.tensors.get(id)
        } else if id < a {
            self.adapter.as_ref()?.tensors.get(id - p)
        } else {
            self.head.as_ref().filter(|_| id == a)
        }
    }

    /// The values of tensor `id`, to be changed. Parameters that another model shares are copied first.
    pub fn tensor_mut(&mut self, id: TensorId) -> Option<&mut Tensor> {
        let (p, a) = (self.params.tensors.len(), self.head_id());
        if id < p {
            Arc::make_mut(&mut self.params).tensors.get_mut(id)
        } else if id < a {
            self.adapter.as_mut()?.tensors.get_mut(id - p)
        } else {
            self.head.as_mut().filter(|_| id == a)
        }
    }

    /// Which tensors `trainable` names, one entry per tensor.
    pub fn mask(&self, trainable: Trainable) -> Vec<bool> {
        let p = self.params.tensors.len();
        let layers = self.config().num_hidden_layers;
        (0..self.tensor_count())
            .map(|id| match trainable {
                Trainable::All => true,
                Trainable::Adapter => id >= p,
                Trainable::FromLayer(first) => id >= p || id >= self.params.layer(first.min(layers)).input_norm,
            })
            .collect()
    }

    /// Adds the adapter into the parameters and drops it. Nothing happens without one.
    pub fn merge_adapter(&mut self) {
        let Some(adapter) = self.adapter.take() else { return };
        let scaling = adapter.scaling();
        let config = self.config().clone();
        let params = Arc::make_mut(&mut self.params);
        for l in 0..config.num_hidden_layers {
            for m in Module::ALL {
                if let Some(at) = adapter.find(l, m) {
                    let [out, inner] = m.shape(&config);
                    let (a, b) = (&adapter.tensors[at].data, &adapter.tensors[at + 1].data);
                    let id = linear_id(params, l, m);
                    let w = &mut params.tensors[id].data;
                    let r = adapter.config.rank;
                    let mut delta = vec![0.0; out * inner];
                    crate::kernels::matmul::matmul_nn(&mut delta, b, a, out, r, inner, false);
                    crate::kernels::vector::axpy(w, scaling, &delta);
                }
            }
        }
    }

    /// The parameters with the head back among them, as a checkpoint holds them. Copies.
    pub fn to_params(&self) -> Params {
        let mut merged = self.clone();
        merged.merge_adapter();
        let mut params = Arc::unwrap_or_clone(merged.params);
        if let Some(head) = &self.head {
            params.head = Some(Head { classes: head.shape[0] });
            params.tensors.push(head.clone());
        }
        params
    }
}

/// Where the weight of a linear map stands.
pub(crate) fn linear_id(params: &Params, layer: usize, module: Module) -> TensorId {
    let ids = params.layer(layer);
    match module {
        Module::QProj => ids.q,
        Module::KProj => ids.k,
        Module::VProj => ids.v,
        Module::OProj => ids.o,
        Module::GateProj => ids.gate,
        Module::UpProj => ids.up,
        Module::DownProj => ids.down,
    }
}

/// A standard normal by Box and Muller's rule.
fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let uniform = |rng: &mut ChaCha8Rng| (f64::from(rng.next_u32()) + 0.5) / 4_294_967_296.0;
    let (u, v) = (uniform(rng), uniform(rng));
    ((-2.0 * u.ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos()) as f32
}

/// Gradients of the trainable tensors of a model, numbered like them.
#[derive(Debug, Clone)]
pub struct Grads {
    slots: Vec<Option<Vec<f32>>>,
    written: Vec<bool>,
}

impl Grads {
    /// Zero gradients for the tensors that `mask` names.
    pub fn new(model: &Model, mask: &[bool]) -> Self {
        let slots = (0..model.tensor_count())
            .map(|id| model.tensor(id).filter(|_| mask[id]).map(|t| vec![0.0; t.data.len()]))
            .collect::<Vec<_>>();
        Self { written: vec![false; slots.len()], slots }
    }

    /// Back to zero, without touching memory: the next write to each tensor overwrites it.
    pub fn reset(&mut self) {
        self.written.fill(false);
    }

    /// Whether tensor `id` is trained.
    pub fn wants(&self, id: TensorId) -> bool {
        self.slots.get(id).is_some_and(Option::is_some)
    }

    /// The gradient of tensor `id`; `None` if it is not trained or nothing reached it.
    pub fn get(&self, id: TensorId) -> Option<&[f32]> {
        self.slots.get(id)?.as_deref().filter(|_| self.written[id])
    }

    /// The buffer of tensor `id` and whether it must be added to (`true`) or overwritten.
    pub(crate) fn target(&mut self, id: TensorId) -> Option<(&mut [f32], bool)> {
        let add = *self.written.get(id)?;
        let slot = self.slots[id].as_deref_mut()?;
        self.written[id] = true;
        Some((slot, add))
    }

    pub(crate) fn add(&mut self, id: TensorId, values: &[f32]) {
        match self.target(id) {
            Some((slot, true)) => crate::kernels::vector::axpy(slot, 1.0, values),
            Some((slot, false)) => slot.copy_from_slice(values),
            None => {}
        }
    }

    /// `self += factor · other`, for gradients of the same model.
    pub fn add_scaled(&mut self, factor: f32, other: &Self) {
        for id in 0..self.slots.len() {
            if let Some(values) = other.get(id) {
                match self.target(id) {
                    Some((slot, true)) => crate::kernels::vector::axpy(slot, factor, values),
                    Some((slot, false)) => slot.iter_mut().zip(values).for_each(|(s, v)| *s = factor * v),
                    None => {}
                }
            }
        }
    }

    /// Euclidean norm over all tensors.
    pub fn norm(&self) -> f64 {
        (0..self.slots.len())
            .filter_map(|id| self.get(id))
            .map(crate::kernels::adamw::sum_of_squares)
            .sum::<f64>()
            .sqrt()
    }

    /// The lowest block whose tensors are trained, or the number of blocks if none is.
    pub(crate) fn lowest_layer(&self, model: &Model) -> usize {
        let layers = model.config().num_hidden_layers;
        // Tied or not, the embedding is trained through the lookup, below every block.
        if self.wants(Params::EMBED) {
            return 0;
        }
        (0..layers)
            .find(|&l| {
                let ids = model.params.layer(l);
                let next = model.params.layer(l + 1).input_norm;
                (ids.input_norm..next).any(|id| self.wants(id))
                    || model.adapter.as_ref().is_some_and(|a| {
                        Module::ALL.iter().any(|&m| a.find(l, m).is_some_and(|i| self.wants(model.adapter_id(i))))
                    })
            })
            .unwrap_or(layers)
    }
}
