//! Waiting for work and for the stop signal at the same time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A future that may be polled again after it was ready.
pub(super) struct Stop<F> {
    /// `None` once it was ready.
    signal: Option<Pin<Box<F>>>,
}

impl<F: Future> Stop<F> {
    pub(super) fn new(signal: F) -> Self {
        Self {
            signal: Some(Box::pin(signal)),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(signal) = &mut self.signal else {
            return Poll::Ready(());
        };
        signal.as_mut().poll(cx).map(|_| self.signal = None)
    }

    /// Whether the stop signal has come.
    pub(super) async fn is_over(mut self: Pin<&mut Self>) -> bool {
        std::future::poll_fn(|cx| Poll::Ready(self.poll(cx).is_ready())).await
    }

    /// The output of `work`, or `None` if the stop signal comes first.
    pub(super) async fn or<T>(
        mut self: Pin<&mut Self>,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let mut work = std::pin::pin!(work);
        std::future::poll_fn(|cx| match self.poll(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => work.as_mut().poll(cx).map(Some),
        })
        .await
    }

    /// The output of `work`, which the stop signal does not end; it is waited for meanwhile.
    pub(super) async fn beside<T>(mut self: Pin<&mut Self>, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        std::future::poll_fn(|cx| {
            let _noted = self.poll(cx);
            work.as_mut().poll(cx)
        })
        .await
    }
}
