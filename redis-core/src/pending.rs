//! A command on its way: [`Pending`], and [`Call`] for one that is held together with its command.

use std::task::{Context, Poll};

use crate::args::{Args, Block};
use crate::connection::Link;
use crate::error::{Error, Result};
use crate::exchange::{Exchange, Patience};
use crate::frame::{Frame, FrameRef};
use crate::from_redis::FromRedis;
use crate::inflight::{Delivery, Payload};
use crate::outgoing::Outgoing;
use crate::script::{self, Loaded};

/// A command on its way; the command itself is kept by whoever polls this.
#[derive(Debug)]
pub struct Pending<'a> {
    exchange: Exchange<'a>,
    /// Why nothing is sent at all.
    refused: Option<Error>,
}

impl<'a> Pending<'a> {
    pub(crate) fn new(link: &'a Link, args: &mut Args) -> Self {
        Self {
            refused: args.take_error(),
            exchange: Exchange::new(link, args),
        }
    }

    /// One that fails with `error` before anything is sent.
    pub(crate) fn refused(link: &'a Link, args: &Args, error: Error) -> Self {
        Self {
            exchange: Exchange::new(link, args),
            refused: Some(error.of_command(args.name())),
        }
    }

    /// Has it sent; says whether it is on its way, or still has to wait for room.
    pub(crate) fn submit(&mut self, args: &mut Args) -> bool {
        self.refused.is_none() && self.exchange.submit(args)
    }

    #[inline]
    fn poll_delivery(&mut self, args: &mut Args, cx: &mut Context<'_>) -> Poll<Result<Delivery>> {
        if let Some(error) = self.refused.take() {
            return Poll::Ready(Err(error));
        }
        self.exchange.poll(args, cx).map(Ok)
    }

    pub(crate) fn poll(&mut self, args: &mut Args, cx: &mut Context<'_>) -> Poll<Result<Frame>> {
        self.poll_delivery(args, cx).map(|delivery| {
            let delivery = delivery?;
            match (delivery.error, delivery.chunks.into_iter().next()) {
                (None, Some(chunk)) => Ok(Frame::from_scanned(chunk)),
                (Some(failure), _) => Err(failure.into()),
                (None, None) => Err(no_reply()),
            }
        })
    }

    /// Polls, and decodes what comes; an error names the command.
    pub(crate) fn poll_decoded<R: FromRedis>(
        &mut self,
        args: &mut Args,
        cx: &mut Context<'_>,
    ) -> Poll<Result<R>> {
        self.poll_delivery(args, cx).map(|delivery| {
            let outcome = match delivery {
                Ok(delivery) => R::from_outcome(reply(&delivery)),
                Err(error) => R::from_outcome(Err(error)),
            };
            outcome.map_err(|error| error.of_command(args.name()))
        })
    }
}

/// The one reply of a command.
#[inline]
fn reply(delivery: &Delivery) -> Result<FrameRef<'_>> {
    match (&delivery.error, delivery.chunks.first()) {
        (None, Some(chunk)) => Ok(FrameRef::of_chunk(chunk)),
        (Some(failure), _) => Err(failure.clone().into()),
        (None, None) => Err(no_reply()),
    }
}

fn no_reply() -> Error {
    Error::protocol("no reply was delivered")
}

/// A command on its way, together with the command.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pending: Pending<'a>,
    args: Args,
}

impl<'a> Call<'a> {
    pub(crate) fn new(link: &'a Link, mut args: Args) -> Self {
        Self {
            pending: Pending::new(link, &mut args),
            args,
        }
    }

    /// See [`Pending::submit`].
    pub(crate) fn submit(&mut self) -> bool {
        self.pending.submit(&mut self.args)
    }

    /// See [`Pending::poll`].
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame>> {
        self.pending.poll(&mut self.args, cx)
    }

    /// The reply as it came, an error reply included.
    pub(crate) async fn frame(mut self) -> Result<Frame> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// The reply, decoded.
    pub(crate) async fn decoded<R: FromRedis>(mut self) -> Result<R> {
        self.decode().await
    }

    /// The reply, decoded, of a call that is kept.
    pub(crate) async fn decode<R: FromRedis>(&mut self) -> Result<R> {
        let Self { pending, args } = self;
        std::future::poll_fn(|cx| pending.poll_decoded(args, cx)).await
    }
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
            .chunks
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
