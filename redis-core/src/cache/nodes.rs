//! The sockets of a cluster: [`NodeSources`]. Each node reports what was read from it.
//!
//! When a slot moves, its old server reports the keys that it hands over. It does not report keys that did not exist, but
//! "does not exist" may be a kept reply, too. So each reply also depends on its slot, and it is counted when the map gives a
//! slot to another node.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;

use super::line::{TrackedLine, is_taken};
use super::shared::Shared;
use super::source::{Lane, Source};
use crate::cluster::map_view::MapView;
use crate::cluster::{Cluster, slot};
use crate::engine::subscriptions::invalidation::Invalidation;
use crate::error::Result;
use crate::runtime::Lock;
use crate::runtime::planted::Planted;

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

/// A map, and the connections to its nodes.
struct Present {
    map: MapView,
    /// In the order of the nodes; `None` where the connection has ended.
    lines: Vec<Option<Arc<TrackedLine>>>,
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
        let lines = map.links().map(|link| {
            TrackedLine::new(link, shared, Lane::ONLY).map(|line| Some(Arc::new(line)))
        });
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

    /// Calls `with` with the socket to the node that has this key, and the slot.
    #[inline(always)]
    pub(super) fn with<R>(
        &self,
        key: &[u8],
        with: impl FnOnce(&Arc<Source>, u16) -> R,
    ) -> Option<R> {
        self.keep_up();
        let present = self.present.load();
        let slot = slot(key);
        let place = present.map.owner_place(slot)?;
        let line = present.lines.get(place)?.as_ref()?;
        Some(with(&line.source, slot))
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
        let mut is_forgotten = false;
        for slot in map.moved_since(&before.map) {
            self.shared.count_move(slot);
            is_forgotten = true;
        }
        let known = |link: &_| {
            let lines = before.lines.iter().flatten();
            let mut known = lines.filter(|line| Arc::ptr_eq(&line.source.link, link));
            known.next().cloned()
        };
        let tracked = |link| TrackedLine::new(link, &self.shared, Lane::ONLY);
        let line = |link| known(&link).or_else(|| tracked(link).ok().map(Arc::new));
        let lines: Vec<_> = map.links().map(line).collect();
        // What its server reports from now on is not heard any more.
        let has_left = |line: &Arc<TrackedLine>| {
            let mut lines = lines.iter().flatten();
            line.source.is_tracked() && !lines.any(|kept| Arc::ptr_eq(kept, line))
        };
        is_forgotten |= before.lines.iter().flatten().any(has_left);
        let number = map.number();
        self.present.store(Arc::new(Present { map, lines }));
        self.number.store(number, Ordering::Release);
        // The lines that have left give their connections back before another map is taken over.
        drop(before);
        drop(changing);
        self.shared.listeners.look_again();
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
