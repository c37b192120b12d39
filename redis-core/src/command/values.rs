//! How types of the standard library are sent.
//!
//! The type decides: a `&str` is one argument, a `Vec<&str>` several. Bytes (`&[u8]`, `Vec<u8>`, `[u8; N]`) are always
//! one.
//!
//! # Layout
//!
//! - `single`: types that are one argument
//! - `many`: lists, sets, tuples, options and iterators

mod many;
mod single;
#[cfg(test)]
mod tests;

pub use many::{Each, each};
