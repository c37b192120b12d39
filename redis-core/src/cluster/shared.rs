//! The common data of all clones of a handle and of its refreshing task: [`Shared`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::events::Readers;
use super::first_map::FirstMap;
use super::life::Life;
use super::nodes::{Left, Node, Sockets};
use super::places::Places;
use super::routes::Routes;
use super::topology::Topology;
use crate::config::{Address, Config, SlotsMoved};
use crate::handle::Reports;
use crate::runtime::Lock;
use crate::runtime::planted::Planted;

/// The present routes, and the means to change them.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Config,
    routes: ArcSwap<Routes>,
    /// Grows when the routes are replaced, and is odd meanwhile. It is cheaper to read than the routes, for those who ask whether
    /// theirs are still the present ones.
    changes: AtomicU64,
    /// Held while routes are replaced. Nodes that have left, where something may be on its way.
    changing: Lock<Vec<Left>>,
    /// That of the cluster's tasks.
    pub(super) runtime: Handle,
    pub(super) life: Arc<Life>,
    pub(super) first_map: FirstMap,
    /// Wakes the task that asks for the map.
    pub(super) refresh: Arc<Notify>,
    pub(super) places: Places,
    pub(super) events: Readers,
    /// Whether nodes are asked how they fare.
    watches: AtomicBool,
    /// Whether a cache decides which reads the nodes track.
    is_cached: AtomicBool,
    /// Where replies go whose callers have gone away.
    pub(super) reports: Reports,
}

impl Shared {
    /// Without a topology, the first is asked for when it is needed. It has to be called within a runtime.
    pub(super) fn new(mut config: Config, topology: Option<Topology>) -> Self {
        let refresh = Arc::new(Notify::new());
        // Nodes that announce that slots have moved wake the task as well.
        config.maintenance.slots_moved = SlotsMoved(refresh.clone());
        let first_map = FirstMap::new(topology.is_some());
        let routes = Routes::first(topology.unwrap_or_else(Topology::empty), &config);
        Self {
            routes: ArcSwap::from_pointee(routes),
            changes: AtomicU64::new(0),
            changing: Lock::default(),
            runtime: Handle::current(),
            life: Arc::default(),
            first_map,
            refresh,
            places: Places::default(),
            events: Readers::default(),
            watches: AtomicBool::new(false),
            is_cached: AtomicBool::new(false),
            reports: Reports::default(),
            config,
        }
    }

    #[inline]
    pub(super) fn routes(&self) -> arc_swap::Guard<Arc<Routes>> {
        self.routes.load()
    }

    /// A number that is another one as soon as commands may go by other routes.
    #[inline]
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Whether a node is the primary of a slot.
    pub(super) fn owns_slots(&self, node: &Arc<Node>) -> bool {
        let routes = self.routes();
        let mut primaries = routes.primaries();
        primaries.any(|owner| Arc::ptr_eq(owner, node))
    }

    /// Begins to ask nodes how they fare; `false` if that was begun before.
    pub(super) fn begins_watch(&self) -> bool {
        !self.watches.swap(true, Ordering::AcqRel)
    }

    /// Takes the sole right to decide which reads the nodes track, also those that come later; returns whether nobody has it.
    pub(super) fn claim_tracking(&self) -> bool {
        !self.is_cached.swap(true, Ordering::AcqRel)
    }

    /// Gives that right back.
    pub(super) fn release_tracking(&self) {
        self.is_cached.store(false, Ordering::Release);
    }

    /// Makes the task ask for the map soon.
    pub(super) fn want_refresh(&self) {
        self.refresh.notify_one();
    }

    /// The same, if there is no map yet.
    pub(super) fn want_first_map(&self) {
        if !self.first_map.is_found() {
            self.want_refresh();
        }
    }

    /// Replaces the routes by a new topology.
    pub(super) fn replace(&self, topology: Topology) {
        self.change(|routes| Some(routes.next(topology, &self.config)));
        if self.first_map.find() {
            self.life.wake();
        }
    }

    /// The nodes accept nothing new any more, but what is on its way.
    pub(super) fn stop_accepting(&self) {
        // Nodes that are made later see it.
        let left = self.changing.lock();
        self.life.begin_to_close();
        self.routes().all().for_each(|node| node.stop_accepting());
        // Somebody may have a handle to one of these alone.
        let left = left.iter().flat_map(|left| left.upgrade().links);
        left.for_each(|link| link.stop_accepting());
    }

    /// The sockets of all nodes, also of those that have left, while something is on its way there.
    pub(super) fn sockets(&self) -> Vec<Sockets> {
        let left = self.changing.lock();
        let mut all: Vec<Sockets> = left.iter().map(Left::upgrade).collect();
        all.extend(self.routes().all().map(|node| node.sockets()));
        all
    }

    /// A node says that another node owns a slot. Returns that node.
    pub(super) fn moved(&self, slot: u16, to: &Address) -> Option<Arc<Node>> {
        if Planted::ForgottenMove.is_here() {
            return self.node_at(to);
        }
        let routes = self.change(|routes| {
            let owner = routes.topology.primary_of(slot);
            let known = owner.is_some_and(|owner| owner.address == *to);
            (!known).then(|| routes.next(routes.topology.with_moved(slot, to), &self.config))
        });
        self.want_refresh();
        routes.at(to).cloned()
    }

    /// The node at an address that a redirect named.
    pub(super) fn node_at(&self, address: &Address) -> Option<Arc<Node>> {
        let routes = self.change(|routes| {
            let unknown = routes.at(address).is_none();
            unknown.then(|| routes.with_stray(&Node::new(&self.config, address)))
        });
        routes.at(address).cloned()
    }

    /// Returns the routes after the change: the next one may come before they are read again.
    fn change(&self, change: impl FnOnce(&Routes) -> Option<Routes>) -> Arc<Routes> {
        let mut left = self.changing.lock();
        // New nodes are for all, and a caller's runtime may end sooner than the cluster's.
        let _here = self.runtime.enter();
        let before = self.routes.load_full();
        let Some(next) = change(&before).map(Arc::new) else {
            return before;
        };
        note_left(&mut left, &before, &next);
        if self.life.is_closing() {
            next.all().for_each(|node| node.stop_accepting());
        }
        if self.life.is_over() {
            next.all().for_each(|node| node.close());
        }
        // Counted on both sides: whoever sees the new routes sees another number than before, and whoever reads both in
        // between looks once more.
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.routes.store(next.clone());
        self.changes.fetch_add(1, Ordering::AcqRel);
        // The first map tells of no change.
        if !before.nodes().is_empty() {
            self.events.tell(&before.topology, &next.topology);
        }
        self.places.map_changed();
        next
    }
}

/// Notes the nodes that are in a map and not in the next one.
fn note_left(left: &mut Vec<Left>, before: &Routes, next: &Routes) {
    left.retain(|left| !left.is_over());
    // Most changes are about slots alone.
    let mut later = next.all();
    if before
        .all()
        .all(|node| later.next().is_some_and(|same| Arc::ptr_eq(same, node)))
    {
        return;
    }
    let is_known = |node: &&Arc<Node>| next.all().any(|known| Arc::ptr_eq(known, node));
    let gone = before.all().filter(|node| !is_known(node));
    left.extend(gone.map(|node| node.sockets().downgrade()));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use std::time::Instant;

    use bytes::Bytes;

    use super::*;
    use crate::command::SLOTS;
    use crate::reply::Frame;

    /// The reply to CLUSTER SLOTS of primaries with a replica each, whose slots lie in `ranges` ranges.
    fn reply(primaries: usize, ranges: usize) -> Bytes {
        let mut text = format!("*{ranges}\r\n");
        let slots = usize::from(SLOTS);
        for range in 0..ranges {
            let (first, end) = (range * slots / ranges, (range + 1) * slots / ranges);
            text += &format!("*4\r\n:{first}\r\n:{}\r\n", end - 1);
            let primary = range * primaries / ranges.min(primaries) % primaries;
            for node in [primary, primaries + primary] {
                let port = 7_000 + node;
                text += &format!("*4\r\n$9\r\n127.0.0.1\r\n:{port}\r\n$40\r\n{node:040}\r\n*0\r\n");
            }
        }
        text.into()
    }

    fn topology(reply: Bytes) -> Topology {
        let asked = Address::Tcp("127.0.0.1".to_owned(), 7_000);
        let frame = Frame::from_scanned(reply);
        Topology::from_slots(frame.reply(), 1, &asked, &|address| address).unwrap()
    }

    /// The figures of a large cluster without its sockets: `cargo test --release -p typedis-core --lib -- --ignored --nocapture
    /// large`.
    #[tokio::test]
    #[ignore = "a measurement, which needs an idle machine and an optimised build"]
    async fn a_map_of_a_large_cluster_is_applied() {
        let nodes = 100;
        let config = Config::tcp("127.0.0.1", 7_000);
        for ranges in [nodes / 2, 1_000, usize::from(SLOTS)] {
            let reply = reply(nodes / 2, ranges);
            let shared = Shared::new(config.clone(), Some(topology(reply.clone())));
            let mut times = Vec::new();
            for _ in 0..20 {
                let before = Instant::now();
                shared.replace(topology(reply.clone()));
                times.push(before.elapsed());
            }
            assert_eq!(shared.routes().nodes().len(), nodes);
            times.sort();
            println!(
                "a map of {nodes} nodes and {ranges} ranges: {:?} in the middle, {:?} at most",
                times[10], times[19]
            );
        }
        let shared = Shared::new(config, Some(topology(reply(nodes / 2, nodes / 2))));
        let to = Address::Tcp("127.0.0.1".to_owned(), 7_001);
        let (mut quarters, length) = (Vec::new(), SLOTS / 4);
        for quarter in 0..4 {
            let before = Instant::now();
            for slot in quarter * length..(quarter + 1) * length {
                shared.moved(slot, &to);
            }
            quarters.push(before.elapsed());
        }
        assert_eq!(shared.routes().topology.ranges().count(), 1);
        println!("{SLOTS} slots that move one by one, by quarters: {quarters:?}");
    }
}
