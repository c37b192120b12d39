//! A payload on its way: waiting for room, written, answered; sent again where that is safe.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::inflight::{
    Again, CellKey, Delivery, Failure, Limit, Parts, Patience, Payload, Submitted, WaiterKey,
};
use super::link::Link;
use super::trace::Trace;
use crate::error::{Error, Phase};

/// The state of a payload on its way; the payload itself is kept by whoever polls this.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    ticket: Ticket<'a>,
    trace: Trace,
}

/// The place in the queue, given up when the caller goes away.
#[derive(Debug)]
struct Ticket<'a> {
    link: &'a Link,
    state: State,
    /// Made for the few that need it: what is moved about with each request is kept small.
    slow: Option<Box<Slow>>,
}

#[derive(Debug)]
enum State {
    Fresh,
    InLine(WaiterKey),
    InFlight(CellKey),
    /// The server refused for a reason that passes; it is asked again after a pause.
    Pausing,
    Ended(Box<Failure>),
    /// It may not be sent at all.
    Refused(Error),
    Over,
}

/// What is known of a payload that is not answered at once.
#[derive(Debug, Default)]
struct Slow {
    /// Known once it stood in line, or came back to be sent again.
    deadline: Option<Instant>,
    /// Of its place in line, or of a pause.
    timer: Option<Pin<Box<Sleep>>>,
    /// What is sent in place of the payload: that one was refused for a reason that passes.
    again: Option<Box<Again>>,
    refusals: u32,
}

impl<'a> Exchange<'a> {
    #[inline]
    pub(crate) fn new(link: &'a Link, payload: &impl Payload) -> Self {
        Self {
            trace: Trace::start(&link.config, payload),
            ticket: Ticket {
                link,
                state: State::Fresh,
                slow: None,
            },
        }
    }

    /// Has it fail with `error`, and nothing sent.
    pub(crate) fn refuse(&mut self, error: Error) {
        self.ticket.state = State::Refused(error);
    }

    /// Queues it now, before the first poll; says whether it found room.
    pub(crate) fn submit(&mut self, payload: &mut impl Payload) -> bool {
        matches!(self.ticket.state, State::Fresh) && self.ticket.enqueue(payload, None)
    }

    #[inline]
    pub(crate) fn poll(
        &mut self,
        payload: &mut impl Payload,
        cx: &mut Context<'_>,
    ) -> Poll<Delivery> {
        let Self { ticket, trace } = self;
        let delivery = trace.within(|| ticket.advance(payload, cx));
        if let Poll::Ready(delivery) = &delivery {
            trace.end(delivery);
        }
        delivery
    }
}

impl Ticket<'_> {
    #[inline]
    fn advance(&mut self, payload: &mut impl Payload, cx: &mut Context<'_>) -> Poll<Delivery> {
        loop {
            match self.state {
                State::Fresh => {
                    if self.enqueue(payload, Some(cx.waker())) {
                        // The waker was left with it.
                        return Poll::Pending;
                    }
                }
                State::InFlight(key) => {
                    let delivery = ready!(self.link.poll_cell(key, cx.waker()));
                    self.state = State::Over;
                    match delivery {
                        Delivery::Parts(mut parts) => {
                            if !self.goes_again(payload, &mut parts) {
                                return Poll::Ready(Delivery::Parts(parts));
                            }
                        }
                        delivery if payload.waits_on(&delivery) => self.start_again(),
                        delivery => return Poll::Ready(delivery),
                    }
                }
                _ => {
                    if let Some(delivery) = ready!(self.wait(payload, cx)) {
                        return Poll::Ready(delivery);
                    }
                }
            }
        }
    }

    /// Waits in line or pauses, or gives what became of a payload that is not in flight.
    #[cold]
    fn wait(&mut self, payload: &mut impl Payload, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::InLine(place) => {
                self.state = State::InLine(place);
                ready!(self.poll_in_line(payload, cx));
            }
            State::Pausing => {
                self.state = State::Pausing;
                if let Some(pause) = &mut self.slow().timer {
                    ready!(pause.as_mut().poll(cx));
                }
                self.slow().timer = None;
                self.state = State::Fresh;
            }
            State::Ended(failure) => return Poll::Ready(Some(Delivery::failed(*failure))),
            State::Refused(error) => return Poll::Ready(Some(Delivery::Refused(error))),
            State::Over => return Poll::Ready(Some(Delivery::Refused(Error::ended()))),
            other @ (State::Fresh | State::InFlight(_)) => self.state = other,
        }
        Poll::Ready(None)
    }

    fn slow(&mut self) -> &mut Slow {
        self.slow.get_or_insert_default()
    }

    /// Says whether it found room.
    #[inline]
    fn enqueue(&mut self, payload: &mut impl Payload, waker: Option<&Waker>) -> bool {
        let submitted = match self.slow {
            None => {
                let terms = payload.terms();
                let limit = self.limit(terms.patience);
                self.link.submit(payload, terms, limit, None, waker)
            }
            Some(_) => self.submit_slowly(payload, waker),
        };
        match submitted {
            Submitted::Queued(key) => {
                self.state = State::InFlight(key);
                true
            }
            Submitted::Full(place) => {
                self.state = State::InLine(place);
                self.set_deadline(payload);
                false
            }
            Submitted::Ended(failure) => {
                self.state = State::Ended(failure);
                false
            }
        }
    }

    /// Sets the deadline of what stands in line, unless it is known.
    #[cold]
    fn set_deadline(&mut self, payload: &impl Payload) {
        let slow = self.slow();
        if slow.deadline.is_none() && slow.again.is_none() {
            let limit = self.limit(payload.terms().patience);
            self.slow().deadline = limit.from(Instant::now());
        }
    }

    #[cold]
    fn submit_slowly(&mut self, payload: &mut impl Payload, waker: Option<&Waker>) -> Submitted {
        let place = match self.state {
            State::InLine(place) => Some(place),
            _ => None,
        };
        let again = self.slow.as_mut().and_then(|slow| slow.again.take());
        let Some(mut again) = again else {
            let terms = payload.terms();
            let limit = self.limit(terms.patience);
            return self.link.submit(payload, terms, limit, place, waker);
        };
        let terms = again.terms();
        let limit = self.limit(terms.patience);
        let submitted = self.link.submit(&mut *again, terms, limit, place, waker);
        self.slow().again = Some(again);
        submitted
    }

    fn poll_in_line(&mut self, payload: &mut impl Payload, cx: &mut Context<'_>) -> Poll<()> {
        self.enqueue(payload, Some(cx.waker()));
        let State::InLine(place) = self.state else {
            self.slow().timer = None;
            return Poll::Ready(());
        };
        let slow = self.slow();
        let Some(deadline) = slow.deadline else {
            return Poll::Pending;
        };
        // Made here, in a task: `submit` may be called outside of a runtime, where there are no timers.
        let timer = slow
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        ready!(timer.as_mut().poll(cx));
        self.link.leave_line(place);
        self.link.count(|counts| counts.timeouts += 1);
        self.state = State::Ended(Box::new(Failure::Timeout(Phase::NotSent)));
        Poll::Ready(())
    }

    #[inline]
    fn limit(&self, patience: Patience) -> Limit {
        if let Some(deadline) = self.slow.as_ref().and_then(|slow| slow.deadline) {
            return Limit::At(deadline);
        }
        let usual = self.link.config.command_timeout;
        let patience = match patience {
            Patience::Default => usual,
            Patience::Extra(extra) => usual.map(|usual| usual.saturating_add(extra)),
            Patience::Only(patience) => Some(patience),
            Patience::Forever => None,
        };
        patience.map_or(Limit::None, Limit::Within)
    }

    /// Whether it is sent once more instead of handing `parts` over.
    #[cold]
    fn goes_again(&mut self, payload: &mut impl Payload, parts: &mut Parts) -> bool {
        if parts.error.is_some() {
            return false;
        }
        if let Some(again) = parts.again.take() {
            self.slow().again = Some(again);
            return self.pause(parts.deadline);
        }
        let again = payload.mend(&self.link.scripts, &parts.chunks);
        if again {
            let slow = self.slow();
            (slow.deadline, slow.again) = (parts.deadline, None);
            self.state = State::Fresh;
        }
        again
    }

    /// Has the payload queued once more, as if for the first time.
    #[cold]
    fn start_again(&mut self) {
        self.slow = None;
        self.state = State::Fresh;
    }

    /// Pauses before asking again, unless the deadline comes first.
    fn pause(&mut self, deadline: Option<Instant>) -> bool {
        let backoff = self.link.config.backoff;
        let slow = self.slow();
        slow.deadline = deadline;
        let pause = backoff.pause(slow.refusals);
        slow.refusals += 1;
        let again = deadline.is_none_or(|deadline| Instant::now() + pause < deadline);
        if again {
            slow.timer = Some(Box::pin(sleep(pause)));
            self.state = State::Pausing;
        }
        again
    }
}

impl Drop for Ticket<'_> {
    #[inline]
    fn drop(&mut self) {
        match self.state {
            State::InFlight(key) => self.link.abandon(key),
            State::InLine(place) => self.link.leave_line(place),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Ticket;

    #[test]
    fn what_every_request_carries_is_small() {
        assert!(size_of::<Ticket<'_>>() <= 32);
    }
}
