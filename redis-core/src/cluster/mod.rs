//! Many nodes behind one handle: [`Cluster`].
//!
//! # Layout
//!
//! What is known about the cluster:
//! - `topology`: from a slot to its nodes; data only, no I/O
//! - `redirect`: the answer of a node that sends the client elsewhere
//! - `refresh`: how the topology is learned, and kept up to date
//!
//! How commands reach it:
//! - `handle`: the handle that users hold; `shared`: what its clones share
//! - `nodes`, `routes`: a link to each node, and from a command to its node
//! - `pending`: one command until its reply, through redirects and failovers
//! - `channels`: publish and subscribe; `desk`: making and moving subscriptions; `places`: where each of them lives
//! - `scan/`: scans over all primaries, and of keys that move
//! - `split`: one command on many nodes, and how their replies become one

mod channels;
mod desk;
mod handle;
mod nodes;
mod pending;
mod places;
mod redirect;
mod refresh;
mod routes;
mod scan;
mod shared;
mod split;
mod topology;

pub use crate::command::{SLOTS, slot};
pub use crate::config::ReadFrom;
pub use handle::{Cluster, ClusterExecution};
pub use topology::{ClusterNode, NodeRole, Topology};
