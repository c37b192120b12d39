//! Which nodes of a shard are read from, and in which order.

use std::sync::Arc;

use crate::cluster::nodes::Node;
use crate::cluster::routes::Routes;
use crate::cluster::topology::{ClusterNode, NodeRole};
use crate::config::ReadFrom;

/// A node and its role.
pub(super) type Choice = (Arc<Node>, NodeRole);

/// The nodes that are asked for a slot, in order; replicas that are not well are left out.
pub(super) fn order(routes: &Routes, slot: u16, view: &ReadFrom) -> Vec<Choice> {
    let topology = &routes.topology;
    let node = |known: &ClusterNode| routes.at(&known.address).cloned();
    let mut replicas: Vec<(Arc<Node>, &ClusterNode)> = topology
        .replicas_of(slot)
        .filter_map(|known| Some((node(known)?, known)))
        .filter(|(node, _)| node.health().is_well())
        .collect();
    fastrand::shuffle(&mut replicas);
    let primary = topology.primary_of(slot);
    let primary = primary.and_then(|known| Some((node(known)?, known)));
    match view {
        ReadFrom::Primary => replicas.clear(),
        ReadFrom::PreferReplica | ReadFrom::Replica => {}
        ReadFrom::Any => {
            let place = fastrand::usize(..=replicas.len());
            return with_primary_at(place, replicas, primary);
        }
        ReadFrom::Nearest => {
            replicas.sort_by_key(|(node, _)| node.health().round_trip());
            let own = primary.as_ref().map(|(node, _)| node.health().round_trip());
            let nearer = |(node, _): &&(Arc<Node>, _)| Some(node.health().round_trip()) < own;
            let place = replicas.iter().filter(nearer).count();
            return with_primary_at(place, replicas, primary);
        }
        ReadFrom::Zone(zone) => {
            let is_near = |(node, known): &(Arc<Node>, &ClusterNode)| {
                known.zone.as_deref() == Some(zone) || node.health().is_in_zone(zone)
            };
            replicas.sort_by_key(|replica| !is_near(replica));
            let place = match &primary {
                Some(primary) if is_near(primary) => {
                    replicas.iter().filter(|one| is_near(one)).count()
                }
                _ => replicas.len(),
            };
            return with_primary_at(place, replicas, primary);
        }
    }
    let primary = primary.filter(|_| *view != ReadFrom::Replica);
    with_primary_at(replicas.len(), replicas, primary)
}

fn with_primary_at(
    place: usize,
    replicas: Vec<(Arc<Node>, &ClusterNode)>,
    primary: Option<(Arc<Node>, &ClusterNode)>,
) -> Vec<Choice> {
    let replicas = replicas.into_iter();
    let mut order: Vec<Choice> = replicas
        .map(|(node, _)| (node, NodeRole::Replica))
        .collect();
    if let Some((node, _)) = primary {
        order.insert(place, (node, NodeRole::Primary));
    }
    order
}
