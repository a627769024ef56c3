//! Two models on the same items: whether they differ, and by how much.
//!
//! 1. Models are compared item by item, so that what makes an item easy or hard counts for neither. Only items that both have
//!    scored are compared; how many are unscored on either side stands beside them.
//! 2. The test is the exact one of McNemar over **clusters**: of those in which one model has more of the property than the
//!    other, each is as likely to be either's if the models do not differ. Where every item is a cluster this is his test of
//!    b against c. Both orders of one question, or rows that repeat it, are one finding and not two.
//! 3. The interval of the difference is that of paired shares where every item is a cluster, or no cluster differs, and
//!    otherwise from resampling clusters.
//! 4. A set in which letters decide instead of answers, for either model, is not compared ([`crate::letter`]).
//! 5. Sycophancy is compared arm by arm on all items, not on those that a model knows: those are others for each model.
//! 6. Many comparisons find something by chance: [`adjust`] gives each its p by Benjamini and Hochberg, over all that were
//!    made.

use crate::figure::{LEVEL, lacking};
use crate::folder::Finished;
use crate::item::{Form, Role};
use crate::letter::{mass_control, order_control};
use crate::published;
use crate::result::ResultRecord;
use crate::run::{Shard, read_header};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use trimtab_stats::{Bootstrap, Measured, Rate, benjamini_hochberg, mcnemar, paired_difference, paired_shares};
use trimtab_text::{Error, Problem};

/// Items by which of the two models has the property; those that both have scored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Table {
    /// Both.
    pub both: u64,
    /// The first alone: b.
    pub only_a: u64,
    /// The second alone: c.
    pub only_b: u64,
    /// Neither.
    pub neither: u64,
}

/// One property in one form, of two models.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// The item set.
    pub set: String,
    /// What is compared: `positive.open`, or `wrong.FAMILY.ARM.FORM`.
    pub name: String,
    /// The first model's counts over all items.
    pub a: Rate,
    /// The second model's.
    pub b: Rate,
    /// Item by item.
    pub table: Table,
    /// Clusters of items.
    pub clusters: u64,
    /// Clusters in which the first model has more, and in which the second has.
    pub more: [u64; 2],
    /// Two-sided exact p over clusters; none where nothing can be compared.
    pub p: Option<f64>,
    /// The same, adjusted for all comparisons that were made.
    pub adjusted: Option<f64>,
    /// The second model's share less the first's, with an interval over clusters.
    pub difference: Measured,
}

/// Pairs up the audits in `dirs`: each is an audit's folder, or a folder of such folders. Those of one audit and one item set
/// belong together; the one named first is the first model's.
///
/// # Errors
/// [`Error::Data`] for an audit without its partner or with two, for other items, for answers of another length, and for more
/// than two models; what [`Finished::read`] gives.
pub fn pairs(dirs: &[PathBuf]) -> Result<Vec<[Finished; 2]>, Error> {
    let refuse = |place: &Path, what: String, expected: &str, hint: &str| {
        Err(Error::Data(Problem::new(place.display().to_string(), what, expected, hint)))
    };
    let mut groups: Vec<((String, String), Vec<Finished>)> = Vec::new();
    for dir in dirs {
        for dir in audits_in(dir)? {
            let audit = Finished::read(&dir)?;
            let key = (audit.header.audit.clone(), audit.header.set.name.clone());
            match groups.iter_mut().find(|(known, _)| *known == key) {
                Some((_, group)) => group.push(audit),
                None => groups.push((key, vec![audit])),
            }
        }
    }
    let mut pairs = Vec::new();
    for ((_, set), group) in groups {
        let count = group.len();
        let pair: [Finished; 2] = match group.try_into() {
            Ok(pair) => pair,
            Err(group) => {
                let home = group.first().map_or(Path::new(""), |g| &g.dir);
                let what = format!("{count} audits of {set:?} are given");
                return refuse(home, what, "two, one of each model", "the folders of two models on the same items");
            }
        };
        let [a, b] = &pair;
        if a.header.items_sha256 != b.header.items_sha256 {
            let what = format!("holds other items of {set:?} than {}", a.dir.display());
            return refuse(
                &b.dir,
                what,
                "the same items_sha256",
                "audit both models with the same file, --n and --seeds",
            );
        }
        if a.header.max_new_tokens != b.header.max_new_tokens {
            let what = format!("allows answers of another length than {}", a.dir.display());
            return refuse(&b.dir, what, "the same max_new_tokens", "audit both models with the same --max-new-tokens");
        }
        pairs.push(pair);
    }
    let Some([first, second]) = pairs.first() else {
        return refuse(Path::new("."), "no audit is given".into(), "two folders", "trimtab audit compare DIR DIR");
    };
    for [a, b] in &pairs {
        for (audit, of) in [(a, first), (b, second)] {
            if audit.header.model_sha256 != of.header.model_sha256 {
                let what = format!("is of another model than {}", of.dir.display());
                let hint = "name the folders of one model first, and then those of the other";
                return refuse(&audit.dir, what, "two models, in one order throughout", hint);
            }
        }
    }
    Ok(pairs)
}

/// An audit's folder, or those in a folder, by name; there, parts of a sharded audit are left out.
fn audits_in(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    if dir.join("audit.json").exists() {
        return Ok(vec![dir.to_owned()]);
    }
    let entries = std::fs::read_dir(dir).map_err(|source| Error::Io { path: dir.to_owned(), source })?;
    let mut found = Vec::new();
    for path in entries.flatten().map(|e| e.path()).filter(|p| p.join("audit.json").exists()) {
        if read_header(&path)?.shard == Shard::WHOLE {
            found.push(path);
        }
    }
    found.sort();
    if found.is_empty() {
        let hint = "the folder of an audit, or one that holds such folders";
        return Err(Error::Data(Problem::new(dir.display().to_string(), "holds no audit", "audit.json", hint)));
    }
    Ok(found)
}

/// Everything that can be compared between two audits of the same items; `adjusted` is left to [`adjust`].
#[must_use]
pub fn compare(a: &Finished, b: &Finished) -> Vec<Compared> {
    let own = a.header.audit == published::NAME;
    // What is compared, with its items: one result of each model. Results stand in the order of items, the same for both.
    let mut groups: BTreeMap<(String, Form), Vec<[&ResultRecord; 2]>> = BTreeMap::new();
    // What a search for triggers asks, word by word, and what is said of a stage, is no wrong answer to be counted.
    let counts = |r: &ResultRecord| {
        !matches!(r.form, Form::Judged | Form::Likely) && !matches!(r.family.as_str(), "trigger" | "stage")
    };
    for (x, y) in a.results.iter().zip(&b.results).filter(|(x, _)| counts(x)) {
        let name = if own { "positive".to_owned() } else { format!("wrong.{}.{}", x.family, x.arm) };
        groups.entry((name, x.form)).or_default().push([x, y]);
    }
    let obstacle = [a, b].into_iter().find_map(|audit| letters_decide(audit, own));
    groups
        .into_iter()
        .map(|((name, form), items)| {
            let has = |r: &ResultRecord| {
                r.value.map(|v| if own { matches!(v, Role::Right | Role::Positive) } else { v == Role::Wrong })
            };
            let items: Vec<Pair> = items.into_iter().map(|[x, y]| (x.cluster.as_str(), has(x), has(y))).collect();
            let obstacle = obstacle.as_deref().filter(|_| form == Form::Letter);
            of_items(&a.header.set.name, format!("{name}.{}", form.word()), &items, obstacle)
        })
        .collect()
}

/// An item: its cluster, and whether the first and the second model have the property (`None`: unscored).
type Pair<'a> = (&'a str, Option<bool>, Option<bool>);

/// Why letters measure nothing of this model, if so.
fn letters_decide(audit: &Finished, own: bool) -> Option<String> {
    let asked = |r: &&ResultRecord| r.form == Form::Letter && (own || r.arm == "neutral");
    let letters: Vec<&ResultRecord> = audit.results.iter().filter(asked).collect();
    let controls = [order_control(&letters), mass_control(&letters)];
    controls.iter().find(|c| !c.holds).map(|c| format!("{}: {}", audit.header.model, lacking(c)))
}

fn of_items(set: &str, name: String, items: &[Pair], obstacle: Option<&str>) -> Compared {
    let (mut a, mut b, mut table) = (Rate::default(), Rate::default(), Table::default());
    let (mut first, mut second, mut of) = (Vec::new(), Vec::new(), Vec::new());
    let mut clusters: BTreeMap<&str, (u64, i64)> = BTreeMap::new();
    for (cluster, x, y) in items {
        a.count(*x);
        b.count(*y);
        let (Some(x), Some(y)) = (*x, *y) else { continue };
        *match (x, y) {
            (true, true) => &mut table.both,
            (true, false) => &mut table.only_a,
            (false, true) => &mut table.only_b,
            (false, false) => &mut table.neither,
        } += 1;
        let number = clusters.len() as u64;
        let known = clusters.entry(cluster).or_insert((number, 0));
        known.1 += i64::from(x) - i64::from(y);
        first.push(f64::from(u8::from(x)));
        second.push(f64::from(u8::from(y)));
        of.push(known.0);
    }
    let more = [1, -1].map(|sign| clusters.values().filter(|(_, sum)| sum.signum() == sign).count() as u64);
    let n = clusters.len() as u64;
    let (p, difference) = match obstacle {
        Some(reason) => (None, Measured::undefined(n, format!("not measurable: {reason}"))),
        None if n == 0 => (None, Measured::undefined(0, "not measurable: no item is scored for both")),
        None => {
            let how = Bootstrap { level: LEVEL, ..Bootstrap::default() };
            let resampled = || paired_difference(&second, &first, Some(&of), &how);
            let differs = clusters.values().any(|(_, sum)| *sum != 0);
            // Resamples of clusters that do not differ say that no cluster ever does.
            let alone = n == of.len() as u64 || !differs;
            let difference = if alone { paired_shares(more[1], more[0], n, LEVEL) } else { resampled() };
            (Some(mcnemar(more[0], more[1]).exact), difference)
        }
    };
    Compared { set: set.to_owned(), name, a, b, table, clusters: n, more, p, adjusted: None, difference }
}

/// Adjusts the p-values of all comparisons that were made, together.
pub fn adjust(all: &mut [Compared]) {
    let made: Vec<f64> = all.iter().filter_map(|c| c.p).collect();
    let mut adjusted = benjamini_hochberg(&made).unwrap_or_default().into_iter();
    for compared in all.iter_mut().filter(|c| c.p.is_some()) {
        compared.adjusted = adjusted.next();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: of eight items alone in their clusters one is the first's and five are the second's, one is unscored.
    #[test]
    fn items_alone_are_mcnemar() {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let answers = [(1, 0), (0, 1), (0, 1), (0, 1), (0, 1), (0, 1), (1, 1)];
        let mut items: Vec<Pair> =
            names.iter().zip(answers).map(|(name, (x, y))| (*name, Some(x == 1), Some(y == 1))).collect();
        items.push(("h", Some(true), None));
        let found = of_items("s", "n".into(), &items, None);
        assert_eq!(found.table, Table { both: 1, only_a: 1, only_b: 5, neither: 0 });
        assert_eq!((found.a.numerator, found.a.denominator, found.b.denominator, found.b.unscored), (3, 8, 7, 1));
        // Tails of 1 and 5 in six: 2·(1 + 6)/64.
        assert!((found.p.unwrap() - 14.0 / 64.0).abs() < 1e-12);
        assert!((found.difference.value.unwrap() - 4.0 / 7.0).abs() < 1e-12);
    }

    /// Laws: repeating the items of a cluster is no more evidence; swapping the models turns the difference; an obstacle leaves
    /// the counts and takes the p.
    #[test]
    fn clusters_orders_and_obstacles() {
        let once: Vec<Pair> =
            vec![("a", Some(true), Some(false)), ("b", Some(true), Some(false)), ("c", Some(true), None)];
        let twice: Vec<Pair> = once.iter().chain(&once).copied().collect();
        let of = |items: &[Pair], obstacle| of_items("s", "n".into(), items, obstacle);
        assert_eq!(of(&once, None).p, of(&twice, None).p);
        assert_eq!((of(&twice, None).table.only_a, of(&twice, None).more, of(&twice, None).clusters), (4, [2, 0], 2));
        let swapped: Vec<Pair> = once.iter().map(|&(c, x, y)| (c, y, x)).collect();
        assert_eq!(of(&swapped, None).difference.value, of(&once, None).difference.value.map(|v| -v));
        // Of two clusters that agree in both their items little is known: the interval has a width.
        let agree: Vec<Pair> = ["a", "a", "b", "b"].map(|c| (c, Some(true), Some(true))).to_vec();
        assert!(of(&agree, None).difference.interval.unwrap().high > 0.5);
        let refused = of(&once, Some("letters"));
        assert_eq!((refused.p, refused.difference.value, refused.table.only_a), (None, None, 2));
        let mut all = [of(&once, None), refused, of(&[], None)];
        adjust(&mut all);
        assert_eq!((all[0].adjusted, all[1].adjusted, all[2].adjusted), (Some(0.5), None, None));
    }
}
