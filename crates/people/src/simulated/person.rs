//! Who judges: the settings of a person, and of a crowd of several kinds.

use super::Perceived;
use crate::Error;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One kind of person: how many there are, and how each of them judges. The formula is in [`crate::simulated`].
///
/// The default is one able person without biases or a limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Person {
    /// Number of people of this kind.
    pub count: usize,
    /// How well they see gold, in [0, 1]: the weight of a unit of gold.
    pub skill: f64,
    /// Standard deviation of the utility of one answer when fresh, in units of gold.
    pub noise: f64,
    /// Weight of a word, in units of gold; below 0 they like it short.
    pub length: f64,
    /// Weight of each slot that an answer is shown earlier, in units of gold; below 0 the last shown gains.
    pub position: f64,
    /// Weight of agreeing with the user's stated belief, in units of gold.
    pub agreement: f64,
    /// Weight of flattering the user, in units of gold.
    pub flattery: f64,
    /// Growth of the noise over a sitting: 1 doubles it by the end.
    pub fatigue: f64,
    /// Items in a sitting; after it they are fresh again.
    pub session: usize,
    /// Whether they hand in every order upside down.
    pub adversarial: bool,
    /// Complexity above which they cannot check an answer, in the unit of [`Perceived::complexity`]; none without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// Chance that they say "cannot judge" of an item beyond their limit, in [0, 1].
    pub cannot_judge: f64,
    /// Utility below which the best answer is still bad, in units of gold; without it they never say "all bad".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_bad: Option<f64>,
    /// Difference of utility up to which answers tie, in units of gold.
    pub tie: f64,
    /// Chance of each flag on an answer that does not deserve it, in [0, 1].
    pub false_alarm: f64,
    /// Median time per answer, in seconds; the time is log-normal.
    pub seconds: f64,
    /// Standard deviation of the logarithm of the time.
    pub seconds_spread: f64,
}

impl Default for Person {
    fn default() -> Self {
        Self {
            count: 1,
            skill: 1.0,
            noise: 0.25,
            length: 0.0,
            position: 0.0,
            agreement: 0.0,
            flattery: 0.0,
            fatigue: 0.0,
            session: 50,
            adversarial: false,
            limit: None,
            cannot_judge: 0.5,
            all_bad: None,
            tie: 0.1,
            false_alarm: 0.0,
            seconds: 12.0,
            seconds_spread: 0.5,
        }
    }
}

impl Person {
    /// Whether they can check something of this complexity.
    pub fn checks(&self, complexity: f64) -> bool {
        self.limit.is_none_or(|limit| complexity <= limit)
    }

    /// What they see in an answer apart from position and noise, in units of gold; `checks` says whether gold is in it.
    ///
    /// ```
    /// use trimtab_people::{Perceived, Person};
    /// let wordy = Person { skill: 0.5, length: 0.01, agreement: 2.0, ..Person::default() };
    /// let answer = Perceived {
    ///     gold: 1.0, complexity: 0.0, words: 30, agrees: Some(true), flatters: true, false_claim: false, harmful: false,
    /// };
    /// assert!((wordy.sees(&answer, true) - (0.5 + 0.3 + 2.0)).abs() < 1e-12);
    /// assert!((wordy.sees(&answer, false) - (0.3 + 2.0)).abs() < 1e-12);
    /// ```
    pub fn sees(&self, answer: &Perceived, checks: bool) -> f64 {
        let gold = if checks { self.skill * answer.gold } else { 0.0 };
        let when = |yes: bool, weight: f64| if yes { weight } else { 0.0 };
        gold + self.length * answer.words as f64
            + when(answer.agrees == Some(true), self.agreement)
            + when(answer.flatters, self.flattery)
    }

    /// Standard deviation of the noise on the `t`-th item that they are given, from 0, in units of gold.
    pub fn noise_at(&self, t: usize) -> f64 {
        let session = self.session.max(1);
        self.noise * (1.0 + self.fatigue * (t % session) as f64 / session as f64)
    }

    /// Refuses settings that cannot be right, naming the first; `at` is where they stand, `people.kinds.careful`.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self, at: &str) -> Result<(), Error> {
        let need = |ok: bool, key: &str, value: f64, expected| {
            let wrong = || Error::Setting { key: format!("{at}.{key}"), value: value.to_string(), expected };
            if ok { Ok(()) } else { Err(wrong()) }
        };
        for (key, share) in
            [("skill", self.skill), ("cannot_judge", self.cannot_judge), ("false_alarm", self.false_alarm)]
        {
            need((0.0..=1.0).contains(&share), key, share, "a number in [0, 1]")?;
        }
        for (key, size) in [
            ("noise", self.noise),
            ("fatigue", self.fatigue),
            ("tie", self.tie),
            ("seconds", self.seconds),
            ("seconds_spread", self.seconds_spread),
        ] {
            need((0.0..=1e6).contains(&size), key, size, "a number from 0 to 1,000,000")?;
        }
        // e^(8·10) seconds are beyond every clock, and a ranking's time must stay finite.
        need(self.seconds_spread <= 10.0, "seconds_spread", self.seconds_spread, "a number from 0 to 10")?;
        for (key, weight) in [
            ("length", self.length),
            ("position", self.position),
            ("agreement", self.agreement),
            ("flattery", self.flattery),
            ("limit", self.limit.unwrap_or(0.0)),
            ("all_bad", self.all_bad.unwrap_or(0.0)),
        ] {
            need((-1e6..=1e6).contains(&weight), key, weight, "a number between -1,000,000 and 1,000,000")?;
        }
        need(self.session > 0, "session", 0.0, "at least 1 item in a sitting")?;
        need(self.count <= 100_000, "count", self.count as f64, "at most 100,000 people")
    }
}

/// The people who rank: several kinds of them, and how many see each item.
///
/// In TOML each kind is a table, `[….kinds.NAME]`, whose missing keys are those of [`Person::default`]. Kinds that are
/// given replace the whole default crowd.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Crowd {
    /// People per item; everyone, where there are fewer.
    pub overlap: usize,
    /// Everyone's agreement weight, in place of their kinds': the dial of the agreement sweep.
    pub agreement: Option<f64>,
    /// The kinds of people by name; the people of kind `careful` are `careful-1`, `careful-2`, ….
    pub kinds: BTreeMap<String, Person>,
}

impl Default for Crowd {
    /// Ten people: three careful, two hurried, two agreeable, two who like long answers, one adversary; two see each
    /// item, so that agreement between people can be measured.
    fn default() -> Self {
        let plain = Person { limit: Some(6.0), all_bad: Some(-0.75), false_alarm: 0.01, ..Person::default() };
        let kinds = [
            ("careful", Person { count: 3, skill: 0.95, seconds: 20.0, cannot_judge: 0.8, ..plain.clone() }),
            (
                "hurried",
                Person {
                    count: 2,
                    skill: 0.7,
                    noise: 0.5,
                    position: 0.08,
                    fatigue: 1.0,
                    limit: Some(3.0),
                    cannot_judge: 0.1,
                    tie: 0.2,
                    seconds: 5.0,
                    ..plain.clone()
                },
            ),
            (
                "agreeable",
                Person {
                    count: 2,
                    skill: 0.8,
                    noise: 0.35,
                    agreement: 0.4,
                    flattery: 0.2,
                    limit: Some(4.0),
                    ..plain.clone()
                },
            ),
            (
                "wordy",
                Person {
                    count: 2,
                    skill: 0.8,
                    noise: 0.35,
                    length: 0.02,
                    limit: Some(4.0),
                    cannot_judge: 0.3,
                    ..plain.clone()
                },
            ),
            ("adversary", Person { count: 1, skill: 0.9, adversarial: true, ..plain }),
        ];
        Self { overlap: 2, agreement: None, kinds: kinds.map(|(name, person)| (name.to_owned(), person)).into() }
    }
}

impl Crowd {
    /// A crowd of one kind, everyone of whom sees every item.
    pub fn of(name: &str, person: Person) -> Self {
        Self { overlap: person.count.max(1), agreement: None, kinds: BTreeMap::from([(name.to_owned(), person)]) }
    }

    /// This crowd with [`Crowd::agreement`] given to everyone, where it is set.
    #[must_use]
    pub fn resolved(&self) -> Self {
        self.agreement.map_or_else(|| self.clone(), |weight| self.with_agreement(weight))
    }

    /// This crowd with everyone's agreement weight set to `weight`: a point of the agreement sweep. The draws do not
    /// depend on it, so two points differ in nothing else.
    #[must_use]
    pub fn with_agreement(&self, weight: f64) -> Self {
        let mut crowd = self.clone();
        for person in crowd.kinds.values_mut() {
            person.agreement = weight;
        }
        crowd
    }

    /// Refuses settings that cannot be right, naming the first; `at` is where the crowd stands in the config, `people`.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self, at: &str) -> Result<(), Error> {
        let wrong = |key: String, value: String, expected| Err(Error::Setting { key, value, expected });
        if self.agreement.is_some_and(|weight| !(-1e6..=1e6).contains(&weight)) {
            let value = self.agreement.map_or_else(String::new, |weight| weight.to_string());
            return wrong(format!("{at}.agreement"), value, "a number between -1,000,000 and 1,000,000");
        }
        if self.overlap == 0 {
            return wrong(format!("{at}.overlap"), "0".into(), "at least 1 person per item");
        }
        for (name, person) in &self.kinds {
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
                let key = format!("{at}.kinds");
                return wrong(key, format!("a table with {name:?}"), "names of letters, digits, '-' and '_'");
            }
            person.check(&format!("{at}.kinds.{name}"))?;
        }
        if self.kinds.values().all(|person| person.count == 0) {
            return wrong(format!("{at}.kinds"), "nobody".into(), "at least one kind with a count of at least 1");
        }
        Ok(())
    }

    /// Every person as (name, kind), by name of the kind and number.
    pub fn people(&self) -> Vec<(String, &Person)> {
        let mut people = Vec::new();
        for (name, person) in &self.kinds {
            people.extend((1..=person.count).map(|i| (format!("{name}-{i}"), person)));
        }
        people
    }

    /// Number of people.
    pub fn count(&self) -> usize {
        self.kinds.values().map(|person| person.count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_crowd_is_sound_and_reads_back() {
        let crowd = Crowd::default();
        crowd.check("people").unwrap();
        assert_eq!((crowd.count(), crowd.people().len(), crowd.people()[0].0.as_str()), (10, 10, "adversary-1"));
        let text = serde_json::to_string(&crowd).unwrap();
        assert_eq!(serde_json::from_str::<Crowd>(&text).unwrap(), crowd);
        assert!(crowd.with_agreement(1.5).kinds.values().all(|p| p.agreement == 1.5));
    }

    #[test]
    fn wrong_settings_are_named() {
        let message = |text: &str| match serde_json::from_str::<Crowd>(text) {
            Ok(crowd) => crowd.check("people").unwrap_err().to_string(),
            Err(e) => e.to_string(),
        };
        for (text, part) in [
            (r#"{"overlap":0}"#, "people.overlap: is 0"),
            (r#"{"kinds":{}}"#, "people.kinds: is nobody"),
            (r#"{"kinds":{"a b":{}}}"#, "a table with \"a b\""),
            (r#"{"kinds":{"x":{"skill":1.5}}}"#, "people.kinds.x.skill: is 1.5\n  expected a number in [0, 1]"),
            (r#"{"kinds":{"x":{"noise":-1}}}"#, "people.kinds.x.noise: is -1"),
            (r#"{"kinds":{"x":{"session":0}}}"#, "people.kinds.x.session: is 0"),
            (r#"{"kinds":{"x":{"count":0}}}"#, "people.kinds: is nobody"),
            (r#"{"kinds":{"x":{"skil":1}}}"#, "unknown field `skil`"),
            (r#"{"people":3}"#, "unknown field `people`"),
        ] {
            assert!(message(text).contains(part), "{text}: {}", message(text));
        }
        let nan = Person { length: f64::NAN, ..Person::default() };
        assert!(nan.check("p").is_err());
    }

    /// Fatigue grows linearly over a sitting and is gone in the next.
    #[test]
    fn noise_over_a_sitting() {
        let tired = Person { noise: 0.5, fatigue: 1.0, session: 4, ..Person::default() };
        assert_eq!([0, 2, 4, 7].map(|t| tired.noise_at(t)), [0.5, 0.75, 0.5, 0.875]);
    }
}
