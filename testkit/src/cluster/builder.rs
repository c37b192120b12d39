//! What can be set before a cluster starts: [`ClusterBuilder`], and how nodes become a cluster.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::view::{self, SLOTS};
use super::{Cluster, Node};
use crate::error::{Error, Result};
use crate::server::{OwnTls, Server, ServerBuilder};
use crate::servers::{self, ServerKind};

/// After how long a silent node is suspected. A short time makes failovers fast, but then a busy node looks dead.
const NODE_TIMEOUT: Duration = Duration::from_secs(5);

/// A cluster that has not been started: `Cluster::builder(kind)`, settings, `start()`.
#[derive(Debug, Clone)]
#[must_use = "a cluster runs only after start()"]
pub struct ClusterBuilder {
    pub(super) kind: ServerKind,
    primaries: usize,
    replicas: usize,
    node_timeout: Duration,
    password: Option<String>,
    tls: Option<(OwnTls, Among)>,
    lines: Vec<String>,
}

/// With whom nodes speak TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Among {
    /// With clients and with each other.
    Nodes,
    /// With clients alone.
    Clients,
}

impl ClusterBuilder {
    pub(super) fn new(kind: ServerKind) -> Self {
        Self {
            kind,
            primaries: 3,
            replicas: 0,
            node_timeout: NODE_TIMEOUT,
            password: None,
            tls: None,
            lines: Vec::new(),
        }
    }

    /// How many primaries share the slots; 3 if this is not called.
    pub fn primaries(mut self, count: usize) -> Self {
        self.primaries = count.max(1);
        self
    }

    /// How many replicas each primary has; none if this is not called.
    pub fn replicas(mut self, count: usize) -> Self {
        self.replicas = count;
        self
    }

    /// After how long a silent node is suspected (`cluster-node-timeout`); 5 s if this is not called.
    pub fn node_timeout(mut self, timeout: Duration) -> Self {
        self.node_timeout = timeout;
        self
    }

    /// Demands a password, of clients and of replicas.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// Has each node speak TLS by itself on a second port, and with the other nodes: see [`Cluster::tls_url`].
    pub fn own_tls(mut self, tls: OwnTls) -> Self {
        self.tls = Some((tls, Among::Nodes));
        self
    }

    /// Has each node speak TLS by itself on a second port, but not with the other nodes. Such nodes name their plain ports also
    /// to clients that speak TLS.
    pub fn own_tls_for_clients(mut self, tls: OwnTls) -> Self {
        self.tls = Some((tls, Among::Clients));
        self
    }

    /// Adds a line to each node's configuration file.
    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// Starts the nodes and returns when they agree and serve all slots.
    ///
    /// # Errors
    ///
    /// If there is no such server, or the nodes do not become a cluster.
    pub fn start(self) -> Result<Cluster> {
        // Fetched once, not by each node.
        servers::find(self.kind)?;
        let nodes = self.start_nodes(self.primaries * (self.replicas + 1))?;
        let (primaries, replicas) = nodes.split_at_checked(self.primaries).unwrap_or_default();
        give_out_slots(primaries)?;
        give_out_epochs(&nodes)?;
        introduce(&nodes)?;
        for (index, replica) in replicas.iter().enumerate() {
            if let Some(primary) = primaries.get(index % self.primaries) {
                replica.follow(primary)?;
            }
        }
        let cluster = Cluster {
            settings: self,
            nodes: Mutex::new(nodes),
        };
        cluster.wait_until_complete()?;
        Ok(cluster)
    }

    fn start_nodes(&self, count: usize) -> Result<Vec<Arc<Node>>> {
        thread::scope(|scope| {
            let start = || self.start_node().map(Arc::new);
            let starting: Vec<_> = (0..count).map(|_| scope.spawn(start)).collect();
            let panicked = |_| Error::cluster("a thread that starts a node panicked".to_owned());
            let started = starting
                .into_iter()
                .map(|thread| thread.join().map_err(panicked).flatten());
            started.collect()
        })
    }

    pub(super) fn password_of_nodes(&self) -> Option<&str> {
        self.password.as_deref()
    }

    pub(super) fn start_node(&self) -> Result<Node> {
        Node::start(self.server(), self.nodes_speak_tls())
    }

    fn nodes_speak_tls(&self) -> bool {
        matches!(self.tls, Some((_, Among::Nodes)))
    }

    fn server(&self) -> ServerBuilder {
        let mut builder = Server::builder(self.kind)
            .debug_commands()
            .line(format!(
                "cluster-node-timeout {}",
                self.node_timeout.as_millis()
            ))
            // Tests wait for replicas, so replication must not be delayed.
            .line("repl-diskless-sync-delay 0")
            .line("repl-ping-replica-period 1")
            .line("cluster-replica-validity-factor 0");
        if let Some(password) = &self.password {
            builder = builder
                .password(password)
                .line(format!("masterauth \"{password}\""));
        }
        if let Some((tls, _)) = &self.tls {
            builder = builder.own_tls(tls.clone());
        }
        if self.nodes_speak_tls() {
            builder = builder.line("tls-cluster yes").line("tls-replication yes");
        }
        self.lines.iter().fold(builder, ServerBuilder::line)
    }
}

impl Cluster {
    /// Waits until nodes agree and clients are told about every replica.
    ///
    /// Newer servers do not name a replica before it has received data.
    fn wait_until_complete(&self) -> Result<()> {
        self.wait_until_agreed()?;
        let nodes = self.nodes();
        view::wait_for(|| {
            for node in &nodes {
                let slots = node.reply(&["CLUSTER", "SLOTS"])?;
                let text = format!("{slots:?}");
                if let Some(absent) = nodes.iter().find(|other| !text.contains(other.id())) {
                    let (here, absent) = (node.addr(), absent.addr());
                    return Ok(Some(format!("{here} does not tell clients of {absent}")));
                }
            }
            Ok(None)
        })
    }
}

/// Shares the slots evenly.
fn give_out_slots(primaries: &[Arc<Node>]) -> Result<()> {
    let count = primaries.len();
    for (index, node) in primaries.iter().enumerate() {
        let first = usize::from(SLOTS) * index / count;
        let end = usize::from(SLOTS) * (index + 1) / count;
        let slots: Vec<String> = (first..end).map(|slot| slot.to_string()).collect();
        let mut words = vec!["CLUSTER", "ADDSLOTS"];
        words.extend(slots.iter().map(String::as_str));
        node.call(&words)?;
    }
    Ok(())
}

/// Gives each node its own epoch, so that the nodes need not agree on one first. Those that become replicas get one too: they
/// keep it, and one that came to have the epoch of its primary would take over with that, which the other nodes do not accept.
fn give_out_epochs(nodes: &[Arc<Node>]) -> Result<()> {
    for (index, node) in nodes.iter().enumerate() {
        node.call(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()])?;
    }
    Ok(())
}

/// Introduces every node to every other, and waits until all know each other: learning from others takes longer.
pub(super) fn introduce(nodes: &[Arc<Node>]) -> Result<()> {
    for node in nodes {
        for other in nodes.iter().filter(|other| other.id() != node.id()) {
            node.meet(other)?;
        }
    }
    view::wait_for(|| {
        for node in nodes {
            let view = node.view()?;
            let strange = |other: &&Arc<Node>| {
                let knows = |line: &&view::NodeView| line.id == other.id();
                view.iter()
                    .find(knows)
                    .is_none_or(|line| line.is("handshake"))
            };
            if let Some(other) = nodes.iter().find(strange) {
                return Ok(Some(format!(
                    "{} has not met {}",
                    node.addr(),
                    other.addr()
                )));
            }
        }
        Ok(None)
    })
}
