//! Reliabilities and biases planted in a simulated crowd, and found again.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

mod simulated_crowd;

use simulated_crowd::{Draws, Person, by_the_model, crowd, fit, offset, pairs, regress, simulate};
use trimtab_stats::{
    BiasRegression, CrowdPlackettLuce, CrowdRanking, CrowdSettings, GroupRanking, NoCrowdFit, NoFit,
    crowd_plackett_luce, pair_accuracy,
};

fn correlation(x: &[f64], y: &[f64]) -> f64 {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (mx, my) = (mean(x), mean(y));
    let sum = |f: &dyn Fn(f64, f64) -> f64| x.iter().zip(y).map(|(a, b)| f(a - mx, b - my)).sum::<f64>();
    sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()
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
        for seed in 0..2 {
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
    for seed in 0..5 {
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
    let of = |item: usize, a, b| fit.items[item].as_ref().unwrap().preference(a, b);
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

/// Law: whatever tiny crowd comes, extreme weights and offsets included, there is a reason or a fit of finite numbers
/// whose objective never fell.
#[test]
fn any_crowd_has_a_fit_or_a_reason() {
    let mut draws = Draws::seeded(81);
    let (mut fits, mut reasons) = (0, 0);
    for _ in 0..400 {
        let (items, people, answers) = (1 + draws.below(3), 1 + draws.below(4), 1 + draws.below(5));
        let mut rankings = vec![];
        for _ in 0..draws.below(8) {
            let mut order: Vec<usize> = (0..answers).collect();
            draws.shuffle(&mut order);
            let (mut groups, kept) = (vec![], draws.below(answers + 1));
            for &answer in &order[..kept] {
                if groups.is_empty() || draws.uniform() < 0.6 {
                    groups.push(vec![]);
                }
                groups.last_mut().unwrap().push(answer);
            }
            let below = if draws.uniform() < 0.5 { order[kept..].to_vec() } else { vec![] };
            let extreme = |draws: &mut Draws| 10f64.powi(draws.below(12) as i32 - 4);
            let weight = if draws.uniform() < 0.8 { 1.0 } else { extreme(&mut draws) };
            let shift = if draws.uniform() < 0.8 { 0.0 } else { extreme(&mut draws) };
            let offset = (0..answers).map(|_| shift * draws.normal()).collect();
            let ranking = GroupRanking { groups, below, weight };
            rankings.push(CrowdRanking { item: draws.below(items), person: draws.below(people), ranking, offset });
        }
        match crowd_plackett_luce(&vec![answers; items], people, &rankings, &CrowdSettings::default()) {
            Ok(fit) => {
                fits += 1;
                assert!(never_falls(&fit) && fit.trace.iter().all(|t| t.is_finite()));
                for measured in fit.reliability.iter().chain(&fit.accuracy) {
                    assert!(measured.value.is_none_or(f64::is_finite));
                    assert!(measured.interval.is_none_or(|i| i.low <= i.high && i.high.is_finite()));
                    assert!(measured.interval.is_some() || measured.reason.is_some());
                }
                for item in fit.items.iter().flatten() {
                    for (a, b) in (0..answers).flat_map(|a| (0..answers).map(move |b| (a, b))) {
                        assert!(item.preference(a, b).is_none_or(|p| (0.0..=1.0).contains(&p)));
                        assert!(item.difference(a, b).is_none_or(|(mean, sd)| mean.is_finite() && sd > 0.0));
                    }
                }
                match fit.scores_by_others(&rankings) {
                    Ok(others) => assert_eq!(others.len(), rankings.len()),
                    Err(why) => assert_eq!(why, NoCrowdFit::Overflow),
                }
            }
            Err(why) => {
                reasons += 1;
                assert!(matches!(why, NoCrowdFit::Empty | NoCrowdFit::NothingShared | NoCrowdFit::Overflow), "{why}");
                let extreme = rankings.iter().any(|r| r.ranking.weight != 1.0 || r.offset.iter().any(|o| *o != 0.0));
                assert!(extreme || why != NoCrowdFit::Overflow);
            }
        }
    }
    println!("{fits} fits, {reasons} reasons");
    assert!(fits > 50 && reasons > 50);
}
