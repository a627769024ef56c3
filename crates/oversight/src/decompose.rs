//! Recursive decomposition: a judge of formulas who asks an assistant about the two halves, where the assistant learnt from such a judge.
//!
//! Leike et al. 2018, *Scalable agent alignment via reward modeling*, [arXiv:1811.07871](https://arxiv.org/abs/1811.07871), section 3.2
//! (recursive reward modelling); Christiano, Shlegeris and Amodei 2018, [arXiv:1810.08575](https://arxiv.org/abs/1810.08575) (iterated
//! amplification).
//!
//! 1. Tasks are boolean formulas as full binary trees of a known depth, with their true values by construction; see
//!    [`decompose_law`](crate::decompose_law) for the gates. A judge sees one gate and what he is told of its two halves.
//! 2. Recursion without learning is the judge asking copies of himself. Distilled, the assistant of depth d is a table over (gate, two
//!    answers of the assistant of depth d − 1), filled by majority from labels of the judge of depth d. In the papers it is a network that
//!    reads the whole task; a table cannot fail to fit, so what is lost here is lost by the labels.
//! 3. The judge slips at a node by chance, or wherever it is written in an odd way, equally often. The former can be averaged out
//!    by a learner; the latter only by one that does not see how a node is written.
//! 4. No standard figure exists: what is reported is the error at every depth.
//! 5. Controls: direct judging of the whole by one who has time to read every other leaf, from the share of true ones, learnt from the
//!    truth; and labels of other items.

use crate::Error;
use crate::formula::{Gate, Node, Tree};
use serde::{Deserialize, Serialize};
use trimtab_run::stream;
use trimtab_stats::logistic;

/// Who judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// The judge asks copies of himself, down to the leaves.
    Recursion,
    /// He asks an assistant taught by labels with slips by chance.
    DistilledByChance,
    /// Taught by labels that are wrong at odd nodes, and the assistant sees which are odd.
    DistilledOddSeen,
    /// The same labels, and it does not see that.
    DistilledOddUnseen,
    /// Control: no decomposition. A logistic model of the share of true leaves among every other one, taught the truth.
    Direct,
    /// Control: taught by labels of other items.
    OtherItems,
}

/// Settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Game {
    /// The greatest depth; a tree of depth d has 2^d leaves.
    pub depth: usize,
    /// Share of exclusive-or gates.
    pub xor: f64,
    /// ε, the chance that the judge slips at a node.
    pub slip: f64,
    /// The chance that a node takes over the slip of its tree, in recursion.
    pub shared: f64,
    /// Labels from which the assistant of each depth learns.
    pub labels: usize,
}

/// What an assistant says of a node: one answer for each (odd, gate, left, right).
struct Table {
    says: Vec<bool>,
    sees_odd: bool,
    /// Whether a label reached each of them.
    labelled: Vec<bool>,
}

impl Table {
    const CELLS: usize = 24;

    fn cell(node: &Node, left: bool, right: bool, sees_odd: bool) -> usize {
        12 * usize::from(sees_odd && node.odd) + 4 * node.gate as usize + 2 * usize::from(left) + usize::from(right)
    }

    /// The majority of each cell's labels; a tie, or a cell without labels, says false.
    fn fit(cells: &[usize], labels: &[bool], sees_odd: bool) -> Self {
        let (mut balance, mut reached) = ([0i64; Self::CELLS], [false; Self::CELLS]);
        for (cell, label) in cells.iter().zip(labels) {
            balance[*cell] += if *label { 1 } else { -1 };
            reached[*cell] = true;
        }
        let says = balance.iter().map(|balance| *balance > 0).collect();
        Self { says, sees_odd, labelled: reached.to_vec() }
    }

    fn say(&self, node: &Node, left: bool, right: bool) -> bool {
        self.says[Self::cell(node, left, right, self.sees_odd)]
    }
}

/// Test trees, and those of which labels are given.
#[derive(Clone, Copy)]
enum Part {
    Test,
    Labels,
}

impl Game {
    /// # Errors
    /// [`Error::Input`] for a game that cannot be played.
    pub fn check(&self) -> Result<(), Error> {
        if !(1..=12).contains(&self.depth) {
            return Err(Error::input(format!("trees of depth {}", self.depth), "a depth from 1 to 12", "6"));
        }
        for (name, chance) in [("share of exclusive-or", self.xor), ("slip", self.slip), ("shared", self.shared)] {
            if !(0.0..=1.0).contains(&chance) {
                return Err(Error::input(format!("{name} {chance}"), "a number from 0 to 1", "0.05"));
            }
        }
        if !(1..=1_000_000).contains(&self.labels) {
            let what = format!("{} labels for an assistant", self.labels);
            return Err(Error::input(what, "from 1 to a million", "2000"));
        }
        Ok(())
    }

    /// Whether each of `items` trees is judged wrongly, for depths 1 to [`Game::depth`]. Trees and slips are the same for every arm.
    ///
    /// ```
    /// use trimtab_oversight::decompose::{Arm, Game};
    /// let game = Game { depth: 3, xor: 0.0, slip: 0.0, shared: 0.0, labels: 500 };
    /// assert!(game.play(Arm::Recursion, 100, 1)?.concat().iter().all(|wrong| !wrong)); // who never slips is never wrong
    /// # Ok::<(), trimtab_oversight::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Game::check`], for no items, and for labels of one value only, from which a direct judge cannot learn.
    pub fn play(&self, arm: Arm, items: usize, seed: u64) -> Result<Vec<Vec<bool>>, Error> {
        self.check()?;
        if items == 0 {
            return Err(Error::input("no trees to judge", "at least one", "2000"));
        }
        let tables = self.distil(arm, seed);
        (1..=self.depth)
            .map(|depth| {
                let trees = self.trees(depth, Part::Test, items, seed);
                let says: Vec<bool> = match arm {
                    Arm::Recursion => {
                        let judge = |node: &Node, _, left, right| node.gate.of(left, right) != node.slips_with_tree;
                        trees.map(|tree| tree.value(judge) != tree.truth()).collect()
                    }
                    Arm::Direct => {
                        let model = self.direct(depth, seed)?;
                        trees.map(|tree| (model.log_odds(&tree.share_true()) > 0.0) != tree.truth()).collect()
                    }
                    _ => {
                        let judge = |node: &Node, height: usize, left, right| tables[height - 1].say(node, left, right);
                        trees.map(|tree| tree.value(judge) != tree.truth()).collect()
                    }
                };
                Ok(says)
            })
            .collect()
    }

    /// How many cells of the assistants' tables, over all depths, may be met and were reached by no label, since labels are few and some
    /// nodes rare. Such a cell says false.
    #[must_use]
    pub fn unlabelled_cells(&self, arm: Arm, seed: u64) -> usize {
        let may_be_met = |cell: usize, sees_odd: bool| {
            let gate = if cell % 12 / 4 == Gate::Xor as usize { self.xor } else { 1.0 - self.xor };
            let written = if cell < 12 { 1.0 } else { f64::from(u8::from(sees_odd)) * self.slip };
            gate * written > 0.0
        };
        let of = |table: &Table| {
            (0..Table::CELLS).filter(|&cell| !table.labelled[cell] && may_be_met(cell, table.sees_odd)).count()
        };
        self.distil(arm, seed).iter().map(of).sum()
    }

    /// The assistants of depths 1 up, each taught by a judge who asks the one before about the halves.
    fn distil(&self, arm: Arm, seed: u64) -> Vec<Table> {
        let mut tables: Vec<Table> = Vec::new();
        if matches!(arm, Arm::Recursion | Arm::Direct) {
            return tables;
        }
        let sees_odd = arm == Arm::DistilledOddSeen;
        for depth in 1..=self.depth {
            let (mut cells, mut labels) = (Vec::with_capacity(self.labels), Vec::with_capacity(self.labels));
            for tree in self.trees(depth, Part::Labels, self.labels, seed) {
                // At the root the judge speaks, below it the assistants.
                let label = tree.value(|node, height, left, right| {
                    if height < depth {
                        return tables[height - 1].say(node, left, right);
                    }
                    cells.push(Table::cell(node, left, right, sees_odd));
                    let is_by_chance = matches!(arm, Arm::DistilledByChance | Arm::OtherItems);
                    node.gate.of(left, right) != if is_by_chance { node.slips } else { node.odd }
                });
                labels.push(label);
            }
            if arm == Arm::OtherItems {
                stream(seed, "oversight/decompose-other", depth as u64, 0).shuffle(&mut labels);
            }
            tables.push(Table::fit(&cells, &labels, sees_odd));
        }
        tables
    }

    fn direct(&self, depth: usize, seed: u64) -> Result<trimtab_stats::Logistic, Error> {
        let (rows, truth): (Vec<[f64; 1]>, Vec<bool>) =
            self.trees(depth, Part::Labels, self.labels, seed).map(|tree| (tree.share_true(), tree.truth())).unzip();
        let rows: Vec<&[f64]> = rows.iter().map(|row| &row[..]).collect();
        logistic(&rows, &truth, 1e-6).ok_or_else(|| {
            let what = format!("{} trees of depth {depth} for a direct judge to learn from", self.labels);
            Error::input(what, "trees of both values", "a hundred or more")
        })
    }

    fn trees(&self, depth: usize, part: Part, items: usize, seed: u64) -> impl Iterator<Item = Tree> + '_ {
        (0..items as u64).map(move |item| self.tree(depth, part, item, seed))
    }

    fn tree(&self, depth: usize, part: Part, item: u64, seed: u64) -> Tree {
        let mut source = stream(seed, "oversight/decompose", 2 * depth as u64 + part as u64, item);
        let leaves = (0..1usize << depth).map(|_| source.uniform() < 0.5).collect();
        let tree_slips = source.uniform() < self.slip;
        let nodes = (1..1usize << depth)
            .map(|_| {
                let gate = if source.uniform() < self.xor {
                    Gate::Xor
                } else if source.uniform() < 0.5 {
                    Gate::And
                } else {
                    Gate::Or
                };
                let (odd, slips) = (source.uniform() < self.slip, source.uniform() < self.slip);
                let slips_with_tree = if source.uniform() < self.shared { tree_slips } else { slips };
                Node { gate, odd, slips, slips_with_tree }
            })
            .collect();
        Tree { nodes, leaves }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decompose_law::{error_by_depth, shared_error_by_depth};

    const GAME: Game = Game { depth: 4, xor: 0.3, slip: 0.08, shared: 0.0, labels: 4000 };

    fn errors(game: Game, arm: Arm, items: usize) -> Vec<f64> {
        let wrong = game.play(arm, items, 4).unwrap();
        wrong.iter().map(|flags| flags.iter().filter(|wrong| **wrong).count() as f64 / flags.len() as f64).collect()
    }

    fn near(found: &[f64], law: &[f64], by: f64) -> bool {
        found.len() + 1 == law.len() && found.iter().zip(&law[1..]).all(|(found, law)| (found - law).abs() < by)
    }

    /// Known truth: errors by depth are those of the closed form, for every share of gates and of shared slips.
    #[test]
    fn errors_are_those_of_the_law() {
        for (xor, shared) in [(0.0, 0.0), (1.0, 0.0), (0.3, 0.5), (0.0, 1.0), (1.0, 1.0)] {
            let game = Game { xor, shared, ..GAME };
            let (found, law) = (errors(game, Arm::Recursion, 10_000), shared_error_by_depth(0.08, xor, shared, 4));
            // Standard error: 0.005 at most.
            assert!(near(&found, &law, 0.018), "{xor} {shared}: {found:?} {law:?}");
        }
    }

    /// Known truth: a table averages out slips by chance and odd ones that it does not see, and copies those that it sees.
    #[test]
    fn what_a_learner_can_express_it_copies() {
        for arm in [Arm::DistilledByChance, Arm::DistilledOddUnseen] {
            assert_eq!(errors(GAME, arm, 2000), [0.0; 4], "{arm:?}");
        }
        let seen = errors(GAME, Arm::DistilledOddSeen, 10_000);
        let law = error_by_depth(0.08, 0.3, 4);
        assert!(near(&seen, &law, 0.018), "{seen:?} {law:?}");
    }

    /// By hand: many labels reach every cell; one reaches one of twelve at each of four depths, or of eight where no gate is an
    /// exclusive-or, or of 24 where odd nodes are seen.
    #[test]
    fn cells_without_labels_are_counted() {
        assert_eq!(GAME.unlabelled_cells(Arm::DistilledOddSeen, 1), 0);
        assert_eq!(Game { xor: 0.0, ..GAME }.unlabelled_cells(Arm::DistilledByChance, 1), 0);
        let one = Game { labels: 1, ..GAME };
        assert_eq!(one.unlabelled_cells(Arm::DistilledByChance, 1), 4 * 11);
        assert_eq!(one.unlabelled_cells(Arm::DistilledOddSeen, 1), 4 * 23);
        assert_eq!(Game { xor: 0.0, ..one }.unlabelled_cells(Arm::DistilledByChance, 1), 4 * 7);
        assert_eq!(one.unlabelled_cells(Arm::Recursion, 1), 0);
    }

    /// Controls: half of the leaves say nothing of an exclusive-or, something of the rest, and less with depth; other labels teach
    /// nothing.
    #[test]
    fn controls_are_what_they_must_be() {
        let direct = errors(Game { xor: 1.0, ..GAME }, Arm::Direct, 10_000);
        assert!(direct.iter().all(|error| (error - 0.5).abs() < 0.02), "{direct:?}");
        let direct = errors(Game { xor: 0.0, ..GAME }, Arm::Direct, 10_000);
        assert!(
            direct.windows(2).all(|pair| pair[1] > pair[0]) && (direct[0] - 0.25).abs() < 0.02 && direct[3] < 0.45,
            "{direct:?}"
        );
        let seeds = 0..60;
        let of = |seed| {
            GAME.play(Arm::OtherItems, 200, seed).unwrap()[3].iter().filter(|wrong| **wrong).count() as f64 / 200.0
        };
        let mean = seeds.map(of).sum::<f64>() / 60.0;
        assert!((mean - 0.5).abs() < 0.08, "{mean}");
    }

    #[test]
    fn games_that_cannot_be_played_are_refused() {
        for game in [
            Game { depth: 0, ..GAME },
            Game { depth: 13, ..GAME },
            Game { xor: 1.5, ..GAME },
            Game { slip: f64::NAN, ..GAME },
            Game { labels: 0, ..GAME },
        ] {
            assert!(game.play(Arm::Recursion, 10, 0).is_err(), "{game:?}");
        }
        assert!(GAME.play(Arm::Recursion, 0, 0).is_err());
        assert!(Game { labels: 1, ..GAME }.play(Arm::Direct, 10, 0).unwrap_err().to_string().contains("direct judge"));
    }
}
