//! The pauses between attempts.

use std::time::Duration;

use tokio::time::Instant;

/// What an attempt needs to be answered before its deadline: as long as the last one took, within these limits.
const LEAST: Duration = Duration::from_millis(5);
const MOST: Duration = Duration::from_millis(100);

/// How long to wait between attempts to connect. The pauses begin with `first`, and are doubled each time, up to
/// `longest`. Each is then shortened at random, to between half of it and all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(20),
            longest: Duration::from_secs(2),
        }
    }
}

impl Backoff {
    /// The pause before attempt number `attempt`; the first is 0. The longest pause is random too, so that many
    /// clients do not come back at the same moment.
    #[must_use]
    pub fn pause(&self, attempt: u32) -> Duration {
        let full = self
            .first
            .saturating_mul(2u32.saturating_pow(attempt.min(31)))
            .min(self.longest);
        full - full.mul_f64(fastrand::f64() * 0.5)
    }

    /// The same for an attempt that must be answered by a deadline, when the last one `took` that long. If the pause leaves too
    /// little time for it, it is half of what is left. `None` if there is no time for another attempt.
    pub(crate) fn pause_until(
        &self,
        deadline: Option<Instant>,
        attempt: u32,
        took: Duration,
    ) -> Option<Duration> {
        let pause = self.pause(attempt);
        let Some(deadline) = deadline else {
            return Some(pause);
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let needed = took.clamp(LEAST, MOST);
        if pause.saturating_add(needed) <= left {
            return Some(pause);
        }
        let half = left / 2;
        (half >= needed).then_some(half)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_leaves_no_time_for_the_attempt_is_shorter_or_the_last() {
        let ms = Duration::from_millis;
        let backoff = Backoff {
            first: ms(1_000),
            longest: ms(1_000),
        };
        let pause = |left, took| {
            let deadline = Instant::now() + ms(left);
            backoff.pause_until(Some(deadline), 0, ms(took))
        };
        assert!(pause(2_000, 0) >= Some(ms(500)));
        assert_eq!(pause(400, 0), Some(ms(200)));
        assert_eq!(pause(10, 0), Some(ms(5)));
        assert_eq!(pause(9, 0), None);
        // The next attempt may take as long as the last one; but one that was lost says little of the next.
        assert_eq!(pause(100, 40), Some(ms(50)));
        assert_eq!(pause(100, 60), None);
        assert_eq!(pause(300, 5_000), Some(ms(150)));
        assert!(backoff.pause_until(None, 0, ms(5_000)) >= Some(ms(500)));
    }
}
