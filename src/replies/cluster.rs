//! Replies of the commands on clusters.
//!
//! # Layout
//!
//! - `cluster/nodes.rs`: CLUSTER NODES and CLUSTER REPLICAS, which are text
//! - `cluster/slots.rs`: CLUSTER SLOTS and CLUSTER SLOT-STATS, and the migrations of slots
//! - here: CLUSTER INFO, CLUSTER LINKS and CLUSTER SHARDS

use std::collections::BTreeMap;

use typedis_core::{DecodeError, Name, Reply};

use super::text::{lines, parse, text};
use crate::FromRedis;

mod nodes;
mod slots;

pub use nodes::{ClusterNode, NodeAddress};
pub use slots::{SlotMigration, SlotMigrationTask, SlotNode, SlotRange, SlotStats};

/// The reply of CLUSTER INFO.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ClusterInfo {
    /// `ok`, or `fail` if the node serves no clients.
    pub state: String,
    /// How many slots are assigned to a node.
    pub slots_assigned: u32,
    /// How many slots are on nodes that work.
    pub slots_ok: u32,
    /// How many slots are on nodes that this node cannot reach.
    pub slots_pfail: u32,
    /// How many slots are on nodes that most nodes cannot reach.
    pub slots_fail: u32,
    /// How many nodes there are.
    pub known_nodes: u64,
    /// How many primaries have slots.
    pub size: u64,
    /// The epoch of the cluster.
    pub current_epoch: u64,
    /// The configuration epoch of this node.
    pub my_epoch: u64,
    /// Everything else, by its name.
    pub other: BTreeMap<String, String>,
}

impl ClusterInfo {
    /// Whether the node serves clients.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.state == "ok"
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), DecodeError> {
        match name {
            "cluster_state" => self.state = value.to_owned(),
            "cluster_slots_assigned" => self.slots_assigned = parse(name, value)?,
            "cluster_slots_ok" => self.slots_ok = parse(name, value)?,
            "cluster_slots_pfail" => self.slots_pfail = parse(name, value)?,
            "cluster_slots_fail" => self.slots_fail = parse(name, value)?,
            "cluster_known_nodes" => self.known_nodes = parse(name, value)?,
            "cluster_size" => self.size = parse(name, value)?,
            "cluster_current_epoch" => self.current_epoch = parse(name, value)?,
            "cluster_my_epoch" => self.my_epoch = parse(name, value)?,
            _ => {
                self.other.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(())
    }
}

impl FromRedis for ClusterInfo {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let mut info = Self::default();
        for line in lines(text(&reply, "lines of fields")?) {
            if let Some((name, value)) = line.split_once(':') {
                info.set(name, value)?;
            }
        }
        if info.state.is_empty() {
            return Err(DecodeError::missing("cluster_state"));
        }
        Ok(info)
    }
}

/// A link between two nodes of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[redis(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct ClusterLink {
    /// `to` (to the other node) or `from` (from it).
    pub direction: String,
    /// The id of the other node.
    pub node: String,
    /// When it was made, as a Unix time in milliseconds.
    pub create_time: u64,
    /// What it waits for: `r` to read, `w` to write.
    pub events: String,
    /// How many bytes its send buffer has.
    pub send_buffer_allocated: u64,
    /// How many of them are used.
    pub send_buffer_used: u64,
}

/// A shard of a cluster: nodes that have the same slots.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[redis(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct ClusterShard {
    /// Ranges of slots, with both ends.
    pub slots: Vec<(u16, u16)>,
    /// The nodes, the primary among them.
    pub nodes: Vec<ShardNode>,
    /// The id of the shard; Valkey since 9.0.
    pub id: Option<String>,
}

/// A node of a shard.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[redis(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct ShardNode {
    /// Its id.
    pub id: String,
    /// Its port, unless it takes TLS only.
    pub port: Option<u16>,
    /// Its port for TLS.
    pub tls_port: Option<u16>,
    /// Its address; empty for a lone node that does not know its own.
    pub ip: String,
    /// The address that clients should connect to: the IP address, the host name or `?`; if it is `None` or empty,
    /// the one that they are connected to.
    pub endpoint: Option<String>,
    /// Its host name.
    pub hostname: Option<String>,
    /// `master` or `replica`.
    pub role: String,
    /// Its position in the replication stream of the primary.
    pub replication_offset: i64,
    /// `online`, `failed` or `loading`.
    pub health: String,
    /// Where it is; Valkey alone.
    pub availability_zone: Option<Name>,
}

impl ShardNode {
    /// Whether it is the primary of its shard.
    #[must_use]
    pub fn is_primary(&self) -> bool {
        self.role == "master" || self.role == "primary"
    }
}

#[cfg(test)]
mod tests;
