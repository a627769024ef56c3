//! A model behind an OpenAI-compatible endpoint: `openai:URL#name`.
//!
//! 1. Conversations go to `/chat/completions`, text with options to `/completions` with `echo`, where the server gives the
//!    log-probabilities of what it is sent. Whole answers to a conversation cannot be scored there, so such items are not
//!    asked ([`Endpoint::can`]); letters are asked for as text, and read by the anchored parser.
//! 2. What may pass (a busy server, a broken connection, an answer that is no JSON) is tried again with doubling waits;
//!    after the last try the item is unscored with its reason. It is never a pass.
//! 3. What cannot pass (no such model, no right to ask) ends the audit: a thousand unscored items would say less.

use crate::failure::Usage;
use anyhow::Result;
use serde_json::{Value, json};
use std::time::Duration;
use trimtab_alignment::Error;
use trimtab_audit::item::{Form, Item};
use trimtab_audit::scoring::move_spaces;
use trimtab_audit::target::{Said, Subject};
use trimtab_run::{interrupt, sha256_bytes};
use trimtab_text::record::Input;

/// Times that a request is made.
const TRIES: u32 = 5;
/// The wait before the second try; each later one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest wait, also where the server asks for more.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// Time for one answer.
const TIMEOUT: Duration = Duration::from_mins(2);
/// Largest answer, in bytes.
const MAX_BYTES: u64 = 4 << 20;

/// A model behind a URL.
pub struct Endpoint {
    spec: String,
    hash: String,
    url: String,
    model: String,
    key: Option<String>,
    agent: ureq::Agent,
}

/// Why a request came to nothing.
enum Failure {
    /// It may pass: try again, after this long if the server says so.
    Passing(String, Option<Duration>),
    /// This item cannot be asked.
    Item(String),
    /// No item can.
    All(String),
}

impl Endpoint {
    /// The endpoint of `openai:URL#name`; none if `spec` is no such thing. The key is OPENAI_API_KEY's, if that is set.
    ///
    /// # Errors
    /// [`Usage`] for a spec without a name or an address that is not http.
    pub fn of(spec: &str) -> Result<Option<Self>> {
        let Some(rest) = spec.strip_prefix("openai:") else { return Ok(None) };
        let parts = rest.rsplit_once('#').filter(|(url, name)| url.starts_with("http") && !name.is_empty());
        let Some((url, model)) = parts else {
            let advice = "expected openai:URL#NAME\n  try: openai:http://127.0.0.1:8000/v1#my-model";
            return Err(Usage(format!("{spec}: no address and name\n  {advice}")).into());
        };
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(Duration::from_secs(15)))
            .timeout_global(Some(TIMEOUT))
            .build()
            .into();
        Ok(Some(Self {
            spec: spec.to_owned(),
            hash: sha256_bytes(spec.as_bytes()),
            url: url.trim_end_matches('/').to_owned(),
            model: model.to_owned(),
            key: std::env::var("OPENAI_API_KEY").ok().filter(|k| !k.is_empty()),
            agent,
        }))
    }

    /// Whether an item can be put to an endpoint at all.
    pub fn can(item: &Item) -> bool {
        item.form != Form::Open || matches!(item.input, Input::Text(_))
    }

    fn one(&self, item: &Item, max_new_tokens: usize) -> Result<Said, Failure> {
        match &item.input {
            Input::Text(text) if item.form.by_logprob() => {
                let sums = item.choices.iter().map(|choice| {
                    let (prompt, continuation) = move_spaces(text, &choice.text);
                    self.echoed(&prompt, &continuation)
                });
                Ok(Said::LogProbs(sums.collect::<Result<_, _>>()?))
            }
            input => {
                let messages: Vec<Value> =
                    input.messages().iter().map(|m| json!({"role": m.role, "content": m.content})).collect();
                let temperature = if item.form == Form::Drawn { 1.0 } else { 0.0 };
                let body = json!({"model": self.model, "messages": messages, "temperature": temperature,
                    "max_tokens": max_new_tokens, "seed": item.seed});
                self.request("chat/completions", &body, answer)
            }
        }
    }

    /// Summed log-probability of `continuation` after `prompt`, from a server that echoes what it is sent.
    fn echoed(&self, prompt: &str, continuation: &str) -> Result<f64, Failure> {
        let whole = format!("{prompt}{continuation}");
        let body = json!({"model": self.model, "prompt": whole, "max_tokens": 1, "echo": true, "logprobs": 1,
            "temperature": 0});
        // Offsets count characters, not bytes.
        let (from, to) = (prompt.chars().count() as u64, whole.chars().count() as u64);
        self.request("completions", &body, |reply| {
            let none = || Failure::Item("the endpoint gives no log-probabilities of what it is sent".into());
            let given = reply["choices"].get(0).map(|c| &c["logprobs"]).ok_or_else(none)?;
            let (offsets, values) = (given["text_offset"].as_array(), given["token_logprobs"].as_array());
            let (Some(offsets), Some(values)) = (offsets, values) else { return Err(none()) };
            let inside = |offset: &Value| offset.as_u64().is_some_and(|o| from <= o && o < to);
            let own: Vec<Option<f64>> =
                offsets.iter().zip(values).filter(|(o, _)| inside(o)).map(|(_, v)| v.as_f64()).collect();
            let sum: Option<f64> = own.iter().copied().sum();
            sum.filter(|_| !own.is_empty()).ok_or_else(none)
        })
    }

    /// Posts `body` until `read` makes something of the reply, or there is no use.
    fn request<T>(&self, path: &str, body: &Value, read: impl Fn(&Value) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut wait = FIRST_WAIT;
        let mut last = String::new();
        for attempt in 1..=TRIES {
            match self.post(path, body).and_then(|reply| read(&reply)) {
                Err(Failure::Passing(reason, asked)) => {
                    last = reason;
                    if attempt < TRIES {
                        std::thread::sleep(asked.unwrap_or(wait).min(LONGEST_WAIT));
                        wait *= 2;
                    }
                    // Ctrl-C: what is not asked yet is asked when the audit continues.
                    if interrupt::requested() {
                        break;
                    }
                }
                other => return other,
            }
        }
        Err(Failure::Item(format!("endpoint: {last} ({TRIES} tries)")))
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let passing = |what: String| Failure::Passing(what, None);
        let mut request = self.agent.post(format!("{}/{path}", self.url)).header("Content-Type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let mut reply = request.send(body.to_string()).map_err(|e| passing(short(&e.to_string())))?;
        let status = reply.status().as_u16();
        match status {
            200..=299 => {
                let text = reply.body_mut().with_config().limit(MAX_BYTES).read_to_string();
                let text = text.map_err(|e| passing(short(&e.to_string())))?;
                serde_json::from_str(&text).map_err(|_| passing("the reply is no JSON".into()))
            }
            408 | 409 | 425 | 429 | 500..=599 => {
                let after = reply.headers().get("retry-after").and_then(|v| v.to_str().ok()?.parse().ok());
                Err(Failure::Passing(format!("status {status}"), after.map(Duration::from_secs)))
            }
            401 | 403 | 404 => Err(Failure::All(format!("status {status}"))),
            _ => Err(Failure::Item(format!("endpoint: status {status}"))),
        }
    }
}

/// The first line of a message, without what could be a secret in it.
fn short(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(120).collect()
}

/// The answer in a reply to a conversation.
fn answer(reply: &Value) -> Result<Said, Failure> {
    let choice = reply["choices"].get(0).ok_or_else(|| Failure::Passing("the reply has no choice".into(), None))?;
    let message = &choice["message"];
    let reason = choice["finish_reason"].as_str();
    if reason == Some("content_filter") {
        return Err(Failure::Item("endpoint: stopped by its content filter".into()));
    }
    let text = message["content"].as_str().or_else(|| message["refusal"].as_str());
    let text = text.ok_or_else(|| Failure::Passing("the reply has no text".into(), None))?;
    Ok(Said::Text { text: text.to_owned(), ended: reason != Some("length") })
}

impl Subject for Endpoint {
    fn name(&self) -> &str {
        &self.spec
    }

    fn hash(&self) -> &str {
        &self.hash
    }

    fn batch(&self) -> usize {
        // Requests are slow, and each is worth keeping.
        8
    }

    fn ask(&self, items: &[&Item], max_new_tokens: usize) -> Result<Vec<Said>, Error> {
        let of = |item: &&Item| match self.one(item, max_new_tokens) {
            Ok(said) => Ok(said),
            Err(Failure::Item(reason) | Failure::Passing(reason, _)) => Ok(Said::Failed(reason)),
            Err(Failure::All(what)) => Err(Error::Missing {
                path: self.url.clone().into(),
                problem: what,
                expected: format!("a server that answers for model {:?}", self.model),
                hint: "check URL, name, and OPENAI_API_KEY".into(),
            }),
        };
        items.iter().map(of).collect()
    }
}
