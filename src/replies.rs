//! Replies that deserve a type of their own.
//!
//! # Layout
//!
//! A file for each group of commands; `entry_id.rs` is the id of a stream's entry, `fields.rs` reads maps whose fields have
//! names.

mod connection;
mod entry_fields;
mod entry_id;
mod fields;
mod generic;
mod hash;
mod list;
mod search;
mod stream;
mod string;
mod timeseries;

pub use connection::{ServerHello, ServerModule, TrackingInfo};
pub use entry_fields::EntryFields;
pub use entry_id::{EntryId, ParseEntryIdError};
pub use generic::{Expiry, KeyType, Migrated};
pub use hash::{FieldExpire, FieldPersist};
pub use list::ListInsert;
pub use search::{Absent, AggregateResults, Document, DocumentPart, Score, SearchResults};
pub use stream::{AutoClaimed, Claimed, PendingEntry, PendingSummary, StreamEntry};
pub use string::{LcsMatch, LcsMatches};
pub use timeseries::{GroupedRange, MultiRange, SeriesGroup, SeriesRange};

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
