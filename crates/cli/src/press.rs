//! Pressing on reward models of the world: the run's own, others from fewer comparisons, an ensemble, and two controls.

use crate::world_run::{WorldRun, load};
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use trimtab_alignment::checkpoint::Checkpoint;
use trimtab_alignment::config::{Config, Reward};
use trimtab_alignment::labels::Labels;
use trimtab_alignment::reward::{self, RewardModel};
use trimtab_alignment::stage::Stage;
use trimtab_audit::best_of_n::Drawn;
use trimtab_audit::{agreement, best_of_n};
use trimtab_engine::generate::Sampling;
use trimtab_run::{Checkpointer, stream};
use trimtab_stats::{Bootstrap, Curve, best_of_n_kl, fit_overoptimisation};
use trimtab_text::dataset;
use trimtab_text::record::{Demonstration, Prompt, Ranking, Samples};
use trimtab_world::{Holder, Kind, Split, Truth, World};

/// Held-out questions after a stated belief, of which the reward model is asked about those where it is wrong.
const OPINIONS: usize = 600;
/// Answers drawn to each of them.
const OPINION_ANSWERS: usize = 8;

impl WorldRun {
    /// Presses on the run's reward model, on others from fewer comparisons, and on the two controls: gold itself and chance.
    pub(crate) fn press(
        &self,
        stage: &mut Stage,
        run: &Path,
        world: &World,
        config: &Config,
        sampling: &Sampling,
    ) -> Result<()> {
        let (e, seed) = (&self.evaluation, config.seed);
        let (path, sft) = load(run, "sft")?;
        let reward = reward::load(&run.join("reward").join("checkpoint"), &sft.model)?;
        for holder in [Holder::User, Holder::ThirdParty] {
            let mut opinions = world.sample(Split::HeldOut, Kind::Opinion, OPINIONS);
            opinions.retain(|p| Truth::of(p).and_then(|t| t.belief).is_some_and(|b| b.holder == holder && !b.right));
            let found = agreement::agreement(&sft, &path, &reward, &opinions, seed)?;
            let whose = if holder == Holder::User { "user" } else { "third_party" };
            stage.measured(0, &format!("reward_prefers_agreeing/{whose}"), "share", &found.preferred)?;
            stage.measured(0, &format!("reward_agreement_lead/{whose}"), "reward", &found.lead)?;
            // And about sampled answers, as people are: with the phrases in which agreement comes.
            let drawn = best_of_n::draw(&sft, &path, &opinions, OPINION_ANSWERS, sampling)?;
            let share = best_of_n::prefers_belief(&drawn, &best_of_n::proxy(&drawn, &reward)?, seed);
            stage.measured(0, &format!("reward_prefers_belief/{whose}"), "share", &share)?;
        }
        for (part, answers) in ranked_parts(run, (&sft, &path), config)? {
            let share = best_of_n::prefers_belief(&answers, &best_of_n::proxy(&answers, &reward)?, seed);
            stage.measured(0, &format!("reward_prefers_belief/ranked_{part}"), "share", &share)?;
        }
        let held: Vec<Prompt> = world.prompts(Split::HeldOut).into_iter().take(e.best_of_prompts).collect();
        let drawn = best_of_n::draw(&sft, &path, &held, e.best_of, sampling)?;
        let mut random = stream(seed, "evaluation/random-reward", 0, 0);
        let mut proxies = vec![
            (String::new(), best_of_n::proxy(&drawn, &reward)?),
            ("control: gold/".to_owned(), drawn.iter().map(|d| d.gold.clone()).collect()),
            (
                "control: random/".to_owned(),
                drawn.iter().map(|d| d.gold.iter().map(|_| random.normal()).collect()).collect(),
            ),
        ];
        for (name, members) in self.reward_models(stage, run, (&sft, &path), config)? {
            let of = members.iter().map(|m| best_of_n::proxy(&drawn, m)).collect::<Result<Vec<_>, _>>()?;
            let mean = |i: usize, j: usize| of.iter().map(|m| m[i][j]).sum::<f64>() / of.len() as f64;
            let all = drawn.iter().enumerate().map(|(i, d)| (0..d.gold.len()).map(|j| mean(i, j)).collect()).collect();
            proxies.push((format!("{name}/"), all));
        }
        for (variant, proxy) in &proxies {
            let curve = best_of_n::curve(&drawn, proxy, seed);
            for best in &curve {
                stage.measured(0, &format!("best_of_n_proxy/{variant}{}", best.n), "reward", &best.proxy)?;
                stage.measured(0, &format!("best_of_n_gold/{variant}{}", best.n), "gold", &best.gold)?;
            }
            let name = if variant.is_empty() { "all/" } else { variant };
            let (name, accuracy) = (name.trim_end_matches('/'), best_of_n::accuracy(&drawn, proxy, seed));
            stage.measured(0, &format!("reward_accuracy_gold/{name}"), "share", &accuracy)?;
            let gold = |b: &best_of_n::Best| b.gold.value;
            let start = curve.first().and_then(gold).unwrap_or(0.0);
            let (d, rise): (Vec<f64>, Vec<f64>) =
                curve.iter().filter_map(|b| Some((best_of_n_kl(b.n).sqrt(), gold(b)? - start))).unzip();
            for (shape, curve) in [("bon", Curve::BestOfN), ("rl", Curve::Reinforcement)] {
                let fit = fit_overoptimisation(curve, &d, &rise, None, &Bootstrap { seed, ..Bootstrap::default() });
                for (what, unit, measured) in [
                    ("alpha", "gold/√nat", &fit.alpha),
                    ("beta", "1", &fit.beta),
                    ("peak", "√nats", &fit.peak),
                    ("peak_gold", "gold", &fit.peak_gold),
                ] {
                    stage.measured(0, &format!("overoptimisation_{shape}_{what}/{name}"), unit, measured)?;
                }
                if let Some(residual) = fit.residual {
                    stage.log(0, &format!("overoptimisation_{shape}_residual/{name}"), residual)?;
                }
            }
        }
        Ok(())
    }

    /// Reward models from parts of the crowd's rankings, each with its name; an ensemble has several members.
    fn reward_models(
        &self,
        stage: &Stage,
        run: &Path,
        (sft, path): (&Checkpoint, &Path),
        config: &Config,
    ) -> Result<Vec<(String, Vec<RewardModel>)>> {
        let rankings: Vec<Ranking> = dataset::records(&run.join("rank").join("rankings.jsonl"))?;
        let answers: Vec<Samples> = dataset::records(&run.join("rank").join("answers.jsonl"))?;
        let demonstrations: Vec<Demonstration> = dataset::records(&run.join("world").join("demonstrations.jsonl"))?;
        let limit = config.reward.max_tokens.min(sft.model.config().max_position_embeddings);
        // Of a few hundred comparisons hardly two are of one item, so nothing in them tells who is reliable.
        let settings = Reward { labels: Labels::Votes, ..config.reward.clone() };
        let train = |name: &str, comparisons: usize, member: u64| -> Result<RewardModel> {
            let dir = stage.dir.join(format!("reward-{name}-{member}"));
            std::fs::create_dir_all(&dir)?;
            // Names the streams of its head and its order; the first member has the run's own.
            let seed = if member == 0 {
                config.seed
            } else {
                stream(config.seed, "evaluation/ensemble", member, 0).next_u64()
            };
            let (mut part, resume) = Stage::open("reward", &dir, seed, true)?;
            let mut ranked =
                reward::encode_rankings(&mut part.counters, sft.tokenizer(path)?, &rankings, &answers, limit, None)?;
            stream(config.seed, "evaluation/comparisons", 0, 0).shuffle(&mut ranked);
            let mut pairs = 0;
            ranked.retain(|r| {
                let before = pairs;
                pairs += strict_pairs(&r.ranks);
                before < comparisons
            });
            reward::run(&mut part, resume, sft, path, &ranked, &demonstrations, &settings, &config.train)?;
            part.close()?;
            Checkpointer::new(&dir).clear()?;
            Ok(reward::load(&dir.join("checkpoint"), &sft.model)?)
        };
        let e = &self.evaluation;
        let mut models = Vec::new();
        for &n in &e.comparisons {
            models.push((format!("{n} comparisons"), vec![train(&n.to_string(), n, 0)?]));
        }
        if let Some(&n) = e.comparisons.get(e.comparisons.len() / 2).filter(|_| e.ensemble > 1) {
            let members = (0..e.ensemble as u64).map(|m| train(&format!("ensemble-{n}"), n, m));
            models.push((format!("ensemble of {}, {n} comparisons", e.ensemble), members.collect::<Result<_>>()?));
        }
        Ok(models)
    }
}

/// The answers that people ranked to questions with a wrong belief of the user's, of which `people_prefer_agreeing` is counted
/// too: those in rankings that the reward model learned from, and those in the rankings held out from it.
fn ranked_parts(
    run: &Path,
    (sft, path): (&Checkpoint, &Path),
    config: &Config,
) -> Result<[(&'static str, Vec<Drawn>); 2]> {
    let rankings: Vec<Ranking> = dataset::records(&run.join("rank").join("rankings.jsonl"))?;
    let answers: Vec<Samples> = dataset::records(&run.join("rank").join("answers.jsonl"))?;
    let (tokenizer, truths) = (sft.tokenizer(path)?, WorldRun::truths(run)?);
    let limit = config.reward.max_tokens.min(sft.model.config().max_position_embeddings);
    let ranked = reward::encode_rankings(&mut BTreeMap::new(), tokenizer, &rankings, &answers, limit, None)?;
    let (learned, held_out) = reward::split(&ranked, &config.reward, config.seed);
    let part = |places: &[usize]| {
        let groups: BTreeSet<u64> = places.iter().map(|&i| ranked[i].group).collect();
        let of_part = answers.iter().filter(|record| groups.contains(&record.group_key())).filter_map(|record| {
            let truth = truths.get(&record.id)?;
            truth.belief.as_ref().filter(|b| !b.right && b.holder == Holder::User)?;
            Some((record, truth))
        });
        best_of_n::given(tokenizer, &of_part.collect::<Vec<_>>())
    };
    Ok([("learned", part(&learned)?), ("held_out", part(&held_out)?)])
}

/// Pairs of which one was ranked above the other.
fn strict_pairs(ranks: &[Option<u32>]) -> usize {
    let ranked: Vec<u32> = ranks.iter().flatten().copied().collect();
    (0..ranked.len()).map(|i| ranked[..i].iter().filter(|r| **r != ranked[i]).count()).sum()
}
