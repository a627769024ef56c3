//! Who gets which item next: a pure function of the state, the person and the time.
//!
//! 1. What a person already has in their hands comes first, so that a page shown again shows the same task.
//! 2. Then calibration, in the order it was given, before anything else.
//! 3. After every `gold_every` other tasks a gold question, of the same form and without a sign that it is one.
//! 4. Then the item of greatest priority that still wants people; among equals one that others have begun, so that overlap
//!    fills up; among those an order of this person's own, so that two people do not walk through the items side by side.
//!
//! An item is full while the judgements that count and the leases that run are together as many as it wants. A lease
//! that has ended gives its place back; its holder may still hand in the work.

use super::event::{Event, Millis};
use super::pages::view::NoTask;
use super::state::{Calibration, Person, State};
use trimtab_run::{sha256_bytes, stream};

/// The next lease of a person: one they hold, or a new one as an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// They have this lease.
    Held(String),
    /// They get this one.
    New(Box<Event>),
}

/// The next item for a person, other than `besides`, which the page already shows. `lease` is the name for a new lease.
///
/// # Errors
/// Why there is none.
pub fn next(state: &State, person: &Person, besides: Option<&str>, lease: &str, now: Millis) -> Result<Next, NoTask> {
    if state.items.is_empty() {
        return Err(NoTask::Empty);
    }
    let other = |place: usize| besides != Some(state.items[place].id.as_str());
    let running = |lease: &String| state.lease(lease).filter(|lease| lease.expires > now);
    // The oldest first: what was shown comes before what was fetched ahead.
    let held = person.leases.iter().filter(|(place, _)| other(**place)).filter_map(|(_, lease)| running(lease));
    if let Some(lease) = held.min_by_key(|lease| (lease.at, lease.item)) {
        return Ok(Next::Held(lease.id.clone()));
    }
    let open = |place: usize| other(place) && !person.judged.contains_key(&place);
    let give = |place: usize| Ok(Next::New(Box::new(lease_of(state, place, person, lease, now))));

    match state.calibration(person) {
        Calibration::Failed => return Err(NoTask::Calibration),
        Calibration::Left(_) => {
            let mut left = (0..state.items.len()).filter(|&place| state.items[place].calibration && open(place));
            if let Some(place) = left.next() {
                return give(place);
            }
            // The last of them is on the page. What comes after it hangs on the answer.
            return Err(NoTask::Waiting);
        }
        Calibration::Passed => {}
    }
    let of_person = seed_of(&[&person.id]);
    let worked = |gold: bool| person.judged.keys().filter(|place| state.items[**place].is_gold() == gold).count();
    if state.rules.gold_every > 0 && worked(false) >= state.rules.gold_every as usize * (worked_gold(state, person) + 1)
    {
        let gold = |place: &usize| state.items[*place].is_gold() && !state.items[*place].calibration && open(*place);
        if let Some(place) = (0..state.items.len()).filter(gold).min_by_key(|&place| own_order(of_person, place)) {
            return give(place);
        }
    }
    let in_hand = person.leases.values().filter(|lease| running(lease).is_some()).count();
    if person.quota.is_some_and(|quota| (worked(false) + in_hand) as u64 >= quota) {
        return Err(NoTask::Quota);
    }
    let (mut best, mut waiting) = (None, false);
    for place in (0..state.items.len()).filter(|&place| open(place) && !state.items[place].is_gold()) {
        let (judged, wanted) = (state.judged(place), state.items[place].overlap as usize);
        let held =
            state.held[place].iter().filter(|lease| running(lease).is_some_and(|l| l.person != person.id)).count();
        if judged + held >= wanted {
            waiting |= judged < wanted;
            continue;
        }
        let rank =
            (Priority(state.items[place].priority), judged + held, std::cmp::Reverse(own_order(of_person, place)));
        if best.as_ref().is_none_or(|(of_best, _)| rank > *of_best) {
            best = Some((rank, place));
        }
    }
    match best {
        Some((_, place)) => give(place),
        None if waiting => Err(NoTask::Waiting),
        None => Err(NoTask::Finished),
    }
}

/// Gold questions that a person judged, calibration apart.
fn worked_gold(state: &State, person: &Person) -> usize {
    let items = person.judged.keys().map(|place| &state.items[*place]);
    items.filter(|item| item.is_gold() && !item.calibration).count()
}

/// Priorities are finite: an item with another is refused at the door.
#[derive(PartialEq)]
struct Priority(f64);

impl Eq for Priority {}

impl PartialOrd for Priority {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Priority {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// Puts items in an order of this person's own, the same whenever it is asked for: SplitMix64 (Steele et al. 2014) of the
/// item's place under the person's seed. A hash of both names would cost more than the rest of the choice.
fn own_order(of_person: u64, place: usize) -> u64 {
    let mut z = of_person.wrapping_add((place as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn seed_of(words: &[&str]) -> u64 {
    // Lengths first, so that ("ab", "c") and ("a", "bc") differ.
    let named = words.iter().fold(String::new(), |named, word| format!("{named}{}:{word}", word.len()));
    let digest = sha256_bytes(named.as_bytes());
    u64::from_str_radix(&digest[..16], 16).unwrap_or(0)
}

/// The lease of an item to a person: the order shown is drawn from both their names, so that it is the same whenever the
/// item comes back to them.
fn lease_of(state: &State, place: usize, person: &Person, lease: &str, now: Millis) -> Event {
    let item = &state.items[place];
    let mut shown: Vec<String> = item.answers.iter().map(|answer| answer.id.clone()).collect();
    stream(seed_of(&[&person.id, &item.id]), "people/shown", 0, 0).shuffle(&mut shown);
    Event::Leased {
        lease: lease.to_owned(),
        item: item.id.clone(),
        person: person.id.clone(),
        shown,
        expires: now + 1000 * state.rules.lease_seconds,
    }
}
