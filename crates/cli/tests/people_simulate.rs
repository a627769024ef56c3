//! Simulated people at the door of a service: what they were told is stored once, also when the service is killed meanwhile.

#![allow(clippy::unwrap_used)] // the lint spares only functions marked as tests
#![cfg(unix)]

mod service;
use serde_json::Value;
use service::{Service, Store, run, trimtab};
use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn simulated_people_work_through_a_kill_and_nothing_acknowledged_is_lost() {
    for store in Store::both("simulated_people_work_through_a_kill_and_nothing_acknowledged_is_lost") {
        let store = store.with_items(60, 3, 8);
        let service = Service::start(&store.db, &[]);
        let port = service.url.rsplit(':').next().unwrap().to_owned();
        let told = store.dir.path().join("told.jsonl");
        let people = trimtab(&["people", "simulate", "--url", &service.url, "--db", &store.db, "--json"])
            .args(["--annotators", "12", "--seconds", "5", "--pace", "0.1", "--acknowledged", told.to_str().unwrap()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(2500));
        drop(service);
        let again = Service::of(&mut trimtab(&["people", "serve", "--port", &port, "--db", &store.db]));
        let output = people.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
        let number = |key: &str| figures[key].as_u64().unwrap();
        assert_eq!((number("errors"), number("lost"), number("annotators")), (0, 0, 12), "{figures}");
        assert!(number("saves") > 50 && figures["save"]["p99_ms"].is_number(), "{figures}");
        drop(again);
        let told: BTreeSet<String> =
            lines(&std::fs::read_to_string(told).unwrap()).iter().map(|t| t["judgement"].to_string()).collect();
        let stored: Vec<Value> = lines(&store.export("rankings.jsonl"));
        let names: BTreeSet<String> = stored.iter().map(|ranking| ranking["judgement"].to_string()).collect();
        assert_eq!(told.len() as u64, number("saves"));
        assert!(told.is_subset(&names));
        let once: BTreeSet<(String, String)> =
            stored.iter().map(|r| (r["person"].to_string(), r["prompt_id"].to_string())).collect();
        assert_eq!(once.len(), stored.len());
        assert!(run(&["people", "rebuild", "--db", &store.db]).contains("as they were before"));
    }
}
