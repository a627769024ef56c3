//! Gradients of the whole model by finite differences: every tensor, every readout, hooks, dropout, input embeddings.
#![allow(clippy::unwrap_used)] // test code outside #[test] functions

mod common;

use common::{Weighted, adapter, lively, noise, read, shapes, some_tokens};
use trimtab_engine::DropoutSeed;
use trimtab_engine::batch::PackedBatch;
use trimtab_engine::config::ModelConfig;
use trimtab_engine::forward::{Pass, Trace};
use trimtab_engine::hooks::{Action, At, Hook};
use trimtab_engine::model::{Grads, Model, Trainable};

/// f32 leaves a loss of some tens an error of about 1e-5; steps of this length along a gradient make it small beside
/// the difference, and the third derivative too.
const STEP: f32 = 4e-3;
const TOLERANCE: f64 = 1e-2;

fn length(x: &[f32]) -> f32 {
    x.iter().map(|x| x * x).sum::<f32>().sqrt()
}

/// A unit vector between a gradient and noise: a gradient that lacks something, or has too much, shows along it.
fn direction(gradient: &[f32], seed: u64) -> Vec<f32> {
    let other = noise(gradient.len(), seed);
    let (a, b) = (1.0 / length(gradient), 1.0 / length(&other));
    let sum: Vec<f32> = gradient.iter().zip(&other).map(|(g, n)| g * a + n * b).collect();
    let norm = length(&sum);
    sum.iter().map(|x| x / norm).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn moved(x: &[f32], by: f32, along: &[f32]) -> Vec<f32> {
    x.iter().zip(along).map(|(x, d)| x + by * d).collect()
}

/// Asserts that the slope of `value` along a direction is what `gradient` says.
fn slope_agrees(what: &str, at: &[f32], gradient: &[f32], seed: u64, mut value: impl FnMut(&[f32]) -> f64) {
    assert!(length(gradient) > 0.0, "{what}: the gradient is zero");
    let d = direction(gradient, seed);
    // Short tensors have large gradients; the step is a length in parameter space all the same.
    let (up, down) = (value(&moved(at, STEP, &d)), value(&moved(at, -STEP, &d)));
    let numeric = (up - down) / (2.0 * f64::from(STEP));
    let analytic = dot(gradient, &d);
    let scale = f64::from(length(gradient)).max(0.05);
    assert!((numeric - analytic).abs() < TOLERANCE * scale, "{what}: numeric {numeric}, analytic {analytic}");
}

/// Checks every tensor of `model`, and the input embeddings, under a loss and a pass.
fn check(what: &str, model: &Model, batch: &PackedBatch, loss: &Weighted, hooks: &[Hook], dropout: DropoutSeed) {
    let mut grads = Grads::new(model, &model.mask(Trainable::All));
    let mut trace = Trace::default();
    let pass = Pass { hooks, dropout, ..Pass::default() };
    model.forward(batch, &mut trace, Pass { keep_for: Some(&grads), input_gradient: true, ..pass }).unwrap();
    let d_inputs = loss.backward(model, &mut trace, &mut grads).unwrap();
    let mut value_of = |model: &Model, embeddings: Option<&[f32]>| {
        model.forward(batch, &mut trace, Pass { embeddings, ..pass }).unwrap();
        loss.value(model, &trace)
    };
    let mut probe = model.clone();
    let mut checked = 0;
    for id in 0..model.tensor_count() {
        let tensor = model.tensor(id).unwrap();
        let Some(gradient) = grads.get(id) else { continue };
        slope_agrees(&format!("{what}, {}", tensor.name), &tensor.data, gradient, id as u64, |x| {
            probe.tensor_mut(id).unwrap().data.copy_from_slice(x);
            value_of(&probe, None)
        });
        probe.tensor_mut(id).unwrap().data.copy_from_slice(&tensor.data);
        checked += 1;
    }
    assert!(checked >= 19, "{what}: {checked} tensors");
    let table = &model.tensor(0).unwrap().data;
    let d = model.config().hidden_size;
    let inputs: Vec<f32> = batch.tokens().iter().flat_map(|&t| &table[t as usize * d..][..d]).copied().collect();
    slope_agrees(&format!("{what}, inputs"), &inputs, &d_inputs, 99, |x| value_of(model, Some(x)));
}

fn batch(config: &ModelConfig) -> PackedBatch {
    let mut batch = PackedBatch::new();
    batch.push(&some_tokens(5, config.vocab_size, 31));
    batch.push_shared(
        &some_tokens(4, config.vocab_size, 32),
        &[&some_tokens(3, config.vocab_size, 33), &some_tokens(2, config.vocab_size, 34)],
    );
    batch
}

/// Each readout alone, and all together, in every shape with an adapter and a head of three classes.
#[test]
fn every_readout_in_every_shape() {
    for (name, config) in shapes() {
        let mut model = lively(&config, 41);
        model.adapter = Some(adapter(&config, 0, 0.0));
        model.add_head(3, 5);
        let batch = batch(&config);
        let all = Weighted::everything(&model, &batch, 0.8);
        let none = || vec![0.0; batch.len()];
        let logp = Weighted { on_entropy: vec![], score_rows: vec![], on_scores: vec![], ..all.clone() };
        let entropy = Weighted { on_logp: none(), score_rows: vec![], on_scores: vec![], ..all.clone() };
        let head = Weighted { rows: vec![], targets: vec![], on_logp: vec![], on_entropy: vec![], ..all.clone() };
        for (kind, loss) in [("logp", logp), ("entropy", entropy), ("head", head), ("all", all)] {
            check(&format!("{name}, {kind}"), &model, &batch, &loss, &[], DropoutSeed(None));
        }
    }
}

#[test]
fn through_hooks() {
    for (name, config) in shapes() {
        let mut model = lively(&config, 42);
        model.add_head(1, 5);
        let batch = batch(&config);
        let d = config.hidden_size;
        let unit = |seed| {
            let v = noise(d, seed);
            let norm = length(&v);
            v.iter().map(|x| x / norm).collect::<Vec<_>>()
        };
        let hooks = [
            Hook { layer: 0, at: At::From(1), action: Action::ProjectOut(unit(1)) },
            Hook { layer: 1, at: At::All, action: Action::Add(noise(d, 2)) },
            Hook { layer: 1, at: At::Positions(vec![0, 3]), action: Action::ProjectOut(unit(3)) },
            Hook { layer: 1, at: At::All, action: Action::ProjectOut(unit(4)) },
            Hook { layer: 0, at: At::Positions(vec![1, 2]), action: Action::Ablate(unit(7)) },
            Hook { layer: 1, at: At::All, action: Action::Ablate(unit(8)) },
            Hook { layer: 2, at: At::All, action: Action::ProjectOut(unit(5)) },
            Hook { layer: 2, at: At::All, action: Action::Add(noise(d, 6)) },
        ];
        let loss = Weighted::everything(&model, &batch, 1.0);
        check(name, &model, &batch, &loss, &hooks, DropoutSeed(None));
    }
}

/// The mask of the forward pass is that of the backward pass: with the seed fixed, the loss is a smooth function.
#[test]
fn through_dropout() {
    for (name, config) in shapes() {
        let mut model = lively(&config, 43);
        model.adapter = Some(adapter(&config, 0, 0.4));
        model.add_head(1, 5);
        let batch = batch(&config);
        let loss = Weighted::everything(&model, &batch, 1.0);
        check(name, &model, &batch, &loss, &[], DropoutSeed(Some(17)));
    }
}

#[test]
#[should_panic(expected = "one backward pass per forward pass")]
fn a_second_backward_is_refused() {
    let model = lively(&ModelConfig::tiny(), 1);
    let batch = batch(model.config());
    let loss = Weighted::everything(&model, &batch, 1.0);
    let mut grads = Grads::new(&model, &model.mask(Trainable::All));
    let mut trace = Trace::default();
    model.forward(&batch, &mut trace, Pass::train(&grads)).unwrap();
    loss.backward(&model, &mut trace, &mut grads);
    loss.backward(&model, &mut trace, &mut grads);
}

#[test]
#[should_panic(expected = "kept less than these gradients want")]
fn a_backward_without_what_it_needs_is_refused() {
    let model = lively(&ModelConfig::tiny(), 1);
    let batch = batch(model.config());
    let mut trace = read(&model, &batch);
    let mut grads = Grads::new(&model, &model.mask(Trainable::All));
    Weighted::everything(&model, &batch, 1.0).backward(&model, &mut trace, &mut grads);
}
