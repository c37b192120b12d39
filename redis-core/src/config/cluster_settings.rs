//! What only clusters have: [`ClusterSettings`].

use super::hook::{Hook, MapAddress};
use super::read_from::ReadFrom;

/// What concerns clusters alone.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct ClusterSettings {
    /// Whether the configured servers are nodes of a cluster.
    pub(crate) is_cluster: bool,
    pub(crate) read_from: ReadFrom,
    pub(crate) map_address: Option<Hook<MapAddress>>,
}

impl ClusterSettings {
    /// What a connection to one node has to know.
    pub(super) fn for_node(&self) -> Self {
        Self {
            map_address: self.map_address.clone(),
            ..Self::default()
        }
    }
}
