//! Logits, hidden states, readouts and every gradient against PyTorch's autograd in f64 (`goldens/engine`).
#![allow(clippy::unwrap_used)] // test code outside #[test] functions

mod common;

use common::{Weighted, golden, golden_json, golden_tensors, indices, near, numbers, packed, tokens};
use std::collections::BTreeMap;
use trimtab_engine::batch::PackedBatch;
use trimtab_engine::checkpoint::{load_adapter, load_folder};
use trimtab_engine::forward::{Pass, Trace};
use trimtab_engine::hooks::{Action, At, Hook};
use trimtab_engine::lora::Module;
use trimtab_engine::model::{Grads, Model, Trainable};
use trimtab_engine::muon::Muon;
use trimtab_engine::optim::{AdamW, AdamWConfig, Schedule, clip_scale};
use trimtab_engine::params::Tensor;
use trimtab_engine::readout::LogProbRows;

/// The bound on every relative error.
const TOLERANCE: f64 = 1e-4;

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&v| v as f32).collect()
}

fn head(name: &str, reference: &BTreeMap<String, Vec<f64>>, width: usize) -> Tensor {
    let data = narrow(&reference[name]);
    Tensor { name: "score.weight".into(), shape: vec![data.len() / width, width], data }
}

/// The six losses of `tiny_gradients.py`, as weights on readouts.
fn cases(given: &serde_json::Value) -> Vec<(&'static str, Weighted)> {
    let rows = indices(given, "rows");
    let n = rows.len();
    let weights = |key: &str| narrow(&numbers(given, key));
    let mean = |sign: f32| vec![sign / n as f32; n];
    let read = Weighted { rows, targets: tokens(given, "targets"), temperature: 1.0, ..Weighted::default() };
    let scores = Weighted { score_rows: indices(given, "head_rows"), temperature: 1.0, ..Weighted::default() };
    let classes = given["class_weights"].as_array().unwrap().iter();
    let classes: Vec<f32> =
        classes.flat_map(|row| row.as_array().unwrap()).map(|v| v.as_f64().unwrap() as f32).collect();
    vec![
        ("nll", Weighted { on_logp: mean(-1.0), ..read.clone() }),
        ("nll_t07", Weighted { on_logp: mean(-1.0), temperature: 0.7, ..read.clone() }),
        ("entropy", Weighted { on_logp: vec![0.0; n], on_entropy: mean(1.0), ..read.clone() }),
        (
            "mixed_t07",
            Weighted {
                on_logp: weights("logp_weights"),
                on_entropy: weights("entropy_weights"),
                temperature: 0.7,
                ..read
            },
        ),
        ("head", Weighted { on_scores: weights("head_weights"), ..scores.clone() }),
        ("classes", Weighted { on_scores: classes, ..scores }),
    ]
}

/// Every tensor of `grads` against `reference["CASE.grad.NAME"]`, none missing on either side.
fn compare_gradients(
    what: &str,
    model: &Model,
    grads: &Grads,
    case: &str,
    reference: &BTreeMap<String, Vec<f64>>,
) -> usize {
    let prefix = format!("{case}.grad.");
    let mut compared = 0;
    for id in 0..model.tensor_count() {
        let name = &model.tensor(id).unwrap().name;
        match (grads.get(id), reference.get(&format!("{prefix}{name}"))) {
            (Some(got), Some(want)) => {
                near(&format!("{what}, {case}, {name}"), got, want, TOLERANCE);
                compared += 1;
            }
            (None, None) => {}
            (got, want) => panic!("{what}, {case}, {name}: ours {}, theirs {}", got.is_some(), want.is_some()),
        }
    }
    assert_eq!(compared, reference.keys().filter(|key| key.starts_with(&prefix)).count(), "{what}, {case}");
    compared
}

fn check_model(name: &str) {
    let mut model = Model::new(load_folder(&golden(name)).unwrap());
    let given = golden_json(&format!("{name}/inputs.json"));
    let reference = golden_tensors(&format!("{name}/reference.safetensors"));
    let (width, layers) = (model.config().hidden_size, model.config().num_hidden_layers);
    let batch = packed(&given);

    // Forward: hidden states, logits, readouts.
    let hooks: Vec<Hook> = (0..layers).map(|layer| Hook { layer, at: At::All, action: Action::Read }).collect();
    let mut trace = Trace::default();
    model.forward(&batch, &mut trace, Pass { hooks: &hooks, ..Pass::read() }).unwrap();
    for (layer, seen) in trace.reads.iter().enumerate() {
        near(&format!("{name}, hidden.{layer}"), seen, &reference[&format!("hidden.{layer}")], TOLERANCE);
    }
    near(&format!("{name}, hidden.final"), &trace.hidden, &reference["hidden.final"], TOLERANCE);
    let rows: Vec<usize> = (0..batch.len()).collect();
    near(&format!("{name}, logits"), &model.logits(&trace, &rows), &reference["logits"], TOLERANCE);
    let (rows, targets) = (indices(&given, "rows"), tokens(&given, "targets"));
    for (suffix, temperature) in [("", 1.0), ("_t07", 0.7)] {
        let read = model.logprobs(&trace, LogProbRows { rows: &rows, targets: &targets, temperature }, true);
        near(&format!("{name}, logp{suffix}"), &read.logp, &reference[&format!("logp{suffix}")], TOLERANCE);
        near(&format!("{name}, entropy{suffix}"), &read.entropy, &reference[&format!("entropy{suffix}")], TOLERANCE);
    }
    let head_rows = indices(&given, "head_rows");
    for (head_name, readout) in [("score.scalar", "scalar"), ("score.class", "classes")] {
        model.head = Some(head(head_name, &reference, width));
        near(&format!("{name}, {readout}"), &model.scores(&trace, &head_rows), &reference[readout], TOLERANCE);
    }

    // Backward: six losses.
    let mut least = usize::MAX;
    for (case, weighted) in cases(&given) {
        model.head = match case {
            "head" => Some(head("score.scalar", &reference, width)),
            "classes" => Some(head("score.class", &reference, width)),
            _ => None,
        };
        let mut grads = Grads::new(&model, &model.mask(Trainable::All));
        model.forward(&batch, &mut trace, Pass { input_gradient: true, ..Pass::train(&grads) }).unwrap();
        let (loss, want) = (weighted.value(&model, &trace), reference[&format!("{case}.loss")][0]);
        assert!((loss / want - 1.0).abs() < TOLERANCE, "{name}, {case}: loss {loss}, want {want}");
        let embeddings = weighted.backward(&model, &mut trace, &mut grads).unwrap();
        least = least.min(compare_gradients(name, &model, &grads, case, &reference));
        near(
            &format!("{name}, {case}, embeddings"),
            &embeddings,
            &reference[&format!("{case}.grad_embeddings")],
            TOLERANCE,
        );
    }
    assert!(least >= 20, "{name}: only {least} tensors compared");
}

#[test]
fn llama_agrees_with_pytorch() {
    check_model("tiny_llama");
}

#[test]
fn llama3_agrees_with_pytorch() {
    check_model("tiny_llama3");
}

#[test]
fn mistral_agrees_with_pytorch() {
    check_model("tiny_mistral");
}

#[test]
fn qwen2_agrees_with_pytorch() {
    check_model("tiny_qwen2");
}

#[test]
fn qwen3_agrees_with_pytorch() {
    check_model("tiny_qwen3");
}

/// Next-token prediction over a packed batch: the rows, their targets, and −1/n for each.
fn next_token(batch: &PackedBatch) -> Weighted {
    let mut out = Weighted { temperature: 1.0, ..Weighted::default() };
    for family in batch.families() {
        for row in family.tokens.start..family.tokens.end - 1 {
            out.rows.push(row);
            out.targets.push(batch.tokens()[row + 1]);
        }
    }
    out.on_logp = vec![-1.0 / out.rows.len() as f32; out.rows.len()];
    out
}

/// Ten clipped AdamW steps with warm-up and cosine: losses, gradient norms, and every parameter at the end.
/// Ten steps on the batches of `tiny_adamw.json`, as both optimisers' scripts make them, against what PyTorch got.
fn ten_steps_agree(name: &str, start: impl FnOnce(&Model, &[bool]) -> Box<dyn FnMut(&mut Model, &Grads, f64, f64)>) {
    let batches = golden_json("tiny_adamw.json");
    let golden_run = golden_json(&format!("{name}.json"));
    let (losses, norms) = (numbers(&golden_run["f64"], "losses"), numbers(&golden_run["f64"], "norms"));
    let lrs = numbers(&batches, "lr");
    let batches: Vec<PackedBatch> = batches["batches"].as_array().unwrap().iter().map(packed).collect();
    let before = load_folder(&golden("tiny_llama")).unwrap();
    let mut model = Model::new(before.clone());
    let mask = model.mask(Trainable::All);
    let mut grads = Grads::new(&model, &mask);
    let mut step = start(&model, &mask);
    let mut trace = Trace::default();
    for (t, batch) in batches.iter().enumerate() {
        let weighted = next_token(batch);
        grads.reset();
        model.forward(batch, &mut trace, Pass::train(&grads)).unwrap();
        let loss = weighted.value(&model, &trace);
        assert!((loss - losses[t]).abs() < TOLERANCE, "step {t}: loss {loss}, want {}", losses[t]);
        weighted.backward(&model, &mut trace, &mut grads);
        let norm = grads.norm();
        assert!((norm / norms[t] - 1.0).abs() < TOLERANCE, "step {t}: norm {norm}, want {}", norms[t]);
        let lr = Schedule::Cosine.lr(1e-3, t as u64, 10, 3, 0.0);
        assert!((lr - lrs[t]).abs() < 1e-12);
        step(&mut model, &grads, lr, clip_scale(norm, 1.0));
    }
    let mut trace = Trace::default();
    model.forward(&batches[0], &mut trace, Pass::read()).unwrap();
    let (loss, want) =
        (next_token(&batches[0]).value(&model, &trace), golden_run["f64"]["final_loss"].as_f64().unwrap());
    assert!((loss - want).abs() < TOLERANCE, "final loss {loss}, want {want}");
    let end = golden_tensors(&format!("{name}.safetensors"));
    assert_eq!(end.len(), model.tensor_count());
    for (before, tensor) in before.tensors.iter().zip(&model.params.tensors) {
        let want = &end[&tensor.name];
        near(&format!("{} after ten steps", tensor.name), &tensor.data, want, TOLERANCE);
        // What was added in ten steps, which is small beside the weight, must be right as well.
        let moved = |to: f64, from: f32| to - f64::from(from);
        let got: Vec<f32> =
            tensor.data.iter().zip(&before.data).map(|(&to, &from)| moved(f64::from(to), from) as f32).collect();
        let want: Vec<f64> = want.iter().zip(&before.data).map(|(&to, &from)| moved(to, from)).collect();
        near(&format!("change of {}", tensor.name), &got, &want, 1e-3);
    }
}

const ADAMW: AdamWConfig = AdamWConfig { beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1 };

#[test]
fn ten_adamw_steps_agree_with_pytorch() {
    ten_steps_agree("tiny_adamw", |model, mask| {
        let mut optimiser = AdamW::new(model, mask, ADAMW);
        Box::new(move |model, grads, lr, scale| optimiser.step(model, grads, lr, scale))
    });
}

#[test]
fn ten_muon_steps_agree_with_pytorch() {
    ten_steps_agree("tiny_muon", |model, mask| {
        let mut optimiser = Muon::new(model, mask, 0.9, ADAMW);
        Box::new(move |model, grads, lr, scale| optimiser.step(model, grads, lr, scale))
    });
}

fn check_adapter(name: &str, adapted_maps: usize) {
    let mut model = Model::new(load_folder(&golden("tiny_llama")).unwrap());
    load_adapter(&golden(name), &mut model).unwrap();
    let given = golden_json("tiny_llama/inputs.json");
    let reference = golden_tensors(&format!("{name}/reference.safetensors"));
    let batch = packed(&given);
    let rows: Vec<usize> = (0..batch.len()).collect();
    let mut trace = Trace::default();
    model.forward(&batch, &mut trace, Pass::read()).unwrap();
    near(&format!("{name}, logits"), &model.logits(&trace, &rows), &reference["logits"], TOLERANCE);
    for (case, weighted) in cases(&given).into_iter().filter(|(case, _)| ["nll", "mixed_t07"].contains(case)) {
        let mut grads = Grads::new(&model, &model.mask(Trainable::Adapter));
        model.forward(&batch, &mut trace, Pass::train(&grads)).unwrap();
        let (loss, want) = (weighted.value(&model, &trace), reference[&format!("{case}.loss")][0]);
        assert!((loss / want - 1.0).abs() < TOLERANCE, "{name}, {case}: loss {loss}, want {want}");
        weighted.backward(&model, &mut trace, &mut grads);
        assert_eq!(compare_gradients(name, &model, &grads, case, &reference), 2 * adapted_maps);
    }
    model.merge_adapter();
    assert!(model.adapter.is_none());
    let mut merged = 0;
    for tensor in &model.params.tensors {
        if let Some(want) = reference.get(&format!("merged.{}", tensor.name)) {
            near(&format!("{name}, merged {}", tensor.name), &tensor.data, want, 1e-6);
            merged += 1;
        }
    }
    assert_eq!(merged, adapted_maps);
    model.forward(&batch, &mut trace, Pass::read()).unwrap();
    near(&format!("{name}, merged logits"), &model.logits(&trace, &rows), &reference["merged_logits"], TOLERANCE);
}

#[test]
fn an_adapter_on_all_maps_agrees_with_peft() {
    check_adapter("tiny_lora", 2 * Module::ALL.len());
}

#[test]
fn an_adapter_on_the_top_block_agrees_with_peft() {
    check_adapter("tiny_lora_top", Module::ALL.len());
}
