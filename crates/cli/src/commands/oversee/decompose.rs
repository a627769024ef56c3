//! `trimtab oversee decompose`.

use super::{SeedArgs, aligned, less, noted, number, numbered, on_seeds};
use crate::failure::Usage;
use anyhow::Result;
use clap::Args;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::json;
use std::io::Write;
use trimtab_oversight::decompose::{Arm, Game};
use trimtab_oversight::decompose_law::{error_by_depth, shared_error_by_depth};
use trimtab_stats::{Measured, Rate, mean_t};

/// Recursive decomposition by depth.
#[derive(Debug, Args)]
pub struct Decompose {
    /// The greatest depth; a tree of depth d has 2^d leaves.
    #[arg(long, default_value_t = 6, value_name = "D")]
    depth: usize,
    /// Share of exclusive-or gates, in which every part matters, with commas between; the other gates are "and" and "or".
    #[arg(long, value_delimiter = ',', default_value = "0,1", value_name = "SHARE,...")]
    xor: Vec<f64>,
    /// The chance that the judge slips at a node.
    #[arg(long, default_value_t = 0.05, value_name = "P")]
    slip: f64,
    /// The chance that a node takes over a slip drawn for its whole tree, with commas between.
    #[arg(long, value_delimiter = ',', default_value = "0,0.5,1", value_name = "P,...")]
    shared: Vec<f64>,
    /// Labels from which the assistant of each depth learns.
    #[arg(long, default_value_t = 2000, value_name = "N")]
    labels: usize,
    /// Trees of each depth of a seed.
    #[arg(long, default_value_t = 2000, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    items: u32,
    #[command(flatten)]
    seeds: SeedArgs,
    /// As JSON, with counts.
    #[arg(long)]
    json: bool,
}

/// A way to judge, by depth; figures are means over seeds.
#[derive(Debug, Serialize)]
struct Row {
    xor: f64,
    arm: Arm,
    /// Of recursion: the chance that a node takes over its tree's slip.
    shared: Option<f64>,
    /// Share of trees judged wrongly, of depths 1 up.
    error: Vec<Measured>,
    /// The same in closed form; none where there is none.
    law: Option<Vec<f64>>,
    /// Error less that of direct judging, seed by seed on the same trees.
    less_direct: Vec<Measured>,
    counts: Vec<Rate>,
    /// Cells of the assistants' tables, over depths and seeds, that may be met and were reached by no label: they say false.
    unlabelled_cells: usize,
}

/// Judges in every way at every depth and prints the curves.
pub fn decompose(args: &Decompose) -> Result<()> {
    let game = |xor, shared| Game { depth: args.depth, xor, slip: args.slip, shared, labels: args.labels };
    for &xor in &args.xor {
        for &shared in &args.shared {
            game(xor, shared).check()?;
        }
    }
    let most = (args.labels as u64).max(u64::from(args.items)) << args.depth;
    if most > 10_000_000 {
        let advice =
            "expected at most 10 million leaves of a depth and seed\n  try: --depth 6, or fewer items and labels";
        return Err(
            Usage(format!("{} trees of depth {}: too many for a minute\n  {advice}", args.items, args.depth)).into()
        );
    }
    let seeds = args.seeds.list();
    let play = |game: Game, arm: Arm| {
        let one = |seed: &u64| game.play(arm, args.items as usize, *seed);
        seeds.par_iter().map(one).collect::<Result<Vec<Vec<Vec<bool>>>, trimtab_oversight::Error>>()
    };
    // Of one depth, from 0: the share judged wrongly by seed.
    let errors = |all: &[Vec<Vec<bool>>], at: usize| {
        let share =
            |seed: &Vec<Vec<bool>>| seed[at].iter().filter(|wrong| **wrong).count() as f64 / seed[at].len() as f64;
        all.iter().map(share).collect::<Vec<f64>>()
    };
    let mut rows = Vec::new();
    for &xor in &args.xor {
        let direct = play(game(xor, 0.0), Arm::Direct)?;
        let mut add = |arm: Arm, shared: Option<f64>, law: Option<Vec<f64>>| -> Result<(), trimtab_oversight::Error> {
            let all = play(game(xor, shared.unwrap_or(0.0)), arm)?;
            let depths = 0..args.depth;
            rows.push(Row {
                xor,
                arm,
                shared,
                error: depths.clone().map(|at| mean_t(&errors(&all, at), 0.95)).collect(),
                law: law.map(|mut law| law.split_off(1)),
                less_direct: depths.clone().map(|at| less(&errors(&all, at), &errors(&direct, at))).collect(),
                counts: depths.map(|at| counts(&all, at)).collect(),
                unlabelled_cells: seeds.iter().map(|seed| game(xor, 0.0).unlabelled_cells(arm, *seed)).sum(),
            });
            Ok(())
        };
        for &shared in &args.shared {
            let law = shared_error_by_depth(args.slip, xor, shared, args.depth);
            add(Arm::Recursion, Some(shared), Some(law))?;
        }
        add(Arm::DistilledByChance, None, None)?;
        add(Arm::DistilledOddUnseen, None, None)?;
        add(Arm::DistilledOddSeen, None, Some(error_by_depth(args.slip, xor, args.depth)))?;
        add(Arm::Direct, None, None)?;
        add(Arm::OtherItems, None, None)?;
    }

    let mut out = std::io::stdout().lock();
    if args.json {
        let game = json!({"depth": args.depth, "slip": args.slip, "labels": args.labels});
        writeln!(out, "{:#}", json!({"seeds": seeds, "items": args.items, "game": game, "rows": rows}))?;
        return Ok(());
    }
    writeln!(
        out,
        "formulas up to depth {}, slip {} a node, {} labels for each assistant; {} of {} trees a depth\nerror by depth ± 95 % interval over seeds, and in brackets the law\n",
        args.depth, args.slip, args.labels, args.seeds, args.items
    )?;
    let depths = (1..=args.depth).map(|depth| format!("depth {depth}"));
    let heads = ["exclusive-or", "judge"].map(str::to_owned).into_iter().chain(depths);
    let (mut lines, mut notes) = (vec![heads.collect::<Vec<_>>()], Vec::new());
    for row in &rows {
        let first = row.arm == Arm::Recursion && row.shared.as_ref() == args.shared.first();
        let mut cells = vec![if first { number(row.xor, 2) } else { String::new() }, words(row.arm, row.shared)];
        cells.extend(row.error.iter().enumerate().map(|(at, error)| {
            let law = row.law.as_ref().map_or_else(String::new, |law| format!(" ({})", number(law[at], 3)));
            noted(error, &mut notes) + &law
        }));
        if row.unlabelled_cells > 0 {
            let name = words(row.arm, row.shared);
            let gates = number(row.xor, 2);
            let cells = row.unlabelled_cells;
            notes.push(format!(
                "{gates}, {name}: no label reached {cells} cells of its tables, over depths and seeds; they say false"
            ));
        }
        lines.push(cells);
    }
    write!(out, "{}{}", aligned(&lines), numbered(&notes))?;
    write!(
        out,
        "\nTaught: an assistant of each depth learnt from labels of a judge who asks the one before. Slips by chance are averaged out; those at\nnodes written in an odd way are copied by an assistant that sees which they are. Direct: from the share of true leaves among every\nother one, taught the truth; of exclusive-ors it must be ½. Labels of other items must be ½, with the scatter of a few drawn tables.\n{}",
        on_seeds(&seeds)
    )?;
    Ok(())
}

fn counts(all: &[Vec<Vec<bool>>], at: usize) -> Rate {
    let mut rate = Rate::default();
    all.iter().flat_map(|seed| &seed[at]).for_each(|wrong| rate.count(Some(*wrong)));
    rate
}

fn words(arm: Arm, shared: Option<f64>) -> String {
    match arm {
        Arm::Recursion => format!("recursion, {} of slips shared", number(shared.unwrap_or(0.0), 2)),
        Arm::DistilledByChance => "taught, slips by chance".into(),
        Arm::DistilledOddUnseen => "taught, odd nodes, not seen".into(),
        Arm::DistilledOddSeen => "taught, odd nodes, seen".into(),
        Arm::Direct => "control: direct".into(),
        Arm::OtherItems => "control: labels of other items".into(),
    }
}
