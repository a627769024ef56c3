//! What the drawings must do: holes break lines, equal values stand at equal places, reasons are drawn.
#![allow(clippy::unwrap_used)]

use trimtab_report::chart::dots::{Row, dots};
use trimtab_report::chart::line::{Lines, Point, Series, lines};
use trimtab_report::chart::two_axes::{Spot, two_axes};
use trimtab_report::format::Unit;
use trimtab_stats::{Interval, Measured};

fn line(values: &[Option<f64>], unit: Unit) -> String {
    let points =
        values.iter().enumerate().map(|(i, y)| Point { x: i as f64, y: *y, interval: y.map(|v| [v - 0.1, v + 0.1]) });
    let series =
        Series { label: "SFT".into(), class: "sft", points: points.collect(), reason: Some("a reason".into()) };
    lines(&Lines { across: "step".into(), unit, series: vec![series], marks: vec![] })
}

#[test]
fn a_hole_breaks_the_line() {
    let some = |v| Some(f64::from(v));
    let svg = line(&[some(1), some(2), None, some(3), some(4)], Unit::Of("nats".into()));
    assert_eq!(svg.matches("<polyline").count(), 2);
    assert_eq!(svg.matches("<polygon").count(), 2, "and its band");
    let alone = line(&[some(1), None, some(2), some(3)], Unit::Of(String::new()));
    assert_eq!((alone.matches("<polyline").count(), alone.matches("class=\"dot\"").count()), (1, 1));
    assert!(line(&[None, None], Unit::Share).contains("a reason"));
    assert!(line(&[], Unit::Share).contains("a reason"));
}

/// Rates stand on zero; other figures fill their panel; whatever comes, no coordinate is NaN.
#[test]
fn axes_hold_their_values() {
    assert!(line(&[Some(0.8), Some(0.9)], Unit::Share).contains(">0\u{a0}%<"));
    for values in [vec![5.0], vec![5.0, 5.0], vec![-1e-9, 1e-9], vec![1e300, -1e300], vec![0.0, 0.0], vec![1e-320]] {
        let values: Vec<Option<f64>> = values.into_iter().map(Some).collect();
        let svg = line(&values, Unit::Of(String::new()));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{values:?}: {svg}");
    }
    let long: Vec<Option<f64>> = (0..100_000).map(|i| Some(f64::from(i).sin())).collect();
    assert!(line(&long, Unit::Of(String::new())).len() < 60_000);
}

fn row(value: f64, planted: Option<f64>) -> Row {
    let interval = Interval { low: value - 0.1, high: value + 0.1, level: 0.95 };
    Row {
        label: "SFT".into(),
        class: "sft",
        measured: Measured::new(value, interval, 10),
        count: "5 of 10".into(),
        planted,
    }
}

/// The diamond of a truth stands exactly where the dot of that value stands.
#[test]
fn measured_and_planted_share_the_axis() {
    let svg = dots(&[row(0.5, Some(0.5))], &Unit::Share);
    let dot = svg.split_once("cx=\"").unwrap().1.split_once('"').unwrap().0;
    let diamond = svg.split_once("class=\"planted\" d=\"M").unwrap().1.split_once(' ').unwrap().0;
    assert_eq!(dot, diamond);
    assert_eq!(dot, "180", "one half is the middle of the chart");
    assert!(svg.contains("planted 50\u{a0}%") && svg.contains("5 of 10"));
}

#[test]
fn what_is_undefined_is_hatched_with_its_reason() {
    let hole = Row { measured: Measured::undefined(0, "no such item"), ..row(0.5, None) };
    let svg = dots(&[hole], &Unit::Share);
    assert!(svg.contains("class=\"hatch\"") && svg.contains(">no such item<") && !svg.contains("<circle"));
    let spot = Spot {
        label: "base".into(),
        class: "base",
        hollow: false,
        capability: row(0.4, None).measured,
        alignment: Measured::undefined(0, "it knows nothing"),
        count: String::new(),
        from: None,
    };
    let svg = two_axes(&[spot]);
    assert!(svg.contains("class=\"hatch\"") && svg.contains("base not measurable: it knows nothing"));
}

/// Labels of dots at one place do not lie on each other.
#[test]
fn labels_are_kept_apart() {
    let spot = |label: &str, from| Spot {
        label: label.into(),
        class: "sft",
        hollow: false,
        capability: row(0.5, None).measured,
        alignment: row(0.5, None).measured,
        count: String::new(),
        from,
    };
    let svg = two_axes(&[spot("SFT", None), spot("PPO", Some(0)), spot("PPO-ptx", Some(0))]);
    let mut heights: Vec<f64> = svg
        .split("<text class=\"strong\"")
        .skip(1)
        .map(|t| t.split_once("y=\"").unwrap().1.split_once('"').unwrap().0.parse().unwrap())
        .collect();
    heights.sort_by(f64::total_cmp);
    assert_eq!(heights.len(), 3);
    assert!(heights.windows(2).all(|w| w[1] - w[0] >= 14.0), "{heights:?}");
    assert!(!svg.contains("NaN"), "dots at one place have no arrow between them");
}
