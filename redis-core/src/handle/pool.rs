//! A few shared sockets for plain commands, and leased ones for commands that need a socket of their own.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::connection::Connection;
use super::exclusive::Exclusive;
use super::leases::Leases;
use super::unclaimed::{self, Reports, Unclaimed};
use crate::command::Args;
use crate::config::{Config, IntoConfig};
use crate::engine::events::{self, Events};
use crate::engine::link::{Lane, Link};
use crate::engine::pending::Pending;
use crate::engine::stats::Stats;
use crate::error::{Error, ErrorKind, Phase, Result};
use crate::reply::Frame;
use crate::request::AllowsBlocking;

/// Several sockets to one server behind one handle, cheap to clone.
///
/// Plain commands go over a few shared *lanes*, each one pipelined; a command that blocks leases a socket of its own
/// for as long as it runs. [`Pool::exclusive`] leases one for work by hand, [`Pool::watch`] for optimistic
/// transactions.
#[derive(Clone, Debug)]
pub struct Pool {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    lanes: Vec<Connection>,
    leases: Arc<Leases>,
    reports: Reports,
}

impl Pool {
    /// Connects the lanes that are kept open, and says why if that fails. Other sockets are opened when they are first
    /// needed.
    ///
    /// # Errors
    /// A bad URL, an unreachable server, a refused login.
    pub async fn open(config: impl IntoConfig) -> Result<Self> {
        let config = config.into_config()?;
        let mut lanes = Vec::with_capacity(config.lanes);
        for _ in 0..config.min_lanes.unwrap_or(config.lanes) {
            lanes.push(Connection::open(&config).await?);
        }
        Ok(Self::of(config, lanes))
    }

    /// A pool that connects when the first command is sent; see [`Connection::lazy`].
    ///
    /// # Errors
    /// A bad URL or configuration.
    pub fn lazy(config: impl IntoConfig) -> Result<Self> {
        let config = config.into_config()?;
        let least = config.min_lanes.unwrap_or(config.lanes);
        let lanes = (0..least)
            .map(|_| Connection::sleeping(config.clone(), None))
            .collect();
        Ok(Self::of(config, lanes))
    }

    /// Adds the lanes that are opened under load.
    fn of(config: Config, mut lanes: Vec<Connection>) -> Self {
        while lanes.len() < config.lanes {
            lanes.push(Connection::sleeping(config.clone(), config.idle_timeout));
        }
        let leases = Leases::new(config.clone());
        Self {
            inner: Arc::new(Inner {
                config,
                lanes,
                leases,
                reports: Reports::default(),
            }),
        }
    }

    /// How it was configured.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Leases a socket: an idle one, a new one, or, once as many are out as may be, the next that comes back.
    ///
    /// Waiting is fair and bounded by the command timeout.
    ///
    /// # Errors
    /// A timeout, or a failure to connect.
    pub async fn exclusive(&self) -> Result<Exclusive> {
        let lease = Exclusive::lease(&self.inner.leases);
        match self.inner.config.command_timeout {
            None => lease.await,
            Some(timeout) => match tokio::time::timeout(timeout, lease).await {
                Ok(lease) => lease,
                Err(_) => Err(Error::new(ErrorKind::Timeout, Phase::NotSent)),
            },
        }
    }

    /// The same as [`Pool::exclusive`], by the name that pools usually have for it.
    ///
    /// # Errors
    /// A timeout, or a failure to connect.
    pub async fn acquire(&self) -> Result<Exclusive> {
        self.exclusive().await
    }

    /// How many sockets could be leased at once right now.
    #[must_use]
    pub fn available(&self) -> usize {
        self.inner.leases.available()
    }

    /// What happens to the shared sockets from here on, in one stream.
    #[must_use]
    pub fn events(&self) -> Events {
        events::subscribe(self.inner.lanes.iter().map(|lane| lane.link().announcer()))
    }

    /// The present numbers of the shared sockets, added up.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut sum = Stats::default();
        for lane in &self.inner.lanes {
            sum += lane.stats();
        }
        sum
    }

    /// Calls `report` with what a blocking command was answered after its caller had gone away, such as an element that BLPOP
    /// popped in the moment in which its future was dropped. The function holds for all clones of the pool, in place of one
    /// given before; it should return soon.
    ///
    /// Without it, the socket of a wait that is given up is closed at once, and such an element is lost. With it, the wait
    /// is ended by CLIENT UNBLOCK, and the socket is used again.
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

    /// All shared sockets, those that sleep included.
    pub(crate) fn lanes(&self) -> &[Connection] {
        &self.inner.lanes
    }

    /// The sockets that it lends.
    pub(crate) fn leases(&self) -> &Arc<Leases> {
        &self.inner.leases
    }

    /// The lane that carries the subscriptions, so that they share what they have in common.
    pub(crate) fn first_lane(&self) -> &Connection {
        match self.inner.lanes.first() {
            Some(lane) => lane,
            // `Config::lanes` keeps the number above zero.
            None => unreachable!("a pool has at least one lane"),
        }
    }

    /// The open lane with the least to do; one that sleeps when all others are busy.
    pub(crate) fn lane(&self) -> &Connection {
        let lanes = &self.inner.lanes;
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
                // To open a socket is worth it only for a good deal of work.
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
            // `Config::lanes` keeps the number above zero.
            None => unreachable!("a pool has at least one lane"),
        }
    }
}

/// With so many commands in flight a lane counts as busy.
const BUSY: usize = 64;

/// A command on its way through a pool.
pub enum PoolPending<'a> {
    /// Over a shared lane.
    Lane(Pending<'a>),
    /// Over a socket leased for it.
    Leased(
        Pin<Box<dyn Future<Output = Result<Frame>> + Send + 'a>>,
        &'static str,
    ),
    /// It has come to its end.
    Over,
}

impl std::fmt::Debug for PoolPending<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lane(pending) => f.debug_tuple("Lane").field(pending).finish(),
            Self::Leased(_, name) => f.debug_tuple("Leased").field(name).finish(),
            Self::Over => f.write_str("Over"),
        }
    }
}

impl PoolPending<'_> {
    /// Polls for the reply as it came.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame>> {
        match self {
            Self::Lane(pending) => pending.poll(cx),
            Self::Leased(future, _) => {
                let outcome = ready!(future.as_mut().poll(cx));
                *self = Self::Over;
                Poll::Ready(outcome)
            }
            Self::Over => Poll::Ready(Err(Error::ended())),
        }
    }
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
    pub(crate) fn begin(&self, args: Box<Args>) -> PoolPending<'_> {
        if args.info().state.is_none() && args.needs_own_socket().is_some() {
            let name = args.info().name;
            return PoolPending::Leased(Box::pin(run_leased(self, args)), name);
        }
        PoolPending::Lane(self.lane().begin(args))
    }
}

/// Runs a blocking command on a socket of its own. When this is dropped midway, the lease closes its socket, because a
/// reply is still owed on it.
async fn run_leased(pool: &Pool, args: Box<Args>) -> Result<Frame> {
    let name = args.name();
    let lease = pool
        .exclusive()
        .await
        .map_err(|error| error.of_command(name.clone()))?;
    unclaimed::run(&pool.inner.reports, lease, pool.lane(), args)
        .await
        .map_err(|error| error.of_command(name))
}
