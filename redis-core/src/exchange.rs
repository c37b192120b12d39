//! A payload on its way: waiting for room, written, answered; sent again where that is safe.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::connection::Link;
use crate::error::Phase;
use crate::inflight::{
    Again, CellKey, Delivery, Failure, Limit, Parts, Payload, Submitted, WaiterKey,
};
use crate::trace::Trace;

/// How long something may take, from its first poll to its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As the connection is configured.
    Default,
    /// So long beyond what the configuration grants; for commands that the server holds for so long.
    Extra(Duration),
    Only(Duration),
    Forever,
}

/// The state of a payload on its way; the payload itself is kept by whoever polls this.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    ticket: Ticket<'a>,
    /// Known once it stood in line, or came back to be sent again.
    deadline: Option<Instant>,
    /// What is sent in place of the payload: that one was refused for a reason that passes.
    again: Option<Box<Again>>,
    refusals: u32,
    trace: Trace,
}

/// The place in the queue, given up when the caller goes away.
#[derive(Debug)]
struct Ticket<'a> {
    link: &'a Link,
    state: State,
}

#[derive(Debug)]
enum State {
    Fresh,
    InLine(WaiterKey, Option<Pin<Box<Sleep>>>),
    InFlight(CellKey),
    /// The server refused for a reason that passes; it is asked again after a pause.
    Pausing(Pin<Box<Sleep>>),
    Ended(Box<Failure>),
    Over,
}

impl<'a> Exchange<'a> {
    pub(crate) fn new(link: &'a Link, payload: &impl Payload) -> Self {
        Self {
            trace: Trace::start(&link.config, payload),
            ticket: Ticket {
                link,
                state: State::Fresh,
            },
            deadline: None,
            again: None,
            refusals: 0,
        }
    }

    /// Queues it now, before the first poll; says whether it found room.
    pub(crate) fn submit(&mut self, payload: &mut impl Payload) -> bool {
        if matches!(self.ticket.state, State::Fresh) {
            self.enqueue(payload, None);
        }
        matches!(self.ticket.state, State::InFlight(_))
    }

    #[inline]
    pub(crate) fn poll(
        &mut self,
        payload: &mut impl Payload,
        cx: &mut Context<'_>,
    ) -> Poll<Delivery> {
        let trace = std::mem::take(&mut self.trace);
        let delivery = trace.within(|| self.advance(payload, cx));
        if let Poll::Ready(delivery) = &delivery {
            trace.end(delivery);
        }
        self.trace = trace;
        delivery
    }

    #[inline]
    fn advance(&mut self, payload: &mut impl Payload, cx: &mut Context<'_>) -> Poll<Delivery> {
        loop {
            match &mut self.ticket.state {
                State::Fresh => {
                    self.enqueue(payload, Some(cx.waker()));
                    if matches!(self.ticket.state, State::InFlight(_)) {
                        // The waker was left with it.
                        return Poll::Pending;
                    }
                }
                State::InLine(..) => ready!(self.poll_in_line(payload, cx)),
                State::InFlight(key) => {
                    let mut delivery = ready!(self.ticket.link.poll_cell(*key, cx.waker()));
                    self.ticket.state = State::Over;
                    let goes_again = match &mut delivery {
                        Delivery::Reply(_) => false,
                        Delivery::Parts(parts) => self.goes_again(payload, parts),
                    };
                    if !goes_again {
                        return Poll::Ready(delivery);
                    }
                }
                State::Pausing(pause) => {
                    ready!(pause.as_mut().poll(cx));
                    self.ticket.state = State::Fresh;
                }
                State::Ended(failure) => {
                    let failure = Failure::clone(failure);
                    self.ticket.state = State::Over;
                    return Poll::Ready(Delivery::failed(failure));
                }
                State::Over => {
                    return Poll::Ready(Delivery::failed(Failure::Closed(Phase::NotSent)));
                }
            }
        }
    }

    #[inline]
    fn enqueue(&mut self, payload: &mut impl Payload, waker: Option<&Waker>) {
        let place = match &self.ticket.state {
            State::InLine(place, _) => Some(*place),
            _ => None,
        };
        let limit = self.limit(payload);
        let link = self.ticket.link;
        let submitted = match &mut self.again {
            None => link.submit(payload, limit, place, waker),
            Some(again) => link.submit(&mut **again, limit, place, waker),
        };
        match submitted {
            Submitted::Queued(key) => self.ticket.state = State::InFlight(key),
            Submitted::Full(place) => {
                self.deadline = limit.from(Instant::now());
                match &mut self.ticket.state {
                    State::InLine(known, _) => *known = place,
                    _ => self.ticket.state = State::InLine(place, None),
                }
            }
            Submitted::Ended(failure) => self.ticket.state = State::Ended(Box::new(failure)),
        }
    }

    fn poll_in_line(&mut self, payload: &mut impl Payload, cx: &mut Context<'_>) -> Poll<()> {
        self.enqueue(payload, Some(cx.waker()));
        let State::InLine(place, timer) = &mut self.ticket.state else {
            return Poll::Ready(());
        };
        let Some(deadline) = self.deadline else {
            return Poll::Pending;
        };
        // Made here, in a task: `submit` may be called outside of a runtime, where there are no timers.
        let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        ready!(timer.as_mut().poll(cx));
        self.ticket.link.leave_line(*place);
        self.ticket.link.count(|counts| counts.timeouts += 1);
        self.ticket.state = State::Ended(Box::new(Failure::Timeout(Phase::NotSent)));
        Poll::Ready(())
    }

    #[inline]
    fn limit(&self, payload: &impl Payload) -> Limit {
        if let Some(deadline) = self.deadline {
            return Limit::At(deadline);
        }
        let usual = self.ticket.link.config.command_timeout;
        let patience = match payload.patience() {
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
            self.again = Some(again);
            return self.pause(parts.deadline);
        }
        let again = payload.mend(&self.ticket.link.scripts, &parts.chunks);
        if again {
            self.deadline = parts.deadline;
            self.again = None;
            self.ticket.state = State::Fresh;
        }
        again
    }

    /// Pauses before asking again, unless the deadline comes first.
    fn pause(&mut self, deadline: Option<Instant>) -> bool {
        self.deadline = deadline;
        let pause = self.ticket.link.config.backoff.pause(self.refusals);
        self.refusals += 1;
        let again = deadline.is_none_or(|deadline| Instant::now() + pause < deadline);
        if again {
            self.ticket.state = State::Pausing(Box::pin(sleep(pause)));
        }
        again
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        match self.state {
            State::InFlight(key) => self.link.abandon(key),
            State::InLine(place, _) => self.link.leave_line(place),
            _ => {}
        }
    }
}
