//! The loop on the world: the stages that make it and its base model, its people, and the evaluation of every checkpoint.

use crate::failure::Usage;
use crate::pipeline::write_rankings;
use crate::settings::cache_folder;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use trimtab_alignment::checkpoint::{self, Checkpoint};
use trimtab_alignment::reward;
use trimtab_alignment::stage::Stage;
use trimtab_audit::{best_of_n, evaluation};
use trimtab_people::{Crowd, Perceived, Values, ceiling, simulate};
use trimtab_run::{Metric, Progress, config_hash, interrupt, write_atomic};
use trimtab_text::dataset;
use trimtab_text::record::{Answer, Prompt, Samples};
use trimtab_world::{Pretrain, Split, Truth, World, WorldConfig};

/// Changes whenever pretraining would give other weights for the same settings, so that old cached models are not taken.
const PRETRAINING: u32 = 1;

/// What a run on the world is told beyond the settings of every run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Evaluation {
    /// Items in each cell.
    pub items: usize,
    /// Longest answer, in tokens.
    pub max_new_tokens: usize,
    /// Most answers that best-of-n chooses from, a power of two.
    pub best_of: usize,
    /// Held-out prompts that best-of-n is measured on.
    pub best_of_prompts: usize,
    /// Held-out documents on which next-token loss is measured.
    pub documents: usize,
}

impl Default for Evaluation {
    fn default() -> Self {
        Self { items: 40, max_new_tokens: 24, best_of: 64, best_of_prompts: 64, documents: 600 }
    }
}

/// What people see of the answers to a world's prompts.
struct Seen(BTreeMap<String, Truth>);

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
        for (key, value) in [("items", e.items), ("max_new_tokens", e.max_new_tokens), ("best_of", e.best_of)] {
            if value == 0 {
                let advice = "expected at least 1\n  try: leave the key out for its default";
                return Err(Usage(format!("evaluation.{key}: is 0\n  {advice}")).into());
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
        let key = config_hash(&json!([PRETRAINING, seed, self.world, self.pretrain]));
        let cached = cache_folder().join("base").join(key);
        let (losses, model) = (cached.join("losses.json"), cached.join("checkpoint"));
        let known = std::fs::read(&losses).ok().and_then(|bytes| serde_json::from_slice::<Vec<f64>>(&bytes).ok());
        let losses = match known {
            Some(found) if checkpoint::load(&model).is_ok() => {
                if !stage.quiet {
                    eprintln!("[base] from {}", cached.display());
                }
                found
            }
            _ => {
                let text = std::fs::read_to_string(corpus)?;
                let documents: Vec<String> = text.lines().map(str::to_owned).collect();
                let mut progress = Progress::new("base", 0, self.pretrain.steps, "tok", stage.quiet);
                let (mut found, mut before) = (Vec::new(), 0);
                let trained = trimtab_world::pretrain(&documents, &self.pretrain, seed, |done| {
                    found.push(done.loss);
                    progress.step(done.step, (done.tokens - before) as f64, &format!("loss {:.3}", done.loss));
                    before = done.tokens;
                    interrupt::stop_point("base", done.step);
                    if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })?;
                if interrupt::requested() && (found.len() as u64) < self.pretrain.steps {
                    return Err(trimtab_alignment::Error::Interrupted { stage: "base", step: 0 }.into());
                }
                progress.finish("pretrained");
                std::fs::create_dir_all(&cached)?;
                trimtab_world::pretrain::save(&model, &trained)?;
                // Last: a cache without it is not taken.
                write_atomic(&losses, &serde_json::to_vec(&found)?)?;
                found
            }
        };
        for (step, loss) in losses.into_iter().enumerate() {
            stage.push(&Metric::new("base", step as u64, "loss", loss).unit("nats/token"))?;
        }
        let own = stage.dir.join("checkpoint");
        std::fs::create_dir_all(&own)?;
        for entry in std::fs::read_dir(&model)? {
            let entry = entry?;
            write_atomic(&own.join(entry.file_name()), &std::fs::read(entry.path())?)?;
        }
        Ok(())
    }

    fn seen(run: &Path) -> Result<(Seen, Vec<Samples>)> {
        let prompts: Vec<Prompt> = dataset::records(&run.join("world").join("prompts-train.jsonl"))?;
        let samples = dataset::records(&run.join("sample").join("samples.jsonl"))?;
        Ok((Seen(prompts.iter().filter_map(|p| Some((p.id.clone(), Truth::of(p)?))).collect()), samples))
    }

    /// Stage `rank`: the crowd ranks the sampled answers.
    pub fn rank(&self, stage: &mut Stage, run: &Path, seed: u64) -> Result<()> {
        let (seen, mut samples) = Self::seen(run)?;
        // Nobody is asked which of two equal answers is better.
        for record in &mut samples {
            let (mut texts, before) = (std::collections::BTreeSet::new(), record.answers.len());
            record.answers.retain(|a| texts.insert(a.text.clone()));
            stage.count("answers that repeat another to the same prompt", (before - record.answers.len()) as u64);
        }
        let before = samples.len();
        samples.retain(|record| record.answers.len() > 1);
        stage.count("prompts whose answers are all the same", (before - samples.len()) as u64);
        let (rankings, counts) = simulate(&self.people, &seen, &samples, seed, "sft");
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
    pub fn evaluate(&self, stage: &mut Stage, run: &Path, seed: u64) -> Result<()> {
        let e = &self.evaluation;
        let world = World::new(&self.world, seed)?;
        let items = world.evaluation_items(e.items);
        let documents: Vec<String> = world.corpus().held_out.into_iter().take(e.documents).collect();
        let subjects = [("base", "base"), ("sft", "sft"), ("ppo", "ppo-plain"), ("ppo_ptx", "ppo")];
        let mut progress = Progress::new("evaluation", 0, subjects.len() as u64 + 1, "answers", stage.quiet);
        let mut lines = Vec::new();
        let mut sft_gold: Vec<f64> = Vec::new();
        for (done, (name, of)) in subjects.into_iter().enumerate() {
            let (path, model) = load(run, of)?;
            let judged = evaluation::judge(name, &model, &path, &items, e.max_new_tokens)?;
            let gold: Vec<f64> = judged.iter().map(|j| j.gold).collect();
            let loss = evaluation::corpus_loss(&model, &documents, seed)?;
            stage.measured(0, &format!("corpus_loss/{name}"), "nats/token", &loss)?;
            if name == "sft" {
                sft_gold.clone_from(&gold);
            }
            if !sft_gold.is_empty() {
                let rate = evaluation::win_rate(&gold, &sft_gold, seed);
                stage.measured(0, &format!("win_rate_vs_sft/{name}"), "share", &rate)?;
            }
            for line in &judged {
                serde_json::to_writer(&mut lines, line)?;
                lines.push(b'\n');
            }
            progress.step(done as u64 + 1, judged.len() as f64, name);
        }
        let (path, sft) = load(run, "sft")?;
        let reward = reward::load(&run.join("reward").join("checkpoint"), &sft.model)?;
        let held: Vec<Prompt> = world.prompts(Split::HeldOut).into_iter().take(e.best_of_prompts).collect();
        for best in best_of_n::curve(&sft, &path, &reward, &held, e.best_of, e.max_new_tokens, seed)? {
            stage.measured(0, &format!("best_of_n_proxy/{}", best.n), "reward", &best.proxy)?;
            stage.measured(0, &format!("best_of_n_gold/{}", best.n), "gold", &best.gold)?;
        }
        progress.finish(&format!("{} items, {} checkpoints", items.len(), subjects.len()));
        write_atomic(&stage.dir.join("items.jsonl"), &lines)?;
        let planted = serde_json::to_vec_pretty(&self.planted(run)?)?;
        Ok(write_atomic(&stage.dir.join("planted.json"), &planted)?)
    }

    /// Truths that the report sets beside what was measured.
    fn planted(&self, run: &Path) -> Result<Map<String, serde_json::Value>> {
        let (seen, samples) = Self::seen(run)?;
        let mut planted = Map::new();
        let people = self.people.kinds.values().map(|p| p.count as f64).sum::<f64>();
        let agreement = self.people.kinds.values().map(|p| p.count as f64 * p.agreement).sum::<f64>() / people;
        planted.insert("annotator_agreement_weight".into(), json!(agreement));
        if let Some(ceiling) = ceiling(&self.people, &seen, &samples) {
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
        if let Some(weight) = self.people.switch_weight(&answer(1.0, false), &answer(0.0, true)) {
            planted.insert("switch_weight".into(), json!(weight));
        }
        Ok(planted)
    }
}

fn load(run: &Path, stage: &str) -> Result<(PathBuf, Checkpoint)> {
    let path = run.join(stage).join("checkpoint");
    let model = checkpoint::load(&path)?;
    Ok((path, model))
}
