//! Models of crowd labels on published data: a table within this file, and files where they are at hand
//! (`TRIMTAB_SHARED`, or `../shared` beside the repository).

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use trimtab_stats::{CrowdLabels, Em, dawid_skene, mace, majority, mcnemar};

/// A published file under `../shared`, or the line that says why a test is skipped.
fn shared(test: &str, file: &str) -> Option<PathBuf> {
    let root = std::env::var_os("TRIMTAB_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let path = root.join("data/audits").join(file);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {test}: {} is absent", path.display());
    None
}

/// Names turned into numbers, in the order in which they first occur.
#[derive(Default)]
struct Names(BTreeMap<String, usize>);

impl Names {
    fn number(&mut self, name: &str) -> usize {
        let next = self.0.len();
        *self.0.entry(name.to_owned()).or_insert(next)
    }
}

/// Labels with names, and the known classes of some items.
#[derive(Default)]
struct Crowd {
    items: Names,
    people: Names,
    classes: Names,
    labels: Vec<(usize, usize, usize)>,
    /// By item.
    truth: BTreeMap<usize, usize>,
}

impl Crowd {
    fn label(&mut self, item: &str, person: &str, class: &str) {
        self.labels.push((self.items.number(item), self.people.number(person), self.classes.number(class)));
    }

    /// Of an item that has labels; others are left out.
    fn known(&mut self, item: &str, class: &str) {
        if let Some(&item) = self.items.0.get(item) {
            self.truth.insert(item, self.classes.number(class));
        }
    }

    fn view(&self) -> CrowdLabels<'_> {
        let (items, people, classes) = (self.items.0.len(), self.people.0.len(), self.classes.0.len());
        CrowdLabels { items, people, classes, labels: &self.labels }
    }

    fn right(&self, class: &[Option<usize>]) -> Vec<bool> {
        self.truth.iter().map(|(&item, &truth)| class[item] == Some(truth)).collect()
    }

    fn accuracy(&self, class: &[Option<usize>]) -> f64 {
        let right = self.right(class);
        right.iter().filter(|r| **r).count() as f64 / right.len() as f64
    }

    /// The mid-p value of the two being equally often right.
    fn mid_p(&self, first: &[Option<usize>], second: &[Option<usize>]) -> f64 {
        let pairs: Vec<(bool, bool)> = self.right(first).into_iter().zip(self.right(second)).collect();
        let count = |pair| pairs.iter().filter(|p| **p == pair).count() as u64;
        mcnemar(count((true, false)), count((false, true))).mid_p
    }
}

/// Dawid and Skene 1979, tables 1 and 2: 45 patients graded 1 to 4, three times by the first anaesthetist and once by
/// four others; the shares of the grades come out as 0.40, 0.42, 0.11 and 0.07.
#[test]
fn dawid_and_skene_1979() {
    let table = "1111111 3334334 1122122 2223121 2223222 2223322 1222111 3333433 2222223 2322223 4444444 2223343 \
                 1111111 2223212 1211111 1112111 1111111 1111111 2222221 2221322 2222222 2222221 2223222 2212222 \
                 1111111 1111111 2322222 1111111 1111111 1121121 1111111 3333233 1111111 2222222 2223232 4334343 \
                 2212232 2323233 3333432 1111111 1111111 1212111 2322222 1211111 2222222";
    let mut labels = vec![];
    for (patient, row) in table.split_whitespace().enumerate() {
        for (place, grade) in row.chars().enumerate() {
            labels.push((patient, place.saturating_sub(2), grade.to_digit(10).unwrap() as usize - 1));
        }
    }
    assert_eq!(labels.len(), 45 * 7);
    let labels = CrowdLabels { items: 45, people: 5, classes: 4, labels: &labels };
    let fit = dawid_skene(&labels, &Em { smoothing: 0.0, ..Em::default() }).unwrap();
    for (share, published) in fit.prior.iter().zip([0.40, 0.42, 0.11, 0.07]) {
        assert!((share - published).abs() < 5e-3, "{:?}", fit.prior);
    }
    // The first anaesthetist on patients of grades 1 and 2.
    for (grade, published) in [[0.89, 0.11, 0.0, 0.0], [0.07, 0.88, 0.05, 0.0]].iter().enumerate() {
        for (chance, published) in fit.confusion[0][grade].as_ref().unwrap().iter().zip(published) {
            assert!((chance - published).abs() < 5e-3, "{:?}", fit.confusion[0]);
        }
    }
    assert!(fit.converged && fit.trace.windows(2).all(|pair| pair[1] >= pair[0] - 1e-9));
}

/// Do two product descriptions name one product: 8,315 pairs, 3 labels each (Zheng et al. 2017, *Truth inference in
/// crowdsourcing*, doi:10.14778/3055540.3055547). The majority is right on 0.8966; Dawid and Skene's model on about
/// 0.940.
#[test]
fn products_gain_from_the_model() {
    let test = "products_gain_from_the_model";
    let folder = "zhydhkcws+crowd_truth_infer/datasets/d_jn-product";
    let Some(answers) = shared(test, &format!("{folder}/answer.csv")) else { return };
    let Some(truth) = shared(test, &format!("{folder}/truth.csv")) else { return };
    let mut crowd = Crowd::default();
    // Ties go to the class of smallest index, so the classes are numbered as they are named.
    assert_eq!((crowd.classes.number("0"), crowd.classes.number("1")), (0, 1));
    for line in std::fs::read_to_string(answers).unwrap().lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        crowd.label(fields[0], fields[1], fields[2]);
    }
    for line in std::fs::read_to_string(truth).unwrap().lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        crowd.known(fields[0], fields[1]);
    }
    assert_eq!((crowd.labels.len(), crowd.truth.len()), (24_945, 8315));
    let votes = majority(&crowd.view()).unwrap();
    assert!((crowd.accuracy(&votes.class) - 0.8966).abs() < 5e-5, "{}", crowd.accuracy(&votes.class));
    assert_eq!(votes.ties, 0); // 3 labels, 2 classes
    for smoothing in [0.0, 0.01] {
        let fit = dawid_skene(&crowd.view(), &Em { smoothing, ..Em::default() }).unwrap();
        let accuracy = crowd.accuracy(&fit.class());
        println!("{test}: smoothing {smoothing}, {} iterations, accuracy {accuracy:.4}", fit.iterations);
        assert!((accuracy - 0.940).abs() < 0.005 && fit.converged, "smoothing {smoothing}: {accuracy}");
        assert!(fit.trace.windows(2).all(|pair| pair[1] >= pair[0] - 1e-8));
        assert!(crowd.mid_p(&votes.class, &fit.class()) < 1e-6);
    }
    let fit = mace(&crowd.view(), &Em::default(), 0, 0).unwrap();
    let accuracy = crowd.accuracy(&fit.class());
    println!("{test}: MACE {} iterations, accuracy {accuracy:.4}", fit.iterations);
    // Its classes are equally likely beforehand, and here 88 % are of one.
    assert!(accuracy < crowd.accuracy(&votes.class), "{accuracy}");
    assert!(fit.trace.windows(2).all(|pair| pair[1] >= pair[0] - 1e-8));
}

/// Adult content of web sites, five grades of which one never occurs (Ipeirotis, Provost and Wang 2010,
/// doi:10.1145/1837885.1837906): 333 sites with labels and truth, on which no model has been better than the majority.
#[test]
fn web_sites_do_not_gain() {
    let test = "web_sites_do_not_gain";
    let folder = "ipeirotis+Get-Another-Label/data/AdultContent2";
    let Some(labels) = shared(test, &format!("{folder}/labels.txt.gz")) else { return };
    let Some(gold) = shared(test, &format!("{folder}/gold.txt")) else { return };
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(labels).unwrap()).read_to_string(&mut text).unwrap();
    let mut crowd = Crowd::default();
    for class in ["G", "P", "R", "X"] {
        crowd.classes.number(class);
    }
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        crowd.label(fields[1], fields[0], fields[2]);
    }
    for line in std::fs::read_to_string(gold).unwrap().lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        crowd.known(fields[0], fields[1]);
    }
    assert_eq!((crowd.labels.len(), crowd.truth.len(), crowd.classes.0.len()), (92_721, 333, 4));
    let votes = majority(&crowd.view()).unwrap();
    for smoothing in [0.0, 0.01] {
        let fit = dawid_skene(&crowd.view(), &Em { smoothing, ..Em::default() }).unwrap();
        let p = crowd.mid_p(&votes.class, &fit.class());
        let (before, after) = (crowd.accuracy(&votes.class), crowd.accuracy(&fit.class()));
        println!("{test}: smoothing {smoothing}, majority {before:.4}, Dawid and Skene {after:.4}, mid-p {p:.3}");
        assert!(p > 0.05, "smoothing {smoothing}: {p}");
        assert!(fit.trace.windows(2).all(|pair| pair[1] >= pair[0] - 1e-8));
    }
}
