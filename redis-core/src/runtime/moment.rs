//! Moments that lie a duration after another, however long it is.

use std::time::Duration;

use tokio::time::Instant;

/// Whoever waits for longer waits for ever: 30 years. Clocks cannot count much longer ones.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The moment that comes `time` after another; no later than [`FAR`] after it. Durations may come from users and servers,
/// and a plain sum panics on one that is too long.
pub(crate) fn after(moment: Instant, time: Duration) -> Instant {
    moment + time.min(FAR)
}

/// The moment that comes after this time.
pub(crate) fn from_now(time: Duration) -> Instant {
    after(Instant::now(), time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_duration_leads_to_a_moment_far_away() {
        let now = Instant::now();
        let far = after(now, Duration::MAX);
        assert_eq!(far, now + FAR);
        assert!(after(far, Duration::MAX) > far);
        assert_eq!(
            after(now, Duration::from_secs(1)),
            now + Duration::from_secs(1)
        );
    }
}
