//! Any bytes as a GGUF file: it opens and loads, or is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab_engine::checkpoint::gguf;

fuzz_target!(|data: &[u8]| {
    if let Ok(file) = gguf::parse("fuzz.gguf", data) {
        let _ = file.tokenizer_tables();
        if let Ok(config) = file.config() {
            assert!(config.num_attention_heads > 0 && config.head_dim > 0);
        }
        if let Ok(params) = file.load_params() {
            assert!(params.tensors.iter().all(|t| t.data.iter().all(|v| v.is_finite())));
        }
    }
});
