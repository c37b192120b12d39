//! From a command to its node: [`Routes`], a topology with a node for each address in it. It is never changed, only
//! replaced by a new one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::nodes::Node;
use super::topology::Topology;
use crate::chain::routing::Goal;
use crate::config::{Address, Config};

/// How long a node is remembered that only a redirect named. There is no other way to learn about a node that is
/// about to get its first slots.
const REMEMBERED: Duration = Duration::from_secs(60);

/// One state of the cluster, with the links to its nodes.
#[derive(Debug)]
pub(super) struct Routes {
    pub(super) topology: Topology,
    /// The nodes, in the order of the topology.
    nodes: Vec<Arc<Node>>,
    /// The indexes of the nodes that own slots.
    primaries: Vec<usize>,
    /// Nodes that only redirects named.
    strays: Vec<Arc<Node>>,
}

impl Routes {
    /// The first state.
    pub(super) fn first(topology: Topology, config: &Config) -> Self {
        Self::of(topology, config, HashMap::new(), Vec::new())
    }

    /// The next state, in which known nodes keep their sockets.
    pub(super) fn next(&self, topology: Topology, config: &Config) -> Self {
        let known = self
            .all()
            .map(|node| (node.address.clone(), node.clone()))
            .collect();
        // One that is in the map by now is not counted twice.
        let is_stray = |node: &&Arc<Node>| {
            let mut known = topology.nodes().iter();
            let is_recent = node.since.elapsed() < REMEMBERED;
            is_recent && known.all(|known| known.address != node.address)
        };
        let strays = self.strays.iter().filter(is_stray).cloned().collect();
        Self::of(topology, config, known, strays)
    }

    fn of(
        topology: Topology,
        config: &Config,
        known: HashMap<Address, Arc<Node>>,
        strays: Vec<Arc<Node>>,
    ) -> Self {
        let addresses = topology.nodes().iter().map(|node| &node.address);
        let node = |address: &Address| match known.get(address) {
            Some(node) => node.clone(),
            None => Node::new(config, address),
        };
        Self {
            nodes: addresses.map(node).collect(),
            primaries: topology.primary_places().collect(),
            topology,
            strays,
        }
    }

    /// The same state, with a node that a redirect named.
    pub(super) fn with_stray(&self, node: &Arc<Node>) -> Self {
        Self {
            topology: self.topology.clone(),
            nodes: self.nodes.clone(),
            primaries: self.primaries.clone(),
            strays: self.strays.iter().chain([node]).cloned().collect(),
        }
    }

    /// The owner of a slot; if no node owns it, any primary, which replies with an error that says so.
    #[inline]
    pub(super) fn owner(&self, slot: u16) -> Option<&Arc<Node>> {
        let place = self.topology.primary_place(slot);
        match place.and_then(|place| self.nodes.get(place)) {
            Some(node) => Some(node),
            None => self.any_primary(),
        }
    }

    /// The node for something that is sent to one node.
    #[inline]
    pub(super) fn node_for(&self, goal: Goal) -> Option<&Arc<Node>> {
        match goal {
            Goal::Owner(slot) | Goal::Near(slot) => self.owner(slot),
            Goal::Anyone | Goal::ThisNode(_) | Goal::ThisShard(_) => self.any_primary(),
        }
    }

    /// The node for something that another one did not carry out.
    pub(super) fn next_node_for(&self, goal: Goal) -> Option<&Arc<Node>> {
        match goal {
            Goal::Near(_) => self.any_primary(),
            goal => self.node_for(goal),
        }
    }

    /// The owner of a slot; `None` if no node owns it.
    pub(super) fn known_owner(&self, slot: u16) -> Option<&Arc<Node>> {
        self.nodes.get(self.topology.primary_place(slot)?)
    }

    /// The place of the owner of a slot among the nodes.
    #[inline]
    pub(super) fn owner_place(&self, slot: u16) -> Option<usize> {
        self.topology.primary_place(slot)
    }

    /// A primary, another each time.
    pub(super) fn any_primary(&self) -> Option<&Arc<Node>> {
        self.nodes.get(self.any_primary_place()?)
    }

    /// The place of a primary among the nodes, another each time.
    pub(super) fn any_primary_place(&self) -> Option<usize> {
        let count = self.primaries.len();
        let place = self.primaries.get(fastrand::usize(..count.max(1)))?;
        Some(*place)
    }

    /// The places of all primaries among the nodes.
    pub(super) fn primary_places(&self) -> impl Iterator<Item = usize> {
        self.primaries.iter().copied()
    }

    /// How many primaries there are.
    pub(super) fn count_primaries(&self) -> usize {
        self.primaries.len()
    }

    /// All primaries.
    pub(super) fn primaries(&self) -> impl Iterator<Item = &Arc<Node>> {
        let places = self.primaries.iter();
        places.filter_map(|place| self.nodes.get(*place))
    }

    /// All nodes of the topology.
    pub(super) fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    /// All nodes, also those that only redirects named.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.iter().chain(&self.strays)
    }

    /// The node at an address.
    pub(super) fn at(&self, address: &Address) -> Option<&Arc<Node>> {
        self.all().find(|node| node.address == *address)
    }
}
