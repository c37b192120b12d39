//! Paths in JSON documents: [`JsonPath`].

use typedis_core::{ArgError, ArgWriter, Args, ToArg, ToArgs};

/// A path to values in a JSON document.
///
/// Text is sent as it is. A JSONPath such as `$.items[*].price` may have any number of matches. A path that does not
/// begin with `$`, such as `.items[0].price`, has one match; if there is none, the server replies with an error. If
/// names come from elsewhere, build the path step by step: then a name is always read as a name.
///
/// A path that searches, by a filter (`?`) or at any depth (`..`), may find something else the second time. So a command that writes is not
/// sent again after a lost connection if it has one.
///
/// ```
/// # use typedis::args::JsonPath;
/// let path = JsonPath::root().key("prices").key("50% off").each();
/// assert_eq!(path.as_str(), r#"$["prices"]["50% off"][*]"#);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JsonPath(String);

impl JsonPath {
    /// The whole document, `$`.
    #[must_use]
    pub fn root() -> Self {
        Self("$".to_owned())
    }

    /// The member with this name.
    #[must_use]
    pub fn key(mut self, name: &str) -> Self {
        self.0.push_str("[\"");
        for letter in name.chars() {
            if matches!(letter, '"' | '\\') {
                self.0.push('\\');
            }
            self.0.push(letter);
        }
        self.0.push_str("\"]");
        self
    }

    /// The element at this index; negative ones count from the end.
    #[must_use]
    pub fn index(self, index: i64) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// Every element and every member.
    #[must_use]
    pub fn each(mut self) -> Self {
        self.0.push_str("[*]");
        self
    }

    /// The text that is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for JsonPath {
    fn from(path: &str) -> Self {
        Self(path.to_owned())
    }
}

impl From<String> for JsonPath {
    fn from(path: String) -> Self {
        Self(path)
    }
}

impl From<&String> for JsonPath {
    fn from(path: &String) -> Self {
        Self(path.clone())
    }
}

impl From<&Self> for JsonPath {
    fn from(path: &Self) -> Self {
        path.clone()
    }
}

impl ToArg for JsonPath {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        out.text(&self.0);
        Ok(())
    }

    /// A filter may not match any more what the first run has changed, and `..` finds what it has written. A name with such signs is
    /// taken for them: then the command is not repeated although it could be.
    fn once_only(&self) -> bool {
        self.0.contains('?') || self.0.contains("..")
    }
}

impl ToArgs for JsonPath {
    fn write_args(&self, out: &mut Args) {
        out.item(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::wire::words;

    #[test]
    fn texts_are_sent_as_they_are() {
        assert_eq!(words(&JsonPath::from("$.a[0]")), ["$.a[0]"]);
        assert_eq!(words(&JsonPath::from(String::from(".a"))), [".a"]);
    }

    #[test]
    fn a_write_at_a_path_that_searches_is_not_repeated() {
        use crate::commands::JsonCommands;
        use typedis_core::{IntoRequest, cmd};

        let set = |path: &str| {
            let set = cmd().json_set("k", path, "1").xx();
            set.into_request().into_args().is_idempotent()
        };
        for path in ["$", "$.a.b", ".a", "$.a[*]", "$.a[-1]", "$.*.b"] {
            assert!(set(path), "{path}");
        }
        for path in [
            r#"$.jobs[?(@.state=="new")].state"#,
            "$..state",
            ".jobs[?(@.a)]",
        ] {
            assert!(!set(path), "{path}");
            let read = cmd().json_get::<String>("k").path(path).into_request();
            assert!(read.into_args().is_idempotent(), "{path}");
        }
        // Its paths are texts, which nobody looks into.
        let several = cmd().json_mset(("k", "$", "1"));
        assert!(!several.into_args().is_idempotent());
    }

    #[test]
    fn names_cannot_be_taken_for_more() {
        let path = JsonPath::root().key(r#"a"].b\"#).index(-1).each();
        assert_eq!(path.as_str(), r#"$["a\"].b\\"][-1][*]"#);
    }
}
