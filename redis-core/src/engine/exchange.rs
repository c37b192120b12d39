//! One payload on one link, until its replies: [`Exchange`]. It is sent again where that is safe. [`Pending`] is the
//! exchange of a single command.

use std::ops::Deref;
use std::task::{Context, Poll, ready};

use super::inflight::{Delivery, Failure, Held, Parts, Payload};
use super::link::Link;
use super::sending::Sending;
use super::single::Command;
use super::trace::Trace;
use crate::command::Args;
use crate::error::{Error, Phase, Result, ServerError};
use crate::reply::{Frame, FrameRef, FromRedis, described};
use crate::wire::Chunk;

/// The state of a payload that is being sent and answered. The payload itself is kept by the code
/// that polls this.
#[derive(Debug)]
pub(crate) struct Exchange<L: Deref<Target = Link>> {
    sending: Sending<L>,
    trace: Trace,
}

impl<L: Deref<Target = Link>> Exchange<L> {
    #[inline]
    pub(crate) fn new(link: L, payload: &impl Payload) -> Self {
        Self {
            trace: Trace::start(&link.config, payload),
            sending: Sending::new(link),
        }
    }

    /// The socket that it goes over.
    pub(crate) fn link(&self) -> &Link {
        self.sending.link()
    }

    /// Makes it fail with `error`; nothing is sent.
    pub(crate) fn refuse(&mut self, error: Error) {
        self.sending.refuse(error);
    }

    /// Notes that the client itself asks this, and no caller: see [`Sending::be_own`].
    pub(crate) fn be_own(&mut self) {
        self.sending.be_own();
    }

    /// Queues it now, before the first poll. Returns whether there was room.
    pub(crate) fn submit(&mut self, payload: &mut impl Payload) -> bool {
        self.sending.submit(payload)
    }

    /// Whether nothing was done yet.
    #[inline]
    fn is_fresh(&self) -> bool {
        self.sending.is_fresh()
    }

    /// Whether it is queued or sent, and waits for its reply.
    fn is_in_flight(&self) -> bool {
        self.sending.is_in_flight()
    }

    /// Whether the outcome is there, and only has to be taken.
    pub(crate) fn has_outcome(&self) -> bool {
        self.sending.has_outcome()
    }

    /// Whether its time was over while it waited for room or through a pause, and nobody polled it.
    pub(crate) fn is_late(&self) -> bool {
        self.sending.is_late()
    }

    /// Whether it had to wait for room or was sent again, so that what was queued behind it may have been sent before it.
    pub(crate) fn was_delayed(&self) -> bool {
        self.sending.was_delayed()
    }

    /// The first poll of most payloads. Returns whether it is queued; if not, [`Exchange::poll`] says why.
    #[inline]
    fn start(&mut self, payload: &mut impl Payload, cx: &mut Context<'_>) -> bool {
        let Self { sending, trace } = self;
        trace.within(|| sending.enqueue(payload, Some(cx.waker())))
    }

    #[inline]
    pub(crate) fn poll(
        &mut self,
        payload: &mut impl Payload,
        cx: &mut Context<'_>,
    ) -> Poll<Delivery> {
        let Self { sending, trace } = self;
        let delivery = trace.within(|| advance(sending, payload, cx));
        if let Poll::Ready(delivery) = &delivery {
            trace.end(payload, delivery);
        }
        delivery
    }
}

#[inline]
fn advance<L: Deref<Target = Link>>(
    sending: &mut Sending<L>,
    payload: &mut impl Payload,
    cx: &mut Context<'_>,
) -> Poll<Delivery> {
    loop {
        let delivery = ready!(sending.poll(payload, cx));
        if let Delivery::Reply(_) = delivery
            && !payload.may_go_on()
        {
            return Poll::Ready(delivery);
        }
        if let Some(delivery) = conclude(sending, payload, delivery) {
            return Poll::Ready(delivery);
        }
    }
}

/// The delivery, unless the payload is sent again.
#[cold]
#[inline(never)]
fn conclude<L: Deref<Target = Link>>(
    sending: &mut Sending<L>,
    payload: &mut impl Payload,
    delivery: Delivery,
) -> Option<Delivery> {
    match delivery {
        Delivery::Parts(mut parts) => {
            (!goes_again(sending, payload, &mut parts)).then_some(Delivery::Parts(parts))
        }
        delivery if payload.waits_on(&delivery) => {
            if payload.terms().patience.is_over() {
                // What the server handed out from now on would be lost.
                sending.link().count(|counts| counts.timeouts += 1);
                return Some(Delivery::failed(Failure::Timeout(
                    Phase::MaybeApplied,
                    None,
                )));
            }
            sending.start_again();
            None
        }
        delivery => Some(delivery),
    }
}

/// The rule for sending again on the same link. Returns whether that is done; otherwise `parts` are returned to
/// the caller.
fn goes_again<L: Deref<Target = Link>>(
    sending: &mut Sending<L>,
    payload: &mut impl Payload,
    parts: &mut Parts,
) -> bool {
    if let Some(failure) = &mut parts.error {
        let unsent = matches!(failure, Failure::Lost(Phase::NotSent, ..));
        let link = sending.link();
        if unsent && !link.has_ended() && payload.rebind(&link.scripts) {
            sending.send_again(parts);
            return true;
        }
        sending.add_refusal(failure);
        return false;
    }
    if let Some(again) = parts.again.take() {
        // The same node would give the same answer again. The cluster's code sends the command to the other node.
        if parts.chunks.first().is_some_and(is_redirect) {
            return false;
        }
        if !payload.goes_again_later() {
            return false;
        }
        if payload.runs_code() && !parts.chunks.first().is_some_and(is_in_words_of_servers) {
            return false;
        }
        sending.note_refusal(&parts.chunks);
        return sending.send_later(again, parts);
    }
    let again = payload.mend(&sending.link().scripts, &parts.chunks);
    if again {
        sending.send_again(parts);
    }
    again
}

fn is_redirect(reply: &Chunk) -> bool {
    let line = reply.strip_prefix(b"-");
    line.is_some_and(ServerError::is_redirect_line)
}

fn is_in_words_of_servers(reply: &Chunk) -> bool {
    let error = Frame::from_scanned(reply.clone()).reply().error();
    error.is_some_and(|error| error.is_in_words_of_servers())
}

/// A command that is being sent and answered.
#[derive(Debug)]
pub struct Pending<'a> {
    exchange: Exchange<&'a Link>,
    command: Command,
}

impl<'a> Pending<'a> {
    #[inline]
    pub(crate) fn new(link: &'a Link, mut args: Box<Args>) -> Self {
        let refused = if args.is_plain() {
            None
        } else {
            args.wait_in_pieces(link.config.liveness);
            args.take_error()
        };
        let command = Command::new(args);
        let mut exchange = Exchange::new(link, &command);
        if let Some(error) = refused {
            exchange.refuse(error);
        }
        Self { exchange, command }
    }

    /// A command that fails with `error` before anything is sent.
    #[cold]
    pub(crate) fn refused(link: &'a Link, args: Box<Args>, error: Error) -> Self {
        let mut pending = Self::new(link, args);
        pending.exchange.refuse(error);
        pending
    }

    /// Notes that the client itself asks this, and no caller: see [`Sending::be_own`].
    pub(crate) fn be_own(&mut self) {
        self.exchange.be_own();
    }

    /// Sends it. Returns `false` if it has to wait for room.
    pub(crate) fn submit(&mut self) -> bool {
        self.exchange.submit(&mut self.command)
    }

    /// Whether it is queued or sent, and waits for its reply.
    pub(crate) fn is_in_flight(&self) -> bool {
        self.exchange.is_in_flight()
    }

    /// The time of its caller is over, while the command may go on. Returns the error; its trace ends with that.
    pub(crate) fn give_up(&mut self) -> Error {
        let error = self.exchange.sending.timeout();
        self.exchange.trace.fail(&error);
        self.leave();
        error
    }

    /// Its caller has gone away, while the command may go on; its trace ends here.
    pub(crate) fn leave(&mut self) {
        let _ended = std::mem::take(&mut self.exchange.trace);
    }

    fn poll_delivery(&mut self, cx: &mut Context<'_>) -> Poll<Delivery> {
        self.exchange.poll(&mut self.command, cx)
    }

    /// Queues it. Returns whether it now waits for its reply, as most do.
    fn start(&mut self, cx: &mut Context<'_>) -> bool {
        self.exchange.start(&mut self.command, cx)
    }

    /// Takes the reply, if it has come and is a single one.
    #[inline]
    fn take_reply(&mut self) -> Option<Chunk> {
        if self.command.may_go_on() {
            return None;
        }
        self.exchange.sending.take_reply()
    }

    /// The reply as it came, also if it is an error.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame>> {
        let (chunks, failure) = ready!(self.poll_delivery(cx)).into_parts()?;
        Poll::Ready(match (failure, chunks.into_iter().next()) {
            (None, Some(chunk)) => Ok(Frame::from_scanned(chunk)),
            (Some(failure), _) => Err(failure.into()),
            (None, None) => Err(no_reply()),
        })
    }

    /// The reply, decoded; an error names the command.
    #[inline]
    pub(crate) fn poll_decoded<R: FromRedis>(&mut self, cx: &mut Context<'_>) -> Poll<Result<R>> {
        let outcome = if self.exchange.is_fresh() {
            if self.start(cx) {
                return Poll::Pending;
            }
            decode(ready!(self.poll_delivery(cx)))
        } else if let Some(chunk) = self.take_reply() {
            decode_one(&chunk)
        } else {
            decode(ready!(self.poll_delivery(cx)))
        };
        Poll::Ready(described(outcome, |error| self.explained(error)))
    }

    /// Notes that it was on its way before it began: a link that accepts nothing new takes it all the same. What keeps the link
    /// until it is queued is kept.
    pub(crate) fn go_on(&mut self, held: Option<Held>) {
        self.exchange.sending.go_on();
        self.exchange.sending.keep(held);
    }

    /// Makes the next reply the last, also if it says that nothing came.
    pub(crate) fn end_wait(&mut self) {
        self.command.end_wait();
    }

    /// Puts to its error which command it is of, and what that needs.
    #[cold]
    pub(crate) fn explained(&self, error: Error) -> Error {
        self.command.explained(error, self.exchange.link().server())
    }

    /// The reply as it came, also if it is an error.
    pub(crate) async fn frame(mut self) -> Result<Frame> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// The reply, decoded.
    pub(crate) async fn decoded<R: FromRedis>(mut self) -> Result<R> {
        self.decode().await
    }

    /// The reply, decoded, while the command is kept.
    pub(crate) async fn decode<R: FromRedis>(&mut self) -> Result<R> {
        std::future::poll_fn(|cx| self.poll_decoded(cx)).await
    }
}

/// Decodes a single reply. Most are short strings, so decoding those need not check for other kinds.
#[inline]
pub(crate) fn decode_one<R: FromRedis>(chunk: &Chunk) -> Result<R> {
    match FrameRef::next_short(chunk.span(), 0) {
        Some((frame, _)) => R::from_outcome(Ok(frame)),
        None => decode_other(chunk),
    }
}

/// Decodes a single reply of any kind.
#[inline(never)]
fn decode_other<R: FromRedis>(chunk: &Chunk) -> Result<R> {
    R::from_outcome(Ok(FrameRef::of_chunk(chunk)))
}

/// Decodes a delivery that is not just one reply.
#[cold]
pub(crate) fn decode<R: FromRedis>(delivery: Delivery) -> Result<R> {
    match delivery {
        Delivery::Refused(error) => R::from_outcome(Err(error)),
        Delivery::Reply(chunk) => R::from_outcome(Ok(FrameRef::of_chunk(&chunk))),
        Delivery::Parts(parts) => R::from_outcome(match (parts.error, parts.chunks.first()) {
            (None, Some(chunk)) => Ok(FrameRef::of_chunk(chunk)),
            (Some(failure), _) => Err(failure.into()),
            (None, None) => Err(no_reply()),
        }),
    }
}

fn no_reply() -> Error {
    Error::protocol("no reply was delivered")
}

#[cfg(test)]
mod tests;
