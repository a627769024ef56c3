//! For people: every page but the administrators'.

use super::super::decide::{self, Refusal};
use super::super::messages::Messages;
use super::super::pages::view::{Kind, NoTask, Saved, TaskView};
use super::super::pages::{self, Nav};
use super::super::secret;
use super::super::show::{saved, task_view};
use super::super::state::Person;
use super::{App, cookie, opened, session_hash};
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::sync::Arc;
use trimtab_run::sha256_bytes;

/// The language of the request: a choice made before, else what the browser prefers.
pub fn language(headers: &HeaderMap) -> &'static str {
    let preferred = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Messages::of(cookie(headers, "language").unwrap_or(preferred)).language()
}

/// Who looks, for the line on top of each page.
pub struct Viewer {
    /// Their pseudonym, where somebody is signed in.
    pub person: Option<String>,
    /// Whether they administrate.
    pub admin: bool,
}

impl Viewer {
    /// Nobody.
    pub const NOBODY: Self = Self { person: None, admin: false };

    /// This person.
    pub fn of(person: &Person) -> Self {
        let admin = person.role == super::super::event::Role::Admin;
        Self { person: Some(person.id.clone()), admin }
    }
}

/// A whole page.
pub fn page(status: StatusCode, title: &str, main: &str, viewer: Viewer, path: &str, m: &Messages) -> Response {
    let nav = Nav { person: viewer.person, admin: viewer.admin, path: path.to_owned() };
    let html = pages::layout(m.get(title), main, &nav, m);
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}

/// A refusal as a page.
pub fn refused(refusal: &Refusal, m: &Messages) -> Response {
    let main = match refusal {
        Refusal::SignedOut => pages::signed_out_main(m),
        other => pages::error_main(other.status().as_u16(), &other.words().1, m),
    };
    page(refusal.status(), "error_other", &main, Viewer::NOBODY, "", m)
}

/// What a kind of task is called in JSON.
pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Demonstrate => "demonstrate",
        Kind::Rank => "rank",
        Kind::Edit => "edit",
    }
}

/// A task's HTML, as it stands in `<main>`.
pub fn task_html(view: &TaskView, language: &str) -> String {
    pages::task_main(view, Messages::of(language))
}

/// The HTML of having no task.
pub fn no_task_html(why: NoTask, done: u64, language: &str) -> String {
    pages::no_task_main(why, done, Messages::of(language))
}

/// To the work, or to the door.
pub async fn home(headers: HeaderMap) -> Response {
    if session_hash(&headers).is_some() {
        return Redirect::to("/task").into_response();
    }
    let m = Messages::of(language(&headers));
    page(StatusCode::OK, "signed_out_title", &pages::signed_out_main(m), Viewer::NOBODY, "/", m)
}

/// A token in a link.
#[derive(Deserialize)]
pub struct Token {
    token: Option<String>,
    invite: Option<String>,
}

/// A page for whoever has just opened this session.
fn with_cookie(app: &App, session: &str, to: &str) -> Response {
    app.known_sessions().insert(sha256_bytes(session.as_bytes()));
    let mut response = Redirect::to(to).into_response();
    if let Ok(value) = HeaderValue::from_str(&app.cookie(session)) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

/// The owner's link.
pub async fn enter(State(app): State<Arc<App>>, headers: HeaderMap, Query(sent): Query<Token>) -> Response {
    let m = Messages::of(language(&headers));
    // Hashes are compared, so that the time it takes says nothing about the token.
    if sent.token.is_none_or(|token| sha256_bytes(token.as_bytes()) != app.owner_sha256) {
        let what = "this link is of a service that was stopped since; its new link is where it was started".to_owned();
        return refused(&Refusal::NotFound(what), m);
    }
    let made = async {
        let session = secret()?;
        let of_session = session.clone();
        app.desk
            .ask(move |state, _| {
                let owner = state.people.values().find(|person| person.name == super::OWNER);
                let owner = owner.ok_or_else(|| Refusal::NotFound("there is no owner".into()))?;
                Ok((opened(&owner.id, &of_session), ()))
            })
            .await?;
        Ok(with_cookie(&app, &session, "/task"))
    };
    made.await.unwrap_or_else(|refusal: Refusal| refused(&refusal, m))
}

/// An invitation's page. Looking at it uses nothing up: programs that preview links look too.
pub async fn join(State(app): State<Arc<App>>, headers: HeaderMap, Query(sent): Query<Token>) -> Response {
    let m = Messages::of(language(&headers));
    let token = sent.invite.unwrap_or_default();
    let hash = sha256_bytes(token.as_bytes());
    let name = app.desk.ask(move |state, _| Ok((vec![], state.invited(&hash).map(|person| person.name.clone())))).await;
    match name {
        Ok(Some(name)) => {
            page(StatusCode::OK, "join_title", &pages::join_main(&token, &name, m), Viewer::NOBODY, "/join", m)
        }
        Ok(None) => refused(
            &Refusal::NotFound("this invitation was used before, or never given; ask for a new one".to_owned()),
            m,
        ),
        Err(refusal) => refused(&refusal, m),
    }
}

/// Uses an invitation up.
pub async fn accept(State(app): State<Arc<App>>, headers: HeaderMap, Form(sent): Form<Token>) -> Response {
    let m = Messages::of(language(&headers));
    let made = async {
        let session = secret()?;
        let (of_session, token) = (session.clone(), sent.invite.unwrap_or_default());
        app.desk.ask(move |state, _| decide::join(state, &token, &of_session)).await?;
        Ok(with_cookie(&app, &session, "/task"))
    };
    made.await.unwrap_or_else(|refusal: Refusal| refused(&refusal, m))
}

/// Ends the session.
pub async fn leave(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    if let Some(session_sha256) = session_hash(&headers) {
        let closed = super::Event::SessionClosed { session_sha256: session_sha256.clone() };
        let ended = app
            .desk
            .ask(move |state, _| Ok((state.session(&session_sha256).map_or_else(Vec::new, |_| vec![closed]), ())));
        if let Err(refusal) = ended.await {
            return refused(&refusal, Messages::of(language(&headers)));
        }
    }
    with_cookie(&app, "", "/")
}

/// What a task's page is asked for.
#[derive(Deserialize)]
pub struct Wanted {
    revises: Option<String>,
    revise: Option<String>,
}

/// The page of the next task, or of a judgement to be revised.
pub async fn task(State(app): State<Arc<App>>, headers: HeaderMap, Query(wanted): Query<Wanted>) -> Response {
    let m = Messages::of(language(&headers));
    let revise = wanted.revise.or(wanted.revises);
    let main = app
        .as_person(&headers, move |state, person, now| {
            if let Some(id) = revise {
                let missing = || Refusal::NotFound(format!("you have no judgement {id:?}"));
                let recorded = state.judgement(&id).filter(|r| r.person == person.id).ok_or_else(missing)?;
                // An older one stands for the item: the page shows what was said last.
                let latest = state.latest(&person.id, &recorded.said.item).ok_or_else(missing)?;
                let lease = state.lease(&latest.said.lease).ok_or_else(missing)?;
                let view = task_view(state, person, lease, Some(latest));
                return Ok((vec![], (pages::task_main(&view, m), Viewer::of(person))));
            }
            let (events, served) = decide::serve(state, person, None, now)?;
            let main = match served {
                Ok(lease) => pages::task_main(&task_view(state, person, &lease, None), m),
                Err(why) => pages::no_task_main(why, person.judged.len() as u64, m),
            };
            Ok((events, (main, Viewer::of(person))))
        })
        .await;
    match main {
        Ok((main, viewer)) => page(StatusCode::OK, "nav_task", &main, viewer, "/task", m),
        Err(refusal) => refused(&refusal, m),
    }
}

/// What the person said so far.
pub async fn history(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let m = Messages::of(language(&headers));
    let found = app
        .as_person(&headers, |state, person, _| {
            let own = state.judgements.iter().filter(|recorded| recorded.person == person.id);
            let mut own: Vec<Saved> = own.map(|recorded| saved(state, recorded)).collect();
            own.reverse();
            Ok((vec![], (own, Viewer::of(person))))
        })
        .await;
    match found {
        Ok((own, viewer)) => page(StatusCode::OK, "nav_history", &pages::history_main(&own, m), viewer, "/history", m),
        Err(refusal) => refused(&refusal, m),
    }
}

/// The instructions in force.
pub async fn guidelines(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let m = Messages::of(language(&headers));
    let found =
        app.as_person(&headers, |state, person, _| Ok((vec![], (state.guideline.clone(), Viewer::of(person))))).await;
    match found {
        Ok(((version, text), viewer)) => {
            let main = pages::guidelines_main(&version, &text, m);
            page(StatusCode::OK, "nav_guidelines", &main, viewer, "/guidelines", m)
        }
        Err(refusal) => refused(&refusal, m),
    }
}

/// Nothing here.
pub async fn not_found(headers: HeaderMap, uri: Uri) -> Response {
    refused(&Refusal::NotFound(format!("there is no page {}", uri.path())), Messages::of(language(&headers)))
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    // The service is one binary: a new one must not meet an old script in the browser's cache.
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}

/// The style.
pub async fn style() -> Response {
    asset("text/css; charset=utf-8", pages::CSS)
}

/// The script.
pub async fn script() -> Response {
    asset("text/javascript; charset=utf-8", pages::JS)
}
