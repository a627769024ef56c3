//! Pretraining learns, is repeatable, and ends in an ordinary checkpoint.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

use std::ops::ControlFlow;
use trimtab_engine::checkpoint::load_folder;
use trimtab_engine::model::Model;
use trimtab_text::Tokenizer;
use trimtab_world::pretrain::encode;
use trimtab_world::{Pretrain, World, WorldConfig, corpus_loss, end_id, pretrain::save, pretrain::sizes, size};

fn settings() -> Pretrain {
    Pretrain { size: "30k".into(), steps: 20, batch_tokens: 512, warmup: 4, ..Pretrain::default() }
}

#[test]
fn the_loss_falls_and_the_same_seed_gives_the_same_weights() {
    let corpus = World::new(&WorldConfig::small(), 1).unwrap().corpus();
    let train = |seed| {
        let mut losses = Vec::new();
        let model = trimtab_world::pretrain(&corpus.train, &settings(), seed, |done| {
            losses.push(done.loss);
            ControlFlow::Continue(())
        });
        (model.unwrap(), losses)
    };
    let (model, losses) = train(1);
    // A model that knows nothing is near the loss of a uniform guess.
    let uniform = (trimtab_world::vocab_size() as f64).ln();
    assert!((losses[0] - uniform).abs() < 0.3, "{losses:?}, uniform {uniform}");
    assert!(losses.len() == 20 && losses[19] < losses[0] - 0.7, "{losses:?}");
    let (held_out, targets) = corpus_loss(&model, &corpus.held_out).unwrap().unwrap();
    assert!(held_out < uniform - 0.7 && targets > 1000, "{held_out} over {targets}");
    assert!(corpus_loss(&model, &[]).unwrap().is_none());

    assert_eq!(train(1).0.params.tensors[0].data, model.params.tensors[0].data);
    assert_ne!(train(2).0.params.tensors[0].data, model.params.tensors[0].data);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("base");
    save(&path, &model).unwrap();
    let loaded = Model::new(load_folder(&path).unwrap());
    assert_eq!(corpus_loss(&loaded, &corpus.held_out).unwrap().unwrap(), (held_out, targets));
    let tokenizer = Tokenizer::from_folder(&path).unwrap();
    tokenizer.check_vocab(loaded.config().vocab_size).unwrap();
    // What pretraining reads is what the tokenizer gives.
    let documents = &corpus.held_out[..50];
    for (document, ids) in documents.iter().zip(encode(documents)) {
        let read = tokenizer.encode_with_bos(document).unwrap();
        assert_eq!([read, vec![end_id()]].concat(), ids);
    }
}

#[test]
fn the_ladder_is_as_named() {
    for (name, expected) in sizes().into_iter().zip([3e4, 1e5, 3e5, 1e6, 3e6, 5e6]) {
        let count = size(name).unwrap().parameter_count() as f64;
        assert!((count / expected - 1.0).abs() < 0.12, "{name}: {count}");
    }
}

#[test]
fn what_cannot_be_trained_is_an_error() {
    let run = |documents: &[String], settings: &Pretrain| {
        trimtab_world::pretrain(documents, settings, 0, |_| ControlFlow::Continue(())).unwrap_err().to_string()
    };
    let one = ["kite lamp .".to_owned()];
    for error in [
        run(&[], &settings()),
        run(&["kite ".repeat(300)], &settings()),
        run(&one, &Pretrain { lr: f64::NAN, ..settings() }),
        run(&one, &Pretrain { size: "7B".into(), ..settings() }),
        run(&one, &Pretrain { steps: 0, ..settings() }),
        run(&one, &Pretrain { momentum: 1.0, ..settings() }),
    ] {
        assert!(error.contains("expected"), "{error}");
    }
    // A caller may stop: the model of that step is handed over.
    let mut steps = 0;
    let stopped = trimtab_world::pretrain(&one, &settings(), 0, |done| {
        steps = done.step;
        ControlFlow::Break(())
    });
    assert!(stopped.is_ok() && steps == 1);
}
