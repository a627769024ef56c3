//! Marked exercises: a question, somebody's answer, and whether it is right, as in a pupil's book.
//!
//! Half of the answers are right. A model that has read them can tell a right answer from a wrong one, as one that has
//! read corrections on the web can; without them a reward model of this size would have to learn that from comparisons
//! alone. Only what is frequent is marked, with operands of the training side, and no pair of a thing and a pattern that
//! is held out of the corpus.

use crate::ask::Draft;
use crate::corpus::{fact_name, form_of, topic_name};
use crate::fact::Frequency;
use crate::style::{Style, styled};
use crate::template::{RIGHT, WRONG};
use crate::truth::Kind;
use crate::world::{Split, World};
use trimtab_run::stream;

impl World {
    /// Marked exercises, as many as the config asks for, less those whose draw is held out.
    pub(crate) fn marked(&self) -> Vec<String> {
        let exercise = |i: usize| {
            let mut random = stream(self.seed, "world/corpus/marked", i as u64, 0);
            let held_out = random.uniform() < self.config.holdout;
            let kind = self.draw_kind(&mut random);
            let split = if held_out && kind != Kind::Skill { Split::HeldOut } else { Split::Train };
            let draft = self.draft(split, Some(kind), true, &mut random)?;
            if draft.truth.frequency == Some(Frequency::Rare) || self.is_held_out_of_corpus(&draft) {
                return None;
            }
            let right = random.below(2) == 0;
            let given = if right { draft.truth.ideal.clone() } else { self.wrong_answer(&draft, &mut random)? };
            let (dressed, drawn) = (random.uniform() < self.config.corpus_style, Style::draw(&mut random));
            let given = if dressed { styled(&given, drawn) } else { given };
            Some(format!("{} {given} {}", draft.plain(), if right { RIGHT } else { WRONG }))
        };
        (0..self.config.marked_documents).filter_map(exercise).collect()
    }

    /// Whether documents of this thing with this pattern are on the held-out side of the corpus.
    fn is_held_out_of_corpus(&self, draft: &Draft) -> bool {
        let truth = &draft.truth;
        let pattern = truth.patterns.first().map_or("", String::as_str);
        let of_fact = |sort: &str| Some(fact_name(sort, truth.entity.as_ref()?, truth.attribute?));
        let name = match truth.kind {
            Kind::Fact => of_fact("fact"),
            Kind::Opinion => of_fact("belief"),
            Kind::Request => truth.topic.as_deref().map(topic_name),
            Kind::Skill => None,
        };
        name.is_some_and(|name| self.is_held_out(&form_of(&name, pattern), self.config.corpus_holdout))
    }
}
