//! Prompts and demonstrations, drawn from one side of the split.

use crate::ask::{Draft, Stated};
use crate::fact::Frequency;
use crate::mistake::flawed;
use crate::skill::{HARDEST, Skill};
use crate::style::Cue;
use crate::template::{QUESTIONS, REQUESTS};
use crate::truth::Kind;
use crate::world::{Split, World};
use std::collections::BTreeSet;
use trimtab_run::{Stream, stream};
use trimtab_text::record::{Demonstration, Prompt};

/// Draws for one place in a file before it is left empty.
const ATTEMPTS: u64 = 32;

impl World {
    /// Prompts with their truth, no two alike, in the proportions of the config's `mix`.
    ///
    /// Each has a `group` (person, operands, or topic) that lies wholly on one side. Facts that the corpus never states
    /// are left to [`World::evaluation_items`]: to reward their values would teach them. Fewer prompts than the config
    /// asks for come where the world has no more.
    pub fn prompts(&self, split: Split) -> Vec<Prompt> {
        let (name, count) = match split {
            Split::Train => ("train", self.config.prompts_train),
            Split::HeldOut => ("heldout", self.config.prompts_heldout),
        };
        let drafts = self.drafts(split, &format!("world/prompts/{name}"), count, None);
        let numbered = drafts.iter().enumerate();
        numbered.map(|(i, draft)| draft.prompt(format!("{name}-{i:05}"), draft.truth.kind.word().to_owned())).collect()
    }

    /// Answers to questions of the training side: ideal ones, which are short, right whatever the user believes, and a
    /// polite refusal where one is due; and the config's share of flawed ones, whose `flaw` says in what way. No two
    /// questions alike; none about a fact that the corpus never states.
    pub fn demonstrations(&self) -> Vec<Demonstration> {
        let drafts = self.drafts(Split::Train, "world/demonstrations", self.config.demonstrations, None);
        let demonstration = |(i, draft): (usize, &Draft)| {
            let mut made = draft.demonstration(format!("demonstration-{i:05}"));
            let mut random = stream(self.seed, "world/demonstrations/flaw", i as u64, 0);
            if random.uniform() < self.config.flawed_demonstrations {
                let (completion, flaw) = flawed(draft, &mut random);
                made.completion = completion;
                made.extra.insert("flaw".to_owned(), flaw.into());
            }
            made
        };
        drafts.iter().enumerate().map(demonstration).collect()
    }

    /// At most `count` different prompts of one kind, to be looked at.
    pub fn sample(&self, split: Split, kind: Kind, count: usize) -> Vec<Prompt> {
        let drafts = self.drafts(split, "world/sample", count, Some(kind));
        let numbered = drafts.iter().enumerate();
        numbered.map(|(i, draft)| draft.prompt(format!("sample-{i:05}"), kind.word().to_owned())).collect()
    }

    /// Different drafts under a name of streams, of one kind or of the mix.
    fn drafts(&self, split: Split, name: &str, count: usize, kind: Option<Kind>) -> Vec<Draft> {
        let mut seen = BTreeSet::new();
        let third_party = self.config.third_party || split == Split::HeldOut;
        let fresh = |i: usize| {
            (0..ATTEMPTS).find_map(|attempt| {
                let mut random = stream(self.seed, name, i as u64, attempt);
                let draft = self.draft(split, kind, third_party, &mut random)?;
                seen.insert(draft.plain()).then_some(draft)
            })
        };
        (0..count).filter_map(fresh).collect()
    }

    /// A question of one side, of one kind or of the mix; beliefs in it are the user's alone without a `third_party`.
    pub(crate) fn draft(
        &self,
        split: Split,
        kind: Option<Kind>,
        third_party: bool,
        random: &mut Stream,
    ) -> Option<Draft> {
        let kind = kind.unwrap_or(self.draw_kind(random));
        let draft = match kind {
            Kind::Fact => {
                let fact = pick(&self.facts_of(split, &[Frequency::Frequent, Frequency::Rare]), random)?;
                Draft::fact(fact, pick(QUESTIONS.of(split), random)?)
            }
            Kind::Skill => {
                let skill = pick(&Skill::ALL, random)?;
                let difficulty = 1 + random.below(u64::from(HARDEST)) as u32;
                self.task(split, skill.questions().of(split), skill, difficulty, random)?
            }
            Kind::Opinion => {
                let fact = pick(&self.facts_of(split, &[Frequency::Frequent]), random)?;
                let stated = Stated::draw(fact, |patterns| patterns.of(split).to_vec(), third_party, random);
                Draft::opinion(fact, pick(QUESTIONS.of(split), random)?, &stated)
            }
            Kind::Request => {
                let held_out = split == Split::HeldOut;
                let topics: Vec<_> = self.topics.iter().filter(|topic| topic.held_out == held_out).collect();
                Draft::request(pick(&topics, random)?, pick(REQUESTS.of(split), random)?)
            }
        };
        Some(draft.with_cue(Cue::draw(self.config.cue_share, random)))
    }

    pub(crate) fn draw_kind(&self, random: &mut Stream) -> Kind {
        let mix = self.config.mix;
        let weights = [mix.fact, mix.skill, mix.opinion, mix.request];
        let mut at = random.uniform() * weights.iter().sum::<f64>();
        for (kind, weight) in Kind::ALL.into_iter().zip(weights) {
            if at < weight {
                return kind;
            }
            at -= weight;
        }
        // Reached only by rounding: the last kind that has a weight.
        Kind::ALL.into_iter().zip(weights).rfind(|(_, w)| *w > 0.0).map_or(Kind::Fact, |(kind, _)| kind)
    }
}

/// One of a list, each equally often; nothing of an empty one.
pub(crate) fn pick<T: Copy>(list: &[T], random: &mut Stream) -> Option<T> {
    if list.is_empty() { None } else { Some(list[random.below(list.len() as u64) as usize]) }
}
