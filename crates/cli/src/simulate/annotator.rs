//! One simulated person: joins, thinks, ranks, saves, and sends again what was not acknowledged.

use serde_json::{Value, json};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};
use trimtab_people::service::event::Judgement;
use trimtab_people::simulated::judge_one;
use trimtab_people::{Counts, Person, Values};
use trimtab_run::{Stream, stream};
use trimtab_text::record::{Answer, Samples, Verdict};
use ureq::http::{Response, header};

/// Which call of the simulated people this is, in the names of the random streams.
const LABEL: &str = "service";

/// Somebody who is about to work.
pub struct Annotator {
    /// Their name.
    pub name: String,
    /// How they judge.
    pub person: Person,
    /// The service.
    pub url: String,
    /// The token of their invitation.
    pub invite: String,
    /// What their keys begin with.
    pub keys: String,
    /// Seed of judgements and pauses.
    pub seed: u64,
    /// Mean pause, in seconds.
    pub pace: f64,
    /// How long they work.
    pub work: Duration,
    /// How long they send the same again.
    pub patience: Duration,
    /// What they perceive.
    pub values: Arc<dyn Values + Send + Sync>,
}

/// A judgement that the service said it has stored.
#[derive(Debug, Clone)]
pub struct Told {
    /// The key under which it was sent.
    pub key: String,
    /// The name that the service gave it.
    pub judgement: String,
    /// What was said.
    pub said: Judgement,
}

impl Told {
    /// As a line of JSON.
    pub fn line(&self) -> String {
        let line = json!({"key": self.key, "judgement": self.judgement, "item": self.said.item,
            "shown": self.said.shown, "ranks": self.said.ranks, "verdict": self.said.verdict});
        format!("{line}\n")
    }
}

/// What came of somebody's work.
#[derive(Debug, Default)]
pub struct Done {
    /// Saves acknowledged.
    pub acknowledged: Vec<Told>,
    /// Seconds from the first sending of each acknowledged save to its acknowledgement, repeats included.
    pub saves: Vec<f64>,
    /// Seconds for each next task, repeats included.
    pub nexts: Vec<f64>,
    /// Requests sent again.
    pub retries: u64,
    /// Times that there was no task.
    pub idle: u64,
    /// What failed for good.
    pub errors: Vec<String>,
    /// What became of the items.
    pub counts: Counts,
}

/// What is asked.
enum Ask<'a> {
    Get(&'a str),
    Post(&'a str, String),
}

/// A connection that stays open, and who is behind it.
pub struct Line<'a> {
    agent: ureq::Agent,
    of: &'a Annotator,
    session: Option<String>,
    pauses: Stream,
}

impl Line<'_> {
    fn send(&self, ask: &Ask<'_>) -> Result<Response<ureq::Body>, ureq::Error> {
        // Without a session a post must say where it comes from, as a browser does.
        let (name, value) = match &self.session {
            Some(session) => (header::AUTHORIZATION, format!("Bearer {session}")),
            None => (header::ORIGIN, self.of.url.clone()),
        };
        match ask {
            Ask::Get(path) => self.agent.get(format!("{}{path}", self.of.url)).header(name, value).call(),
            Ask::Post(path, body) => self
                .agent
                .post(format!("{}{path}", self.of.url))
                .header(name, value)
                .header(header::CONTENT_TYPE, "application/json")
                .send(body.as_str()),
        }
    }

    /// Sends until there is an answer other than 429 and 503: the answer, and the seconds since the first sending.
    fn ask(&mut self, ask: &Ask<'_>, done: &mut Done) -> Result<(Value, f64), String> {
        let start = Instant::now();
        let mut pause = 0.1;
        loop {
            let (problem, wait) = match self.send(ask) {
                Ok(mut response) => {
                    let status = response.status().as_u16();
                    let after = response.headers().get(header::RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
                    match response.body_mut().read_to_string() {
                        Ok(text) if status == 200 => {
                            let seconds = start.elapsed().as_secs_f64();
                            let value = serde_json::from_str(&text).map_err(|e| format!("answer is no JSON: {e}"))?;
                            return Ok((value, seconds));
                        }
                        Ok(text) if status != 429 && status != 503 => return Err(format!("{status} {text}")),
                        Ok(text) => (format!("{status} {text}"), after),
                        Err(e) => (e.to_string(), None),
                    }
                }
                Err(e) => (e.to_string(), None),
            };
            if start.elapsed() > self.of.patience {
                return Err(format!("after {} s: {problem}", self.of.patience.as_secs()));
            }
            done.retries += 1;
            // Spread, so that two hundred who lost the same service do not come back in the same instant.
            let wait: f64 = wait.unwrap_or(pause);
            std::thread::sleep(Duration::from_secs_f64(wait * (1.0 + self.pauses.uniform())));
            pause = (2.0 * pause).min(2.0);
        }
    }

    /// Thinks: an exponential time, of which at most ten times the mean, that is one in twenty thousand.
    fn think(&mut self) {
        let time = -(1.0 - self.pauses.uniform()).ln();
        std::thread::sleep(Duration::from_secs_f64(self.of.pace * time.min(10.0)));
    }
}

impl Annotator {
    /// Joins by the invitation. Where that fails, why is among the errors and the line has no session.
    pub fn join(&self, done: &mut Done) -> Line<'_> {
        let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0);
        // One for each phase: a time for the whole makes ureq look the address up in a thread of its own, at every request.
        let most = Some(Duration::from_secs(30));
        let config =
            config.timeout_connect(most).timeout_send_body(most).timeout_recv_response(most).timeout_recv_body(most);
        let pauses = stream(self.seed, &format!("people/{LABEL}/{}/pauses", self.name), 0, 0);
        let mut line = Line { agent: config.build().into(), of: self, session: None, pauses };
        let joined = line.ask(&Ask::Post("/api/join", json!({"invite": self.invite}).to_string()), done);
        // Joining is not the load: two hundred from one address are asked to wait.
        done.retries = 0;
        line.session = joined
            .map_err(|problem| done.errors.push(format!("{}: join: {problem}", self.name)))
            .ok()
            .and_then(|(answer, _)| Some(answer["session"].as_str()?.to_owned()));
        line
    }

    /// Joins, waits until all have joined, and works.
    pub fn work(&self, together: &Barrier) -> Done {
        let mut done = Done::default();
        let mut line = self.join(&mut done);
        together.wait();
        let start = Instant::now();
        // Not all at once: people come in over the first moments.
        line.think();
        while line.session.is_some() && start.elapsed() < self.work {
            if let Err(problem) = self.one(&mut line, &mut done, start) {
                done.errors.push(format!("{}: {problem}", self.name));
                line.think();
            }
        }
        done
    }

    /// One task, or the wait for one.
    pub fn one(&self, line: &mut Line<'_>, done: &mut Done, start: Instant) -> Result<(), String> {
        let (answer, seconds) = line.ask(&Ask::Get("/api/next"), done).map_err(|e| format!("next: {e}"))?;
        done.nexts.push(seconds);
        line.think();
        if start.elapsed() >= self.work {
            return Ok(());
        }
        let task = &answer["task"];
        if !task.is_object() {
            done.idle += 1;
            return Ok(());
        }
        let said =
            self.judge(task, done.acknowledged.len(), &mut done.counts).ok_or("next: a task without its answers")?;
        let key = format!("{}-{}", self.keys, done.acknowledged.len() + done.errors.len());
        let mut body = json!(said);
        body["key"] = json!(key);
        let (saved, seconds) =
            line.ask(&Ask::Post("/api/judgements", body.to_string()), done).map_err(|e| format!("save: {e}"))?;
        let judgement = saved["judgement"].as_str().ok_or("save: an answer without the judgement's name")?.to_owned();
        done.saves.push(seconds);
        done.acknowledged.push(Told { key, judgement, said });
        Ok(())
    }

    /// What they say about a task: a ranking, or why there is none.
    fn judge(&self, task: &Value, t: usize, counts: &mut Counts) -> Option<Judgement> {
        let text = |of: &Value, key: &str| Some(of[key].as_str()?.to_owned());
        let mut said = Judgement { item: text(task, "item")?, lease: text(task, "lease")?, ..Judgement::default() };
        said.guideline = text(task, "guideline");
        said.ui = Some("simulated".into());
        let mut answers = Vec::new();
        for answer in task["answers"].as_array()? {
            let (id, text) = (text(answer, "id")?, text(answer, "text")?);
            said.shown.push(id.clone());
            let (tokens, logprobs, extra) = (vec![], vec![], serde_json::Map::new());
            answers.push(Answer { id, text, tokens, logprobs, seed: 0, stop: String::new(), extra });
        }
        if task["kind"] != "rank" {
            (said.verdict, said.reason) = (Some(Verdict::Skip), Some("a simulated person only ranks".into()));
            return Some(said);
        }
        // By name, so that what is drawn does not hang on the order shown.
        answers.sort_by(|a, b| a.id.cmp(&b.id));
        let samples = Samples {
            id: said.item.clone(),
            input: serde_json::from_value(json!({"messages": task["messages"]})).ok()?,
            answers,
            model: None,
            temperature: None,
            group: None,
            extra: serde_json::Map::new(),
        };
        let who = (self.name.as_str(), &self.person);
        match judge_one(who, &*self.values, &samples, &said.shown, t, self.seed, LABEL, counts) {
            Some(ranking) => {
                (said.ranks, said.flags, said.verdict) = (ranking.ranks, ranking.flags, ranking.verdict);
                // The time that such a person would take, not the time that this one was given.
                said.active_ms = ranking.seconds.map(|seconds| (seconds * 1000.0) as u64);
                if said.ranks.len() == 1 && said.verdict.is_none() {
                    said.ranks.clear();
                    said.verdict = Some(Verdict::CannotJudge);
                }
            }
            None => said.verdict = Some(Verdict::CannotJudge),
        }
        Some(said)
    }
}
