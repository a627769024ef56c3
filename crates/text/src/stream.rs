//! Decoding token by token: text appears as soon as it is certain.

use crate::tokenizer::Tokenizer;

/// Most ids held back for a character to be completed. A character has four bytes, but a text may hold replacement
/// characters of its own, byte by byte, and with them it cannot be told where the incomplete one begins.
const HELD: usize = 256;

/// Turns a stream of token ids into text; made by [`Tokenizer::stream_decoder`]. Special tokens are left out.
///
/// A token may end inside a character, and a word's first space may depend on the token before it. So text is held back
/// while it ends in an incomplete character, and each piece is the difference between decoding with and without the
/// new ids, in a window that opens one piece earlier.
#[derive(Debug)]
pub struct StreamDecoder<'a> {
    tokenizer: &'a Tokenizer,
    /// Ids of the last piece given out, then those not given out yet.
    ids: Vec<u32>,
    /// How many of `ids` have been given out.
    given: usize,
    /// What the given ids decode to.
    given_text: String,
}

impl<'a> StreamDecoder<'a> {
    pub(crate) fn new(tokenizer: &'a Tokenizer) -> Self {
        Self { tokenizer, ids: Vec::new(), given: 0, given_text: String::new() }
    }

    /// Takes the next id; gives the text that has become certain, if any.
    pub fn push(&mut self, id: u32) -> Option<String> {
        self.ids.push(id);
        let text = self.tokenizer.decode(&self.ids, true).ok()?;
        if text.ends_with('\u{FFFD}') && self.ids.len() - self.given < HELD {
            return None;
        }
        self.give(&text)
    }

    /// Ends the stream; gives what was held back, an incomplete character as U+FFFD.
    pub fn finish(mut self) -> Option<String> {
        let text = self.tokenizer.decode(&self.ids, true).ok()?;
        self.give(&text)
    }

    fn give(&mut self, text: &str) -> Option<String> {
        // A decoder that rewrites earlier text would break the prefix; the new ids alone are then the best answer.
        let piece = match text.strip_prefix(self.given_text.as_str()) {
            Some(piece) => piece.to_owned(),
            None => self.tokenizer.decode(&self.ids[self.given..], true).ok()?,
        };
        if piece.is_empty() {
            return None;
        }
        self.ids.drain(..self.given);
        self.given = self.ids.len();
        self.given_text = self.tokenizer.decode(&self.ids, true).unwrap_or_default();
        Some(piece)
    }
}
