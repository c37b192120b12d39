//! A server as a node of a cluster: [`Membership`], and what it answers because of that.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use tokio::time::Instant;
use typedis_core::cluster::slot;

use super::store::Store;
use super::{Answer, ClusterKind, HostStyle};
use crate::simulation::server::deployment::{HOST, Map, NodeId};

const CROSS_SLOT: Answer = Answer::refusal("CROSSSLOT Keys in request don't hash to the same slot");
const TRY_AGAIN: Answer =
    Answer::refusal("TRYAGAIN Multiple keys request during rehashing of slot");
const DOWN: Answer = Answer::refusal("CLUSTERDOWN The cluster is down");
const UNSERVED: Answer = Answer::refusal("CLUSTERDOWN Hash slot not served");

/// What a node knows of its cluster.
#[derive(Debug)]
pub(super) struct Membership {
    pub(super) me: NodeId,
    /// `None` for a service: there no key and no channel belongs to another node.
    cluster: Option<ClusterKind>,
    pub(super) map: Arc<Map>,
    /// The slots that are being given away, and to whom.
    pub(super) leaving: BTreeMap<u16, NodeId>,
    /// The slots that are arriving, and from where.
    pub(super) arriving: BTreeMap<u16, NodeId>,
    /// It takes the cluster to be down.
    pub(super) down_until: Option<Instant>,
    /// How often it sent somebody to another node for good.
    pub(super) moved: u64,
}

/// How a command comes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub(super) asking: bool,
    /// It only reads, on a socket that may read from replicas.
    pub(super) reads_copies: bool,
}

impl Membership {
    pub(super) fn new(me: NodeId, cluster: Option<ClusterKind>, map: Arc<Map>) -> Self {
        Self {
            me,
            cluster,
            map,
            leaving: BTreeMap::new(),
            arriving: BTreeMap::new(),
            down_until: None,
            moved: 0,
        }
    }

    /// Whether the keys of a queued command are checked only at EXEC.
    pub(super) fn queues_all(&self) -> bool {
        self.cluster.is_some_and(|kind| kind.queues_all)
    }

    /// Whether its slots are shared out between nodes.
    pub(super) fn is_of_cluster(&self) -> bool {
        self.cluster.is_some()
    }

    /// Whether a scan shows the keys of a slot.
    pub(super) fn shows(&self, slot: u16) -> bool {
        !self.is_of_cluster() || self.owns(slot) || self.arriving.contains_key(&slot)
    }

    /// Whether it owns a slot.
    pub(super) fn owns(&self, slot: u16) -> bool {
        self.map.primary(slot) == Some(self.me)
    }

    /// The nodes that copy what this one writes.
    pub(super) fn copies(&self) -> Vec<NodeId> {
        let shard = self.map.shard_of(self.me);
        let own = shard.filter(|shard| shard.primary == self.me);
        own.map_or_else(Vec::new, |shard| shard.replicas.clone())
    }

    /// The primary of its shard.
    pub(super) fn primary(&self) -> Option<NodeId> {
        self.map.shard_of(self.me).map(|shard| shard.primary)
    }

    /// Why the node does not carry out a command with these keys.
    pub(super) fn refusal(
        &mut self,
        store: &Store,
        keys: &[&[u8]],
        manner: Manner,
    ) -> Option<Answer> {
        self.cluster?;
        let slot = match one_slot(keys) {
            Ok(slot) => slot?,
            Err(answer) => return Some(answer),
        };
        if let Some(answer) = self.down(slot) {
            return Some(answer);
        }
        let here = keys.iter().filter(|key| store.has(key)).count();
        if self.owns(slot) {
            let target = *self.leaving.get(&slot)?;
            return match here {
                all if all == keys.len() => None,
                0 => Some(self.elsewhere("ASK", slot, target)),
                _ => Some(TRY_AGAIN),
            };
        }
        if manner.asking && self.arriving.contains_key(&slot) {
            return (keys.len() > 1 && here < keys.len()).then_some(TRY_AGAIN);
        }
        let owner = self.map.primary(slot)?;
        if manner.reads_copies && self.primary() == Some(owner) {
            return None;
        }
        Some(self.moved_to(slot, owner))
    }

    /// Why the node does not serve these shard channels.
    pub(super) fn shard_refusal(&mut self, channels: &[&[u8]]) -> Option<Answer> {
        self.cluster?;
        let slot = match one_slot(channels) {
            Ok(slot) => slot?,
            Err(answer) => return Some(answer),
        };
        let owner = self.map.primary(slot)?;
        if self.primary() == Some(owner) {
            return None;
        }
        Some(self.moved_to(slot, owner))
    }

    /// Whether it takes the cluster to be down.
    fn is_down(&self) -> bool {
        self.down_until.is_some_and(|until| until > Instant::now())
    }

    fn down(&self, slot: u16) -> Option<Answer> {
        if self.is_down() {
            return Some(DOWN);
        }
        self.map.primary(slot).is_none().then_some(UNSERVED)
    }

    /// Says that another node owns a slot.
    pub(super) fn moved_to(&mut self, slot: u16, owner: NodeId) -> Answer {
        self.moved += 1;
        self.elsewhere("MOVED", slot, owner)
    }

    fn host(&self) -> HostStyle {
        self.cluster.map_or(HostStyle::Named, |kind| kind.host)
    }

    fn elsewhere(&self, word: &str, slot: u16, node: NodeId) -> Answer {
        let host = match self.host() {
            HostStyle::Named => HOST,
            HostStyle::Absent => "",
            HostStyle::Unknown => "?",
        };
        let port = self.map.port(node);
        Answer::Error(format!("{word} {slot} {host}:{port}").into())
    }

    /// The answer to CLUSTER SLOTS.
    pub(super) fn slots(&self) -> Answer {
        let integer = |number: u16| Answer::Integer(i64::from(number));
        let ranges = self.map.ranges().into_iter();
        let entry = |(first, last, shard): (u16, u16, usize)| {
            let mut entry = vec![integer(first), integer(last)];
            if let Some(shard) = self.map.shards.get(shard) {
                let nodes = std::iter::once(&shard.primary).chain(&shard.replicas);
                entry.extend(nodes.map(|node| self.node(*node)));
            }
            Answer::List(entry)
        };
        Answer::List(ranges.map(entry).collect())
    }

    fn node(&self, node: NodeId) -> Answer {
        let host = match self.host() {
            HostStyle::Named => Answer::text(HOST),
            HostStyle::Absent => Answer::Nil,
            HostStyle::Unknown => Answer::text("?"),
        };
        Answer::List(vec![
            host,
            Answer::Integer(i64::from(self.map.port(node))),
            Answer::text(id_of(node)),
            Answer::Map(Vec::new()),
        ])
    }

    /// The answer to CLUSTER NODES.
    pub(super) fn nodes(&self) -> Answer {
        let mut text = String::new();
        for (index, shard) in self.map.shards.iter().enumerate() {
            for node in std::iter::once(&shard.primary).chain(&shard.replicas) {
                self.describe(&mut text, *node, index);
            }
        }
        Answer::text(text)
    }

    fn describe(&self, text: &mut String, node: NodeId, shard: usize) {
        let primary = self.map.shards.get(shard).map(|shard| shard.primary);
        let is_primary = primary == Some(node);
        let myself = if node == self.me { "myself," } else { "" };
        let role = if is_primary { "master" } else { "slave" };
        let master = match primary {
            Some(primary) if !is_primary => id_of(primary),
            _ => "-".to_owned(),
        };
        let (id, port, epoch) = (id_of(node), self.map.port(node), self.map.epoch);
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "{id} {HOST}:{port}@1{port} {myself}{role} {master} 0 0 {epoch} connected"
        );
        if is_primary {
            let ranges = self.map.ranges().into_iter();
            for (first, last, _) in ranges.filter(|(.., owner)| *owner == shard) {
                let _ = write!(text, " {first}-{last}");
            }
        }
        if node == self.me {
            for (slot, to) in &self.leaving {
                let _ = write!(text, " [{slot}->-{}]", id_of(*to));
            }
            for (slot, from) in &self.arriving {
                let _ = write!(text, " [{slot}-<-{}]", id_of(*from));
            }
        }
        text.push('\n');
    }

    /// The answer to CLUSTER INFO, as far as clients ask.
    pub(super) fn cluster_info(&self) -> Answer {
        let state = if self.is_down() { "fail" } else { "ok" };
        let epoch = self.map.epoch;
        Answer::text(format!(
            "cluster_state:{state}\r\ncluster_current_epoch:{epoch}\r\n"
        ))
    }

    /// The answer to INFO, as far as clients of a cluster ask.
    pub(super) fn info(&self, run: u64) -> Answer {
        let role = if self.primary() == Some(self.me) {
            "master"
        } else {
            "slave"
        };
        Answer::text(format!(
            "redis_version:7.4.0\r\nrun_id:{run:040x}\r\nrole:{role}\r\nmaster_link_status:up\r\nmaster_last_io_seconds_ago:0\r\n"
        ))
    }
}

/// The slot that all of these have; `None` if there are none.
fn one_slot(names: &[&[u8]]) -> Result<Option<u16>, Answer> {
    let mut slots = names.iter().map(slot);
    let Some(first) = slots.next() else {
        return Ok(None);
    };
    if slots.all(|slot| slot == first) {
        Ok(Some(first))
    } else {
        Err(CROSS_SLOT)
    }
}

/// The id of a node: 40 letters and digits.
fn id_of(node: NodeId) -> String {
    format!("{node:040x}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::simulation::network::PORT;

    #[tokio::test(start_paused = true)]
    async fn a_node_that_serves_nobody_says_so() {
        let kind = ClusterKind {
            shards: 1,
            replicas: 0,
            host: HostStyle::Named,
            queues_all: false,
            turns_out: false,
        };
        let map = Arc::new(Map::even(kind.shards, kind.replicas, PORT));
        let mut node = Membership::new(0, Some(kind), map);
        let says = |node: &Membership, state: &str| {
            let epoch = node.map.epoch;
            let text = format!("cluster_state:{state}\r\ncluster_current_epoch:{epoch}\r\n");
            node.cluster_info() == Answer::text(text)
        };
        assert!(says(&node, "ok") && node.down(0).is_none());
        let alone = Duration::from_millis(100);
        node.down_until = Some(Instant::now() + alone);
        assert!(says(&node, "fail") && node.down(0) == Some(DOWN));
        tokio::time::sleep(alone).await;
        assert!(says(&node, "ok") && node.down(0).is_none());
    }
}
