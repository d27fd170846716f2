//! "Did you mean …?": the nearest of many names.

/// The candidate with the fewest edits from `name`, at most one edit for every three bytes; the first of equals.
pub(crate) fn nearest<'a>(
    name: &[u8],
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = name.len().div_ceil(3).min(3);
    // A name this long is no slip of the finger, and the comparison is quadratic.
    if name.len() > 64 || name.is_empty() {
        return None;
    }
    candidates
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= limit)
        .map(|candidate| (distance(name, candidate.as_bytes()), candidate))
        .filter(|&(edits, candidate)| edits <= limit && edits < candidate.len())
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn one into the other; a change of case counts as
/// less than any other, so that it wins.
fn distance(a: &[u8], b: &[u8]) -> usize {
    if a.eq_ignore_ascii_case(b) {
        return 0;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for (i, &from) in a.iter().enumerate() {
        let mut current = vec![i + 1];
        for (j, &to) in b.iter().enumerate() {
            let at =
                |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
            let substituted = at(&previous, j) + usize::from(from != to);
            let mut best = substituted
                .min(at(&previous, j + 1) + 1)
                .min(at(&current, j) + 1);
            let swapped =
                i > 0 && j > 0 && a.get(i - 1) == Some(&to) && b.get(j - 1) == Some(&from);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut previous, current);
    }
    previous.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        assert_eq!(distance(b"Escape", b"Escape"), 0);
        assert_eq!(distance(b"Escpae", b"Escape"), 1);
        assert_eq!(distance(b"Escap", b"Escape"), 1);
        assert_eq!(distance(b"", b"abc"), 3);
    }

    #[test]
    fn nothing_is_suggested_for_what_is_far_away() {
        let names = ["es", "us", "de-latin1"];
        assert_eq!(nearest(b"de_latin1", names.into_iter()), Some("de-latin1"));
        assert_eq!(nearest(b"japanese", names.into_iter()), None);
        assert_eq!(nearest(b"", names.into_iter()), None);
    }
}
