//! Replies that deserve a type of their own.
//!
//! # Layout
//!
//! A file for each group of commands: `generic.rs`, `hash.rs`, `list.rs`, `string.rs`.

mod generic;
mod hash;
mod list;
mod string;

pub use generic::{Expiry, KeyType, Migrated};
pub use hash::{FieldExpire, FieldPersist};
pub use list::ListInsert;
pub use string::{LcsMatch, LcsMatches};

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
