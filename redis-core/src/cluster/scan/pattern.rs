//! The one slot that all keys of a pattern have, if there is one.

use crate::command::slot;

/// The slot of all keys that match a glob-style pattern: `user:{42}:*` matches keys with one hash tag.
pub(super) fn only_slot(pattern: &[u8]) -> Option<u16> {
    let is_literal = |bytes: &[u8]| !bytes.iter().any(|byte| b"*?[\\".contains(byte));
    let open = pattern.iter().position(|byte| *byte == b'{')?;
    let (before, rest) = pattern.split_at_checked(open)?;
    let close = rest.iter().position(|byte| *byte == b'}')?;
    let tag = rest.get(..=close)?;
    // A star before the tag could match another tag.
    (is_literal(before) && is_literal(tag) && tag.len() > 2).then(|| slot(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_tag_behind_literal_text_decides() {
        for pattern in ["{42}", "{42}:*", "user:{42}:*", "user:{42}*{7}"] {
            assert_eq!(only_slot(pattern.as_bytes()), Some(slot("42")), "{pattern}");
        }
        for pattern in [
            "*", "user:*", "*{42}", "k?{42}", "{4*}", "{4", "{}x", "{}{42}", "[{]42}", "\\{42}",
        ] {
            assert_eq!(only_slot(pattern.as_bytes()), None, "{pattern}");
        }
    }
}
