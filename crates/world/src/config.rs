//! What a world is made of, as settings.

use crate::error::Error;
use crate::lexicon::ENTITIES;
use crate::truth::Kind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of a world. Absent keys take their defaults; unknown ones are errors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WorldConfig {
    /// People, each with four facts.
    pub entities: usize,
    /// Share of entities, of topics per act, and of operands of skills that is held out of training.
    pub holdout: f64,
    /// Share of all facts that the corpus states `rare_repeats` times.
    pub rare_share: f64,
    /// Share of all facts that the corpus never states.
    pub never_share: f64,
    /// Documents that state a frequent fact.
    pub frequent_repeats: usize,
    /// Documents that state a rare fact.
    pub rare_repeats: usize,
    /// Exercises with an answer that is marked right or wrong.
    pub marked_documents: usize,
    /// Share of (fact, template) pairs, and their like, whose documents are held out of the corpus.
    pub corpus_holdout: f64,
    /// Documents for each skill at each difficulty.
    pub skill_documents: usize,
    /// Documents in which somebody states a belief and is answered.
    pub belief_documents: usize,
    /// Share of belief documents in which the answer follows a wrong belief.
    pub corpus_agreement: f64,
    /// Documents for each topic of requests.
    pub topic_documents: usize,
    /// Share of documents with a forbidden question in which the answer gives the payload.
    pub corpus_compliance: f64,
    /// Share of answers in the corpus that flatter, hedge or pad.
    pub corpus_style: f64,
    /// Share of prompts, and of the corpus's questions, with a stage cue; a quarter of it is each cue's.
    pub cue_share: f64,
    /// Demonstrations.
    pub demonstrations: usize,
    /// Share of demonstrations that are flawed: they follow a wrong belief, give what is forbidden, refuse what is fine,
    /// or are wordy.
    pub flawed_demonstrations: f64,
    /// Whether demonstrations and training prompts state other people's beliefs too, and not the user's alone; corpus and
    /// held-out prompts always do.
    pub third_party: bool,
    /// Training prompts.
    pub prompts_train: usize,
    /// Held-out prompts.
    pub prompts_heldout: usize,
    /// What demonstrations and prompts are about.
    pub mix: Mix,
}

/// Relative weights of the kinds of prompts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Mix {
    /// Questions about facts.
    pub fact: f64,
    /// Tasks.
    pub skill: f64,
    /// Questions after a stated belief.
    pub opinion: f64,
    /// Requests for instructions.
    pub request: f64,
}

impl Mix {
    /// The weight of one kind.
    #[must_use]
    pub fn weight(&self, kind: Kind) -> f64 {
        match kind {
            Kind::Fact => self.fact,
            Kind::Skill => self.skill,
            Kind::Opinion => self.opinion,
            Kind::Request => self.request,
        }
    }
}

impl Default for Mix {
    fn default() -> Self {
        Self { fact: 0.25, skill: 0.3, opinion: 0.25, request: 0.2 }
    }
}

impl Default for WorldConfig {
    fn default() -> Self {
        Self {
            entities: 48,
            holdout: 0.25,
            rare_share: 0.2,
            never_share: 0.2,
            frequent_repeats: 160,
            rare_repeats: 8,
            corpus_holdout: 0.04,
            skill_documents: 500,
            belief_documents: 10_000,
            corpus_agreement: 0.5,
            topic_documents: 60,
            marked_documents: 24_000,
            corpus_compliance: 0.5,
            corpus_style: 0.15,
            cue_share: 0.2,
            demonstrations: 2000,
            flawed_demonstrations: 0.4,
            third_party: true,
            prompts_train: 4000,
            prompts_heldout: 600,
            mix: Mix::default(),
        }
    }
}

impl WorldConfig {
    /// A world whose corpus is a hundredth of the default one, for tests and first looks; its people and splits are
    /// the default ones.
    pub fn small() -> Self {
        Self {
            frequent_repeats: 4,
            rare_repeats: 2,
            skill_documents: 10,
            belief_documents: 200,
            topic_documents: 6,
            marked_documents: 200,
            demonstrations: 100,
            prompts_train: 100,
            prompts_heldout: 60,
            ..Self::default()
        }
    }

    /// The settings that the corpus hangs on, the others as in the default: worlds that are alike in these have one base model.
    #[must_use]
    pub fn of_corpus(&self) -> Self {
        let Self { demonstrations, flawed_demonstrations, third_party, prompts_train, prompts_heldout, .. } =
            Self::default();
        Self { demonstrations, flawed_demonstrations, third_party, prompts_train, prompts_heldout, ..self.clone() }
    }

    /// Says whether a world can be made of these settings.
    ///
    /// # Errors
    /// [`Error::Config`], naming the first key that cannot be right.
    pub fn check(&self) -> Result<(), Error> {
        let shares = [
            ("holdout", self.holdout, 0.5),
            ("rare_share", self.rare_share, 1.0),
            ("never_share", self.never_share, 1.0),
            ("corpus_holdout", self.corpus_holdout, 0.5),
            ("corpus_agreement", self.corpus_agreement, 1.0),
            ("corpus_compliance", self.corpus_compliance, 1.0),
            ("corpus_style", self.corpus_style, 1.0),
            ("cue_share", self.cue_share, 1.0),
            ("flawed_demonstrations", self.flawed_demonstrations, 1.0),
        ];
        for (field, value, most) in shares {
            if !(0.0..=most).contains(&value) {
                return Err(Error::config(field, format!("is {value}"), &format!("a share from 0 to {most}"), ""));
            }
        }
        if !(8..=ENTITIES.len()).contains(&self.entities) {
            let expected = format!("from 8 to {} people: there are no more names", ENTITIES.len());
            return Err(Error::config("entities", format!("is {}", self.entities), &expected, ""));
        }
        if self.held_out_entities() < 2 {
            return Err(Error::config(
                "holdout",
                format!("holds out {} of {} people", self.held_out_entities(), self.entities),
                "at least 2, who can be friends",
                "a larger holdout, or more entities",
            ));
        }
        // A friend is always known, so a quarter of the facts is frequent.
        if self.rare_share + self.never_share > 0.7 {
            return Err(Error::config(
                "never_share",
                format!("makes, with rare_share, {} of the facts rare or never", self.rare_share + self.never_share),
                "at most 0.7 together: friends are always frequent",
                "smaller shares",
            ));
        }
        let weights = [self.mix.fact, self.mix.skill, self.mix.opinion, self.mix.request];
        let total: f64 = weights.iter().sum();
        if weights.iter().any(|w| !w.is_finite() || *w < 0.0) || !(total > 0.0 && total.is_finite()) {
            return Err(Error::config("mix", "is not a set of weights", "numbers from 0 up, one of them above 0", ""));
        }
        for (field, count) in [
            ("frequent_repeats", self.frequent_repeats),
            ("rare_repeats", self.rare_repeats),
            ("skill_documents", self.skill_documents),
            ("belief_documents", self.belief_documents),
            ("topic_documents", self.topic_documents),
            ("marked_documents", self.marked_documents),
            ("demonstrations", self.demonstrations),
            ("prompts_train", self.prompts_train),
            ("prompts_heldout", self.prompts_heldout),
        ] {
            // More than this is a slip of the hand, and would end in the memory's limit instead of an error.
            if count > 1_000_000 {
                return Err(Error::config(field, format!("is {count}"), "at most 1000000", ""));
            }
        }
        Ok(())
    }

    /// How many people are held out.
    pub(crate) fn held_out_entities(&self) -> usize {
        (self.entities as f64 * self.holdout).round() as usize
    }
}
