//! The sockets of a cluster: [`NodeSources`]. Each primary reports what was read from it. A replica is told nothing: where servers broadcast,
//! it would report once more what its primary reports.
//!
//! When a slot moves, its old server reports the keys that it hands over. It does not report keys that did not exist, but
//! "does not exist" may be a kept reply, too. So each reply also depends on its slot, and it is counted when the map gives a
//! slot to another node. What was to be read on a node by an old map is old then, whenever it is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;

use super::line::{TrackedLine, is_taken};
use super::shared::Shared;
use super::source::{Lane, Source};
use super::trace;
use crate::cluster::map_view::MapView;
use crate::cluster::{Cluster, slot};
use crate::engine::link::Link;
use crate::engine::subscriptions::invalidation::Invalidation;
use crate::error::Result;
use crate::runtime::Lock;
use crate::runtime::planted::Planted;

#[cfg(test)]
mod tests;

pub(super) struct NodeSources {
    cluster: Cluster,
    shared: Arc<Shared>,
    present: ArcSwap<Present>,
    /// The number of the map in it.
    number: AtomicU64,
    /// Of all nodes, also those that are not known yet; given back after what is above.
    _claim: Claim,
    /// Held while the map is taken over.
    changing: Lock<()>,
}

/// A map, and the connections to its primaries.
#[derive(Clone)]
struct Present {
    map: MapView,
    lines: TrackedLines,
}

/// In the order of the nodes; `None` for a replica, and where the connection has ended.
type TrackedLines = Vec<Option<Arc<TrackedLine>>>;

impl Present {
    /// The same with the connections that it lacks to these, its primaries; `None` if there are none to add.
    fn completed(mut self, links: Vec<Option<Arc<Link>>>, shared: &Arc<Shared>) -> Option<Self> {
        let mut adds = false;
        for (line, link) in self.lines.iter_mut().zip(links) {
            if let (None, Some(link)) = (&line, link)
                && !link.has_ended()
            {
                *line = match tracked(link.clone(), shared) {
                    Ok(made) => Some(made),
                    Err(error) => {
                        trace::unheard(&link.config, &error);
                        None
                    }
                };
                adds |= line.is_some();
            }
        }
        adds.then_some(self)
    }
}

/// A connection to a primary, for this cache alone.
fn tracked(link: Arc<Link>, shared: &Arc<Shared>) -> Result<Arc<TrackedLine>> {
    TrackedLine::new(link, shared, Lane::ONLY).map(Arc::new)
}

/// The sole right to turn tracking on and off on a cluster.
struct Claim(Cluster);

impl Claim {
    fn new(cluster: Cluster) -> Result<Self> {
        match cluster.claim_tracking() {
            true => Ok(Self(cluster)),
            false => Err(is_taken()),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.release_tracking();
    }
}

impl NodeSources {
    /// # Errors
    /// Another cache has the cluster, or it was closed.
    pub(super) fn new(cluster: Cluster, shared: &Arc<Shared>) -> Result<Self> {
        let claim = Claim::new(cluster.clone())?;
        let map = cluster.map();
        let links = map.primary_links().into_iter();
        let lines = links.map(|link| link.map(|link| tracked(link, shared)).transpose());
        let lines = lines.collect::<Result<_>>()?;
        Ok(Self {
            number: AtomicU64::new(map.number()),
            present: ArcSwap::from_pointee(Present { map, lines }),
            cluster,
            shared: shared.clone(),
            changing: Lock::default(),
            _claim: claim,
        })
    }

    /// Calls `with` with the socket to the node that has this key, the slot, and how often it had moved before.
    #[inline(always)]
    pub(super) fn with<R>(
        &self,
        key: &[u8],
        with: impl FnOnce(&Arc<Source>, u16, u32) -> R,
    ) -> Option<R> {
        self.keep_up();
        let slot = slot(key);
        // The count is read before the map, and `take_over` stores a new map before it counts its moves. So the new count never comes with the old owner.
        let moves = self.shared.changes.moves(slot);
        let present = self.present.load();
        let place = present.map.owner_place(slot)?;
        let line = present.lines.get(place)?.as_ref()?;
        Some(with(&line.source, slot, moves))
    }

    /// Takes over the present map if it is new.
    #[inline(always)]
    pub(super) fn keep_up(&self) {
        let number = self.number.load(Ordering::Acquire);
        if self.cluster.map_number() != number && !Planted::KeptAfterMove.is_here() {
            self.take_over();
        }
    }

    /// Takes over the present map. What was read in slots that have moved is forgotten, and those who listen are told.
    #[cold]
    fn take_over(&self) {
        let changing = self.changing.lock();
        let before = self.present.load_full();
        let map = self.cluster.map();
        let known = |link: &_| {
            let lines = before.lines.iter().flatten();
            let mut known = lines.filter(|line| Arc::ptr_eq(&line.source.link, link));
            known.next().cloned()
        };
        let links = map.primary_links();
        let lines: TrackedLines = links.iter().map(|link| known(link.as_ref()?)).collect();
        let has_left = |line: &&Arc<TrackedLine>| {
            let mut lines = lines.iter().flatten();
            !lines.any(|kept| Arc::ptr_eq(kept, line))
        };
        let (mut are_others, mut is_forgotten) = (false, false);
        for left in before.lines.iter().flatten().filter(has_left) {
            are_others = true;
            // What its server reports from now on is not heard any more.
            is_forgotten |= left.source.is_tracked();
        }
        let number = map.number();
        let present = Present { map, lines };
        self.present.store(Arc::new(present.clone()));
        for slot in present.map.moved_since(&before.map) {
            self.shared.count_move(slot);
            is_forgotten = true;
        }
        // The lines that have left give their connections and their places back before others take any.
        drop(before);
        if let Some(complete) = present.completed(links, &self.shared) {
            are_others = true;
            self.present.store(Arc::new(complete));
        }
        self.number.store(number, Ordering::Release);
        drop(changing);
        // Most changes are about slots alone.
        if are_others {
            self.shared.listeners.look_again();
        }
        if is_forgotten {
            self.shared.tell_now(&Invalidation::All);
        }
    }

    /// Has the map asked for.
    pub(super) fn want_map(&self) {
        self.cluster.want_map();
    }

    /// Where the sockets live.
    pub(super) fn runtime(&self) -> &Handle {
        self.cluster.runtime()
    }

    /// Calls `each` with every connection.
    pub(super) fn each(&self, each: impl FnMut(&Arc<Source>)) {
        let present = self.present.load();
        let lines = present.lines.iter().flatten();
        lines.map(|line| &line.source).for_each(each);
    }
}
