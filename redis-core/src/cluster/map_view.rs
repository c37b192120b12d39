//! The map of a cluster for those who keep something for each slot: [`MapView`].

use std::sync::Arc;

use super::handle::Cluster;
use super::nodes::Node;
use super::routes::Routes;
use crate::command::SLOTS;
use crate::engine::link::Link;

/// One state of the map. It does not change; a new one takes its place.
#[derive(Debug)]
pub(crate) struct MapView(Arc<Routes>);

impl Cluster {
    /// The present map.
    pub(crate) fn map(&self) -> MapView {
        MapView(self.shared().routes().clone())
    }

    /// Whether this map is the present one.
    #[inline]
    pub(crate) fn has_map(&self, map: &MapView) -> bool {
        Arc::ptr_eq(&self.shared().routes(), &map.0)
    }
}

impl MapView {
    /// The place of the owner of a slot among the nodes.
    #[inline]
    pub(crate) fn owner_place(&self, slot: u16) -> Option<usize> {
        self.0.owner_place(slot)
    }

    /// The links to all nodes, in their order.
    pub(crate) fn links(&self) -> impl Iterator<Item = Arc<Link>> {
        self.0.nodes().iter().map(|node| node.link())
    }

    /// The slots whose owner is not the same as in another map.
    pub(crate) fn moved_since<'m>(&'m self, before: &'m Self) -> impl Iterator<Item = u16> + 'm {
        let owner = |map: &Self, slot| map.0.known_owner(slot).map(Arc::<Node>::as_ptr);
        (0..SLOTS).filter(move |slot| owner(self, *slot) != owner(before, *slot))
    }
}
