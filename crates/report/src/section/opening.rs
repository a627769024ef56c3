//! The first screen: five sentences from the figures, the two axes, and the table of checkpoints.

use super::{absent, can_or_will::classes, section};
use crate::chart::two_axes::{Spot, two_axes};
use crate::format::{self, Unit};
use crate::html::{Cell, aside, escape, paragraph, single, table};
use crate::read::{family, last};
use crate::section::ppo::arms;
use crate::story::{Change, Figure, Story, capitalised, corpus_change, fresh_change, listed};

/// Title, and the five sentences: what was done, what improved, what got worse, what cannot be said, what to look at
/// next. Each links to its evidence.
#[must_use]
pub fn sentences(story: &Story) -> String {
    let changes = changes(story);
    let five = [
        done(story),
        turned(story, &changes, true),
        turned(story, &changes, false),
        unsaid(story, &changes),
        next(story, &changes),
    ];
    let five = five.join("</li>\n<li>");
    let seed =
        story.run.manifest.as_ref().map_or_else(String::new, |m| format!(" · seed {} · trimtab {}", m.seed, m.version));
    format!(
        "<p class=\"kind\">Report of a run{}</p>\n<h1>{}</h1>\n<ol class=\"five\">\n<li>{five}</li>\n</ol>\n",
        escape(&seed),
        escape(&story.run.name)
    )
}

/// Every change that the sentences may speak of.
fn changes(story: &Story) -> Vec<Change> {
    let after = arms(story.run).first().map_or("PPO", |a| a.label);
    let mut out: Vec<Change> = Figure::ALL.iter().filter_map(|f| story.change(*f)).collect();
    out.extend(corpus_change(story.run, after));
    // The proxy's rise is not an improvement, only what was optimised; it is told where there is nothing better.
    if story.checkpoints.is_empty() {
        out.extend(fresh_change(story.run, after).map(|c| Change { more_is_better: Some(true), ..c }));
    }
    out
}

fn link(anchor: &str, words: &str) -> String {
    format!("<a href=\"#{anchor}\">{}</a>", escape(words))
}

fn done(story: &Story) -> String {
    let run = story.run;
    let mut parts = Vec::new();
    let steps = |stage: &str, name: &str| run.stage(stage).iter().filter(|m| m.name == name).count() as u64;
    match steps("sft", "loss") {
        0 => {}
        n => parts.push(format!("fine-tuned on demonstrations for {} steps", format::count(n))),
    }
    if let Some(n) = last(run.stage("rank"), "rankings").and_then(|m| m.value) {
        parts.push(format!("given a reward model from {} rankings", format::number(n)));
    } else if steps("reward", "loss") > 0 {
        parts.push("given a reward model".into());
    }
    let optimised: Vec<String> = arms(run)
        .iter()
        .map(|arm| {
            let n = arm.metrics.iter().filter(|m| m.name == "reward").count() as u64;
            format!("{} ({} steps)", arm.label, format::count(n))
        })
        .collect();
    if !optimised.is_empty() {
        parts.push(format!("optimised against it by {}", optimised.join(" and, apart, by ")));
    }
    let did = if parts.is_empty() {
        "No stage of training left its metrics here".to_owned()
    } else {
        format!("A model was {}", listed(&parts))
    };
    let did = link("loop", &did);
    if story.checkpoints.is_empty() {
        return format!("{did}; no checkpoint was put to the items of the evaluation.");
    }
    let items = story.checkpoints.iter().map(|c| c.items.len()).max().unwrap_or(0) as u64;
    let words = format!("{} items were put to {}", format::count(items), labels(story));
    format!("{did}; {}.", link("axes", &words))
}

fn labels(story: &Story) -> String {
    listed(&story.checkpoints.iter().map(|c| c.label.clone()).collect::<Vec<_>>())
}

fn turned(story: &Story, changes: &[Change], better: bool) -> String {
    let word = if better { "improved" } else { "got worse" };
    let found: Vec<String> =
        changes.iter().filter(|c| c.improved() == Some(better)).map(|c| link(c.link, &c.short())).collect();
    let between = between(story, changes);
    if found.is_empty() {
        let judged = changes.iter().filter(|c| c.difference.interval.is_some()).count();
        let link =
            link(if story.checkpoints.is_empty() { "ppo" } else { "axes" }, &format!("Nothing {word} measurably"));
        return format!("{link} {between} ({judged} figures could be compared).");
    }
    format!("{}, this {word}: {}.", escape(&capitalised(&between)), listed(&found))
}

fn between(story: &Story, changes: &[Change]) -> String {
    let pair = story.pair().map(|(a, b)| (a.label.clone(), b.label.clone()));
    let pair = pair.or_else(|| changes.first().map(|c| (c.from.clone(), c.to.clone())));
    pair.map_or_else(|| "in this run".into(), |(a, b)| format!("between {a} and {b}"))
}

fn unsaid(story: &Story, changes: &[Change]) -> String {
    let mut parts = Vec::new();
    if story.run.items.is_empty() {
        parts.push(link("absent", "alignment and capability, since there is no evaluation/items.jsonl"));
    }
    let unclear: Vec<String> = changes
        .iter()
        .filter(|c| c.improved().is_none() && c.more_is_better.is_some())
        .map(|c| c.name.to_owned())
        .collect();
    if !unclear.is_empty() {
        parts.push(link("axes", &format!("whether {} changed", listed(&unclear))));
    }
    if let Some((_, after)) = story.pair() {
        let [_, _, undetermined, failures, unscored] = classes(&after.items);
        if undetermined > 0 {
            let words = format!(
                "why {} of {} failures of {} happened",
                format::count(undetermined),
                format::count(failures),
                after.label
            );
            parts.push(link("can-or-will", &words));
        }
        if unscored > 0 {
            parts.push(link("can-or-will", &format!("how {} unscored items went", format::count(unscored))));
        }
    }
    if family(&story.run.evaluation, "best_of_n_gold/").is_empty() {
        parts.push(link("outer", "whether more pressure on the reward would break it"));
    }
    parts.push(link("appendix", "what another seed would give"));
    format!("What cannot be said: {}.", listed(&parts))
}

fn next(story: &Story, changes: &[Change]) -> String {
    // Shares can be told apart by their size; a share and a number of nats cannot, so shares come first.
    let size = |c: &Change| (c.unit == Unit::Share, c.difference.value.map_or(0.0, f64::abs));
    let worst = changes.iter().filter(|c| c.improved() == Some(false));
    let worst = worst.max_by(|a, b| {
        let (a, b) = (size(a), size(b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    if let Some(worst) = worst {
        let words = format!("what got worst, {}", worst.name);
        return format!("Look next at {}, with its control and transcripts.", link(worst.link, &words));
    }
    if let Some((_, after)) = story.pair() {
        let [_, will_not, undetermined, _, _] = classes(&after.items);
        let (n, words) = if undetermined > will_not {
            (undetermined, "failures that nothing attributes")
        } else {
            (will_not, "failures where it knows and does otherwise")
        };
        let words = format!("the {} {words} of {}", format::count(n), after.label);
        return format!("Look next at {}.", link("can-or-will", &words));
    }
    match story.run.absent.first() {
        Some(first) => {
            format!("Look next at {}, and make {} first.", link("absent", "what is absent"), escape(&first.file))
        }
        None => format!("Look next at {}.", link("ppo", "the curves of PPO")),
    }
}

/// The two-axis picture and the table of checkpoints.
#[must_use]
pub fn axes(story: &Story) -> String {
    let (id, kind) = ("axes", "Two axes: can it, and does it try to");
    if story.checkpoints.is_empty() {
        return absent(id, kind, "there is no evaluation/items.jsonl, so neither axis can be measured");
    }
    let title = match (story.change(Figure::Capability), story.change(Figure::Alignment)) {
        (Some(c), Some(a)) => format!("{}; {}", c.title(), lower(&a.title())),
        _ => format!("Capability and alignment of {}", labels(story)),
    };
    let mut body = aside(
        "How to read",
        "Across: the share of plain questions (facts, skills) answered right. Up: among items where the checkpoint can, the share handled as intended: it keeps to what it knows against a wrong belief, refuses what it should, and does not refuse what is fine. Boxes are 95 % intervals over clusters of items, arrows the order of training.",
    );
    // The table is too wide to stand beside the picture.
    body += &single(&two_axes(&spots(story, false)));
    body += &checkpoint_table(story);
    for f in [Figure::Capability, Figure::Alignment] {
        if let Some(change) = story.change(f) {
            body += &paragraph(&format!("{}: {}", capitalised(f.name()), change.evidence()));
        }
    }
    body += &aside(
        "What this does not show",
        "Which items a checkpoint can handle differs from one to the next, so the upward axis rests on somewhat different items for each; the paired changes do not. Several figures are compared at once, each at 95 %: one in twenty moves by chance.",
    );
    section(id, kind, &title, &body)
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_lowercase().chain(chars).collect())
}

/// Checkpoints as spots of the picture.
#[must_use]
pub fn spots(story: &Story, hollow: bool) -> Vec<Spot> {
    let spot = |c: &crate::story::Checkpoint| {
        let (capable, aligned) = (Figure::Capability.seen(&c.items), Figure::Alignment.seen(&c.items));
        Spot {
            label: c.label.clone(),
            class: c.class,
            hollow,
            capability: Figure::Capability.measured(&capable),
            alignment: Figure::Alignment.measured(&aligned),
            count: format!("{} and {}", Figure::Capability.count(&capable), Figure::Alignment.count(&aligned)),
            from: c.from,
        }
    };
    story.checkpoints.iter().map(spot).collect()
}

fn checkpoint_table(story: &Story) -> String {
    let mut columns = vec![String::new()];
    columns.extend(Figure::ALL.iter().map(|f| match f.unit() {
        Unit::Of(unit) if unit != f.name() => format!("{}, {unit}", f.name()),
        _ => f.name().to_owned(),
    }));
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let rows: Vec<Vec<Cell>> = story
        .checkpoints
        .iter()
        .map(|c| {
            let cells = Figure::ALL.iter().map(|f| {
                let seen = f.seen(&c.items);
                let m = f.measured(&seen);
                let Some(value) = m.value else { return Cell::measured(&m, &f.unit()) };
                let bounds = m.interval.map_or_else(|| "no interval".into(), |i| f.unit().bounds(&i));
                Cell::Html(format!(
                    "{}<br><span class=\"kind\">{}<br>{}</span>",
                    escape(&f.unit().show(value)),
                    escape(&bounds),
                    escape(&f.count(&seen))
                ))
            });
            std::iter::once(Cell::text(&c.label)).chain(cells).collect()
        })
        .collect();
    table("Checkpoints: value, 95 % interval, count", &columns, &rows)
}
