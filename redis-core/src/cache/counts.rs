//! What is counted: [`CacheStats`].

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What happened to a cache since it was made, and what is in it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CacheStats {
    /// Replies that were served from memory.
    pub hits: u64,
    /// Reads that were not in memory: those that were sent, and those that waited for the same read of another caller.
    pub misses: u64,
    /// Of the misses, those that waited for the same read of another caller.
    pub shared: u64,
    /// Replies that were dropped because one of their keys was changed. The reply to a command with nothing but one key is dropped
    /// when the change is known; any other one, such as that to HGET, when it is asked for again.
    pub invalidations: u64,
    /// Replies that gave way to others.
    pub evictions: u64,
    /// How often everything was dropped: a lost socket, FLUSHALL, a command that may have changed anything.
    pub flushes: u64,
    /// Replies that are kept.
    pub replies: usize,
    /// What they count against [`Cache::max_bytes`](super::Cache::max_bytes).
    pub bytes: u64,
    /// The connections whose servers report changes; only their replies are kept. In a cluster these are primaries. The reports begin with the first read; in the
    /// broadcasting mode also with [`Cached::dropped`](super::Cached::dropped).
    pub tracking: usize,
}

/// How many threads have a counter of their own.
const OWN: usize = 64;

/// The counters. Threads count hits apart, so that they do not wait for the same piece of memory.
pub(super) struct Counts {
    /// Each has one thread that writes to it.
    hits: [Apart; OWN],
    /// Hits of the threads for which there is none.
    other_hits: AtomicU64,
    misses: AtomicU64,
    shared: AtomicU64,
    invalidations: AtomicU64,
    flushes: AtomicU64,
}

/// A counter that shares its cache lines with no other.
#[derive(Default)]
#[repr(align(128))]
struct Apart(AtomicU64);

impl Default for Counts {
    fn default() -> Self {
        Self {
            hits: std::array::from_fn(|_| Apart::default()),
            other_hits: AtomicU64::default(),
            misses: AtomicU64::default(),
            shared: AtomicU64::default(),
            invalidations: AtomicU64::default(),
            flushes: AtomicU64::default(),
        }
    }
}

impl Counts {
    /// Counts a hit.
    #[inline]
    pub(super) fn hit(&self) {
        match self.hits.get(thread_number()) {
            // Nobody else writes to it, so that no costly instruction is needed.
            Some(Apart(hits)) => {
                hits.store(hits.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            }
            None => self.hit_of_another(),
        }
    }

    #[cold]
    fn hit_of_another(&self) {
        self.other_hits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn missed(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn joined(&self) {
        self.shared.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn invalidated(&self, replies: u64) {
        if replies > 0 {
            self.invalidations.fetch_add(replies, Ordering::Relaxed);
        }
    }

    pub(super) fn flushed(&self) {
        self.flushes.fetch_add(1, Ordering::Relaxed);
    }

    /// The present values of what is counted here.
    pub(super) fn read(&self) -> CacheStats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheStats {
            hits: load(&self.other_hits) + self.hits.iter().map(|hits| load(&hits.0)).sum::<u64>(),
            misses: load(&self.misses),
            shared: load(&self.shared),
            invalidations: load(&self.invalidations),
            flushes: load(&self.flushes),
            ..CacheStats::default()
        }
    }
}

/// The number of this thread; threads are numbered as they first ask.
#[inline]
fn thread_number() -> usize {
    const NONE: usize = usize::MAX;
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(NONE) };
    }
    NUMBER.with(|number| {
        if number.get() == NONE {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        number.get()
    })
}
