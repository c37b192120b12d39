//! The protocol as bytes: words to bytes, bytes to replies. It imports nothing of this crate.
//!
//! # Layout
//!
//! - `encode`: words to bytes; `fixed`: by the compiler, where they are known to it
//! - `token`: one token of the protocol
//! - `scan`: finds where a reply ends, without building anything
//! - `reader`: one reply after another, of a socket that nothing else reads
//! - `names`: where names stand in a reply
//! - `limits`: how large a reply may be, and what ends a scan
//! - `chunk`: received bytes, and what keeps them in memory
//! - `outgoing`: bytes to be sent

mod chunk;
pub(crate) mod encode;
mod fixed;
mod limits;
mod names;
pub(crate) mod outgoing;
mod reader;
pub(crate) mod scan;
pub(crate) mod token;

pub(crate) use chunk::{Chunk, Span};
pub(crate) use fixed::{FixedWords, fixed_command};
pub use limits::Limits;
#[cfg(feature = "fuzzing")]
pub(crate) use limits::ScanError;
pub use names::Step;
pub(crate) use reader::{FrameReader, ReadError};
