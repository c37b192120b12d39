//! A running cluster: [`Cluster`], of real servers on free ports, whose slots and nodes a test can move.
//!
//! # Layout
//!
//! - `builder`: what can be set before the start, and how nodes become a cluster
//! - `node`: one server of a cluster
//! - `view`: what a node knows about the cluster, and waiting until all nodes agree
//! - `slots`: slots that move, key by key or at once
//! - `members`: nodes that come, go, fail over and are reset
//! - `proxied` (feature `net`): a proxy in front of each node
//! - `shared`: one cluster of each kind for all tests of a process

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::servers::ServerKind;

mod builder;
mod members;
mod node;
#[cfg(feature = "net")]
mod proxied;
mod shared;
mod slots;
mod view;

pub use builder::ClusterBuilder;
pub use node::Node;
pub use shared::{KeySpace, shared_cluster};
pub use slots::SlotMove;
pub use view::{NodeView, SLOTS};

/// A running cluster. Dropping it kills its servers; so does the end of this process.
///
/// Its methods block: an asynchronous test calls them with `tokio::task::spawn_blocking`.
///
/// ```
/// # fn main() -> typedis_testkit::Result<()> {
/// use typedis_testkit::{Cluster, ServerKind};
///
/// let cluster = Cluster::builder(ServerKind::default()).start()?; // three primaries
/// let (from, to) = (cluster.owner_of(449)?, cluster.owner_of(12_706)?);
/// cluster.move_slot(449, &to)?;
/// assert_eq!(cluster.owner_of(449)?.id(), to.id());
/// assert_ne!(from.id(), to.id());
/// # Ok(())
/// # }
/// ```
pub struct Cluster {
    settings: ClusterBuilder,
    nodes: Mutex<Vec<Arc<Node>>>,
}

impl Cluster {
    /// Starts three primaries that share all slots.
    ///
    /// # Errors
    ///
    /// If there is no such server, or the nodes do not become a cluster; the error ends with a node's log.
    pub fn start(kind: ServerKind) -> Result<Self> {
        Self::builder(kind).start()
    }

    /// Starts to configure a cluster.
    pub fn builder(kind: ServerKind) -> ClusterBuilder {
        ClusterBuilder::new(kind)
    }

    /// The kind of server that its nodes are.
    #[must_use]
    pub fn kind(&self) -> ServerKind {
        self.settings.kind
    }

    /// All nodes, in the order in which they joined: at first the primaries in the order of their slots, then the
    /// replicas. Nodes that were killed are among them.
    #[must_use]
    pub fn nodes(&self) -> Vec<Arc<Node>> {
        self.lock().clone()
    }

    /// A URL that names every node.
    #[must_use]
    pub fn url(&self) -> String {
        let nodes = self.lock();
        let addresses: Vec<String> = nodes.iter().map(|node| node.addr().to_string()).collect();
        format!("redis-cluster://{}", addresses.join(","))
    }

    /// A URL that names every node by the address on which it speaks TLS: see [`ClusterBuilder::own_tls`].
    #[must_use]
    pub fn tls_url(&self) -> String {
        let nodes = self.lock();
        let addresses = nodes.iter().filter_map(|node| node.server().tls_addr());
        let addresses: Vec<String> = addresses.map(|address| address.to_string()).collect();
        format!("rediss-cluster://{}", addresses.join(","))
    }

    /// The addresses that the nodes listen on.
    #[must_use]
    pub fn addrs(&self) -> Vec<SocketAddr> {
        self.lock().iter().map(|node| node.addr()).collect()
    }

    /// The node that has this id.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn node(&self, id: &str) -> Result<Arc<Node>> {
        let nodes = self.lock();
        let node = nodes.iter().find(|node| node.id() == id).cloned();
        node.ok_or_else(|| Error::cluster(format!("no node has the id {id}")))
    }

    // A panic in another test that holds the lock does not make the list unusable.
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Node>>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("kind", &self.kind())
            .field("nodes", &*self.lock())
            .finish_non_exhaustive()
    }
}
