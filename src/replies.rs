//! Replies that deserve a type of their own.
//!
//! # Layout
//!
//! A file for each group of commands; `entry_id.rs` is the id of a stream's entry, `fields.rs` reads maps whose fields have
//! names.

mod bloom;
mod connection;
mod count_min;
mod cuckoo;
mod entry_id;
mod fields;
mod generic;
mod hash;
mod json;
mod list;
mod search;
mod stream;
mod string;
mod tdigest;
mod timeseries;
mod top_k;
mod vector_set;

pub use bloom::{BloomInfo, InfoField};
pub use connection::{ServerHello, ServerModule, TrackingInfo};
pub use count_min::CountMinInfo;
pub use cuckoo::{CuckooInfo, CuckooInsert};
pub use entry_id::{EntryId, ParseEntryIdError};
pub use generic::{Expiry, KeyType, Migrated};
pub use hash::{FieldExpire, FieldPersist};
pub use json::{JsonNumber, JsonValueType, Matches, ObjectKeys, PathMatch, Toggled};
pub use list::ListInsert;
pub use search::{
    Absent, AggregateResults, CursorStats, Document, DocumentPart, FieldStatistics,
    GarbageCollection, HybridResults, IndexDefinition, IndexErrors, IndexInfo, IndexedField,
    Misspelling, Misspellings, Profiled, Score, SearchResults,
};
pub use stream::{AutoClaimed, Claimed, PendingEntry, PendingSummary, StreamEntry};
pub use string::{LcsMatch, LcsMatches};
pub use tdigest::TDigestInfo;
pub use timeseries::{
    ChunkInfo, CompactionRule, GroupedRange, LastSample, MultiGet, MultiRange, SeriesGroup,
    SeriesInfo, SeriesRange,
};
pub use top_k::TopKInfo;
pub use vector_set::{Quantization, RawVector, VectorSetInfo};

/// What the tests of the reply types share.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod wire {
    use typedis_core::{Error, Frame, FromRedis};

    /// Decodes a reply as it comes over the wire.
    pub(crate) fn decode<T: FromRedis>(reply: &str) -> Result<T, Error> {
        Frame::parse(reply.as_bytes().to_vec()).unwrap().decode()
    }
}
