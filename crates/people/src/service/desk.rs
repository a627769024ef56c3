//! The one writer: a thread that owns log and state, and answers only after what it answers is on the disk.
//!
//! 1. Requests that wait at the same moment share one transaction, so that two hundred people cost few syncs.
//! 2. What a request changes is decided on the state as it is in that transaction: two people cannot get the last place of
//!    an item.
//! 3. If the transaction fails, every request in it is refused, and the state is read anew from the log before the next.

use super::decide::{Decided, Refusal};
use super::event::{Event, Millis, Stored, chain, verify};
use super::log::{Batch, Log, LogError};
use super::state::{Row, State};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

/// Most requests in one transaction: a slow disk must not make one of them wait for thousands.
const TOGETHER: usize = 256;

/// After the transaction: tells whoever asked.
type Finish = Box<dyn FnOnce(Result<(), Refusal>) + Send>;
/// In the transaction: what to append.
type Job = Box<dyn FnOnce(&State, Millis) -> (Vec<Event>, Finish) + Send>;

/// What is handed in.
enum Work {
    /// A decision.
    Decide(Job),
    /// The whole log, as it is stored.
    Records(tokio::sync::oneshot::Sender<Result<Vec<Stored>, Refusal>>),
}

/// Where requests are handed in. Cheap to clone; when the last one goes, what was handed in is finished and the store closed.
#[derive(Clone)]
pub struct Desk {
    inbox: Arc<Inbox>,
}

struct Inbox {
    /// None only while it is dropped.
    jobs: Option<Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.jobs = None;
        // A store that is closed in order leaves one file, not a log to be read again at the next start.
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Desk {
    /// Reads the log, which must verify, and starts.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn open(log: Box<dyn Log>) -> Result<Self, LogError> {
        let mut keeper = Keeper { log, state: State::default(), seq: 0, hash: String::new(), at: 0, stale: false };
        keeper.turn(vec![])?;
        let (jobs, inbox) = channel();
        let place = keeper.log.place();
        let thread = std::thread::Builder::new().name("desk".into()).spawn(move || keeper.run(&inbox));
        let no_thread = |e: std::io::Error| {
            let advice = "fewer other programs at once".into();
            LogError::Store { place, problem: e.to_string(), advice }
        };
        let thread = Some(thread.map_err(no_thread)?);
        Ok(Self { inbox: Arc::new(Inbox { jobs: Some(jobs), thread }) })
    }

    /// Decides on the state and waits, without blocking a thread, until it is stored.
    ///
    /// # Errors
    /// What `decide` refuses, and [`Refusal::Unavailable`] when the store cannot write.
    pub async fn ask<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&State, Millis) -> Decided<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.hand_in(decide, move |result| drop(reply.send(result)));
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// The same for callers that may block.
    ///
    /// # Errors
    /// As [`Desk::ask`].
    pub fn ask_now<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&State, Millis) -> Decided<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (reply, answer) = channel();
        self.hand_in(decide, move |result| drop(reply.send(result)));
        answer.recv().unwrap_or_else(|_| Err(gone()))
    }

    /// Every record of the log.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn records(&self) -> Result<Vec<Stored>, Refusal> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        if let Some(jobs) = &self.inbox.jobs {
            drop(jobs.send(Work::Records(reply)));
        }
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    fn hand_in<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&State, Millis) -> Decided<T> + Send + 'static,
        reply: impl FnOnce(Result<T, Refusal>) + Send + 'static,
    ) {
        let job: Job = Box::new(move |state, now| match decide(state, now) {
            Ok((events, answer)) => (events, Box::new(move |stored| reply(stored.map(|()| answer)))),
            Err(refusal) => (vec![], Box::new(move |stored| reply(stored.and(Err(refusal))))),
        });
        // A desk that is gone drops the job and with it the reply, which its receiver notices.
        if let Some(jobs) = &self.inbox.jobs {
            drop(jobs.send(Work::Decide(job)));
        }
    }
}

fn gone() -> Refusal {
    Refusal::Unavailable("the service is stopping".into())
}

struct Keeper {
    log: Box<dyn Log>,
    state: State,
    /// Number, hash and time of the last record that the state knows.
    seq: u64,
    hash: String,
    at: Millis,
    /// Whether the state holds something that was not stored.
    stale: bool,
}

impl Keeper {
    fn run(mut self, inbox: &Receiver<Work>) {
        while let Ok(first) = inbox.recv() {
            let (mut jobs, mut next) = (Vec::new(), Some(first));
            let mut readers = Vec::new();
            while let Some(work) = next {
                match work {
                    Work::Decide(job) => jobs.push(job),
                    Work::Records(reply) => readers.push(reply),
                }
                next = if jobs.len() < TOGETHER { inbox.try_recv().ok() } else { None };
            }
            if !jobs.is_empty() {
                // Whoever asked was told; the next turn reads the log anew.
                drop(self.turn(jobs));
            }
            for reply in readers {
                let mut all = Vec::new();
                let read = self.log.exchange(0, &mut |records| {
                    all = records;
                    Ok(Batch::default())
                });
                drop(reply.send(read.map(|()| all).map_err(|e| Refusal::Unavailable(e.to_string()))));
            }
        }
    }

    /// One transaction for these jobs.
    fn turn(&mut self, jobs: Vec<Job>) -> Result<(), LogError> {
        if self.stale {
            (self.state, self.seq, self.hash, self.at) = (State::default(), 0, String::new(), 0);
        }
        let mut finish: Vec<Finish> = Vec::new();
        let mut jobs = Some(jobs);
        let place = self.log.place();
        let Self { log, state, seq, hash, at, stale } = self;
        // True until the end: whatever happens in between, the state may be ahead of the log.
        *stale = true;
        let result = log.exchange(*seq, &mut |new| {
            let broken = |problem: String| LogError::Broken { place: place.clone(), problem };
            (*seq, *hash) = verify(*seq, std::mem::take(hash), &new).map_err(broken)?;
            for record in &new {
                replay(state, record).map_err(broken)?;
                *at = record.at;
            }
            // A clock that was set back does not turn the order of events around.
            let now = clock().max(*at);
            let mut batch = Batch::default();
            for job in jobs.take().unwrap_or_default() {
                let (events, done) = job(state, now);
                finish.push(done);
                for event in events {
                    batch.rows.extend(state.apply(now, &event).map_err(broken)?);
                    let body = serde_json::to_string(&event).map_err(|e| broken(e.to_string()))?;
                    (*seq, *hash) = (*seq + 1, chain(hash, now, &body));
                    batch.records.push(Stored { seq: *seq, at: now, body, hash: hash.clone() });
                    *at = now;
                }
            }
            Ok(batch)
        });
        *stale = result.is_err();
        let refusal = result.as_ref().err().map(|e| Refusal::Unavailable(e.to_string()));
        let told = |stored: Option<&Refusal>| stored.map_or(Ok(()), |refusal| Err(refusal.clone()));
        for done in finish {
            done(told(refusal.as_ref()));
        }
        // The store failed before anybody could decide: they still wait for an answer.
        for job in jobs.into_iter().flatten() {
            let (_, done) = job(&State::default(), clock());
            done(told(refusal.as_ref()));
        }
        result
    }
}

/// Takes a stored record into the state; gives the rows that it changes, or what is wrong with it.
fn replay(state: &mut State, record: &Stored) -> Result<Vec<Row>, String> {
    let event: Event =
        serde_json::from_str(&record.body).map_err(|e| format!("event {} cannot be read: {e}", record.seq))?;
    state.apply(record.at, &event).map_err(|e| format!("event {}: {e}", record.seq))
}

fn clock() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Millis)
}

/// What [`rebuild`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// Events read, all of which verify.
    pub events: u64,
    /// Rows written.
    pub rows: u64,
    /// Whether the tables were as the log says before.
    pub same: bool,
}

/// Verifies the log from its first event and writes the tables anew from it.
///
/// # Errors
/// [`LogError`], naming the first event that does not follow from those before it.
pub fn rebuild(log: &mut dyn Log) -> Result<Rebuilt, LogError> {
    let place = log.place();
    let (mut state, mut events) = (State::default(), 0);
    let mut rows: std::collections::BTreeMap<(&'static str, String), Row> = std::collections::BTreeMap::new();
    log.exchange(0, &mut |records| {
        let broken = |problem: String| LogError::Broken { place: place.clone(), problem };
        verify(0, String::new(), &records).map_err(broken)?;
        for record in &records {
            let changed = replay(&mut state, record).map_err(broken)?;
            rows.extend(changed.into_iter().map(|row| ((row.0, row.1.clone()), row)));
            events += 1;
        }
        Ok(Batch::default())
    })?;
    let before = log.tables()?;
    let rows: Vec<Row> = rows.into_values().collect();
    log.replace_tables(&rows)?;
    Ok(Rebuilt { events, rows: rows.len() as u64, same: log.tables()? == before })
}
