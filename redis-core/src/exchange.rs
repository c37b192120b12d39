//! A payload on its way: waiting for room, written, answered; sent again where that is safe.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::connection::Link;
use crate::error::Phase;
use crate::inflight::{CellKey, Delivery, Failure, Payload, Submitted, WaiterKey};
use crate::trace::Trace;

/// How often something that may be repeated is sent after losses of the connection.
const SENDINGS: u32 = 3;

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

#[derive(Debug)]
pub(crate) struct Exchange<'a, P> {
    ticket: Ticket<'a>,
    payload: P,
    patience: Patience,
    deadline: Option<Instant>,
    sendings: u32,
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
    Ended(Failure),
    Over,
}

impl<'a, P: Payload> Exchange<'a, P> {
    pub(crate) fn new(link: &'a Link, payload: P, patience: Patience) -> Self {
        Self {
            trace: Trace::start(&link.config, &payload),
            ticket: Ticket {
                link,
                state: State::Fresh,
            },
            payload,
            patience,
            deadline: None,
            sendings: 0,
            refusals: 0,
        }
    }

    pub(crate) fn into_payload(self) -> P {
        self.payload
    }

    pub(crate) fn payload(&self) -> &P {
        &self.payload
    }

    /// Queues it now, before the first poll; says whether it found room.
    pub(crate) fn submit(&mut self) -> bool {
        if matches!(self.ticket.state, State::Fresh) {
            self.enqueue(None);
        }
        matches!(self.ticket.state, State::InFlight(_))
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Delivery> {
        let trace = std::mem::take(&mut self.trace);
        let delivery = trace.within(|| self.advance(cx));
        if let Poll::Ready(delivery) = &delivery {
            trace.end(delivery);
        }
        self.trace = trace;
        delivery
    }

    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<Delivery> {
        loop {
            match &mut self.ticket.state {
                State::Fresh => self.enqueue(Some(cx.waker())),
                State::InLine(..) => ready!(self.poll_in_line(cx)),
                State::InFlight(key) => {
                    let delivery = ready!(self.ticket.link.poll_cell(*key, cx.waker()));
                    self.ticket.state = State::Over;
                    if !self.goes_again(&delivery) {
                        return Poll::Ready(delivery);
                    }
                }
                State::Pausing(pause) => {
                    ready!(pause.as_mut().poll(cx));
                    self.ticket.state = State::Fresh;
                }
                State::Ended(failure) => {
                    let error = Some(failure.clone());
                    self.ticket.state = State::Over;
                    return Poll::Ready(Delivery {
                        chunks: Default::default(),
                        error,
                    });
                }
                State::Over => {
                    let error = Some(Failure::Closed(Phase::NotSent));
                    return Poll::Ready(Delivery {
                        chunks: Default::default(),
                        error,
                    });
                }
            }
        }
    }

    fn enqueue(&mut self, waker: Option<&Waker>) {
        if self.deadline.is_none() {
            self.deadline = self.patience_from_now();
        }
        let place = match &self.ticket.state {
            State::InLine(place, _) => Some(*place),
            _ => None,
        };
        match self
            .ticket
            .link
            .submit(&self.payload, self.deadline, place, waker)
        {
            Submitted::Queued(key, _) => {
                self.sendings += 1;
                self.ticket.state = State::InFlight(key);
            }
            Submitted::Full(place) => match &mut self.ticket.state {
                State::InLine(known, _) => *known = place,
                _ => self.ticket.state = State::InLine(place, None),
            },
            Submitted::Ended(failure) => self.ticket.state = State::Ended(failure),
        }
    }

    fn poll_in_line(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.enqueue(Some(cx.waker()));
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
        self.ticket.state = State::Ended(Failure::Timeout(Phase::NotSent));
        Poll::Ready(())
    }

    fn patience_from_now(&self) -> Option<Instant> {
        let usual = self.ticket.link.config.command_timeout;
        let patience = match self.patience {
            Patience::Default => usual?,
            Patience::Extra(extra) => usual?.saturating_add(extra),
            Patience::Only(patience) => patience,
            Patience::Forever => return None,
        };
        Instant::now().checked_add(patience)
    }

    /// Whether it is sent once more instead of handing `delivery` over.
    fn goes_again(&mut self, delivery: &Delivery) -> bool {
        match &delivery.error {
            Some(Failure::Lost(Phase::MaybeApplied, ..)) => {
                let again = self.payload.is_idempotent()
                    && self.sendings < SENDINGS
                    && self.ticket.link.config.reconnect;
                if again {
                    self.ticket.state = State::Fresh;
                }
                again
            }
            None if self.payload.replies() == 1 && is_transient_refusal(delivery) => self.pause(),
            _ => false,
        }
    }

    /// Pauses before asking again, unless the deadline comes first.
    fn pause(&mut self) -> bool {
        let pause = self.ticket.link.config.backoff.pause(self.refusals);
        self.refusals += 1;
        let again = self
            .deadline
            .is_none_or(|deadline| Instant::now() + pause < deadline);
        if again {
            self.ticket.state = State::Pausing(Box::pin(sleep(pause)));
        }
        again
    }
}

/// `-LOADING …`, `-TRYAGAIN …` and the like: nothing was carried out, and soon it may be.
fn is_transient_refusal(delivery: &Delivery) -> bool {
    let line = delivery
        .chunks
        .first()
        .and_then(|chunk| chunk.strip_prefix(b"-"));
    line.is_some_and(crate::error::ServerError::is_transient_line)
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
