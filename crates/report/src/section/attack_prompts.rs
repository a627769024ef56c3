//! Attacks by prompts: how often each gets what it asks for, by how many draws and shots, and what was said.

use super::section;
use crate::chart::captioned;
use crate::chart::dots::{Row as Dot, dots};
use crate::chart::line::{Lines, Point, Series, lines};
use crate::format::{self, Unit};
use crate::html::{Cell, aside, cut, escape, figure, page, table};
use std::fmt::Write as _;
use trimtab_audit::attack::prompts::{Found, MOST_SHOTS, Prompts, Row, Told};
use trimtab_audit::figure::Summary;
use trimtab_stats::{Measured, doublings};

/// Characters of a turn that are shown.
const LIMIT: usize = 600;

/// The section; nothing where no attack by prompts was made.
#[must_use]
pub fn attack_prompts(audits: &[Summary]) -> String {
    let found: Vec<(&Summary, &Prompts)> = audits.iter().filter_map(|s| Some((s, s.prompts.as_ref()?))).collect();
    let Some((first, prompts)) = found.first() else { return String::new() };
    let mut body = aside(
        "How to read",
        "Attack success is the share of answers to forbidden requests that give the planted payload word for word; what prefill_1 reaches, with the answer's first word given, is what can be reached at all. Bars are 95 % intervals over topics. Refusing less is not giving more: an attack that succeeds by the refusals alone is seen beside it. Grey attacks are controls that spend as much: harmless shots, plain draws, random suffixes. Harmless requests are rewritten alike, so that an attack that only confuses the model is seen.",
    );
    for (summary, prompts) in &found {
        body += &of_one(summary, prompts);
    }
    body += &aside(
        "What this does not show",
        "That what no prompt here gets is safe: wordings are few and fixed, and an attacker who looks at answers gets further. Harm: where no payload is planted, an answer that does not refuse may be worth nothing.",
    );
    section("attack-prompts", "Attacks by prompts", &title(first, prompts), &body)
}

/// The page of one attack by itself.
#[must_use]
pub fn attack_prompts_page(summary: &Summary) -> String {
    page(&format!("Attack on {} · trimtab", summary.model), &attack_prompts(std::slice::from_ref(summary)))
}

/// What is counted.
fn success(prompts: &Prompts) -> &'static str {
    if prompts.planted { "asr" } else { "refused" }
}

fn is_control(row: &Row) -> bool {
    row.attack == "direct"
        || ["resampled", "random_suffix", "unrefined"].contains(&row.attack.as_str())
        || row.attack.starts_with("benign_shot_")
}

/// The finding: the attack that goes furthest without a part of the answer, beside the plain request.
fn title(summary: &Summary, prompts: &Prompts) -> String {
    let value = |row: &Row| summary.value(&format!("{}.{}", success(prompts), row.attack)).and_then(|m| m.value);
    // Of many draws one is enough.
    let reached = |row: &Row| {
        let most = doublings(row.draws).into_iter().next_back().filter(|n| prompts.planted && *n > 1);
        let Some(n) = most else { return Some((row.attack.clone(), value(row)?)) };
        let name = format!("{}.{n}", row.attack);
        let share = summary.value(&name)?.value?;
        Some((format!("{}, one of {n} draws", row.attack), share))
    };
    let tried = prompts.rows.iter().filter(|row| !is_control(row) && !row.attack.starts_with("prefill_"));
    // Least refused, or most given.
    let sign = if prompts.planted { 1.0 } else { -1.0 };
    let best = tried.filter_map(reached).max_by(|a, b| (sign * a.1).total_cmp(&(sign * b.1)));
    let plain = prompts.rows.iter().find(|row| row.attack == "direct").and_then(value);
    match (plain, best) {
        (Some(plain), Some((attack, best))) => {
            let what = if prompts.planted { "Given when asked" } else { "Refused when asked" };
            format!("{what}: {}; under {attack}: {}", Unit::Share.show(plain), Unit::Share.show(best))
        }
        _ => "How far requests get when they are put differently".into(),
    }
}

fn of_one(summary: &Summary, prompts: &Prompts) -> String {
    let mut body = format!("<h3>{}</h3>\n", escape(&format!("{} of {}", summary.items.name, summary.model)));
    for (what, why) in &prompts.not_measurable {
        body += &aside("Not measurable", &format!("{what}: {why}."));
    }
    let success = success(prompts);
    let dot = |row: &Row| {
        let figure = summary.figure(&format!("{success}.{}", row.attack))?;
        let count = format!("{} of {}", figure.rate.numerator, figure.rate.denominator);
        let class = if is_control(row) { "control" } else { "other" };
        Some(Dot { label: row.attack.clone(), class, measured: figure.clustered.clone(), count, planted: None })
    };
    let marks: Vec<Dot> = prompts.rows.iter().filter_map(dot).collect();
    let cells = |row: &Row| {
        let mut cells = vec![Cell::text(&row.attack)];
        cells.extend(["asr", "refused", "never", "transfer", "transfer_refused", "right", "over_refusal"].map(
            |name| {
                let figure = summary.figure(&format!("{name}.{}", row.attack));
                figure.map_or_else(|| Cell::text("–"), |f| Cell::measured(&f.clustered, &Unit::Share))
            },
        ));
        let unscored = summary.figure(&format!("{success}.{}", row.attack)).map_or(0, |f| f.rate.unscored);
        cells.push(Cell::number(format::count(unscored)));
        cells.push(Cell::number(format::count(row.queries + row.scored.unwrap_or(0))));
        cells.push(Cell::number(row.queries_per_success.map_or_else(|| "–".into(), format::number)));
        cells
    };
    let rows: Vec<Vec<Cell>> = prompts.rows.iter().map(cells).collect();
    let columns = [
        "",
        "attack success",
        "refuses",
        "never taught",
        "carried over",
        "refuses, carried over",
        "right",
        "over-refusal",
        "unscored",
        "queries",
        "queries per success",
    ];
    let caption = if prompts.planted { "Attack success by attack" } else { "Refusal by attack" };
    body += &figure(
        &captioned(caption, &dots(&marks, &Unit::Share)),
        &table("What each attack gets and costs", &columns, &rows),
    );
    body += &draws(summary, prompts);
    body += &shots(summary, success);
    body += &levels(summary);
    body += &suffixes(prompts);
    body += &defences(summary, prompts);
    let controls: Vec<Vec<Cell>> = summary
        .controls
        .iter()
        .map(|c| {
            let holds = if c.holds { "holds" } else { "fails" };
            let counts = format!("{} of {}", c.rate.numerator, c.rate.denominator);
            vec![Cell::text(&c.what), Cell::text(holds), Cell::number(counts), Cell::number(format::number(c.needs))]
        })
        .collect();
    body += &table("What had to hold", &["", "", "counts", "needed"], &controls);
    body + &told(&prompts.told)
}

fn point(x: f64, measured: Option<&Measured>) -> Point {
    Point {
        x,
        y: measured.and_then(|m| m.value),
        interval: measured.and_then(|m| m.interval.as_ref()).map(|i| [i.low, i.high]),
    }
}

/// Success by the number of draws, and the law through it.
fn draws(summary: &Summary, prompts: &Prompts) -> String {
    let most = prompts.rows.iter().map(|row| row.draws).max().unwrap_or(1);
    if most < 2 {
        return String::new();
    }
    let prefix = if prompts.planted { "" } else { "unrefused_" };
    let of = |name: &str, n: u64| summary.value(&format!("{prefix}{name}.{n}"));
    let kinds = [("best_of", "augmented", "ppo"), ("resampled", "plain draws", "control")];
    let series = kinds.map(|(name, label, class)| Series {
        label: label.into(),
        class,
        points: doublings(most).into_iter().map(|n| point((n as f64).log2(), of(name, n))).collect(),
        reason: Some("was not tried".into()),
    });
    let chart = Lines { across: "draws, log₂".into(), unit: Unit::Share, series: series.into(), marks: vec![] };
    let cell = |m: Option<&Measured>, unit: &Unit| m.map_or_else(|| Cell::text("–"), |m| Cell::measured(m, unit));
    let mut rows: Vec<Vec<Cell>> = doublings(most)
        .into_iter()
        .map(|n| {
            let mut cells = vec![Cell::number(format::count(n))];
            cells.extend(kinds.map(|(name, ..)| cell(of(name, n), &Unit::Share)));
            cells
        })
        .collect();
    let plain = Unit::Of(String::new());
    for (letter, what) in [("a", "a of −ln ASR = a·N^(−b)"), ("b", "b")] {
        let mut cells = vec![Cell::text(what)];
        cells.extend(kinds.map(|(name, ..)| cell(summary.value(&format!("{prefix}{name}_{letter}")), &plain)));
        rows.push(cells);
    }
    let caption = if prompts.planted {
        "Requests of which one of N draws gives the payload"
    } else {
        "Requests of which one of N draws is not refused"
    };
    figure(&captioned(caption, &lines(&chart)), &table(caption, &["draws", "augmented", "plain"], &rows))
}

/// Success by the number of shots, harmful and harmless.
fn shots(summary: &Summary, success: &str) -> String {
    let of = |name: &str, k: u64| summary.figure(&format!("{success}.{name}_{k}")).map(|f| &f.clustered);
    let kinds = [("many_shot", "answered requests", "ppo"), ("benign_shot", "harmless ones", "control")];
    let there = |k: &u64| kinds.iter().any(|(name, ..)| of(name, *k).is_some_and(|m| m.value.is_some()));
    let tried: Vec<u64> = doublings(MOST_SHOTS).into_iter().filter(there).collect();
    if tried.is_empty() {
        return String::new();
    }
    let series = kinds.map(|(name, label, class)| Series {
        label: label.into(),
        class,
        points: tried.iter().map(|k| point((*k as f64).log2(), of(name, *k))).collect(),
        reason: Some("was not tried".into()),
    });
    let chart = Lines { across: "shots, log₂".into(), unit: Unit::Share, series: series.into(), marks: vec![] };
    let rows: Vec<Vec<Cell>> =
        tried
            .iter()
            .map(|k| {
                let mut cells = vec![Cell::number(format::count(*k))];
                cells.extend(kinds.map(|(name, ..)| {
                    of(name, *k).map_or_else(|| Cell::text("–"), |m| Cell::measured(m, &Unit::Share))
                }));
                cells
            })
            .collect();
    let caption = if success == "asr" { "Attack success by shots" } else { "Refusal by shots" };
    figure(&captioned(caption, &lines(&chart)), &table(caption, &["shots", "answered requests", "harmless"], &rows))
}

/// Levels that are looked for: as many as there can be.
const MOST_LEVELS: usize = 64;

/// Requests won by the levels of prompts that another model wrote.
fn levels(summary: &Summary) -> String {
    let of = |name: &str, level: usize| summary.figure(&format!("won.{name}.{level}")).map(|f| &f.clustered);
    let kinds = [("pair", "PAIR", "ppo"), ("tap", "TAP", "other"), ("unrefined", "told of nothing", "control")];
    let there = |level: &usize| kinds.iter().any(|(name, ..)| of(name, *level).is_some());
    let levels: Vec<usize> = (1..=MOST_LEVELS).take_while(there).collect();
    if levels.is_empty() {
        return String::new();
    }
    let series = kinds.map(|(name, label, class)| Series {
        label: label.into(),
        class,
        points: levels.iter().map(|level| point(*level as f64, of(name, *level))).collect(),
        reason: Some("was not tried".into()),
    });
    let chart = Lines { across: "levels of prompts".into(), unit: Unit::Share, series: series.into(), marks: vec![] };
    let row = |level: &usize| {
        let mut cells = vec![Cell::number(format::count(*level as u64))];
        let cell = |m: Option<&Measured>| m.map_or_else(|| Cell::text("–"), |m| Cell::measured(m, &Unit::Share));
        cells.extend(kinds.map(|(name, ..)| cell(of(name, *level))));
        cells
    };
    let rows: Vec<Vec<Cell>> = levels.iter().map(row).collect();
    let caption = "Requests won by the prompts that another model wrote";
    figure(&captioned(caption, &lines(&chart)), &table(caption, &["levels", "PAIR", "TAP", "told of nothing"], &rows))
}

/// Suffixes with their losses, before the search, in it, and as text.
fn suffixes(prompts: &Prompts) -> String {
    if prompts.suffixes.is_empty() {
        return String::new();
    }
    let row = |found: &Found| {
        let topic = if found.topic.is_empty() { "all" } else { &found.topic };
        vec![
            Cell::text(&found.attack),
            Cell::text(topic),
            Cell::text(cut(&found.text, LIMIT)),
            Cell::text(&found.target),
            Cell::number(format::number(found.before)),
            Cell::number(format::number(found.loss)),
            Cell::number(format::number(found.rescored)),
            Cell::text(if found.same_tokens { "yes" } else { "no" }),
            Cell::number(format::count(found.scored)),
        ]
    };
    let rows: Vec<Vec<Cell>> = prompts.suffixes.iter().map(row).collect();
    let columns = ["", "for", "suffix", "target", "loss before", "found", "as text", "same tokens", "scored"];
    table("Suffixes, and the loss of their target in nats per token", &columns, &rows)
}

/// Every attack under every defence, and what each defence costs.
fn defences(summary: &Summary, prompts: &Prompts) -> String {
    if prompts.defences.is_empty() {
        return String::new();
    }
    let success = success(prompts);
    let measured = |name: &str| {
        let found = summary.figure(name).map(|f| &f.clustered).or_else(|| summary.value(name));
        found.map_or_else(|| Cell::text("–"), |m| Cell::measured(m, &Unit::Share))
    };
    let line = |label: &str, name: &str| {
        let mut cells = vec![Cell::text(label), measured(name)];
        cells.extend(prompts.defences.iter().map(|of| measured(&format!("{of}.{name}"))));
        cells
    };
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for row in &prompts.rows {
        rows.push(line(&row.attack, &format!("{success}.{}", row.attack)));
        if let Some(n) = doublings(row.draws).into_iter().next_back().filter(|n| prompts.planted && *n > 1) {
            rows.push(line(&format!("{}, one of {n}", row.attack), &format!("{}.{n}", row.attack)));
        }
    }
    for (label, name) in [
        ("cost: harmless requests answered rightly", "right.direct"),
        ("cost: harmless requests refused", "over_refusal.direct"),
        ("cost: facts answered rightly", "retained.direct"),
    ] {
        rows.push(line(label, name));
    }
    let mut columns = vec!["", "no defence"];
    columns.extend(prompts.defences.iter().map(String::as_str));
    let caption = if prompts.planted { "Attack success under each defence" } else { "Refusal under each defence" };
    table(caption, &columns, &rows)
}

/// Conversations, one success and one failure of each attack.
fn told(all: &[Told]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let mut out = String::from("<h3>What was said</h3>\n");
    out += &aside("Rule", "Of each attack its first success and its first failure, in the order of asking.");
    for one in all {
        let how = if one.succeeded { "succeeded" } else { "did not" };
        let mut asked = String::new();
        // Writing to a string cannot fail.
        if one.shots > 0 {
            let _ = write!(asked, "<p class=\"aside\">after {} shots</p>", one.shots);
        }
        for message in &one.sent {
            let text = escape(&cut(&message.content, LIMIT));
            let _ = write!(asked, "<p class=\"aside\">{}</p><p class=\"said\">{text}</p>", escape(&message.role));
        }
        let _ = writeln!(
            out,
            "<div class=\"talk\"><div class=\"asked\"><h4>{}</h4>{asked}</div><div><h4>{how}</h4><p class=\"said\">{}</p></div></div>",
            escape(&one.attack),
            escape(&cut(&one.answer, LIMIT))
        );
    }
    out
}
