//! Optimistic transactions: WATCH, read, decide, EXEC, and again if a watched key was changed
//! meanwhile.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::carrier::Carrier;
use super::payload::ChainPayload;
use super::replies::Replies;
use super::{Atomic, Chain, Running, Transaction};
use crate::codec::prefixed::ReplyNames;
use crate::command::prefix::Prefix;
use crate::command::{Args, CommandInfo, Keys, StateChange, ToArgs, command_info};
use crate::config::Backoff;
use crate::engine::exchange::Pending;
use crate::error::{Error, ErrorKind, Phase, Result};
use crate::handle::{Exclusive, Pool};
use crate::reply::{FromRedis, described};
use crate::request::{AllowsBlocking, Execute, Sink, Target};

static WATCH: CommandInfo = command_info!("WATCH").state(StateChange::Watch);
static UNWATCH: CommandInfo = command_info!("UNWATCH").state(StateChange::Watch);

/// The number of attempts, by default.
const ATTEMPTS: u32 = 100;
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(1),
    longest: Duration::from_millis(50),
};

impl Pool {
    /// Runs a transaction that depends on what was read before. Runs it again if a watched key was changed in
    /// between, or if the service moved to another server before EXEC was sent.
    ///
    /// `attempt` gets a handle to read with, and returns the transaction, made by [`Watched::transaction`]. It may be
    /// called many times, so it should only read. Between attempts there is a random pause, which grows. After 100
    /// attempts (see [`Watch::attempts`]) the call fails with [`ErrorKind::WatchedKeyChanged`]. The socket is leased
    /// for the call, so other tasks are not disturbed.
    ///
    /// ```no_run
    /// # extern crate typedis_core as typedis;
    /// # async fn example(pool: typedis::Pool) -> typedis::Result<()> {
    /// use typedis::{Run, raw};
    ///
    /// let (sold,) = pool
    ///     .watch(["stock"], |tx| async move {
    ///         let stock: i64 = tx.run(raw("GET").key("stock").reply()).await?;
    ///         Ok(tx.transaction().run(raw("SET").key("stock").arg(stock - 1).reply::<()>()))
    ///     })
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn watch<K, F, Fut, T>(&self, keys: K, attempt: F) -> Watch<'_, F>
    where
        K: ToArgs,
        F: Fn(Watched) -> Fut,
        Fut: Future<Output = Result<T>>,
        T: Target,
        T::Sink: Commit,
    {
        Watch::new(
            Box::new(self),
            watch_of(&keys, Keys::Ignored),
            None,
            attempt,
        )
    }
}

/// WATCH with these keys.
pub(crate) fn watch_of(keys: &impl ToArgs, noted: Keys) -> Args {
    let mut watch = Args::new(&WATCH, noted);
    watch.keys("key", keys);
    watch
}

/// Lends the sockets on which a transaction is tried.
pub(crate) trait Lend: Send {
    /// Lends a socket for the next attempt.
    fn lend(&mut self) -> Lending<'_>;

    /// Whether an attempt that had no effect failed because its keys are elsewhere, so that it is made again there; waits
    /// until then.
    fn follow<'l>(&'l mut self, error: &'l Error, by: By) -> Following<'l>;
}

/// What chose the words of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The server.
    Server,
    /// Perhaps code that a command runs, such as a script.
    Code,
}

/// A socket that is about to be lent.
pub(crate) type Lending<'l> = Pin<Box<dyn Future<Output = Result<Lent>> + Send + 'l>>;

pub(crate) type Following<'l> = Pin<Box<dyn Future<Output = bool> + Send + 'l>>;

/// A socket for one attempt.
pub(crate) struct Lent {
    pub(crate) lease: Exclusive,
    /// Whether its node is only about to get the slot of the keys, so that ASKING must come before each command.
    pub(crate) asking: bool,
}

impl Lend for &Pool {
    fn lend(&mut self) -> Lending<'_> {
        Box::pin(async {
            let lease = self.exclusive().await?;
            let asking = false;
            Ok(Lent { lease, asking })
        })
    }

    fn follow<'l>(&'l mut self, _: &'l Error, _: By) -> Following<'l> {
        Box::pin(std::future::ready(false))
    }
}

/// A transaction that [`Pool::watch`] can execute.
pub trait Commit {
    /// The replies of the transaction.
    type Tuple;

    #[doc(hidden)]
    fn commit(
        self,
        lease: &Exclusive,
        asking: bool,
    ) -> impl Future<Output = Result<Self::Tuple, Failed>> + Send;
}

impl<L: Replies> Commit for Chain<'static, Atomic, L> {
    type Tuple = L::Tuple;

    fn commit(
        self,
        lease: &Exclusive,
        asking: bool,
    ) -> impl Future<Output = Result<L::Tuple, Failed>> + Send {
        let mut payload = self.into_payload();
        payload.set_asking(asking);
        execute::<L>(payload, lease)
    }
}

async fn execute<L: Replies>(payload: ChainPayload, lease: &Exclusive) -> Result<L::Tuple, Failed> {
    let mut running = Running::new(Some(Carrier::socket(lease)), payload);
    if running.sends_nothing() {
        unwatch(lease).await;
        let nothing = std::future::poll_fn(|cx| running.poll(cx, L::decode)).await;
        return nothing.map_err(Failed::before);
    }
    let mut executed = false;
    let result = std::future::poll_fn(|cx| {
        running.poll(cx, |outcomes| {
            // There are outcomes to decode only if EXEC replied with them.
            executed = true;
            L::decode(outcomes)
        })
    })
    .await;
    // EXEC ends the watch, whatever the reply is. If there was no reply, the socket is not reused.
    let answered = result
        .as_ref()
        .err()
        .is_none_or(|error| !error.is_connection() && !error.is_timeout());
    lease.set_watching(!answered);
    result.map_err(|error| Failed {
        may_have_effect: executed || error.phase() == Phase::MaybeApplied,
        ..Failed::before(error)
    })
}

/// A future that runs a transaction until it succeeds; see [`Pool::watch`].
#[must_use = "nothing happens until it is awaited"]
pub struct Watch<'a, F> {
    sockets: Box<dyn Lend + 'a>,
    watch: Args,
    /// The prefix that names get on the way.
    prefix: Option<Arc<Prefix>>,
    attempt: F,
    attempts: u32,
}

impl<F> std::fmt::Debug for Watch<'_, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

impl<'a, F> Watch<'a, F> {
    pub(crate) fn new(
        sockets: Box<dyn Lend + 'a>,
        watch: Args,
        prefix: Option<Arc<Prefix>>,
        attempt: F,
    ) -> Self {
        Self {
            sockets,
            watch,
            prefix,
            attempt,
            attempts: ATTEMPTS,
        }
    }

    /// The most attempts that are made, at least 1; 100 by default.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }
}

impl<'a, F, Fut, T> IntoFuture for Watch<'a, F>
where
    F: Fn(Watched) -> Fut + Send + 'a,
    Fut: Future<Output = Result<T>> + Send + 'a,
    T: Target + Send + 'a,
    T::Sink: Commit + Send,
    <T::Sink as Commit>::Tuple: Send,
{
    type Output = Result<<T::Sink as Commit>::Tuple>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<F, Fut, T> Watch<'_, F>
where
    F: Fn(Watched) -> Fut,
    Fut: Future<Output = Result<T>>,
    T: Target,
    T::Sink: Commit,
{
    async fn run(mut self) -> Result<<T::Sink as Commit>::Tuple> {
        if let Some(error) = self.watch.take_error() {
            return Err(error);
        }
        let mut attempt = 0;
        loop {
            let Lent { lease, asking } = self.sockets.lend().await?;
            let lease = Arc::new(lease);
            let failed = match self.once(&lease, asking).await {
                Ok(tuple) => return Ok(tuple),
                Err(failed) => failed,
            };
            let is_repeated = failed.is_repeated(&lease);
            // A connection that was lost may be another one, which the closure used.
            let is_ours = !failed.error.is_connection() || lease.is_closed();
            drop(lease);
            if is_ours
                && !failed.may_have_effect
                && self.sockets.follow(&failed.error, failed.by).await
            {
                continue;
            }
            if !is_repeated {
                return Err(failed.error);
            }
            attempt += 1;
            if attempt >= self.attempts {
                return Err(failed.error);
            }
            tokio::time::sleep(BACKOFF.pause(attempt - 1)).await;
        }
    }

    async fn once(
        &mut self,
        lease: &Arc<Exclusive>,
        asking: bool,
    ) -> Result<<T::Sink as Commit>::Tuple, Failed> {
        let mut watch = Args::new(&WATCH, Keys::Ignored);
        watch.append_from(&self.watch);
        lease.set_watching(true);
        if asking {
            lease.ask();
        }
        run_unit(lease, watch).await.map_err(Failed::before)?;
        let watched = Watched {
            lease: lease.clone(),
            asking,
            prefix: self.prefix.clone(),
        };
        let transaction = match (self.attempt)(watched).await {
            Ok(transaction) => transaction.into_sink(),
            Err(error) => {
                unwatch(lease).await;
                return Err(Failed::reading(error));
            }
        };
        transaction.commit(lease, asking).await
    }
}

/// An attempt that failed.
#[doc(hidden)]
#[derive(Debug)]
pub struct Failed {
    error: Error,
    by: By,
    /// Whether the transaction may have been carried out: once EXEC has replied with an array it was, whatever errors are in it.
    may_have_effect: bool,
}

impl Failed {
    /// Before the transaction was carried out.
    fn before(error: Error) -> Self {
        Self {
            error,
            by: By::Server,
            may_have_effect: false,
        }
    }

    /// In the closure, which may have called a script.
    fn reading(error: Error) -> Self {
        Self {
            by: By::Code,
            ..Self::before(error)
        }
    }

    /// Whether another attempt is made: another client changed a key, or the service moved to another server
    /// meanwhile.
    fn is_repeated(&self, lease: &Exclusive) -> bool {
        match self.error.kind() {
            ErrorKind::WatchedKeyChanged => true,
            ErrorKind::ConnectionLost(_) => {
                !self.may_have_effect && lease.connection().link().was_left()
            }
            _ => false,
        }
    }
}

/// Ends the watch of a transaction that was not sent. If that fails, the socket is not lent again.
async fn unwatch(lease: &Exclusive) {
    let ended = run_unit(lease, Args::new(&UNWATCH, Keys::Ignored)).await;
    lease.set_watching(ended.is_err());
}

async fn run_unit(lease: &Exclusive, args: Args) -> Result<()> {
    lease.call_unnoted(Box::new(args)).decoded().await
}

/// A handle to read with between WATCH and EXEC, and to make the transaction.
#[derive(Debug)]
pub struct Watched {
    lease: Arc<Exclusive>,
    /// Whether ASKING must come before each command.
    asking: bool,
    /// The prefix that names get on the way.
    prefix: Option<Arc<Prefix>>,
}

impl Watched {
    /// Starts the transaction that the closure returns.
    pub fn transaction(&self) -> Transaction<'static> {
        match &self.prefix {
            Some(prefix) => Chain::new(None).prefixed(prefix),
            None => Chain::new(None),
        }
    }
}

impl Target for &Watched {
    type Sink = Self;

    fn into_sink(self) -> Self {
        self
    }
}

impl<'a> Sink for &'a Watched {
    type Pending = WatchedPending<'a>;

    fn keys(&self) -> Keys {
        if self.prefix.is_some() {
            Keys::Noted
        } else {
            Keys::Ignored
        }
    }
}

impl AllowsBlocking for &Watched {}

/// A command between WATCH and EXEC.
#[derive(Debug)]
pub struct WatchedPending<'a> {
    pending: Pending<'a>,
    /// The names in its reply, if they have a prefix.
    names: Option<(ReplyNames, &'a Prefix)>,
}

impl Watched {
    fn call(&self, mut args: Box<Args>) -> Pending<'_> {
        match args.changes_its_socket() {
            false => {
                // A command is submitted right after it was begun, so nothing comes between the two.
                if self.asking {
                    self.lease.ask();
                }
                self.lease.call(args)
            }
            true => {
                let error = Error::usage("it would change the connection that the watch is on");
                Pending::refused(self.lease.connection().link(), args, error)
            }
        }
    }
}

impl<'a, R: FromRedis> Execute<R> for &'a Watched {
    type Output = R;

    fn begin(self, mut args: Box<Args>) -> WatchedPending<'a> {
        let names = self.prefix.as_deref().and_then(|prefix| {
            let names = ReplyNames::of(&args, prefix);
            args.put_prefix(prefix);
            names.map(|names| (names, prefix))
        });
        WatchedPending {
            pending: self.call(args),
            names,
        }
    }

    fn submit(pending: &mut WatchedPending<'a>) {
        pending.pending.submit();
    }

    fn poll(this: &mut WatchedPending<'a>, cx: &mut Context<'_>) -> Poll<Result<R>> {
        match &this.names {
            None => this.pending.poll_decoded(cx),
            Some((names, prefix)) => {
                let outcome = ready!(this.pending.poll(cx));
                let decoded = names.decode(outcome, prefix);
                Poll::Ready(described(decoded, |error| this.pending.explained(error)))
            }
        }
    }
}
