//! From the state to what the pages show.

use super::event::{Item, Task};
use super::pages::view::{Kind, Saved, TaskView};
use super::state::{Calibration, Lease, Person, Recorded, State};
use trimtab_text::record::Verdict;

/// The first words of what was asked.
pub fn title(item: &Item) -> String {
    let last = item.input.messages().pop().map(|message| message.content).unwrap_or_default();
    let line = last.split_whitespace().take(12).collect::<Vec<_>>().join(" ");
    line.chars().take(90).collect()
}

/// The conversation of an item, role and text.
pub fn conversation(item: &Item) -> Vec<(String, String)> {
    item.input.messages().into_iter().map(|message| (message.role, message.content)).collect()
}

/// A judgement as the pages show it.
pub fn saved(state: &State, recorded: &Recorded) -> Saved {
    let said = &recorded.said;
    let verdict = said.verdict.map(|verdict| match verdict {
        Verdict::CannotJudge => "cannot_judge",
        Verdict::AllBad => "all_bad",
        Verdict::Skip => "skip",
    });
    Saved {
        judgement: recorded.id.clone(),
        item: said.item.clone(),
        title: state.item(&said.item).map_or_else(String::new, title),
        at: recorded.saved_at,
        ranks: said.ranks.clone(),
        flags: said.flags.clone(),
        verdict: verdict.map(str::to_owned),
        reason: said.reason.clone(),
        comment: said.comment.clone(),
        text: said.text.clone(),
        margin: said.margin.map(|margin| margin.round().clamp(1.0, 4.0) as u8),
        revised: recorded.replaced_by.is_some(),
    }
}

/// A lease as the page of its task.
pub fn task_view(state: &State, person: &Person, lease: &Lease, revises: Option<&Recorded>) -> TaskView {
    let item = &state.items[lease.item];
    let text = |id: &String| item.answers.iter().find(|a| a.id == *id).map(|a| (id.clone(), a.text.clone()));
    TaskView {
        lease: lease.id.clone(),
        item: item.id.clone(),
        kind: match item.task {
            Task::Demonstrate => Kind::Demonstrate,
            Task::Rank => Kind::Rank,
            Task::Edit => Kind::Edit,
        },
        expires: lease.expires,
        prompt: conversation(item),
        answers: lease.shown.iter().filter_map(text).collect(),
        guideline: state.guideline.0.clone(),
        guideline_text: state.guideline.1.clone(),
        done: person.judged.len() as u64,
        quota: person.quota,
        calibration_left: match state.calibration(person) {
            Calibration::Left(left) => Some(left),
            Calibration::Passed | Calibration::Failed => None,
        },
        revises: revises.map(|recorded| saved(state, recorded)),
    }
}
