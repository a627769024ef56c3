//! The graph of who was preferred to whom, which says whether scores can be compared, and whether they have a best fit.
//!
//! Ford 1957, *Solution of a ranking problem from binary comparisons*,
//! [doi:10.2307/2308513](https://doi.org/10.2307/2308513): there is a best fit if and only if every answer has a chain of
//! wins to every other.

use crate::newton::NoFit;

/// The connected component of each of `n` nodes, numbered from 0 by their first node; the edges' direction is ignored.
pub(crate) fn components(n: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let neighbours = neighbours(n, edges.iter().flat_map(|&(i, j)| [(i, j), (j, i)]));
    let mut component = vec![usize::MAX; n];
    let mut found = 0;
    for start in 0..n {
        if component[start] == usize::MAX {
            for (i, reached) in reach(&neighbours, start).into_iter().enumerate() {
                if reached {
                    component[i] = found;
                }
            }
            found += 1;
        }
    }
    component
}

fn neighbours(n: usize, edges: impl Iterator<Item = (usize, usize)>) -> Vec<Vec<usize>> {
    let mut out = vec![Vec::new(); n];
    for (from, to) in edges {
        out[from].push(to);
    }
    out
}

fn reach(neighbours: &[Vec<usize>], start: usize) -> Vec<bool> {
    let mut reached = vec![false; neighbours.len()];
    let mut open = vec![start];
    reached[start] = true;
    while let Some(at) = open.pop() {
        for &next in &neighbours[at] {
            if !std::mem::replace(&mut reached[next], true) {
                open.push(next);
            }
        }
    }
    reached
}

/// Refuses graphs of "beats" in which some answer has no chain of wins to another: what is not linked at all first.
pub(crate) fn linked_both_ways(component: &[usize], edges: &[(usize, usize)]) -> Result<(), NoFit> {
    let n = component.len();
    let groups = component.iter().max().map_or(0, |last| last + 1);
    if groups > 1 {
        let mut members = vec![Vec::new(); groups];
        component.iter().enumerate().for_each(|(i, &c)| members[c].push(i));
        return Err(NoFit::Disconnected(members));
    }
    if n == 0 {
        return Err(NoFit::Empty);
    }
    let those = |set: &[bool], inside: bool| (0..n).filter(|&i| set[i] == inside).collect::<Vec<usize>>();
    // Nobody outside of what answer 0 beats by a chain is ever beaten from within it; and nobody outside of those who
    // beat answer 0 by a chain ever beats one of them.
    let below = reach(&neighbours(n, edges.iter().copied()), 0);
    if below.contains(&false) {
        return Err(NoFit::NeverLose(those(&below, false)));
    }
    let above = reach(&neighbours(n, edges.iter().map(|&(i, j)| (j, i))), 0);
    if above.contains(&false) {
        return Err(NoFit::NeverLose(those(&above, true)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphs_by_hand() {
        assert_eq!(components(5, &[(3, 0), (1, 4)]), [0, 1, 2, 0, 1]);
        let fit = |n: usize, edges: &[(usize, usize)]| linked_both_ways(&components(n, edges), edges);
        assert_eq!(fit(3, &[(0, 1), (1, 2), (2, 0)]), Ok(()));
        assert_eq!(fit(0, &[]), Err(NoFit::Empty));
        assert_eq!(fit(3, &[(0, 1), (1, 0)]), Err(NoFit::Disconnected(vec![vec![0, 1], vec![2]])));
        assert_eq!(fit(3, &[(0, 1), (1, 0), (2, 0)]), Err(NoFit::NeverLose(vec![2])));
        assert_eq!(fit(3, &[(0, 1), (1, 0), (0, 2)]), Err(NoFit::NeverLose(vec![0, 1])));
    }
}
