//! The evaluation set: held-out prompts, as many in every cell.

use crate::ask::{Draft, Stated, wrong_value};
use crate::fact::{Fact, Frequency};
use crate::lexicon::HOLDERS;
use crate::request::Topic;
use crate::skill::{HARDEST, Skill};
use crate::template::{FIRST_PERSON, QUESTIONS, REQUESTS, THIRD_PERSON};
use crate::truth::Holder;
use crate::world::{Split, World};
use std::collections::BTreeSet;
use trimtab_run::stream;
use trimtab_text::record::Prompt;

impl World {
    /// Held-out prompts, `n_per_cell` in each cell, no two alike and none with a cue; fewer in a cell where the world has
    /// no more. A prompt's first tag names its cell:
    ///
    /// - `fact/frequent`, `fact/rare`, `fact/never`;
    /// - `skill/NAME/D` for each skill and each difficulty D from 1 to 5;
    /// - `opinion/neutral`, `opinion/wrong_user`, `opinion/right_user`, `opinion/wrong_third`: the same facts, questions
    ///   and (where wrong) values in each arm. The field `pair` holds the number of the fact in its arm;
    /// - `request/forbidden`, `request/fine`, `request/never_taught`.
    pub fn evaluation_items(&self, n_per_cell: usize) -> Vec<Prompt> {
        let mut prompts = Vec::new();
        for frequency in Frequency::ALL {
            let cell = format!("fact/{}", frequency.word());
            let asked = self.questions(frequency, &cell);
            let drafts = asked.into_iter().take(n_per_cell).map(|(fact, pattern)| Draft::fact(fact, pattern));
            numbered(&cell, drafts, &mut prompts);
        }
        for skill in Skill::ALL {
            for difficulty in 1..=HARDEST {
                let cell = format!("skill/{}/{difficulty}", skill.word());
                let drafts = self.tasks(skill, difficulty, &cell, n_per_cell);
                numbered(&cell, drafts.into_iter(), &mut prompts);
            }
        }
        self.opinions(n_per_cell, &mut prompts);
        for (name, forbidden, taught) in
            [("forbidden", true, true), ("fine", false, true), ("never_taught", true, false)]
        {
            let cell = format!("request/{name}");
            let topics = self.topics.iter().filter(|t| t.held_out && t.forbidden == forbidden && t.taught == taught);
            let mut asked: Vec<(&Topic, &'static str)> =
                topics.flat_map(|topic| REQUESTS.held_out.iter().map(move |pattern| (topic, *pattern))).collect();
            stream(self.seed, &format!("world/evaluation/{cell}"), 0, 0).shuffle(&mut asked);
            let drafts = asked.into_iter().take(n_per_cell).map(|(topic, pattern)| Draft::request(topic, pattern));
            numbered(&cell, drafts, &mut prompts);
        }
        prompts
    }

    /// Every held-out question about a held-out fact of this frequency, in an order drawn at random.
    fn questions(&self, frequency: Frequency, cell: &str) -> Vec<(&Fact, &'static str)> {
        let facts = self.facts_of(Split::HeldOut, &[frequency]);
        let mut asked: Vec<_> =
            facts.into_iter().flat_map(|fact| QUESTIONS.held_out.iter().map(move |p| (fact, *p))).collect();
        stream(self.seed, &format!("world/evaluation/{cell}"), 0, 0).shuffle(&mut asked);
        asked
    }

    fn tasks(&self, skill: Skill, difficulty: u32, cell: &str, count: usize) -> Vec<Draft> {
        let mut random = stream(self.seed, &format!("world/evaluation/{cell}"), 0, 0);
        let (mut drafts, mut seen) = (Vec::new(), BTreeSet::new());
        // Twenty draws for each item asked for: a small cell is then emptied, and a large one never waits.
        for _ in 0..count.saturating_mul(20) {
            if drafts.len() == count {
                break;
            }
            let patterns = skill.questions().held_out;
            if let Some(draft) = self.task(Split::HeldOut, patterns, skill, difficulty, &mut random)
                && seen.insert(draft.text.clone())
            {
                drafts.push(draft);
            }
        }
        drafts
    }

    fn opinions(&self, count: usize, prompts: &mut Vec<Prompt>) {
        let arms: [(&str, Option<(Holder, bool)>); 4] = [
            ("neutral", None),
            ("wrong_user", Some((Holder::User, false))),
            ("right_user", Some((Holder::User, true))),
            ("wrong_third", Some((Holder::ThirdParty, false))),
        ];
        let asked = self.questions(Frequency::Frequent, "opinion");
        for (arm, belief) in arms {
            let cell = format!("opinion/{arm}");
            let drafts = asked.iter().take(count).enumerate().map(|(i, &(fact, question))| {
                // One stream for all arms of an item, so that they state the same wrong value.
                let mut random = stream(self.seed, "world/evaluation/belief", i as u64, 0);
                let wrong = wrong_value(fact, &mut random);
                let person = HOLDERS[random.below(HOLDERS.len() as u64) as usize];
                let Some((holder, right)) = belief else { return Draft::fact(fact, question) };
                let patterns = if holder == Holder::User { FIRST_PERSON } else { THIRD_PERSON };
                let value = if right { fact.value.clone() } else { wrong };
                let pattern = patterns.held_out[i % patterns.held_out.len()];
                Draft::opinion(fact, question, &Stated { value, holder, person, pattern })
            });
            let start = prompts.len();
            numbered(&cell, drafts, prompts);
            for (i, prompt) in prompts[start..].iter_mut().enumerate() {
                prompt.extra.insert("pair".into(), i.into());
            }
        }
    }
}

fn numbered(cell: &str, drafts: impl Iterator<Item = Draft>, prompts: &mut Vec<Prompt>) {
    prompts.extend(drafts.enumerate().map(|(i, draft)| draft.prompt(format!("{cell}/{i:04}"), cell.to_owned())));
}
