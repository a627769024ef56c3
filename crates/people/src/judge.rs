//! Scripted judges: rankings of sampled answers without people.

use crate::Error;
use serde_json::Map;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::process::{Command, Stdio};
use trimtab_run::stream;
use trimtab_text::record::{Ranking, Samples, write_jsonl};

/// Who ranks sampled answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judge {
    /// Closeness to the ideal answer: F1 over words, ties where it is equal.
    Reference,
    /// The longer the better: a planted bias.
    Longer,
    /// The shorter the better.
    Shorter,
    /// A program that reads samples on standard input and writes rankings on standard output, JSONL both.
    Command(Vec<String>),
}

impl Judge {
    /// Reads the setting `rank.judge`; `none` is no judge.
    ///
    /// # Errors
    /// [`Error::UnknownJudge`].
    pub fn parse(text: &str) -> Result<Option<Self>, Error> {
        Ok(Some(match text {
            "none" => return Ok(None),
            "reference" => Self::Reference,
            "longer" => Self::Longer,
            "shorter" => Self::Shorter,
            other => match other
                .strip_prefix("command:")
                .map(|c| c.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            {
                Some(words) if !words.is_empty() => Self::Command(words),
                _ => return Err(Error::UnknownJudge(text.into())),
            },
        }))
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Reference => "judge:reference",
            Self::Longer => "judge:longer",
            Self::Shorter => "judge:shorter",
            Self::Command(_) => "judge:command",
        }
    }
}

/// Ranks every record's answers. `ideal` gives the ideal answer of a prompt by record id; records without one are left
/// out by [`Judge::Reference`] and counted in the second value.
///
/// # Errors
/// [`Error::Program`], [`Error::Invalid`].
pub fn rank(
    judge: &Judge,
    samples: &[Samples],
    ideal: &BTreeMap<String, String>,
    seed: u64,
) -> Result<(Vec<Ranking>, u64), Error> {
    if let Judge::Command(words) = judge {
        return run_program(words, samples).map(|r| (r, 0));
    }
    let (mut out, mut without) = (Vec::new(), 0);
    for (i, record) in samples.iter().enumerate() {
        let words = |text: &str| text.split_whitespace().count() as f64;
        let worth: Vec<f64> = match judge {
            Judge::Longer => record.answers.iter().map(|a| words(&a.text)).collect(),
            Judge::Shorter => record.answers.iter().map(|a| -words(&a.text)).collect(),
            Judge::Reference | Judge::Command(_) => {
                let Some(ideal) = ideal.get(&record.id) else {
                    without += 1;
                    continue;
                };
                record.answers.iter().map(|a| word_f1(&a.text, ideal)).collect()
            }
        };
        let ids: Vec<String> = record.answers.iter().map(|a| a.id.clone()).collect();
        let ranks = ids.iter().zip(ranks_of(&worth)).map(|(id, r)| (id.clone(), r)).collect::<BTreeMap<_, _>>();
        let mut shown = ids.clone();
        stream(seed, "rank/shown", 1, i as u64).shuffle(&mut shown);
        out.push(Ranking {
            prompt_id: record.id.clone(),
            answers: ids,
            shown,
            ranks,
            person: Some(judge.name().into()),
            at: None,
            seconds: None,
            flags: BTreeMap::new(),
            verdict: None,
            margin: None,
            guideline: None,
            extra: Map::new(),
        });
    }
    Ok((out, without))
}

/// Ranks from worths: 1 for the greatest, equal ranks for equal worths, the next rank counting all before it.
fn ranks_of(worth: &[f64]) -> Vec<u32> {
    worth.iter().map(|w| 1 + worth.iter().filter(|v| *v > w).count() as u32).collect()
}

/// F1 over lower-cased words, as SQuAD's (Rajpurkar et al. 2016, arXiv:1606.05250, section 6.1) without its article rule.
fn word_f1(answer: &str, ideal: &str) -> f64 {
    let words = |text: &str| {
        let mut counts = HashMap::<String, usize>::new();
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()) {
            *counts.entry(word.to_lowercase()).or_default() += 1;
        }
        counts
    };
    let (a, b) = (words(answer), words(ideal));
    let (na, nb) = (a.values().sum::<usize>() as f64, b.values().sum::<usize>() as f64);
    let common = a.iter().map(|(w, n)| *n.min(b.get(w).unwrap_or(&0))).sum::<usize>() as f64;
    if common == 0.0 { 0.0 } else { 2.0 * common / (na + nb) }
}

fn run_program(words: &[String], samples: &[Samples]) -> Result<Vec<Ranking>, Error> {
    let program = words.join(" ");
    let failed = |problem: String| Error::Program { program: program.clone(), problem };
    let input = write_jsonl(samples).map_err(|e| failed(e.to_string()))?;
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| failed(format!("could not be started: {e}")))?;
    let stdin = child.stdin.take();
    // Written from a thread of its own: a judge that answers before it has read everything must not block us both.
    let writer = std::thread::spawn(move || stdin.map_or(Ok(()), |mut s| s.write_all(&input)));
    let output = child.wait_with_output().map_err(|e| failed(e.to_string()))?;
    let written = writer.join().map_err(|_| failed("its input could not be written".into()))?;
    if !output.status.success() {
        return Err(failed(format!("ended with {}", output.status)));
    }
    written.map_err(|e| failed(format!("did not read its input: {e}")))?;
    let mut out = Vec::new();
    for (i, line) in
        output.stdout.split(|&b| b == b'\n').enumerate().filter(|(_, l)| !l.iter().all(u8::is_ascii_whitespace))
    {
        let ranking: Ranking = serde_json::from_slice(line).map_err(|e| failed(format!("line {}: {e}", i + 1)))?;
        let invalid = |field: &str, problem: String| Error::Invalid {
            path: program.clone().into(),
            index: i + 1,
            prompt: ranking.prompt_id.clone(),
            field: field.into(),
            problem,
        };
        ranking.validate().map_err(|(field, problem)| invalid(field, problem))?;
        let record = samples
            .iter()
            .find(|s| s.id == ranking.prompt_id)
            .ok_or_else(|| invalid("prompt_id", "names no sampled prompt".into()))?;
        if let Some(id) = ranking.answers.iter().find(|id| !record.answers.iter().any(|a| &a.id == *id)) {
            return Err(invalid("answers", format!("names {id:?}, which was not sampled")));
        }
        out.push(ranking);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_worths_are_ties_and_the_next_rank_counts_them() {
        assert_eq!(ranks_of(&[0.5, 0.9, 0.5, 0.1]), [2, 1, 2, 4]);
    }

    #[test]
    fn word_f1_by_hand() {
        assert!((word_f1("the red door", "The door") - 0.8).abs() < 1e-12);
        assert_eq!(word_f1("", "x"), 0.0);
    }

    #[test]
    fn judges_are_read_by_name() {
        assert_eq!(Judge::parse("none").unwrap(), None);
        assert_eq!(Judge::parse("command:cat -n").unwrap(), Some(Judge::Command(vec!["cat".into(), "-n".into()])));
        assert!(Judge::parse("gpt").is_err() && Judge::parse("command:").is_err());
    }
}
