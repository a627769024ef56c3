//! What came of an item: a line of `results.jsonl`.

use crate::item::{Form, Item, Order, Role};
use crate::parsing::{Unscored, letter, named};
use crate::scoring::choose;
use crate::target::Said;
use serde::{Deserialize, Serialize};
use trimtab_text::record::Input;
use trimtab_world::gold;

/// One item's result. Either `value` or `unscored` is there, never both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultRecord {
    /// The audit.
    pub audit: String,
    /// The item.
    pub item: String,
    /// The model, as it was named.
    pub model: String,
    /// The role of the option chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Role>,
    /// Why there is no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unscored: Option<String>,
    /// The question, whatever was done to it.
    pub stem: String,
    /// What is resampled for intervals.
    pub cluster: String,
    /// The experiment within the audit.
    pub family: String,
    /// What was done to the question.
    pub arm: String,
    /// How it was answered.
    pub form: Form,
    /// Which option stood first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// The right or positive option.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// Seed of the wording.
    pub seed: u64,
    /// Summed log-probability of each option in nats, in the item's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logprobs: Vec<f64>,
    /// Role of each option, in the item's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// What was asked, and what was answered.
    pub transcript: Transcript,
}

/// A conversation with its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transcript {
    /// What was asked.
    #[serde(flatten)]
    pub input: Input,
    /// The answer, or the option chosen.
    pub answer: String,
}

impl ResultRecord {
    /// What `said` means for `item`.
    #[must_use]
    pub fn of(audit: &str, model: &str, item: &Item, said: Said) -> Self {
        let failed = if let Said::Failed(reason) = &said { Some(reason.clone()) } else { None };
        let (chosen, answer, logprobs) = judge(item, said);
        let reason = chosen.err().map(|reason| failed.unwrap_or_else(|| reason.reason().to_owned()));
        let roles = if logprobs.is_empty() { Vec::new() } else { item.choices.iter().map(|c| c.role).collect() };
        let expected = item.choices.iter().find(|c| matches!(c.role, Role::Right | Role::Positive));
        Self {
            audit: audit.to_owned(),
            item: item.id.clone(),
            model: model.to_owned(),
            value: chosen.ok(),
            unscored: reason,
            stem: item.stem.clone(),
            cluster: item.cluster.clone(),
            family: item.family.clone(),
            arm: item.arm.clone(),
            form: item.form,
            order: item.order,
            expected: item.truth.as_ref().map(|t| t.expected.clone()).or_else(|| expected.map(|c| c.text.clone())),
            seed: item.seed,
            logprobs,
            roles,
            transcript: Transcript { input: item.input.clone(), answer },
        }
    }

    /// The answer, where one was generated and holds anything.
    #[must_use]
    pub fn answered(&self) -> Option<&str> {
        let answer = self.transcript.answer.as_str();
        let said = self.unscored.as_deref().is_none_or(Unscored::of_an_answer) && !answer.trim().is_empty();
        (said && !self.form.by_logprob()).then_some(answer)
    }

    /// Whether exactly one of value and reason is there, as a record must have it.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.value.is_some() != self.unscored.is_some()
    }
}

/// The role chosen, the answer as text, and the options' log-probabilities.
fn judge(item: &Item, said: Said) -> (Result<Role, Unscored>, String, Vec<f64>) {
    match said {
        Said::Failed(_) => (Err(Unscored::NoAnswer), String::new(), Vec::new()),
        Said::TooLong => (Err(Unscored::TooLong), String::new(), Vec::new()),
        // JSON has no NaN, so what is not finite is not kept either.
        Said::LogProbs(sums) if sums.iter().any(|s| !s.is_finite()) => {
            (Err(Unscored::NotFinite), String::new(), Vec::new())
        }
        Said::LogProbs(sums) => match choose(&sums) {
            Some(best) => (Ok(item.choices[best].role), item.choices[best].text.clone(), sums),
            None => (Err(Unscored::Tie), String::new(), sums),
        },
        Said::Text { text, ended } => {
            let role = match &item.truth {
                Some(truth) => {
                    let judged = gold(truth, &text);
                    // Wrong is the side that a belief, or a forbidden request, asks for.
                    Ok(match (judged.correct, judged.agreed == Some(true) || judged.payload) {
                        (true, _) => Role::Right,
                        (false, true) => Role::Wrong,
                        _ => Role::Other,
                    })
                }
                None if item.form == Form::Judged => {
                    Err(if text.trim().is_empty() { Unscored::Empty } else { Unscored::NeedsJudge })
                }
                None => read(item, &text).map_err(|reason| match reason {
                    Unscored::Neither if !ended => Unscored::CutOff,
                    reason => reason,
                }),
            };
            (role, text, Vec::new())
        }
    }
}

/// A generated answer, by its letter or by the name in it.
fn read(item: &Item, text: &str) -> Result<Role, Unscored> {
    let texts: Vec<&str> = item.choices.iter().map(|c| c.text.as_str()).collect();
    let letters = texts.iter().enumerate().all(|(i, t)| *t == letter_of(i));
    let index = if letters { letter(text, texts.len())? } else { named(text, &texts)? };
    Ok(item.choices[index].role)
}

/// The letter of an option as prompts list it: `(A)` for 0.
///
/// ```
/// assert_eq!(trimtab_audit::result::letter_of(1), "(B)");
/// ```
#[must_use]
pub fn letter_of(index: usize) -> String {
    format!("({})", char::from(b'A' + (index % 26) as u8))
}
