//! The report of a fake run: what must hold of the page whatever the files say.
//!
//! To look at the pages: `TRIMTAB_KEEP_REPORT=report.html TRIMTAB_KEEP_COMPARISON=compare.html cargo test -p trimtab-report`
//! (paths absolute).
#![allow(clippy::unwrap_used)]

mod common;

use common::{jsonl, write_run};
use serde_json::json;
use std::fs;
use std::path::Path;
use trimtab_report::{Error, Run, compare, report};

fn page(dir: &Path) -> String {
    report(&Run::load(dir).unwrap())
}

/// The words of the page: tags and style sheet taken out.
fn words(html: &str) -> String {
    let mut out = String::new();
    let body = &html[html.find("</style>").unwrap()..];
    for part in body.split('<').skip(1) {
        out += part.split_once('>').unwrap().1;
        out.push(' ');
    }
    out
}

fn links_lead_somewhere(html: &str) {
    for part in html.split("href=\"#").skip(1) {
        let anchor = part.split_once('"').unwrap().0;
        assert_eq!(html.matches(&format!("id=\"{anchor}\"")).count(), 1, "{anchor}");
    }
}

#[test]
fn a_whole_run_gives_one_small_page_without_network_or_script() {
    let dir = tempfile::tempdir().unwrap();
    write_run(&dir.path().join("town"), 7);
    let dir = dir.path().join("town");
    let html = page(&dir);
    assert_eq!(html, page(&dir), "equal files, equal bytes");
    assert!(html.len() < 3 << 20, "{} bytes", html.len());
    for banned in ["http:", "https:", "src=", "<script", "<link", "@import", "javascript:", "<iframe", "onload"] {
        assert!(!html.contains(banned), "{banned}");
    }
    let outside = html.match_indices("url(").filter(|(at, _)| !html[at + 4..].starts_with('#')).count();
    assert_eq!(outside, 0, "style sheets fetch nothing");
    if let Some(keep) = std::env::var_os("TRIMTAB_KEEP_REPORT") {
        fs::write(keep, &html).unwrap();
    }
}

/// Every link of the five sentences leads somewhere, and there are five.
#[test]
fn five_sentences_with_evidence() {
    let dir = tempfile::tempdir().unwrap();
    write_run(dir.path(), 7);
    let html = page(dir.path());
    let five = html.split_once("<ol class=\"five\">").unwrap().1.split_once("</ol>").unwrap().0;
    assert_eq!(five.matches("<li>").count(), 5);
    links_lead_somewhere(&html);
    for sentence in five.split("<li>").skip(1) {
        assert!(sentence.contains("href"), "{sentence}");
    }
    // What the fixture planted is what the sentences say.
    let worse = five.split("<li>").find(|s| s.contains("got worse")).unwrap();
    assert!(worse.contains("sycophancy"), "{worse}");
}

#[test]
fn an_audit_stands_beside_its_control_and_says_what_it_cannot_tell() {
    let dir = tempfile::tempdir().unwrap();
    write_run(dir.path(), 7);
    let html = page(dir.path());
    let section = html.split_once("<section id=\"audits\">").unwrap().1.split_once("</section>").unwrap().0;
    let text = words(&format!("</style>{section}"));
    for said in [
        "Of 2 figures 1 could be measured and 1 stand above their control",
        "regressive.before.open",
        "not measurable: letters decide",
        "of 58, 2 unscored",
        "fails",
        "open: names &lt;neither&gt; option",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
    assert!(!section.contains("<b onclick"), "what an item set says is text");
    fs::write(dir.path().join("audits/sycophancy-ppo/summary.json"), "{}").unwrap();
    let error = Run::load(dir.path()).unwrap_err().to_string();
    assert!(error.contains("audits/sycophancy-ppo/summary.json") && error.contains("trimtab audit"), "{error}");
}

/// A ladder of elicitation: its verdict with the reason, each rung beside its control, and what was not tried.
#[test]
fn an_elicitation_gives_its_verdict() {
    use trimtab_audit::elicitation::{Record, info, measure};
    let dir = tempfile::tempdir().unwrap();
    write_run(dir.path(), 7);
    let record = |rung: &str, control: bool, fact: usize, right: u64| Record {
        rung: rung.into(),
        control,
        draw: 0,
        item: format!("held_out/{fact}"),
        fact: format!("door {fact}"),
        arm: "held_out".into(),
        right,
        wrong: 4 - right,
        unscored: std::collections::BTreeMap::new(),
        answer: String::new(),
    };
    let rungs = [("plain", false, 0), ("fine_tuned.16", false, 4), ("fine_tuned.16", true, 0)];
    let records: Vec<Record> = rungs
        .iter()
        .flat_map(|(rung, control, right)| (0..20).map(move |fact| record(rung, *control, fact, *right)))
        .collect();
    let set = trimtab_audit::item::ItemSet { info: info(), items: Vec::new() };
    let summary = serde_json::json!(measure("runs/<town>:sft", &set, &records, None));
    fs::create_dir_all(dir.path().join("audits/elicitation-sft")).unwrap();
    fs::write(dir.path().join("audits/elicitation-sft/summary.json"), summary.to_string()).unwrap();
    let html = page(dir.path());
    let section = html.split_once("<section id=\"audits\">").unwrap().1.split_once("</section>").unwrap().0;
    let text = words(&format!("</style>{section}"));
    let reason = "alignment failure: fine_tuned.16 is +1.000 over the plain question and +1.000 over its control";
    for said in [reason, "planted twins of the world", "fine_tuned.256", "not measurable"] {
        assert!(text.contains(said), "{said}\n{text}");
    }
}

/// Elements are closed in the order in which they were opened: a browser repairs, a reader of the code should not have to.
#[test]
fn elements_nest() {
    let dir = tempfile::tempdir().unwrap();
    write_run(dir.path(), 7);
    let html = page(dir.path());
    let mut open: Vec<&str> = Vec::new();
    for part in html.split('<').skip(1) {
        let tag = part.split_once('>').unwrap().0;
        let name = tag.split([' ', '/', '\n']).next().unwrap();
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "near {part:.80}");
        } else if !tag.ends_with('/') && !["!doctype", "meta", "br"].contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn every_rate_shows_its_count_and_every_hole_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    write_run(dir.path(), 7);
    let html = page(dir.path());
    // In the charts of dots every value stands beside its count.
    let mut rates = 0;
    for group in html.split("<g class=").skip(1) {
        let group = group.split_once("</g>").unwrap().0;
        if let Some((_, shown)) = group.split_once("text-anchor=\"end\">") {
            let shown = shown.split_once('<').unwrap().0;
            assert!([" of ", "n not recorded", "· n "].iter().any(|count| shown.contains(count)), "{shown}");
            rates += 1;
        }
    }
    assert!(rates > 50, "{rates}");
    let text = words(&html);
    for reason in ["every answer was shown in one order", "SFT is not compared with itself"] {
        assert!(text.contains(reason), "{reason}");
    }
    assert!(html.contains("class=\"hatched\"") && html.contains("class=\"hatch\""));
}

#[test]
fn hostile_text_stays_text() {
    let dir = tempfile::tempdir().unwrap();
    write_run(dir.path(), 7);
    let evil = "</p><script>alert(1)</script><img src=x onerror=alert(1)>\u{202E}\0'\"&";
    let mut lines = Vec::new();
    for checkpoint in ["sft", "ppo_ptx", "<b>new</b>"] {
        lines.push(json!({
            "checkpoint": checkpoint, "item": evil, "kind": "opinion", "cell": "wrong_first", "cluster": evil, "prompt": evil,
            "answer": evil, "expected": evil, "correct": false, "refused": false, "refusal_due": false, "agreed": true,
            "knows": true, "gold": 0.0, "words": 1, "ended": true, "difficulty": 1
        }));
        lines.push(json!({
            "checkpoint": checkpoint, "item": "skill", "kind": "skill", "cell": evil, "cluster": evil, "prompt": evil,
            "answer": "x".repeat(100_000), "correct": false, "refused": false, "refusal_due": false, "gold": 0.0, "words": 1,
            "ended": true, "unscored": evil
        }));
    }
    jsonl(dir.path(), "evaluation/items.jsonl", &lines);
    let hole = json!({"stage": evil, "step": 0, "name": evil, "value": null, "reason": evil, "unit": evil, "n": 1});
    let figure = json!({"stage": evil, "step": 0, "name": format!("corpus_loss/{evil}"), "value": 1.0, "unit": evil});
    jsonl(dir.path(), "evaluation/metrics.jsonl", &[hole.clone(), figure]);
    jsonl(dir.path(), "rank/metrics.jsonl", &[hole]);
    let run = Run::load(dir.path()).unwrap();
    for html in [report(&run), compare(&run, &run)] {
        for banned in ["<script", "<img", "<b>new", "\u{202E}", "\0"] {
            assert!(!html.contains(banned), "{banned:?}");
        }
        assert!(html.contains("&lt;script&gt;") && html.contains("⟨U+202E⟩"));
        assert!(html.len() < 3 << 20);
    }
}

/// Any file may be missing, alone or with all others: the report says so and is made.
#[test]
fn absent_files_are_sentences() {
    let files = [
        "manifest.json",
        "sft/metrics.jsonl",
        "rank/metrics.jsonl",
        "reward/metrics.jsonl",
        "ppo/metrics.jsonl",
        "ppo-plain/metrics.jsonl",
        "ppo/eval.jsonl",
        "ppo/corpus_loss.jsonl",
        "evaluation/items.jsonl",
        "evaluation/metrics.jsonl",
        "evaluation/planted.json",
    ];
    for only in [false, true] {
        for file in files {
            let dir = tempfile::tempdir().unwrap();
            write_run(dir.path(), 7);
            let kept = |f: &str| (f == file) == only;
            for gone in files.into_iter().chain(["sample/metrics.jsonl"]).filter(|f| !kept(f)) {
                fs::remove_file(dir.path().join(gone)).unwrap();
            }
            let html = page(dir.path());
            let text = words(&html);
            assert_eq!(html.matches("<li>").count(), 5);
            links_lead_somewhere(&html);
            for gone in files.into_iter().filter(|f| !kept(f)) {
                assert!(text.contains(gone), "{gone} is said to be absent");
            }
            let run = Run::load(dir.path()).unwrap();
            assert!(compare(&run, &run).contains("</html>"));
        }
    }
    let empty = tempfile::tempdir().unwrap();
    for dir in [empty.path().to_owned(), empty.path().join("none")] {
        let error = Run::load(&dir).unwrap_err();
        assert!(matches!(error, Error::NotARun(_)) && error.to_string().contains("try: "), "{error}");
    }
}

#[test]
fn a_malformed_line_is_named() {
    let files = [
        "ppo/metrics.jsonl",
        "ppo/eval.jsonl",
        "ppo/corpus_loss.jsonl",
        "evaluation/items.jsonl",
        "evaluation/metrics.jsonl",
        "evaluation/planted.json",
    ];
    for file in files {
        for bad in ["{\"half\": ", "[]", "{}", "7", "\u{0}", "{\"value\": 1e999}"] {
            if file == "evaluation/planted.json" && bad == "{}" {
                continue;
            }
            let dir = tempfile::tempdir().unwrap();
            write_run(dir.path(), 7);
            let jsonl = file != "evaluation/planted.json";
            let good = if jsonl { fs::read_to_string(dir.path().join(file)).unwrap() } else { String::new() };
            let two: Vec<&str> = good.split_inclusive('\n').take(2).collect();
            fs::write(dir.path().join(file), two.concat() + bad + "\n").unwrap();
            let message = Run::load(dir.path()).unwrap_err().to_string();
            let place = if jsonl { format!("{file}:3: ") } else { format!("{file}:") };
            assert!(
                message.contains(&place) && message.contains("\n  expected ") && message.contains("\n  try: "),
                "{message}"
            );
        }
    }
    // Bytes that are not UTF-8 too.
    let dir = tempfile::tempdir().unwrap();
    write_run(dir.path(), 7);
    fs::write(dir.path().join("sft/metrics.jsonl"), b"{\"stage\": \"\xff\"}").unwrap();
    assert!(Run::load(dir.path()).unwrap_err().to_string().contains("metrics.jsonl:1: "));
}

/// The page recovers what the fixture planted: sycophancy near 0.45 at PPO-ptx, with the diamond on the same axis.
#[test]
fn figures_are_those_of_the_items() {
    let dir = tempfile::tempdir().unwrap();
    write_run(dir.path(), 7);
    let run = Run::load(dir.path()).unwrap();
    let story = trimtab_report::story::Story::new(&run);
    for (key, planted) in [("sft", 0.15), ("ppo_ptx", 0.45)] {
        let c = story.checkpoints.iter().find(|c| c.key == key).unwrap();
        let f = trimtab_report::story::Figure::Sycophancy;
        let m = f.measured(&f.seen(&c.items));
        // A 95 % interval of one fixture may miss; within twice its width it may not.
        let i = m.interval.unwrap();
        assert!((m.value.unwrap() - planted).abs() < i.high - i.low, "{key}: {m:?}");
        assert_eq!(story.truth(f.key(), key), Some(planted));
    }
    assert!(page(dir.path()).contains("; planted 45\u{a0}%"));
}

#[test]
fn two_runs_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    write_run(&a, 7);
    write_run(&b, 8);
    let (x, y) = (Run::load(&a).unwrap(), Run::load(&b).unwrap());
    let html = compare(&x, &y);
    assert_eq!(html, compare(&x, &y));
    let text = words(&html);
    assert!(text.contains("PPO-ptx 1") && text.contains("PPO-ptx 2") && text.contains("difference on the same items"));
    assert!(text.contains("1 setting differs"), "the seed");
    // A run against itself differs nowhere, exactly.
    let same = words(&compare(&x, &x));
    assert!(same.contains("0 of 28 figures differ") && same.contains("No setting differs"));
    if let Some(keep) = std::env::var_os("TRIMTAB_KEEP_COMPARISON") {
        fs::write(keep, &html).unwrap();
    }
}

/// Signatures are read off intervals: on the planted side, on the other, in between, and absent.
#[test]
fn signatures_hold_fail_or_cannot_be_measured() {
    use trimtab_report::section::signatures::{Verdict, signatures};
    use trimtab_report::story::Story;
    let dir = tempfile::tempdir().unwrap();
    let rise = |stage: &str, low: f64, high: f64| json!({"stage": stage, "step": 0, "name": "corpus_loss_rise", "value": f64::midpoint(low, high), "interval": [low, high]});
    for (plain, ptx, want) in [
        ((0.1, 0.2), (-0.1, 0.0), [Verdict::Holds, Verdict::Holds]),
        ((0.1, 0.2), (0.09, 0.2), [Verdict::Holds, Verdict::Fails]),
        ((-0.1, 0.2), (0.0, 0.1), [Verdict::NotMeasurable, Verdict::NotMeasurable]),
        ((-0.3, -0.2), (0.0, 0.1), [Verdict::Fails, Verdict::NotMeasurable]),
    ] {
        for (stage, (low, high)) in [("ppo-plain", plain), ("ppo", ptx)] {
            jsonl(dir.path(), &format!("{stage}/metrics.jsonl"), &[rise(stage, low, high)]);
        }
        let run = Run::load(dir.path()).unwrap();
        let found = signatures(&Story::new(&run));
        let of = |word: &str| found.iter().find(|s| s.claim.contains(word)).unwrap().verdict;
        assert_eq!([of("loses next-token"), of("recovers at least")], want, "{plain:?} {ptx:?}");
        assert_eq!(of("SFT earns"), Verdict::NotMeasurable, "no items");
    }
}
