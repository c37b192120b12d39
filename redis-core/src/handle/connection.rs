//! One pipelined socket, shared by all clones of its handle.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::command::Args;
use crate::config::{Config, IntoConfig};
use crate::engine::driver::{self, Driver};
use crate::engine::events::{self, Events};
use crate::engine::exchange::Pending;
use crate::engine::inflight::Order;
use crate::engine::link::{Lane, Link};
use crate::engine::stats::Stats;
use crate::error::{Error, Phase, Result};

/// One socket to one server, shared by all clones of this handle.
///
/// Commands of many tasks are pipelined: each is written as soon as it is awaited, and replies come back in order.
/// When the future of a command is dropped, other commands are not disturbed. A lost socket is replaced; commands
/// that were not sent yet wait for the new one. Commands that block or change the state of the connection are not
/// offered here: a [`Pool`](crate::Pool) leases a socket for them.
///
/// The socket is closed once the last clone is dropped and all sent commands have been answered.
#[derive(Clone, Debug)]
pub struct Connection {
    handle: Arc<OwnedLink>,
}

/// Says what to do where there is no tokio runtime, without which nothing can be connected.
pub(crate) fn runtime() -> Result<()> {
    match tokio::runtime::Handle::try_current() {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::usage(
            "there is no tokio runtime here to connect in; call this from `async` code that one runs (`#[tokio::main]`), or after \
             `let _guard = runtime.enter();`",
        )),
    }
}

/// Closes the socket when the last clone goes.
#[derive(Debug)]
struct OwnedLink {
    link: Arc<Link>,
    /// The lane of a pool that this only lends: it is open for as long as its pool wants.
    lane: Option<Connection>,
}

impl Drop for OwnedLink {
    fn drop(&mut self) {
        if self.lane.is_none() {
            self.link.order(Order::Drain);
        }
    }
}

impl Connection {
    /// Connects, and waits until the connection is ready.
    ///
    /// # Errors
    /// A bad URL, an unreachable server, a refused login.
    pub async fn open(config: impl IntoConfig) -> Result<Self> {
        let config = config.into_config()?.for_one_server()?;
        Self::to_server(Arc::new(config)).await
    }

    /// The same, for a configuration that was checked and may be shared.
    pub(crate) async fn to_server(config: Arc<Config>) -> Result<Self> {
        runtime()?;
        let link = Link::new(config, None, driver::open_apart);
        let driver = Driver::new(link.clone());
        let ready = driver
            .open_first()
            .await
            .map_err(|refusal| Error::new(refusal.into_kind(), Phase::NotSent))?;
        tokio::spawn(driver.run(Some(ready)));
        Ok(Self::over(link, None))
    }

    /// Connects when the first command is sent. Until the server can be reached, commands wait, each to its deadline.
    /// If the login is refused, they fail with that error at once.
    ///
    /// Call it within a tokio runtime. The connection ends when that runtime ends.
    ///
    /// # Errors
    /// A bad URL or configuration; that there is no runtime.
    pub fn lazy(config: impl IntoConfig) -> Result<Self> {
        let config = config.into_config()?.for_one_server()?;
        runtime()?;
        Ok(Self::sleeping(config, None))
    }

    /// A connection that has no socket until it is needed, and closes it when it was unused for
    /// `sleeps_after`.
    pub(crate) fn sleeping(config: impl Into<Arc<Config>>, sleeps_after: Option<Duration>) -> Self {
        let link = Link::new(config.into(), sleeps_after, driver::open_apart);
        link.with(&mut Vec::new(), |queue, _| queue.sleep());
        tokio::spawn(Driver::new(link.clone()).run(None));
        Self::over(link, None)
    }

    fn over(link: Arc<Link>, lane: Option<Self>) -> Self {
        Self {
            handle: Arc::new(OwnedLink { link, lane }),
        }
    }

    /// The same lane of a pool, for a user of the pool, who cannot close it.
    pub(crate) fn lent(&self) -> Self {
        Self::over(self.shared_link(), Some(self.clone()))
    }

    /// Whether it is a lane that a pool has lent.
    pub(super) fn is_lent(&self) -> bool {
        self.handle.lane.is_some()
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.link().config
    }

    /// Whether it was closed, or is lost for good.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.link().has_ended()
    }

    /// Whether it accepts commands: nobody has begun to close it.
    #[cfg(feature = "cluster")]
    pub(crate) fn is_open(&self) -> bool {
        let link = self.link();
        link.with(&mut Vec::new(), |queue, _| queue.is_open())
    }

    /// The number of commands that have no reply yet; a pipeline counts once.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.link().len()
    }

    /// Whether it has a socket that is ready for commands at this moment. Nothing is sent for that.
    ///
    /// It is no health check: a [lazy](Connection::lazy) connection has no socket before its first command, and one whose
    /// server hangs has one until [`liveness`](Config::liveness) is over. What asks the server is a PING with a short
    /// deadline:
    ///
    /// ```no_run
    /// # extern crate typedis_core as typedis;
    /// # async fn example(conn: typedis::Connection) {
    /// use std::time::Duration;
    /// use typedis::{Run, raw};
    ///
    /// // With the crate `typedis`: conn.ping().deadline(..)
    /// let ping = conn.run(raw("PING").readonly().reply::<String>());
    /// let is_ready = ping.deadline(Duration::from_millis(500)).await.is_ok();
    /// # }
    /// ```
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.link().load().1
    }

    /// What happens to the connection from here on, beginning with its present state.
    #[must_use]
    pub fn events(&self) -> Events {
        events::subscribe([self.link().announcer()])
    }

    /// The present values of its counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.link().stats()
    }

    /// What callers have queued or in flight: how many commands, and how many bytes. For the simulation, which checks the budget.
    #[cfg(feature = "planted")]
    #[doc(hidden)]
    #[must_use]
    pub fn budgeted(&self) -> (usize, usize) {
        self.link().budgeted()
    }

    /// Whether it can be lent again: nothing of its last borrower is left.
    pub(crate) fn is_reusable(&self) -> bool {
        self.link().is_reusable()
    }

    /// Whether it is older than pooled sockets may become.
    pub(crate) fn is_old(&self, now: Instant) -> bool {
        self.link().is_old(now)
    }

    /// With `true`, the driver sends no commands of its own.
    pub(crate) fn keep_quiet(&self, quiet: bool) {
        self.link().keep_quiet(quiet);
    }

    pub(crate) fn link(&self) -> &Link {
        &self.handle.link
    }

    /// Starts a command, if it may be sent on a shared socket.
    #[cold]
    fn begin_checked(&self, mut args: Box<Args>) -> Pending<'_> {
        match args.conduct().unfit_for_shared() {
            None => Pending::new(self.link(), args),
            Some(reason) => Pending::refused(self.link(), args, Error::usage(reason)),
        }
    }

    pub(crate) fn shared_link(&self) -> Arc<Link> {
        self.handle.link.clone()
    }
}

impl Lane for Connection {
    fn link(&self, _has_raw: bool) -> &Link {
        self.link()
    }
}

impl Connection {
    /// Begins a command, unless it needs a socket of its own.
    #[inline]
    pub(crate) fn begin(&self, args: Box<Args>) -> Pending<'_> {
        if args.is_plain() {
            Pending::new(self.link(), args)
        } else {
            self.begin_checked(args)
        }
    }
}

#[cfg(all(test, not(feature = "tracing")))]
mod tests {
    use super::Connection;
    use crate::request::Request;

    /// It is moved before it is first polled. With tracing it is larger, because it holds a span.
    #[test]
    fn a_request_is_small() {
        assert_eq!(size_of::<Request<&Connection, ()>>(), 48);
    }
}
