//! The refusal direction: the published rule on stored scores, and one edit in two forms. Stored scores where they are at hand
//! (`TRIMTAB_SHARED`, or `../shared` beside the repository).

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

mod common;
use common::shared;
use serde_json::Value;
use trimtab_alignment::checkpoint;
use trimtab_audit::attack::{Candidate, Rule, ablation, unit, without_direction};
use trimtab_engine::batch::PackedBatch;
use trimtab_engine::config::{Architecture, ModelConfig};
use trimtab_engine::forward::{Pass, Trace};
use trimtab_engine::hooks::Hook;
use trimtab_engine::model::Model;
use trimtab_run::stream;

fn json(path: &std::path::Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Stored scores; Python writes NaN where JSON has none.
fn candidates(path: &std::path::Path) -> Vec<Candidate> {
    let text = std::fs::read_to_string(path).unwrap().replace("NaN", "null");
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    let row = |row: &Value| {
        let score = |name: &str| row[name].as_f64().unwrap_or(f64::NAN);
        Candidate {
            position: row["position"].as_i64().unwrap(),
            layer: row["layer"].as_u64().unwrap() as usize,
            refusal_score: score("refusal_score"),
            steering_score: score("steering_score"),
            kl_div_score: score("kl_div_score"),
        }
    };
    rows.iter().map(row).collect()
}

/// The rule on the stored scores of five models gives the stored place and leaves the stored number of candidates; without its
/// filters four of the five choose another.
#[test]
fn the_rule_is_the_published_one() {
    let test = "the_rule_is_the_published_one";
    let Some(golden) = shared(test, "derived/golden.json") else { return };
    let golden = json(&golden)["refusal_direction"].clone();
    let mut elsewhere = 0;
    for (model, stored) in golden.as_object().unwrap() {
        let runs = "andyrdt+refusal_direction/pipeline/runs";
        let Some(path) = shared(test, &format!("{runs}/{model}/select_direction/direction_evaluations.json")) else {
            return;
        };
        let candidates = candidates(&path);
        let layers = stored["layers"].as_u64().unwrap() as usize;
        let (best, passed) = Rule::default().select(&candidates, layers);
        let best = candidates[best.unwrap()];
        assert_eq!(best.position, stored["direction"]["pos"].as_i64().unwrap(), "{model}");
        assert_eq!(best.layer as u64, stored["direction"]["layer"].as_u64().unwrap(), "{model}");
        assert_eq!(passed.candidates as u64, stored["candidates"].as_u64().unwrap(), "{model}");
        assert_eq!(passed.pass as u64, stored["pass_filters"].as_u64().unwrap(), "{model}");
        let open = Rule { most_kl: f64::INFINITY, least_steering: f64::NEG_INFINITY, layers: 1.0 };
        let unfiltered = candidates[open.select(&candidates, layers).0.unwrap()];
        elsewhere += usize::from((unfiltered.position, unfiltered.layer) != (best.position, best.layer));
    }
    assert_eq!(elsewhere, 4);
}

/// A tiny shape of every member of the family.
fn shapes() -> Vec<(&'static str, ModelConfig)> {
    let tiny = ModelConfig::tiny();
    let untied = ModelConfig { tie_word_embeddings: false, ..tiny.clone() };
    vec![
        ("llama, tied", tiny.clone()),
        ("llama, untied", untied.clone()),
        ("qwen2", ModelConfig { architecture: Architecture::Qwen2, qkv_bias: true, ..untied }),
        ("qwen3", ModelConfig { architecture: Architecture::Qwen3, qk_norm: true, head_dim: 8, ..tiny }),
    ]
}

fn logits(model: &Model, hooks: &[Hook]) -> Vec<f32> {
    let mut batch = PackedBatch::new();
    batch.push(&[5, 17, 3, 44, 60, 2]);
    batch.push(&[9, 9, 1]);
    let mut trace = Trace::default();
    model.forward(&batch, &mut trace, Pass { hooks, ..Pass::read() }).unwrap();
    model.logits(&trace, &(0..batch.len()).collect::<Vec<_>>())
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Law: ablation by hooks, by weights, and by weights that were saved and loaded, gives equal logits; and not those of the model
/// without it, nor those of hooks at block inputs alone.
#[test]
fn hooks_and_weights_are_one_edit() {
    for (name, config) in shapes() {
        let model = Model::random(&config, 0.25, 7);
        let mut random = stream(3, "test/attack/direction", 0, 0);
        let r = unit(&(0..config.hidden_size).map(|_| random.normal()).collect::<Vec<_>>()).unwrap();
        let hooked = logits(&model, &ablation(config.num_hidden_layers, &r));
        let edited = without_direction(&model, &r, |_| 1.0);
        let scale = hooked.iter().fold(1.0f32, |m, z| m.max(z.abs()));
        assert!(apart(&hooked, &logits(&edited, &[])) < 1e-4 * scale, "{name}");
        let dir = tempfile::tempdir().unwrap();
        checkpoint::save(&dir.path().join("ablated"), &edited, None, &serde_json::Map::new()).unwrap();
        let loaded = checkpoint::load(&dir.path().join("ablated")).unwrap().model;
        assert!(!loaded.config().tie_word_embeddings);
        assert!(apart(&hooked, &logits(&loaded, &[])) < 1e-4 * scale, "{name}, saved");
        assert!(apart(&hooked, &logits(&model, &[])) > 1e-2 * scale, "{name}");
        let mut halves = ablation(config.num_hidden_layers, &r);
        for hook in &mut halves {
            hook.action = trimtab_engine::hooks::Action::ProjectOut(r.clone());
        }
        assert!(apart(&hooked, &logits(&model, &halves)) > 1e-4 * scale, "{name}: the middle of a block counts");
    }
}
