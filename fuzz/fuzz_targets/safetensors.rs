//! Any bytes as the weights of a very small Llama or, if they begin with a brace, as a config.json.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use trimtab_engine::checkpoint::{load_safetensors, parse_config};
use trimtab_engine::config::ModelConfig;

/// The shape of the seeds (fuzz/seeds/make.py).
static CONFIG: LazyLock<ModelConfig> = LazyLock::new(|| ModelConfig {
    vocab_size: 3,
    hidden_size: 4,
    intermediate_size: 4,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    head_dim: 2,
    ..ModelConfig::tiny()
});

fuzz_target!(|data: &[u8]| {
    if data.first() == Some(&b'{') {
        if let Ok(json) = serde_json::from_slice::<Map<String, Value>>(data)
            && let Ok(config) = parse_config(&"config.json", &json)
        {
            assert!(config.parameter_count() > 0);
        }
    } else if let Ok(params) = load_safetensors("fuzz.safetensors", data, &CONFIG) {
        assert!(params.tensors.iter().all(|t| t.data.iter().all(|v| v.is_finite())));
    }
});
