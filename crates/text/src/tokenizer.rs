//! The tokenizer of a checkpoint, with its special tokens and chat template.
//!
//! Where ours differs from `AutoTokenizer`:
//! 1. Encoding never adds special tokens unless asked ([`Tokenizer::encode_with_bos`]), and then only one BOS.
//! 2. [`Tokenizer::encode_plain`] never reads a special token out of text, so data cannot forge one.
//! 3. Truncation, padding and BPE dropout that a `tokenizer.json` switches on are switched off.
//! 4. [`Tokenizer::eos_ids`] lists every token that ends an answer: of the config, of `generation_config.json`, and
//!    the one with which the chat template ends the assistant's turn.

use crate::chat::{ChatTemplate, Message};
use crate::error::{Error, Problem};
use crate::folder::{self, build};
use crate::gguf::{self, GgufVocab};
use crate::guard::Special;
use crate::stream::StreamDecoder;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

/// A tokenizer, its special tokens, and its chat template.
#[derive(Debug)]
pub struct Tokenizer {
    name: String,
    pub(crate) inner: tokenizers::Tokenizer,
    /// As `inner`, but special tokens in text are plain text.
    plain: OnceLock<tokenizers::Tokenizer>,
    /// As `plain`, but without a space put before the text; the flag says whether only a text's start gets one.
    pub(crate) continuation: OnceLock<(tokenizers::Tokenizer, bool)>,
    pub(crate) specials: Vec<Special>,
    tokens: SpecialIds,
    adds_bos: bool,
    rows: usize,
    template: Option<ChatTemplate>,
    model_max_length: Option<u64>,
    generation_config: Map<String, Value>,
}

/// Ids of the tokens with a role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SpecialIds {
    pub bos: Option<u32>,
    /// The tokenizer's own EOS first, then others that end an answer.
    pub eos: Vec<u32>,
    pub pad: Option<u32>,
    pub unk: Option<u32>,
}

impl Tokenizer {
    /// Reads `tokenizer.json`, `tokenizer_config.json`, `special_tokens_map.json`, `chat_template.jinja` and
    /// `generation_config.json` of a checkpoint folder; only the first is required.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Tokenizer`] naming the file; [`Error::Template`] for the template.
    pub fn from_folder(path: &Path) -> Result<Self, Error> {
        let file = path.join("tokenizer.json");
        let name = file.display().to_string();
        let bytes = folder::read(&file)?;
        let config = folder::object(&path.join("tokenizer_config.json"))?;
        let map = folder::object(&path.join("special_tokens_map.json"))?;
        let generation_config = folder::object(&path.join("generation_config.json"))?;

        let text_of = |key: &str| -> Option<String> {
            [&config, &map].into_iter().find_map(|from| match from.get(key) {
                Some(Value::String(text)) => Some(text.clone()),
                Some(Value::Object(token)) => token.get("content").and_then(Value::as_str).map(str::to_owned),
                _ => None,
            })
        };
        let roles = ["bos_token", "eos_token", "pad_token", "unk_token"].map(|key| (key, text_of(key)));
        let mut json: Value = folder::parse_json(&name, &bytes)?;
        folder::add_config_tokens(&name, &mut json, &config, &roles)?;
        let inner = build(&name, &json)?;

        let id_of = |role: usize| -> Result<Option<u32>, Error> {
            let (key, text) = &roles[role];
            let Some(text) = text else { return Ok(None) };
            inner.token_to_id(text).map(Some).ok_or_else(|| {
                let what = format!("{key} {text:?} of tokenizer_config.json is not in the vocabulary");
                Error::Tokenizer(Problem::new(&name, what, "files of one checkpoint", "copy all tokenizer files anew"))
            })
        };
        let mut tokens =
            SpecialIds { bos: id_of(0)?, eos: id_of(1)?.into_iter().collect(), pad: id_of(2)?, unk: id_of(3)? };
        match generation_config.get("eos_token_id") {
            Some(Value::Array(ids)) => tokens.eos.extend(ids.iter().filter_map(token_id)),
            Some(id) => tokens.eos.extend(token_id(id)),
            None => {}
        }
        let llama_class =
            config.get("tokenizer_class").and_then(Value::as_str).is_some_and(|class| class.contains("Llama"));
        let adds_bos = config.get("add_bos_token").and_then(Value::as_bool).filter(|_| llama_class);
        let template = folder::template(path, &config)?;
        let mut tokenizer = Self::assemble(name, inner, tokens, adds_bos, template)?;
        tokenizer.model_max_length = config.get("model_max_length").and_then(Value::as_u64);
        tokenizer.generation_config = generation_config;
        Ok(tokenizer)
    }

    /// Builds a tokenizer from the tables of a GGUF file.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] for a vocabulary that contradicts itself, an unknown `model`, or an unknown `pre`, by name.
    pub fn from_gguf(tables: GgufVocab) -> Result<Self, Error> {
        let name = "GGUF tokenizer".to_owned();
        let (json, tokens) = gguf::tokenizer_json(&name, &tables)?;
        let inner = build(&name, &json)?;
        let adds_bos = Some(gguf::adds_bos(&tables));
        let template = tables.chat_template.map(|source| ("GGUF chat template".to_owned(), source));
        Self::assemble(name, inner, tokens, adds_bos, template)
    }

    fn assemble(
        name: String,
        inner: tokenizers::Tokenizer,
        mut tokens: SpecialIds,
        adds_bos: Option<bool>,
        template: Option<(String, String)>,
    ) -> Result<Self, Error> {
        let added: BTreeMap<u32, _> = inner.get_added_tokens_decoder().into_iter().collect();
        let mut specials: Vec<Special> = added
            .into_iter()
            .filter(|(_, token)| token.special && !token.content.is_empty())
            .map(|(id, token)| Special { text: token.content, id, lstrip: token.lstrip, rstrip: token.rstrip })
            .collect();
        // Longest first, so that the first match at a place is the longest.
        specials.sort_by(|a, b| b.text.len().cmp(&a.text.len()).then(a.id.cmp(&b.id)));
        let rows = inner.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        let known = |id: &u32| (*id as usize) < rows;
        tokens.eos.retain(known);
        dedup(&mut tokens.eos);

        let text_of = |id: Option<u32>| id.and_then(|id| inner.id_to_token(id));
        let template = match template {
            None => None,
            Some((name, source)) => {
                let (bos, eos) = (text_of(tokens.bos), text_of(tokens.eos.first().copied()));
                let mut template = ChatTemplate::new(&source, bos.as_deref(), eos.as_deref())?.named(name);
                for (key, id) in [("pad_token", tokens.pad), ("unk_token", tokens.unk)] {
                    if let Some(text) = text_of(id) {
                        template = template.with_variable(key, text.into());
                    }
                }
                Some(template)
            }
        };
        let post_processor_bos = inner
            .encode_fast("", true)
            .is_ok_and(|e| tokens.bos.is_some() && e.get_ids().first().copied() == tokens.bos);
        let mut tokenizer = Self {
            name,
            inner,
            plain: OnceLock::new(),
            continuation: OnceLock::new(),
            specials,
            adds_bos: adds_bos.unwrap_or(post_processor_bos) && tokens.bos.is_some(),
            tokens,
            rows,
            template,
            model_max_length: None,
            generation_config: Map::new(),
        };
        // The template's own end of turn ends an answer too. A template that refuses this plain exchange has its say
        // when a real conversation comes.
        let probe = [Message::user("a"), Message::assistant("b")];
        if tokenizer.template.is_some()
            && let Ok(encoded) = crate::encode::encode_chat(&tokenizer, &probe)
            && let Some(last) = encoded.train.iter().rposition(|&train| train)
        {
            tokenizer.tokens.eos.push(encoded.tokens[last]);
            dedup(&mut tokenizer.tokens.eos);
        }
        Ok(tokenizer)
    }

    /// Writes the files that `AutoTokenizer` reads, see [`Tokenizer::files`].
    ///
    /// # Errors
    /// [`Error::Io`] naming the file that could not be written.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        for (name, bytes) in self.files()? {
            let path = folder.join(name);
            std::fs::write(&path, bytes).map_err(|e| Error::io(&path, e))?;
        }
        Ok(())
    }

    /// File names and contents of this tokenizer: `tokenizer.json`, `tokenizer_config.json`,
    /// `special_tokens_map.json`, `generation_config.json`, and `chat_template.jinja` where there is a template.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if it cannot be serialised.
    pub fn files(&self) -> Result<Vec<(&'static str, Vec<u8>)>, Error> {
        let text = self.inner.to_string(false).map_err(|e| self.error(format!("cannot be written: {e}"), "", ""))?;
        let mut config = Map::new();
        let mut map = Map::new();
        for (key, id) in self.roles() {
            if let Some(text) = id.and_then(|id| self.inner.id_to_token(id)) {
                config.insert(key.into(), text.clone().into());
                map.insert(key.into(), text.into());
            }
        }
        config.insert("add_bos_token".into(), self.adds_bos.into());
        config.insert("clean_up_tokenization_spaces".into(), false.into());
        // transformers writes this number for "no limit".
        config.insert("model_max_length".into(), self.model_max_length.map_or(json!(1e30), Value::from));
        config.insert("tokenizer_class".into(), "PreTrainedTokenizerFast".into());
        let mut generation = self.generation_config.clone();
        for (key, id) in [("bos_token_id", self.tokens.bos), ("pad_token_id", self.tokens.pad)] {
            if let Some(id) = id {
                generation.insert(key.into(), id.into());
            }
        }
        match self.tokens.eos.as_slice() {
            [] => {}
            [one] => drop(generation.insert("eos_token_id".into(), (*one).into())),
            many => drop(generation.insert("eos_token_id".into(), json!(many))),
        }
        let mut files = vec![("tokenizer.json", text.into_bytes())];
        if let Some(template) = &self.template {
            config.insert("chat_template".into(), template.source().into());
            files.push(("chat_template.jinja", template.source().as_bytes().to_vec()));
        }
        for (name, fields) in [
            ("tokenizer_config.json", config),
            ("special_tokens_map.json", map),
            ("generation_config.json", generation),
        ] {
            files.push((name, format!("{:#}\n", Value::Object(fields)).into_bytes()));
        }
        Ok(files)
    }

    /// Token ids of a text that a template wrote: special tokens in it are recognised, none are added.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] where the tokenizer cannot represent the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, Error> {
        self.ids(&self.inner, text)
    }

    /// Token ids of a text from outside: special tokens in it are plain text, so it cannot forge a turn.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_plain(&self, text: &str) -> Result<Vec<u32>, Error> {
        self.ids(self.plain(), text)
    }

    /// Token ids of raw text, as in a corpus: as [`Tokenizer::encode_plain`], after one BOS if the tokenizer's
    /// post-processor adds one.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_with_bos(&self, text: &str) -> Result<Vec<u32>, Error> {
        let mut ids: Vec<u32> = self.tokens.bos.filter(|_| self.adds_bos).into_iter().collect();
        ids.extend(self.encode_plain(text)?);
        Ok(ids)
    }

    /// The text of token ids.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] for an id that the vocabulary does not have.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, Error> {
        if let Some(id) = ids.iter().find(|&&id| id as usize >= self.rows) {
            return Err(self.error(format!("id {id} cannot be decoded"), &format!("ids below {}", self.rows), ""));
        }
        self.inner.decode(ids, skip_special).map_err(|e| self.error(format!("cannot decode: {e}"), "", ""))
    }

    /// A decoder for one stream of generated ids.
    pub fn stream_decoder(&self) -> StreamDecoder<'_> {
        StreamDecoder::new(self)
    }

    /// One more than the largest token id: the rows that an embedding needs at least.
    pub fn vocab_size(&self) -> usize {
        self.rows
    }

    /// The beginning-of-text token.
    pub fn bos_id(&self) -> Option<u32> {
        self.tokens.bos
    }

    /// Every token that ends an answer; the tokenizer's own EOS first. Empty where there is none.
    pub fn eos_ids(&self) -> &[u32] {
        &self.tokens.eos
    }

    /// The padding token.
    pub fn pad_id(&self) -> Option<u32> {
        self.tokens.pad
    }

    /// Whether raw text begins with BOS.
    pub fn adds_bos(&self) -> bool {
        self.adds_bos
    }

    /// Whether an id is a special token.
    pub fn is_special(&self, id: u32) -> bool {
        self.specials.iter().any(|special| special.id == id)
    }

    /// The text of one token as the vocabulary spells it.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The id of a token as the vocabulary spells it.
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The chat template, if the checkpoint has one.
    pub fn chat_template(&self) -> Option<&ChatTemplate> {
        self.template.as_ref()
    }

    /// The same tokenizer with another chat template, or with none. The template's end of turn joins the EOS ids.
    ///
    /// # Errors
    /// [`Error::Template`] where it does not parse.
    pub fn with_chat_template(self, source: Option<&str>) -> Result<Self, Error> {
        let template = source.map(|source| ("chat template".to_owned(), source.to_owned()));
        let (length, config) = (self.model_max_length, self.generation_config);
        let mut tokenizer = Self::assemble(self.name, self.inner, self.tokens, Some(self.adds_bos), template)?;
        (tokenizer.model_max_length, tokenizer.generation_config) = (length, config);
        Ok(tokenizer)
    }

    /// Checks that every id this tokenizer can produce has a row in an embedding of `embedding_rows` rows.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] with both numbers. More rows than ids are fine: models pad their embeddings.
    pub fn check_vocab(&self, embedding_rows: usize) -> Result<(), Error> {
        if self.rows <= embedding_rows {
            return Ok(());
        }
        Err(self.error(
            format!("its largest id is {}, the model's embedding has {embedding_rows} rows", self.rows - 1),
            &format!("ids below {embedding_rows}"),
            "use the tokenizer files that came with the model's weights",
        ))
    }

    /// File or source that this tokenizer came from.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn ids(&self, tokenizer: &tokenizers::Tokenizer, text: &str) -> Result<Vec<u32>, Error> {
        let encoding = tokenizer.encode_fast(text, false).map_err(|e| {
            self.error(
                format!("cannot encode a text: {e}"),
                "text that the vocabulary covers",
                "use a byte-level tokenizer",
            )
        })?;
        Ok(encoding.get_ids().to_vec())
    }

    pub(crate) fn plain(&self) -> &tokenizers::Tokenizer {
        self.plain.get_or_init(|| {
            let mut plain = self.inner.clone();
            plain.set_encode_special_tokens(true);
            plain
        })
    }

    fn roles(&self) -> [(&'static str, Option<u32>); 4] {
        let tokens = &self.tokens;
        [
            ("bos_token", tokens.bos),
            ("eos_token", tokens.eos.first().copied()),
            ("pad_token", tokens.pad),
            ("unk_token", tokens.unk),
        ]
    }

    pub(crate) fn error(&self, what: impl Into<String>, expected: &str, hint: &str) -> Error {
        Error::Tokenizer(Problem::new(&self.name, what, expected, hint))
    }
}

/// A token id in a JSON file.
fn token_id(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|id| u32::try_from(id).ok())
}

/// Removes repetitions, keeping the first of each.
fn dedup(ids: &mut Vec<u32>) {
    let mut seen = std::collections::BTreeSet::new();
    ids.retain(|&id| seen.insert(id));
}
