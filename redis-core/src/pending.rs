//! A command on its way: [`Pending`].

use std::task::{Context, Poll, ready};

use crate::args::{Args, Block};
use crate::connection::Link;
use crate::error::{Error, Result};
use crate::exchange::{Exchange, Patience};
use crate::frame::{Frame, FrameRef};
use crate::from_redis::FromRedis;
use crate::inflight::{Delivery, Payload};
use crate::outgoing::Outgoing;
use crate::script::{self, Loaded};

/// A command on its way.
#[derive(Debug)]
pub struct Pending<'a> {
    exchange: Exchange<'a>,
    /// `None` once it has come to its end.
    args: Option<Box<Args>>,
    /// Why nothing is sent at all.
    refused: Option<Error>,
}

impl<'a> Pending<'a> {
    #[inline]
    pub(crate) fn new(link: &'a Link, mut args: Box<Args>) -> Self {
        Self {
            refused: args.take_error(),
            exchange: Exchange::new(link, &*args),
            args: Some(args),
        }
    }

    /// One that fails with `error` before anything is sent.
    #[cold]
    pub(crate) fn refused(link: &'a Link, args: Box<Args>, error: Error) -> Self {
        Self {
            refused: Some(error.of_command(args.name())),
            exchange: Exchange::new(link, &*args),
            args: Some(args),
        }
    }

    /// Has it sent; says whether it is on its way, or still has to wait for room.
    pub(crate) fn submit(&mut self) -> bool {
        match &mut self.args {
            Some(args) if self.refused.is_none() => self.exchange.submit(&mut **args),
            _ => false,
        }
    }

    #[inline]
    fn poll_delivery(&mut self, cx: &mut Context<'_>) -> Poll<Result<Delivery>> {
        if let Some(error) = self.refused.take() {
            return Poll::Ready(Err(error));
        }
        match &mut self.args {
            Some(args) => self.exchange.poll(&mut **args, cx).map(Ok),
            None => Poll::Ready(Err(Error::usage(
                "this request was awaited to its end already",
            ))),
        }
    }

    /// The reply as it came, an error reply included.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame>> {
        let outcome = ready!(self.poll_delivery(cx)).and_then(|delivery| {
            let (chunks, failure) = delivery.into_parts();
            match (failure, chunks.into_iter().next()) {
                (None, Some(chunk)) => Ok(Frame::from_scanned(chunk)),
                (Some(failure), _) => Err(failure.into()),
                (None, None) => Err(no_reply()),
            }
        });
        self.end();
        Poll::Ready(outcome)
    }

    /// The reply, decoded; an error names the command.
    #[inline]
    pub(crate) fn poll_decoded<R: FromRedis>(&mut self, cx: &mut Context<'_>) -> Poll<Result<R>> {
        let outcome = match ready!(self.poll_delivery(cx)) {
            Ok(delivery) => R::from_outcome(reply(&delivery)),
            Err(error) => R::from_outcome(Err(error)),
        };
        Poll::Ready(match outcome {
            Ok(value) => {
                self.end();
                Ok(value)
            }
            Err(error) => Err(self.named(error)),
        })
    }

    /// The reply as it came, an error reply included.
    pub(crate) async fn frame(mut self) -> Result<Frame> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// The reply, decoded.
    pub(crate) async fn decoded<R: FromRedis>(mut self) -> Result<R> {
        self.decode().await
    }

    /// The reply, decoded, of a command that is kept.
    pub(crate) async fn decode<R: FromRedis>(&mut self) -> Result<R> {
        std::future::poll_fn(|cx| self.poll_decoded(cx)).await
    }

    #[inline]
    fn end(&mut self) {
        if let Some(args) = self.args.take() {
            args.retire();
        }
    }

    #[cold]
    fn named(&mut self, error: Error) -> Error {
        let name = self.args.as_ref().map(|args| args.name());
        self.end();
        match name {
            Some(name) => error.of_command(name),
            None => error,
        }
    }
}

/// The one reply of a command.
#[inline]
fn reply(delivery: &Delivery) -> Result<FrameRef<'_>> {
    match delivery {
        Delivery::Reply(chunk) => Ok(FrameRef::of_chunk(chunk)),
        Delivery::Parts(parts) => match (&parts.error, parts.chunks.first()) {
            (None, Some(chunk)) => Ok(FrameRef::of_chunk(chunk)),
            (Some(failure), _) => Err(failure.clone().into()),
            (None, None) => Err(no_reply()),
        },
    }
}

fn no_reply() -> Error {
    Error::protocol("no reply was delivered")
}

impl Payload for Args {
    fn encoded_len(&self) -> usize {
        Self::encoded_len(self)
    }

    fn replies(&self) -> usize {
        1
    }

    fn is_idempotent(&self) -> bool {
        Self::is_idempotent(self)
    }

    fn is_blocking(&self) -> bool {
        self.block_limit().is_some()
    }

    fn patience(&self) -> Patience {
        match (self.deadline(), self.block_limit()) {
            (Some(deadline), _) => Patience::Only(deadline),
            (None, None) => Patience::Default,
            (None, Some(Block::Forever)) => Patience::Forever,
            (None, Some(Block::For(limit))) => Patience::Extra(limit),
        }
    }

    fn write_to(&mut self, out: &mut Outgoing) {
        Self::write_to(self, out);
    }

    fn mend(&mut self, _: &Loaded, delivery: &Delivery) -> bool {
        let unknown = delivery
            .chunks()
            .first()
            .is_some_and(|reply| script::is_unknown(reply));
        unknown && self.send_script_text()
    }

    #[cfg(feature = "tracing")]
    fn summary(&self) -> crate::trace::Summary {
        let operation = self.name().to_string();
        crate::trace::Summary {
            text: operation.clone() + &" ?".repeat(self.count_arguments()),
            operation: operation.into(),
            batch: None,
        }
    }
}
