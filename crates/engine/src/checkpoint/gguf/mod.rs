//! GGUF files: metadata, tokenizer tables, and weights dequantised to f32.
//!
//! The format is ggml's (`docs/gguf.md` of github.com/ggml-org/ggml), versions 2 and 3, little-endian.
//!
//! 1. Our own reader, about 500 lines, instead of candle-core's: that would be 133 crates for one function, and would
//!    neither check offsets nor bound lengths by the file.
//! 2. Llama-family files keep query and key rows interleaved for ggml's rotary kernel; they are put back into halves.
//!    Qwen files are in halves already.
//! 3. Llama 3's rotary scaling comes as a tensor of divisors, `rope_freqs.weight`. The rule behind it is recovered by
//!    comparison, and a tensor that follows no known rule is refused.
//! 4. Mistral files call themselves `llama`; with a sliding window they are taken for Mistral.

mod model;
mod read;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

pub use read::Value;

use super::error::Error;
use super::source::Source;

/// An opened GGUF file: the header in memory, the weights where they are.
pub struct GgufFile<S = File> {
    place: String,
    source: S,
    header: read::Header,
}

/// Opens a file and checks its header.
///
/// # Errors
/// If the file cannot be read, is truncated or inconsistent, or holds a tensor type that is not supported.
pub fn open(path: &Path) -> Result<GgufFile, Error> {
    let source = File::open(path).map_err(|e| Error::read(path, "open the file", e))?;
    parse(&path.display().to_string(), source)
}

/// The same for any bytes; `place` names them in errors.
///
/// # Errors
/// As [`open`].
pub fn parse<S: Source>(place: &str, source: S) -> Result<GgufFile<S>, Error> {
    let header = read::read(place, &source)?;
    Ok(GgufFile { place: place.to_owned(), source, header })
}

/// The tokenizer as a GGUF file carries it (`tokenizer.ggml.*`), unchecked but for types.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenizerTables {
    /// `gpt2` (byte-level BPE) or `llama` (SentencePiece).
    pub model: String,
    /// Name of the pre-tokenizer.
    pub pre: Option<String>,
    /// Token of each id.
    pub tokens: Vec<String>,
    /// Score of each id (SentencePiece); empty if absent.
    pub scores: Vec<f32>,
    /// Kind of each id: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte; empty if absent.
    pub token_types: Vec<i32>,
    /// Merges, best first, each two tokens with a space between; empty if absent.
    pub merges: Vec<String>,
    /// Beginning of sequence.
    pub bos: Option<u32>,
    /// End of sequence.
    pub eos: Option<u32>,
    /// End of turn.
    pub eot: Option<u32>,
    /// Unknown.
    pub unk: Option<u32>,
    /// Padding.
    pub pad: Option<u32>,
    /// Whether an encoding begins with `bos`.
    pub add_bos: Option<bool>,
    /// Whether an encoding ends with `eos`.
    pub add_eos: Option<bool>,
    /// Whether a space is put before the text (SentencePiece).
    pub add_space_prefix: Option<bool>,
    /// The chat template, in Jinja.
    pub chat_template: Option<String>,
}

impl<S: Source> GgufFile<S> {
    /// Everything the header says, by key.
    pub fn metadata(&self) -> &BTreeMap<String, Value> {
        &self.header.metadata
    }

    /// The tokenizer, if the file carries one.
    pub fn tokenizer_tables(&self) -> Option<TokenizerTables> {
        let get = |key: &str| self.header.metadata.get(&format!("tokenizer.ggml.{key}"));
        let text = |key: &str| get(key).and_then(Value::as_str).map(str::to_owned);
        let id = |key: &str| get(key).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
        let flag = |key: &str| get(key).and_then(Value::as_bool);
        let list = |key: &str| get(key).and_then(Value::as_array).unwrap_or_default();
        let strings = |key: &str| list(key).iter().map(|v| v.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
        let token_type = |v: &Value| match *v {
            Value::Signed(n) => i32::try_from(n).ok(),
            Value::Unsigned(n) => i32::try_from(n).ok(),
            _ => None,
        };
        Some(TokenizerTables {
            model: text("model")?,
            pre: text("pre"),
            tokens: strings("tokens").filter(|t| !t.is_empty())?,
            scores: list("scores").iter().map(|v| v.as_f64().map(|x| x as f32)).collect::<Option<_>>()?,
            token_types: list("token_type").iter().map(token_type).collect::<Option<_>>()?,
            merges: strings("merges")?,
            bos: id("bos_token_id"),
            eos: id("eos_token_id"),
            eot: id("eot_token_id"),
            unk: id("unknown_token_id"),
            pad: id("padding_token_id"),
            add_bos: flag("add_bos_token"),
            add_eos: flag("add_eos_token"),
            add_space_prefix: flag("add_space_prefix"),
            chat_template: self
                .header
                .metadata
                .get("tokenizer.chat_template")
                .and_then(Value::as_str)
                .map(str::to_owned),
        })
    }
}
