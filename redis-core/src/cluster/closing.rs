//! The end of a cluster in good order, and how its sockets fare until then.
//!
//! Nodes accept nothing new at first, but what is on its way: a command that is sent elsewhere, or that waits for the end of a pause.
//! The sockets are closed when all nodes have answered everything and nothing is between two of them.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::handle::Cluster;
use super::nodes::Sockets;
use super::shared::Shared;
use crate::engine::inflight::{Failure, Order};
use crate::engine::link::Link;
use crate::error::Phase;
use crate::handle::{Close, Closed, Leases, count_answered, end_links};
use crate::runtime;

/// How often it is checked at first whether everything has been answered; each pause is a little longer than the one before.
const LOOK: Duration = Duration::from_millis(5);
/// How often it is checked if that takes long.
const LATE_LOOK: Duration = Duration::from_millis(250);

impl Cluster {
    /// Closes the cluster for all clones: its sockets, those that are leased, its subscriptions and events. New commands are refused;
    /// those that were sent or queued are waited for, also if a node sends them elsewhere or is replaced meanwhile. A blocking command
    /// is waited for on the node where it blocks, but it does not go on at another.
    ///
    /// What closing did is counted at each node: a command that was sent on counts twice.
    ///
    /// ```no_run
    /// # async fn example(cluster: typedis_core::cluster::Cluster) {
    /// use std::time::Duration;
    ///
    /// let closed = cluster.close().within(Duration::from_secs(3)).await;
    /// if !closed.is_clean() {
    ///     eprintln!("{} commands were not answered in time", closed.failed);
    /// }
    /// # }
    /// ```
    pub fn close(&self) -> Close<'_> {
        Close::new(|deadline| close(self.shared(), deadline))
    }

    /// Closes all sockets at once, for all clones; a leased one when it comes back. Commands without a reply fail.
    pub fn abort(&self) {
        let shared = self.shared();
        shared.stop_accepting();
        shared.shut(Order::Close);
        for sockets in shared.sockets() {
            sockets.leases.iter().for_each(|leases| leases.close());
        }
    }

    /// Whether it was closed, or its runtime has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared().life.is_over()
    }

    /// Whether a socket to at least one node is ready for commands at this moment. Nothing is sent for that.
    ///
    /// It is no health check: sockets are opened when they are first needed. [`Cluster::stats`] says it for each node, and
    /// a PING with a short deadline asks one of the primaries; see [`Connection::is_connected`](crate::Connection::is_connected).
    #[must_use]
    pub fn is_connected(&self) -> bool {
        let all = self.shared().sockets();
        all.iter()
            .any(|node| node.links.iter().any(|link| link.load().1))
    }

    /// The number of commands that have no reply yet, on shared and on leased sockets; a pipeline counts once at each of its nodes.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        let on_node = |node: &Sockets| {
            let links = node.links.iter().map(|link| link.len()).sum::<usize>();
            links + node.leases.as_ref().map_or(0, |leases| leases.in_flight())
        };
        let shared = self.shared();
        shared.sockets().iter().map(on_node).sum::<usize>() + shared.life.waiting()
    }
}

impl Shared {
    fn links(&self) -> Vec<Arc<Link>> {
        let all = self.sockets().into_iter();
        all.flat_map(|node| node.links).collect()
    }

    /// Whether something is on its way. A leased socket that is owed a reply counts: what blocks there may have to be ended over
    /// a shared one.
    pub(super) fn is_busy(&self) -> bool {
        let is_busy = |node: &Sockets| {
            let leases = node.leases.as_ref();
            node.links.iter().any(|link| link.is_busy())
                || leases.is_some_and(|leases| leases.in_flight() > 0)
        };
        self.life.waiting() > 0 || self.sockets().iter().any(is_busy)
    }

    /// How many callers wait for a reply.
    fn unsettled(&self) -> u64 {
        let links = self.links();
        let on_links: usize = links.iter().map(|link| link.unsettled()).sum();
        (on_links + self.life.waiting()) as u64
    }

    /// Ends everything but leased sockets. Each link is told this.
    fn shut(&self, order: Order) {
        self.life.close();
        self.links().iter().for_each(|link| link.order(order));
        self.places.end(&Failure::Closed(Phase::NotSent));
        self.events.end();
    }
}

/// Ends everything once it is answered, also if nobody waits for that.
fn finish(shared: &Arc<Shared>) {
    if !shared.is_busy() {
        return shared.shut(Order::Drain);
    }
    if !shared.life.begins_to_finish() {
        return;
    }
    let runtime = shared.runtime.clone();
    let shared = Arc::downgrade(shared);
    // Not on the runtime of whoever closes the cluster, which may end sooner.
    runtime::spawn_on(&runtime, async move {
        let mut pause = LOOK;
        while let Some(shared) = shared.upgrade() {
            if shared.life.is_over() {
                return;
            }
            if !shared.is_busy() {
                return shared.shut(Order::Drain);
            }
            drop(shared);
            sleep(pause).await;
            pause = pause.mul_f64(1.02).min(LATE_LOOK);
        }
    });
}

async fn close(shared: &Arc<Shared>, deadline: Instant) -> Closed {
    let mut links = shared.links();
    let before = count_answered(&links);
    shared.stop_accepting();
    let leases = shared.sockets().into_iter().filter_map(|node| node.leases);
    let leases: Vec<Arc<Leases>> = leases.collect();
    // Before the links may end: over them the wait is ended of whoever is lent a socket and then goes away.
    leases.iter().for_each(|leases| leases.refuse_new());
    finish(shared);
    let leased = return_all(leases, deadline).await;
    let in_time = timeout_at(deadline, shared.life.until_over()).await;
    let late = in_time.is_err().then(|| shared.unsettled());
    if late.is_some() {
        shared.shut(Order::Close);
    }
    let now = shared.links().into_iter();
    let is_new = |link: &Arc<Link>| !links.iter().any(|known| Arc::ptr_eq(known, link));
    let new: Vec<Arc<Link>> = now.filter(is_new).collect();
    links.extend(new);
    let unanswered = end_links(&links, deadline).await;
    Closed {
        answered: count_answered(&links) - before,
        // The links may not have ended yet, and would count the same callers.
        failed: late.unwrap_or(unanswered),
        leased,
    }
}

/// Waits until the leased sockets of all nodes have come back. Returns how many had not by the deadline.
async fn return_all(all: Vec<Arc<Leases>>, deadline: Instant) -> usize {
    let close = |leases: Arc<Leases>| async move { leases.close_by(deadline).await };
    let mut waits: Vec<Pin<Box<dyn Future<Output = usize> + Send>>> = Vec::new();
    waits.extend(all.into_iter().map(|leases| Box::pin(close(leases)) as _));
    let mut out = 0;
    // All at the same time: none of them lends a socket while another is waited for.
    poll_fn(|cx| {
        waits.retain_mut(|wait| match wait.as_mut().poll(cx) {
            Poll::Ready(count) => {
                out += count;
                false
            }
            Poll::Pending => true,
        });
        if waits.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::pin::pin;
    use std::task::{Context, Wake, Waker};

    use super::super::topology::Topology;
    use super::*;
    use crate::config::{Address, Config};
    use crate::reply::Frame;
    use crate::runtime::{Lock, from_now};

    /// Stands for the driver of a link, and notes whether sockets were still lent when there was something to do.
    struct Ordered {
        shared: Arc<Shared>,
        were_closing: Lock<Option<bool>>,
    }

    impl Wake for Ordered {
        fn wake(self: Arc<Self>) {
            let sockets = self.shared.sockets();
            let mut leases = sockets.iter().filter_map(|node| node.leases.as_ref());
            let were_closing = leases.all(|leases| leases.is_closing());
            self.were_closing.lock().get_or_insert(were_closing);
        }
    }

    /// Over the links the wait is ended of whoever is lent a socket and then goes away.
    #[tokio::test]
    async fn nothing_is_lent_before_the_links_may_end() {
        let text = "*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:1\r\n$1\r\nn\r\n";
        let asked = Address::Tcp("127.0.0.1".to_owned(), 1);
        let frame = Frame::parse(text).unwrap();
        let topology = Topology::from_slots(frame.reply(), 1, &asked, &|address| address);
        let config = Config::tcp("127.0.0.1", 1);
        let shared = Arc::new(Shared::new(config, Some(topology.unwrap())));
        let node = shared.routes().any_primary().unwrap().clone();
        assert!(node.lease_by(Some(Instant::now())).await.is_err());
        let ordered = Arc::new(Ordered {
            shared: shared.clone(),
            were_closing: Lock::default(),
        });
        node.link().with(&mut Vec::new(), |queue, _| {
            queue.park(&ordered.clone().into());
        });
        let mut closing = pin!(close(&shared, from_now(Duration::from_secs(60))));
        let polled = closing
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        assert_eq!(*ordered.were_closing.lock(), Some(true));
    }
}
