//! What the handles and the driver of one socket share: [`Link`].
//!
//! # Layout
//!
//! - `figures`: what is told of it: events and numbers
//! - `server`: what is heard of the server: that it lost its role, or will be away for a while

use std::fmt;
use std::ops::DerefMut;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::events::Announcer;
use super::inflight::{
    Awaits, CellKey, Delivery, Held, Limit, Order, Payload, Queue, Submitted, Terms, WaiterKey,
};
use super::maintenance::Operations;
use super::place::Place;
use super::subscriptions::hub::{Hub, Line, OpenApart};
use crate::command::script_text::Loaded;
use crate::config::{Config, Guard, Protocol};
use crate::error::{Obstacle, ServerVersion};
use crate::runtime::Lock;
use crate::wire::Chunk;
use crate::wire::outgoing::Outgoing;

mod figures;
mod server;

/// A handle on which chains of commands are sent.
pub(crate) trait Lane: fmt::Debug + Sync {
    /// The socket for a chain that is about to be sent. `has_raw` says that it holds raw commands, of which nothing
    /// is known.
    fn link(&self, has_raw: bool) -> &Link;

    /// Whether keys may be watched on that socket: the next EXEC then ends the watch, whatever it replies.
    fn may_watch(&self) -> bool {
        false
    }
}

/// What the handles and the driver share.
pub(crate) struct Link {
    pub(crate) config: Arc<Config>,
    queue: Lock<Queue>,
    /// When a READONLY error last led to a new socket.
    renewed: Lock<Option<Instant>>,
    /// The scripts that were loaded over this socket.
    pub(crate) scripts: Loaded,
    /// After how long without use the socket is closed until it is needed, if at all.
    pub(crate) sleeps_after: Option<Duration>,
    announcer: Announcer,
    /// When it is too old to be leased again.
    old_at: Option<Instant>,
    hub: Arc<Hub>,
    purpose: Purpose,
    /// Whether the last socket that logged in speaks RESP3.
    resp3: AtomicBool,
    /// Whether there was a socket yet.
    greeted: AtomicBool,
    /// Which server that socket leads to, packed; 0 where it did not say.
    server: AtomicU64,
    /// Where it leads.
    pub(crate) place: Place,
    /// The maintenance that the server has announced.
    operations: Lock<Operations>,
    /// How many attempts to connect have failed since there was a socket.
    failures: AtomicU64,
    /// Whether a cache decides which reads the server tracks.
    tracking_claimed: AtomicBool,
    /// The task that watches the service of this link; it lives as long as the link does.
    guard: Lock<Option<Arc<dyn Guard>>>,
}

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Commands,
    /// Only subscriptions: it ends when there are none.
    Subscriptions,
}

impl Link {
    /// A link for commands; subscriptions may share it.
    pub(crate) fn new(
        config: Arc<Config>,
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

    /// A link that serves the subscriptions of `hub` only.
    pub(crate) fn for_subscriptions(config: Arc<Config>, hub: Arc<Hub>) -> Self {
        Self::with_hub(config, hub, Purpose::Subscriptions, None)
    }

    fn with_hub(
        config: Arc<Config>,
        hub: Arc<Hub>,
        purpose: Purpose,
        sleeps_after: Option<Duration>,
    ) -> Self {
        Self {
            queue: Lock::new(Queue::new(config.budget, config.routed)),
            renewed: Lock::new(None),
            scripts: Loaded::default(),
            sleeps_after,
            announcer: Announcer::default(),
            old_at: younger(config.max_age).and_then(|age| Instant::now().checked_add(age)),
            hub,
            purpose,
            resp3: AtomicBool::new(false),
            greeted: AtomicBool::new(false),
            server: AtomicU64::new(0),
            place: Place::default(),
            operations: Lock::default(),
            failures: AtomicU64::new(0),
            tracking_claimed: AtomicBool::new(false),
            guard: Lock::new(None),
            config,
        }
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Whether the last socket that logged in speaks RESP3.
    pub(crate) fn speaks_resp3(&self) -> bool {
        self.resp3.load(Ordering::Acquire)
    }

    pub(crate) fn set_resp3(&self, resp3: bool) {
        self.resp3.store(resp3, Ordering::Release);
        self.greeted.store(true, Ordering::Release);
    }

    /// The server that the last socket that was let in leads to, if it introduced itself.
    pub(crate) fn server(&self) -> Option<ServerVersion> {
        ServerVersion::unpack(self.server.load(Ordering::Acquire))
    }

    pub(crate) fn set_server(&self, server: Option<ServerVersion>) {
        let packed = server.map_or(0, ServerVersion::pack);
        self.server.store(packed, Ordering::Release);
    }

    /// Whether it is only for subscriptions, so that RESP2 arrays may be pushes.
    pub(crate) fn is_for_subscriptions(&self) -> bool {
        self.purpose == Purpose::Subscriptions
    }

    /// Whether it is only for subscriptions, and there are none.
    pub(crate) fn retires(&self) -> bool {
        self.purpose == Purpose::Subscriptions && self.hub.retires(self)
    }

    /// What answers the oldest command that was written.
    pub(crate) fn awaits(&self) -> Awaits {
        self.queue.lock().awaits()
    }

    /// Whether it accepts no more commands.
    pub(crate) fn has_ended(&self) -> bool {
        self.queue.lock().has_ended()
    }

    /// Whether it accepts only what is on its way, or nothing any more.
    pub(crate) fn is_closing(&self) -> bool {
        self.queue.lock().is_closing()
    }

    /// Whether it can be lent again: nothing of its last borrower is left.
    pub(crate) fn is_reusable(&self) -> bool {
        let queue = self.queue.lock();
        !queue.has_ended() && !queue.demoted && queue.is_empty()
    }

    /// Whether it is older than pooled sockets may become.
    pub(crate) fn is_old(&self, now: Instant) -> bool {
        self.old_at.is_some_and(|old| old <= now)
    }

    /// With `true`, the driver sends no commands of its own.
    pub(crate) fn keep_quiet(&self, quiet: bool) {
        self.queue.lock().quiet = quiet;
    }

    /// Runs `work` on the queue and then, after the lock is released, wakes the wakers that it collected.
    #[inline]
    pub(crate) fn with<T>(
        &self,
        woken: &mut Vec<Waker>,
        work: impl FnOnce(&mut Queue, &mut Vec<Waker>) -> T,
    ) -> T {
        let mut queue = self.queue.lock();
        let result = work(&mut queue, woken);
        // Whatever was changed may have made room.
        if queue.has_line() {
            woken.extend(queue.next_in_line());
        }
        drop(queue);
        if !woken.is_empty() {
            woken.drain(..).for_each(Waker::wake);
        }
        result
    }

    #[inline(always)]
    pub(crate) fn submit(
        &self,
        payload: &mut impl Payload,
        terms: Terms,
        limit: Limit,
        place: Option<WaiterKey>,
        waker: Option<&Waker>,
    ) -> Submitted {
        let mut queue = self.queue.lock();
        let submitted = queue.submit(payload, terms, limit, place, waker);
        wake_after(queue, submitted, place)
    }

    /// The same, for what was on its way before this link was told to accept nothing new.
    #[cold]
    pub(crate) fn submit_onward(
        &self,
        payload: &mut impl Payload,
        terms: Terms,
        limit: Limit,
        place: Option<WaiterKey>,
        waker: Option<&Waker>,
    ) -> Submitted {
        let mut queue = self.queue.lock();
        let submitted = queue.submit_onward(payload, terms, limit, place, waker);
        wake_after(queue, submitted, place)
    }

    /// The same, for a question of the client itself.
    #[cold]
    pub(crate) fn submit_question(
        &self,
        payload: &mut impl Payload,
        terms: Terms,
        limit: Limit,
        waker: Option<&Waker>,
    ) -> Submitted {
        let mut queue = self.queue.lock();
        let submitted = queue.submit_question(payload, terms, limit, waker);
        wake_after(queue, submitted, None)
    }

    /// Changes the queue, and then has the driver look at it. Nothing else is queued between what `work` queues.
    pub(crate) fn change<T>(&self, work: impl FnOnce(&mut Queue) -> T) -> T {
        let mut queue = self.queue.lock();
        let result = work(&mut queue);
        let driver = queue.take_driver();
        drop(queue);
        if let Some(driver) = driver {
            driver.wake();
        }
        result
    }

    /// Queues a command of the client's own; `None` if such a command cannot be sent now.
    pub(crate) fn submit_own(&self, encoded: Outgoing, deadline: Instant) -> Option<CellKey> {
        self.change(|queue| queue.submit_own(encoded, deadline))
    }

    /// How old a socket may become before it is replaced.
    pub(crate) fn max_age(&self) -> Option<Duration> {
        younger(self.config.max_age.filter(|_| self.config.reconnect))
    }

    #[inline(always)]
    pub(crate) fn poll_cell(&self, key: CellKey, waker: &Waker) -> Poll<Delivery> {
        self.queue.lock().poll_cell(key, waker)
    }

    pub(crate) fn has_delivery(&self, key: CellKey) -> bool {
        self.queue.lock().has_delivery(key)
    }

    #[inline(always)]
    pub(crate) fn take_reply(&self, key: CellKey) -> Option<Chunk> {
        self.queue.lock().take_reply(key)
    }

    pub(crate) fn abandon(&self, key: CellKey) {
        self.make_way(|queue| queue.abandon(key));
    }

    pub(crate) fn leave_line(&self, place: WaiterKey) {
        self.make_way(|queue| queue.leave_line(place));
    }

    /// Does something that may make room, and wakes the caller whose turn it is; the driver watches whether it comes.
    #[inline]
    fn make_way(&self, leave: impl FnOnce(&mut Queue) -> Option<Waker>) {
        let mut queue = self.queue.lock();
        let Some(next) = leave(&mut queue) else {
            return;
        };
        let driver = queue.take_driver();
        drop(queue);
        next.wake();
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Why queued commands cannot be sent.
    pub(crate) fn obstacle(&self) -> Option<Arc<Obstacle>> {
        self.queue.lock().obstacle()
    }

    /// Why a caller cannot queue a command.
    pub(crate) fn obstacle_in_line(&self) -> Option<Arc<Obstacle>> {
        self.queue.lock().obstacle_in_line()
    }

    /// Asks something of the driver; what was asked before gives way to what is more final.
    pub(crate) fn order(&self, order: Order) {
        let rank = |order| match order {
            Order::Serve => 0,
            Order::Renew => 1,
            Order::Leave => 2,
            Order::Drain => 3,
            Order::Close => 4,
        };
        self.change(|queue| {
            if rank(order) > rank(queue.order) {
                queue.order = order;
            }
        });
    }

    /// Takes the sole right to decide which reads the server tracks; returns whether nobody has it.
    pub(crate) fn claim_tracking(&self) -> bool {
        !self.tracking_claimed.swap(true, Ordering::AcqRel)
    }

    /// Gives that right back.
    pub(crate) fn release_tracking(&self) {
        self.tracking_claimed.store(false, Ordering::Release);
    }

    /// Keeps the task alive that watches the service of this link.
    pub(crate) fn keep_guard(&self, guard: Arc<dyn Guard>) {
        *self.guard.lock() = Some(guard);
    }

    /// Accepts nothing new but what was on its way before.
    pub(crate) fn stop_accepting(&self) {
        self.with(&mut Vec::new(), |queue, woken| queue.stop_accepting(woken));
    }

    /// Keeps it from its end, for something that may be sent later.
    pub(crate) fn hold(&self) -> Held {
        self.queue.lock().hold()
    }

    /// Accepts nothing new, and ends after everything is answered.
    pub(crate) fn drain(&self) {
        self.stop_accepting();
        self.order(Order::Drain);
    }

    /// Whether something is on its way.
    pub(crate) fn is_busy(&self) -> bool {
        self.with(&mut Vec::new(), |queue, _| queue.is_busy())
    }

    /// The number of callers whose command is on its way.
    pub(crate) fn unsettled(&self) -> usize {
        self.queue.lock().unsettled()
    }

    pub(crate) fn poll_end(&self, waker: &Waker) -> Poll<()> {
        if self.with(&mut Vec::new(), |queue, _| queue.poll_end(waker)) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Line for Link {
    fn speaks_resp3(&self) -> bool {
        self.speaks_resp3()
    }

    fn may_speak_resp3(&self) -> bool {
        if self.greeted.load(Ordering::Acquire) {
            self.speaks_resp3()
        } else {
            self.config.protocol == Protocol::Newest
        }
    }

    fn is_connected(&self) -> bool {
        self.load().1
    }

    fn nudge(&self) {
        let driver = self.queue.lock().take_driver();
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    fn close(&self) {
        self.order(Order::Close);
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Has the driver look at what was submitted, once the queue is free again.
#[inline(always)]
fn wake_after(
    mut queue: impl DerefMut<Target = Queue>,
    submitted: Submitted,
    place: Option<WaiterKey>,
) -> Submitted {
    if !matches!(submitted, Submitted::Queued(_)) {
        return submitted;
    }
    // If there is no waker, the driver is already scheduled. The next caller who waits is woken all the same,
    // because there is room.
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

/// The age, less up to a tenth, so that sockets that were opened together are not all closed together.
fn younger(age: Option<Duration>) -> Option<Duration> {
    age.map(|age| age - age.mul_f64(fastrand::f64() * 0.1))
}
