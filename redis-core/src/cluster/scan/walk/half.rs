//! Slots that are being moved key by key: [`Half`].

use std::ops::Range;
use std::sync::Arc;

use super::super::snapshot::Snapshot;
use super::Walker;
use crate::cluster::nodes::Node;
use crate::config::Address;
use crate::error::Result;

/// A slot whose source was gone through.
#[derive(Debug)]
pub(super) struct Half {
    /// The id of the source, and its epoch then.
    source: String,
    epoch: u64,
    /// The id of the node that gets it.
    target: String,
    /// Where that node is if the map does not have it, because it has no slots yet.
    address: Option<Address>,
}

impl Half {
    /// Whether a node is the source, and nothing has changed there since: it need not be gone through again.
    fn holds_at(&self, slot: u16, snapshot: &Snapshot) -> bool {
        let target = snapshot.leaving.get(&slot);
        self.source == snapshot.id
            && self.epoch == snapshot.epoch
            && target.is_some_and(|target| *target == self.target)
    }

    /// Whether what a node says of itself agrees with it. `snapshot` is of a node that has nothing that is wanted.
    fn agrees_with(&self, slot: u16, snapshot: &Snapshot) -> bool {
        if self.source == snapshot.id {
            self.holds_at(slot, snapshot)
        } else {
            self.target != snapshot.id
        }
    }
}

impl Walker {
    /// How far the scan has come. It only grows, and it has a limit: so a scan that counts time from its last progress ends.
    pub(super) fn progress(&self) -> usize {
        self.position.done.len() + self.halved.len()
    }

    /// Whether a node is giving a slot away and need not be gone through again.
    pub(super) fn is_half(&self, slot: u16, snapshot: &Snapshot) -> bool {
        let half = self.halves.get(&slot);
        half.is_some_and(|half| half.holds_at(slot, snapshot))
    }

    /// The node that gets a slot whose source was gone through.
    pub(super) fn target_of(&self, slot: u16) -> Option<Arc<Node>> {
        let half = self.halves.get(&slot)?;
        self.node_of(&half.target)
            .or_else(|| self.shared.node_at(half.address.as_ref()?))
    }

    /// The node that knows whether a slot is still being moved.
    pub(super) fn source_of(&self, slot: u16) -> Option<Arc<Node>> {
        let half = self.halves.get(&slot)?;
        let owner = || self.shared.routes().known_owner(slot).cloned();
        self.node_of(&half.source).or_else(owner)
    }

    /// Forgets moves that are over, as a node says that has nothing that is wanted.
    pub(super) fn forget_halves(&mut self, snapshot: &Snapshot) {
        self.halves
            .retain(|slot, half| half.agrees_with(*slot, snapshot));
    }

    /// Remembers the slots that were gone through on a node which is giving them away.
    pub(super) fn note_halves(&mut self, begin: &Snapshot, passed: &Range<u16>, is_doubtful: bool) {
        let leaving = begin.leaving.iter();
        for (slot, target) in leaving.filter(|(slot, _)| passed.contains(slot)) {
            let before = self.halves.get(slot);
            let is_older = |half: &Half| half.source == begin.id && half.epoch != begin.epoch;
            if is_doubtful && before.is_some_and(is_older) {
                // The epoch grew during the stretch: until then, the slot was not looked for.
                self.halves.remove(slot);
                continue;
            }
            let half = Half {
                source: begin.id.clone(),
                epoch: begin.epoch,
                target: target.clone(),
                address: self.address_of(target, begin),
            };
            self.halves.insert(*slot, half);
            self.halved.insert(*slot);
        }
    }

    /// The address of a node by its id, as the node of the visit knows it.
    fn address_of(&self, id: &str, begin: &Snapshot) -> Option<Address> {
        let asked = &self.visit.as_ref()?.node.address;
        let routes = self.shared.routes();
        let mut known = routes.topology.nodes().iter();
        let known = known.find(|node| node.address == *asked);
        begin.address_of(id, asked, known, &self.shared.config)
    }

    /// Slots whose target was gone through after their source are done, if none of their keys can have gone back.
    pub(super) async fn finish_halves(
        &mut self,
        begin: &Snapshot,
        end: &Snapshot,
        passed: &Range<u16>,
    ) -> Result<()> {
        for (slot, from) in &begin.arriving {
            let is_here = end.arriving.contains_key(slot) || end.owns(*slot);
            let half = self.halves.get(slot).filter(|half| half.source == *from);
            let source = half.and_then(|half| self.node_of(&half.source));
            let (Some(half), Some(source)) = (half, source) else {
                continue;
            };
            if !is_here || !passed.contains(slot) {
                continue;
            }
            if Snapshot::of(&source).await?.epoch == half.epoch {
                self.position.done.insert(*slot);
            }
            self.halves.remove(slot);
        }
        Ok(())
    }
}
