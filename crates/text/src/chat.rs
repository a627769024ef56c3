//! Chat templates: Jinja, rendered as `transformers` renders them.
//!
//! Read by `encode` (training masks, prompts) and by the commands that talk to a model.
//!
//! Where ours differs from `apply_chat_template` of transformers 5:
//! 1. `{% generation %}` blocks render their body, and report where it stands (transformers needs a flag for that).
//! 2. Work is bounded by fuel (instructions and bytes), so a hostile template ends with an error.
//! 3. `strftime_now` takes its time from [`ChatTemplate::at_time`] where that was called, and is UTC: a run that is
//!    repeated tomorrow can give the same bytes.
//! 4. There are no tools and no documents; both are passed as none.

use crate::error::{Error, Problem};
use crate::python;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value as Jinja};
use minijinja::{Environment, ErrorKind};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

/// Longest template source, in bytes.
const MAX_SOURCE: usize = 1 << 20;
/// Fuel of one rendering: instructions, with 1 unit paying for some bytes of text.
const FUEL: u64 = 5_000_000;
/// Fuel added for every message, so that long conversations are not taken for an attack.
const FUEL_PER_MESSAGE: u64 = 50_000;
/// Marks around a `{% generation %}` body; the last two private-use code points, which no message may hold.
const GENERATION: [char; 2] = ['\u{10FFFC}', '\u{10FFFD}'];

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks: `system`, `user`, `assistant` or what else the template knows.
    pub role: String,
    /// What is said. A list of `{"type": "text", "text": ...}` parts is read as their concatenation.
    #[serde(deserialize_with = "flattened")]
    pub content: String,
    /// Further fields, kept and shown to the template.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Message {
    /// A message without further fields.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into(), extra: Map::new() }
    }

    /// A message of the system.
    pub fn system(content: impl Into<String>) -> Self {
        Self::new("system", content)
    }

    /// A message of the user.
    pub fn user(content: impl Into<String>) -> Self {
        Self::new("user", content)
    }

    /// A message of the assistant.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new("assistant", content)
    }
}

/// The text of a `content` field: a string, or text parts one after the other.
pub(crate) fn flatten_content(content: &Value) -> Result<String, String> {
    match content {
        Value::String(text) => Ok(text.clone()),
        Value::Array(parts) => {
            let mut text = String::new();
            for part in parts {
                let kind = part.get("type").and_then(Value::as_str);
                match (part.as_str().or_else(|| part.get("text").and_then(Value::as_str)), kind) {
                    (Some(piece), None | Some("text")) => text.push_str(piece),
                    (_, Some(kind)) => return Err(format!("a list with a part of type {kind:?}")),
                    (None, None) => return Err("a list with a part that has no text".into()),
                }
            }
            Ok(text)
        }
        other => Err(crate::json::kind(other).into()),
    }
}

fn flattened<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let value = Value::deserialize(deserializer)?;
    flatten_content(&value)
        .map_err(|got| serde::de::Error::custom(format!("content is {got}, expected a string or a list of text parts")))
}

/// A chat template and the special tokens it writes.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    source: String,
    name: String,
    env: Environment<'static>,
    /// As `env`, with the bodies of generation blocks between [`GENERATION`] marks; none where there are no blocks.
    marked: Option<Environment<'static>>,
    variables: Map<String, Value>,
}

/// A rendering and the byte ranges of its `{% generation %}` blocks.
pub(crate) struct Blocks {
    pub text: String,
    pub ranges: Vec<Range<usize>>,
}

impl ChatTemplate {
    /// Compiles a template. `bos` and `eos` are the texts of `bos_token` and `eos_token`; none leaves them undefined,
    /// which renders as nothing.
    ///
    /// # Errors
    /// [`Error::Template`] with the line of a syntax error, or where the source is over 1 MiB.
    pub fn new(source: &str, bos: Option<&str>, eos: Option<&str>) -> Result<Self, Error> {
        let mut variables = Map::new();
        for (key, token) in [("bos_token", bos), ("eos_token", eos)] {
            if let Some(token) = token {
                variables.insert(key.into(), token.into());
            }
        }
        let name = "chat template".to_owned();
        if source.len() > MAX_SOURCE {
            return Err(Error::Template(Problem::new(
                name,
                format!("{} bytes long", source.len()),
                format!("at most {MAX_SOURCE} bytes"),
                "",
            )));
        }
        let (jinja, has_blocks) = without_generation_tags(source);
        let env = environment(&name, &jinja, false)?;
        let marked = if has_blocks { Some(environment(&name, &jinja, true)?) } else { None };
        Ok(Self { source: source.to_owned(), name, env, marked, variables })
    }

    /// The same template under the name that its errors give: usually the file it came from.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The same template with one more variable, such as `pad_token` or `enable_thinking`.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: Value) -> Self {
        self.variables.insert(name.to_owned(), value);
        self
    }

    /// The same template with its clock stopped, in seconds since 1970 UTC, for templates that write today's date.
    #[must_use]
    pub fn at_time(mut self, unix_seconds: i64) -> Self {
        for env in std::iter::once(&mut self.env).chain(&mut self.marked) {
            env.add_function("strftime_now", move |format: &str| strftime(format, unix_seconds));
        }
        self
    }

    /// The Jinja source, as given.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The name in error messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the template says itself, by `{% generation %}`, what the model writes.
    pub fn has_generation_blocks(&self) -> bool {
        self.marked.is_some()
    }

    /// The conversation as one string; with `add_generation_prompt`, up to where the assistant speaks next.
    ///
    /// ```
    /// use trimtab_text::{ChatTemplate, Message};
    /// let source = "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}\n{% endfor %}\
    ///               {% if add_generation_prompt %}assistant:{% endif %}";
    /// let template = ChatTemplate::new(source, None, Some("</s>"))?;
    /// // Data is never expanded, whatever it looks like.
    /// assert_eq!(template.render(&[Message::user("{{ 1 + 1 }}?")], true)?, "user: {{ 1 + 1 }}?</s>\nassistant:");
    /// # Ok::<(), trimtab_text::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Template`] where the template raises (with its message), fails, or uses up its fuel.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, Error> {
        self.render_in(&self.env, messages, add_generation_prompt)
    }

    /// The conversation and the byte ranges of its generation blocks; none where the template has no such blocks.
    pub(crate) fn render_blocks(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<Option<Blocks>, Error> {
        let Some(env) = &self.marked else { return Ok(None) };
        if messages.iter().any(|message| message.content.contains(GENERATION)) {
            return Err(self.error("a message holds U+10FFFC or U+10FFFD", "text without these two code points", ""));
        }
        let text = self.render_in(env, messages, add_generation_prompt)?;
        let (mut clean, mut blocks, mut open) = (String::with_capacity(text.len()), Vec::new(), None);
        for c in text.chars() {
            match c {
                c if c == GENERATION[0] => open = Some(clean.len()),
                c if c == GENERATION[1] => blocks.extend(open.take().map(|start| start..clean.len())),
                c => clean.push(c),
            }
        }
        Ok(Some(Blocks { text: clean, ranges: blocks }))
    }

    fn render_in(&self, env: &Environment<'static>, messages: &[Message], generation: bool) -> Result<String, Error> {
        let mut context = self.variables.clone();
        context.insert("add_generation_prompt".into(), generation.into());
        context.insert("tools".into(), Value::Null);
        context.insert("documents".into(), Value::Null);
        // transformers leaves out fields that are null, so that "is defined" means the same here.
        let mut messages = messages.to_vec();
        for message in &mut messages {
            message.extra.retain(|_, value| !value.is_null());
        }
        let count = messages.len() as u64;
        let messages_value = Jinja::from(Serde(messages));
        let context = minijinja::context! { messages => messages_value, ..Jinja::from(Serde(&context)) };
        // Fuel is a setting of the environment, so each rendering has its own copy (filters and templates are shared).
        let mut env = env.clone();
        env.set_fuel(Some(FUEL + FUEL_PER_MESSAGE * count));
        env.get_template("chat").and_then(|template| template.render(context)).map_err(|e| self.refusal(&e))
    }

    fn refusal(&self, error: &minijinja::Error) -> Error {
        let line = error.line().map_or(String::new(), |line| format!(":{line}"));
        let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        let (expected, hint) = match error.kind() {
            ErrorKind::OutOfFuel => {
                ("a template whose work is in proportion to the conversation", "look for loops in the template")
            }
            ErrorKind::UnknownFilter
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownTest
            | ErrorKind::UnknownMethod => ("Jinja with transformers' additions", "simplify the template"),
            _ => ("a conversation that the template accepts", "check the order of roles and the first message"),
        };
        Error::Template(Problem::new(format!("{}{line}", self.name), format!("refuses: {what}"), expected, hint))
    }

    pub(crate) fn error(&self, what: &str, expected: &str, hint: &str) -> Error {
        Error::Template(Problem::new(&self.name, what, expected, hint))
    }

    pub(crate) fn mask_error(&self, what: impl Into<String>, expected: &str, hint: &str) -> Error {
        Error::Mask(Problem::new(&self.name, what, expected, hint))
    }
}

/// A Jinja environment that behaves as the one of transformers.
fn environment(name: &str, source: &str, mark: bool) -> Result<Environment<'static>, Error> {
    let bug = |e: minijinja::Error| {
        let line = e.line().map_or(String::new(), |line| format!(":{line}"));
        let what = e.detail().map_or_else(|| e.kind().to_string(), str::to_owned);
        Error::Template(Problem::new(
            format!("{name}{line}"),
            format!("does not parse: {what}"),
            "a Jinja template",
            "take the chat_template.jinja of the model this one was trained from",
        ))
    };
    let mut env = Environment::new();
    env.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(bug)?);
    env.set_recursion_limit(100);
    env.set_unknown_method_callback(|state, value, method, args| match (method, value.as_str(), args) {
        // Python begins a new word after anything that is not a letter; the library only after white space.
        ("title", Some(text), []) => Ok(python::title(text).into()),
        _ => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args),
    });
    env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    env.add_function("raise_exception", |message: String| -> Result<Jinja, minijinja::Error> {
        Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
    });
    env.add_function("strftime_now", |format: &str| {
        strftime(format, SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64))
    });
    env.add_filter("tojson", to_json);
    env.add_filter(
        "trimtab_generation",
        move |body: String| {
            if mark { format!("{}{body}{}", GENERATION[0], GENERATION[1]) } else { body }
        },
    );
    env.add_template_owned("chat", source.to_owned()).map_err(bug)?;
    Ok(env)
}

/// Rewrites `{% generation %}` and `{% endgeneration %}` as a filter block of ours, one tag for one tag, so that white
/// space control is kept. The flag says whether there were any.
fn without_generation_tags(source: &str) -> (String, bool) {
    let (mut out, mut rest, mut found) = (String::with_capacity(source.len()), source, false);
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let Some(end) = tag.find("%}") else {
            rest = tag;
            break;
        };
        let inside = &tag[2..end];
        let word = inside.trim_matches(|c: char| c.is_whitespace() || c == '-' || c == '+');
        let replaced = match word {
            "generation" => inside.replacen(word, "filter trimtab_generation", 1),
            "endgeneration" => inside.replacen(word, "endfilter", 1),
            _ => {
                // Only the opening is passed on: the tag may hold a string with "{%" in it, or the other way round.
                out.push_str("{%");
                rest = &tag[2..];
                continue;
            }
        };
        found = true;
        out.push_str("{%");
        out.push_str(&replaced);
        out.push_str("%}");
        rest = &tag[end + 2..];
    }
    out.push_str(rest);
    (out, found)
}

/// `tojson` as transformers has it: Python's `json.dumps`, nothing escaped for HTML, non-ASCII kept.
#[allow(clippy::needless_pass_by_value)] // the signature of a filter
fn to_json(value: &Jinja, options: Kwargs) -> Result<String, minijinja::Error> {
    let bad = |e: serde_json::Error| minijinja::Error::new(ErrorKind::InvalidOperation, format!("tojson: {e}"));
    let value = serde_json::to_value(value).map_err(bad)?;
    let indent: Option<usize> = options.get("indent")?;
    let how = python::Dump {
        indent: indent.map(|n| n.min(64)),
        ascii: options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
        sort: options.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
    };
    options.assert_all_used()?;
    Ok(python::dumps(&value, how))
}

fn strftime(format: &str, unix_seconds: i64) -> Result<String, minijinja::Error> {
    python::strftime(format, unix_seconds).map_err(|directive| {
        let what = format!("strftime_now: directive {directive} is not supported");
        minijinja::Error::new(ErrorKind::InvalidOperation, what)
    })
}
