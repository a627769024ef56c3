//! Files of other tools, read: what is taken, what is left out and counted, and what is refused in words.

#![allow(clippy::unwrap_used)] // the lint spares only functions marked as tests

use serde_json::{Value, json};
use trimtab_people::service::import::{Format, Found, How, detect, read};

fn how() -> How {
    How { overlap: 1, person: None }
}

fn found(records: &Value, format: Format) -> Found {
    let text = records.to_string();
    assert_eq!(detect("f", text.as_bytes()).unwrap(), format);
    read("f", text.as_bytes(), format, &how()).unwrap()
}

fn refused(records: &Value, format: Format) -> String {
    read("f.json", records.to_string().as_bytes(), format, &how()).unwrap_err().to_string()
}

fn ranks(pairs: &[(&str, u32)]) -> std::collections::BTreeMap<String, u32> {
    pairs.iter().map(|(id, rank)| ((*id).to_owned(), *rank)).collect()
}

#[test]
fn argilla_rankings_keep_ties_and_what_was_not_ranked() {
    let record = json!({"id": "q", "fields": {"prompt": "?", "x": "one", "y": "two", "z": "three"}, "responses": [
        {"user_id": "u1", "status": "submitted", "shown": ["z", "x", "y"],
            "values": {"ranking": {"value": [{"value": "x", "rank": 1}, {"value": "z", "rank": 1}]}}},
        {"user_id": 7, "status": "discarded", "values": {}},
        {"user_id": "u2", "status": "draft", "values": {"ranking": {"value": [{"value": "x", "rank": 1}]}}},
    ]});
    let found = found(&json!([record]), Format::Argilla);
    let names: Vec<&str> = found.items[0].answers.iter().map(|answer| answer.id.as_str()).collect();
    assert_eq!((found.items[0].id.as_str(), names), ("q", vec!["x", "y", "z"]));
    assert_eq!((&found.given[0].ranks, found.given[0].person.as_str()), (&ranks(&[("x", 1), ("z", 1)]), "u1"));
    assert_eq!(found.given[0].shown.as_deref().unwrap(), ["z", "x", "y"]);
    assert_eq!((found.given[1].person.as_str(), found.given[1].verdict.is_some()), ("7", true));
    assert_eq!((found.given.len(), found.left_out["drafts"]), (2, 1));
}

#[test]
fn label_studio_lists_are_ranks_unless_ranks_stand_beside_them() {
    let task = |value: Value| {
        json!({"id": 3, "data": {"prompt": "?", "items": [{"id": "x", "body": "1"}, {"id": "y", "body": "2"},
            {"id": "z", "body": "3"}]}, "annotations": [{"completed_by": {"id": 4}, "lead_time": 2.5,
            "result": [{"type": "ranker", "value": value}]}]})
    };
    for (value, expected) in [
        (json!({"ranker": {"rank": ["z", "x"]}}), ranks(&[("z", 1), ("x", 2)])),
        (json!({"ranker": ["y", "z", "x"]}), ranks(&[("y", 1), ("z", 2), ("x", 3)])),
        (json!({"ranker": {"rank": ["z", "x"]}, "ranks": {"z": 1, "x": 1}}), ranks(&[("z", 1), ("x", 1)])),
    ] {
        let found = found(&json!([task(value)]), Format::LabelStudio);
        assert_eq!((&found.given[0].ranks, found.given[0].person.as_str()), (&expected, "4"));
        assert_eq!((found.items[0].id.as_str(), found.given[0].shown.as_ref()), ("3", None));
        assert_eq!(found.given[0].seconds, Some(2.5));
    }
    let wrong = refused(&json!([task(json!({"ranker": {"rank": ["z", "z"]}}))]), Format::LabelStudio);
    assert!(wrong.contains("f.json: record 1: field \"annotations.ranker\" names an answer twice"), "{wrong}");
}

#[test]
fn pairs_are_items_whose_names_do_not_tell_the_choice() {
    let lines: String = (0..40)
        .map(|i| {
            json!({"prompt": format!("q{i}"), "chosen": format!("good {i}"), "rejected": format!("bad {i}")})
                .to_string()
                + "\n"
        })
        .collect();
    let with = How { person: Some("HH".into()), ..how() };
    let found = read("f", format!("{lines}{lines}").as_bytes(), Format::Pairs, &with).unwrap();
    assert_eq!((found.items.len(), found.given.len(), found.left_out["pairs that repeat another"]), (40, 40, 40));
    let first = found.given.iter().filter(|given| given.ranks["a"] == 1).count();
    assert!((8..=32).contains(&first), "{first} of 40 choices are called a");
    assert!(read("f", lines.as_bytes(), Format::Pairs, &how()).unwrap().given.is_empty());
    let hh = json!({"chosen": "\n\nHuman: hi\n\nAssistant: hello", "rejected": "\n\nHuman: hi\n\nAssistant: no"});
    assert_eq!(read("f", hh.to_string().as_bytes(), Format::Pairs, &how()).unwrap().items[0].answers.len(), 2);
}

#[test]
fn what_cannot_be_right_is_named_by_file_record_and_field() {
    for (record, format, part) in [
        (json!({"fields": 3}), Format::Argilla, "field \"fields\" is missing or no object"),
        (json!({"fields": {"a": "x"}}), Format::Argilla, "field \"fields\" has no prompt"),
        (json!({"fields": {"prompt": "?"}, "responses": 1}), Format::Argilla, "field \"responses\" is no list"),
        (json!({"fields": {"prompt": "?"}, "responses": [{}]}), Format::Argilla, "\"responses.user_id\" is missing"),
        (json!({"data": {"prompt": "?"}}), Format::LabelStudio, "field \"data.items\" is missing"),
        (json!({"data": []}), Format::LabelStudio, "field \"data\" is missing or no object"),
    ] {
        let said = refused(&json!([record]), format);
        assert!(said.contains("f.json: record 1: ") && said.contains(part) && said.contains("expected"), "{said}");
        assert!(said.contains("try: "), "{said}");
    }
    for text in ["", "[", "[1]", "{}", "{\"a\":1}", "nul", "\u{feff}[]"] {
        assert!(detect("f", text.as_bytes()).is_err(), "{text:?}");
    }
}
