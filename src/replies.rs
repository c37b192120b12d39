//! Types for replies with several parts.
//!
//! The method of a command names the type of its reply. All these types accept fields that newer servers add, and are
//! `#[non_exhaustive]`.

// Layout: a file for each group of commands, and a folder beside it if a group has many replies; `client_info` is a
// connection of a server, `stream_info` the replies of XINFO, `entry_id` the id of a stream's entry. `fields` reads
// maps whose fields have names, `duration` reads times, `text` reads replies that are text for people.

mod array;
mod bloom;
mod client_info;
mod cluster;
mod connection;
mod count_min;
mod cuckoo;
mod duration;
mod entry_fields;
mod entry_id;
mod fields;
mod generic;
mod hash;
mod json;
mod list;
mod scripting;
mod search;
mod sentinel;
mod server;
mod stream;
mod stream_info;
mod string;
mod tdigest;
mod text;
mod timeseries;
mod top_k;
mod vector_set;

pub use array::ArrayInfo;
pub use bloom::{BloomInfo, InfoField};
pub use client_info::ClientInfo;
pub use cluster::{
    ClusterInfo, ClusterLink, ClusterNode, ClusterShard, NodeAddress, ShardNode, SlotMigration,
    SlotMigrationTask, SlotNode, SlotRange, SlotStats,
};
pub use connection::{ServerHello, ServerModule, TrackingInfo};
pub use count_min::CountMinInfo;
pub use cuckoo::{CuckooInfo, CuckooInsert};
pub use entry_fields::EntryFields;
pub use entry_id::{EntryId, ParseEntryIdError};
pub use generic::{Expiry, KeyType, Migrated};
pub use hash::{FieldExpire, FieldPersist};
pub use json::{JsonNumber, JsonValueType, Matches, ObjectKeys, PathMatch, Toggled};
pub use list::ListInsert;
pub use scripting::{EngineStats, FunctionInfo, FunctionLibrary, FunctionStats, RunningFunction};
pub use search::{
    Absent, AggregateResults, CursorStats, Document, DocumentPart, FieldStatistics,
    GarbageCollection, HybridResults, IndexDefinition, IndexErrors, IndexInfo, IndexedField,
    Misspelling, Misspellings, Profiled, Score, SearchResults,
};
pub use sentinel::{CachedInfo, SentinelPeer, SentinelPrimary, SentinelReplica, SentinelScript};
pub use server::{
    AclDryRun, AclLogEntry, AclSelector, AclUser, BackupState, BackupStatus, CommandArgument,
    CommandDetails, CommandDocs, CommandHistogram, CommandLogEntry, DatabaseMemory, FindKeys,
    Hotkeys, InfoSection, KeySearch, KeySpec, KeyspaceInfo, LatencyEvent, LatencySample,
    MemoryStats, ReplicaLink, Role, ServerInfo, SlowLogEntry,
};
pub use stream::{
    AutoClaimed, Claimed, DeliveredEntry, EntryDeletion, PendingEntry, PendingSummary, StreamEntry,
};
pub use stream_info::{
    ConsumerPending, GroupPending, RawFields, StreamConsumer, StreamConsumerDetails, StreamDetails,
    StreamGroup, StreamGroupDetails, StreamInfo,
};
pub use string::{LcsMatch, LcsMatches};
pub use tdigest::TDigestInfo;
pub use timeseries::{
    AggregatedSample, ChunkInfo, CompactionRule, GroupedRange, LastSample, MultiGet, MultiRange,
    SeriesGroup, SeriesInfo, SeriesRange,
};
pub use top_k::TopKInfo;
pub use vector_set::{Quantization, RawVector, VectorSetInfo};

/// Helpers for the tests of the reply types.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod wire {
    use typedis_core::{Error, Frame, FromRedis};

    /// Decodes a reply as it comes over the wire.
    pub(crate) fn decode<T: FromRedis>(reply: &str) -> Result<T, Error> {
        Frame::parse(reply.as_bytes().to_vec()).unwrap().decode()
    }
}
