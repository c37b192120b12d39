//! The keys of one thing of a recipe: [`Keys`].

/// The keys of one lock, queue, …: they share a hash tag, so they are in one slot and a script can use all of them.
///
/// The tag has the name of the recipe in front, so it is never empty, whatever the name is.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    tag: String,
}

impl Keys {
    pub(crate) fn new(recipe: &str, name: &str) -> Self {
        Self {
            tag: format!("{{{recipe}:{name}}}"),
        }
    }

    /// The keys of one of many things with a common name: `{cache:users:7}`. A colon in the name is escaped, so that it does not count as its end.
    pub(crate) fn of(recipe: &str, name: &str, subject: &str) -> Self {
        let name = name.replace('\\', r"\\").replace(':', r"\:");
        Self::new(recipe, &format!("{name}:{subject}"))
    }

    /// The first key: `{lock:report}`.
    pub(crate) fn main(&self) -> &str {
        &self.tag
    }

    /// A further key: `{lock:report}:last`.
    pub(crate) fn part(&self, part: &str) -> String {
        format!("{}:{part}", self.tag)
    }

    /// The key that says that an owner has given a call up: see [`forbid`](crate::lease::forbid).
    pub(crate) fn given_up(&self, owner: &str) -> String {
        self.part(&format!("given-up:{owner}"))
    }
}

#[cfg(test)]
mod tests {
    use typedis::cluster::slot;

    use super::Keys;

    #[test]
    fn keys_of_any_name_have_one_slot() {
        for name in ["report", "", "}", "a{b}c", "{user:7}", "}{", "{}"] {
            let keys = Keys::new("lock", name);
            assert_eq!(slot(keys.main()), slot(keys.part("last")), "{name}");
        }
    }

    #[test]
    fn names_and_subjects_are_told_apart() {
        let plain = Keys::of("cache", "users", "a:b\\");
        assert_eq!(plain.main(), r"{cache:users:a:b\}");
        let pairs = [
            ("pay", "refund:7"),
            ("pay:refund", "7"),
            (r"pay\", "refund:7"),
            (r"pay\:refund", "7"),
            ("pay:", "refund:7"),
            ("pay", ":refund:7"),
        ];
        let keys = pairs.map(|(name, subject)| Keys::of("cache", name, subject).tag);
        let different: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(different.len(), pairs.len(), "{keys:?}");
    }

    #[test]
    fn different_names_have_different_keys() {
        let (one, other) = (Keys::new("lock", "a"), Keys::new("lock", "a}:last"));
        assert_ne!(one.main(), other.main());
        assert_ne!(one.part("last"), other.main());
    }
}
