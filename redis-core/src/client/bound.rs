//! The bound of generic code: [`Client`], and what it needs of a handle.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::chain::batch;
use crate::chain::carrier::Carrier;
use crate::chain::{Batch, Chain, EachPipeline, Mode, Pipeline, Transaction};
use crate::command::prefix::Prefix;
use crate::command::{Args, CommandInfo, Keys};
use crate::engine::exchange::Pending;
use crate::engine::inflight::Held;
use crate::error::{Error, Result};
use crate::handle::{Connection, Exclusive, Pool, PoolPending};
use crate::reply::{Frame, FromRedis, KeptReply, described};
use crate::request::{Detached, Execute, IntoRequest, Sink, Target};

/// A handle on which commands are executed: a [`Connection`], a [`Pool`], an [`Exclusive`], a
/// [`Cluster`](crate::cluster::Cluster); a view of one, [`Cached`](crate::Cached) or [`Prefixed`](crate::Prefixed); an
/// [`AnyClient`](crate::AnyClient); a reference to one of these, or an `Arc` of one.
///
/// It is the one bound that a function over any handle needs. The function takes the handle owned or borrowed, and has all
/// commands on it.
///
/// ```no_run
/// # extern crate typedis_core as typedis;
/// use typedis::{Client, Result, Run, raw};
///
/// async fn bump(client: impl Client, key: &str) -> Result<i64> {
///     client.run(raw("INCR").key(key).reply()).await
/// }
///
/// # async fn example(conn: typedis::Connection, pool: typedis::Pool) -> Result<()> {
/// bump(&conn, "visits").await?;
/// bump(pool.clone(), "visits").await?;
/// # Ok(()) }
/// ```
///
/// Commands that block are not for every handle: a function that needs them takes a `&Pool`, a `&Cluster` or an `&Exclusive`. Those
/// that change their connection are for an `&Exclusive` alone, and streams of scans for all of these handles but not for each
/// client. Bounds for such functions are [`AllowsBlocking`](crate::AllowsBlocking), [`AllowsState`](crate::AllowsState) and
/// [`IntoHost`](crate::IntoHost).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no handle that commands can be executed on",
    note = "`Connection`, `Pool`, `Cluster`, `Exclusive` and `AnyClient` are, and references and `Arc`s of them"
)]
pub trait Client: Send + Sync {
    /// A command on its way.
    #[doc(hidden)]
    type InFlight<'a>: InFlight
    where
        Self: 'a;

    /// Begins the execution of a command.
    #[doc(hidden)]
    fn begin_command(&self, args: Box<Args>) -> Self::InFlight<'_>;

    /// The same, after [`Client::poll_known`] has found nothing.
    #[doc(hidden)]
    #[inline]
    fn begin_unknown(&self, args: Box<Args>) -> Self::InFlight<'_> {
        self.begin_command(args)
    }

    /// The reply to a command that need not be sent, since its reply is in memory.
    #[doc(hidden)]
    #[inline]
    fn poll_known(&self, _args: &Args, _cx: &mut Context<'_>) -> Poll<Option<KeptReply>> {
        Poll::Ready(None)
    }

    /// What is to be noted of the keys of its commands.
    #[doc(hidden)]
    fn noted_keys(&self) -> Keys {
        Keys::Ignored
    }

    /// Starts a command that this handle will receive.
    #[doc(hidden)]
    #[inline(always)]
    fn start_command(&self, info: &'static CommandInfo) -> Box<Args> {
        Args::lease(info, self.noted_keys())
    }

    /// Where pipelines, transactions and batches go.
    #[doc(hidden)]
    fn surface(&self) -> Surface<'_>;

    /// Starts a pipeline: commands that go out in one write, answered with a tuple.
    fn pipeline(&self) -> Pipeline<'_> {
        self.surface().chain()
    }

    /// Starts a transaction: commands that the server executes as one, answered with a tuple.
    fn transaction(&self) -> Transaction<'_> {
        self.surface().chain()
    }

    /// Starts a batch: a pipeline whose commands are collected at run time.
    fn batch(&self) -> Batch<'_> {
        self.surface().batch()
    }

    /// Sends one command for each item in a single pipeline; the replies come as a `Vec` in the items' order.
    ///
    /// The first failure is the error of the whole; with `.attempt()` on the command each item has its own `Result`.
    fn pipeline_each<I, C>(
        &self,
        items: I,
        command: impl Fn(Detached, I::Item) -> C,
    ) -> EachPipeline<'_, C::Reply>
    where
        I: IntoIterator,
        C: IntoRequest<Sink = Detached>,
    {
        let Surface { carrier, prefix } = self.surface();
        batch::each(carrier, prefix, items, command)
    }
}

/// A command on its way over some [`Client`].
#[doc(hidden)]
pub trait InFlight: Unpin + Send {
    /// Has it sent now, before the first poll.
    fn submit(&mut self);

    /// Notes that it was on its way before it began: it goes on also if nothing new is accepted.
    fn go_on(&mut self, _onward: Onward) {}

    /// Drives it to its reply, decoded.
    fn poll_decoded<R: FromRedis>(&mut self, cx: &mut Context<'_>) -> Poll<Result<R>>;

    /// Drives it to its reply as it came.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame>>;

    /// Puts to the error that it ended with which command it is of, and what that needs; [`InFlight::poll_decoded`] does so
    /// by itself.
    fn explained(&self, error: Error) -> Error;
}

/// What keeps a link that is told to end for a command that was on its way, until that is queued.
#[doc(hidden)]
#[derive(Debug)]
pub struct Onward(pub(crate) Option<Held>);

/// Where the pipelines of a [`Client`] go.
#[doc(hidden)]
#[derive(Debug)]
pub struct Surface<'a> {
    pub(crate) carrier: Carrier<'a>,
    /// The prefix that names get on the way.
    pub(crate) prefix: Option<&'a Arc<Prefix>>,
}

impl<'a> Surface<'a> {
    pub(crate) fn new(carrier: Carrier<'a>) -> Self {
        Self {
            carrier,
            prefix: None,
        }
    }

    fn chain<M: Mode>(self) -> Chain<'a, M> {
        let chain = Chain::new(Some(self.carrier));
        match self.prefix {
            Some(prefix) => chain.prefixed(prefix),
            None => chain,
        }
    }

    fn batch(self) -> Batch<'a> {
        let batch = Batch::new(self.carrier);
        match self.prefix {
            Some(prefix) => batch.prefixed(prefix),
            None => batch,
        }
    }
}

impl<C: Client> Target for &C {
    type Sink = Self;

    #[inline]
    fn into_sink(self) -> Self {
        self
    }
}

impl<'a, C: Client> Sink for &'a C {
    type Pending = C::InFlight<'a>;

    #[inline]
    fn keys(&self) -> Keys {
        self.noted_keys()
    }

    #[inline(always)]
    fn start_command(&self, info: &'static CommandInfo) -> Box<Args> {
        C::start_command(self, info)
    }
}

impl<'a, C: Client, R: FromRedis> Execute<R> for &'a C {
    type Output = R;

    #[inline]
    fn poll_known(&self, args: &Args, cx: &mut Context<'_>) -> Poll<Option<KeptReply>> {
        C::poll_known(self, args, cx)
    }

    #[inline(always)]
    fn decode_known(reply: KeptReply, info: &'static CommandInfo) -> Poll<Result<R>> {
        // Each case returns by itself, so that a value is made in its place and not moved.
        match reply {
            KeptReply::Bulk(text) => match R::from_kept_text(text) {
                Ok(mut value) => {
                    value.describe_failure(|error| error.of_command(info.name.into()));
                    Poll::Ready(Ok(value))
                }
                Err(error) => does_not_fit(error, info),
            },
            KeptReply::Frame(frame) => decode_known_frame(KeptReply::Frame(frame), info),
        }
    }

    #[inline]
    fn begin(self, args: Box<Args>) -> C::InFlight<'a> {
        self.begin_command(args)
    }

    #[inline]
    fn begin_unknown(self, args: Box<Args>) -> C::InFlight<'a> {
        C::begin_unknown(self, args)
    }

    fn submit(pending: &mut C::InFlight<'a>) {
        pending.submit();
    }

    #[inline]
    fn poll(pending: &mut C::InFlight<'a>, cx: &mut Context<'_>) -> Poll<Result<R>> {
        pending.poll_decoded(cx)
    }
}

#[cold]
#[inline(never)]
fn does_not_fit<R>(error: Error, info: &'static CommandInfo) -> Poll<Result<R>> {
    Poll::Ready(Err(error.of_command(info.name.into())))
}

#[inline(never)]
fn decode_known_frame<R: FromRedis>(
    reply: KeptReply,
    info: &'static CommandInfo,
) -> Poll<Result<R>> {
    let decoded = R::from_kept(reply);
    Poll::Ready(described(decoded, |error| {
        error.of_command(info.name.into())
    }))
}

impl Client for Connection {
    type InFlight<'a> = Pending<'a>;

    #[inline]
    fn begin_command(&self, args: Box<Args>) -> Pending<'_> {
        self.begin(args)
    }

    fn surface(&self) -> Surface<'_> {
        Surface::new(Carrier::socket(self))
    }
}

impl Client for Pool {
    type InFlight<'a> = PoolPending<'a>;

    fn begin_command(&self, args: Box<Args>) -> PoolPending<'_> {
        self.begin(args)
    }

    fn surface(&self) -> Surface<'_> {
        Surface::new(Carrier::socket(self))
    }
}

impl Client for Exclusive {
    type InFlight<'a> = Pending<'a>;

    fn begin_command(&self, args: Box<Args>) -> Pending<'_> {
        self.call(args)
    }

    fn surface(&self) -> Surface<'_> {
        Surface::new(Carrier::socket(self))
    }
}

/// What points to a client is one.
macro_rules! pointers {
    ($($pointer:ty),+) => {$(
        impl<C: Client> Client for $pointer {
            type InFlight<'a> = C::InFlight<'a> where Self: 'a;

            #[inline]
            fn begin_command(&self, args: Box<Args>) -> C::InFlight<'_> {
                C::begin_command(self, args)
            }

            #[inline]
            fn begin_unknown(&self, args: Box<Args>) -> C::InFlight<'_> {
                C::begin_unknown(self, args)
            }

            #[inline]
            fn poll_known(&self, args: &Args, cx: &mut Context<'_>) -> Poll<Option<KeptReply>> {
                C::poll_known(self, args, cx)
            }

            fn noted_keys(&self) -> Keys {
                C::noted_keys(self)
            }

            #[inline(always)]
            fn start_command(&self, info: &'static CommandInfo) -> Box<Args> {
                C::start_command(self, info)
            }

            fn surface(&self) -> Surface<'_> {
                C::surface(self)
            }
        }
    )+};
}

pointers!(&C, Arc<C>);

/// What is large on its way, or mostly not needed, has a box.
impl<P: InFlight> InFlight for Box<P> {
    fn submit(&mut self) {
        P::submit(self);
    }

    fn go_on(&mut self, onward: Onward) {
        P::go_on(self, onward);
    }

    fn poll_decoded<R: FromRedis>(&mut self, cx: &mut Context<'_>) -> Poll<Result<R>> {
        P::poll_decoded(self, cx)
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame>> {
        P::poll_frame(self, cx)
    }

    fn explained(&self, error: Error) -> Error {
        P::explained(self, error)
    }
}

impl InFlight for Pending<'_> {
    fn submit(&mut self) {
        Pending::submit(self);
    }

    fn go_on(&mut self, onward: Onward) {
        Pending::go_on(self, onward.0);
    }

    #[inline]
    fn poll_decoded<R: FromRedis>(&mut self, cx: &mut Context<'_>) -> Poll<Result<R>> {
        Pending::poll_decoded(self, cx)
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame>> {
        self.poll(cx)
    }

    fn explained(&self, error: Error) -> Error {
        Pending::explained(self, error)
    }
}

impl InFlight for PoolPending<'_> {
    fn submit(&mut self) {
        // A blocking command waits for its lease first; it is on its way once it is polled.
        if let PoolPending::Lane(pending) = self {
            pending.submit();
        }
    }

    fn go_on(&mut self, onward: Onward) {
        if let PoolPending::Lane(pending) = self {
            pending.go_on(onward.0);
        }
    }

    #[inline]
    fn poll_decoded<R: FromRedis>(&mut self, cx: &mut Context<'_>) -> Poll<Result<R>> {
        match self {
            PoolPending::Lane(pending) => pending.poll_decoded(cx),
            PoolPending::Leased(driven) => {
                let decoded = ready!(driven.poll_frame(cx).map(Frame::decode_outcome));
                Poll::Ready(described(decoded, |error| driven.explained(error)))
            }
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame>> {
        match self {
            PoolPending::Lane(pending) => pending.poll(cx),
            PoolPending::Leased(driven) => driven.poll_frame(cx),
        }
    }

    fn explained(&self, error: Error) -> Error {
        match self {
            PoolPending::Lane(pending) => pending.explained(error),
            PoolPending::Leased(driven) => driven.explained(error),
        }
    }
}
