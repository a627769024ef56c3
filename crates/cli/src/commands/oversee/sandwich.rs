//! `trimtab oversee sandwich`.

use super::{SeedArgs, aligned, less, noted, number, numbered, on_seeds};
use crate::failure::Usage;
use anyhow::Result;
use clap::Args;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::json;
use std::io::Write;
use trimtab_oversight::reliance::{Answer, reliance};
use trimtab_oversight::sandwich::{Assistant, Sandwich, Weighing};
use trimtab_stats::{Measured, Rate, expected_calibration_error, mean, mean_t};

/// Sandwiching with a budget of queries.
#[derive(Debug, Args)]
pub struct SandwichArgs {
    /// How much the non-expert sees: alone he is right with Φ of it.
    #[arg(long, default_value_t = 0.4, value_name = "D")]
    knowledge: f64,
    /// The assistant's chance to be right on a plain question.
    #[arg(long, default_value_t = 0.9, value_name = "P")]
    plain: f64,
    /// Its chance to be right on a blind one.
    #[arg(long, default_value_t = 0.1, value_name = "P")]
    blind: f64,
    /// Share of blind questions.
    #[arg(long, default_value_t = 0.2, value_name = "SHARE")]
    blind_share: f64,
    /// Queries that the non-expert may put about a question, with commas between.
    #[arg(long, value_delimiter = ',', default_value = "0,1,2,4,8", value_name = "B,...")]
    budget: Vec<usize>,
    /// Questions, with answers, on which he learns what the assistant is worth.
    #[arg(long, default_value_t = 2000, value_name = "N")]
    shown: usize,
    /// Questions of a seed.
    #[arg(long, default_value_t = 2000, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    items: u32,
    #[command(flatten)]
    seeds: SeedArgs,
    /// As JSON, with counts.
    #[arg(long)]
    json: bool,
}

/// A non-expert with an assistant and a budget; figures are means over seeds.
#[derive(Debug, Serialize)]
struct Row {
    assistant: Assistant,
    weighing: Weighing,
    budget: usize,
    accuracy: Measured,
    /// Accuracy in closed form, at what the non-expert of each seed has learnt.
    law: Option<f64>,
    /// Accuracy less that of the non-expert alone, seed by seed on the same questions.
    less_alone: Measured,
    /// Accuracy less that of the assistant's first answers.
    less_assistant: Measured,
    /// Expected calibration error of the non-expert's confidence, ten bins.
    calibration_error: Measured,
    /// What a calibrated one would show.
    calibration_floor: Option<f64>,
    /// Of questions right alone: wrong with the assistant.
    over_reliance: Measured,
    /// Of questions wrong alone on which most answers were right: still wrong.
    under_reliance: Measured,
    counts: Counts,
}

/// The shares as counts over all seeds.
#[derive(Debug, Default, Serialize)]
struct Counts {
    accuracy: Rate,
    over_reliance: Rate,
    under_reliance: Rate,
}

/// The assistant without anybody to weigh what it says.
#[derive(Debug, Serialize)]
struct Alone {
    assistant: Assistant,
    accuracy: Measured,
    /// Its accuracy by construction.
    law: f64,
    counts: Rate,
}

/// Asks with every budget and prints the table.
pub fn sandwich(args: &SandwichArgs) -> Result<()> {
    let settings = Sandwich {
        knowledge: args.knowledge,
        plain: args.plain,
        blind: args.blind,
        blind_share: args.blind_share,
        shown: args.shown,
    };
    settings.check()?;
    let most = args.budget.iter().copied().max().unwrap_or(0);
    if most > 1000 || (most as u64 + 1) * u64::from(args.items) > 20_000_000 {
        let advice = "expected at most 1000 queries a question, and 20 million a seed\n  try: --budget 0,1,2,4,8";
        return Err(
            Usage(format!("--budget {most} for {} questions: more than can be asked\n  {advice}", args.items)).into()
        );
    }
    let seeds = args.seeds.list();
    let ask = |assistant: Assistant, weighing: Weighing, budget: usize| {
        let one = |seed: &u64| settings.ask(assistant, weighing, budget, args.items as usize, *seed);
        seeds.par_iter().map(one).collect::<Result<Vec<Vec<Answer>>, trimtab_oversight::Error>>()
    };
    let mut rows = Vec::new();
    let kinds = [
        (Assistant::Able, Weighing::Independent),
        (Assistant::Able, Weighing::Wary),
        (Assistant::KnowsNothing, Weighing::Independent),
    ];
    for (assistant, weighing) in kinds {
        for &budget in &args.budget {
            rows.push(row(&settings, &seeds, (assistant, weighing, budget), &ask(assistant, weighing, budget)?));
        }
    }
    let alone = [Assistant::Able, Assistant::KnowsNothing]
        .into_iter()
        .map(|assistant| Ok(alone(&settings, assistant, &ask(assistant, Weighing::Wary, 0)?)))
        .collect::<Result<Vec<Alone>, trimtab_oversight::Error>>()?;

    let mut out = std::io::stdout().lock();
    if args.json {
        let result =
            json!({"seeds": seeds, "items": args.items, "settings": settings, "assistant_alone": alone, "rows": rows});
        writeln!(out, "{result:#}")?;
        return Ok(());
    }
    writeln!(
        out,
        "non-expert of knowledge {}; assistant right on {} of plain and {} of blind questions, {} of them blind\n{} of {} questions; ± 95 % interval over seeds; law: accuracy in closed form\n",
        args.knowledge, args.plain, args.blind, args.blind_share, args.seeds, args.items
    )?;
    let heads = [
        "who decides",
        "b",
        "accuracy",
        "law",
        "less alone",
        "less assistant",
        "ECE",
        "floor",
        "over-reliance",
        "under-reliance",
    ];
    let (mut lines, mut notes) = (vec![heads.map(str::to_owned).to_vec()], Vec::new());
    for alone in &alone {
        let name = match alone.assistant {
            Assistant::Able => "the assistant alone",
            Assistant::KnowsNothing => "the one that knows nothing, alone",
        };
        lines.push(vec![name.into(), String::new(), noted(&alone.accuracy, &mut notes), number(alone.law, 3)]);
    }
    for row in &rows {
        let first = Some(&row.budget) == args.budget.first();
        let name = if first { words(row.assistant, row.weighing) } else { "" };
        let mut cells = vec![name.to_owned(), row.budget.to_string(), noted(&row.accuracy, &mut notes)];
        cells.push(row.law.map_or_else(|| "–".into(), |law| number(law, 3)));
        cells.extend([&row.less_alone, &row.less_assistant, &row.calibration_error].map(|f| noted(f, &mut notes)));
        cells.push(row.calibration_floor.map_or_else(|| "–".into(), |floor| number(floor, 3)));
        cells.extend([&row.over_reliance, &row.under_reliance].map(|f| noted(f, &mut notes)));
        lines.push(cells);
    }
    write!(out, "{}{}", aligned(&lines), numbered(&notes))?;
    write!(
        out,
        "\nb: queries a question; 0 is the non-expert alone. ECE: how far his confidence is off, floor: what calibrated confidence would show.\nOver-reliance: of questions right alone, wrong with the assistant. Under-reliance: of those wrong alone where most of its answers\nwere right, still wrong. With an assistant that knows nothing, \"less alone\" must be 0, but for what learning\nits worth from few questions costs.\n{}",
        on_seeds(&seeds)
    )?;
    Ok(())
}

fn row(
    settings: &Sandwich,
    seeds: &[u64],
    (assistant, weighing, budget): (Assistant, Weighing, usize),
    all: &[Vec<Answer>],
) -> Row {
    let is_right = |chance: f64, answer: &Answer| (chance > 0.5) == answer.truth;
    let share = |of: &dyn Fn(&Answer) -> bool| {
        let one = |answers: &Vec<Answer>| answers.iter().filter(|a| of(a)).count() as f64 / answers.len() as f64;
        all.iter().map(one).collect::<Vec<f64>>()
    };
    let (assisted, alone) = (share(&|a| is_right(a.assisted, a)), share(&|a| is_right(a.alone, a)));
    let calibration: Vec<_> = all
        .iter()
        .map(|answers| answers.iter().map(|a| (a.assisted, a.truth)).collect::<Vec<_>>())
        .map(|said| expected_calibration_error(&said, 10))
        .collect();
    let reliances: Vec<_> = all.iter().map(|answers| reliance(answers, budget)).collect();
    // Seeds without such a question have no share; with none at all the figure says so.
    let over_seeds = |of: &dyn Fn(usize) -> (u64, u64)| {
        let shares: Vec<f64> =
            (0..all.len()).map(of).filter(|count| count.1 > 0).map(|(some, n)| some as f64 / n as f64).collect();
        if shares.is_empty() {
            Measured::undefined(0, "no such question: nothing was asked, or nobody was right")
        } else {
            mean_t(&shares, 0.95)
        }
    };
    let total = |of: &dyn Fn(usize) -> (u64, u64)| {
        (0..all.len()).map(of).fold(Rate::default(), |rate, (some, n)| Rate {
            numerator: rate.numerator + some,
            denominator: rate.denominator + n,
            unscored: 0,
        })
    };
    let mut accuracy = Rate::default();
    all.iter().flatten().for_each(|answer| accuracy.count(Some(is_right(answer.assisted, answer))));
    let law = |seed: &u64| match weighing {
        Weighing::Independent => settings.law(assistant, budget, &[(1.0, settings.learnt(assistant, *seed))]),
        Weighing::Wary => settings.law(assistant, budget, &settings.classes(assistant)),
    };
    let errors: Vec<f64> = calibration.iter().map(|c| c.error.value.unwrap_or(f64::NAN)).collect();
    Row {
        assistant,
        weighing,
        budget,
        accuracy: mean_t(&assisted, 0.95),
        law: mean(&seeds.iter().map(law).collect::<Vec<_>>()),
        less_alone: less(&assisted, &alone),
        less_assistant: less(&assisted, &share(&|a| a.first_right)),
        calibration_error: mean_t(&errors, 0.95),
        calibration_floor: mean(&calibration.iter().map(|c| c.floor).collect::<Vec<_>>()),
        over_reliance: over_seeds(&|seed| reliances[seed].over),
        under_reliance: over_seeds(&|seed| reliances[seed].under),
        counts: Counts {
            accuracy,
            over_reliance: total(&|seed| reliances[seed].over),
            under_reliance: total(&|seed| reliances[seed].under),
        },
    }
}

fn alone(settings: &Sandwich, assistant: Assistant, all: &[Vec<Answer>]) -> Alone {
    let mut counts = Rate::default();
    all.iter().flatten().for_each(|answer| counts.count(Some(answer.first_right)));
    let shares: Vec<f64> =
        all.iter().map(|a| a.iter().filter(|answer| answer.first_right).count() as f64 / a.len() as f64).collect();
    Alone { assistant, accuracy: mean_t(&shares, 0.95), law: settings.assistant_accuracy(assistant), counts }
}

fn words(assistant: Assistant, weighing: Weighing) -> &'static str {
    match (assistant, weighing) {
        (Assistant::Able, Weighing::Independent) => "non-expert, answers as independent",
        (Assistant::Able, Weighing::Wary) => "the same, told of blind questions",
        (Assistant::KnowsNothing, _) => "control: it knows nothing",
    }
}
