//! What a request may do: functions from the state to the events it stands for, or to the reason why not.

use super::event::{Event, Item, Judgement, Millis, Role, Task};
use super::import::Given;
use super::pages::view::NoTask;
use super::state::{Lease, Person, State};
use super::{assign, secret};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use trimtab_run::sha256_bytes;
use trimtab_text::record::{Ranking, Verdict};

/// Most characters of anything that a person writes.
pub const LONGEST_TEXT: usize = 100_000;
/// Most characters of a name, a key or an identifier.
const LONGEST_NAME: usize = 200;

/// Why a request is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It cannot be right as it is: what, and what was expected.
    #[error("{0}")]
    Invalid(String),
    /// Nobody is signed in.
    #[error("nobody is signed in")]
    SignedOut,
    /// This person may not.
    #[error("this is for administrators")]
    Forbidden,
    /// There is no such thing, or it is somebody else's.
    #[error("{0}")]
    NotFound(String),
    /// It contradicts what was stored before.
    #[error("{0}")]
    Conflict(String),
    /// The store cannot write now; the same request may be sent again.
    #[error("{0}")]
    Unavailable(String),
}

/// What a request changes and what it is answered.
pub type Decided<T> = Result<(Vec<Event>, T), Refusal>;

/// A task in somebody's hands.
pub type Served = Result<Lease, NoTask>;

/// The answer to a judgement: how it was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Saved {
    /// Identifier of the judgement.
    pub judgement: String,
    /// When it was stored, milliseconds since 1970.
    pub saved_at: Millis,
    /// Whether the lease had ended before.
    pub late: bool,
}

fn invalid(what: impl Into<String>) -> Refusal {
    Refusal::Invalid(what.into())
}

/// Invites somebody: events, and the token of their link.
///
/// # Errors
/// [`Refusal::Invalid`].
pub fn invite(state: &State, name: &str, role: Role, quota: Option<u64>, token: &str) -> Decided<String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(invalid(format!("name: expected 1 to {LONGEST_NAME} printable characters")));
    }
    // The same name again is a new link for the same person: their old one is void, their work stays theirs.
    let known = state.people.values().find(|person| person.name == name).map(|person| person.id.clone());
    let person = known.unwrap_or_else(|| pseudonym(state, &BTreeSet::new()));
    let token_sha256 = sha256_bytes(token.as_bytes());
    Ok((vec![Event::Invited { person: person.clone(), name: name.to_owned(), role, quota, token_sha256 }], person))
}

/// A pseudonym that nobody has and that is not among `others`.
fn pseudonym(state: &State, others: &BTreeSet<String>) -> String {
    let mut number = state.people.len() + 1;
    loop {
        let person = format!("p{number}");
        if !state.people.contains_key(&person) && !others.contains(&person) {
            return person;
        }
        number += 1;
    }
}

/// What [`import`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brought {
    /// Items added, and items that were there already.
    pub items: (usize, usize),
    /// Rankings brought, and rankings that were there already.
    pub rankings: (usize, usize),
}

/// Adds items and the rankings that were given to them elsewhere; what is there already, word for word, is left as it is.
///
/// A person of a file is known here as `NAME (imported)`; a pseudonym of our own exports (`p3`) stays theirs where it is free.
///
/// # Errors
/// [`Refusal::Invalid`] and [`Refusal::Conflict`], naming the item.
pub fn import(state: &State, items: Vec<Item>, given: Vec<Given>, from: &str) -> Decided<Brought> {
    let new: BTreeMap<String, Item> = items.iter().map(|item| (item.id.clone(), item.clone())).collect();
    let (mut events, items) = add_items(state, items)?;
    let mut taken: BTreeSet<String> = given.iter().map(|one| one.person.clone()).collect();
    let (mut people, mut seen) = (BTreeMap::<String, String>::new(), BTreeSet::new());
    let mut there = 0;
    let mut brought = Vec::new();
    for one in given {
        let wrong = |what: String| invalid(format!("item {:?}, ranking of {:?}: {what}", one.item, one.person));
        let name = format!("{} (imported)", one.person);
        if name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
            return Err(wrong(format!("the name is not 1 to {LONGEST_NAME} printable characters")));
        }
        let known = || state.people.values().find(|person| person.name == name).map(|known| known.id.clone());
        let person = people.get(&one.person).cloned().or_else(known).unwrap_or_else(|| {
            let digits = one.person.strip_prefix('p').unwrap_or_default();
            let ours = !digits.is_empty() && digits.len() < 10 && digits.bytes().all(|b| b.is_ascii_digit());
            let free = ours && !state.people.contains_key(&one.person);
            let person = if free { one.person.clone() } else { pseudonym(state, &taken) };
            taken.insert(person.clone());
            events.push(Event::PersonAdded { person: person.clone(), name: name.clone() });
            person
        });
        people.insert(one.person.clone(), person.clone());
        let item = new.get(&one.item).or_else(|| state.item(&one.item));
        let item = item.ok_or_else(|| wrong("there is no such item".into()))?;
        let own: Vec<String> = item.answers.iter().map(|answer| answer.id.clone()).collect();
        let shown_unknown = one.shown.is_none();
        let shown = one.shown.clone().unwrap_or(own);
        let said = Judgement {
            item: one.item.clone(),
            shown: shown.clone(),
            ranks: one.ranks.clone(),
            verdict: one.verdict,
            active_ms: one.seconds.map(|seconds| (seconds * 1000.0).round() as u64),
            flags: one.flags.clone(),
            margin: one.margin,
            comment: one.comment.clone(),
            reason: one.reason.clone(),
            ..Judgement::default()
        };
        check(item, &shown, &said).map_err(|refusal| wrong(refusal.to_string()))?;
        if !seen.insert((person.clone(), one.item.clone())) {
            return Err(wrong("comes twice".into()));
        }
        let key = format!("import-{}", &sha256_bytes(format!("{person}\n{}", one.item).as_bytes())[..40]);
        match state.by_key(&key) {
            Some(before) if before.said == said => there += 1,
            Some(_) => return Err(Refusal::Conflict(wrong("is there already and says otherwise".into()).to_string())),
            None if state.latest(&person, &one.item).is_some() => {
                return Err(Refusal::Conflict(wrong("they judged this item here".into()).to_string()));
            }
            None => {
                let judgement = format!("j{}", state.judgements.len() + brought.len() + 1);
                let from = from.to_owned();
                brought.push(Event::Imported { judgement, key, person, said, from, shown_unknown });
            }
        }
    }
    let rankings = (brought.len(), there);
    events.extend(brought);
    Ok((events, Brought { items, rankings }))
}

/// Uses up an invitation: a session for its person.
///
/// # Errors
/// [`Refusal::NotFound`] for a token that was never given, or was used.
pub fn join(state: &State, token: &str, session: &str) -> Decided<String> {
    let hash = sha256_bytes(token.as_bytes());
    let Some(person) = state.invited(&hash) else {
        return Err(Refusal::NotFound("this invitation was used before, or never given; ask for a new one".into()));
    };
    Ok((vec![open_session(&person.id, session, Some(hash))], person.id.clone()))
}

/// A session's event.
pub fn open_session(person: &str, session: &str, invite_sha256: Option<String>) -> Event {
    Event::SessionOpened { person: person.to_owned(), session_sha256: sha256_bytes(session.as_bytes()), invite_sha256 }
}

/// Adds items; those that are there already, word for word, are left as they are but for their priority, which may change
/// with what is known: how much an ensemble of reward models disagrees about them. Gives (added, there already).
///
/// # Errors
/// [`Refusal::Invalid`] and [`Refusal::Conflict`], naming the item.
pub fn add_items(state: &State, items: Vec<Item>) -> Decided<(usize, usize)> {
    let (mut events, mut added, mut there, mut seen) = (Vec::new(), 0, 0, BTreeSet::new());
    for item in items {
        item.validate().map_err(|(field, what)| invalid(format!("item {:?}: field {field:?} {what}", item.id)))?;
        match state.item(&item.id) {
            Some(known) if Item { priority: item.priority, ..known.clone() } == item => {
                there += 1;
                if known.priority.to_bits() != item.priority.to_bits() {
                    events.push(Event::PrioritySet { item: item.id, priority: item.priority });
                }
            }
            Some(_) => {
                let what =
                    format!("item {:?} is there already with other content; give the new one another id", item.id);
                return Err(Refusal::Conflict(what));
            }
            None if !seen.insert(item.id.clone()) => {
                return Err(invalid(format!("item {:?} comes twice", item.id)));
            }
            None => {
                added += 1;
                events.push(Event::ItemAdded { item });
            }
        }
    }
    Ok((events, (added, there)))
}

/// Gives items another place in the queue: greater comes first.
///
/// # Errors
/// [`Refusal::NotFound`] for an item that is not there, [`Refusal::Invalid`] for a priority that is not finite.
pub fn prioritise(state: &State, priorities: Vec<(String, f64)>) -> Decided<()> {
    let mut events = Vec::new();
    for (item, priority) in priorities {
        let known = state.item(&item).ok_or_else(|| Refusal::NotFound(format!("there is no item {item:?}")))?;
        if !priority.is_finite() {
            return Err(invalid(format!("item {item:?}: priority is not a finite number")));
        }
        if known.priority.to_bits() != priority.to_bits() {
            events.push(Event::PrioritySet { item, priority });
        }
    }
    Ok((events, ()))
}

/// The next task of a person, leased to them.
///
/// # Errors
/// None but those of the store.
pub fn serve(state: &State, person: &Person, besides: Option<&str>, now: Millis) -> Decided<Served> {
    let held = |id: &str| state.lease(id).cloned().ok_or_else(|| Refusal::NotFound(format!("lease {id:?}")));
    Ok(match assign::next(state, person, besides, &secret()?, now) {
        Err(why) => (vec![], Err(why)),
        Ok(assign::Next::Held(id)) => (vec![], Ok(held(&id)?)),
        Ok(assign::Next::New(event)) => {
            let lease = lease_in(state, &event, now)?;
            (vec![*event], Ok(lease))
        }
    })
}

/// The lease that an event gives.
fn lease_in(state: &State, event: &Event, now: Millis) -> Result<Lease, Refusal> {
    let Event::Leased { lease, item, person, shown, expires } = event else {
        return Err(Refusal::Unavailable("an assignment without a lease".into()));
    };
    let place = state.place(item).map_err(Refusal::NotFound)?;
    let (id, person, shown) = (lease.clone(), person.clone(), shown.clone());
    Ok(Lease { id, item: place, person, shown, at: now, expires: *expires })
}

/// Extends a lease of a person who is at work.
///
/// # Errors
/// [`Refusal::NotFound`] for a lease that is not theirs.
pub fn heartbeat(state: &State, person: &Person, lease: &str, now: Millis) -> Decided<Millis> {
    let held = state.lease(lease).filter(|held| held.person == person.id);
    let held = held.ok_or_else(|| Refusal::NotFound(format!("you have no lease {lease:?}")))?;
    // Ended, and perhaps somebody else's now: what they say is still stored, but it is not held for them.
    if held.expires <= now {
        return Ok((vec![], held.expires));
    }
    let whole = 1000 * state.rules.lease_seconds;
    // A log of one line per minute and page is enough: nothing is written while most of the lease is left.
    if held.expires - now > whole / 2 {
        return Ok((vec![], held.expires));
    }
    Ok((vec![Event::LeaseExtended { lease: lease.to_owned(), expires: now + whole }], now + whole))
}

/// Stores what a person says about an item.
///
/// # Errors
/// [`Refusal::Invalid`] for what cannot be right, [`Refusal::Conflict`] for a key that came with something else before or
/// an item that this person judged before without saying that this replaces it, [`Refusal::NotFound`] for an item or
/// lease that is not theirs.
pub fn judge(state: &State, person: &Person, key: &str, said: Judgement, now: Millis) -> Decided<Saved> {
    if key.len() < 8 || key.len() > LONGEST_NAME {
        return Err(invalid(format!("key: has {} bytes, expected 8 to {LONGEST_NAME}", key.len())));
    }
    if let Some(before) = state.by_key(key) {
        // A retry of what was stored is answered as the first time. Somebody else's key is nobody's business.
        if before.person == person.id && before.said == said {
            return Ok((vec![], Saved { judgement: before.id.clone(), saved_at: before.saved_at, late: before.late }));
        }
        return Err(Refusal::Conflict("key: was used before, for something else".into()));
    }
    let item = state.item(&said.item).ok_or_else(|| Refusal::NotFound(format!("there is no item {:?}", said.item)))?;
    let lease = state.lease(&said.lease).filter(|lease| lease.person == person.id);
    let lease = lease.filter(|lease| state.items[lease.item].id == said.item);
    let lease = lease.ok_or_else(|| Refusal::NotFound(format!("you have no lease {:?} of this item", said.lease)))?;
    check(item, &lease.shown, &said)?;
    let latest = state.latest(&person.id, &said.item);
    match (latest, &said.revises) {
        (None, Some(_)) => return Err(Refusal::NotFound("revises: you have not judged this item".into())),
        (Some(latest), revises) if revises.as_deref() != Some(latest.id.as_str()) => {
            let what = format!("you judged this item before, as {}; only a revision of that can replace it", latest.id);
            return Err(Refusal::Conflict(what));
        }
        _ => {}
    }
    let judgement = format!("j{}", state.judgements.len() + 1);
    // A revision comes long after the lease was used; it is not late.
    let late = latest.is_none() && lease.expires <= now;
    let saved = Saved { judgement: judgement.clone(), saved_at: now, late };
    let (key, person, served_at) = (key.to_owned(), person.id.clone(), lease.at);
    Ok((vec![Event::Judged { judgement, key, person, said, served_at, late }], saved))
}

fn check(item: &Item, served: &[String], said: &Judgement) -> Result<(), Refusal> {
    for (field, text) in [("text", &said.text), ("comment", &said.comment), ("reason", &said.reason)] {
        if text.as_ref().is_some_and(|text| text.chars().count() > LONGEST_TEXT) {
            return Err(invalid(format!("{field}: is longer than {LONGEST_TEXT} characters")));
        }
    }
    if said.margin.is_some_and(|margin| !(1.0..=4.0).contains(&margin)) {
        return Err(invalid("margin: expected 1 (slightly better) to 4 (much better)"));
    }
    let flags = said.flags.values().flatten();
    if let Some(flag) = flags.into_iter().find(|flag| !["false_claim", "harmful"].contains(&flag.as_str())) {
        return Err(invalid(format!("flags: {flag:?} is none, expected false_claim or harmful")));
    }
    let silent = matches!(said.verdict, Some(Verdict::Skip | Verdict::CannotJudge));
    if item.task != Task::Rank {
        let empty = said.text.as_ref().is_none_or(|text| text.trim().is_empty());
        if !said.ranks.is_empty() {
            return Err(invalid("ranks: this task asks for a text, not for ranks"));
        }
        if empty != silent {
            return Err(invalid("text: expected an answer, or a verdict that says why there is none"));
        }
        return Ok(());
    }
    if said.text.is_some() {
        return Err(invalid("text: this task asks for ranks, not for a text"));
    }
    // What was on the page is known here: a page that says otherwise shows something else than was served.
    if said.shown != served {
        return Err(invalid("shown: is not the order in which the answers were served"));
    }
    let ranking = Ranking {
        prompt_id: item.id.clone(),
        answers: item.answers.iter().map(|answer| answer.id.clone()).collect(),
        shown: said.shown.clone(),
        ranks: said.ranks.clone(),
        person: None,
        at: None,
        seconds: None,
        flags: said.flags.clone(),
        verdict: said.verdict,
        margin: said.margin,
        guideline: None,
        extra: serde_json::Map::new(),
    };
    ranking.validate().map_err(|(field, what)| invalid(format!("{field}: {what}")))?;
    let most = ranking.answers.len() as u32;
    if let Some((id, rank)) = said.ranks.iter().find(|(_, rank)| **rank > most) {
        return Err(invalid(format!("ranks: {id:?} has rank {rank}, expected 1 to {most}")));
    }
    if said.ranks.len() == 1 && said.verdict.is_none() {
        return Err(invalid("ranks: one answer alone is compared with nothing; rank at least two"));
    }
    Ok(())
}

/// Shuts somebody out.
///
/// # Errors
/// [`Refusal::NotFound`]; [`Refusal::Invalid`] for the last administrator.
pub fn revoke(state: &State, person: &str) -> Decided<()> {
    let who =
        state.people.get(person).ok_or_else(|| Refusal::NotFound(format!("there is nobody called {person:?}")))?;
    let others = state.people.values().filter(|p| p.role == Role::Admin && !p.revoked && p.id != person).count();
    if who.role == Role::Admin && others == 0 {
        return Err(invalid("person: is the last administrator"));
    }
    Ok((vec![Event::Revoked { person: person.to_owned() }], ()))
}

/// New instructions, unless they are those in force. Gives their version.
///
/// # Errors
/// [`Refusal::Invalid`] for a text that is too long.
pub fn set_guideline(state: &State, text: &str) -> Decided<String> {
    if text.chars().count() > LONGEST_TEXT {
        return Err(invalid(format!("text: is longer than {LONGEST_TEXT} characters")));
    }
    let version = sha256_bytes(text.as_bytes())[..12].to_owned();
    if state.guideline.0 == version {
        return Ok((vec![], version));
    }
    Ok((vec![Event::GuidelineSet { version: version.clone(), text: text.to_owned() }], version))
}
