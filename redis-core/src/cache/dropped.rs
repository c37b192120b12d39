//! The keys that the server reports, for others who keep something: [`Dropped`].

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker, ready};

use futures_core::Stream;
use tokio::sync::Notify;

use crate::config::Capacity;
use crate::engine::subscriptions::inbox::Inbox;
use crate::engine::subscriptions::invalidation::Invalidation;
use crate::engine::subscriptions::message::Event;
use crate::runtime::Lock;

/// What the server reports as changed, as a stream that ends with the caching handle. See [`Cached::dropped`](super::Cached::dropped).
#[must_use = "a stream does nothing until it is polled"]
pub struct Dropped {
    inbox: Arc<Inbox<Invalidation>>,
}

impl Dropped {
    /// The next report.
    pub async fn next(&mut self) -> Option<Invalidation> {
        std::future::poll_fn(|cx| self.poll_report(cx)).await
    }

    fn poll_report(&self, cx: &mut Context<'_>) -> Poll<Option<Invalidation>> {
        Poll::Ready(match ready!(self.inbox.poll_next(cx)) {
            Some(Ok(Event::Message(report))) => Some(report),
            // Some reports gave way to later ones.
            Some(Ok(_)) => Some(Invalidation::All),
            Some(Err(_)) | None => None,
        })
    }
}

impl Stream for Dropped {
    type Item = Invalidation;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Invalidation>> {
        self.poll_report(cx)
    }
}

impl fmt::Debug for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dropped").finish_non_exhaustive()
    }
}

/// Those who want to know what was dropped.
#[derive(Default)]
pub(super) struct Listeners {
    inboxes: Lock<Vec<Weak<Inbox<Invalidation>>>>,
    /// Whether there was ever a task that sees to it that the servers report. It lives as long as the connections do.
    is_watched: AtomicBool,
    /// That task has to look again: a server may not report any more, or the cache is gone.
    changed: Notify,
}

impl Listeners {
    pub(super) fn listen(&self) -> Dropped {
        let inbox = Arc::new(Inbox::new(Capacity::default()));
        let mut listeners = self.inboxes.lock();
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(Arc::downgrade(&inbox));
        Dropped { inbox }
    }

    pub(super) fn tell(&self, report: &Invalidation, woken: &mut Vec<Waker>) {
        for inbox in self.inboxes.lock().iter().filter_map(Weak::upgrade) {
            inbox.put(report.clone(), woken);
        }
    }

    /// There will be no more reports.
    pub(super) fn end(&self) {
        let mut woken = Vec::new();
        for inbox in self
            .inboxes
            .lock()
            .drain(..)
            .filter_map(|inbox| inbox.upgrade())
        {
            inbox.end(None, &mut woken);
        }
        woken.into_iter().for_each(Waker::wake);
        self.look_again();
    }

    /// Whether there are any.
    pub(super) fn are_there(&self) -> bool {
        let listeners = self.inboxes.lock();
        listeners.iter().any(|inbox| inbox.strong_count() > 0)
    }

    /// Notes that a task now makes the servers report. Returns `false` if there is such a task already.
    pub(super) fn begin_watch(&self) -> bool {
        !self.is_watched.swap(true, Ordering::AcqRel)
    }

    /// Makes this task look again.
    pub(super) fn look_again(&self) {
        self.changed.notify_one();
    }

    /// Waits until it has to look again.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}
