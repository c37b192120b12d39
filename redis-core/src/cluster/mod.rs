//! What a client knows of a cluster: which node has which keys.
//!
//! # Layout
//!
//! - `topology`: from a slot to its nodes; data, without input or output
//! - `redirect`: where a node sends us in place of a reply

#[allow(dead_code, reason = "read by the handle of a cluster")]
mod redirect;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "shown by the handle of a cluster"
)]
mod topology;

pub use crate::command::{SLOTS, slot};
