//! The macros of `typedis`.
//!
//! # Layout
//!
//! One step of `commands!` a folder, each tested without the next:
//! - `spec`: reads the TOML file into a typed view that keeps the lines
//! - `syntax`: reads a command's syntax notation
//! - `model`: checks both and joins them into what the command is: parameters, options, reply types
//! - `expand`: writes the model as Rust
//! - `cases`: writes the model as test cases, for the project's own conformance tests
//!
//! and beside them `problems` (what is wrong, all at once) and `nearest` (did you mean ...?).

mod nearest;
mod problems;
mod spec;
mod syntax;
