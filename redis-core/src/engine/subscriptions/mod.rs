//! What is subscribed to, who reads it, and which socket serves it.
//!
//! # Layout
//!
//! - `source`: channels, patterns, shard channels, and lists of their names
//! - `message`: messages and the other events; `invalidation`: changed keys
//! - `push`: what servers push
//! - `inbox`: where messages wait for their reader; `ticket`: the wait for a confirmation; `cause`: why one failed
//! - `table/`: what is wanted and what is confirmed; no I/O
//! - `hub`: which socket serves the table; `mover`: who finds another place for a subscription

pub(crate) mod cause;
pub(crate) mod hub;
pub(crate) mod inbox;
pub(crate) mod invalidation;
pub(crate) mod message;
pub(crate) mod mover;
pub(crate) mod push;
pub(crate) mod source;
pub(crate) mod table;
pub(crate) mod ticket;
