//! What leaves a node of a cluster, and what arrives: keys, slots, copies, and another state of the map.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;
use typedis_core::cluster::slot;

use super::membership::Membership;
use super::state::State;
use super::store::Entry;
use super::{Answer, Server};
use crate::simulation::server::deployment::{Map, NodeId};

const DEMOTED: Answer = Answer::refusal(
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
);

impl Server {
    /// Makes it a node of a cluster or of a service, or a Sentinel of one.
    pub(crate) fn enlist(&self, map: Arc<Map>) {
        let membership = Membership::new(self.id, self.kind.cluster(), map);
        self.state().membership = Some(membership);
    }

    /// Learns of another state of the cluster or service. Whoever waits for an element, or listens to a shard channel, of a
    /// slot that it has lost is sent away.
    pub(crate) fn adopt(&self, map: &Arc<Map>) {
        let mut state = self.state();
        let state = &mut *state;
        let Some(node) = &mut state.membership else {
            return;
        };
        if node.map.epoch > map.epoch {
            return;
        }
        let was_primary = node.primary() == Some(self.id);
        let before = std::mem::replace(&mut node.map, map.clone());
        let is_primary = node.primary() == Some(self.id);
        node.leaving
            .retain(|slot, _| map.primary(*slot) == Some(self.id));
        node.arriving
            .retain(|slot, _| map.primary(*slot) != Some(self.id));
        if is_primary && !was_primary {
            state.forget_primary();
        }
        let is_demoted = was_primary && !is_primary;
        self.send_blocked_away(state, is_demoted);
        if let Some(service) = self.kind.service() {
            self.tell_of_failover(state, &before);
            if is_demoted && service.turns_out {
                state.hang_up(None);
            }
            return;
        }
        let Some(node) = &state.membership else {
            return;
        };
        let ended = state.channels.end_shards(|name| node.owns(slot(name)));
        for (id, name) in ended {
            let left = state.channels.of(id, super::ChannelKind::Shard);
            let left = i64::try_from(left).unwrap_or(i64::MAX);
            let push = vec![
                Answer::text("sunsubscribe"),
                Answer::text(name),
                Answer::Integer(left),
            ];
            state.send(id, &Answer::Push(push));
        }
    }

    fn send_blocked_away(&self, state: &mut State, is_demoted: bool) {
        let Some(node) = &mut state.membership else {
            return;
        };
        let turns_out = is_demoted && self.kind.cluster().is_none_or(|kind| kind.turns_out);
        let blocked = state.blocked.take(|list| !node.owns(slot(list)));
        let mut refusal = |list: &[u8]| {
            let slot = slot(list);
            let owner = node.map.primary(slot)?;
            Some(node.moved_to(slot, owner))
        };
        let sent: Vec<_> = blocked
            .into_iter()
            .map(|(list, id)| (id, refusal(&list).filter(|_| !turns_out)))
            .collect();
        for (id, refusal) in sent {
            match refusal {
                Some(refusal) => state.unblock(id, &refusal),
                None => state.turn_out(id, &DEMOTED),
            }
        }
    }

    /// How often it sent somebody to another node for good.
    pub(crate) fn moved(&self) -> u64 {
        self.state()
            .membership
            .as_ref()
            .map_or(0, |node| node.moved)
    }

    /// Takes the cluster to be down until this moment.
    pub(crate) fn despair(&self, until: Instant) {
        if let Some(node) = &mut self.state().membership {
            node.down_until = Some(until);
        }
    }

    /// Begins or ends to give a slot away.
    pub(crate) fn set_leaving(&self, slot: u16, to: Option<NodeId>) {
        if let Some(node) = &mut self.state().membership {
            match to {
                Some(to) => drop(node.leaving.insert(slot, to)),
                None => drop(node.leaving.remove(&slot)),
            }
        }
    }

    /// Begins or ends to get a slot.
    pub(crate) fn set_arriving(&self, slot: u16, from: Option<NodeId>) {
        if let Some(node) = &mut self.state().membership {
            match from {
                Some(from) => drop(node.arriving.insert(slot, from)),
                None => drop(node.arriving.remove(&slot)),
            }
        }
    }

    /// The keys of a slot that exist or existed here.
    pub(crate) fn keys_in(&self, wanted: u16) -> Vec<Vec<u8>> {
        let state = self.state();
        let keys = state.store.entries().keys();
        keys.filter(|key| slot(key) == wanted).cloned().collect()
    }

    /// Hands a key over to another node.
    pub(crate) fn hand_over(&self, key: &[u8], to: &Self) {
        let mut state = self.state();
        let existed = state.store.has(key);
        let Some(entry) = state.store.take(key) else {
            return;
        };
        if existed {
            state.tracking.changed(None, key);
            state.tell_news();
        }
        self.replicate(&state, key);
        drop(state);
        let mut there = to.state();
        if existed {
            there.store.put(key, entry);
        } else {
            // It may exist there by now.
            there.store.precede(key, entry);
        }
        there.tracking.changed(None, key);
        to.replicate(&there, key);
        there.tell_news();
    }

    /// Forgets the keys of a slot that belongs to others.
    pub(crate) fn drop_slot(&self, slot: u16) {
        for key in self.keys_in(slot) {
            self.state().store.take(&key);
        }
    }

    /// Sends a key to its replicas, where it arrives later.
    pub(super) fn replicate(&self, state: &State, key: &[u8]) {
        let Some(deployment) = self.deployment() else {
            return;
        };
        let copies = state.membership.as_ref().map(Membership::copies);
        for copy in copies.unwrap_or_default() {
            let Some(copy) = deployment.server(copy) else {
                continue;
            };
            let mut there = copy.state();
            let primary = there.membership.as_ref().and_then(Membership::primary);
            if primary == Some(self.id) {
                let entry = state.store.entries().get(key).cloned();
                there.expect(deployment.copied_at(), key, entry.unwrap_or_default());
            }
        }
    }

    /// Takes over what its primary has written: what has arrived, or everything.
    pub(crate) fn catch_up(&self, everything: bool) {
        self.state().catch_up(everything);
    }

    /// All keys that exist or existed here.
    pub(crate) fn entries(&self) -> BTreeMap<Vec<u8>, Entry> {
        self.state().store.entries().clone()
    }

    /// Becomes a copy of another server.
    pub(crate) fn copy(&self, other: &Self) {
        let keys = other.entries();
        self.state().copy(keys);
    }
}
