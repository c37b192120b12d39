//! A slot that is being moved key by key, once its source was gone through: [`Half`].

use super::snapshot::Snapshot;
use crate::config::Address;

/// A slot whose source was gone through.
#[derive(Debug)]
pub(super) struct Half {
    /// The id of the source, and its epoch then.
    pub(super) source: String,
    pub(super) epoch: u64,
    /// The id of the node that gets it.
    pub(super) target: String,
    /// Where that node is if the map does not have it, because it has no slots yet.
    pub(super) address: Option<Address>,
}

impl Half {
    /// Whether a node is the source, and nothing has changed there since: it need not be gone through again.
    pub(super) fn holds_at(&self, slot: u16, snapshot: &Snapshot) -> bool {
        let target = snapshot.leaving.get(&slot);
        self.source == snapshot.id
            && self.epoch == snapshot.epoch
            && target.is_some_and(|target| *target == self.target)
    }

    /// Whether what a node says of itself agrees with it. `snapshot` is of a node that has nothing that is wanted.
    pub(super) fn agrees_with(&self, slot: u16, snapshot: &Snapshot) -> bool {
        if self.source == snapshot.id {
            self.holds_at(slot, snapshot)
        } else {
            self.target != snapshot.id
        }
    }
}
