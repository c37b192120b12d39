//! The end of a connection or pool in good order: [`Close`].

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout_at;

use super::connection::Connection;
use super::leases::Leases;
use super::pool::Pool;
use crate::engine::inflight::Order;
use crate::engine::link::Link;
use crate::runtime::from_now;

/// How long closing waits for replies by default.
const PATIENCE: Duration = Duration::from_secs(10);

/// What closing did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[must_use = "it says whether anything was lost"]
pub struct Closed {
    /// Commands that were queued or in flight when closing began, and were answered; a pipeline counts once.
    pub answered: u64,
    /// Commands that were not answered in time, and failed. Those whose calls were dropped do not count.
    pub failed: u64,
    /// Leased sockets that were not returned yet; each is closed when it comes back.
    pub leased: usize,
}

impl Closed {
    /// Whether nothing failed, and all leased sockets were returned.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failed == 0 && self.leased == 0
    }
}

/// Closes a connection or pool after all sent commands have been answered; see
/// [`Connection::close`].
#[must_use = "nothing is closed before this is awaited"]
pub struct Close<'a> {
    links: Vec<Arc<Link>>,
    leases: Option<&'a Leases>,
    patience: Duration,
}

impl std::fmt::Debug for Close<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Close")
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

impl<'a> Close<'a> {
    pub(crate) fn new(links: Vec<Arc<Link>>, leases: Option<&'a Leases>) -> Self {
        Self {
            links,
            leases,
            patience: PATIENCE,
        }
    }

    /// How long to wait for replies; 10 s by default. Commands without a reply then fail.
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    async fn run(self) -> Closed {
        let deadline = from_now(self.patience);
        let answered =
            |links: &[Arc<Link>]| -> u64 { links.iter().map(|link| link.counts().answered).sum() };
        let before = answered(&self.links);
        self.links.iter().for_each(|link| link.drain());
        let leased = match self.leases {
            Some(leases) => leases.close_by(deadline).await,
            None => 0,
        };
        let mut failed = 0;
        for link in &self.links {
            let end = std::future::poll_fn(|cx| link.poll_end(cx.waker()));
            if timeout_at(deadline, end).await.is_err() {
                // A command may be answered at this very moment; then it is counted as neither.
                failed += link.awaited() as u64;
                link.order(Order::Close);
                std::future::poll_fn(|cx| link.poll_end(cx.waker())).await;
            }
        }
        Closed {
            answered: answered(&self.links) - before,
            failed,
            leased,
        }
    }
}

impl<'a> IntoFuture for Close<'a> {
    type Output = Closed;
    type IntoFuture = Pin<Box<dyn Future<Output = Closed> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl Connection {
    /// Closes the connection for all clones. New commands are refused; those that were sent or queued are waited for,
    /// and then the socket is closed.
    ///
    /// ```no_run
    /// # extern crate typedis_core as typedis;
    /// # async fn example(conn: typedis::Connection) {
    /// use std::time::Duration;
    ///
    /// let closed = conn.close().within(Duration::from_secs(3)).await;
    /// if !closed.is_clean() {
    ///     eprintln!("{} commands were not answered in time", closed.failed);
    /// }
    /// # }
    /// ```
    pub fn close(&self) -> Close<'_> {
        Close::new(vec![self.shared_link()], None)
    }

    /// Closes the socket at once, for all clones. Commands without a reply fail.
    pub fn abort(&self) {
        self.link().order(Order::Close);
    }
}

impl Pool {
    /// Closes the pool for all clones. New commands are refused; those that were sent or queued are waited for, and
    /// so are the leased sockets; see [`Connection::close`].
    pub fn close(&self) -> Close<'_> {
        let lanes = self.lanes().iter();
        Close::new(
            lanes.map(Connection::shared_link).collect(),
            Some(self.leases()),
        )
    }

    /// Closes all sockets at once, for all clones; a leased one when it comes back.
    pub fn abort(&self) {
        self.leases().close();
        self.lanes().iter().for_each(Connection::abort);
    }
}
