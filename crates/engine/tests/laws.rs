//! Laws of the forward and backward pass that hold whatever the weights are. Gradients by finite differences are in
//! `laws_gradients.rs`.
#![allow(clippy::unwrap_used)] // test code outside #[test] functions

mod common;

use common::{Weighted, adapter, all_logits, apart, lively, noise, read, relative, shapes, some_tokens};
use trimtab_engine::DropoutSeed;
use trimtab_engine::batch::{InputError, PackedBatch};
use trimtab_engine::config::{Architecture, ModelConfig};
use trimtab_engine::forward::{Pass, Trace};
use trimtab_engine::hooks::{Action, At, Hook};
use trimtab_engine::model::{Grads, Model, Trainable};
use trimtab_engine::optim::{AdamW, AdamWConfig};
use trimtab_engine::readout::LogProbRows;

fn pack<'a>(sequences: impl IntoIterator<Item = &'a [u32]>) -> PackedBatch {
    let mut batch = PackedBatch::new();
    for sequence in sequences {
        batch.push(sequence);
    }
    batch
}

/// Sequences shorter and longer than a window and a block of attention.
fn sequences(config: &ModelConfig) -> Vec<Vec<u32>> {
    [7, 1, 70, 12].iter().enumerate().map(|(i, &n)| some_tokens(n, config.vocab_size, i as u64 + 21)).collect()
}

/// A model with a head of three classes and an adapter, so that every kind of tensor is there.
fn complete(config: &ModelConfig, seed: u64) -> Model {
    let mut model = lively(config, seed);
    model.add_head(3, seed + 1);
    model.adapter = Some(adapter(config, 0, 0.0));
    model
}

/// Forward and backward of a loss into fresh gradients.
fn gradients(model: &Model, batch: &PackedBatch, loss: &Weighted, trainable: Trainable) -> Grads {
    let mut grads = Grads::new(model, &model.mask(trainable));
    let mut trace = Trace::default();
    model.forward(batch, &mut trace, Pass::train(&grads)).unwrap();
    loss.backward(model, &mut trace, &mut grads);
    grads
}

/// Asserts that two sets of gradients are `tolerance` apart at most, tensor by tensor, relative in norm.
fn same_gradients(what: &str, model: &Model, a: &Grads, b: &Grads, tolerance: f64) {
    for id in 0..model.tensor_count() {
        let name = &model.tensor(id).unwrap().name;
        match (a.get(id), b.get(id)) {
            (Some(a), Some(b)) => {
                let b: Vec<f64> = b.iter().map(|&x| f64::from(x)).collect();
                let error = relative(a, &b);
                assert!(error <= tolerance, "{what}, {name}: relative error {error:e}");
            }
            (a, b) => assert_eq!(a.is_some(), b.is_some(), "{what}, {name}"),
        }
    }
}

/// Every bit of every gradient.
fn bits(model: &Model, grads: &Grads) -> Vec<u32> {
    let all = (0..model.tensor_count()).filter_map(|id| grads.get(id));
    all.flatten().map(|x| x.to_bits()).collect()
}

#[test]
fn packed_equals_separate() {
    for (name, config) in shapes() {
        let model = complete(&config, 1);
        let sequences = sequences(&config);
        let batch = pack(sequences.iter().map(Vec::as_slice));
        let loss = Weighted::everything(&model, &batch, 0.7);
        let packed = gradients(&model, &batch, &loss, Trainable::All);
        let together = read(&model, &batch).hidden;
        let mut separate = Grads::new(&model, &model.mask(Trainable::All));
        let (mut trace, mut alone, mut start) = (Trace::default(), Vec::new(), 0);
        for sequence in &sequences {
            let one = pack([sequence.as_slice()]);
            let n = start..start + sequence.len();
            let part = Weighted {
                rows: (0..sequence.len()).collect(),
                targets: loss.targets[n.clone()].to_vec(),
                temperature: 0.7,
                on_logp: loss.on_logp[n.clone()].to_vec(),
                on_entropy: loss.on_entropy[n.clone()].to_vec(),
                score_rows: (0..sequence.len()).collect(),
                on_scores: loss.on_scores[3 * n.start..3 * n.end].to_vec(),
            };
            model.forward(&one, &mut trace, Pass::train(&separate)).unwrap();
            alone.extend_from_slice(&trace.hidden);
            part.backward(&model, &mut trace, &mut separate);
            start += sequence.len();
        }
        assert_eq!(together, alone, "{name}");
        same_gradients(name, &model, &packed, &separate, 1e-5);
    }
}

/// Two batches with a loss each: `rows` of both have the same hidden states, to the last bit, and the losses the same gradients.
fn equal_rows_and_gradients(
    name: &str,
    model: &Model,
    (one, of_one): (&PackedBatch, &Weighted),
    (other, of_other): (&PackedBatch, &Weighted),
    rows: &[(usize, usize)],
) {
    let d = model.config().hidden_size;
    let (x, y) = (read(model, one).hidden, read(model, other).hidden);
    for &(a, b) in rows {
        assert_eq!(x[a * d..][..d], y[b * d..][..d], "{name}: rows {a} and {b}");
    }
    let a = gradients(model, one, of_one, Trainable::All);
    let b = gradients(model, other, of_other, Trainable::All);
    same_gradients(name, model, &a, &b, 1e-5);
}

/// Answers that share a prompt give the hidden states and gradients that each gives with a prompt of its own.
#[test]
fn a_shared_prompt_equals_separate_prompts() {
    for (name, config) in shapes() {
        for prompt in [1, 9, 66] {
            let model = complete(&config, 2);
            let prompt = some_tokens(prompt, config.vocab_size, 1);
            let answers: Vec<Vec<u32>> =
                [4, 1, 67, 8].iter().map(|&n| some_tokens(n, config.vocab_size, n as u64 + 2)).collect();
            let mut shared = pack([&[5u32, 6][..]]);
            let (at, ranges) = shared.push_shared(&prompt, &answers.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let mut separate = pack([&[5u32, 6][..]]);
            let mut together = Weighted { temperature: 0.9, ..Weighted::default() };
            let mut apart_from = together.clone();
            let mut rows_of_both = Vec::new();
            for (answer, range) in answers.iter().zip(&ranges) {
                let whole = separate.push(&[&prompt[..], answer].concat());
                let (p, a) = (whole.start..whole.start + prompt.len(), whole.start + prompt.len()..whole.end);
                together.rows.extend(PackedBatch::predictions(&at, range));
                apart_from.rows.extend(PackedBatch::predictions(&p, &a));
                rows_of_both.extend(at.clone().zip(p));
                rows_of_both.extend(range.clone().zip(a));
                together.targets.extend(answer);
            }
            let n = together.rows.len();
            (together.on_logp, together.on_entropy) = (noise(n, 3), noise(n, 4));
            together.score_rows = ranges.iter().map(|r| r.end - 1).collect();
            together.on_scores = noise(12, 5);
            let ends = separate.families()[1..].iter().map(|f| f.tokens.end - 1);
            apart_from = Weighted { rows: apart_from.rows, score_rows: ends.collect(), ..together.clone() };

            equal_rows_and_gradients(name, &model, (&shared, &together), (&separate, &apart_from), &rows_of_both);
        }
    }
}

#[test]
fn what_comes_later_changes_nothing_before() {
    for (name, config) in shapes() {
        let model = lively(&config, 3);
        let mut tokens = some_tokens(80, config.vocab_size, 3);
        let before = read(&model, &pack([&tokens[..]])).hidden;
        tokens[66] = (tokens[66] + 1) % config.vocab_size as u32;
        let after = read(&model, &pack([&tokens[..]])).hidden;
        let at = 66 * config.hidden_size;
        assert_eq!(before[..at], after[..at], "{name}");
        assert!(apart(&before[at..], &after[at..]) > 1e-3, "{name}");
    }
}

/// With a window of w keys and L blocks, a token is felt at most L·(w − 1) positions later.
#[test]
fn a_window_bounds_what_is_felt() {
    let base = ModelConfig { architecture: Architecture::Mistral, ..ModelConfig::tiny() };
    let with = |sliding_window| {
        let mut model = lively(&base, 4);
        std::sync::Arc::make_mut(&mut model.params).config.sliding_window = sliding_window;
        model
    };
    let mut tokens = some_tokens(30, 61, 5);
    let before = all_logits(&with(Some(5)), &pack([&tokens[..]]));
    let full = all_logits(&with(None), &pack([&tokens[..]]));
    assert_eq!(full, all_logits(&with(Some(30)), &pack([&tokens[..]])));
    assert_eq!(apart(&full[..5 * 61], &before[..5 * 61]), 0.0, "the window is not yet full");
    assert!(apart(&full[5 * 61..6 * 61], &before[5 * 61..6 * 61]) > 1e-4);
    tokens[2] = (tokens[2] + 1) % 61;
    let after = all_logits(&with(Some(5)), &pack([&tokens[..]]));
    let differs = |row: usize| apart(&before[row * 61..][..61], &after[row * 61..][..61]) > 0.0;
    let felt: Vec<usize> = (0..30).filter(|&row| differs(row)).collect();
    assert_eq!(felt, (2..=2 + 2 * 4).collect::<Vec<_>>());
}

/// Each choice of what is trained gives every tensor of the choice a gradient that is not zero, the same as training
/// everything gives it, and gives nothing to the others.
#[test]
fn every_trained_tensor_gets_its_gradient() {
    for (name, config) in shapes() {
        let mut model = complete(&config, 5);
        // Every token once, or rows of an untied embedding would rightly get nothing.
        let all: Vec<u32> = (0..config.vocab_size as u32).collect();
        let batch = pack([&all[..], &all[..9]]);
        let loss = Weighted::everything(&model, &batch, 1.0);
        let full = gradients(&model, &batch, &loss, Trainable::All);
        for id in 0..model.tensor_count() {
            let tensor = model.tensor(id).unwrap();
            let row = *tensor.shape.last().unwrap();
            let rows = full.get(id).unwrap().chunks(row);
            assert!(rows.into_iter().all(|r| r.iter().any(|&g| g != 0.0)), "{name}: {} has a zero row", tensor.name);
        }
        for trainable in [Trainable::FromLayer(0), Trainable::FromLayer(1), Trainable::FromLayer(2), Trainable::Adapter]
        {
            let grads = gradients(&model, &batch, &loss, trainable);
            for (id, trained) in model.mask(trainable).into_iter().enumerate() {
                let tensor = &model.tensor(id).unwrap().name;
                assert_eq!(grads.get(id), full.get(id).filter(|_| trained), "{name}, {trainable:?}, {tensor}");
            }
        }
        // Adapters from a block up: nothing below is kept, and their gradients are still right.
        model.adapter = Some(adapter(&config, 1, 0.0));
        let full = gradients(&model, &batch, &loss, Trainable::All);
        let grads = gradients(&model, &batch, &loss, Trainable::Adapter);
        let mut trained = 0;
        for (id, _) in model.mask(Trainable::Adapter).into_iter().enumerate().filter(|(_, t)| *t) {
            assert!(grads.get(id).unwrap().iter().any(|&g| g != 0.0));
            assert_eq!(grads.get(id), full.get(id));
            trained += 1;
        }
        assert_eq!(trained, 15, "{name}: seven maps of one block, and the head");
    }
}

/// One batch of eight sequences equals eight batches of one: losses are sums over tokens over the global count.
#[test]
fn accumulation_equals_one_batch() {
    let config = ModelConfig::tiny();
    let model = complete(&config, 6);
    let sequences: Vec<Vec<u32>> = (0..8).map(|i| some_tokens(3 + 5 * i, 61, i as u64 + 1)).collect();
    let count: usize = sequences.iter().map(|s| s.len() - 1).sum();
    let loss_of = |batch: &PackedBatch| {
        let mut loss = Weighted { temperature: 1.0, ..Weighted::default() };
        for family in batch.families() {
            loss.rows.extend(family.tokens.start..family.tokens.end - 1);
            loss.targets.extend(&batch.tokens()[family.tokens.start + 1..family.tokens.end]);
        }
        loss.on_logp = vec![-1.0 / count as f32; loss.rows.len()];
        loss
    };
    let whole = pack(sequences.iter().map(Vec::as_slice));
    let once = gradients(&model, &whole, &loss_of(&whole), Trainable::All);
    let mut summed = Grads::new(&model, &model.mask(Trainable::All));
    let (mut trace, mut value) = (Trace::default(), 0.0);
    for sequence in &sequences {
        let part = pack([sequence.as_slice()]);
        model.forward(&part, &mut trace, Pass::train(&summed)).unwrap();
        value += loss_of(&part).value(&model, &trace);
        loss_of(&part).backward(&model, &mut trace, &mut summed);
    }
    let want = loss_of(&whole).value(&model, &read(&model, &whole));
    assert!((value / want - 1.0).abs() < 1e-6);
    same_gradients("eight and one", &model, &once, &summed, 1e-6);

    // A reset forgets; a scaled sum is the gradient of the scaled sum of losses.
    summed.reset();
    assert!((0..model.tensor_count()).all(|id| summed.get(id).is_none()));
    summed.add_scaled(0.25, &once);
    summed.add_scaled(0.75, &once);
    same_gradients("scaled sums", &model, &once, &summed, 1e-6);
    assert!((summed.norm() / once.norm() - 1.0).abs() < 1e-6);
}

/// A trace that another batch, another model and another kind of pass have used gives the bits of a fresh one.
#[test]
fn a_used_trace_is_as_good_as_a_fresh_one() {
    let shapes = shapes();
    let mut trace = Trace::default();
    for round in 0..3 {
        for (name, config) in &shapes {
            let model = complete(config, 7 + round);
            let n = [40, 3, 90][round as usize];
            let batch = pack([&some_tokens(n, config.vocab_size, round)[..], &[1, 2]]);
            let loss = Weighted::everything(&model, &batch, 1.0);
            let fresh = gradients(&model, &batch, &loss, Trainable::All);
            let mut grads = Grads::new(&model, &model.mask(Trainable::All));
            let hook = [Hook { layer: 1, at: At::All, action: Action::Add(noise(config.hidden_size, 1)) }];
            let again = DropoutSeed(Some(3));
            model.forward(&batch, &mut trace, Pass { hooks: &hook, dropout: again, ..Pass::read() }).unwrap();
            model.forward(&batch, &mut trace, Pass::train(&grads)).unwrap();
            assert_eq!(trace.hidden, read(&model, &batch).hidden, "{name}");
            loss.backward(&model, &mut trace, &mut grads);
            assert_eq!(bits(&model, &grads), bits(&model, &fresh), "{name}");
        }
    }
}

/// The same bits however many threads there are, forward and backward, in a model wide enough to be split among them.
#[test]
fn threads_change_no_bit() {
    let config = ModelConfig {
        hidden_size: 96,
        intermediate_size: 200,
        num_attention_heads: 6,
        head_dim: 16,
        vocab_size: 700,
        tie_word_embeddings: false,
        ..ModelConfig::tiny()
    };
    let model = complete(&config, 8);
    let batch = pack([&some_tokens(250, 700, 1)[..], &some_tokens(150, 700, 2), &some_tokens(3, 700, 3)]);
    let loss = Weighted::everything(&model, &batch, 1.0);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| (all_logits(&model, &batch), bits(&model, &gradients(&model, &batch, &loss, Trainable::All))))
    };
    let one = run(1);
    assert_eq!(one, run(1), "two runs");
    for threads in [2, 3, 5] {
        let many = run(threads);
        assert!(one.0 == many.0, "{threads} threads: logits");
        assert!(one.1 == many.1, "{threads} threads: gradients");
    }
}

/// Hooks act where they say, in the order given, and nowhere else.
#[test]
fn hooks_do_what_they_say() {
    let config = ModelConfig::tiny();
    let model = lively(&config, 9);
    let d = config.hidden_size;
    let batch = pack([&some_tokens(6, 61, 1)[..], &some_tokens(4, 61, 2)]);
    let plain = read(&model, &batch);
    let v = noise(d, 3);
    let norm = v.iter().map(|x| x * x).sum::<f32>().sqrt();
    let u: Vec<f32> = v.iter().map(|x| x / norm).collect();
    let at = At::Positions(vec![1, 3, 5]);
    let touched = [1, 3, 5, 7, 9];
    for layer in 0..=2 {
        for action in [Action::Add(v.clone()), Action::ProjectOut(u.clone())] {
            let on = |layer, at: At, action: Action| Hook { layer, at, action };
            let hooks = [
                on(layer, At::All, Action::Read),
                on(layer, at.clone(), action.clone()),
                on(layer, At::All, Action::Read),
                on(layer, at.clone(), Action::Read),
            ];
            let mut trace = Trace::default();
            model.forward(&batch, &mut trace, Pass { hooks: &hooks, ..Pass::read() }).unwrap();
            let [before, after, some] = &trace.reads[..] else { panic!("three reads") };
            for (row, (x, y)) in before.chunks(d).zip(after.chunks(d)).enumerate() {
                let along: f32 = x.iter().zip(&u).map(|(x, u)| x * u).sum();
                let want: Vec<f32> = match (&action, touched.contains(&row)) {
                    (_, false) => x.to_vec(),
                    (Action::Add(v), _) => x.iter().zip(v).map(|(x, v)| x + v).collect(),
                    (_, _) => x.iter().zip(&u).map(|(x, u)| x - along * u).collect(),
                };
                assert!(apart(y, &want) < 1e-6, "layer {layer}, row {row}");
                if matches!(action, Action::ProjectOut(_)) && touched.contains(&row) {
                    let left: f32 = y.iter().zip(&u).map(|(y, u)| y * u).sum();
                    assert!(left.abs() < 1e-5 * norm.max(along.abs()), "{left} is left of {along}");
                }
            }
            let picked: Vec<f32> = touched.iter().flat_map(|r| &after[r * d..][..d]).copied().collect();
            assert_eq!(some, &picked);
            // Rows before the first touched one are as without hooks; those after are not.
            assert_eq!(trace.hidden[..d], plain.hidden[..d]);
            assert!(apart(&trace.hidden[d..2 * d], &plain.hidden[d..2 * d]) > 1e-4);
        }
    }
    let mut trace = Trace::default();
    let bad = [Hook { layer: 3, at: At::All, action: Action::Read }];
    let refused = model.forward(&batch, &mut trace, Pass { hooks: &bad, ..Pass::read() });
    assert_eq!(refused, Err(InputError::HookLayer { index: 0, layer: 3, layers: 2 }));
}

/// A pass that starts at a block from its input, or from embeddings, is the pass that computes them.
#[test]
fn a_pass_may_start_halfway() {
    for (name, config) in shapes() {
        let mut model = lively(&config, 10);
        model.adapter = Some(adapter(&config, 1, 0.0));
        let batch = pack([&some_tokens(9, config.vocab_size, 1)[..], &[1, 2, 3]]);
        let hooks: Vec<Hook> = (0..=2).map(|layer| Hook { layer, at: At::All, action: Action::Read }).collect();
        let mut whole = Trace::default();
        model.forward(&batch, &mut whole, Pass { hooks: &hooks, ..Pass::read() }).unwrap();
        let loss = Weighted::everything(&model, &batch, 1.0);
        let full = gradients(&model, &batch, &loss, Trainable::Adapter);
        let mut trace = Trace::default();
        for layer in 0..=2 {
            model
                .forward(&batch, &mut trace, Pass { from: Some((layer, &whole.reads[layer])), ..Pass::read() })
                .unwrap();
            assert_eq!(trace.hidden, whole.hidden, "{name}, from {layer}");
        }
        let mut grads = Grads::new(&model, &model.mask(Trainable::Adapter));
        let pass = Pass { from: Some((1, &whole.reads[1])), ..Pass::train(&grads) };
        model.forward(&batch, &mut trace, pass).unwrap();
        loss.backward(&model, &mut trace, &mut grads);
        assert_eq!(bits(&model, &grads), bits(&model, &full), "{name}");

        // With embeddings given, the table is trained through a tied output matrix only.
        let all = model.mask(Trainable::All);
        let mut grads = Grads::new(&model, &all);
        let pass = Pass { embeddings: Some(&whole.reads[0]), ..Pass::train(&grads) };
        model.forward(&batch, &mut trace, pass).unwrap();
        assert_eq!(trace.hidden, whole.hidden, "{name}, from embeddings");
        loss.backward(&model, &mut trace, &mut grads);
        assert_eq!(grads.get(0).is_some(), config.tie_word_embeddings, "{name}");
    }
}

/// Branches that leave a trunk at different places give the hidden states that their sequences give alone, to the last bit.
#[test]
fn branches_of_a_trunk_equal_separate_sequences() {
    for (name, config) in shapes() {
        let model = complete(&config, 13);
        let d = config.hidden_size;
        let trunk = some_tokens(70, config.vocab_size, 1);
        let own: Vec<Vec<u32>> = [3, 1, 66, 5].iter().map(|&n| some_tokens(n, config.vocab_size, n as u64)).collect();
        let after = [0, 70, 13, 68];
        let mut batch = pack([&[5u32, 6][..]]);
        let (at, places) = batch.push_branches(&trunk, after.into_iter().zip(own.iter().map(Vec::as_slice)));
        let together = read(&model, &batch).hidden;
        assert_eq!(together[at.start * d..at.end * d], read(&model, &pack([trunk.as_slice()])).hidden[..], "{name}");
        for ((after, own), place) in after.into_iter().zip(&own).zip(places) {
            let alone = read(&model, &pack([&[&trunk[..after], own].concat()[..]])).hidden;
            assert_eq!(together[place.start * d..place.end * d], alone[after * d..], "{name}, after {after}");
        }
    }
}

/// Answers packed with what they have in common once give the hidden states, to the last bit, and the gradients that each gives alone.
#[test]
fn answers_that_begin_alike_equal_separate_sequences() {
    for (name, config) in shapes() {
        let model = complete(&config, 14);
        let prompt = some_tokens(9, config.vocab_size, 1);
        let [long, other] = [70, 4].map(|n| some_tokens(n, config.vocab_size, n as u64));
        let early = [&long[..3], &other[..]].concat();
        let answers: [&[u32]; 6] = [&early, &long, &long[..66], &long, &other, &early];
        let (mut shared, mut separate) = (pack([&[5u32, 6][..]]), pack([&[5u32, 6][..]]));
        let places = shared.push_answers(&prompt, &answers);
        assert!(shared.len() < 2 + 9 + 70 + 4 + 4 + 1, "{name}: {} tokens", shared.len());
        let mut together = Weighted { temperature: 0.9, ..Weighted::default() };
        let mut apart = together.clone();
        let mut rows_of_both = Vec::new();
        for (answer, place) in answers.iter().zip(&places) {
            let whole = separate.push(&[&prompt[..], answer].concat());
            let (p, a) = (whole.start..whole.start + prompt.len(), whole.start + prompt.len()..whole.end);
            together.rows.extend(place.predictions());
            apart.rows.extend(PackedBatch::predictions(&p, &a));
            rows_of_both.extend(place.prompt().chain(place.tokens()).zip(whole.clone()));
            together.targets.extend(*answer);
            together.score_rows.extend(place.last());
            apart.score_rows.push(whole.end - 1);
        }
        let n = together.rows.len();
        (together.on_logp, together.on_entropy, together.on_scores) = (noise(n, 3), noise(n, 4), noise(18, 5));
        let apart = Weighted { rows: apart.rows, score_rows: apart.score_rows, ..together.clone() };
        equal_rows_and_gradients(name, &model, (&shared, &together), (&separate, &apart), &rows_of_both);
    }
}

/// A pass that is told which rows will be read gives their bits and their gradients, and NaN in the others.
#[test]
fn rows_that_nobody_reads_change_nothing() {
    for (name, config) in shapes() {
        let model = complete(&config, 12);
        let d = config.hidden_size;
        let mut batch = pack([&some_tokens(9, config.vocab_size, 1)[..]]);
        let (prompt, answers) = batch.push_shared(&[1, 2, 3], &[&[4, 5, 6], &[7]]);
        let whole = read(&model, &batch).hidden;
        // As callers give them: out of order, and the prompt's last row once for each answer.
        let mut rows: Vec<usize> = answers.iter().flat_map(|a| PackedBatch::predictions(&prompt, a)).collect();
        rows.push(4);
        let loss = Weighted {
            targets: some_tokens(rows.len(), config.vocab_size, 2),
            temperature: 0.7,
            on_logp: noise(rows.len(), 3),
            on_entropy: noise(rows.len(), 4),
            score_rows: rows.clone(),
            on_scores: noise(rows.len() * 3, 5),
            rows: rows.clone(),
        };
        let full = gradients(&model, &batch, &loss, Trainable::All);
        let mut grads = Grads::new(&model, &model.mask(Trainable::All));
        let mut trace = Trace::default();
        model.forward(&batch, &mut trace, Pass { rows: Some(&rows), ..Pass::train(&grads) }).unwrap();
        for (row, hidden) in trace.hidden.chunks_exact(d).enumerate() {
            if rows.contains(&row) {
                assert_eq!(hidden, &whole[row * d..][..d], "{name}, row {row}");
            } else {
                assert!(hidden.iter().all(|x| x.is_nan()), "{name}, row {row}");
            }
        }
        loss.backward(&model, &mut trace, &mut grads);
        same_gradients(name, &model, &full, &grads, 1e-5);

        // A hook behind the last attention wants every row, and so does dropout, whose draws go by the row.
        let hooks = [Hook { layer: config.num_hidden_layers, at: At::All, action: Action::Read }];
        model.forward(&batch, &mut trace, Pass { rows: Some(&rows), hooks: &hooks, ..Pass::read() }).unwrap();
        assert_eq!(trace.hidden, whole, "{name}");
        let dropout = DropoutSeed(Some(1));
        model.forward(&batch, &mut trace, Pass { rows: Some(&rows), dropout, ..Pass::read() }).unwrap();
        assert_eq!(trace.hidden, whole, "{name}: this model has no adapter to drop from");
    }
}

#[test]
fn merging_an_adapter_changes_no_logit() {
    for (name, config) in shapes() {
        let mut model = lively(&config, 11);
        let batch = pack([&some_tokens(20, config.vocab_size, 1)[..]]);
        let plain = all_logits(&model, &batch);
        let before = model.clone();
        model.adapter = Some(adapter(&config, 1, 0.5));
        let adapted = all_logits(&model, &batch);
        model.merge_adapter();
        let merged = all_logits(&model, &batch);
        assert!(apart(&adapted, &merged) < 1e-5, "{name}: {}", apart(&adapted, &merged));
        assert!(apart(&plain, &merged) > 1e-2, "{name}");
        assert_eq!(all_logits(&before, &batch), plain, "{name}: the model it was cloned from is as it was");
        // A fresh adapter changes nothing, to the bit: its B is zero.
        let mut fresh = before.clone();
        let lora = adapter(&config, 0, 0.0).config;
        fresh.adapter = Some(trimtab_engine::lora::Adapter::new(&config, lora, 3));
        assert_eq!(all_logits(&fresh, &batch), plain, "{name}");
    }
}

/// Dropout belongs to its seed: the same bits for the same one, others for another, and none without a seed.
#[test]
fn dropout_belongs_to_its_seed() {
    let config = ModelConfig::tiny();
    let mut model = lively(&config, 12);
    let batch = pack([&some_tokens(20, 61, 1)[..]]);
    model.adapter = Some(adapter(&config, 0, 0.0));
    let without = read(&model, &batch).hidden;
    let with = |model: &Model, seed| {
        let mut trace = Trace::default();
        model.forward(&batch, &mut trace, Pass { dropout: DropoutSeed(seed), ..Pass::read() }).unwrap();
        trace.hidden
    };
    assert_eq!(with(&model, Some(1)), without, "a share of zero");
    model.adapter = Some(adapter(&config, 0, 0.3));
    assert_eq!(with(&model, None), without, "no seed");
    let dropped = with(&model, Some(1));
    assert_eq!(dropped, with(&model, Some(1)));
    assert!(apart(&dropped, &without) > 1e-3);
    for other in [0, 2, 3, u64::MAX] {
        assert!(apart(&dropped, &with(&model, Some(other))) > 1e-3, "seed {other}");
    }
}

/// Readouts of more rows than one chunk, with repetitions, are those of each row alone.
#[test]
fn readouts_do_not_depend_on_chunks() {
    let config = ModelConfig { max_position_embeddings: 1000, ..ModelConfig::tiny() };
    let model = lively(&config, 13);
    let batch = pack([&some_tokens(300, 61, 1)[..]]);
    let trace = read(&model, &batch);
    let rows: Vec<usize> = (0..300).chain([5, 5, 299, 0]).collect();
    let targets = some_tokens(rows.len(), 61, 2);
    let got = model.logprobs(&trace, LogProbRows { rows: &rows, targets: &targets, temperature: 0.6 }, true);
    for (i, (&row, &target)) in rows.iter().zip(&targets).enumerate() {
        let z: Vec<f64> = model.logits(&trace, &[row]).iter().map(|&z| f64::from(z) / 0.6).collect();
        let lse = z.iter().map(|z| z.exp()).sum::<f64>().ln();
        let entropy: f64 = z.iter().map(|z| -(z - lse).exp() * (z - lse)).sum();
        assert!((f64::from(got.logp[i]) - (z[target as usize] - lse)).abs() < 1e-5);
        assert!((f64::from(got.entropy[i]) - entropy).abs() < 1e-5);
    }
}

/// An optimiser changes what it was made for; models that share the parameters keep theirs.
#[test]
fn training_one_model_leaves_those_that_share_its_parameters() {
    let config = ModelConfig::tiny();
    let mut policy = complete(&config, 14);
    let reference = policy.base();
    assert!(std::sync::Arc::ptr_eq(&policy.params, &reference.params), "nothing is copied");
    let batch = pack([&some_tokens(20, 61, 1)[..]]);
    let loss = Weighted::everything(&policy, &batch, 1.0);
    let before = policy.clone();
    for trainable in [Trainable::Adapter, Trainable::FromLayer(1), Trainable::All] {
        policy = before.clone();
        let mask = policy.mask(trainable);
        let grads = gradients(&policy, &batch, &loss, trainable);
        let mut optimiser = AdamW::new(&policy, &mask, AdamWConfig { weight_decay: 0.1, ..AdamWConfig::default() });
        optimiser.step(&mut policy, &grads, 1e-3, 1.0);
        for (id, trained) in mask.into_iter().enumerate() {
            let (now, then) = (policy.tensor(id).unwrap(), before.tensor(id).unwrap());
            assert_eq!(now.data != then.data, trained, "{trainable:?}, {}", now.name);
        }
        assert_eq!(std::sync::Arc::ptr_eq(&policy.params, &reference.params), trainable == Trainable::Adapter);
        assert_eq!(reference.params, before.params);
    }
}
