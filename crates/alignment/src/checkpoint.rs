//! Checkpoints as stages hand them on: a model, its tokenizer, and what else travels with them.

use crate::error::Error;
use serde_json::{Map, Value};
use std::path::Path;
use trimtab_engine::checkpoint::{self, SaveDtype, TokenizerTables};
use trimtab_engine::model::Model;
use trimtab_text::{GgufVocab, Tokenizer};

/// A model and its tokenizer; a folder made for token ids alone has none.
#[derive(Debug)]
pub struct Checkpoint {
    /// The model, head included.
    pub model: Model,
    /// Its tokenizer, whose ids all fit the embedding.
    pub tokenizer: Option<Tokenizer>,
    /// Tokens that end an answer: the tokenizer's and the config's.
    pub eos: Vec<u32>,
}

/// Loads a folder or a .gguf file.
///
/// # Errors
/// [`Error::Checkpoint`], [`Error::Text`], or [`Error::Missing`] where there is nothing at `path`.
pub fn load(path: &Path) -> Result<Checkpoint, Error> {
    let (params, tokenizer) = if path.is_dir() {
        let params = checkpoint::load_folder(path)?;
        let tokenizer = if path.join("tokenizer.json").exists() { Some(Tokenizer::from_folder(path)?) } else { None };
        (params, tokenizer)
    } else if path.is_file() {
        let file = checkpoint::gguf::open(path)?;
        let tokenizer = file.tokenizer_tables().map(|t| Tokenizer::from_gguf(vocab(t))).transpose()?;
        (file.load_params()?, tokenizer)
    } else {
        return Err(Error::Missing {
            path: path.into(),
            problem: "does not exist".into(),
            expected: "a checkpoint folder (config.json, *.safetensors) or a .gguf file".into(),
            hint: "`trimtab model get SOURCE`, which prints where it put the checkpoint".into(),
        });
    };
    if let Some(tokenizer) = &tokenizer {
        tokenizer.check_vocab(params.config.vocab_size)?;
    }
    let mut eos = params.config.eos_token_ids.clone();
    for &id in tokenizer.as_ref().map_or(&[][..], |t| t.eos_ids()) {
        if !eos.contains(&id) {
            eos.push(id);
        }
    }
    Ok(Checkpoint { model: Model::new(params), tokenizer, eos })
}

impl Checkpoint {
    /// The tokenizer, or an error that says that text needs one.
    ///
    /// # Errors
    /// [`Error::Missing`].
    pub fn tokenizer(&self, path: &Path) -> Result<&Tokenizer, Error> {
        self.tokenizer.as_ref().ok_or_else(|| Error::Missing {
            path: path.into(),
            problem: "has no tokenizer".into(),
            expected: "tokenizer.json beside config.json, or the tables of a GGUF file".into(),
            hint: "copy tokenizer.json into the folder, or give token ids ({\"tokens\": [...]})".into(),
        })
    }
}

/// Saves a model as a folder that transformers loads, with its tokenizer; an adapter is merged first.
///
/// # Errors
/// [`Error::Checkpoint`], [`Error::Text`].
pub fn save(
    path: &Path,
    model: &Model,
    tokenizer: Option<&Tokenizer>,
    extra: &Map<String, Value>,
) -> Result<(), Error> {
    let files = tokenizer.map(Tokenizer::files).transpose()?.unwrap_or_default();
    let params = model.to_params();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    checkpoint::save_folder_with(path, &params, SaveDtype::F32, extra, &files)?;
    Ok(())
}

fn vocab(t: TokenizerTables) -> GgufVocab {
    GgufVocab {
        model: t.model,
        pre: t.pre.unwrap_or_default(),
        tokens: t.tokens,
        scores: t.scores,
        token_types: t.token_types,
        merges: t.merges,
        bos: t.bos,
        eos: t.eos,
        eot: t.eot,
        unk: t.unk,
        pad: t.pad,
        add_bos: t.add_bos,
        add_eos: t.add_eos,
        add_space_prefix: t.add_space_prefix,
        chat_template: t.chat_template,
    }
}
