//! When the driver is polled next, and what is past its deadline by then.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::time::{Instant, Sleep, sleep_until};

use crate::engine::link::Link;

/// Fails what is past its deadline, and sets the timer to the next deadline, or to `also` if that
/// is earlier. Sees to it that callers who do not come when there is room for them hold up nobody.
pub(super) fn keep_deadlines(
    link: &Link,
    timer: &mut Timer,
    woken: &mut Vec<Waker>,
    also: Option<Instant>,
    now: Instant,
    cx: &mut Context<'_>,
) {
    let (deadline, turn_over) = link.with(woken, |queue, woken| {
        let deadline = queue.expire(now, woken);
        let turn_over = match queue.has_line() {
            true => queue.look_after_line(now, woken),
            false => None,
        };
        (deadline, turn_over)
    });
    let next = earlier(earlier(deadline, turn_over), also);
    if let Some(next) = next
        && timer.poll(next, now, cx).is_ready()
    {
        cx.waker().wake_by_ref();
    }
}

/// The earlier of two moments; `None` is never.
#[inline]
pub(super) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// One timer. It is only moved if it has to fire earlier or has fired: deadlines change with every command, and
/// moving a timer is slow.
#[derive(Default)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// The waker that it wakes.
    waker: Option<Waker>,
}

impl Timer {
    /// Ready if `instant` is past; otherwise wakes the task then, or a little earlier.
    pub(super) fn poll(
        &mut self,
        instant: Instant,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if self.fires_by(instant, now, cx) {
            return Poll::Pending;
        }
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(instant)));
        if sleep.deadline() > instant || sleep.is_elapsed() {
            sleep.as_mut().reset(instant);
        }
        self.waker = Some(cx.waker().clone());
        ready!(sleep.as_mut().poll(cx));
        if Instant::now() >= instant {
            return Poll::Ready(());
        }
        sleep.as_mut().reset(instant);
        sleep.as_mut().poll(cx)
    }

    /// Whether it is set already, and fires at `instant` at the latest.
    fn fires_by(&self, instant: Instant, now: Instant, cx: &Context<'_>) -> bool {
        let known = self.waker.as_ref();
        known.is_some_and(|waker| waker.will_wake(cx.waker()))
            && self
                .sleep
                .as_ref()
                .is_some_and(|sleep| now < sleep.deadline() && sleep.deadline() <= instant)
    }
}
