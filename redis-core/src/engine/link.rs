//! What the handles and the driver of one socket share: [`Link`].

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::events::{Announcer, ConnectionEvent};
use super::inflight::{
    Awaits, CellKey, Counts, Delivery, Limit, Order, Payload, Queue, Submitted, Terms, WaiterKey,
};
use super::stats::Stats;
use super::subscriptions::hub::{Hub, Line, OpenApart};
use super::trace;
use crate::command::Keys;
use crate::command::script_text::Loaded;
use crate::config::{Config, Follow, Guard};
use crate::wire::outgoing::Outgoing;

/// A handle that chains of commands go over.
pub(crate) trait Lane: fmt::Debug + Sync {
    /// The socket for a chain that is about to be sent; `has_raw` says that it holds commands of which nothing is known.
    fn link(&self, has_raw: bool) -> &Link;

    /// What is noted of the keys of its commands.
    fn keys(&self) -> Keys {
        Keys::Ignored
    }
}

/// What the handles and the driver share.
pub(crate) struct Link {
    pub(crate) config: Config,
    queue: Mutex<Queue>,
    /// When a READONLY error last had the socket renewed.
    renewed: Mutex<Option<Instant>>,
    /// The scripts that were loaded over this socket.
    pub(crate) scripts: Loaded,
    /// After how long unused the socket is closed until it is needed, if at all.
    pub(crate) sleeps_after: Option<Duration>,
    announcer: Announcer,
    /// When it is too old to be leased again.
    old_at: Option<Instant>,
    hub: Arc<Hub>,
    purpose: Purpose,
    /// Whether the last socket that was let in speaks RESP3.
    resp3: AtomicBool,
    /// How many attempts to connect have failed since there was a socket.
    failures: AtomicU64,
    /// Watches the service that this follows, for as long as this lives.
    guard: Mutex<Option<Arc<dyn Guard>>>,
}

/// What a link is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Commands,
    /// Subscriptions alone: it ends when there are none.
    Subscriptions,
}

/// A demoted server is given up at most once in this time.
const RENEWAL_WINDOW: Duration = Duration::from_secs(1);

impl Link {
    /// A link for commands, which its subscriptions may share.
    pub(crate) fn new(
        config: Config,
        sleeps_after: Option<Duration>,
        open_apart: OpenApart,
    ) -> Arc<Self> {
        let runtime = tokio::runtime::Handle::current();
        let hub = Hub::new(config.clone(), runtime, open_apart);
        let link = Self::with_hub(config, Arc::new(hub), Purpose::Commands, sleeps_after);
        let link = Arc::new(link);
        let line: Weak<dyn Line> = Arc::downgrade(&link) as _;
        link.hub.belongs_to(line);
        link
    }

    /// A link that serves the subscriptions of `hub` and nothing else.
    pub(crate) fn for_subscriptions(config: Config, hub: Arc<Hub>) -> Self {
        Self::with_hub(config, hub, Purpose::Subscriptions, None)
    }

    fn with_hub(
        config: Config,
        hub: Arc<Hub>,
        purpose: Purpose,
        sleeps_after: Option<Duration>,
    ) -> Self {
        Self {
            queue: Mutex::new(Queue::new(config.budget)),
            renewed: Mutex::new(None),
            scripts: Loaded::default(),
            sleeps_after,
            announcer: Announcer::default(),
            old_at: younger(config.max_age).and_then(|age| Instant::now().checked_add(age)),
            hub,
            purpose,
            resp3: AtomicBool::new(false),
            failures: AtomicU64::new(0),
            guard: Mutex::new(None),
            config,
        }
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Whether the last socket that was let in speaks RESP3.
    pub(crate) fn speaks_resp3(&self) -> bool {
        self.resp3.load(Ordering::Acquire)
    }

    pub(crate) fn set_resp3(&self, resp3: bool) {
        self.resp3.store(resp3, Ordering::Release);
    }

    /// Whether arrays of RESP2 may be pushes.
    pub(crate) fn is_for_subscriptions(&self) -> bool {
        self.purpose == Purpose::Subscriptions
    }

    /// Whether it is there for subscriptions alone, and there are none.
    pub(crate) fn retires(&self) -> bool {
        self.purpose == Purpose::Subscriptions && self.hub.retires(self)
    }

    /// What answers the oldest command that was written.
    pub(crate) fn awaits(&self) -> Awaits {
        self.lock().awaits()
    }

    /// Whether it takes nothing any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().has_ended()
    }

    /// Whether another borrower finds it as new.
    pub(crate) fn is_reusable(&self) -> bool {
        let queue = self.lock();
        !queue.has_ended() && !queue.demoted && queue.len() == 0
    }

    /// Whether it outlived the limit for pooled sockets.
    pub(crate) fn is_old(&self, now: Instant) -> bool {
        self.old_at.is_some_and(|old| old <= now)
    }

    /// Has the driver send nothing on its own account.
    pub(crate) fn keep_quiet(&self, quiet: bool) {
        self.lock().quiet = quiet;
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing in there panics while the queue is half changed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` on the queue and wakes those that it collects, after the lock is released.
    #[inline]
    pub(crate) fn with<T>(
        &self,
        woken: &mut Vec<Waker>,
        work: impl FnOnce(&mut Queue, &mut Vec<Waker>) -> T,
    ) -> T {
        let result = work(&mut self.lock(), woken);
        if !woken.is_empty() {
            woken.drain(..).for_each(Waker::wake);
        }
        result
    }

    #[inline]
    pub(crate) fn submit(
        &self,
        payload: &mut impl Payload,
        terms: Terms,
        limit: Limit,
        place: Option<WaiterKey>,
        waker: Option<&Waker>,
    ) -> Submitted {
        let mut queue = self.lock();
        let submitted = queue.submit(payload, terms, limit, place, waker);
        if !matches!(submitted, Submitted::Queued(_)) {
            return submitted;
        }
        // The driver has left no waker while another caller's submission is still to be looked at; whoever is next in line
        // has room all the same.
        let driver = queue.take_driver();
        let next = place.and_then(|_| queue.next_in_line());
        drop(queue);
        if let Some(driver) = driver {
            driver.wake();
        }
        if let Some(next) = next {
            next.wake();
        }
        submitted
    }

    /// Queues a command of the client's own, unless it would be out of place.
    pub(crate) fn submit_own(&self, encoded: Outgoing, deadline: Instant) -> Option<CellKey> {
        let mut queue = self.lock();
        let key = queue.submit_own(encoded, deadline);
        let driver = queue.take_driver();
        drop(queue);
        if let Some(driver) = driver {
            driver.wake();
        }
        key
    }

    pub(crate) fn announce(&self, event: ConnectionEvent) {
        let failures = match event {
            ConnectionEvent::Failed(_) => self.failures.fetch_add(1, Ordering::Relaxed) + 1,
            ConnectionEvent::Ready(_) => self.failures.swap(0, Ordering::Relaxed),
            _ => 0,
        };
        trace::announce(&self.config, &event, failures);
        self.announcer.announce(event);
    }

    pub(crate) fn announcer(&self) -> &Announcer {
        &self.announcer
    }

    pub(crate) fn stats(&self) -> Stats {
        self.lock().stats(Instant::now())
    }

    pub(crate) fn counts(&self) -> Counts {
        self.lock().counts
    }

    pub(crate) fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.lock().counts);
    }

    /// How many commands have no reply yet, and whether there is a socket.
    pub(crate) fn load(&self) -> (usize, bool) {
        let queue = self.lock();
        (queue.len(), queue.is_connected())
    }

    /// How old a socket may grow before it is replaced by another.
    pub(crate) fn max_age(&self) -> Option<Duration> {
        younger(self.config.max_age.filter(|_| self.config.reconnect))
    }

    #[inline]
    pub(crate) fn poll_cell(&self, key: CellKey, waker: &Waker) -> Poll<Delivery> {
        self.lock().poll_cell(key, waker)
    }

    pub(crate) fn abandon(&self, key: CellKey) {
        let next = self.lock().abandon(key);
        if let Some(next) = next {
            next.wake();
        }
    }

    pub(crate) fn leave_line(&self, place: WaiterKey) {
        let next = self.lock().leave_line(Some(place));
        if let Some(next) = next {
            next.wake();
        }
    }

    /// Asks something of the driver; what was asked before gives way to what is more final.
    pub(crate) fn order(&self, order: Order) {
        let mut queue = self.lock();
        let rank = |order| match order {
            Order::Serve => 0,
            Order::Renew => 1,
            Order::Drain => 2,
            Order::Close => 3,
        };
        if rank(order) > rank(queue.order) {
            queue.order = order;
        }
        let driver = queue.take_driver();
        drop(queue);
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Keeps what watches the service that this follows.
    pub(crate) fn keep_guard(&self, guard: Arc<dyn Guard>) {
        *self.guard.lock().unwrap_or_else(PoisonError::into_inner) = Some(guard);
    }

    /// READONLY says that this server was demoted: its name may lead to another one by now. Connects anew, resolving
    /// the name again, unless that was done a moment ago; a socket that cannot is not lent any more.
    pub(crate) fn suspect_replica(&self) {
        self.lock().demoted = true;
        let mut renewed = self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        if self.config.reconnect && renewed.is_none_or(|last| last.elapsed() >= RENEWAL_WINDOW) {
            *renewed = Some(Instant::now());
            self.order(Order::Renew);
        }
    }

    /// Accepts nothing any more, and ends once everything is answered.
    pub(crate) fn drain(&self) {
        self.with(&mut Vec::new(), |queue, woken| queue.stop_accepting(woken));
        self.order(Order::Drain);
    }

    pub(crate) fn poll_end(&self, waker: &Waker) -> Poll<()> {
        if self.with(&mut Vec::new(), |queue, _| queue.poll_end(waker)) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.with(&mut Vec::new(), |queue, _| queue.len())
    }
}

impl Line for Link {
    fn speaks_resp3(&self) -> bool {
        self.speaks_resp3()
    }

    fn nudge(&self) {
        let driver = self.lock().take_driver();
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    fn close(&self) {
        self.order(Order::Close);
    }
}

impl Follow for Link {
    fn leave_node(&self) {
        self.lock().demoted = true;
        if self.config.reconnect {
            self.order(Order::Renew);
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Up to a tenth less, so that sockets that were opened together are not all closed together.
fn younger(age: Option<Duration>) -> Option<Duration> {
    age.map(|age| age.mul_f64(1.0 - fastrand::f64() * 0.1))
}
