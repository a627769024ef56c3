//! Boolean formulas as full binary trees: what [`decompose`](crate::decompose) judges.
//!
//! 1. Nodes are stored level by level from the root down, leaves apart, so a value is found from the leaves up without recursion.
//! 2. A node carries what may happen at it, so that a judge of one sort or another meets the same tree.

/// What a node does with the values of its halves.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Gate {
    And,
    Or,
    Xor,
}

impl Gate {
    pub fn of(self, left: bool, right: bool) -> bool {
        match self {
            Self::And => left && right,
            Self::Or => left || right,
            Self::Xor => left != right,
        }
    }
}

/// A node, with all that may happen at it.
pub(crate) struct Node {
    pub gate: Gate,
    /// Written in an odd way, as a share ε of nodes is.
    pub odd: bool,
    /// The judge slips here by chance.
    pub slips: bool,
    /// He slips here where slips are shared in part.
    pub slips_with_tree: bool,
}

/// A formula: nodes from the root down, level by level, and leaves.
pub(crate) struct Tree {
    pub nodes: Vec<Node>,
    pub leaves: Vec<bool>,
}

impl Tree {
    /// The value at the root, where `judge` gives that of a node of a height (1 above leaves) from those of its halves. The root is last.
    pub fn value(&self, mut judge: impl FnMut(&Node, usize, bool, bool) -> bool) -> bool {
        let mut values = self.leaves.clone();
        let mut height = 0;
        while values.len() > 1 {
            height += 1;
            // The 2^k nodes of a level follow the 2^k − 1 above it.
            let level = &self.nodes[values.len() / 2 - 1..values.len() - 1];
            values =
                level.iter().zip(values.chunks_exact(2)).map(|(node, of)| judge(node, height, of[0], of[1])).collect();
        }
        values[0]
    }

    pub fn truth(&self) -> bool {
        self.value(|node, _, left, right| node.gate.of(left, right))
    }

    /// Of the first leaf of each pair, the share that is true. The other leaves are not read: of exclusive-ors these say nothing at all.
    pub fn share_true(&self) -> [f64; 1] {
        let read = self.leaves.iter().step_by(2);
        [read.clone().filter(|leaf| **leaf).count() as f64 / read.count() as f64]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: (true and false) or (true exclusive-or false) is true, and judging sees three nodes, the root last.
    #[test]
    fn a_formula_is_what_it_says() {
        let node = |gate| Node { gate, odd: false, slips: false, slips_with_tree: false };
        let nodes = [Gate::Or, Gate::And, Gate::Xor].map(node).into_iter().collect();
        let tree = Tree { nodes, leaves: vec![true, false, true, false] };
        assert!(tree.truth());
        let mut seen = Vec::new();
        tree.value(|node, height, left, right| {
            seen.push((height, left, right));
            node.gate.of(left, right)
        });
        assert_eq!(seen, [(1, true, false), (1, true, false), (2, false, true)]);
        assert_eq!(tree.share_true(), [1.0]);
    }
}
