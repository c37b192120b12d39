//! A connection that one cache has to itself: [`TrackedLine`].

use std::sync::Arc;

use super::settings;
use super::shared::Shared;
use super::source::{Lane, Source};
use crate::engine::inflight::Awaits;
use crate::engine::link::Link;
use crate::engine::subscriptions::hub::InvalidationWatch;
use crate::error::{Error, Result};

/// A connection on which the server reports changes to this cache; no other cache has it meanwhile.
pub(super) struct TrackedLine {
    pub(super) source: Arc<Source>,
    /// Ends the reports to the source.
    watch: Option<InvalidationWatch>,
    claim: Claim,
}

/// The sole right to turn tracking on and off on a connection.
struct Claim(Arc<Link>);

impl TrackedLine {
    /// # Errors
    /// Another cache has the connection, or it has ended.
    pub(super) fn new(link: Arc<Link>, shared: &Arc<Shared>, lane: Lane) -> Result<Self> {
        let claim = Claim::new(link.clone())?;
        let source = Arc::new(Source::new(link.clone(), shared.clone(), lane)?);
        let watch = link.hub().watch_invalidations(source.clone())?;
        Ok(Self {
            source,
            watch: Some(watch),
            claim,
        })
    }
}

impl Drop for TrackedLine {
    /// The server need not report any more.
    fn drop(&mut self) {
        self.source.close();
        // Twice: while the reports are being ended, a read on another thread may have turned tracking on once more.
        self.source.disown();
        self.watch = None;
        self.source.disown();
        // Also where it does not seem to: the read that told it to may have gone away since.
        self.claim.0.change(|queue| {
            // A new socket is not tracked anyway.
            if queue.is_connected() {
                queue.push_own(&settings::disabling(), Awaits::Reply);
            }
        });
    }
}

impl Claim {
    fn new(link: Arc<Link>) -> Result<Self> {
        if link.claim_tracking() {
            return Ok(Self(link));
        }
        Err(is_taken())
    }
}

/// Another cache has the connection, or the cluster.
#[cold]
pub(super) fn is_taken() -> Error {
    Error::usage(
        "there is a caching handle of this connection already, and the server reports changes to one; clone that handle",
    )
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.release_tracking();
    }
}
