//! Limits that guard a release: `--fail-on 'NAME>VALUE'`.

use std::fmt;
use std::str::FromStr;
use trimtab_stats::Measured;

/// A figure that a limit can be on.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// Whose it is.
    pub model: &'a str,
    /// Its name.
    pub name: &'a str,
    /// What was found.
    pub value: &'a Measured,
}

/// A limit on one figure: it fails where the figure is beyond it.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    name: String,
    above: bool,
    value: f64,
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let at = text.find(['>', '<']).ok_or("no > or <, as in 'regressive.before.open>0.2'")?;
        let (name, rest) = text.split_at(at);
        let value: f64 = rest[1..].trim().parse().map_err(|_| format!("{:?} is no number", rest[1..].trim()))?;
        if name.trim().is_empty() || !value.is_finite() {
            return Err("expected NAME>VALUE, with a figure's name and a finite number".into());
        }
        Ok(Self { name: name.trim().to_owned(), above: rest.starts_with('>'), value })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.name, if self.above { '>' } else { '<' }, self.value)
    }
}

impl Limit {
    /// Says of each figure of this name why it fails, if it does. What cannot be measured fails: a gate that
    /// opens because nothing could be seen guards nothing.
    ///
    /// # Errors
    /// If there is no figure of this name.
    pub fn check(&self, all: &[Named]) -> Result<Vec<String>, String> {
        let found: Vec<&Named> = all.iter().filter(|f| f.name == self.name).collect();
        if found.is_empty() {
            let names: Vec<&str> = all.iter().map(|f| f.name).collect();
            return Err(format!(
                "--fail-on {self}: no such figure\n  expected one of {}\n  try: a name as printed",
                names.join(", ")
            ));
        }
        let fails = |&Named { model, value, .. }: &Named| {
            let reason = &value.reason;
            let Some(value) = value.value else {
                let reason = reason.as_deref().unwrap_or("no value");
                return Some(format!("--fail-on {self}: {model} has no value: {reason}"));
            };
            let beyond = if self.above { value > self.value } else { value < self.value };
            beyond.then(|| format!("--fail-on {self}: {model} has {value:.3}"))
        };
        Ok(found.into_iter().filter_map(fails).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_names_and_numbers() {
        assert_eq!("a.b>0.2".parse::<Limit>().unwrap().to_string(), "a.b>0.2");
        assert_eq!("a < -1".parse::<Limit>().unwrap().to_string(), "a<-1");
        for bad in ["", "a", ">1", "a>", "a>x", "a>NaN", "a=1"] {
            assert!(bad.parse::<Limit>().is_err(), "{bad}");
        }
    }
}
