//! `trimtab audit compare`: two models on the same items.

use super::show::value;
use super::threshold::Named;
use super::{Output, gate};
use anyhow::Result;
use serde_json::json;
use std::io::Write as _;
use std::path::PathBuf;
use trimtab_audit::compare::{Compared, adjust, compare, pairs};

/// Share of false findings among all that are called findings.
const Q: f64 = 0.05;

/// Compares, prints, and checks the limits on differences.
pub fn run(dirs: &[PathBuf], output: &Output) -> Result<()> {
    let pairs = pairs(dirs)?;
    let mut all: Vec<Compared> = pairs.iter().flat_map(|[a, b]| compare(a, b)).collect();
    adjust(&mut all);
    let [a, b] = pairs.first().map_or(["", ""], |[a, b]| [a.header.model.as_str(), b.header.model.as_str()]);
    let made = all.iter().filter(|c| c.p.is_some()).count();
    let found = all.iter().filter(|c| c.adjusted.is_some_and(|p| p <= Q)).count();
    let mut out = std::io::stdout().lock();
    if output.json {
        let summary = json!({"a": a, "b": b, "compared": made, "not_measurable": all.len() - made, "comparisons": all});
        writeln!(out, "{summary:#}")?;
    } else {
        writeln!(out, "A: {a}\nB: {b}")?;
        let width = all.iter().map(|c| c.name.len()).max().unwrap_or(0);
        let mut set = "";
        for compared in &all {
            if compared.set != set {
                set = &compared.set;
                writeln!(out, "{set}")?;
            }
            writeln!(out, "  {:<width$}  {}", compared.name, line(compared))?;
        }
        let not = all.len() - made;
        writeln!(out, "{found} of {made} differ at q {Q} (Benjamini and Hochberg); {not} not measurable")?;
    }
    let named: Vec<Named> = all.iter().map(|c| Named { model: b, name: &c.name, value: &c.difference }).collect();
    gate(&output.fail_on, &named)
}

fn line(c: &Compared) -> String {
    let side =
        |rate: trimtab_stats::Rate| format!("{}/{}, unscored {}", rate.numerator, rate.denominator, rate.unscored);
    let counts = format!("A {} · B {} · only A {}, only B {}", side(c.a), side(c.b), c.table.only_a, c.table.only_b);
    match (c.p, c.adjusted) {
        (Some(p), Some(adjusted)) => {
            format!(
                "B − A {} ({counts}) · {} clusters, p {p:.2e}, adjusted {adjusted:.2e}",
                value(&c.difference),
                c.clusters
            )
        }
        _ => format!("{} ({counts})", value(&c.difference)),
    }
}
