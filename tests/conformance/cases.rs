//! The calls, expanded from the spec.

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
        let words = self
            .words
            .iter()
            .map(|word| String::from_utf8_lossy(word).into_owned());
        words.collect::<Vec<_>>().join(" ")
    }

    /// Whether it changes its connection, so that the next call needs another one.
    pub(crate) fn changes_its_connection(&self) -> bool {
        (self.build)().info().state.is_some() || self.group == "connection"
    }
}
