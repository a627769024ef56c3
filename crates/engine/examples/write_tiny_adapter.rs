//! Writes a tiny model and two adapters on it, with what we compute, for transformers and PEFT to compute again.
//!
//!     cargo run -p trimtab-engine --example write_tiny_adapter -- OUTDIR
//!
//! OUTDIR gets `checkpoint/` and on it `adapter/` (three maps of the top block) and `adapter_head/` (every map, and a
//! head of three classes). Beside each stands NAME_expected.safetensors: `tokens` [n], and `logits` [n, vocab] or, where
//! there is a head, `scores` [n, classes]. `goldens/peers/load_checkpoint.py` and `load_adapter.py` read them.

use std::path::Path;
use std::process::ExitCode;

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Map, json};
use trimtab_engine::batch::PackedBatch;
use trimtab_engine::checkpoint::{SaveDtype, save_adapter, save_folder};
use trimtab_engine::config::ModelConfig;
use trimtab_engine::forward::{Pass, Trace};
use trimtab_engine::lora::{Adapter, LoraConfig, Module};
use trimtab_engine::model::Model;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// An adapter whose B is not zero.
fn adapter(config: &ModelConfig, targets: &[Module], first_layer: usize) -> Adapter {
    let lora = LoraConfig { rank: 3, alpha: 7.5, targets: targets.to_vec(), dropout: 0.0, first_layer };
    let mut adapter = Adapter::new(config, lora, 1);
    for b in adapter.tensors.iter_mut().skip(1).step_by(2) {
        b.data.iter_mut().enumerate().for_each(|(i, v)| *v = 0.3 * (i as f32 * 0.618).sin());
    }
    adapter
}

/// What the model computes at every token of one sequence: the head's scores if it has a head, else logits.
fn expect(file: &Path, model: &Model) -> Outcome {
    let tokens: Vec<u32> = (0..12).map(|i| i * 17 % 61).collect();
    let mut batch = PackedBatch::new();
    let rows: Vec<usize> = batch.push(&tokens).collect();
    let mut trace = Trace::default();
    model.forward(&batch, &mut trace, Pass::read())?;
    let (name, values) = match &model.head {
        Some(_) => ("scores", model.scores(&trace, &rows)),
        None => ("logits", model.logits(&trace, &rows)),
    };
    let tokens_raw: Vec<u8> = tokens.iter().flat_map(|&t| (t as i32).to_le_bytes()).collect();
    let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let shape = vec![rows.len(), values.len() / rows.len()];
    let tensors = [
        ("tokens", TensorView::new(Dtype::I32, vec![rows.len()], &tokens_raw)?),
        (name, TensorView::new(Dtype::F32, shape, &raw)?),
    ];
    Ok(safetensors::serialize_to_file(tensors, None, file)?)
}

fn write(out: &Path) -> Outcome {
    let config = ModelConfig { bos_token_id: Some(1), tie_word_embeddings: false, ..ModelConfig::tiny() };
    let base = Model::random(&config, 0.25, 1);
    save_folder(&out.join("checkpoint"), &base.to_params(), SaveDtype::F32, &Map::new())?;
    expect(&out.join("checkpoint_expected.safetensors"), &base)?;

    let mut policy = base.clone();
    policy.adapter = Some(adapter(&config, &[Module::QProj, Module::VProj, Module::DownProj], 1));
    save_adapter(&out.join("adapter"), &policy, "checkpoint", &Map::new())?;
    expect(&out.join("adapter_expected.safetensors"), &policy)?;

    let mut reward = base.clone();
    reward.adapter = Some(adapter(&config, &Module::ALL, 0));
    reward.add_head(3, 2);
    let extra = json!({"reward": {"mean": 0.5, "std": 2.0}}).as_object().cloned().unwrap_or_default();
    save_adapter(&out.join("adapter_head"), &reward, "checkpoint", &extra)?;
    expect(&out.join("adapter_head_expected.safetensors"), &reward)
}

fn main() -> ExitCode {
    let paths: Vec<_> = std::env::args_os().skip(1).collect();
    let [out] = paths.as_slice() else {
        eprintln!("usage: write_tiny_adapter OUTDIR");
        return ExitCode::from(2);
    };
    match write(Path::new(out)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
