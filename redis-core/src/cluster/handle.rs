//! The handle of a cluster: [`Cluster`].

use std::fmt;
use std::sync::Arc;

use super::desk;
use super::events::ClusterEvents;
use super::nodes::Node;
use super::refresh;
use super::replicas;
use super::shared::Shared;
use super::topology::Topology;
use crate::config::{Address, Config, IntoConfig, ReadFrom};
use crate::engine::stats::Stats;
use crate::error::{ClusterCause, ClusterError, Error, ErrorKind, Phase, Result};
use crate::handle::{Connection, runtime as in_runtime};
use crate::runtime;

/// All nodes of a Redis or Valkey Cluster behind one handle, cheap to clone.
///
/// Each command goes to the node that has its keys. When slots move or a replica takes over, commands are sent to the
/// new place of their keys, within their deadlines. A command that was lost with a node and may not be repeated fails
/// with [`MaybeApplied`](crate::Phase::MaybeApplied). A node that fails does not slow the others.
///
/// Some commands concern several nodes. MGET, DEL, EXISTS and similar ones are split by the slots of their keys;
/// DBSIZE, KEYS, FLUSHALL, SCRIPT LOAD and similar ones go to every node. The replies are joined into one. Such a
/// command is not atomic as a whole. Any other command whose keys have different slots is refused before it is sent:
/// keys with the same [hash tag](crate::cluster::slot) have one slot.
///
/// If the server is not in a cluster, it counts as the owner of all slots.
///
/// ```no_run
/// # async fn example() -> typedis_core::Result<()> {
/// use typedis_core::cluster::Cluster;
/// use typedis_core::{Run, raw};
///
/// let cluster = Cluster::open("redis://node-1,node-2,node-3").await?; // the others are learned from these
/// let visits: i64 = cluster.run(raw("INCR").key("visits").reply()).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Cluster {
    owned: Arc<Owned>,
    /// Where reads go; `None` means to primaries.
    view: Option<Arc<ReadFrom>>,
}

/// Ends the task that keeps the map up to date when the last clone is dropped.
struct Owned {
    shared: Arc<Shared>,
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.shared.life.abandon();
    }
}

impl Cluster {
    /// Asks the configured servers in turn for the nodes of the cluster; one that answers is enough. Sockets to the
    /// nodes are opened when they are first needed.
    ///
    /// Every setting applies to each node.
    ///
    /// # Errors
    /// A bad URL, no server that can be reached, a refused login, nodes that serve no slots.
    pub async fn open(config: impl IntoConfig) -> Result<Self> {
        let config = for_cluster(config)?;
        let topology = refresh::discover(&config).await?;
        Ok(Self::start(config, Some(topology)))
    }

    /// Asks the configured servers for the nodes of the cluster when the first command needs it: the cluster may be down until then.
    /// While no server tells the map, commands wait, each to its deadline. If the login is refused, if the user may not ask for the map
    /// (CLUSTER SLOTS), or if the servers cannot be used as they are configured, they fail with that error at once. What only was
    /// [sent](crate::Request::send) has the map asked for, and goes to its node when it is awaited.
    ///
    /// Before the first map is known, [`Cluster::topology`], [`Cluster::primaries`] and [`Cluster::stats`] show no nodes. Call it
    /// within a tokio runtime.
    ///
    /// ```no_run
    /// # async fn example() -> typedis_core::Result<()> {
    /// use typedis_core::cluster::Cluster;
    /// use typedis_core::{Run, raw};
    ///
    /// let cluster = Cluster::lazy("redis://node-1,node-2,node-3")?; // no `await`: nothing is connected yet
    /// let visits: i64 = cluster.run(raw("INCR").key("visits").reply()).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// A bad URL or configuration; that there is no runtime.
    pub fn lazy(config: impl IntoConfig) -> Result<Self> {
        let config = for_cluster(config)?;
        in_runtime()?;
        Ok(Self::start(config, None))
    }

    fn start(config: Config, topology: Option<Topology>) -> Self {
        let shared = Arc::new(Shared::new(config, topology));
        let (weak, wanted) = (Arc::downgrade(&shared), shared.refresh.clone());
        runtime::spawn(desk::run(weak.clone()));
        runtime::spawn(refresh::run(weak, shared.life.clone(), wanted));
        let view = Some(shared.config.cluster.read_from.clone());
        let view = view.filter(|view| *view != ReadFrom::Primary);
        if view.is_some() {
            replicas::start_watch(&shared);
        }
        Self {
            owned: Arc::new(Owned { shared }),
            view: view.map(Arc::new),
        }
    }

    /// The same handle, whose reads go to these nodes; `None` means to primaries.
    pub(super) fn with_view(&self, view: Option<Arc<ReadFrom>>) -> Self {
        Self {
            owned: self.owned.clone(),
            view,
        }
    }

    /// Where reads go; `None` means to primaries.
    #[inline]
    pub(super) fn view(&self) -> Option<&Arc<ReadFrom>> {
        self.view.as_ref()
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.shared().config
    }

    /// The topology of the cluster, as far as it is known at this moment.
    #[must_use]
    pub fn topology(&self) -> Topology {
        self.shared().routes().topology.clone()
    }

    /// The node at an address, as `host:port`: a connection of its own to this node, with everything that a [`Connection`]
    /// can do, such as pipelines and scans. Redirects are not followed on it: they are errors. All who ask for the node get the same
    /// connection, until one of them closes it: then there is a new one.
    ///
    /// ```no_run
    /// # async fn example(cluster: typedis_core::cluster::Cluster) -> typedis_core::Result<()> {
    /// use typedis_core::{Run, Value, raw};
    ///
    /// let node = cluster.node("10.0.0.7:6379")?;
    /// let info: Value = node.run(raw("INFO").arg("memory").reply()).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// No node of the cluster has this address, as far as is known; the error lists those that are.
    pub fn node(&self, address: &str) -> Result<Connection> {
        let routes = self.shared().routes();
        let mut nodes = routes.nodes().iter();
        match nodes.find(|node| node.address.to_string() == address) {
            Some(node) => Ok(node.alone()),
            None => Err(unknown_node(address, routes.nodes())),
        }
    }

    /// Every primary with a connection of its own, in the order of the slots, as [`Cluster::node`] gives it.
    #[must_use]
    pub fn primaries(&self) -> Vec<(Address, Connection)> {
        let routes = self.shared().routes();
        let with_address = |node: &Arc<Node>| (node.address.clone(), node.alone());
        routes.primaries().map(with_address).collect()
    }

    /// What happens to the cluster from here on, as its map shows it: nodes that come and go, slots that move, failovers.
    ///
    /// The map is asked for when something hints at a change, and about every 30 seconds: so an event may be told late, and what
    /// came and went in between is not told.
    ///
    /// ```no_run
    /// # async fn example(cluster: typedis_core::cluster::Cluster) {
    /// let mut events = cluster.events();
    /// tokio::spawn(async move {
    ///     while let Some(event) = events.next().await {
    ///         println!("{event}");
    ///     }
    /// });
    /// # }
    /// ```
    #[must_use]
    pub fn events(&self) -> ClusterEvents {
        self.shared().events.add()
    }

    /// The present numbers of each node's shared socket. Leased sockets are not among them, as in [`Pool::stats`](crate::Pool::stats).
    ///
    /// ```no_run
    /// # fn example(cluster: &typedis_core::cluster::Cluster) {
    /// use typedis_core::Stats;
    ///
    /// let all: Stats = cluster.stats().into_iter().map(|(_, stats)| stats).sum();
    /// # }
    /// ```
    #[must_use]
    pub fn stats(&self) -> Vec<(Address, Stats)> {
        let routes = self.shared().routes();
        let numbers = |node: &Arc<Node>| (node.address.clone(), node.connection().stats());
        routes.nodes().iter().map(numbers).collect()
    }

    /// What callers have queued or in flight on the shared socket of each node: how many commands, and how many bytes. For the
    /// simulation, which checks the budget.
    #[cfg(feature = "planted")]
    #[doc(hidden)]
    #[must_use]
    pub fn budgeted(&self) -> Vec<(usize, usize)> {
        let routes = self.shared().routes();
        let nodes = routes.nodes().iter();
        nodes.map(|node| node.connection().budgeted()).collect()
    }

    #[inline]
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.owned.shared
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("topology", &self.shared().routes().topology)
            .finish_non_exhaustive()
    }
}

/// The configuration, if it can be that of a cluster.
fn for_cluster(config: impl IntoConfig) -> Result<Config> {
    let config = config.into_config()?;
    if config.service().is_some() {
        let text = "a cluster has no Sentinels: name its nodes, as in redis://node-1,node-2";
        return Err(Error::config(text));
    }
    Ok(config)
}

#[cold]
fn unknown_node(address: &str, nodes: &[Arc<Node>]) -> Error {
    let known: Vec<String> = nodes.iter().map(|node| node.address.to_string()).collect();
    let text = format!(
        "no node has the address `{address}`; these are known: {}",
        known.join(", ")
    );
    let error = ClusterError::new(ClusterCause::UnknownNode, text);
    Error::new(ErrorKind::Cluster(error), Phase::NotSent)
}
