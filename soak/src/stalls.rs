//! How long this program itself did not run, on a busy machine: [`Stalls`]. An answer may be late by that.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often the clock is looked at.
const TICK: Duration = Duration::from_millis(50);

/// For how long a stall is remembered: a call that began before it may end after it.
const MEMORY: Duration = Duration::from_secs(30);

/// The times in which timers did not fire.
#[derive(Debug)]
pub(crate) struct Stalls(Mutex<Known>);

#[derive(Debug)]
struct Known {
    /// When each ended, and how long it was.
    ended: VecDeque<(Instant, Duration)>,
    /// When the timer that is to fire next was set.
    since: Instant,
}

impl Default for Stalls {
    fn default() -> Self {
        Self(Mutex::new(Known {
            ended: VecDeque::new(),
            since: Instant::now(),
        }))
    }
}

/// By how much a timer that was set then is late, if that counts as a stall.
fn lateness(since: Instant) -> Option<Duration> {
    let late = since.elapsed().saturating_sub(TICK);
    (late > TICK).then_some(late)
}

impl Stalls {
    /// Watches the runtime that it is spawned on.
    pub(crate) async fn watch(&self) {
        loop {
            let since = Instant::now();
            self.known().since = since;
            tokio::time::sleep(TICK).await;
            let mut known = self.known();
            if let Some(late) = lateness(since) {
                known.ended.push_back((Instant::now(), late));
            }
            while known
                .ended
                .front()
                .is_some_and(|(at, _)| at.elapsed() > MEMORY)
            {
                known.ended.pop_front();
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// By how much a call may be late: all that stood still lately, and what does so now. The caller may run before the timer
    /// that shows it.
    pub(crate) fn sum_of_late(&self) -> Duration {
        let known = self.known();
        let ended: Duration = known.ended.iter().map(|(_, late)| *late).sum();
        ended + lateness(known.since).unwrap_or_default()
    }
}
