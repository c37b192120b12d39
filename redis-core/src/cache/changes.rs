//! How often keys were changed: [`Changes`], by which a kept reply is known to be current.

use std::hash::{BuildHasher, Hasher};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

#[cfg(feature = "planted")]
use foldhash::fast::FixedState as Hashing;
#[cfg(not(feature = "planted"))]
use foldhash::fast::RandomState as Hashing;

use crate::command::SLOTS;

/// A counter of changes for each key. A reply is current as long as the counters of its keys are what they were before
/// its command was sent.
///
/// There is a fixed number of counters, so that nothing grows with the number of keys. When keys share a counter, a change
/// of one makes the replies of the other count as old too; they are read again.
pub(super) struct Changes {
    counters: Box<[AtomicU32]>,
    /// One for each slot of a cluster, which counts how often the slot moved; empty if keys have no slots.
    slots: Box<[AtomicU32]>,
    /// Random, so that nobody can choose keys that share a counter; fixed in the simulation, which has to repeat.
    hasher: Hashing,
}

/// Adds 1. Returns `true` at each half of the range: if everything is forgotten then, the sum of two counters cannot come
/// back to what it was for a reply that is still kept.
fn add_to(counter: &AtomicU32) -> bool {
    const HALF: u32 = 1 << 31;
    let next = counter.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
    next.is_multiple_of(HALF)
}

/// The hash of a key. It decides which counter the key has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyHash(pub(super) u64);

impl KeyHash {
    /// The number of the lane that the key is read over, if there are `count` of them.
    #[inline]
    pub(super) fn lane(self, count: usize) -> usize {
        match count {
            1 => 0,
            count => usize::try_from(self.0 >> 33).unwrap_or_default() % count.max(1),
        }
    }
}

/// The hash of a command, by which its reply is found. If nothing follows its key, it is that of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CommandHash(pub(super) u64);

impl From<KeyHash> for CommandHash {
    #[inline]
    fn from(key: KeyHash) -> Self {
        Self(key.0)
    }
}

/// The hashes of a command with keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hashes {
    /// Of its first key.
    pub(super) key: KeyHash,
    pub(super) command: CommandHash,
}

/// What a reply is about: its first key, and in a cluster the slot of that key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) key: KeyHash,
    pub(super) slot: Option<u16>,
}

/// A key that a reply depends on, and the counter of the key before the command was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    pub(super) key: KeyHash,
    pub(super) count: u32,
}

impl Changes {
    /// Counters for a cache of this size: about one for each reply that there is room for.
    pub(super) fn new(max_bytes: usize, have_slots: bool) -> Self {
        const BYTES_PER_REPLY: usize = 256;
        const LEAST: usize = 1 << 10;
        const MOST: usize = 1 << 20;
        let count = (max_bytes / BYTES_PER_REPLY).clamp(LEAST, MOST);
        let counters = |count: usize| (0..count).map(|_| AtomicU32::new(0)).collect();
        let slots = if have_slots { SLOTS.into() } else { 0 };
        Self {
            counters: counters(count.next_power_of_two()),
            slots: counters(slots),
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

    /// The hashes of an encoded command whose first key is at this place.
    #[inline]
    pub(super) fn hashes(&self, command: &[u8], place: &Range<usize>) -> Option<Hashes> {
        const LINE_END: usize = 2;
        let mut hasher = self.hasher.build_hasher();
        hasher.write(command.get(place.clone())?);
        let key = KeyHash(hasher.finish());
        if place.end + LINE_END >= command.len() {
            let command = key.into();
            return Some(Hashes { key, command });
        }
        hasher.write(command.get(place.end..)?);
        let command = CommandHash(hasher.finish());
        Some(Hashes { key, command })
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

    /// How often the key was changed and its slot moved, together. As neither number goes back, the sum is the same only
    /// if both are.
    #[inline]
    pub(super) fn count_of(&self, subject: Subject) -> u32 {
        let Subject { key, slot } = subject;
        self.count_after(key, slot.map_or(0, |slot| self.moves(slot)))
    }

    /// The same of a key whose slot had moved this often.
    #[inline]
    pub(super) fn count_after(&self, key: KeyHash, moves: u32) -> u32 {
        self.count(key).wrapping_add(moves)
    }

    /// How often a slot moved.
    #[inline]
    pub(super) fn moves(&self, slot: u16) -> u32 {
        let counter = self.slots.get(usize::from(slot));
        counter.map_or(0, |counter| counter.load(Ordering::Acquire))
    }

    /// Counts a change. Returns `true` if everything has to be forgotten now: see [`add_to`].
    #[must_use]
    pub(super) fn add(&self, key: KeyHash) -> bool {
        self.counter(key).is_some_and(add_to)
    }

    /// Counts that a slot moved. Returns the same.
    #[must_use]
    pub(super) fn add_move(&self, slot: u16) -> bool {
        self.slots.get(usize::from(slot)).is_some_and(add_to)
    }
}
