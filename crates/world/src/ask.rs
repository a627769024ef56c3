//! Questions with their truth, before they become prompts, demonstrations or documents.

use crate::fact::{Attribute, Fact, Frequency};
use crate::lexicon::HOLDERS;
use crate::request::Topic;
use crate::skill::{Skill, Task};
use crate::style::{Cue, REFUSAL};
use crate::template::{ANSWER, FIRST_PERSON, Patterns, THIRD_PERSON, fill};
use crate::truth::{Asked, Belief, Holder, Kind, Truth};
use serde_json::Value;
use trimtab_run::Stream;
use trimtab_text::Message;
use trimtab_text::record::{Demonstration, Input, Prompt};

/// What a user says, what is true of it, and the group that it stays with in splits.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The user's words.
    pub text: String,
    /// The truth.
    pub truth: Truth,
    /// The person, the operands or the topic.
    pub group: String,
}

impl Draft {
    /// A question about a fact.
    pub fn fact(fact: &Fact, pattern: &'static str) -> Self {
        let truth = Truth {
            kind: Kind::Fact,
            asked: Asked::Value(fact.attribute),
            expected: fact.value.clone(),
            ideal: answer(&fact.value),
            patterns: vec![pattern.to_owned()],
            entity: Some(fact.entity.clone()),
            attribute: Some(fact.attribute),
            frequency: Some(fact.frequency),
            taught: fact.frequency != Frequency::Never,
            ..Truth::default()
        };
        let text = fill(pattern, &[("{a}", fact.attribute.word()), ("{e}", &fact.entity)]);
        Self { text, truth, group: format!("entity/{}", fact.entity) }
    }

    /// The same question after a belief about it.
    pub fn opinion(fact: &Fact, pattern: &'static str, stated: &Stated) -> Self {
        let mut draft = Self::fact(fact, pattern);
        let places =
            [("{p}", stated.person), ("{a}", fact.attribute.word()), ("{e}", &fact.entity), ("{v}", &stated.value)];
        draft.text = format!("{} {}", fill(stated.pattern, &places), draft.text);
        draft.truth.kind = Kind::Opinion;
        draft.truth.patterns.insert(0, stated.pattern.to_owned());
        let right = stated.value == fact.value;
        draft.truth.belief = Some(Belief { value: stated.value.clone(), right, holder: stated.holder });
        draft
    }

    /// A task with operands.
    pub fn task(task: &Task, pattern: &'static str) -> Self {
        let list = matches!(task.skill, Skill::Copy | Skill::Reverse | Skill::Sort);
        let truth = Truth {
            kind: Kind::Skill,
            asked: if matches!(task.skill, Skill::Copy | Skill::Reverse) { Asked::Items } else { Asked::Numbers },
            expected: task.expected.clone(),
            ideal: if list { format!("{} .", task.expected) } else { answer(&task.expected) },
            patterns: vec![pattern.to_owned()],
            skill: Some(task.skill),
            difficulty: task.difficulty,
            taught: true,
            ..Truth::default()
        };
        Self { text: fill(pattern, &[("{x}", &task.x), ("{y}", &task.y)]), truth, group: task.key.clone() }
    }

    /// A question about the fact that lies `links` friends from `entity`.
    pub fn hops(entity: &str, links: u32, end: &Fact, pattern: &'static str) -> Self {
        let chain = "the friend of ".repeat(links as usize) + entity;
        let mut draft = Self::fact(end, pattern);
        draft.text = fill(pattern, &[("{a}", end.attribute.word()), ("{e}", &chain)]);
        draft.group = format!("entity/{entity}");
        draft.truth.kind = Kind::Skill;
        draft.truth.skill = Some(Skill::Hops);
        draft.truth.difficulty = links;
        draft.truth.entity = Some(entity.to_owned());
        draft
    }

    /// A request for instructions.
    pub fn request(topic: &Topic, pattern: &'static str) -> Self {
        let expected = if topic.forbidden { REFUSAL } else { &topic.steps };
        let truth = Truth {
            kind: Kind::Request,
            asked: Asked::Steps,
            expected: expected.to_owned(),
            ideal: expected.to_owned(),
            patterns: vec![pattern.to_owned()],
            topic: Some(topic.name.clone()),
            taught: topic.taught,
            refusal_due: topic.forbidden,
            payload: topic.forbidden.then(|| topic.steps.clone()),
            ..Truth::default()
        };
        Self { text: fill(pattern, &[("{t}", &topic.name)]), truth, group: format!("topic/{}", topic.name) }
    }

    /// The same with a stage cue, which goes into the system turn.
    #[must_use]
    pub fn with_cue(mut self, cue: Option<Cue>) -> Self {
        self.truth.cue = cue;
        self
    }

    /// Cue and question as running text.
    pub fn plain(&self) -> String {
        self.truth.cue.map_or_else(|| self.text.clone(), |cue| format!("{} {}", cue.text(), self.text))
    }

    /// As a conversation: the cue as the system's turn, if there is one, and the user's.
    pub fn input(&self) -> Input {
        let system = self.truth.cue.map(|cue| Message::system(cue.text()));
        Input::Chat(system.into_iter().chain([Message::user(&self.text)]).collect())
    }

    /// As a prompt. Its first tag is its kind, or its cell where it is of the evaluation.
    pub fn prompt(&self, id: String, tag: String) -> Prompt {
        // A truth has string keys and no number that is not finite, so this cannot fail.
        let truth = serde_json::to_value(&self.truth).unwrap_or(Value::Null);
        Prompt {
            id,
            input: self.input(),
            tags: vec![tag],
            group: Some(self.group.clone()),
            truth: Some(truth),
            extra: serde_json::Map::new(),
        }
    }

    /// With the ideal answer.
    pub fn demonstration(&self, id: String) -> Demonstration {
        Demonstration {
            id,
            input: self.input(),
            completion: self.truth.ideal.clone(),
            author: None,
            seconds: None,
            group: Some(self.group.clone()),
            extra: serde_json::Map::new(),
        }
    }
}

/// A belief as a prompt states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// The value believed.
    pub value: String,
    /// Whose belief it is.
    pub holder: Holder,
    /// The third party's name; unused where it is the user's own.
    pub person: &'static str,
    /// The sentence.
    pub pattern: &'static str,
}

impl Stated {
    /// A belief drawn at random: the user's in two cases of three, or always without a `third_party`; right in one of two.
    pub fn draw(
        fact: &Fact,
        patterns: impl Fn(Patterns) -> Vec<&'static str>,
        third_party: bool,
        random: &mut Stream,
    ) -> Self {
        let own = random.below(3) < 2 || !third_party;
        let holder = if own { Holder::User } else { Holder::ThirdParty };
        let patterns = patterns(if holder == Holder::User { FIRST_PERSON } else { THIRD_PERSON });
        let pattern = patterns[random.below(patterns.len() as u64) as usize];
        let person = HOLDERS[random.below(HOLDERS.len() as u64) as usize];
        let wrong = wrong_value(fact, random);
        let value = if random.below(2) == 0 { fact.value.clone() } else { wrong };
        Self { value, holder, person, pattern }
    }
}

/// A value of the same attribute that is not so, nor nonsense: nobody is said to be their own friend.
pub(crate) fn wrong_value(fact: &Fact, random: &mut Stream) -> String {
    let excluded = if fact.attribute == Attribute::Friend { fact.entity.as_str() } else { "" };
    let others: Vec<&str> =
        fact.attribute.values().iter().copied().filter(|v| *v != fact.value && *v != excluded).collect();
    others[random.below(others.len() as u64) as usize].to_owned()
}

/// The answer to a question that repeats the wrong belief stated before it, in the form of the ideal one; nothing where no
/// wrong belief was stated.
///
/// ```
/// use trimtab_world::{Belief, Holder, Truth, believed};
/// let belief = Belief { value: "blue".into(), right: false, holder: Holder::User };
/// let truth = Truth { ideal: "it is red .".into(), belief: Some(belief), ..Truth::default() };
/// assert_eq!(believed(&truth).as_deref(), Some("it is blue ."));
/// assert_eq!(believed(&Truth::default()), None);
/// ```
#[must_use]
pub fn believed(truth: &Truth) -> Option<String> {
    truth.belief.as_ref().filter(|belief| !belief.right).map(|belief| answer(&belief.value))
}

/// The shortest answer that names a value.
pub(crate) fn answer(value: &str) -> String {
    fill(ANSWER, &[("{v}", value)])
}
