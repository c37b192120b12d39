//! Step 2: the notation of the Redis documentation, as a tree.
//!
//! # Layout
//!
//! - `ast`: the tree, one type for each notation, and how it is written back
//! - `lexer`: text to tokens
//! - `parser`: tokens to the tree

mod ast;
mod lexer;
mod parser;

pub(crate) use ast::{Choice, List, Node, Optional, Placeholder, Syntax, Word};
pub(crate) use parser::parse;

/// Why a text is not in the notation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// The position of the character where it was noticed, from 1.
    pub(crate) column: usize,
    /// What was found, and what was expected.
    pub(crate) text: String,
}

impl SyntaxError {
    fn new(column: usize, text: impl Into<String>) -> Self {
        Self {
            column,
            text: text.into(),
        }
    }
}

#[cfg(test)]
mod tests;
