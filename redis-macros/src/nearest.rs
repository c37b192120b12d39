//! The nearest known name to a misspelt one.

/// The candidate that takes the fewest edits to reach, unless it takes too many to be the word that was meant.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(edits, candidate)| *edits <= candidate.len().max(name.len()).div_ceil(3))
        .min()
        .map(|(_, candidate)| candidate)
}

/// `; did you mean ...?`, or a list of what is known, if nothing is near.
pub(crate) fn suggestion<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    match nearest(name, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let known: Vec<&str> = known.into_iter().collect();
            if known.is_empty() {
                "there is none".to_owned()
            } else {
                format!("known: {}", known.join(", "))
            }
        }
    }
}

/// How many insertions, deletions and substitutions of a character lead from one text to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(i + 1);
        for ((b, diagonal), above) in to.iter().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or_default();
            next.push(
                (diagonal + usize::from(a != *b))
                    .min(above + 1)
                    .min(left + 1),
            );
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_levenshteins() {
        for (from, to, edits) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("reply", "replies", 3),
            ("flags", "flags", 0),
        ] {
            assert_eq!(distance(from, to), edits, "{from} -> {to}");
        }
    }

    #[test]
    fn the_nearest_is_found_unless_too_far() {
        assert_eq!(
            nearest("replys", ["reply", "replies", "doc"]),
            Some("reply")
        );
        assert_eq!(nearest("xyzzyx", ["reply", "doc"]), None);
        assert_eq!(
            suggestion("sintax", ["syntax", "since"]),
            "did you mean `syntax`?"
        );
        assert_eq!(suggestion("xyzzyx", ["a", "b"]), "known: a, b");
    }
}
