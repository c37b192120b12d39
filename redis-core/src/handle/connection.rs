//! One pipelined socket, shared by whoever holds a clone of its handle.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::command::Args;
use crate::config::{Config, IntoConfig};
use crate::engine::driver::{self, Driver};
use crate::engine::events::{self, Events};
use crate::engine::inflight::Order;
use crate::engine::link::{Lane, Link};
use crate::engine::pending::Pending;
use crate::engine::stats::Stats;
use crate::error::{Error, Phase, Result};

/// One socket to one server, shared by all clones of this handle.
///
/// Commands of many tasks are pipelined: each is written as soon as it is awaited, and replies come back in order.
/// Dropping a command's future disturbs nobody. A lost socket is replaced; what had not been sent waits for the new
/// one. Commands that block or change the connection's state are not offered here: a [`Pool`](crate::Pool) leases a
/// socket for them.
///
/// The socket is closed once the last clone is dropped and all that was sent has been answered.
#[derive(Clone, Debug)]
pub struct Connection {
    handle: Arc<OwnedLink>,
}

/// Closes the socket when the last clone goes.
#[derive(Debug)]
struct OwnedLink {
    link: Arc<Link>,
}

impl Drop for OwnedLink {
    fn drop(&mut self) {
        self.link.order(Order::Drain);
    }
}

impl Connection {
    /// Connects, and says why if that fails.
    ///
    /// # Errors
    /// A bad URL, an unreachable server, a refused login.
    pub async fn open(config: impl IntoConfig) -> Result<Self> {
        let link = Link::new(config.into_config()?, None, driver::open_apart);
        let driver = Driver::new(link.clone());
        let ready = driver
            .open_first()
            .await
            .map_err(|refusal| Error::new(refusal.into_kind(), Phase::NotSent))?;
        tokio::spawn(driver.run(Some(ready)));
        Ok(Self {
            handle: Arc::new(OwnedLink { link }),
        })
    }

    /// Connects when the first command is sent. Until the server can be reached, commands wait, each to its deadline;
    /// a refused login is their error at once.
    ///
    /// It has to be called within a tokio runtime.
    ///
    /// # Errors
    /// A bad URL or configuration.
    pub fn lazy(config: impl IntoConfig) -> Result<Self> {
        Ok(Self::sleeping(config.into_config()?, None))
    }

    /// One that has no socket until it is needed, and none again once it was not needed for long.
    pub(crate) fn sleeping(config: Config, sleeps_after: Option<Duration>) -> Self {
        let link = Link::new(config, sleeps_after, driver::open_apart);
        link.with(&mut Vec::new(), |queue, _| queue.sleep());
        tokio::spawn(Driver::new(link.clone()).run(None));
        Self {
            handle: Arc::new(OwnedLink { link }),
        }
    }

    /// How it was configured.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.link().config
    }

    /// Whether it was closed, or cannot be used again.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.link().has_ended()
    }

    /// How many commands have no reply yet; a pipeline counts once.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.link().len()
    }

    /// Whether there is a socket over which commands flow at this moment.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.link().load().1
    }

    /// What happens to the connection from here on, beginning with its present state.
    #[must_use]
    pub fn events(&self) -> Events {
        events::subscribe([self.link().announcer()])
    }

    /// The present numbers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.link().stats()
    }

    /// Whether another borrower finds it as new.
    pub(crate) fn is_reusable(&self) -> bool {
        self.link().is_reusable()
    }

    /// Whether it outlived the limit for pooled sockets.
    pub(crate) fn is_old(&self, now: Instant) -> bool {
        self.link().is_old(now)
    }

    /// Has the driver send nothing on its own account.
    pub(crate) fn keep_quiet(&self, quiet: bool) {
        self.link().keep_quiet(quiet);
    }

    pub(crate) fn link(&self) -> &Link {
        &self.handle.link
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
        match args.needs_own_socket() {
            None => Pending::new(self.link(), args),
            Some(reason) => Pending::refused(self.link(), args, Error::usage(reason)),
        }
    }
}

#[cfg(all(test, not(feature = "tracing")))]
mod tests {
    use super::Connection;
    use crate::request::Request;

    /// It is moved about before it is first polled. A span for traces takes more.
    #[test]
    fn a_request_is_small() {
        assert_eq!(size_of::<Request<&Connection, ()>>(), 48);
    }
}
