//! A pretrained student for texts: a logistic probe on what a frozen model makes of them.
//!
//! Burns et al. 2023, [arXiv:2312.09390](https://arxiv.org/abs/2312.09390), appendix on linear probing; features from a block in
//! the middle as in Arditi et al. and most probing work, since the last one is about the next token. Where ours differs:
//! 1. A text is the mean of a block's input over its tokens, or its last token's. The mean leaves out the first token: it sees
//!    nothing but itself, and models park attention on it, which makes it hundreds of times longer than any other.
//! 2. Each feature is centred and scaled over the items that are learnt from, without labels, so that the few enormous ones of a
//!    Llama do not take the ridge for themselves. Student and ceiling learn from the same items: theirs are the same.
//! 3. One ridge for student and ceiling, set beforehand. Chosen by gold it would be an oracle's.
//! 4. The model is run once, for all blocks, labels and seeds; chunks of texts are what is kept and continued.

use crate::ladder::{Student, Text};
use crate::{Error, Job};
use serde::{Deserialize, Serialize};
use std::ops::{ControlFlow, Range};
use trimtab_engine::batch::PackedBatch;
use trimtab_engine::forward::{Pass, Trace};
use trimtab_engine::hooks::{Action, At, Hook};
use trimtab_engine::model::Model;
use trimtab_stats::logistic_of_chances;

/// Tokens in one pass, at most; a longer text stands alone.
const PASS_TOKENS: usize = 2048;

/// How the tokens of a text become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pool {
    /// The mean over all tokens but the first; of one token, that one.
    Mean,
    /// The last token.
    Last,
}

/// What `model` makes of each text: for each of `layers` and each text a vector of `hidden_size` numbers, the pooled input of that
/// block (of the final norm, where the layer is the number of blocks).
///
/// # Errors
/// [`Error::Input`] for a text without tokens, one that the model cannot read, and a layer that it does not have.
pub fn features(model: &Model, texts: &[&[u32]], layers: &[usize], pool: Pool) -> Result<Vec<Vec<Vec<f32>>>, Error> {
    let width = model.config().hidden_size;
    let mut out = vec![Vec::with_capacity(texts.len()); layers.len()];
    read_blocks(model, texts, layers, |reads, places| {
        for (read, out) in reads.iter().zip(&mut out) {
            out.extend(places.iter().map(|at| {
                let rows = match pool {
                    Pool::Mean => (at.start + 1).min(at.end - 1)..at.end,
                    Pool::Last => at.end - 1..at.end,
                };
                let mut mean = vec![0.0; width];
                for row in rows.clone() {
                    let x = &read[row * width..][..width];
                    mean.iter_mut().zip(x).for_each(|(m, x)| *m += x / rows.len() as f32);
                }
                mean
            }));
        }
        ControlFlow::Continue(())
    })?;
    Ok(out)
}

/// Runs texts through the blocks below the highest of `layers`, a few at a time, and shows what goes into each of `layers`,
/// `[layers][tokens × hidden_size]`, and which tokens are each text's. `see` may end it.
pub(crate) fn read_blocks(
    model: &Model,
    texts: &[&[u32]],
    layers: &[usize],
    mut see: impl FnMut(&[Vec<f32>], &[Range<usize>]) -> ControlFlow<()>,
) -> Result<(), Error> {
    if let Some(place) = texts.iter().position(|text| text.is_empty()) {
        return Err(Error::input(format!("text {} has no tokens", place + 1), "at least one", "leaving it out"));
    }
    let hooks: Vec<Hook> = layers.iter().map(|&layer| Hook { layer, at: At::All, action: Action::Read }).collect();
    let mut trace = Trace::default();
    let mut start = 0;
    while start < texts.len() {
        let (mut batch, mut places) = (PackedBatch::new(), Vec::new());
        while start < texts.len() && (places.is_empty() || batch.len() + texts[start].len() <= PASS_TOKENS) {
            places.push(batch.push(texts[start]));
            start += 1;
        }
        // The hooks read; nobody reads what comes out of the last block, nor what lies above the highest hook.
        let pass = Pass { hooks: &hooks, until: layers.iter().max().copied(), rows: Some(&[]), ..Pass::read() };
        model.forward(&batch, &mut trace, pass).map_err(|e| {
            Error::input(e.to_string(), "texts and blocks of this model", "shorter texts, or other blocks")
        })?;
        if see(&trace.reads, &places).is_break() {
            break;
        }
    }
    Ok(())
}

/// A logistic probe as student and ceiling; it knows texts by their place in `features`, `[texts][width]`.
#[derive(Debug, Clone, Copy)]
pub struct Probe<'a> {
    /// What the model makes of each text.
    pub features: &'a [Vec<f32>],
    /// Penalty on squared weights, a row, on features of standard deviation 1.
    pub ridge: f64,
}

/// Centre and scale of each feature.
struct Standard {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Standard {
    fn of<'a>(rows: impl Iterator<Item = &'a [f32]> + Clone, width: usize) -> Self {
        let n = rows.clone().count().max(1) as f64;
        let mut mean = vec![0.0; width];
        for row in rows.clone() {
            mean.iter_mut().zip(row).for_each(|(m, x)| *m += f64::from(*x) / n);
        }
        let mut variance = vec![0.0; width];
        for row in rows {
            let off = row.iter().zip(&mean).map(|(x, m)| f64::from(*x) - m);
            variance.iter_mut().zip(off).for_each(|(v, off)| *v += off * off / n);
        }
        // A feature that never changes says nothing, and stays 0.
        let deviation = variance.iter().map(|v| if *v > 0.0 { v.sqrt() } else { 1.0 }).collect();
        Self { mean, deviation }
    }

    fn of_row(&self, row: &[f32]) -> Vec<f64> {
        row.iter().zip(&self.mean).zip(&self.deviation).map(|((x, m), s)| (f64::from(*x) - m) / s).collect()
    }
}

impl Student for Probe<'_> {
    type Input = usize;

    fn see(&self, text: &Text) -> usize {
        text.place
    }

    fn learn(&self, job: &impl Job<usize>) -> Result<impl Fn(&usize) -> bool, Error> {
        if let Some(place) = job.inputs().iter().find(|place| **place >= self.features.len()) {
            let what = format!("text {} of {} with features", place + 1, self.features.len());
            return Err(Error::input(what, "features of every text", "features of the same file"));
        }
        let rows = job.inputs().iter().map(|&place| self.features[place].as_slice());
        let standard = Standard::of(rows.clone(), self.features.first().map_or(0, Vec::len));
        let rows: Vec<Vec<f64>> = rows.map(|row| standard.of_row(row)).collect();
        let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
        let model = logistic_of_chances(&rows, job.targets(), self.ridge).ok_or_else(|| {
            let ones = job.targets().iter().filter(|target| **target > 0.5).count();
            let what = format!("no probe of {} items with {ones} of class 1", rows.len());
            Error::input(what, "finite features, items of both classes and a ridge above 0", "more weak items")
        })?;
        Ok(move |place: &usize| model.log_odds(&standard.of_row(&self.features[*place])) > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ladder::{Teaching, WordPairs, rungs};
    use crate::naive_bayes::Vocabulary;
    use crate::{Labels, SplitMix, TestSet, WeakJob};
    use trimtab_engine::config::ModelConfig;

    fn model() -> Model {
        Model::random(&ModelConfig::tiny(), 0.3, 3)
    }

    /// Pooled by hand from a pass of its own, whatever else stands in the pass: the mean without the first token, and the last one.
    #[test]
    fn features_are_those_of_the_text_alone() {
        let model = model();
        let (layers, width) = (model.config().num_hidden_layers, model.config().hidden_size);
        let texts: [&[u32]; 3] = [&[1, 2, 3, 4], &[5], &[6, 7]];
        let mean = features(&model, &texts, &[1, layers], Pool::Mean).unwrap();
        let last = features(&model, &texts, &[1, layers], Pool::Last).unwrap();
        for (of, layer) in [1, layers].into_iter().enumerate() {
            for (text, tokens) in texts.iter().enumerate() {
                let mut batch = PackedBatch::new();
                batch.push(tokens);
                let hooks = [Hook { layer, at: At::All, action: Action::Read }];
                let mut trace = Trace::default();
                model.forward(&batch, &mut trace, Pass { hooks: &hooks, ..Pass::read() }).unwrap();
                let rows: Vec<&[f32]> = trace.reads[0].chunks_exact(width).collect();
                assert_eq!(last[of][text], rows[tokens.len() - 1]);
                let kept = if tokens.len() > 1 { &rows[1..] } else { &rows[..] };
                for (d, got) in mean[of][text].iter().enumerate() {
                    let want = kept.iter().map(|row| row[d]).sum::<f32>() / kept.len() as f32;
                    assert!((got - want).abs() < 1e-5, "{got} for {want}");
                }
            }
        }
        assert!(features(&model, &[&[]], &[1], Pool::Mean).unwrap_err().to_string().contains("no tokens"));
        assert!(features(&model, &texts, &[layers + 1], Pool::Mean).unwrap_err().to_string().contains("layer"));
    }

    /// Planted: a feature that is the class, among noise a thousand times as large in another. Labels that are right on four in five,
    /// wrong independently of the features, are all it takes; a student of words that say nothing stays at chance.
    #[test]
    fn a_planted_class_is_found_through_wrong_labels() {
        let mut source = SplitMix::new(4);
        let (mut vocabulary, mut texts, mut planted) = (Vocabulary::default(), Vec::new(), Vec::new());
        vocabulary.words(b"yes no a b c d");
        for place in 0..2400 {
            let gold = source.uniform() < 0.5;
            // The weak model sees this word, which is right on four in five; half B and T have it too, features do not.
            let word = if (source.uniform() < 0.8) == gold { "yes" } else { "no" };
            texts.push(Text::new(&mut vocabulary, place, word.as_bytes(), gold));
            let sign = if gold { 1.0 } else { -1.0 };
            let noise: Vec<f64> = (0..8).map(|_| source.normal()).collect();
            let row = noise.iter().enumerate().map(|(d, x)| {
                if d == 0 {
                    2.0 * sign + x
                } else if d == 1 {
                    2e3 * x
                } else {
                    *x
                }
            });
            planted.push(row.map(|x| x as f32).collect::<Vec<f32>>());
        }
        let (a, rest) = texts.split_at(400);
        let (b, t) = rest.split_at(1000);
        let gold: Vec<bool> = t.iter().map(|text| text.gold).collect();
        let test = TestSet::new(t.to_vec(), &Labels::gold(&gold)).unwrap();
        let probe = Probe { features: &planted, ridge: 0.1 };
        let of = |teaching| rungs(1, &probe, a, b, &test, &[400], teaching).unwrap().remove(0);
        let hard = of(Teaching::Hard);
        // Φ(2) = 0.977.
        assert!((hard.ceiling.accuracy() - 0.977).abs() < 0.015, "{}", hard.ceiling.accuracy());
        assert!((hard.weak_accuracy() - 0.8).abs() < 0.04, "{}", hard.weak_accuracy());
        assert!(hard.student.accuracy() > 0.95, "{}", hard.student.accuracy());
        assert!(of(Teaching::Soft).student.accuracy() > 0.95);
        let other = of(Teaching::Shuffled);
        assert!(other.student.accuracy() < 0.75, "labels of other items teach little: {}", other.student.accuracy());
        let words = rungs(1, &WordPairs, a, b, &test, &[400], Teaching::Hard).unwrap().remove(0);
        assert!((words.student.accuracy() - words.weak_accuracy()).abs() < 0.02, "words copy the weak model");
    }

    #[test]
    fn impossible_jobs_are_refused_in_words() {
        let table = vec![vec![0.0f32, 1.0]; 3];
        let probe = Probe { features: &table, ridge: 0.1 };
        let error = |inputs: &[usize], gold: &[bool]| {
            let gold = Labels::gold(gold);
            let job = WeakJob::new(inputs, &gold).unwrap();
            probe.learn(&job).err().map(|e| e.to_string()).unwrap_or_default()
        };
        assert!(error(&[0, 3], &[true, false]).contains("text 4 of 3"));
        assert!(error(&[0, 1], &[true, true]).contains("2 of class 1"));
        assert_eq!(error(&[0, 1], &[true, false]), "", "features that never change say nothing, and are no error");
    }
}
