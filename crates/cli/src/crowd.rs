//! How far to trust the people of a run, and what its reward model took over from them.

use crate::world_run::{WorldRun, load};
use anyhow::Result;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use trimtab_alignment::reward::{self, Ranked};
use trimtab_people::{COVARIATES, CrowdJudge, CrowdReport, UNITS, Values, crowd_report};
use trimtab_stats::Measured;
use trimtab_text::dataset;
use trimtab_text::record::{Ranking, Samples};

/// Prompts whose answers the reward model is asked about: enough for its biases, and a few seconds' work.
const ASKED: usize = 1500;

/// From the files of a run: its rankings, their answers, the truth on the world, and the reward model where it is trained.
pub fn of_run(run: &Path) -> Result<CrowdReport> {
    let rankings: Vec<Ranking> = dataset::records(&run.join("rank").join("rankings.jsonl"))?;
    let answers: Vec<Samples> = dataset::records(&run.join("rank").join("answers.jsonl"))?;
    let seen = WorldRun::seen_in(run)?;
    let trained = run.join("reward").join("checkpoint").exists();
    let scores = if trained { Some(scores(run, &answers)?) } else { None };
    Ok(crowd_report(&rankings, &answers, seen.as_ref().map(|seen| seen as &dyn Values), scores.as_deref()))
}

/// The reward model's score of every answer to the first prompts; none to the rest.
fn scores(run: &Path, answers: &[Samples]) -> Result<Vec<Vec<f64>>> {
    let (path, sft) = load(run, "sft")?;
    let model = reward::load(&run.join("reward").join("checkpoint"), &sft.model)?;
    let tokenizer = sft.tokenizer(&path)?;
    let mut asked = Vec::new();
    for record in answers.iter().take(ASKED) {
        let ranked = Ranked::of_samples(tokenizer, record)?;
        // An empty answer has no last token to read a score at.
        let whole = !ranked.answers.is_empty() && ranked.answers.iter().all(|tokens| !tokens.is_empty());
        asked.push(whole.then_some(ranked));
    }
    let given: Vec<&Ranked> = asked.iter().flatten().collect();
    let mut found = reward::scores(&model.model, &given, 4096)?.into_iter();
    Ok(asked.iter().map(|ranked| ranked.as_ref().and_then(|_| found.next()).unwrap_or_default()).collect())
}

/// As text, for a terminal.
pub fn text(report: &CrowdReport) -> String {
    let mut out = format!(
        "{} rankings, {} of them without ranks; {} items ranked by more than one person\n\nagreement\n",
        report.rankings, report.without_ranks, report.shared_items
    );
    for a in &report.agreement {
        let _ = writeln!(out, "  {:<42} {}, over items", a.label(), shown(&a.over_items));
        let _ = writeln!(out, "  {:<42} {}, over people", "", shown(&a.over_people));
    }
    let _ = writeln!(out, "  {:<42} {}", "ceiling for a reward model", shown(&report.ceiling));
    if let Some(why) = &report.no_fit {
        let _ = writeln!(out, "\nreliability: not measurable: {why}");
        return out;
    }
    let _ = writeln!(
        out,
        "\nreliability (β, 1 is typical, below 0 an adversary), and biases found at a false-discovery rate of 0.05"
    );
    let mut people: Vec<&CrowdJudge> = report.people.iter().collect();
    people.sort_by(|a, b| a.reliability.value.partial_cmp(&b.reliability.value).unwrap_or(std::cmp::Ordering::Equal));
    for judge in people.into_iter().chain(&report.reward_model) {
        let reliability = if judge.reliability.value.is_some() { shown(&judge.reliability) } else { "–".into() };
        let _ =
            writeln!(out, "  {:<20} {:>5} rankings  {reliability:<40} {}", judge.person, judge.rankings, biases(judge));
    }
    out
}

/// The biases found of a judge, with their sizes.
fn biases(judge: &CrowdJudge) -> String {
    let units = COVARIATES.iter().zip(UNITS);
    let unit = |name: &str| units.clone().find(|(n, _)| **n == name).map_or("", |(_, unit)| unit);
    let found = judge.biases.iter().filter(|bias| bias.found);
    let words: Vec<String> = found
        .map(|bias| format!("{} {:+.2} per {}", bias.name, bias.estimate.value.unwrap_or_default(), unit(&bias.name)))
        .collect();
    let undefined: BTreeSet<&str> = judge
        .biases
        .iter()
        .filter(|bias| bias.estimate.value.is_none())
        .filter_map(|bias| bias.estimate.reason.as_deref())
        .collect();
    match (words.is_empty(), undefined.first()) {
        (false, _) => words.join(", "),
        (true, None) => "no bias found".into(),
        (true, Some(why)) => format!("no bias found; some not measurable: {why}"),
    }
}

fn shown(m: &Measured) -> String {
    match (m.value, &m.interval) {
        (Some(v), Some(i)) => format!("{v:.3} [{:.3}, {:.3}], n {}", i.low, i.high, m.n),
        (Some(v), None) => format!("{v:.3}, n {}", m.n),
        (None, _) => format!("not measurable: {}", m.reason.as_deref().unwrap_or("no reason was given")),
    }
}
