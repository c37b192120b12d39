//! Client-side caching: what the server says about keys that were changed, as a stream.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use crate::config::Capacity;
use crate::engine::subscriptions::hub::InvalidationWatch;
use crate::engine::subscriptions::inbox::Inbox;
use crate::engine::subscriptions::invalidation::Invalidation;
use crate::engine::subscriptions::message::Event;
use crate::error::{Error, Result};
use crate::handle::Exclusive;

/// The invalidations that the server pushes after CLIENT TRACKING ON, as a stream.
///
/// It ends with an error when the connection is lost, and without one when the [`Exclusive`] is dropped. In both
/// cases, everything that was cached must be thrown away.
pub struct Invalidations {
    inbox: Arc<Inbox<Invalidation>>,
    _watch: InvalidationWatch,
}

impl Exclusive {
    /// The invalidations that CLIENT TRACKING makes the server push. Call this first, then turn tracking on.
    ///
    /// ```no_run
    /// # extern crate typedis_core as typedis;
    /// # async fn example(exclusive: typedis::Exclusive) -> typedis::Result<()> {
    /// use typedis::pubsub::Invalidation;
    /// use typedis::{Run, raw};
    ///
    /// let mut invalidations = exclusive.invalidations()?;
    /// exclusive.run(raw("CLIENT TRACKING").arg("ON").reply::<()>()).await?;
    /// while let Some(invalidation) = invalidations.next().await {
    ///     match invalidation? {
    ///         Invalidation::Keys(keys) => println!("changed: {keys:?}"),
    ///         Invalidation::All => println!("all may have changed"),
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The connection is lost, or speaks RESP2, in which servers cannot push them.
    pub fn invalidations(&self) -> Result<Invalidations> {
        let link = self.connection().link();
        if !link.speaks_resp3() {
            return Err(Error::usage(
                "invalidations are pushed in RESP3 only, and this connection speaks RESP2",
            ));
        }
        let inbox = Arc::new(Inbox::new(Capacity::default()));
        let watch = link.hub().watch_invalidations(inbox.clone())?;
        self.note_change();
        Ok(Invalidations {
            inbox,
            _watch: watch,
        })
    }
}

impl Invalidations {
    /// The next invalidation.
    pub async fn next(&mut self) -> Option<Result<Invalidation>> {
        std::future::poll_fn(|cx| self.poll_invalidation(cx)).await
    }

    fn poll_invalidation(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Invalidation>>> {
        Poll::Ready(ready!(self.inbox.poll_next(cx)).map(|event| {
            Ok(match event? {
                Event::Message(invalidation) => invalidation,
                Event::Lagged(_) | Event::Resubscribed | Event::Interrupted(_) => Invalidation::All,
            })
        }))
    }
}

impl Stream for Invalidations {
    type Item = Result<Invalidation>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_invalidation(cx)
    }
}

impl fmt::Debug for Invalidations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invalidations").finish_non_exhaustive()
    }
}
