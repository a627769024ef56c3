//! What is done to a copy of the weights, and how large it is.
//!
//! 1. A direction is taken out of everything that is written into the residual stream: rows of the embedding, columns of attention's
//!    and the MLP's output matrices. Arditi et al. 2024, arXiv:2406.11717, section 4.1.
//! 2. There a tied embedding changes the output matrix with it. Here it is untied first, so that the edit is the one that hooks
//!    make, and the folder says `tie_word_embeddings: false`.
//! 3. Random deltas have the norm of the edit they are a control of in each of its tensors, and every rank.

use serde::{Deserialize, Serialize};
use trimtab_engine::lora::Module;
use trimtab_engine::model::Model;
use trimtab_engine::params::{Params, Tensor, TensorId};
use trimtab_run::Stream;

/// Steps of power iteration for the largest singular value.
const POWER_STEPS: usize = 30;

/// What writes into the residual stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// The embedding.
    Embedding,
    /// Attention of this block.
    Attention(usize),
    /// The MLP of this block.
    Mlp(usize),
}

/// A copy of `model` in which each writer W has lost `share(writer)` of what it writes along the unit vector `r`:
/// W − share · r rᵀ W. With a share of 1 everywhere it is the ablation of `r`; a share of 0 leaves a writer as it is.
///
/// # Panics
/// If `r` is not as wide as the residual stream.
#[must_use]
pub fn without_direction(model: &Model, r: &[f32], share: impl Fn(Writer) -> f64) -> Model {
    assert_eq!(r.len(), model.config().hidden_size, "one number for each width of the residual stream");
    let mut params = model.to_params();
    let of_embedding = share(Writer::Embedding);
    if of_embedding != 0.0 {
        untie(&mut params);
        for row in params.tensors[Params::EMBED].data.chunks_exact_mut(r.len()) {
            let along: f64 = row.iter().zip(r).map(|(w, r)| f64::from(*w) * f64::from(*r)).sum();
            row.iter_mut().zip(r).for_each(|(w, r)| *w -= (of_embedding * along * f64::from(*r)) as f32);
        }
    }
    for layer in 0..params.config.num_hidden_layers {
        let ids = params.layer(layer);
        for (id, writer) in [(ids.o, Writer::Attention(layer)), (ids.down, Writer::Mlp(layer))] {
            let share = share(writer);
            if share != 0.0 {
                project_columns(&mut params.tensors[id], r, share);
            }
        }
    }
    Model::new(params)
}

/// W [d, n] − share · r (rᵀ W).
fn project_columns(tensor: &mut Tensor, r: &[f32], share: f64) {
    let inner = tensor.shape[1];
    let mut along = vec![0.0f64; inner];
    for (row, r) in tensor.data.chunks_exact(inner).zip(r) {
        along.iter_mut().zip(row).for_each(|(a, w)| *a += f64::from(*r) * f64::from(*w));
    }
    for (row, r) in tensor.data.chunks_exact_mut(inner).zip(r) {
        row.iter_mut().zip(&along).for_each(|(w, a)| *w -= (share * f64::from(*r) * a) as f32);
    }
}

/// Gives a tied model an output matrix of its own, equal to its embedding.
fn untie(params: &mut Params) {
    if params.config.tie_word_embeddings {
        params.config.tie_word_embeddings = false;
        let embedding = &params.tensors[Params::EMBED];
        let own =
            Tensor { name: "lm_head.weight".into(), shape: embedding.shape.clone(), data: embedding.data.clone() };
        params.tensors.insert(params.lm_head(), own);
    }
}

/// A copy of `model` with a normal delta of the same Frobenius norm in each tensor in which `edited` differs from it.
#[must_use]
pub fn with_random_delta(model: &Model, edited: &Model, random: &mut Stream) -> Model {
    let before = model.to_params();
    let mut params = edited.to_params();
    for tensor in &mut params.tensors {
        let Some(own) = counterpart(&before, &tensor.name) else { continue };
        let norm = distance(&own.data, &tensor.data);
        if norm > 0.0 {
            let delta: Vec<f64> = own.data.iter().map(|_| random.normal()).collect();
            let scale = norm / delta.iter().map(|v| v * v).sum::<f64>().sqrt();
            let values = own.data.iter().zip(&delta).map(|(w, v)| w + (scale * v) as f32);
            tensor.data = values.collect();
        }
    }
    Model::new(params)
}

/// A copy of `model` whose linear maps have lost this share of their entries, the smallest ones of each map.
#[must_use]
pub fn pruned(model: &Model, share: f64) -> Model {
    each_map(model, |tensor| {
        let mut sizes: Vec<f32> = tensor.data.iter().map(|w| w.abs()).collect();
        let cut = (share * sizes.len() as f64).round() as usize;
        if cut == 0 {
            return;
        }
        let (_, &mut limit, _) = sizes.select_nth_unstable_by(cut - 1, f32::total_cmp);
        tensor.data.iter_mut().filter(|w| w.abs() <= limit).for_each(|w| *w = 0.0);
    })
}

/// A copy of `model` whose linear maps went through symmetric integers of so many bits and back, each output channel with a scale
/// of its own: w ≈ s·round(w/s), s = max |w| / (2^(bits−1) − 1).
#[must_use]
pub fn rounded(model: &Model, bits: u32) -> Model {
    let levels = ((1u32 << (bits - 1)) - 1) as f32;
    each_map(model, |tensor| {
        let inner = tensor.shape[1];
        for row in tensor.data.chunks_exact_mut(inner) {
            let scale = row.iter().fold(0.0f32, |m, w| m.max(w.abs())) / levels;
            if scale > 0.0 {
                for w in row.iter_mut() {
                    *w = (*w / scale).round() * scale;
                }
            }
        }
    })
}

fn each_map(model: &Model, mut change: impl FnMut(&mut Tensor)) -> Model {
    let mut params = model.to_params();
    for layer in 0..params.config.num_hidden_layers {
        let ids = params.layer(layer);
        let maps: [TensorId; Module::ALL.len()] = [ids.q, ids.k, ids.v, ids.o, ids.gate, ids.up, ids.down];
        for id in maps {
            change(&mut params.tensors[id]);
        }
    }
    Model::new(params)
}

/// How large an edit is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Size {
    /// Rank of the delta of each changed matrix, where the edit sets it; none where nothing bounds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u64>,
    /// ‖Δ‖²_F / σ₁(Δ)², the mean over changed matrices weighted by ‖Δ‖²_F: what a rank would be if all singular values were equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable_rank: Option<f64>,
    /// ‖Δ‖_F over all tensors.
    pub frobenius: f64,
    /// The same over ‖W‖_F of all tensors.
    pub relative: f64,
    /// Parameters that differ.
    pub changed: u64,
    /// All parameters of the model before; an output matrix that was tied counts with its embedding.
    pub parameters: u64,
}

impl Size {
    /// Of the step from one model to another of the same shape.
    #[must_use]
    pub fn between(before: &Model, after: &Model, rank: Option<u64>) -> Self {
        let (old, new) = (before.to_params(), after.to_params());
        let (mut squares, mut total, mut changed) = (0.0, 0.0, 0);
        let (mut energy, mut effective) = (0.0, 0.0);
        for tensor in &old.tensors {
            total += tensor.data.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>();
        }
        for tensor in &new.tensors {
            let Some(own) = counterpart(&old, &tensor.name) else { continue };
            let delta: Vec<f32> = tensor.data.iter().zip(&own.data).map(|(a, b)| a - b).collect();
            let of_tensor: f64 = delta.iter().map(|&v| f64::from(v).powi(2)).sum();
            changed += delta.iter().filter(|v| **v != 0.0).count() as u64;
            squares += of_tensor;
            if tensor.shape.len() == 2 && of_tensor > 0.0 {
                energy += of_tensor;
                effective += of_tensor * of_tensor / largest_square(&delta, tensor.shape[1]).max(f64::MIN_POSITIVE);
            }
        }
        Self {
            rank,
            stable_rank: (energy > 0.0).then(|| effective / energy),
            frobenius: squares.sqrt(),
            relative: (squares / total.max(f64::MIN_POSITIVE)).sqrt(),
            changed,
            parameters: old.tensors.iter().map(|t| t.data.len() as u64).sum(),
        }
    }
}

/// The tensor of this name before the edit; of an output matrix that was tied, the embedding.
fn counterpart<'a>(before: &'a Params, name: &str) -> Option<&'a Tensor> {
    let own = before.tensors.iter().find(|t| t.name == name);
    own.or_else(|| (name == "lm_head.weight").then(|| &before.tensors[Params::EMBED]))
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>().sqrt()
}

/// The square of the largest singular value of a row-major matrix, by power iteration from the vector of ones.
fn largest_square(matrix: &[f32], inner: usize) -> f64 {
    let mut v = vec![1.0 / (inner as f64).sqrt(); inner];
    // A vector of ones may be orthogonal to what is looked for; no row of a matrix of normal numbers is.
    v.iter_mut().enumerate().for_each(|(i, v)| *v *= 1.0 + 0.01 * (i % 7) as f64);
    let mut square = 0.0;
    for _ in 0..POWER_STEPS {
        let mut next = vec![0.0; inner];
        for row in matrix.chunks_exact(inner) {
            let along: f64 = row.iter().zip(&v).map(|(w, v)| f64::from(*w) * v).sum();
            next.iter_mut().zip(row).for_each(|(n, w)| *n += along * f64::from(*w));
        }
        square = next.iter().map(|n| n * n).sum::<f64>().sqrt();
        if square == 0.0 {
            return 0.0;
        }
        v = next.iter().map(|n| n / square).collect();
    }
    square
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_engine::config::ModelConfig;
    use trimtab_run::stream;

    /// By hand: a delta of one entry in one matrix has rank 1 and changes one parameter.
    #[test]
    fn a_size_by_hand() {
        let before = Model::random(&ModelConfig::tiny(), 0.1, 1);
        let mut after = before.clone();
        let id = before.params.layer(0).q;
        after.tensor_mut(id).unwrap().data[5] += 0.5;
        let size = Size::between(&before, &after, Some(1));
        assert_eq!((size.changed, size.parameters), (1, before.config().parameter_count() as u64));
        assert!((size.frobenius - 0.5).abs() < 1e-6 && (size.stable_rank.unwrap() - 1.0).abs() < 1e-6);
    }

    /// Laws: an ablation has stable rank 1 in every matrix, a random delta its norm and a higher rank; doing it twice changes
    /// nothing more; half a share is half as far.
    #[test]
    fn an_ablation_and_its_control() {
        let model = Model::random(&ModelConfig::tiny(), 0.1, 2);
        let mut random = stream(1, "test/attack", 0, 0);
        let r: Vec<f64> = (0..24).map(|_| random.normal()).collect();
        let r = crate::attack::unit(&r).unwrap();
        let ablated = without_direction(&model, &r, |_| 1.0);
        let size = Size::between(&model, &ablated, Some(1));
        assert!((size.stable_rank.unwrap() - 1.0).abs() < 1e-3, "{size:?}");
        let twice = without_direction(&ablated, &r, |_| 1.0);
        assert!(Size::between(&ablated, &twice, None).frobenius < 1e-5 * size.frobenius);
        let half = Size::between(&model, &without_direction(&model, &r, |_| 0.5), Some(1));
        assert!((half.frobenius - 0.5 * size.frobenius).abs() < 1e-4 * size.frobenius);
        let control = Size::between(&model, &with_random_delta(&model, &ablated, &mut random), None);
        assert!((control.frobenius / size.frobenius - 1.0).abs() < 1e-4, "{control:?}");
        assert!(control.stable_rank.unwrap() > 2.0);
    }

    /// Laws: pruning removes its share of the maps, rounding keeps the largest of each channel and moves nothing by more than half
    /// a step.
    #[test]
    fn incidental_edits() {
        let model = Model::random(&ModelConfig::tiny(), 0.1, 3);
        let id = model.params.layer(1).up;
        let before = model.tensor(id).unwrap();
        let cut = pruned(&model, 0.25);
        let zeros = cut.tensor(id).unwrap().data.iter().filter(|w| **w == 0.0).count();
        assert_eq!(zeros, (0.25 * before.data.len() as f64).round() as usize);
        let coarse = rounded(&model, 4);
        let after = coarse.tensor(id).unwrap();
        for (old, new) in before.data.chunks(24).zip(after.data.chunks(24)) {
            let top = old.iter().fold(0.0f32, |m, w| m.max(w.abs()));
            assert!(old.iter().zip(new).all(|(a, b)| (a - b).abs() <= 0.5 * top / 7.0 + 1e-6));
            assert!((new.iter().fold(0.0f32, |m, w| m.max(w.abs())) - top).abs() < 1e-6);
        }
    }
}
