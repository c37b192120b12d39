//! One pipelined socket, shared by whoever holds a clone of its handle.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use crate::args::Args;
use crate::config::{Config, IntoConfig};
use crate::driver::Driver;
use crate::error::{Error, Phase, Result};
use crate::events::{self, Announcer, ConnectionEvent, Events};
use crate::from_redis::FromRedis;
use crate::inflight::{
    Awaits, CellKey, Counts, Delivery, Limit, Payload, Queue, Submitted, Terms, WaiterKey, Wish,
};
use crate::outgoing::Outgoing;
use crate::pending::Pending;
use crate::pubsub::hub::Hub;
use crate::request::{Execute, Sink, Target};
use crate::script::Loaded;
use crate::sentinel::Watch;
use crate::stats::Stats;

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
    handle: Arc<Handle>,
}

/// Closes the socket when the last clone goes.
#[derive(Debug)]
struct Handle {
    link: Arc<Link>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.link.wish(Wish::Drain);
    }
}

/// What the handles and the driver share.
#[derive(Debug)]
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
    /// Watches the service that this follows, for as long as somebody follows it.
    watch: Mutex<Option<Arc<Watch>>>,
}

/// What a link is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Commands,
    /// Subscriptions alone: it ends when there are none.
    Subscriptions,
}

/// A demoted server is given up at most once in so long.
const RENEWAL_WINDOW: Duration = Duration::from_secs(1);

impl Connection {
    /// Connects, and says why if that fails.
    ///
    /// # Errors
    /// A bad URL, an unreachable server, a refused login.
    pub async fn open(config: impl IntoConfig) -> Result<Self> {
        let link = Link::new(config.into_config()?, None);
        let driver = Driver::new(link.clone());
        let ready = driver
            .connect()
            .await
            .map_err(|refusal| Error::new(refusal.into_kind(), Phase::NotSent))?;
        tokio::spawn(driver.run(Some(ready)));
        Ok(Self {
            handle: Arc::new(Handle { link }),
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
        let link = Link::new(config, sleeps_after);
        link.with(&mut Vec::new(), |queue, _| queue.sleep());
        tokio::spawn(Driver::new(link.clone()).run(None));
        Self {
            handle: Arc::new(Handle { link }),
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
        self.link().lock().has_ended()
    }

    /// How many commands have no reply yet; a pipeline counts once.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.link().lock().len()
    }

    /// Whether there is a socket over which commands flow at this moment.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.link().lock().is_connected()
    }

    /// What happens to the connection from here on, beginning with its present state.
    #[must_use]
    pub fn events(&self) -> Events {
        events::subscribe([&self.link().announcer])
    }

    /// The present numbers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.link().stats()
    }

    /// Whether another borrower finds it as new.
    pub(crate) fn is_reusable(&self) -> bool {
        let queue = self.link().lock();
        !queue.has_ended() && !queue.demoted && queue.len() == 0
    }

    /// Whether it outlived the limit for pooled sockets.
    pub(crate) fn is_old(&self, now: Instant) -> bool {
        let link = self.link();
        link.old_at.is_some_and(|old| old <= now)
    }

    /// Has the driver send nothing on its own account.
    pub(crate) fn keep_quiet(&self, quiet: bool) {
        self.link().lock().quiet = quiet;
    }

    pub(crate) fn link(&self) -> &Link {
        &self.handle.link
    }

    pub(crate) fn shared_link(&self) -> Arc<Link> {
        self.handle.link.clone()
    }
}

impl Link {
    /// A link for commands, which its subscriptions may share.
    fn new(config: Config, sleeps_after: Option<Duration>) -> Arc<Self> {
        let hub = Hub::new(config.clone(), tokio::runtime::Handle::current());
        let link = Self::with_hub(config, Arc::new(hub), Purpose::Commands, sleeps_after);
        let link = Arc::new(link);
        link.hub.belongs_to(&link);
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
            watch: Mutex::new(None),
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

    /// Has the driver look whether there is something to do.
    pub(crate) fn nudge(&self) {
        let driver = self.lock().take_driver();
        if let Some(driver) = driver {
            driver.wake();
        }
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
        crate::trace::announce(&self.config, &event);
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
    pub(crate) fn wish(&self, wish: Wish) {
        let mut queue = self.lock();
        let rank = |wish| match wish {
            Wish::Serve => 0,
            Wish::Renew => 1,
            Wish::Drain => 2,
            Wish::Close => 3,
        };
        if rank(wish) > rank(queue.wish) {
            queue.wish = wish;
        }
        let driver = queue.take_driver();
        drop(queue);
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Keeps the watch over the service that this follows.
    pub(crate) fn keep_watch(&self, watch: Arc<Watch>) {
        *self.watch.lock().unwrap_or_else(PoisonError::into_inner) = Some(watch);
    }

    /// The node lost the role for which it was chosen: connects anew; a socket that cannot is not lent any more.
    pub(crate) fn leave_node(&self) {
        self.lock().demoted = true;
        if self.config.reconnect {
            self.wish(Wish::Renew);
        }
    }

    /// READONLY says that this server was demoted: its name may lead to another one by now. Connects anew, resolving
    /// the name again, unless that was done a moment ago; a socket that cannot is not lent any more.
    pub(crate) fn suspect_replica(&self) {
        self.lock().demoted = true;
        let mut renewed = self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        if self.config.reconnect && renewed.is_none_or(|last| last.elapsed() >= RENEWAL_WINDOW) {
            *renewed = Some(Instant::now());
            self.wish(Wish::Renew);
        }
    }
}

/// Up to a tenth less, so that sockets that were opened together are not all closed together.
fn younger(age: Option<Duration>) -> Option<Duration> {
    age.map(|age| age.mul_f64(1.0 - fastrand::f64() * 0.1))
}

impl Target for &Connection {
    type Sink = Self;

    fn into_sink(self) -> Self {
        self
    }
}

impl<'a> Sink for &'a Connection {
    type Pending = Pending<'a>;
}

impl<'a, R: FromRedis> Execute<R> for &'a Connection {
    type Output = R;

    #[inline]
    fn begin(self, args: Box<Args>) -> Pending<'a> {
        match args.needs_own_socket() {
            None => Pending::new(self.link(), args),
            Some(reason) => Pending::refused(self.link(), args, Error::usage(reason)),
        }
    }

    fn submit(pending: &mut Pending<'a>) {
        pending.submit();
    }

    #[inline]
    fn poll(pending: &mut Pending<'a>, cx: &mut Context<'_>) -> Poll<Result<R>> {
        pending.poll_decoded(cx)
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
