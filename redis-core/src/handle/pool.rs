//! A few shared sockets for most commands, and leased ones for commands that need a socket for
//! themselves.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::connection::{Connection, runtime};
use super::driven::Driven;
use super::exclusive::Exclusive;
use super::leases::Leases;
use super::unclaimed::{self, Reports, Unclaimed};
use crate::command::{Args, Block};
use crate::config::{Config, IntoConfig};
use crate::engine::events::{self, Events};
use crate::engine::exchange::Pending;
use crate::engine::link::{Lane, Link};
use crate::engine::stats::Stats;
use crate::error::{Error, ErrorKind, Phase, Result, ServerVersion};
use crate::reply::Frame;
use crate::request::AllowsBlocking;

/// Several sockets to one server behind one handle, cheap to clone.
///
/// Most commands go over a few shared *lanes*, each of them pipelined. A command that blocks leases another socket
/// for as long as it runs. [`Pool::exclusive`] leases one for you, [`Pool::watch`] for an optimistic transaction.
#[derive(Clone, Debug)]
pub struct Pool {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Arc<Config>,
    lanes: Vec<Connection>,
    leases: Arc<Leases>,
    reports: Reports,
}

impl Pool {
    /// Connects the lanes that are kept open, and waits until they are ready. Other sockets are opened when they are
    /// first needed.
    ///
    /// # Errors
    /// A bad URL, an unreachable server, a refused login.
    pub async fn open(config: impl IntoConfig) -> Result<Self> {
        let config = Arc::new(config.into_config()?.for_one_server()?);
        let mut lanes = Vec::with_capacity(config.lanes);
        for _ in 0..config.min_lanes.unwrap_or(config.lanes) {
            lanes.push(Connection::to_server(config.clone()).await?);
        }
        Ok(Self::of(config, lanes))
    }

    /// A pool that connects when the first command is sent; see [`Connection::lazy`].
    ///
    /// # Errors
    /// A bad URL or configuration; that there is no runtime.
    pub fn lazy(config: impl IntoConfig) -> Result<Self> {
        let config = Arc::new(config.into_config()?.for_one_server()?);
        runtime()?;
        let least = config.min_lanes.unwrap_or(config.lanes);
        let lanes = (0..least)
            .map(|_| Connection::sleeping(config.clone(), None))
            .collect();
        Ok(Self::of(config, lanes))
    }

    /// Adds the lanes that are opened under load.
    fn of(config: Arc<Config>, mut lanes: Vec<Connection>) -> Self {
        while lanes.len() < config.lanes {
            lanes.push(Connection::sleeping(config.clone(), config.idle_timeout));
        }
        let leases = Leases::new(Config::clone(&config));
        Self {
            inner: Arc::new(Inner {
                config,
                lanes,
                leases,
                reports: Reports::default(),
            }),
        }
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Leases a socket: an idle one, or a new one, or, if all are in use, the next one that comes back.
    ///
    /// Waiting is fair and bounded by the command timeout.
    ///
    /// # Errors
    /// A timeout, a failure to connect, or `Closed` while the pool is being closed.
    #[doc(alias = "acquire")]
    pub async fn exclusive(&self) -> Result<Exclusive> {
        Exclusive::lease(&self.inner.leases).await
    }

    /// The number of sockets that could be leased at this moment.
    #[must_use]
    pub fn available(&self) -> usize {
        self.inner.leases.available()
    }

    /// What happens to the shared sockets from here on, in one stream.
    #[must_use]
    pub fn events(&self) -> Events {
        events::subscribe(self.inner.lanes.iter().map(|lane| lane.link().announcer()))
    }

    /// Whether it was closed, or its runtime has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner.lanes.iter().all(Connection::is_closed)
    }

    /// Whether a shared socket is ready for commands at this moment; see [`Connection::is_connected`].
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.inner.lanes.iter().any(Connection::is_connected)
    }

    /// The number of commands that have no reply yet, on shared and on leased sockets; a pipeline counts once.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        let lanes = self.inner.lanes.iter();
        lanes.map(Connection::in_flight).sum::<usize>() + self.inner.leases.in_flight()
    }

    /// The present values of the shared sockets' counters, added up.
    ///
    /// Leased sockets are not among them. A server may hold a command that blocks for as long as it likes, which would look like
    /// [`owed_for`](Stats::owed_for); and a socket that is closed takes its counters with it. [`Pool::available`] says how many sockets could
    /// be leased, and [`Pool::in_flight`] counts their commands too.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner.lanes.iter().map(Connection::stats).sum()
    }

    /// [`Connection::budgeted`] of each shared socket.
    #[cfg(feature = "planted")]
    #[doc(hidden)]
    #[must_use]
    pub fn budgeted(&self) -> Vec<(usize, usize)> {
        let lanes = self.inner.lanes.iter();
        lanes.map(Connection::budgeted).collect()
    }

    /// Calls `report` with the reply to a blocking command whose caller has gone away: for instance, an element that
    /// BLPOP popped at the moment when its future was dropped, or when its deadline passed. The function applies to all
    /// clones of the pool, and replaces an earlier one. It should return soon.
    ///
    /// Without it, the socket of such a call is closed at once, and such an element is lost. With it, the server is told
    /// to end the wait (CLIENT UNBLOCK), and the socket is used again. If the server does not answer within a second, or another
    /// server would get that, the socket is closed as well.
    ///
    /// ```no_run
    /// # extern crate typedis_core as typedis;
    /// # async fn example(pool: typedis::Pool) {
    /// use typedis::{Run, raw};
    ///
    /// let again = pool.clone();
    /// pool.on_unclaimed(move |unclaimed| {
    ///     if let Ok((list, element)) = unclaimed.decode::<(String, Vec<u8>)>() {
    ///         let pool = again.clone();
    ///         tokio::spawn(async move { pool.run(raw("LPUSH").key(list).arg(element).reply::<i64>()).await });
    ///     }
    /// });
    /// # }
    /// ```
    pub fn on_unclaimed(&self, report: impl Fn(Unclaimed) + Send + Sync + 'static) {
        self.inner.reports.set(report);
    }

    /// All shared sockets, also those without a connection.
    pub(crate) fn lanes(&self) -> &[Connection] {
        &self.inner.lanes
    }

    /// The sockets to lease.
    pub(crate) fn leases(&self) -> &Arc<Leases> {
        &self.inner.leases
    }

    /// The lane for subscriptions: with one lane for all, two subscriptions to the same channel
    /// share it.
    pub(crate) fn first_lane(&self) -> &Connection {
        match self.inner.lanes.first() {
            Some(lane) => lane,
            // `Config::check`, which `into_config` calls, refuses 0.
            None => unreachable!("a pool has at least one lane"),
        }
    }

    /// The lanes that are kept open: the others are opened under load, and close when nobody uses them.
    pub(crate) fn steady_lanes(&self) -> &[Connection] {
        let Inner { config, lanes, .. } = &*self.inner;
        let open = config.min_lanes.unwrap_or(config.lanes);
        lanes.get(..open.max(1)).unwrap_or(lanes)
    }

    /// The lane for commands that one and the same server has to carry out, since each lane may lead to another one: to
    /// another replica, for instance. A lane that falls asleep may wake up elsewhere, so it is none of these.
    pub(crate) fn steady_lane(&self) -> &Connection {
        least_busy(self.steady_lanes())
    }

    /// The lane for a command of its own.
    pub(crate) fn lane(&self) -> &Connection {
        least_busy(&self.inner.lanes)
    }
}

/// The open lane with the fewest commands in flight; if all are busy, one that has no socket yet. One that has ended, only if all have.
#[inline]
fn least_busy(lanes: &[Connection]) -> &Connection {
    let start = if lanes.len() > 1 {
        fastrand::usize(..lanes.len())
    } else {
        0
    };
    let (before, after) = lanes.split_at(start);
    let mut best: Option<(&Connection, usize)> = None;
    for lane in after.iter().chain(before) {
        let load = match lane.link().load() {
            (load, true) => load,
            (_, false) if lane.is_closed() => usize::MAX,
            // Opening a socket pays only if there is much to do.
            (load, false) => load.saturating_add(BUSY),
        };
        if best.is_none_or(|(_, least)| load < least) {
            best = Some((lane, load));
        }
        if load == 0 {
            break;
        }
    }
    match best {
        Some((lane, _)) => lane,
        // `Config::check`, which `into_config` calls, refuses 0.
        None => unreachable!("a pool has at least one lane"),
    }
}

/// A lane with this many commands in flight counts as busy.
const BUSY: usize = 64;

/// A command that was started on a pool.
#[derive(Debug)]
pub enum PoolPending<'a> {
    /// On a shared lane.
    Lane(Pending<'a>),
    /// On a socket that is leased for it.
    Leased(Driven<'a>),
}

/// The lane with the least to do, chosen when the chain is sent.
impl Lane for Pool {
    fn link(&self, _has_raw: bool) -> &Link {
        self.lane().link()
    }
}

impl AllowsBlocking for &Pool {}

impl Pool {
    /// Begins a command: over a lane, or over a socket leased for it if it blocks.
    pub(crate) fn begin(&self, mut args: Box<Args>) -> PoolPending<'_> {
        if !args.is_plain() && args.takes_a_lease() {
            return PoolPending::Leased(Driven::new(args, |args| async move {
                let mut server = None;
                let outcome = run_leased(self, args, &mut server).await;
                (outcome, server)
            }));
        }
        PoolPending::Lane(self.lane().begin(args))
    }
}

/// Runs a blocking command on a socket of its own. When this is dropped midway, the lease closes its socket, because a
/// reply is still owed on it. The server that it was sent to is noted in `server`.
async fn run_leased(
    pool: &Pool,
    mut args: Box<Args>,
    server: &mut Option<ServerVersion>,
) -> Result<Frame> {
    /// How often a socket may be lost soon after it was leased.
    const ATTEMPTS: u32 = 3;
    /// A socket that lived for this long does not count as lost soon.
    const SETTLED: Duration = Duration::from_secs(1);
    let name = args.name();
    if let Some(error) = args.take_error() {
        return Err(error);
    }
    let since = Instant::now();
    let end = patience(&args, pool.config()).and_then(|patience| since.checked_add(patience));
    let (mut attempt, mut next) = (1, args.again());
    loop {
        let leased = Instant::now();
        // Before the lease: while the pool is being closed, this keeps the lane until the wait is over.
        let ending = pool.inner.reports.ending(pool.lane());
        let outcome = match Exclusive::lease_by(&pool.inner.leases, end).await {
            Ok(lease) => {
                *server = lease.server();
                if let Some(end) = end {
                    next.set_time_left(end.saturating_duration_since(Instant::now()));
                }
                unclaimed::run(ending, lease, false, Box::new(next)).await
            }
            Err(error) => return Err(error.of_command(name)),
        };
        attempt = if leased.elapsed() >= SETTLED {
            1
        } else {
            attempt + 1
        };
        match outcome {
            // For instance between two pieces of a wait, when the service moved.
            Err(error) if was_lost_before(&error) && attempt <= ATTEMPTS => {
                next = args.again_since(since);
            }
            outcome => return outcome.map_err(|error| error.of_command(name)),
        }
    }
}

/// How long a blocking command may take, with the wait for its socket; `None` is for ever.
fn patience(args: &Args, config: &Config) -> Option<Duration> {
    match (args.deadline(), args.block_limit()) {
        (Some(deadline), _) => Some(deadline),
        (None, Some(Block::Forever)) => None,
        (None, Some(Block::For(limit))) => config
            .command_timeout
            .map(|usual| usual.saturating_add(limit)),
        (None, None) => config.command_timeout,
    }
}

/// Whether a socket was lost before anything of the command was sent on it. It may have come from another runtime, which has ended.
fn was_lost_before(error: &Error) -> bool {
    let is_lost = matches!(
        error.kind(),
        ErrorKind::ConnectionLost(_) | ErrorKind::RuntimeEnded
    );
    is_lost && error.phase() == Phase::NotSent
}
