//! Which node has which slots: [`Map`], one state of a cluster, as the truth or as a node knows it.

use std::collections::BTreeMap;

use typedis_core::cluster::SLOTS;

/// The number of a node; it stays the same when the node gets another address.
pub(crate) type NodeId = usize;

/// One state of a cluster.
#[derive(Debug, Clone)]
pub(crate) struct Map {
    pub(crate) epoch: u64,
    pub(crate) shards: Vec<Shard>,
    /// Where a range of slots begins, and its shard; the range ends before the next.
    owners: BTreeMap<u16, usize>,
    /// The port of each node.
    pub(crate) ports: Vec<u16>,
}

/// Nodes with the same slots.
#[derive(Debug, Clone)]
pub(crate) struct Shard {
    pub(crate) primary: NodeId,
    pub(crate) replicas: Vec<NodeId>,
}

impl Map {
    /// A cluster whose shards have about as many slots each. The nodes of a shard have numbers that follow each other.
    pub(crate) fn even(shards: usize, replicas: usize, first_port: u16) -> Self {
        let nodes = shards * (1 + replicas);
        let begin = |shard: usize| {
            u16::try_from(usize::from(SLOTS) * shard / shards.max(1)).unwrap_or_default()
        };
        Self {
            epoch: 1,
            shards: (0..shards)
                .map(|shard| {
                    let primary = shard * (1 + replicas);
                    Shard {
                        primary,
                        replicas: (primary + 1..=primary + replicas).collect(),
                    }
                })
                .collect(),
            owners: (0..shards).map(|shard| (begin(shard), shard)).collect(),
            ports: (first_port..).take(nodes).collect(),
        }
    }

    /// A service: one shard with one replica. The ports of its Sentinels follow those of the nodes.
    pub(crate) fn of_service(first_port: u16, sentinels: impl Iterator<Item = u16>) -> Self {
        let mut map = Self::even(1, 1, first_port);
        map.ports.extend(sentinels);
        map
    }

    /// The shard that owns a slot.
    pub(crate) fn owner(&self, slot: u16) -> Option<usize> {
        self.owners
            .range(..=slot)
            .next_back()
            .map(|(_, shard)| *shard)
    }

    /// The primary that owns a slot.
    pub(crate) fn primary(&self, slot: u16) -> Option<NodeId> {
        Some(self.shards.get(self.owner(slot)?)?.primary)
    }

    /// The shard of a node.
    pub(crate) fn shard_of(&self, node: NodeId) -> Option<&Shard> {
        let has = |shard: &&Shard| shard.primary == node || shard.replicas.contains(&node);
        self.shards.iter().find(has)
    }

    pub(crate) fn port(&self, node: NodeId) -> u16 {
        self.ports.get(node).copied().unwrap_or_default()
    }

    /// The first and last slot of each range, and its shard.
    pub(crate) fn ranges(&self) -> Vec<(u16, u16, usize)> {
        let ends = self
            .owners
            .keys()
            .skip(1)
            .map(|next| next - 1)
            .chain([SLOTS - 1]);
        self.owners
            .iter()
            .zip(ends)
            .map(|((first, shard), last)| (*first, last, *shard))
            .collect()
    }

    /// The slots of a shard.
    pub(crate) fn slots_of(&self, shard: usize) -> Vec<u16> {
        let ranges = self.ranges().into_iter();
        ranges
            .filter(|(.., owner)| *owner == shard)
            .flat_map(|(first, last, _)| first..=last)
            .collect()
    }

    /// The next state, in which a shard owns these slots.
    pub(crate) fn with_slots(&self, slots: &[u16], shard: usize) -> Self {
        let mut next = self.next();
        for slot in slots {
            let after = slot + 1;
            if let Some(owner) = next.owner(after).filter(|_| after < SLOTS) {
                next.owners.entry(after).or_insert(owner);
            }
            next.owners.insert(*slot, shard);
        }
        // Ranges that belong together are one.
        let mut last = None;
        next.owners
            .retain(|_, shard| last.replace(*shard) != Some(*shard));
        next
    }

    /// The next state, in which a replica is the primary of its shard, and the primary its replica.
    pub(crate) fn with_primary(&self, node: NodeId) -> Self {
        let mut next = self.next();
        for shard in &mut next.shards {
            for replica in &mut shard.replicas {
                if *replica == node {
                    std::mem::swap(replica, &mut shard.primary);
                    break;
                }
            }
        }
        next
    }

    /// The next state, in which a node has another port.
    pub(crate) fn with_port(&self, node: NodeId, port: u16) -> Self {
        let mut next = self.next();
        if let Some(known) = next.ports.get_mut(node) {
            *known = port;
        }
        next
    }

    /// The next state, with one more shard, which has one node and no slots.
    pub(crate) fn with_node(&self, port: u16) -> Self {
        let mut next = self.next();
        next.shards.push(Shard {
            primary: next.ports.len(),
            replicas: Vec::new(),
        });
        next.ports.push(port);
        next
    }

    fn next(&self) -> Self {
        let mut next = self.clone();
        next.epoch += 1;
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_that_move_split_and_join_ranges() {
        let map = Map::even(2, 1, 1);
        assert_eq!(map.ranges(), [(0, 8191, 0), (8192, 16383, 1)]);
        let moved = map.with_slots(&[0, 5, 16383], 1).with_slots(&[16383], 0);
        assert_eq!(
            moved.ranges(),
            [
                (0, 0, 1),
                (1, 4, 0),
                (5, 5, 1),
                (6, 8191, 0),
                (8192, 16382, 1),
                (16383, 16383, 0)
            ]
        );
        assert_eq!(moved.with_slots(&[0, 5], 0).ranges().len(), 3);
        assert_eq!(map.with_primary(3).primary(9_000), Some(3));
        assert_eq!(
            map.with_slots(&map.slots_of(1), 0).ranges(),
            [(0, 16383, 0)]
        );
    }
}
