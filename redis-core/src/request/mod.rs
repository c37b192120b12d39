//! How a command is issued: [`Target`] is what has command methods, [`Request`] what they return.
//!
//! # Layout
//!
//! - this file: targets, sinks, requests
//! - `detached`: commands without a connection; `script`: calls of Lua scripts
//! - `state`: the states of option builders

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::command::{Args, CommandInfo, Keys};
use crate::error::{Error, Result};
use crate::reply::KeptReply;

mod detached;
mod script;
#[doc(hidden)]
pub mod state;

pub use detached::{Detached, Raw, RawInfo, Run, cmd, raw};
pub use script::Script;

/// Something that has command methods: a connection, a pool, a pipeline, a queued command of a pipeline.
///
/// The group traits (`StringCommands` and so on) are implemented for every target, so that the same method works on
/// all of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no command methods",
    label = "no command can be called on this",
    note = "commands of a connection are awaited one by one; to write one after the other, begin with `conn.pipeline()` or `conn.transaction()`"
)]
pub trait Target: Sized {
    /// The sink that receives the commands.
    type Sink: Sink;

    /// Turns the target into its sink, with everything that was queued on it so far.
    fn into_sink(self) -> Self::Sink;
}

/// The receiver of commands.
pub trait Sink: Sized {
    /// The state of an execution in progress.
    type Pending: Unpin;

    /// What has to be noted about each command's keys.
    fn keys(&self) -> Keys {
        Keys::Ignored
    }

    /// Starts a command that this sink will receive.
    #[doc(hidden)]
    #[inline(always)]
    fn start_command(&self, info: &'static CommandInfo) -> Box<Args> {
        Args::lease(info, self.keys())
    }
}

/// A sink whose requests can be awaited.
#[diagnostic::on_unimplemented(
    message = "this command cannot be awaited on its own: `{Self}` only collects it",
    note = "a detached command is executed by `conn.run(..)`, or by pushing it to a `Batch`",
    note = "a function over any handle takes `impl Client`, not `impl Target`"
)]
pub trait Execute<R>: Sink {
    /// The result of awaiting.
    type Output;

    /// The reply to a command that need not be sent, since its reply is in memory.
    #[doc(hidden)]
    #[inline]
    fn poll_known(&self, _args: &Args, _cx: &mut Context<'_>) -> Poll<Option<KeptReply>> {
        Poll::Ready(None)
    }

    /// What [`Execute::poll_known`] has found, decoded. A sink that finds nothing is not asked.
    #[doc(hidden)]
    #[inline]
    fn decode_known(_reply: KeptReply, _info: &'static CommandInfo) -> Poll<Result<Self::Output>> {
        Poll::Ready(Err(Error::ended()))
    }

    /// Begins the execution of a command. The command may be sent later.
    fn begin(self, args: Box<Args>) -> Self::Pending;

    /// The same, after [`Execute::poll_known`] has found nothing.
    #[doc(hidden)]
    #[inline]
    fn begin_unknown(self, args: Box<Args>) -> Self::Pending {
        self.begin(args)
    }

    /// Sends the command now, before the first poll.
    fn submit(pending: &mut Self::Pending);

    /// Drives the execution. After its end this returns an error.
    fn poll(pending: &mut Self::Pending, cx: &mut Context<'_>) -> Poll<Result<Self::Output>>;
}

/// Begins a command on a target: where it goes, and its arguments, which are not written yet.
///
/// Command methods call this and [`Request::of`], and not [`Request::new`]: a closure takes the compiler longer than its content does, and
/// there are many methods.
#[doc(hidden)]
#[inline(always)]
pub fn begin<T: Target>(target: T, info: &'static CommandInfo) -> (T::Sink, Box<Args>) {
    let sink = target.into_sink();
    let args = sink.start_command(info);
    (sink, args)
}

/// A sink that collects commands and executes them together: a pipeline or transaction.
#[diagnostic::on_unimplemented(
    message = "`{Self}` executes each command on its own",
    note = "a single command's failure is the `Err` that awaiting it gives; `attempt` is for pipelines and transactions"
)]
pub trait Queues: Sink {}

/// A request, or an option builder around one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no command that can be executed",
    note = "`cmd()` and `raw(..)` begin one, and a script is called: `script.call(keys, arguments)`"
)]
pub trait IntoRequest {
    /// Where the command is sent.
    type Sink: Sink;
    /// The type of its reply.
    type Reply;

    /// The request inside.
    fn into_request(self) -> Request<Self::Sink, Self::Reply>;
}

impl<S: Sink, R> IntoRequest for Request<S, R> {
    type Sink = S;
    type Reply = R;

    #[inline]
    fn into_request(self) -> Self {
        self
    }
}

/// A sink that accepts commands that block.
#[diagnostic::on_unimplemented(
    message = "this command can block, and `{Self}` shares its socket with others, who would have to wait",
    label = "blocks",
    note = "call it on a `Pool` or a `Cluster`, which lease a socket for it, or on an `Exclusive` (`pool.exclusive().await?`)"
)]
pub trait AllowsBlocking {}

/// A sink that accepts commands that change the state of its connection.
#[diagnostic::on_unimplemented(
    message = "this command changes its connection's state, and `{Self}` shares its socket with others",
    label = "changes the connection",
    note = "the database and the name are part of the configuration (`redis://host/5?client_name=worker`); a \
            transaction that depends on what is read before it is `pool.watch(..)`; for anything else take an `Exclusive` \
            (`pool.exclusive().await?`)",
    note = "a transaction is awaited, without MULTI and EXEC: `conn.transaction().incr(\"n\").await?`"
)]
pub trait AllowsState {}

/// A command that is not sent yet. On a connection or pool it is a future; in a pipeline it is a part of the
/// chain.
///
/// Nothing happens before the first poll, or [`Request::send`].
#[must_use = "a request does nothing until it is awaited or sent"]
pub struct Request<S: Sink, R> {
    state: State<S>,
    reply: PhantomData<fn() -> R>,
}

enum State<S: Sink> {
    Building(S, Box<Args>),
    /// `None` while the state changes, and after the end of a command that was not sent.
    Pending(Option<S::Pending>),
}

impl<S: Sink, R> Unpin for Request<S, R> {}

impl<S: Sink, R> std::fmt::Debug for Request<S, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match &self.state {
            // Arguments may be secrets.
            State::Building(_, args) => args.info().name,
            State::Pending(Some(_)) => "pending",
            State::Pending(None) => "done",
        };
        f.debug_tuple("Request").field(&state).finish()
    }
}

impl<S: Sink, R> Request<S, R> {
    /// Starts a command on a target and writes its required arguments.
    #[inline]
    pub fn new<T: Target<Sink = S>>(
        target: T,
        info: &'static CommandInfo,
        write: impl FnOnce(&mut Args),
    ) -> Self {
        let (sink, mut args) = begin(target, info);
        write(&mut args);
        Self::of(sink, args)
    }

    /// A request for a command that was built already.
    pub fn from_args(sink: S, args: Args) -> Self {
        Self::of(sink, Box::new(args))
    }

    /// A request for a command whose arguments are written.
    #[doc(hidden)]
    #[inline]
    pub fn of(sink: S, args: Box<Args>) -> Self {
        Self {
            state: State::Building(sink, args),
            reply: PhantomData,
        }
    }

    /// Changes the arguments. A request that was sent already is not changed.
    #[inline]
    pub fn edit(&mut self, write: impl FnOnce(&mut Args)) {
        if let Some(args) = self.args() {
            write(args);
        }
    }

    /// The arguments, for option builders, which do without closures: see [`begin`]. `None` if the request was sent already.
    #[doc(hidden)]
    #[inline]
    pub fn args(&mut self) -> Option<&mut Args> {
        match &mut self.state {
            State::Building(_, args) => Some(args),
            State::Pending(_) => None,
        }
    }

    /// The same command with another type of reply; for option builders.
    #[inline]
    pub fn with_reply<R2>(self) -> Request<S, R2> {
        Request {
            state: self.state,
            reply: PhantomData,
        }
    }

    /// The deadline of this one call, from its first poll to its reply, instead of the configured timeout. In a
    /// pipeline or transaction it applies to all commands; if there are several, the shortest counts.
    pub fn deadline(mut self, deadline: std::time::Duration) -> Self {
        if let Some(args) = self.args() {
            args.set_deadline(deadline);
        }
        self
    }

    /// Sends the command now; its reply can be awaited later.
    ///
    /// If there is no room for it in the budget, it is queued when it is awaited. If it is dropped while there is no socket, it is not sent.
    ///
    /// A command that blocks is sent when it is awaited, unless it is one of an [`Exclusive`](crate::Exclusive): on a pool
    /// or cluster it waits for a socket of its own first.
    ///
    /// On a cluster the reply has to be awaited: if the slot has moved, the command is sent to the new node only then.
    /// There, reads from replicas and `each_primary` are sent when they are awaited as well, and so is everything before a
    /// [lazy](crate::cluster::Cluster::lazy) cluster knows its nodes.
    ///
    /// ```no_run
    /// # extern crate typedis_core as typedis;
    /// # async fn example(conn: typedis::Connection) -> typedis::Result<()> {
    /// use typedis::{Run, raw};
    ///
    /// let later = conn.run(raw("INCR").key("visits").reply::<i64>()).send();
    /// // … other work …
    /// let visits = later.await?;
    /// # Ok(()) }
    /// ```
    #[must_use = "an error would go unnoticed, and what is dropped while there is no socket or no room is not sent"]
    pub fn send(mut self) -> Self
    where
        S: Execute<R>,
    {
        self.start(S::begin);
        if let State::Pending(Some(pending)) = &mut self.state {
            S::submit(pending);
        }
        self
    }

    /// Makes the result of this command a separate `Result`, so that its failure does not hide the replies of
    /// the others.
    pub fn attempt(self) -> Request<S, Result<R>>
    where
        S: Queues,
    {
        self.with_reply()
    }

    #[inline]
    fn start(&mut self, begin: impl FnOnce(S, Box<Args>) -> S::Pending) {
        if let State::Building(..) = self.state
            && let State::Building(sink, args) =
                std::mem::replace(&mut self.state, State::Pending(None))
        {
            let pending = State::Pending(Some(begin(sink, args)));
            // What is replaced is `None`, which needs no drop; the compiler does not see that.
            std::mem::forget(std::mem::replace(&mut self.state, pending));
        }
    }

    /// Takes the request apart, unless it was sent.
    #[inline]
    pub(crate) fn into_parts(self) -> Option<(S, Box<Args>)> {
        match self.state {
            State::Building(sink, args) => Some((sink, args)),
            State::Pending(_) => None,
        }
    }
}

impl<S: Execute<R>, R> Future for Request<S, R> {
    type Output = Result<S::Output>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::Building(sink, args) = &self.state
            && let Some(reply) = ready!(sink.poll_known(args, cx))
        {
            let info = args.info();
            let done = State::Pending(None);
            if let State::Building(_, args) = std::mem::replace(&mut self.state, done) {
                args.retire();
            }
            // This comes last, so that the value is made in its place and not moved.
            return S::decode_known(reply, info);
        }
        self.start(S::begin_unknown);
        match &mut self.state {
            State::Pending(Some(pending)) => S::poll(pending, cx),
            State::Building(..) | State::Pending(None) => Poll::Ready(Err(Error::ended())),
        }
    }
}
