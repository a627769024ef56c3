//! Checkpoint files: Hugging Face folders and PEFT adapters in and out, GGUF in.
//!
//! Everything read here is hostile until checked: sizes are bounded by the file before anything is allocated, products
//! are checked, and every refusal says where, what, what was expected and what to try ([`Error`]).

mod adapter;
mod config_json;
mod dequant;
mod error;
mod folder;
pub mod gguf;
mod names;
mod save;
mod source;

pub use adapter::{load_adapter, load_adapter_with_head, save_adapter};
pub use config_json::{parse_config, read_config};
pub use error::{Error, Fault};
pub use folder::{load_folder, load_folder_with_head, load_safetensors};
pub use gguf::TokenizerTables;
pub use save::{SaveDtype, save_folder, save_folder_with};
pub use source::Source;

#[cfg(test)]
pub(crate) mod tests {
    use crate::config::ModelConfig;
    use crate::params::Params;

    /// A small Llama, untied, every value different.
    pub(crate) fn tiny() -> Params {
        let mut params = Params::zeros(&ModelConfig { tie_word_embeddings: false, ..ModelConfig::tiny() }, None);
        let values = params.tensors.iter_mut().flat_map(|t| &mut t.data);
        values.enumerate().for_each(|(i, v)| *v = (i as f32 * 0.618).sin());
        params
    }
}
