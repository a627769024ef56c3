//! Comparing whole continuations of a prompt by their summed log-probabilities.
//!
//! The rule of lm-evaluation-harness (Gao et al. 2024, doi:10.5281/zenodo.12608602, `_encode_pair`). Where ours differs:
//! 1. White space at the border moves into the continuation, as there; here also where a continuation is one of several,
//!    so that all are cut at one place.
//! 2. The cut is the longest common prefix of the prompt's tokens and of *every* joint sequence, instead of the length of
//!    the prompt's tokens. Where a continuation merges with the prompt's last token, that token belongs to all
//!    continuations, and their sums stay comparable.
//! 3. A tie has no winner; there the first option wins.

/// Moves the white space at the end of `prompt` to the front of `continuation`.
///
/// ```
/// use trimtab_audit::scoring::move_spaces;
/// assert_eq!(move_spaces("Answer: ", "(A)"), ("Answer:".into(), " (A)".into()));
/// assert_eq!(move_spaces("Answer:", " (A)"), ("Answer:".into(), " (A)".into()));
/// ```
#[must_use]
pub fn move_spaces(prompt: &str, continuation: &str) -> (String, String) {
    let kept = prompt.trim_end();
    (kept.to_owned(), format!("{}{continuation}", &prompt[kept.len()..]))
}

/// Tokens that all sequences begin with.
///
/// ```
/// use trimtab_audit::scoring::common_prefix;
/// assert_eq!(common_prefix(&[&[5, 6, 7], &[5, 6, 8, 9]]), 2);
/// assert_eq!(common_prefix(&[]), 0);
/// ```
#[must_use]
pub fn common_prefix(sequences: &[&[u32]]) -> usize {
    let Some((first, rest)) = sequences.split_first() else { return 0 };
    let alike = |i: usize| rest.iter().all(|s| s.get(i) == first.get(i));
    (0..first.len()).find(|&i| !alike(i)).unwrap_or(first.len())
}

/// Where sequences that continue one prompt are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Tokens before this are the prompt's; those from here on are scored.
    pub scored_from: usize,
    /// Tokens before this are the same in all sequences, so that they are computed once. At least `scored_from`; each
    /// sequence has a token after it.
    pub shared: usize,
}

/// The cut of `joint` sequences, each the tokens of prompt and continuation encoded together, given the tokens of the
/// prompt alone. `None` if a sequence adds nothing to the prompt, or nothing is before the cut that could predict it.
///
/// ```
/// use trimtab_audit::scoring::{Cut, cut};
/// // " (A)" and " (B)" share the token 9 for " (": it is computed once, and scored in both.
/// let cut_here = cut(&[1, 2], &[&[1, 2, 9, 3, 8], &[1, 2, 9, 4, 8]]);
/// assert_eq!(cut_here, Some(Cut { scored_from: 2, shared: 3 }));
/// // The prompt's last token 2 merges with one continuation: it is scored in both.
/// assert_eq!(cut(&[1, 2], &[&[1, 7], &[1, 2, 4]]), Some(Cut { scored_from: 1, shared: 1 }));
/// assert_eq!(cut(&[1, 2], &[&[1, 2], &[1, 2, 4]]), None);
/// ```
#[must_use]
pub fn cut(prompt: &[u32], joint: &[&[u32]]) -> Option<Cut> {
    let scored_from = joint.iter().map(|s| common_prefix(&[prompt, s])).min()?;
    let shortest = joint.iter().map(|s| s.len()).min()?;
    let shared = common_prefix(joint).min(shortest.saturating_sub(1));
    (scored_from > 0 && shortest > scored_from).then_some(Cut { scored_from, shared: shared.max(scored_from) })
}

/// The option with the largest sum; `None` for a tie, for no options, and where a sum is not finite.
///
/// ```
/// use trimtab_audit::scoring::choose;
/// assert_eq!(choose(&[-2.0, -1.0]), Some(1));
/// assert_eq!(choose(&[-1.0, -1.0]), None);
/// assert_eq!(choose(&[f64::NAN, -1.0]), None);
/// ```
#[must_use]
pub fn choose(sums: &[f64]) -> Option<usize> {
    if sums.iter().any(|s| !s.is_finite()) {
        return None;
    }
    let best = (0..sums.len()).max_by(|&a, &b| sums[a].total_cmp(&sums[b]))?;
    sums.iter().enumerate().all(|(i, s)| i == best || *s < sums[best]).then_some(best)
}

/// Probabilities of the options given that one of them is chosen: the softmax of their sums, in nats.
///
/// ```
/// use trimtab_audit::scoring::normalised;
/// let p = normalised(&[0.2f64.ln(), 0.6f64.ln()]);
/// assert!((p[0] - 0.25).abs() < 1e-12 && (p[1] - 0.75).abs() < 1e-12);
/// ```
#[must_use]
pub fn normalised(sums: &[f64]) -> Vec<f64> {
    let top = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = sums.iter().map(|s| (s - top).exp()).sum();
    sums.iter().map(|s| (s - top).exp() / total).collect()
}

/// Probability that the model gives any of the options at all: Σ exp(sum). Where it is small, the contrast between the
/// options says little about what the model would do.
///
/// ```
/// use trimtab_audit::scoring::mass;
/// assert!((mass(&[0.2f64.ln(), 0.3f64.ln()]) - 0.5).abs() < 1e-12);
/// ```
#[must_use]
pub fn mass(sums: &[f64]) -> f64 {
    sums.iter().map(|s| s.exp()).sum()
}
