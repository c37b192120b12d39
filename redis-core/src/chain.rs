//! Pipelines and transactions: commands that are collected in a chain, sent together, and answered with a tuple.
//!
//! # Layout
//!
//! - [`Chain`]: the chain itself; [`Pipeline`] and [`Transaction`] are its two modes
//! - `queued`: the collected commands as one payload
//! - `outcomes`: from what came back to one outcome per command
//! - `replies`: the list of reply types, and the tuple it becomes

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::args::Args;
use crate::connection::{Connection, Link};
use crate::error::Result;
use crate::exchange::Exchange;
use crate::exclusive::Exclusive;
use crate::frame::Frame;
use crate::pool::Pool;
use crate::request::{Execute, Queues, Request, Sink, Target};

mod outcomes;
mod queued;
mod replies;

pub(crate) use outcomes::Outcomes;
pub(crate) use queued::Queued;
pub use replies::Replies;

/// Commands that go out in one write and may be interleaved with those of others.
pub type Pipeline<'a, L = ()> = Chain<'a, Plain, L>;

/// Commands that the server executes as one: MULTI … EXEC.
pub type Transaction<'a, L = ()> = Chain<'a, Atomic, L>;

/// The mode of a [`Pipeline`].
#[derive(Debug, Clone, Copy)]
pub enum Plain {}

/// The mode of a [`Transaction`].
#[derive(Debug, Clone, Copy)]
pub enum Atomic {}

/// Whether a chain is wrapped in MULTI and EXEC.
pub trait Mode: Unpin {
    /// It is.
    const ATOMIC: bool;
}

impl Mode for Plain {
    const ATOMIC: bool = false;
}

impl Mode for Atomic {
    const ATOMIC: bool = true;
}

/// A chain of commands, each with its own reply type; `L` is the list of them.
///
/// Every command method takes the chain and gives back one that is longer; awaiting it sends all and gives a tuple of
/// the replies. The first error is the error of the whole, and names the command and its position; a command behind
/// `.attempt()` gives a `Result` of its own instead.
#[must_use = "a pipeline or transaction does nothing until it is awaited"]
pub struct Chain<'a, M, L = ()> {
    route: Route<'a>,
    queued: Queued,
    types: PhantomData<fn() -> (M, L)>,
}

/// Where a chain goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Route<'a> {
    Link(&'a Link),
    /// The lane with the least to do, chosen when the chain is sent.
    Pool(&'a Pool),
    /// A socket of one's own, which is to know what raw commands were sent on it.
    Exclusive(&'a Exclusive),
    /// Nowhere by itself: `Pool::watch` sends it.
    Returned,
}

impl<M, L> std::fmt::Debug for Chain<'_, M, L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Chain").field(&self.queued).finish()
    }
}

impl<'a, M: Mode> Chain<'a, M> {
    pub(crate) fn new(route: Route<'a>) -> Self {
        Self {
            route,
            queued: Queued::new(M::ATOMIC),
            types: PhantomData,
        }
    }
}

impl<'a, M: Mode, L> Chain<'a, M, L> {
    /// How many commands it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queued.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queued.len() == 0
    }

    pub(crate) fn into_queued(self) -> Queued {
        self.queued
    }

    fn push<R>(mut self, args: Box<Args>) -> Chain<'a, M, (L, R)> {
        self.queued.push(args);
        Chain {
            route: self.route,
            queued: self.queued,
            types: PhantomData,
        }
    }
}

impl<'a, M: Mode, L> Target for Chain<'a, M, L> {
    type Sink = Self;

    fn into_sink(self) -> Self {
        self
    }
}

impl<M: Mode, L> Queues for Chain<'_, M, L> {}

impl<'a, M: Mode, L> Sink for Chain<'a, M, L> {
    type Pending = Running<'a>;
}

/// The next command of a chain takes the one before it in.
impl<'a, M: Mode, L, R> Target for Request<Chain<'a, M, L>, R> {
    type Sink = Chain<'a, M, (L, R)>;

    fn into_sink(self) -> Self::Sink {
        match self.into_parts() {
            Some((chain, args)) => chain.push(args),
            None => {
                let mut chain = Chain {
                    route: Route::Returned,
                    queued: Queued::new(M::ATOMIC),
                    types: PhantomData,
                };
                chain
                    .queued
                    .refuse("a pipeline that was awaited already cannot grow");
                chain
            }
        }
    }
}

impl<'a, M: Mode, L, R> Execute<R> for Chain<'a, M, L>
where
    (L, R): Replies,
{
    type Output = <(L, R) as Replies>::Tuple;

    fn begin(self, args: Box<Args>) -> Running<'a> {
        let chain = self.push::<R>(args);
        Running::new(chain.route, chain.queued)
    }

    fn submit(pending: &mut Running<'a>) {
        pending.submit();
    }

    fn poll(pending: &mut Running<'a>, cx: &mut Context<'_>) -> Poll<Result<Self::Output>> {
        pending.poll(cx, <(L, R)>::decode)
    }
}

/// A chain that ends without a pending command: an empty one, or one that was taken apart.
impl<'a, M: Mode + 'a, L: Replies + 'a> IntoFuture for Chain<'a, M, L> {
    type Output = Result<L::Tuple>;
    type IntoFuture = Awaited<'a, L>;

    fn into_future(self) -> Awaited<'a, L> {
        Awaited {
            running: Running::new(self.route, self.queued),
            types: PhantomData,
        }
    }
}

/// The future of a whole [`Chain`].
#[derive(Debug)]
pub struct Awaited<'a, L> {
    running: Running<'a>,
    types: PhantomData<fn() -> L>,
}

impl<L: Replies> Future for Awaited<'_, L> {
    type Output = Result<L::Tuple>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.running.poll(cx, L::decode)
    }
}

/// A chain on its way.
#[derive(Debug)]
pub struct Running<'a> {
    queued: Queued,
    /// None if there is nothing to send, or nothing that may be sent.
    exchange: Option<Exchange<'a>>,
}

impl<'a> Running<'a> {
    pub(crate) fn new(route: Route<'a>, queued: Queued) -> Self {
        let link = match route {
            Route::Link(link) => Some(link),
            Route::Pool(pool) => Some(pool.lane().link()),
            Route::Exclusive(exclusive) => {
                if queued.has_raw() {
                    exclusive.note_change();
                }
                Some(exclusive.connection().link())
            }
            Route::Returned => None,
        };
        match link {
            Some(link) if queued.is_sendable() => Self::on(link, queued),
            _ => Self {
                exchange: None,
                queued,
            },
        }
    }

    fn on(link: &'a Link, mut queued: Queued) -> Self {
        queued.load_scripts(&link.scripts);
        Self {
            exchange: Some(Exchange::new(link, &queued)),
            queued,
        }
    }

    /// Whether there is nothing to send, or nothing that may be sent.
    pub(crate) fn sends_nothing(&self) -> bool {
        self.exchange.is_none()
    }

    /// Runs a batch to its end and gives what became of each command.
    pub(crate) async fn collect(
        route: Route<'a>,
        queued: Queued,
    ) -> Result<(Vec<Option<Result<Frame>>>, Queued)> {
        let mut running = Self::new(route, queued);
        let outcomes =
            std::future::poll_fn(|cx| running.poll(cx, |outcomes| outcomes.all())).await?;
        Ok((outcomes, running.queued))
    }

    fn submit(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            exchange.submit(&mut self.queued);
        }
    }

    /// Polls, and has `decode` make the replies of the outcomes.
    pub(crate) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        decode: impl FnOnce(&mut Outcomes<'_>) -> Result<T>,
    ) -> Poll<Result<T>> {
        let Some(exchange) = &mut self.exchange else {
            return Poll::Ready(self.queued.without_sending(decode));
        };
        exchange
            .poll(&mut self.queued, cx)
            .map(|delivery| self.queued.decode(delivery, decode))
    }
}

impl Connection {
    /// Starts a pipeline: commands that go out in one write, answered with a tuple.
    pub fn pipeline(&self) -> Pipeline<'_> {
        Chain::new(Route::Link(self.link()))
    }

    /// Starts a transaction: commands that the server executes as one, answered with a tuple.
    ///
    /// It goes out whole, so it may share the socket with other commands. To make it depend on what was read before,
    /// see [`Pool::watch`].
    pub fn transaction(&self) -> Transaction<'_> {
        Chain::new(Route::Link(self.link()))
    }
}

impl Pool {
    /// Starts a pipeline on one of the shared sockets.
    pub fn pipeline(&self) -> Pipeline<'_> {
        Chain::new(Route::Pool(self))
    }

    /// Starts a transaction on one of the shared sockets.
    pub fn transaction(&self) -> Transaction<'_> {
        Chain::new(Route::Pool(self))
    }
}
