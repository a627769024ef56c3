//! SmolLM2-135M-Instruct as its GGUF: real metadata, real weights. Skipped by name where the file is absent.

use std::path::PathBuf;

use trimtab_engine::checkpoint::{SaveDtype, gguf, load_folder, save_folder};
use trimtab_engine::config::Architecture;

/// `$TRIMTAB_SMOLLM2_GGUF`, else the first such file below the cache (`$TRIMTAB_CACHE`, else `~/.cache/trimtab`).
fn smollm2() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("TRIMTAB_SMOLLM2_GGUF") {
        return Some(path.into());
    }
    let cache = std::env::var_os("TRIMTAB_CACHE").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/trimtab")))?;
    let mut folders = vec![cache];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name() == "SmolLM2-135M-Instruct.Q4_1.gguf" {
                return Some(entry.path());
            }
            // Links are not followed: a cache may hold a circle.
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
    None
}

#[test]
fn smollm2_loads_from_gguf_and_returns_from_a_folder() {
    let Some(path) = smollm2() else {
        println!("skipped: smollm2_loads_from_gguf_and_returns_from_a_folder: no GGUF; set TRIMTAB_SMOLLM2_GGUF");
        return;
    };
    let start = std::time::Instant::now();
    let file = gguf::open(&path).unwrap();
    let params = file.load_params().unwrap();
    println!("loaded in {:?}", start.elapsed());
    let c = &params.config;
    assert_eq!(c.architecture, Architecture::Llama);
    assert_eq!((c.vocab_size, c.hidden_size, c.num_hidden_layers), (49152, 576, 30));
    assert_eq!((c.num_attention_heads, c.num_key_value_heads, c.head_dim), (9, 3, 64));
    assert!(c.tie_word_embeddings);
    assert_eq!((c.rms_norm_eps, c.rope_theta), (1e-5, 100_000.0));
    assert_eq!(c.eos_token_ids, [2]);
    assert_eq!(c.parameter_count(), 134_515_008);
    // A matrix misread from its blocks would hold zeros or giants.
    let mean_square = |x: &[f32]| x.iter().map(|v| f64::from(v * v)).sum::<f64>() / x.len() as f64;
    for tensor in params.tensors.iter().filter(|t| t.shape.len() == 2) {
        let size = mean_square(&tensor.data).sqrt();
        assert!((1e-3..1.0).contains(&size), "{}: {size}", tensor.name);
    }
    let tables = file.tokenizer_tables().unwrap();
    assert_eq!((tables.model.as_str(), tables.pre.as_deref()), ("gpt2", Some("smollm")));
    assert_eq!((tables.tokens.len(), tables.merges.len(), tables.token_types.len()), (49152, 48900, 49152));
    assert_eq!((tables.bos, tables.eos, tables.add_bos), (Some(1), Some(2), Some(false)));
    assert!(tables.chat_template.unwrap().contains("<|im_start|>"));

    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("smollm2");
    let start = std::time::Instant::now();
    save_folder(&saved, &params, SaveDtype::F32, &serde_json::Map::new()).unwrap();
    println!("saved in {:?}", start.elapsed());
    let start = std::time::Instant::now();
    assert_eq!(load_folder(&saved).unwrap(), params);
    println!("loaded and compared in {:?}", start.elapsed());
}
