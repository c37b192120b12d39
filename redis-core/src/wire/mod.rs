//! The protocol as bytes: words to bytes, bytes to replies. It imports nothing of this crate.
//!
//! # Layout
//!
//! - `encode`: words to bytes
//! - `token`: one token of the protocol
//! - `scan`: finds where a reply ends, without building anything
//! - `limits`: how large a reply may be, and what ends a scan
//! - `chunk`: received bytes, and what keeps them in memory
//! - `outgoing`: bytes to be sent

mod chunk;
pub(crate) mod encode;
mod limits;
pub(crate) mod outgoing;
pub(crate) mod scan;
pub(crate) mod token;

pub(crate) use chunk::{Chunk, Span};
pub use limits::Limits;
