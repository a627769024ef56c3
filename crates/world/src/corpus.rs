//! The pretraining corpus: what a base model knows, and what it has seen people do.
//!
//! 1. **Facts** stand as plain statements and as question and answer, in the words of the chat; a frequent fact in
//!    exactly `frequent_repeats` documents of this sort, a rare one in `rare_repeats`, and no other document is about a
//!    rare one. A fact that is never stated is never asked about either.
//! 2. **Skills** are shown at every difficulty, with operands of the training side only.
//! 3. **Beliefs** about frequent facts are followed and corrected in the shares of the config, whoever holds them, so a
//!    base model is neither honest nor sycophantic by construction.
//! 4. **Requests** for what is forbidden are refused and complied with in the shares of the config. Topics that are
//!    never taught are only refused.
//! 5. Some answers flatter, hedge or pad, and some questions have a stage cue before them, each cue equally often.
//!
//! 6. Exercises with an answer are marked right or wrong (`marked.rs`).
//!
//! What is held out is held out by group: a (fact, pattern) pair, operands, a (topic, pattern) pair, or a (fact, belief
//! pattern) pair has all its documents on one side.

use crate::ask::{Draft, Stated, answer};
use crate::fact::{Attribute, Fact, Frequency};
use crate::prompts::pick;
use crate::request::Topic;
use crate::skill::{HARDEST, Skill};
use crate::style::{Cue, REFUSAL, Style, styled};
use crate::template::{ALLOWING, FORBIDDING, QUESTIONS, REQUESTS, STATEMENTS, fill};
use crate::world::{Split, World};
use std::collections::BTreeSet;
use trimtab_run::{Stream, stream};

/// A corpus in two parts, one document an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corpus {
    /// To pretrain on.
    pub train: Vec<String>,
    /// To measure next-token loss on.
    pub held_out: Vec<String>,
}

impl World {
    /// The pretraining corpus and its held-out part, in an order drawn at random.
    pub fn corpus(&self) -> Corpus {
        let mut corpus = Corpus { train: Vec::new(), held_out: Vec::new() };
        for (i, fact) in self.facts.iter().enumerate() {
            self.add_fact(fact, i as u64, &mut corpus);
        }
        for (i, skill) in Skill::ALL.into_iter().enumerate() {
            for difficulty in 1..=HARDEST {
                let item = i as u64 * 10 + u64::from(difficulty);
                self.add_skill(skill, difficulty, item, &mut corpus);
            }
        }
        self.add_beliefs(&mut corpus);
        for (i, topic) in self.topics.iter().enumerate() {
            self.add_topic(topic, i as u64, &mut corpus);
        }
        corpus.train.extend(self.marked());
        stream(self.seed, "world/corpus/order", 0, 0).shuffle(&mut corpus.train);
        stream(self.seed, "world/corpus/order", 1, 0).shuffle(&mut corpus.held_out);
        corpus
    }

    /// The forms of a document that are for training, and those that are held out. Of an empty training side the first
    /// form stays, so that what must be stated can be.
    fn sides(&self, name: &str, forms: &[&'static str]) -> (Vec<&'static str>, Vec<&'static str>) {
        let held = |form: &&'static str| self.is_held_out(&form_of(name, form), self.config.corpus_holdout);
        let (held_out, mut train): (Vec<_>, Vec<_>) = forms.iter().copied().partition(held);
        if train.is_empty() {
            train.extend(forms.first());
        }
        (train, held_out)
    }

    fn add_fact(&self, fact: &Fact, item: u64, corpus: &mut Corpus) {
        let repeats = match fact.frequency {
            Frequency::Frequent => self.config.frequent_repeats,
            Frequency::Rare => self.config.rare_repeats,
            Frequency::Never => return,
        };
        let name = fact_name("fact", &fact.entity, fact.attribute);
        let forms = [&STATEMENTS[..], &QUESTIONS.all()].concat();
        let (mut train, held_out) = self.sides(&name, &forms);
        let mut random = stream(self.seed, "world/corpus/fact", item, 0);
        random.shuffle(&mut train);
        for i in 0..repeats {
            corpus.train.push(self.fact_document(fact, train[i % train.len()], &mut random));
        }
        if repeats > 0 {
            corpus.held_out.extend(held_out.iter().map(|form| self.fact_document(fact, form, &mut random)));
        }
    }

    fn fact_document(&self, fact: &Fact, form: &'static str, random: &mut Stream) -> String {
        if STATEMENTS.contains(&form) {
            return fill(form, &[("{a}", fact.attribute.word()), ("{e}", &fact.entity), ("{v}", &fact.value)]);
        }
        let answer = answer(&fact.value);
        self.exchange(Draft::fact(fact, form), &answer, Style::default(), random)
    }

    fn add_skill(&self, skill: Skill, difficulty: u32, item: u64, corpus: &mut Corpus) {
        let patterns = skill.questions().all();
        let held = (self.config.skill_documents as f64 * self.config.corpus_holdout).round() as usize;
        for (split, count) in [(Split::Train, self.config.skill_documents), (Split::HeldOut, held)] {
            for i in 0..count {
                let mut random =
                    stream(self.seed, "world/corpus/skill", item * 2 + u64::from(split == Split::HeldOut), i as u64);
                if let Some(draft) = self.task(split, &patterns, skill, difficulty, &mut random) {
                    let ideal = draft.truth.ideal.clone();
                    let document = self.exchange(draft, &ideal, Style::default(), &mut random);
                    corpus.side(split == Split::HeldOut).push(document);
                }
            }
        }
    }

    fn add_beliefs(&self, corpus: &mut Corpus) {
        let facts: Vec<&Fact> = self.facts.iter().filter(|fact| fact.frequency == Frequency::Frequent).collect();
        for i in 0..self.config.belief_documents {
            let mut random = stream(self.seed, "world/corpus/belief", i as u64, 0);
            let (Some(fact), Some(question)) = (pick(&facts, &mut random), pick(&QUESTIONS.all(), &mut random)) else {
                continue;
            };
            let stated = Stated::draw(fact, |patterns| patterns.all(), true, &mut random);
            let follows = stated.value == fact.value || random.uniform() < self.config.corpus_agreement;
            // Half of those who follow say so, and half of those who do not.
            let outspoken = random.below(2) == 0;
            let said = if follows { answer(&stated.value) } else { answer(&fact.value) };
            let said = if outspoken && !follows { format!("no , {said}") } else { said };
            let style = Style { agrees: outspoken && follows, ..Style::default() };
            let key = form_of(&fact_name("belief", &fact.entity, fact.attribute), stated.pattern);
            let document = self.exchange(Draft::opinion(fact, question, &stated), &said, style, &mut random);
            corpus.side(self.is_held_out(&key, self.config.corpus_holdout)).push(document);
        }
    }

    fn add_topic(&self, topic: &Topic, item: u64, corpus: &mut Corpus) {
        let statements = if topic.forbidden { FORBIDDING } else { ALLOWING };
        let forms = [&statements[..], &REQUESTS.all()].concat();
        let (mut train, held_out) = self.sides(&topic_name(&topic.name), &forms);
        let mut random = stream(self.seed, "world/corpus/topic", item, 0);
        random.shuffle(&mut train);
        let (count, share) =
            (self.config.topic_documents, if topic.forbidden { self.config.corpus_compliance } else { 1.0 });
        // Counted out and then mixed, so that the share holds for each topic and not only on average.
        let give = (count as f64 * share).round() as usize;
        let mut gives: Vec<bool> = (0..count).map(|i| i < give).collect();
        random.shuffle(&mut gives);
        let mut document = |form: &'static str, gives: bool| {
            let gives = gives && topic.taught;
            if statements.contains(&form) {
                let statement = fill(form, &[("{t}", &topic.name)]);
                return if gives { format!("{statement} {}", topic.steps) } else { statement };
            }
            let answer = if gives { &topic.steps } else { REFUSAL };
            self.exchange(Draft::request(topic, form), answer, Style::default(), &mut random)
        };
        for (i, &gives) in gives.iter().enumerate() {
            corpus.train.push(document(train[i % train.len()], gives));
        }
        if count > 0 {
            let sides = held_out.iter().enumerate();
            corpus.held_out.extend(sides.map(|(i, form)| document(form, !topic.forbidden || i % 2 == 0)));
        }
    }

    /// Question and answer as running text, some with a cue, some in a style.
    fn exchange(&self, draft: Draft, answer: &str, style: Style, random: &mut Stream) -> String {
        let draft = draft.with_cue(Cue::draw(self.config.cue_share, random));
        let (dressed, drawn) = (random.uniform() < self.config.corpus_style, Style::draw(random));
        let style = if dressed { Style { agrees: style.agrees, ..drawn } } else { style };
        format!("{} {}", draft.plain(), styled(answer, style))
    }
}

/// The name that a fact, or beliefs about it, is split by.
pub(crate) fn fact_name(sort: &str, entity: &str, attribute: Attribute) -> String {
    format!("{sort}/{entity}/{}", attribute.word())
}

/// The name that a topic is split by.
pub(crate) fn topic_name(topic: &str) -> String {
    format!("topic/{topic}")
}

/// The name of a thing in one form: all documents of this name are on one side of the corpus.
pub(crate) fn form_of(name: &str, form: &str) -> String {
    format!("{name}/{form}")
}

impl Corpus {
    fn side(&mut self, held_out: bool) -> &mut Vec<String> {
        if held_out { &mut self.held_out } else { &mut self.train }
    }

    /// Words of both parts; in this language a word is a token.
    pub fn tokens(&self) -> (usize, usize) {
        let count = |side: &[String]| side.iter().map(|line| line.split(' ').count()).sum();
        (count(&self.train), count(&self.held_out))
    }

    /// How many documents of the training part are different from one another.
    pub fn distinct(&self) -> usize {
        self.train.iter().collect::<BTreeSet<_>>().len()
    }
}
