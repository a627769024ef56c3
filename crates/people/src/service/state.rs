//! What the log says is so: a pure fold over its events.

use super::event::{Event, Item, Judgement, Millis, Role, Rules, Task};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use trimtab_text::record::{Ranking, Verdict};

/// Somebody who works here.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Person {
    /// Identifier, a pseudonym.
    pub id: String,
    /// The name they are called by.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Most items they may judge.
    pub quota: Option<u64>,
    /// Whether they were shut out.
    pub revoked: bool,
    /// Hash of the token of an invitation that nobody has used yet.
    #[serde(skip)]
    pub(super) invite: Option<String>,
    /// Item to their latest judgement of it, both by place.
    #[serde(skip)]
    pub(super) judged: BTreeMap<usize, usize>,
    /// Item to the lease they have of it, which may have ended.
    #[serde(skip)]
    pub(super) leases: BTreeMap<usize, String>,
    /// Right and all pairs of the calibration items they judged.
    #[serde(skip)]
    calibration: BTreeMap<usize, (u64, u64)>,
}

impl Person {
    fn new(id: &str, name: &str, role: Role) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            role,
            quota: None,
            revoked: false,
            invite: None,
            judged: BTreeMap::new(),
            leases: BTreeMap::new(),
            calibration: BTreeMap::new(),
        }
    }
}

/// An item in somebody's hands.
#[derive(Debug, Clone, PartialEq)]
pub struct Lease {
    /// The lease.
    pub id: String,
    /// The item, by place.
    pub(super) item: usize,
    /// Who has it.
    pub person: String,
    /// `shown[slot]`: the answer in this slot.
    pub shown: Vec<String>,
    /// When it was given.
    pub at: Millis,
    /// When it goes back.
    pub expires: Millis,
}

/// A judgement as stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recorded {
    /// Identifier.
    pub id: String,
    /// The key under which it was sent.
    pub key: String,
    /// Who.
    pub person: String,
    /// What they said.
    #[serde(flatten)]
    pub said: Judgement,
    /// When the item was shown.
    pub served_at: Millis,
    /// When it was stored.
    pub saved_at: Millis,
    /// Whether the lease had ended before.
    pub late: bool,
    /// The later judgement that replaces it.
    pub replaced_by: Option<String>,
    /// Where it came from, if it was not given here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brought: Option<Brought>,
}

/// Where a judgement came from that was not given here.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Brought {
    /// The kind of file.
    pub from: String,
    /// Whether the file does not say in which order the answers were shown.
    pub shown_unknown: bool,
}

/// What stands between a person and work that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calibration {
    /// Nothing: passed, or there are no calibration items.
    Passed,
    /// So many items are still to do.
    Left(u64),
    /// All done, too few of them right.
    Failed,
}

/// Everything that the log says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// How work is dealt out.
    pub rules: Rules,
    /// Version and text of the instructions in force.
    pub guideline: (String, String),
    /// Items in the order they came.
    pub items: Vec<Item>,
    /// People by identifier.
    pub people: BTreeMap<String, Person>,
    /// Judgements in the order they came.
    pub judgements: Vec<Recorded>,
    /// Item, by place, to the people who judged it and their latest judgement's place.
    pub(super) by_item: Vec<BTreeMap<String, usize>>,
    /// Item, by place, to the leases that were not used yet.
    pub(super) held: Vec<Vec<String>>,
    /// Item, by place, to the number of its judgements that count: what [`State::counts`] says, kept, since every choice of
    /// a next task looks at all items.
    counted: Vec<usize>,
    places: HashMap<String, usize>,
    sessions: HashMap<String, String>,
    leases: HashMap<String, Lease>,
    keys: HashMap<String, usize>,
    ids: HashMap<String, usize>,
    calibration_items: Vec<usize>,
}

/// One row of a table that people's own tools may read: which table, the key, the row as JSON.
pub type Row = (&'static str, String, Value);

/// The tables that follow from the log.
pub const TABLES: [&str; 3] = ["items", "people", "judgements"];

impl State {
    /// Takes in one event and gives the rows that it changes.
    ///
    /// # Errors
    /// Words, where the event contradicts those before it; the state is then as before.
    pub fn apply(&mut self, at: Millis, event: &Event) -> Result<Vec<Row>, String> {
        let rows = self.take_in(at, event)?;
        self.recount(event);
        Ok(rows)
    }

    fn take_in(&mut self, at: Millis, event: &Event) -> Result<Vec<Row>, String> {
        Ok(match event {
            Event::RulesSet { rules } => {
                self.rules = *rules;
                vec![]
            }
            Event::GuidelineSet { version, text } => {
                self.guideline = (version.clone(), text.clone());
                vec![]
            }
            Event::ItemAdded { item } => {
                if self.places.contains_key(&item.id) {
                    return Err(format!("item {:?} is there already", item.id));
                }
                let place = self.items.len();
                self.places.insert(item.id.clone(), place);
                self.items.push(item.clone());
                self.by_item.push(BTreeMap::new());
                self.held.push(Vec::new());
                self.counted.push(0);
                if item.calibration {
                    self.calibration_items.push(place);
                }
                vec![self.item_row(place)]
            }
            Event::PrioritySet { item, priority } => {
                let place = self.place(item)?;
                self.items[place].priority = *priority;
                vec![self.item_row(place)]
            }
            Event::Invited { person, name, role, quota, token_sha256 } => {
                let entry = self.people.entry(person.clone()).or_insert_with(|| Person::new(person, name, *role));
                (entry.name, entry.role, entry.quota) = (name.clone(), *role, *quota);
                (entry.revoked, entry.invite) = (false, Some(token_sha256.clone()));
                vec![Self::person_row(entry)]
            }
            Event::SessionOpened { person, session_sha256, invite_sha256 } => {
                let who = self.person_mut(person)?;
                if invite_sha256.is_some() {
                    who.invite = None;
                }
                self.sessions.insert(session_sha256.clone(), person.clone());
                vec![]
            }
            Event::SessionClosed { session_sha256 } => {
                self.sessions.remove(session_sha256);
                vec![]
            }
            Event::Revoked { person } => {
                let who = self.person_mut(person)?;
                (who.revoked, who.invite) = (true, None);
                let row = Self::person_row(who);
                self.sessions.retain(|_, of| of != person);
                vec![row]
            }
            Event::Leased { lease, item, person, shown, expires } => {
                let place = self.place(item)?;
                let who = self.person_mut(person)?;
                let before = who.leases.insert(place, lease.clone());
                let lease = Lease {
                    id: lease.clone(),
                    item: place,
                    person: person.clone(),
                    shown: shown.clone(),
                    at,
                    expires: *expires,
                };
                if let Some(before) = before {
                    self.held[place].retain(|held| *held != before);
                }
                self.held[place].push(lease.id.clone());
                self.leases.insert(lease.id.clone(), lease);
                vec![]
            }
            Event::LeaseExtended { lease, expires } => {
                let held = self.leases.get_mut(lease).ok_or_else(|| format!("there is no lease {lease:?}"))?;
                held.expires = *expires;
                vec![]
            }
            Event::PersonAdded { person, name } => {
                if self.people.contains_key(person) {
                    return Err(format!("{person:?} is there already"));
                }
                let new = Person::new(person, name, Role::Annotator);
                vec![Self::person_row(self.people.entry(person.clone()).or_insert(new))]
            }
            Event::Judged { judgement, key, person, said, served_at, late } => self.record(Recorded {
                id: judgement.clone(),
                key: key.clone(),
                person: person.clone(),
                said: said.clone(),
                served_at: *served_at,
                saved_at: at,
                late: *late,
                replaced_by: None,
                brought: None,
            })?,
            Event::Imported { judgement, key, person, said, from, shown_unknown } => self.record(Recorded {
                id: judgement.clone(),
                key: key.clone(),
                person: person.clone(),
                said: said.clone(),
                served_at: at,
                saved_at: at,
                late: false,
                replaced_by: None,
                brought: Some(Brought { from: from.clone(), shown_unknown: *shown_unknown }),
            })?,
            Event::Exported { .. } => vec![],
        })
    }

    fn record(&mut self, recorded: Recorded) -> Result<Vec<Row>, String> {
        let place = self.place(&recorded.said.item)?;
        if self.keys.contains_key(&recorded.key) {
            return Err(format!("key {:?} was used before", recorded.key));
        }
        let number = self.judgements.len();
        let scored = self.items[place].calibration.then(|| right_pairs(&self.items[place], &recorded.said));
        let who = self.person_mut(&recorded.person)?;
        if let Some(scored) = scored {
            // The first try counts: a calibration that may be tried until it is right measures patience.
            who.calibration.entry(place).or_insert(scored);
        }
        let before = who.judged.insert(place, number);
        let lease = who.leases.remove(&place);
        self.by_item[place].insert(recorded.person.clone(), number);
        self.held[place].retain(|held| Some(held) != lease.as_ref());
        self.keys.insert(recorded.key.clone(), number);
        self.ids.insert(recorded.id.clone(), number);
        let id = recorded.id.clone();
        self.judgements.push(recorded);
        let mut rows = vec![self.judgement_row(number)];
        if let Some(before) = before {
            self.judgements[before].replaced_by = Some(id);
            rows.push(self.judgement_row(before));
        }
        Ok(rows)
    }

    /// Counts anew what an event may have changed.
    fn recount(&mut self, event: &Event) {
        let of_person = |person: &String| -> Vec<usize> {
            self.people.get(person).map_or_else(Vec::new, |person| person.judged.keys().copied().collect())
        };
        let places: Vec<usize> = match event {
            // What must be passed before work counts: everybody's.
            Event::RulesSet { .. } => (0..self.items.len()).collect(),
            Event::ItemAdded { item } if item.calibration => (0..self.items.len()).collect(),
            Event::Invited { person, .. } | Event::Revoked { person } => of_person(person),
            Event::Judged { person, said, .. } | Event::Imported { person, said, .. } => {
                match self.places.get(&said.item) {
                    Some(&place) if self.items[place].calibration => of_person(person),
                    place => place.copied().into_iter().collect(),
                }
            }
            _ => vec![],
        };
        for place in places {
            let of_item = self.by_item[place].values();
            self.counted[place] = of_item.filter(|&&number| self.counts(&self.judgements[number])).count();
        }
    }

    pub(super) fn place(&self, item: &str) -> Result<usize, String> {
        self.places.get(item).copied().ok_or_else(|| format!("there is no item {item:?}"))
    }

    fn person_mut(&mut self, person: &str) -> Result<&mut Person, String> {
        self.people.get_mut(person).ok_or_else(|| format!("there is nobody called {person:?}"))
    }

    fn item_row(&self, place: usize) -> Row {
        ("items", self.items[place].id.clone(), json!(self.items[place]))
    }

    fn person_row(person: &Person) -> Row {
        ("people", person.id.clone(), json!(person))
    }

    fn judgement_row(&self, number: usize) -> Row {
        ("judgements", self.judgements[number].id.clone(), json!(self.judgements[number]))
    }

    /// The item of this name.
    pub fn item(&self, id: &str) -> Option<&Item> {
        self.places.get(id).map(|&place| &self.items[place])
    }

    /// Who has the session with this hash, unless they were shut out.
    pub fn session(&self, session_sha256: &str) -> Option<&Person> {
        self.sessions.get(session_sha256).and_then(|person| self.people.get(person)).filter(|person| !person.revoked)
    }

    /// Whether somebody has an open session.
    pub fn signed_in(&self, person: &str) -> bool {
        self.sessions.values().any(|of| of == person)
    }

    /// Who was invited with the token of this hash, while nobody has used it.
    pub fn invited(&self, token_sha256: &str) -> Option<&Person> {
        self.people.values().find(|person| person.invite.as_deref() == Some(token_sha256))
    }

    /// The lease of this name.
    pub fn lease(&self, id: &str) -> Option<&Lease> {
        self.leases.get(id)
    }

    /// The judgement that was stored under this key.
    pub fn by_key(&self, key: &str) -> Option<&Recorded> {
        self.keys.get(key).map(|&number| &self.judgements[number])
    }

    /// The judgement of this name.
    pub fn judgement(&self, id: &str) -> Option<&Recorded> {
        self.ids.get(id).map(|&number| &self.judgements[number])
    }

    /// A person's latest judgement of an item.
    pub fn latest(&self, person: &str, item: &str) -> Option<&Recorded> {
        let place = self.places.get(item)?;
        self.by_item[*place].get(person).map(|&number| &self.judgements[number])
    }

    /// Where a person stands with the calibration items.
    pub fn calibration(&self, person: &Person) -> Calibration {
        let left = self.calibration_items.iter().filter(|place| !person.calibration.contains_key(place)).count();
        if left > 0 {
            return Calibration::Left(left as u64);
        }
        let (right, all) = person.calibration.values().fold((0, 0), |(r, n), (right, all)| (r + right, n + all));
        if all > 0 && (right as f64) < self.rules.calibration_pass * all as f64 {
            return Calibration::Failed;
        }
        Calibration::Passed
    }

    /// Whether a judgement counts: not replaced, not skipped, of a person who was not shut out and whose work counts.
    /// Work brought from elsewhere counts without our calibration, which its people never saw.
    pub fn counts(&self, recorded: &Recorded) -> bool {
        let passed = |person: &Person| recorded.brought.is_some() || self.calibration(person) == Calibration::Passed;
        recorded.replaced_by.is_none()
            && recorded.said.verdict != Some(Verdict::Skip)
            && self.people.get(&recorded.person).is_some_and(|person| !person.revoked && passed(person))
    }

    /// Judgements of the item in this place that count.
    pub(super) fn judged(&self, place: usize) -> usize {
        self.counted[place]
    }

    /// Judgements that count and those wanted, over all items that are not gold; of an item no more count than it wants.
    pub fn progress(&self) -> (u64, u64) {
        let open = (0..self.items.len()).filter(|&place| !self.items[place].is_gold());
        open.fold((0, 0), |(done, wanted), place| {
            let overlap = u64::from(self.items[place].overlap);
            (done + overlap.min(self.judged(place) as u64), wanted + overlap)
        })
    }

    /// Items to rank that still want people, gold questions aside, in the order they came.
    pub fn open(&self) -> Vec<String> {
        let wants = |place: &usize| self.judged(*place) < self.items[*place].overlap as usize;
        let ranked = |place: &usize| self.items[*place].task == Task::Rank && !self.items[*place].is_gold();
        (0..self.items.len()).filter(|p| ranked(p) && wants(p)).map(|p| self.items[p].id.clone()).collect()
    }

    /// Right and all pairs of gold questions that a person's latest judgements ordered.
    pub fn gold_pairs(&self, person: &Person) -> (u64, u64) {
        let gold = person.judged.iter().filter(|(place, _)| self.items[**place].is_gold());
        gold.fold((0, 0), |(right, all), (&place, &number)| {
            let (r, n) = right_pairs(&self.items[place], &self.judgements[number].said);
            (right + r, all + n)
        })
    }

    /// The rankings that count, in the order they came; gold questions are in them with `gold`, others without.
    pub fn rankings(&self, gold: bool) -> Vec<Ranking> {
        let wanted = |recorded: &&Recorded| {
            self.counts(recorded)
                && self.item(&recorded.said.item).is_some_and(|item| item.task == Task::Rank && item.is_gold() == gold)
        };
        self.judgements.iter().filter(wanted).map(|recorded| self.ranking(recorded)).collect()
    }

    fn ranking(&self, recorded: &Recorded) -> Ranking {
        let said = &recorded.said;
        let answers = self
            .item(&said.item)
            .map_or_else(Vec::new, |item| item.answers.iter().map(|answer| answer.id.clone()).collect());
        let mut extra = serde_json::Map::new();
        extra.insert("judgement".into(), json!(recorded.id));
        if let Some(brought) = &recorded.brought {
            extra.insert("imported".into(), json!(brought.from));
            if brought.shown_unknown {
                extra.insert("shown_unknown".into(), json!(true));
            }
        }
        for (key, value) in [("comment", &said.comment), ("reason", &said.reason)] {
            if let Some(value) = value {
                extra.insert(key.into(), json!(value));
            }
        }
        Ranking {
            prompt_id: said.item.clone(),
            answers,
            shown: said.shown.clone(),
            ranks: said.ranks.clone(),
            person: Some(recorded.person.clone()),
            // When it was brought here is not when it was given.
            at: recorded.brought.is_none().then(|| rfc3339(recorded.saved_at)),
            seconds: said.active_ms.map(|ms| ms as f64 / 1000.0),
            flags: said.flags.clone(),
            verdict: said.verdict,
            margin: said.margin,
            guideline: said.guideline.clone(),
            extra,
        }
    }
}

/// A time as RFC 3339, UTC, to the millisecond.
pub fn rfc3339(at: Millis) -> String {
    // Later than the year 9999 is a broken clock; humantime would not print it.
    let at = std::time::Duration::from_millis(at.min(253_402_300_799_999));
    humantime::format_rfc3339_millis(std::time::UNIX_EPOCH + at).to_string()
}

/// Pairs that a gold question orders, and of those how many were ordered so: (right, all). A tie or an answer left out
/// is not right.
fn right_pairs(item: &Item, said: &Judgement) -> (u64, u64) {
    let (mut right, mut all) = (0, 0);
    for (a, rank_a) in &item.gold {
        for (b, _) in item.gold.iter().filter(|(_, rank_b)| rank_a < *rank_b) {
            all += 1;
            let given = said.ranks.get(a).zip(said.ranks.get(b));
            right += u64::from(given.is_some_and(|(a, b)| a < b));
        }
    }
    (right, all)
}
