//! Many nodes behind one handle: [`Cluster`].
//!
//! # Layout
//!
//! What is known about the cluster:
//! - `topology`: from a slot to its nodes; data only, no I/O
//! - `map_view`: the map for those who keep something for each slot
//! - `redirect`: the answer of a node that sends the client elsewhere
//! - `refresh`: how the topology is learned, and kept up to date; `first_map`: whether it is known, `map_wait`: the
//!   wait until it is
//!
//! How commands reach it:
//! - `handle`: the handle that users hold; `shared`: what its clones share
//! - `closing`: its end in good order; `life`: how far that has come
//! - `nodes`, `routes`: a link to each node, and from a command to its node
//! - `execution`: a command as the handle begins it; `chain`: pipelines, batches and transactions
//! - `host`: the cluster as a handle that streams use
//! - `pending`: one command until its reply, through redirects and failovers; `detour`: its pauses and hops
//! - `scatter`: many commands on many nodes at the same time; `bundle`: those for one node; `recipients`: the nodes that
//!   get a command each; `gather`: the outcomes of all, in the order of the caller
//! - `views`: reads that go elsewhere than to primaries; `replicas/`: how; `health`: which nodes are well
//! - `each`: a command on each primary by itself; `events`: what happens to the cluster
//! - `channels`: publish and subscribe; `desk`: making and moving subscriptions; `places`: where each of them lives
//! - `scan/`: scans over all primaries, and of keys that move
//! - `split`: one command on many nodes; `join`: how their replies become one
//! - `blocking`: commands that block, on leased sockets; `watch`: transactions that are tried again
//! - `together`: a transaction on its way to the node of its slot

mod blocking;
mod bundle;
mod chain;
mod channels;
mod closing;
mod desk;
mod detour;
mod each;
mod events;
mod execution;
mod first_map;
mod gather;
mod handle;
mod health;
mod host;
mod join;
mod life;
pub(crate) mod map_view;
mod map_wait;
mod nodes;
mod pending;
mod places;
mod recipients;
mod redirect;
mod refresh;
mod replicas;
mod routes;
mod scan;
mod scatter;
mod shared;
mod split;
mod together;
mod topology;
mod views;
mod watch;

pub use crate::command::{SLOTS, slot};
pub use crate::config::ReadFrom;
pub use each::{EachExecution, EachPrimary};
pub use events::{ClusterEvent, ClusterEvents};
#[doc(hidden)]
pub use execution::ClusterExecution;
pub use handle::Cluster;
pub use topology::{ClusterNode, NodeRole, Topology};
