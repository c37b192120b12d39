//! The handles that a cache can be made from: [`Origin`], and the sockets of one: [`Sources`].

use std::fmt;
use std::sync::Arc;

use super::changes::KeyHash;
use super::settings;
use super::shared::Shared;
use super::source::Source;
use super::standing::Tracking;
use crate::client::Client;
use crate::engine::inflight::Awaits;
use crate::engine::link::{Lane, Link};
use crate::engine::subscriptions::hub::InvalidationWatch;
use crate::error::{Error, Result};
use crate::handle::{Connection, Pool};

/// A handle that a caching one can be made from: a [`Connection`] or a [`Pool`].
pub trait Origin: Client + Clone + fmt::Debug + 'static {
    /// The connections that cached reads go over.
    #[doc(hidden)]
    fn lines(&self) -> Vec<Connection>;

    /// Where its pipelines go.
    #[doc(hidden)]
    fn chain_link(&self, has_raw: bool) -> ChainLink<'_>;
}

/// The socket for a pipeline.
#[doc(hidden)]
#[derive(Debug)]
pub struct ChainLink<'a>(pub(super) &'a Link);

impl Origin for Connection {
    fn lines(&self) -> Vec<Connection> {
        vec![self.clone()]
    }

    fn chain_link(&self, has_raw: bool) -> ChainLink<'_> {
        ChainLink(Lane::link(self, has_raw))
    }
}

/// Only lanes that are kept open: when one closes because nobody uses it, what was read over it is forgotten.
impl Origin for Pool {
    fn lines(&self) -> Vec<Connection> {
        let open = self.config().min_lanes.unwrap_or(self.config().lanes);
        let lanes = self.lanes().iter().take(open.max(1));
        lanes.cloned().collect()
    }

    fn chain_link(&self, has_raw: bool) -> ChainLink<'_> {
        ChainLink(Lane::link(self, has_raw))
    }
}

/// The sockets that cached reads go over. Each key has one.
pub(super) struct Sources {
    lines: Vec<TrackedLine>,
}

/// A connection on which the server reports changes to this cache; no other cache has it meanwhile.
struct TrackedLine {
    source: Arc<Source>,
    /// Ends the reports to the source.
    _watch: InvalidationWatch,
    claim: Claim,
}

/// The sole right to turn tracking on and off on a connection.
struct Claim(Arc<Link>);

impl Sources {
    /// # Errors
    /// Another cache has one of the connections, or one has ended.
    pub(super) fn new(lines: Vec<Connection>, shared: &Arc<Shared>) -> Result<Self> {
        let lines = lines.into_iter();
        let lines = lines.map(|line| TrackedLine::new(line.shared_link(), shared));
        Ok(Self {
            lines: lines.collect::<Result<_>>()?,
        })
    }

    /// The socket over which this key is read.
    #[inline]
    pub(super) fn of(&self, key: KeyHash) -> Option<&Arc<Source>> {
        let place = match self.lines.len() {
            1 => 0,
            count => usize::try_from(key.0 >> 33).unwrap_or_default() % count.max(1),
        };
        self.lines.get(place).map(|line| &line.source)
    }

    /// Over how many the server reports changes.
    pub(super) fn tracking(&self) -> usize {
        let on = |line: &&TrackedLine| line.source.present().tracking == Tracking::On;
        self.lines.iter().filter(on).count()
    }
}

impl TrackedLine {
    fn new(link: Arc<Link>, shared: &Arc<Shared>) -> Result<Self> {
        let claim = Claim::new(link.clone())?;
        let source = Arc::new(Source::new(link.clone(), shared.clone()));
        let watch = link.hub().watch_invalidations(source.clone())?;
        Ok(Self {
            source,
            _watch: watch,
            claim,
        })
    }
}

impl Drop for TrackedLine {
    /// The server need not report any more.
    fn drop(&mut self) {
        self.source.close();
        if self.source.present().tracking != Tracking::Off {
            self.claim.0.submit_all(|queue| {
                // A new socket is not tracked anyway.
                if queue.is_connected() {
                    queue.push_own(&settings::disabling(), Awaits::Reply);
                }
            });
        }
    }
}

impl Claim {
    fn new(link: Arc<Link>) -> Result<Self> {
        if link.claim_tracking() {
            return Ok(Self(link));
        }
        Err(Error::usage(
            "there is a caching handle of this connection already, and the server reports changes to one; clone that handle",
        ))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.release_tracking();
    }
}
