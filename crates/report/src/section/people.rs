//! People: how far they agree, how reliable each of them is, what sways them, and what the reward model took over.

use super::{absent, section};
use crate::format::{self, Unit};
use crate::html::{Cell, aside, table};
use crate::read::Run;
use trimtab_people::{COVARIATES, CrowdJudge, CrowdReport, UNITS};

/// The section.
#[must_use]
pub fn people(run: &Run) -> String {
    let (id, kind) = ("crowd", "People");
    let Some(crowd) = &run.people else {
        return absent(id, kind, "reward/people.json is not there: the reward model has not been trained");
    };
    let mut body = aside(
        "How to read",
        "Agreement is over pairs of answers that two people both put in an order. Its interval over items says what other items would give, that over people what other people would. Reliability is an inverse temperature: about 1 is typical, 0 a coin, below 0 somebody who ranks against the others. A bias is what sways a person beside the quality that others see; coefficients are log-odds, relative to the crowd.",
    );
    let mut rows: Vec<Vec<Cell>> = crowd
        .agreement
        .iter()
        .map(|a| {
            let value = |m| Cell::measured(m, &Unit::Of(String::new()));
            let n = |n| Cell::number(format::count(n));
            let (items, people) = (&a.over_items, &a.over_people);
            vec![Cell::text(a.label()), value(items), n(items.n), value(people), n(people.n)]
        })
        .collect();
    rows.push(vec![
        Cell::text("highest accuracy of a reward model on people's pairs that this agreement allows"),
        Cell::measured(&crowd.ceiling, &Unit::Share),
        Cell::number(format::count(crowd.ceiling.n)),
        Cell::text("–"),
        Cell::text("–"),
    ]);
    let columns = ["", "95 % interval over items", "items", "95 % interval over people", "people"];
    body += &table("Agreement", &columns, &rows);
    if let Some(why) = &crowd.no_fit {
        body += &table("Reliability", &["", ""], &[vec![Cell::text("of each person"), Cell::Undefined(why.clone())]]);
        return section(id, kind, &title(crowd), &body);
    }
    // What nobody's answers vary in has no column of its own.
    let judges = || crowd.people.iter().chain(&crowd.reward_model);
    let measured = |name: &str| judges().any(|j| j.biases.iter().any(|b| b.name == name && b.estimate.value.is_some()));
    let judge = |judge: &CrowdJudge| {
        let mut row = vec![
            Cell::text(&judge.person),
            Cell::number(format::count(judge.rankings)),
            Cell::measured(&judge.reliability, &Unit::Of(String::new())),
        ];
        // Findings stand out; what is not one is there, in words, and not as 0.
        row.extend(judge.biases.iter().filter(|bias| bias.name != "quality" && measured(&bias.name)).map(
            |bias| match (bias.found, bias.estimate.value) {
                (true, _) => Cell::measured(&bias.estimate, &Unit::Of(String::new())),
                (false, Some(_)) => Cell::text("none found"),
                (false, None) => Cell::Undefined(bias.estimate.reason.clone().unwrap_or_default()),
            },
        ));
        row
    };
    let rows: Vec<Vec<Cell>> = judges().map(judge).collect();
    let (with, without): (Vec<(&str, &str)>, Vec<_>) =
        COVARIATES.into_iter().zip(UNITS).skip(1).partition(|(name, _)| measured(name));
    let named: Vec<String> = with.iter().map(|(name, unit)| format!("{name}, per {unit}")).collect();
    let mut columns = vec!["", "rankings", "reliability, 95 % interval"];
    columns.extend(named.iter().map(String::as_str));
    body += &table("Each person, and the reward model as if it were one", &columns, &rows);
    if !without.is_empty() {
        let names: Vec<&str> = without.iter().map(|(name, _)| *name).collect();
        body += &aside(
            "Not measurable",
            &format!("{}: no two answers that somebody ordered differ in it.", names.join(", ")),
        );
    }
    body += &aside(
        "What this does not show",
        "Whether a person minds the length itself or the quality that goes with it: quality is known only from the few others who ranked the item, and what they miss of it is credited to whatever goes along with it. With two people for each item, biases are found in people who have none. A taste that everybody shares looks like quality. A bias is found at a false-discovery rate of 0.05 over all people and all columns: one in twenty of those shown may be none.",
    );
    section(id, kind, &title(crowd), &body)
}

/// The finding.
fn title(crowd: &CrowdReport) -> String {
    let against: Vec<&CrowdJudge> =
        crowd.people.iter().filter(|judge| judge.reliability.interval.is_some_and(|i| i.high < 0.0)).collect();
    let swayed = |judge: &&CrowdJudge| judge.biases.iter().any(|bias| bias.found);
    let biased = crowd.people.iter().filter(swayed).count();
    if crowd.no_fit.is_some() {
        return "How reliable people are is not measurable here".into();
    }
    let all = format::count(crowd.people.len() as u64);
    let of_model = crowd
        .reward_model
        .as_ref()
        .map_or("", |model| if swayed(&model) { "; so does the reward model" } else { "; the reward model does not" });
    let biased = format::count(biased as u64);
    format!("Of {all} people {biased} seem swayed by something and {} rank against the others{of_model}", against.len())
}
