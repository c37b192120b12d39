//! The map of a cluster for those who keep something for each slot: [`MapView`].

use std::sync::Arc;

use tokio::runtime::Handle;

use super::handle::Cluster;
use super::nodes::Node;
use super::routes::Routes;
use crate::command::SLOTS;
use crate::engine::link::Link;

/// One state of the map. It does not change; a new one takes its place.
#[derive(Debug, Clone)]
pub(crate) struct MapView {
    routes: Arc<Routes>,
    /// The number of changes when it was read.
    changes: u64,
}

impl Cluster {
    /// The present map.
    pub(crate) fn map(&self) -> MapView {
        // In this order: a map that is newer than its number is only looked at once more.
        let changes = self.shared().changes();
        let routes = self.shared().routes().clone();
        MapView { routes, changes }
    }

    /// Takes the sole right to decide which reads the nodes track; returns whether nobody has it.
    pub(crate) fn claim_tracking(&self) -> bool {
        self.shared().claim_tracking()
    }

    /// Gives that right back.
    pub(crate) fn release_tracking(&self) {
        self.shared().release_tracking();
    }

    /// Where its tasks run: what is to last as long as the cluster belongs there.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.shared().runtime
    }

    /// Has the map asked for soon: a node may have failed, or none is known yet.
    pub(crate) fn want_map(&self) {
        self.shared().want_refresh();
    }

    /// The number of the present map.
    #[inline]
    pub(crate) fn map_number(&self) -> u64 {
        self.shared().changes()
    }
}

impl MapView {
    /// Its number; one that is not that of the present map says that there is a newer one.
    pub(crate) fn number(&self) -> u64 {
        // An odd one was read while the map was being replaced. The map may still be the one before, which is not to count as known
        // while the number stays odd.
        self.changes & !1
    }

    /// The place of the owner of a slot among the nodes.
    #[inline]
    pub(crate) fn owner_place(&self, slot: u16) -> Option<usize> {
        self.routes.owner_place(slot)
    }

    /// The links to all nodes, in their order.
    #[cfg(test)]
    pub(crate) fn links(&self) -> impl Iterator<Item = Arc<Link>> {
        self.routes.nodes().iter().map(|node| node.link())
    }

    /// The links to the primaries in the order of all nodes, with nothing in the places of the others.
    pub(crate) fn primary_links(&self) -> Vec<Option<Arc<Link>>> {
        let nodes = self.routes.nodes();
        let mut links = vec![None; nodes.len()];
        for place in self.routes.primary_places() {
            if let (Some(link), Some(node)) = (links.get_mut(place), nodes.get(place)) {
                *link = Some(node.link());
            }
        }
        links
    }

    /// The slots whose owner is not the same as in another map.
    pub(crate) fn moved_since<'m>(&'m self, before: &'m Self) -> impl Iterator<Item = u16> + 'm {
        let owner = |map: &Self, slot| map.routes.known_owner(slot).map(Arc::<Node>::as_ptr);
        (0..SLOTS).filter(move |slot| owner(self, *slot) != owner(before, *slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::shared::Shared;
    use crate::cluster::topology::Topology;
    use crate::config::{Address, Config};

    /// The number grows before the map is replaced, and once more after that.
    #[tokio::test]
    async fn a_map_that_was_read_while_it_was_replaced_is_looked_at_once_more() {
        let shared = Shared::new(Config::tcp("127.0.0.1", 7_000), Some(Topology::empty()));
        let number_of = |changes| {
            let routes = shared.routes().clone();
            MapView { routes, changes }.number()
        };
        let before = shared.changes();
        shared.moved(1, &Address::Tcp("127.0.0.1".to_owned(), 7_001));
        let (between, after) = (before + 1, before + 2);
        assert_eq!(shared.changes(), after);
        assert_eq!([before, after].map(number_of), [before, after]);
        assert!(![between, after].contains(&number_of(between)));
    }
}
