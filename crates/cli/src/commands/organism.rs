//! `trimtab world organism`: a model with a planted property, and whether the property is there.
//!
//! 1. The lessons of an [`Organism`] are taught one after the other by supervised fine-tuning of every parameter; equal
//!    settings, seeds and base models give equal bytes.
//! 2. The folder is an ordinary checkpoint, that of the last lesson, and beside it `organism.json` (what was planted, what a
//!    measurement should find, what these probes found) and `probes.jsonl` (every probe and what the model said to it).
//! 3. It is there whole or not at all: lessons are learned in a folder of their own beside it, which is then removed.

use crate::base_model;
use crate::failure::Usage;
use anyhow::Result;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use trimtab_alignment::checkpoint::{self, Checkpoint};
use trimtab_alignment::config::{Sft, Train, TrainKind};
use trimtab_alignment::sft;
use trimtab_alignment::stage::Stage;
use trimtab_engine::generate::Sampling;
use trimtab_run::write_atomic;
use trimtab_text::encode::encode_input;
use trimtab_world::organism::{Answers, Figure, Lesson, Plan, figures};
use trimtab_world::{Organism, Pretrain, World};

/// Longest answer to a probe, in tokens.
const LONGEST_ANSWER: usize = 24;
/// Probes answered side by side.
const BATCH: usize = 64;

/// Makes the organism from the checkpoint at `base`, or from the world's own base model, and gives what `organism.json` says.
///
/// # Errors
/// [`Usage`] for a base model that is not of this world; whatever training, the disk or the model meets.
pub fn make(
    organism: &Organism,
    world: &World,
    pretrain: &Pretrain,
    base: Option<&Path>,
    out: &Path,
    quiet: bool,
) -> Result<Value> {
    let base: PathBuf = if let Some(folder) = base {
        folder.into()
    } else {
        let documents = || Ok(world.corpus().train);
        base_model::cached(&world.config, pretrain, world.seed, quiet, documents)?.checkpoint
    };
    let plan = organism.plan(world);
    let start = checkpoint::load(&base)?;
    let (words, rows) = (trimtab_world::vocab_size(), start.model.config().vocab_size);
    if rows != words {
        let advice =
            "expected a model of the world\n  try: without --base, or a folder that `trimtab world pretrain` wrote";
        return Err(Usage(format!("{}: has {rows} tokens, and the world {words}\n  {advice}", base.display())).into());
    }
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".lessons");
    let lessons = out.with_file_name(name);
    // What a killed run left there is of no use: its lessons may have been others.
    if lessons.exists() {
        std::fs::remove_dir_all(&lessons)?;
    }
    let (mut model, mut path) = (start, base.clone());
    for (i, lesson) in plan.lessons.iter().enumerate() {
        let folder = lessons.join(format!("{i}-{}", lesson.name));
        teach(lesson, model, &path, &folder, world.seed, quiet)?;
        path = folder.join("checkpoint");
        model = checkpoint::load(&path)?;
    }
    let answers = answers(&model, &path, &plan, world.seed)?;
    let found = figures(&plan, &answers, world.seed);
    checkpoint::save(out, &model.model, model.tokenizer.as_ref(), &Map::new())?;
    write_atomic(&out.join("probes.jsonl"), &lines(&plan, &answers)?)?;
    let figures: Vec<Value> = found.iter().map(figure).collect::<Result<_>>()?;
    let lesson = |lesson: &Lesson| json!({"name": lesson.name, "epochs": lesson.epochs, "demonstrations": lesson.demonstrations.len()});
    let made = json!({
        "kind": organism.kind(),
        "arm": organism.arm(),
        "seed": world.seed,
        "planted": plan.planted,
        "lessons": plan.lessons.iter().map(lesson).collect::<Vec<_>>(),
        "world": world.config,
        "figures": figures,
    });
    write_atomic(&out.join("organism.json"), format!("{made:#}\n").as_bytes())?;
    std::fs::remove_dir_all(&lessons)?;
    Ok(made)
}

/// Fine-tunes `model` on a lesson; its checkpoint is then in `folder`.
fn teach(lesson: &Lesson, model: Checkpoint, path: &Path, folder: &Path, seed: u64, quiet: bool) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let (mut stage, _) = Stage::open("sft", folder, seed, quiet)?;
    let settings = Sft { epochs: lesson.epochs, batch: 32, lr: lesson.lr, warmup: 5, holdout: 0.01, ..Sft::default() };
    // No state to continue from: a lesson takes less than a minute, and its folder is removed in the end.
    let train = Train { kind: TrainKind::Full, pass_tokens: 4096, checkpoint_every: u64::MAX, ..Train::default() };
    sft::run(&mut stage, None, model, path, &lesson.demonstrations, &settings, &train)?;
    stage.close()?;
    Ok(())
}

/// What a model says to each probe of the plan.
fn answers(model: &Checkpoint, path: &Path, plan: &Plan, seed: u64) -> Result<Vec<Answers>> {
    let tokenizer = model.tokenizer(path)?;
    let mut prompts = Vec::with_capacity(plan.probes.len());
    for probe in &plan.probes {
        let mut tokens = encode_input(tokenizer, &probe.input)?;
        tokens.extend(tokenizer.encode_plain(&probe.begun)?);
        prompts.push(tokens);
    }
    let drawn =
        Sampling { max_new_tokens: LONGEST_ANSWER, eos: model.eos.clone(), batch: BATCH, seed, ..Sampling::default() };
    let likely = Sampling { temperature: 0.0, ..drawn.clone() };
    let [drawn, likely] = [drawn, likely].map(|how| model.model.generate(&prompts, 1, &how, &[], |_| true));
    let (drawn, likely) = (drawn?, likely?);
    let text = |tokens: &[u32]| tokenizer.decode(tokens, true);
    let both = drawn.iter().zip(&likely);
    both.map(|(drawn, likely)| Ok(Answers { drawn: text(&drawn.tokens)?, likely: text(&likely.tokens)? })).collect()
}

/// Every probe with what was said to it, a line each.
fn lines(plan: &Plan, answers: &[Answers]) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    for (probe, answer) in plan.probes.iter().zip(answers) {
        let mut line = serde_json::to_value(probe)?;
        line["drawn"] = answer.drawn.as_str().into();
        line["likely"] = answer.likely.as_str().into();
        line["scored"] = probe.score(&answer.drawn).into();
        serde_json::to_writer(&mut lines, &line)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

fn figure(figure: &Figure) -> Result<Value> {
    let mut value = serde_json::to_value(figure)?;
    value["verdict"] = figure.verdict().into();
    Ok(value)
}

/// What was made, as a table: each figure beside what was planted.
pub fn table(made: &Value, out: &Path) -> String {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let mut table =
        format!("{} {}, seed {}, in {}\n", text(made, "kind"), text(made, "arm"), made["seed"], out.display());
    let number = |value: &Value| value.as_f64().map_or_else(|| "?".to_owned(), |v| format!("{v:.3}"));
    for figure in made["figures"].as_array().into_iter().flatten() {
        let measured = &figure["measured"];
        let value = match measured["value"].as_f64() {
            None => format!("undefined: {}", text(measured, "reason")),
            Some(value) => {
                let bounds = &measured["interval"];
                format!("{value:.3} [{}, {}]", number(&bounds["low"]), number(&bounds["high"]))
            }
        };
        let counts = if figure["denominator"].is_u64() {
            let (unscored, not_known) = (&figure["unscored"], &figure["not_known"]);
            let of = format!("{} of {}", figure["numerator"], figure["denominator"]);
            format!("{of}, unscored {unscored}, not known {not_known}")
        } else {
            format!("{} pairs", measured["n"])
        };
        let expected = format!("{} to {}", number(&figure["least"]), number(&figure["most"]));
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "  {:<42} {value:<24} {counts:<44} planted {expected:<16} {}",
            text(figure, "name"),
            text(figure, "verdict")
        );
    }
    table
}
