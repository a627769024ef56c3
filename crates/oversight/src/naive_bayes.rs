//! Naive Bayes as a weak model, and as the student without pretraining: [`trimtab_stats::naive_bayes`] on jobs, so that it cannot be
//! given labels that its place does not allow.

use crate::Job;
pub(crate) use trimtab_stats::naive_bayes::is_space;
pub use trimtab_stats::naive_bayes::{NaiveBayes, Vocabulary, features};

/// Counts a job whose inputs are sets of features.
pub fn fit(job: &impl Job<Vec<u64>>) -> NaiveBayes {
    NaiveBayes::fit(job.inputs(), job.targets())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Labels, SplitMix, StudentJob, Weak, WeakJob};

    /// Planted: words drawn from known chances, independent given the class, give the Bayes rule back.
    #[test]
    fn planted_chances_are_found() {
        let mut source = SplitMix::new(8);
        let chances = [[0.2, 0.6], [0.5, 0.5], [0.7, 0.3]];
        let mut draw = |n: usize| -> (Vec<Vec<u64>>, Vec<bool>) {
            (0..n)
                .map(|_| {
                    let class = source.uniform() < 0.5;
                    let said = (0..3).filter(|&w| source.uniform() < chances[w][usize::from(class)]);
                    (said.map(|w| w as u64).collect(), class)
                })
                .unzip()
        };
        let (inputs, gold) = draw(40_000);
        let gold = Labels::gold(&gold);
        let model = fit(&WeakJob::new(&inputs, &gold).unwrap());
        for (word, [zero, one]) in chances.into_iter().enumerate() {
            let odds = |features: &[u64]| (model.chance(features) / (1.0 - model.chance(features))).ln();
            assert!((odds(&[word as u64]) - odds(&[]) - f64::ln(one / zero)).abs() < 0.06, "word {word}");
            assert!(odds(&[]).abs() < 0.05);
        }
    }

    /// Law: soft labels of 0 and 1 are hard labels, and labels of ½ teach nothing.
    #[test]
    fn labels_count_as_chances() {
        let inputs = [vec![1, 2], vec![2], vec![3]];
        let labels = |chances: [f64; 3]| {
            let mut chances = chances.into_iter();
            Labels::<Weak>::by(&inputs, |_| chances.next().unwrap_or(f64::NAN)).unwrap()
        };
        let sure = labels([1.0, 0.0, 1.0]);
        let student = fit(&StudentJob::new(&inputs, &sure).unwrap());
        let gold = Labels::gold(&[true, false, true]);
        assert_eq!(student, fit(&WeakJob::new(&inputs, &gold).unwrap()));
        let unsure = labels([0.5; 3]);
        let student = fit(&StudentJob::new(&inputs, &unsure).unwrap());
        assert_eq!(student.chance(&[1, 2, 3]), 0.5);
        assert!(!student.class(&[1, 2, 3]), "a tie is class 0");
    }

    #[test]
    fn white_space_of_every_sort_divides_words() {
        assert_eq!(Vocabulary::default().words(b"\x0b a\tb\r\n\x0cc\xe9 "), [0, 1, 2]);
    }
}
