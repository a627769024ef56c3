//! One linear map of a block, with its bias and its adapter: the only place that knows all three.

use crate::kernels::matmul::{FewJob, matmul_nn, matmul_nt, matmul_nt_few, matmul_tn};
use crate::kernels::vector::{axpy, scale};
use crate::lora::{self, Module};
use crate::model::{Grads, Model, linear_id};
use crate::params::TensorId;

/// Training-time randomness of a forward pass; the backward pass gets the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DropoutSeed(pub Option<u64>);

/// One linear map: which block, which module.
#[derive(Clone, Copy)]
pub(crate) struct Linear<'m> {
    pub model: &'m Model,
    pub layer: usize,
    pub module: Module,
    pub dropout: DropoutSeed,
}

struct Lora<'m> {
    a: &'m [f32],
    b: &'m [f32],
    a_id: TensorId,
    rank: usize,
    scaling: f32,
}

impl<'m> Linear<'m> {
    fn shape(&self) -> [usize; 2] {
        self.module.shape(self.model.config())
    }

    fn weight(&self) -> &'m [f32] {
        self.model.params.get(linear_id(&self.model.params, self.layer, self.module))
    }

    fn bias(&self) -> Option<TensorId> {
        let ids = self.model.params.layer(self.layer).qkv_bias?;
        match self.module {
            Module::QProj => Some(ids[0]),
            Module::KProj => Some(ids[1]),
            Module::VProj => Some(ids[2]),
            _ => None,
        }
    }

    fn lora(&self) -> Option<Lora<'m>> {
        let adapter = self.model.adapter.as_ref()?;
        let at = adapter.find(self.layer, self.module)?;
        Some(Lora {
            a: &adapter.tensors[at].data,
            b: &adapter.tensors[at + 1].data,
            a_id: self.model.adapter_id(at),
            rank: adapter.config.rank,
            scaling: adapter.scaling(),
        })
    }

    /// The share and seed of the adapter's dropout, if it is on.
    fn drop(&self) -> Option<(f64, u64)> {
        let p = self.model.adapter.as_ref()?.config.dropout;
        self.dropout.0.filter(|_| p > 0.0).map(|seed| (p, seed))
    }

    fn apply_drop(&self, x: &mut [f32]) {
        if let Some((p, seed)) = self.drop() {
            let up = (1.0 / (1.0 - p)) as f32;
            for (i, v) in x.iter_mut().enumerate() {
                *v = if lora::keeps(seed, self.layer, self.module, i, p) { *v * up } else { 0.0 };
            }
        }
    }

    fn add_bias(&self, y: &mut [f32]) {
        if let Some(id) = self.bias() {
            let bias = self.model.params.get(id);
            for row in y.chunks_exact_mut(bias.len()) {
                axpy(row, 1.0, bias);
            }
        }
    }

    /// `y [rows, out] (+)= x [rows, in]·Wᵀ + b + (α/r)·(x·Aᵀ)·Bᵀ`. `xa` keeps (α/r)·x·Aᵀ for the backward pass.
    pub fn forward(&self, y: &mut [f32], x: &[f32], xa: &mut Vec<f32>, accumulate: bool) {
        let [out, inner] = self.shape();
        let rows = x.len() / inner;
        matmul_nt(y, x, self.weight(), rows, out, inner, accumulate);
        self.add_bias(y);
        if let Some(l) = self.lora() {
            xa.resize(rows * l.rank, 0.0);
            if self.drop().is_some() {
                let mut dropped = x.to_vec();
                self.apply_drop(&mut dropped);
                matmul_nt(xa, &dropped, l.a, rows, l.rank, inner, false);
            } else {
                matmul_nt(xa, x, l.a, rows, l.rank, inner, false);
            }
            scale(xa, l.scaling);
            matmul_nt(y, xa, l.b, rows, out, l.rank, true);
        }
    }

    /// (α/r)·dy·B: the gradient of x·Aᵀ.
    fn d_xa(&self, l: &Lora<'_>, dy: &[f32], rows: usize) -> Vec<f32> {
        let mut d_xa = vec![0.0; rows * l.rank];
        matmul_nn(&mut d_xa, dy, l.b, rows, self.shape()[0], l.rank, false);
        scale(&mut d_xa, l.scaling);
        d_xa
    }

    /// Gradient of the input: `dx (+)= dy·W + (α/r)·(dy·B)·A`.
    pub fn backward_input(&self, dx: &mut [f32], dy: &[f32], accumulate: bool) {
        let [out, inner] = self.shape();
        let rows = dy.len() / out;
        matmul_nn(dx, dy, self.weight(), rows, out, inner, accumulate);
        if let Some(l) = self.lora() {
            let d_xa = self.d_xa(&l, dy, rows);
            if self.drop().is_some() {
                let mut through = vec![0.0; rows * inner];
                matmul_nn(&mut through, &d_xa, l.a, rows, l.rank, inner, false);
                self.apply_drop(&mut through);
                axpy(dx, 1.0, &through);
            } else {
                matmul_nn(dx, &d_xa, l.a, rows, l.rank, inner, true);
            }
        }
    }

    /// Gradients of the map's own tensors, those of them that are trained.
    pub fn backward_weight(&self, dy: &[f32], x: &[f32], xa: &[f32], grads: &mut Grads) {
        let [out, inner] = self.shape();
        let rows = dy.len() / out;
        if let Some((dw, add)) = grads.target(linear_id(&self.model.params, self.layer, self.module)) {
            matmul_tn(dw, dy, x, rows, out, inner, add);
        }
        if let Some(id) = self.bias().filter(|&id| grads.wants(id)) {
            let mut db = vec![0.0; out];
            for row in dy.chunks_exact(out) {
                axpy(&mut db, 1.0, row);
            }
            grads.add(id, &db);
        }
        let Some(l) = self.lora().filter(|l| grads.wants(l.a_id) || grads.wants(l.a_id + 1)) else { return };
        if let Some((db, add)) = grads.target(l.a_id + 1) {
            matmul_tn(db, dy, xa, rows, out, l.rank, add);
        }
        if let Some((da, add)) = grads.target(l.a_id) {
            let d_xa = self.d_xa(&l, dy, rows);
            if self.drop().is_some() {
                let mut dropped = x.to_vec();
                self.apply_drop(&mut dropped);
                matmul_tn(da, &d_xa, &dropped, rows, l.rank, inner, add);
            } else {
                matmul_tn(da, &d_xa, x, rows, l.rank, inner, add);
            }
        }
    }

    fn finish_few(&self, y: &mut [f32], x: &[f32]) {
        let [out, inner] = self.shape();
        self.add_bias(y);
        if let Some(l) = self.lora() {
            let rows = x.len() / inner;
            let mut xa = vec![0.0; rows * l.rank];
            matmul_nt_few(&mut [FewJob { y: &mut xa, w: l.a, n: l.rank }], x, rows, inner, false);
            scale(&mut xa, l.scaling);
            matmul_nt_few(&mut [FewJob { y, w: l.b, n: out }], &xa, rows, l.rank, true);
        }
    }
}

/// [`Linear::forward`] at decoding time, for maps of one block that share their input: few rows, no dropout. The same
/// bits as there.
pub(crate) fn forward_few(maps: &[Linear<'_>], ys: &mut [&mut Vec<f32>], x: &[f32], accumulate: bool) {
    let inner = maps[0].shape()[1];
    let rows = x.len() / inner;
    let mut jobs: Vec<FewJob<'_>> = maps
        .iter()
        .zip(ys.iter_mut())
        .map(|(map, y)| {
            let n = map.shape()[0];
            y.resize(rows * n, 0.0);
            FewJob { y, w: map.weight(), n }
        })
        .collect();
    matmul_nt_few(&mut jobs, x, rows, inner, accumulate);
    for (map, y) in maps.iter().zip(ys) {
        map.finish_few(y, x);
    }
}
