//! The nodes that get a command each, because it concerns all of them: [`Recipients`].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::nodes::Node;
use super::routes::Routes;

/// Nodes by their places in the map by which they were chosen, and who has taken over from them since.
#[derive(Debug)]
pub(super) struct Recipients {
    chosen: Arc<Routes>,
    /// By the place of the primary that was replaced.
    successors: BTreeMap<usize, Arc<Node>>,
}

impl Recipients {
    /// The nodes of this map.
    pub(super) fn new(chosen: &Arc<Routes>) -> Self {
        Self {
            chosen: Arc::clone(chosen),
            successors: BTreeMap::new(),
        }
    }

    /// The node at a place.
    pub(super) fn node(&self, place: usize) -> Option<&Arc<Node>> {
        self.chosen.nodes().get(place)
    }

    /// The primary at a place. If it is no primary any more, this is the node that has taken over from it, unless that node
    /// gets the command anyway.
    pub(super) fn primary(&mut self, place: usize, now: &Routes) -> Option<&Arc<Node>> {
        let current = self.current(place)?;
        if !now.primaries().any(|node| Arc::ptr_eq(node, current))
            && let Some(successor) = self.successor(place, now)
        {
            let is_back = self
                .node(place)
                .is_some_and(|first| Arc::ptr_eq(first, &successor));
            if is_back {
                self.successors.remove(&place);
            } else {
                self.successors.insert(place, successor);
            }
        }
        self.current(place)
    }

    fn current(&self, place: usize) -> Option<&Arc<Node>> {
        self.successors.get(&place).or_else(|| self.node(place))
    }

    /// The one node that has slots of the primary at a place, which may be that primary again, apart from nodes that get the command
    /// anyway, in a part of their own or as the successors of others. `None` if there are several: none of them stands for all that
    /// the primary had.
    fn successor(&self, place: usize, now: &Routes) -> Option<Arc<Node>> {
        let others = self.successors.iter().filter(|(other, _)| **other != place);
        let others = others.map(|(_, successor)| successor);
        let first = self.node(place)?;
        let chosen = self
            .chosen
            .primaries()
            .filter(|node| !Arc::ptr_eq(node, first));
        let chosen: Vec<&Arc<Node>> = chosen.chain(others).collect();
        let mut successor: Option<&Arc<Node>> = None;
        for slot in self.chosen.topology.slots_at(place) {
            let owner = now.known_owner(slot)?;
            let is_same = |node: &Arc<Node>| Arc::ptr_eq(node, owner);
            if chosen.iter().any(|node| is_same(node)) || successor.is_some_and(is_same) {
                continue;
            }
            if successor.is_some() {
                return None;
            }
            successor = Some(owner);
        }
        successor.cloned()
    }
}
