//! For administrators: how it goes, who works here, and the work as files.

use super::super::decide::{self, Refusal};
use super::super::event::{Event, Role, Stored};
use super::super::messages::Messages;
use super::super::pages as html;
use super::super::{export, overview, secret};
use super::App;
use super::pages::{Viewer, language, page, refused};
use crate::{CrowdReport, crowd_report};
use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use std::sync::{Arc, PoisonError};

/// The overview.
pub async fn overview(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    show(&app, &headers, None).await
}

async fn show(app: &App, headers: &HeaderMap, invited: Option<(String, String)>) -> Response {
    let m = Messages::of(language(headers));
    let found = app
        .as_admin(headers, |state, person, now| Ok((vec![], (overview::overview(state, now), Viewer::of(person)))))
        .await;
    match found {
        Ok((mut view, viewer)) => {
            view.invited = invited;
            match crowd(app).await {
                Ok(crowd) => overview::with_crowd(&mut view, &crowd),
                Err(refusal) => return refused(&refusal, m),
            }
            page(StatusCode::OK, "nav_admin", &html::admin_main(&view, m), viewer, "/admin", m)
        }
        Err(refusal) => refused(&refusal, m),
    }
}

/// How far people can be trusted. It takes seconds over thousands of rankings: away from the desk, and again only when there are
/// new ones.
async fn crowd(app: &App) -> Result<Arc<CrowdReport>, Refusal> {
    let judged = app.desk.ask(|state, _| Ok((vec![], state.judgements.len()))).await?;
    let known = app.crowd.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((_, report)) = known.filter(|(of, _)| *of == judged) {
        return Ok(report);
    }
    let (rankings, answers) =
        app.desk.ask(|state, _| Ok((vec![], (state.rankings(false), export::answers(state))))).await?;
    let made = tokio::task::spawn_blocking(move || Arc::new(crowd_report(&rankings, &answers, None, None))).await;
    let report = made.map_err(|e| Refusal::Unavailable(format!("the report on people could not be made: {e}")))?;
    *app.crowd.lock().unwrap_or_else(PoisonError::into_inner) = Some((judged, Arc::clone(&report)));
    Ok(report)
}

/// Everything said about one item.
pub async fn item(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    let m = Messages::of(language(&headers));
    let found = app
        .as_admin(&headers, move |state, person, _| {
            let view =
                overview::item(state, &id).ok_or_else(|| Refusal::NotFound(format!("there is no item {id:?}")))?;
            Ok((vec![], (view, Viewer::of(person))))
        })
        .await;
    match found {
        Ok((view, viewer)) => page(StatusCode::OK, "nav_admin", &html::item_main(&view, m), viewer, "/admin", m),
        Err(refusal) => refused(&refusal, m),
    }
}

/// Somebody to be invited.
#[derive(Deserialize)]
pub struct Invite {
    name: String,
    role: Role,
    /// A field of a form: empty is none.
    #[serde(default)]
    quota: String,
}

/// Invites, and shows the link once.
pub async fn invite(State(app): State<Arc<App>>, headers: HeaderMap, Form(sent): Form<Invite>) -> Response {
    let m = Messages::of(language(&headers));
    let made = async {
        let token = secret()?;
        let (of_link, name) = (token.clone(), sent.name.clone());
        let quota = match sent.quota.trim() {
            "" => None,
            number => Some(number.parse().map_err(|_| {
                Refusal::Invalid(format!("quota: is {number:?}, expected a number of tasks, or nothing"))
            })?),
        };
        let role = sent.role;
        app.as_admin(&headers, move |state, _, _| decide::invite(state, &name, role, quota, &token)).await?;
        Ok(of_link)
    };
    match made.await {
        Ok(token) => {
            let link = format!("{}/join?invite={token}", app.url);
            show(&app, &headers, Some((sent.name, link))).await
        }
        Err(refusal) => refused(&refusal, m),
    }
}

/// Somebody by identifier.
#[derive(Deserialize)]
pub struct Who {
    person: String,
}

/// Back to the overview, or to what was wrong.
fn then_overview(headers: &HeaderMap, done: Result<(), Refusal>) -> Response {
    match done {
        Ok(()) => Redirect::to("/admin").into_response(),
        Err(refusal) => refused(&refusal, Messages::of(language(headers))),
    }
}

/// Shuts somebody out.
pub async fn revoke(State(app): State<Arc<App>>, headers: HeaderMap, Form(sent): Form<Who>) -> Response {
    let done = app.as_admin(&headers, move |state, _, _| decide::revoke(state, &sent.person)).await;
    then_overview(&headers, done)
}

/// New instructions.
#[derive(Deserialize)]
pub struct Text {
    text: String,
}

/// Sets the instructions.
pub async fn guidelines(State(app): State<Arc<App>>, headers: HeaderMap, Form(sent): Form<Text>) -> Response {
    let done = app.as_admin(&headers, move |state, _, _| {
        let (events, _) = decide::set_guideline(state, &sent.text)?;
        Ok((events, ()))
    });
    let done = done.await;
    then_overview(&headers, done)
}

/// How a file is wanted.
#[derive(Deserialize)]
pub struct How {
    #[serde(default)]
    anonymous: String,
}

/// The work as a file.
pub async fn export(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Path(file): Path<String>,
    Query(how): Query<How>,
) -> Response {
    let m = Messages::of(language(&headers));
    if file == "events.jsonl" {
        return events(&app, &headers).await;
    }
    let Some(format) = export::Format::of_file(&file) else {
        return refused(&Refusal::NotFound(format!("there is no export {file:?}")), m);
    };
    let anonymous = !["", "0", "false"].contains(&how.anonymous.as_str());
    let made = app.as_admin(&headers, move |state, person, _| {
        let bytes = export::export(state, format, anonymous);
        let bytes = bytes.map_err(|e| Refusal::Invalid(e.to_string()))?;
        let event = Event::Exported { person: person.id.clone(), format: file.clone() };
        Ok((vec![event], (bytes, file)))
    });
    match made.await {
        Ok((bytes, file)) => {
            let whole = [export::Format::Argilla, export::Format::LabelStudio].contains(&format);
            let kind = if whole { "application/json" } else { "application/jsonl" };
            let disposition = format!("attachment; filename=\"{file}\"");
            ([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)], bytes)
                .into_response()
        }
        Err(refusal) => refused(&refusal, m),
    }
}

/// The log itself, a record a line, with the hashes that tie each to the one before it.
async fn events(app: &App, headers: &HeaderMap) -> Response {
    let m = Messages::of(language(headers));
    let made = async {
        app.as_admin(headers, |_, person, _| {
            let format = "events.jsonl".to_owned();
            Ok((vec![Event::Exported { person: person.id.clone(), format }], ()))
        })
        .await?;
        app.desk.records().await
    };
    match made.await {
        Ok(records) => {
            // The body as it was stored, to the byte: the hash is of that.
            let line = |Stored { seq, at, body, hash }: &Stored| {
                format!("{{\"seq\":{seq},\"at\":{at},\"event\":{body},\"hash\":\"{hash}\"}}\n")
            };
            let text: String = records.iter().map(line).collect();
            let named = (header::CONTENT_DISPOSITION, "attachment; filename=\"events.jsonl\"");
            ([(header::CONTENT_TYPE, "application/jsonl"), named], text).into_response()
        }
        Err(refusal) => refused(&refusal, m),
    }
}
