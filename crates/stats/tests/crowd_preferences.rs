//! Reliabilities and biases planted in a simulated crowd, and found again.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use trimtab_stats::{
    BiasRegression, Covariate, CrowdPlackettLuce, CrowdRanking, CrowdSettings, GroupRanking, JudgedPair, NoCrowdFit,
    NoFit, bias_regression, crowd_plackett_luce, pair_accuracy,
};

struct Draws(ChaCha8Rng);

impl Draws {
    fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    fn below(&mut self, n: usize) -> usize {
        (self.uniform() * n as f64) as usize
    }

    fn shuffle(&mut self, x: &mut [usize]) {
        for i in (1..x.len()).rev() {
            x.swap(i, self.below(i + 1));
        }
    }
}

/// How one person judges, in units of gold.
#[derive(Clone, Copy)]
struct Person {
    skill: f64,
    noise: f64,
    /// To a word.
    length: f64,
    /// To a slot earlier.
    position: f64,
    agreement: f64,
    flattery: f64,
    /// Growth of the noise over a sitting.
    fatigue: f64,
    adversarial: bool,
}

const CAREFUL: Person = Person {
    skill: 1.0,
    noise: 0.3,
    length: 0.0,
    position: 0.0,
    agreement: 0.0,
    flattery: 0.0,
    fatigue: 0.0,
    adversarial: false,
};

impl Person {
    /// What their reliability should be proportional to.
    fn planted(&self) -> f64 {
        self.skill / self.noise * if self.adversarial { -1.0 } else { 1.0 }
    }

    /// Their coefficients of [`COVARIATES`], by sign.
    fn biases(&self) -> [f64; 6] {
        let sign = if self.adversarial { -1.0 } else { 1.0 };
        [0.0, self.length, self.position, self.agreement, self.flattery, -self.fatigue].map(|b| b * sign)
    }
}

/// Quality, words/10, slots earlier, agreement, flattery, and quality by the time in the sitting.
const COVARIATES: [&str; 6] = ["quality", "length", "position", "agreement", "flattery", "drift"];
const SITTING: usize = 50;

#[derive(Clone, Copy)]
struct Answer {
    gold: f64,
    words: f64,
    agrees: bool,
    flatters: bool,
}

struct Simulated {
    items: Vec<Vec<Answer>>,
    rankings: Vec<CrowdRanking>,
    /// For each ranking, the slot of each answer and the time in the sitting from 0 to 1.
    shown: Vec<(Vec<usize>, f64)>,
}

/// The people rank items of four answers, each item by `overlap` of them; answers at most `tie` apart tie.
fn simulate(people: &[Person], items: usize, overlap: usize, tie: f64, seed: u64) -> Simulated {
    let mut draws = Draws(ChaCha8Rng::seed_from_u64(seed));
    let mut given = vec![0; people.len()];
    let mut out = Simulated { items: vec![], rankings: vec![], shown: vec![] };
    for item in 0..items {
        let belief = draws.uniform() < 0.7;
        let answers: Vec<Answer> = (0..4)
            .map(|_| Answer {
                gold: 0.5 * draws.normal(),
                words: (50.0 + 15.0 * draws.normal()).round(),
                agrees: draws.uniform() < 0.5 && belief,
                flatters: draws.uniform() < 0.3,
            })
            .collect();
        let mut who: Vec<usize> = (0..people.len()).collect();
        draws.shuffle(&mut who);
        who.sort_by_key(|&p| given[p]);
        for &person in &who[..overlap] {
            let mut slots: Vec<usize> = (0..answers.len()).collect();
            draws.shuffle(&mut slots);
            let p = people[person];
            let time = (given[person] % SITTING) as f64 / SITTING as f64;
            given[person] += 1;
            let when = |yes: bool, weight: f64| if yes { weight } else { 0.0 };
            let mut seen: Vec<(usize, f64)> = answers
                .iter()
                .enumerate()
                .map(|(i, a)| {
                    let utility = p.skill * a.gold
                        + p.length * a.words
                        + p.position * (answers.len() - 1 - slots[i]) as f64
                        + when(a.agrees, p.agreement)
                        + when(a.flatters, p.flattery)
                        + p.noise * (1.0 + p.fatigue * time) * draws.normal();
                    (i, utility)
                })
                .collect();
            seen.sort_by(|a, b| b.1.total_cmp(&a.1));
            let mut groups: Vec<(f64, Vec<usize>)> = vec![];
            for (i, utility) in seen {
                match groups.last_mut() {
                    Some((best, group)) if *best - utility <= tie => group.push(i),
                    _ => groups.push((utility, vec![i])),
                }
            }
            if p.adversarial {
                groups.reverse();
            }
            let groups = groups.into_iter().map(|g| g.1).collect();
            let ranking = GroupRanking { groups, below: vec![], weight: 1.0 };
            out.rankings.push(CrowdRanking::of(item, person, ranking));
            out.shown.push((slots, time));
        }
        out.items.push(answers);
    }
    out
}

fn fit(crowd: &Simulated, people: usize) -> CrowdPlackettLuce {
    let answers: Vec<usize> = crowd.items.iter().map(Vec::len).collect();
    crowd_plackett_luce(&answers, people, &crowd.rankings, &CrowdSettings::default()).unwrap()
}

/// What the findings say sways each person, as offsets of their rankings.
fn offset(crowd: &mut Simulated, found: &BiasRegression) {
    for (ranking, (slots, _)) in crowd.rankings.iter_mut().zip(&crowd.shown) {
        let slope = |at: usize| {
            let slope = &found.people[ranking.person].slopes[at];
            if slope.found { slope.estimate.value.unwrap() } else { 0.0 }
        };
        let when = |yes: bool, weight: f64| if yes { weight } else { 0.0 };
        let answers = crowd.items[ranking.item].iter().zip(slots);
        let sway = |(a, slot): (&Answer, &usize)| {
            slope(1) * (a.words - 50.0) / 10.0 - slope(2) * *slot as f64
                + when(a.agrees, slope(3))
                + when(a.flatters, slope(4))
        };
        ranking.offset = answers.map(sway).collect();
    }
}

/// All ordered pairs of all rankings, with quality by others.
fn pairs(crowd: &Simulated, fit: &CrowdPlackettLuce) -> Vec<JudgedPair> {
    let mut out = vec![];
    let others = fit.scores_by_others(&crowd.rankings).unwrap();
    for ((ranking, others), (slots, time)) in crowd.rankings.iter().zip(others).zip(&crowd.shown) {
        let Some(others) = others else { continue };
        let answers = &crowd.items[ranking.item];
        let mut rank = vec![0; answers.len()];
        for (at, group) in ranking.ranking.groups.iter().enumerate() {
            for &i in group {
                rank[i] = at;
            }
        }
        for a in 0..answers.len() {
            for b in a + 1..answers.len() {
                let Some((quality, _)) = others.difference(a, b).filter(|_| rank[a] != rank[b]) else { continue };
                let (x, y) = (answers[a], answers[b]);
                let as_number = |yes: bool| f64::from(u8::from(yes));
                let difference = vec![
                    quality,
                    (x.words - y.words) / 10.0,
                    slots[b] as f64 - slots[a] as f64,
                    as_number(x.agrees) - as_number(y.agrees),
                    as_number(x.flatters) - as_number(y.flatters),
                    quality * (time - 0.5),
                ];
                out.push(JudgedPair {
                    person: ranking.person,
                    item: ranking.item,
                    first_preferred: rank[a] < rank[b],
                    difference,
                });
            }
        }
    }
    out
}

fn regress(people: usize, pairs: &[JudgedPair]) -> BiasRegression {
    let covariates: Vec<Covariate> =
        COVARIATES.iter().map(|&n| if n == "quality" { Covariate::control(n) } else { Covariate::bias(n) }).collect();
    bias_regression(people, &covariates, pairs, 0.95, 0.05).unwrap()
}

fn correlation(x: &[f64], y: &[f64]) -> f64 {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (mx, my) = (mean(x), mean(y));
    let sum = |f: &dyn Fn(f64, f64) -> f64| x.iter().zip(y).map(|(a, b)| f(a - mx, b - my)).sum::<f64>();
    sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()
}

/// Five adversaries, five spammers, and forty of different care, of whom twenty are biased, if any are.
fn crowd(biased: bool) -> Vec<Person> {
    let mut people: Vec<Person> =
        (0..50).map(|i| Person { noise: 0.2 * 4f64.powf((i % 10) as f64 / 9.0), ..CAREFUL }).collect();
    for p in &mut people[..5] {
        p.adversarial = true;
    }
    for p in &mut people[5..10] {
        p.skill = 0.0;
    }
    if biased {
        people[10..15].iter_mut().for_each(|p| p.length = 0.03);
        people[15..20].iter_mut().for_each(|p| p.position = 0.25);
        people[20..25].iter_mut().for_each(|p| p.agreement = 0.6);
        people[25..30].iter_mut().for_each(|p| p.flattery = 0.6);
    }
    people
}

/// Rankings from the model itself: scores N(0, 1), strengths exp(β·score).
fn by_the_model(
    beta: &[f64],
    items: usize,
    overlap: usize,
    answers: usize,
    seed: u64,
) -> (Vec<CrowdRanking>, Vec<Vec<f64>>) {
    let mut draws = Draws(ChaCha8Rng::seed_from_u64(seed));
    let (mut rankings, mut truth) = (vec![], vec![]);
    for item in 0..items {
        let scores: Vec<f64> = (0..answers).map(|_| draws.normal()).collect();
        let mut who: Vec<usize> = (0..beta.len()).collect();
        draws.shuffle(&mut who);
        for &person in &who[..overlap] {
            // The order of score·β plus Gumbel noise is a draw of Plackett and Luce's model.
            let mut seen: Vec<(usize, f64)> =
                scores.iter().map(|s| beta[person] * s - (-draws.uniform().ln()).ln()).enumerate().collect();
            seen.sort_by(|a, b| b.1.total_cmp(&a.1));
            let groups = seen.into_iter().map(|(i, _)| vec![i]).collect();
            rankings.push(CrowdRanking::of(item, person, GroupRanking { groups, below: vec![], weight: 1.0 }));
        }
        truth.push(scores);
    }
    (rankings, truth)
}

fn never_falls(fit: &CrowdPlackettLuce) -> bool {
    fit.trace.windows(2).all(|w| w[1] >= w[0])
}

fn betas(fit: &CrowdPlackettLuce) -> Vec<f64> {
    fit.reliability.iter().map(|r| r.value.unwrap()).collect()
}

/// 50 people, 1,000 items of 4 answers, overlap 5: reliabilities go along with planted skill to noise, with and without
/// ties and biases; adversaries are below 0 and spammers near it; soft labels beat the majority's.
#[test]
fn planted_reliabilities_are_recovered() {
    for (biased, tie, least) in [(false, 0.0, 0.95), (false, 0.1, 0.95), (false, 0.3, 0.93), (true, 0.1, 0.93)] {
        for seed in 0..3 {
            let people = crowd(biased);
            let sim = simulate(&people, 1000, 5, tie, seed);
            let fit = fit(&sim, 50);
            let beta = betas(&fit);
            let planted: Vec<f64> = people.iter().map(Person::planted).collect();
            let r = correlation(&beta, &planted);
            println!("biases {biased}, tie {tie}, seed {seed}: r = {r:.3}, {} steps", fit.iterations);
            assert!(r > least, "{r}");
            assert!(fit.converged && never_falls(&fit));
            for (person, measured) in fit.reliability.iter().enumerate() {
                let interval = measured.interval.unwrap();
                let accuracy = fit.accuracy[person].value.unwrap();
                assert_eq!(measured.n, 100);
                let right = match person {
                    0..5 => interval.high < 0.0 && accuracy < 0.3,
                    5..10 => beta[person].abs() < 0.4 && (accuracy - 0.5).abs() < 0.15,
                    _ => interval.low > 0.0 && accuracy > 0.6,
                };
                assert!(right, "{person} {measured:?} {accuracy}");
            }
            // Which of two answers has the higher gold: by the fit, and by the count of people with every vote alike.
            let (mut by_fit, mut by_votes, mut all) = (0.0, 0.0, 0.0);
            for (item, answers) in sim.items.iter().enumerate() {
                let scores = fit.items[item].as_ref().unwrap();
                let lists: Vec<&GroupRanking> =
                    sim.rankings.iter().filter(|r| r.item == item).map(|r| &r.ranking).collect();
                for a in 0..4 {
                    for b in 0..a {
                        let at = |r: &GroupRanking, x| r.groups.iter().position(|g| g.contains(&x)).unwrap() as i32;
                        let votes: i32 = lists.iter().map(|r| (at(r, b) - at(r, a)).signum()).sum();
                        let truth = answers[a].gold > answers[b].gold;
                        let preference = scores.preference(a, b).unwrap();
                        by_fit += f64::from(u8::from((preference > 0.5) == truth));
                        by_votes += if votes == 0 { 0.5 } else { f64::from(u8::from((votes > 0) == truth)) };
                        all += 1.0;
                    }
                }
            }
            println!("  pairs by gold: fit {:.3}, votes {:.3}", by_fit / all, by_votes / all);
            assert!(by_fit / all > by_votes / all + 0.03);
        }
    }
}

/// On rankings from the model itself β up to 1 comes back, with intervals that cover; larger ones come out smaller, as
/// Laplace's method has it; and of soft labels of about p, the share p is right.
#[test]
fn calibrated_on_its_own_model() {
    let levels = [-2.0, -1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 1.0, 0.5, 1.0];
    let planted: Vec<f64> = (0..50).map(|i| levels[i % 10]).collect();
    let (mut inside, mut n, mut sum) = (0, 0, [0.0; 10]);
    let (mut right, mut labels) = ([0.0; 10], [0.0; 10]);
    let seeds = 6;
    for seed in 0..seeds {
        let (rankings, scores) = by_the_model(&planted, 1000, 5, 4, seed);
        let fit = crowd_plackett_luce(&[4; 1000], 50, &rankings, &CrowdSettings::default()).unwrap();
        for (person, measured) in fit.reliability.iter().enumerate() {
            sum[person % 10] += measured.value.unwrap() / (5 * seeds) as f64;
            if planted[person].abs() <= 1.0 {
                n += 1;
                inside += u32::from(measured.interval.unwrap().contains(planted[person]));
            }
        }
        for (item, truth) in fit.items.iter().zip(&scores) {
            for (a, b) in [(1, 0), (2, 0), (3, 0), (2, 1), (3, 1), (3, 2)] {
                let bin = (10.0 * item.as_ref().unwrap().preference(a, b).unwrap()).min(9.0) as usize;
                labels[bin] += 1.0;
                right[bin] += f64::from(u8::from(truth[a] > truth[b]));
            }
        }
    }
    let coverage = f64::from(inside) / f64::from(n);
    println!("β up to 1: coverage {coverage:.3} of {n}; mean β {sum:.2?} of {levels:?}");
    assert!((0.88..0.98).contains(&coverage), "{coverage}");
    for (mean, planted) in sum.iter().zip(levels) {
        // To within sampling error, or else drawn towards 0 (and, by the prior, towards 1).
        let kept = mean / planted;
        assert!((mean - planted).abs() < 0.08 || (0.75..1.0).contains(&kept), "{mean} {planted}");
    }
    for (bin, (right, n)) in right.iter().zip(labels).enumerate() {
        let middle = 0.1 * bin as f64 + 0.05;
        println!("label {middle:.2}: {:.3} of {n}", right / n);
        assert!((right / n - middle).abs() < 0.06, "{middle}: {}", right / n);
    }
}

/// Wrong and right findings of biases by person and covariate, and planted ones that were missed.
fn count(people: &[Person], found: &BiasRegression) -> (u32, u32, u32) {
    let (mut right, mut wrong, mut missed) = (0, 0, 0);
    for (person, regression) in people.iter().zip(&found.people) {
        for (slope, planted) in regression.slopes.iter().zip(person.biases()).skip(1) {
            let hit = slope.found && slope.estimate.value.unwrap() * planted > 0.0;
            right += u32::from(hit);
            wrong += u32::from(slope.found && !hit);
            missed += u32::from(planted != 0.0 && !hit);
        }
    }
    (right, wrong, missed)
}

/// Twenty of fifty people are biased, each in one way. Regressed on the crowd's scores, others look biased against what
/// these like; after a second fit with the findings as offsets the share of false findings is near the 0.05 aimed at.
#[test]
fn planted_biases_are_found() {
    let people = crowd(true);
    let (mut once, mut twice) = ((0, 0, 0), (0, 0, 0));
    let add = |sum: &mut (u32, u32, u32), x: (u32, u32, u32)| *sum = (sum.0 + x.0, sum.1 + x.1, sum.2 + x.2);
    for seed in 0..6 {
        let mut sim = simulate(&people, 1000, 5, 0.1, seed);
        let first = regress(50, &pairs(&sim, &fit(&sim, 50)));
        assert_eq!((first.tests, first.untested), (250, 0));
        offset(&mut sim, &first);
        let again = fit(&sim, 50);
        assert!(never_falls(&again));
        let second = regress(50, &pairs(&sim, &again));
        add(&mut once, count(&people, &first));
        add(&mut twice, count(&people, &second));
        println!(
            "seed {seed}: (right, wrong, missed) {:?}, then {:?}",
            count(&people, &first),
            count(&people, &second)
        );
    }
    println!("in all {once:?}, then {twice:?}");
    let (right, wrong, missed) = twice;
    assert!(f64::from(wrong) < 0.08 * f64::from(right + wrong), "{twice:?}");
    assert!(f64::from(missed) < 0.03 * f64::from(right + missed), "{twice:?}");
}

/// A quality that is estimated, from few and noisy others, is no bias of anything: without biases, hardly any is found,
/// ties or not.
#[test]
fn none_where_none_was_planted() {
    let (mut findings, mut crowds_with) = (0, 0);
    for seed in 10..20 {
        let people = crowd(false);
        let sim = simulate(&people, 1000, 5, if seed % 2 == 0 { 0.0 } else { 0.1 }, seed);
        let found = regress(50, &pairs(&sim, &fit(&sim, 50)));
        let (_, wrong, _) = count(&people, &found);
        findings += wrong;
        crowds_with += u32::from(wrong > 0);
        // Quality itself is seen, with its sign, and not by spammers' chance.
        for (person, regression) in found.people.iter().enumerate().filter(|(person, _)| !(5..10).contains(person)) {
            let quality = &regression.slopes[0];
            assert!(quality.estimate.value.unwrap() * people[person].planted() > 0.0 && quality.p.unwrap() < 1e-3);
            assert!(!quality.found && quality.adjusted.is_none());
        }
    }
    println!("{findings} findings in {crowds_with} of 10 crowds without biases");
    assert!(crowds_with <= 2 && findings <= 3, "{findings} in {crowds_with}");
}

/// Growing noise is a falling coefficient of quality. It takes some 300 items of a person.
#[test]
fn drift_is_found() {
    let mut people = crowd(false);
    people[10..15].iter_mut().for_each(|p| p.fatigue = 3.0);
    let sim = simulate(&people, 3000, 5, 0.1, 3);
    let found = regress(50, &pairs(&sim, &fit(&sim, 50)));
    let (right, wrong, missed) = count(&people, &found);
    println!("drift: {right} right, {wrong} wrong, {missed} missed");
    assert!(right >= 4 && wrong <= 1);
}

/// What nearly all share is quality to the crowd: who does not share it looks biased the other way.
#[test]
fn coefficients_are_relative_to_the_crowd() {
    let mut people = crowd(false);
    people[15..].iter_mut().for_each(|p| p.length = 0.02);
    let sim = simulate(&people, 1000, 5, 0.1, 4);
    let found = regress(50, &pairs(&sim, &fit(&sim, 50)));
    let length: Vec<f64> = found.people[10..15].iter().map(|p| p.slopes[1].estimate.value.unwrap()).collect();
    println!("length among people who like it long: {length:.2?}");
    assert!(length.iter().all(|l| *l < 0.0));
}

/// Laws: other numbers for people, items and answers, and another order of the rankings, give the same fit under those
/// numbers; a ranking of weight 2 is two.
#[test]
fn only_the_rankings_matter() {
    let people = crowd(true);
    let sim = simulate(&people, 200, 5, 0.1, 5);
    let how = CrowdSettings { tolerance: 1e-7, ..CrowdSettings::default() };
    let fit = |rankings: &[CrowdRanking]| crowd_plackett_luce(&[4; 200], 50, rankings, &how).unwrap();
    let one = fit(&sim.rankings);
    let turned: Vec<CrowdRanking> = sim
        .rankings
        .iter()
        .rev()
        .map(|r| {
            let groups = r.ranking.groups.iter().map(|g| g.iter().rev().map(|i| (i + 1) % 4).collect()).collect();
            CrowdRanking::of(199 - r.item, (r.person + 7) % 50, GroupRanking { groups, ..r.ranking.clone() })
        })
        .collect();
    let two = fit(&turned);
    let close = |a: f64, b: f64| (a - b).abs() < 1e-5;
    assert!(close(one.trace[0], two.trace[0]) && close(*one.trace.last().unwrap(), *two.trace.last().unwrap()));
    for person in 0..50 {
        let (a, b) = (&one.reliability[person], &two.reliability[(person + 7) % 50]);
        assert!(close(a.value.unwrap(), b.value.unwrap()));
        assert!((a.interval.unwrap().low - b.interval.unwrap().low).abs() < 1e-4);
    }
    for item in 0..200 {
        let (a, b) = (one.items[item].as_ref().unwrap(), two.items[199 - item].as_ref().unwrap());
        assert!(close(a.preference(0, 3).unwrap(), b.preference(1, 0).unwrap()));
        assert!(close(a.preference(0, 3).unwrap() + a.preference(3, 0).unwrap(), 1.0));
    }
    let twice: Vec<CrowdRanking> = sim.rankings.iter().chain(&sim.rankings).cloned().collect();
    let mut heavy = sim.rankings.clone();
    for r in &mut heavy {
        r.ranking.weight = 2.0;
    }
    for (a, b) in betas(&fit(&twice)).into_iter().zip(betas(&fit(&heavy))) {
        assert!(close(a, b));
    }
}

/// Top-k lists, groups of tied answers, up to nine answers, and items of one ranker.
#[test]
fn partial_lists() {
    let mut rankings = vec![];
    for item in 0..60 {
        for person in 0..4 {
            // All but person 3 put answer 0 before 1, and these before the other seven, which nobody orders.
            let top: [&[usize]; 2] = if person == 3 { [&[1], &[0]] } else { [&[0], &[1]] };
            let ranking = GroupRanking { below: (2..9).collect(), ..GroupRanking::of(&top) };
            rankings.push(CrowdRanking::of(item, person, ranking));
        }
    }
    // Items 60 and 61: one person ranks both of two tied groups, or three answers of nine.
    rankings.push(CrowdRanking::of(60, 0, GroupRanking::of(&[&[0, 1, 2, 3], &[4, 5, 6, 7, 8]])));
    rankings.push(CrowdRanking::of(61, 4, GroupRanking::of(&[&[0], &[1], &[2]])));
    let fit = crowd_plackett_luce(&[9; 63], 5, &rankings, &CrowdSettings::default()).unwrap();
    assert!(never_falls(&fit) && fit.converged);
    let beta: Vec<Option<f64>> = fit.reliability.iter().map(|r| r.value).collect();
    assert!(beta[0] > beta[3] && beta[3] > Some(0.0) && beta[4].is_none());
    println!("{beta:?}");
    let of = |item: usize, a, b| fit.items[item].as_ref().unwrap().preference(a, b);
    println!("{:?} {:?} {:?}", of(0, 0, 1), of(0, 1, 5), of(0, 4, 5));
    assert!(of(0, 0, 1).unwrap() > 0.6 && of(0, 1, 5).unwrap() > 0.9 && (of(0, 4, 5).unwrap() - 0.5).abs() < 1e-6);
    assert!(of(60, 0, 4).unwrap() > 0.6 && (of(60, 0, 3).unwrap() - 0.5).abs() < 1e-6);
    assert!(of(61, 0, 2).unwrap() > 0.7 && of(61, 0, 3).is_none() && of(61, 1, 1).is_none() && of(61, 9, 0).is_none());
    assert!(fit.items[62].is_none());
    // Others' scores: without person 3, who alone disagrees; nothing where nobody else ranked.
    let others = fit.scores_by_others(&rankings).unwrap();
    assert!(others[3].as_ref().unwrap().preference(0, 1) > others[0].as_ref().unwrap().preference(0, 1));
    assert!(others[240].is_none() && others[241].is_none());
}

/// Reliability as a chance, by hand: at β → ∞ every pair is right; and it rises with β.
#[test]
fn accuracy_rises() {
    let mut last = 0.0;
    for beta in [-50.0, -3.0, -1.0, 0.0, 0.1, 0.5, 1.0, 2.0, 4.0, 50.0] {
        let accuracy = pair_accuracy(beta);
        assert!(accuracy > last && (0.0..=1.0).contains(&accuracy));
        last = accuracy;
    }
    // Small β: ½ + β·E|z|·√2/4, where E|z| = √(2/π), so ½ + β/(2·√π).
    assert!((pair_accuracy(1e-3) - 0.5 - 0.5e-3 / std::f64::consts::PI.sqrt()).abs() < 1e-8);
}

#[test]
fn what_cannot_be_fitted_says_why() {
    let how = CrowdSettings::default();
    let of = |item, person, groups: &[&[usize]]| CrowdRanking::of(item, person, GroupRanking::of(groups));
    let why = |rankings: &[CrowdRanking]| crowd_plackett_luce(&[3, 3], 2, rankings, &how).unwrap_err();
    assert_eq!(why(&[]).to_string(), "there are no rankings");
    // Neither a list of one answer nor a weight of 0 says anything.
    let none = GroupRanking { weight: 0.0, ..GroupRanking::of(&[&[0], &[1]]) };
    assert_eq!(why(&[of(0, 0, &[&[1]]), CrowdRanking::of(0, 1, none), of(1, 1, &[])]), NoCrowdFit::Empty);
    let alone = why(&[of(0, 0, &[&[1], &[0]]), of(1, 0, &[&[1], &[0]])]);
    assert!(alone.to_string().starts_with("no item was ranked by two people"));
    assert_eq!(why(&[of(0, 0, &[&[1], &[0]]), of(1, 1, &[&[1], &[0]])]), NoCrowdFit::NothingShared);
    assert_eq!(why(&[of(2, 0, &[])]).to_string(), "item 2 is beyond the 2 there are");
    assert_eq!(why(&[of(0, 2, &[])]).to_string(), "person 2 is beyond the 2 there are");
    assert_eq!(why(&[of(0, 0, &[&[0], &[3]])]).to_string(), "ranking 0: answer 3 is beyond the 3 there are");
    assert!(matches!(
        why(&[of(0, 0, &[&[0], &[0]])]),
        NoCrowdFit::Ranking { at: 0, why: NoFit::Repeated { answer: 0 } }
    ));
    let nan = GroupRanking { weight: f64::NAN, ..GroupRanking::of(&[&[0], &[1]]) };
    assert!(matches!(why(&[CrowdRanking::of(0, 0, nan)]), NoCrowdFit::Ranking { at: 0, why: NoFit::Weight(_) }));
    let bent = |offset: Vec<f64>| CrowdRanking { offset, ..of(0, 0, &[&[0], &[1]]) };
    assert_eq!(why(&[bent(vec![0.0])]), NoCrowdFit::Offset { at: 0 });
    assert_eq!(why(&[bent(vec![0.0, f64::NAN, 0.0])]), NoCrowdFit::Offset { at: 0 });
    let (yes, no) = (of(0, 0, &[&[0], &[1]]), of(0, 1, &[&[0], &[1]]));
    let both = [yes.clone(), no.clone()];
    let huge = [yes.clone(), CrowdRanking::of(0, 1, GroupRanking { weight: 1e300, ..no.ranking.clone() })];
    assert!(crowd_plackett_luce(&[3], 2, &huge, &how).is_err_and(|e| e == NoCrowdFit::Overflow));
    let sd = CrowdSettings { reliability_sd: 0.0, ..how };
    assert_eq!(
        crowd_plackett_luce(&[3], 2, &both, &sd).unwrap_err().to_string(),
        "reliability_sd 0 is not a number above 0"
    );
    assert!(matches!(crowd_plackett_luce(&[3], usize::MAX, &both, &how), Err(NoCrowdFit::TooLarge { .. })));
    let many = CrowdRanking::of(0, 0, GroupRanking { below: (1..2000).collect(), ..GroupRanking::of(&[&[0]]) });
    assert!(matches!(crowd_plackett_luce(&[2000], 1, &[many], &how), Err(NoCrowdFit::TooLarge { .. })));
    // One shared item is a fit without intervals; a bad level too.
    let one = crowd_plackett_luce(&[3], 3, &both, &how).unwrap();
    assert!(one.reliability[0].value.is_some() && one.reliability[0].interval.is_none());
    assert_eq!(one.reliability[2].reason.as_deref(), Some("no item was ranked by this person and by another"));
    assert_eq!(one.accuracy[2].value, None);
    let level = crowd_plackett_luce(&[3], 2, &both, &CrowdSettings { level: 1.0, ..how }).unwrap();
    assert!(level.reliability[0].interval.is_none());
}
