//! A few shared sockets for plain commands, and leased ones for commands that need a socket of their own.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::Semaphore;

use crate::args::Args;
use crate::config::{Config, IntoConfig};
use crate::connection::{Connection, Pending};
use crate::error::{Error, ErrorKind, Phase, Result};
use crate::exclusive::Exclusive;
use crate::frame::Frame;
use crate::from_redis::FromRedis;
use crate::request::{AllowsBlocking, Execute, Sink, Target};
use crate::unclaimed::{self, Reports};

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
    home: Arc<Home>,
    reports: Reports,
}

/// Where leased sockets come from and go back to.
#[derive(Debug)]
pub(crate) struct Home {
    /// What each leased socket is made with.
    config: Config,
    /// One permit per socket that may be leased; waiting for one is fair.
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    /// Connects all lanes, and says why if that fails. Sockets to lease are opened when they are first needed.
    ///
    /// # Errors
    /// A bad URL, an unreachable server, a refused login.
    pub async fn open(config: impl IntoConfig) -> Result<Self> {
        let config = config.into_config()?;
        let mut lanes = Vec::with_capacity(config.lanes);
        for _ in 0..config.lanes {
            lanes.push(Connection::open(&config).await?);
        }
        let home = Arc::new(Home {
            permits: Arc::new(Semaphore::new(config.leases)),
            idle: Mutex::new(Vec::new()),
            config: config.clone().without_reconnect(),
        });
        Ok(Self {
            inner: Arc::new(Inner {
                config,
                lanes,
                home,
                reports: Reports::default(),
            }),
        })
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
        let lease = self.inner.home.lease();
        match self.inner.config.command_timeout {
            None => lease.await,
            Some(timeout) => match tokio::time::timeout(timeout, lease).await {
                Ok(lease) => lease,
                Err(_) => Err(Error::new(ErrorKind::Timeout, Phase::NotSent)),
            },
        }
    }

    /// How many sockets could be leased at once right now.
    #[must_use]
    pub fn available(&self) -> usize {
        self.inner.home.permits.available_permits()
    }

    /// Closes all sockets at once, for all clones; leased ones when they come back.
    pub fn close(&self) {
        self.inner.home.permits.close();
        self.inner.home.drain();
        self.inner.lanes.iter().for_each(Connection::close);
    }

    /// The lane that carries the subscriptions, so that they share what they have in common.
    pub(crate) fn first_lane(&self) -> &Connection {
        match self.inner.lanes.first() {
            Some(lane) => lane,
            // `Config::lanes` keeps the number above zero.
            None => unreachable!("a pool has at least one lane"),
        }
    }

    /// Whom to tell of replies that nobody waits for.
    pub(crate) fn reports(&self) -> &Reports {
        &self.inner.reports
    }

    /// The lane with the least to do.
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
            let load = lane.in_flight();
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

impl Home {
    pub(crate) async fn lease(self: &Arc<Self>) -> Result<Exclusive> {
        let closed = |_| Error::new(ErrorKind::Closed, Phase::NotSent);
        let permit = self.permits.clone().acquire_owned().await.map_err(closed)?;
        let connection = match self.take_idle() {
            Some(connection) => connection,
            None => Connection::open(&self.config).await?,
        };
        Ok(Exclusive::leased(connection, self.clone(), permit))
    }

    /// An idle socket that is still good.
    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(connection) = idle.pop() {
            if connection.is_reusable() {
                return Some(connection);
            }
        }
        None
    }

    /// Takes a clean socket back.
    pub(crate) fn take_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at under the lock, so that `Pool::close` misses none.
        if !self.permits.is_closed() {
            idle.push(connection);
        }
    }

    fn drain(&self) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

/// A command on its way through a pool.
#[expect(
    clippy::large_enum_variant,
    reason = "plain commands must not allocate"
)]
pub enum PoolPending<'a> {
    /// Over a shared lane.
    Lane(Pending<'a>),
    /// Over a socket leased for it.
    Leased(
        Pin<Box<dyn Future<Output = Result<Frame>> + Send + 'a>>,
        &'static str,
    ),
}

impl std::fmt::Debug for PoolPending<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lane(pending) => f.debug_tuple("Lane").field(pending).finish(),
            Self::Leased(_, name) => f.debug_tuple("Leased").field(name).finish(),
        }
    }
}

impl PoolPending<'_> {
    /// Polls for the reply as it came.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame>> {
        match self {
            Self::Lane(pending) => pending.poll(cx),
            Self::Leased(future, _) => future.as_mut().poll(cx),
        }
    }
}

impl Target for &Pool {
    type Sink = Self;

    fn into_sink(self) -> Self {
        self
    }
}

impl<'a> Sink for &'a Pool {
    type Pending = PoolPending<'a>;
}

impl AllowsBlocking for &Pool {}

impl<'a, R: FromRedis> Execute<R> for &'a Pool {
    type Output = R;

    fn begin(self, args: Args) -> PoolPending<'a> {
        if args.info().state.is_none() && args.needs_own_socket().is_some() {
            let name = args.info().name;
            return PoolPending::Leased(Box::pin(run_leased(self, args)), name);
        }
        PoolPending::Lane(Execute::<R>::begin(self.lane(), args))
    }

    fn submit(pending: &mut PoolPending<'a>) {
        // A blocking command waits for its lease first; it is on its way once it is polled.
        if let PoolPending::Lane(pending) = pending {
            pending.submit();
        }
    }

    fn poll(pending: &mut PoolPending<'a>, cx: &mut Context<'_>) -> Poll<Result<R>> {
        match pending {
            PoolPending::Lane(pending) => pending.poll_decoded(cx),
            PoolPending::Leased(future, _) => future.as_mut().poll(cx).map(R::from_outcome),
        }
    }
}

/// Runs a blocking command on a socket of its own. When this is dropped midway, the lease closes its socket, because a
/// reply is still owed on it.
async fn run_leased(pool: &Pool, args: Args) -> Result<Frame> {
    let name = args.name();
    let lease = pool
        .exclusive()
        .await
        .map_err(|error| error.of_command(name.clone()))?;
    unclaimed::run(pool, lease, args)
        .await
        .map_err(|error| error.of_command(name))
}
