//! The config of a run: file, then `--set`, then checks. Precedence: --set over file over default.

use crate::failure::Usage;
use anyhow::{Context, Result};
use clap::Args;
use std::path::{Path, PathBuf};
use trimtab_alignment::config::Config;

/// Where settings come from.
#[derive(Debug, Args)]
pub struct Settings {
    /// Config file, TOML.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// One setting, such as `ppo.beta=0.1` or `data.corpus=wiki.txt`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Seed of every random stream; `--set seed=N` for short.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Folder that holds run folders.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub runs: PathBuf,
}

impl Settings {
    /// The resolved config.
    ///
    /// # Errors
    /// [`Usage`] for a file that cannot be read, a key that does not exist, or a value that cannot be right.
    pub fn resolve(&self) -> Result<Config> {
        let place = self.config.display();
        let text = std::fs::read_to_string(&self.config).map_err(|e| {
            Usage(format!("{place}: {e}\n  expected a config file\n  try: --config configs/smollm2.toml, or `trimtab config show --config FILE`"))
        })?;
        let mut table: toml::Table = text.parse().map_err(|e| Usage(format!("{place}: {e}")))?;
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
        let config: Config = table.try_into().map_err(|e| {
            Usage(format!("{place}: {e}  try: `trimtab config show --config {place}` for every key and its default"))
        })?;
        config.check()?;
        Ok(config)
    }

    /// The folder of this config's run.
    pub fn folder(&self, config: &Config) -> PathBuf {
        self.runs.join(&config.name)
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
    fn dotted_keys_reach_into_sections() {
        let mut table = toml::Table::new();
        set(&mut table, "ppo.beta", toml::Value::Float(0.1)).unwrap();
        assert_eq!(table["ppo"]["beta"], toml::Value::Float(0.1));
        table.insert("name".into(), toml::Value::String("x".into()));
        assert!(set(&mut table, "name.x", toml::Value::Boolean(true)).is_err());
    }
}
