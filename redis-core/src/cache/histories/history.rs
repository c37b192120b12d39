//! What is known of each key, and which reads are too old: [`History`].

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;

use bytes::Bytes;

use crate::engine::link::Link;
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
    /// How many had ended at the last report of one that was applied.
    flushes_reported: AtomicU64,
    posted: Mutex<Vec<Posted>>,
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
            flushes_reported: AtomicU64::new(0),
            posted: Mutex::default(),
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
        self.read_posted();
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

    /// Notes what is true since the reports so far were applied.
    fn read_posted(&self) {
        let posted = std::mem::take(&mut *self.posted.lock().unwrap());
        for Posted { link, what } in posted {
            // All who listen on a socket are told under one lock, which this takes: the cache has applied the report by then.
            link.hub().needs(&*link);
            match what {
                What::Keys(keys) => {
                    for (number, version) in keys {
                        let reported = &self.keys[number].reported;
                        reported.fetch_max(version, Ordering::SeqCst);
                    }
                }
                What::Flushes(ended) => {
                    self.flushes_reported.fetch_max(ended, Ordering::SeqCst);
                }
            }
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

/// Listens to the reports on a socket; it is told before the cache is, so that what is read once the cache has applied a report is not older
/// than what this has posted.
pub(super) struct Observer {
    pub(super) history: Arc<History>,
    pub(super) link: Arc<Link>,
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer")
    }
}

/// A report that may not be applied yet.
struct Posted {
    link: Arc<Link>,
    what: What,
}

/// What is true once a report is applied.
enum What {
    /// No version of these keys below these is served.
    Keys(Vec<(usize, u64)>),
    /// This many flushes are over.
    Flushes(u64),
}

impl Observer {
    fn post(&self, what: What) {
        let link = self.link.clone();
        let mut posted = self.history.posted.lock().unwrap();
        posted.push(Posted { link, what });
    }

    fn post_flush(&self) {
        let ended = self.history.flushes_ended.load(Ordering::SeqCst);
        self.post(What::Flushes(ended));
    }
}

impl Invalidates for Observer {
    fn invalidate(&self, invalidation: &Invalidation, _: &mut Vec<Waker>) {
        let Invalidation::Keys(keys) = invalidation else {
            return self.post_flush();
        };
        let acknowledged = |key: &Bytes| {
            let number = std::str::from_utf8(key).ok()?.strip_prefix('k')?;
            let number = number.parse::<usize>().ok()?;
            let known = &self.history.keys[number];
            Some((number, known.acknowledged.load(Ordering::SeqCst)))
        };
        self.post(What::Keys(keys.iter().filter_map(acknowledged).collect()));
    }

    fn lost(&self, _: &mut Vec<Waker>) {
        self.post_flush();
    }

    fn end(&self, _: Cause, _: &mut Vec<Waker>) {}
}
