//! What calls are adding to one subscriber: [`Adding`]. Only one call at a time adds a source, so that none is added twice.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::engine::subscriptions::source::Source;
use crate::runtime::Lock;

/// The sources that are being added.
#[derive(Default)]
pub(super) struct Adding {
    sources: Lock<BTreeSet<Arc<Source>>>,
    /// Tells that there are fewer.
    fewer: Notify,
}

/// The right of one call to add some sources, until it is dropped.
pub(super) struct Turn<'a> {
    adding: &'a Adding,
    sources: &'a [Arc<Source>],
}

impl Adding {
    /// Waits until no other call is adding one of these sources.
    pub(super) async fn turn<'a>(&'a self, sources: &'a [Arc<Source>]) -> Turn<'a> {
        loop {
            // It hears of what happens from here on.
            let fewer = self.fewer.notified();
            if self.begin(sources) {
                return Turn {
                    adding: self,
                    sources,
                };
            }
            fewer.await;
        }
    }

    /// Notes that these sources are being added, unless one of them is so already.
    fn begin(&self, sources: &[Arc<Source>]) -> bool {
        let mut adding = self.sources.lock();
        let is_free = !sources.iter().any(|source| adding.contains(source));
        if is_free {
            adding.extend(sources.iter().cloned());
        }
        is_free
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut adding = self.adding.sources.lock();
        for source in self.sources {
            adding.remove(source);
        }
        drop(adding);
        self.adding.fewer.notify_waiters();
    }
}
