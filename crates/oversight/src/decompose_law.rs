//! How errors grow with depth where a judge builds his answer on answers about the parts: the recursion in closed form.
//!
//! The question is that of Christiano, Shlegeris and Amodei 2018, *Supervising strong learners by amplifying weak experts*,
//! [arXiv:1810.08575](https://arxiv.org/abs/1810.08575), section 2; the arithmetic is ours.
//!
//! 1. Formulas are full binary trees whose gates are drawn: exclusive-or with a given chance, else "and" or "or" with equal ones. With
//!    leaves that are true one time in two every node is, and its errors do not depend on its value, so one number a depth is enough.
//! 2. Two wrong parts make a right whole in part: an exclusive-or of two errors is right, an "and" passes on no error that another part
//!    decides. So errors grow by 2^depth where every part matters always, and only by depth where a part matters half of the time.

/// The chance that a node judged without a slip is wrong, where each part is wrong with the chance `error` on its own and the share `xor`
/// of gates are exclusive-ors: xor·2e(1 − e) + (1 − xor)·(e − e²/2).
///
/// ```
/// use trimtab_oversight::decompose_law::passed_on;
/// assert_eq!(passed_on(0.5, 1.0), 0.5); // one wrong of two
/// assert_eq!(passed_on(1.0, 1.0), 0.0); // two wrongs are a right
/// assert_eq!(passed_on(1.0, 0.0), 0.5); // "and" of two contraries is the contrary where both are equal
/// ```
#[must_use]
pub fn passed_on(error: f64, xor: f64) -> f64 {
    xor * 2.0 * error * (1.0 - error) + (1.0 - xor) * (error - 0.5 * error * error)
}

/// The error at depths 0 to `depth` of a judge who slips at every node with the chance `slip`, on its own; leaves are read rightly.
///
/// ```
/// use trimtab_oversight::decompose_law::error_by_depth;
/// // Exclusive-ors alone: wrong where an odd number of 1, 3, 7 nodes slipped, ½(1 − (1 − 2·¼)ⁿ).
/// assert_eq!(error_by_depth(0.25, 1.0, 2), [0.0, 0.25, 0.4375]);
/// ```
#[must_use]
pub fn error_by_depth(slip: f64, xor: f64, depth: usize) -> Vec<f64> {
    let mut errors = vec![0.0];
    for level in 0..depth {
        errors.push(slip + (1.0 - 2.0 * slip) * passed_on(errors[level], xor));
    }
    errors
}

/// The same where a node takes over with the chance `shared` a slip that is drawn once for the whole tree: the errors of two nodes then
/// correlate by shared². Given the tree's draw, nodes are on their own, so this is a mixture of two curves.
///
/// ```
/// use trimtab_oversight::decompose_law::{error_by_depth, shared_error_by_depth};
/// assert_eq!(shared_error_by_depth(0.1, 0.5, 0.0, 3), error_by_depth(0.1, 0.5, 3));
/// // All nodes slip or none: an exclusive-or of 1, 3, 7 slips is wrong, as often as a single node.
/// assert!(shared_error_by_depth(0.1, 1.0, 1.0, 3)[1..].iter().all(|error| (error - 0.1).abs() < 1e-12));
/// ```
#[must_use]
pub fn shared_error_by_depth(slip: f64, xor: f64, shared: f64, depth: usize) -> Vec<f64> {
    let own = (1.0 - shared) * slip;
    let (with, without) = (error_by_depth(shared + own, xor, depth), error_by_depth(own, xor, depth));
    with.iter().zip(without).map(|(with, without)| slip * with + (1.0 - slip) * without).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Laws: exclusive-ors alone are ½(1 − (1 − 2ε)^nodes); "and" and "or" grow by less than ε a depth, and by nearly that at first.
    #[test]
    fn errors_grow_by_nodes_or_by_depth() {
        for slip in [0.0, 0.01, 0.2, 0.5] {
            for (depth, error) in error_by_depth(slip, 1.0, 8).into_iter().enumerate() {
                let nodes = f64::from((1u32 << depth) - 1);
                assert!((error - 0.5 * (1.0 - (1.0 - 2.0 * slip).powf(nodes))).abs() < 1e-12, "{slip} {depth}");
            }
        }
        let errors = error_by_depth(0.001, 0.0, 8);
        assert!(errors.windows(2).all(|pair| pair[1] > pair[0] && pair[1] - pair[0] <= 0.001));
        assert!(errors[8] > 0.0078);
    }

    /// By hand over the four pairs of parts and both gates, at an error of 0.3: the formula of [`passed_on`].
    #[test]
    fn an_and_or_gate_passes_on_what_is_counted() {
        let error: f64 = 0.3;
        let mut wrong = 0.0;
        for gate in [|l: bool, r: bool| l && r, |l: bool, r: bool| l || r] {
            for truth in 0..4 {
                for flip in 0..4 {
                    let of = |bits: u32| (bits & 1 == 1, bits & 2 == 2);
                    let ((l, r), (a, b)) = (of(truth), of(truth ^ flip));
                    let chance = |flipped: bool| if flipped { error } else { 1.0 - error };
                    let weight = chance(flip & 1 == 1) * chance(flip & 2 == 2) / 8.0;
                    wrong += if gate(l, r) == gate(a, b) { 0.0 } else { weight };
                }
            }
        }
        assert!((passed_on(error, 0.0) - wrong).abs() < 1e-12);
    }
}
