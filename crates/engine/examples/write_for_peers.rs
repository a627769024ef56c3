//! Writes a checkpoint and an adapter for it, with the logits that this engine computes, for other tools to load and
//! compare: `cargo run -p trimtab-engine --example write_for_peers -- OUT` (used by `cargo xtask peers`).

use safetensors::tensor::{Dtype, TensorView};
use std::path::Path;
use trimtab_engine::batch::PackedBatch;
use trimtab_engine::checkpoint::{SaveDtype, save_adapter, save_folder};
use trimtab_engine::config::ModelConfig;
use trimtab_engine::forward::{Pass, Trace};
use trimtab_engine::lora::{Adapter, LoraConfig, Module};
use trimtab_engine::model::Model;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = std::env::args().nth(1).ok_or("expected a folder to write to")?;
    let out = Path::new(&out);
    std::fs::create_dir_all(out)?;
    let mut model = Model::random(&ModelConfig::tiny(), 0.2, 11);
    save_folder(&out.join("checkpoint"), &model.to_params(), SaveDtype::F32, &serde_json::Map::new())?;
    write_expected(&out.join("checkpoint_expected.safetensors"), &model)?;

    let config = LoraConfig { rank: 4, alpha: 8.0, targets: Module::ALL.to_vec(), dropout: 0.0, first_layer: 1 };
    let mut adapter = Adapter::new(model.config(), config, 3);
    // A fresh B is zero, and an adapter that does nothing proves nothing.
    for (i, tensor) in adapter.tensors.iter_mut().enumerate() {
        tensor.data.iter_mut().enumerate().for_each(|(j, v)| *v += ((i * 31 + j * 17) % 23) as f32 * 0.01 - 0.11);
    }
    model.adapter = Some(adapter);
    save_adapter(&out.join("adapter"), &model, "checkpoint", &serde_json::Map::new())?;
    write_expected(&out.join("adapter_expected.safetensors"), &model)
}

/// `tokens` [n] and this engine's `logits` [n, vocab].
fn write_expected(path: &Path, model: &Model) -> Result<(), Box<dyn std::error::Error>> {
    let tokens: Vec<u32> = (0..17).map(|i| i * 7 % 61).collect();
    let mut batch = PackedBatch::new();
    batch.push(&tokens);
    let mut trace = Trace::default();
    model.forward(&batch, &mut trace, Pass::read())?;
    let logits = model.logits(&trace, &(0..tokens.len()).collect::<Vec<_>>());
    let ids: Vec<u8> = tokens.iter().flat_map(|&t| i64::from(t).to_le_bytes()).collect();
    let values: Vec<u8> = logits.iter().flat_map(|v| v.to_le_bytes()).collect();
    let views = [
        ("tokens", TensorView::new(Dtype::I64, vec![tokens.len()], &ids)?),
        ("logits", TensorView::new(Dtype::F32, vec![tokens.len(), model.config().vocab_size], &values)?),
    ];
    std::fs::write(path, safetensors::serialize(views, None)?)?;
    Ok(())
}
