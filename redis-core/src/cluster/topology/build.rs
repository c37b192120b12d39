//! From the reply of a node to a [`Topology`], with checks.

use std::collections::HashMap;

use super::reply::{SlotEntry, SlotNode};
use super::{ClusterNode, NodeRole, Shard, Topology, UNSERVED};
use crate::cluster::redirect::named;
use crate::command::SLOTS;
use crate::config::Address;
use crate::error::DecodeError;
use crate::reply::{FromRedis, Reply};

/// Turns an address that servers name into the one to connect to.
pub(crate) type MapAddress<'a> = &'a dyn Fn(Address) -> Address;

/// Builds a topology. A node that several ranges name is made only once.
#[derive(Default)]
struct Builder {
    nodes: Vec<ClusterNode>,
    /// The index of the node with each id.
    places: HashMap<String, usize>,
    shards: Vec<Shard>,
    /// The index of each primary's shard, by the index of the primary.
    shard_of: HashMap<usize, u16>,
}

impl Topology {
    /// A server that is not in a cluster: one shard that owns all slots.
    pub(crate) fn of_one(address: Address) -> Self {
        Self {
            slots: vec![0; usize::from(SLOTS)].into(),
            shards: [Shard::alone(0)].into(),
            nodes: [ClusterNode::at(address)].into(),
            epoch: 0,
            moved: Vec::new(),
        }
    }

    /// Reads the reply to CLUSTER SLOTS of the node at `asked`, which may not know its own address.
    ///
    /// # Errors
    /// The reply is not of this form, or contradicts itself.
    pub(crate) fn from_slots(
        reply: Reply<'_>,
        epoch: u64,
        asked: &Address,
        map: MapAddress<'_>,
    ) -> Result<Self, DecodeError> {
        let Reply::Array(entries) = reply else {
            return Err(DecodeError::expected("ranges of slots", &reply));
        };
        let mut slots: Box<[u16]> = vec![UNSERVED; usize::from(SLOTS)].into();
        let mut builder = Builder::default();
        for (index, entry) in entries.enumerate() {
            let entry = SlotEntry::from_redis(entry).map_err(|error| error.at_index(index))?;
            let range = usize::from(entry.first)..=usize::from(entry.last);
            let (first, last) = (entry.first, entry.last);
            let range = slots.get_mut(range).filter(|range| !range.is_empty());
            let range = range.ok_or_else(|| {
                DecodeError::new(format!("{first} to {last} is no range of slots")).at_index(index)
            })?;
            if range.iter().any(|place| *place != UNSERVED) {
                return Err(DecodeError::new(format!(
                    "a slot from {first} to {last} has two owners"
                ))
                .at_index(index));
            }
            let place = builder.shard(entry, asked, map)?;
            range.fill(place);
        }
        let (shards, nodes) = builder.finish();
        Ok(Self {
            slots,
            shards: shards.into(),
            nodes: nodes.into(),
            epoch,
            moved: Vec::new(),
        })
    }

    /// The same topology with one slot on another node, which a redirect named. If that was a replica, it has taken over
    /// from its primary, with all slots. Other changes are not known.
    pub(crate) fn with_moved(&self, slot: u16, to: &Address) -> Self {
        let mut moved = self.clone();
        let place = moved.shard_at_address(slot, to);
        if let Some(owner) = moved.slots.get_mut(usize::from(slot)) {
            *owner = place;
            moved.moved.push(slot);
        }
        moved
    }

    /// The index of the shard whose primary has this address, now that it owns the slot; a new one if there is none.
    fn shard_at_address(&mut self, slot: u16, address: &Address) -> u16 {
        let mut shards = self.shards.to_vec();
        let Some(node) = self.nodes.iter().position(|node| node.address == *address) else {
            let node = self.add(address.clone());
            return self.push(shards, Shard::alone(node));
        };
        if let Some(known) = shards.iter().position(|shard| shard.primary == node) {
            return u16::try_from(known).unwrap_or(UNSERVED);
        }
        // A node of several shards, as a broken map may have it, takes over the one that has the slot.
        let its_own = self.slots.get(usize::from(slot)).copied().map(usize::from);
        let copies = |shard: &Shard| shard.replicas.contains(&node);
        let place = its_own
            .filter(|place| shards.get(*place).is_some_and(copies))
            .or_else(|| shards.iter().position(copies));
        for shard in &mut shards {
            shard.replicas.retain(|place| *place != node);
        }
        self.set_role(node, NodeRole::Primary);
        let Some((place, shard)) = place.and_then(|place| Some((place, shards.get_mut(place)?)))
        else {
            return self.push(shards, Shard::alone(node));
        };
        let former = std::mem::replace(&mut shard.primary, node);
        shard.replicas.push(former);
        self.set_role(former, NodeRole::Replica);
        self.shards = shards.into();
        u16::try_from(place).unwrap_or(UNSERVED)
    }

    fn push(&mut self, mut shards: Vec<Shard>, shard: Shard) -> u16 {
        shards.push(shard);
        self.shards = shards.into();
        // There are at most as many shards as slots, because each has a slot or had one.
        u16::try_from(self.shards.len() - 1).unwrap_or(UNSERVED)
    }

    fn set_role(&mut self, place: usize, role: NodeRole) {
        let mut nodes = self.nodes.to_vec();
        if let Some(node) = nodes.get_mut(place) {
            node.role = role;
        }
        self.nodes = nodes.into();
    }

    fn add(&mut self, address: Address) -> usize {
        let node = ClusterNode::at(address);
        self.nodes = self.nodes.iter().cloned().chain([node]).collect();
        self.nodes.len() - 1
    }
}

impl Shard {
    fn alone(primary: usize) -> Self {
        Self {
            primary,
            replicas: Vec::new(),
        }
    }
}

impl ClusterNode {
    /// A primary of which only the address is known.
    fn at(address: Address) -> Self {
        Self {
            address,
            id: None,
            role: NodeRole::Primary,
            ip: None,
            hostname: None,
            zone: None,
        }
    }
}

impl Builder {
    /// The index of the shard that owns an entry's slots.
    fn shard(
        &mut self,
        entry: SlotEntry,
        asked: &Address,
        map: MapAddress<'_>,
    ) -> Result<u16, DecodeError> {
        let primary = self.node(entry.primary, NodeRole::Primary, asked, map)?;
        let replicas = entry.replicas.into_iter();
        let replicas = replicas.map(|node| self.node(node, NodeRole::Replica, asked, map));
        let replicas = replicas.collect::<Result<Vec<_>, _>>()?;
        if let Some(place) = self.shard_of.get(&primary) {
            return Ok(*place);
        }
        let place = u16::try_from(self.shards.len())
            .map_err(|_| DecodeError::new("there are more shards than slots"))?;
        self.shards.push(Shard { primary, replicas });
        self.shard_of.insert(primary, place);
        Ok(place)
    }

    /// All shards and nodes. Who owns slots is nobody's replica, whatever an entry says.
    fn finish(mut self) -> (Vec<Shard>, Vec<ClusterNode>) {
        let nodes = self.nodes;
        let is_replica = |place: &usize| {
            let node = nodes.get(*place);
            node.is_some_and(|node| node.role == NodeRole::Replica)
        };
        for shard in &mut self.shards {
            shard.replicas.retain(is_replica);
        }
        (self.shards, nodes)
    }

    /// The index of a node.
    fn node(
        &mut self,
        told: SlotNode,
        role: NodeRole,
        asked: &Address,
        map: MapAddress<'_>,
    ) -> Result<usize, DecodeError> {
        if let Some(place) = self.places.get(&told.id) {
            let known = self.nodes.get_mut(*place);
            if let Some(known) = known.filter(|_| role == NodeRole::Primary) {
                known.role = role;
            }
            return Ok(*place);
        }
        let id = told.id.clone();
        let node = resolve(told, role, asked, map)?;
        self.nodes.push(node);
        let place = self.nodes.len() - 1;
        self.places.insert(id, place);
        Ok(place)
    }
}

/// Finds the address of a node.
fn resolve(
    told: SlotNode,
    role: NodeRole,
    asked: &Address,
    map: MapAddress<'_>,
) -> Result<ClusterNode, DecodeError> {
    let mut metadata = told.metadata;
    let ip = metadata.remove("ip");
    // Without a host, the node that was asked is meant; `?` means that the node has no name of the preferred kind.
    let host = match told.host.as_deref() {
        Some("?") => ip.clone(),
        host => host.and_then(named).map(str::to_owned),
    };
    let host = host.or_else(|| asked.host().map(str::to_owned));
    let host = host.ok_or_else(|| DecodeError::new("a node has no host"))?;
    if told.port == 0 {
        return Err(DecodeError::new(format!("the node {host} has no port")));
    }
    Ok(ClusterNode {
        address: map(Address::Tcp(host, told.port)),
        id: Some(told.id),
        role,
        ip,
        hostname: metadata.remove("hostname"),
        zone: metadata.remove("availability-zone"),
    })
}
