//! What others can join while it is on its way: [`Joinable`].

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasherDefault;
use std::sync::{Arc, Weak};

use crate::cache::store::AsIs;
use crate::runtime::Lock;

/// The reads on their way, by the hashes of their commands. It keeps none of them alive.
pub(in crate::cache) struct Joinable<R> {
    by_hash: ByHash<OnTheirWay<R>>,
    /// Those that turn tracking on, with the epochs in which they do.
    beginners: Lock<Vec<(u32, Weak<R>)>>,
}

type ByHash<T> = Lock<HashMap<u64, T, BuildHasherDefault<AsIs>>>;

/// The reads of one command that are on their way.
struct OnTheirWay<R> {
    /// The one that began last; it may have ended.
    newest: Weak<R>,
    /// Which of the parts of that one answers the command.
    part: usize,
    count: usize,
}

impl<R> OnTheirWay<R> {
    /// Whether this one began last.
    fn ends_with(&self, read: &R) -> bool {
        std::ptr::eq(self.newest.as_ptr(), read)
    }
}

impl<R> Default for Joinable<R> {
    fn default() -> Self {
        Self {
            by_hash: Lock::default(),
            beginners: Lock::default(),
        }
    }
}

impl<R> Joinable<R> {
    /// The newest read of the command with this hash, and which of its parts that is.
    pub(in crate::cache) fn find(&self, id: u64) -> Option<(Arc<R>, usize)> {
        let reads = self.by_hash.lock();
        let OnTheirWay { newest, part, .. } = reads.get(&id)?;
        Some((newest.upgrade()?, *part))
    }

    /// Does `keep`, if this is the newest read of the command with this hash; none begins meanwhile.
    pub(super) fn if_newest(&self, id: u64, read: &R, keep: impl FnOnce()) {
        let reads = self.by_hash.lock();
        if reads.get(&id).is_some_and(|reads| reads.ends_with(read)) {
            keep();
        }
    }

    /// Whether this is the newest read of the command with this hash.
    pub(super) fn is_newest(&self, id: u64, read: &R) -> bool {
        let reads = self.by_hash.lock();
        reads.get(&id).is_some_and(|reads| reads.ends_with(read))
    }

    /// This read has begun. What `and` does is done before another one begins.
    pub(super) fn add(&self, ids: impl Iterator<Item = u64>, read: &Arc<R>, and: impl FnOnce()) {
        let mut reads = self.by_hash.lock();
        for (part, id) in ids.enumerate() {
            let of_id = OnTheirWay {
                newest: Arc::downgrade(read),
                part,
                count: reads.get(&id).map_or(0, |reads| reads.count) + 1,
            };
            reads.insert(id, of_id);
        }
        and();
    }

    /// A read that was added has ended.
    pub(super) fn remove(&self, ids: impl Iterator<Item = u64>) {
        let mut reads = self.by_hash.lock();
        for id in ids {
            if let Entry::Occupied(mut of_id) = reads.entry(id) {
                of_id.get_mut().count -= 1;
                if of_id.get().count == 0 {
                    of_id.remove();
                }
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
