//! What a judge says against what a person says of the same items: yes or no.

use crate::{Bootstrap, Measured, Rate, cohen_kappa};
use serde::{Deserialize, Serialize};

/// Counts of items by the person's label, which is taken as the truth, and the judge's verdict.
///
/// ```
/// use trimtab_stats::Confusion;
/// let mut table = Confusion::default();
/// for (judge, label) in [(true, true), (true, false), (false, true), (true, true), (false, false)] {
///     table.count(judge, label);
/// }
/// assert_eq!((table.total(), table.judged().numerator, table.labelled().numerator), (5, 3, 3));
/// // Two of three are found; one of two is let alone.
/// assert_eq!((table.sensitivity().numerator, table.sensitivity().denominator), (2, 3));
/// assert_eq!((table.specificity().numerator, table.specificity().denominator), (1, 2));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// Both say yes.
    pub true_positive: u64,
    /// The person says yes, the judge no.
    pub false_negative: u64,
    /// The person says no, the judge yes.
    pub false_positive: u64,
    /// Both say no.
    pub true_negative: u64,
}

impl Confusion {
    /// Counts one item.
    pub fn count(&mut self, judge: bool, label: bool) {
        *match (judge, label) {
            (true, true) => &mut self.true_positive,
            (false, true) => &mut self.false_negative,
            (true, false) => &mut self.false_positive,
            (false, false) => &mut self.true_negative,
        } += 1;
    }

    /// Items counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.true_positive + self.false_negative + self.false_positive + self.true_negative
    }

    /// Items that the judge says yes of, among those where the person does.
    #[must_use]
    pub fn sensitivity(&self) -> Rate {
        rate(self.true_positive, self.false_negative)
    }

    /// Items that the judge says no of, among those where the person does.
    #[must_use]
    pub fn specificity(&self) -> Rate {
        rate(self.true_negative, self.false_positive)
    }

    /// Items that the judge says yes of, among all.
    #[must_use]
    pub fn judged(&self) -> Rate {
        rate(self.true_positive + self.false_positive, self.false_negative + self.true_negative)
    }

    /// Items that the person says yes of, among all.
    #[must_use]
    pub fn labelled(&self) -> Rate {
        rate(self.true_positive + self.false_negative, self.false_positive + self.true_negative)
    }

    /// Cohen's κ of judge and person, as [`cohen_kappa`].
    ///
    /// ```
    /// use trimtab_stats::{Bootstrap, Confusion};
    /// // Observed 0.7, expected 0.5·0.6 + 0.5·0.4 = 0.5: κ = 0.2/0.5.
    /// let table = Confusion { true_positive: 4, false_negative: 2, false_positive: 1, true_negative: 3 };
    /// assert!((table.kappa(&Bootstrap::default()).value.unwrap() - 0.4).abs() < 1e-12);
    /// ```
    #[must_use]
    pub fn kappa(&self, how: &Bootstrap) -> Measured {
        let cells = [
            ((1, 1), self.true_positive),
            ((0, 1), self.false_negative),
            ((1, 0), self.false_positive),
            ((0, 0), self.true_negative),
        ];
        let pairs = cells.into_iter().flat_map(|(pair, n)| std::iter::repeat_n(pair, n as usize));
        cohen_kappa(&pairs.collect::<Vec<_>>(), how)
    }
}

fn rate(yes: u64, no: u64) -> Rate {
    Rate { numerator: yes, denominator: yes + no, unscored: 0 }
}
