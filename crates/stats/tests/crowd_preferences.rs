//! Reliabilities and biases planted in a simulated crowd, and found again.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use std::time::Instant;
use trimtab_stats::{
    BadPairs, BiasRegression, Covariate, CrowdPlackettLuce, CrowdRanking, CrowdSettings, GroupRanking, JudgedPair,
    NoCrowdFit, bias_regression, crowd_plackett_luce, pair_accuracy,
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

/// 50 people rank 1,000 items of four answers, each item by five of them.
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
            group.iter().for_each(|&i| rank[i] = at);
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

/// Five adversaries, five spammers, and forty of falling care, of whom some are biased.
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
        people[10..15].iter_mut().for_each(|p| p.length = 0.02);
        people[15..20].iter_mut().for_each(|p| p.position = 0.15);
        people[20..25].iter_mut().for_each(|p| p.agreement = 0.5);
        people[25..30].iter_mut().for_each(|p| p.flattery = 0.5);
        people[30..35].iter_mut().for_each(|p| p.fatigue = 4.0);
    }
    people
}

#[test]
fn explore() {
    for (biased, tie) in [(true, 0.1)] {
        for seed in 0..6 {
            let people = crowd(biased);
            let mut sim = simulate(&people, 1000, 5, tie, seed);
            let t = Instant::now();
            let f = fit(&sim, 50);
            let elapsed = t.elapsed();
            let beta: Vec<f64> = f.reliability.iter().map(|r| r.value.unwrap()).collect();
            let planted: Vec<f64> = people.iter().map(Person::planted).collect();
            println!(
                "biased {biased} tie {tie} seed {seed}: corr {:.3}, iterations {}, conv {}, {elapsed:?}",
                correlation(&beta, &planted),
                f.iterations,
                f.converged
            );
            for i in 0..14 {
                print!(
                    "{:.2}/{:.2}±{:.2} ",
                    planted[i],
                    beta[i],
                    f.reliability[i].interval.map_or(9.9, |v| (v.high - v.low) / 2.0)
                );
            }
            println!();
            let t = Instant::now();
            let mut ps = pairs(&sim, &f);
            let t2 = Instant::now();
            let mut r = regress(50, &ps);
            for round in 0..3 {
                if round > 0 {
                    offset(&mut sim, &r);
                    let f = fit(&sim, 50);
                    let beta: Vec<f64> = f.reliability.iter().map(|r| r.value.unwrap()).collect();
                    println!("corr {:.3}", correlation(&beta, &planted));
                    ps = pairs(&sim, &f);
                    r = regress(50, &ps);
                }
                let (mut found, mut fals, mut missed) = (0, 0, 0);
                for (p, person) in r.people.iter().enumerate() {
                    for (j, (slope, bias)) in person.slopes.iter().zip(people[p].biases()).enumerate().skip(1) {
                        let right = bias != 0.0 && slope.estimate.value.unwrap() * bias > 0.0;
                        found += u32::from(slope.found);
                        fals += u32::from(slope.found && !right);
                        missed += u32::from(bias != 0.0 && !slope.found);
                        if slope.found != (bias != 0.0) {
                            println!(
                                "   {p} {} planted {bias} got {:?} p {:?}",
                                COVARIATES[j], slope.estimate.value, slope.p
                            );
                        }
                    }
                }
                println!(
                    "  found {found} false {fals} missed {missed}, others {:?}, regress {:?}",
                    t2 - t,
                    t2.elapsed()
                );
            }
        }
    }
}
