//! What others can join while it is on its way: [`Joinable`].

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::{Arc, Weak};

use crate::cache::store::AsIs;
use crate::runtime::Lock;

/// The reads on their way, by the hashes of their commands. It keeps none of them alive.
pub(in crate::cache) struct Joinable<R> {
    by_hash: ByHash<R>,
    /// Those that turn tracking on, with the epochs in which they do.
    beginners: Lock<Vec<(u32, Weak<R>)>>,
}

type ByHash<R> = Lock<HashMap<u64, Weak<R>, BuildHasherDefault<AsIs>>>;

impl<R> Default for Joinable<R> {
    fn default() -> Self {
        Self {
            by_hash: Lock::default(),
            beginners: Lock::default(),
        }
    }
}

impl<R> Joinable<R> {
    /// The read of the command with this hash.
    pub(in crate::cache) fn find(&self, id: u64) -> Option<Arc<R>> {
        self.by_hash.lock().get(&id).and_then(Weak::upgrade)
    }

    /// Lets others join this read.
    pub(super) fn add(&self, ids: impl Iterator<Item = u64>, read: &Arc<R>) {
        let mut reads = self.by_hash.lock();
        ids.for_each(|id| drop(reads.insert(id, Arc::downgrade(read))));
    }

    /// Nobody joins this read any more.
    pub(super) fn remove(&self, ids: impl Iterator<Item = u64>, read: &R) {
        let mut reads = self.by_hash.lock();
        for id in ids {
            let known = reads.get(&id);
            if known.is_some_and(|known| std::ptr::eq(known.as_ptr(), read)) {
                reads.remove(&id);
            }
        }
    }
    /// The read that turns tracking on in this epoch.
    pub(super) fn beginner(&self, epoch: u32) -> Option<Arc<R>> {
        let beginners = self.beginners.lock();
        let mut its = beginners.iter().filter(|(in_epoch, _)| *in_epoch == epoch);
        its.find_map(|(_, read)| read.upgrade())
    }

    /// This read turns tracking on.
    pub(super) fn begins(&self, epoch: u32, read: &Arc<R>) {
        self.beginners.lock().push((epoch, Arc::downgrade(read)));
    }

    /// The read that was to turn tracking on has ended.
    pub(super) fn has_begun(&self, epoch: u32) {
        let mut beginners = self.beginners.lock();
        beginners.retain(|(in_epoch, _)| *in_epoch != epoch);
    }
}
