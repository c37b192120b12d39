//! What is known of each key, and which reads are too old: [`History`].

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;

use crate::engine::subscriptions::cause::Cause;
use crate::engine::subscriptions::invalidation::{Invalidates, Invalidation};

pub(super) const KEYS: usize = 1_000;
/// Every key with a number that this divides expires soon after each write.
pub(super) const EXPIRING: usize = 10;

/// What is known about one key.
#[derive(Default)]
struct Known {
    /// The last version that a writer was told to be written.
    acknowledged: AtomicU64,
    /// The same at the last report, while the report is being applied.
    reporting: AtomicU64,
    /// The same at the last report that was applied.
    reported: AtomicU64,
    /// The newest version that the handle returned.
    returned: Mutex<Returned>,
}

#[derive(Default, Clone, Copy)]
struct Returned {
    version: u64,
    /// How many flushes had been reported when its read began: it was there after them.
    flushes: u64,
}

/// What must not be undercut by a read, as its beginning finds it.
#[derive(Clone, Copy)]
pub(super) struct Bound {
    version: u64,
    returned: Returned,
    flushes: u64,
}

pub(super) struct History {
    keys: Vec<Known>,
    pub(super) flushes_begun: AtomicU64,
    pub(super) flushes_ended: AtomicU64,
    /// How many had ended when a flush was reported, while the report is being applied.
    flushes_reporting: AtomicU64,
    /// The same at the last such report that was applied.
    flushes_reported: AtomicU64,
    /// Whether the server may evict keys at any time.
    pub(super) evicts: bool,
    pub(super) reads: AtomicUsize,
    pub(super) absent: AtomicUsize,
    /// Whether each fault has had its turn. Before that, reading goes on.
    pub(super) disturbed: AtomicBool,
    over: AtomicBool,
    pub(super) violations: Mutex<Vec<String>>,
}

impl History {
    pub(super) fn new(evicts: bool) -> Arc<Self> {
        Arc::new(Self {
            keys: (0..KEYS).map(|_| Known::default()).collect(),
            flushes_begun: AtomicU64::new(0),
            flushes_ended: AtomicU64::new(0),
            flushes_reporting: AtomicU64::new(0),
            flushes_reported: AtomicU64::new(0),
            evicts,
            reads: AtomicUsize::new(0),
            absent: AtomicUsize::new(0),
            disturbed: AtomicBool::new(false),
            over: AtomicBool::new(false),
            violations: Mutex::default(),
        })
    }

    /// What must not be undercut by a read that begins now.
    pub(super) fn bound(&self, number: usize) -> Bound {
        let known = &self.keys[number];
        let flushes = self.flushes_reported.load(Ordering::SeqCst);
        let returned = *known.returned.lock().unwrap();
        let reported = known.reported.load(Ordering::SeqCst);
        Bound {
            version: returned.version.max(reported),
            returned,
            flushes,
        }
    }

    /// A writer was told that this version is written.
    pub(super) fn acknowledge(&self, number: usize, version: u64) {
        let known = &self.keys[number];
        known.acknowledged.fetch_max(version, Ordering::SeqCst);
    }

    /// Checks what a read has brought that began with this bound.
    pub(super) fn check(&self, number: usize, bound: Bound, version: Option<u64>) {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let Some(version) = version else {
            self.absent.fetch_add(1, Ordering::Relaxed);
            let may_be_absent = bound.returned.version == 0
                || self.evicts
                || number.is_multiple_of(EXPIRING)
                || self.flushes_begun.load(Ordering::SeqCst) > bound.returned.flushes;
            if !may_be_absent {
                let version = bound.returned.version;
                self.note(format!("{number}: absent after version {version}"));
            }
            return;
        };
        if version < bound.version {
            let (least, returned) = (bound.version, bound.returned.version);
            self.note(format!(
                "{number}: version {version} after {least}, returned before: {returned}"
            ));
        }
        let mut returned = self.keys[number].returned.lock().unwrap();
        if version > returned.version {
            *returned = Returned {
                version,
                flushes: bound.flushes,
            };
        }
    }

    pub(super) fn note(&self, violation: String) {
        self.violations.lock().unwrap().push(violation);
    }

    /// Everything that was read before is forgotten; called before the cache does so, or after it.
    fn flushed(&self, is_first: bool) {
        if is_first {
            let ended = self.flushes_ended.load(Ordering::SeqCst);
            self.flushes_reporting.store(ended, Ordering::SeqCst);
        } else {
            let ended = self.flushes_reporting.load(Ordering::SeqCst);
            self.flushes_reported.fetch_max(ended, Ordering::SeqCst);
        }
    }

    /// Whether this is enough to read.
    pub(super) fn suffices(&self, reads: usize) -> bool {
        self.reads.load(Ordering::Relaxed) >= reads && self.disturbed.load(Ordering::Relaxed)
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
}

/// Whoever has it ends the run for all when it ends itself, also by a panic: nobody waits for ever for what it was to do.
pub(super) struct Ends(pub(super) Arc<History>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::SeqCst);
    }
}

/// Listens before the cache does, or after it.
#[derive(Clone)]
pub(super) struct Observer {
    pub(super) history: Arc<History>,
    pub(super) is_first: bool,
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer")
    }
}

impl Invalidates for Observer {
    fn invalidate(&self, invalidation: &Invalidation, _: &mut Vec<Waker>) {
        let Invalidation::Keys(keys) = invalidation else {
            return self.history.flushed(self.is_first);
        };
        for key in keys {
            let number = std::str::from_utf8(key)
                .ok()
                .and_then(|key| key.strip_prefix('k'));
            let Some(number) = number.and_then(|number| number.parse::<usize>().ok()) else {
                continue;
            };
            let known = &self.history.keys[number];
            if self.is_first {
                let acknowledged = known.acknowledged.load(Ordering::SeqCst);
                known.reporting.store(acknowledged, Ordering::SeqCst);
            } else {
                let reporting = known.reporting.load(Ordering::SeqCst);
                known.reported.fetch_max(reporting, Ordering::SeqCst);
            }
        }
    }

    fn lost(&self, _: &mut Vec<Waker>) {
        self.history.flushed(self.is_first);
    }

    fn end(&self, _: Cause, _: &mut Vec<Waker>) {}
}
