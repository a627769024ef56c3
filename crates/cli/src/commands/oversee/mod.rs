//! `trimtab oversee dial|weak-to-strong|ladder|reward|debate|critique|sandwich|decompose|easy-to-hard`, and how their tables are written.

mod chess;
mod chess_puzzles;
mod chess_table;
mod critique;
mod debate;
mod decompose;
mod dial;
mod easy_to_hard;
mod features;
mod fits;
mod ladder;
mod ladder_table;
mod lora;
mod reward;
mod reward_pairs;
mod reward_table;
mod sandwich;
mod weak_to_strong;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::fmt::Write as _;
use trimtab_oversight::{Pgr, Transfer};
use trimtab_stats::{Interval, Measured, mean_t};

/// What can be asked about oversight.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Can a student pass its supervisor? The saliency dial: truth and errors known by construction, in seconds.
    ///
    /// A supervisor that is right three times in four labels half B; a student learns from nothing else. λ says how far the
    /// supervisor's errors are represented in what the student sees. At 0 it recovers most of the gap to the ceiling (the same
    /// student taught with the truth), at 1 none of it, whatever its size: it copies the errors.
    ///
    /// PGR = (student − weak)/(ceiling − weak), the performance gap recovered. It is withheld, with its reason, where it would be
    /// noise: fewer than 5 seeds, fewer than 2,000 test items, an interval of ceiling − weak that reaches 0.05, a failed
    /// ceiling, a model that says one class only. Rows are never dropped.
    ///
    /// Example: trimtab oversee dial --seeds 10
    ///
    /// Example, students of more items: trimtab oversee dial --items-b 6000 --lambda 0,1 --json
    Dial(dial::Dial),
    /// On your own two-class texts: naive Bayes teaches naive Bayes, the control without pretraining, and a pretrained model.
    ///
    /// FILE has a text, a tab and a label 0 or 1 a line, or the label first. Weak models learn from a few texts of half A with
    /// gold labels, the student (words and pairs of neighbours) from their labels of half B, the ceiling from gold on half B. With
    /// --model a second student learns from the same labels: a logistic probe on that model's features, of several blocks. It must
    /// recover more than the first one, or nothing about pretraining has been shown; the difference has an interval.
    ///
    /// Classes are balanced by leaving texts out. Nearly the same texts are kept in one part; with --test, a text of the one file in
    /// the other is refused.
    ///
    /// Example: trimtab oversee weak-to-strong reviews.tsv --weak-items 100,300,1000
    ///
    /// Example, with a pretrained student: trimtab oversee weak-to-strong reviews.tsv --model SmolLM2-135M.gguf
    WeakToStrong(weak_to_strong::WeakToStrong),
    /// Transformers taught by smaller ones: all pairs of the world's sizes, with ceilings, controls and a prediction.
    ///
    /// The task: is this answer to this exercise right? Base models of all sizes are pretrained on the world's corpus, or taken from
    /// the cache. Each learns from gold on half A and labels half B; each larger one learns from these labels alone; its ceiling
    /// learns from gold on the same items. Everything is fitted anew with every seed. What the pairs of smaller students say of the
    /// largest one is written into the run folder before that is run.
    ///
    /// Ctrl-C leaves what was fitted; the same command goes on.
    ///
    /// Example: trimtab oversee ladder --quick
    ///
    /// Example, with the paper's confidence loss: trimtab oversee ladder --sizes 30k,100k,300k,1M --methods naive,confidence-0.5
    Ladder(ladder::Ladder),
    /// A weak reward model's preferences train a strong one, and both choose the best of n answers.
    ///
    /// Two answers to a task of the world differ in gold, which is exact. The weak reward model learns gold on half A and says what it
    /// prefers on half B; the strong one learns from that alone; its ceiling learns gold on the same pairs. Then each chooses the best
    /// of n answers to tasks that no model has seen, and gold says what the choice is worth: a reward model that is right in more
    /// pairs need not choose better answers.
    ///
    /// --pairs reads people's preferences instead: JSON Lines, a JSON array or Parquet of prompt, chosen and rejected, of every shape
    /// that `trimtab data check` knows. Prompts and their near duplicates stay in one part. Of them nobody knows what other answers are
    /// worth, so there is no best of n.
    ///
    /// Ctrl-C leaves what was fitted; the same command goes on.
    ///
    /// Example: trimtab oversee reward --quick
    ///
    /// Example, of people's pairs: trimtab oversee reward --pairs pairs.jsonl --models small,large
    Reward(reward::Reward),
    /// A weak model's moves in chess puzzles teach a strong one, directly and through sizes between.
    ///
    /// Games are self-play; puzzles are positions of them with exactly one move that mates, found by trying every move, so the answer is
    /// known. All models first read the ends of other games. The weak one learns the answers of half A and says its moves on half B; the
    /// larger ones learn those alone; their ceilings learn the answers. In the chain each size is taught by the size below, and the last
    /// one on the very puzzles of direct supervision. Beside them stand what each model says before it is taught, a student that read
    /// nothing, labels of other puzzles, and, with --puzzles, puzzles that people played.
    ///
    /// Ctrl-C leaves what was fitted; the same command goes on.
    ///
    /// Example: trimtab oversee chess --quick
    ///
    /// Example, with puzzles from elsewhere: trimtab oversee chess --puzzles lichess_db_puzzle.csv --mate-in 2
    Chess(chess::Chess),
    /// Does a judge who sees little decide better between two sides than after one? A game of hidden tokens, in seconds.
    ///
    /// Debaters look at tokens that the judge does not see and show those that speak for their side; the truth is known. In a
    /// consultancy one side speaks, drawn without regard to the truth.
    ///
    /// Example: trimtab oversee debate --looked-at 4,16,64
    ///
    /// Example, the control where the judge sees all: trimtab oversee debate --tokens 16 --looked-at 16 --shown 16
    Debate(debate::Debate),
    /// Do critics help a judge who can check little, if some of them are sneaky? Arithmetic with known errors, in seconds.
    ///
    /// A trace is a running sum of n steps, one of them wrong in half of the traces; the judge can check m steps and says whether there
    /// is an error. A helpful critic points at the step that it believes wrong, a sneaky one at a right step. Trust is the judge's belief
    /// that a critic is helpful: 1 is an unwary judge, 1 less the share of sneaky critics is one who was told of them. Beside every
    /// figure stands its closed form.
    ///
    /// Control: a critic that points at random, before a judge who knows it, must be worth nothing.
    ///
    /// Example: trimtab oversee critique
    ///
    /// Example, mostly sneaky critics and a judge with more time: trimtab oversee critique --sneaky 0.9 --checks 8 --trust 0,0.1,1
    Critique(critique::Critique),
    /// Does an able assistant that is sometimes sure and wrong help a non-expert? Sandwiching with a budget of queries, in seconds.
    ///
    /// The non-expert knows a little, the expert's answers are known by construction, and the assistant may be asked b times about a
    /// question. On blind questions it gives the same wrong answer again and again. The non-expert has learnt how often it is right, and
    /// takes its answers for independent; beside him stands one who was told of blind questions. Printed: accuracy with its closed form,
    /// calibration, and how often he was right alone and wrong with help (over-reliance) or wrong alone and would not be helped.
    ///
    /// Control: an assistant that knows nothing must be worth nothing.
    ///
    /// Example: trimtab oversee sandwich
    ///
    /// Example, an assistant whose errors are independent: trimtab oversee sandwich --blind-share 0 --plain 0.74
    Sandwich(sandwich::SandwichArgs),
    /// How do errors grow where a judge relies on answers about the parts? Boolean formulas judged by recursion, in seconds.
    ///
    /// A judge sees one gate and what he is told of its two halves, and slips at a node now and then. He asks copies of himself, or
    /// assistants, each of which learnt from the labels of a judge who asked the one before. With exclusive-or gates every part matters and
    /// errors grow with the number of nodes; with "and" and "or" they grow with depth. Printed: error by depth with its closed form, for
    /// slips that are independent, shared by a tree, averaged out by learning, or copied by it.
    ///
    /// Controls: direct judging without decomposition, and labels of other items.
    ///
    /// Example: trimtab oversee decompose
    ///
    /// Example, mixed gates and a careful judge: trimtab oversee decompose --xor 0.3 --slip 0.01 --depth 8
    Decompose(decompose::Decompose),
    /// Can labels of easy items teach a model to be right on hard ones? A dial for the shortcut that works on easy items, in seconds.
    ///
    /// Hard items have the signal of easy ones, weaker, and lack a shortcut. SGR = (easy − unsupervised)/(hard − unsupervised), the
    /// supervision gap recovered, of accuracies on hard items. It is a PGR with the unsupervised rule as weak model, and is withheld by the
    /// same rule: fewer than 5 seeds, fewer than 2,000 test items, an interval of hard − unsupervised that reaches 0.05.
    ///
    /// Controls: no shortcut, where all of the gap must be recovered, and labels of other items, which must teach nothing.
    ///
    /// Example: trimtab oversee easy-to-hard --seeds 10
    ///
    /// Example, items so hard that nothing can be said: trimtab oversee easy-to-hard --hardness 0.5,0.9
    EasyToHard(easy_to_hard::EasyToHard),
}

/// Runs it.
pub fn run(command: &Command, quiet: bool) -> Result<()> {
    match command {
        Command::Dial(c) => dial::dial(c),
        Command::WeakToStrong(c) => weak_to_strong::weak_to_strong(c, quiet),
        Command::Ladder(c) => ladder::ladder(c, quiet),
        Command::Reward(c) => reward::reward(c, quiet),
        Command::Chess(c) => chess::chess(c, quiet),
        Command::Debate(c) => debate::debate(c),
        Command::Critique(c) => critique::critique(c),
        Command::Sandwich(c) => sandwich::sandwich(c),
        Command::Decompose(c) => decompose::decompose(c),
        Command::EasyToHard(c) => easy_to_hard::easy_to_hard(c),
    }
}

/// Which seeds.
#[derive(Debug, Clone, Copy, Args)]
struct SeedArgs {
    /// Seeds; each draws items, and fits what is fitted, anew.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl SeedArgs {
    fn list(self) -> Vec<u64> {
        (0..self.seeds).map(|i| self.seed.wrapping_add(i)).collect()
    }
}

impl std::fmt::Display for SeedArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "seeds {} to {}", self.seed, self.seed.wrapping_add(self.seeds - 1))
    }
}

/// A line of a table: its name, then the figures.
#[derive(Debug, Serialize)]
struct Row<N> {
    #[serde(flatten)]
    name: N,
    pgr: Pgr,
    transfer: Transfer,
}

/// A table with `heads` over the cells of each row's name; reasons to withhold are notes below it.
fn table<N>(rows: &[Row<N>], heads: &[&str], name: impl Fn(&N) -> Vec<String>) -> String {
    let figures = ["weak w", "student s", "ceiling c", "agree, right", "wrong", "PGR, seeds", "seeds × items"];
    let mut lines = vec![heads.iter().chain(&figures).map(|head| (*head).to_owned()).collect::<Vec<_>>()];
    let mut notes: Vec<String> = Vec::new();
    for row in rows {
        let mut cells = name(&row.name);
        cells.extend([&row.pgr.weak, &row.pgr.student, &row.pgr.ceiling].map(plus_minus));
        cells.extend([&row.transfer.agreement_where_right, &row.transfer.agreement_where_wrong].map(two_digits));
        cells.extend(pgr_cells(&row.pgr, &mut notes));
        lines.push(cells);
    }
    let mut text = aligned(&lines);
    text.push_str(
        "agree: student with weak model, where that is right and where it is wrong; –: labels without a model\n",
    );
    text + &numbered(&notes)
}

/// A PGR with both intervals as two cells, or the numbers of the notes that say why it is withheld.
fn pgr_cells(pgr: &Pgr, notes: &mut Vec<String>) -> [String; 2] {
    let Some(withheld) = &pgr.withheld else {
        return [with_interval(&pgr.fieller), pgr.bootstrap.interval.as_ref().map_or_else(|| "–".into(), bounds)];
    };
    let numbers = withheld.reasons.iter().map(|reason| note(reason, notes).to_string());
    [format!("not reportable ({})", numbers.collect::<Vec<_>>().join(", ")), String::new()]
}

/// The number of a note, which is written once however many cells name it.
fn note(reason: &str, notes: &mut Vec<String>) -> usize {
    let place = notes.iter().position(|note| note == reason).unwrap_or(notes.len());
    if place == notes.len() {
        notes.push(reason.to_owned());
    }
    place + 1
}

/// Notes below a table.
fn numbered(notes: &[String]) -> String {
    let mut text = String::new();
    for (number, note) in notes.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "({}) {note}", number + 1);
    }
    text
}

/// Every seed of rows by their names.
fn all_seeds<'a>(rows: impl Iterator<Item = (String, &'a Pgr)>) -> String {
    let mut text = String::from("\nall seeds, w s c:\n");
    for (name, pgr) in rows {
        let seeds = pgr.by_seed.iter().map(|wsc| wsc.map(|x| number(x, 3)).join(" "));
        let _ = writeln!(text, "  {name}: {}", seeds.collect::<Vec<_>>().join(" | "));
    }
    text
}

/// Columns as wide as their widest cell, two spaces apart.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}

/// The mean over seeds of one figure less another of the same items.
fn less(one: &[f64], other: &[f64]) -> Measured {
    mean_t(&one.iter().zip(other).map(|(one, other)| one - other).collect::<Vec<_>>(), 0.95)
}

/// What to say below a table of so many seeds: one has no interval.
fn on_seeds(seeds: &[u64]) -> &'static str {
    if seeds.len() == 1 { "One seed has no interval: figures stand without ±. Try: --seeds 5\n" } else { "" }
}

/// A mean with the half-width of its t interval.
fn plus_minus(figure: &Measured) -> String {
    match (figure.value, figure.interval) {
        (Some(value), Some(interval)) => format!("{} ± {:.3}", number(value, 3), 0.5 * (interval.high - interval.low)),
        (Some(value), None) => number(value, 3),
        _ => "–".into(),
    }
}

/// As [`plus_minus`]; of an undefined figure a dash and the number of the note that says why.
fn noted(figure: &Measured, notes: &mut Vec<String>) -> String {
    let (None, Some(reason)) = (figure.value, &figure.reason) else { return plus_minus(figure) };
    format!("– ({})", note(reason, notes))
}

/// A number without the sign that rounding leaves of −0.0001.
fn number(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    if text.trim_start_matches('-').bytes().all(|b| b == b'0' || b == b'.') { text.replace('-', "") } else { text }
}

/// A share without its interval.
fn two_digits(figure: &Measured) -> String {
    figure.value.map_or_else(|| "–".into(), |value| format!("{value:.2}"))
}

fn with_interval(figure: &Measured) -> String {
    match (figure.value, figure.interval) {
        (Some(value), Some(interval)) => format!("{} {}", number(value, 2), bounds(&interval)),
        (Some(value), None) => {
            format!("{} (no interval: {})", number(value, 2), figure.reason.as_deref().unwrap_or("unknown"))
        }
        _ => format!("undefined: {}", figure.reason.as_deref().unwrap_or("unknown")),
    }
}

fn bounds(interval: &Interval) -> String {
    format!("[{}, {}]", number(interval.low, 2), number(interval.high, 2))
}
