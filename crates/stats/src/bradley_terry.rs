//! Scores of answers from comparisons of two, with ties.
//!
//! Bradley and Terry 1952, *Rank analysis of incomplete block designs*,
//! [doi:10.2307/2334029](https://doi.org/10.2307/2334029), with ties as in Davidson 1970, *On extending the
//! Bradley-Terry model to accommodate ties in paired comparison experiments*,
//! [doi:10.1080/01621459.1970.10481082](https://doi.org/10.1080/01621459.1970.10481082). With strengths π = exp(score):
//!
//! > P(i beats j) = πᵢ/(πᵢ + πⱼ + ν√(πᵢπⱼ)), P(tie) = ν√(πᵢπⱼ)/(πᵢ + πⱼ + ν√(πᵢπⱼ))
//!
//! 1. It is the Plackett–Luce model of rankings of two, and is fitted as such ([`mod@crate::plackett_luce`]): ν is its δ₂.
//! 2. Without a prior there is a best fit only if every answer is linked to every other by a chain of wins, and back (Ford
//!    1957, [doi:10.2307/2308513](https://doi.org/10.2307/2308513)); a tie links both ways. Where there is none, that is
//!    said: no pseudo-count ties together what was never compared.
//! 3. A prior, where given, is normal around 0 for each score (a ridge). Then every graph has a fit; scores of groups that
//!    are not linked must not be compared, and `component` tells the groups apart.
//! 4. Time is cubic in the size of a group: 1,000 answers that are all linked take about a second.

use crate::newton::NoFit;
use crate::plackett_luce::{GroupRanking, plackett_luce};

/// One comparison of two answers, by index.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The answer preferred; of a tie, either.
    pub winner: usize,
    /// The other.
    pub loser: usize,
    /// How often this was seen, from 0; a comparison of weight 0 is as good as none.
    pub weight: f64,
    /// Whether neither was preferred.
    pub tie: bool,
}

impl Comparison {
    /// One win.
    #[must_use]
    pub fn win(winner: usize, loser: usize) -> Self {
        Self { winner, loser, weight: 1.0, tie: false }
    }

    /// One tie.
    #[must_use]
    pub fn tie(one: usize, other: usize) -> Self {
        Self { winner: one, loser: other, weight: 1.0, tie: true }
    }
}

/// A fitted Bradley–Terry model.
#[derive(Debug, Clone, PartialEq)]
pub struct BradleyTerry {
    /// Log-strengths, whose mean in each component is 0: a difference d within a component means that, ties aside, the
    /// odds are exp(d) to 1. `None` for an answer that was never compared, which happens only with a prior.
    pub scores: Vec<Option<f64>>,
    /// The tie parameter ν: equal answers tie with chance ν/(2 + ν). 0 where nothing tied.
    pub nu: f64,
    /// Connected component of each answer, numbered from 0 by their first answer.
    pub component: Vec<usize>,
    /// Log-likelihood in nats, less the penalty of the prior where there is one, after each iteration.
    pub trace: Vec<f64>,
}

/// Maximum likelihood from comparisons of `answers` answers; with `prior_sd`, the mode under independent N(0, sd²) priors
/// of the scores.
///
/// # Errors
/// Why there is no fit: see [`NoFit`].
///
/// ```
/// use trimtab_stats::{Comparison, NoFit, bradley_terry};
/// // Answer 0 beats answer 1 three times in four: the odds are 3, the scores ±½·ln 3.
/// let won = Comparison { weight: 3.0, ..Comparison::win(0, 1) };
/// let fit = bradley_terry(2, &[won, Comparison::win(1, 0)], None).unwrap();
/// assert!((fit.scores[0].unwrap() - 0.5 * 3f64.ln()).abs() < 1e-9);
/// // Six ties beside them: P(tie) = 6/10 = ν√3/(3 + 1 + ν√3), so ν√3 = 6.
/// let ties = Comparison { weight: 6.0, ..Comparison::tie(0, 1) };
/// let fit = bradley_terry(2, &[won, Comparison::win(1, 0), ties], None).unwrap();
/// assert!((fit.nu - 6.0 / 3f64.sqrt()).abs() < 1e-9);
/// // An answer that never loses has no finite score.
/// assert_eq!(bradley_terry(2, &[won], None).unwrap_err(), NoFit::NeverLose(vec![0]));
/// ```
pub fn bradley_terry(answers: usize, comparisons: &[Comparison], prior_sd: Option<f64>) -> Result<BradleyTerry, NoFit> {
    let ranking = |c: &Comparison| {
        let groups = if c.tie { vec![vec![c.winner, c.loser]] } else { vec![vec![c.winner], vec![c.loser]] };
        GroupRanking { groups, below: Vec::new(), weight: c.weight }
    };
    let fit = plackett_luce(answers, &comparisons.iter().map(ranking).collect::<Vec<_>>(), prior_sd)?;
    let nu = fit.delta.get(&2).copied().unwrap_or(0.0);
    Ok(BradleyTerry { scores: fit.scores, nu, component: fit.component, trace: fit.trace })
}
