//! Replies of XINFO.

use bytes::Bytes;
use typedis_core::Name;

use super::entry_id::EntryId;
use super::stream::StreamEntry;
use crate::FromRedis;

/// The fields of an entry as they are, in their order.
pub type RawFields = Vec<(Bytes, Bytes)>;

/// The reply of XINFO STREAM.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[redis(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct StreamInfo {
    /// How many entries it has.
    pub length: u64,
    /// How many keys are in the radix tree of the entries.
    pub radix_tree_keys: u64,
    /// How many nodes the radix tree has.
    pub radix_tree_nodes: u64,
    /// The last id that was given.
    pub last_generated_id: EntryId,
    /// The greatest id of a deleted entry; since 7.0.
    pub max_deleted_entry_id: Option<EntryId>,
    /// How many entries were ever added; since 7.0.
    pub entries_added: Option<u64>,
    /// The id of the first entry as it is recorded; `0-0` if there is none; since 7.0.
    pub recorded_first_entry_id: Option<EntryId>,
    /// For how many seconds idempotent ids are remembered; since Redis 8.6, as the five that follow.
    pub idmp_duration: Option<u64>,
    /// How many idempotent ids of each producer are remembered.
    pub idmp_maxsize: Option<u64>,
    /// How many producers are remembered.
    pub pids_tracked: Option<u64>,
    /// How many idempotent ids are remembered.
    pub iids_tracked: Option<u64>,
    /// How many entries were ever added with one.
    pub iids_added: Option<u64>,
    /// How many entries were not added, because their idempotent id was remembered.
    pub iids_duplicates: Option<u64>,
    /// How many consumer groups it has.
    pub groups: u64,
    /// Its first entry.
    pub first_entry: Option<StreamEntry<RawFields>>,
    /// Its last entry.
    pub last_entry: Option<StreamEntry<RawFields>>,
}

/// The reply of XINFO STREAM with FULL.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[redis(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct StreamDetails {
    /// How many entries it has.
    pub length: u64,
    /// How many keys are in the radix tree of the entries.
    pub radix_tree_keys: u64,
    /// How many nodes the radix tree has.
    pub radix_tree_nodes: u64,
    /// The last id that was given.
    pub last_generated_id: EntryId,
    /// The greatest id of a deleted entry; since 7.0.
    pub max_deleted_entry_id: Option<EntryId>,
    /// How many entries were ever added; since 7.0.
    pub entries_added: Option<u64>,
    /// The id of the first entry as it is recorded; `0-0` if there is none; since 7.0.
    pub recorded_first_entry_id: Option<EntryId>,
    /// For how many seconds idempotent ids are remembered; since Redis 8.6, as the five that follow.
    pub idmp_duration: Option<u64>,
    /// How many idempotent ids of each producer are remembered.
    pub idmp_maxsize: Option<u64>,
    /// How many producers are remembered.
    pub pids_tracked: Option<u64>,
    /// How many idempotent ids are remembered.
    pub iids_tracked: Option<u64>,
    /// How many entries were ever added with one.
    pub iids_added: Option<u64>,
    /// How many entries were not added, because their idempotent id was remembered.
    pub iids_duplicates: Option<u64>,
    /// Its first entries.
    pub entries: Vec<StreamEntry<RawFields>>,
    /// Its consumer groups.
    pub groups: Vec<StreamGroupDetails>,
}

/// A consumer group, as XINFO GROUPS lists it.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[redis(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct StreamGroup {
    /// Its name.
    pub name: Name,
    /// How many consumers it has.
    pub consumers: u64,
    /// How many entries are pending.
    pub pending: u64,
    /// The last id that was delivered.
    pub last_delivered_id: EntryId,
    /// How many entries were read, if the server knows; since 7.0.
    pub entries_read: Option<u64>,
    /// How many entries are still to be delivered, if the server knows; since 7.0. It is the difference of two counters
    /// of the server, and below 0 if a client set them so (ENTRIESREAD, XSETID).
    pub lag: Option<i64>,
}

/// A consumer group, as XINFO STREAM with FULL describes it.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[redis(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct StreamGroupDetails {
    /// Its name.
    pub name: Name,
    /// The last id that was delivered.
    pub last_delivered_id: EntryId,
    /// How many entries were read, if the server knows; since 7.0.
    pub entries_read: Option<u64>,
    /// How many entries are still to be delivered, if the server knows; since 7.0. It is the difference of two counters
    /// of the server, and below 0 if a client set them so (ENTRIESREAD, XSETID).
    pub lag: Option<i64>,
    /// How many entries are pending.
    pub pel_count: u64,
    /// How many of them were handed back by XNACK, and belong to no consumer; since Redis 8.8.
    pub nacked_count: Option<u64>,
    /// The first pending entries.
    pub pending: Vec<GroupPending>,
    /// Its consumers.
    pub consumers: Vec<StreamConsumerDetails>,
}

/// A consumer of a group, as XINFO CONSUMERS lists it.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[redis(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct StreamConsumer {
    /// Its name.
    pub name: Name,
    /// How many entries are pending for it.
    pub pending: u64,
    /// How many milliseconds ago it last tried to read or claim something.
    pub idle: u64,
    /// How many milliseconds ago it last read or claimed something; -1 means never; since 7.2.
    pub inactive: Option<i64>,
}

/// A consumer of a group, as XINFO STREAM with FULL describes it.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[redis(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct StreamConsumerDetails {
    /// Its name.
    pub name: Name,
    /// When it last tried to read or claim something, as a Unix time in milliseconds.
    pub seen_time: u64,
    /// When it last read or claimed something, as a Unix time in milliseconds; -1 means never; since 7.2.
    pub active_time: Option<i64>,
    /// How many entries are pending for it.
    pub pel_count: u64,
    /// The first entries that are pending for it.
    pub pending: Vec<ConsumerPending>,
}

/// An entry that is pending in a group.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[redis(array)]
#[non_exhaustive]
pub struct GroupPending {
    /// Its id.
    pub id: EntryId,
    /// Who has it; empty after XNACK, until it is delivered again.
    pub consumer: Name,
    /// When it was last delivered, as a Unix time in milliseconds; 0 after XNACK.
    pub delivered_at: u64,
    /// How often it was delivered.
    pub deliveries: u64,
}

/// An entry that is pending for a consumer.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[redis(array)]
#[non_exhaustive]
pub struct ConsumerPending {
    /// Its id.
    pub id: EntryId,
    /// When it was last delivered, as a Unix time in milliseconds.
    pub delivered_at: u64,
    /// How often it was delivered.
    pub deliveries: u64,
}

#[cfg(test)]
mod tests;
