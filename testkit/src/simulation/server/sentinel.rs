//! The server as a Sentinel, and as a node of a service that Sentinels watch.
//!
//! A Sentinel is a server whose place is not in the map: it knows the service, and has no part in it.

use super::deployment::{HOST, Map, NodeId};
use super::membership::Membership;
use super::request::Words;
use super::session::Session;
use super::state::State;
use super::words::keys_of;
use super::{Answer, Lie, SERVICE, Server};
use crate::simulation::ledger::Token;

/// A port where nobody listens.
const NOBODY: u16 = 1;

const UNKNOWN_SERVICE: Answer = Answer::refusal("ERR No such master with that name");

impl Membership {
    fn is_sentinel(&self) -> bool {
        self.map.shard_of(self.me).is_none()
    }

    /// The primary of the service.
    fn leader(&self) -> Option<NodeId> {
        self.map.shards.first().map(|shard| shard.primary)
    }

    fn replica(&self) -> Option<NodeId> {
        self.map.shards.first()?.replicas.first().copied()
    }

    fn port_of(&self, node: Option<NodeId>) -> u16 {
        node.map_or(NOBODY, |node| self.map.port(node))
    }

    /// The other Sentinels.
    fn others(&self) -> impl Iterator<Item = u16> {
        let is_other = |node: &NodeId| *node != self.me && self.map.shard_of(*node).is_none();
        (0..self.map.ports.len())
            .filter(is_other)
            .map(|node| self.map.port(node))
    }
}

impl Server {
    /// Begins or ends to say something wrong of the service.
    pub(crate) fn set_lie(&self, lie: Option<Lie>) {
        self.state().lie = lie;
    }

    /// How many sessions it has.
    pub(crate) fn sessions(&self) -> usize {
        self.state().sessions()
    }

    /// The answer to ROLE, as far as clients read it.
    pub(super) fn role(&self, state: &State) -> Answer {
        let node = state.membership.as_ref();
        let role = match node {
            Some(node) if node.is_sentinel() => "sentinel",
            _ if state.is_replica() => "slave",
            _ => "master",
        };
        Answer::List(vec![Answer::text(role)])
    }

    /// The answer of a Sentinel to a question about a service.
    pub(super) fn locate(&self, state: &State, question: &[u8], service: &[u8]) -> Answer {
        let known = service == SERVICE.as_bytes() && state.lie != Some(Lie::Unknown);
        let node = state.membership.as_ref().filter(|_| known);
        match (question.to_ascii_uppercase().as_slice(), node) {
            (b"GET-MASTER-ADDR-BY-NAME", None) => Answer::NoList,
            (b"GET-MASTER-ADDR-BY-NAME", Some(node)) => {
                let port = match state.lie {
                    None | Some(Lie::Unknown) => node.port_of(node.leader()),
                    Some(Lie::WrongNode) => node.port_of(node.replica()),
                    Some(Lie::Nobody) => NOBODY,
                };
                Answer::List(vec![Answer::text(HOST), Answer::text(port.to_string())])
            }
            (_, None) => UNKNOWN_SERVICE,
            (b"MASTER", Some(node)) => Answer::Map(vec![(
                Answer::text("config-epoch"),
                Answer::text(node.map.epoch.to_string()),
            )]),
            (b"SENTINELS", Some(node)) => Answer::List(node.others().map(place).collect()),
            (_, Some(node)) => Answer::List(vec![place(node.port_of(node.replica()))]),
        }
    }

    /// Tells its subscribers where the service was and where it is, if it is a Sentinel and that has changed.
    pub(super) fn tell_of_failover(&self, state: &State, before: &Map) {
        let Some(node) = state.membership.as_ref().filter(|node| node.is_sentinel()) else {
            return;
        };
        let old = before.shards.first().map(|shard| shard.primary);
        if old != node.leader() {
            let (old, new) = (node.port_of(old), node.port_of(node.leader()));
            let text = format!("{SERVICE} {HOST} {old} {HOST} {new}");
            announce(state, "+switch-master", &text);
        }
    }

    /// Tells its subscribers that the Sentinels take the primary to be down, if it is a Sentinel.
    pub(crate) fn suspect(&self) {
        let state = self.state();
        if let Some(node) = state.membership.as_ref().filter(|node| node.is_sentinel()) {
            let port = node.port_of(node.leader());
            let text = format!("master {SERVICE} {HOST} {port} #quorum 2/2");
            announce(&state, "+odown", &text);
        }
    }
}

fn announce(state: &State, channel: &str, text: &str) {
    for (id, _) in state.channels.receivers(channel.as_bytes()) {
        let push = ["message", channel, text].map(Answer::text);
        state.send(id, &Answer::Push(push.to_vec()));
    }
}

fn place(port: u16) -> Answer {
    Answer::Map(vec![
        (Answer::text("ip"), Answer::text(HOST)),
        (Answer::text("port"), Answer::text(port.to_string())),
        (Answer::text("flags"), Answer::text("slave")),
        (Answer::text("master-link-status"), Answer::text("ok")),
    ])
}

impl Session {
    /// In a service, callers' commands go only to a node that was the primary at some time since the socket was made.
    pub(super) fn check_primary(&mut self, name: &str, words: &Words, tokens: &[Token]) {
        if self.met_primary || self.server.kind.service().is_none() {
            return;
        }
        self.met_primary = !self.server.state().is_replica();
        let is_of_caller = !tokens.is_empty() || !keys_of(name, words).is_empty();
        if is_of_caller && !self.met_primary {
            let text = format!("{name} reached server {}", self.server.id);
            self.server
                .world
                .violate("commands go to a node that was the primary", text);
        }
    }
}
