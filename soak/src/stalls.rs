//! How long this program itself did not run, on a busy machine: [`Stalls`]. An answer may be late by that.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the clock is looked at.
const TICK: Duration = Duration::from_millis(50);

/// For how long a stall is remembered: a call that began before it may end after it.
const MEMORY: Duration = Duration::from_secs(30);

/// The times in which timers did not fire.
#[derive(Debug, Default)]
pub(crate) struct Stalls(Mutex<VecDeque<(Instant, Duration)>>);

impl Stalls {
    /// Watches the runtime that it is spawned on.
    pub(crate) async fn watch(&self) {
        loop {
            let begin = Instant::now();
            tokio::time::sleep(TICK).await;
            let late = begin.elapsed().saturating_sub(TICK);
            let mut stalls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if late > TICK {
                stalls.push_back((Instant::now(), late));
            }
            while stalls.front().is_some_and(|(at, _)| at.elapsed() > MEMORY) {
                stalls.pop_front();
            }
        }
    }

    /// By how much a call may be late: all that stood still lately.
    pub(crate) fn longest_of_late(&self) -> Duration {
        let stalls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stalls.iter().map(|(_, late)| *late).sum()
    }
}
