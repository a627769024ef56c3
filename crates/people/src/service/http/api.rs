//! For programs and the page's script: JSON in, JSON out.

use super::super::decide;
use super::super::event::Judgement;
use super::super::pages::view::NoTask;
use super::super::{secret, show};
use super::{App, Refused, pages};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use trimtab_run::sha256_bytes;

/// An error as a program reads it.
pub fn error(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({"error": {"code": code, "message": message}}))).into_response()
}

/// The body, or what is wrong with it.
fn body<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, Refused> {
    body.map(|Json(value)| value).map_err(|e| Refused::Body(e.status(), e.body_text()))
}

/// Uses up an invitation; gives a session's secret, for `Authorization: Bearer`.
pub async fn join(State(app): State<Arc<App>>, sent: Result<Json<Join>, JsonRejection>) -> Result<Response, Refused> {
    let Join { invite } = body(sent)?;
    let session = secret()?;
    let of_session = session.clone();
    let person = app.desk.ask(move |state, _| decide::join(state, &invite, &of_session)).await?;
    app.known_sessions().insert(sha256_bytes(session.as_bytes()));
    Ok(Json(json!({"person": person, "session": session})).into_response())
}

/// An invitation's token.
#[derive(Deserialize)]
pub struct Join {
    invite: String,
}

/// Which task the caller has on the page.
#[derive(Deserialize)]
pub struct Besides {
    besides: Option<String>,
}

/// The next task, as data and as HTML.
pub async fn next(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Query(Besides { besides }): Query<Besides>,
) -> Result<Response, Refused> {
    let language = pages::language(&headers);
    let served = app
        .as_person(&headers, move |state, person, now| {
            let (events, served) = decide::serve(state, person, besides.as_deref(), now)?;
            let seen = served.map(|lease| show::task_view(state, person, &lease, None));
            Ok((events, seen.map_err(|why| (why, person.judged.len() as u64))))
        })
        .await?;
    // Not at the desk, where everybody else would wait for it.
    let answer = match served {
        Ok(view) => {
            let html = pages::task_html(&view, language);
            let answers: Vec<Value> = view.answers.iter().map(|(id, text)| json!({"id": id, "text": text})).collect();
            let prompt: Vec<Value> =
                view.prompt.iter().map(|(role, text)| json!({"role": role, "content": text})).collect();
            json!({"task": {
                "lease": view.lease, "item": view.item, "kind": pages::kind_name(view.kind),
                "expires": view.expires, "messages": prompt, "answers": answers, "guideline": view.guideline,
                "html": html,
            }})
        }
        Err((why, done)) => json!({"none": reason(why), "html": pages::no_task_html(why, done, language)}),
    };
    Ok(Json(answer).into_response())
}

fn reason(why: NoTask) -> &'static str {
    match why {
        NoTask::Finished => "finished",
        NoTask::Waiting => "waiting",
        NoTask::Quota => "quota",
        NoTask::Calibration => "calibration",
        NoTask::Empty => "empty",
    }
}

/// Stores a judgement, once for each key.
pub async fn judge(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    sent: Result<Json<Value>, JsonRejection>,
) -> Result<Response, Refused> {
    let mut value = body(sent)?;
    let wrong = |what: &str| Refused::Body(StatusCode::BAD_REQUEST, what.to_owned());
    let key = value.as_object_mut().and_then(|fields| fields.remove("key"));
    let Some(Value::String(key)) = key else { return Err(wrong("key: expected a text that no other save has")) };
    // Apart from the key: a field that is not known is a page of another version, and must not be half understood.
    let said: Judgement = serde_json::from_value(value).map_err(|e| wrong(&format!("judgement: {e}")))?;
    let saved =
        app.as_person(&headers, move |state, person, now| decide::judge(state, person, &key, said, now)).await?;
    Ok(Json(saved).into_response())
}

/// A lease.
#[derive(Deserialize)]
pub struct Beat {
    lease: String,
}

/// Keeps a lease while somebody is at work.
pub async fn heartbeat(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    sent: Result<Json<Beat>, JsonRejection>,
) -> Result<Response, Refused> {
    let Beat { lease } = body(sent)?;
    let expires =
        app.as_person(&headers, move |state, person, now| decide::heartbeat(state, person, &lease, now)).await?;
    Ok(Json(json!({"expires": expires})).into_response())
}

/// Judgements that count and those wanted.
pub async fn progress(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Refused> {
    let (judged, wanted) = app.as_person(&headers, |state, _, _| Ok((vec![], state.progress()))).await?;
    Ok(Json(json!({"judged": judged, "wanted": wanted})).into_response())
}

/// Whether the store answers.
pub async fn health(State(app): State<Arc<App>>) -> Result<Response, Refused> {
    app.desk.ask(|_, _| Ok((vec![], ()))).await?;
    Ok("ok\n".into_response())
}

/// What programs may ask, as OpenAPI 3.1.
pub async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], super::openapi::openapi_text()).into_response()
}
