//! How a node fares as a source of reads: [`Health`].

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How a node fares as a source of reads.
#[derive(Debug, Default)]
pub(super) struct Health {
    is_sick: AtomicBool,
    is_asked: AtomicBool,
    /// The last round trip in microseconds; 0 before the first.
    round_trip: AtomicU64,
    zone: OnceLock<Option<String>>,
}

impl Health {
    /// Whether it can be read from, as far as is known.
    pub(super) fn is_well(&self) -> bool {
        !self.is_sick.load(Ordering::Acquire)
    }

    /// It did not answer as a node does that can be read from; it is left out until it was asked again.
    pub(super) fn note_failure(&self) {
        self.is_sick.store(true, Ordering::Release);
    }

    /// The last round trip; the longest time of all before the first.
    pub(super) fn round_trip(&self) -> u64 {
        self.round_trip.load(Ordering::Relaxed).wrapping_sub(1)
    }

    /// Begins to ask it; `false` if it is being asked already.
    pub(super) fn begins_to_ask(&self) -> bool {
        !self.is_asked.swap(true, Ordering::AcqRel)
    }

    /// It was asked.
    pub(super) fn ends_to_ask(&self) {
        self.is_asked.store(false, Ordering::Release);
    }

    /// It answered after this time.
    pub(super) fn note_answer(&self, after: Duration, is_well: bool) {
        let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        self.round_trip
            .store(micros.saturating_add(1), Ordering::Relaxed);
        self.is_sick.store(!is_well, Ordering::Release);
    }

    /// Whether its zone is known, or that it has none.
    pub(super) fn knows_zone(&self) -> bool {
        self.zone.get().is_some()
    }

    pub(super) fn note_zone(&self, zone: Option<String>) {
        // It does not change; another probe may have been faster.
        let _ = self.zone.set(zone);
    }

    pub(super) fn is_in_zone(&self, zone: &str) -> bool {
        let known = self.zone.get().and_then(Option::as_deref);
        known == Some(zone)
    }
}
