//! What a client knows about a cluster: which node has which keys.
//!
//! # Layout
//!
//! - `topology`: from a slot to its nodes; data only, no I/O
//! - `redirect`: the answer of a node that sends the client elsewhere

#[allow(dead_code, reason = "read by the handle of a cluster")]
mod redirect;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "shown by the handle of a cluster"
)]
mod topology;

pub use crate::command::{SLOTS, slot};
