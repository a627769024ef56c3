//! One reseeded triple: a weak model, a student and a ceiling, item by item on the test set.

use crate::job::share;
use crate::transformers::classifier::chance;
use crate::{Gold, Labels, Scored, TestSet};

/// What the weak supervisor was scored on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WeakScore {
    /// A model, on the items of T.
    OnTest(Scored),
    /// Labels without a model behind them: whether each was right, on half B.
    OfLabels(Vec<bool>),
}

/// The outcome of one seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The seed of all three fits.
    pub seed: u64,
    /// The weak supervisor.
    pub weak: WeakScore,
    /// The student on T.
    pub student: Scored,
    /// The ceiling on T.
    pub ceiling: Scored,
    /// Share of class 1 in T.
    pub positive: f64,
    /// The supervisor's labels of half B: the chance of class 1 that it gave, and whether it is class 1. Known to the report,
    /// never to the student.
    pub weak_on_b: Vec<(f64, bool)>,
}

impl Trial {
    /// Of models that gave log-odds: `[weak, student, ceiling]` on T, whose inputs are the places in these, and `labels`, those of the
    /// weak model on half B.
    pub(crate) fn of_log_odds(
        seed: u64,
        test: &TestSet<usize>,
        [weak, student, ceiling]: [&[f32]; 3],
        labels: &[f32],
        gold_of_b: &Labels<Gold>,
    ) -> Self {
        let chances = labels.iter().map(|z| chance(f64::from(*z)));
        Self {
            seed,
            weak: WeakScore::OnTest(test.score_log_odds(weak)),
            student: test.score_log_odds(student),
            ceiling: test.score_log_odds(ceiling),
            positive: test.positive_share(),
            weak_on_b: chances.zip(gold_of_b.classes()).collect(),
        }
    }

    /// Of models that gave answers, which are more than two: `[weak, student, ceiling]` on T, and whether each weak label of half B is right.
    /// Class 1 is "as the weak model says", so that agreement is agreement and a share of classes says nothing.
    pub(crate) fn of_answers<Y: PartialEq>(
        seed: u64,
        [weak, student, ceiling]: [Scored<Y>; 3],
        right_on_b: &[bool],
    ) -> Self {
        let as_weak = |scored: &Scored<Y>| Scored {
            said: scored.said.iter().zip(&weak.said).map(|(said, weak)| said == weak).collect(),
            right: scored.right.clone(),
        };
        Self {
            seed,
            student: as_weak(&student),
            ceiling: as_weak(&ceiling),
            weak: WeakScore::OnTest(as_weak(&weak)),
            positive: 1.0,
            weak_on_b: right_on_b.iter().map(|right| (1.0, *right)).collect(),
        }
    }

    /// Share of T (or of the labels of B) where the weak supervisor is right.
    #[must_use]
    pub fn weak_accuracy(&self) -> f64 {
        match &self.weak {
            WeakScore::OnTest(scored) => scored.accuracy(),
            WeakScore::OfLabels(right) => share(right),
        }
    }

    /// Share of half B where the weak label's class is right.
    #[must_use]
    pub fn weak_accuracy_on_b(&self) -> f64 {
        share(&self.weak_on_b.iter().map(|&(chance, gold)| (chance > 0.5) == gold).collect::<Vec<_>>())
    }

    /// Of each item of T: student less weak and ceiling less weak, with the accuracy of the labels where no model was scored on T.
    #[must_use]
    pub fn gains(&self) -> Vec<[f64; 2]> {
        let labels = self.weak_accuracy();
        let of = |right: bool| f64::from(u8::from(right));
        (0..self.student.right.len())
            .map(|item| {
                let weak = match &self.weak {
                    WeakScore::OnTest(scored) => of(scored.right[item]),
                    WeakScore::OfLabels(_) => labels,
                };
                [of(self.student.right[item]) - weak, of(self.ceiling.right[item]) - weak]
            })
            .collect()
    }
}
