//! Rows of a packed batch: keep those that are read, and give them their places back.

/// Keeps the rows `rows` of `x [tokens, width]`, in place; `rows` ascend and do not repeat.
pub(crate) fn keep_rows(x: &mut Vec<f32>, rows: &[usize], width: usize) {
    for (to, &from) in rows.iter().enumerate() {
        x.copy_within(from * width..(from + 1) * width, to * width);
    }
    x.truncate(rows.len() * width);
}

/// Undoes [`keep_rows`]: `x [rows, width]` becomes `[tokens, width]`, `rest` wherever nothing was kept.
pub(crate) fn spread_rows(x: &mut Vec<f32>, rows: &[usize], tokens: usize, width: usize, rest: f32) {
    debug_assert_eq!(x.len(), rows.len() * width);
    x.resize(tokens * width, rest);
    let mut end = tokens;
    for (from, &to) in rows.iter().enumerate().rev() {
        x.copy_within(from * width..(from + 1) * width, to * width);
        x[(to + 1) * width..end * width].fill(rest);
        end = to;
    }
    x[..end * width].fill(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_kept_and_find_their_places_again() {
        let whole: Vec<f32> = (0..10u8).map(f32::from).collect();
        for rows in [vec![], vec![0], vec![4], vec![1, 2, 4], vec![0, 1, 2, 3, 4]] {
            let mut x = whole.clone();
            keep_rows(&mut x, &rows, 2);
            assert_eq!(x, rows.iter().flat_map(|r| [whole[2 * r], whole[2 * r + 1]]).collect::<Vec<_>>());
            spread_rows(&mut x, &rows, 5, 2, -1.0);
            let want = (0..10).map(|i| if rows.contains(&(i / 2)) { whole[i] } else { -1.0 });
            assert_eq!(x, want.collect::<Vec<_>>(), "{rows:?}");
        }
    }
}
