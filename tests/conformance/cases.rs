//! The calls, expanded from the spec, and patterns that name some of them.

use std::collections::HashMap;

use bytes::Bytes;
#[allow(unused_imports)]
use typedis::args::*;
#[allow(unused_imports)]
use typedis::commands::*;
#[allow(unused_imports)]
use typedis::replies::*;
#[allow(unused_imports)]
use typedis::*;

typedis_macros::spec_cases! { from "commands.toml" }

impl Case {
    /// The call as a server's monitor would show it, for messages.
    pub(crate) fn line(&self) -> String {
        self.text().join(" ").escape_debug().to_string()
    }

    /// Its words, for people.
    pub(crate) fn text(&self) -> Vec<String> {
        let words = self.words.iter();
        words
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect()
    }

    /// Whether one of some patterns, divided by ` | `, names this call. A pattern is the name of a command and words
    /// that the call contains, or lacks (`!`): `SET GET !EX`; or a group and words: `@geo ANY`.
    pub(crate) fn is(&self, patterns: &str) -> bool {
        patterns.split(" | ").any(|pattern| self.matches(pattern))
    }

    fn matches(&self, pattern: &str) -> bool {
        let group = format!("@{}", self.group);
        let rest = pattern
            .strip_prefix(&group)
            .or_else(|| pattern.strip_prefix(self.command));
        let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with(' ')) else {
            return false;
        };
        let contains = |word: &str| self.words.iter().any(|sent| sent == word.as_bytes());
        rest.split_whitespace()
            .all(|word| match word.strip_prefix('!') {
                Some(word) => !contains(word),
                None => contains(word),
            })
    }

    /// Whether it changes its connection, so that the next call needs another one.
    pub(crate) fn changes_its_connection(&self) -> bool {
        (self.build)().info().state.is_some() || self.group == "connection"
    }
}
