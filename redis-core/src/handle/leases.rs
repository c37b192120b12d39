//! The sockets that a pool lends: where they come from and go back to.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout_at};

use super::connection::Connection;
use crate::config::Config;
use crate::engine::inflight::Order;
use crate::engine::link::Link;
use crate::error::{Error, ErrorKind, Obstacle, Phase, Result};
use crate::runtime;
use crate::runtime::Lock;

/// Limits the time of a wait.
async fn by<T>(
    end: Option<Instant>,
    work: impl Future<Output = T>,
    obstacle: impl FnOnce() -> Obstacle,
) -> Result<T> {
    let late = |_| Error::timeout(Phase::NotSent, Some(Arc::new(obstacle())));
    match end {
        None => Ok(work.await),
        Some(end) => timeout_at(end, work).await.map_err(late),
    }
}

/// The sockets that a pool lends.
#[derive(Debug)]
pub(crate) struct Leases {
    /// The configuration of each leased socket.
    config: Arc<Config>,
    /// One permit per socket that may be leased; waiting for one is fair.
    permits: Arc<Semaphore>,
    /// How many sockets are out. Permits do not tell: whoever closes the pool takes them too.
    out: AtomicUsize,
    /// Whether nobody new is lent a socket.
    closing: AtomicBool,
    idle: Lock<Idle>,
    /// The sockets that were opened, lent or not; some may be gone.
    opened: Lock<Vec<Weak<Link>>>,
}

#[derive(Debug, Default)]
struct Idle {
    /// Idle sockets; the one that came back last is the last.
    sockets: Vec<IdleSocket>,
    /// The task that closes old sockets, while there are idle ones.
    reaper: Option<AbortHandle>,
}

#[derive(Debug)]
struct IdleSocket {
    connection: Connection,
    since: Instant,
}

impl Leases {
    pub(crate) fn new(config: Config) -> Arc<Self> {
        Arc::new(Self {
            permits: Arc::new(Semaphore::new(most(&config))),
            out: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            idle: Lock::default(),
            opened: Lock::default(),
            config: Arc::new(config.without_reconnect()),
        })
    }

    pub(super) fn available(&self) -> usize {
        self.permits.available_permits()
    }

    /// An idle socket, a new one, or, once as many are out as may be, the next that comes back.
    ///
    /// # Errors
    /// The command timeout or the moment `latest` passed, the server could not be reached, or the pool is being closed.
    pub(super) async fn lease(
        self: &Arc<Self>,
        latest: Option<Instant>,
    ) -> Result<(Connection, Lease)> {
        if self.is_closing() {
            return Err(closed());
        }
        let timeout = self.config.command_timeout;
        let usual = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let end = usual.into_iter().chain(latest).min();
        let permit = self.permits.clone().acquire_owned();
        let lease = match by(end, permit, || Obstacle::LeasesInUse(self.config.leases)).await {
            Ok(Ok(permit)) => Lease::new(self, permit),
            Err(late) if !self.is_closing() => return Err(late),
            Ok(Err(_)) | Err(_) => return Err(closed()),
        };
        let connection = match self.take_idle() {
            Some(connection) => connection,
            None => {
                let open = Connection::to_server(self.config.clone());
                let connection = by(end, open, || self.config.connecting()).await??;
                self.note(&connection);
                connection
            }
        };
        Ok((connection, lease))
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    fn note(&self, connection: &Connection) {
        let mut opened = self.opened.lock();
        opened.retain(|link| link.strong_count() > 0);
        opened.push(Arc::downgrade(&connection.shared_link()));
    }

    /// The number of commands on its sockets that have no reply yet.
    pub(crate) fn in_flight(&self) -> usize {
        let opened = self.opened.lock();
        let links = opened.iter().filter_map(Weak::upgrade);
        links.map(|link| link.len()).sum()
    }

    /// Whether a command is in flight on a socket.
    pub(crate) fn is_awaited(&self) -> bool {
        let opened = self.opened.lock();
        let mut links = opened.iter().filter_map(Weak::upgrade);
        links.any(|link| link.stats().in_flight > 0)
    }

    /// Gives up the sockets on which a reply has been owed for this long: their callers get an error.
    pub(crate) fn leave_silent(&self, silence: Duration) {
        let links: Vec<Arc<Link>> = {
            let opened = self.opened.lock();
            opened.iter().filter_map(Weak::upgrade).collect()
        };
        for link in links {
            if link.stats().owed_for >= silence {
                link.order(Order::Leave);
            }
        }
    }

    /// An idle socket that is still good.
    fn take_idle(&self) -> Option<Connection> {
        let now = Instant::now();
        let mut idle = self.idle.lock();
        while let Some(socket) = idle.sockets.pop() {
            if self.is_good(&socket, now) {
                return Some(socket.connection);
            }
        }
        None
    }

    fn is_good(&self, socket: &IdleSocket, now: Instant) -> bool {
        let is_fresh = self
            .config
            .idle_timeout
            .is_none_or(|limit| now.saturating_duration_since(socket.since) < limit);
        is_fresh && socket.connection.is_reusable() && !socket.connection.is_old(now)
    }

    /// Takes a clean socket back.
    pub(crate) fn take_back(self: &Arc<Self>, connection: Connection) {
        let since = Instant::now();
        let socket = IdleSocket { connection, since };
        let mut idle = self.idle.lock();
        // Checked under the lock, so that `Pool::close` misses no socket.
        if self.permits.is_closed() || socket.connection.is_old(since) {
            return;
        }
        idle.sockets.push(socket);
        if let Some(limit) = self.config.idle_timeout
            // It ends with the runtime of whoever gave a socket back.
            && idle.reaper.as_ref().is_none_or(AbortHandle::is_finished)
            && tokio::runtime::Handle::try_current().is_ok()
        {
            let reaper = runtime::spawn(reap(Arc::downgrade(self), limit));
            idle.reaper = Some(reaper.abort_handle());
        }
    }

    /// Drops the sockets that were not used for long, and returns whether any are left.
    fn drop_stale(&self) -> bool {
        let now = Instant::now();
        let mut idle = self.idle.lock();
        idle.sockets.retain(|socket| self.is_good(socket, now));
        let any = !idle.sockets.is_empty();
        if !any {
            idle.reaper = None;
        }
        any
    }

    /// Leases no more sockets, but to those who wait for one already.
    pub(crate) fn refuse_new(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Leases no more sockets, and drops the idle ones.
    pub(crate) fn close(&self) {
        self.refuse_new();
        self.permits.close();
        self.idle.lock().sockets.clear();
    }

    /// Waits until all leased sockets have come back, then closes. Returns how many had not come back by the
    /// deadline. If this is dropped before, it closes then.
    pub(crate) async fn close_by(&self, deadline: Instant) -> usize {
        self.refuse_new();
        let count = u32::try_from(most(&self.config)).unwrap_or(u32::MAX);
        {
            // Who has asked before and waits behind this is refused. It keeps what has come back until then: otherwise they
            // would be lent that at the deadline.
            let mut back = pin!(self.permits.acquire_many(count));
            let _got;
            // It is dropped before what has come back, also where this is dropped amid the wait.
            let _closes = ClosesAtLast(self);
            _got = timeout_at(deadline, &mut back).await;
        }
        self.out.load(Ordering::Acquire)
    }
}

/// The most sockets that may be out at a time: more could not be waited for together.
fn most(config: &Config) -> usize {
    let countable = usize::try_from(u32::MAX).unwrap_or(usize::MAX);
    config.leases.min(Semaphore::MAX_PERMITS).min(countable)
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, Phase::NotSent)
}

/// The right to a socket of a pool, to which that goes back. Nobody else has it until this is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) leases: Arc<Leases>,
    permit: OwnedSemaphorePermit,
}

impl Lease {
    fn new(leases: &Arc<Leases>, permit: OwnedSemaphorePermit) -> Self {
        leases.out.fetch_add(1, Ordering::AcqRel);
        Self {
            leases: leases.clone(),
            permit,
        }
    }

    /// Keeps it for ever, for [`Planted::KeptLease`](crate::runtime::planted::Planted::KeptLease).
    pub(super) fn keep(mut self) {
        self.leases.out.fetch_add(1, Ordering::AcqRel);
        if let Some(permit) = self.permit.split(1) {
            permit.forget();
        }
    }
}

impl Drop for Lease {
    /// Before the permit goes back: whoever has all of them finds that none is out.
    fn drop(&mut self) {
        self.leases.out.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Closes when it is dropped.
struct ClosesAtLast<'a>(&'a Leases);

impl Drop for ClosesAtLast<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Drop for Idle {
    /// The task would go on sleeping for a part of the idle timeout.
    fn drop(&mut self) {
        if let Some(reaper) = self.reaper.take() {
            reaper.abort();
        }
    }
}

/// Closes old idle sockets, for as long as there are any.
async fn reap(leases: Weak<Leases>, limit: Duration) {
    loop {
        sleep((limit / 4).max(Duration::from_millis(10))).await;
        match leases.upgrade() {
            Some(leases) if leases.drop_stale() => {}
            _ => return,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::future::Future;
    use std::task::{Context, Poll, Wake, Waker};

    use super::*;
    use crate::runtime::from_now;

    /// Notes whether the permits were to be had when it was woken.
    struct Woken {
        permits: Arc<Semaphore>,
        is_closed: Lock<Option<bool>>,
    }

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            *self.is_closed.lock() = Some(self.permits.is_closed());
        }
    }

    /// Otherwise the socket that came back last would be lent to whoever waits for one.
    #[tokio::test]
    async fn when_all_have_come_back_nobody_gets_one_before_it_is_closed() {
        let cx = &mut Context::from_waker(Waker::noop());
        let leases = Leases::new(Config::tcp("127.0.0.1", 1).leases(1));
        let out = leases.permits.clone().acquire_owned().await.unwrap();
        let mut closing = pin!(leases.close_by(from_now(Duration::from_secs(60))));
        assert!(closing.as_mut().poll(cx).is_pending());
        let woken = Arc::new(Woken {
            permits: leases.permits.clone(),
            is_closed: Lock::default(),
        });
        let waker = woken.clone().into();
        let mut waiting = pin!(leases.permits.acquire());
        assert!(
            waiting
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        drop(out);
        assert_eq!(closing.as_mut().poll(cx), Poll::Ready(0));
        assert_eq!(*woken.is_closed.lock(), Some(true));
    }

    /// The first holds back what has come back, and is no borrower.
    #[tokio::test]
    async fn one_who_closes_is_not_counted_by_another_who_closes() {
        let cx = &mut Context::from_waker(Waker::noop());
        let leases = Leases::new(Config::tcp("127.0.0.1", 1).leases(3));
        let permit = leases.permits.clone().acquire_owned().await.unwrap();
        let out = Lease::new(&leases, permit);
        let mut first = pin!(leases.close_by(from_now(Duration::from_secs(60))));
        assert!(first.as_mut().poll(cx).is_pending());
        assert_eq!(leases.close_by(Instant::now()).await, 1);
        drop(out);
        assert_eq!(first.as_mut().poll(cx), Poll::Ready(0));
    }

    #[test]
    fn old_sockets_are_closed_also_if_the_runtime_that_saw_to_it_has_ended() {
        let limit = Duration::from_secs(60);
        let leases = Leases::new(Config::tcp("127.0.0.1", 1).idle_timeout(limit));
        let is_seen_to = || {
            let idle = leases.idle.lock();
            idle.reaper.as_ref().is_some_and(|task| !task.is_finished())
        };
        for _ in 0..2 {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                leases.take_back(Connection::sleeping(leases.config.clone(), None));
            });
            assert!(is_seen_to());
            drop(runtime);
            assert!(!is_seen_to());
        }
    }
}
