//! What a student took over from its supervisor: agreement where it is right and where it is wrong, and the labels' quality.
//!
//! Burns et al. 2023, [arXiv:2312.09390](https://arxiv.org/abs/2312.09390), section 5.1 (student–supervisor agreement).
//!
//! 1. Beside every PGR stand both agreements: a PGR of 0 may be a copy of the errors or a student that learned nothing.
//! 2. Intervals are t over seeds; each seed's share is over its items. A supervisor that was never wrong has no agreement there.
//! 3. Calibration of weak labels is on B, where they teach, with the error that calibrated labels would show (`ece_floor`).

use crate::job::share;
use crate::{Trial, WeakScore};
use serde::{Deserialize, Serialize};
use trimtab_stats::{Measured, brier, expected_calibration_error, mean_t};

/// Figures beside a PGR, means over seeds; n counts seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    /// Share of T on which student and weak model say the same.
    pub agreement: Measured,
    /// Of these, among the items on which the weak model is right.
    pub agreement_where_right: Measured,
    /// Among those on which it is wrong: errors taken over.
    pub agreement_where_wrong: Measured,
    /// Accuracy of the weak labels on B, to compare with the weak model's on T.
    pub weak_on_b: Measured,
    /// Brier score of the weak labels on B; ¼ is what saying ½ gets.
    pub weak_brier: Measured,
    /// Expected calibration error of the weak labels on B, ten bins.
    pub weak_ece: Measured,
    /// What calibrated labels would show there.
    pub ece_floor: f64,
    /// Share of class 1 in T.
    pub positive: f64,
    /// Share of class 1 among the weak labels of B.
    pub weak_positive: Measured,
    /// Share of class 1 that the student gives on T.
    pub student_positive: Measured,
    /// Accuracy on T of always saying the more frequent class.
    pub majority: f64,
}

/// The figures of `trials`, at confidence `level`.
///
/// ```
/// use trimtab_oversight::{Scored, Trial, WeakScore, transfer};
/// let scored = |said: [bool; 4]| Scored { said: said.to_vec(), right: said.to_vec() }; // the truth is always 1
/// let (weak, student) = (scored([true, true, false, false]), scored([true, false, false, true]));
/// let trial = Trial { seed: 0, weak: WeakScore::OnTest(weak), student, ceiling: scored([true; 4]), positive: 1.0, weak_on_b: vec![(0.8, true)] };
/// let figures = transfer(&[trial], 0.95);
/// assert_eq!(figures.agreement.value, Some(0.5));
/// assert_eq!(figures.agreement_where_right.value, Some(0.5));
/// assert_eq!(figures.agreement_where_wrong.value, Some(0.5));
/// ```
#[must_use]
pub fn transfer(trials: &[Trial], level: f64) -> Transfer {
    let agreement = |among: Option<bool>| {
        let of = |trial: &Trial| match &trial.weak {
            WeakScore::OfLabels(_) => None,
            WeakScore::OnTest(weak) => {
                let items = (0..weak.right.len()).filter(|&i| among.is_none_or(|right| weak.right[i] == right));
                let same: Vec<bool> = items.map(|i| weak.said[i] == trial.student.said[i]).collect();
                (!same.is_empty()).then(|| share(&same))
            }
        };
        let shares: Vec<f64> = trials.iter().filter_map(of).collect();
        if shares.is_empty() {
            let labels = trials.iter().any(|trial| matches!(trial.weak, WeakScore::OfLabels(_)));
            let reason = if labels { "there is no weak model to ask on T" } else { "no such items" };
            return Measured::undefined(0, reason);
        }
        mean_t(&shares, level)
    };
    let over_seeds = |of: &dyn Fn(&Trial) -> f64| mean_t(&trials.iter().map(of).collect::<Vec<_>>(), level);
    let with_labels: Vec<&Trial> = trials.iter().filter(|trial| !trial.weak_on_b.is_empty()).collect();
    let of_labels = |of: &dyn Fn(&Trial) -> f64| mean_t(&with_labels.iter().map(|t| of(t)).collect::<Vec<_>>(), level);
    let calibration = |trial: &Trial| expected_calibration_error(&trial.weak_on_b, 10);
    let mean =
        |of: &dyn Fn(&Trial) -> f64, over: &[&Trial]| over.iter().map(|t| of(t)).sum::<f64>() / over.len() as f64;
    let all: Vec<&Trial> = trials.iter().collect();
    let positive = mean(&|trial| trial.positive, &all);
    Transfer {
        agreement: agreement(None),
        agreement_where_right: agreement(Some(true)),
        agreement_where_wrong: agreement(Some(false)),
        weak_on_b: of_labels(&Trial::weak_accuracy_on_b),
        weak_brier: of_labels(&|trial| brier(&trial.weak_on_b).value.unwrap_or(f64::NAN)),
        weak_ece: of_labels(&|trial| calibration(trial).error.value.unwrap_or(f64::NAN)),
        ece_floor: mean(&|trial| calibration(trial).floor, &with_labels),
        positive,
        weak_positive: of_labels(&|trial| share(&trial.weak_on_b.iter().map(|(p, _)| *p > 0.5).collect::<Vec<_>>())),
        student_positive: over_seeds(&|trial| share(&trial.student.said)),
        majority: positive.max(1.0 - positive),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scored;

    fn trial(weak: WeakScore, student: &[bool]) -> Trial {
        let right = |said: &[bool]| Scored { said: said.to_vec(), right: said.to_vec() };
        Trial { seed: 0, weak, student: right(student), ceiling: right(student), positive: 0.5, weak_on_b: vec![] }
    }

    #[test]
    fn what_does_not_exist_says_why() {
        let perfect = WeakScore::OnTest(Scored { said: vec![true; 2], right: vec![true; 2] });
        let figures = transfer(&[trial(perfect, &[true, false])], 0.95);
        assert_eq!(figures.agreement_where_wrong.reason.as_deref(), Some("no such items"));
        assert_eq!(figures.agreement_where_right.value, Some(0.5));
        assert_eq!(figures.weak_on_b.reason.as_deref(), Some("no items"));
        let labels = transfer(&[trial(WeakScore::OfLabels(vec![true]), &[true])], 0.95);
        assert!(labels.agreement.reason.unwrap().contains("no weak model"));
    }
}
