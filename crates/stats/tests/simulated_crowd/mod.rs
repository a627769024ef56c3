//! A crowd whose skills and biases are known, and what it hands in.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use trimtab_stats::{
    BiasRegression, Covariate, CrowdPlackettLuce, CrowdRanking, CrowdSettings, GroupRanking, JudgedPair,
    bias_regression, crowd_plackett_luce,
};

pub struct Draws(ChaCha8Rng);

impl Draws {
    pub fn seeded(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    pub fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.uniform() * n as f64) as usize
    }

    pub fn shuffle(&mut self, x: &mut [usize]) {
        for i in (1..x.len()).rev() {
            x.swap(i, self.below(i + 1));
        }
    }
}

/// How one person judges, in units of gold.
#[derive(Clone, Copy)]
pub struct Person {
    pub skill: f64,
    pub noise: f64,
    /// To a word.
    pub length: f64,
    /// To a slot earlier.
    pub position: f64,
    pub agreement: f64,
    pub flattery: f64,
    /// Growth of the noise over a sitting.
    pub fatigue: f64,
    pub adversarial: bool,
}

pub const CAREFUL: Person = Person {
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
    pub fn planted(&self) -> f64 {
        self.skill / self.noise * if self.adversarial { -1.0 } else { 1.0 }
    }

    /// Their coefficients of [`COVARIATES`], by sign.
    pub fn biases(&self) -> [f64; 6] {
        let sign = if self.adversarial { -1.0 } else { 1.0 };
        [0.0, self.length, self.position, self.agreement, self.flattery, -self.fatigue].map(|b| b * sign)
    }
}

/// Quality, words/10, slots earlier, agreement, flattery, and quality by the time in the sitting.
pub const COVARIATES: [&str; 6] = ["quality", "length", "position", "agreement", "flattery", "drift"];
pub const SITTING: usize = 50;

#[derive(Clone, Copy)]
pub struct Answer {
    pub gold: f64,
    pub words: f64,
    pub agrees: bool,
    pub flatters: bool,
}

pub struct Simulated {
    pub items: Vec<Vec<Answer>>,
    pub rankings: Vec<CrowdRanking>,
    /// For each ranking, the slot of each answer and the time in the sitting from 0 to 1.
    pub shown: Vec<(Vec<usize>, f64)>,
}

/// The people rank items of four answers, each item by `overlap` of them; answers at most `tie` apart tie.
pub fn simulate(people: &[Person], items: usize, overlap: usize, tie: f64, seed: u64) -> Simulated {
    let mut draws = Draws::seeded(seed);
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

pub fn fit(crowd: &Simulated, people: usize) -> CrowdPlackettLuce {
    let answers: Vec<usize> = crowd.items.iter().map(Vec::len).collect();
    crowd_plackett_luce(&answers, people, &crowd.rankings, &CrowdSettings::default()).unwrap()
}

/// What the findings say sways each person, as offsets of their rankings.
pub fn offset(crowd: &mut Simulated, found: &BiasRegression) {
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
pub fn pairs(crowd: &Simulated, fit: &CrowdPlackettLuce) -> Vec<JudgedPair> {
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

pub fn regress(people: usize, pairs: &[JudgedPair]) -> BiasRegression {
    let covariates: Vec<Covariate> =
        COVARIATES.iter().map(|&n| if n == "quality" { Covariate::control(n) } else { Covariate::bias(n) }).collect();
    bias_regression(people, &covariates, pairs, 0.95, 0.05).unwrap()
}

/// Five adversaries, five spammers, and forty of different care, of whom twenty are biased, if any are.
pub fn crowd(biased: bool) -> Vec<Person> {
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
pub fn by_the_model(
    beta: &[f64],
    items: usize,
    overlap: usize,
    answers: usize,
    seed: u64,
) -> (Vec<CrowdRanking>, Vec<Vec<f64>>) {
    let mut draws = Draws::seeded(seed);
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
