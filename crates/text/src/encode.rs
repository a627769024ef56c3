//! From conversations to token ids, with the mask of what is trained on.
//!
//! The rule: a trained span is what the model has to write when it is given the prompt. So turn `i` begins where
//! `render(messages[..i], add_generation_prompt)` ends, and ends with the end-of-turn token; text that the template puts
//! after that (a line break, in ChatML) belongs to the next prompt. Templates with `{% generation %}` blocks say
//! themselves where spans are.
//!
//! Where ours differs from trainers that encode the whole text and look for the border in it:
//! 1. Each span is encoded on its own. No merge crosses the border, and the ids before it are exactly those of
//!    [`encode_prompt`] on the same messages.
//! 2. A special token is read only where the template wrote it, never inside a message.
//! 3. A template under which later messages change how earlier ones are rendered cannot be masked in one go; that is
//!    an error, and [`encode_chat_by_turn`] the way round it.

use crate::chat::{ChatTemplate, Message};
use crate::error::{Error, Problem};
use crate::guard::Position;
use crate::locate::{self, Located};
use crate::record::Input;
use crate::tokenizer::Tokenizer;
use serde_json::Value;
use std::ops::Range;

/// Token ids, and which of them are targets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Token ids.
    pub tokens: Vec<u32>,
    /// `train[i]`: token `i` is to be predicted from those before it. Same length as `tokens`.
    pub train: Vec<bool>,
}

impl Encoded {
    /// Number of targets.
    pub fn targets(&self) -> usize {
        self.train.iter().filter(|&&train| train).count()
    }

    /// Where the last run of targets begins: the length of the prompt, where only the last turn is trained on.
    pub fn answer_start(&self) -> usize {
        let end = self.train.iter().rposition(|&train| train).map_or(self.train.len(), |last| last + 1);
        self.train[..end].iter().rposition(|&train| !train).map_or(0, |last| last + 1)
    }

    fn push(&mut self, ids: Vec<u32>, train: bool) {
        self.train.resize(self.train.len() + ids.len(), train);
        self.tokens.extend(ids);
    }
}

/// Encodes a conversation; targets are the assistant's turns, each with its end-of-turn token, and nothing else.
///
/// ```
/// use trimtab_text::{GgufVocab, Message, Tokenizer, encode_chat, encode_prompt};
/// let words = |list: &[&str]| list.iter().map(|&word| word.to_owned()).collect();
/// let tokenizer = Tokenizer::from_gguf(GgufVocab {
///     model: "gpt2".into(),
///     pre: "gpt-2".into(),
///     tokens: words(&["<|end|>", "<|user|>", "<|bot|>", "H", "i", "Hi", "Y", "o", "Yo"]),
///     token_types: vec![3, 3, 3, 1, 1, 1, 1, 1, 1],
///     merges: words(&["H i", "Y o"]),
///     eos: Some(0),
///     chat_template: Some(
///         "{% for m in messages %}<|{{ 'user' if m.role == 'user' else 'bot' }}|>{{ m.content }}<|end|>{% endfor %}\
///          {% if add_generation_prompt %}<|bot|>{% endif %}"
///             .into(),
///     ),
///     ..GgufVocab::default()
/// })?;
/// let chat = [Message::user("Hi"), Message::assistant("Yo")];
/// let encoded = encode_chat(&tokenizer, &chat)?;
/// assert_eq!(encoded.tokens, [1, 5, 0, 2, 8, 0]);
/// assert_eq!(encoded.train, [false, false, false, false, true, true]);
/// assert_eq!(encode_prompt(&tokenizer, &chat[..1])?, [1, 5, 0, 2]);
/// # Ok::<(), trimtab_text::Error>(())
/// ```
///
/// # Errors
/// [`Error::Template`] where there is no template or it refuses the conversation; [`Error::Mask`], naming the template,
/// where the spans cannot be found; [`Error::Data`] for a role that is not a word.
pub fn encode_chat(tokenizer: &Tokenizer, messages: &[Message]) -> Result<Encoded, Error> {
    let template = template_of(tokenizer)?;
    check_messages(tokenizer, messages)?;
    if !messages.iter().any(|message| message.role == "assistant") {
        return Err(template.mask_error(
            "there is no assistant turn to train on",
            "a message whose role is \"assistant\"",
            "use the role names system, user and assistant",
        ));
    }
    let full = located(tokenizer, template, messages, false)?;
    let spans = trained_spans(tokenizer, template, messages, &full, false)?;
    let encoded = encode_spans(tokenizer, &full, &spans)?;
    check_specials(tokenizer, template, &encoded.tokens)?;
    Ok(encoded)
}

/// Encodes a conversation once for each assistant turn, up to and including it; only that turn is trained on.
///
/// This serves templates that render a turn differently once it is history (Qwen3 drops its reasoning), at the cost of
/// encoding the history again for every turn.
///
/// # Errors
/// As [`encode_chat`], for one turn.
pub fn encode_chat_by_turn(tokenizer: &Tokenizer, messages: &[Message]) -> Result<Vec<Encoded>, Error> {
    let template = template_of(tokenizer)?;
    check_messages(tokenizer, messages)?;
    let turns = (0..messages.len()).filter(|&i| messages[i].role == "assistant");
    turns
        .map(|i| {
            let upto = &messages[..=i];
            let full = located(tokenizer, template, upto, false)?;
            let spans = match block_spans(tokenizer, template, upto, &full, false)? {
                Some(spans) => spans.into_iter().next_back().into_iter().collect(),
                None => vec![turn_span(tokenizer, template, upto, i, &full)?],
            };
            let encoded = encode_spans(tokenizer, &full, &spans)?;
            check_specials(tokenizer, template, &encoded.tokens)?;
            Ok(encoded)
        })
        .collect()
}

/// Encodes a conversation up to where the assistant speaks: what a sampler is given.
///
/// # Errors
/// As [`encode_chat`], and where the last message is the assistant's already.
pub fn encode_prompt(tokenizer: &Tokenizer, messages: &[Message]) -> Result<Vec<u32>, Error> {
    let template = template_of(tokenizer)?;
    check_messages(tokenizer, messages)?;
    if messages.last().is_some_and(|message| message.role == "assistant") {
        return Err(template.error("the last message of a prompt is the assistant's", "a prompt to answer", ""));
    }
    let text = located(tokenizer, template, messages, true)?;
    // Earlier answers are encoded on their own here too, so that these ids begin those of `encode_chat`. Under a
    // template that cannot be masked there is no such id sequence to agree with.
    let spans = trained_spans(tokenizer, template, messages, &text, true).unwrap_or_default();
    let tokens = encode_spans(tokenizer, &text, &spans)?.tokens;
    check_specials(tokenizer, template, &tokens)?;
    Ok(tokens)
}

/// Encodes prompt + completion + EOS without a template; targets are the completion and EOS.
///
/// The prompt begins with BOS where the tokenizer adds one. One EOS spelled out at the end of `completion` is not
/// doubled. Both texts are plain: special tokens in them are not read.
///
/// # Errors
/// [`Error::Tokenizer`] where the tokenizer has no EOS.
pub fn encode_pair(tokenizer: &Tokenizer, prompt: &str, completion: &str) -> Result<Encoded, Error> {
    let Some(&eos) = tokenizer.eos_ids().first() else {
        return Err(tokenizer.error(
            "has no EOS token",
            "a token that ends an answer",
            "set eos_token in tokenizer_config.json",
        ));
    };
    let ending = tokenizer.token(eos).unwrap_or_default();
    let completion =
        if ending.is_empty() { completion } else { completion.strip_suffix(&ending).unwrap_or(completion) };
    let mut encoded = Encoded::default();
    encoded.push(encode_text_prompt(tokenizer, prompt)?, false);
    let position = if prompt.is_empty() { Position::Start } else { Position::Continuation };
    let everything = 0..completion.len();
    let mut answer = tokenizer.encode_guarded(completion, position, std::slice::from_ref(&everything))?;
    answer.push(eos);
    encoded.push(answer, true);
    Ok(encoded)
}

/// The prompt part of [`encode_pair`]: what a sampler is given where there is no template.
///
/// # Errors
/// As [`Tokenizer::encode`].
pub fn encode_text_prompt(tokenizer: &Tokenizer, prompt: &str) -> Result<Vec<u32>, Error> {
    tokenizer.encode_with_bos(prompt)
}

/// What a sampler is given for a prompt: through the template where there is one, as text otherwise.
///
/// # Errors
/// As [`encode_prompt`]; [`Error::Template`] for messages without a template.
pub fn encode_input(tokenizer: &Tokenizer, input: &Input) -> Result<Vec<u32>, Error> {
    match input {
        Input::Text(text) if tokenizer.chat_template().is_none() => encode_text_prompt(tokenizer, text),
        input => encode_prompt(tokenizer, &input.messages()),
    }
}

/// Encodes one answer to a prompt; targets are the answer and its end, not earlier turns of the assistant.
///
/// # Errors
/// As [`encode_chat`] and [`encode_pair`].
pub fn encode_answer(tokenizer: &Tokenizer, input: &Input, answer: &str) -> Result<Encoded, Error> {
    match input {
        Input::Text(text) if tokenizer.chat_template().is_none() => encode_pair(tokenizer, text, answer),
        input => {
            let mut messages = input.messages();
            messages.push(Message::assistant(answer));
            let last = messages.len() - 1;
            let template = template_of(tokenizer)?;
            check_messages(tokenizer, &messages)?;
            let full = located(tokenizer, template, &messages, false)?;
            // Earlier turns are cut as in `encode_prompt`, so that the ids before the answer are the sampler's.
            let spans = match trained_spans(tokenizer, template, &messages, &full, false) {
                Ok(spans) => spans,
                Err(Error::Mask(_)) => vec![turn_span(tokenizer, template, &messages, last, &full)?],
                Err(other) => return Err(other),
            };
            let mut encoded = encode_spans(tokenizer, &full, &spans)?;
            check_specials(tokenizer, template, &encoded.tokens)?;
            let start = encoded.answer_start();
            encoded.train[..start].fill(false);
            Ok(encoded)
        }
    }
}

fn template_of(tokenizer: &Tokenizer) -> Result<&ChatTemplate, Error> {
    tokenizer.chat_template().ok_or_else(|| {
        Error::Template(Problem::new(
            tokenizer.name(),
            "has no chat template",
            "chat_template.jinja, or chat_template in tokenizer_config.json",
            "use prompt and completion instead of messages, or add the template of the model this one was trained from",
        ))
    })
}

/// Roles and further fields reach the template unmarked, so they may hold nothing that reads as a special token.
fn check_messages(tokenizer: &Tokenizer, messages: &[Message]) -> Result<(), Error> {
    for (i, message) in messages.iter().enumerate() {
        let place = format!("message {i}");
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if message.role.is_empty() || message.role.len() > 64 || !message.role.chars().all(word) {
            let what = format!("the role is {:?}", message.role);
            return Err(Error::Data(Problem::new(place, what, "a word such as system, user or assistant", "")));
        }
        let forged = message.extra.iter().any(|(key, value)| {
            holds_special(tokenizer, &Value::String(key.clone())) || holds_special(tokenizer, value)
        });
        if forged {
            let what = "a field beside role and content holds a special token of the tokenizer";
            return Err(Error::Data(Problem::new(place, what, "plain text in all fields", "remove the field")));
        }
    }
    Ok(())
}

fn holds_special(tokenizer: &Tokenizer, value: &Value) -> bool {
    match value {
        Value::String(text) => !tokenizer.find_specials(text, &[]).is_empty(),
        Value::Array(items) => items.iter().any(|item| holds_special(tokenizer, item)),
        Value::Object(fields) => fields
            .iter()
            .any(|(key, item)| !tokenizer.find_specials(key, &[]).is_empty() || holds_special(tokenizer, item)),
        _ => false,
    }
}

/// Renders a conversation and finds its messages. One that is not found through marks is left so, unless it holds the
/// text of a special token: then it must stand in the rendering exactly once, or it could forge a turn.
fn located(
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
    messages: &[Message],
    generation_prompt: bool,
) -> Result<Located, Error> {
    let mut found = locate::render(template, messages, generation_prompt)?;
    for (i, (message, ranges)) in messages.iter().zip(&mut found.contents).enumerate() {
        if !ranges.is_empty() || tokenizer.find_specials(&message.content, &[]).is_empty() {
            continue;
        }
        let core = message.content.trim();
        let mut places = found.text.match_indices(core);
        match (places.next(), places.next()) {
            (Some((at, _)), None) => ranges.push(at..at + core.len()),
            _ => {
                return Err(template.mask_error(
                    format!("message {i} holds the text of a special token, and the template rewrites the message"),
                    "a template that writes message['content'] as it is, or a message without such text",
                    "remove the special token from the message",
                ));
            }
        }
    }
    Ok(found)
}

/// Byte ranges of the assistant's turns in a rendered conversation, in order.
fn trained_spans(
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
    messages: &[Message],
    full: &Located,
    generation_prompt: bool,
) -> Result<Vec<Range<usize>>, Error> {
    if let Some(spans) = block_spans(tokenizer, template, messages, full, generation_prompt)? {
        return Ok(spans);
    }
    let mut spans: Vec<Range<usize>> = Vec::new();
    for i in (0..messages.len()).filter(|&i| messages[i].role == "assistant") {
        let span = turn_span(tokenizer, template, messages, i, full)?;
        if spans.last().is_some_and(|last| last.end > span.start) {
            return Err(template.mask_error(
                format!("message {i} begins before the assistant's turn before it has ended"),
                "turns one after the other",
                "put a user message between two assistant messages",
            ));
        }
        // The turn must look the same while it is the last one, or what is trained is not what is sampled.
        if i + 1 < messages.len() {
            let alone = template.render(&messages[..=i], false)?;
            if !full.text.starts_with(&alone) || span.end > alone.len() {
                return Err(template.mask_error(
                    format!("message {i} is rendered differently once other messages follow it"),
                    "render(messages[..=i]) to begin render(messages)",
                    "train on one turn at a time (encode_chat_by_turn), or use a training version of this template",
                ));
            }
        }
        spans.push(span);
    }
    Ok(spans)
}

/// Byte range of the assistant's turn `i`, with its end-of-turn token.
fn turn_span(
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
    messages: &[Message],
    i: usize,
    full: &Located,
) -> Result<Range<usize>, Error> {
    let prompt = template.render(&messages[..i], true)?;
    if !full.text.starts_with(&prompt) {
        return Err(template.mask_error(
            format!("the prompt of message {i} does not begin the whole conversation"),
            "render(messages[..i], add_generation_prompt) to begin render(messages)",
            "train on one turn at a time (encode_chat_by_turn), or use a training version of this template",
        ));
    }
    let start = prompt.len();
    let core = messages[i].content.trim();
    let content_end = if core.is_empty() {
        start
    } else {
        let marked = full.contents[i].iter().rev().find(|range| range.start >= start).map(|range| range.end);
        let Some(end) = marked.or_else(|| full.text[start..].find(core).map(|at| start + at + core.len())) else {
            return Err(template.mask_error(
                format!("the text of message {i} is not found unchanged after its prompt"),
                "a template that writes message['content'] as it is",
                "train on one turn at a time (encode_chat_by_turn), or use a training version of this template",
            ));
        };
        end
    };
    let protected: Vec<Range<usize>> = full.contents.iter().flatten().cloned().collect();
    let limit = full.contents[i + 1..].iter().flatten().map(|range| range.start).filter(|&at| at >= content_end).min();
    match end_of_turn(tokenizer, &full.text, content_end, limit, &protected) {
        Some(end) => Ok(start..end),
        None => Err(template.mask_error(
            format!("no special token ends message {i}"),
            "an end-of-turn or EOS token after the assistant's text",
            "add eos_token to the template after each answer, or mark the token as special in tokenizer.json",
        )),
    }
}

/// The end of the first special token of the template at or after `from`, before any text of a later message.
fn end_of_turn(
    tokenizer: &Tokenizer,
    text: &str,
    from: usize,
    limit: Option<usize>,
    protected: &[Range<usize>],
) -> Option<usize> {
    let to = limit.unwrap_or(text.len());
    let shifted: Vec<Range<usize>> = protected
        .iter()
        .filter(|range| range.end > from && range.start < to)
        .map(|range| range.start.saturating_sub(from)..range.end.min(to) - from)
        .collect();
    tokenizer.find_specials(&text[from..to], &shifted).first().map(|(range, _)| from + range.end)
}

/// Spans of `{% generation %}` blocks; a block that stops short of its end-of-turn token gets it. None where the
/// template has no such blocks.
fn block_spans(
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
    messages: &[Message],
    full: &Located,
    generation_prompt: bool,
) -> Result<Option<Vec<Range<usize>>>, Error> {
    let Some(rendered) = template.render_blocks(messages, generation_prompt)? else { return Ok(None) };
    let (text, mut blocks) = (rendered.text, rendered.ranges);
    if text != full.text {
        return Err(template.mask_error(
            "its generation blocks change what is rendered",
            "blocks that only mark text",
            "",
        ));
    }
    let turns = messages.iter().filter(|message| message.role == "assistant").count();
    if blocks.len() != turns {
        return Err(template.mask_error(
            format!("{} generation blocks for {turns} assistant turns", blocks.len()),
            "one {% generation %} block for each assistant turn",
            "",
        ));
    }
    let protected: Vec<Range<usize>> = full.contents.iter().flatten().cloned().collect();
    for block in &mut blocks {
        let ends = |end: usize| tokenizer.find_specials(&full.text[block.start..end], &shift(&protected, block.start));
        let ended = ends(block.end).last().is_some_and(|(range, _)| block.start + range.end == block.end);
        let trimmed = full.text[..block.end].trim_end().len();
        let ended =
            ended || ends(trimmed.max(block.start)).last().is_some_and(|(range, _)| block.start + range.end == trimmed);
        if ended {
            continue;
        }
        let next = tokenizer.find_specials(&full.text[block.end..], &shift(&protected, block.end)).into_iter().next();
        match next {
            Some((range, _)) if range.start == 0 => block.end += range.end,
            _ => {
                return Err(template.mask_error(
                    "a generation block does not end with a special token, and none follows it",
                    "the end-of-turn token inside the block",
                    "move the end-of-turn token before {% endgeneration %}",
                ));
            }
        }
    }
    Ok(Some(blocks))
}

/// Ranges relative to `from`; those before it are left out.
fn shift(ranges: &[Range<usize>], from: usize) -> Vec<Range<usize>> {
    ranges
        .iter()
        .filter(|range| range.end > from)
        .map(|range| range.start.saturating_sub(from)..range.end - from)
        .collect()
}

/// Encodes the spans and what is between them, each on its own.
fn encode_spans(tokenizer: &Tokenizer, full: &Located, spans: &[Range<usize>]) -> Result<Encoded, Error> {
    let protected: Vec<Range<usize>> = full.contents.iter().flatten().cloned().collect();
    let (mut encoded, mut at, mut position) = (Encoded::default(), 0, Position::Start);
    let piece = |range: Range<usize>, position: Position| {
        tokenizer.encode_guarded(&full.text[range.clone()], position, &shift(&protected, range.start))
    };
    for span in spans {
        encoded.push(piece(at..span.start, position)?, false);
        let ends_special = encoded.tokens.last().is_some_and(|&id| tokenizer.is_special(id));
        let inside = match (span.start, ends_special) {
            (0, _) => Position::Start,
            (_, true) => Position::AfterSpecial,
            (_, false) => Position::Continuation,
        };
        encoded.push(piece(span.clone(), inside)?, true);
        (at, position) = (span.end, Position::AfterSpecial);
    }
    encoded.push(piece(at..full.text.len(), position)?, false);
    Ok(encoded)
}

/// One BOS at the start, one end at the end: doubling either is the commonest template mistake.
fn check_specials(tokenizer: &Tokenizer, template: &ChatTemplate, tokens: &[u32]) -> Result<(), Error> {
    let bos = tokenizer.bos_id();
    if let [first, second, ..] = tokens
        && Some(*first) == bos
        && first == second
    {
        return Err(template.mask_error("it writes BOS twice", "one BOS", "remove bos_token from the template once"));
    }
    if let Some(pair) = tokens.windows(2).find(|pair| pair[0] == pair[1] && tokenizer.eos_ids().contains(&pair[0])) {
        let token = tokenizer.token(pair[0]).unwrap_or_default();
        let what = format!("it writes the end token {token:?} twice in a row");
        return Err(template.mask_error(what, "one end of turn", "remove eos_token from the template once"));
    }
    Ok(())
}
