//! The pauses between attempts.

use std::time::Duration;

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
}
