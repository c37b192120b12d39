//! What is told of a link: events and numbers.

use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::Link;
use crate::engine::events::{Announcer, ConnectionEvent};
use crate::engine::inflight::Counts;
use crate::engine::stats::Stats;
use crate::engine::trace;

impl Link {
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
        self.queue.lock().stats(Instant::now())
    }

    /// See [`Queue::budgeted`](crate::engine::inflight::Queue::budgeted).
    #[cfg(feature = "planted")]
    pub(crate) fn budgeted(&self) -> (usize, usize) {
        self.queue.lock().budgeted()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.queue.lock().counts
    }

    pub(crate) fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.queue.lock().counts);
    }

    /// The number of commands that have no reply yet, and whether there is a socket.
    pub(crate) fn load(&self) -> (usize, bool) {
        let queue = self.queue.lock();
        (queue.of_callers(), queue.is_connected())
    }

    /// The numbers of the present socket, or the last one, and of the first socket that can carry what is queued now.
    pub(crate) fn sockets(&self) -> (u64, u64) {
        self.queue.lock().sockets()
    }

    /// The number of commands of callers that have no reply yet.
    pub(crate) fn len(&self) -> usize {
        self.with(&mut Vec::new(), |queue, _| queue.of_callers())
    }
}
