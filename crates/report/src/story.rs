//! What the sections share: the checkpoints in their one order and colour, the figures taken of each, and what changed.

use crate::format::{self, Unit};
use crate::html::{Cell, table};
use crate::item::Item;
use crate::measure::{self, Seen};
use crate::read::Run;
use trimtab_stats::{Bootstrap, Measured, bootstrap_statistic};

/// A checkpoint with its answers.
#[derive(Debug, Clone)]
pub struct Checkpoint<'r> {
    /// Its name in the files.
    pub key: String,
    /// Its name on the page.
    pub label: String,
    /// Class of its colour, the same everywhere.
    pub class: &'static str,
    /// Which checkpoint it was trained from.
    pub from: Option<usize>,
    /// Its answers.
    pub items: Vec<&'r Item>,
}

/// Known checkpoints in training order: key, label, colour, parent.
const KNOWN: [(&str, &str, &str, &str); 4] = [
    ("base", "base", "base", ""),
    ("sft", "SFT", "sft", "base"),
    ("ppo", "PPO", "ppo", "sft"),
    ("ppo_ptx", "PPO-ptx", "ptx", "sft"),
];

/// Label and colour of a checkpoint by its key.
#[must_use]
pub fn looks(key: &str) -> (String, &'static str) {
    let known = KNOWN.iter().find(|k| k.0 == key);
    known.map_or_else(|| (key.to_owned(), "other"), |k| (k.1.to_owned(), k.2))
}

/// A run and its checkpoints.
#[derive(Debug, Clone)]
pub struct Story<'r> {
    /// The files.
    pub run: &'r Run,
    /// Base, SFT, PPO, PPO-ptx, then others in the order of the file.
    pub checkpoints: Vec<Checkpoint<'r>>,
}

impl<'r> Story<'r> {
    /// Sorts the items of a run by checkpoint.
    #[must_use]
    pub fn new(run: &'r Run) -> Self {
        let mut keys: Vec<&str> = KNOWN.iter().map(|k| k.0).collect();
        for item in &run.items {
            if !keys.contains(&item.checkpoint.as_str()) {
                keys.push(&item.checkpoint);
            }
        }
        let mut checkpoints: Vec<Checkpoint> = Vec::new();
        for key in keys {
            let items: Vec<&Item> = run.items.iter().filter(|i| i.checkpoint == key).collect();
            if items.is_empty() {
                continue;
            }
            let (label, class) = looks(key);
            let parent = KNOWN.iter().find(|k| k.0 == key).map_or("", |k| k.3);
            let from = checkpoints.iter().position(|c| c.key == parent);
            checkpoints.push(Checkpoint { key: key.to_owned(), label, class, from, items });
        }
        Self { run, checkpoints }
    }

    /// What changes are counted from and to: SFT to the last checkpoint of PPO; without them, the first to the last.
    #[must_use]
    pub fn pair(&self) -> Option<(&Checkpoint<'r>, &Checkpoint<'r>)> {
        let find = |key: &str| self.checkpoints.iter().find(|c| c.key == key);
        let after = find("ppo_ptx").or_else(|| find("ppo")).or(self.checkpoints.last())?;
        let before = find("sft").filter(|c| c.key != after.key).or(self.checkpoints.first())?;
        (before.key != after.key).then_some((before, after))
    }

    /// What changed in a figure between the two of [`Story::pair`].
    #[must_use]
    pub fn change(&self, figure: Figure) -> Option<Change> {
        let (before, after) = self.pair()?;
        let (a, b) = (figure.seen(&before.items), figure.seen(&after.items));
        Some(Change {
            name: figure.name(),
            unit: figure.unit(),
            more_is_better: figure.more_is_better(),
            link: figure.link(),
            from: before.label.clone(),
            to: after.label.clone(),
            before: figure.measured(&a),
            after: figure.measured(&b),
            difference: measure::change(&a, &b),
        })
    }

    /// The truth planted for a figure of a checkpoint: `figure/checkpoint`, or `figure` for all.
    #[must_use]
    pub fn truth(&self, figure: &str, checkpoint: &str) -> Option<f64> {
        self.run.truth(&[&format!("{figure}/{checkpoint}"), figure])
    }
}

/// A figure that is taken of every checkpoint from its items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// Share of plain questions answered right.
    Capability,
    /// Share handled as intended where the checkpoint can.
    Alignment,
    /// Agreement with a stated wrong belief, among questions that it knows.
    Sycophancy,
    /// Refusals of what must be refused.
    RefusalDue,
    /// Refusals of what is fine.
    RefusalUndue,
    /// Gold reward.
    Gold,
    /// Words of an answer.
    Words,
}

impl Figure {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Capability,
        Self::Alignment,
        Self::Sycophancy,
        Self::RefusalDue,
        Self::RefusalUndue,
        Self::Gold,
        Self::Words,
    ];

    /// Its name within a sentence.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Capability => "capability",
            Self::Alignment => "alignment",
            Self::Sycophancy => "sycophancy",
            Self::RefusalDue => "refusal where due",
            Self::RefusalUndue => "undue refusal",
            Self::Gold => "gold reward over all items",
            Self::Words => "answer length",
        }
    }

    /// Its name among the planted truths.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Capability => "capability",
            Self::Alignment => "alignment",
            Self::Sycophancy => "sycophancy_rate",
            Self::RefusalDue => "refusal_due",
            Self::RefusalUndue => "refusal_undue",
            Self::Gold => "gold_reward",
            Self::Words => "answer_words",
        }
    }

    /// Its unit.
    #[must_use]
    pub fn unit(self) -> Unit {
        match self {
            Self::Gold => Unit::Of("gold reward".into()),
            Self::Words => Unit::Of("words".into()),
            _ => Unit::Share,
        }
    }

    fn more_is_better(self) -> Option<bool> {
        match self {
            Self::Words => None,
            Self::Sycophancy | Self::RefusalUndue => Some(false),
            _ => Some(true),
        }
    }

    fn link(self) -> &'static str {
        match self {
            Self::Capability | Self::Alignment => "axes",
            Self::Sycophancy => "sycophancy",
            Self::RefusalDue | Self::RefusalUndue => "refusals",
            Self::Gold | Self::Words => "can-or-will",
        }
    }

    /// The items behind it.
    #[must_use]
    pub fn seen<'i>(self, items: &[&'i Item]) -> Vec<Seen<'i>> {
        match self {
            Self::Capability => measure::capability(items),
            Self::Alignment => measure::alignment(items),
            Self::Sycophancy => measure::agreement(items, "wrong_first").0,
            Self::RefusalDue => measure::refusal(items, "forbidden"),
            Self::RefusalUndue => measure::refusal(items, "fine"),
            Self::Gold => measure::gold(items),
            Self::Words => measure::words(items),
        }
    }

    /// The estimate.
    #[must_use]
    pub fn measured(self, seen: &[Seen]) -> Measured {
        if self.unit() == Unit::Share { measure::share(seen).measured } else { measure::average(seen) }
    }

    /// The count that stands beside the estimate.
    #[must_use]
    pub fn count(self, seen: &[Seen]) -> String {
        if self.unit() == Unit::Share {
            return format::rate(&measure::share(seen).rate);
        }
        format::n(seen.iter().filter(|s| s.value.is_some()).count() as u64)
    }
}

/// Which way something went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The interval of the change lies above 0.
    Rose,
    /// It lies below 0.
    Fell,
    /// It holds 0.
    Unclear,
    /// There is no interval to judge by.
    Unknown,
}

/// What a change was, by its interval.
#[must_use]
pub fn turn(difference: &Measured) -> Turn {
    match difference.interval {
        Some(i) if i.low > 0.0 => Turn::Rose,
        Some(i) if i.high < 0.0 => Turn::Fell,
        Some(_) => Turn::Unclear,
        None => Turn::Unknown,
    }
}

/// A figure before and after.
#[derive(Debug, Clone)]
pub struct Change {
    /// Of what, within a sentence.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// Whether a rise is an improvement; `None`: neither is.
    pub more_is_better: Option<bool>,
    /// Anchor of the evidence.
    pub link: &'static str,
    /// Label before.
    pub from: String,
    /// Label after.
    pub to: String,
    /// Value before.
    pub before: Measured,
    /// Value after.
    pub after: Measured,
    /// The paired difference.
    pub difference: Measured,
}

impl Change {
    /// Whether it improved (`Some(true)`), got worse (`Some(false)`), or neither can be said.
    #[must_use]
    pub fn improved(&self) -> Option<bool> {
        match turn(&self.difference) {
            Turn::Rose => self.more_is_better,
            Turn::Fell => self.more_is_better.map(|b| !b),
            Turn::Unclear | Turn::Unknown => None,
        }
    }

    /// `capability from 61 % to 70 %`.
    #[must_use]
    pub fn short(&self) -> String {
        match (self.before.value, self.after.value) {
            (Some(a), Some(b)) => format!("{} from {} to {}", self.name, self.unit.show(a), self.unit.show(b)),
            _ => self.name.to_owned(),
        }
    }

    /// The finding as a title.
    #[must_use]
    pub fn title(&self) -> String {
        let name = capitalised(self.name);
        let (Some(a), Some(b)) = (self.before.value, self.after.value) else {
            let (at, m) = if self.after.value.is_none() { (&self.to, &self.after) } else { (&self.from, &self.before) };
            let why = m.reason.as_deref().unwrap_or("no reason was recorded");
            return format!("{name} is not measurable at {at}: {why}");
        };
        let (a, b) = (self.unit.show(a), self.unit.show(b));
        match turn(&self.difference) {
            Turn::Rose => format!("{name} rose from {a} at {} to {b} at {}", self.from, self.to),
            Turn::Fell => format!("{name} fell from {a} at {} to {b} at {}", self.from, self.to),
            Turn::Unclear => {
                format!("{name} did not measurably change: {a} at {}, {b} at {}", self.from, self.to)
            }
            Turn::Unknown => {
                format!("{name} was {a} at {} and {b} at {}; whether it changed cannot be said", self.from, self.to)
            }
        }
    }

    /// The paired difference in one sentence.
    #[must_use]
    pub fn evidence(&self) -> String {
        let (unit, m) = (self.unit.of_difference(), &self.difference);
        match m.value {
            None => format!("The change is {}.", unit.measured(m)),
            Some(_) => format!(
                "On the items scored at both, the change from {} to {} is {} {} ({} clusters).",
                self.from,
                self.to,
                unit.measured(m),
                unit.axis(),
                format::count(m.n)
            ),
        }
    }
}

/// The rise of loss on held-out text over PPO, paired by document, from `ppo/corpus_loss.jsonl`.
#[must_use]
pub fn corpus_change(run: &Run, after: &str) -> Option<Change> {
    let mut documents: std::collections::BTreeMap<u64, [f64; 3]> = std::collections::BTreeMap::new();
    for piece in &run.corpus {
        let sum = documents.entry(piece.document).or_default();
        for (s, v) in sum.iter_mut().zip([piece.tokens, piece.nll_sft, piece.nll_ppo]) {
            *s += v;
        }
    }
    if documents.is_empty() {
        return None;
    }
    let documents: Vec<[f64; 3]> = documents.into_values().collect();
    let how = Bootstrap { level: measure::LEVEL, ..Bootstrap::default() };
    let per_token = |of: fn(&[f64; 3]) -> f64| {
        bootstrap_statistic(documents.len(), &how, |drawn| {
            let tokens: f64 = drawn.iter().map(|&i| documents[i][0]).sum();
            (tokens > 0.0).then(|| drawn.iter().map(|&i| of(&documents[i])).sum::<f64>() / tokens)
        })
    };
    Some(Change {
        name: "loss on PPO's held-out text",
        unit: Unit::Of("nats/token".into()),
        more_is_better: Some(false),
        link: "ppo",
        from: "SFT".into(),
        to: after.to_owned(),
        before: per_token(|d| d[1]),
        after: per_token(|d| d[2]),
        difference: per_token(|d| d[2] - d[1]),
    })
}

/// The gain in the reward model's reward on fresh answers, paired by prompt, from `ppo/eval.jsonl`.
#[must_use]
pub fn fresh_change(run: &Run, after: &str) -> Option<Change> {
    let seen = |model: &str| -> Vec<Seen> {
        let of_model = run.fresh.iter().filter(|a| a.model == model);
        of_model.map(|a| Seen { item: &a.prompt_id, cluster: &a.prompt_id, value: Some(a.reward) }).collect()
    };
    let (before, treated) = (seen("sft"), seen("ppo"));
    (!before.is_empty() || !treated.is_empty()).then(|| Change {
        name: "the reward model's reward",
        unit: Unit::Of("reward".into()),
        more_is_better: None,
        link: "ppo",
        from: "SFT".into(),
        to: after.to_owned(),
        before: measure::average(&before),
        after: measure::average(&treated),
        difference: measure::change(&before, &treated),
    })
}

/// A table of one rate: a row for each checkpoint and arm.
#[must_use]
pub fn rate_table(caption: &str, rows: &[(String, Vec<Seen>)]) -> String {
    let rows: Vec<Vec<Cell>> = rows
        .iter()
        .map(|(label, seen)| {
            let share = measure::share(seen);
            vec![
                Cell::text(label),
                Cell::measured(&share.measured, &Unit::Share),
                Cell::number(format!("{}/{}", share.rate.numerator, share.rate.denominator)),
                Cell::number(format::count(share.rate.unscored)),
                Cell::number(format::count(share.measured.n)),
            ]
        })
        .collect();
    table(caption, &["", "rate, 95 % interval", "of", "unscored", "clusters"], &rows)
}

/// The first letter as a capital.
#[must_use]
pub fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// `a, b and c`.
#[must_use]
pub fn listed(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
