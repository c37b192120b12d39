//! Commands apart from any connection: built here, executed elsewhere.

use std::marker::PhantomData;

use crate::command::CommandInfo;
use crate::command::args::{Args, Keys};
use crate::command::{Timeout, ToArg, ToArgs};
use crate::reply::FromRedis;
use crate::reply::Value;
use crate::request::{AllowsBlocking, AllowsState, IntoRequest, Queues, Request, Sink, Target};

/// A target whose commands go nowhere by themselves.
///
/// They are executed by [`Run::run`] or collected in a [`Batch`](crate::Batch). A command that blocks or changes its
/// connection's state can be built here; a shared connection refuses it when it is run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Detached;

/// Starts a command apart from any connection: `cmd().incr("n")`.
#[must_use]
pub fn cmd() -> Detached {
    Detached
}

impl Target for Detached {
    type Sink = Self;

    fn into_sink(self) -> Self {
        self
    }
}

impl Sink for Detached {
    type Pending = ();

    fn keys(&self) -> Keys {
        Keys::Noted
    }
}

/// What is built apart may go into a pipeline, where each command can have a `Result` of its own.
impl Queues for Detached {}

impl AllowsBlocking for Detached {}
impl AllowsState for Detached {}

impl<R> Request<Detached, R> {
    /// The command as it will be sent.
    #[must_use]
    pub fn into_args(self) -> Args {
        *self.into_args_box()
    }

    /// The same, left where it is.
    #[inline]
    pub(crate) fn into_args_box(self) -> Box<Args> {
        match self.into_parts() {
            Some((_, args)) => args,
            // A detached request cannot be sent, so it is always still there.
            None => Args::lease(&RAW, Keys::Ignored),
        }
    }
}

/// A command built from words, for one that no method exists for.
///
/// ```no_run
/// # extern crate typedis_core as typedis;
/// # async fn example(conn: typedis::Connection) -> typedis::Result<()> {
/// use typedis::{Run, raw};
///
/// let n: i64 = conn.run(raw("NEW.CMD").key("k").arg(5).reply()).await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a raw command does nothing until it is run"]
pub struct Raw<R = Value> {
    args: Args,
    reply: PhantomData<fn() -> R>,
}

static RAW: CommandInfo = CommandInfo::new("", b"", 0);
static RAW_READONLY: CommandInfo = CommandInfo::new("", b"", 0).readonly();

/// Starts a command with its name; a name of two words (`"CONFIG GET"`) is sent as two.
pub fn raw(name: &str) -> Raw {
    let mut args = Args::new(&RAW, Keys::Noted);
    name.split_ascii_whitespace()
        .for_each(|word| args.word(word));
    Raw {
        args,
        reply: PhantomData,
    }
}

impl<R> Raw<R> {
    /// Appends an argument.
    pub fn arg(mut self, value: impl ToArg) -> Self {
        self.args.arg("arg", &value);
        self
    }

    /// Appends any number of arguments.
    pub fn args(mut self, values: impl ToArgs) -> Self {
        self.args.args("args", &values);
        self
    }

    /// Appends a key, by which the command is routed.
    pub fn key(mut self, key: impl ToArg) -> Self {
        self.args.key("key", &key);
        self
    }

    /// Says that the command only reads: it may then be sent again after a lost connection.
    pub fn readonly(mut self) -> Self {
        self.args.set_info(&RAW_READONLY);
        self
    }

    /// Says that the command blocks, at most so long: the server's timeout, which is not sent by this. A pool then
    /// leases a socket for it, and its deadline is the configured one on top of this.
    ///
    /// ```no_run
    /// # extern crate typedis_core as typedis;
    /// # async fn example(pool: typedis::Pool) -> typedis::Result<()> {
    /// use typedis::{Run, raw};
    ///
    /// let job: Option<(String, String)> = pool.run(raw("BLPOP").key("jobs").arg(5).blocks_for(5).reply()).await?;
    /// # Ok(()) }
    /// ```
    pub fn blocks_for(mut self, limit: impl Into<Timeout>) -> Self {
        self.args.block(&limit.into());
        self
    }

    /// Says what the reply is to be read as.
    pub fn reply<R2: FromRedis>(self) -> Raw<R2> {
        Raw {
            args: self.args,
            reply: PhantomData,
        }
    }
}

impl<R> IntoRequest for Raw<R> {
    type Sink = Detached;
    type Reply = R;

    fn into_request(self) -> Request<Detached, R> {
        Request::from_args(Detached, self.args)
    }
}

/// Runs commands that were built apart; every target has it.
pub trait Run: Target {
    /// Executes the command here, or queues it where commands are queued.
    fn run<C: IntoRequest<Sink = Detached>>(self, command: C) -> Request<Self::Sink, C::Reply> {
        Request::of(self.into_sink(), command.into_request().into_args_box())
    }
}

impl<T: Target> Run for T {}
