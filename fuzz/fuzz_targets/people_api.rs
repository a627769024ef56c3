//! Any bytes as a judgement's body, decided on in a small state; and any text as an answer in Markdown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use trimtab_people::service::event::{Event, Judgement, Role};
use trimtab_people::service::markdown;
use trimtab_people::service::{State, decide};

/// One item with three answers, leased to one person.
static STATE: LazyLock<State> = LazyLock::new(|| {
    let item = serde_json::json!({"id": "q", "task": "rank", "prompt": "?", "overlap": 1, "answers": [
        {"id": "a", "text": "1"}, {"id": "b", "text": "2"}, {"id": "c", "text": "3"}]});
    let item = serde_json::from_value(item).expect("an item");
    let (name, person, role) = ("p".to_owned(), "p1".to_owned(), Role::Annotator);
    let shown = ["c", "a", "b"].map(str::to_owned).into();
    let mut state = State::default();
    for event in [
        Event::ItemAdded { item },
        Event::Invited { person: person.clone(), name, role, quota: None, token_sha256: String::new() },
        Event::Leased { lease: "l".into(), item: "q".into(), person, shown, expires: 10 },
    ] {
        state.apply(1, &event).expect("events in order");
    }
    state
});

/// Every tag that the renderer writes.
const TAGS: [&str; 26] = [
    "p", "br", "hr", "em", "strong", "del", "code", "pre", "a", "small", "span", "ul", "ol", "li", "blockquote", "div", "table",
    "thead", "tbody", "tr", "th", "td", "h3", "h4", "h5", "h6",
];

fuzz_target!(|data: &[u8]| {
    if let Ok(said) = serde_json::from_slice::<Judgement>(data)
        && let Ok((events, _)) = decide::judge(&STATE, &STATE.people["p1"], "a key of eight", said, 5)
    {
        let mut state = STATE.clone();
        for event in &events {
            let body = serde_json::to_string(event).expect("an event is JSON");
            let read: Event = serde_json::from_str(&body).expect("an event reads back");
            state.apply(5, &read).expect("an event that was decided on fits");
        }
        for ranking in state.rankings(false) {
            ranking.validate().expect("a ranking that was let in is sound");
        }
    }
    if let Ok(text) = std::str::from_utf8(data) {
        for part in markdown::render(text).split('<').skip(1) {
            let tag = part.split('>').next().unwrap_or_default().trim_start_matches('/');
            let (name, rest) = tag.split_once(' ').unwrap_or((tag, ""));
            assert!(TAGS.contains(&name), "{tag}");
            let leads = rest.to_ascii_lowercase();
            let safe = ["href=\"http://", "href=\"https://", "href=\"mailto:"].iter().any(|safe| leads.starts_with(safe));
            assert!(name != "a" || rest.is_empty() || safe, "{tag}");
        }
    }
});
