//! Low-rank adapters: y = W·x + (α/r)·B·A·x. Hu et al. 2021, arXiv:2106.09685, section 4.1.
//!
//! Where ours differs from the paper:
//! 1. A starts uniform in ±1/√in (PEFT's default, Kaiming with a = √5) rather than Gaussian; B starts at zero in both.
//! 2. Any of the seven linear maps of a block may carry an adapter, not only q and v.
//! 3. Adapters may begin at a layer, so that nothing below it is trained, kept, or gone back through.

use crate::config::ModelConfig;
use crate::params::Tensor;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The linear maps of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // named as in Hugging Face's checkpoints
#[serde(rename_all = "snake_case")]
pub enum Module {
    QProj,
    KProj,
    VProj,
    OProj,
    GateProj,
    UpProj,
    DownProj,
}

impl Module {
    /// All seven, in the order of the block.
    pub const ALL: [Self; 7] =
        [Self::QProj, Self::KProj, Self::VProj, Self::OProj, Self::GateProj, Self::UpProj, Self::DownProj];

    /// Hugging Face's name, such as `q_proj`.
    pub fn name(self) -> &'static str {
        match self {
            Self::QProj => "q_proj",
            Self::KProj => "k_proj",
            Self::VProj => "v_proj",
            Self::OProj => "o_proj",
            Self::GateProj => "gate_proj",
            Self::UpProj => "up_proj",
            Self::DownProj => "down_proj",
        }
    }

    /// The part of the block that holds it: `self_attn` or `mlp`.
    pub fn parent(self) -> &'static str {
        match self {
            Self::QProj | Self::KProj | Self::VProj | Self::OProj => "self_attn",
            Self::GateProj | Self::UpProj | Self::DownProj => "mlp",
        }
    }

    /// Output and input width in a model of shape `config`.
    pub fn shape(self, config: &ModelConfig) -> [usize; 2] {
        let (d, f) = (config.hidden_size, config.intermediate_size);
        match self {
            Self::QProj => [config.q_dim(), d],
            Self::KProj | Self::VProj => [config.kv_dim(), d],
            Self::OProj => [d, config.q_dim()],
            Self::GateProj | Self::UpProj => [f, d],
            Self::DownProj => [d, f],
        }
    }
}

/// What an adapter looks like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoraConfig {
    /// r: the inner width.
    pub rank: usize,
    /// α: the update is scaled by α/r.
    pub alpha: f64,
    /// Which maps carry an adapter.
    pub targets: Vec<Module>,
    /// Share of an adapter's inputs that are zeroed in training, in [0, 1); 0 turns it off.
    pub dropout: f64,
    /// The first block that carries one; 0 means all.
    pub first_layer: usize,
}

impl LoraConfig {
    /// The maps that carry an adapter, block after block.
    fn maps(&self, layers: usize) -> impl Iterator<Item = (usize, Module)> {
        let all = (self.first_layer..layers).flat_map(|l| Module::ALL.map(|m| (l, m)));
        all.filter(|(_, m)| self.targets.contains(m))
    }

    /// Name (as in PEFT's files) and shape of every tensor: for each adapted map an A `[rank, in]`, then a B `[out, rank]`.
    pub fn tensors(&self, model: &ModelConfig) -> Vec<(String, Vec<usize>)> {
        self.maps(model.num_hidden_layers)
            .flat_map(|(l, m)| {
                let [out, inner] = m.shape(model);
                let name = format!("base_model.model.model.layers.{l}.{}.{}", m.parent(), m.name());
                let a = (format!("{name}.lora_A.weight"), vec![self.rank, inner]);
                [a, (format!("{name}.lora_B.weight"), vec![out, self.rank])]
            })
            .collect()
    }
}

/// The tensors of an adapter, those of [`LoraConfig::tensors`] in that order.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter {
    /// Its shape.
    pub config: LoraConfig,
    /// A and B by turns, block after block.
    pub tensors: Vec<Tensor>,
    index: Vec<[Option<usize>; 7]>,
}

impl Adapter {
    /// A fresh adapter that changes nothing yet (B = 0), with A drawn from `seed`.
    pub fn new(model: &ModelConfig, config: LoraConfig, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let fill = |(i, (name, shape)): (usize, (String, Vec<usize>))| {
            let bound = 1.0 / (shape[1] as f64).sqrt();
            let mut uniform = || ((f64::from(rng.next_u32()) / f64::from(u32::MAX) * 2.0 - 1.0) * bound) as f32;
            let size = shape[0] * shape[1];
            let data = if i % 2 == 0 { (0..size).map(|_| uniform()).collect() } else { vec![0.0; size] };
            Tensor { name, shape, data }
        };
        let tensors = config.tensors(model).into_iter().enumerate().map(fill).collect();
        Self::of(model, config, tensors)
    }

    /// An adapter of tensors that were read, which must be those of [`LoraConfig::tensors`].
    pub(crate) fn of(model: &ModelConfig, config: LoraConfig, tensors: Vec<Tensor>) -> Self {
        let mut index = vec![[None; 7]; model.num_hidden_layers];
        for (i, (l, m)) in config.maps(model.num_hidden_layers).enumerate() {
            index[l][m as usize] = Some(2 * i);
        }
        Self { config, tensors, index }
    }

    /// Index of the A tensor of a map; its B is the next one.
    pub fn find(&self, layer: usize, module: Module) -> Option<usize> {
        self.index[layer][module as usize]
    }

    /// α/r.
    pub fn scaling(&self) -> f32 {
        (self.config.alpha / self.config.rank as f64) as f32
    }
}

/// Whether dropout with share `p` keeps entry `i` of the input of a map: the same answer in forward and backward.
pub(crate) fn keeps(seed: u64, layer: usize, module: Module, i: usize, p: f64) -> bool {
    // The seed and the map are mixed before the entry comes in: seeds that differ in one bit must not give masks that
    // differ in the order of their entries only.
    let map = (layer * Module::ALL.len() + module as usize) as u64;
    let z = mix(mix(mix(seed) ^ map) ^ i as u64);
    (z >> 11) as f64 / (1u64 << 53) as f64 >= p
}

/// A step of SplitMix64 (Steele, Lea & Flood 2014, doi:10.1145/2660193.2660195, figure 17).
fn mix(z: u64) -> u64 {
    let z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mask keeps its share, and masks of neighbouring seeds, blocks and maps agree no more often than chance has it;
    /// neither do they when one is shifted or its neighbours swapped.
    #[test]
    fn masks_are_independent() {
        let (n, p) = (20_000usize, 0.3);
        let mask = |seed, layer, module| (0..n).map(|i| keeps(seed, layer, module, i, p)).collect::<Vec<_>>();
        let share = |hits: usize| hits as f64 / n as f64;
        let base = mask(0, 0, Module::QProj);
        assert!((share(base.iter().filter(|&&k| k).count()) - 0.7).abs() < 0.02);
        let chance = 0.7 * 0.7 + 0.3 * 0.3;
        let others = [mask(1, 0, Module::QProj), mask(2, 0, Module::QProj), mask(0, 1, Module::QProj)];
        for other in others.iter().chain([&mask(0, 0, Module::KProj), &mask(1 << 48, 0, Module::QProj)]) {
            for map in [|i| i, |i| i ^ 1, |i| i ^ 2, |i| i + 1] {
                let agree = (0..n - 4).filter(|&i| base[i] == other[map(i)]).count();
                assert!((share(agree) - chance).abs() < 0.02);
            }
        }
    }
}
