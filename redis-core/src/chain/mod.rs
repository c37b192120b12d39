//! Pipelines and transactions: commands that are collected in a chain, sent together, and answered with a tuple.
//!
//! # Layout
//!
//! - [`Chain`]: the chain itself; [`Pipeline`] and [`Transaction`] are its two modes
//! - `commands`: the list of the collected commands; `payload`: the same as one payload
//! - `carrier`: what a chain is sent on; `routing`: what a cluster has to know about its commands
//! - `gathered`: what came back from the nodes of a cluster
//! - `outcomes`: from what came back to one outcome per command; `pieces`: the replies in it, one after another
//! - `replies`: the list of reply types, and the tuple it becomes
//! - `batch`: commands that are known only at run time
//! - `noting`: what is noted about the commands for the handle; `touched`: the keys that they change and read
//! - `open`: MULTI by hand; `watch`: transactions that are tried again when a watched key was changed

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::command::prefix::Prefix;
use crate::command::{Args, Keys};
use crate::engine::exchange::Exchange;
use crate::engine::link::Link;
use crate::error::Result;
use crate::handle::{Connection, Exclusive, Pool};
use crate::reply::Frame;
use crate::request::{Execute, Queues, Request, Sink, Target};

pub(crate) mod batch;
pub(crate) mod carrier;
mod commands;
pub(crate) mod gathered;
mod noting;
mod open;
mod outcomes;
pub(crate) mod payload;
pub(crate) mod pieces;
mod replies;
pub(crate) mod routing;
pub(crate) mod touched;
pub(crate) mod watch;

pub use batch::{Batch, BatchHandle, BatchReplies, EachPipeline, EachPipelineFuture};
use carrier::{Carrier, Road, Spread};
pub use open::{Executed, Open, Queued};
use outcomes::Outcomes;
use payload::ChainPayload;
pub use replies::Replies;
use touched::Told;
pub use watch::{Commit, Watch, Watched};

/// Commands that go out in one write and may be interleaved with those of others.
///
/// After a lost connection it is sent again if all of its commands only read. It is, too, if only the first one writes and may be repeated,
/// and nothing was answered yet: the second time, a command before a write would see what that has changed. Otherwise, what has no reply fails
/// in [`Phase::MaybeApplied`](crate::Phase::MaybeApplied). On a cluster each command is judged by those behind it that have the same slot.
pub type Pipeline<'a, L = ()> = Chain<'a, Plain, L>;

/// Commands that the server executes as one: MULTI … EXEC.
pub type Transaction<'a, L = ()> = Chain<'a, Atomic, L>;

/// The mode of a [`Pipeline`].
#[derive(Debug, Clone, Copy)]
pub enum Plain {}

/// The mode of a [`Transaction`].
#[derive(Debug, Clone, Copy)]
pub enum Atomic {}

/// A mode says whether a chain is wrapped in MULTI and EXEC.
pub trait Mode: Unpin {
    /// Whether the chain is wrapped in MULTI and EXEC.
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
/// Every command method takes the chain and returns one that is longer by this command. Awaiting the chain sends all
/// commands and returns a tuple of the replies. The first error is the error of the whole chain, and names the
/// command and its position. A command with `.attempt()` returns its own `Result` instead.
#[must_use = "a pipeline or transaction does nothing until it is awaited"]
pub struct Chain<'a, M, L = ()> {
    /// What the chain is sent on; `None` if [`Pool::watch`] sends it.
    carrier: Option<Carrier<'a>>,
    payload: ChainPayload,
    types: PhantomData<fn() -> (M, L)>,
}

impl<M, L> std::fmt::Debug for Chain<'_, M, L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Chain").field(&self.payload).finish()
    }
}

impl<'a, M: Mode> Chain<'a, M> {
    pub(crate) fn new(carrier: Option<Carrier<'a>>) -> Self {
        let payload = match carrier {
            Some(carrier) => carrier.payload(M::ATOMIC),
            None => ChainPayload::new(M::ATOMIC),
        };
        Self {
            carrier,
            payload,
            types: PhantomData,
        }
    }

    /// The same chain for a handle that puts a prefix before names.
    pub(crate) fn prefixed(mut self, prefix: &Arc<Prefix>) -> Self {
        self.payload = self.payload.prefixed(prefix);
        self
    }
}

impl<'a, M: Mode, L> Chain<'a, M, L> {
    /// The number of commands in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.payload.len()
    }

    /// Whether there are no commands in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.payload.len() == 0
    }

    pub(crate) fn into_payload(self) -> ChainPayload {
        self.payload
    }

    fn push<R>(mut self, args: Box<Args>) -> Chain<'a, M, (L, R)> {
        self.payload.push(args);
        Chain {
            carrier: self.carrier,
            payload: self.payload,
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

    fn keys(&self) -> Keys {
        self.payload.keys()
    }
}

/// The next command method takes the pending command into the chain.
impl<'a, M: Mode, L, R> Target for Request<Chain<'a, M, L>, R> {
    type Sink = Chain<'a, M, (L, R)>;

    fn into_sink(self) -> Self::Sink {
        match self.into_parts() {
            Some((chain, args)) => chain.push(args),
            None => {
                let mut chain = Chain {
                    carrier: None,
                    payload: ChainPayload::new(M::ATOMIC),
                    types: PhantomData,
                };
                chain
                    .payload
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
        Running::new(chain.carrier, chain.payload)
    }

    fn submit(pending: &mut Running<'a>) {
        pending.submit();
    }

    fn poll(pending: &mut Running<'a>, cx: &mut Context<'_>) -> Poll<Result<Self::Output>> {
        pending.poll(cx, <(L, R)>::decode)
    }
}

/// A chain that ends without a pending command: an empty one, or one whose last command has been taken in.
impl<'a, M: Mode + 'a, L: Replies + 'a> IntoFuture for Chain<'a, M, L> {
    type Output = Result<L::Tuple>;
    type IntoFuture = ChainFuture<'a, L>;

    fn into_future(self) -> ChainFuture<'a, L> {
        ChainFuture {
            running: Running::new(self.carrier, self.payload),
            types: PhantomData,
        }
    }
}

/// The future of a whole [`Chain`].
#[derive(Debug)]
pub struct ChainFuture<'a, L> {
    running: Running<'a>,
    types: PhantomData<fn() -> L>,
}

impl<L: Replies> Future for ChainFuture<'_, L> {
    type Output = Result<L::Tuple>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.running.poll(cx, L::decode)
    }
}

/// A chain that was sent, or is about to be sent.
#[derive(Debug)]
pub struct Running<'a> {
    payload: ChainPayload,
    on: On<'a>,
    /// Tells the handle which keys are touched, if it wants to know.
    told: Option<Told<'a>>,
}

/// What a chain is on its way on.
#[derive(Debug)]
enum On<'a> {
    /// There is nothing to send, or it must not be sent.
    Nothing,
    Socket(Exchange<&'a Link>),
    Nodes(Box<dyn Spread + 'a>),
}

impl<'a> Running<'a> {
    pub(crate) fn new(carrier: Option<Carrier<'a>>, mut payload: ChainPayload) -> Self {
        let witness = carrier.and_then(|carrier| carrier.witness);
        let told = witness.zip(payload.take_touched());
        let told = told.map(|(witness, touched)| Told::new(witness, touched));
        let road = carrier.map(|carrier| carrier.road);
        let on = match road.filter(|_| payload.is_sendable()) {
            None => On::Nothing,
            Some(Road::Socket(lane)) => {
                let link = lane.link(payload.commands().has_raw());
                if payload.calls_scripts() {
                    payload.set_watched(lane.may_watch());
                    payload.load_scripts(&link.scripts);
                }
                On::Socket(Exchange::new(link, &payload))
            }
            Some(Road::Nodes(nodes)) => On::Nodes(nodes.begin(&mut payload)),
        };
        Self { payload, on, told }
    }

    /// Whether there is nothing to send, or it must not be sent.
    pub(crate) fn sends_nothing(&self) -> bool {
        matches!(self.on, On::Nothing)
    }

    /// Runs a batch to its end and returns the outcome of each command.
    pub(crate) async fn collect(
        carrier: Carrier<'a>,
        payload: ChainPayload,
    ) -> Result<(Vec<Option<Result<Frame>>>, ChainPayload)> {
        let mut running = Self::new(Some(carrier), payload);
        let outcomes =
            std::future::poll_fn(|cx| running.poll(cx, |outcomes| outcomes.all())).await?;
        Ok((outcomes, running.payload))
    }

    fn submit(&mut self) {
        match &mut self.on {
            On::Nothing => {}
            On::Socket(exchange) => {
                exchange.submit(&mut self.payload);
            }
            On::Nodes(spread) => spread.submit(&mut self.payload),
        }
    }

    /// Polls, and has `decode` make the replies of the outcomes.
    pub(crate) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        decode: impl FnOnce(&mut Outcomes<'_>) -> Result<T>,
    ) -> Poll<Result<T>> {
        match &mut self.on {
            On::Nothing => Poll::Ready(self.payload.without_sending(decode)),
            On::Socket(exchange) => {
                let delivery = ready!(exchange.poll(&mut self.payload, cx));
                self.told = None;
                self.payload.answered_by(exchange.link().server());
                Poll::Ready(self.payload.decode(delivery, decode))
            }
            On::Nodes(spread) => {
                let gathered = ready!(spread.poll(&mut self.payload, cx));
                self.told = None;
                self.payload.answered_by(spread.server());
                Poll::Ready(self.payload.decode_gathered(gathered, decode))
            }
        }
    }
}

impl Connection {
    /// Starts a pipeline: commands that go out in one write, answered with a tuple.
    pub fn pipeline(&self) -> Pipeline<'_> {
        Chain::new(Some(Carrier::socket(self)))
    }

    /// Starts a transaction: commands that the server executes as one, answered with a tuple.
    ///
    /// It is sent as a whole, so it may share the socket with other commands. To make it depend on values that were
    /// read before, see [`Pool::watch`].
    pub fn transaction(&self) -> Transaction<'_> {
        Chain::new(Some(Carrier::socket(self)))
    }
}

impl Pool {
    /// Starts a pipeline on one of the shared sockets.
    pub fn pipeline(&self) -> Pipeline<'_> {
        Chain::new(Some(Carrier::socket(self)))
    }

    /// Starts a transaction on one of the shared sockets.
    pub fn transaction(&self) -> Transaction<'_> {
        Chain::new(Some(Carrier::socket(self)))
    }
}

impl Exclusive {
    /// Starts a pipeline on this socket.
    pub fn pipeline(&self) -> Pipeline<'_> {
        Chain::new(Some(Carrier::socket(self)))
    }

    /// Starts a transaction on this socket; after WATCH it is executed only if no watched key was changed.
    pub fn transaction(&self) -> Transaction<'_> {
        Chain::new(Some(Carrier::socket(self)))
    }
}
