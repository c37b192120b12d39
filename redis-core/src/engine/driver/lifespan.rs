//! When a socket that still works is given up: it is too old, or was not used for long.

use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::end::End;
use crate::engine::inflight::Order;
use crate::engine::link::Link;
use crate::runtime::after;

pub(super) struct Lifespan {
    /// When it is replaced.
    old_at: Option<Instant>,
    /// How long it may be unused before it is closed; `None` if it is always kept.
    idle: Option<Duration>,
    /// The count of answered commands at the last check, and when it last changed.
    answered: u64,
    used: Instant,
}

impl Lifespan {
    pub(super) fn new(link: &Link, now: Instant) -> Self {
        Self {
            old_at: link.max_age().and_then(|age| now.checked_add(age)),
            idle: link.sleeps_after,
            answered: link.counts().answers(),
            used: now,
        }
    }

    /// Ends an unused socket, and replaces an old one as soon as nothing is in flight on it. Returns when to check
    /// again.
    #[inline]
    pub(super) fn check(
        &mut self,
        link: &Link,
        now: Instant,
        woken: &mut Vec<Waker>,
    ) -> Result<Option<Instant>, End> {
        // Most sockets are kept for good.
        if self.old_at.is_none() && self.idle.is_none() {
            return Ok(None);
        }
        self.check_times(link, now, woken)
    }

    #[inline(never)]
    fn check_times(
        &mut self,
        link: &Link,
        now: Instant,
        woken: &mut Vec<Waker>,
    ) -> Result<Option<Instant>, End> {
        if self.old_at.is_some_and(|old| old <= now) {
            self.old_at = None;
            link.order(Order::Renew);
        }
        let idle_at = self.check_use(link, woken, now)?;
        Ok(self.old_at.into_iter().chain(idle_at).min())
    }

    fn check_use(
        &mut self,
        link: &Link,
        woken: &mut Vec<Waker>,
        now: Instant,
    ) -> Result<Option<Instant>, End> {
        let Some(idle) = self.idle else {
            return Ok(None);
        };
        let (answered, empty) =
            link.with(woken, |queue, _| (queue.counts.answers(), queue.is_idle()));
        if answered != self.answered || !empty || link.hub().needs(link) {
            (self.answered, self.used) = (answered, now);
        }
        let idle_at = after(self.used, idle);
        if idle_at <= now {
            return Err(End::Unused);
        }
        Ok(Some(idle_at))
    }
}
