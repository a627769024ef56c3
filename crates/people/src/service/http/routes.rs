//! Every route once: its handler, and the description of it that programs read. A route without one does not compile.

use super::{App, admin, api, pages};
use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodRouter, get, post};
use std::sync::Arc;

/// One route.
pub struct Route {
    /// The method, in small letters.
    pub method: &'static str,
    /// The path, `{name}` for a part that varies.
    pub path: &'static str,
    /// What is said of it.
    pub about: About,
    handler: MethodRouter<Arc<App>>,
}

/// What a route does.
pub struct About {
    /// In one line.
    pub summary: &'static str,
    /// Who may.
    pub access: Access,
    /// Parameters of path and query.
    pub parameters: &'static [Parameter],
    /// What is sent in the body.
    pub sent: Sent,
    /// What is answered when all is well.
    pub answer: Answer,
}

/// Who may ask.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Anyone,
    /// Whoever has a session.
    Person,
    /// Administrators.
    Admin,
}

/// A parameter: its name, and what it is. In the path where the path names it, else in the query and never needed.
pub type Parameter = (&'static str, &'static str);

/// The body of a request.
#[derive(Clone, Copy)]
pub enum Sent {
    /// None.
    Nothing,
    /// JSON of this schema.
    Json(&'static str),
    /// A form with these fields, all needed.
    Form(&'static [Parameter]),
}

/// The answer to a request.
#[derive(Clone, Copy)]
pub enum Answer {
    /// JSON of this schema.
    Json(&'static str),
    /// A page.
    Page,
    /// Somewhere else.
    Redirect,
    /// A file of this media type.
    File(&'static str),
}

impl About {
    fn new(summary: &'static str, access: Access, answer: Answer) -> Self {
        Self { summary, access, parameters: &[], sent: Sent::Nothing, answer }
    }

    fn takes(self, parameters: &'static [Parameter]) -> Self {
        Self { parameters, ..self }
    }

    fn sent(self, sent: Sent) -> Self {
        Self { sent, ..self }
    }
}

fn reads<H: Handler<T, Arc<App>>, T: 'static>(path: &'static str, handler: H, about: About) -> Route {
    Route { method: "get", path, about, handler: get(handler) }
}

fn changes<H: Handler<T, Arc<App>>, T: 'static>(path: &'static str, handler: H, about: About) -> Route {
    Route { method: "post", path, about, handler: post(handler) }
}

/// All of them.
pub fn routes() -> Vec<Route> {
    use Access::{Admin, Anyone, Person};
    use Answer::{File, Json, Page, Redirect};
    let about = About::new;
    vec![
        changes(
            "/api/join",
            api::join,
            about("Uses up an invitation; gives a session", Anyone, Json("Session")).sent(Sent::Json("Join")),
        ),
        reads(
            "/api/next",
            api::next,
            about("The next task, leased to the caller, or why there is none", Person, Json("Next"))
                .takes(&[("besides", "The item that the caller has on the page already: another one is wanted.")]),
        ),
        changes(
            "/api/judgements",
            api::judge,
            about("Stores a judgement, once for each key; answered when it is on the disk", Person, Json("Saved"))
                .sent(Sent::Json("Judgement")),
        ),
        changes(
            "/api/heartbeat",
            api::heartbeat,
            about("Keeps a lease while somebody is at work", Person, Json("Lease")).sent(Sent::Json("Beat")),
        ),
        reads(
            "/api/progress",
            api::progress,
            about("Judgements that count, and those wanted", Person, Json("Progress")),
        ),
        reads(
            "/export/{file}",
            admin::export,
            about("The work as a file", Admin, File("application/octet-stream")).takes(&[
                ("file", "Which: rankings.jsonl, answers.jsonl, demonstrations.jsonl, pairs.jsonl, hh.jsonl, argilla.json, label-studio.json, or events.jsonl for the log itself, which is not given out anonymously."),
                ("anonymous", "1 for a file without names, times, comments and reasons."),
            ]),
        ),
        reads("/openapi.json", api::openapi, about("This description", Anyone, File("application/json"))),
        reads("/health", api::health, about("Whether the store answers", Anyone, File("text/plain"))),
        reads("/", pages::home, about("To the work, or how to come in", Anyone, Page)),
        reads(
            "/enter",
            pages::enter,
            about("The owner's link, which opens a session", Anyone, Redirect)
                .takes(&[("token", "The token that the service printed when it was started.")]),
        ),
        reads(
            "/join",
            pages::join,
            about("An invitation's page; looking at it uses nothing up", Anyone, Page)
                .takes(&[("invite", "The token of the invitation.")]),
        ),
        changes(
            "/join",
            pages::accept,
            about("Uses up an invitation; sets the session's cookie", Anyone, Redirect)
                .sent(Sent::Form(&[("invite", "The token of the invitation.")])),
        ),
        changes("/leave", pages::leave, about("Ends the session", Anyone, Redirect)),
        reads(
            "/task",
            pages::task,
            about("The page of the next task, or of a judgement to be revised", Person, Page)
                .takes(&[("revise", "The judgement to be revised.")]),
        ),
        reads("/history", pages::history, about("What the caller said so far", Person, Page)),
        reads("/guidelines", pages::guidelines, about("The instructions in force", Person, Page)),
        reads("/assets/page.css", pages::style, about("The style", Anyone, File("text/css"))),
        reads("/assets/page.js", pages::script, about("The script", Anyone, File("text/javascript"))),
        reads("/admin", admin::overview, about("How it goes, and who works here", Admin, Page)),
        reads(
            "/admin/items/{id}",
            admin::item,
            about("Everything said about one item", Admin, Page).takes(&[("id", "The item.")]),
        ),
        changes(
            "/admin/invite",
            admin::invite,
            about("Invites somebody; the page shows the link once", Admin, Page).sent(Sent::Form(&[
                ("name", "What they are called."),
                ("role", "annotator or admin."),
                ("quota", "Most items they may judge; empty for no limit."),
            ])),
        ),
        changes(
            "/admin/revoke",
            admin::revoke,
            about("Shuts somebody out", Admin, Redirect).sent(Sent::Form(&[("person", "Their pseudonym.")])),
        ),
        changes(
            "/admin/guidelines",
            admin::guidelines,
            about("Sets the instructions", Admin, Redirect).sent(Sent::Form(&[("text", "Markdown.")])),
        ),
    ]
}

/// The router that answers them.
pub fn router() -> Router<Arc<App>> {
    routes().into_iter().fold(Router::new(), |router, route| router.route(route.path, route.handler))
}
