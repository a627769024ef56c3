//! What programs may ask, as OpenAPI 3.1, written from the list of routes that is served and from the records that are read.

use super::routes::{About, Access, Answer, Parameter, Route, Sent, routes};
use serde_json::{Map, Value, json};

const ABOUT: &str = "Tasks for people, and what they say about them. Posts need a session, as `Authorization: Bearer` or as \
    a cookie with a same-origin `Origin` or `Sec-Fetch-Site`. Each save has a key: sent again, it is stored once. After 429 \
    and 503 the same request may be sent again.";

/// The description, as the service gives it and as it is committed in `docs/openapi.json`.
///
/// ```
/// let described = trimtab_people::service::http::openapi();
/// assert_eq!(described["openapi"], "3.1.0");
/// assert!(described["paths"]["/api/judgements"]["post"].is_object());
/// ```
#[must_use]
pub fn openapi() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in routes() {
        paths.entry(route.path).or_insert_with(|| json!({}))[route.method] = operation(&route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "trimtab people", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT},
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "session": {"type": "http", "scheme": "bearer", "description": "The session that /api/join gives."},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "trimtab"},
            },
        },
    })
}

/// The description as text.
#[must_use]
pub fn openapi_text() -> String {
    format!("{:#}\n", openapi())
}

fn operation(route: &Route) -> Value {
    let Route { method, path, about, .. } = route;
    let id = format!("{method} {path}").replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let mut operation = json!({"operationId": id.trim_end_matches('_'), "summary": about.summary});
    if !about.parameters.is_empty() {
        let parameter = |(name, what): &Parameter| {
            let in_path = path.contains(&format!("{{{name}}}"));
            let place = if in_path { "path" } else { "query" };
            json!({"name": name, "in": place, "required": in_path, "description": what, "schema": {"type": "string"}})
        };
        operation["parameters"] = about.parameters.iter().map(parameter).collect();
    }
    match about.sent {
        Sent::Nothing => {}
        Sent::Json(schema) => {
            operation["requestBody"] =
                json!({"required": true, "content": {"application/json": {"schema": named(schema)}}});
        }
        Sent::Form(fields) => {
            let properties: Map<String, Value> = fields
                .iter()
                .map(|(name, what)| ((*name).to_owned(), json!({"type": "string", "description": what})))
                .collect();
            let needed: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
            let schema = json!({"type": "object", "properties": properties, "required": needed});
            operation["requestBody"] =
                json!({"required": true, "content": {"application/x-www-form-urlencoded": {"schema": schema}}});
        }
    }
    operation["responses"] = responses(method, path, about);
    operation["security"] = match about.access {
        Access::Anyone => json!([]),
        Access::Person | Access::Admin => json!([{"session": []}, {"cookie": []}]),
    };
    operation
}

fn named(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn responses(method: &str, path: &str, about: &About) -> Value {
    let json = |schema: &str| json!({"application/json": {"schema": named(schema)}});
    let other = |kind: &str| json!({kind: {"schema": {"type": "string"}}});
    let (good, content) = match about.answer {
        Answer::Json(schema) => ("200", json(schema)),
        Answer::Page => ("200", other("text/html")),
        Answer::Redirect => ("303", json!({})),
        Answer::File(kind) => ("200", other(kind)),
    };
    let mut all = Map::new();
    let done = if good == "303" { "Done: see there." } else { "Done." };
    all.insert(
        good.into(),
        if good == "303" { json!({"description": done}) } else { json!({"description": done, "content": content}) },
    );
    if path == "/" {
        all.insert("303".into(), json!({"description": "To the work, where there is a session."}));
    }
    // What a guard says, before any route is looked at, is JSON everywhere.
    let program = path.starts_with("/api/");
    let own = if program { json("Error") } else { other("text/html") };
    let mut refused = |status: &str, why: &str, content: &Value| {
        all.insert(status.into(), json!({"description": why, "content": content}));
    };
    let (posts, sends) = (method == "post", !matches!(about.sent, Sent::Nothing));
    let takes = !about.parameters.is_empty() || sends;
    if takes {
        refused("400", "It cannot be right as it is: the message says what, and what was expected.", &own);
    }
    if about.access != Access::Anyone {
        refused("401", "Nobody is signed in.", &own);
    }
    if about.access == Access::Admin {
        refused("403", "For administrators, or sent by another site's page.", &own);
    } else if posts {
        refused("403", "Sent by another site's page.", &json("Error"));
    }
    if takes {
        refused("404", "There is no such thing, or it is somebody else's.", &own);
    }
    if path == "/api/judgements" {
        refused("409", "The key was used for something else, or the item was judged before.", &own);
    }
    if sends {
        refused("413", "The body is too long.", &own);
        refused("415", "The body is of another kind.", &own);
        refused("422", "The body is of the right kind and has other fields.", &own);
    }
    refused("421", "The service does not answer to this host name.", &json("Error"));
    all.insert(
        "429".into(),
        json!({
            "description": "Too many requests: wait.", "content": json("Error"),
            "headers": {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}},
        }),
    );
    if !path.starts_with("/assets/") && path != "/openapi.json" {
        all.insert(
            "503".into(),
            json!({"description": "The store cannot write now; send the same again.", "content": own}),
        );
    }
    Value::Object(all)
}

/// An object of which exactly these fields are known.
fn object(needed: &[&str], properties: &Value) -> Value {
    json!({"type": "object", "properties": properties, "required": needed, "additionalProperties": false})
}

fn text(what: &str) -> Value {
    json!({"type": "string", "description": what})
}

fn count(what: &str) -> Value {
    json!({"type": "integer", "minimum": 0, "description": what})
}

fn schemas() -> Value {
    let answers = |what: &str| json!({"type": "array", "items": {"type": "string"}, "description": what});
    let key = json!({"type": "string", "minLength": 8, "maxLength": 200, "description": "A text that no other save has: the same save sent again has the same."});
    let verdict = json!({"enum": ["cannot_judge", "all_bad", "skip"], "description": "What is said instead of, or (all_bad) beside, a ranking."});
    json!({
        "Judgement": object(&["key", "item", "lease"], &json!({
            "key": key,
            "item": text("The task's item."),
            "lease": text("The task's lease."),
            "shown": answers("The answers in the order in which they were served: shown[slot]."),
            "ranks": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 1, "maximum": 9},
                "description": "Answer to rank, 1 is best. Equal ranks are ties; an answer that is not here was not ranked."},
            "flags": {"type": "object",
                "additionalProperties": {"type": "array", "items": {"enum": ["false_claim", "harmful"]}},
                "description": "Answer to what is wrong with it."},
            "verdict": verdict,
            "reason": text("Why it was skipped or could not be judged."),
            "comment": text("Free words."),
            "text": text("The text written, for the kinds demonstrate and edit."),
            "margin": {"type": "number", "minimum": 1, "maximum": 4,
                "description": "How much better the best is than the next: 1 slightly, 4 much."},
            "guideline": text("Version of the instructions that were on the page."),
            "ui": text("Version of the page or program."),
            "first_input_ms": count("From showing to the first input, in milliseconds."),
            "active_ms": count("Time at work, pauses left out, in milliseconds."),
            "moves": count("Inputs that moved an answer."),
            "revises": text("The judgement of the same person that this one replaces."),
        })),
        "Saved": object(&["judgement", "saved_at", "late"], &json!({
            "judgement": text("Its name."),
            "saved_at": count("When it was stored, milliseconds since 1970."),
            "late": {"type": "boolean", "description": "Whether the lease had ended before."},
        })),
        "Task": object(
            &["lease", "item", "kind", "expires", "messages", "answers", "guideline", "html"],
            &json!({
                "lease": text("The lease, to be sent with the judgement."),
                "item": text("The item."),
                "kind": {"enum": ["rank", "edit", "demonstrate"], "description": "What is asked."},
                "expires": count("When the lease ends unless it is kept, milliseconds since 1970."),
                "messages": {"type": "array", "description": "What was asked.",
                    "items": object(&["role", "content"], &json!({"role": {"type": "string"}, "content": {"type": "string"}}))},
                "answers": {"type": "array", "description": "The answers, in the order to be shown.",
                    "items": object(&["id", "text"], &json!({"id": {"type": "string"}, "text": {"type": "string"}}))},
                "guideline": text("Version of the instructions."),
                "html": text("What stands in the page's <main>."),
            }),
        ),
        "Next": {"oneOf": [
            object(&["task"], &json!({"task": named("Task")})),
            object(&["none", "html"], &json!({
                "none": {"enum": ["finished", "waiting", "quota", "calibration", "empty"], "description": "Why there is no task."},
                "html": text("What stands in the page's <main>."),
            })),
        ]},
        "Join": object(&["invite"], &json!({"invite": text("The token of the invitation.")})),
        "Session": object(&["person", "session"], &json!({
            "person": text("The caller's pseudonym."), "session": text("The secret for Authorization: Bearer."),
        })),
        "Beat": object(&["lease"], &json!({"lease": text("The lease.")})),
        "Lease": object(&["expires"], &json!({"expires": count("When it ends now, milliseconds since 1970.")})),
        "Progress": object(&["judged", "wanted"], &json!({
            "judged": count("Judgements that count."), "wanted": count("Judgements wanted."),
        })),
        "Error": object(&["error"], &json!({"error": object(&["code", "message"], &json!({
            "code": {"enum": ["invalid", "signed_out", "forbidden", "not_found", "conflict", "unavailable", "too_large", "host", "origin", "rate"],
                "description": "What is wrong, for programs."},
            "message": text("What is wrong and what was expected, for people."),
        }))})),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::event::Judgement;
    use trimtab_text::record::Verdict;

    #[test]
    fn the_committed_description_is_the_served_one() {
        let committed = include_str!("../../../../../docs/openapi.json");
        let advice =
            "docs/openapi.json is not what is served; write it anew: trimtab people openapi > docs/openapi.json";
        assert!(committed == openapi_text(), "{advice}");
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_schema_is_used() {
        let described = openapi();
        let text = described.to_string();
        for schema in described["components"]["schemas"].as_object().unwrap().keys() {
            assert!(text.contains(&format!("\"#/components/schemas/{schema}\"")), "{schema} is not used");
        }
        for part in text.split("\"#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(described["components"]["schemas"][name].is_object(), "{name} is not there");
        }
    }

    /// The record that is read and the schema that is given have the same fields.
    #[test]
    fn a_judgement_has_the_fields_described() {
        let some = || Some("x".to_owned());
        let whole = Judgement {
            flags: [("a".to_owned(), vec![])].into(),
            verdict: Some(Verdict::AllBad),
            reason: some(),
            comment: some(),
            text: some(),
            margin: Some(1.0),
            guideline: some(),
            ui: some(),
            first_input_ms: Some(1),
            active_ms: Some(1),
            moves: Some(1),
            revises: some(),
            ..Judgement::default()
        };
        let mut fields: Vec<String> = json!(whole).as_object().unwrap().keys().cloned().collect();
        fields.push("key".into());
        let described = schemas()["Judgement"]["properties"].clone();
        let mut described: Vec<String> = described.as_object().unwrap().keys().cloned().collect();
        fields.sort();
        described.sort();
        assert_eq!(fields, described);
    }
}
