//! Commands without a connection: built here, executed elsewhere.

use std::marker::PhantomData;

use crate::command::CommandInfo;
use crate::command::args::{Args, Keys};
use crate::command::{KnownCommands, Timeout, ToArg, ToArgs};
use crate::reply::FromRedis;
use crate::reply::Value;
use crate::request::{AllowsBlocking, AllowsState, IntoRequest, Queues, Request, Sink, Target};

/// A target for commands that are built without a connection.
///
/// They are executed by [`Run::run`], or collected in a [`Batch`](crate::Batch). A command that blocks or changes
/// the state of its connection can be built here; a shared connection refuses to run it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Detached;

/// Starts a command without a connection: `cmd().incr("n")`.
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

/// A detached command may be put into a pipeline, where each command can have its own `Result`.
impl Queues for Detached {}

impl AllowsBlocking for Detached {}
impl AllowsState for Detached {}

impl<R> Request<Detached, R> {
    /// The command as it will be sent.
    #[must_use]
    pub fn into_args(self) -> Args {
        *self.into_args_box()
    }

    /// The same, without moving it out of its box.
    #[inline]
    pub(crate) fn into_args_box(self) -> Box<Args> {
        match self.into_parts() {
            Some((_, args)) => args,
            // A detached request cannot be sent, so it is always still there.
            None => Args::lease(&RAW.once, Keys::Ignored),
        }
    }
}

/// A command built from words, if there is no method for it.
///
/// Its words are looked up when it is run, in upper or lower case, and however they are divided between
/// [`raw`](fn@raw) and [`Raw::arg`]. If the method of a command does not compile on a shared handle, the command is
/// refused there before anything is sent, with the same advice:
///
/// | command | [`Connection`](crate::Connection), pipeline, transaction, batch | [`Pool`](crate::Pool) | [`Exclusive`](crate::Exclusive) |
/// | --- | --- | --- | --- |
/// | blocks (`BLPOP`, `XREAD BLOCK`) | refused | leases a socket for it | sent |
/// | changes the connection (`SELECT`, `MULTI`, `CLIENT TRACKING`) | refused | refused | sent; the socket is not lent again |
/// | leaves no reply of its own (`SUBSCRIBE`, `MONITOR`, `CLIENT REPLY`, `SYNC`) | refused | refused | refused |
/// | is not known, such as commands of modules | sent | sent | sent; the socket is not lent again |
///
/// Nothing can be known about an unknown command, or one that the server was configured to call by another name. It
/// must have exactly one reply and change nothing on its connection; on an `Exclusive` it may change something. If it
/// blocks, say so with [`Raw::blocks_for`].
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
    readonly: &'static CommandInfo,
    reply: PhantomData<fn() -> R>,
}

/// What is known about commands that are built from words.
#[derive(Debug, Clone, Copy)]
pub struct RawInfo {
    once: CommandInfo,
    readonly: CommandInfo,
}

impl RawInfo {
    /// For commands whose words are looked up in `known`.
    #[must_use]
    pub const fn new(known: &'static KnownCommands) -> Self {
        let once = CommandInfo::raw(known);
        Self {
            once,
            readonly: once.readonly(),
        }
    }
}

static NOTHING: KnownCommands = KnownCommands::new(&[]);
static RAW: RawInfo = RawInfo::new(&NOTHING);

/// Starts a command with its name; a name of two words (`"CONFIG GET"`) is sent as two.
///
/// No command is known here: this is for the engine's own tests and examples. The `raw` of the crate `typedis` looks
/// the words up.
pub fn raw(name: &str) -> Raw {
    Raw::new(&RAW, name)
}

impl Raw {
    /// Starts a command with its name, where `info` says what is known about commands.
    pub fn new(info: &'static RawInfo, name: &str) -> Self {
        let mut args = Args::new(&info.once, Keys::Noted);
        name.split_ascii_whitespace()
            .for_each(|word| args.word(word));
        Self {
            args,
            readonly: &info.readonly,
            reply: PhantomData,
        }
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

    /// Appends a key, which decides where the command is sent.
    pub fn key(mut self, key: impl ToArg) -> Self {
        self.args.key("key", &key);
        self
    }

    /// Marks the command as one that only reads: it may then be sent again after a lost connection.
    pub fn readonly(mut self) -> Self {
        self.args.set_info(self.readonly);
        self
    }

    /// Sets how long the command blocks at most. Use the timeout that you give to the server, because this call does
    /// not send it. A pool then leases a socket for the command, and its deadline is this time plus the configured
    /// one.
    ///
    /// It is needed for unknown commands; for BLPOP and similar commands the words give the time.
    ///
    /// ```no_run
    /// # extern crate typedis_core as typedis;
    /// # async fn example(pool: typedis::Pool) -> typedis::Result<()> {
    /// use typedis::{Run, raw};
    ///
    /// let job: Option<(String, String)> = pool.run(raw("NEW.POP").key("jobs").arg(5).blocks_for(5).reply()).await?;
    /// # Ok(()) }
    /// ```
    pub fn blocks_for(mut self, limit: impl Into<Timeout>) -> Self {
        self.args.block(&limit.into());
        self
    }

    /// Sets the type that the reply is decoded into.
    pub fn reply<R2: FromRedis>(self) -> Raw<R2> {
        Raw {
            args: self.args,
            readonly: self.readonly,
            reply: PhantomData,
        }
    }
}

impl<R> IntoRequest for Raw<R> {
    type Sink = Detached;
    type Reply = R;

    fn into_request(mut self) -> Request<Detached, R> {
        self.args.look_up();
        Request::from_args(Detached, self.args)
    }
}

/// Runs detached commands; every target has it.
pub trait Run: Target {
    /// Executes the command here, or queues it if the target queues commands.
    fn run<C: IntoRequest<Sink = Detached>>(self, command: C) -> Request<Self::Sink, C::Reply> {
        Request::of(self.into_sink(), command.into_request().into_args_box())
    }
}

impl<T: Target> Run for T {}
