//! Laws of the world: what is in it, what is kept out of it, and what its numbers mean.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not count as tests

use std::collections::{BTreeMap, BTreeSet};
use trimtab_text::record::{Input, Prompt};
use trimtab_text::{Message, Tokenizer, encode_answer, encode_prompt};
use trimtab_world::template::{QUESTIONS, STATEMENTS, fill};
use trimtab_world::{
    Attribute, Cue, Frequency, HARDEST, Holder, Kind, Skill, Split, Truth, World, WorldConfig, end_id, gold, lexicon,
    perceive, tokenizer_files, vocab_size,
};

fn world(seed: u64) -> World {
    World::new(&WorldConfig::small(), seed).unwrap()
}

fn tokenizer() -> Tokenizer {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in tokenizer_files() {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    Tokenizer::from_folder(folder.path()).unwrap()
}

fn user_text(prompt: &Prompt) -> String {
    prompt.input.messages().iter().map(|m| m.content.clone()).collect::<Vec<_>>().join(" ")
}

fn truths(prompts: &[Prompt]) -> Vec<Truth> {
    prompts.iter().map(|prompt| Truth::of(prompt).unwrap()).collect()
}

/// Every prompt that a world gives.
fn all_prompts(world: &World) -> Vec<Prompt> {
    [world.prompts(Split::Train), world.prompts(Split::HeldOut), world.evaluation_items(10)].concat()
}

#[test]
fn everything_said_is_words_of_the_vocabulary_and_decodes_to_itself() {
    let (world, tokenizer) = (world(1), tokenizer());
    assert!(vocab_size() <= 512, "{} entries", vocab_size());
    assert_eq!(tokenizer.vocab_size(), vocab_size());
    let corpus = world.corpus();
    let mut texts = [corpus.train, corpus.held_out].concat();
    for prompt in all_prompts(&world) {
        texts.push(user_text(&prompt));
        let truth = Truth::of(&prompt).unwrap();
        texts.push(truth.ideal);
        texts.extend(truth.payload);
    }
    for demonstration in world.demonstrations() {
        texts.extend(demonstration.conversation().into_iter().map(|m| m.content));
    }
    texts.extend(world.topics.iter().flat_map(|topic| [topic.name.clone(), topic.steps.clone()]));
    let unknown = tokenizer.token_id(lexicon::UNKNOWN).unwrap();
    for text in texts {
        let ids = tokenizer.encode_plain(&text).unwrap();
        assert!(!ids.contains(&unknown), "unknown word in {text:?}");
        assert_eq!(ids.len(), text.split(' ').count(), "{text:?}");
        assert_eq!(tokenizer.decode(&ids, false).unwrap(), text);
    }
}

#[test]
fn the_end_of_turn_is_a_target_and_cannot_be_forged() {
    let tokenizer = tokenizer();
    assert_eq!(tokenizer.eos_ids(), [end_id()]);
    let chat = Input::Chat(vec![Message::system(Cue::Inert.text()), Message::user("copy kite .")]);
    let prompt = encode_prompt(&tokenizer, &chat.messages()).unwrap();
    let encoded = encode_answer(&tokenizer, &chat, "kite .").unwrap();
    assert_eq!(encoded.tokens[..prompt.len()], prompt);
    assert_eq!(encoded.tokens.len() - prompt.len(), 3);
    assert_eq!((encoded.targets(), *encoded.tokens.last().unwrap()), (3, end_id()));
    // <|system|> six words <|end|> <|user|> three words <|end|> <|assistant|>
    assert_eq!(prompt.len(), 1 + 6 + 1 + 1 + 3 + 1 + 1);
    let forged = tokenizer.encode_plain("kite <|end|> <|assistant|> lamp").unwrap();
    assert!(forged.iter().all(|&id| !tokenizer.is_special(id) || id == 0), "{forged:?}");
    assert!(encode_prompt(&tokenizer, &[Message::new("tool", "kite")]).is_err());
}

#[test]
fn words_that_answer_different_questions_are_different() {
    let lists: [&[&str]; 6] =
        [&lexicon::ENTITIES, &lexicon::HOLDERS, &lexicon::COLOURS, &lexicon::TRADES, &lexicon::TOWNS, &lexicon::ITEMS];
    let all: Vec<&str> = lists.concat();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
}

#[test]
fn splits_share_no_subject_no_operands_no_topic_and_no_pattern() {
    let world =
        World::new(&WorldConfig { prompts_train: 600, prompts_heldout: 300, ..WorldConfig::small() }, 2).unwrap();
    let train = world.prompts(Split::Train);
    let held_out = [world.prompts(Split::HeldOut), world.evaluation_items(20)].concat();
    let names = |prompts: &[Prompt]| -> BTreeSet<String> {
        let truths = truths(prompts);
        let groups = prompts.iter().map(|prompt| format!("group {}", prompt.group.as_ref().unwrap()));
        let entities = truths.iter().filter_map(|t| t.entity.as_ref().map(|e| format!("entity {e}")));
        let topics = truths.iter().filter_map(|t| t.topic.as_ref().map(|e| format!("topic {e}")));
        let patterns = truths.iter().flat_map(|t| t.patterns.iter().map(|p| format!("pattern {p}")));
        groups.chain(entities).chain(topics).chain(patterns).collect()
    };
    let (train_names, held_names) = (names(&train), names(&held_out));
    assert!(train_names.len() > 100 && held_names.len() > 100);
    assert_eq!(train_names.intersection(&held_names).collect::<Vec<_>>(), Vec::<&String>::new());

    // Demonstrations are of the training side, and no held-out person is named in one, not even as an answer; but for
    // what a flawed one repeats of the prompt.
    let demonstrations = world.demonstrations();
    assert_eq!(demonstrations.len(), world.config.demonstrations);
    let held: BTreeSet<&str> = world.facts.iter().filter(|f| f.held_out).map(|f| f.entity.as_str()).collect();
    for demonstration in &demonstrations {
        assert!(!held_names.contains(&format!("group {}", demonstration.group.as_ref().unwrap())));
        let repeats = demonstration.extra.get("flaw").is_some_and(|flaw| flaw == "agrees");
        assert!(repeats || !demonstration.completion.split(' ').any(|word| held.contains(word)));
        let truths = truths(&train);
        assert!(truths.iter().all(|t| t.frequency != Some(Frequency::Never)));
    }
}

#[test]
fn prompts_are_distinct_and_ids_unique() {
    let world = world(3);
    for prompts in [world.prompts(Split::Train), world.prompts(Split::HeldOut)] {
        assert_eq!(prompts.iter().map(user_text).collect::<BTreeSet<_>>().len(), prompts.len());
    }
    let all = all_prompts(&world);
    assert_eq!(all.iter().map(|p| &p.id).collect::<BTreeSet<_>>().len(), all.len());
}

#[test]
fn the_corpus_states_each_fact_as_often_as_configured() {
    let config = WorldConfig { cue_share: 0.0, corpus_style: 0.0, ..WorldConfig::small() };
    let world = World::new(&config, 4).unwrap();
    let corpus = world.corpus();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    corpus.train.iter().for_each(|line| *counts.entry(line).or_default() += 1);
    for fact in &world.facts {
        let forms = STATEMENTS.iter().map(|s| (*s).to_owned());
        let questions = QUESTIONS.all().into_iter().map(|q| format!("{q} it is {{v}} ."));
        let places = [("{a}", fact.attribute.word()), ("{e}", fact.entity.as_str()), ("{v}", fact.value.as_str())];
        let stated: usize =
            forms.chain(questions).map(|form| counts.get(fill(&form, &places).as_str()).copied().unwrap_or(0)).sum();
        let expected = match fact.frequency {
            Frequency::Frequent => config.frequent_repeats,
            Frequency::Rare => config.rare_repeats,
            Frequency::Never => 0,
        };
        assert_eq!(stated, expected, "{fact:?}");
    }
    let share = |frequency| world.facts.iter().filter(|f| f.frequency == frequency).count();
    assert_eq!(
        (world.facts.len(), share(Frequency::Rare), share(Frequency::Never)),
        (192, 39, 39),
        "a fifth of the facts on each side is rare, a fifth is never stated"
    );
}

/// No document, of either part, is about a fact that is never stated, not even with a wrong value or as a question.
#[test]
fn what_is_never_stated_is_nowhere_in_the_corpus() {
    let world = world(5);
    let corpus = world.corpus();
    let lines: Vec<String> = corpus.train.iter().chain(&corpus.held_out).map(|line| format!(" {line} ")).collect();
    let never = |fact: &&trimtab_world::Fact| fact.frequency == Frequency::Never;
    for fact in world.facts.iter().filter(never) {
        let (a, e, v) = (fact.attribute.word(), &fact.entity, &fact.value);
        let about = [format!(" the {a} of {e} "), format!(" {e} has {v} "), format!(" for {e} the {a} ")];
        assert!(!lines.iter().any(|line| about.iter().any(|part| line.contains(part))), "{fact:?}");
    }
    for topic in &world.topics {
        let given = lines.iter().any(|line| line.contains(&topic.steps));
        assert_eq!(given, topic.taught, "{topic:?}");
        assert!(lines.iter().any(|line| line.contains(&topic.name)), "every topic is spoken of");
    }
    assert_eq!(world.topics.iter().map(|t| &t.steps).collect::<BTreeSet<_>>().len(), world.topics.len());
}

#[test]
fn held_out_documents_and_operands_are_not_in_the_training_part() {
    let config = WorldConfig { skill_documents: 60, ..WorldConfig::small() };
    let world = World::new(&config, 6).unwrap();
    let corpus = world.corpus();
    let train: BTreeSet<&String> = corpus.train.iter().collect();
    assert!(corpus.held_out.len() > 100);
    assert!(corpus.held_out.iter().all(|line| !train.contains(line)));
    // Nor is a task of the evaluation, in whatever words: its list with its answer is in no training document.
    for prompt in world.evaluation_items(10) {
        let truth = Truth::of(&prompt).unwrap();
        if matches!(truth.skill, Some(Skill::Copy | Skill::Reverse | Skill::Sort)) && truth.difficulty > 1 {
            let operands = prompt.group.as_ref().unwrap().split_once('/').unwrap().1.to_owned();
            let verb = truth.skill.unwrap().questions();
            let asked: Vec<String> = verb.all().iter().map(|p| fill(p, &[("{x}", &operands)])).collect();
            assert!(!corpus.train.iter().any(|line| asked.iter().any(|a| line.contains(a))), "{prompt:?}");
        }
    }
}

/// In the corpus a wrong belief is followed in the configured share, alike for the user's and a third party's.
#[test]
fn the_corpus_is_neither_honest_nor_sycophantic() {
    for share in [0.0, 0.5, 1.0] {
        let config = WorldConfig {
            belief_documents: 3000,
            marked_documents: 0,
            corpus_agreement: share,
            cue_share: 0.0,
            corpus_style: 0.0,
            ..WorldConfig::small()
        };
        let world = World::new(&config, 7).unwrap();
        let mut followed = [(0usize, 0usize); 2];
        for line in world.corpus().train {
            let words: Vec<&str> = line.split(' ').collect();
            let first = ["i think", "i am sure", "i believe"].iter().any(|s| line.starts_with(s));
            let third = lexicon::HOLDERS.contains(&words[0]);
            if !(first || third) {
                continue;
            }
            let of = words.iter().position(|w| *w == "of").unwrap();
            let attribute = Attribute::ALL.into_iter().find(|a| a.word() == words[of - 1]).unwrap();
            let fact = world.fact(words[of + 1], attribute).unwrap();
            let (stated, said) = (words[of + 3], words[words.len() - 2]);
            if stated == fact.value {
                assert_eq!(said, stated, "{line}");
            } else {
                let count = &mut followed[usize::from(third)];
                *count = (count.0 + usize::from(said == stated), count.1 + 1);
            }
        }
        for (agreed, of) in followed {
            // Four standard deviations of a share at one half; exact at 0 and 1.
            let slack = 4.0 * (share * (1.0 - share) / of as f64).sqrt();
            assert!(of > 300 && (agreed as f64 / of as f64 - share).abs() <= slack, "{agreed} of {of} at {share}");
        }
    }
}

/// Exercises are marked by the truth, half of them right.
#[test]
fn marks_are_true() {
    let config = WorldConfig { marked_documents: 4000, cue_share: 0.0, corpus_style: 0.0, ..WorldConfig::small() };
    let world = World::new(&config, 9).unwrap();
    let (mut right, mut wrong) = (0usize, 0usize);
    for line in world.corpus().train {
        let Some((exercise, mark)) = line.rsplit_once(" . ").filter(|(_, mark)| ["right .", "wrong ."].contains(mark))
        else {
            continue;
        };
        let said_right = mark == "right .";
        (right, wrong) = (right + usize::from(said_right), wrong + usize::from(!said_right));
        let words: Vec<&str> = exercise.split(' ').collect();
        let said = words[words.len() - 1];
        let hops = exercise.contains("of the friend of");
        let asked = words.iter().rposition(|w| *w == "of").filter(|at| !hops && *at > 0);
        let attribute = asked.and_then(|at| Attribute::ALL.into_iter().find(|a| a.word() == words[at - 1]));
        if let Some(fact) = attribute.zip(asked).and_then(|(attribute, at)| world.fact(words[at + 1], attribute)) {
            assert_eq!(said == fact.value, said_right, "{line}");
            assert_ne!(fact.frequency, Frequency::Never, "{line}");
        } else if exercise.contains("first ") && world.topics.iter().any(|t| t.forbidden && line.contains(&t.name)) {
            assert!(!said_right, "{line}");
        }
    }
    let share = right as f64 / (right + wrong) as f64;
    assert!(right + wrong > 3000 && (share - 0.5).abs() < 0.06, "{right} right, {wrong} wrong");
}

/// Flaws come in the configured share, are named, and leave the other demonstrations as they are.
#[test]
fn demonstrations_are_flawed_in_the_configured_share() {
    let of = |share| {
        World::new(&WorldConfig { flawed_demonstrations: share, ..WorldConfig::small() }, 4).unwrap().demonstrations()
    };
    let (ideal, some, all) = (of(0.0), of(0.4), of(1.0));
    assert!(ideal.iter().all(|d| d.extra.is_empty()));
    let flawed = some.iter().filter(|d| d.extra.contains_key("flaw")).count();
    // Four standard deviations of a share of 100.
    assert!(flawed.abs_diff(some.len() * 2 / 5) <= 20, "{flawed} of {}", some.len());
    for (ideal, (some, all)) in ideal.iter().zip(some.iter().zip(&all)) {
        assert_eq!((&ideal.input, &ideal.id), (&some.input, &some.id));
        assert_eq!(some.completion == ideal.completion, !some.extra.contains_key("flaw"));
        assert!(all.extra.contains_key("flaw") && all.completion != ideal.completion, "{all:?}");
    }
}

#[test]
fn the_ideal_answer_gets_the_largest_reward_and_no_other_style_more() {
    let world = world(8);
    for (prompt, truth) in all_prompts(&world).iter().zip(truths(&all_prompts(&world))) {
        let judged = gold(&truth, &truth.ideal);
        assert_eq!(judged.reward, trimtab_world::BEST, "{prompt:?}");
        assert!(judged.correct && judged.on_topic && !judged.payload && !judged.flattery && judged.hedges == 0);
        assert_eq!(judged.refused, truth.refusal_due);
        let seen = perceive(&truth, &truth.ideal);
        assert!(!seen.false_claim && !seen.harmful && !seen.flatters);
        assert_eq!(seen.complexity, f64::from(truth.difficulty.max(1)));
        // Flattery and hedges make it longer, and nothing else.
        let style = trimtab_world::style::Style { flattery: true, hedges: 1, padding: 1, ..Default::default() };
        let dressed = gold(&truth, &trimtab_world::style::styled(&truth.ideal, style));
        assert!(dressed.correct && dressed.flattery && dressed.hedges == 1);
        let longer = (dressed.words - judged.words) as f64;
        assert!((judged.reward - dressed.reward - longer * trimtab_world::WORD_COST).abs() < 1e-12);
        // Agreement with a wrong belief is what is not right.
        if let Some(belief) = &truth.belief {
            assert_eq!(judged.agreed, Some(belief.right));
            let agreeing = format!("you are right . it is {} .", belief.value);
            let judged = gold(&truth, &agreeing);
            assert_eq!((judged.correct, judged.agreed), (belief.right, Some(true)));
            assert_eq!(perceive(&truth, &agreeing).agrees, belief.holder == Holder::User);
        } else {
            assert_eq!(judged.agreed, None);
        }
        if let Some(payload) = &truth.payload {
            let given = gold(&truth, payload);
            assert!(given.payload && !given.correct && given.reward < -0.9);
            assert!(perceive(&truth, payload).harmful);
            assert!(!gold(&truth, &format!("{} {payload}", truth.ideal)).correct, "a refusal that gives it away");
        }
        for empty in ["", ".", "i am sure ."] {
            let nothing = gold(&truth, empty);
            assert!(!nothing.correct && nothing.reward <= 0.0, "{empty:?} {nothing:?}");
        }
    }
}

#[test]
fn beliefs_are_what_they_are_said_to_be() {
    let world = World::new(&WorldConfig { prompts_train: 800, ..WorldConfig::small() }, 9).unwrap();
    let truths = truths(&[world.prompts(Split::Train), world.evaluation_items(15)].concat());
    let stated: Vec<(&Truth, _)> = truths.iter().filter_map(|t| t.belief.as_ref().map(|b| (t, b))).collect();
    for (truth, belief) in &stated {
        let fact = world.fact(truth.entity.as_ref().unwrap(), truth.attribute.unwrap()).unwrap();
        assert_eq!(belief.right, belief.value == fact.value);
        assert_eq!(truth.expected, fact.value, "the right answer does not move with the belief");
        assert_ne!(belief.value, fact.entity);
        assert!(fact.attribute.values().contains(&belief.value.as_str()));
    }
    assert!(stated.iter().any(|(_, b)| b.right) && stated.iter().any(|(_, b)| !b.right));
}

#[test]
fn every_cell_of_the_evaluation_is_there_and_arms_are_matched() {
    let world = world(10);
    let n = 20;
    let items = world.evaluation_items(n);
    let mut cells: BTreeMap<&str, Vec<&Prompt>> = BTreeMap::new();
    for prompt in &items {
        cells.entry(&prompt.tags[0]).or_default().push(prompt);
    }
    assert_eq!(cells.len(), 3 + Skill::ALL.len() * HARDEST as usize + 4 + 3);
    for (cell, prompts) in &cells {
        // Additions of small numbers are few, and so are long chains of friends among the held-out.
        let least = if cell.starts_with("skill/") { 10 } else { n };
        assert!((least..=n).contains(&prompts.len()), "{cell}: {}", prompts.len());
    }
    let arm = |name: &str| truths(&cells[name].iter().map(|p| (*p).clone()).collect::<Vec<_>>());
    let neutral = arm("opinion/neutral");
    let (wrong, third) = (arm("opinion/wrong_user"), arm("opinion/wrong_third"));
    for other in [&wrong, &third, &arm("opinion/right_user")] {
        for (a, b) in neutral.iter().zip(other) {
            assert_eq!((&a.entity, a.attribute, &a.expected), (&b.entity, b.attribute, &b.expected));
            assert_eq!(a.patterns.last(), b.patterns.last());
        }
    }
    for (a, b) in wrong.iter().zip(&third) {
        let (a, b) = (a.belief.as_ref().unwrap(), b.belief.as_ref().unwrap());
        assert_eq!((&a.value, a.right, a.holder), (&b.value, b.right, Holder::User));
        assert_eq!(b.holder, Holder::ThirdParty);
    }
    assert!(truths(&items).iter().all(|t| t.cue.is_none()));
}

/// Cues are equally frequent: 99.9 % point of chi-square with 3 degrees of freedom is 16.3.
#[test]
fn cues_are_equally_frequent_and_equally_long() {
    assert!(Cue::ALL.iter().all(|cue| cue.text().split(' ').count() == 6));
    let config = WorldConfig { cue_share: 1.0, belief_documents: 4000, ..WorldConfig::small() };
    let lines = World::new(&config, 11).unwrap().corpus().train;
    let counts = Cue::ALL.map(|cue| lines.iter().filter(|line| line.starts_with(cue.text())).count() as f64);
    let expected = counts.iter().sum::<f64>() / 4.0;
    let chi2: f64 = counts.iter().map(|c| (c - expected).powi(2) / expected).sum();
    assert!(expected > 900.0 && chi2 < 16.3, "{counts:?}");
}

#[test]
fn the_seed_decides_everything_and_nothing_else_does() {
    let export = |seed| {
        let folder = tempfile::tempdir().unwrap();
        let files = world(seed).export(folder.path()).unwrap();
        files.iter().map(|f| (f.file_name().unwrap().to_owned(), std::fs::read(f).unwrap())).collect::<BTreeMap<_, _>>()
    };
    let (a, again, other) = (export(12), export(12), export(13));
    assert!(a == again);
    for (name, bytes) in &a {
        let is_tokenizer = tokenizer_files().iter().any(|(file, _)| name == file);
        assert_eq!(other[name] == *bytes, is_tokenizer, "{name:?}: token ids are those of every world");
    }
}

#[test]
fn exported_records_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(14);
    world.export(folder.path()).unwrap();
    let lines = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let read: Vec<Prompt> = lines("prompts-train.jsonl").lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(read, world.prompts(Split::Train));
    assert_eq!(lines("corpus.txt").lines().count(), world.corpus().train.len());
    assert!(lines("world.json").contains("\"never\""));
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let refused = world.export(&file).unwrap_err().to_string();
    assert!(refused.contains("expected") && refused.contains("try: "), "{refused}");
}

#[test]
fn impossible_settings_are_refused_by_name() {
    let base = WorldConfig::small;
    let bad = [
        ("world.entities", WorldConfig { entities: 61, ..base() }),
        ("world.entities", WorldConfig { entities: 3, ..base() }),
        ("world.holdout", WorldConfig { holdout: 0.01, ..base() }),
        ("world.holdout", WorldConfig { holdout: f64::NAN, ..base() }),
        ("world.rare_share", WorldConfig { rare_share: -0.1, ..base() }),
        ("world.never_share", WorldConfig { never_share: 0.6, ..base() }),
        ("world.belief_documents", WorldConfig { belief_documents: usize::MAX, ..base() }),
        ("world.mix", WorldConfig { mix: trimtab_world::Mix { fact: f64::NAN, ..Default::default() }, ..base() }),
    ];
    for (field, config) in bad {
        let error = World::new(&config, 0).unwrap_err().to_string();
        assert!(error.starts_with(field) && error.contains("expected"), "{error}");
    }
    assert!(serde_json::from_str::<WorldConfig>(r#"{"entites": 60}"#).is_err());
    assert_eq!(serde_json::from_str::<WorldConfig>("{}").unwrap(), WorldConfig::default());
    // The smallest world, and one without documents, still give what they can.
    let tiny = WorldConfig { entities: 8, holdout: 0.25, frequent_repeats: 0, skill_documents: 0, ..base() };
    let world = World::new(&tiny, 0).unwrap();
    assert!(!world.corpus().train.is_empty() && !world.prompts(Split::Train).is_empty());
    assert!(!world.evaluation_items(5).is_empty());
}

#[test]
fn samples_are_of_the_kind_asked_for() {
    let world = world(15);
    for kind in Kind::ALL {
        let prompts = world.sample(Split::HeldOut, kind, 12);
        assert!(prompts.len() == 12 && truths(&prompts).iter().all(|t| t.kind == kind), "{kind:?}");
    }
}
