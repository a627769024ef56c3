//! The forward pass over a packed batch, keeping what the backward pass will need.

use crate::backward::Buffers;
use crate::batch::{InputError, PackedBatch};
use crate::hooks::{Action, Hook, check_hooks};
use crate::kernels::attention::{Heads, attention};
use crate::kernels::norm::rms_norm;
use crate::kernels::rope::{Angles, to_heads, to_rows};
use crate::kernels::swiglu::swiglu;
use crate::linear::{DropoutSeed, Linear};
use crate::lora::Module;
use crate::model::{Grads, Model};
use crate::params::Params;
use crate::rows::{keep_rows, spread_rows};

/// What one block keeps.
#[derive(Debug, Default, Clone)]
pub(crate) struct BlockTrace {
    /// Residual stream going in, `[tokens, d]`.
    pub x: Vec<f32>,
    /// 1/rms of its rows.
    pub norm1: Vec<f32>,
    /// q and k rows before their norms (Qwen3 only), and 1/rms of each head.
    pub qk_pre: [Vec<f32>; 2],
    pub qk_inv_rms: [Vec<f32>; 2],
    /// Head-major, rotated queries and keys, and values.
    pub q: Vec<f32>,
    pub k: Vec<f32>,
    pub v: Vec<f32>,
    /// Head-major attention outputs and log-sum-exps.
    pub o: Vec<f32>,
    pub lse: Vec<f32>,
    /// Residual stream between attention and MLP, and 1/rms of its rows.
    pub x_mid: Vec<f32>,
    pub norm2: Vec<f32>,
    /// The two halves of the SwiGLU block.
    pub gate: Vec<f32>,
    pub up: Vec<f32>,
    /// Scaled inner products of the adapters, by module.
    pub xa: [Vec<f32>; 7],
}

/// Buffers of one pass, reused from block to block and from pass to pass.
#[derive(Debug, Default, Clone)]
pub(crate) struct Scratch {
    pub n: Vec<f32>,
    pub rows_q: Vec<f32>,
    pub rows_k: Vec<f32>,
    pub rows_v: Vec<f32>,
    pub f: Vec<f32>,
    pub angles: Angles,
}

/// A forward pass: its final hidden states, and what a backward pass needs. Reuse one to reuse its memory.
#[derive(Debug, Default, Clone)]
pub struct Trace {
    pub(crate) batch: PackedBatch,
    pub(crate) first_kept: usize,
    pub(crate) blocks: Vec<BlockTrace>,
    /// The rows that the last block went on with from its attention, if not all of them, ascending.
    pub(crate) rows: Option<Vec<usize>>,
    /// The residual stream after the last block, at `rows`.
    pub(crate) x: Vec<f32>,
    pub(crate) final_inv_rms: Vec<f32>,
    /// Final hidden states after the last norm, `[tokens, hidden_size]`; NaN in rows that the pass was told nobody reads.
    pub hidden: Vec<f32>,
    pub(crate) hooks: Vec<Hook>,
    /// What each [`Action::Read`] hook saw, in the order in which hooks were given: `[touched tokens, hidden_size]`.
    pub reads: Vec<Vec<f32>>,
    pub(crate) dropout: DropoutSeed,
    /// Whether the residual stream began with rows of the embedding.
    pub(crate) embedded: bool,
    /// Whether a backward pass has consumed what was kept.
    pub(crate) spent: bool,
    pub(crate) scratch: Scratch,
    pub(crate) buffers: Buffers,
}

/// What a forward pass is asked for beyond the batch.
#[derive(Debug, Default, Clone, Copy)]
pub struct Pass<'a> {
    /// Keep what [`Model::backward`] into these gradients needs; `None` keeps nothing.
    pub keep_for: Option<&'a Grads>,
    /// Also keep what the gradient of input embeddings needs.
    pub input_gradient: bool,
    /// Hooks on the residual stream.
    pub hooks: &'a [Hook],
    /// Input embeddings `[tokens, hidden_size]` in place of the tokens' own.
    pub embeddings: Option<&'a [f32]>,
    /// Start at this block from its input `[tokens, hidden_size]`, as a [`Action::Read`] hook on the same batch kept it.
    ///
    /// Models that share their lower blocks (adapters from a layer up, on one base) compute those once.
    pub from: Option<(usize, &'a [f32])>,
    /// Run the blocks below this one and no more: for what hooks read there. [`Trace::hidden`] is empty then, and there is no backward.
    pub until: Option<usize>,
    /// The seed of adapter dropout; none turns it off.
    pub dropout: DropoutSeed,
    /// The rows of [`Trace::hidden`] that will be read, in any order; none for all.
    ///
    /// Of the last block's rows only their keys and values are then computed elsewhere: the rows read are the same bits,
    /// and a model of few blocks, of which few rows are read, saves most of one. With dropout, or a hook behind the
    /// last attention, all rows are computed all the same.
    pub rows: Option<&'a [usize]>,
}

impl<'a> Pass<'a> {
    /// A pass that only reads.
    pub fn read() -> Self {
        Self::default()
    }

    /// A pass whose backward fills `grads`.
    pub fn train(grads: &'a Grads) -> Self {
        Self { keep_for: Some(grads), ..Self::default() }
    }
}

impl Model {
    pub(crate) fn heads(&self) -> Heads {
        let c = self.config();
        Heads { q: c.num_attention_heads, kv: c.num_key_value_heads, dim: c.head_dim, window: c.sliding_window }
    }

    /// Rows of the embedding for the tokens, into `x`.
    pub(crate) fn embed(&self, x: &mut Vec<f32>, tokens: &[u32]) {
        let d = self.config().hidden_size;
        let table = self.params.get(Params::EMBED);
        x.clear();
        x.reserve(tokens.len() * d);
        for &t in tokens {
            x.extend_from_slice(&table[t as usize * d..][..d]);
        }
    }

    /// Runs the batch through the model.
    ///
    /// # Errors
    /// [`InputError`] if the batch or a hook does not suit the model.
    ///
    /// # Panics
    /// If inputs are given that are not `[tokens, hidden_size]`, or above the lowest block that must be kept.
    pub fn forward(&self, batch: &PackedBatch, trace: &mut Trace, pass: Pass<'_>) -> Result<(), InputError> {
        self.forward_with(batch, trace, pass, |_, _| {})
    }

    /// [`Model::forward`], showing each block's keys and values as they come.
    pub(crate) fn forward_with(
        &self,
        batch: &PackedBatch,
        trace: &mut Trace,
        pass: Pass<'_>,
        mut after_block: impl FnMut(usize, &BlockTrace),
    ) -> Result<(), InputError> {
        batch.check(self.config())?;
        check_hooks(pass.hooks, self.config())?;
        let layers = self.config().num_hidden_layers;
        trace.batch.clone_from(batch);
        trace.dropout = pass.dropout;
        trace.rows = self.rows_to_compute(batch, &pass);
        trace.hooks = pass.hooks.to_vec();
        trace.reads = vec![Vec::new(); pass.hooks.iter().filter(|h| h.action == Action::Read).count()];
        trace.first_kept = match pass.keep_for {
            _ if pass.input_gradient => 0,
            Some(grads) => grads.lowest_layer(self),
            None => layers,
        };
        assert!(
            pass.from.is_none_or(|(layer, _)| layer <= trace.first_kept),
            "a pass may not start above what it must keep"
        );
        trace.blocks.resize_with(layers - trace.first_kept, BlockTrace::default);
        trace.scratch.angles.fill(&self.frequencies, batch.positions());
        let width = batch.len() * self.config().hidden_size;
        let (start, given) = match pass.from {
            Some((layer, x)) => (layer, Some(x)),
            None => (0, pass.embeddings),
        };
        trace.embedded = given.is_none();
        trace.spent = false;
        match given {
            Some(x) => {
                assert_eq!(x.len(), width, "inputs are [tokens, hidden_size]");
                trace.x.clear();
                trace.x.extend_from_slice(x);
            }
            None => self.embed(&mut trace.x, batch.tokens()),
        }
        let mut unkept = BlockTrace::default();
        let until = pass.until.map_or(layers, |until| until.min(layers));
        for l in start..until {
            run_hooks(trace, l);
            let keep = l >= trace.first_kept;
            let block = if keep { &mut trace.blocks[l - trace.first_kept] } else { &mut unkept };
            let rows = trace.rows.as_deref().filter(|_| l + 1 == layers);
            self.block_forward(l, &mut trace.x, block, &mut trace.scratch, batch, rows, keep, pass.dropout, pass.hooks);
            after_block(l, block);
        }
        run_hooks(trace, until);
        if until < layers {
            trace.hidden.clear();
            trace.spent = true;
            return Ok(());
        }
        let d = self.config().hidden_size;
        trace.hidden.resize(trace.x.len(), 0.0);
        trace.final_inv_rms.resize(trace.x.len() / d, 0.0);
        let weight = self.params.get(self.params.final_norm());
        rms_norm(&mut trace.hidden, &trace.x, weight, &mut trace.final_inv_rms, self.config().rms_norm_eps as f32);
        if let Some(rows) = &trace.rows {
            spread_rows(&mut trace.hidden, rows, batch.len(), d, f32::NAN);
        }
        Ok(())
    }

    /// Which rows the last block goes on with from its attention; none for all.
    fn rows_to_compute(&self, batch: &PackedBatch, pass: &Pass<'_>) -> Option<Vec<usize>> {
        let layers = self.config().num_hidden_layers;
        let behind = |hook: &Hook| hook.layer == layers || hook.acts_within(layers - 1);
        // A block that never ran cannot be spared.
        let runs = pass.from.map_or(0, |(layer, _)| layer) < layers;
        if !runs || pass.dropout.0.is_some() || pass.hooks.iter().any(behind) {
            return None;
        }
        let mut rows = pass.rows?.to_vec();
        rows.sort_unstable();
        rows.dedup();
        Some(rows).filter(|rows| rows.len() < batch.len())
    }

    #[allow(clippy::too_many_arguments)]
    fn block_forward(
        &self,
        layer: usize,
        x: &mut Vec<f32>,
        t: &mut BlockTrace,
        s: &mut Scratch,
        batch: &PackedBatch,
        rows: Option<&[usize]>,
        keep: bool,
        dropout: DropoutSeed,
        hooks: &[Hook],
    ) {
        let c = self.config();
        let (n, eps, heads) = (batch.len(), c.rms_norm_eps as f32, self.heads());
        let ids = self.params.layer(layer);
        let map = |module| Linear { model: self, layer, module, dropout };
        if keep {
            keep_copy(&mut t.x, x);
        }
        t.norm1.resize(n, 0.0);
        t.lse.resize(n * heads.q, 0.0);
        for (v, width) in [(&mut t.q, c.q_dim()), (&mut t.k, c.kv_dim()), (&mut t.v, c.kv_dim()), (&mut t.o, c.q_dim())]
        {
            v.resize(n * width, 0.0);
        }
        s.n.resize(x.len(), 0.0);
        s.rows_q.resize(n * c.q_dim(), 0.0);
        s.rows_k.resize(n * c.kv_dim(), 0.0);
        s.rows_v.resize(n * c.kv_dim(), 0.0);

        rms_norm(&mut s.n, x, self.params.get(ids.input_norm), &mut t.norm1, eps);
        map(Module::QProj).forward(&mut s.rows_q, &s.n, &mut t.xa[0], false);
        map(Module::KProj).forward(&mut s.rows_k, &s.n, &mut t.xa[1], false);
        map(Module::VProj).forward(&mut s.rows_v, &s.n, &mut t.xa[2], false);
        if let Some(norms) = ids.qk_norm {
            for (i, rows) in [&mut s.rows_q, &mut s.rows_k].into_iter().enumerate() {
                keep_copy(&mut t.qk_pre[i], rows);
                t.qk_inv_rms[i].resize(rows.len() / c.head_dim, 0.0);
                rms_norm(rows, &t.qk_pre[i], self.params.get(norms[i]), &mut t.qk_inv_rms[i], eps);
            }
        }
        to_heads(&mut t.q, &s.rows_q, Some(&s.angles), heads.q, heads.dim);
        to_heads(&mut t.k, &s.rows_k, Some(&s.angles), heads.kv, heads.dim);
        to_heads(&mut t.v, &s.rows_v, None, heads.kv, heads.dim);
        attention(&mut t.o, &mut t.lse, &t.q, &t.k, &t.v, batch.families(), heads);
        to_rows(&mut s.rows_q, &t.o, None, heads.q, heads.dim);
        if let Some(rows) = rows {
            keep_rows(x, rows, c.hidden_size);
            keep_rows(&mut s.rows_q, rows, c.q_dim());
        }
        map(Module::OProj).forward(x, &s.rows_q, &mut t.xa[3], true);
        for hook in hooks.iter().filter(|h| h.acts_within(layer)) {
            hook.apply(x, batch.positions(), &mut Vec::new());
        }

        if keep {
            keep_copy(&mut t.x_mid, x);
        }
        let n = x.len() / c.hidden_size;
        s.n.resize(x.len(), 0.0);
        t.norm2.resize(n, 0.0);
        for v in [&mut t.gate, &mut t.up, &mut s.f] {
            v.resize(n * c.intermediate_size, 0.0);
        }
        rms_norm(&mut s.n, x, self.params.get(ids.post_norm), &mut t.norm2, eps);
        map(Module::GateProj).forward(&mut t.gate, &s.n, &mut t.xa[4], false);
        map(Module::UpProj).forward(&mut t.up, &s.n, &mut t.xa[5], false);
        swiglu(&mut s.f, &t.gate, &t.up);
        map(Module::DownProj).forward(x, &s.f, &mut t.xa[6], true);
    }
}

fn keep_copy(to: &mut Vec<f32>, from: &[f32]) {
    to.clear();
    to.extend_from_slice(from);
}

fn run_hooks(trace: &mut Trace, layer: usize) {
    let mut read = 0;
    for hook in &trace.hooks {
        let reads = hook.action == Action::Read;
        if hook.layer == layer {
            let mut nothing = Vec::new();
            let into = if reads { &mut trace.reads[read] } else { &mut nothing };
            hook.apply(&mut trace.x, trace.batch.positions(), into);
        }
        read += usize::from(reads);
    }
}
