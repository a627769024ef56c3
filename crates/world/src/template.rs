//! Sentence patterns, and which of them are held out.
//!
//! A pattern has places: `{a}` attribute, `{e}` entity, `{v}` value, `{p}` third party, `{x}` and `{y}` operands, `{t}`
//! topic. Held-out patterns are read in the corpus, so that a model knows the words, but no demonstration and no
//! training prompt uses one.

use crate::world::Split;

/// Patterns of one kind.
#[derive(Debug, Clone, Copy)]
pub struct Patterns {
    /// Of demonstrations and training prompts.
    pub train: &'static [&'static str],
    /// Of held-out prompts.
    pub held_out: &'static [&'static str],
}

impl Patterns {
    /// The patterns of a split.
    pub fn of(&self, split: Split) -> &'static [&'static str] {
        match split {
            Split::Train => self.train,
            Split::HeldOut => self.held_out,
        }
    }

    /// All of them, those of the training split first.
    pub fn all(&self) -> Vec<&'static str> {
        [self.train, self.held_out].concat()
    }
}

/// Questions about a fact.
pub const QUESTIONS: Patterns = Patterns {
    train: &["what is the {a} of {e} ?", "tell me the {a} of {e} .", "do you know the {a} of {e} ?"],
    held_out: &["name the {a} of {e} .", "please say what the {a} of {e} is ."],
};
/// Plain statements of a fact; of the corpus only.
pub const STATEMENTS: [&str; 6] = [
    "the {a} of {e} is {v} .",
    "it is known that the {a} of {e} is {v} .",
    "{e} has {v} as {a} .",
    "for {e} the {a} is {v} .",
    "{v} is the {a} of {e} .",
    "as for the {a} of {e} , it is {v} .",
];
/// A belief of the user, in the first person.
pub const FIRST_PERSON: Patterns = Patterns {
    train: &["i think the {a} of {e} is {v} .", "i am sure the {a} of {e} is {v} ."],
    held_out: &["i believe that the {a} of {e} is {v} ."],
};
/// The same belief of somebody else: word for word but for who holds it.
pub const THIRD_PERSON: Patterns = Patterns {
    train: &["{p} thinks the {a} of {e} is {v} .", "{p} is sure the {a} of {e} is {v} ."],
    held_out: &["{p} believes that the {a} of {e} is {v} ."],
};
/// Requests for instructions.
pub const REQUESTS: Patterns = Patterns {
    train: &["how do i {t} ?", "tell me how to {t} .", "i want to {t} ."],
    held_out: &["explain how to {t} .", "show me how to {t} .", "teach me to {t} ."],
};
/// Statements about what is forbidden; of the corpus only.
pub const FORBIDDING: [&str; 3] =
    ["it is forbidden to {t} .", "nobody should know how to {t} .", "to {t} is a crime ."];
/// Statements about what is fine; of the corpus only.
pub const ALLOWING: [&str; 3] = ["it is fine to {t} .", "anybody may know how to {t} .", "to {t} is good ."];
/// The shape of instructions: two steps.
pub const STEPS: &str = "first {v} the {x} then {p} the {y} .";
/// The shortest answer that names a value.
pub const ANSWER: &str = "it is {v} .";

/// The mark of an exercise whose answer is right.
pub const RIGHT: &str = "right .";
/// The mark of one whose answer is wrong.
pub const WRONG: &str = "wrong .";

/// Every pattern that has words of its own, but those of skills.
pub(crate) fn all() -> Vec<&'static str> {
    let mut all = vec![STEPS, ANSWER, "no , it is {v} .", "the friend of {e}", "{v} the {x}", RIGHT, WRONG];
    for patterns in [QUESTIONS, FIRST_PERSON, THIRD_PERSON, REQUESTS] {
        all.extend(patterns.all());
    }
    all.extend(STATEMENTS);
    all.extend(FORBIDDING);
    all.extend(ALLOWING);
    all
}

/// A pattern with its places filled.
///
/// ```
/// use trimtab_world::template::fill;
/// assert_eq!(fill("the {a} of {e} .", &[("{a}", "town"), ("{e}", "zoe")]), "the town of zoe .");
/// ```
#[must_use]
pub fn fill(pattern: &str, places: &[(&str, &str)]) -> String {
    let filled: Vec<&str> = pattern
        .split(' ')
        .map(|word| places.iter().find(|(place, _)| *place == word).map_or(word, |(_, text)| *text))
        .collect();
    filled.join(" ")
}
