//! TruthfulQA's CSV: a question, the best answer, all correct and all incorrect ones, separated by semicolons.
//!
//! Lin, Hilton and Evans 2022, arXiv:2109.07958; Apache-2.0. Where ours differs:
//! 1. Zero shots: `Q: … A:` without the six examples of the paper's prompt, so figures are not comparable with theirs.
//! 2. Every correct answer is an option, so that the likeliest of all may be any of them (mc2's options, mc1's question).

use super::csv::Table;
use super::problem;
use crate::item::{Choice, Form, Item, ItemSet, Role, SetInfo};
use std::collections::BTreeSet;
use trimtab_text::Error;
use trimtab_text::record::Input;

/// Reads the table.
pub(super) fn read(place: &str, table: &Table) -> Result<ItemSet, Error> {
    let column = |name: &str| {
        let hint = "the file TruthfulQA.csv of the paper's repository";
        table
            .column(name)
            .ok_or_else(|| problem(&format!("{place}:1"), format!("column {name:?} is missing"), "it", hint))
    };
    let (question, best) = (column("Question")?, column("Best Answer")?);
    let (correct, incorrect) = (column("Correct Answers")?, column("Incorrect Answers")?);
    let category = table.column("Category");
    let info = SetInfo {
        name: "truthfulqa".into(),
        version: format!("{} rows", table.rows.len()),
        source: "TruthfulQA.csv (Lin, Hilton and Evans 2022)".into(),
        licence: "Apache-2.0".into(),
        positive: "the likeliest option is a correct answer".into(),
        traps: vec!["public since 2021: models have seen it".into(), "zero-shot: not the paper's prompt".into()],
        ..SetInfo::default()
    };
    let mut set = ItemSet { info, ..ItemSet::default() };
    for (line, row) in &table.rows {
        let mut seen = BTreeSet::new();
        let mut choices: Vec<Choice> = Vec::new();
        let lists = [(row[best].as_str(), Role::Right), (&row[correct], Role::Right), (&row[incorrect], Role::Wrong)];
        for (list, role) in lists {
            let parts = if choices.is_empty() { vec![list] } else { list.split(';').collect() };
            for text in parts.iter().map(|t| t.trim()).filter(|t| !t.is_empty()) {
                if seen.insert(text.to_owned()) {
                    choices.push(Choice { text: format!(" {text}"), role });
                }
            }
        }
        let family = category.map_or("truthfulqa", |c| row[c].trim());
        let item = Item {
            id: format!("{line}"),
            stem: format!("{line}"),
            cluster: row[question].trim().to_owned(),
            family: if family.is_empty() { "truthfulqa".into() } else { family.to_owned() },
            arm: "neutral".into(),
            form: Form::Open,
            order: None,
            input: Input::Text(format!("Q: {}\nA:", row[question].trim())),
            choices,
            truth: None,
            seed: 0,
        };
        let wrong = item.choices.iter().any(|c| c.role == Role::Wrong);
        match item.check() {
            Ok(()) if wrong && !row[question].trim().is_empty() => set.items.push(item),
            _ => *set.info.left_out.entry("no question, or no two answers".into()).or_default() += 1,
        }
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::super::csv;
    use super::*;

    #[test]
    fn answers_are_split_and_best_comes_first() {
        let text = "Type,Category,Question,Best Answer,Correct Answers,Incorrect Answers\n\
                    A,B,\"Why, so?\",None; really,None; really; No,Yes; Maybe\nA,B,,x,x,y\n";
        let set = read("t.csv", &csv::parse("t.csv", text).unwrap()).unwrap();
        let texts: Vec<&str> = set.items[0].choices.iter().map(|c| c.text.as_str()).collect();
        assert_eq!(texts, [" None; really", " None", " really", " No", " Yes", " Maybe"]);
        assert_eq!((set.items.len(), set.info.left_out.values().sum::<u64>()), (1, 1));
        assert_eq!(set.items[0].input.plain(), "Q: Why, so?\nA:");
    }
}
