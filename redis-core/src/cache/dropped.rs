//! The keys that the server reports, for others who keep something: [`Dropped`].

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker, ready};

use futures_core::Stream;

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
pub(super) struct Listeners(Lock<Vec<Weak<Inbox<Invalidation>>>>);

impl Listeners {
    pub(super) fn listen(&self) -> Dropped {
        let inbox = Arc::new(Inbox::new(Capacity::default()));
        let mut listeners = self.0.lock();
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(Arc::downgrade(&inbox));
        Dropped { inbox }
    }

    pub(super) fn tell(&self, report: &Invalidation, woken: &mut Vec<Waker>) {
        for inbox in self.0.lock().iter().filter_map(Weak::upgrade) {
            inbox.put(report.clone(), woken);
        }
    }

    /// There will be no more reports.
    pub(super) fn end(&self) {
        let mut woken = Vec::new();
        for inbox in self.0.lock().drain(..).filter_map(|inbox| inbox.upgrade()) {
            inbox.end(None, &mut woken);
        }
        woken.into_iter().for_each(Waker::wake);
    }
}
