//! Where in a rendered conversation the text of each message stands.
//!
//! A template is a program, so this is measured: the conversation is rendered once more with a private-use character
//! just inside each message's text, at both ends. If the marked rendering without its marks equals the plain one, the
//! marks say where the text is. A template that looks at the first or last characters of a message (`startswith`) may
//! notice the marks, and one that takes a text apart may drop one; then the message counts as not found.

use crate::chat::{ChatTemplate, Message};
use crate::error::Error;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// A rendered conversation.
#[derive(Debug)]
pub(crate) struct Located {
    pub text: String,
    /// For each message, the byte ranges of its text (white space at its ends apart); none where it was not found.
    pub contents: Vec<Vec<Range<usize>>>,
}

/// Renders a conversation and finds its messages in it.
pub(crate) fn render(template: &ChatTemplate, messages: &[Message], generation_prompt: bool) -> Result<Located, Error> {
    let text = template.render(messages, generation_prompt)?;
    let contents =
        marked(template, messages, generation_prompt, &text).unwrap_or_else(|| vec![Vec::new(); messages.len()]);
    Ok(Located { text, contents })
}

/// Private-use characters that neither the messages nor the template write, two for each message.
fn marks(messages: &[Message], plain: &str) -> Option<Vec<char>> {
    let private = |c: &char| matches!(*c, '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFD}');
    let texts = messages.iter().map(|message| message.content.as_str()).chain(std::iter::once(plain));
    let used: BTreeSet<char> = texts.flat_map(|text| text.chars().filter(private)).collect();
    // The last two code points mark generation blocks; U+FFFFE and U+FFFFF are no characters.
    let pool = ('\u{F0000}'..='\u{FFFFD}').chain('\u{100000}'..='\u{10FFFB}').chain('\u{E000}'..='\u{F8FF}');
    let marks: Vec<char> = pool.filter(|c| !used.contains(c)).take(2 * messages.len()).collect();
    (marks.len() == 2 * messages.len()).then_some(marks)
}

fn marked(
    template: &ChatTemplate,
    messages: &[Message],
    generation_prompt: bool,
    plain: &str,
) -> Option<Vec<Vec<Range<usize>>>> {
    let marks = marks(messages, plain)?;
    let mut copies = messages.to_vec();
    for (message, pair) in copies.iter_mut().zip(marks.chunks_exact(2)) {
        let content = &message.content;
        let core = content.trim();
        // An empty text has nothing to find, and a mark would make it look filled to the template.
        if !core.is_empty() {
            let start = content.len() - content.trim_start().len();
            let (before, after) = (&content[..start], &content[start + core.len()..]);
            message.content = format!("{before}{}{core}{}{after}", pair[0], pair[1]);
        }
    }
    let rendered = template.render(&copies, generation_prompt).ok()?;

    let index_of: BTreeMap<char, usize> = marks.into_iter().zip(0..).collect();
    let (mut clean, mut open) = (String::with_capacity(plain.len()), vec![None; messages.len()]);
    let mut contents = vec![Vec::new(); messages.len()];
    for c in rendered.chars() {
        match index_of.get(&c) {
            None => clean.push(c),
            Some(index) if index % 2 == 0 => open[index / 2] = Some(clean.len()),
            Some(index) => {
                contents[index / 2].extend(open[index / 2].take().map(|start: usize| start..clean.len()));
            }
        }
    }
    (clean == plain).then_some(contents)
}
