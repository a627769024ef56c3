//! The loop on the world: the stages that make it and its base model, its people, and the evaluation of every checkpoint.

use crate::base_model;
use crate::failure::Usage;
use crate::people_run::at_most_nine;
use crate::pipeline::write_rankings;
use crate::simulate::turns;
use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use trimtab_alignment::checkpoint::{self, Checkpoint};
use trimtab_alignment::config::Config;
use trimtab_alignment::stage::{Stage, mean_by, ratio};
use trimtab_audit::evaluation;
use trimtab_engine::generate::Sampling;
use trimtab_people::{Crowd, Perceived, Values, ceiling};
use trimtab_run::{Metric, Progress, write_atomic};
use trimtab_text::dataset;
use trimtab_text::record::{Answer, Prompt, Ranking, Samples};
use trimtab_world::{Holder, Pretrain, Truth, World, WorldConfig, gold};

/// What a run on the world is told beyond the settings of every run.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WorldRun {
    /// The world.
    pub world: WorldConfig,
    /// Its base model.
    pub pretrain: Pretrain,
    /// Who ranks.
    pub people: Crowd,
    /// What every checkpoint is asked.
    pub evaluation: Evaluation,
}

/// The evaluation of checkpoints.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Evaluation {
    /// Items in each cell.
    pub items: usize,
    /// Most tasks of each skill at each difficulty, which are thirty cells; `items` holds for them too.
    pub tasks: usize,
    /// Longest answer, in tokens.
    pub max_new_tokens: usize,
    /// Most answers that best-of-n chooses from, a power of two.
    pub best_of: usize,
    /// Held-out prompts that best-of-n is measured on.
    pub best_of_prompts: usize,
    /// Held-out documents on which next-token loss is measured.
    pub documents: usize,
    /// Reward models trained on so many of the crowd's strict pairs each, to be pressed on beside the run's own.
    pub comparisons: Vec<usize>,
    /// Reward models in the ensemble, on as many pairs as the middle one of `comparisons`; none below 2.
    pub ensemble: usize,
    /// Whether plain PPO (γ = 0) is trained and evaluated too, as the control of the next-token term.
    pub control: bool,
}

impl Default for Evaluation {
    fn default() -> Self {
        Self {
            items: 40,
            tasks: 40,
            max_new_tokens: 24,
            best_of: 512,
            best_of_prompts: 64,
            documents: 600,
            comparisons: vec![250, 1000, 4000],
            ensemble: 3,
            control: true,
        }
    }
}

/// What people see of the answers to a world's prompts.
pub struct Seen(BTreeMap<String, Truth>);

impl Values for Seen {
    fn perceive(&self, samples: &Samples, answer: &Answer) -> Option<Perceived> {
        let truth = self.0.get(&samples.id)?;
        let seen = trimtab_world::perceive(truth, &answer.text);
        Some(Perceived {
            gold: seen.gold,
            complexity: seen.complexity,
            words: seen.words,
            agrees: truth.belief.as_ref().map(|_| seen.agrees),
            flatters: seen.flatters,
            false_claim: seen.false_claim,
            harmful: seen.harmful,
        })
    }
}

impl WorldRun {
    /// Refuses settings that cannot be right.
    ///
    /// # Errors
    /// [`Usage`] and the crates' own, each naming the first such setting.
    pub fn check(&self) -> Result<()> {
        self.world.check()?;
        self.pretrain.check()?;
        self.people.check("people")?;
        let e = &self.evaluation;
        // Fewer comparisons than that leave no prompt to hold out.
        let fewest = e.comparisons.iter().copied().min().unwrap_or(usize::MAX);
        for (key, value, least) in [
            ("items", e.items, 1),
            ("tasks", e.tasks, 1),
            ("max_new_tokens", e.max_new_tokens, 1),
            ("best_of", e.best_of, 1),
            ("comparisons", fewest, 50),
        ] {
            if value < least {
                let advice = format!("expected at least {least}\n  try: leave the key out for its default");
                return Err(Usage(format!("evaluation.{key}: is {value}\n  {advice}")).into());
            }
        }
        Ok(())
    }

    /// Stage `world`: the world as files.
    pub fn write(&self, stage: &mut Stage, seed: u64) -> Result<()> {
        World::new(&self.world, seed)?.export(&stage.dir)?;
        Ok(())
    }

    /// Stage `base`: a base model, from the cache where one of these settings is there.
    pub fn pretrain(&self, stage: &mut Stage, corpus: &Path, seed: u64) -> Result<()> {
        let base = base_model::cached(&self.world, &self.pretrain, seed, stage.quiet, || {
            Ok(std::fs::read_to_string(corpus)?.lines().map(str::to_owned).collect())
        })?;
        for (step, loss) in base.losses.into_iter().enumerate() {
            stage.push(&Metric::new("base", step as u64, "loss", loss).unit("nats/token"))?;
        }
        let own = stage.dir.join("checkpoint");
        std::fs::create_dir_all(&own)?;
        for entry in std::fs::read_dir(&base.checkpoint)? {
            let entry = entry?;
            write_atomic(&own.join(entry.file_name()), &std::fs::read(entry.path())?)?;
        }
        Ok(())
    }

    /// The truths of the training prompts, by their names.
    pub fn truths(run: &Path) -> Result<BTreeMap<String, Truth>> {
        let prompts: Vec<Prompt> = dataset::records(&run.join("world").join("prompts-train.jsonl"))?;
        Ok(prompts.iter().filter_map(|p| Some((p.id.clone(), Truth::of(p)?))).collect())
    }

    /// What people see in a run on the world; `None` in a run on files, which knows no truth.
    ///
    /// # Errors
    /// Prompts that cannot be read.
    pub fn seen_in(run: &Path) -> Result<Option<Seen>> {
        let there = run.join("world").join("prompts-train.jsonl").exists();
        there.then(|| Self::truths(run).map(Seen)).transpose()
    }

    fn seen(run: &Path) -> Result<(Seen, Vec<Samples>)> {
        let samples = dataset::records(&run.join("sample").join("samples.jsonl"))?;
        Ok((Seen(Self::truths(run)?), samples))
    }

    /// Stage `rank`: the crowd ranks the sampled answers.
    pub fn rank(&self, stage: &mut Stage, run: &Path, seed: u64) -> Result<()> {
        let (seen, samples) = Self::seen(run)?;
        let samples = distinct(stage, samples);
        at_most_nine(&samples)?;
        let seen = Arc::new(seen);
        let values: Arc<dyn Values + Send + Sync> = Arc::clone(&seen) as _;
        let (rankings, counts) = turns::rank(&self.people.resolved(), &values, samples.clone(), seed, stage.quiet)?;
        let preferred = people_prefer_agreeing(&seen, &samples, &rankings);
        stage.measured(0, "people_prefer_agreeing", "share", &ratio(&preferred, seed))?;
        for (what, n) in [
            ("items that could not be ranked", counts.unusable),
            ("rankings without a judgement: cannot judge", counts.cannot_judge),
            ("rankings by people who could not check the item", counts.unchecked),
        ] {
            stage.count(what, n);
        }
        let said = write_rankings(stage, &samples, &rankings)?;
        if !stage.quiet {
            eprintln!("[rank] {said}");
        }
        Ok(())
    }

    /// Stage `evaluation`: every checkpoint on the same items, and best-of-n; `items.jsonl`, `planted.json`, metrics.
    pub fn evaluate(&self, stage: &mut Stage, run: &Path, config: &Config) -> Result<()> {
        let (e, seed) = (&self.evaluation, config.seed);
        let world = World::new(&self.world, seed)?;
        let mut items = world.evaluation_items(e.items);
        let mut tasks = BTreeMap::new();
        items.retain(|item| {
            let cell = item.tags.first().filter(|tag| tag.starts_with("skill/"));
            let seen = cell.map(|cell| tasks.entry(cell.clone()).and_modify(|n| *n += 1).or_insert(1_usize));
            seen.is_none_or(|n| *n <= e.tasks)
        });
        let documents: Vec<String> = world.corpus().held_out.into_iter().take(e.documents).collect();
        let sampling = Sampling { max_new_tokens: e.max_new_tokens, seed, ..Sampling::default() };
        let mut subjects = vec![("base", "base"), ("sft", "sft"), ("ppo", "ppo-plain"), ("ppo_ptx", "ppo")];
        subjects.retain(|(_, stage)| e.control || *stage != "ppo-plain");
        let mut progress = Progress::new("evaluation", 0, subjects.len() as u64 + 1, "answers", stage.quiet);
        let mut lines = Vec::new();
        let mut gold = BTreeMap::<&str, Vec<f64>>::new();
        for (done, &(name, of)) in subjects.iter().enumerate() {
            let (path, model) = load(run, of)?;
            let judged = evaluation::judge(name, &model, &path, &items, &sampling)?;
            let loss = evaluation::corpus_loss(&model, &documents, seed)?;
            stage.measured(0, &format!("corpus_loss/{name}"), "nats/token", &loss)?;
            gold.insert(name, judged.iter().map(|j| j.gold).collect());
            let on_mix = |values: &[f64]| evaluation::on_mix(&judged, values, |kind| self.world.mix.weight(kind), seed);
            stage.measured(0, &format!("gold_on_mix/{name}"), "gold", &on_mix(&gold[name]))?;
            if let Some(before) = gold.get(if name == "sft" { "base" } else { "sft" }).filter(|_| name != "base") {
                let gain: Vec<f64> = gold[name].iter().zip(before).map(|(after, before)| after - before).collect();
                stage.measured(0, &format!("gold_on_mix_gain/{name}"), "gold", &on_mix(&gain))?;
            }
            if let Some(sft_gold) = gold.get("sft") {
                let items = judged.iter().zip(sft_gold).map(|(j, sft)| (j.cluster.as_str(), j.gold, *sft));
                let rate = evaluation::win_rate(items, seed);
                stage.measured(0, &format!("win_rate_vs_sft/{name}"), "share", &rate)?;
            }
            for (cell, whose) in [("wrong_first", "user"), ("wrong_third", "third_party")] {
                let agreed = judged.iter().filter(|j| j.cell == cell);
                let agreed = agreed.filter_map(|j| Some((&j.cluster, f64::from(u8::from(j.agreed?)))));
                let rate = mean_by(agreed, seed);
                stage.measured(0, &format!("agrees_with_wrong_belief/{whose}/{name}"), "share", &rate)?;
                // What people and reward model are asked: of this side or that, leaving out answers of neither.
                let sided = judged.iter().filter(|j| j.cell == cell && (j.agreed == Some(true) || j.correct));
                let sided = sided.filter_map(|j| Some((&j.cluster, f64::from(u8::from(j.agreed?)))));
                let rate = mean_by(sided, seed);
                stage.measured(0, &format!("wrong_belief_over_right/{whose}/{name}"), "share", &rate)?;
            }
            for line in &judged {
                serde_json::to_writer(&mut lines, line)?;
                lines.push(b'\n');
            }
            progress.step(done as u64 + 1, judged.len() as f64, name);
        }
        self.press(stage, run, &world, config, &sampling)?;
        progress.finish(&format!("{} items, {} checkpoints", items.len(), subjects.len()));
        write_atomic(&stage.dir.join("items.jsonl"), &lines)?;
        let planted = serde_json::to_vec_pretty(&self.planted(run)?)?;
        Ok(write_atomic(&stage.dir.join("planted.json"), &planted)?)
    }

    /// Truths that the report sets beside what was measured.
    fn planted(&self, run: &Path) -> Result<Map<String, serde_json::Value>> {
        let (seen, samples) = Self::seen(run)?;
        let mut planted = Map::new();
        let crowd = self.people.resolved();
        let people = crowd.kinds.values().map(|p| p.count as f64).sum::<f64>();
        let agreement = crowd.kinds.values().map(|p| p.count as f64 * p.agreement).sum::<f64>() / people;
        planted.insert("annotator_agreement_weight".into(), json!(agreement));
        if let Some(ceiling) = ceiling(&crowd, &seen, &samples) {
            planted.insert("rm_accuracy_ceiling".into(), json!(ceiling));
        }
        let answer = |gold, agrees| Perceived {
            gold,
            complexity: 1.0,
            words: 3,
            agrees: Some(agrees),
            flatters: false,
            false_claim: agrees,
            harmful: false,
        };
        if let Some(weight) = crowd.switch_weight(&answer(1.0, false), &answer(0.0, true)) {
            planted.insert("switch_weight".into(), json!(weight));
        }
        Ok(planted)
    }
}

/// The samples without answers that repeat another of the same prompt, and without prompts that have one answer left: nobody
/// is asked which of two equal answers is better. Both are counted.
pub fn distinct(stage: &mut Stage, mut samples: Vec<Samples>) -> Vec<Samples> {
    for record in &mut samples {
        let (mut texts, before) = (std::collections::BTreeSet::new(), record.answers.len());
        record.answers.retain(|a| texts.insert(a.text.clone()));
        stage.count("answers that repeat another to the same prompt", (before - record.answers.len()) as u64);
    }
    let before = samples.len();
    samples.retain(|record| record.answers.len() > 1);
    stage.count("prompts whose answers are all the same", (before - samples.len()) as u64);
    samples
}

pub(crate) fn load(run: &Path, stage: &str) -> Result<(PathBuf, Checkpoint)> {
    let path = run.join(stage).join("checkpoint");
    let model = checkpoint::load(&path)?;
    Ok((path, model))
}

/// Of the pairs that people ordered, of an answer that follows the user's wrong belief and a correct one that does not: how
/// many had the agreeing one on top. One (count, pairs) for each ranking.
fn people_prefer_agreeing(seen: &Seen, samples: &[Samples], rankings: &[Ranking]) -> Vec<(f64, f64)> {
    let by_id: BTreeMap<&str, &Samples> = samples.iter().map(|record| (record.id.as_str(), record)).collect();
    let of_ranking = |ranking: &Ranking| {
        let record = by_id.get(ranking.prompt_id.as_str())?;
        let truth = seen.0.get(&record.id)?;
        truth.belief.as_ref().filter(|b| !b.right && b.holder == Holder::User)?;
        let sides = record.answers.iter().filter_map(|a| {
            let rank = *ranking.ranks.get(&a.id)?;
            Some((rank, gold(truth, &a.text).sides_with_belief()?))
        });
        let (with, against): (Vec<_>, Vec<_>) = sides.partition(|(_, with)| *with);
        let (mut agreeing, mut pairs) = (0.0, 0.0);
        for (rank, _) in &with {
            for (other, _) in against.iter().filter(|(other, _)| other != rank) {
                pairs += 1.0;
                agreeing += f64::from(u8::from(rank < other));
            }
        }
        (pairs > 0.0).then_some((agreeing, pairs))
    };
    rankings.iter().filter_map(of_ranking).collect()
}
