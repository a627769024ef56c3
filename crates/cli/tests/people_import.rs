//! Rankings that leave as a file of another tool and come back are the rankings that left.

#![allow(clippy::unwrap_used)] // the lint spares only functions marked as tests
#![cfg(unix)]

mod service;
use serde_json::{Value, json};
use service::{Person, Service, Store, run};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What a ranking says, apart from when and under which name it was stored.
fn said(text: &str) -> Vec<Value> {
    let keep = |ranking: &Value| {
        let fields = [
            "prompt_id",
            "answers",
            "shown",
            "ranks",
            "person",
            "verdict",
            "seconds",
            "flags",
            "margin",
            "comment",
            "reason",
        ];
        fields.iter().map(|field| ranking[*field].clone()).collect::<Value>()
    };
    let mut all: Vec<Value> = lines(text).iter().map(keep).collect();
    all.sort_by_key(ToString::to_string);
    all
}

#[test]
fn tied_and_partial_rankings_survive_export_and_import() {
    for store in Store::both("tied_and_partial_rankings_survive_export_and_import") {
        let store = store.with_items(9, 4, 2);
        let service = Service::start(&store.db, &[]);
        for name in ["Ada", "Bob"] {
            let person = service.person(&store.db, name);
            for i in 0..9 {
                let task = person.next()["task"].clone();
                let mut ranking = Person::ranking(&task, &format!("key-{name}-{i}"));
                let shown: Vec<String> = serde_json::from_value(ranking["shown"].clone()).unwrap();
                match i % 3 {
                    0 => {
                        ranking["ranks"] = json!({&shown[2]: 1, &shown[0]: 1, &shown[3]: 3});
                        ranking["flags"] = json!({&shown[3]: ["false_claim", "harmful"]});
                        (ranking["margin"], ranking["comment"]) = (json!(3.0), json!("the third \"is\" false"));
                    }
                    1 => ranking["ranks"] = json!({&shown[1]: 2, &shown[3]: 1}),
                    _ => {
                        (ranking["ranks"], ranking["verdict"]) = (json!({}), json!("cannot_judge"));
                        ranking["reason"] = json!("too long");
                    }
                }
                assert_eq!(person.post("/api/judgements", &ranking).status, 200);
            }
        }
        drop(service);
        let left = store.export("rankings.jsonl");
        assert_eq!(lines(&left).len(), 18);
        for file in ["argilla.json", "label-studio.json"] {
            store.export(file);
            let path = store.dir.path().join("exported").join(file);
            let fresh = Store::sqlite();
            let bring = || run(&["people", "import", path.to_str().unwrap(), "--overlap", "2", "--db", &fresh.db]);
            bring();
            assert_eq!(said(&fresh.export("rankings.jsonl")), said(&left), "{file}");
            bring();
            assert_eq!(lines(&fresh.export("rankings.jsonl")).len(), 18, "{file}: the same again brings nothing");
            assert!(run(&["people", "rebuild", "--db", &fresh.db]).contains("as they were before"), "{file}");
            // People who come now are others.
            let service = Service::start(&fresh.db, &[]);
            let eve = service.person(&fresh.db, "Eve");
            assert_eq!(eve.next()["none"], "finished", "what was brought counts");
        }
    }
}

#[test]
fn an_order_that_a_file_does_not_say_is_not_made_up() {
    let store = Store::sqlite();
    let file = store.dir.path().join("pairs.jsonl");
    std::fs::write(&file, "{\"prompt\":\"q\",\"chosen\":\"good\",\"rejected\":\"bad\"}\n").unwrap();
    run(&["people", "import", file.to_str().unwrap(), "--person", "HH", "--db", &store.db]);
    let rankings = lines(&store.export("rankings.jsonl"));
    assert_eq!(
        (rankings.len(), &rankings[0]["shown_unknown"], &rankings[0]["imported"]),
        (1, &json!(true), &json!("pairs"))
    );
    assert_eq!(rankings[0].get("at"), None);
    let pairs = lines(&store.export("pairs.jsonl"));
    assert_eq!((&pairs[0]["chosen"], &pairs[0]["rejected"]), (&json!("good"), &json!("bad")));
    // Not through another tool either.
    let argilla: Value = serde_json::from_str(&store.export("argilla.json")).unwrap();
    assert_eq!(argilla[0]["responses"][0].get("shown"), None);
}
