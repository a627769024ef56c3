//! `trimtab oversee chess` through the binary: tiny players, killed and continued, puzzles from elsewhere, and what is refused.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

mod common;
use common::{files, json, refused_before_it_begins, trimtab};
use std::path::{Path, PathBuf};

/// Players that have hardly read, two seeds, few puzzles: the shape of it in seconds.
fn tiny(cache: &Path, out: &Path) -> assert_cmd::Command {
    let mut command = trimtab();
    command.env("TRIMTAB_CACHE", cache).args(["oversee", "chess", "--seeds", "2", "--steps", "3", "--epochs", "1"]);
    for flag in ["--items-a", "--items-b", "--items-t"] {
        command.args([flag, "40"]);
    }
    command.args(["--resamples", "100", "--out"]).arg(out);
    command
}

/// Two puzzles that mate in one, one of them by two moves, a row of another theme, and two that are wrong: as the database has them.
fn puzzles(path: PathBuf) -> PathBuf {
    let rows = "PuzzleId,FEN,Moves,Rating,RatingDeviation,Popularity,NbPlays,Themes,GameUrl\n\
        a,5k2/5ppp/8/8/8/8/8/R5K1 b - - 0 1,f8g8 a1a8,600,80,90,10,mateIn1 short,x\n\
        b,1k6/8/1K6/8/8/8/8/2R4R b - - 0 1,b8a8 h1h8,600,80,90,10,short mateIn1,x\n\
        c,5k2/5ppp/8/8/8/8/8/R5K1 b - - 0 1,f8g8 a1a7,600,80,90,10,endgame,x\n\
        d,5k2/5ppp/8/8/8/8/8/R5K1 b - - 0 1,f8g8 a1a7,600,80,90,10,mateIn1,x\n\
        e,nonsense,f8g8 a1a7,600,80,90,10,mateIn1,x\n";
    std::fs::write(&path, rows).unwrap();
    path
}

/// Everything is there and nothing of two seeds and forty puzzles is reported; killed between fits it ends with the same bytes as one
/// that was not; done, it computes nothing and says the same.
#[test]
fn players_are_whole_continued_and_say_no() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let file = puzzles(at("puzzles.csv"));
    let run = |out: &str| {
        let mut command = tiny(&at("cache"), &at(out));
        command.arg("--json").arg("--puzzles").arg(&file);
        command
    };
    let whole = json(&mut run("whole"));
    let rows = whole["summary"]["rows"].as_array().unwrap();
    let named: Vec<(&str, &str)> =
        rows.iter().map(|row| (row["method"].as_str().unwrap(), row["student"].as_str().unwrap())).collect();
    let expected = [
        ("direct", "100k"),
        ("direct", "300k"),
        ("chain", "300k"),
        ("no pretraining", "300k"),
        ("labels of other puzzles", "300k"),
    ];
    assert_eq!(named, expected);
    for row in rows {
        assert!(row["pgr"]["bootstrap"]["value"].is_null(), "two seeds of forty puzzles: {row}");
        assert_eq!(row["pgr"]["by_seed"].as_array().unwrap().len(), 2, "and nothing is hidden");
        let reasons = row["pgr"]["withheld"]["reasons"].to_string();
        assert!(reasons.contains("2 seeds of at least 5") && reasons.contains("40 test items"), "{reasons}");
    }
    let counters = &whole["elsewhere"]["counters"];
    for (what, n) in [
        ("used", 2),
        ("not mateIn1", 1),
        ("left out: its solution does not mate in time", 1),
        ("left out: not a position", 1),
    ] {
        assert_eq!(counters[what], n, "{what} in {counters}");
    }
    assert_eq!((&whole["summary"]["elsewhere"], &whole["elsewhere"]["several_answers"]), (&2.into(), &1.into()));
    let b = &whole["summary"]["baselines"];
    assert!(b["legal"]["value"].as_f64() < b["check"]["value"].as_f64(), "{b}");

    let page = std::fs::read_to_string(at("whole/report.html")).unwrap();
    for part in ["Weak-to-strong in chess", "control: no pretraining", "not reportable (1)", "2 puzzles from elsewhere"]
    {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<script"));
    trimtab().args(["report", &at("whole").display().to_string()]).assert().success();
    assert_eq!(std::fs::read_to_string(at("whole/report.html")).unwrap(), page);

    // Twelve fits a seed; the ninth is the chain's step that teaches the tenth.
    for moment in [4, 9, 17] {
        run("cut").env("TRIMTAB_STOP_AFTER", format!("chess:{moment}")).assert().failure();
        assert_eq!(files(&at("cut/chess")).len(), moment);
        let none = trimtab().args(["report", &at("cut").display().to_string()]).assert().failure().code(2);
        let said = String::from_utf8_lossy(&none.get_output().stderr).into_owned();
        assert!(said.contains("the puzzles are not done") && said.contains("try: "), "{said}");
    }
    let continued = json(&mut run("cut"));
    assert_eq!(continued["summary"], whole["summary"]);
    let (want, got) = (files(&at("whole/chess")), files(&at("cut/chess")));
    assert!(want == got && want.len() == 24, "{} files and {}", want.len(), got.len());
    assert_eq!(json(&mut run("cut")), continued);
}

/// Two sizes have no chain; mate in two is another run; the table says what a reader needs.
#[test]
fn mates_in_two_without_a_chain() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let mut command = tiny(&at("cache"), &at("two"));
    let said = command.args(["--sizes", "30k,100k", "--mate-in", "2"]).assert().success();
    let said = String::from_utf8(said.get_output().stdout.clone()).unwrap();
    for part in ["mates in 2", "direct", "not reportable", "all seeds, w s c", "any legal check", "looks at T"] {
        assert!(said.contains(part), "{part:?} is not in:\n{said}");
    }
    assert!(!said.contains("chain"), "{said}");
    let other = tiny(&at("cache"), &at("two")).args(["--sizes", "30k,100k"]).assert().failure().code(2);
    assert!(String::from_utf8_lossy(&other.get_output().stderr).contains("depth"), "another config is another run");
}

#[test]
fn what_is_no_ladder_of_players_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.csv");
    std::fs::write(&empty, "PuzzleId,FEN,Moves,Themes\na,8/8,e2e4,endgame\n").unwrap();
    let short = dir.path().join("short.csv");
    std::fs::write(&short, "a,b\n").unwrap();
    let headless = dir.path().join("headless.csv");
    std::fs::write(&headless, "FEN,Moves\n8/8,e2e4\n").unwrap();
    let (empty, short, headless) =
        (empty.display().to_string(), short.display().to_string(), headless.display().to_string());
    for (args, named) in [
        (vec!["--sizes", "300k,30k"], "no such ladder"),
        (vec!["--sizes", "30k"], "no such ladder"),
        (vec!["--sizes", "30k,2M"], "no such ladder"),
        (vec!["--lr", "0"], "no learning rate"),
        (vec!["--items-t", "5"], "too few or too many"),
        (vec!["--mate-in", "3"], "mate-in"),
        (vec!["--puzzles", &empty], "no puzzle that mates in 1"),
        (vec!["--puzzles", &short], "row 1 has 2 columns"),
        (vec!["--puzzles", &headless], "has no column Themes"),
        (vec!["--puzzles", "nowhere.csv"], "nowhere.csv"),
    ] {
        refused_before_it_begins("chess", &dir.path().join("no"), &args, named);
    }
}
