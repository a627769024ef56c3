//! Leaks between the parts of an experiment: the same group, or nearly the same text, in two of them.
//!
//! 1. Texts are compared as sets of words (lower case, letters and digits only) by Jaccard similarity |a ∩ b|/|a ∪ b|. At 1 they
//!    differ in order, case or punctuation only; SST-2 and MR, two public data sets, share 7,528 sentences that way.
//! 2. The search is exact, without sketches: of two sets with similarity ≥ t, the rarest |a| − ⌈t·|a|⌉ + 1 words of the one and
//!    of the other have one in common (prefix filter; Chaudhuri, Ganti and Kaushik 2006; Bayardo, Ma and Srikant 2007). Only
//!    texts with such a word in common are compared.
//! 3. A text without words is like no other.

use crate::Part;
use std::collections::{BTreeSet, HashMap};
use std::fmt;

/// Similarity from which two texts are nearly the same.
pub const NEAR: f64 = 0.8;

/// An item in one part and its like in another.
#[derive(Debug, Clone, PartialEq)]
pub struct Leak {
    /// Parts and rows of the two.
    pub rows: [(Part, usize); 2],
    /// What they have in common: a group key, or the words of the first.
    pub key: String,
}

/// Every leak that was found, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaks {
    /// What two parts have in common: `group`, or `nearly the same text`.
    pub kind: &'static str,
    /// Each pair of rows.
    pub found: Vec<Leak>,
}

impl fmt::Display for Leaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.found.len();
        write!(f, "{n} item{} in two parts by {}: ", if n == 1 { "" } else { "s" }, self.kind)?;
        for (i, leak) in self.found.iter().take(3).enumerate() {
            let [(one, row), (other, other_row)] = leak.rows;
            let shown: String = leak.key.chars().take(60).collect();
            let more = if i > 0 { "; " } else { "" };
            write!(f, "{more}{one} row {} and {other} row {} ({shown:?})", row + 1, other_row + 1)?;
        }
        if n > 3 { write!(f, "; and {} more", n - 3) } else { Ok(()) }
    }
}

/// Groups that are in more than one part; `rows` is (part, row, group key) of every item. Each group is named once.
///
/// ```
/// use trimtab_oversight::{Part, leak::shared_groups};
/// let rows = [(Part::A, 0, "q1"), (Part::A, 1, "q2"), (Part::T, 2, "q1")];
/// let leaks = shared_groups(&rows).unwrap();
/// assert_eq!(leaks.found.len(), 1);
/// assert!(leaks.to_string().contains(r#"A row 1 and T row 3 ("q1")"#), "{leaks}");
/// assert!(shared_groups(&rows[..2]).is_none());
/// ```
#[must_use]
pub fn shared_groups(rows: &[(Part, usize, &str)]) -> Option<Leaks> {
    let mut first: HashMap<&str, (Part, usize)> = HashMap::new();
    let (mut found, mut named) = (Vec::new(), BTreeSet::new());
    for &(part, row, group) in rows {
        let seen = *first.entry(group).or_insert((part, row));
        if seen.0 != part && named.insert(group) {
            found.push(Leak { rows: [seen, (part, row)], key: group.to_owned() });
        }
    }
    (!found.is_empty()).then_some(Leaks { kind: "group", found })
}

/// Rows of different parts whose texts are nearly the same ([`NEAR`]); `rows` is (part, row, text) of every item.
///
/// ```
/// use trimtab_oversight::{Part, leak::shared_texts};
/// let rows = [(Part::B, 0, "A fine, warm film."), (Part::T, 7, "a warm fine film"), (Part::T, 8, "a cold film")];
/// let leaks = shared_texts(&rows).unwrap();
/// assert_eq!(leaks.found[0].rows, [(Part::B, 0), (Part::T, 7)]);
/// ```
#[must_use]
pub fn shared_texts(rows: &[(Part, usize, &str)]) -> Option<Leaks> {
    let texts: Vec<&str> = rows.iter().map(|row| row.2).collect();
    let across = |&(one, other): &(usize, usize)| rows[one].0 != rows[other].0;
    let found: Vec<Leak> = near_duplicates(&texts, NEAR)
        .into_iter()
        .filter(across)
        .map(|(one, other)| Leak {
            rows: [(rows[one].0, rows[one].1), (rows[other].0, rows[other].1)],
            key: rows[one].2.to_owned(),
        })
        .collect();
    (!found.is_empty()).then_some(Leaks { kind: "nearly the same text", found })
}

/// All pairs (i, j), i < j, of texts whose sets of words have Jaccard similarity of at least `least`, in (0, 1].
///
/// ```
/// use trimtab_oversight::leak::near_duplicates;
/// let texts = ["one two three four", "Four! three, two - one", "one two three five", ""];
/// assert_eq!(near_duplicates(&texts, 0.9), [(0, 1)]);
/// assert_eq!(near_duplicates(&texts, 0.6), [(0, 1), (0, 2), (1, 2)]); // three of five words
/// ```
#[must_use]
pub fn near_duplicates(texts: &[&str], least: f64) -> Vec<(usize, usize)> {
    let sets = word_sets(texts);
    // By word: the texts so far that have it among their rarest.
    let mut holders: HashMap<u32, Vec<usize>> = HashMap::new();
    let mut pairs = Vec::new();
    for (j, set) in sets.iter().enumerate() {
        let prefix = (set.len() + 1).saturating_sub((least * set.len() as f64).ceil() as usize).min(set.len());
        let mut candidates = BTreeSet::new();
        for word in &set[..prefix] {
            let holders = holders.entry(*word).or_default();
            candidates.extend(holders.iter().copied());
            holders.push(j);
        }
        pairs.extend(candidates.into_iter().filter(|&i| jaccard(&sets[i], set) >= least).map(|i| (i, j)));
    }
    pairs.sort_unstable();
    pairs
}

/// Each text as the ranks of its distinct words, ascending; the rarest word of all has rank 0.
fn word_sets(texts: &[&str]) -> Vec<Vec<u32>> {
    let words: Vec<BTreeSet<String>> = texts.iter().map(|text| words(text)).collect();
    let mut counts: HashMap<&str, u32> = HashMap::new();
    for word in words.iter().flatten() {
        *counts.entry(word).or_default() += 1;
    }
    let mut order: Vec<(u32, &str)> = counts.into_iter().map(|(word, count)| (count, word)).collect();
    order.sort_unstable();
    let ranks: HashMap<&str, u32> = order.iter().enumerate().map(|(rank, (_, word))| (*word, rank as u32)).collect();
    let of = |set: &BTreeSet<String>| {
        let mut ranked: Vec<u32> = set.iter().filter_map(|word| ranks.get(word.as_str()).copied()).collect();
        ranked.sort_unstable();
        ranked
    };
    words.iter().map(of).collect()
}

fn words(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// |a ∩ b|/|a ∪ b| of two ascending sets; 0 of two empty ones.
fn jaccard(a: &[u32], b: &[u32]) -> f64 {
    let both = a.iter().filter(|word| b.binary_search(word).is_ok()).count();
    let either = a.len() + b.len() - both;
    if either == 0 { 0.0 } else { both as f64 / either as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_message_names_the_first_three() {
        let rows: Vec<(Part, usize, &str)> =
            ["u", "v", "w", "x"].iter().flat_map(|g| [(Part::A, 0, *g), (Part::B, 1, *g)]).collect();
        let said = shared_groups(&rows).unwrap().to_string();
        assert!(said.starts_with("4 items in two parts by group: A row 1 and B row 2 (\"u\")"), "{said}");
        assert!(said.ends_with("and 1 more") && !said.contains("\"x\""), "{said}");
    }

    proptest! {
        /// Law: the prefix filter finds exactly what comparing all pairs finds.
        #[test]
        fn nothing_is_missed(sets in prop::collection::vec(prop::collection::vec(0u8..12, 0..9), 0..25), least in 0.3f64..1.0) {
            let text = |set: &Vec<u8>| set.iter().map(|w| format!("w{w}")).collect::<Vec<_>>().join(" ");
            let texts: Vec<String> = sets.iter().map(text).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let sets = word_sets(&texts);
            let mut all = Vec::new();
            for i in 0..sets.len() {
                for j in i + 1..sets.len() {
                    if jaccard(&sets[i], &sets[j]) >= least {
                        all.push((i, j));
                    }
                }
            }
            prop_assert_eq!(near_duplicates(&texts, least), all);
        }
    }
}
