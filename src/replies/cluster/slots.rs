//! Which nodes have which slots, the load of slots, and how slots are moved.

use std::collections::HashMap;

use typedis_core::{DecodeError, Name, Reply};

use crate::FromRedis;
use crate::replies::fields::next;

/// A range of slots and the nodes that have them, as CLUSTER SLOTS lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlotRange {
    /// The first slot.
    pub start: u16,
    /// The last slot, which belongs to the range.
    pub end: u16,
    /// The primary.
    pub primary: SlotNode,
    /// Its replicas.
    pub replicas: Vec<SlotNode>,
}

impl FromRedis for SlotRange {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let Reply::Array(mut elements) = reply else {
            return Err(DecodeError::expected("a range of slots", &reply));
        };
        Ok(Self {
            start: next(&mut elements, "start")?,
            end: next(&mut elements, "end")?,
            primary: next(&mut elements, "primary")?,
            replicas: elements
                .map(SlotNode::from_redis)
                .collect::<Result<_, _>>()?,
        })
    }
}

/// A node that has slots.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlotNode {
    /// Its address or host name. `None` means the node that the client is connected to, or that the address is
    /// not known.
    pub host: Option<String>,
    /// Its port.
    pub port: u16,
    /// Its id.
    pub id: Option<String>,
    /// Further names and addresses, such as `hostname`; since 7.0.
    pub metadata: HashMap<String, Name>,
}

impl FromRedis for SlotNode {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let Reply::Array(mut elements) = reply else {
            return Err(DecodeError::expected("a node", &reply));
        };
        let host: Option<String> = next(&mut elements, "host")?;
        let port = next(&mut elements, "port")?;
        let id = elements.next().map(String::from_redis).transpose()?;
        let metadata = elements.next().map(HashMap::from_redis).transpose()?;
        Ok(Self {
            host: host.filter(|host| !host.is_empty() && host != "?"),
            port,
            id,
            metadata: metadata.unwrap_or_default(),
        })
    }
}

/// The load of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlotStats {
    /// The slot.
    pub slot: u16,
    /// How many keys it has.
    pub key_count: u64,
    /// Every number that the server sends, by its name: `key-count`, `cpu-usec`, `network-bytes-in` and so on.
    pub stats: HashMap<String, u64>,
}

impl FromRedis for SlotStats {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let (slot, stats) = <(u16, HashMap<String, u64>)>::from_redis(reply)?;
        let key_count = stats.get("key-count").copied();
        Ok(Self {
            slot,
            key_count: key_count.ok_or_else(|| DecodeError::missing("key-count"))?,
            stats,
        })
    }
}

/// A migration of slots between nodes of Valkey. Times are Unix times in seconds.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[non_exhaustive]
pub struct SlotMigration {
    /// Its id.
    pub name: String,
    /// `EXPORT` from this node, or `IMPORT` to it.
    pub operation: String,
    /// Ranges of slots: `0-99 200-299`.
    pub slot_ranges: String,
    /// The id of the node that gets the slots; a replica does not tell it.
    pub target_node: Option<String>,
    /// The id of the node that gives them; a replica does not tell it.
    pub source_node: Option<String>,
    /// When it began.
    pub create_time: i64,
    /// When it last made progress.
    pub last_update_time: i64,
    /// When the other node last acknowledged something.
    pub last_ack_time: i64,
    /// Its state: `success`, `failed`, `cancelled` and so on.
    pub state: String,
    /// Why it failed.
    pub message: String,
    /// How many bytes of memory were copied while the slots were written out.
    pub cow_size: u64,
    /// How many bytes are still to be sent.
    pub remaining_repl_size: u64,
}

/// A migration of slots between nodes of Redis. Times are Unix times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[non_exhaustive]
pub struct SlotMigrationTask {
    /// Its id.
    pub id: String,
    /// Ranges of slots: `0-99 200-299`.
    pub slots: String,
    /// The id of the node that gives the slots.
    pub source: String,
    /// The id of the node that gets them.
    pub dest: String,
    /// `import` to this node, or `migrate` from it.
    pub operation: String,
    /// Its state.
    pub state: String,
    /// The last error; empty if there was none.
    pub last_error: String,
    /// How often it was tried again.
    pub retries: u64,
    /// When it was requested.
    pub create_time: i64,
    /// When it began; -1 if it has not.
    pub start_time: i64,
    /// When it ended; -1 if it has not.
    pub end_time: i64,
    /// For how many milliseconds writes were paused; below 0 if the clock of the node was set back meanwhile.
    pub write_pause_ms: i64,
}
