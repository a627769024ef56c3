//! `trimtab oversee weak-to-strong` on text files.

use super::features::{self, Pretrained};
use super::lora::{Fits, Lora};
use super::{Row, SeedArgs, aligned, table, two_digits, with_interval};
use crate::failure::Usage;
use anyhow::Result;
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use trimtab_oversight::ladder::{Student, Teaching, Text, WordPairs, rungs};
use trimtab_oversight::leak::{NEAR, shared_texts};
use trimtab_oversight::length_rule::LengthRule;
use trimtab_oversight::naive_bayes::Vocabulary;
use trimtab_oversight::probe::Probe;
use trimtab_oversight::split::{balanced, grouped};
use trimtab_oversight::transformers::{Fitting, Tuning};
use trimtab_oversight::{
    Error, Labels, Part, Rule, TestSet, Trial, WeakJob, pgr, pgr_difference, split, text_task, transfer,
};
use trimtab_stats::{Bootstrap, Items, Measured};

/// Naive Bayes taught by naive Bayes, and a pretrained model beside it.
#[derive(Debug, Args)]
pub struct WeakToStrong {
    /// Two-class texts: text, tab and label 0 or 1 a line, or label and text.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Test texts of the same shape; without it, a part of FILE.
    #[arg(long, value_name = "FILE")]
    test: Option<PathBuf>,
    /// Share of FILE to test on, where there is no test file; the first seed draws it, and every seed divides the rest anew.
    #[arg(long, default_value_t = 0.2, value_name = "SHARE", conflicts_with = "test")]
    test_share: f64,
    /// Items that the weak models learn from, with commas between.
    #[arg(long, value_delimiter = ',', default_value = "100,300,1000", value_name = "K,...")]
    weak_items: Vec<usize>,
    /// Labels that the student learns from.
    #[arg(long, value_enum, default_value_t = LabelsArg::Hard)]
    labels: LabelsArg,
    #[command(flatten)]
    seeds: SeedArgs,
    #[command(flatten)]
    pretrained: Pretrained,
    /// Go on where a text of FILE is in the test file too, and say so beside the figures.
    #[arg(long)]
    allow_leak: bool,
    /// As JSON, with every seed's accuracies and what the rule withheld.
    #[arg(long)]
    json: bool,
}

/// Labels of the student, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum LabelsArg {
    /// The weak model's more likely class.
    Hard,
    /// The weak model's chances.
    Soft,
}

/// What a row is about.
#[derive(Debug, Serialize)]
struct Name {
    student: String,
    labels: &'static str,
    weak_items: usize,
}

/// Reads, splits, fits, prints.
pub fn weak_to_strong(args: &WeakToStrong, quiet: bool) -> Result<()> {
    let train = read(&args.file)?;
    let test = args.test.as_deref().map(read).transpose()?;
    let mut leaks = None;
    if let Some(test) = &test {
        let lines = lossy(&train).into_iter().map(|text| (Part::B, text));
        let lines: Vec<(Part, String)> = lines.chain(lossy(test).into_iter().map(|text| (Part::T, text))).collect();
        let row = |i: usize| if i < train.len() { i } else { i - train.len() };
        let rows: Vec<_> = lines.iter().enumerate().map(|(i, (part, text))| (*part, row(i), text.as_str())).collect();
        leaks = shared_texts(&rows);
        if let (Some(found), false) = (&leaks, args.allow_leak) {
            return Err(Error::Leak(found.clone()).into());
        }
    }

    let bytes: Vec<&[u8]> = train.iter().chain(test.iter().flatten()).map(|(text, _)| text.as_slice()).collect();
    let texts = lossy(&train);
    let groups = grouped(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let mut vocabulary = Vocabulary::default();
    let mut featured = |rows: &[(Vec<u8>, bool)], first: usize| -> Vec<Text> {
        let text =
            |(place, (text, gold)): (usize, &(Vec<u8>, bool))| Text::new(&mut vocabulary, first + place, text, *gold);
        rows.iter().enumerate().map(text).collect()
    };
    let items = featured(&train, 0);
    let (learn, test): (Vec<usize>, Vec<Text>) = if let Some(test) = &test {
        ((0..items.len()).collect(), featured(test, items.len()))
    } else {
        let parts = split(&groups, [1.0 - args.test_share, 0.0, 0.0, args.test_share], args.seeds.seed)?;
        let (held, learn): (Vec<usize>, Vec<usize>) = (0..items.len()).partition(|&row| parts[row] == Part::T);
        (learn, held.into_iter().map(|row| items[row].clone()).collect())
    };
    // As in the paper: with unbalanced classes a weak model's class share, not its knowledge, is what a student amplifies.
    let given = learn.len() + test.len();
    let kept = balanced(&learn.iter().map(|&row| items[row].gold).collect::<Vec<_>>(), args.seeds.seed);
    let learn: Vec<usize> = kept.into_iter().map(|place| learn[place]).collect();
    let kept = balanced(&test.iter().map(|text| text.gold).collect::<Vec<_>>(), args.seeds.seed);
    let test: Vec<Text> = kept.into_iter().map(|place| test[place].clone()).collect();
    let test_places: Vec<usize> = test.iter().map(|text| text.place).collect();
    let left_out = given - learn.len() - test.len();
    let gold = Labels::gold(&test.iter().map(|text| text.gold).collect::<Vec<_>>());
    let test = TestSet::new(test, &gold)?;

    // What length alone gets, learnt from every text that is not for testing: the best case of a shortcut.
    let lengths: Vec<usize> = learn.iter().map(|&row| items[row].words.len()).collect();
    let gold = Labels::gold(&learn.iter().map(|&row| items[row].gold).collect::<Vec<_>>());
    let rule = LengthRule::fit(&WeakJob::new(&lengths, &gold)?);
    let by_length = test.score(|text| rule.class(text.words.len())).accuracy();

    let seeds = args.seeds.list();
    let taught = if args.labels == LabelsArg::Hard { ("hard", Teaching::Hard) } else { ("soft", Teaching::Soft) };
    let how = Bootstrap { resamples: 1000, ..Bootstrap::default() };
    let baseline = test.positive_share().max(1.0 - test.positive_share()).max(by_length);
    let data = Data { args, items: &items, learn: &learn, groups: &groups, test: &test, seeds: &seeds };
    let kinds = [taught, ("control: of other items", Teaching::Shuffled)];
    let controls =
        kinds.iter().map(|(_, teaching)| data.trials(|_| WordPairs, *teaching)).collect::<Result<Vec<_>, Error>>()?;
    // Whatever can be wrong with sizes and labels has shown by now, in seconds; features may take an hour.
    let read = features::read(&args.pretrained, &bytes, quiet)?;
    let (mut rows, mut gains) = (Vec::new(), Vec::new());
    for ((labels, teaching), control) in kinds.into_iter().zip(controls) {
        let mut students = vec![("naive Bayes".to_owned(), control.clone())];
        for (layer, features) in read.iter().flat_map(|read| read.layers.iter().zip(&read.features)) {
            let probe = Probe { features, ridge: args.pretrained.ridge };
            students.push((format!("probe, block {layer}"), data.trials(|_| probe, teaching)?));
        }
        if let (Some(read), Some(from), true) = (&read, args.pretrained.lora, teaching == taught.1) {
            let own = &args.pretrained;
            let fitting = Fitting { epochs: own.lora_epochs, lr: own.lora_lr, snapshots: 1, ..Fitting::default() };
            let how = Tuning { from, rank: own.lora_rank, fitting };
            let count = (seeds.len() * (args.weak_items.len() + 1)) as u64;
            let fits = Fits::new(read, how, test_places.clone(), count, quiet)?;
            let trials = data.trials(|seed| Lora { fits: &fits, seed }, teaching).map_err(|e| fits.error(e))?;
            fits.finish();
            students.push((format!("LoRA from block {from}"), trials));
        }
        for (student, trials) in students {
            let of_sizes = args.weak_items.iter().zip(trials.iter().zip(&control));
            for (&weak_items, (trials, control)) in of_sizes {
                let transfer = transfer(trials, how.level);
                let pgr = pgr(trials, Items::Shared, baseline, &Rule::default(), &how);
                if student != "naive Bayes" && teaching != Teaching::Shuffled {
                    let difference = pgr_difference(trials, control, Items::Shared, &how);
                    gains.push(Gain { student: student.clone(), weak_items, pgr: difference });
                }
                rows.push(Row { name: Name { student: student.clone(), labels, weak_items }, pgr, transfer });
            }
        }
    }

    let mut out = std::io::stdout().lock();
    let leaked = leaks.as_ref().map_or(0, |leaks| leaks.found.len());
    if args.json {
        let result = json!({
            "file": args.file, "test_file": args.test, "seeds": seeds, "labels": args.labels, "items": learn.len(),
            "test_items": test.len(), "test_looks": test.asked(), "left_out_to_balance": left_out, "leaks_allowed": leaked, "by_length": by_length, "rule": Rule::default(), "rows": rows,
            "pretrained": read.as_ref().map(|read| json!({"model": read.name, "layers": read.layers, "ridge": args.pretrained.ridge, "lora": args.pretrained.lora.map(|from| json!({"from": from, "rank": args.pretrained.lora_rank, "epochs": args.pretrained.lora_epochs, "lr": args.pretrained.lora_lr})), "cut": read.cut, "not_utf8": read.not_utf8})), "pgr_above_naive_bayes": gains,
        });
        writeln!(out, "{result:#}")?;
        return Ok(());
    }
    writeln!(
        out,
        "naive Bayes taught by naive Bayes, {}; {} texts to learn from in two halves, {} to test on, {left_out} left out to balance the classes; ± and [ ] are 95 % intervals",
        args.seeds,
        learn.len(),
        test.len()
    )?;
    if leaked > 0 {
        writeln!(
            out,
            "LEAK ALLOWED: {leaked} pairs of texts, one to learn from and one to test on, are nearly the same ({NEAR} of their words)"
        )?;
    }
    writeln!(out)?;
    let name = |name: &Name| vec![name.student.clone(), name.labels.to_owned(), name.weak_items.to_string()];
    write!(out, "{}", table(&rows, &["student", "labels", "weak items"], name))?;
    if let Some(read) = &read {
        write!(out, "\n{}", differences(&read.name, &gains))?;
        for (count, what) in [(read.cut, "longer than its context and cut"), (read.not_utf8, "not UTF-8")] {
            if count > 0 {
                writeln!(out, "{count} texts are {what}")?;
            }
        }
    }
    if let Some(row) = rows.first() {
        let t = &row.transfer;
        writeln!(
            out,
            "\nclass 1: {:.2} of the test, {} of the labels by the first weak model, {} of what its student says",
            t.positive,
            two_digits(&t.weak_positive),
            two_digits(&t.student_positive)
        )?;
        writeln!(
            out,
            "its labels: right on {} of half B, calibration error {} where calibrated ones would show {:.2}",
            two_digits(&t.weak_on_b),
            two_digits(&t.weak_ece),
            t.ece_floor
        )?;
        writeln!(out, "baselines that a ceiling must clear: majority {:.3}, length {by_length:.3}", t.majority)?;
    }
    Ok(())
}

/// What a pretrained student recovers more than the one without pretraining.
#[derive(Debug, Serialize)]
struct Gain {
    student: String,
    weak_items: usize,
    pgr: Measured,
}

fn differences(model: &str, gains: &[Gain]) -> String {
    let mut lines =
        vec![["student", "weak items", "PGR less that of naive Bayes, seeds × items"].map(str::to_owned).to_vec()];
    lines.extend(gains.iter().map(|g| vec![g.student.clone(), g.weak_items.to_string(), with_interval(&g.pgr)]));
    format!(
        "pretrained: {model}; a difference of two that are not reportable is not a figure either\n{}",
        aligned(&lines)
    )
}

/// What all students share.
struct Data<'a> {
    args: &'a WeakToStrong,
    items: &'a [Text],
    learn: &'a [usize],
    groups: &'a [usize],
    test: &'a TestSet<Text>,
    seeds: &'a [u64],
}

impl Data<'_> {
    /// Trials of one kind of student, `[weak sizes][seeds]`.
    fn trials<S: Student>(&self, student: impl Fn(u64) -> S, teaching: Teaching) -> Result<Vec<Vec<Trial>>, Error> {
        let mut by_size = vec![Vec::with_capacity(self.seeds.len()); self.args.weak_items.len()];
        for &seed in self.seeds {
            for (of_size, trial) in by_size.iter_mut().zip(self.halves(&student(seed), seed, teaching)?) {
                of_size.push(trial);
            }
        }
        Ok(by_size)
    }

    /// One seed: halves A and B, and the rungs on them.
    fn halves<S: Student>(&self, student: &S, seed: u64, teaching: Teaching) -> Result<Vec<Trial>, Error> {
        let keys: Vec<usize> = self.learn.iter().map(|&row| self.groups[row]).collect();
        // Another stream than the one that drew the test set.
        let parts = split(&keys, [0.5, 0.5, 0.0, 0.0], seed ^ 0x5EED)?;
        let of = |part: Part| -> Vec<Text> {
            let rows = self.learn.iter().zip(&parts).filter(|(_, p)| **p == part);
            rows.map(|(&row, _)| self.items[row].clone()).collect()
        };
        let mut a = of(Part::A);
        // Published files are sorted by label: the first k of A must be any k.
        trimtab_oversight::SplitMix::new(seed).shuffle(&mut a);
        rungs(seed, student, &a, &of(Part::B), self.test, &self.args.weak_items, teaching)
    }
}

fn read(path: &Path) -> Result<Vec<(Vec<u8>, bool)>> {
    let place = path.display();
    let bytes = std::fs::read(path).map_err(|e| {
        Usage(format!(
            "{place}: {e}\n  expected a file of labelled texts\n  try: `trimtab oversee weak-to-strong --help`"
        ))
    })?;
    Ok(text_task::read(&place.to_string(), &bytes)?)
}

/// Texts to compare; bytes that are no UTF-8 count as one unknown letter.
fn lossy(rows: &[(Vec<u8>, bool)]) -> Vec<String> {
    rows.iter().map(|(text, _)| String::from_utf8_lossy(text).into_owned()).collect()
}
