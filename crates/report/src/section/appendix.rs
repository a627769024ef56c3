//! The appendix: what is absent, settings, lineage, versions, counters, and how to make it all again.

use super::section;
use crate::format;
use crate::html::{Cell, escape, paragraph, table};
use crate::read::Run;
use std::fmt::Write as _;
use trimtab_run::{FileRecord, Status};

/// The section.
#[must_use]
pub fn appendix(run: &Run) -> String {
    let mut body = reproduce(run);
    body += "<h3 id=\"absent\">What is absent</h3>\n";
    let rows: Vec<Vec<Cell>> = run
        .absent
        .iter()
        .map(|a| vec![Cell::text(&a.file), Cell::Undefined(format!("would show {}", a.shows))])
        .collect();
    body += &if rows.is_empty() {
        paragraph("Nothing: every file that a report is made from is here.")
    } else {
        table("Files that are not in the run folder", &["file", ""], &rows)
    };
    body += &planted(run);
    let Some(manifest) = &run.manifest else {
        body += &paragraph("There is no manifest.json: settings, versions, lineage and counters are not known.");
        return section("appendix", "Appendix", "How this was made", &body);
    };
    body += "<h3 id=\"dropped\">Everything that was dropped</h3>\n";
    let mut rows = Vec::new();
    for (stage, record) in &manifest.stages {
        rows.extend(
            record
                .counters
                .iter()
                .map(|(what, n)| vec![Cell::text(what), Cell::text(stage), Cell::number(format::count(*n))]),
        );
    }
    body += &if rows.is_empty() {
        paragraph("No stage dropped, cut or skipped anything.")
    } else {
        table("Items dropped, cut or skipped, by reason", &["reason", "stage", "items"], &rows)
    };
    body += "<h3 id=\"lineage\">Lineage and versions</h3>\n";
    let mut rows = Vec::new();
    for (stage, record) in &manifest.stages {
        let status = if record.status == Status::Done { "done" } else { "not finished" };
        let stage_cell = format!("{stage}, {status}, version {}", record.version);
        let mut push = |role: &str, file: &FileRecord| {
            rows.push(vec![
                Cell::text(&stage_cell),
                Cell::text(role),
                Cell::Html(format!("<span class=\"mono\">{}</span>", escape(&file.path))),
                Cell::number(format::count(file.bytes)),
                Cell::Html(format!("<span class=\"mono\">{}</span>", escape(&file.sha256))),
            ]);
        };
        record.inputs.iter().for_each(|f| push("read", f));
        record.outputs.iter().for_each(|f| push("wrote", f));
    }
    body += &table("Files by stage", &["stage", "", "file", "bytes", "sha256"], &rows);
    body += "<h3 id=\"config\">Settings</h3>\n";
    let config = serde_json::to_string_pretty(&manifest.config).unwrap_or_default();
    let _ = writeln!(body, "<pre>{}</pre>", escape(&config));
    section("appendix", "Appendix", "How this was made", &body)
}

fn reproduce(run: &Run) -> String {
    let name = escape(&run.name);
    let seed = run.manifest.as_ref().map_or_else(|| "SEED".into(), |m| m.seed.to_string());
    format!(
        "<h3 id=\"reproduce\">How to reproduce</h3>\n<p>Every figure on this page, from the files of the run:</p>\n<pre>trimtab report runs/{name}</pre>\n<p>The files themselves, with the settings below written as a config file; the same seed gives the same bytes:</p>\n<pre>trimtab run --config CONFIG.toml --set name={name} --seed {seed}</pre>\n"
    )
}

fn planted(run: &Run) -> String {
    if run.planted.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<Cell>> =
        run.planted.iter().map(|(name, v)| vec![Cell::text(name), Cell::number(format::number(*v))]).collect();
    format!(
        "<h3 id=\"planted\">Planted truths</h3>\n{}",
        table("As the run's world planted them", &["", "value"], &rows)
    )
}
