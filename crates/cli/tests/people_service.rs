//! The annotation service through its door: HTTP, as pages and programs speak it, on SQLite and on PostgreSQL.

#![allow(clippy::unwrap_used)] // the lint spares only functions marked as tests
#![cfg(unix)]

mod service;
use serde_json::{Value, json};
use service::{Person, Service, Store, get, post, post_form, run, trimtab};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_ranking_is_stored_as_it_was_given_with_the_order_shown_apart() {
    for store in Store::both("a_ranking_is_stored_as_it_was_given_with_the_order_shown_apart") {
        let store = store.with_items(12, 4, 1);
        let service = Service::start(&store.db, &[]);
        let ada = service.person(&store.db, "Ada");
        let mut given = BTreeMap::new();
        let mut moved = 0;
        for i in 0..12 {
            let task = ada.next()["task"].clone();
            let shown: Vec<String> =
                task["answers"].as_array().unwrap().iter().map(|a| a["id"].as_str().unwrap().to_owned()).collect();
            moved += usize::from(shown != ["a0", "a1", "a2", "a3"]);
            // A tie on top, one below, one not ranked.
            let mut said = Person::ranking(&task, &format!("key-{i:05}"));
            said["ranks"] = json!({&shown[2]: 1, &shown[0]: 1, &shown[3]: 3});
            said["flags"] = json!({&shown[3]: ["false_claim"]});
            let saved = ada.post("/api/judgements", &said);
            assert_eq!(saved.status, 200, "{}", saved.text);
            given.insert(task["item"].as_str().unwrap().to_owned(), (shown, said));
        }
        assert!(moved > 6, "answers are shuffled: {moved} of 12");
        assert_eq!(ada.next()["none"], "finished");
        drop(service);
        let rankings = lines(&store.export("rankings.jsonl"));
        assert_eq!(rankings.len(), 12);
        for ranking in rankings {
            let (shown, said) = &given[ranking["prompt_id"].as_str().unwrap()];
            assert_eq!(ranking["shown"], json!(shown));
            assert_eq!(ranking["ranks"], said["ranks"]);
            assert_eq!(ranking["flags"], said["flags"]);
            assert_eq!(ranking["answers"], json!(["a0", "a1", "a2", "a3"]), "the item's own order is another");
            assert_eq!(ranking["seconds"], 1.5);
        }
        // Three ranked answers, one tie: two strict pairs each.
        assert_eq!(lines(&store.export("pairs.jsonl")).len(), 24);
        let rebuilt = run(&["people", "rebuild", "--db", &store.db]);
        assert!(rebuilt.contains("as they were before"), "{rebuilt}");
    }
}

#[test]
fn a_save_sent_again_is_stored_once_and_a_key_is_good_for_one() {
    for store in Store::both("a_save_sent_again_is_stored_once_and_a_key_is_good_for_one") {
        let store = store.with_items(3, 3, 2);
        let service = Service::start(&store.db, &[]);
        let (ada, bob) = (service.person(&store.db, "Ada"), service.person(&store.db, "Bob"));
        let task = ada.next()["task"].clone();
        let said = Person::ranking(&task, "one-key-0");
        let first = ada.post("/api/judgements", &said);
        let again = ada.post("/api/judgements", &said);
        assert_eq!((first.status, again.status), (200, 200));
        assert_eq!(first.json(), again.json(), "the stored answer, not a new one");
        let mut other = said.clone();
        other["comment"] = json!("changed");
        assert_eq!(ada.post("/api/judgements", &other).status, 409);
        other["key"] = json!("another-0");
        assert_eq!(ada.post("/api/judgements", &other).status, 409, "an item is judged once");
        other["revises"] = first.json()["judgement"].clone();
        assert_eq!(ada.post("/api/judgements", &other).status, 200, "unless it is a revision");
        assert_eq!(bob.post("/api/judgements", &said).status, 409, "somebody else's key");
        drop(service);
        let rankings = lines(&store.export("rankings.jsonl"));
        assert_eq!(rankings.len(), 1, "{rankings:?}");
        assert_eq!(rankings[0]["comment"], "changed");
    }
}

#[test]
fn what_cannot_be_right_is_refused_in_words() {
    let store = Store::sqlite().with_items(2, 3, 1);
    let service = Service::start(&store.db, &[]);
    let ada = service.person(&store.db, "Ada");
    let task = ada.next()["task"].clone();
    let good = Person::ranking(&task, "key-00000");
    for (change, word) in [
        (json!({"ranks": {}}), "ranks"),
        (json!({"ranks": {"a0": 1}}), "at least two"),
        (json!({"ranks": {"a0": 0, "a1": 1}}), "rank 0"),
        (json!({"ranks": {"a0": 4, "a1": 1}}), "rank 4"),
        (json!({"ranks": {"a0": 1, "zz": 2}}), "zz"),
        (json!({"shown": ["a0"]}), "shown"),
        (json!({"verdict": "skip"}), "verdict"),
        (json!({"flags": {"a0": ["ugly"]}}), "ugly"),
        (json!({"margin": 9}), "margin"),
        (json!({"text": "x"}), "text"),
        (json!({"key": "x"}), "key"),
        (json!({"surprise": 1}), "surprise"),
        (json!({"comment": "x".repeat(100_001)}), "comment"),
    ] {
        let mut said = good.clone();
        for (key, value) in change.as_object().unwrap() {
            said[key] = value.clone();
        }
        let answer = ada.post("/api/judgements", &said);
        assert_eq!(answer.status, 400, "{change}: {}", answer.text);
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(word), "{change}: {message}");
    }
    // A little more than is let in: of much more, a client would see its connection closed while it still writes.
    let huge = json!({"key": "x".repeat(1 << 20)});
    assert_eq!(ada.post("/api/judgements", &huge).status, 413);
    for body in ["", "[]", "{", "nul", "\"\\ud800\""] {
        let sent = service::post(&format!("{}/api/judgements", ada.url), &[(&ada.auth.0, &ada.auth.1)], &json!(body));
        assert_eq!(sent.status, 400, "{body:?}");
    }
    assert_eq!(ada.post("/api/judgements", &good).status, 200);
}

#[test]
fn other_peoples_work_and_the_administrators_pages_are_not_for_everybody() {
    let store = Store::sqlite().with_items(4, 2, 1);
    let service = Service::start(&store.db, &[]);
    let (ada, bob) = (service.person(&store.db, "Ada"), service.person(&store.db, "Bob"));
    let task = ada.next()["task"].clone();
    let said = Person::ranking(&task, "key-00000");
    assert_eq!(bob.post("/api/judgements", &said).status, 404, "a lease of somebody else's");
    assert_eq!(bob.post("/api/heartbeat", &json!({"lease": task["lease"]})).status, 404);
    let judgement = ada.post("/api/judgements", &said).json()["judgement"].as_str().unwrap().to_owned();
    assert_eq!(bob.get(&format!("/task?revise={judgement}")).status, 404);
    assert_eq!(ada.get(&format!("/task?revise={judgement}")).status, 200);
    for path in ["/admin", "/admin/items/q0", "/export/rankings.jsonl", "/export/pairs.jsonl?anonymous=1"] {
        assert_eq!(ada.get(path).status, 403, "{path}");
        assert_eq!(get(&format!("{}{path}", service.url), &[]).status, 401, "{path}");
    }
    for path in ["/task", "/history", "/guidelines", "/api/next", "/api/progress"] {
        assert_eq!(get(&format!("{}{path}", service.url), &[]).status, 401, "{path}");
    }
    let owner = service.owner();
    for path in ["/admin", "/admin/items/q0", "/export/rankings.jsonl"] {
        assert_eq!(owner.get(path).status, 200, "{path}");
    }
    assert_eq!(owner.get("/admin/items/none").status, 404);
    assert_eq!(owner.get("/export/passwords.txt").status, 404);
    // Shut out: the session is void at once.
    let form = [(owner.auth.0.as_str(), owner.auth.1.as_str()), ("Sec-Fetch-Site", "same-origin")];
    let people = owner.get("/export/rankings.jsonl").text;
    let person = lines(&people)[0]["person"].as_str().unwrap().to_owned();
    assert_eq!(post_form(&format!("{}/admin/revoke", service.url), &form, &format!("person={person}")).status, 303);
    assert_eq!(ada.get("/task").status, 401);
    assert_eq!(bob.get("/task").status, 200);
}

#[test]
fn an_invitation_is_used_once_and_looking_at_it_does_not_use_it() {
    let store = Store::sqlite().with_items(1, 2, 1);
    let service = Service::start(&store.db, &[]);
    let link = run(&["people", "invite", "Ada", "--db", &store.db, "--url", &service.url]).trim().to_owned();
    let invite = link.split("invite=").nth(1).unwrap();
    for _ in 0..2 {
        let page = get(&link, &[]);
        assert_eq!((page.status, page.cookie), (200, None), "a preview of the link");
    }
    let join = |from: &str| {
        let headers = [("Origin", from)];
        post_form(&format!("{}/join", service.url), &headers, &format!("invite={invite}"))
    };
    assert_eq!(join("http://elsewhere.example").status, 403, "another site's page");
    let joined = join(&service.url);
    assert_eq!(joined.status, 303);
    let set = joined.header("set-cookie").unwrap().to_owned();
    assert!(set.contains("HttpOnly") && set.contains("SameSite"), "{set}");
    assert_eq!(join(&service.url).status, 404, "used");
    assert_eq!(get(&link, &[]).status, 404);
    let cookie = format!("trimtab={}", joined.cookie.unwrap());
    assert_eq!(get(&format!("{}/task", service.url), &[("Cookie", &cookie)]).status, 200);
    let left = post_form(&format!("{}/leave", service.url), &[("Cookie", &cookie), ("Origin", &service.url)], "");
    assert_eq!(left.status, 303);
    assert_eq!(get(&format!("{}/task", service.url), &[("Cookie", &cookie)]).status, 401, "the session is over");
    assert!(!std::fs::read(store.dir.path().join("people.db")).unwrap().windows(64).any(|w| w == invite.as_bytes()));
}

#[test]
fn a_forged_post_does_nothing() {
    let store = Store::sqlite().with_items(2, 2, 1);
    let service = Service::start(&store.db, &[]);
    let owner = service.owner();
    let cookie = owner.auth.1.as_str();
    let task = owner.next()["task"].clone();
    let said = Person::ranking(&task, "key-00000");
    let url = format!("{}/api/judgements", service.url);
    for headers in [
        vec![("Cookie", cookie)],
        vec![("Cookie", cookie), ("Origin", "http://evil.example")],
        vec![("Cookie", cookie), ("Origin", "null")],
        vec![("Cookie", cookie), ("Sec-Fetch-Site", "cross-site"), ("Origin", &service.url)],
        vec![("Cookie", cookie), ("Sec-Fetch-Site", "same-site")],
    ] {
        assert_eq!(post(&url, &headers, &said).status, 403, "{headers:?}");
    }
    let rebound = get(&format!("{}/task", service.url), &[("Cookie", cookie), ("Host", "evil.example")]);
    assert_eq!(rebound.status, 421, "a name that was made to point here");
    assert_eq!(post(&url, &[("Cookie", cookie), ("Origin", &service.url)], &said).status, 200);
    let page = get(&format!("{}/task", service.url), &[("Cookie", cookie)]);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
}

#[test]
fn a_refused_post_leaves_its_connection_open() {
    let store = Store::sqlite().with_items(1, 2, 1);
    let service = Service::start(&store.db, &[]);
    let host = service.url.strip_prefix("http://").unwrap();
    let mut connection = std::net::TcpStream::connect(host).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut answers = BufReader::new(connection.try_clone().unwrap());
    for _ in 0..3 {
        // The body comes after the head, as it may from any browser or proxy.
        let head =
            format!("POST /api/judgements HTTP/1.1\r\nHost: {host}\r\nOrigin: null\r\nContent-Length: 2000\r\n\r\n");
        connection.write_all(head.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        connection.write_all(&[b' '; 2000]).unwrap();
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 403"), "{line:?}");
        let mut left = 0;
        loop {
            line.clear();
            answers.read_line(&mut line).unwrap();
            match line.trim().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => left = value.parse().unwrap(),
                Some(_) => {}
                None => break,
            }
        }
        answers.read_exact(&mut vec![0; left]).unwrap();
    }
}

#[test]
fn an_item_goes_to_as_many_people_as_it_wants_and_back_when_a_lease_ends() {
    for store in Store::both("an_item_goes_to_as_many_people_as_it_wants_and_back_when_a_lease_ends") {
        let store = store.with_items(1, 2, 1);
        let service = Service::start(&store.db, &["--lease", "1"]);
        let (ada, bob) = (service.person(&store.db, "Ada"), service.person(&store.db, "Bob"));
        let of_ada = ada.next()["task"].clone();
        assert_eq!(ada.next()["task"]["lease"], of_ada["lease"], "shown again, it is the same");
        assert_eq!(bob.next()["none"], "waiting");
        std::thread::sleep(Duration::from_millis(1200));
        let of_bob = bob.next()["task"].clone();
        assert_eq!(of_bob["item"], of_ada["item"], "it went back");
        let late = ada.post("/api/judgements", &Person::ranking(&of_ada, "key-of-ada"));
        assert_eq!(late.status, 200, "work is not thrown away: {}", late.text);
        assert_eq!(late.json()["late"], true);
        assert_eq!(bob.post("/api/judgements", &Person::ranking(&of_bob, "key-of-bob")).json()["late"], false);
        assert_eq!(bob.next()["none"], "finished");
    }
}

#[test]
fn two_people_at_once_never_get_more_of_an_item_than_it_wants() {
    for store in Store::both("two_people_at_once_never_get_more_of_an_item_than_it_wants") {
        let store = store.with_items(30, 3, 2);
        let service = Service::start(&store.db, &[]);
        let people: Vec<Person> = (0..6).map(|i| service.person(&store.db, &format!("person {i}"))).collect();
        std::thread::scope(|scope| {
            for (i, person) in people.iter().enumerate() {
                scope.spawn(move || {
                    for n in 0.. {
                        let next = person.next();
                        if next["none"] == "finished" || next["none"] == "waiting" {
                            break;
                        }
                        let said = Person::ranking(&next["task"], &format!("key-{i}-{n:05}"));
                        assert_eq!(person.post("/api/judgements", &said).status, 200);
                    }
                });
            }
        });
        drop(service);
        let mut by_item: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for ranking in lines(&store.export("rankings.jsonl")) {
            let text = |key: &str| ranking[key].as_str().unwrap().to_owned();
            assert!(by_item.entry(text("prompt_id")).or_default().insert(text("person")), "twice by one person");
        }
        assert_eq!(by_item.len(), 30);
        assert!(by_item.values().all(|people| people.len() == 2), "{by_item:?}");
    }
}

#[test]
fn a_service_killed_while_people_save_keeps_every_acknowledged_ranking_once() {
    for store in Store::both("a_service_killed_while_people_save_keeps_every_acknowledged_ranking_once") {
        let store = store.with_items(400, 3, 8);
        let mut service = Service::start(&store.db, &[]);
        let mut acknowledged: Vec<(String, String)> = Vec::new();
        for round in 0..3 {
            let people: Vec<Person> = (0..8).map(|i| service.person(&store.db, &format!("person {i}"))).collect();
            let dead = Arc::new(AtomicBool::new(false));
            let workers: Vec<_> = people
                .into_iter()
                .enumerate()
                .map(|(i, person)| {
                    let dead = Arc::clone(&dead);
                    std::thread::spawn(move || {
                        let mut acknowledged = Vec::new();
                        for n in 0.. {
                            let next = person.get("/api/next");
                            if dead.load(Ordering::SeqCst) || next.status != 200 {
                                break;
                            }
                            let key = format!("key-{round}-{i}-{n:05}");
                            let saved = person.post("/api/judgements", &Person::ranking(&next.json()["task"], &key));
                            if saved.status == 200 {
                                acknowledged.push((saved.json()["judgement"].as_str().unwrap().to_owned(), key));
                            }
                        }
                        acknowledged
                    })
                })
                .collect();
            std::thread::sleep(Duration::from_millis(900));
            service.process.kill();
            dead.store(true, Ordering::SeqCst);
            acknowledged.extend(workers.into_iter().flat_map(|worker| worker.join().unwrap()));
            service = Service::start(&store.db, &[]);
        }
        drop(service);
        assert!(acknowledged.len() > 100, "{} saves", acknowledged.len());
        let stored: Vec<String> = lines(&store.export("rankings.jsonl"))
            .iter()
            .map(|ranking| ranking["judgement"].as_str().unwrap().to_owned())
            .collect();
        let distinct: BTreeSet<&String> = stored.iter().collect();
        assert_eq!(distinct.len(), stored.len(), "each is there once");
        for (judgement, key) in &acknowledged {
            assert!(distinct.contains(judgement), "{key} was acknowledged as {judgement} and is not there");
        }
        let rebuilt = run(&["people", "rebuild", "--db", &store.db]);
        assert!(rebuilt.contains("as they were before"), "{rebuilt}");
    }
}

#[test]
fn a_store_moved_away_acknowledges_nothing_and_goes_on_when_it_is_back() {
    let store = Store::sqlite().with_items(5, 2, 1);
    let service = Service::start(&store.db, &[]);
    let ada = service.person(&store.db, "Ada");
    let task = ada.next()["task"].clone();
    let said = Person::ranking(&task, "key-00000");
    let away = store.dir.path().join("elsewhere.db");
    std::fs::rename(&store.db, &away).unwrap();
    let refused = ada.post("/api/judgements", &said);
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert!(refused.text.contains("moved away"), "{}", refused.text);
    let page = ada.get("/task");
    assert_eq!(page.status, 503);
    assert!(page.text.contains("moved away"), "the page says so too");
    std::fs::rename(&away, &store.db).unwrap();
    assert_eq!(ada.post("/api/judgements", &said).status, 200);
    drop(service);
    assert_eq!(lines(&store.export("rankings.jsonl")).len(), 1);
}

#[test]
fn a_full_disk_acknowledges_nothing_that_is_not_stored() {
    let store = Store::sqlite().with_items(300, 9, 1);
    // No file of this process may grow beyond what the store is now and a little.
    let blocks = std::fs::metadata(&store.db).unwrap().len() / 512 + 200;
    let line = format!(
        "trap '' XFSZ; ulimit -f {blocks}; exec {} --quiet people serve --port 0 --db {}",
        assert_cmd::cargo::cargo_bin("trimtab").display(),
        store.db
    );
    let ada_link = run(&["people", "invite", "Ada", "--db", &store.db]);
    let service = Service::of(std::process::Command::new("sh").args(["-c", &line]));
    let invite = ada_link.trim().split("invite=").nth(1).unwrap();
    let bearer = [("Authorization", "Bearer none")];
    let joined = post(&format!("{}/api/join", service.url), &bearer, &json!({"invite": invite})).json();
    let session = joined["session"].as_str().unwrap();
    let ada = Person { url: service.url.clone(), auth: ("Authorization".into(), format!("Bearer {session}")) };
    let (mut acknowledged, mut refused) = (Vec::new(), None);
    for n in 0..300 {
        let next = ada.get("/api/next");
        if next.status != 200 {
            refused = Some(next);
            break;
        }
        let mut said = Person::ranking(&next.json()["task"], &format!("key-{n:05}"));
        said["comment"] = json!("x".repeat(2000));
        let saved = ada.post("/api/judgements", &said);
        if saved.status != 200 {
            refused = Some(saved);
            break;
        }
        acknowledged.push(saved.json()["judgement"].as_str().unwrap().to_owned());
        std::thread::sleep(Duration::from_millis(20));
    }
    let refused = refused.expect("the disk was never full");
    assert_eq!(refused.status, 503, "{}", refused.text);
    drop(service);
    assert!(!acknowledged.is_empty());
    let stored: BTreeSet<String> = lines(&store.export("rankings.jsonl"))
        .iter()
        .map(|ranking| ranking["judgement"].as_str().unwrap().to_owned())
        .collect();
    assert!(acknowledged.iter().all(|judgement| stored.contains(judgement)));
    assert!(run(&["people", "rebuild", "--db", &store.db]).contains("as they were before"));
}

#[test]
fn a_log_that_was_changed_is_refused_by_name_of_the_event() {
    let store = Store::sqlite().with_items(3, 2, 1);
    let db = rusqlite::Connection::open(&store.db).unwrap();
    let changed = db.execute("UPDATE events SET body = '{}' WHERE seq = 2", []);
    assert!(changed.unwrap_err().to_string().contains("append-only"));
    db.execute_batch(
        "DROP TRIGGER events_stay; UPDATE events SET body = replace(body, 'question', 'riddle') WHERE seq = 2",
    )
    .unwrap();
    drop(db);
    let output = trimtab(&["people", "rebuild", "--db", &store.db]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("event 2"), "{output:?}");
}

#[test]
fn too_many_requests_are_asked_to_wait() {
    let store = Store::sqlite().with_items(1, 2, 1);
    let service = Service::start(&store.db, &[]);
    let ada = service.person(&store.db, "Ada");
    let limited = (0..400).map(|_| ada.get("/api/progress")).find(|answer| answer.status != 200);
    let limited = limited.expect("a limit");
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("1")));
    // A made-up session for each request is one caller all the same, and not one who takes Bob's share.
    let bob = service.person(&store.db, "Bob");
    assert_eq!(bob.get("/api/progress").status, 200);
    let url = format!("{}/api/progress", service.url);
    let stranger = |i: u32| get(&url, &[("Authorization", &format!("Bearer made-up-{i}"))]);
    assert!((0..400).map(stranger).any(|answer| answer.status == 429), "no limit for made-up sessions");
    assert_eq!(bob.get("/api/progress").status, 200);
}

#[test]
fn calibration_comes_first_and_work_counts_only_after_it() {
    let store = Store::sqlite();
    let file = store.dir.path().join("samples.jsonl");
    service::samples(&file, 3, 3);
    let mut items = lines(&std::fs::read_to_string(&file).unwrap());
    items[1]["gold"] = json!({"a0": 1, "a1": 2, "a2": 3});
    items[1]["calibration"] = json!(true);
    std::fs::write(&file, items.iter().map(|item| item.to_string() + "\n").collect::<String>()).unwrap();
    run(&["people", "import", file.to_str().unwrap(), "--overlap", "2", "--db", &store.db]);
    let service = Service::start(&store.db, &[]);
    for (name, ranks, after) in [
        ("Ada", json!({"a0": 1, "a1": 2, "a2": 3}), Value::Null),
        ("Bob", json!({"a2": 1, "a1": 2, "a0": 3}), json!("calibration")),
    ] {
        let person = service.person(&store.db, name);
        let task = person.next()["task"].clone();
        assert_eq!(task["item"], "q1", "{name}");
        let mut said = Person::ranking(&task, &format!("calibration of {name}"));
        said["ranks"] = ranks;
        assert_eq!(person.post("/api/judgements", &said).status, 200);
        assert_eq!(person.next()["none"], after, "{name}");
    }
    let owner = service.owner();
    assert_eq!(lines(&owner.get("/export/rankings.jsonl").text).len(), 0, "calibration is no ranking to learn from");
}

#[test]
fn what_is_imported_again_with_another_priority_comes_first() {
    let store = Store::sqlite().with_items(9, 2, 1);
    let file = store.dir.path().join("samples.jsonl");
    let mut items = lines(&std::fs::read_to_string(&file).unwrap());
    items[7]["priority"] = json!(2.5);
    std::fs::write(&file, items.iter().map(|item| item.to_string() + "\n").collect::<String>()).unwrap();
    run(&["people", "import", file.to_str().unwrap(), "--overlap", "1", "--db", &store.db]);
    let service = Service::start(&store.db, &[]);
    assert_eq!(service.person(&store.db, "Ada").next()["task"]["item"], "q7");
    drop(service);
    assert!(run(&["people", "rebuild", "--db", &store.db]).contains("as they were before"));
}

#[test]
fn an_anonymous_export_names_nobody() {
    let store = Store::sqlite().with_items(2, 2, 1);
    let service = Service::start(&store.db, &[]);
    let ada = service.person(&store.db, "Ada");
    let mut said = Person::ranking(&ada.next()["task"], "key-00000");
    said["comment"] = json!("I am Ada");
    assert_eq!(ada.post("/api/judgements", &said).status, 200);
    let owner = service.owner();
    for (file, _) in trimtab_people::service::export::FILES {
        let open = owner.get(&format!("/export/{file}"));
        let veiled = owner.get(&format!("/export/{file}?anonymous=1"));
        assert_eq!((open.status, veiled.status), (200, 200), "{file}");
        assert!(!veiled.text.contains("Ada") && !veiled.text.contains("\"p2\""), "{file}: {}", veiled.text);
    }
    assert!(owner.get("/export/rankings.jsonl").text.contains("I am Ada"));
    // The log can be checked by anybody who has it: each hash is of the one before, the time and the event's own bytes.
    let log = owner.get("/export/events.jsonl").text;
    let mut before = String::new();
    for line in log.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let event = line.split(",\"event\":").nth(1).unwrap().rsplit_once(",\"hash\":").unwrap().0;
        before = trimtab_people::service::event::chain(&before, record["at"].as_u64().unwrap(), event);
        assert_eq!(record["hash"], before);
    }
    assert_eq!(
        owner.get("/export/events.jsonl").text.lines().count(),
        log.lines().count() + 1,
        "and who took it is in it"
    );
}

/// A small run on the world whose people sit at the page: it waits for them, and goes on by itself.
#[test]
fn a_run_waits_for_people_at_the_page_and_goes_on_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let small = [
        "world.frequent_repeats=4",
        "world.skill_documents=10",
        "world.belief_documents=200",
        "world.topic_documents=6",
        "world.marked_documents=200",
        "world.demonstrations=60",
        "world.prompts_train=40",
        "world.prompts_heldout=20",
        "pretrain.size=30k",
        "pretrain.steps=6",
        "pretrain.batch_tokens=256",
        "sft.epochs=1",
        "sample.prompts=12",
        "sample.max_new_tokens=8",
        "ppo.steps=1",
        "ppo.episodes=8",
        "ppo.max_new_tokens=8",
        "ppo.ptx_tokens=64",
        "ppo.eval_answers=8",
        "ppo.corpus_eval_tokens=400",
        "evaluation.items=2",
        "evaluation.max_new_tokens=8",
        "evaluation.best_of=2",
        "evaluation.best_of_prompts=4",
        "evaluation.comparisons=[]",
        "evaluation.control=false",
    ];
    let runs = dir.path().join("runs");
    let command = |people: &[&str]| {
        let mut command = trimtab(&["run", "--runs", runs.to_str().unwrap()]);
        command.env("TRIMTAB_CACHE", dir.path().join("cache"));
        for setting in small {
            command.args(["--set", setting]);
        }
        command.args(people);
        command
    };
    let web = ["--people", "web", "--port", "0", "--overlap", "2"];
    let mut service = Service::of(&mut command(&web));
    let owner = service.owner();
    let form = [(owner.auth.0.as_str(), owner.auth.1.as_str()), ("Sec-Fetch-Site", "same-origin")];
    let invited = post_form(&format!("{}/admin/invite", service.url), &form, "name=Ada&role=annotator&quota=");
    assert_eq!(invited.status, 200, "{}", invited.text);
    let invite: String =
        invited.text.split("/join?invite=").nth(1).unwrap().chars().take_while(char::is_ascii_hexdigit).collect();
    let bearer = [("Authorization", "Bearer none")];
    let joined = post(&format!("{}/api/join", service.url), &bearer, &json!({"invite": invite})).json();
    let session = format!("Bearer {}", joined["session"].as_str().unwrap());
    let ada = Person { url: service.url.clone(), auth: ("Authorization".into(), session) };
    let judge = |person: &Person, name: &str, most: usize| {
        let headers = [(person.auth.0.as_str(), person.auth.1.as_str()), ("Sec-Fetch-Site", "same-origin")];
        for n in 0..most {
            let next = person.get("/api/next");
            if next.status != 200 || next.json()["none"].is_string() {
                return n;
            }
            let said = Person::ranking(&next.json()["task"], &format!("key-{name}-{n:04}"));
            assert_eq!(post(&format!("{}/api/judgements", person.url), &headers, &said).status, 200);
        }
        most
    };
    let by_ada = judge(&ada, "ada", usize::MAX);
    assert!(by_ada > 2, "{by_ada} prompts had answers that differ");
    assert!(!runs.join("world/reward").exists(), "it waits for a second person");
    // Stopped in between: nothing is asked twice.
    service.process.kill();
    let mut service = Service::of(&mut command(&web));
    let again = service.owner();
    assert_eq!(judge(&again, "owner", usize::MAX), by_ada);
    let ended = service.process.0.wait().unwrap();
    assert!(ended.success(), "{ended}");
    let rankings = lines(&std::fs::read_to_string(runs.join("world/rank/rankings.jsonl")).unwrap());
    assert_eq!(rankings.len(), 2 * by_ada);
    assert!(runs.join("world/report.html").exists());
    // A later stage alone builds on what people said, and so does the report of them.
    let mut later = trimtab(&["reward", "--runs", runs.to_str().unwrap(), "--set", "reward.labels=majority"]);
    for setting in small {
        later.args(["--set", setting]);
    }
    assert!(later.env("TRIMTAB_CACHE", dir.path().join("cache")).status().unwrap().success());
    let report = run(&["people", "report", "--run", runs.join("world").to_str().unwrap()]);
    assert!(report.contains("agreement") && report.contains("ceiling"), "{report}");
    // Of more questions, those come first on which reward models trained on these rankings disagree.
    let world = runs.join("world");
    let answers = lines(&std::fs::read_to_string(world.join("rank/answers.jsonl")).unwrap());
    let more: String = answers.iter().enumerate().fold(String::new(), |more, (i, record)| {
        let mut record = record.clone();
        record["id"] = json!(format!("more-{i}"));
        more + &record.to_string() + "\n"
    });
    std::fs::write(dir.path().join("more.jsonl"), more).unwrap();
    let (world, more) = (world.to_str().unwrap(), dir.path().join("more.jsonl"));
    run(&["people", "import", more.to_str().unwrap(), "--run", world]);
    let next = run(&["people", "next", "--run", world, "--members", "2", "--show", "1000"]);
    let found: Vec<(f64, &str)> =
        next.lines().filter_map(|line| line.split_once("  ")).map(|(d, item)| (d.parse().unwrap(), item)).collect();
    assert_eq!(found.len(), answers.len(), "{next}");
    assert!(found.windows(2).all(|w| w[0].0 >= w[1].0) && found[0].0 > 0.0 && found[0].0 <= 0.25, "{next}");
    let service = Service::of(&mut trimtab(&["people", "serve", "--port", "0", "--run", world]));
    assert_eq!(service.owner().next()["task"]["item"], found[0].1);
    let left: Vec<_> = std::fs::read_dir(runs.join("world/people")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_string_lossy().starts_with("people.db")), "{left:?}");
}
