//! What a call may be told because it has too little time, or is made on one node: [`Excuses`].

use std::time::Duration;

use tokio::time::Instant;

/// The longest that an attempt takes where nothing breaks.
const ATTEMPT: Duration = Duration::from_millis(30);

/// What the call that runs may be told, and from when on. All of it begins anew with each call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Excuses {
    /// Whether the calls are made on a leased socket, of one node.
    pub(super) is_leased: bool,
    /// Whether the calls may have to wait for the leases of others.
    pub(super) waits_for_others: bool,
    sees_redirects: Option<Instant>,
    may_time_out: bool,
    has_time_until: Instant,
}

impl Excuses {
    /// Of a call that has no time at all.
    pub(super) fn new() -> Self {
        Self {
            is_leased: false,
            waits_for_others: false,
            sees_redirects: None,
            may_time_out: false,
            has_time_until: Instant::now(),
        }
    }

    /// A call begins, with this deadline of its own if it has one, and otherwise with the usual one.
    pub(super) fn begin(&mut self, own: Option<Duration>, usual: Duration) {
        let now = Instant::now();
        self.has_time_until = now + own.unwrap_or(usual);
        self.may_time_out = own.is_some() || self.waits_for_others;
        self.sees_redirects = if self.is_leased {
            Some(now)
        } else {
            // Whoever has too little time for one more attempt is told why it was not enough.
            own.map(|_| now.max(self.has_time_until - ATTEMPT))
        };
    }

    /// How much too early the call would time out now, if it would.
    pub(super) fn time_left(&self) -> Option<Duration> {
        let left = self
            .has_time_until
            .saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Whether its time may be over where nothing breaks.
    pub(super) fn may_time_out(&self) -> bool {
        self.may_time_out
    }

    /// Whether a redirect is for the caller to see now.
    pub(super) fn sees_redirects(&self) -> bool {
        self.sees_redirects
            .is_some_and(|from| Instant::now() >= from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_call_has_no_excuses_of_the_one_before() {
        let mut excuses = Excuses::new();
        excuses.begin(Some(Duration::from_millis(1)), USUAL);
        assert!(excuses.sees_redirects() && excuses.may_time_out());
        assert_eq!(excuses.time_left(), Some(Duration::from_millis(1)));
        excuses.begin(None, USUAL);
        assert!(!excuses.sees_redirects() && !excuses.may_time_out());
        assert_eq!(excuses.time_left(), Some(USUAL));
    }

    #[tokio::test(start_paused = true)]
    async fn what_holds_for_the_step_holds_for_each_of_its_calls() {
        let mut excuses = Excuses::new();
        (excuses.is_leased, excuses.waits_for_others) = (true, true);
        for _ in 0..2 {
            excuses.begin(None, USUAL);
            assert!(excuses.sees_redirects() && excuses.may_time_out());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn redirects_are_seen_when_there_is_no_time_for_one_more_attempt() {
        let mut excuses = Excuses::new();
        excuses.begin(Some(2 * ATTEMPT), USUAL);
        assert!(!excuses.sees_redirects());
        tokio::time::sleep(ATTEMPT).await;
        assert!(excuses.sees_redirects());
    }
}
