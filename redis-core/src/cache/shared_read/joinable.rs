//! What others can join while it is on its way: [`Joinable`].

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::{Arc, Weak};

use crate::cache::store::AsIs;
use crate::runtime::Lock;

/// The reads on their way, by the hashes of their commands. It keeps none of them alive.
pub(in crate::cache) struct Joinable<R>(ByHash<R>);

type ByHash<R> = Lock<HashMap<u64, Weak<R>, BuildHasherDefault<AsIs>>>;

impl<R> Default for Joinable<R> {
    fn default() -> Self {
        Self(Lock::default())
    }
}

impl<R> Joinable<R> {
    /// The read of the command with this hash.
    pub(in crate::cache) fn find(&self, id: u64) -> Option<Arc<R>> {
        self.0.lock().get(&id).and_then(Weak::upgrade)
    }

    /// Lets others join this read.
    pub(super) fn add(&self, ids: impl Iterator<Item = u64>, read: &Arc<R>) {
        let mut reads = self.0.lock();
        ids.for_each(|id| drop(reads.insert(id, Arc::downgrade(read))));
    }

    /// Nobody joins this read any more.
    pub(super) fn remove(&self, ids: impl Iterator<Item = u64>, read: &R) {
        let mut reads = self.0.lock();
        for id in ids {
            let known = reads.get(&id);
            if known.is_some_and(|known| std::ptr::eq(known.as_ptr(), read)) {
                reads.remove(&id);
            }
        }
    }
}
