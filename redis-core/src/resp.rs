//! The protocol as pure functions on bytes.
//!
//! # Layout
//!
//! - `encode`: words to bytes
//! - `token`: one token of the protocol
//! - `scan`: finds where a reply ends, without building anything

pub(crate) mod encode;
pub(crate) mod scan;
pub(crate) mod token;
