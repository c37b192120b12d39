//! The time since a cache was made: [`Clock`].

use std::time::Duration;

use coarsetime::Instant as Coarse;
use tokio::time::Instant;

use crate::runtime::simulated::is_simulated;

/// Tells the time in two ways: exactly, and cheaply. The exact way takes as long as finding a reply in memory, so it is used
/// only where a millisecond matters.
pub(super) struct Clock {
    exact: Instant,
    coarse: Coarse,
}

/// The longest step of the cheap clock: it shows a moment at most this long after it has passed. That is 1 to 10 ms on Linux,
/// and 16 ms on Windows.
const TICK: Duration = Duration::from_millis(16);

/// A moment as the cheap way tells it, which may be some milliseconds late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(pub(super) u64);

impl Clock {
    pub(super) fn new() -> Self {
        Self {
            exact: Instant::now(),
            coarse: Coarse::now_without_cache_update(),
        }
    }

    /// The milliseconds since this was made.
    pub(super) fn milliseconds(&self) -> u64 {
        milliseconds(self.exact.elapsed())
    }

    /// This moment.
    #[inline]
    pub(super) fn moment(&self) -> Moment {
        if is_simulated() {
            return Moment(coarsetime::Duration::from(self.exact.elapsed()).as_ticks());
        }
        let now = Coarse::now_without_cache_update().as_ticks();
        // Whatever the clock of the system does, time does not go back behind the beginning.
        Moment(now.saturating_sub(self.coarse.as_ticks()))
    }
}

impl Moment {
    /// How far it is behind an earlier one.
    #[inline]
    pub(super) fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// How far moments may be apart if no more than this time lies between; `None` if the cheap clock cannot tell.
    pub(super) fn distance(time: Duration) -> Option<u64> {
        let surely = time.checked_sub(TICK)?;
        Some(coarsetime::Duration::from(surely).as_ticks())
    }
}

/// As many milliseconds as there fit.
pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
