//! The known word that is nearest to a wrong one.

/// The candidate that takes the fewest edits to reach.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> &'a str {
    candidates
        .into_iter()
        .min_by_key(|candidate| distance(word, candidate))
        .unwrap_or_default()
}

/// Levenshtein distance, with one row of memory.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (above, from) in from.chars().take(64).enumerate() {
        let mut corner = above;
        let mut left = above + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, to) in row.iter_mut().skip(1).zip(to.chars()) {
            let edits = if from == to {
                corner
            } else {
                1 + corner.min(left).min(*cell)
            };
            corner = std::mem::replace(cell, edits);
            left = edits;
        }
    }
    row.last().copied().unwrap_or_default()
}
