//! The saliency dial: weak-to-strong generalisation where truth and errors are known by construction.
//!
//! An experiment of this project on the question of Burns et al. 2023, [arXiv:2312.09390](https://arxiv.org/abs/2312.09390),
//! section 5 (error structure, saliency); Charikar et al. 2024, [arXiv:2405.15116](https://arxiv.org/abs/2405.15116), is the
//! theory of its misfit. Latent z ~ N(0, I₆); m = w·z with w a unit vector; truth y = 1[m > 0]; e ~ N(0, 1) on its own. The
//! supervisor sees one number, m + e, so it is right three times in four and its errors are a function of e. The student sees
//! (z, λ·e, junk): λ is how far the supervisor's errors are represented in the student.
//!
//! 1. λ is the dial. At 0 the student cannot copy the errors and recovers most of the gap; at 1 it copies them, and PGR is 0
//!    whatever its size. Nothing else changes.
//! 2. What counts is not whether errors have a structure but whether this student can express it: see [`Supervision`].
//! 3. All draws of a seed come from one portable source in a fixed order (w; the sets A, B, T, item by item; flips; fits), so
//!    that any implementation can be compared number by number. The control draws from a source of its own.

use crate::logistic::{Logistic, ReadOut, fit};
use crate::misfit::{Misfit, least_squares_in_ball, misfit};
use crate::{Error, Gold, Labels, Scored, SplitMix, StudentJob, TestSet, Trial, Weak, WeakJob, WeakScore};
use serde::Serialize;

/// Dimensions of z, the signal.
pub const SIGNAL: usize = 6;
/// Dimensions of the junk that only the student sees.
pub const JUNK: usize = 6;
/// Epochs after which a student is read.
pub const EPOCHS: [usize; 4] = [1, 3, 10, 30];
/// Epochs of the weak model and of the ceiling.
const WEAK_EPOCHS: usize = 5;
const CEILING_EPOCHS: usize = 10;
/// The upper quartile of a standard normal: one item in four lies above it.
const UPPER_QUARTILE: f64 = 0.674_489_750_196_081_7;

/// Where the labels of half B come from; all are right about three times in four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Supervision {
    /// A model of m + e: its errors are a function of e.
    Dial,
    /// A model of z₁..z₃, without noise: it lacks half of the signal. A convex student learns it and no more.
    MissingDims,
    /// Truth, flipped for one item in four by a draw of its own.
    IidFlips,
    /// Truth, flipped where the first junk number is in its upper quarter: structured, and not expressible by a linear student.
    VisibleRule,
    /// The ideal supervisor's rule 1[m + e > 0].
    ErrorRule,
    /// Control: the labels of [`Supervision::Dial`] on other items.
    Shuffled,
}

/// One experiment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Case {
    /// Where labels come from.
    pub supervision: Supervision,
    /// λ: the weight of e among the student's inputs.
    pub lambda: f64,
    /// Which parameters are read off, for all three models.
    pub read_out: ReadOut,
    /// Items of half A, from which the weak model learns.
    pub items_a: usize,
    /// Items of half B, from which student and ceiling learn.
    pub items_b: usize,
    /// Items of the test set.
    pub items_t: usize,
}

impl Case {
    /// A case with 400, 1,500 and 2,000 items, read off as the mean of an epoch.
    #[must_use]
    pub fn new(supervision: Supervision, lambda: f64) -> Self {
        Self { supervision, lambda, read_out: ReadOut::Mean, items_a: 400, items_b: 1500, items_t: 2000 }
    }
}

/// One item: what each of the two sees, and the facts about it.
struct Item {
    student: Vec<f64>,
    supervisor: Vec<f64>,
    margin: f64,
    gold: bool,
    ideal: bool,
    visible: bool,
}

/// Runs one seed of a case: a trial for each of [`EPOCHS`].
///
/// ```
/// use trimtab_oversight::saliency_dial::{Case, Supervision, run};
/// // A student that sees e copies the supervisor: after 30 epochs nothing of the gap is recovered.
/// let copied = run(&Case::new(Supervision::Dial, 1.0), 0)?.pop().unwrap();
/// assert!((copied.student.accuracy() - copied.weak_accuracy()).abs() < 0.01);
/// // One that does not see it gets most of the way to the ceiling.
/// let free = run(&Case::new(Supervision::Dial, 0.0), 0)?.pop().unwrap();
/// assert!(free.student.accuracy() - free.weak_accuracy() > 0.15);
/// # Ok::<(), trimtab_oversight::Error>(())
/// ```
///
/// # Errors
/// [`Error::Input`] for a set without items, or a λ that is not a number.
pub fn run(case: &Case, seed: u64) -> Result<Vec<Trial>, Error> {
    if case.items_a.min(case.items_b).min(case.items_t) == 0 || !case.lambda.is_finite() {
        let what = format!("{}, {} and {} items, λ {}", case.items_a, case.items_b, case.items_t, case.lambda);
        return Err(Error::input(what, "items in every set and a finite λ", "400, 1500 and 2000 items"));
    }
    let mut source = SplitMix::new(seed);
    let direction = direction(&mut source);
    let mut draw = |n| (0..n).map(|_| item(&mut source, &direction, case)).collect::<Vec<_>>();
    let (a, b, t) = (draw(case.items_a), draw(case.items_b), draw(case.items_t));
    let gold = |items: &[Item]| Labels::gold(&items.iter().map(|item| item.gold).collect::<Vec<_>>());
    let (gold_a, gold_b, gold_t) = (gold(&a), gold(&b), gold(&t));
    let test = TestSet::new(t, &gold_t)?;

    let (labels, weak) = supervise(case, &mut source, (&a, &gold_a), (&b, &gold_b), &test)?;
    let taught = match case.supervision {
        Supervision::Shuffled => labels.shuffled(&mut SplitMix::new(!seed)),
        _ => labels.clone(),
    };
    let inputs: Vec<Vec<f64>> = b.into_iter().map(|item| item.student).collect();
    let job = StudentJob::new(&inputs, &taught)?;
    let score = |model: &Logistic| test.score(|item| model.chance(&item.student) > 0.5);
    let ceiling = fit(&mut source, &job.ceiling(&gold_b)?, &[CEILING_EPOCHS], case.read_out).iter().map(score).next();
    let Some(ceiling) = ceiling else { return Ok(Vec::new()) };
    let weak_on_b: Vec<(f64, bool)> = labels.chances().iter().copied().zip(gold_b.classes()).collect();
    let students = fit(&mut source, &job, &EPOCHS, case.read_out);
    let trial = |student: &Logistic| Trial {
        seed,
        weak: weak.clone(),
        student: score(student),
        ceiling: ceiling.clone(),
        positive: test.positive_share(),
        weak_on_b: weak_on_b.clone(),
    };
    Ok(students.iter().map(trial).collect())
}

/// The labels of half B, and how good their source is.
fn supervise(
    case: &Case,
    source: &mut SplitMix,
    (a, gold_a): (&[Item], &Labels<Gold>),
    (b, gold_b): (&[Item], &Labels<Gold>),
    test: &TestSet<Item>,
) -> Result<(Labels<Weak>, WeakScore), Error> {
    let flips: Vec<bool> = match case.supervision {
        Supervision::IidFlips => b.iter().map(|_| source.uniform() < 0.25).collect(),
        Supervision::VisibleRule => b.iter().map(|item| item.visible).collect(),
        Supervision::ErrorRule => b.iter().map(|item| item.ideal != item.gold).collect(),
        Supervision::Dial | Supervision::MissingDims | Supervision::Shuffled => {
            let inputs: Vec<Vec<f64>> = a.iter().map(|item| item.supervisor.clone()).collect();
            let models = fit(source, &WeakJob::new(&inputs, gold_a)?, &[WEAK_EPOCHS], case.read_out);
            let chance = |item: &Item| models.first().map_or(f64::NAN, |model| model.chance(&item.supervisor));
            let labels = Labels::<Weak>::by(b, chance)?;
            let scored: Scored = test.score(|item| chance(item) > 0.5);
            return Ok((labels, WeakScore::OnTest(scored)));
        }
    };
    let labels = Labels::<Weak>::flipped(gold_b, &flips)?;
    Ok((labels, WeakScore::OfLabels(flips.into_iter().map(|flip| !flip).collect())))
}

/// The misfit inequality on the dial: gold is the margin m itself, the weak model its best multiple of m + e on A, the student
/// the linear function of weights within the unit ball nearest to the weak labels of B; errors are of `items_t` fresh items.
///
/// The ball holds the truth (w has norm 1). By construction the weak model says ½(m + e), with error ½; at λ = 0 the student can
/// say ½m only, so its error is ¼ and its misfit the other ¼; at λ = 1 it says what the weak model says.
///
/// ```
/// use trimtab_oversight::saliency_dial::{Case, Supervision, misfit_on_dial};
/// let of = |lambda| misfit_on_dial(&Case { items_a: 20_000, ..Case::new(Supervision::Dial, lambda) }, 0).unwrap();
/// assert!((of(0.0).student_error - 0.25).abs() < 0.04 && (of(0.0).misfit - 0.25).abs() < 0.04);
/// assert!((of(1.0).student_error - 0.5).abs() < 0.06 && of(1.0).misfit < 0.01);
/// ```
#[must_use]
pub fn misfit_on_dial(case: &Case, seed: u64) -> Option<Misfit> {
    let mut source = SplitMix::new(seed);
    let direction = direction(&mut source);
    let mut draw = |n| (0..n).map(|_| item(&mut source, &direction, case)).collect::<Vec<_>>();
    let (a, b, t) = (draw(case.items_a), draw(case.items_b), draw(case.items_t));
    let of = |items: &[Item], of: &dyn Fn(&Item) -> f64| items.iter().map(of).collect::<Vec<f64>>();
    let seen: Vec<Vec<f64>> = a.iter().map(|item| item.supervisor.clone()).collect();
    let weak = least_squares_in_ball(&seen, &of(&a, &|item| item.margin), f64::INFINITY)?;
    let linear = |weights: &[f64], input: &[f64]| weights.iter().zip(input).map(|(w, x)| w * x).sum::<f64>();
    let inputs: Vec<Vec<f64>> = b.iter().map(|item| item.student.clone()).collect();
    let labels = of(&b, &|item| linear(&weak, &item.supervisor));
    let student = least_squares_in_ball(&inputs, &labels, 1.0)?;
    let (gold, by_weak) = (of(&t, &|item| item.margin), of(&t, &|item| linear(&weak, &item.supervisor)));
    Some(misfit(&gold, &by_weak, &of(&t, &|item| linear(&student, &item.student))))
}

/// w: a unit vector in a drawn direction.
fn direction(source: &mut SplitMix) -> Vec<f64> {
    let drawn: Vec<f64> = (0..SIGNAL).map(|_| source.normal()).collect();
    let norm = drawn.iter().map(|v| v * v).sum::<f64>().sqrt();
    drawn.into_iter().map(|v| v / norm).collect()
}

fn item(source: &mut SplitMix, direction: &[f64], case: &Case) -> Item {
    let mut student: Vec<f64> = (0..SIGNAL).map(|_| source.normal()).collect();
    let error = source.normal();
    let margin: f64 = direction.iter().zip(&student).map(|(w, z)| w * z).sum();
    let supervisor = if case.supervision == Supervision::MissingDims {
        student[..SIGNAL / 2].to_vec()
    } else {
        vec![margin + error]
    };
    student.push(case.lambda * error);
    student.extend((0..JUNK).map(|_| source.normal()));
    let visible = student[SIGNAL + 1] > UPPER_QUARTILE;
    Item { student, supervisor, margin, gold: margin > 0.0, ideal: margin + error > 0.0, visible }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Planted: a supervisor of one noisy number is right three times in four (an angle of 45 degrees), and so are the labels of
    /// every error structure.
    #[test]
    fn every_supervision_is_right_three_times_in_four() {
        use Supervision::{Dial, ErrorRule, IidFlips, Shuffled, VisibleRule};
        for supervision in [Dial, IidFlips, VisibleRule, ErrorRule] {
            let of = |seed| run(&Case::new(supervision, 1.0), seed).unwrap()[0].weak_accuracy();
            let mean = (0..5).map(of).sum::<f64>() / 5.0;
            // Five times 1,500 or 2,000 items: a standard error of 0.005, and a little for the fit.
            assert!((mean - 0.75).abs() < 0.02, "{supervision:?}: {mean}");
        }
        let [shuffled, dial] =
            [Shuffled, Dial].map(|supervision| run(&Case::new(supervision, 0.0), 1).unwrap().remove(0));
        assert_eq!(
            (&shuffled.weak, &shuffled.weak_on_b),
            (&dial.weak, &dial.weak_on_b),
            "the supervisor is as good as ever"
        );
        assert!((shuffled.student.accuracy() - 0.5).abs() < 0.15, "and its student learns nothing");
    }

    /// Law: equal arguments give equal trials; another seed, another world.
    #[test]
    fn a_seed_is_a_world() {
        let case = Case { items_b: 200, items_t: 100, ..Case::new(Supervision::Dial, 0.3) };
        assert_eq!(run(&case, 4).unwrap(), run(&case, 4).unwrap());
        assert_ne!(run(&case, 4).unwrap(), run(&case, 5).unwrap());
    }

    #[test]
    fn an_empty_set_is_refused() {
        let case = Case { items_t: 0, ..Case::new(Supervision::Dial, 0.3) };
        assert!(run(&case, 0).unwrap_err().to_string().contains("items in every set"));
        assert!(run(&Case::new(Supervision::Dial, f64::NAN), 0).is_err());
    }
}
