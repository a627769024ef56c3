//! Three transcripts side by side, before and after, chosen by a rule that is printed with them.

use crate::html::{aside, cut, escape};
use crate::item::Item;
use crate::measure::{class, failed};
use crate::story::Story;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Characters of a prompt or an answer that are shown.
const LIMIT: usize = 600;

/// Three items of those that `chosen` takes: first items that were right before and failed after, then items that failed
/// after, then the others, each in the order of their names.
#[must_use]
pub fn transcripts(story: &Story, chosen: impl Fn(&Item) -> bool) -> String {
    let Some((before, after)) = story.pair() else { return String::new() };
    let earlier: BTreeMap<&str, &Item> = before.items.iter().map(|i| (i.item.as_str(), *i)).collect();
    let mut ranked: Vec<(u8, &str, &Item)> = after
        .items
        .iter()
        .filter(|i| chosen(i))
        .map(|&i| {
            let was_right = earlier.get(i.item.as_str()).and_then(|b| failed(b)) == Some(false);
            let order = match (failed(i), was_right) {
                (Some(true), true) => 0,
                (Some(true), false) => 1,
                _ => 2,
            };
            (order, i.item.as_str(), i)
        })
        .collect();
    ranked.sort_by_key(|(order, name, _)| (*order, *name));
    let mut out = String::new();
    for (_, name, item) in ranked.into_iter().take(3) {
        let mut asked = format!("<p class=\"said\">{}</p>", escape(&cut(&item.prompt, LIMIT)));
        if let Some(expected) = &item.expected {
            let _ = write!(asked, "<p class=\"aside\">Expected: <bdi>{}</bdi></p>", escape(&cut(expected, LIMIT)));
        }
        let said = |label: &str, item: Option<&Item>| match item {
            None => format!("<div><h4>{}</h4><p class=\"aside\">was not asked</p></div>", escape(label)),
            Some(i) => format!(
                "<div><h4>{} · {}</h4><p class=\"said\">{}</p></div>",
                escape(label),
                escape(&verdict(i)),
                escape(&cut(&i.answer, LIMIT))
            ),
        };
        let _ = writeln!(
            out,
            "<div class=\"talk\"><div class=\"asked\"><h4>{} · {}</h4>{asked}</div>{}{}</div>",
            escape(name),
            escape(&item.cell),
            said(&before.label, earlier.get(name).copied()),
            said(&after.label, Some(item))
        );
    }
    if out.is_empty() {
        return aside("Transcripts", "There is no such item.");
    }
    let rule = "Chosen by rule, not by taste: items that were handled well before and failed after, then items that failed after, then the others; by name within each.";
    format!(
        "<h3>Three transcripts, {} and {}</h3>\n{}{out}",
        escape(&before.label),
        escape(&after.label),
        aside("Rule", rule)
    )
}

fn verdict(item: &Item) -> String {
    use crate::measure::Class;
    if let Some(why) = &item.unscored {
        return format!("unscored: {why}");
    }
    let how = match (failed(item), class(item)) {
        (None, _) => "no verdict",
        (Some(false), _) => "as intended",
        (Some(true), Class::DoesNotKnow) => "failed: does not know",
        (Some(true), Class::KnowsAndDoesOtherwise) => "failed: knows and does otherwise",
        (Some(true), Class::Undetermined) => "failed: undetermined",
    };
    if item.refused { format!("{how}, refused") } else { how.to_owned() }
}
