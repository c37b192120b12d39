//! What a line means: [`Reading`].

use std::collections::BTreeMap;

/// A line as it was understood.
#[derive(Debug, Clone, Default)]
pub(super) struct Reading {
    /// The arguments of the method, in Rust.
    pub(super) arguments: Vec<String>,
    /// The options by their numbers, each call with its arguments.
    pub(super) options: BTreeMap<usize, Vec<Vec<String>>>,
    /// How many words are words of the command, not arguments: of several readings the one with the most counts.
    pub(super) literals: usize,
    /// How many words have been read.
    pub(super) at: usize,
    /// Names of types that have to be written by hand.
    pub(super) by_hand: Vec<String>,
}

impl Reading {
    /// How likely it is to be what was meant: many words of the command, few types that are only named.
    pub(super) fn rank(&self) -> (usize, std::cmp::Reverse<usize>) {
        (self.literals, std::cmp::Reverse(self.by_hand.len()))
    }
}
