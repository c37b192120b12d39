//! From a slot to its nodes: [`Topology`], one state of a cluster, which is never changed, only replaced by a new one.
//!
//! It is read from CLUSTER SLOTS. Every server has that command; it names the ports and hosts that this kind of
//! connection can use, as redirects do; and it leaves out replicas that have failed or have no data yet. CLUSTER SHARDS
//! is unknown to Redis 6.2, names two primaries of one shard after a failover, and no slots of a shard that is down.
//!
//! # Layout
//!
//! - `reply`: the reply to CLUSTER SLOTS, as it comes
//! - `build`: from the reply to a topology, with checks

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::command::SLOTS;
use crate::config::Address;

mod build;
mod reply;
#[cfg(test)]
mod tests;

/// No shard has the slot.
const UNSERVED: u16 = u16::MAX;

/// One state of a cluster: its nodes, and which of them have which slots.
#[derive(Clone, PartialEq, Eq)]
pub struct Topology {
    /// For each slot, the index of its shard in the list of shards.
    slots: Box<[u16]>,
    shards: Arc<[Shard]>,
    nodes: Arc<[ClusterNode]>,
    epoch: u64,
    /// The slots that redirects have moved since the map was learned. That may not raise the epoch.
    moved: Vec<u16>,
}

/// The nodes that share slots, by their index in the list of nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shard {
    primary: usize,
    replicas: Vec<usize>,
}

/// A node of a cluster, as the cluster describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterNode {
    /// The address to connect to.
    pub address: Address,
    /// Its id: 40 letters and digits. `None` if only a redirect named it.
    pub id: Option<String>,
    /// Its role.
    pub role: NodeRole,
    /// Its IP address, if that is not the address above and the server names it.
    pub ip: Option<String>,
    /// Its host name, if that is not in the address above and the server names it.
    pub hostname: Option<String>,
    /// Its availability zone, if the server names it, as Valkey 9 does.
    pub zone: Option<String>,
}

/// The role of a node in its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NodeRole {
    /// It owns slots, and takes writes.
    Primary,
    /// It has copies of a primary's data.
    Replica,
}

impl Topology {
    /// One of which nothing is known.
    pub(super) fn empty() -> Self {
        Self {
            slots: vec![UNSERVED; usize::from(SLOTS)].into(),
            shards: Arc::default(),
            nodes: Arc::default(),
            epoch: 0,
            moved: Vec::new(),
        }
    }

    /// All nodes: primaries and their replicas.
    #[must_use]
    pub fn nodes(&self) -> &[ClusterNode] {
        &self.nodes
    }

    /// The primaries that own slots.
    pub fn primaries(&self) -> impl Iterator<Item = &ClusterNode> {
        let owners = self.shards.iter();
        owners.filter_map(|shard| self.nodes.get(shard.primary))
    }

    /// The index of the node that owns a slot.
    #[inline]
    pub(super) fn primary_place(&self, slot: u16) -> Option<usize> {
        Some(self.shard_of(slot)?.primary)
    }

    /// The slots that the node at this index owns.
    pub(super) fn slots_at(&self, primary: usize) -> impl Iterator<Item = u16> {
        (0..SLOTS).filter(move |slot| self.primary_place(*slot) == Some(primary))
    }

    /// The indexes of the primaries in the list of nodes.
    pub(super) fn primary_places(&self) -> impl Iterator<Item = usize> {
        self.shards.iter().map(|shard| shard.primary)
    }

    /// The node that owns a slot; `None` if none does.
    #[must_use]
    pub fn primary_of(&self, slot: u16) -> Option<&ClusterNode> {
        self.nodes.get(self.shard_of(slot)?.primary)
    }

    /// The nodes that have copies of a slot's data.
    pub fn replicas_of(&self, slot: u16) -> impl Iterator<Item = &ClusterNode> {
        let replicas = self.shard_of(slot).map_or(&[][..], |shard| &shard.replicas);
        replicas.iter().filter_map(|place| self.nodes.get(*place))
    }

    /// How many of the 16,384 slots are owned by a node.
    #[must_use]
    pub fn served(&self) -> usize {
        self.slots
            .iter()
            .filter(|place| **place != UNSERVED)
            .count()
    }

    /// Ranges of slots and their owners, in the order of slots.
    pub fn ranges(&self) -> impl Iterator<Item = (RangeInclusive<u16>, &ClusterNode)> {
        let mut from = 0;
        self.slots.chunk_by(|a, b| a == b).filter_map(move |chunk| {
            let first = from;
            from += chunk.len();
            let owner = self.nodes.get(self.shard_at(*chunk.first()?)?.primary)?;
            let (first, last) = (u16::try_from(first).ok()?, u16::try_from(from - 1).ok()?);
            Some((first..=last, owner))
        })
    }

    /// The epoch of the cluster, as the node that was asked knows it: a higher one is newer.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether a redirect has named the node at this address as the owner of a slot.
    pub(super) fn was_moved_to(&self, address: &Address) -> bool {
        let mut owners = self.moved.iter().filter_map(|slot| self.primary_of(*slot));
        owners.any(|owner| owner.address == *address)
    }

    /// Whether what the node at `asked` tells is at least as new as this one. It is not if it contradicts a redirect,
    /// unless the node that the redirect named tells it.
    pub(super) fn yields_to(&self, told: &Self, asked: &Address) -> bool {
        let owner = |topology: &Self, slot| Some(topology.primary_of(slot)?.address.clone());
        let agrees = |slot: &u16| owner(self, *slot) == owner(told, *slot);
        told.epoch >= self.epoch && (self.was_moved_to(asked) || self.moved.iter().all(agrees))
    }

    fn shard_of(&self, slot: u16) -> Option<&Shard> {
        self.shard_at(*self.slots.get(usize::from(slot))?)
    }

    fn shard_at(&self, place: u16) -> Option<&Shard> {
        self.shards.get(usize::from(place))
    }
}

impl fmt::Debug for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner =
            |(slots, node): (RangeInclusive<u16>, &ClusterNode)| (slots, node.address.to_string());
        f.debug_struct("Topology")
            .field("epoch", &self.epoch)
            .field("slots", &self.ranges().map(owner).collect::<Vec<_>>())
            .field("nodes", &self.nodes)
            .finish_non_exhaustive()
    }
}
