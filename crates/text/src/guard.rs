//! Encoding a rendered conversation: special tokens are read where the template wrote them, and nowhere else.

use crate::error::Error;
use crate::tokenizer::Tokenizer;
use serde_json::Value;
use std::ops::Range;
use tokenizers::{NormalizerWrapper, PreTokenizerWrapper};

/// A special token as text, for finding the ones that a template wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Special {
    pub text: String,
    pub id: u32,
    /// White space before or after it belongs to it.
    pub lstrip: bool,
    pub rstrip: bool,
}

/// Where a piece of text stands, for tokenizers that put a space before a text (SentencePiece).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// At the start of the whole text.
    Start,
    /// Right after a special token.
    AfterSpecial,
    /// In the middle of running text: no space is added.
    Continuation,
}

impl Tokenizer {
    /// Ids of `text`, in which special tokens are recognised except where they touch a `protected` byte range.
    pub(crate) fn encode_guarded(
        &self,
        text: &str,
        position: Position,
        protected: &[Range<usize>],
    ) -> Result<Vec<u32>, Error> {
        let (mut ids, mut start, mut position) = (Vec::new(), 0, position);
        for (range, special) in self.find_specials(text, protected) {
            // `find_specials` gives ranges in order; white space that a token strips may reach back into the last one.
            ids.extend(self.encode_piece(&text[start..range.start.max(start)], position)?);
            ids.push(special);
            (start, position) = (range.end, Position::AfterSpecial);
        }
        ids.extend(self.encode_piece(&text[start..], position)?);
        Ok(ids)
    }

    /// Byte ranges and ids of the special tokens in `text` that touch no protected range, in order.
    pub(crate) fn find_specials(&self, text: &str, protected: &[Range<usize>]) -> Vec<(Range<usize>, u32)> {
        let mut first_bytes = [false; 256];
        for special in &self.specials {
            first_bytes[special.text.as_bytes()[0] as usize] = true;
        }
        let (mut found, mut at, mut last_end) = (Vec::new(), 0, 0);
        while at < text.len() {
            let candidate = first_bytes[text.as_bytes()[at] as usize] && text.is_char_boundary(at);
            let special = candidate
                .then(|| self.specials.iter().find(|special| text[at..].starts_with(&special.text)))
                .flatten()
                .filter(|special| {
                    let end = at + special.text.len();
                    !protected.iter().any(|range| range.start < end && at < range.end)
                });
            let Some(special) = special else {
                at += 1;
                continue;
            };
            let (mut start, mut end) = (at, at + special.text.len());
            if special.lstrip {
                start = text[..start].trim_end().len().max(last_end);
            }
            if special.rstrip {
                end = text.len() - text[end..].trim_start().len();
            }
            found.push((start..end, special.id));
            (at, last_end) = (end, end);
        }
        found
    }

    fn encode_piece(&self, text: &str, position: Position) -> Result<Vec<u32>, Error> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let (continuation, only_start) = self.continuation();
        match position {
            Position::Start => self.ids(self.plain(), text),
            Position::AfterSpecial if !only_start => self.ids(self.plain(), text),
            Position::AfterSpecial | Position::Continuation => self.ids(continuation, text),
        }
    }

    fn continuation(&self) -> (&tokenizers::Tokenizer, bool) {
        let (tokenizer, only_start) = self.continuation.get_or_init(|| {
            let mut twin = self.plain().clone();
            let mut only_start = false;
            if let Some(normalizer) = self.inner.get_normalizer()
                && let Ok(mut json) = serde_json::to_value(normalizer)
                && without_prefix(&mut json, &mut only_start)
            {
                // A normaliser that is a lone prefix leaves null, which reads back as none.
                let bare: Option<NormalizerWrapper> = serde_json::from_value(json).unwrap_or_default();
                // Replacing a normaliser re-reads the added tokens; it fails only if they no longer normalise.
                drop(twin.with_normalizer(bare).map(drop));
            }
            if let Some(splitter) = self.inner.get_pre_tokenizer()
                && let Ok(mut json) = serde_json::to_value(splitter)
                && without_prefix(&mut json, &mut only_start)
            {
                let bare: Option<PreTokenizerWrapper> = serde_json::from_value(json).unwrap_or_default();
                twin.with_pre_tokenizer(bare);
            }
            (twin, only_start)
        });
        (tokenizer, *only_start)
    }
}

/// Removes what puts a space before a text from a serialised normaliser or pre-tokenizer; true if there was something.
fn without_prefix(json: &mut Value, only_start: &mut bool) -> bool {
    let kind = json.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    match kind.as_str() {
        "Prepend" => {
            *json = Value::Null;
            true
        }
        "Metaspace" => {
            *only_start |= json["prepend_scheme"] == "first";
            let had = json["prepend_scheme"] != "never";
            json["prepend_scheme"] = "never".into();
            had
        }
        "ByteLevel" => {
            let had = json["add_prefix_space"] == true;
            json["add_prefix_space"] = false.into();
            had
        }
        "Sequence" => {
            let mut had = false;
            for key in ["normalizers", "pretokenizers"] {
                if let Some(Value::Array(parts)) = json.get_mut(key) {
                    for part in parts.iter_mut() {
                        had |= without_prefix(part, only_start);
                    }
                    parts.retain(|part| !part.is_null());
                }
            }
            had
        }
        _ => false,
    }
}
