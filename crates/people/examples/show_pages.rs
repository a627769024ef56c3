//! Writes each page for made-up data to a folder, to be looked at while a page is changed:
//! `cargo run -p trimtab-people --example show_pages -- FOLDER [LANGUAGE]`.

use std::path::Path;
use trimtab_people::Agreement;
use trimtab_people::service::messages::Messages;
use trimtab_people::service::pages::view::{AdminView, ItemRow, ItemView, Kind, NoTask, PersonRow, Saved, TaskView};
use trimtab_people::service::pages::{self, Nav};
use trimtab_stats::{Interval, Measured};

const QUESTION: &str =
    "Why is the sky blue, and why is it red in the evening? Please explain it so that a child of ten understands it.";
const LONG: &str = "# Why the sky is blue\n\nSunlight looks white, but it is made of **all colours**. When it meets the air, the small molecules send blue light in every direction, far more than red light.\n\n1. By day the light comes from above and crosses little air.\n2. In the evening it crosses *much* more air; most of the blue has been sent aside before it reaches you.\n\n> What is left is red and orange.\n\n| Colour | Wavelength | How much is scattered |\n|---|---|---|\n| red | 700 nm | 1 |\n| green | 530 nm | 3 |\n| blue | 450 nm | 6 |\n\n```\nscattering ~ 1 / wavelength^4\n```\n\nYou can try it with a glass of water, a drop of milk and a torch: from the side the water looks bluish, and the torch seen through it looks orange. That is the same thing in small. The more milk you add, the redder the torch becomes, just as the sun does when it goes down and its light has to come through more and more air.\n\nDust and smoke make evenings redder still. After large volcanic eruptions people all over the world have seen evenings so red that they called the fire brigade.\n\nSee also <https://en.wikipedia.org/wiki/Rayleigh_scattering>.";
const SHORT: &str = "Because the sea is blue and the sky mirrors it. In the evening the sea sleeps.";
const MIDDLE: &str = "Light from the sun has all colours in it. Air scatters blue light the most, so blue comes to us from everywhere in the sky.\n\nIn the evening the light has a longer way through the air, most blue is lost on the way, and red is left.";

fn measured(value: f64, half: f64, n: u64) -> Measured {
    Measured::new(value, Interval { low: value - half, high: value + half, level: 0.95 }, n)
}

fn task(item: &str, kind: Kind, answers: &[&str]) -> TaskView {
    let answers = answers.iter().enumerate().map(|(i, text)| (format!("{item}-a{i}"), (*text).to_owned())).collect();
    TaskView {
        lease: format!("lease-{item}"),
        item: item.into(),
        kind,
        expires: 4_102_444_800_000,
        prompt: vec![("user".into(), QUESTION.into())],
        answers,
        guideline: "3".into(),
        guideline_text: "Prefer what is **true** before what is pretty.\n\n- Tick *false claim* where you are sure.\n- A tie is an answer.".into(),
        done: 12,
        quota: Some(40),
        calibration_left: None,
        revises: None,
    }
}

fn saved(judgement: &str, order: &[(&str, u32)]) -> Saved {
    Saved {
        judgement: judgement.into(),
        item: "sky".into(),
        title: QUESTION.into(),
        at: 1_764_079_320_000,
        ranks: order.iter().map(|(id, rank)| ((*id).to_owned(), *rank)).collect(),
        ..Saved::default()
    }
}

fn admin() -> AdminView {
    let person = |person: &str, name: &str, done| PersonRow {
        person: person.into(),
        name: name.into(),
        role: "annotator".into(),
        done,
        gold: measured(0.82, 0.09, 40),
        agreement: measured(0.71, 0.05, 310),
        reliability: measured(0.64, 0.12, 310),
        biases: Some(vec![("length".into(), measured(0.18, 0.1, 310)), ("slot".into(), measured(-0.03, 0.09, 310))]),
        seconds: Some(48.2),
        signed_in: true,
        revoked: false,
    };
    let none = Measured::undefined(2, "2 pairs ordered by somebody else too; 10 are needed");
    AdminView {
        hours: vec![0, 0, 0, 0, 0, 0, 0, 1, 9, 22, 31, 28, 14, 25, 30, 33, 26, 12, 3, 0, 0, 5, 8, 2],
        judged: (412, 1200),
        agreement: vec![
            Agreement {
                figure: "alpha".into(),
                over_items: measured(0.52, 0.06, 206),
                over_people: measured(0.52, 0.11, 9),
            },
            Agreement {
                figure: "w".into(),
                over_items: measured(0.61, 0.07, 180),
                over_people: Measured::undefined(3, "undefined on 212 of 400 resamples"),
            },
        ],
        people: vec![
            person("p-7f3a", "Ada", 160),
            PersonRow { signed_in: false, role: "admin".into(), ..person("p-11c0", "Grace", 138) },
            PersonRow {
                gold: Measured::undefined(0, "saw no gold question"),
                agreement: none.clone(),
                reliability: none,
                biases: None,
                seconds: None,
                revoked: true,
                ..person("p-9d02", "Bartholomew Featherstonehaugh", 3)
            },
        ],
        hardest: vec![
            ItemRow {
                item: "sky/1 ü".into(),
                title: QUESTION.into(),
                judged: 3,
                wanted: 3,
                disagreement: measured(0.66, 0.2, 18),
            },
            ItemRow {
                item: "b".into(),
                title: "Write a limerick about a lighthouse".into(),
                judged: 2,
                wanted: 3,
                disagreement: measured(0.5, 0.3, 6),
            },
        ],
        guideline: "3".into(),
        guideline_text: "Prefer what is **true** before what is pretty.".into(),
        invited: Some(("Emmy".into(), "http://127.0.0.1:8080/join/8c1f0d7b5e2a4c93b6e7f1a2d3c4b5a6".into())),
    }
}

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| "pages".into());
    let m = Messages::of(&arguments.next().unwrap_or_else(|| "en".into()));
    let four = [MIDDLE, LONG, SHORT, "I do not know."];
    let nine: Vec<&str> = std::iter::repeat_n(MIDDLE, 9).collect();
    let revised = TaskView {
        revises: Some(Saved {
            margin: Some(3),
            comment: Some("Close.".into()),
            ..saved("j1", &[("sky-a0", 1), ("sky-a1", 1), ("sky-a2", 3)])
        }),
        ..task("sky", Kind::Rank, &four)
    };
    let hard = ItemView {
        row: ItemRow {
            item: "sky".into(),
            title: QUESTION.into(),
            judged: 2,
            wanted: 3,
            disagreement: measured(0.5, 0.3, 6),
        },
        prompt: vec![("user".into(), QUESTION.into())],
        answers: (0..4).map(|i| (format!("sky-a{i}"), four[i].to_owned())).collect(),
        judgements: vec![
            (
                "p-7f3a".into(),
                Saved {
                    comment: Some("B is longer, not better.".into()),
                    flags: [("sky-a2".to_owned(), vec!["false_claim".to_owned()])].into(),
                    ..saved("j1", &[("sky-a0", 1), ("sky-a1", 1), ("sky-a2", 4), ("sky-a3", 3)])
                },
            ),
            ("p-11c0".into(), saved("j2", &[("sky-a1", 1), ("sky-a2", 2)])),
            (
                "p-9d02".into(),
                Saved { verdict: Some("skip".into()), reason: Some("topic".into()), revised: true, ..saved("j3", &[]) },
            ),
        ],
    };
    let history = [
        Saved {
            flags: [("x".to_owned(), vec!["harmful".to_owned()])].into(),
            comment: Some("Close.".into()),
            ..saved("j1", &[("x", 1), ("y", 1), ("z", 2)])
        },
        Saved { verdict: Some("all_bad".into()), ..saved("j2", &[]) },
        Saved { text: Some("An ideal answer would begin with the light.".into()), revised: true, ..saved("j3", &[]) },
    ];
    let mut all = vec![
        ("rank".to_owned(), pages::task_main(&task("sky", Kind::Rank, &four), m)),
        ("rank-nine".to_owned(), pages::task_main(&task("nine", Kind::Rank, &nine), m)),
        ("revise".to_owned(), pages::task_main(&revised, m)),
        ("demonstrate".to_owned(), pages::task_main(&task("write", Kind::Demonstrate, &[]), m)),
        ("edit".to_owned(), pages::task_main(&task("edit", Kind::Edit, &[MIDDLE]), m)),
        ("history".to_owned(), pages::history_main(&history, m)),
        ("history-empty".to_owned(), pages::history_main(&[], m)),
        (
            "guidelines".to_owned(),
            pages::guidelines_main(
                "3",
                "# Truth first\n\nPrefer what is **true**.\n\n## Ties\n\nA tie is an answer.",
                m,
            ),
        ),
        ("admin".to_owned(), pages::admin_main(&admin(), m)),
        ("item".to_owned(), pages::item_main(&hard, m)),
        ("join".to_owned(), pages::join_main("8c1f", "Ada", m)),
        ("signed-out".to_owned(), pages::signed_out_main(m)),
        ("error".to_owned(), pages::error_main(503, "the disk is full", m)),
    ];
    // Hostile text everywhere, for the browser to be tried with.
    let payloads: Vec<String> = serde_json::from_str(include_str!("../tests/hostile.json")).unwrap_or_default();
    let parts: Vec<String> = payloads.chunks(payloads.len().div_ceil(9).max(1)).map(|part| part.join("\n\n")).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let whole = payloads.join("\n\n");
    let hostile = |kind, answers: &[&str]| TaskView {
        prompt: vec![("user".into(), whole.clone()), (payloads.concat(), "x".into())],
        guideline_text: whole.clone(),
        ..task("hostile", kind, answers)
    };
    all.push(("hostile-rank".into(), pages::task_main(&hostile(Kind::Rank, &parts), m)));
    all.push(("hostile-edit".into(), pages::task_main(&hostile(Kind::Edit, &[&whole]), m)));
    let said = |text: &String| Saved {
        title: text.clone(),
        comment: Some(text.clone()),
        text: Some(text.clone()),
        ..saved(text, &[])
    };
    all.push(("hostile-history".into(), pages::history_main(&payloads.iter().map(said).collect::<Vec<_>>(), m)));
    for why in [NoTask::Finished, NoTask::Waiting, NoTask::Quota, NoTask::Calibration, NoTask::Empty] {
        all.push((format!("none-{why:?}").to_lowercase(), pages::no_task_main(why, 12, m)));
    }
    std::fs::create_dir_all(Path::new(&folder).join("assets"))?;
    std::fs::write(Path::new(&folder).join("assets/page.css"), pages::CSS)?;
    std::fs::write(Path::new(&folder).join("assets/page.js"), pages::JS)?;
    for (name, html) in &all {
        let person = (!matches!(name.as_str(), "join" | "signed-out")).then(|| "p-7f3a".to_owned());
        let path = match name.as_str() {
            "admin" | "item" => "/admin",
            "history" | "history-empty" => "/history",
            "guidelines" => "/guidelines",
            _ => "/task",
        };
        let nav = Nav { person, admin: true, path: path.into() };
        let file = Path::new(&folder).join(format!("{name}.html"));
        std::fs::write(&file, pages::layout(name, html, &nav, m))?;
        println!("{}", file.display());
    }
    Ok(())
}
