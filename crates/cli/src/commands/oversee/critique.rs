//! `trimtab oversee critique`.

use super::{SeedArgs, aligned, less, noted, number, numbered, on_seeds};
use crate::failure::Usage;
use anyhow::Result;
use clap::Args;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::json;
use std::io::Write;
use trimtab_oversight::critique::{Critic, Game, Verdict, shares};
use trimtab_oversight::critique_law::{Review, Shares};
use trimtab_stats::{Measured, Rate, mean_t};

/// Critique-assisted labels with sneaky critics.
#[derive(Debug, Args)]
pub struct Critique {
    /// Steps of a trace.
    #[arg(long, default_value_t = 20, value_name = "N")]
    steps: usize,
    /// Steps that the judge can check.
    #[arg(long, default_value_t = 4, value_name = "M")]
    checks: usize,
    /// The chance that a check is right, of right and wrong steps alike.
    #[arg(long, default_value_t = 0.95, value_name = "Q")]
    check_right: f64,
    /// Share of traces with an error.
    #[arg(long, default_value_t = 0.5, value_name = "SHARE")]
    flawed: f64,
    /// The chance that a helpful critic finds an error.
    #[arg(long, default_value_t = 0.8, value_name = "S")]
    skill: f64,
    /// Share of sneaky critics among the mixed.
    #[arg(long, default_value_t = 0.5, value_name = "SHARE")]
    sneaky: f64,
    /// What judges believe the share of helpful critics to be, with commas between; the truth is added where it is not among them.
    #[arg(long, value_delimiter = ',', default_value = "0,0.25,0.5,0.75,1", value_name = "T,...")]
    trust: Vec<f64>,
    /// Traces of a seed.
    #[arg(long, default_value_t = 2000, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    items: u32,
    #[command(flatten)]
    seeds: SeedArgs,
    /// As JSON, with counts.
    #[arg(long)]
    json: bool,
}

/// A critic before a judge; figures are means over seeds.
#[derive(Debug, Serialize)]
struct Row {
    critic: Critic,
    /// The judge's trust; none where there is nobody to trust or distrust.
    trust: Option<f64>,
    accuracy: Measured,
    found: Measured,
    false_alarms: Measured,
    /// The same three in closed form.
    law: Shares,
    /// Accuracy less that of the unaided judge, seed by seed on the same traces.
    less_unaided: Measured,
    counts: Counts,
}

/// The three shares as counts over all seeds.
#[derive(Debug, Default, Serialize)]
struct Counts {
    accuracy: Rate,
    found: Rate,
    false_alarms: Rate,
}

/// Plays every critic before every judge and prints the table.
pub fn critique(args: &Critique) -> Result<()> {
    if (args.steps as u64).saturating_mul(u64::from(args.items)) > 20_000_000 {
        let advice = "expected at most 20 million steps a seed\n  try: fewer items";
        return Err(
            Usage(format!("{} traces of {} steps: too many for a minute\n  {advice}", args.items, args.steps)).into()
        );
    }
    let review = Review { steps: args.steps, checks: args.checks, check_right: args.check_right, flawed: args.flawed };
    let game = Game { review, skill: args.skill, sneaky: args.sneaky };
    game.check()?;
    let told = 1.0 - args.sneaky;
    let mut trusts = args.trust.clone();
    let is_told = |trust: f64| (trust - told).abs() < 1e-9;
    if !trusts.iter().any(|trust| is_told(*trust)) {
        trusts.push(told);
    }
    trusts.sort_by(f64::total_cmp);
    trusts.dedup();
    let seeds = args.seeds.list();
    let play = |critic: Critic, trust: f64| {
        let one = |seed: &u64| game.play(critic, trust, args.items as usize, *seed);
        seeds.par_iter().map(one).collect::<Result<Vec<Vec<Verdict>>, trimtab_oversight::Error>>()
    };
    let accuracies = |all: &[Vec<Verdict>]| all.iter().map(|v| shares(v).accuracy).collect::<Vec<f64>>();
    let unaided = accuracies(&play(Critic::Unaided, 1.0)?);
    let row = |critic: Critic, trust: Option<f64>| -> Result<Row, trimtab_oversight::Error> {
        let all = play(critic, trust.unwrap_or(1.0))?;
        let over = |of: &dyn Fn(Shares) -> f64| mean_t(&all.iter().map(|v| of(shares(v))).collect::<Vec<_>>(), 0.95);
        let mut counts = Counts::default();
        for verdict in all.iter().flatten() {
            counts.accuracy.count(Some(verdict.flawed == verdict.called_flawed));
            if verdict.flawed {
                counts.found.count(Some(verdict.called_flawed && verdict.flaw_seen));
            } else {
                counts.false_alarms.count(Some(verdict.called_flawed));
            }
        }
        Ok(Row {
            critic,
            trust,
            accuracy: over(&|s| s.accuracy),
            found: over(&|s| s.found),
            false_alarms: over(&|s| s.false_alarms),
            law: review.law(game.hits(critic), game.believed(critic, trust.unwrap_or(1.0))),
            less_unaided: less(&accuracies(&all), &unaided),
            counts,
        })
    };
    let mut rows = vec![row(Critic::Unaided, None)?, row(Critic::Random, None)?];
    for critic in [Critic::Helpful, Critic::Sneaky, Critic::Mixed] {
        for &trust in &trusts {
            rows.push(row(critic, Some(trust))?);
        }
    }

    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{:#}", json!({"seeds": seeds, "items": args.items, "game": game, "told": told, "rows": rows}))?;
        return Ok(());
    }
    writeln!(
        out,
        "traces of {} steps, {} checked, a check right in {}, {} flawed; critics of skill {}, {} of the mixed sneaky\n{} of {} traces; ± 95 % interval over seeds; the law beside each figure\n",
        args.steps, args.checks, args.check_right, args.flawed, args.skill, args.sneaky, args.seeds, args.items
    )?;
    let heads = ["critic", "trust", "accuracy", "law", "flaws found", "law", "false alarms", "law", "less unaided"];
    let (mut lines, mut notes) = (vec![heads.map(str::to_owned).to_vec()], Vec::new());
    for row in &rows {
        let trust = row.trust.map_or_else(String::new, |trust| {
            if is_told(trust) { format!("{} (told)", number(trust, 2)) } else { number(trust, 2) }
        });
        let is_first = row.trust.is_none_or(|trust| Some(&trust) == trusts.first());
        let name = if is_first { words(row.critic) } else { "" };
        let mut cells = vec![name.to_owned(), trust];
        for (figure, law) in
            [(&row.accuracy, row.law.accuracy), (&row.found, row.law.found), (&row.false_alarms, row.law.false_alarms)]
        {
            cells.extend([noted(figure, &mut notes), number(law, 3)]);
        }
        cells.push(if row.critic == Critic::Unaided { String::new() } else { noted(&row.less_unaided, &mut notes) });
        lines.push(cells);
    }
    write!(out, "{}{}", aligned(&lines), numbered(&notes))?;
    write!(
        out,
        "\nTrust: the share of helpful critics that the judge believes in; (told): the true one of the mixed. No other trust serves him\nbetter before mixed critics. Flaws found: called flawed, and the wrong step itself was seen. The control must be worth 0.\n{}",
        on_seeds(&seeds)
    )?;
    Ok(())
}

fn words(critic: Critic) -> &'static str {
    match critic {
        Critic::Unaided => "nobody",
        Critic::Random => "control: at random, and known",
        Critic::Helpful => "helpful",
        Critic::Sneaky => "sneaky",
        Critic::Mixed => "mixed",
    }
}
