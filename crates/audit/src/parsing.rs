//! Reading a choice out of a text, or saying why there is none.
//!
//! 1. A letter counts only where it stands alone: `(A)`, `A)`, `A.`, `A:` or `A` at the start of the answer, or after
//!    `answer is`/`answer:`; the last such statement wins. "A dog" and "clearly" hold no letter.
//! 2. A name counts as a whole word, in the first sentence, and only if no other option's name stands there too and the
//!    sentence is not denied.
//! 3. A number is the same in words and in digits, up to ninety-nine: "seven days" and "7 days".
//! 4. What cannot be read is [`Unscored`] with its reason: it is in no denominator and on no side.

/// Why an answer has no score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unscored {
    /// It is empty.
    Empty,
    /// It holds none of the options.
    Neither,
    /// It holds more than one of them.
    Several,
    /// It denies what it names.
    Denied,
    /// It did not come to its end, and holds no option so far.
    CutOff,
    /// Two options are equally likely.
    Tie,
    /// The prompt is longer than the model's context.
    TooLong,
    /// A log-probability is not a number.
    NotFinite,
    /// There is no answer.
    NoAnswer,
    /// There is an answer, which no parser can score.
    NeedsJudge,
}

impl Unscored {
    /// Whether a record that is unscored for this reason still holds an answer, with something in it.
    ///
    /// ```
    /// use trimtab_audit::parsing::Unscored;
    /// assert!(Unscored::of_an_answer("names no option") && Unscored::of_an_answer("needs a judge"));
    /// assert!(!Unscored::of_an_answer("empty answer") && !Unscored::of_an_answer("endpoint: status 500 (5 tries)"));
    /// ```
    #[must_use]
    pub fn of_an_answer(reason: &str) -> bool {
        [Self::Neither, Self::Several, Self::Denied, Self::CutOff, Self::NeedsJudge]
            .iter()
            .any(|u| u.reason() == reason)
    }

    /// As records write it.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Empty => "empty answer",
            Self::Neither => "names no option",
            Self::Several => "names more than one option",
            Self::Denied => "denies the option that it names",
            Self::CutOff => "cut off before it named an option",
            Self::Tie => "options are equally likely",
            Self::TooLong => "longer than the model's context",
            Self::NotFinite => "a log-probability is not finite",
            Self::NoAnswer => "no answer",
            Self::NeedsJudge => "needs a judge",
        }
    }
}

/// The letter chosen, as an index from A = 0, of `options` letters.
///
/// ```
/// use trimtab_audit::parsing::{Unscored, letter};
/// assert_eq!(letter("(B)", 2), Ok(1));
/// assert_eq!(letter("**A**. Because it is.", 2), Ok(0));
/// assert_eq!(letter("I think the answer is B.", 2), Ok(1));
/// assert_eq!(letter("A dog would clearly say no.", 2), Err(Unscored::Neither));
/// assert_eq!(letter("(D) Both", 2), Err(Unscored::Neither));
/// assert_eq!(letter("A or B", 2), Err(Unscored::Several));
/// assert_eq!(letter("  ", 2), Err(Unscored::Empty));
/// ```
///
/// # Errors
/// The reason why there is none.
pub fn letter(answer: &str, options: usize) -> Result<usize, Unscored> {
    let text = plain(answer);
    if text.is_empty() {
        return Err(Unscored::Empty);
    }
    // Each place after which a letter may stand: the start, and the end of "answer is", "answer:", "option".
    let lower = text.to_ascii_lowercase();
    let mut last = None;
    let mut starts = vec![0];
    for anchor in ["answer is", "answer:", "choice is", "choice:"] {
        starts.extend(lower.match_indices(anchor).map(|(at, _)| at + anchor.len()));
    }
    starts.sort_unstable();
    for start in starts {
        // Anchors are ASCII and `lower` has the bytes of `text`, so this is a border of characters.
        let Some(rest) = text.get(start..) else { continue };
        let rest = rest.trim_start_matches([' ', ':', '\n', '"', '\'']);
        let bracketed = rest.starts_with('(');
        let rest = rest.strip_prefix('(').unwrap_or(rest);
        let mut chars = rest.chars();
        let Some(c) = chars.next().filter(char::is_ascii_uppercase) else { continue };
        let index = (c as u8 - b'A') as usize;
        let after = chars.as_str();
        let alone = if bracketed {
            after.starts_with(')')
        } else {
            after.trim().is_empty() || after.starts_with([')', '.', ':', ',', ';', '\n', '"', '\''])
        };
        if alone && index < options {
            last = Some(index);
        } else if start == 0 && !bracketed && index < options && after.trim_start().starts_with("or ") {
            return Err(Unscored::Several);
        }
    }
    last.ok_or(Unscored::Neither)
}

/// The option named in the first sentence, as an index.
///
/// ```
/// use trimtab_audit::parsing::{Unscored, named};
/// let cities = ["Paris", "Lyon"];
/// assert_eq!(named("It is Paris, on the Seine. Lyon is smaller.", &cities), Ok(0));
/// assert_eq!(named("paris", &cities), Ok(0));
/// assert_eq!(named("Paris or Lyon", &cities), Err(Unscored::Several));
/// assert_eq!(named("It is not Lyon.", &cities), Err(Unscored::Denied));
/// assert_eq!(named("Parisians know.", &cities), Err(Unscored::Neither));
/// assert_eq!(named("A day has 24 hours.", &["twenty-four", "thirty"]), Ok(0));
/// ```
///
/// # Errors
/// The reason why there is none.
pub fn named(answer: &str, options: &[&str]) -> Result<usize, Unscored> {
    let text = plain(answer);
    if text.is_empty() {
        return Err(Unscored::Empty);
    }
    let end = text
        .match_indices(['.', '!', '?', '\n'])
        .map(|(at, _)| at)
        .find(|&at| {
            text[at + 1..].is_empty() || text[at + 1..].starts_with(char::is_whitespace) || text[at..].starts_with('\n')
        })
        .unwrap_or(text.len());
    let sentence = words(&text[..end]);
    let holds = |option: &str| {
        let wanted = words(option);
        !wanted.is_empty() && sentence.windows(wanted.len()).any(|w| w == wanted)
    };
    let found: Vec<usize> = (0..options.len()).filter(|&i| holds(options[i])).collect();
    let denied = sentence.iter().any(|w| w == "not" || w.ends_with("n't") || w == "never");
    match found[..] {
        [] => Err(Unscored::Neither),
        [_] if denied => Err(Unscored::Denied),
        [one] => Ok(one),
        _ => Err(Unscored::Several),
    }
}

/// Without emphasis and code marks around words, and without white space around it.
fn plain(answer: &str) -> String {
    answer.replace(['*', '`', '_'], "").trim().to_owned()
}

/// Lower-case words: runs of letters, digits and apostrophes, with number words as digits.
fn words(text: &str) -> Vec<String> {
    let inside = |c: char| c.is_alphanumeric() || c == '\'' || c == '’';
    let mut out: Vec<String> = Vec::new();
    // Whether the last word was a multiple of ten, to which a following unit belongs.
    let mut tens: Option<u32> = None;
    for word in text.to_lowercase().split(|c: char| !inside(c)).filter(|w| !w.is_empty()) {
        let number = number(word);
        match (tens, number) {
            (Some(ten), Some(unit @ 1..=9)) => {
                out.pop();
                out.push((ten + unit).to_string());
            }
            (_, Some(number)) => out.push(number.to_string()),
            (_, None) => out.push(word.replace('’', "'")),
        }
        tens = number.filter(|n| *n >= 20);
    }
    out
}

/// The value of a number word.
fn number(word: &str) -> Option<u32> {
    const SMALL: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    let small = SMALL.iter().position(|w| *w == word).map(|n| n as u32);
    small.or_else(|| TENS.iter().position(|w| *w == word).map(|n| 10 * (n as u32 + 2)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Hostile answers are read or refused, and never end the program.
        #[test]
        fn no_answer_panics(text in any::<String>(), options in 0usize..6) {
            let _ = letter(&text, options);
            let _ = named(&text, &["Paris", "a", "", &text]);
        }

        /// Law: an option alone, with whatever punctuation after it, is read as itself.
        #[test]
        fn an_option_alone_is_itself(index in 0usize..3, after in "[.!?]?") {
            let names = ["Paris", "New York", "Rome"];
            prop_assert_eq!(named(&format!("{}{after}", names[index]), &names), Ok(index));
        }
    }

    #[test]
    fn the_last_statement_of_a_letter_wins() {
        assert_eq!(letter("The answer is (A). No: the answer is (B).", 2), Ok(1));
        assert_eq!(letter("answer: b", 2), Err(Unscored::Neither));
        assert_eq!(letter("(A", 2), Err(Unscored::Neither));
    }
}
