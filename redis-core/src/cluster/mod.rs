//! Many nodes behind one handle: [`Cluster`].
//!
//! # Layout
//!
//! What is known of the cluster:
//! - `topology`: from a slot to its nodes; data, without input or output
//! - `redirect`: where a node sends us in place of a reply
//! - `refresh`: how the topology is learned, and kept fresh
//!
//! How commands reach it:
//! - `handle`: the handle that users hold; `shared`: what its clones share
//! - `nodes`, `routes`: a link to each node, and the way from a command to its node
//! - `pending`: one command on its way, through redirects and failovers
//! - `split`: one command on many nodes, and the one reply that theirs become

mod handle;
mod nodes;
mod pending;
mod redirect;
mod refresh;
mod routes;
mod shared;
mod split;
mod topology;

pub use crate::command::{SLOTS, slot};
pub use handle::{Cluster, ClusterExecution};
pub use topology::{ClusterNode, NodeRole, Topology};
