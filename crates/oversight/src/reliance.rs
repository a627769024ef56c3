//! Reliance on an assistant: taking over what is wrong, and refusing what is right.
//!
//! The terms are those of Bansal et al. 2021, *Does the whole exceed its parts?*, [arXiv:2006.14779](https://arxiv.org/abs/2006.14779)
//! (people who follow an assistant where it is wrong).
//!
//! 1. Each is counted beside what the same person would have said alone to the same question, which people in a study cannot say.
//! 2. Who weighs answers rightly shows some of both: only the difference between two ways to weigh is a mistake.

/// One question answered with a budget of queries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// The right answer.
    pub truth: bool,
    /// The chance that the non-expert gives to `true`, alone.
    pub alone: f64,
    /// The same with the assistant's answers.
    pub assisted: f64,
    /// How many of the assistant's answers were right; out of the budget.
    pub right: usize,
    /// Whether the assistant's first answer would have been right.
    pub first_right: bool,
}

/// Reliance on the assistant: shares as (numerator, denominator).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reliance {
    /// Of questions answered rightly alone: answered wrongly with the assistant.
    pub over: (u64, u64),
    /// Of questions answered wrongly alone on which most of the assistant's answers were right: still answered wrongly.
    pub under: (u64, u64),
}

/// Counts over- and under-reliance of answers with `budget` queries each.
///
/// ```
/// use trimtab_oversight::reliance::{Answer, reliance};
/// let answer = |alone, assisted, right| Answer { truth: true, alone, assisted, right, first_right: right > 0 };
/// // Led astray, kept right, put right, and left wrong by three answers of which two were right.
/// let found = reliance(&[answer(0.7, 0.2, 0), answer(0.7, 0.9, 3), answer(0.4, 0.8, 3), answer(0.1, 0.3, 2)], 3);
/// assert_eq!((found.over, found.under), ((1, 2), (1, 2)));
/// ```
#[must_use]
pub fn reliance(answers: &[Answer], budget: usize) -> Reliance {
    let is_right = |chance: f64, answer: &Answer| (chance > 0.5) == answer.truth;
    let mut found = Reliance { over: (0, 0), under: (0, 0) };
    for answer in answers {
        let still_wrong = u64::from(!is_right(answer.assisted, answer));
        if is_right(answer.alone, answer) {
            found.over = (found.over.0 + still_wrong, found.over.1 + 1);
        } else if 2 * answer.right > budget {
            found.under = (found.under.0 + still_wrong, found.under.1 + 1);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Laws: what help does not change is no over-reliance, nothing asked leaves no under-reliance to count, and a tie of the assistant's
    /// answers is not "most".
    #[test]
    fn reliance_counts_changes_alone() {
        let answer = |alone, assisted, right| Answer { truth: false, alone, assisted, right, first_right: false };
        let same = [answer(0.2, 0.2, 0), answer(0.9, 0.9, 0), answer(0.4, 0.1, 0)];
        assert_eq!(reliance(&same, 0), Reliance { over: (0, 2), under: (0, 0) });
        assert_eq!(reliance(&[answer(0.9, 0.9, 1)], 2), Reliance { over: (0, 0), under: (0, 0) });
        assert_eq!(reliance(&[answer(0.9, 0.9, 2)], 2), Reliance { over: (0, 0), under: (1, 1) });
        assert_eq!(reliance(&[], 1), Reliance { over: (0, 0), under: (0, 0) });
    }
}
