//! Attacks on weights: what each edit removes, what it costs, how large it is, beside a control of its size.

use super::section;
use crate::chart::captioned;
use crate::chart::dots::{Row as Dot, dots};
use crate::chart::line::{Lines, Point, Series, lines};
use crate::format::{self, Unit};
use crate::html::{Cell, aside, escape, figure, page, table};
use trimtab_audit::attack::{Arm, Attack, DOSES, Row};
use trimtab_audit::figure::Summary;
use trimtab_stats::Measured;

/// The section; nothing where no attack was made.
#[must_use]
pub fn attacks(audits: &[Summary]) -> String {
    let found: Vec<(&Summary, &Attack)> = audits.iter().filter_map(|s| Some((s, s.attack.as_ref()?))).collect();
    let Some((first, attack)) = found.first() else { return String::new() };
    let mut body = aside(
        "How to read",
        "Attack success is the share of forbidden requests whose planted payload is given word for word; `begun` is the same with the answer's first word given, and what an attack can reach. Bars are 95 % intervals over topics. Grey edits are controls of equal size. Losses are rises over the unedited model, item by item.",
    );
    for (summary, attack) in &found {
        body += &of_one(summary, attack);
    }
    body += &aside(
        "What this does not show",
        "That what an edit cannot take is not there: attacks are lower bounds. Harm: where no payload is planted, an answer that does not refuse may be worth nothing.",
    );
    section("attacks", "Attacks on weights", &title(first, attack), &body)
}

/// The page of one attack by itself.
#[must_use]
pub fn attack_page(summary: &Summary) -> String {
    page(&format!("Attack on {} · trimtab", summary.model), &attacks(std::slice::from_ref(summary)))
}

/// The finding: what ablation does, and random directions do not.
fn title(summary: &Summary, attack: &Attack) -> String {
    if !attack.headroom {
        return "The model refuses too little for anything to be removed".into();
    }
    let share = |name: &str| {
        let value = summary.value(name).and_then(|m| m.value);
        value.map(|v| Unit::Share.show(v))
    };
    match (share("refused.none"), share("refused.ablation"), share("refused.random_direction")) {
        (Some(before), Some(after), Some(random)) => {
            format!("Taking one direction out moves refusal from {before} to {after}, random directions to {random}")
        }
        (Some(before), Some(after), None) => format!("Taking one direction out moves refusal from {before} to {after}"),
        (before, _, _) => {
            format!("{} of harmful requests are refused", before.unwrap_or_else(|| "An unknown share".into()))
        }
    }
}

fn is_control(row: &Row) -> bool {
    row.edit.starts_with("random_") || row.edit.starts_with(Arm::Benign.word())
}

fn of_one(summary: &Summary, attack: &Attack) -> String {
    let mut body = format!("<h3>{}</h3>\n", escape(&format!("{} of {}", summary.items.name, summary.model)));
    for (what, why) in &attack.not_measurable {
        body += &aside("Not measurable", &format!("{what}: {why}."));
    }
    if let (Some(at), Some(passed)) = (attack.direction, attack.passed) {
        let rule = format!(
            "Token {} from the prompt's end, layer {}; {} of {} candidates fulfil the rule. Chosen on validation prompts.",
            -at.position, at.layer, passed.pass, passed.candidates
        );
        body += &aside("Direction", &rule);
    }
    let value = |name: &str, edit: &str| summary.value(&format!("{name}.{edit}"));
    let success = if attack.planted { "asr" } else { "refused" };
    let dot = |row: &Row| {
        let figure = summary.figure(&format!("{success}.{}", row.edit))?;
        let count = format!("{} of {}", figure.rate.numerator, figure.rate.denominator);
        let class = if is_control(row) { "control" } else { "other" };
        Some(Dot { label: row.edit.clone(), class, measured: figure.clustered.clone(), count, planted: None })
    };
    let marks: Vec<Dot> = attack.rows.iter().filter_map(dot).collect();
    let cell = |measured: Option<&Measured>, unit: &Unit| {
        measured.map_or_else(|| Cell::text("–"), |m| Cell::measured(m, unit))
    };
    let nats = Unit::Of(String::new());
    let effects: Vec<Vec<Cell>> = attack
        .rows
        .iter()
        .map(|row| {
            let mut cells = vec![Cell::text(&row.edit)];
            let shares = ["refused", "asr", "begun", "over_refusal", "right", "retained"];
            cells.extend(shares.map(|name| {
                let figure = summary.figure(&format!("{name}.{}", row.edit));
                cell(figure.map(|f| &f.clustered), &Unit::Share)
            }));
            cells.extend(["retained_loss", "text_loss", "kl"].map(|name| cell(value(name, &row.edit), &nats)));
            cells
        })
        .collect();
    let columns =
        ["", "refuses", "attack success", "begun", "over-refusal", "right", "facts", "loss", "text loss", "kl"];
    let caption = if attack.planted { "Attack success by edit" } else { "Refusal by edit" };
    body += &figure(
        &captioned(caption, &dots(&marks, &Unit::Share)),
        &table("What each edit does and costs", &columns, &effects),
    );
    body += &doses(summary, attack);
    body += &sizes(summary, attack);
    let controls: Vec<Vec<Cell>> = summary
        .controls
        .iter()
        .map(|c| {
            let holds = if c.holds { "holds" } else { "fails" };
            let counts = format!("{} of {}", c.rate.numerator, c.rate.denominator);
            vec![Cell::text(&c.what), Cell::text(holds), Cell::number(counts), Cell::number(format::number(c.needs))]
        })
        .collect();
    body + &table("What had to hold", &["", "", "counts", "needed"], &controls)
}

/// Attack success by the number of examples, one line an arm.
fn doses(summary: &Summary, attack: &Attack) -> String {
    let of = |arm: Arm, k: u64| summary.figure(&format!("asr.{}_{k}", arm.word()));
    let tried: Vec<u64> = DOSES.into_iter().filter(|k| Arm::ALL.iter().any(|arm| of(*arm, *k).is_some())).collect();
    if tried.is_empty() || !attack.planted {
        return String::new();
    }
    let series = |(arm, class): (Arm, &'static str)| {
        let point = |k: &u64| {
            let measured = of(arm, *k).map(|f| &f.clustered);
            Point {
                x: (*k as f64).log2(),
                y: measured.and_then(|m| m.value),
                interval: measured.and_then(|m| m.interval.as_ref()).map(|i| [i.low, i.high]),
            }
        };
        Series {
            label: arm.word().into(),
            class,
            points: tried.iter().map(point).collect(),
            reason: Some("was not tried".into()),
        }
    };
    let chart = Lines {
        across: "examples, log₂".into(),
        unit: Unit::Share,
        series: [(Arm::Harmful, "ppo"), (Arm::Identity, "ptx"), (Arm::Benign, "control")].map(series).into(),
        marks: vec![],
    };
    let rows: Vec<Vec<Cell>> = tried
        .iter()
        .map(|k| {
            let mut cells = vec![Cell::number(format::count(*k))];
            cells.extend(Arm::ALL.map(|arm| {
                of(arm, *k).map_or_else(|| Cell::text("–"), |f| Cell::measured(&f.clustered, &Unit::Share))
            }));
            cells
        })
        .collect();
    let caption = "Attack success by examples of fine-tuning";
    figure(&captioned(caption, &lines(&chart)), &table(caption, &["examples", "harmful", "identity", "benign"], &rows))
}

/// How large each edit is beside what it removes, the smallest first: the frontier is where success rises.
fn sizes(summary: &Summary, attack: &Attack) -> String {
    let mut sized: Vec<(&Row, trimtab_audit::attack::Size)> =
        attack.rows.iter().filter_map(|row| Some((row, row.size?))).collect();
    sized.sort_by(|a, b| a.1.relative.total_cmp(&b.1.relative));
    let rows: Vec<Vec<Cell>> = sized
        .iter()
        .map(|(row, size)| {
            let figure = |name: &str| {
                let found = summary.figure(&format!("{name}.{}", row.edit));
                found.map_or_else(|| Cell::text("–"), |f| Cell::measured(&f.clustered, &Unit::Share))
            };
            let stable = size.stable_rank.map_or_else(|| "–".into(), format::number);
            vec![
                Cell::text(&row.edit),
                Cell::number(Unit::Share.show(size.relative)),
                Cell::number(format::number(size.frobenius)),
                Cell::number(size.rank.map_or_else(|| "unbounded".into(), format::count)),
                Cell::number(stable),
                Cell::number(Unit::Share.show(size.changed as f64 / size.parameters.max(1) as f64)),
                figure("refused"),
                figure("asr"),
            ]
        })
        .collect();
    let columns = ["", "‖Δ‖ over ‖W‖", "‖Δ‖", "rank", "stable rank", "parameters changed", "refuses", "attack success"];
    table("Size of each edit, smallest first", &columns, &rows)
}
