//! People's preference pairs from a file, as both models read them.
//!
//! 1. A prompt that is too long keeps its last half of the tokens allowed, and answers are cut at the end. Pairs whose answers are then the
//!    same to one of the models teach it nothing and are left out of all parts, counted.
//! 2. Pairs of one group, of one prompt, of nearly the same prompt, or with nearly the same text altogether are one group.

use crate::failure::Usage;
use anyhow::Result;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use trimtab_oversight::reward::{Parts, Preference, Sizes};
use trimtab_oversight::split::{grouped, joined};
use trimtab_oversight::transformers::Pair;
use trimtab_text::dataset::comparisons;
use trimtab_text::record::Comparison;
use trimtab_text::{Tokenizer, encode_answer};
use trimtab_world::pretrain::encode;

/// How texts become tokens.
pub(super) enum Encoder {
    /// Words of the world; others are unknown to it.
    World,
    /// A checkpoint's own tokenizer.
    Own(Box<Tokenizer>),
}

/// What a file held.
#[derive(Debug, Serialize)]
pub(super) struct Read {
    /// Pairs that are used, the better answer first.
    #[serde(skip)]
    pub pairs: Vec<Preference>,
    /// The group of each.
    #[serde(skip)]
    pub groups: Vec<usize>,
    /// Pairs that are used.
    pub used: usize,
    /// Their groups.
    pub group_count: usize,
    /// Groups by prompts as they are named or written, before near duplicates were joined.
    pub prompts: usize,
    /// What was left out, or cut, by reason.
    pub counters: BTreeMap<String, u64>,
    /// Share of tokens that a model of the world does not know; none of checkpoints.
    pub unknown_words: Option<f64>,
}

/// Reads `path` for two models that take up to `most` tokens.
pub(super) fn read(path: &Path, encoders: &[Encoder; 2], most: usize) -> Result<Read> {
    let (records, counted) = comparisons(path)?;
    let mut counters = counted.0;
    let mut count = |what: &str, n: u64| {
        if n > 0 {
            *counters.entry(what.to_owned()).or_default() += n;
        }
    };
    let (mut pairs, mut kept): (Vec<Preference>, Vec<&Comparison>) = (Vec::new(), Vec::new());
    let (mut unknown, mut known) = (0, 0);
    for record in &records {
        if record.tie {
            count("skipped.ties", 1);
            continue;
        }
        let [Some(weak), Some(strong)] = [encoded(&encoders[0], record)?, encoded(&encoders[1], record)?] else {
            count("skipped.prompts that the template writes differently beside each answer", 1);
            continue;
        };
        let [(weak, cut_weak), (strong, cut_strong)] = [cut(weak, most), cut(strong, most)];
        if [&weak, &strong].iter().any(|pair| pair.answers.iter().any(Vec::is_empty)) {
            count("skipped.an answer without tokens", 1);
            continue;
        }
        count("noted.cut to --max-tokens", u64::from(cut_weak || cut_strong));
        let same = [&weak, &strong].map(|pair| pair.answers[0] == pair.answers[1]);
        count("noted.answers that are the same to the weak model", u64::from(same[0]));
        count("noted.answers that are the same to the strong model", u64::from(same[1]));
        if same.contains(&true) {
            count("skipped.answers that are the same after encoding and cutting", 1);
            continue;
        }
        let tokens = weak.prompt.iter().chain(weak.answers.iter().flatten());
        unknown += tokens.clone().filter(|token| **token == 0).count();
        known += tokens.count();
        let words = [&record.chosen, &record.rejected].map(|text| text.split_whitespace().count());
        pairs.push(Preference { weak, strong, words, content: None });
        kept.push(record);
    }
    if pairs.is_empty() {
        let left_out: Vec<String> = counters.iter().map(|(what, n)| format!("{what}: {n}")).collect();
        let advice = "expected pairs of a better and a worse answer\n  try: trimtab data check FILE --kind comparisons";
        return Err(
            Usage(format!("{}: no pair can be used ({})\n  {advice}", path.display(), left_out.join(", "))).into()
        );
    }
    let prompts: Vec<String> = kept.iter().map(|record| prompt(record)).collect();
    let whole: Vec<String> =
        kept.iter().zip(&prompts).map(|(r, prompt)| format!("{prompt} {} {}", r.chosen, r.rejected)).collect();
    let slices = |texts: &[String]| grouped(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let mut numbers = HashMap::new();
    let named: Vec<usize> = kept
        .iter()
        .map(|record| {
            let next = numbers.len();
            *numbers.entry(record.group_key()).or_insert(next)
        })
        .collect();
    let groups = joined(&joined(&named, &slices(&prompts)), &slices(&whole));
    let group_count = groups.iter().collect::<std::collections::BTreeSet<_>>().len();
    let of_world = matches!(encoders[0], Encoder::World);
    Ok(Read {
        used: pairs.len(),
        prompts: numbers.len(),
        group_count,
        unknown_words: of_world.then(|| unknown as f64 / known as f64),
        pairs,
        groups,
        counters,
    })
}

impl Read {
    /// The parts of a seed.
    pub(super) fn parts(&self, sizes: &Sizes, seed: u64) -> Result<Parts> {
        Ok(Parts::of_pairs(&self.pairs, &self.groups, sizes, seed)?)
    }
}

fn prompt(record: &Comparison) -> String {
    record.input().messages().iter().map(|message| message.content.as_str()).collect::<Vec<_>>().join(" ")
}

/// Tokens of prompt and answers; nothing where the answers do not follow the same tokens.
fn encoded(encoder: &Encoder, record: &Comparison) -> Result<Option<Pair>> {
    match encoder {
        Encoder::World => {
            let texts = [&prompt(record), &record.chosen, &record.rejected].map(|text| spaced(text));
            let mut tokens = encode(&texts).into_iter().map(|mut tokens| {
                // The end of a document, which an answer is scored before.
                tokens.pop();
                tokens
            });
            let (prompt, better, worse) = (tokens.next(), tokens.next(), tokens.next());
            Ok(prompt.zip(better).zip(worse).map(|((prompt, a), b)| Pair { prompt, answers: [a, b] }))
        }
        Encoder::Own(tokenizer) => {
            let mut sides = Vec::new();
            for answer in [&record.chosen, &record.rejected] {
                let all = encode_answer(tokenizer, record.input(), answer)?;
                let (start, end) = (all.answer_start(), all.train.iter().rposition(|&t| t).map_or(0, |last| last + 1));
                sides.push((all.tokens[..start].to_vec(), all.tokens[start..end.max(start)].to_vec()));
            }
            let (Some((other, worse)), Some((prompt, better))) = (sides.pop(), sides.pop()) else { return Ok(None) };
            Ok((prompt == other).then_some(Pair { prompt, answers: [better, worse] }))
        }
    }
}

/// Lower case, punctuation apart, as the world writes.
fn spaced(text: &str) -> String {
    let mut out = String::new();
    for c in text.to_lowercase().chars() {
        if c.is_alphanumeric() || c.is_whitespace() {
            out.push(c);
        } else {
            out.extend([' ', c, ' ']);
        }
    }
    out
}

/// At most `most` tokens of a prompt with either answer, and whether anything was cut.
fn cut(mut pair: Pair, most: usize) -> (Pair, bool) {
    let longest = pair.answers.iter().map(Vec::len).max().unwrap_or(0);
    if pair.prompt.len() + longest <= most {
        return (pair, false);
    }
    let keep = (most / 2).max(most.saturating_sub(longest)).min(pair.prompt.len());
    pair.prompt.drain(..pair.prompt.len() - keep);
    pair.answers.iter_mut().for_each(|answer| answer.truncate(most - keep));
    (pair, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_oversight::Part;
    use trimtab_oversight::leak::shared_texts;
    use trimtab_oversight::reward::Pairs;

    #[test]
    fn long_prompts_lose_their_beginning_and_answers_their_end() {
        let pair = |prompt: u32, a: u32, b: u32| Pair {
            prompt: (0..prompt).collect(),
            answers: [(0..a).collect(), (0..b).collect()],
        };
        assert_eq!(cut(pair(4, 2, 3), 8), (pair(4, 2, 3), false));
        let (short, was) = cut(pair(20, 3, 2), 8);
        assert!(was && short.prompt == [15, 16, 17, 18, 19] && short.answers == [vec![0, 1, 2], vec![0, 1]]);
        let (long, _) = cut(pair(20, 30, 2), 8);
        assert!(long.prompt == [16, 17, 18, 19] && long.answers == [vec![0, 1, 2, 3], vec![0, 1]]);
    }

    /// A file whose prompts come twice, with other words beside them, in other cases: nothing nearly the same is in T and elsewhere.
    #[test]
    fn a_file_does_not_leak() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pairs.jsonl");
        let mut lines = String::new();
        for i in 10..16 {
            for j in (10..16).filter(|j| *j != i) {
                for prompt in [format!("what is {i} plus {j} ?"), format!("What is {i}, plus {j}")] {
                    let (chosen, rejected) = (format!("it is {i} ."), format!("maybe it is {j} ."));
                    let record = serde_json::json!({"prompt": prompt, "chosen": chosen, "rejected": rejected});
                    lines.push_str(&record.to_string());
                    lines.push('\n');
                }
            }
        }
        lines += "{\"prompt\": \"x\", \"chosen\": \"zzz\", \"rejected\": \"qqq\"}\n";
        std::fs::write(&path, lines).unwrap();
        let read = read(&path, &[Encoder::World, Encoder::World], 64).unwrap();
        assert_eq!((read.used, read.prompts), (60, 60));
        let same = "skipped.answers that are the same after encoding and cutting";
        assert_eq!(read.counters[same], 1, "both are unknown words");
        // Either order of the numbers, with or without punctuation: fifteen groups of four.
        assert_eq!((read.group_count, read.unknown_words), (15, Some(0.0)));
        let parts = read.parts(&Sizes { a: 20, b: 20, t: 20, pools: 0, answers: 0 }, 0).unwrap();
        let texts = |part: Part, pairs: &Pairs| -> Vec<(Part, String)> {
            let text = |pair: &Pair| pair.prompt.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
            pairs.weak.iter().map(|pair| (part, text(pair))).collect()
        };
        let all = [texts(Part::A, &parts.a), texts(Part::B, &parts.b), texts(Part::T, &parts.t)].concat();
        let rows: Vec<(Part, usize, &str)> = all.iter().map(|(part, text)| (*part, 0, text.as_str())).collect();
        assert_eq!(shared_texts(&rows), None);
    }
}
