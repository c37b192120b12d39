//! The end of a handle in good order: [`Close`].

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::connection::Connection;
use super::leases::Leases;
use super::pool::Pool;
use crate::engine::inflight::Order;
use crate::engine::link::Link;
use crate::runtime::from_now;

/// How long closing waits for replies by default.
const PATIENCE: Duration = Duration::from_secs(10);

/// What closing did; of a cluster, counted at each of its nodes. What the client asked for itself does not count, such as the map of a
/// cluster.
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

/// Closes a connection, pool or cluster after all sent commands have been answered; see
/// [`Connection::close`].
///
/// If this is dropped before its end, nothing new is accepted any more, and the sockets are closed when everything has been answered.
#[must_use = "nothing is closed before this is awaited"]
pub struct Close<'a> {
    closing: Box<dyn FnOnce(Instant) -> Closing<'a> + Send + Sync + 'a>,
    patience: Duration,
}

/// The work of closing, which ends at a moment.
type Closing<'a> = Pin<Box<dyn Future<Output = Closed> + Send + 'a>>;

impl std::fmt::Debug for Close<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Close")
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

impl<'a> Close<'a> {
    /// `close` does the work. At the moment that it is given, everything ends that is on its way.
    pub(crate) fn new<F>(close: impl FnOnce(Instant) -> F + Send + Sync + 'a) -> Self
    where
        F: Future<Output = Closed> + Send + 'a,
    {
        Self {
            closing: Box::new(|deadline| Box::pin(close(deadline))),
            patience: PATIENCE,
        }
    }

    /// How long to wait for replies; 10 s by default. Commands without a reply then fail.
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

async fn close_links(links: Vec<Arc<Link>>, leases: Option<&Leases>, deadline: Instant) -> Closed {
    let before = count_answered(&links);
    // Before the links may end: over them the wait is ended of whoever is lent a socket and then goes away.
    if let Some(leases) = leases {
        leases.refuse_new();
    }
    links.iter().for_each(|link| link.drain());
    let leased = match leases {
        Some(leases) => leases.close_by(deadline).await,
        None => 0,
    };
    let failed = end_links(&links, deadline).await;
    Closed {
        answered: count_answered(&links) - before,
        failed,
        leased,
    }
}

/// How many commands were answered over all links.
pub(crate) fn count_answered(links: &[Arc<Link>]) -> u64 {
    links.iter().map(|link| link.counts().answered).sum()
}

/// Waits until links have ended that are ordered to, and ends them at the deadline. Returns how many callers had no reply by then.
pub(crate) async fn end_links(links: &[Arc<Link>], deadline: Instant) -> u64 {
    let mut failed = 0;
    for link in links {
        let end = std::future::poll_fn(|cx| link.poll_end(cx.waker()));
        if timeout_at(deadline, end).await.is_err() {
            // A command may be answered at this very moment; then it is counted as neither.
            failed += link.unsettled() as u64;
            link.order(Order::Close);
            std::future::poll_fn(|cx| link.poll_end(cx.waker())).await;
        }
    }
    failed
}

impl<'a> IntoFuture for Close<'a> {
    type Output = Closed;
    type IntoFuture = Pin<Box<dyn Future<Output = Closed> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { closing, patience } = self;
        // The time counts from the first poll.
        Box::pin(async move { closing(from_now(patience)).await })
    }
}

impl Connection {
    /// Closes the connection for all clones. New commands are refused; those that were sent or queued are waited for,
    /// and then the socket is closed.
    ///
    /// What a [`Pool`] has lent, as the [server of a stream](crate::RowStream::server), is left open for all others who use the
    /// pool, and nothing is waited for.
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
        let links = if self.is_lent() {
            Vec::new()
        } else {
            vec![self.shared_link()]
        };
        Close::new(|deadline| close_links(links, None, deadline))
    }

    /// Closes the socket at once, for all clones, unless a [`Pool`] has lent it. Commands without a reply fail.
    pub fn abort(&self) {
        if !self.is_lent() {
            self.link().order(Order::Close);
        }
    }
}

impl Pool {
    /// Closes the pool for all clones. New commands are refused; those that were sent or queued are waited for, and
    /// so are the leased sockets; see [`Connection::close`].
    pub fn close(&self) -> Close<'_> {
        Close::new(|deadline| {
            let lanes = self.lanes().iter().map(Connection::shared_link);
            close_links(lanes.collect(), Some(self.leases()), deadline)
        })
    }

    /// Closes all sockets at once, for all clones; a leased one when it comes back.
    pub fn abort(&self) {
        self.leases().close();
        self.lanes().iter().for_each(Connection::abort);
    }
}
