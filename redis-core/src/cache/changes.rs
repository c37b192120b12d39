//! How often keys were changed: [`Changes`], by which a kept reply is known to be current.

use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU32, Ordering};

#[cfg(feature = "planted")]
use foldhash::fast::FixedState as Hashing;
#[cfg(not(feature = "planted"))]
use foldhash::fast::RandomState as Hashing;

/// A counter of changes for each key. A reply is current as long as the counters of its keys are what they were before
/// its command was sent.
///
/// There is a fixed number of counters, so that nothing grows with the number of keys. When keys share a counter, a change
/// of one makes the replies of the other count as old too; they are read again.
pub(super) struct Changes {
    counters: Box<[AtomicU32]>,
    /// Random, so that nobody can choose keys that share a counter; fixed in the simulation, which has to repeat.
    hasher: Hashing,
}

/// The hash of a key. It decides which counter the key has, and where replies for it are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyHash(pub(super) u64);

/// A key that a reply depends on, and the counter of the key before the command was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    pub(super) key: KeyHash,
    pub(super) count: u32,
}

impl Changes {
    /// Counters for a cache of this size: about one for each reply that there is room for.
    pub(super) fn new(max_bytes: usize) -> Self {
        const BYTES_PER_REPLY: usize = 256;
        const LEAST: usize = 1 << 10;
        const MOST: usize = 1 << 20;
        let count = (max_bytes / BYTES_PER_REPLY).clamp(LEAST, MOST);
        Self {
            counters: (0..count.next_power_of_two())
                .map(|_| AtomicU32::new(0))
                .collect(),
            hasher: Hashing::default(),
        }
    }

    /// The hash of some bytes.
    #[inline]
    pub(super) fn hash(&self, bytes: &[u8]) -> KeyHash {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(bytes);
        KeyHash(hasher.finish())
    }

    #[inline]
    fn counter(&self, key: KeyHash) -> Option<&AtomicU32> {
        // The lower bits choose the place in the store; these are others.
        let place = usize::try_from(key.0 >> 40).unwrap_or_default();
        self.counters.get(place & (self.counters.len() - 1))
    }

    /// How often the key was changed.
    #[inline]
    pub(super) fn count(&self, key: KeyHash) -> u32 {
        self.counter(key)
            .map_or(0, |counter| counter.load(Ordering::Acquire))
    }

    /// Counts a change. Returns `true` if the counter starts again from 0: then an old reply could pass for a current one.
    #[must_use]
    pub(super) fn add(&self, key: KeyHash) -> bool {
        let counter = self.counter(key);
        counter.is_some_and(|counter| counter.fetch_add(1, Ordering::AcqRel) == u32::MAX)
    }
}
