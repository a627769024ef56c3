//! `trimtab oversee easy-to-hard`.

use super::{SeedArgs, aligned, noted, number, numbered, on_seeds, pgr_cells};
use crate::failure::Usage;
use anyhow::Result;
use clap::Args;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::json;
use std::io::Write;
use trimtab_oversight::easy_to_hard::{Case, Law, Outcome};
use trimtab_oversight::{Pgr, Rule, Trial, pgr};
use trimtab_stats::{Bootstrap, Items, Measured, mean, mean_t};

/// Easy-to-hard generalisation.
#[derive(Debug, Args)]
pub struct EasyToHard {
    /// Strengths of the shortcut on easy items, in units of the noise, with commas between.
    #[arg(long, value_delimiter = ',', default_value = "0,1,2,4", value_name = "S,...")]
    shortcut: Vec<f64>,
    /// How much of the signal hard items lack, with commas between.
    #[arg(long, value_delimiter = ',', default_value = "0.5", value_name = "H,...")]
    hardness: Vec<f64>,
    /// Strength of the signal on easy items, in units of the noise.
    #[arg(long, default_value_t = 2.0)]
    signal: f64,
    /// Labelled items, as many easy ones for the one model as hard ones for the other.
    #[arg(long, default_value_t = 1500, value_name = "N")]
    labels: usize,
    /// Hard test items of a seed.
    #[arg(long, default_value_t = 2000, value_name = "N")]
    items_t: usize,
    /// Resamples of the bootstrap over seeds and items.
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=100_000))]
    resamples: u32,
    #[command(flatten)]
    seeds: SeedArgs,
    /// As JSON, with every seed's accuracies and what the rule withheld.
    #[arg(long)]
    json: bool,
}

/// One setting; figures are means over seeds.
#[derive(Debug, Serialize)]
struct Row {
    case: Case,
    /// Unsupervised, easy and hard on hard items as w, s and c; SGR is their PGR.
    sgr: Pgr,
    /// Accuracy of easy supervision on fresh easy items.
    on_easy: Measured,
    /// What labels without end would give.
    law: Law,
}

/// Runs every setting and prints the table.
pub fn easy_to_hard(args: &EasyToHard) -> Result<()> {
    if args.labels.max(args.items_t) > 200_000 {
        let what = format!("{} labelled and {} test items: too many for a minute", args.labels, args.items_t);
        return Err(Usage(format!("{what}\n  expected at most 200000 of each\n  try: --labels 6000")).into());
    }
    let seeds = args.seeds.list();
    let case = |hardness, shortcut, other_items| Case {
        signal: args.signal,
        hardness,
        shortcut,
        other_items,
        labels: args.labels,
        items_t: args.items_t,
    };
    let mut cases = Vec::new();
    for &hardness in &args.hardness {
        cases.extend(args.shortcut.iter().map(|&shortcut| case(hardness, shortcut, false)));
        cases.push(case(hardness, 0.0, true));
    }
    for case in &cases {
        case.check()?;
    }
    let how = Bootstrap { resamples: args.resamples, ..Bootstrap::default() };
    let rows: Vec<Row> =
        cases.par_iter().map(|case| row(case, &seeds, &how)).collect::<Result<_, trimtab_oversight::Error>>()?;

    let mut out = std::io::stdout().lock();
    if args.json {
        let result = json!({"seeds": seeds, "resamples": args.resamples, "rule": Rule::default(), "rows": rows});
        writeln!(out, "{result:#}")?;
        return Ok(());
    }
    writeln!(
        out,
        "signal {} on easy items, {} labels each, {} hard test items; {}; ± and [ ] are 95 % intervals\nin brackets: what labels without end would give\n",
        args.signal, args.labels, args.items_t, args.seeds
    )?;
    let heads = [
        "hardness",
        "shortcut",
        "easy on easy",
        "unsupervised w",
        "easy s",
        "hard c",
        "SGR law",
        "SGR, seeds",
        "seeds × items",
    ];
    let (mut lines, mut notes) = (vec![heads.map(str::to_owned).to_vec()], Vec::new());
    for row in &rows {
        let name =
            if row.case.other_items { "control: labels of other items".into() } else { number(row.case.shortcut, 2) };
        let mut cells = vec![number(row.case.hardness, 2), name];
        for (figure, law) in [
            (&row.on_easy, row.law.on_easy),
            (&row.sgr.weak, row.law.unsupervised),
            (&row.sgr.student, row.law.easy),
            (&row.sgr.ceiling, row.law.hard),
        ] {
            cells.push(format!("{} ({})", noted(figure, &mut notes), number(law, 3)));
        }
        cells.push(row.law.sgr.map_or_else(|| "–".into(), |sgr| number(sgr, 2)));
        cells.extend(pgr_cells(&row.sgr, &mut notes));
        lines.push(cells);
    }
    write!(out, "{}{}", aligned(&lines), numbered(&notes))?;
    write!(
        out,
        "\nSGR = (s − w)/(c − w) on hard items: 1 is as good as hard labels, 0 no better than none, below 0 worse than none.\nA shortcut of 0 is the control in which all of the gap must be recovered.\n{}",
        on_seeds(&seeds)
    )?;
    Ok(())
}

fn row(case: &Case, seeds: &[u64], how: &Bootstrap) -> Result<Row, trimtab_oversight::Error> {
    let outcomes: Vec<Outcome> = seeds.iter().map(|&seed| case.run(seed)).collect::<Result<_, _>>()?;
    let on_easy: Vec<f64> = outcomes.iter().map(|outcome| outcome.on_easy).collect();
    let trials: Vec<Trial> = outcomes.into_iter().map(|outcome| outcome.trial).collect();
    let positive = mean(&trials.iter().map(|trial| trial.positive).collect::<Vec<_>>()).unwrap_or(0.5);
    let sgr = pgr(&trials, Items::Own, positive.max(1.0 - positive), &Rule::default(), how);
    Ok(Row { case: *case, sgr, on_easy: mean_t(&on_easy, how.level), law: case.law() })
}
