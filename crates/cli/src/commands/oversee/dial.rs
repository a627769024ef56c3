//! `trimtab oversee dial`.

use super::{Row, SeedArgs, aligned, plus_minus, table};
use crate::failure::Usage;
use anyhow::Result;
use clap::{Args, ValueEnum};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::json;
use std::io::Write;
use trimtab_oversight::logistic::ReadOut;
use trimtab_oversight::saliency_dial::{Case, EPOCHS, Supervision, misfit_on_dial, run};
use trimtab_oversight::{Rule, Trial, pgr, transfer};
use trimtab_stats::{Bootstrap, Items, Measured, mean_t};

/// The saliency dial.
#[derive(Debug, Args)]
pub struct Dial {
    #[command(flatten)]
    seeds: SeedArgs,
    /// Settings of the dial, λ, with commas between.
    #[arg(long, value_delimiter = ',', default_value = "0,0.1,0.3,1", value_name = "L,...")]
    lambda: Vec<f64>,
    /// Which parameters are the model, for all three: those after an epoch's last step, or their mean over its steps.
    #[arg(long, value_enum, default_value_t = ReadOutArg::Mean)]
    read_out: ReadOutArg,
    /// Items of half A, for the weak model.
    #[arg(long, default_value_t = 400, value_name = "N")]
    items_a: usize,
    /// Items of half B, for student and ceiling.
    #[arg(long, default_value_t = 1500, value_name = "N")]
    items_b: usize,
    /// Items of the test set.
    #[arg(long, default_value_t = 2000, value_name = "N")]
    items_t: usize,
    /// Resamples of the bootstrap over seeds and items.
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=100_000))]
    resamples: u32,
    /// As JSON, with every seed's accuracies and what the rule withheld.
    #[arg(long)]
    json: bool,
}

/// A read-out, as typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ReadOutArg {
    /// After the last step.
    Last,
    /// The mean over the steps.
    Mean,
}

/// What a row is about.
#[derive(Debug, Serialize)]
struct Name {
    supervision: Supervision,
    lambda: f64,
    epoch: usize,
}

/// Charikar's inequality at one λ; means over seeds.
#[derive(Debug, Serialize)]
struct MisfitRow {
    lambda: f64,
    weak_error: Measured,
    misfit: Measured,
    student_error: Measured,
    slack: Measured,
}

/// Runs every case and prints the table.
pub fn dial(args: &Dial) -> Result<()> {
    if let Some(bad) = args.lambda.iter().find(|lambda| !(0.0..=100.0).contains(*lambda)) {
        return Err(Usage(format!(
            "--lambda {bad}: no such dial\n  expected numbers from 0 to 100\n  try: --lambda 0,0.1,1"
        ))
        .into());
    }
    if args.items_a.max(args.items_b).max(args.items_t) > 1_000_000 {
        let advice = "expected at most a million a part\n  try: --items-b 6000";
        return Err(Usage(format!("too many items for a minute's experiment\n  {advice}")).into());
    }
    let seeds = args.seeds.list();
    let case = |supervision, lambda| Case {
        read_out: match args.read_out {
            ReadOutArg::Last => ReadOut::Last,
            ReadOutArg::Mean => ReadOut::Mean,
        },
        items_a: args.items_a,
        items_b: args.items_b,
        items_t: args.items_t,
        ..Case::new(supervision, lambda)
    };
    let others = [
        (Supervision::ErrorRule, 0.0),
        (Supervision::ErrorRule, 1.0),
        (Supervision::VisibleRule, 1.0),
        (Supervision::IidFlips, 1.0),
        (Supervision::MissingDims, 0.0),
        (Supervision::Shuffled, 0.0),
    ];
    let cases: Vec<Case> =
        args.lambda.iter().map(|&l| (Supervision::Dial, l)).chain(others).map(|(s, l)| case(s, l)).collect();
    let how = Bootstrap { resamples: args.resamples, ..Bootstrap::default() };
    let rows: Vec<Vec<Row<Name>>> =
        cases.par_iter().map(|case| rows(case, &seeds, &how)).collect::<Result<_, trimtab_oversight::Error>>()?;
    let rows: Vec<Row<Name>> = rows.into_iter().flatten().collect();
    let misfits: Vec<MisfitRow> =
        args.lambda.iter().filter_map(|&l| misfit_row(&case(Supervision::Dial, l), &seeds)).collect();

    let mut out = std::io::stdout().lock();
    if args.json {
        let settings = case(Supervision::Dial, 0.0);
        let result = json!({
            "seeds": seeds, "read_out": settings.read_out, "items": {"a": args.items_a, "b": args.items_b, "t": args.items_t},
            "resamples": args.resamples, "rule": Rule::default(), "rows": rows, "misfit": misfits,
        });
        writeln!(out, "{result:#}")?;
        return Ok(());
    }
    writeln!(
        out,
        "saliency dial, {}; A {}, B {}, T {} items a seed; ± and [ ] are 95 % intervals\n",
        args.seeds, args.items_a, args.items_b, args.items_t
    )?;
    let name = |name: &Name| {
        let first = name.epoch == EPOCHS[0];
        let shown = |text: String| if first { text } else { String::new() };
        vec![shown(words(name.supervision).into()), shown(name.lambda.to_string()), name.epoch.to_string()]
    };
    write!(out, "{}", table(&rows, &["supervision", "λ", "epoch"], name))?;
    writeln!(
        out,
        "\nλ: how far the supervisor's errors are represented in the student. Where it sees them, it copies them: PGR is 0."
    )?;
    writeln!(
        out,
        "Labels of flips, a rule and its errors are as often right as the supervisor; only their structure differs.\n"
    )?;
    let mut lines = vec![["λ", "weak error", "misfit", "bound", "student error", "slack"].map(str::to_owned).to_vec()];
    for row in &misfits {
        let bound = match (row.weak_error.value, row.misfit.value) {
            (Some(weak), Some(misfit)) => format!("{:.3}", weak - misfit),
            _ => "–".into(),
        };
        let figures = [&row.student_error, &row.slack].map(plus_minus);
        lines.push(
            [
                vec![row.lambda.to_string(), plus_minus(&row.weak_error), plus_minus(&row.misfit), bound],
                figures.to_vec(),
            ]
            .concat(),
        );
    }
    write!(out, "{}", aligned(&lines))?;
    writeln!(
        out,
        "\nSquared errors of the best student in a ball of weights: at most weak error less misfit (Charikar et al. 2024)."
    )?;
    Ok(())
}

/// A case after each of the epochs.
fn rows(case: &Case, seeds: &[u64], how: &Bootstrap) -> Result<Vec<Row<Name>>, trimtab_oversight::Error> {
    let by_seed: Vec<Vec<Trial>> = seeds.iter().map(|&seed| run(case, seed)).collect::<Result<_, _>>()?;
    Ok(EPOCHS
        .into_iter()
        .enumerate()
        .map(|(at, epoch)| {
            let trials: Vec<Trial> = by_seed.iter().filter_map(|trials| trials.get(at).cloned()).collect();
            let transfer = transfer(&trials, how.level);
            let pgr = pgr(&trials, Items::Own, transfer.majority, &Rule::default(), how);
            Row { name: Name { supervision: case.supervision, lambda: case.lambda, epoch }, pgr, transfer }
        })
        .collect())
}

fn misfit_row(case: &Case, seeds: &[u64]) -> Option<MisfitRow> {
    let found: Vec<_> = seeds.iter().map(|&seed| misfit_on_dial(case, seed)).collect::<Option<_>>()?;
    let over = |of: &dyn Fn(&trimtab_oversight::misfit::Misfit) -> f64| {
        mean_t(&found.iter().map(of).collect::<Vec<_>>(), 0.95)
    };
    Some(MisfitRow {
        lambda: case.lambda,
        weak_error: over(&|m| m.weak_error),
        misfit: over(&|m| m.misfit),
        student_error: over(&|m| m.student_error),
        slack: over(&|m| m.slack()),
    })
}

fn words(supervision: Supervision) -> &'static str {
    match supervision {
        Supervision::Dial => "a model of m + e",
        Supervision::MissingDims => "control: half of the signal",
        Supervision::IidFlips => "independent flips",
        Supervision::VisibleRule => "flips by a junk number",
        Supervision::ErrorRule => "the rule m + e > 0",
        Supervision::Shuffled => "control: labels of other items",
    }
}
