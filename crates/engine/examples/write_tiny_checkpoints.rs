//! Writes one small folder per family, plain, with a head, and in bf16, for goldens/peers/load_checkpoint.py to load.
//!
//!     cargo run -p trimtab-engine --example write_tiny_checkpoints -- OUTDIR
//!
//! Value i of all the values of a checkpoint, counted in the engine's order, is ((i · 7919) mod 2039 − 1019) / 1024,
//! which f32 and a script can compute alike.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Map, json};
use trimtab_engine::checkpoint::{Error, SaveDtype, load_folder, save_folder};
use trimtab_engine::config::{Architecture, Head, ModelConfig, RopeScaling};
use trimtab_engine::params::Params;

fn filled(config: &ModelConfig, head: Option<Head>) -> Params {
    let mut params = Params::zeros(config, head);
    let values = params.tensors.iter_mut().flat_map(|t| &mut t.data);
    values.enumerate().for_each(|(i, v)| *v = ((i * 7919 % 2039) as f32 - 1019.0) / 1024.0);
    params
}

fn families() -> Vec<(&'static str, ModelConfig)> {
    let tiny = || ModelConfig { bos_token_id: Some(1), eos_token_ids: vec![2], ..ModelConfig::tiny() };
    let llama3 = RopeScaling::Llama3 {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_max_position_embeddings: 64,
    };
    let untied = ModelConfig { tie_word_embeddings: false, eos_token_ids: vec![2, 5], ..tiny() };
    vec![
        ("llama", tiny()),
        ("llama3", ModelConfig { rope_scaling: Some(llama3), rope_theta: 5e5, ..untied }),
        ("linear", ModelConfig { rope_scaling: Some(RopeScaling::Linear { factor: 2.5 }), ..tiny() }),
        (
            "mistral",
            ModelConfig { architecture: Architecture::Mistral, sliding_window: Some(7), head_dim: 8, ..tiny() },
        ),
        ("qwen2", ModelConfig { architecture: Architecture::Qwen2, qkv_bias: true, ..tiny() }),
        ("qwen3", ModelConfig { architecture: Architecture::Qwen3, qk_norm: true, head_dim: 10, ..tiny() }),
    ]
}

fn write(out: &Path) -> Result<(), Error> {
    for (name, config) in families() {
        let plain = filled(&config, None);
        save_folder(&out.join(name), &plain, SaveDtype::F32, &Map::new())?;
        save_folder(&out.join(format!("{name}-bf16")), &plain, SaveDtype::Bf16, &Map::new())?;
        for classes in [1, 2, 3] {
            let path = out.join(format!("{name}-head{classes}"));
            let extra = json!({"trimtab_reward": {"mean": 0.5, "std": 2.0}, "pad_token_id": 0});
            let extra = extra.as_object().cloned().unwrap_or_default();
            save_folder(&path, &filled(&config, Some(Head { classes })), SaveDtype::F32, &extra)?;
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let paths: Vec<_> = std::env::args_os().skip(1).collect();
    let outcome = match paths.iter().map(Path::new).collect::<Vec<_>>().as_slice() {
        [out] => write(out),
        // The other direction: what transformers saved must be what it was given.
        [flag, folders @ ..] if *flag == Path::new("--check") && !folders.is_empty() => {
            folders.iter().try_for_each(|path| {
                let params = load_folder(path)?;
                let same = filled(&params.config, params.head) == params;
                println!("{}: {}", path.display(), if same { "same" } else { "different" });
                Ok(())
            })
        }
        _ => {
            eprintln!("usage: write_tiny_checkpoints OUTDIR | --check FOLDER...");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
