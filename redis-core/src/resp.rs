//! The protocol as pure functions on bytes.
//!
//! # Layout
//!
//! - `encode`: words to bytes
//! - `scan`: finds where a reply ends, without building anything

pub(crate) mod encode;
pub(crate) mod scan;
