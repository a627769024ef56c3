//! `trimtab oversee debate`.

use super::{SeedArgs, aligned, plus_minus};
use crate::failure::Usage;
use anyhow::Result;
use clap::Args;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::json;
use std::io::Write;
use trimtab_oversight::debate::{Game, Protocol, Verdicts};
use trimtab_stats::{Measured, mean_t};

/// Debate against consultancy.
#[derive(Debug, Args)]
pub struct Debate {
    /// Tokens of an item.
    #[arg(long, default_value_t = 64, value_name = "N")]
    tokens: usize,
    /// Tokens that the judge sees, an even number.
    #[arg(long, default_value_t = 4, value_name = "K")]
    shown: usize,
    /// Tokens that a debater looks at before it chooses, with commas between: its skill.
    #[arg(long, value_delimiter = ',', default_value = "4,16,64", value_name = "M,...")]
    looked_at: Vec<usize>,
    /// How much a token says: the mean of its normal distribution under the truth.
    #[arg(long, default_value_t = 0.15)]
    signal: f64,
    /// Items of a seed.
    #[arg(long, default_value_t = 2000, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    items: u32,
    #[command(flatten)]
    seeds: SeedArgs,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// A protocol with debaters of one skill; figures are means over seeds.
#[derive(Debug, Serialize)]
struct Row {
    protocol: Protocol,
    looked_at: usize,
    trusting: Measured,
    fitted: Measured,
}

/// Debate less consultancy, seed by seed, on the same items.
#[derive(Debug, Serialize)]
struct Gain {
    looked_at: usize,
    trusting: Measured,
    fitted: Measured,
}

/// Plays every protocol and prints the table.
pub fn debate(args: &Debate) -> Result<()> {
    if (args.tokens as u64).saturating_mul(u64::from(args.items)) > 200_000_000 {
        let advice = "expected at most 200 million tokens a seed\n  try: fewer items";
        return Err(Usage(format!(
            "{} items of {} tokens: too many for a minute\n  {advice}",
            args.items, args.tokens
        ))
        .into());
    }
    let seeds = args.seeds.list();
    let (mut rows, mut gains) = (Vec::new(), Vec::new());
    for &looked_at in &args.looked_at {
        let game = Game { tokens: args.tokens, shown: args.shown, looked_at, signal: args.signal };
        game.check()?;
        let play = |protocol: Protocol| {
            let one = |seed: &u64| game.play(protocol, args.items as usize, *seed);
            seeds.par_iter().map(one).collect::<Result<Vec<Verdicts>, trimtab_oversight::Error>>()
        };
        let [full, random, consultancy, debate] = Protocol::ALL.map(play);
        let (consultancy, debate) = (consultancy?, debate?);
        let accuracy = |of: &[bool]| of.iter().filter(|right| **right).count() as f64 / of.len() as f64;
        let trusting = |all: &[Verdicts]| all.iter().map(|v| accuracy(&v.trusting)).collect::<Vec<f64>>();
        let fitted = |all: &[Verdicts]| all.iter().map(|v| accuracy(&v.fitted)).collect::<Vec<f64>>();
        let less = |one: &[f64], other: &[f64]| {
            mean_t(&one.iter().zip(other).map(|(one, other)| one - other).collect::<Vec<_>>(), 0.95)
        };
        gains.push(Gain {
            looked_at,
            trusting: less(&trusting(&debate), &trusting(&consultancy)),
            fitted: less(&fitted(&debate), &fitted(&consultancy)),
        });
        for (protocol, all) in Protocol::ALL.into_iter().zip([full?, random?, consultancy, debate]) {
            let (trusting, fitted) = (mean_t(&trusting(&all), 0.95), mean_t(&fitted(&all), 0.95));
            rows.push(Row { protocol, looked_at, trusting, fitted });
        }
    }
    let mut out = std::io::stdout().lock();
    if args.json {
        let game = json!({"tokens": args.tokens, "shown": args.shown, "signal": args.signal, "items": args.items});
        writeln!(out, "{:#}", json!({"seeds": seeds, "game": game, "rows": rows, "debate_less_consultancy": gains}))?;
        return Ok(());
    }
    writeln!(
        out,
        "{} tokens, {} shown, signal {}; {} of {} items; accuracy of the judge ± 95 % interval over seeds\n",
        args.tokens, args.shown, args.signal, args.seeds, args.items
    )?;
    let mut lines =
        vec![["debaters look at", "protocol", "trusting judge", "fitted judge"].map(str::to_owned).to_vec()];
    for row in &rows {
        let first = row.protocol == Protocol::FullView;
        let looked = if first { row.looked_at.to_string() } else { String::new() };
        lines.push(vec![looked, words(row.protocol).into(), plus_minus(&row.trusting), plus_minus(&row.fitted)]);
        if row.protocol == Protocol::Debate
            && let Some(gain) = gains.iter().find(|gain| gain.looked_at == row.looked_at)
        {
            let figures = [&gain.trusting, &gain.fitted].map(plus_minus);
            lines.push([vec![String::new(), "debate less consultancy".into()], figures.to_vec()].concat());
        }
    }
    write!(out, "{}", aligned(&lines))?;
    writeln!(
        out,
        "\nA trusting judge sums what is shown as if nobody had chosen it; a fitted one has learnt what choosing does, on other items.\nWith --shown equal to --tokens the judge sees all, and every protocol is the same."
    )?;
    Ok(())
}

fn words(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::FullView => "control: all in view",
        Protocol::Random => "control: shown at random",
        Protocol::Consultancy => "consultancy, side at random",
        Protocol::Debate => "debate",
    }
}
