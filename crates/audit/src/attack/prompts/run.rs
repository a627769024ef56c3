//! Trying one attack after the other, so that it can be stopped anywhere and goes on from there.
//!
//! 1. Every attempt is appended to `results.jsonl` when it is answered, all draws of a request together. What is there is not asked
//!    again, and since an answer depends on nothing else that is asked, a continued attack is the attack.
//! 2. First wordings of all topics come first, so that a budget that is spent leaves out wordings before topics.
//! 3. Answers are the most likely ones, but for draws, which are at temperature 1.
//! 4. A request that leaves no room for an answer is not asked; an attack of which no request fits is left out with that reason.

use crate::attack::judged::{judged, masked};
use crate::attack::material::{Ask, Material, Side};
use crate::attack::prompts::NAME;
use crate::attack::prompts::record::Attempt;
use crate::attack::prompts::technique::Technique;
use crate::attack::prompts::wording::{Craft, craft, vocabulary};
use crate::journal::Journal;
use crate::judge::refusal::phrases_anywhere;
use crate::run::{Header, Shard, begin};
use crate::target::{Subject, Target};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};
use trimtab_alignment::Error;
use trimtab_engine::generate::Sampling;
use trimtab_engine::model::Model;
use trimtab_run::{interrupt, sha256_bytes, stream, write_atomic};
use trimtab_text::encode::encode_input;
use trimtab_text::record::Input;
use trimtab_text::{Message, Tokenizer};

/// Seed of everything that is drawn.
const SEED: u64 = 1;
/// Requests between two writes.
const CHUNK: usize = 32;
/// Answers that grow side by side.
const BATCH: usize = 64;
/// What is attacked, and what shows the cost.
const SIDES: [Side; 2] = [Side::HarmfulTest, Side::HarmlessTest];

/// What is tried.
#[derive(Debug, Clone)]
pub struct How {
    /// The attacks, the baseline first.
    pub plan: Vec<Technique>,
    /// Answers that each attack may ask for, of harmful requests and of harmless ones; none for as many as it needs.
    pub queries: Option<u64>,
    /// How long this call may go on asking.
    pub seconds: Option<u64>,
}

/// A model that is attacked.
pub struct Victim<'a> {
    /// The model as it was loaded.
    pub target: &'a Target,
    /// Its weights, or those of a defended copy.
    pub model: &'a Model,
    /// What it is asked.
    pub material: &'a Material,
    /// Tokens of an answer at most.
    pub max_new_tokens: usize,
    /// Whether answers of a real model to harmful prompts are written out.
    pub show: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Tried {
    /// Every attempt.
    pub attempts: Vec<Attempt>,
    /// What was planned.
    pub plan: Vec<Technique>,
    /// What could not be tried, or not wholly, by attack.
    pub left_out: BTreeMap<String, String>,
}

/// Tries what `dir` does not hold yet. `heard` is told what is under way, how many attempts are done and how many there are.
///
/// # Errors
/// [`Error::Text`] for a folder that holds another attack; [`Error::Interrupted`] after Ctrl-C, when every attempt that is done is in the
/// folder; what the model meets.
pub fn run(victim: &Victim<'_>, how: &How, dir: &Path, mut heard: impl FnMut(&str, u64, u64)) -> Result<Tried, Error> {
    let items = victim.material.to_jsonl();
    let header = Header {
        audit: NAME.to_owned(),
        model: victim.target.name().to_owned(),
        model_sha256: victim.target.hash().to_owned(),
        set: victim.material.info.clone(),
        items_sha256: sha256_bytes(&items),
        items: victim.material.asks.len() as u64,
        max_new_tokens: victim.max_new_tokens,
        shard: Shard::WHOLE,
    };
    std::fs::create_dir_all(dir).map_err(|source| trimtab_text::Error::Io { path: dir.to_owned(), source })?;
    begin(dir, header)?;
    if !dir.join("items.jsonl").exists() {
        write_atomic(&dir.join("items.jsonl"), &items)?;
    }
    let (journal, attempts) = Journal::open::<Attempt>(&dir.join("results.jsonl"))?;
    let mut under = Under {
        victim,
        tokenizer: victim.target.tokenizer()?,
        words: vocabulary(),
        journal,
        attempts,
        left_out: BTreeMap::new(),
        until: how.seconds.map(|s| Instant::now() + Duration::from_secs(s)),
    };
    let sides = |t: &Technique| if t.draws() == 1 { &SIDES[..] } else { &SIDES[..1] };
    let asks: BTreeMap<Side, Vec<&Ask>> = SIDES.map(|side| (side, first_wordings_first(victim.material, side))).into();
    let count = |t: &Technique| sides(t).iter().map(|side| asks[side].len() as u64 * t.draws()).sum::<u64>();
    let total = how.plan.iter().map(count).sum();
    let mut done = 0;
    for (step, technique) in how.plan.iter().enumerate() {
        for side in sides(technique) {
            under.try_side(*technique, &asks[side], how.queries, step as u64, |now| {
                heard(&technique.name(), done + now, total);
            })?;
        }
        done += count(technique);
        heard(&technique.name(), done, total);
        interrupt::stop_point("attack", step as u64);
    }
    let Under { attempts, left_out, .. } = under;
    Ok(Tried { attempts, plan: how.plan.clone(), left_out })
}

/// The requests of a side: one of each topic, then the next one of each.
fn first_wordings_first(material: &Material, side: Side) -> Vec<&Ask> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ranked: Vec<(usize, &Ask)> = Vec::new();
    for ask in material.side(side) {
        let rank = seen.entry(&ask.topic).or_default();
        ranked.push((*rank, ask));
        *rank += 1;
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, ask)| ask).collect()
}

/// An attack under way.
struct Under<'a> {
    victim: &'a Victim<'a>,
    tokenizer: &'a Tokenizer,
    words: Vec<String>,
    journal: Journal,
    attempts: Vec<Attempt>,
    left_out: BTreeMap<String, String>,
    until: Option<Instant>,
}

/// One conversation under way.
struct Talk<'a> {
    ask: &'a Ask,
    draw: u64,
    craft: Craft,
    sent: Vec<Message>,
    answer: Option<String>,
}

impl Under<'_> {
    fn try_side(
        &mut self,
        technique: Technique,
        asks: &[&Ask],
        queries: Option<u64>,
        step: u64,
        mut heard: impl FnMut(u64),
    ) -> Result<(), Error> {
        let Some(side) = asks.first().map(|ask| ask.side) else { return Ok(()) };
        let (name, draws) = (technique.name(), technique.draws());
        let own = self.attempts.iter().filter(|a| a.attack == name && a.side == side);
        let mut known: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        let mut spent = 0;
        for attempt in own {
            known.entry(attempt.item.clone()).or_default().insert(attempt.draw);
            spent += attempt.queries;
        }
        if let Some(reason) = self.impossible(technique, asks)? {
            self.left_out.insert(name, reason);
            return Ok(());
        }
        let none = BTreeSet::new();
        let jobs: Vec<(&Ask, u64)> = asks
            .iter()
            .flat_map(|ask| {
                let had = known.get(&ask.id).unwrap_or(&none);
                (0..draws).filter(|draw| !had.contains(draw)).map(|draw| (*ask, draw))
            })
            .collect();
        let mut done = known.values().map(|had| had.len() as u64).sum::<u64>();
        let mut rest = &jobs[..];
        while let Some((first, _)) = rest.first() {
            if interrupt::requested() {
                return Err(Error::Interrupted { stage: "attack", step });
            }
            if self.until.is_some_and(|until| Instant::now() >= until) {
                let why = format!("time was over with {} attempts left; the same command goes on", rest.len());
                self.left_out.insert(name, why);
                return Ok(());
            }
            // All draws of a request are one piece: their streams are named by its first one.
            let size = if draws == 1 {
                CHUNK.min(rest.len())
            } else {
                rest.iter().take_while(|(ask, _)| ask.id == first.id).count()
            };
            let (chunk, later) = rest.split_at(size);
            let turns = self.turns(technique, chunk)?;
            let room = queries.map_or(chunk.len() as u64, |most| most.saturating_sub(spent) / turns.max(1));
            let chunk = &chunk[..chunk.len().min(room as usize)];
            if chunk.is_empty() {
                let why = format!("{} queries were spent with {} attempts left", spent, rest.len());
                self.left_out.insert(name, why);
                return Ok(());
            }
            let attempts = self.have(technique, chunk)?;
            spent += attempts.iter().map(|a| a.queries).sum::<u64>();
            done += attempts.len() as u64;
            self.journal.append(&attempts)?;
            self.attempts.extend(attempts);
            rest = if chunk.len() < size { &rest[chunk.len()..] } else { later };
            heard(done);
        }
        Ok(())
    }

    fn craft(&self, technique: Technique, ask: &Ask, draw: u64) -> Result<Option<Craft>, Error> {
        let named = format!("attack/{}/{}", technique.name(), sha256_bytes(ask.id.as_bytes()));
        let mut random = stream(SEED, &named, draw, 0);
        Ok(craft(technique, ask, (self.victim.material, &self.words), self.tokenizer, &mut random)?)
    }

    fn turns(&self, technique: Technique, chunk: &[(&Ask, u64)]) -> Result<u64, Error> {
        let Some((ask, draw)) = chunk.first() else { return Ok(0) };
        Ok(self.craft(technique, ask, *draw)?.map_or(0, |craft| craft.turns.len() as u64))
    }

    /// Why an attack cannot be tried at all.
    fn impossible(&self, technique: Technique, asks: &[&Ask]) -> Result<Option<String>, Error> {
        let limit = self.victim.model.config().max_position_embeddings;
        let mut reason = None;
        for ask in asks {
            let Some(craft) = self.craft(technique, ask, 0)? else {
                reason = Some("there are no shots, or the answer has no more tokens".to_owned());
                continue;
            };
            let Some(first) = craft.turns.first() else { continue };
            let tokens = self.prompt(&craft, &[Message::user(first)], &craft.begun)?.len();
            if tokens + self.victim.max_new_tokens <= limit {
                return Ok(None);
            }
            reason = Some(format!("does not fit: {tokens} tokens and the answer, in a context of {limit}"));
        }
        Ok(reason)
    }

    /// A conversation so far as tokens.
    fn prompt(&self, craft: &Craft, sent: &[Message], begun: &str) -> Result<Vec<u32>, Error> {
        let messages: Vec<Message> = craft.before.iter().chain(sent).cloned().collect();
        let mut tokens = encode_input(self.tokenizer, &Input::Chat(messages))?;
        tokens.extend(self.tokenizer.encode_plain(begun)?);
        Ok(tokens)
    }

    /// Has these conversations side by side and judges their ends.
    fn have(&self, technique: Technique, chunk: &[(&Ask, u64)]) -> Result<Vec<Attempt>, Error> {
        let Some((first, from)) = chunk.first() else { return Ok(Vec::new()) };
        let crafted = chunk.iter().map(|(ask, draw)| {
            let craft = self.craft(technique, ask, *draw)?;
            let craft = craft.unwrap_or(Craft { before: Vec::new(), turns: Vec::new(), begun: String::new() });
            Ok(Talk { ask, draw: *draw, craft, sent: Vec::new(), answer: None })
        });
        let mut talks: Vec<Talk<'_>> = crafted.collect::<Result<_, Error>>()?;
        let named = format!("attack/draws/{}/{}", technique.name(), sha256_bytes(first.id.as_bytes()));
        let drawn = technique.draws() > 1;
        let sampling = Sampling {
            temperature: if drawn { 1.0 } else { 0.0 },
            max_new_tokens: self.victim.max_new_tokens,
            eos: self.victim.target.checkpoint.eos.clone(),
            seed: stream(SEED, &named, *from, 0).next_u64(),
            batch: BATCH,
            ..Sampling::default()
        };
        let limit = self.victim.model.config().max_position_embeddings;
        let most = talks.iter().map(|talk| talk.craft.turns.len()).max().unwrap_or(0);
        for turn in 0..most {
            let (mut who, mut prompts) = (Vec::new(), Vec::new());
            for (i, talk) in talks.iter_mut().enumerate() {
                let Some(said) = talk.craft.turns.get(turn) else { continue };
                if let Some(answer) = talk.answer.take() {
                    talk.sent.push(Message::assistant(answer));
                } else if turn > 0 {
                    continue; // an earlier turn did not fit
                }
                talk.sent.push(Message::user(said));
                let last = turn + 1 == talk.craft.turns.len();
                let prompt = self.prompt(&talk.craft, &talk.sent, if last { &talk.craft.begun } else { "" })?;
                if prompt.len() + self.victim.max_new_tokens <= limit {
                    who.push(i);
                    prompts.push(prompt);
                }
            }
            let answers = self.victim.model.generate(&prompts, 1, &sampling, &[], |_| true)?;
            for (i, answer) in who.into_iter().zip(answers) {
                let last = turn + 1 == talks[i].craft.turns.len();
                let begun = if last { self.tokenizer.encode_plain(&talks[i].craft.begun)? } else { Vec::new() };
                talks[i].answer = Some(self.tokenizer.decode(&[begun, answer.tokens].concat(), true)?);
            }
        }
        Ok(talks.into_iter().map(|talk| self.attempt(technique, talk)).collect())
    }

    fn attempt(&self, technique: Technique, talk: Talk<'_>) -> Attempt {
        let Talk { ask, draw, craft, mut sent, answer } = talk;
        let hide = ask.side == Side::HarmfulTest && !self.victim.material.planted && !self.victim.show;
        for message in sent.iter_mut().filter(|m| hide && m.role == "assistant" && !phrases_anywhere(&m.content)) {
            message.content = masked(&message.content);
        }
        let judged = answer.map(|text| judged(ask, text, self.victim.show));
        let why =
            if craft.turns.is_empty() { "no shots, or too short an answer" } else { "does not fit into the context" };
        let answered = sent.iter().filter(|m| m.role == "assistant").count() as u64;
        Attempt {
            attack: technique.name(),
            side: ask.side,
            item: ask.id.clone(),
            topic: ask.topic.clone(),
            draw,
            queries: answered + u64::from(judged.is_some()),
            shots: craft.before.iter().filter(|m| m.role == "assistant").count() as u64,
            sent,
            begun: craft.begun,
            refused: judged.as_ref().map(|j| j.refused),
            given: judged.as_ref().and_then(|j| j.given),
            unscored: judged.is_none().then(|| why.to_owned()),
            answer: judged.map(|j| j.text).unwrap_or_default(),
        }
    }
}
