//! One sending of a payload on one link: waiting for room, written, answered. Other code decides whether it is sent
//! again, and where.
//!
//! # Layout
//!
//! - this file: the sending, from its first poll to its outcome
//! - `again`: what happens to it when it is sent once more

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use tokio::time::{Instant, Sleep, sleep_until};

use super::inflight::{
    Again, CellKey, Delivery, Due, Failure, Held, Limit, Parts, Patience, Payload, Submitted,
    Terms, WaiterKey,
};
use super::link::Link;
use crate::error::{Error, Obstacle, Phase};
use crate::runtime::planted::Planted;
use crate::wire::Chunk;

mod again;

/// The place in the queue of a link, given up when the caller goes away. `L` keeps the link: a reference if the
/// caller holds its handle, a counted one if the link may be removed while something is in flight.
#[derive(Debug)]
pub(crate) struct Sending<L: Deref<Target = Link>> {
    link: L,
    state: State,
    /// Allocated only for the few that need it, to keep small what every request contains.
    slow: Option<Box<Slow>>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Fresh,
    InLine(WaiterKey),
    InFlight(CellKey),
    /// It will be sent after a pause.
    Pausing,
    /// Nothing more is sent; [`Slow::outcome`] says why, if that was not told yet.
    Over,
}

/// What is known about a payload that is not answered at once.
#[derive(Debug, Default)]
struct Slow {
    /// Known once the payload has waited for room, or came back to be sent again.
    due: Due,
    /// The timer of the wait for room, or of a pause.
    timer: Option<Pin<Box<Sleep>>>,
    /// What is sent again in place of the payload, after the server refused it for a reason that goes away.
    again: Option<Box<Again>>,
    refusals: u32,
    /// When the last pause was over.
    resumed: Option<Instant>,
    /// The last refusal.
    refused: Option<Arc<Obstacle>>,
    /// The outcome of a payload that was not sent.
    outcome: Option<Delivery>,
    /// Whether it was sent on a socket that was lost: then it may have been carried out, whatever comes later.
    was_lost: bool,
    /// Whether it was on its way before it came to this link, or is sent here once more.
    is_onward: bool,
    /// Whether it is a question of the client itself.
    is_own: bool,
    /// Keeps the link until it is queued there once more, or where it goes on.
    held: Option<Held>,
}

impl<L: Deref<Target = Link>> Sending<L> {
    #[inline]
    pub(crate) fn new(link: L) -> Self {
        Self {
            link,
            state: State::Fresh,
            slow: None,
        }
    }

    /// The link that it is sent on.
    #[inline]
    pub(crate) fn link(&self) -> &L {
        &self.link
    }

    /// Makes it fail with `error`; nothing is sent.
    pub(crate) fn refuse(&mut self, error: Error) {
        self.end(Delivery::Refused(error));
    }

    /// Queues it now, before the first poll. Returns whether there was room.
    pub(crate) fn submit(&mut self, payload: &mut impl Payload) -> bool {
        matches!(self.state, State::Fresh) && self.enqueue(payload, None)
    }

    /// Whether nothing was done yet.
    #[inline]
    pub(crate) fn is_fresh(&self) -> bool {
        matches!(self.state, State::Fresh)
    }

    /// Notes that it is on its way: a link that accepts nothing new takes it all the same.
    pub(crate) fn go_on(&mut self) {
        self.slow().is_onward = true;
    }

    /// Keeps what keeps the link, or another one, until it is queued.
    pub(crate) fn keep(&mut self, held: Option<Held>) {
        self.slow().held = held;
    }

    /// Notes that the client itself asks this: no end waits for it, and it counts nowhere. A link that accepts nothing new takes it
    /// all the same, because what is on its way may need it.
    pub(crate) fn be_own(&mut self) {
        self.slow().is_own = true;
    }

    /// Whether it was on its way before it came to this link.
    pub(crate) fn is_onward(&self) -> bool {
        self.slow.as_ref().is_some_and(|slow| slow.is_onward)
    }

    /// Whether it is queued or sent, and waits for its reply.
    pub(crate) fn is_in_flight(&self) -> bool {
        matches!(self.state, State::InFlight(_))
    }

    /// Whether the outcome is there, and only has to be taken.
    pub(crate) fn has_outcome(&self) -> bool {
        match self.state {
            State::InFlight(key) => self.link.has_delivery(key),
            State::Over => true,
            State::Fresh | State::InLine(_) | State::Pausing => false,
        }
    }

    /// Whether its time was over while it waited for room or through a pause: nobody has polled it, so it has not ended.
    pub(crate) fn is_late(&self) -> bool {
        let deadline = self.slow.as_ref().and_then(|slow| slow.due.at);
        matches!(self.state, State::InLine(_) | State::Pausing)
            && deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    /// Whether it did not simply keep its place in the queue from the first submission on.
    #[inline]
    pub(crate) fn was_delayed(&self) -> bool {
        self.slow.is_some()
    }

    /// The error of a caller whose time is over, while this may go on.
    pub(crate) fn timeout(&self) -> Error {
        let slow = self.slow.as_deref();
        let refused = slow.and_then(|slow| slow.refused.clone());
        let obstacle = match self.state {
            State::InLine(_) => refused.or_else(|| self.link.obstacle_in_line()),
            _ => refused,
        };
        let may_be_applied = self.is_in_flight() || slow.is_some_and(|slow| slow.was_lost);
        let phase = if may_be_applied {
            Phase::MaybeApplied
        } else {
            Phase::NotSent
        };
        Error::timeout(phase, obstacle)
    }

    /// Whether it was sent on a socket that was lost, so that it may have been carried out.
    pub(crate) fn was_lost(&self) -> bool {
        self.slow.as_ref().is_some_and(|slow| slow.was_lost)
    }

    /// Takes the outcome, if it is there and a single reply; [`Sending::poll`] says what else there is.
    #[inline]
    pub(crate) fn take_reply(&mut self) -> Option<Chunk> {
        let State::InFlight(key) = self.state else {
            return None;
        };
        let reply = self.link.take_reply(key)?;
        self.state = State::Over;
        Some(reply)
    }

    /// Polls for the outcome of this one sending. After that it is over, unless it is sent again.
    #[inline(always)]
    pub(crate) fn poll(
        &mut self,
        payload: &mut impl Payload,
        cx: &mut Context<'_>,
    ) -> Poll<Delivery> {
        loop {
            match self.state {
                State::Fresh => {
                    if self.enqueue(payload, Some(cx.waker())) {
                        // The queue has the waker already.
                        return Poll::Pending;
                    }
                }
                State::InFlight(key) => {
                    let delivery = ready!(self.link.poll_cell(key, cx.waker()));
                    self.state = State::Over;
                    return Poll::Ready(self.remember(delivery));
                }
                _ => {
                    if let Some(delivery) = ready!(self.wait(payload, cx)) {
                        return Poll::Ready(self.remember(delivery));
                    }
                }
            }
        }
    }

    /// Notes whether the payload may have been carried out by now. If it is sent again and that fails, the failure says so.
    #[inline]
    fn remember(&mut self, delivery: Delivery) -> Delivery {
        match delivery {
            Delivery::Parts(parts) => Delivery::Parts(self.remember_parts(parts)),
            delivery => delivery,
        }
    }

    #[cold]
    fn remember_parts(&mut self, mut parts: Box<Parts>) -> Box<Parts> {
        let was_sent = parts.error.as_ref().is_some_and(Failure::was_sent);
        if parts.was_lost || was_sent {
            self.slow().was_lost = true;
        }
        if let Some(failure) = &mut parts.error
            && !Planted::ForgottenLoss.is_here()
            && self.slow.as_ref().is_some_and(|slow| slow.was_lost)
        {
            *failure = failure.in_phase(Phase::MaybeApplied);
        }
        parts
    }

    /// Ends it with an outcome, without sending it.
    #[cold]
    fn end(&mut self, outcome: Delivery) {
        self.slow().outcome = Some(outcome);
        self.state = State::Over;
    }

    /// Waits for room or for the end of a pause, or returns the outcome of a payload that is not in flight.
    #[cold]
    fn wait(&mut self, payload: &mut impl Payload, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        match self.state {
            State::InLine(_) => ready!(self.poll_in_line(payload, cx)),
            State::Pausing => {
                if let Some(pause) = &mut self.slow().timer {
                    ready!(pause.as_mut().poll(cx));
                }
                let slow = self.slow();
                (slow.timer, slow.resumed) = (None, Some(Instant::now()));
                self.state = State::Fresh;
            }
            State::Over => {
                let outcome = self.slow.as_mut().and_then(|slow| slow.outcome.take());
                let outcome = outcome.unwrap_or_else(|| Delivery::Refused(Error::ended()));
                return Poll::Ready(Some(outcome));
            }
            State::Fresh | State::InFlight(_) => {}
        }
        Poll::Ready(None)
    }

    fn slow(&mut self) -> &mut Slow {
        self.slow.get_or_insert_default()
    }

    /// Queues it, and leaves the waker. Returns whether there was room.
    #[inline]
    pub(crate) fn enqueue(&mut self, payload: &mut impl Payload, waker: Option<&Waker>) -> bool {
        let submitted = match self.slow {
            None => {
                let terms = payload.terms();
                let limit = self.limit(terms.patience);
                self.link.submit(payload, terms, limit, None, waker)
            }
            Some(_) => {
                let submitted = self.submit_slowly(payload, waker);
                self.release(&submitted);
                submitted
            }
        };
        self.note(submitted, payload)
    }

    /// Notes the result of submitting; returns whether there was room.
    #[inline(always)]
    fn note(&mut self, submitted: Submitted, payload: &impl Payload) -> bool {
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
                self.give_back(*failure);
                false
            }
        }
    }

    /// The link does not take it. The deadline goes back too: another link may be tried in the time that is left.
    #[cold]
    fn give_back(&mut self, failure: Failure) {
        let parts = Parts {
            error: Some(failure),
            due: self.slow.as_ref().map_or(Due::default(), |slow| slow.due),
            ..Parts::default()
        };
        self.end(Delivery::Parts(Box::new(parts)));
    }

    /// Sets the deadline of a payload that waits for room, unless it is set already.
    #[cold]
    fn set_deadline(&mut self, payload: &impl Payload) {
        let slow = self.slow();
        if slow.due.at.is_none() && slow.again.is_none() {
            let patience = payload.terms().patience;
            let at = self.limit(patience).from(Instant::now());
            self.slow().due = Due::by(at, patience);
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
            let terms = self.slow_terms(payload.terms());
            return self.submit_known(payload, terms, place, waker);
        };
        let terms = self.slow_terms(again.terms());
        let submitted = self.submit_known(&mut *again, terms, place, waker);
        // Once it is queued, its bytes are in the queue, and nothing is left here to send.
        if !matches!(submitted, Submitted::Queued(_)) {
            self.slow().again = Some(again);
        }
        submitted
    }

    /// Once it is queued, or cannot be, it does not keep the link any more.
    #[cold]
    fn release(&mut self, submitted: &Submitted) {
        if !matches!(submitted, Submitted::Full(_)) {
            self.slow().held = None;
        }
    }

    fn submit_known(
        &self,
        payload: &mut impl Payload,
        terms: Terms,
        place: Option<WaiterKey>,
        waker: Option<&Waker>,
    ) -> Submitted {
        let limit = self.limit(terms.patience);
        if self.slow.as_ref().is_some_and(|slow| slow.is_own) {
            self.link.submit_question(payload, terms, limit, waker)
        } else if self.is_onward() {
            self.link.submit_onward(payload, terms, limit, place, waker)
        } else {
            self.link.submit(payload, terms, limit, place, waker)
        }
    }

    /// The terms of something that may have waited, or was sent before. Its deadline is known then, and what remains to be said is whether
    /// maintenance may make it later, which it does only once.
    fn slow_terms(&self, terms: Terms) -> Terms {
        let due = self.slow.as_ref().map_or(Due::default(), |slow| slow.due);
        let patience = match (due.at, due.is_final) {
            (None, _) => terms.patience,
            (Some(_), true) => Patience::Forever,
            (Some(_), false) => Patience::Default,
        };
        Terms { patience, ..terms }
    }

    fn poll_in_line(&mut self, payload: &mut impl Payload, cx: &mut Context<'_>) -> Poll<()> {
        // The socket may have been replaced meanwhile.
        payload.rebind(&self.link.scripts);
        self.enqueue(payload, Some(cx.waker()));
        let State::InLine(place) = self.state else {
            self.slow().timer = None;
            return Poll::Ready(());
        };
        let slow = self.slow();
        let Some(deadline) = slow.due.at else {
            return Poll::Pending;
        };
        // Made here, in a task: `submit` may be called outside of a runtime, and timers need one.
        let timer = slow
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        ready!(timer.as_mut().poll(cx));
        if self.extend_wait() {
            return self.poll_in_line(payload, cx);
        }
        self.link.leave_line(place);
        self.link.count(|counts| counts.timeouts += 1);
        let full = self.link.obstacle_in_line();
        let obstacle = self.slow().refused.take().or(full);
        self.give_back(Failure::Timeout(Phase::NotSent, obstacle));
        Poll::Ready(())
    }

    /// Waits longer for room, once, if the server has announced maintenance and the limit is the usual one.
    fn extend_wait(&mut self) -> bool {
        let relaxation = self.link.relaxation();
        let slow = self.slow();
        let is_later = slow.due.extend(relaxation);
        if is_later {
            slow.timer = None;
        }
        is_later
    }

    #[inline]
    fn limit(&self, patience: Patience) -> Limit {
        if let Some(deadline) = self.slow.as_ref().and_then(|slow| slow.due.at) {
            return Limit::At(deadline);
        }
        patience.limit(self.link.config.command_timeout)
    }
}

impl<L: Deref<Target = Link>> Drop for Sending<L> {
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
mod tests;
