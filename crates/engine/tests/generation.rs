//! Laws of sampling: what is cached equals what is computed afresh, answers depend on nothing but their own stream, and
//! tokens come as often as their probabilities say.
#![allow(clippy::unwrap_used)] // test code outside #[test] functions

mod common;

use common::{adapter, lively, noise, read, shapes, some_tokens};
use trimtab_engine::batch::{InputError, PackedBatch};
use trimtab_engine::config::ModelConfig;
use trimtab_engine::forward::{Pass, Trace};
use trimtab_engine::generate::{Answer, Sampling, Stop};
use trimtab_engine::hooks::{Action, At, Hook};
use trimtab_engine::model::Model;
use trimtab_engine::readout::LogProbRows;

fn sample(model: &Model, prompts: &[Vec<u32>], samples: usize, sampling: &Sampling, hooks: &[Hook]) -> Vec<Answer> {
    model.generate(prompts, samples, sampling, hooks, |_| true).unwrap()
}

/// Prompts of different lengths, the longest past every window and past a block of attention.
fn prompts(config: &ModelConfig) -> Vec<Vec<u32>> {
    [3, 1, 70, 9].iter().enumerate().map(|(i, &n)| some_tokens(n, config.vocab_size, i as u64 + 1)).collect()
}

/// Log-probabilities of an answer's tokens by a full forward pass over prompt and answer, behind another sequence.
fn taught(model: &Model, prompt: &[u32], answer: &[u32], temperature: f32, hooks: &[Hook]) -> Vec<f32> {
    let mut batch = PackedBatch::new();
    batch.push(&answer[..1]);
    let (prompt, answers) = batch.push_shared(prompt, &[&answer[..1], answer]);
    let rows = PackedBatch::predictions(&prompt, &answers[1]);
    let mut trace = Trace::default();
    model.forward(&batch, &mut trace, Pass { hooks, ..Pass::read() }).unwrap();
    model.logprobs(&trace, LogProbRows { rows: &rows, targets: answer, temperature }, false).logp
}

/// Steering at one layer from a position on, ablation of a direction at another everywhere, and a read that changes
/// nothing.
fn interventions(config: &ModelConfig) -> Vec<Hook> {
    let d = config.hidden_size;
    let norm = noise(d, 9).iter().map(|v| v * v).sum::<f32>().sqrt();
    let unit = noise(d, 9).iter().map(|v| v / norm).collect();
    let norm = noise(d, 6).iter().map(|v| v * v).sum::<f32>().sqrt();
    let other = noise(d, 6).iter().map(|v| v / norm).collect();
    vec![
        Hook { layer: 0, at: At::From(2), action: Action::Add(noise(d, 8)) },
        Hook { layer: 1, at: At::All, action: Action::Read },
        Hook { layer: 1, at: At::All, action: Action::ProjectOut(unit) },
        Hook { layer: 0, at: At::From(1), action: Action::Ablate(other) },
        Hook { layer: config.num_hidden_layers, at: At::Positions(vec![4, 72]), action: Action::Add(noise(d, 7)) },
    ]
}

/// Wide enough for every path of the kernels, odd enough for their edges.
fn wide() -> ModelConfig {
    ModelConfig {
        hidden_size: 136,
        intermediate_size: 1347,
        head_dim: 34,
        vocab_size: 1031,
        tie_word_embeddings: false,
        max_position_embeddings: 1024,
        ..ModelConfig::tiny()
    }
}

/// Law: what sampling reports is what a full pass finds, to the last bit: with adapters and hooks, after a prompt shared or
/// its own, on every shape of model.
#[test]
fn cached_generation_has_the_bits_of_the_full_forward() {
    for (name, config) in shapes().into_iter().chain([("wide", wide())]) {
        let plain = lively(&config, 3);
        let mut adapted = plain.clone();
        adapted.adapter = Some(adapter(&config, 1, 0.0));
        let hooks = interventions(&config);
        let sampling = Sampling { temperature: 0.8, max_new_tokens: 12, seed: 4, batch: 5, ..Sampling::default() };
        let mut all = Vec::new();
        for (model, hooks, kind) in
            [(&plain, &hooks[..0], "plain"), (&adapted, &hooks[..0], "adapted"), (&plain, &hooks[..], "hooked")]
        {
            let prompts = prompts(&config);
            let answers = sample(model, &prompts, 3, &sampling, hooks);
            assert_eq!(answers.len(), 12);
            for a in &answers {
                assert_eq!((a.tokens.len(), a.stop), (12, Stop::Length));
                let want = taught(model, &prompts[a.prompt], &a.tokens, 0.8, hooks);
                assert_eq!(a.logprobs, want, "{name}, {kind}, prompt {}, sample {}", a.prompt, a.sample);
            }
            all.push(answers);
        }
        assert!(all[0] != all[1] && all[0] != all[2], "{name}: adapter and hooks change answers");
    }
}

/// As above where prompts are longer than a partial sum, an attention block, and a block of the summed dimension.
#[test]
fn long_contexts_have_the_bits_of_the_full_forward() {
    let model = lively(&wide(), 6);
    let prompts: Vec<Vec<u32>> = [90, 188, 668].map(|n| some_tokens(n, 1031, n as u64)).to_vec();
    let sampling = Sampling { max_new_tokens: 12, ..Sampling::default() };
    for a in sample(&model, &prompts, 2, &sampling, &[]) {
        let prompt = &prompts[a.prompt];
        assert_eq!(a.logprobs, taught(&model, prompt, &a.tokens, 1.0, &[]), "{} tokens", prompt.len());
        let mut batch = PackedBatch::new();
        let range = batch.push(&[&prompt[..], &a.tokens].concat());
        let rows: Vec<usize> = (range.start + prompt.len() - 1..range.end - 1).collect();
        let mut trace = Trace::default();
        model.forward(&batch, &mut trace, Pass::read()).unwrap();
        let alone = model.logprobs(&trace, LogProbRows { rows: &rows, targets: &a.tokens, temperature: 1.0 }, false);
        assert_eq!(a.logprobs, alone.logp, "{} tokens, in one sequence", prompt.len());
    }
}

/// An answer is the same, bit for bit, whatever the batch size and whatever the other prompts are.
#[test]
fn an_answer_does_not_depend_on_its_batch() {
    for (name, config) in shapes().into_iter().chain([("wide", wide())]) {
        let mut model = lively(&config, 5);
        model.adapter = Some(adapter(&config, 0, 0.0));
        // Ends at different lengths, so that slots are refilled at different times.
        let eos = (0..config.vocab_size as u32).step_by(7).collect();
        let sampling = Sampling { max_new_tokens: 20, seed: 9, batch: 1, eos, ..Sampling::default() };
        let mut given = prompts(&config);
        let alone = sample(&model, &given, 5, &sampling, &[]);
        assert!(alone.iter().any(|a| a.stop == Stop::Eos) && alone.iter().any(|a| a.tokens.len() > 3), "{name}");
        for batch in [2, 3, 16, 1000] {
            let together = sample(&model, &given, 5, &Sampling { batch, ..sampling.clone() }, &[]);
            assert_eq!(alone, together, "{name}, batch {batch}");
        }
        // Other neighbours, more samples: prompt 2 keeps its answers.
        given[0] = some_tokens(31, config.vocab_size, 90);
        given.swap(1, 3);
        given.push(some_tokens(5, config.vocab_size, 91));
        let others = sample(&model, &given, 6, &Sampling { batch: 7, ..sampling.clone() }, &[]);
        let of_two = |answers: &[Answer]| -> Vec<Answer> {
            answers.iter().filter(|a| a.prompt == 2 && a.sample < 5).cloned().collect()
        };
        assert_eq!(of_two(&alone), of_two(&others), "{name}");
    }
}

#[test]
fn streams_are_named_by_seed_prompt_and_sample() {
    let model = lively(&ModelConfig::tiny(), 1);
    let prompt = some_tokens(4, 61, 1);
    let sampling = Sampling { max_new_tokens: 16, seed: 1, ..Sampling::default() };
    let once = sample(&model, &[prompt.clone(), prompt.clone()], 2, &sampling, &[]);
    assert_eq!(once, sample(&model, &[prompt.clone(), prompt.clone()], 2, &sampling, &[]));
    let other = sample(&model, &[prompt.clone(), prompt], 2, &Sampling { seed: 2, ..sampling }, &[]);
    let mut tokens: Vec<&[u32]> = once.iter().chain(&other).map(|a| &a.tokens[..]).collect();
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens.len(), 8, "eight streams, eight answers");
    let order: Vec<_> = once.iter().map(|a| (a.prompt, a.sample)).collect();
    assert_eq!(order, [(0, 0), (0, 1), (1, 0), (1, 1)]);
}

#[test]
fn greedy_takes_the_argmax_of_the_full_forward() {
    for (name, config) in shapes() {
        let model = lively(&config, 7);
        let prompts = prompts(&config);
        let greedy = Sampling { temperature: 0.0, max_new_tokens: 8, top_k: 3, seed: 5, ..Sampling::default() };
        for answer in sample(&model, &prompts, 1, &greedy, &[]) {
            let mut tokens = prompts[answer.prompt].clone();
            for (&token, &logprob) in answer.tokens.iter().zip(&answer.logprobs) {
                let mut batch = PackedBatch::new();
                batch.push(&tokens);
                let logits = model.logits(&read(&model, &batch), &[tokens.len() - 1]);
                let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
                assert_eq!(token as usize, best, "{name}, prompt {}", answer.prompt);
                let lse = logits.iter().map(|&z| f64::from(z).exp()).sum::<f64>().ln();
                assert!((f64::from(logprob) - (f64::from(logits[best]) - lse)).abs() < 1e-5, "greedy reports T = 1");
                tokens.push(token);
            }
        }
    }
}

#[test]
fn answers_stop_at_an_end_token_a_length_or_the_context() {
    let config = ModelConfig { max_position_embeddings: 20, ..ModelConfig::tiny() };
    let model = lively(&config, 2);
    let prompt = some_tokens(5, config.vocab_size, 3);
    let free = Sampling { max_new_tokens: 9, seed: 3, ..Sampling::default() };
    let answer = &sample(&model, std::slice::from_ref(&prompt), 1, &free, &[])[0];
    assert_eq!((answer.tokens.len(), answer.stop), (9, Stop::Length));

    // The same stream with its fifth token named as an end: the same tokens up to its first occurrence, itself included.
    let end = answer.tokens[4];
    let at = answer.tokens.iter().position(|&t| t == end).unwrap();
    let ended =
        &sample(&model, std::slice::from_ref(&prompt), 1, &Sampling { eos: vec![60, end], ..free.clone() }, &[])[0];
    let same = answer.tokens[..at].contains(&60);
    assert!(!same, "the other end token is not in the way");
    assert_eq!((&ended.tokens[..], ended.stop), (&answer.tokens[..=at], Stop::Eos));
    assert_eq!(ended.logprobs, answer.logprobs[..=at]);

    // Prompt and answer together fill the context and no more; a prompt that fills it alone is refused.
    let long = Sampling { max_new_tokens: 1000, ..free.clone() };
    let filled = &sample(&model, std::slice::from_ref(&prompt), 1, &long, &[])[0];
    assert_eq!((filled.tokens.len(), filled.stop), (15, Stop::Length));
    assert_eq!(filled.tokens[..9], answer.tokens);
    let brim = sample(&model, &[some_tokens(19, config.vocab_size, 3)], 1, &long, &[]);
    assert_eq!(brim[0].tokens.len(), 1);
    let full = model.generate(&[some_tokens(20, config.vocab_size, 3)], 1, &long, &[], |_| true);
    assert_eq!(full, Err(InputError::TooLong { length: 21, limit: 20 }));

    let none =
        sample(&model, &[prompt.clone(), prompt.clone()], 2, &Sampling { max_new_tokens: 0, ..free.clone() }, &[]);
    assert_eq!(none.len(), 4);
    assert!(none.iter().all(|a| a.tokens.is_empty() && a.stop == Stop::Length));
    assert!(sample(&model, &[prompt], 0, &free, &[]).is_empty());
}

#[test]
fn hostile_prompts_and_hooks_are_refused() {
    let model = lively(&ModelConfig::tiny(), 2);
    let refusal = |prompt: Vec<u32>, hooks: &[Hook]| {
        model.generate(&[vec![1, 2], prompt], 1, &Sampling::default(), hooks, |_| true).unwrap_err()
    };
    assert_eq!(refusal(vec![], &[]), InputError::Empty);
    assert_eq!(refusal(vec![3, 61], &[]), InputError::Token { token: 61, index: 1, vocab: 61 });
    assert_eq!(refusal(vec![u32::MAX], &[]), InputError::Token { token: u32::MAX, index: 0, vocab: 61 });
    assert_eq!(refusal(vec![1; 257], &[]), InputError::TooLong { length: 257, limit: 256 });
    let hook = |layer, v| [Hook { layer, at: At::All, action: Action::Add(v) }];
    assert_eq!(refusal(vec![1], &hook(3, vec![0.0; 24])), InputError::HookLayer { index: 0, layer: 3, layers: 2 });
    assert_eq!(refusal(vec![1], &hook(0, vec![0.0; 23])), InputError::HookWidth { index: 0, width: 23, hidden: 24 });
}

/// Every token is heard once, in its answer's order; saying no ends everything and keeps what is finished.
#[test]
fn progress_is_heard_and_obeyed() {
    let model = lively(&ModelConfig::tiny(), 2);
    let prompts = prompts(model.config());
    let sampling = Sampling { max_new_tokens: 6, batch: 3, ..Sampling::default() };
    let mut heard = vec![Vec::new(); 8];
    let mut ends = 0;
    let answers = model.generate(&prompts, 2, &sampling, &[], |p| {
        heard[p.prompt * 2 + p.sample].push(p.token);
        ends += usize::from(p.stop.is_some());
        true
    });
    let answers = answers.unwrap();
    assert_eq!(ends, 8);
    assert_eq!(heard, answers.iter().map(|a| a.tokens.clone()).collect::<Vec<_>>());

    let mut left = 14;
    let early = model.generate(&prompts, 2, &sampling, &[], |_| {
        left -= 1;
        left > 0
    });
    let early = early.unwrap();
    assert!(early.len() < 8 && left == 0);
    assert!(early.iter().all(|e| answers.contains(e)), "what is finished is whole");
}

/// How often each token comes first in `n` samples.
fn counts(model: &Model, prompt: &[u32], n: usize, sampling: &Sampling) -> Vec<usize> {
    let mut counts = vec![0; model.config().vocab_size];
    let once = Sampling { max_new_tokens: 1, ..sampling.clone() };
    for answer in sample(model, &[prompt.to_vec()], n, &once, &[]) {
        counts[answer.tokens[0] as usize] += 1;
    }
    counts
}

/// The softmax of the logits that follow `prompt`, by the definition.
fn probabilities(model: &Model, prompt: &[u32], temperature: f64) -> Vec<f64> {
    let mut batch = PackedBatch::new();
    batch.push(prompt);
    let logits = model.logits(&read(model, &batch), &[prompt.len() - 1]);
    let weights: Vec<f64> = logits.iter().map(|&z| (f64::from(z) / temperature).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|w| w / total).collect()
}

/// Pearson's χ² of counts against probabilities, tokens expected less than five times taken together, must lie within
/// five standard deviations of its mean; a token of probability zero must never come.
fn matches(what: &str, counts: &[usize], p: &[f64]) {
    let n = counts.iter().sum::<usize>() as f64;
    let (mut chi2, mut cells, mut rest) = (0.0, 0, (0.0, 0.0));
    for (token, (&count, &p)) in counts.iter().zip(p).enumerate() {
        assert!(p > 0.0 || count == 0, "{what}: token {token} was cut, yet came {count} times");
        if p * n >= 5.0 {
            chi2 += (count as f64 - p * n).powi(2) / (p * n);
            cells += 1;
        } else {
            rest = (rest.0 + count as f64, rest.1 + p * n);
        }
    }
    if rest.1 > 0.0 {
        chi2 += (rest.0 - rest.1).powi(2) / rest.1;
        cells += 1;
    }
    let freedom = f64::from(cells - 1);
    assert!(chi2 < freedom + 5.0 * (2.0 * freedom).sqrt() + 5.0, "{what}: χ² {chi2} at {freedom} degrees of freedom");
}

#[test]
fn tokens_come_as_often_as_the_softmax_says() {
    let model = lively(&ModelConfig::tiny(), 6);
    let prompt = some_tokens(6, 61, 2);
    for temperature in [0.5, 1.0, 2.0] {
        let sampling = Sampling { temperature, seed: 12, ..Sampling::default() };
        let p = probabilities(&model, &prompt, f64::from(temperature));
        matches(&format!("T = {temperature}"), &counts(&model, &prompt, 20_000, &sampling), &p);
    }
}

/// The test above can fail: the wrong temperature is noticed.
#[test]
#[should_panic(expected = "χ²")]
fn a_wrong_temperature_would_be_noticed() {
    let model = lively(&ModelConfig::tiny(), 6);
    let prompt = some_tokens(6, 61, 2);
    let counts = counts(&model, &prompt, 20_000, &Sampling { temperature: 0.9, ..Sampling::default() });
    matches("T = 0.9 for 1", &counts, &probabilities(&model, &prompt, 1.0));
}

/// The distribution that top-k, then top-p, then min-p leave, by the definition: sort, cut, renormalise, each in turn.
fn cut(p: &[f64], top_k: usize, top_p: f64, min_p: f64) -> Vec<f64> {
    let mut ranked: Vec<(usize, f64)> = p.iter().copied().enumerate().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    let renormalise = |list: &mut Vec<(usize, f64)>| {
        let total: f64 = list.iter().map(|t| t.1).sum();
        for t in list {
            t.1 /= total;
        }
    };
    if top_k > 0 {
        ranked.truncate(top_k);
        renormalise(&mut ranked);
    }
    let mut kept = Vec::new();
    let mut mass = 0.0;
    for token in ranked {
        if mass < top_p || kept.is_empty() {
            mass += token.1;
            kept.push(token);
        }
    }
    let best = kept[0].1;
    kept.retain(|t| t.1 >= min_p * best);
    renormalise(&mut kept);
    let mut out = vec![0.0; p.len()];
    for (token, p) in kept {
        out[token] = p;
    }
    out
}

#[test]
fn cuts_keep_what_their_definitions_keep() {
    let model = lively(&ModelConfig::tiny(), 8);
    let prompt = some_tokens(6, 61, 3);
    let cases = [
        (5, 1.0, 0.0),
        (1, 1.0, 0.0),
        (1000, 1.0, 0.0),
        (0, 0.7, 0.0),
        (0, 0.999, 0.0),
        (0, 0.0, 0.0),
        (0, 1.0, 0.1),
        (0, 1.0, 1.0),
        (0, 1.0, 7.0),
        (7, 0.8, 0.0),
        (30, 0.95, 0.05),
    ];
    for temperature in [0.8, 1.5] {
        let p = probabilities(&model, &prompt, temperature);
        for (top_k, top_p, min_p) in cases {
            let sampling = Sampling {
                temperature: temperature as f32,
                top_k,
                top_p: top_p as f32,
                min_p: min_p as f32,
                seed: 31,
                ..Sampling::default()
            };
            // A share above 1 keeps the most likely token, as 1 does.
            let want = cut(&p, top_k, top_p, f64::min(min_p, 1.0));
            let what = format!("T {temperature}, k {top_k}, p {top_p}, min {min_p}");
            matches(&what, &counts(&model, &prompt, 4000, &sampling), &want);
        }
    }
}

/// With a cut, a token's log-probability is still that of the uncut softmax at the sampling temperature.
#[test]
fn logprobs_are_those_of_the_uncut_softmax() {
    let model = lively(&ModelConfig::tiny(), 8);
    let prompt = some_tokens(6, 61, 3);
    let sampling =
        Sampling { temperature: 1.3, top_k: 4, top_p: 0.9, min_p: 0.01, max_new_tokens: 10, ..Sampling::default() };
    for answer in sample(&model, std::slice::from_ref(&prompt), 4, &sampling, &[]) {
        assert_eq!(answer.logprobs, taught(&model, &prompt, &answer.tokens, 1.3, &[]));
    }
}

/// Logits that are not numbers give some token, not a panic.
#[test]
fn broken_weights_do_not_panic() {
    let mut model = lively(&ModelConfig::tiny(), 8);
    model.tensor_mut(0).unwrap().data.fill(f32::NAN);
    for sampling in [
        Sampling::default(),
        Sampling { temperature: 0.0, ..Sampling::default() },
        Sampling { top_k: 3, top_p: 0.5, min_p: 0.2, ..Sampling::default() },
        Sampling { temperature: f32::NAN, top_p: f32::NAN, min_p: f32::NAN, ..Sampling::default() },
    ] {
        let answers = sample(&model, &[vec![1]], 2, &Sampling { max_new_tokens: 3, ..sampling }, &[]);
        assert!(answers.iter().all(|a| a.tokens.iter().all(|&t| t < 61)));
    }
}
