//! Nodes that come, go, fail over and are reset.

use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{Cluster, Node, builder, view};
use crate::error::{Error, Result};
use crate::raw::Reply;

/// After this time a node has done what CLUSTER FAILOVER asked for, or has given it up; servers do so after 5 s.
const FAILOVER_ENDS: Duration = Duration::from_secs(6);

/// A node timeout that is shorter counts as this one in elections.
const SHORTEST_TIMEOUT: Duration = Duration::from_secs(1);

/// A server looks at its clock ten times a second.
const MARGIN: Duration = Duration::from_millis(500);

impl Node {
    /// Introduces it to another node.
    pub(super) fn meet(&self, other: &Self) -> Result<()> {
        let port = other.port_for_nodes();
        self.call(&["CLUSTER", "MEET", "127.0.0.1", &port])
            .map(drop)
    }

    /// Makes it a replica of `primary`, as soon as the two know each other.
    ///
    /// # Errors
    ///
    /// If it refuses, as a node with slots does.
    pub fn follow(&self, primary: &Self) -> Result<()> {
        view::wait_for(|| {
            self.call(&["CLUSTER", "REPLICATE", primary.id()])?;
            Ok(None)
        })
    }

    /// Makes this replica take over from its primary in good order (CLUSTER FAILOVER), and waits until it has.
    ///
    /// # Errors
    ///
    /// If it is not a replica.
    pub fn take_over(&self) -> Result<()> {
        self.fail_over(&["CLUSTER", "FAILOVER"])
    }

    /// Makes this replica take over without asking any node (CLUSTER FAILOVER TAKEOVER), and waits until it has.
    ///
    /// # Errors
    ///
    /// If it is not a replica.
    pub fn take_over_by_force(&self) -> Result<()> {
        self.fail_over(&["CLUSTER", "FAILOVER", "TAKEOVER"])
    }

    fn fail_over(&self, words: &[&str]) -> Result<()> {
        if !self.is_replica()? {
            return Err(Error::cluster(format!("{} is no replica", self.addr())));
        }
        self.outlast_votes()?;
        let before = self.epoch()?;
        let mut asked: Option<Instant> = None;
        view::wait_for(|| {
            if !self.is_replica()? {
                if self.epoch()? > before {
                    self.note_takeover(Some(Instant::now()));
                    return Ok(None);
                }
                // It has counted old votes. Such a primary has no newer epoch than the other one, and soon becomes its replica again.
                asked = None;
                return Ok(Some(format!("{} was not elected", self.addr())));
            }
            // A failover that is not over by then was given up, as on a busy machine, and has to be asked for again.
            if asked.is_none_or(|asked| asked.elapsed() > FAILOVER_ENDS) {
                self.call(words)?;
                asked = Some(Instant::now());
            }
            Ok(Some(format!("{} is a replica", self.addr())))
        })
    }

    /// Waits until the votes for this node do not count any more. Redis counts those of an election again if that was less than four times the node
    /// timeout ago: then the shard has two primaries for a moment, and what one of them has confirmed is lost.
    fn outlast_votes(&self) -> Result<()> {
        let Some(took_over) = self.note_takeover(None) else {
            return Ok(());
        };
        let told = self.reply(&["CONFIG", "GET", "cluster-node-timeout"])?;
        let millis = told.get("cluster-node-timeout").and_then(Reply::text);
        let timeout = millis.and_then(|millis| millis.parse().ok());
        let timeout = Duration::from_millis(timeout.unwrap_or(15_000)).max(SHORTEST_TIMEOUT);
        let votes_end = took_over + 4 * timeout + MARGIN;
        thread::sleep(votes_end.saturating_duration_since(Instant::now()));
        Ok(())
    }

    /// Replaces the moment at which it last took over, and returns the one before.
    fn note_takeover(&self, now: Option<Instant>) -> Option<Instant> {
        let mut known = self
            .took_over
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *known, now)
    }

    /// The epoch of the shard's primary, as this node knows it: its own, or that of the node that it follows.
    fn epoch(&self) -> Result<u64> {
        let view = self.view()?;
        let own = view.iter().find(|node| node.is("myself"));
        let primary = own.and_then(|own| own.primary.as_deref());
        let primary = view.iter().find(|node| Some(&*node.id) == primary);
        let epoch = primary.or(own).map(|node| node.epoch);
        epoch.ok_or_else(|| Error::cluster(format!("{} does not know itself", self.addr())))
    }

    /// Waits until this node has become a primary.
    ///
    /// # Errors
    ///
    /// If that takes longer than a minute.
    pub fn wait_until_primary(&self) -> Result<()> {
        view::wait_for(|| {
            let waiting = self.is_replica()?;
            Ok(waiting.then(|| format!("{} is a replica", self.addr())))
        })
    }
}

impl Cluster {
    /// Makes a replica take over from the owner of a slot in good order, and waits until all agree.
    ///
    /// # Errors
    ///
    /// If the owner has no replica, or the nodes do not come to agree.
    pub fn fail_over(&self, slot: u16) -> Result<()> {
        self.replica_of_owner(slot)?.take_over()?;
        self.wait_until_agreed()
    }

    /// A replica of the owner of a slot.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn replica_of_owner(&self, slot: u16) -> Result<Arc<Node>> {
        let owner = self.owner_of(slot)?;
        let replica = self.replicas_of(&owner)?.pop();
        replica.ok_or_else(|| Error::cluster(format!("{} has no replica", owner.addr())))
    }

    /// Starts a node without slots, which joins, and waits until all agree.
    ///
    /// # Errors
    ///
    /// If it does not start or join.
    pub fn add_node(&self) -> Result<Arc<Node>> {
        let node = Arc::new(self.settings.start_node()?);
        let mut all = self.running();
        all.push(Arc::clone(&node));
        builder::introduce(&all)?;
        self.lock().push(Arc::clone(&node));
        self.wait_until_agreed()?;
        Ok(node)
    }

    /// Starts a node that becomes a replica of `primary`, and waits until clients are told about it.
    ///
    /// # Errors
    ///
    /// If it does not start or join.
    pub fn add_replica(&self, primary: &Arc<Node>) -> Result<Arc<Node>> {
        let node = self.add_node()?;
        node.follow(primary)?;
        view::wait_for(|| {
            let told = format!("{:?}", primary.reply(&["CLUSTER", "SLOTS"])?);
            let waiting = !told.contains(node.id());
            Ok(waiting.then(|| format!("clients are not told of {}", node.addr())))
        })?;
        self.wait_until_agreed()?;
        Ok(node)
    }

    /// Makes all others forget a node, and stops it. Its slots must be on other nodes by then.
    ///
    /// # Errors
    ///
    /// If a node refuses.
    pub fn remove_node(&self, node: &Arc<Node>) -> Result<()> {
        self.lock().retain(|here| here.id() != node.id());
        if node.server().is_running() {
            node.server().kill()?;
        }
        for other in self.running() {
            other.call(&["CLUSTER", "FORGET", node.id()])?;
        }
        self.wait_until_agreed()
    }

    /// Makes a node forget the cluster (CLUSTER RESET SOFT): it has no slots and no data, and knows no other node. It
    /// stays in the list of nodes; the others accept it again when they connect to it.
    ///
    /// # Errors
    ///
    /// If it refuses.
    pub fn reset(&self, node: &Node) -> Result<()> {
        if !node.is_replica()? {
            node.call(&["FLUSHALL"])?;
        }
        node.call(&["CLUSTER", "RESET", "SOFT"]).map(drop)
    }

    /// Starts nodes that were killed again, and waits until all agree.
    ///
    /// # Errors
    ///
    /// If one does not start.
    pub fn restart_the_dead(&self) -> Result<()> {
        for node in self.nodes() {
            if !node.server().is_running() {
                node.server().restart()?;
            }
        }
        self.wait_until_agreed()
    }

    /// Kills all nodes and starts them again, each on another port, and waits until all agree.
    ///
    /// # Errors
    ///
    /// If one does not start.
    pub fn restart_elsewhere(&self) -> Result<()> {
        let nodes = self.nodes();
        for node in &nodes {
            node.server().restart_elsewhere()?;
        }
        builder::introduce(&nodes)?;
        self.wait_until_agreed()
    }

    /// Changes, for the nodes that run, after how long a silent node is suspected. Nodes that are started later, or again, have the time
    /// of [`ClusterBuilder::node_timeout`](super::ClusterBuilder::node_timeout).
    ///
    /// A node that stands still for longer, as on a busy machine, makes the cluster refuse commands, or loses its slots to its replica. But a long
    /// time makes nodes learn from each other more slowly, so a cluster starts with a short one.
    ///
    /// # Errors
    ///
    /// If a node refuses.
    pub fn set_node_timeout(&self, timeout: Duration) -> Result<()> {
        let millis = timeout.as_millis().to_string();
        for node in self.running() {
            node.call(&["CONFIG", "SET", "cluster-node-timeout", &millis])?;
        }
        Ok(())
    }

    fn running(&self) -> Vec<Arc<Node>> {
        let running = |node: &Arc<Node>| node.server().is_running();
        self.nodes().into_iter().filter(running).collect()
    }
}
