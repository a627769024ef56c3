//! What PPO did: to next-token prediction on text it did not see, and to answers to prompts it did not see.

use super::step::{Episode, Packed, Players, lengths};
use super::{Corpus, Inputs, answers};
use crate::config::{Ppo, Train};
use crate::error::Error;
use crate::example::{Example, groups};
use crate::loss::k1;
use crate::reward::{Ranked, scores};
use crate::stage::{Stage, mean_of, ratio};
use crate::update::negative_log_likelihoods;
use serde_json::json;
use trimtab_engine::forward::{Pass, Trace};
use trimtab_engine::model::Model;
use trimtab_run::{Metric, stream, write_atomic};
use trimtab_stats::std_dev;
use trimtab_text::Tokenizer;

fn held(corpus: &Corpus) -> Vec<&Example> {
    corpus.held.iter().map(|(_, e)| e).collect()
}

/// Loss on held-out corpus text, with an interval over documents.
pub fn log_corpus_loss(
    stage: &mut Stage,
    model: &Model,
    corpus: &Corpus,
    step: u64,
    train: &Train,
) -> Result<(), Error> {
    let nll = negative_log_likelihoods(model, &held(corpus), train.pass_tokens)?;
    let clusters = by_document(corpus, &nll.iter().map(|&(s, n)| (s, n as f64)).collect::<Vec<_>>());
    let loss = ratio(&clusters, stage.seed);
    stage.measured(step, "corpus_loss", "nats/token", &loss)
}

fn by_document(corpus: &Corpus, of_piece: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut sums = std::collections::BTreeMap::<usize, (f64, f64)>::new();
    for ((document, _), (sum, n)) in corpus.held.iter().zip(of_piece) {
        let entry = sums.entry(*document).or_default();
        entry.0 += sum;
        entry.1 += n;
    }
    sums.into_values().collect()
}

/// Writes each held-out piece's loss before and after (`corpus_loss.jsonl`), and logs the paired rise by document.
pub fn corpus_pieces(stage: &mut Stage, players: &Players<'_>, corpus: &Corpus, train: &Train) -> Result<(), Error> {
    let before = negative_log_likelihoods(&players.reference, &held(corpus), train.pass_tokens)?;
    let after = negative_log_likelihoods(&players.policy.model, &held(corpus), train.pass_tokens)?;
    let mut lines = String::new();
    let mut rises = Vec::new();
    for (((document, _), (b, n)), (a, _)) in corpus.held.iter().zip(&before).zip(&after) {
        lines += &json!({"document": document, "tokens": n, "nll_sft": b, "nll_ppo": a}).to_string();
        lines.push('\n');
        rises.push((a - b, *n as f64));
    }
    write_atomic(&stage.dir.join("corpus_loss.jsonl"), lines.as_bytes())?;
    let rise = ratio(&by_document(corpus, &rises), stage.seed);
    stage.measured(0, "corpus_loss_rise", "nats/token", &rise)
}

/// Fresh answers of SFT and policy to held-out prompts: rewards and KL, logged and written to `eval.jsonl`.
pub fn fresh_answers(
    stage: &mut Stage,
    players: &Players<'_>,
    inputs: &Inputs<'_>,
    tokenizer: &Tokenizer,
    config: &Ppo,
    train: &Train,
) -> Result<String, Error> {
    let mut order: Vec<usize> = (0..inputs.held_prompts.len()).collect();
    stream(stage.seed, "ppo/eval", 0, 0).shuffle(&mut order);
    let chosen: Vec<usize> =
        order.iter().copied().cycle().take(if order.is_empty() { 0 } else { config.eval_answers }).collect();
    if chosen.len() < 2 {
        stage.push(&Metric::undefined("ppo", 0, "fresh_reward_gain", "fewer than two held-out prompts"))?;
        return Ok("no held-out prompts to measure on".into());
    }
    let mut lines = String::new();
    let mut of_model = Vec::new();
    for (name, model) in [("sft", &players.reference), ("ppo", &players.policy.model)] {
        let prompts: Vec<Vec<u32>> = chosen.iter().map(|&i| inputs.held_prompts[i].tokens.clone()).collect();
        let seed = stream(stage.seed, "ppo/eval", 1, 0).next_u64();
        let episodes = answers(model, &prompts, 1, &inputs.sft.eos, config, seed)?;
        let rewards = rewards(inputs, &episodes, config, train)?;
        let kls = kl_per_answer(model, &players.reference, &episodes, config, train)?;
        for (((&i, e), reward), kl) in chosen.iter().zip(&episodes).zip(&rewards).zip(&kls) {
            let text = tokenizer.decode(&e.answer, true)?;
            lines += &json!({"prompt_id": inputs.held_prompts[i].id, "model": name, "text": text, "tokens": e.answer.len(), "ended": e.ended, "reward": reward, "kl": kl}).to_string();
            lines.push('\n');
        }
        let lengths: Vec<f64> = episodes.iter().map(|e| e.answer.len() as f64).collect();
        for (what, unit, values) in [
            ("fresh_reward", "reward", &rewards),
            ("fresh_kl", "nats/answer", &kls),
            ("fresh_answer_tokens", "tokens", &lengths),
        ] {
            stage.measured(0, &format!("{what}/{name}"), unit, &mean_of(values.iter().copied(), stage.seed))?;
        }
        let std = std_dev(&rewards).unwrap_or(f64::NAN);
        stage.push(
            &Metric::new("ppo", 0, &format!("fresh_reward_std/{name}"), std).unit("reward").n(rewards.len() as u64),
        )?;
        of_model.push((rewards, std));
    }
    write_atomic(&stage.dir.join("eval.jsonl"), lines.as_bytes())?;
    let [(sft, std), (ppo, _)] = &of_model[..] else { return Ok(String::new()) };
    let in_deviations: Vec<f64> = ppo.iter().zip(sft).map(|(p, s)| (p - s) / std).collect();
    let gain = mean_of(in_deviations, stage.seed);
    stage.measured(0, "fresh_reward_gain", "standard deviations of SFT's reward", &gain)?;
    Ok(match (gain.value, &gain.interval) {
        (Some(value), Some(i)) => format!(
            "fresh answers gain {value:+.2} [{:+.2}, {:+.2}] standard deviations of SFT's reward",
            i.low, i.high
        ),
        _ => format!("no gain could be measured: {}", gain.reason.unwrap_or_default()),
    })
}

fn rewards(inputs: &Inputs<'_>, episodes: &[Episode], config: &Ppo, train: &Train) -> Result<Vec<f64>, Error> {
    let ranked: Vec<Ranked> =
        episodes.iter().map(|e| Ranked::unranked(e.prompt.clone(), vec![e.answer.clone()])).collect();
    let raw = scores(&inputs.reward.model, &ranked.iter().collect::<Vec<_>>(), train.pass_tokens)?;
    Ok(raw
        .into_iter()
        .flatten()
        .zip(episodes)
        .map(|(raw, e)| if e.ended { inputs.reward.reward(raw) } else { config.missing_eos_reward })
        .collect())
}

/// Σ k1 of each answer against the reference.
fn kl_per_answer(
    model: &Model,
    reference: &Model,
    episodes: &[Episode],
    config: &Ppo,
    train: &Train,
) -> Result<Vec<f64>, Error> {
    let mut trace = Trace::default();
    let mut out = Vec::with_capacity(episodes.len());
    for group in groups(&lengths(episodes), train.pass_tokens) {
        let packed = Packed::of(&episodes[group]);
        let mut logp = |model: &Model| -> Result<Vec<f32>, Error> {
            model.forward(&packed.batch, &mut trace, Pass { rows: Some(&packed.rows), ..Pass::read() })?;
            Ok(model.logprobs(&trace, packed.at(config.temperature), false).logp)
        };
        let (new, old) = (logp(model)?, logp(reference)?);
        let k1_of = |t: usize| k1(f64::from(new[t]), f64::from(old[t]));
        out.extend(packed.ranges.iter().map(|range| range.clone().map(k1_of).sum::<f64>()));
    }
    Ok(out)
}
