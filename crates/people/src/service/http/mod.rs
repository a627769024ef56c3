//! The door: HTTP in front of the desk.
//!
//! Every request passes, in this order: the list of hosts (against rebinding of names), the origin of what would change
//! something (against forged posts), a limit on how often, and then the session. Every answer carries a content policy
//! under which nothing but the service's own script runs.

mod admin;
mod api;
mod guard;
mod openapi;
mod pages;
mod routes;

pub use openapi::{openapi, openapi_text};

use super::decide::{self, Decided, Refusal};
use super::desk::Desk;
use super::event::{Event, Millis, Role};
use super::secret;
use super::state::{Person, State};
use crate::CrowdReport;
use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use guard::Limiter;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use trimtab_run::sha256_bytes;

/// Most bytes of a request's body.
const LARGEST_BODY: usize = 1 << 20;
/// The person of whoever started the service on their own machine.
const OWNER: &str = "owner";

/// How a service is reached.
#[derive(Debug, Clone)]
pub struct Door {
    /// Where it listens.
    pub address: SocketAddr,
    /// The address that people type, where that is another one, such as behind a proxy: `https://label.example.org`.
    pub public_url: Option<String>,
    /// Whether one caller may ask only so often. Off for people simulated in this process, who think no time at all.
    pub limited: bool,
}

/// A service that listens and does not answer yet.
pub struct Service {
    listener: std::net::TcpListener,
    /// The address that people type.
    pub url: String,
    /// The link that lets the owner in, as often as wanted, while the service runs.
    pub owner_link: String,
    app: Arc<App>,
}

/// What every handler needs.
struct App {
    desk: Desk,
    /// The address that people type.
    url: String,
    /// Hash of the token in the owner's link.
    owner_sha256: String,
    hosts: guard::Hosts,
    /// Whether cookies may travel over https only.
    secure: bool,
    /// None where callers may ask as often as they like.
    limiter: Option<Mutex<Limiter>>,
    /// Hashes of sessions that were found good: whoever has one is counted alone, everybody else by address, so that a
    /// made-up session buys nothing.
    sessions: Mutex<HashSet<String>>,
    /// How far people can be trusted, and after how many judgements that was found.
    crowd: Mutex<Option<(usize, Arc<CrowdReport>)>>,
}

impl Service {
    /// Takes the address, and sees to it that there is an owner.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] where the address is taken or the store cannot write.
    pub fn bind(desk: Desk, door: &Door) -> Result<Self, Refusal> {
        let failed = |e: std::io::Error| {
            let advice = "expected a free address of this machine\n  try: another --port, or 0 for any that is free";
            Refusal::Unavailable(format!("{}: {e}\n  {advice}", door.address))
        };
        let listener = std::net::TcpListener::bind(door.address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let token = secret()?;
        let owner_sha256 = sha256_bytes(token.as_bytes());
        let invitation = secret()?;
        desk.ask_now(move |state, _| {
            let known = state.people.values().any(|person| person.name == OWNER && !person.revoked);
            // The invitation's token is never shown: the owner comes in by the link of this process.
            if known {
                Ok((vec![], String::new()))
            } else {
                decide::invite(state, OWNER, Role::Admin, None, &invitation)
            }
        })?;
        let url = door.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let url = url.trim_end_matches('/').to_owned();
        let app = App {
            desk,
            url: url.clone(),
            owner_sha256,
            hosts: guard::Hosts::of(address, door.public_url.as_deref()),
            secure: url.starts_with("https://"),
            limiter: door.limited.then(Mutex::default),
            sessions: Mutex::default(),
            crowd: Mutex::new(None),
        };
        let owner_link = format!("{url}/enter?token={token}");
        Ok(Self { listener, url, owner_link, app: Arc::new(app) })
    }

    /// Answers until `stop` says so; requests under way have five more seconds.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn run(self, stop: impl Fn() -> bool + Send + 'static) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(self.listener)?;
            let (told, stopping) = tokio::sync::oneshot::channel::<()>();
            let service = router(self.app).into_make_service_with_connect_info::<SocketAddr>();
            let serve = axum::serve(listener, service).with_graceful_shutdown(async { drop(stopping.await) });
            let serving = tokio::spawn(serve.into_future());
            while !stop() && !serving.is_finished() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            drop(told);
            // Somebody who keeps a connection open does not keep the service.
            match tokio::time::timeout(Duration::from_secs(5), serving).await {
                Ok(Ok(ended)) => ended,
                Ok(Err(died)) => Err(std::io::Error::other(died)),
                Err(_) => Ok(()),
            }
        })
    }
}

fn router(app: Arc<App>) -> Router {
    routes::router()
        .fallback(pages::not_found)
        .layer(axum::middleware::from_fn_with_state(app.clone(), guard::guard))
        .layer(axum::extract::DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(app)
}

impl App {
    /// Decides as the person whose session came with the request.
    async fn as_person<T: Send + 'static>(
        &self,
        headers: &HeaderMap,
        decide: impl FnOnce(&State, &Person, Millis) -> Decided<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let session = session_hash(headers).ok_or(Refusal::SignedOut)?;
        let good = session.clone();
        // A page says whom it was drawn for. If somebody else has signed in since, in another tab, it is signed out.
        let meant = headers.get("x-person").and_then(|name| name.to_str().ok()).map(str::to_owned);
        let answer = self
            .desk
            .ask(move |state, now| {
                let person = state.session(&session).ok_or(Refusal::SignedOut)?;
                if meant.is_some_and(|meant| meant != person.id) {
                    return Err(Refusal::SignedOut);
                }
                decide(state, person, now)
            })
            .await;
        if matches!(answer, Err(Refusal::SignedOut)) {
            // Signed out since, or shut out.
            self.known_sessions().remove(&good);
        } else {
            self.known_sessions().insert(good);
        }
        answer
    }

    /// The sessions found good, to be looked at or changed. A poisoned lock means that a thread died in a line above it.
    fn known_sessions(&self) -> MutexGuard<'_, HashSet<String>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same for administrators only.
    async fn as_admin<T: Send + 'static>(
        &self,
        headers: &HeaderMap,
        decide: impl FnOnce(&State, &Person, Millis) -> Decided<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.as_person(headers, move |state, person, now| {
            if person.role == Role::Admin { decide(state, person, now) } else { Err(Refusal::Forbidden) }
        })
        .await
    }

    /// The cookie of a new session.
    fn cookie(&self, session: &str) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        // Lax, so that a link from a message arrives signed in; what changes something checks its origin besides.
        format!("trimtab={session}; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000{secure}")
    }
}

/// Hash of the session's secret, from the cookie or the authorization header.
fn session_hash(headers: &HeaderMap) -> Option<String> {
    let secret = bearer(headers).or_else(|| cookie(headers, "trimtab"))?;
    Some(sha256_bytes(secret.as_bytes()))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").map(str::trim)
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(key, value)| (key == name).then_some(value))
}

/// The events of a session that a person opens.
fn opened(person: &str, session: &str) -> Vec<Event> {
    vec![decide::open_session(person, session, None)]
}

impl Refusal {
    /// The status that says so.
    fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::SignedOut => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// A word for programs, and words for people.
    fn words(&self) -> (&'static str, String) {
        match self {
            Self::Invalid(what) => ("invalid", what.clone()),
            Self::SignedOut => ("signed_out", "nobody is signed in".into()),
            Self::Forbidden => ("forbidden", "this is for administrators".into()),
            Self::NotFound(what) => ("not_found", what.clone()),
            Self::Conflict(what) => ("conflict", what.clone()),
            Self::Unavailable(what) => ("unavailable", what.lines().next().unwrap_or_default().to_owned()),
        }
    }
}

/// A refusal as an answer to a program.
enum Refused {
    /// Of what was asked.
    Asked(Refusal),
    /// Of the body before it was understood: too large, no JSON.
    Body(StatusCode, String),
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Asked(refusal)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Asked(refusal) => {
                let (code, message) = refusal.words();
                api::error(refusal.status(), code, &message)
            }
            Self::Body(StatusCode::PAYLOAD_TOO_LARGE, message) => {
                api::error(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &message)
            }
            // Whatever is wrong with it, it cannot be right: 400, as the contract says.
            Self::Body(_, message) => api::error(StatusCode::BAD_REQUEST, "invalid", &message),
        }
    }
}
