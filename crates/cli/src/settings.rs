//! The config of a run: file, then `--set`, then checks. Precedence: --set over file over default.

use crate::failure::Usage;
use crate::world_run::WorldRun;
use anyhow::{Context, Result};
use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use trimtab_alignment::config::Config;

/// Where settings come from.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Config file, TOML; without one, the embedded world.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One setting, such as `ppo.beta=0.1` or `data.corpus=wiki.txt`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Seed of every random stream; `--set seed=N` for short.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Folder that holds run folders.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub runs: PathBuf,
    /// Results as JSON on standard output; progress stays on standard error.
    #[arg(long)]
    pub json: bool,
}

/// Settings, resolved: those of every run, and those of a run on the world.
#[derive(Debug)]
pub struct Resolved {
    /// Stages of every run.
    pub config: Config,
    /// The world, where the settings have one.
    pub world: Option<WorldRun>,
    /// What is swept over, where the settings say so.
    pub sweep: Option<Sweep>,
}

/// A sweep: one run for each value and seed. Runs of one seed share the stages before the first that the key touches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// The setting, such as `people.agreement`.
    pub key: String,
    /// Its values, from 0 up.
    pub values: Vec<f64>,
    /// The seeds.
    pub seeds: Vec<u64>,
}

impl Sweep {
    fn check(&self) -> Result<(), Usage> {
        let sound = self.values.iter().all(|v| v.is_finite() && *v >= 0.0);
        if !sound || self.values.is_empty() || self.seeds.is_empty() {
            let what = format!("sweep: {} values and {} seeds", self.values.len(), self.seeds.len());
            return Err(Usage(format!(
                "{what}\n  expected at least one of each, values from 0 up\n  try: values = [0.2, 0.8], seeds = [1, 2]"
            )));
        }
        Ok(())
    }
}

impl Resolved {
    /// In the sections of a config file.
    pub fn table(&self) -> Result<toml::Table> {
        let mut table = toml::Table::try_from(&self.config)?;
        if let Some(world) = &self.world {
            // They are the run's own files, not settings.
            table.remove("model");
            table.remove("data");
            table.extend(toml::Table::try_from(world)?);
        }
        if let Some(sweep) = &self.sweep {
            table.insert("sweep".into(), toml::Value::try_from(sweep)?);
        }
        Ok(table)
    }
}

/// The default run.
const EMBEDDED: &str = include_str!("../../../configs/world.toml");

impl Settings {
    /// The resolved config.
    ///
    /// # Errors
    /// [`Usage`] for a file that cannot be read, a key that does not exist, or a value that cannot be right.
    pub fn resolve(&self) -> Result<Resolved> {
        let (place, text) = match &self.config {
            None => ("the embedded world".to_owned(), EMBEDDED.to_owned()),
            Some(file) => {
                let place = file.display().to_string();
                let text = std::fs::read_to_string(file).map_err(|e| {
                    Usage(format!("{place}: {e}\n  expected a config file\n  try: --config configs/smollm2.toml, or no --config for the embedded world"))
                })?;
                (place, text)
            }
        };
        let parse = |text: &str| text.parse::<toml::Table>().map_err(|e| Usage(format!("{place}: {e}")));
        let mut table = parse(&text)?;
        if let Some(base) = table.remove("extends") {
            if base.as_str() != Some("world") {
                let advice = "expected \"world\", the embedded default run\n  try: extends = \"world\", or none";
                return Err(Usage(format!("{place}: extends: is {base}\n  {advice}")).into());
            }
            let mut whole = parse(EMBEDDED)?;
            overlay(&mut whole, table);
            table = whole;
        }
        for assignment in &self.set {
            let (key, value) = assignment.split_once('=').ok_or_else(|| {
                Usage(format!("--set {assignment}: no '='\n  expected KEY=VALUE\n  try: --set ppo.beta=0.1"))
            })?;
            set(&mut table, key, parse_value(value)).with_context(|| format!("--set {assignment}"))?;
        }
        if let Some(seed) = self.seed {
            table.insert(
                "seed".into(),
                toml::Value::Integer(i64::try_from(seed).map_err(|_| {
                    Usage(format!("--seed {seed}: too large\n  expected at most {}\n  try: a smaller seed", i64::MAX))
                })?),
            );
        }
        let refused = |e: toml::de::Error| {
            Usage(format!("{place}: {e}  try: `trimtab config show` for every key and its default"))
        };
        let sweep: Option<Sweep> =
            table.remove("sweep").map(|section| section.try_into().map_err(refused)).transpose()?;
        if let Some(sweep) = &sweep {
            sweep.check()?;
        }
        let world = if table.contains_key("world") { Some(take_world(&mut table, &place)?) } else { None };
        let world: Option<WorldRun> = world.map(|sections| sections.try_into().map_err(refused)).transpose()?;
        let config: Config = table.try_into().map_err(refused)?;
        config.check()?;
        if let Some(world) = &world {
            world.check()?;
        }
        Ok(Resolved { config, world, sweep })
    }

    /// The folder of this config's run.
    pub fn folder(&self, config: &Config) -> PathBuf {
        self.runs.join(&config.name)
    }
}

/// Takes the sections of a run on the world out of `table`, which gets the run's own files as model and data instead.
fn take_world(table: &mut toml::Table, place: &str) -> Result<toml::Table, Usage> {
    for key in ["model", "data"] {
        if table.contains_key(key) {
            let advice = "expected a run on the world, which makes its own model and data, or one on files\n  try: a config without the section world";
            return Err(Usage(format!("{place}: section {key} beside section world\n  {advice}")));
        }
    }
    let mut sections = toml::Table::new();
    for key in ["world", "pretrain", "people", "evaluation"] {
        if let Some(value) = table.remove(key) {
            sections.insert(key.into(), value);
        }
    }
    let of = |pairs: &[(&str, &str)]| {
        toml::Value::Table(pairs.iter().map(|&(k, v)| (k.to_owned(), toml::Value::String(v.to_owned()))).collect())
    };
    table.insert("model".into(), of(&[("source", "base/checkpoint")]));
    table
        .insert("data".into(), of(&[("demonstrations", "world/demonstrations.jsonl"), ("corpus", "world/corpus.txt")]));
    Ok(sections)
}

/// Puts the settings of `over` over those of `table`, section by section.
fn overlay(table: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(section)), toml::Value::Table(over)) => overlay(section, over),
            (_, value) => drop(table.insert(key, value)),
        }
    }
}

/// As TOML where it is TOML (numbers, booleans, arrays, quoted strings), else as the string itself.
pub fn parse_value(text: &str) -> toml::Value {
    let parsed: Option<toml::Value> = format!("v = {text}").parse::<toml::Table>().ok().and_then(|mut t| t.remove("v"));
    parsed.unwrap_or_else(|| toml::Value::String(text.to_owned()))
}

/// Puts a value under a dotted key, whose sections are made where they are missing.
///
/// # Errors
/// [`Usage`] if a part of the key is no section.
pub fn set(table: &mut toml::Table, key: &str, value: toml::Value) -> Result<()> {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
            Ok(())
        }
        Some((head, rest)) => {
            let entry = table.entry(head).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            let inner = entry.as_table_mut().ok_or_else(|| {
                Usage(format!("{head}: not a section\n  expected a setting without parts after the dot\n  try: `trimtab config show`"))
            })?;
            set(inner, rest, value)
        }
    }
}

/// The cache of downloaded models: TRIMTAB_CACHE, else the user's cache folder.
pub fn cache_folder() -> PathBuf {
    let of = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    of("TRIMTAB_CACHE")
        .or_else(|| of("XDG_CACHE_HOME").map(|d| d.join("trimtab")))
        .or_else(|| of("HOME").map(|d| d.join(".cache/trimtab")))
        .unwrap_or_else(|| Path::new(".trimtab-cache").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_toml_where_they_are_toml() {
        assert_eq!(parse_value("0.5"), toml::Value::Float(0.5));
        assert_eq!(parse_value("true"), toml::Value::Boolean(true));
        assert_eq!(parse_value("a/b.json"), toml::Value::String("a/b.json".into()));
        assert_eq!(parse_value("1\nb = 2"), toml::Value::Integer(1));
    }

    #[test]
    fn a_config_over_the_embedded_world_changes_what_it_names() {
        let mut table: toml::Table = EMBEDDED.parse().unwrap();
        let before = table.clone();
        overlay(&mut table, "name = \"x\"\n[ppo]\nsteps = 3\n[evaluation]\nbest_of = 4".parse().unwrap());
        assert_eq!((table["name"].as_str(), table["ppo"]["steps"].as_integer()), (Some("x"), Some(3)));
        assert_eq!(table["ppo"]["beta"], before["ppo"]["beta"]);
        assert_eq!(table["sft"], before["sft"]);
        assert_eq!(table["evaluation"]["best_of"].as_integer(), Some(4));
    }

    #[test]
    fn dotted_keys_reach_into_sections() {
        let mut table = toml::Table::new();
        set(&mut table, "ppo.beta", toml::Value::Float(0.1)).unwrap();
        assert_eq!(table["ppo"]["beta"], toml::Value::Float(0.1));
        table.insert("name".into(), toml::Value::String("x".into()));
        assert!(set(&mut table, "name.x", toml::Value::Boolean(true)).is_err());
    }
}
