//! The description of the service, held against the service.

#![allow(clippy::unwrap_used)] // the lint spares only functions marked as tests
#![cfg(unix)]

mod service;
use serde_json::{Value, json};
use service::{Person, Service, Store, get, post_form, run};

/// What of a value is not as its schema says; only the words that our description uses.
fn misfits(value: &Value, schema: &Value, all: &Value, at: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str() {
        return misfits(value, all.pointer(name.trim_start_matches('#')).unwrap(), all, at);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let fits = choices.iter().filter(|choice| misfits(value, choice, all, at).is_empty()).count();
        return if fits == 1 { vec![] } else { vec![format!("{at}: fits {fits} of its choices")] };
    }
    if let Some(choices) = schema["enum"].as_array() {
        return if choices.contains(value) { vec![] } else { vec![format!("{at}: is {value}")] };
    }
    match schema["type"].as_str() {
        Some("object") => {
            let Some(object) = value.as_object() else { return vec![format!("{at}: is no object")] };
            let needed = schema["required"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap());
            let missing = needed.filter(|name| !object.contains_key(*name)).map(|name| format!("{at}.{name}: missing"));
            let fields = object.iter().flat_map(|(key, value)| {
                let at = format!("{at}.{key}");
                match (schema["properties"].get(key), &schema["additionalProperties"]) {
                    (None, Value::Bool(false)) => vec![format!("{at}: is not described")],
                    (Some(schema), _) | (None, schema) => misfits(value, schema, all, &at),
                }
            });
            missing.chain(fields).collect()
        }
        Some("array") => {
            let Some(items) = value.as_array() else { return vec![format!("{at}: is no list")] };
            items.iter().flat_map(|item| misfits(item, &schema["items"], all, at)).collect()
        }
        Some("string") if !value.is_string() => vec![format!("{at}: is no text")],
        Some("integer") if !value.is_u64() => vec![format!("{at}: is no whole number")],
        Some("number") if !value.is_number() => vec![format!("{at}: is no number")],
        Some("boolean") if !value.is_boolean() => vec![format!("{at}: is neither true nor false")],
        _ => vec![],
    }
}

#[test]
fn every_route_that_is_described_answers_as_described() {
    let store = Store::sqlite().with_items(6, 3, 2);
    let service = Service::start(&store.db, &[]);
    let owner = service.owner();
    let ada = service.person(&store.db, "Ada");
    let described: Value = get(&format!("{}/openapi.json", service.url), &[]).json();
    assert_eq!(described.to_string(), serde_json::from_str::<Value>(&run(&["people", "openapi"])).unwrap().to_string());
    let origin = ("Origin", service.url.as_str());
    let mut answered = 0;
    for (path, operations) in described["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let url = format!("{}{}", service.url, path.replace("{id}", "q0").replace("{file}", "rankings.jsonl"));
            let cookie = (owner.auth.0.as_str(), owner.auth.1.as_str());
            // With nothing in the body every post but these is refused: that, too, must be as described. /leave is last.
            let answers = match method.as_str() {
                "get" => vec![get(&url, &[cookie]), get(&url, &[])],
                "post" if path == "/leave" => vec![post_form(&url, &[origin], "")],
                "post" if path.starts_with("/api/") => {
                    vec![service::post(&url, &[cookie, origin], &json!({})), service::post(&url, &[], &json!({}))]
                }
                "post" => vec![post_form(&url, &[cookie, origin], ""), post_form(&url, &[], "")],
                other => panic!("{path}: {other}"),
            };
            for answer in answers {
                let response = &operation["responses"][answer.status.to_string()];
                assert!(response.is_object(), "{method} {path}: {} {}", answer.status, answer.text);
                if let Some(content) =
                    response["content"].get("application/json").filter(|c| c["schema"]["$ref"].is_string())
                {
                    assert_eq!(misfits(&answer.json(), &content["schema"], &described, path), Vec::<String>::new());
                }
                answered += 1;
            }
        }
    }
    assert!(answered > 40, "{answered}");
    // What is sent and answered when all is well.
    let schema = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let next = ada.next();
    assert_eq!(misfits(&next, &schema("Next"), &described, "next"), Vec::<String>::new());
    assert!(!misfits(&json!({"task": {}}), &schema("Next"), &described, "next").is_empty());
    let mut said = Person::ranking(&next["task"], "key-00000");
    said["flags"] = json!({"a0": ["harmful"]});
    assert_eq!(misfits(&said, &schema("Judgement"), &described, "judgement"), Vec::<String>::new());
    let saved = ada.post("/api/judgements", &said);
    assert_eq!(misfits(&saved.json(), &schema("Saved"), &described, "saved"), Vec::<String>::new());
    let beat = ada.post("/api/heartbeat", &json!({"lease": ada.next()["task"]["lease"]}));
    assert_eq!(misfits(&beat.json(), &schema("Lease"), &described, "lease"), Vec::<String>::new());
}
