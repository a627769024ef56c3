//! Texts labelled by naive Bayes: to naive Bayes, which knows nothing of language beforehand, and to whoever does.
//!
//! The control that Burns et al. 2023, [arXiv:2312.09390](https://arxiv.org/abs/2312.09390), lack: a student that knows nothing
//! of language beforehand already recovers a part of the gap on real text, and a pretrained student must beat it, or nothing
//! about pretraining has been shown.
//!
//! 1. Weak models see the words of the first k items of half A with gold; a student learns from the weak model's labels of half B,
//!    hard as the default; the ceiling is the same student with gold. [`WordPairs`] is the control, [`crate::probe::Probe`] a
//!    pretrained one; both learn from the same labels.
//! 2. Hard labels carry the weak model's class share, and a naive-Bayes student amplifies it: see
//!    [`crate::Transfer::student_positive`] before reading a negative PGR as a finding.

use crate::naive_bayes::{Vocabulary, features};
use crate::{CeilingJob, Error, Job, Labels, Scored, SplitMix, StudentJob, TestSet, Trial, Weak, WeakJob, WeakScore};

/// A labelled text, as its features.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Distinct words: what the weak model sees.
    pub words: Vec<u64>,
    /// Distinct words and pairs of neighbours: what [`WordPairs`] sees.
    pub pairs: Vec<u64>,
    /// Its place among all texts of the experiment, by which others know it.
    pub place: usize,
    /// Its class.
    pub gold: bool,
}

impl Text {
    /// The features of a text's bytes.
    pub fn new(vocabulary: &mut Vocabulary, place: usize, text: &[u8], gold: bool) -> Self {
        let words = vocabulary.words(text);
        Self { words: features(&words, false), pairs: features(&words, true), place, gold }
    }
}

/// What the student is taught with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Teaching {
    /// The weak model's more likely class.
    Hard,
    /// The weak model's chances.
    Soft,
    /// Control: the weak model's classes, of other items.
    Shuffled,
}

/// A kind of model that can be student and ceiling.
pub trait Student {
    /// What it sees of a text.
    type Input;

    /// What it sees of this text.
    fn see(&self, text: &Text) -> Self::Input;

    /// Learns a job; the result says the class of what it sees.
    ///
    /// # Errors
    /// [`Error::Input`] for a job that it cannot learn.
    fn learn(&self, job: &impl Job<Self::Input>) -> Result<impl Fn(&Self::Input) -> bool, Error>;
}

/// Naive Bayes over words and pairs of neighbours: the student without pretraining.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WordPairs;

impl Student for WordPairs {
    type Input = Vec<u64>;

    fn see(&self, text: &Text) -> Vec<u64> {
        text.pairs.clone()
    }

    fn learn(&self, job: &impl Job<Vec<u64>>) -> Result<impl Fn(&Vec<u64>) -> bool, Error> {
        let model = crate::naive_bayes::fit(job);
        Ok(move |pairs: &Vec<u64>| model.class(pairs))
    }
}

/// One seed: a trial for each weak model, learnt from the first `sizes[i]` items of `a`, with students of one kind.
///
/// ```
/// use trimtab_oversight::ladder::{Teaching, Text, WordPairs, rungs};
/// use trimtab_oversight::{Labels, TestSet, naive_bayes::Vocabulary};
/// let mut vocabulary = Vocabulary::default();
/// let mut text = |text: &str, gold| Text::new(&mut vocabulary, 0, text.as_bytes(), gold);
/// let a = [text("good film", true), text("bad film", false)];
/// let b = [text("good good plot", true), text("bad plot", false), text("good cast", true)];
/// let t = vec![text("a good one", true), text("plot", false)];
/// let test = TestSet::new(t.clone(), &Labels::gold(&[true, false]))?;
/// let trials = rungs(0, &WordPairs, &a, &b, &test, &[2], Teaching::Hard)?;
/// assert_eq!(trials[0].student.accuracy(), 1.0);
/// # Ok::<(), trimtab_oversight::Error>(())
/// ```
///
/// # Errors
/// [`Error::Input`] for a weak model of no items or of more than half A has, and for no items to learn from or be tested on.
pub fn rungs<S: Student>(
    seed: u64,
    student: &S,
    a: &[Text],
    b: &[Text],
    test: &TestSet<Text>,
    sizes: &[usize],
    teaching: Teaching,
) -> Result<Vec<Trial>, Error> {
    if b.is_empty() || test.is_empty() {
        let what = format!("{} items in half B and {} to test on", b.len(), test.len());
        return Err(Error::input(what, "items in both", "more data, or other shares"));
    }
    if let Some(size) = sizes.iter().find(|size| **size == 0 || **size > a.len()) {
        let what = format!("a weak model of {size} items, where half A has {}", a.len());
        return Err(Error::input(what, "from one item to all of half A", "smaller weak models, or more data"));
    }
    let gold = |items: &[Text]| Labels::gold(&items.iter().map(|text| text.gold).collect::<Vec<_>>());
    let words = |items: &[Text]| items.iter().map(|text| text.words.clone()).collect::<Vec<_>>();
    let (b_words, seen, gold_b) = (words(b), b.iter().map(|text| student.see(text)).collect::<Vec<_>>(), gold(b));
    let mut ceiling: Option<Scored> = None;
    let mut trials = Vec::with_capacity(sizes.len());
    for &size in sizes {
        let (inputs, gold_a) = (words(&a[..size]), gold(&a[..size]));
        let weak = crate::naive_bayes::fit(&WeakJob::new(&inputs, &gold_a)?);
        let labels = Labels::<Weak>::by(&b_words, |words| weak.chance(words))?;
        let taught = match teaching {
            Teaching::Hard => labels.hard(),
            Teaching::Soft => labels.clone(),
            Teaching::Shuffled => labels.hard().shuffled(&mut SplitMix::new(!seed)),
        };
        let job = StudentJob::new(&seen, &taught)?;
        // It does not depend on the weak model: once is enough.
        let ceiling = if let Some(scored) = &ceiling {
            scored.clone()
        } else {
            let job: CeilingJob<_> = job.ceiling(&gold_b)?;
            ceiling.insert(scored(student, &job, test)?).clone()
        };
        trials.push(Trial {
            seed,
            weak: WeakScore::OnTest(test.score(|text| weak.class(&text.words))),
            student: scored(student, &job, test)?,
            ceiling,
            positive: test.positive_share(),
            weak_on_b: labels.chances().iter().copied().zip(gold_b.classes()).collect(),
        });
    }
    Ok(trials)
}

fn scored<S: Student>(student: &S, job: &impl Job<S::Input>, test: &TestSet<Text>) -> Result<Scored, Error> {
    let class = student.learn(job)?;
    Ok(test.score(|text| class(&student.see(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(n: usize, seed: u64) -> Vec<Text> {
        let (mut source, mut vocabulary) = (SplitMix::new(seed), Vocabulary::default());
        // The vocabulary must be the same in every set.
        let words: Vec<String> = (0..30).map(|w| format!("w{w}")).collect();
        vocabulary.words(words.join(" ").as_bytes());
        (0..n)
            .map(|place| {
                let gold = source.uniform() < 0.5;
                let lean = |w: usize| if w.is_multiple_of(2) == gold { 0.35 } else { 0.25 };
                let said: Vec<&str> =
                    (0..30).filter(|&w| source.uniform() < lean(w)).map(|w| words[w].as_str()).collect();
                Text::new(&mut vocabulary, place, said.join(" ").as_bytes(), gold)
            })
            .collect()
    }

    /// Planted: words that lean a little to a class. More items make a better weak model, the student passes a poor one, labels of
    /// other items teach nothing, and the ceiling does not depend on the weak model.
    #[test]
    fn a_ladder_of_planted_words() {
        let (a, b, t) = (texts(300, 1), texts(1500, 2), texts(1500, 3));
        let gold = Labels::gold(&t.iter().map(|text| text.gold).collect::<Vec<_>>());
        let test = TestSet::new(t, &gold).unwrap();
        let of = |teaching| rungs(5, &WordPairs, &a, &b, &test, &[20, 300], teaching).unwrap();
        let hard = of(Teaching::Hard);
        assert!(hard[1].weak_accuracy() > hard[0].weak_accuracy() + 0.05);
        assert!(hard[0].student.accuracy() > hard[0].weak_accuracy(), "the student passes its supervisor");
        assert_eq!(hard[0].ceiling, hard[1].ceiling);
        assert!((of(Teaching::Shuffled)[1].student.accuracy() - 0.5).abs() < 0.08);
        assert_eq!(of(Teaching::Soft)[1].ceiling, hard[1].ceiling);
        assert_eq!(test.asked(), 3 * 5, "a ceiling and two pairs of weak model and student, three times");
    }

    #[test]
    fn impossible_sizes_are_refused_in_words() {
        let (a, t) = (texts(10, 1), texts(10, 2));
        let test = TestSet::new(t.clone(), &Labels::gold(&[true; 10])).unwrap();
        for size in [0, 11] {
            let error = rungs(0, &WordPairs, &a, &t, &test, &[size], Teaching::Hard).unwrap_err().to_string();
            assert!(error.contains("half A has 10"), "{error}");
        }
        assert!(rungs(0, &WordPairs, &a, &[], &test, &[5], Teaching::Hard).is_err());
    }
}
