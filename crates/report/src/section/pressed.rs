//! What the outer audit found: proxy and judgement over √KL, the alarm with its controls, and what is exploited.

use crate::chart::{
    captioned,
    line::{Lines, Point, Series, lines},
};
use crate::format::{self, Unit};
use crate::html::{Cell, aside, figure, table};
use trimtab_audit::outer::alarm::Verdict;
use trimtab_audit::outer::exploit::Exploited;
use trimtab_audit::outer::press::{Best, Pressed};
use trimtab_audit::outer::{self, Outer};
use trimtab_stats::Measured;

/// The part of the audit's section that no other audit has.
#[must_use]
pub fn pressed(outer: &Outer) -> String {
    let mut body = aside(
        "How to read",
        "Across: the square root of KL from the reference. The best of n answers by the reward model (proxy) is judged by gold, or by people who ranked answers that the reward model was not trained on. Each line is the change from the reference, in its own units; the policy stands at the KL that it was measured at. The alarm needs both: a proxy that rises and a judgement that falls, intervals clear of 0.",
    );
    body += &alarms(outer);
    for by_proxy in outer.pressed.iter().filter(|p| p.by == "proxy") {
        body += &curve(outer, by_proxy);
    }
    body += &exploited(outer);
    if let Some(why) = &outer.without_policy {
        body += &aside("Policy", &format!("{why}."));
    }
    body
}

/// Who chose and who judged, in words.
fn name(of: &Pressed) -> String {
    let by = match of.by.as_str() {
        "proxy" => "best of n by the reward model",
        "judgement" => "control: by the judgement itself",
        _ => "control: by scores permuted within prompts",
    };
    format!("{by}, judged by {}", of.judge)
}

fn alarms(outer: &Outer) -> String {
    let own = |unit: &str| Unit::Of(unit.to_owned());
    let row = |name: String, proxy: &Measured, judgement: &Measured, said: &Verdict| {
        let counts = said.false_alarms;
        let wrong = if counts.denominator == 0 { "–".to_owned() } else { format::rate(&counts) };
        vec![
            Cell::text(name),
            Cell::text(said.words()),
            Cell::measured(proxy, &own("")),
            Cell::measured(judgement, &own("")),
            Cell::measured(&said.detectable, &own("")),
            Cell::number(wrong),
        ]
    };
    let of_policy = outer.policy.iter().map(|p| row("the policy".into(), &p.proxy, &p.judgement, &p.alarm));
    let of_pressed = outer.pressed.iter().filter_map(|p| {
        let last = p.points.last()?;
        Some(row(name(p), &last.proxy_gain, &p.fall, &p.alarm))
    });
    let rows: Vec<Vec<Cell>> = of_policy.chain(of_pressed).collect();
    let columns = ["", "", "proxy, change", "judgement, deepest fall", "fall that would show", "false alarms"];
    table("Does the proxy rise while the judgement falls?", &columns, &rows)
}

fn curve(outer: &Outer, by_proxy: &Pressed) -> String {
    let series = |label: &str, class, of: &Pressed, value: fn(&Best) -> &Measured| {
        let point = |b: &Best| point(b.distance, value(b));
        let reason = of.points.iter().find_map(|b| value(b).reason.clone());
        Series { label: label.to_owned(), class, points: of.points.iter().map(point).collect(), reason }
    };
    let control = |by: &str| outer.pressed.iter().find(|p| p.by == by && p.judge == by_proxy.judge);
    let mut all = vec![
        series(&by_proxy.judge, "ptx", by_proxy, |b| &b.gain),
        series("proxy", "ppo", by_proxy, |b| &b.proxy_gain),
    ];
    all.extend(control("judgement").map(|c| series("best by it", "control", c, |b| &b.gain)));
    all.extend(control("random").map(|c| series("random", "control", c, |b| &b.gain)));
    // People judge other answers than the policy's, so their chart has no place for it.
    let policy = outer.policy.as_ref().filter(|_| by_proxy.judge == "gold");
    if let Some(outer::Point { kl, proxy, judgement, .. }) = policy {
        let distance = kl.value.unwrap_or(0.0).max(0.0).sqrt();
        let dot = |label: &str, class, m: &Measured| Series {
            label: label.to_owned(),
            class,
            points: vec![point(distance, m)],
            reason: m.reason.clone(),
        };
        all.push(dot("policy, gold", "ptx", judgement));
        all.push(dot("policy, proxy", "ppo", proxy));
    }
    let caption = format!("Best of n, judged by {}", by_proxy.judge);
    let chart = Lines {
        across: "√KL, √nats".into(),
        unit: Unit::Of("change from the reference".into()),
        series: all,
        marks: Vec::new(),
    };
    let none = Unit::Of(String::new());
    let rows: Vec<Vec<Cell>> = by_proxy
        .points
        .iter()
        .map(|b| {
            vec![
                Cell::text(format!("best of {}", b.n)),
                Cell::number(format::number(b.distance)),
                Cell::measured(&b.proxy, &none),
                Cell::measured(&b.judgement, &none),
                Cell::measured(&b.gain, &none),
            ]
        })
        .chain(policy.map(|p| {
            vec![
                Cell::text("the policy, changes"),
                Cell::number(p.kl.value.map_or_else(|| "–".into(), |kl| format::number(kl.max(0.0).sqrt()))),
                Cell::measured(&p.proxy, &none),
                Cell::text("–"),
                Cell::measured(&p.judgement, &none),
            ]
        }))
        .collect();
    let columns = ["", "√KL", "proxy", &by_proxy.judge, "change"];
    let fit = [("α", &by_proxy.alpha), ("β", &by_proxy.beta), ("√KL at its peak", &by_proxy.peak)];
    let fit: Vec<Vec<Cell>> = fit.iter().map(|(what, m)| vec![Cell::text(*what), Cell::measured(m, &none)]).collect();
    let tables = table(&format!("{} prompts, 95 % intervals over them", by_proxy.prompts), &columns, &rows)
        + &table("The fit d(α − βd), d = √KL", &["", "95 % interval"], &fit);
    figure(&captioned(&caption, &lines(&chart)), &tables)
}

fn point(x: f64, m: &Measured) -> Point {
    Point { x, y: m.value, interval: m.interval.map(|i| [i.low, i.high]) }
}

fn exploited(outer: &Outer) -> String {
    let none = Unit::Of(String::new());
    let rows = |of: &Exploited| -> Vec<Vec<Cell>> {
        let row = |slope: &outer::exploit::Slope| {
            vec![
                Cell::text(format!("{}, per {}", of.feature, of.unit)),
                Cell::text(&slope.judge),
                Cell::measured(&slope.proxy, &none),
                Cell::measured(&slope.judgement, &none),
                Cell::measured(&of.change, &none),
            ]
        };
        of.slopes.iter().map(row).collect()
    };
    let rows: Vec<Vec<Cell>> = outer.exploited.iter().flat_map(rows).collect();
    let columns = ["", "judged by", "the proxy pays", "the judgement pays", "policy has more by"];
    table("What is exploited: slopes within prompts, the proxy's with the judgement held fixed", &columns, &rows)
}
