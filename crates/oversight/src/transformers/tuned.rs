//! A pretrained student that is fine-tuned: low-rank adapters on the upper blocks of a model, and a head.
//!
//! Burns et al. 2023, [arXiv:2312.09390](https://arxiv.org/abs/2312.09390), section 3, with adapters of Hu et al. 2021,
//! [arXiv:2106.09685](https://arxiv.org/abs/2106.09685). Where ours differs:
//! 1. The paper fine-tunes every parameter. Here adapters on all maps of the blocks from one on are learnt, and the head.
//! 2. So what lies below is the same for every fit: it is computed once for each text ([`trunks`]) and kept by student, ceiling and seeds.
//! 3. The head is drawn, since texts from files come without words for their classes.
//! 4. The head reads the last token, and the last step is the model: nothing is chosen by labels of any kind.

use super::classifier::{Fitting, Loss, fit, logits, with_drawn_head};
use super::input::Trunk;
use crate::probe::read_blocks;
use crate::{Error, Job};
use serde::{Deserialize, Serialize};
use std::ops::{ControlFlow, Range};
use trimtab_engine::lora::{Adapter, LoraConfig, Module};
use trimtab_engine::model::Model;
use trimtab_run::stream;

/// How a student is fine-tuned: the same for ceilings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tuning {
    /// The first block that carries adapters.
    pub from: usize,
    /// r: their inner width; the update is scaled by α/r with α = 2r.
    pub rank: usize,
    /// The schedule.
    pub fitting: Fitting,
}

/// What goes into block `layer` at each token of each text, `[texts][tokens × hidden_size]`. `progress` hears how many texts are read and
/// how many tokens that were more, and may end it, which gives `None`.
///
/// # Errors
/// [`Error::Input`] for a text without tokens, one that the model cannot read, and a layer that it does not have.
pub fn trunks(
    model: &Model,
    texts: &[&[u32]],
    layer: usize,
    mut progress: impl FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Option<Vec<Vec<f32>>>, Error> {
    let (d, mut out) = (model.config().hidden_size, Vec::with_capacity(texts.len()));
    read_blocks(model, texts, &[layer], |reads, places| {
        let of = |at: &Range<usize>| reads.iter().flat_map(|read| &read[at.start * d..at.end * d]).copied().collect();
        out.extend(places.iter().map(of));
        progress(out.len(), places.iter().map(Range::len).sum())
    })?;
    Ok(Some(out).filter(|out: &Vec<Vec<f32>>| out.len() == texts.len()))
}

/// Fine-tunes `base` on a job and returns its log-odds of class 1 of each of `test`. `seed` draws adapters, head and the order of items.
/// `progress` hears the share of the steps that are made, and may end the fit, which gives `None`.
///
/// # Errors
/// [`Error::Input`] for a job without items, texts that the model cannot read, a block or a rank that no adapter can have, and a loss
/// that stops being a number.
pub fn tuned<'a>(
    base: &Model,
    how: &Tuning,
    job: &impl Job<Trunk<'a>>,
    test: &[Trunk<'a>],
    seed: u64,
    mut progress: impl FnMut(f64) -> ControlFlow<()>,
) -> Result<Option<Vec<f64>>, Error> {
    let depth = base.config().num_hidden_layers;
    let width = base.config().hidden_size;
    if how.from >= depth || !(1..=width).contains(&how.rank) {
        let what = format!("adapters of rank {} from block {} on", how.rank, how.from);
        let expected = format!("a rank from 1 to {width} and a block from 0 to {}", depth.saturating_sub(1));
        return Err(Error::input(what, &expected, "two thirds of the depth, and rank 16"));
    }
    let draw = |what: &str| stream(seed, what, 0, 0).next_u64();
    let mut start = with_drawn_head(base, draw("oversight/tuned/head"));
    let lora = LoraConfig {
        rank: how.rank,
        alpha: 2.0 * how.rank as f64,
        targets: Module::ALL.to_vec(),
        dropout: 0.0,
        first_layer: how.from,
    };
    start.adapter = Some(Adapter::new(base.config(), lora, draw("oversight/tuned/adapter")));
    let total = job.inputs().len().div_ceil(how.fitting.batch.max(1)) as u64 * how.fitting.epochs;
    let said = |step: u64, _| progress(step as f64 / total.max(1) as f64);
    let Some(snapshots) = fit(start, job, &how.fitting, Loss::Naive, draw("oversight/tuned/order"), said)? else {
        return Ok(None);
    };
    snapshots.last().map(|last| logits(&last.model, test)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeenJob;
    use crate::transformers::classifier::Tokens;
    use crate::transformers::classifier::tests::{base, texts};
    use crate::{Labels, StudentJob};

    fn of<'a>(texts: &'a [Tokens], trunks: &'a [Vec<f32>], layer: usize) -> Vec<Trunk<'a>> {
        texts.iter().zip(trunks).map(|(tokens, x)| Trunk { tokens, layer, x }).collect()
    }

    fn all(model: &Model, texts: &[Tokens], layer: usize) -> Vec<Vec<f32>> {
        let slices: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
        trunks(model, &slices, layer, |_, _| ControlFlow::Continue(())).unwrap().unwrap()
    }

    /// Law: from its trunk a text has the log-odds that it has from its tokens, to the last bit, whichever block that is.
    #[test]
    fn a_trunk_is_the_text() {
        let (model, (texts, _)) = (with_drawn_head(&base(), 3), texts(20, 1));
        let whole = logits(&model, &texts).unwrap();
        for layer in 0..model.config().num_hidden_layers {
            assert_eq!(
                logits(&model, &of(&texts, &all(&model, &texts, layer), layer)).unwrap(),
                whole,
                "block {layer}"
            );
        }
    }

    /// Planted: a rule that only the first token follows is learnt by adapters, and holds on texts that were not seen; without any
    /// fitting it is at chance, and equal arguments say the same.
    #[test]
    fn a_planted_rule_is_learnt() {
        let (base, (learnt, gold), (test, truth)) = (base(), texts(600, 1), texts(400, 2));
        let (x, y) = (all(&base, &learnt, 0), all(&base, &test, 0));
        let labels = Labels::<crate::Weak>::by(&gold, |g| f64::from(u8::from(*g))).unwrap();
        let places: Vec<usize> = (0..learnt.len()).collect();
        let job = StudentJob::new(&places, &labels).unwrap();
        let (learnt, test) = (of(&learnt, &x, 0), of(&test, &y, 0));
        let job = SeenJob::of(&job, |place| learnt[*place]);
        let said = |epochs: u64, lr: f64| {
            let fitting = Fitting { epochs, lr, ..Fitting::default() };
            let how = Tuning { from: 0, rank: 8, fitting };
            tuned(&base, &how, &job, &test, 5, |_| ControlFlow::Continue(())).unwrap().unwrap()
        };
        let right = |said: &[f64]| said.iter().zip(&truth).filter(|(z, gold)| (**z > 0.0) == **gold).count();
        let after = said(20, 1e-2);
        assert!(right(&after) > 340, "{} of 400", right(&after));
        assert_eq!(after, said(20, 1e-2));
        assert!((150..250).contains(&right(&said(1, 1e-9))), "{}", right(&said(1, 1e-9)));
    }

    #[test]
    fn what_cannot_be_tuned_is_refused_in_words() {
        let (base, (texts, gold)) = (base(), texts(4, 1));
        let x = all(&base, &texts, 1);
        let labels = Labels::gold(&gold);
        let inputs = of(&texts, &x, 1);
        let job = crate::WeakJob::new(&inputs, &labels).unwrap();
        for (from, rank) in [(base.config().num_hidden_layers, 4), (1, 0), (1, usize::MAX)] {
            let how = Tuning { from, rank, fitting: Fitting::default() };
            let error = tuned(&base, &how, &job, &inputs, 1, |_| ControlFlow::Continue(())).unwrap_err().to_string();
            assert!(error.contains("adapters of rank"), "{error}");
        }
        let how = Tuning { from: 1, rank: 4, fitting: Fitting { batch: 2, ..Fitting::default() } };
        assert_eq!(tuned(&base, &how, &job, &inputs, 1, |_| ControlFlow::Break(())).unwrap(), None);
        assert!(trunks(&base, &[&[1], &[]], 1, |_, _| ControlFlow::Continue(())).is_err());
        let two: [&[u32]; 2] = [&[1; 8], &[2; 8]];
        assert_eq!(
            trunks(&base, &two, 1, |_, _| ControlFlow::Break(())).unwrap().map(|t| t.len()),
            Some(2),
            "all in one pass"
        );
    }
}
