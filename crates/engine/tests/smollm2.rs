//! SmolLM2-135M-Instruct against transformers on the same dequantised weights (`goldens/engine/smollm2_logits.py`).
//! Skipped by name where the file is absent.
#![allow(clippy::unwrap_used)] // test code outside #[test] functions

mod common;

use common::{golden_json, golden_tensors, smollm2, tokens};
use std::sync::OnceLock;
use trimtab_engine::batch::PackedBatch;
use trimtab_engine::checkpoint::gguf;
use trimtab_engine::forward::{Pass, Trace};
use trimtab_engine::generate::{Sampling, Stop};
use trimtab_engine::model::Model;
use trimtab_engine::readout::LogProbRows;

/// The bound on the absolute difference of logits.
const LOGITS: f64 = 2e-3;

/// The model, read once for all tests; or the test's name and why it is skipped, printed.
fn model(test: &str) -> Option<&'static Model> {
    static MODEL: OnceLock<Option<Model>> = OnceLock::new();
    let load = || Some(Model::new(gguf::open(&smollm2()?).unwrap().load_params().unwrap()));
    let model = MODEL.get_or_init(load).as_ref();
    if model.is_none() {
        println!("skipped: {test}: no SmolLM2-135M-Instruct.Q4_1.gguf; set TRIMTAB_SMOLLM2_GGUF to its path");
    }
    model
}

/// 20 texts: the 16 best and 64 fixed logits and the log-sum-exp of every position within 2e-3, and the same argmax.
#[test]
fn logits_agree_with_transformers_on_20_texts() {
    let Some(model) = model("logits_agree_with_transformers_on_20_texts") else { return };
    let golden = golden_tensors("smollm2/logits.safetensors");
    let index = |name: &str| golden[name].iter().map(|&v| v as usize).collect::<Vec<_>>();
    let (offsets, ids) = (index("offsets"), index("tokens"));
    let (argmax, top, fixed) = (index("argmax"), index("top_ids"), index("fixed_ids"));
    let mut batch = PackedBatch::new();
    for pair in offsets.windows(2) {
        batch.push(&ids[pair[0]..pair[1]].iter().map(|&t| t as u32).collect::<Vec<_>>());
    }
    assert_eq!(offsets.len(), 21);
    let mut trace = Trace::default();
    model.forward(&batch, &mut trace, Pass::read()).unwrap();
    let vocab = model.config().vocab_size;
    let mut worst = 0.0f64;
    for pair in offsets.windows(2) {
        let rows: Vec<usize> = (pair[0]..pair[1]).collect();
        let logits = model.logits(&trace, &rows);
        for (&row, logits) in rows.iter().zip(logits.chunks_exact(vocab)) {
            let best = (0..vocab).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
            assert_eq!(best, argmax[row], "argmax of row {row}");
            let mut differ = |got: f32, want: f64| worst = worst.max((f64::from(got) - want).abs());
            for (&id, &want) in top[row * 16..][..16].iter().zip(&golden["top_logits"][row * 16..]) {
                differ(logits[id], want);
            }
            for (&id, &want) in fixed.iter().zip(&golden["fixed_logits"][row * 64..]) {
                differ(logits[id], want);
            }
        }
        // The log-sum-exp of all 49,152 logits, by way of the readout that never forms them: logit − logp.
        let targets: Vec<u32> = rows.iter().map(|&r| argmax[r] as u32).collect();
        let read = model.logprobs(&trace, LogProbRows { rows: &rows, targets: &targets, temperature: 1.0 }, false);
        for (i, &row) in rows.iter().enumerate() {
            let lse = logits[i * vocab + argmax[row]] - read.logp[i];
            worst = worst.max((f64::from(lse) - golden["logsumexp"][row]).abs());
        }
    }
    println!("{} positions, worst difference {worst:.2e}", ids.len());
    assert!(worst < LOGITS, "worst difference of logits {worst}");
}

/// 20 prompts, ten at a time: 64 greedy tokens identical.
#[test]
fn greedy_tokens_agree_with_transformers_on_20_prompts() {
    let Some(model) = model("greedy_tokens_agree_with_transformers_on_20_prompts") else { return };
    let golden = golden_json("smollm2/texts.json");
    let given = golden["greedy"].as_array().unwrap();
    assert_eq!(given.len(), 20);
    let prompts: Vec<Vec<u32>> = given.iter().map(|p| tokens(p, "prompt_tokens")).collect();
    let greedy = Sampling { temperature: 0.0, max_new_tokens: 64, batch: 10, ..Sampling::default() };
    let answers = model.generate(&prompts, 1, &greedy, &[], |_| true).unwrap();
    for (answer, prompt) in answers.iter().zip(given) {
        assert_eq!(answer.stop, Stop::Length);
        assert_eq!(answer.tokens, tokens(prompt, "tokens"), "prompt {}", prompt["name"]);
    }
    assert_eq!(answers.len(), 20);
}
