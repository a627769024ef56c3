//! Sampling: batched, with cached keys and values, prompts computed once for all their samples.
//!
//! 1. A prompt goes through [`Model::forward`] once; its keys, values and last logits are shared by its samples.
//! 2. Answers then grow token by token in slots; a finished answer's slot goes to the next one in line.
//! 3. A random stream belongs to (seed, prompt, sample) and kernels treat rows independently of each other, so
//!    an answer is the same whatever else is in the batch.
//! 4. The log-probability of a token is that of the full softmax at the sampling temperature (greedy: at 1), also when
//!    top-k, top-p or min-p cut the support it was drawn from (rlhf field notes, traps 13 and 14).

mod draw;

use crate::batch::{InputError, PackedBatch};
use crate::forward::{Pass, Trace};
use crate::hooks::{Action, Hook, check_hooks};
use crate::kernels::decode::{Cache, attend};
use crate::kernels::matmul::{FewJob, matmul_nt_few};
use crate::kernels::norm::rms_norm;
use crate::kernels::rope::{Angles, to_heads};
use crate::kernels::swiglu::swiglu;
use crate::linear::{DropoutSeed, Linear, forward_few};
use crate::lora::Module;
use crate::model::Model;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// How answers are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// Logits are divided by this; 0 takes the most likely token.
    pub temperature: f32,
    /// Keep the k most likely tokens; 0 keeps all.
    pub top_k: usize,
    /// Keep the fewest tokens whose probabilities reach this; 1 keeps all.
    pub top_p: f32,
    /// Drop tokens less likely than this share of the most likely one; 0 drops none.
    pub min_p: f32,
    /// Longest answer, in tokens, its end token included.
    pub max_new_tokens: usize,
    /// Tokens that end an answer; they are part of it.
    pub eos: Vec<u32>,
    /// Names the random streams.
    pub seed: u64,
    /// Answers that grow side by side.
    pub batch: usize,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            max_new_tokens: 256,
            eos: Vec::new(),
            seed: 0,
            batch: 16,
        }
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stop {
    /// It said so.
    Eos,
    /// It reached the longest length, or the model's context.
    Length,
}

/// One sampled answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Index of its prompt.
    pub prompt: usize,
    /// Which of the prompt's samples it is.
    pub sample: usize,
    /// Its tokens, with the end token where it has one.
    pub tokens: Vec<u32>,
    /// ln p of each token in nats, at the sampling temperature.
    pub logprobs: Vec<f32>,
    /// Why it ended.
    pub stop: Stop,
}

/// What a caller hears while answers grow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Index of the prompt.
    pub prompt: usize,
    /// Which of its samples.
    pub sample: usize,
    /// The token that was just drawn.
    pub token: u32,
    /// Why the answer ended, if this was its last token.
    pub stop: Option<Stop>,
}

/// The answer to [`Progress`]: go on, or stop everything and return what is finished.
pub type Continue = bool;

/// Keys and values of a prompt, by block and key head; and the logits that follow it.
struct Prefix {
    caches: Vec<Cache>,
    tokens: usize,
    logits: Vec<f32>,
}

/// An answer that is growing.
struct Slot {
    prompt: usize,
    sample: usize,
    prefix: Arc<Prefix>,
    /// Keys and values of its own tokens, by block and key head.
    own: Vec<Cache>,
    rng: ChaCha8Rng,
    tokens: Vec<u32>,
    logprobs: Vec<f32>,
}

impl Slot {
    fn new(model: &Model, prompt: usize, sample: usize, prefix: Arc<Prefix>, seed: u64) -> Self {
        let c = model.config();
        Self {
            prompt,
            sample,
            prefix,
            own: vec![Cache::default(); c.num_hidden_layers * c.num_key_value_heads],
            rng: stream(seed, prompt, sample),
            tokens: Vec::new(),
            logprobs: Vec::new(),
        }
    }
}

impl Model {
    /// Draws `samples` answers to each prompt. Answers come back in order of prompt and sample.
    ///
    /// `hear` is called for every token drawn; when it returns `false`, sampling stops and finished answers are returned.
    ///
    /// # Errors
    /// [`InputError`] for an empty prompt, one with unknown tokens, one that leaves no room for an answer, or a hook that
    /// does not fit the model.
    pub fn generate(
        &self,
        prompts: &[Vec<u32>],
        samples: usize,
        sampling: &Sampling,
        hooks: &[Hook],
        mut hear: impl FnMut(Progress) -> Continue,
    ) -> Result<Vec<Answer>, InputError> {
        let limit = self.config().max_position_embeddings;
        check_hooks(hooks, self.config())?;
        for prompt in prompts {
            let mut batch = PackedBatch::new();
            batch.push(prompt);
            batch.check(self.config())?;
            if prompt.len() >= limit {
                return Err(InputError::TooLong { length: prompt.len() + 1, limit });
            }
        }
        if sampling.max_new_tokens == 0 {
            let empty =
                |prompt, sample| Answer { prompt, sample, tokens: vec![], logprobs: vec![], stop: Stop::Length };
            return Ok((0..prompts.len()).flat_map(|p| (0..samples).map(move |s| empty(p, s))).collect());
        }
        let mut queue = (0..prompts.len()).flat_map(|p| (0..samples).map(move |s| (p, s)));
        let mut prefixes: HashMap<usize, (Arc<Prefix>, usize)> = HashMap::new();
        let mut decoder = Decoder::new(self, hooks);
        let mut slots: Vec<Slot> = Vec::new();
        let mut done = Vec::new();
        loop {
            while slots.len() < sampling.batch.max(1) {
                let free = sampling.batch.max(1) - slots.len();
                let jobs: Vec<(usize, usize)> = queue.by_ref().take(free).collect();
                if jobs.is_empty() {
                    break;
                }
                let mut new: Vec<usize> = jobs.iter().map(|j| j.0).filter(|p| !prefixes.contains_key(p)).collect();
                new.dedup();
                for (prompt, prefix) in decoder.prefill(prompts, &new)? {
                    prefixes.insert(prompt, (Arc::new(prefix), 0));
                }
                for (prompt, sample) in jobs {
                    let Some(entry) = prefixes.get_mut(&prompt) else { continue };
                    entry.1 += 1;
                    let prefix = Arc::clone(&entry.0);
                    if entry.1 == samples {
                        prefixes.remove(&prompt);
                    }
                    let mut slot = Slot::new(self, prompt, sample, prefix, sampling.seed);
                    let prefix = Arc::clone(&slot.prefix);
                    match draw(&mut slot, &prefix.logits, sampling, limit, &mut hear, &mut done) {
                        Next::Grow => slots.push(slot),
                        Next::Finished => {}
                        Next::StopAll => return Ok(in_order(done)),
                    }
                }
            }
            if slots.is_empty() {
                return Ok(in_order(done));
            }
            decoder.step(&mut slots);
            let vocab = self.config().vocab_size;
            let mut kept = Vec::with_capacity(slots.len());
            for (mut slot, logits) in slots.drain(..).zip(decoder.logits.chunks_exact(vocab)) {
                match draw(&mut slot, logits, sampling, limit, &mut hear, &mut done) {
                    Next::Grow => kept.push(slot),
                    Next::Finished => {}
                    Next::StopAll => return Ok(in_order(done)),
                }
            }
            slots = kept;
        }
    }
}

fn in_order(mut done: Vec<Answer>) -> Vec<Answer> {
    done.sort_by_key(|a| (a.prompt, a.sample));
    done
}

fn stream(seed: u64, prompt: usize, sample: usize) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&(prompt as u64).to_le_bytes());
    key[16..24].copy_from_slice(&(sample as u64).to_le_bytes());
    key[24..].copy_from_slice(b"generate");
    ChaCha8Rng::from_seed(key)
}

enum Next {
    Grow,
    Finished,
    StopAll,
}

fn draw(
    slot: &mut Slot,
    logits: &[f32],
    sampling: &Sampling,
    limit: usize,
    hear: &mut impl FnMut(Progress) -> Continue,
    done: &mut Vec<Answer>,
) -> Next {
    let (token, logprob) = draw::sample_token(logits, sampling, &mut slot.rng);
    slot.tokens.push(token);
    slot.logprobs.push(logprob);
    let stop = if sampling.eos.contains(&token) {
        Some(Stop::Eos)
    } else if slot.tokens.len() >= sampling.max_new_tokens || slot.prefix.tokens + slot.tokens.len() >= limit {
        Some(Stop::Length)
    } else {
        None
    };
    let go_on = hear(Progress { prompt: slot.prompt, sample: slot.sample, token, stop });
    if let Some(stop) = stop {
        done.push(Answer {
            prompt: slot.prompt,
            sample: slot.sample,
            tokens: std::mem::take(&mut slot.tokens),
            logprobs: std::mem::take(&mut slot.logprobs),
            stop,
        });
    }
    match (go_on, stop) {
        (false, _) => Next::StopAll,
        (true, Some(_)) => Next::Finished,
        (true, None) => Next::Grow,
    }
}

/// The decoding pass and its buffers.
struct Decoder<'m> {
    model: &'m Model,
    hooks: &'m [Hook],
    trace: Trace,
    angles: Angles,
    logits: Vec<f32>,
    x: Vec<f32>,
    n: Vec<f32>,
    inv_rms: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    q_heads: Vec<f32>,
    k_heads: Vec<f32>,
    o: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    act: Vec<f32>,
}

impl<'m> Decoder<'m> {
    fn new(model: &'m Model, hooks: &'m [Hook]) -> Self {
        Self {
            model,
            hooks,
            trace: Trace::default(),
            angles: Angles::default(),
            logits: Vec::new(),
            x: Vec::new(),
            n: Vec::new(),
            inv_rms: Vec::new(),
            q: Vec::new(),
            k: Vec::new(),
            v: Vec::new(),
            q_heads: Vec::new(),
            k_heads: Vec::new(),
            o: Vec::new(),
            gate: Vec::new(),
            up: Vec::new(),
            act: Vec::new(),
        }
    }

    /// Keys, values and last logits of the prompts named by `which`, packed into passes of bounded size.
    ///
    /// Products treat rows independently, so a prompt's numbers do not depend on its company.
    fn prefill(&mut self, prompts: &[Vec<u32>], which: &[usize]) -> Result<Vec<(usize, Prefix)>, InputError> {
        /// Tokens of one pass, unless one prompt alone is longer.
        const PASS: usize = 1024;
        let heads = self.model.heads();
        let mut out: Vec<(usize, Prefix)> = Vec::with_capacity(which.len());
        let mut rest = which;
        while !rest.is_empty() {
            let mut batch = PackedBatch::new();
            let mut ranges = Vec::new();
            while let Some((&p, tail)) = rest.split_first() {
                if !ranges.is_empty() && batch.len() + prompts[p].len() > PASS {
                    break;
                }
                ranges.push((p, batch.push(&prompts[p])));
                rest = tail;
            }
            let (n, first) = (batch.len(), out.len());
            out.extend(
                ranges.iter().map(|(p, at)| (*p, Prefix { caches: Vec::new(), tokens: at.len(), logits: Vec::new() })),
            );
            let last: Vec<usize> = ranges.iter().map(|(_, at)| at.end - 1).collect();
            let pass = Pass { hooks: self.hooks, rows: Some(&last), ..Pass::read() };
            self.model.forward_with(&batch, &mut self.trace, pass, |_, block| {
                for ((_, at), (_, prefix)) in ranges.iter().zip(&mut out[first..]) {
                    for head in 0..heads.kv {
                        let rows = (head * n + at.start) * heads.dim..(head * n + at.end) * heads.dim;
                        prefix.caches.push(Cache::of(&block.k[rows.clone()], &block.v[rows], heads.dim));
                    }
                }
            })?;
            let vocab = self.model.config().vocab_size;
            for (logits, (_, prefix)) in
                self.model.logits(&self.trace, &last).chunks_exact(vocab).zip(&mut out[first..])
            {
                prefix.logits = logits.to_vec();
            }
        }
        Ok(out)
    }

    /// Feeds each slot its last token; leaves the logits that follow in `self.logits`, one row per slot.
    fn step(&mut self, slots: &mut [Slot]) {
        let model = self.model;
        let c = model.config();
        let (rows, eps, heads) = (slots.len(), c.rms_norm_eps as f32, model.heads());
        let last: Vec<u32> = slots.iter().filter_map(|s| s.tokens.last().copied()).collect();
        let positions: Vec<u32> = slots.iter().map(|s| (s.prefix.tokens + s.tokens.len() - 1) as u32).collect();
        self.angles.fill(&model.frequencies, &positions);
        model.embed(&mut self.x, &last);
        self.n.resize(self.x.len(), 0.0);
        self.inv_rms.resize(rows, 0.0);
        self.q_heads.resize(rows * c.q_dim(), 0.0);
        self.k_heads.resize(rows * c.kv_dim(), 0.0);
        self.o.resize(rows * c.q_dim(), 0.0);
        self.act.resize(rows * c.intermediate_size, 0.0);
        for l in 0..c.num_hidden_layers {
            self.run_hooks(l, &positions);
            let ids = model.params.layer(l);
            let map = |module| Linear { model, layer: l, module, dropout: DropoutSeed::default() };
            rms_norm(&mut self.n, &self.x, model.params.get(ids.input_norm), &mut self.inv_rms, eps);
            let qkv = [map(Module::QProj), map(Module::KProj), map(Module::VProj)];
            forward_few(&qkv, &mut [&mut self.q, &mut self.k, &mut self.v], &self.n, false);
            if let Some(norms) = ids.qk_norm {
                for (rows, norm) in [&mut self.q, &mut self.k].into_iter().zip(norms) {
                    let pre = rows.clone();
                    let mut inv_rms = vec![0.0; rows.len() / c.head_dim];
                    rms_norm(rows, &pre, model.params.get(norm), &mut inv_rms, eps);
                }
            }
            to_heads(&mut self.q_heads, &self.q, Some(&self.angles), heads.q, heads.dim);
            to_heads(&mut self.k_heads, &self.k, Some(&self.angles), heads.kv, heads.dim);
            let (q, k, v) = (&self.q_heads, &self.k_heads, &self.v);
            let attend = |row: usize, slot: &mut Slot, o: &mut [f32]| attend_one(slot, l, row, rows, q, k, v, o, heads);
            if rows == 1 {
                attend(0, &mut slots[0], &mut self.o);
            } else {
                slots
                    .par_iter_mut()
                    .zip(self.o.par_chunks_mut(c.q_dim()))
                    .enumerate()
                    .for_each(|(row, (slot, o))| attend(row, slot, o));
            }
            forward_few(&[map(Module::OProj)], &mut [&mut self.x], &self.o, true);
            for hook in self.hooks.iter().filter(|h| h.acts_within(l)) {
                hook.apply(&mut self.x, &positions, &mut Vec::new());
            }
            rms_norm(&mut self.n, &self.x, model.params.get(ids.post_norm), &mut self.inv_rms, eps);
            let halves = &mut [&mut self.gate, &mut self.up];
            forward_few(&[map(Module::GateProj), map(Module::UpProj)], halves, &self.n, false);
            swiglu(&mut self.act, &self.gate, &self.up);
            forward_few(&[map(Module::DownProj)], &mut [&mut self.x], &self.act, true);
        }
        self.run_hooks(c.num_hidden_layers, &positions);
        rms_norm(&mut self.n, &self.x, model.params.get(model.params.final_norm()), &mut self.inv_rms, eps);
        self.logits.resize(rows * c.vocab_size, 0.0);
        let w = model.params.get(model.params.lm_head());
        let job = FewJob { y: &mut self.logits, w, n: c.vocab_size };
        matmul_nt_few(&mut [job], &self.n, rows, c.hidden_size, false);
    }

    fn run_hooks(&mut self, layer: usize, positions: &[u32]) {
        for hook in self.hooks.iter().filter(|h| h.layer == layer && h.action != Action::Read) {
            hook.apply(&mut self.x, positions, &mut Vec::new());
        }
    }
}

/// Attention of one slot's newest token over its prompt's keys and its own, whose cache it first extends.
#[allow(clippy::too_many_arguments)]
fn attend_one(
    slot: &mut Slot,
    layer: usize,
    row: usize,
    rows: usize,
    q_heads: &[f32],
    k_heads: &[f32],
    v_rows: &[f32],
    o: &mut [f32],
    h: crate::kernels::attention::Heads,
) {
    let (dim, group) = (h.dim, h.q / h.kv);
    let mut scratch = Vec::new();
    for kv in 0..h.kv {
        let at = layer * h.kv + kv;
        slot.own[at].push(&k_heads[(kv * rows + row) * dim..][..dim], &v_rows[(row * h.kv + kv) * dim..][..dim]);
        for head in kv * group..(kv + 1) * group {
            let (q, out) = (&q_heads[(head * rows + row) * dim..][..dim], &mut o[head * dim..][..dim]);
            attend(out, q, &slot.prefix.caches[at], &slot.own[at], h.window, &mut scratch);
        }
    }
}
