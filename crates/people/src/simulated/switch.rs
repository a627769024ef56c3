//! Where agreement outweighs correctness.

use super::ceiling::{noises, pair_chances};
use super::{Crowd, Perceived};

/// The agreement weight above which a person prefers the wrong answer that agrees with the user to the correct one that
/// does not, in units of gold: skill·gold_gap + bias_gap.
///
/// `gold_gap` is the gold of the correct answer less that of the agreeing one, `bias_gap` what the person's other biases
/// add to the correct one (length, flattery; 0 where the two are alike). Noise and ties blur the switch and do not move
/// it, since both are symmetric. A person who cannot check has skill 0 here.
///
/// ```
/// use trimtab_people::switch_weight;
/// // Right and wrong are 1 apart and this person sees 0.8 of it.
/// assert_eq!(switch_weight(0.8, 1.0, 0.0), 0.8);
/// // The agreeing answer is ten words longer, and a word is worth 0.03: the switch comes earlier.
/// assert!((switch_weight(0.8, 1.0, -0.3) - 0.5).abs() < 1e-12);
/// ```
#[must_use]
pub fn switch_weight(skill: f64, gold_gap: f64, bias_gap: f64) -> f64 {
    skill * gold_gap + bias_gap
}

impl Crowd {
    /// The agreement weight which, given to everyone ([`Crowd::with_agreement`]), makes the crowd prefer either of two
    /// answers equally often: what a reward model of its rankings should show as the switch. In units of gold.
    ///
    /// Shown alone, in either order, through whole sittings. `None` where no weight does, because as many people are
    /// adversaries as not, or nobody can see which one agrees.
    #[must_use]
    pub fn switch_weight(&self, correct: &Perceived, agreeing: &Perceived) -> Option<f64> {
        let hardest = correct.complexity.max(agreeing.complexity);
        let lead = |weight: f64| -> f64 {
            let of = |person: &super::Person| {
                let checks = person.checks(hardest);
                let weight = person.count as f64 * if checks { 1.0 } else { 1.0 - person.cannot_judge };
                let [agrees, corrects] =
                    pair_chances(person, agreeing, correct, checks, 2, &noises(person, person.session));
                weight * (agrees - corrects)
            };
            self.with_agreement(weight).kinds.values().map(of).sum()
        };
        // Past this weight everyone's preference is certain.
        let settled = self.with_agreement(0.0).kinds.values().fold(1.0, |most: f64, p| {
            let seen = (p.sees(correct, true).abs() + p.sees(agreeing, true).abs())
                .max(p.sees(correct, false).abs() + p.sees(agreeing, false).abs());
            most.max(seen + p.position.abs() + p.tie + 20.0 * p.noise * (1.0 + p.fatigue))
        });
        let (mut low, mut high) = (-settled, settled);
        if !(lead(low) < 0.0 && lead(high) > 0.0) {
            return None;
        }
        for _ in 0..100 {
            let middle = 0.5 * (low + high);
            // A crowd without noise jumps; on a flat stretch between two jumps every weight is a switch.
            match lead(middle) {
                gap if gap.abs() < 1e-12 => return Some(middle),
                gap if gap < 0.0 => low = middle,
                _ => high = middle,
            }
        }
        Some(0.5 * (low + high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Person;
    use std::collections::BTreeMap;

    fn answer(gold: f64, agrees: bool) -> Perceived {
        Perceived {
            gold,
            complexity: 1.0,
            words: 5,
            agrees: Some(agrees),
            flatters: false,
            false_claim: !agrees,
            harmful: false,
        }
    }

    /// Law: a crowd of one switches where the formula says, whatever the noise, ties, position bias and fatigue.
    #[test]
    fn one_kind_switches_by_the_formula() {
        let (correct, agreeing) = (answer(1.0, false), answer(-0.5, true));
        for (skill, noise, tie, position) in [(0.8, 0.3, 0.0, 0.0), (0.5, 0.7, 0.3, 0.2), (1.0, 0.0, 0.1, 0.0)] {
            let person = Person { skill, noise, tie, position, fatigue: 0.5, ..Person::default() };
            let found = Crowd::of("one", person).switch_weight(&correct, &agreeing).unwrap();
            let formula = switch_weight(skill, 1.5, 0.0);
            assert!((found - formula).abs() < 1e-6 + tie * f64::from(u8::from(noise == 0.0)), "{found} {formula}");
        }
    }

    /// A minority of adversaries moves it, half of them leave none, and neither does a pair that agrees alike.
    #[test]
    fn mixed_crowds() {
        let (correct, agreeing) = (answer(1.0, false), answer(0.0, true));
        let found = Crowd::default().switch_weight(&correct, &agreeing).unwrap();
        assert!((0.6..1.1).contains(&found), "{found}");
        let (good, bad) = (Person::default(), Person { adversarial: true, ..Person::default() });
        let half =
            Crowd { overlap: 1, agreement: None, kinds: BTreeMap::from([("good".into(), good), ("bad".into(), bad)]) };
        assert_eq!(half.switch_weight(&correct, &agreeing), None);
        assert_eq!(Crowd::default().switch_weight(&correct, &answer(0.0, false)), None);
        // Beyond everyone's limit nothing but agreement is left: any weight above 0 will do.
        let blind = Person { limit: Some(0.5), ..Person::default() };
        assert!(Crowd::of("blind", blind).switch_weight(&correct, &agreeing).unwrap().abs() < 1e-9);
    }
}
