//! What all parts of a simulated world share: [`World`].

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::ledger::Ledger;
use super::trace::Trace;
use super::violation::Violation;

/// What all parts share.
pub(crate) struct World {
    pub(crate) seed: u64,
    trace: Mutex<Trace>,
    ledger: Mutex<Ledger>,
    violation: Mutex<Option<Violation>>,
    violated: Notify,
}

impl World {
    pub(crate) fn new(seed: u64, with_lines: bool) -> Self {
        Self {
            seed,
            trace: Mutex::new(Trace::new(with_lines)),
            ledger: Mutex::new(Ledger::default()),
            violation: Mutex::new(None),
            violated: Notify::new(),
        }
    }

    /// Notes an event; see [`Trace::note`].
    pub(crate) fn note(&self, a: u64, b: u64, text: impl FnOnce() -> String) {
        lock(&self.trace).note(a, b, text);
    }

    pub(crate) fn trace(&self) -> MutexGuard<'_, Trace> {
        lock(&self.trace)
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// Notes that a rule was broken. Only the first time counts: what follows may be its consequence.
    pub(crate) fn violate(&self, rule: &'static str, text: String) {
        self.note(0xbad, 0, || format!("VIOLATION: {rule}: {text}"));
        lock(&self.violation).get_or_insert(Violation { rule, text });
        self.violated.notify_one();
    }

    /// Waits until a rule is broken.
    pub(crate) async fn violated(&self) {
        self.violated.notified().await;
    }

    /// Notes what a check of the ledger found.
    pub(crate) fn judge(&self, outcome: Result<(), Violation>) {
        if let Err(Violation { rule, text }) = outcome {
            self.violate(rule, text);
        }
    }

    pub(crate) fn violation(&self) -> Option<Violation> {
        lock(&self.violation).clone()
    }
}

/// Locks a mutex. Nothing panics while one of a world is held, and a world has only one thread.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
