//! The backward pass: from the gradient of the final hidden states to those of parameters and input embeddings.

use crate::forward::Trace;
use crate::kernels::attention::attention_backward;
use crate::kernels::norm::{rms_norm_again, rms_norm_backward};
use crate::kernels::rope::{to_heads, to_rows};
use crate::kernels::swiglu::swiglu_backward;
use crate::kernels::vector::axpy;
use crate::linear::Linear;
use crate::lora::Module;
use crate::model::{Grads, Model};
use crate::params::Params;
use crate::rows::{keep_rows, spread_rows};

impl Model {
    /// Adds to `grads` the gradients that `d_hidden` (∂loss/∂[`Trace::hidden`], `[tokens, hidden_size]`) implies.
    ///
    /// Stops below the lowest trained block. Returns the gradient of the input embeddings `[tokens, hidden_size]` when
    /// the forward pass was asked to keep what it needs ([`Pass::input_gradient`](crate::forward::Pass)). Consumes what
    /// the trace kept. Of `d_hidden`, only the rows that the forward pass was told would be read count.
    ///
    /// # Panics
    /// At a second backward pass of one forward pass, or if that one kept less than `grads` wants.
    pub fn backward(&self, trace: &mut Trace, d_hidden: &[f32], grads: &mut Grads) -> Option<Vec<f32>> {
        assert!(!std::mem::replace(&mut trace.spent, true), "one backward pass per forward pass");
        assert!(grads.lowest_layer(self) >= trace.first_kept, "the forward pass kept less than these gradients want");
        let layers = self.config().num_hidden_layers;
        let norm = self.params.final_norm();
        let mut at_rows = Vec::new();
        let d_hidden = match &trace.rows {
            Some(rows) => {
                at_rows.extend_from_slice(d_hidden);
                keep_rows(&mut at_rows, rows, self.config().hidden_size);
                &at_rows
            }
            None => d_hidden,
        };
        let mut dx = vec![0.0; d_hidden.len()];
        let dw = rms_norm_backward(&mut dx, d_hidden, &trace.x, self.params.get(norm), &trace.final_inv_rms, false);
        grads.add(norm, &dw);
        backward_hooks(trace, layers, &mut dx);
        let mut buffers = std::mem::take(&mut trace.buffers);
        let first = trace.first_kept;
        for l in (first..layers).rev() {
            // Below the last kept block nobody wants dx, unless the embedding (or its input) does.
            let goes_on = l > first || first == 0;
            self.block_backward(l, &mut dx, trace, grads, &mut buffers, goes_on);
            backward_hooks(trace, l, &mut dx);
        }
        trace.buffers = buffers;
        if first > 0 {
            return None;
        }
        if trace.embedded && grads.wants(Params::EMBED) {
            self.embedding_backward(trace.batch.tokens(), &dx, grads);
        }
        Some(dx)
    }

    fn embedding_backward(&self, tokens: &[u32], dx: &[f32], grads: &mut Grads) {
        let d = self.config().hidden_size;
        if let Some((table, add)) = grads.target(Params::EMBED) {
            if !add {
                table.fill(0.0);
            }
            for (&t, row) in tokens.iter().zip(dx.chunks_exact(d)) {
                axpy(&mut table[t as usize * d..][..d], 1.0, row);
            }
        }
    }

    fn block_backward(
        &self,
        layer: usize,
        dx: &mut Vec<f32>,
        trace: &mut Trace,
        grads: &mut Grads,
        b: &mut Buffers,
        goes_on: bool,
    ) {
        let Trace { blocks, scratch: s, first_kept, batch, rows, dropout, hooks, .. } = trace;
        let rows = rows.as_deref().filter(|_| layer + 1 == self.config().num_hidden_layers);
        let (t, families, dropout) = (&mut blocks[layer - *first_kept], batch.families(), *dropout);
        let heads = self.heads();
        let ids = self.params.layer(layer);
        let map = |module| Linear { model: self, layer, module, dropout };
        let w = |id| self.params.get(id);

        // MLP: x += down(silu(gate(n))·up(n)), n = norm(x_mid).
        s.f.resize(t.gate.len(), 0.0);
        s.n.resize(dx.len(), 0.0);
        b.dn.resize(dx.len(), 0.0);
        // The input gradient first: swiglu_backward turns it into the input again, which the weight gradient needs.
        map(Module::DownProj).backward_input(&mut s.f, dx, false);
        swiglu_backward(&mut s.f, &mut t.gate, &mut t.up);
        map(Module::DownProj).backward_weight(dx, &s.f, &t.xa[6], grads);
        rms_norm_again(&mut s.n, &t.x_mid, w(ids.post_norm), &t.norm2);
        map(Module::GateProj).backward_weight(&t.gate, &s.n, &t.xa[4], grads);
        map(Module::UpProj).backward_weight(&t.up, &s.n, &t.xa[5], grads);
        map(Module::GateProj).backward_input(&mut b.dn, &t.gate, false);
        map(Module::UpProj).backward_input(&mut b.dn, &t.up, true);
        let dw = rms_norm_backward(dx, &b.dn, &t.x_mid, w(ids.post_norm), &t.norm2, true);
        grads.add(ids.post_norm, &dw);
        for hook in hooks.iter().rev().filter(|h| h.acts_within(layer)) {
            hook.backward(dx, batch.positions());
        }

        // Attention: x_mid = x + o(attend(q(n), k(n), v(n))), n = norm(x).
        s.rows_q.resize(t.q.len(), 0.0);
        s.rows_k.resize(t.k.len(), 0.0);
        s.rows_v.resize(t.v.len(), 0.0);
        for (v, len) in
            [(&mut b.d_o, t.q.len()), (&mut b.dq, t.q.len()), (&mut b.dk, t.k.len()), (&mut b.dv, t.v.len())]
        {
            v.resize(len, 0.0);
        }
        to_rows(&mut s.rows_q, &t.o, None, heads.q, heads.dim);
        if let Some(rows) = rows {
            keep_rows(&mut s.rows_q, rows, self.config().q_dim());
        }
        b.d_rows.resize(s.rows_q.len(), 0.0);
        map(Module::OProj).backward_weight(dx, &s.rows_q, &t.xa[3], grads);
        map(Module::OProj).backward_input(&mut b.d_rows, dx, false);
        if let Some(rows) = rows {
            // From here on keys and values of all rows have a part in it.
            spread_rows(dx, rows, batch.len(), self.config().hidden_size, 0.0);
            spread_rows(&mut b.d_rows, rows, batch.len(), self.config().q_dim(), 0.0);
            s.n.resize(dx.len(), 0.0);
            b.dn.resize(dx.len(), 0.0);
            s.rows_q.resize(t.q.len(), 0.0);
        }
        to_heads(&mut b.d_o, &b.d_rows, None, heads.q, heads.dim);
        attention_backward(&mut b.dq, &mut b.dk, &mut b.dv, &b.d_o, &t.q, &t.k, &t.v, &t.o, &t.lse, families, heads);
        to_rows(&mut s.rows_q, &b.dq, Some(&s.angles), heads.q, heads.dim);
        to_rows(&mut s.rows_k, &b.dk, Some(&s.angles), heads.kv, heads.dim);
        to_rows(&mut s.rows_v, &b.dv, None, heads.kv, heads.dim);
        if let Some(norms) = ids.qk_norm {
            for (i, rows) in [&mut s.rows_q, &mut s.rows_k].into_iter().enumerate() {
                b.pre.clear();
                b.pre.resize(rows.len(), 0.0);
                let dw = rms_norm_backward(&mut b.pre, rows, &t.qk_pre[i], w(norms[i]), &t.qk_inv_rms[i], false);
                grads.add(norms[i], &dw);
                rows.copy_from_slice(&b.pre);
            }
        }
        rms_norm_again(&mut s.n, &t.x, w(ids.input_norm), &t.norm1);
        let qkv = [(Module::QProj, &s.rows_q), (Module::KProj, &s.rows_k), (Module::VProj, &s.rows_v)];
        for (i, (module, rows)) in qkv.iter().enumerate() {
            map(*module).backward_weight(rows, &s.n, &t.xa[i], grads);
        }
        if goes_on || grads.wants(ids.input_norm) {
            for (i, (module, rows)) in qkv.iter().enumerate() {
                map(*module).backward_input(&mut b.dn, rows, i > 0);
            }
            let dw = rms_norm_backward(dx, &b.dn, &t.x, w(ids.input_norm), &t.norm1, true);
            grads.add(ids.input_norm, &dw);
        }
    }
}

fn backward_hooks(trace: &Trace, layer: usize, dx: &mut [f32]) {
    trace.hooks.iter().rev().filter(|h| h.layer == layer).for_each(|h| h.backward(dx, trace.batch.positions()));
}

/// Buffers of the backward pass, reused from block to block and from pass to pass.
#[derive(Debug, Default, Clone)]
pub(crate) struct Buffers {
    dn: Vec<f32>,
    d_rows: Vec<f32>,
    d_o: Vec<f32>,
    dq: Vec<f32>,
    dk: Vec<f32>,
    dv: Vec<f32>,
    pre: Vec<f32>,
}
