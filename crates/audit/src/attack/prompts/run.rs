//! Trying one attack after the other, so that it can be stopped anywhere and goes on from there.
//!
//! 1. Every attempt is appended to `results.jsonl` when it is answered, all draws of a request together. What is there is not asked
//!    again, and since an answer depends on nothing else that is asked, a continued attack is the attack.
//! 2. First wordings of all topics come first, so that a budget that is spent leaves out wordings before topics.
//! 3. Answers are the most likely ones, but for draws, which are at temperature 1.
//! 4. Suffixes are found before they are said, each a line of `suffixes.jsonl`; Ctrl-C loses the one that is looked for.
//! 5. A request that leaves no room for an answer is not asked; an attack of which no request fits is left out with that reason.

use crate::attack::judged::{Judged, judged, masked};
use crate::attack::material::{Ask, Material, Side};
use crate::attack::prompts::NAME;
use crate::attack::prompts::defence::Shield;
use crate::attack::prompts::gcg::Gcg;
use crate::attack::prompts::record::Attempt;
use crate::attack::prompts::refine::{Reply, Tree, refine};
use crate::attack::prompts::suffix::{self, Finder, Found, allowed, joined};
use crate::attack::prompts::technique::Technique;
use crate::attack::prompts::wording::{Craft, craft, request, vocabulary};
use crate::journal::Journal;
use crate::judge::refusal::phrases_anywhere;
use crate::run::{Header, Shard, begin, problem};
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
/// What is attacked, and what shows the cost; facts are asked as they are alone.
const SIDES: [Side; 3] = [Side::HarmfulTest, Side::HarmlessTest, Side::Retained];

/// What is tried.
#[derive(Debug, Clone)]
pub struct How {
    /// The attacks, the baseline first.
    pub plan: Vec<Technique>,
    /// Answers that each attack may ask for, of harmful requests and of harmless ones; none for as many as it needs.
    pub queries: Option<u64>,
    /// How long this call may go on asking.
    pub seconds: Option<u64>,
    /// How suffixes are looked for, and how many tokens they have.
    pub gcg: (Gcg, usize),
    /// How many prompts an attacker's model writes.
    pub tree: Tree,
}

/// A model that is attacked.
pub struct Victim<'a> {
    /// The model as it was loaded.
    pub target: &'a Target,
    /// What defends it; nothing by default.
    pub shield: &'a Shield,
    /// What it is asked.
    pub material: &'a Material,
    /// Tokens of an answer at most.
    pub max_new_tokens: usize,
    /// Whether answers of a real model to harmful prompts are written out.
    pub show: bool,
    /// Suffixes that were found on another model, instead of its own.
    pub transferred: Option<&'a [Found]>,
    /// A model that writes prompts against it.
    pub attacker: Option<&'a dyn Subject>,
}

impl<'a> Victim<'a> {
    /// Its weights, or those of a defended copy.
    fn model(&self) -> &'a Model {
        self.shield.model.as_ref().unwrap_or_else(|| self.target.model())
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Tried {
    /// Every attempt.
    pub attempts: Vec<Attempt>,
    /// What was planned.
    pub plan: Vec<Technique>,
    /// Suffixes that were found.
    pub suffixes: Vec<Found>,
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
    let mut set = victim.material.info.clone();
    if let Some(given) = victim.transferred {
        // Other suffixes are another attack.
        let texts: Vec<&str> = given.iter().map(|s| s.text.as_str()).collect();
        set.source = format!("{}, suffixes {}", set.source, sha256_bytes(texts.join("\n").as_bytes()));
    }
    let header = Header {
        audit: NAME.to_owned(),
        model: victim.target.name().to_owned(),
        model_sha256: victim.target.hash().to_owned(),
        set,
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
    let (mut found, mut suffixes) = Journal::open::<Found>(&dir.join("suffixes.jsonl"))?;
    if let Some(given) = victim.transferred {
        suffixes = given.to_vec();
    }
    if suffixes.iter().any(|s| s.by != how.gcg.0) {
        let expected = "suffixes that were looked for as this command does: the same --steps and --width";
        let hint = "another folder with --out, or remove this one";
        return Err(problem(&dir.join("suffixes.jsonl"), "has suffixes of another search", expected, hint).into());
    }
    let by = victim.attacker.map(|attacker| written_by(attacker, how.tree));
    if attempts.iter().any(|a| a.by.is_some() && by.is_some() && a.by != by) {
        let expected = "prompts that were written as this command has them written: the same --attacker, --streams, --depth and --branching";
        let hint = "another folder with --out, or remove this one";
        return Err(problem(&dir.join("results.jsonl"), "has prompts of another attacker", expected, hint).into());
    }
    let tokenizer = victim.target.tokenizer()?;
    let mut under = Under {
        victim,
        tokenizer,
        words: vocabulary(),
        journal,
        attempts,
        suffixes,
        allowed: allowed(tokenizer, victim.model().config().vocab_size.min(tokenizer.vocab_size())),
        length: how.gcg.1,
        tree: how.tree,
        by,
        left_out: BTreeMap::new(),
        until: how.seconds.map(|s| Instant::now() + Duration::from_secs(s)),
    };
    // A topic's own suffix says nothing about other topics, draws nothing about one answer, and an attacker is told to get refusals
    // answered.
    let sides = |t: &Technique| match t {
        Technique::Direct => &SIDES[..],
        Technique::Gcg => &SIDES[..1],
        t if t.draws() > 1 || t.is_written() => &SIDES[..1],
        _ => &SIDES[..2],
    };
    let asks: BTreeMap<Side, Vec<&Ask>> = SIDES.map(|side| (side, first_wordings_first(victim.material, side))).into();
    let count = |t: &Technique| sides(t).iter().map(|side| asks[side].len() as u64 * t.draws()).sum::<u64>();
    let total = how.plan.iter().map(count).sum();
    let mut done = 0;
    for (step, technique) in how.plan.iter().enumerate() {
        if matches!(technique, Technique::Gcg | Technique::GcgUniversal) && victim.transferred.is_none() {
            let asks = &asks[&Side::HarmfulTest];
            under.find_suffixes(*technique, asks, how, &mut found, |what| heard(what, done, total))?;
        }
        for side in sides(technique) {
            under.try_side(*technique, &asks[side], how.queries, step as u64, |now| {
                heard(&technique.name(), done + now, total);
            })?;
        }
        done += count(technique);
        heard(&technique.name(), done, total);
        interrupt::stop_point("attack", step as u64);
    }
    let Under { attempts, suffixes, left_out, .. } = under;
    Ok(Tried { attempts, plan: how.plan.clone(), suffixes, left_out })
}

/// An attacker as records name it.
fn written_by(attacker: &dyn Subject, tree: Tree) -> String {
    let hash: String = attacker.hash().chars().take(12).collect();
    let Tree { streams, depth, branching } = tree;
    format!("{} ({hash}), {streams} prompts on {depth} levels, {branching} after each", attacker.name())
}

/// What is written where a guard answers in the model's place.
const REFUSED_BY_GUARD: &str = "[refused by the guard]";

fn guarded_reply(ask: &Ask) -> Judged {
    Judged { refused: true, given: ask.truth.as_ref().map(|_| false), text: REFUSED_BY_GUARD.to_owned() }
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
    suffixes: Vec<Found>,
    allowed: Vec<u32>,
    length: usize,
    tree: Tree,
    by: Option<String>,
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
    guarded: bool,
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
            self.left_out.entry(name).or_insert(reason);
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
            let size = if technique.is_written() {
                // Each is worth keeping: it is many answers of two models.
                1
            } else if draws == 1 {
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
            let attempts = match (self.victim.attacker, chunk) {
                (Some(attacker), [(ask, _)]) if technique.is_written() => vec![self.written(technique, ask, attacker)?],
                _ => self.have(technique, chunk)?,
            };
            if technique.is_written() && interrupt::requested() {
                // What Ctrl-C cut short is no attempt: it would not be asked again.
                return Err(Error::Interrupted { stage: "attack", step });
            }
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
        let crafted = craft(technique, ask, (self.victim.material, &self.words), self.tokenizer, &mut random)?;
        let Some(mut crafted) = crafted else { return Ok(None) };
        let suffix = match technique {
            Technique::Gcg | Technique::GcgUniversal => {
                let name = technique.name();
                let own =
                    self.suffixes.iter().find(|s| s.attack == name && (s.topic.is_empty() || s.topic == ask.topic));
                let Some(own) = own else { return Ok(None) };
                own.text.clone()
            }
            Technique::RandomSuffix => suffix::random(self.tokenizer, &self.allowed, self.length, &mut random)?,
            _ => return Ok(Some(crafted)),
        };
        crafted.turns = vec![joined(&request(ask), &suffix)];
        Ok(Some(crafted))
    }

    /// Finds the suffixes that an attack needs and that are not known yet.
    fn find_suffixes(
        &mut self,
        technique: Technique,
        asks: &[&Ask],
        how: &How,
        journal: &mut Journal,
        mut heard: impl FnMut(&str),
    ) -> Result<(), Error> {
        let name = technique.name();
        let wanted = Finder::wanted(self.victim.material, technique, asks);
        let (gcg, length) = how.gcg;
        // A budget is spread over all suffixes; a step scores as many as it is wide.
        let each = how.queries.map_or(u64::MAX, |most| most / wanted.len().max(1) as u64);
        let steps = (each / gcg.width.max(1) as u64).min(gcg.steps as u64) as usize;
        if steps == 0 {
            let why =
                format!("a step scores {} suffixes, and the budget has {each} for each of {}", gcg.width, wanted.len());
            self.left_out.insert(name, why);
            return Ok(());
        }
        let (model, material) = (self.victim.model(), self.victim.material);
        let system = self.victim.shield.system.as_deref();
        let finder = Finder { model, tokenizer: self.tokenizer, material, system, gcg, length };
        for (i, (topic, prompts)) in wanted.iter().enumerate() {
            if self.suffixes.iter().any(|s| s.attack == name && s.topic == *topic) {
                continue;
            }
            if self.until.is_some_and(|until| Instant::now() >= until) {
                let why = format!("time was over with {} suffixes left; the same command goes on", wanted.len() - i);
                self.left_out.insert(name, why);
                return Ok(());
            }
            heard(&format!("{name}, suffix {} of {}", i + 1, wanted.len()));
            if let Some(found) = finder.find(technique, topic, prompts, steps)? {
                journal.append(std::slice::from_ref(&found))?;
                self.suffixes.push(found);
            }
        }
        Ok(())
    }

    fn turns(&self, technique: Technique, chunk: &[(&Ask, u64)]) -> Result<u64, Error> {
        let Some((ask, draw)) = chunk.first() else { return Ok(0) };
        if technique.is_written() {
            return Ok(self.tree.most());
        }
        Ok(self.craft(technique, ask, *draw)?.map_or(0, |craft| craft.turns.len() as u64))
    }

    /// Why an attack cannot be tried at all.
    fn impossible(&self, technique: Technique, asks: &[&Ask]) -> Result<Option<String>, Error> {
        if technique.is_written() {
            return Ok(self.victim.attacker.is_none().then(|| "there is no attacker's model".to_owned()));
        }
        let limit = self.victim.model().config().max_position_embeddings;
        let mut reason = None;
        for ask in asks {
            let Some(craft) = self.craft(technique, ask, 0)? else {
                reason = Some("there are no shots, no suffix, or the answer has no more tokens".to_owned());
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
        let system = self.victim.shield.system.as_ref().map(Message::system);
        let messages: Vec<Message> = system.into_iter().chain(craft.before.iter().chain(sent).cloned()).collect();
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
            Ok(Talk { ask, draw: *draw, craft, sent: Vec::new(), answer: None, guarded: false })
        });
        let mut talks: Vec<Talk<'_>> = crafted.collect::<Result<_, Error>>()?;
        let named = format!("attack/draws/{}/{}", technique.name(), sha256_bytes(first.id.as_bytes()));
        let drawn = technique.draws() > 1;
        let sampling = self.sampling(if drawn { 1.0 } else { 0.0 }, stream(SEED, &named, *from, 0).next_u64());
        let limit = self.victim.model().config().max_position_embeddings;
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
                talk.guarded |= self.victim.shield.guard.as_ref().is_some_and(|guard| guard.refuses(said));
                if talk.guarded {
                    continue;
                }
                let last = turn + 1 == talk.craft.turns.len();
                let prompt = self.prompt(&talk.craft, &talk.sent, if last { &talk.craft.begun } else { "" })?;
                if prompt.len() + self.victim.max_new_tokens <= limit {
                    who.push(i);
                    prompts.push(prompt);
                }
            }
            let answers = self.victim.model().generate(&prompts, 1, &sampling, &[], |_| true)?;
            for (i, answer) in who.into_iter().zip(answers) {
                let last = turn + 1 == talks[i].craft.turns.len();
                let begun = if last { self.tokenizer.encode_plain(&talks[i].craft.begun)? } else { Vec::new() };
                talks[i].answer = Some(self.tokenizer.decode(&[begun, answer.tokens].concat(), true)?);
            }
        }
        Ok(talks.into_iter().map(|talk| self.attempt(technique, talk)).collect())
    }

    /// Has an attacker's model write prompts for a request; the best of them is the attempt.
    fn written(&self, technique: Technique, ask: &Ask, attacker: &dyn Subject) -> Result<Attempt, Error> {
        let mut queries = 0;
        let mut victim = |prompts: &[&str]| {
            let (replies, asked) = self.replies(ask, prompts)?;
            queries += asked;
            Ok(replies)
        };
        let written = refine((technique, self.tree), (&ask.id, &request(ask)), attacker, &mut victim)?;
        // The first of the best.
        let best = written.iter().rev().max_by_key(|w| w.worth()).filter(|w| w.worth() > 0);
        let unscored = best.is_none().then(|| {
            let why = written.iter().find_map(|w| w.unscored.clone());
            why.unwrap_or_else(|| "no prompt was to be written".to_owned())
        });
        Ok(Attempt {
            attack: technique.name(),
            side: ask.side,
            item: ask.id.clone(),
            topic: ask.topic.clone(),
            draw: 0,
            queries,
            shots: 0,
            sent: best.map(|w| Message::user(&w.prompt)).into_iter().collect(),
            begun: String::new(),
            answer: best.map(|w| w.answer.clone()).unwrap_or_default(),
            refused: best.and_then(|w| w.refused),
            given: best.and_then(|w| w.given),
            written,
            by: self.by.clone(),
            unscored,
        })
    }

    /// What the model says to each of these, none where one does not fit; and how often it was asked.
    fn replies(&self, ask: &Ask, prompts: &[&str]) -> Result<(Vec<Option<Reply>>, u64), Error> {
        let guards = |prompt: &str| self.victim.shield.guard.as_ref().is_some_and(|guard| guard.refuses(prompt));
        let limit = self.victim.model().config().max_position_embeddings;
        let none = Craft { before: Vec::new(), turns: Vec::new(), begun: String::new() };
        let mut replies: Vec<Option<Reply>> = Vec::with_capacity(prompts.len());
        let (mut who, mut asked) = (Vec::new(), Vec::new());
        for (i, prompt) in prompts.iter().enumerate() {
            let guarded = guards(prompt);
            replies.push(guarded.then(|| Reply { text: REFUSED_BY_GUARD.to_owned(), judged: guarded_reply(ask) }));
            let tokens = self.prompt(&none, &[Message::user(*prompt)], "")?;
            if !guarded && tokens.len() + self.victim.max_new_tokens <= limit {
                who.push(i);
                asked.push(tokens);
            }
        }
        let answers = self.victim.model().generate(&asked, 1, &self.sampling(0.0, 0), &[], |_| true)?;
        for (&i, answer) in who.iter().zip(answers) {
            let text = self.tokenizer.decode(&answer.tokens, true)?;
            let judged = judged(ask, text.clone(), self.victim.show);
            replies[i] = Some(Reply { text, judged });
        }
        Ok((replies, who.len() as u64))
    }

    fn sampling(&self, temperature: f32, seed: u64) -> Sampling {
        Sampling {
            temperature,
            max_new_tokens: self.victim.max_new_tokens,
            eos: self.victim.target.checkpoint.eos.clone(),
            seed,
            batch: BATCH,
            ..Sampling::default()
        }
    }

    fn attempt(&self, technique: Technique, talk: Talk<'_>) -> Attempt {
        let Talk { ask, draw, craft, mut sent, answer, guarded } = talk;
        let hide = ask.side == Side::HarmfulTest && !self.victim.material.planted && !self.victim.show;
        for message in sent.iter_mut().filter(|m| hide && m.role == "assistant" && !phrases_anywhere(&m.content)) {
            message.content = masked(&message.content);
        }
        let judged =
            if guarded { Some(guarded_reply(ask)) } else { answer.map(|text| judged(ask, text, self.victim.show)) };
        let why = if craft.turns.is_empty() {
            "no shots, no suffix, or too short an answer"
        } else {
            "does not fit into the context"
        };
        let answered = sent.iter().filter(|m| m.role == "assistant").count() as u64;
        Attempt {
            attack: technique.name(),
            side: ask.side,
            item: ask.id.clone(),
            topic: ask.topic.clone(),
            draw,
            queries: answered + u64::from(judged.is_some() && !guarded),
            shots: craft.before.iter().filter(|m| m.role == "assistant").count() as u64,
            sent,
            begun: craft.begun,
            refused: judged.as_ref().map(|j| j.refused),
            given: judged.as_ref().and_then(|j| j.given),
            written: Vec::new(),
            by: None,
            unscored: judged.is_none().then(|| why.to_owned()),
            answer: judged.map(|j| j.text).unwrap_or_default(),
        }
    }
}
