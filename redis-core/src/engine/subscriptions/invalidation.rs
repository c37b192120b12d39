//! What the server says about keys that were changed: [`Invalidation`].

use bytes::Bytes;

use super::message::Parcel;
use crate::reply::Reply;

/// What is no longer as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invalidation {
    /// These keys, or, in broadcasting mode, keys that others changed.
    Keys(Vec<Bytes>),
    /// All keys: the server was flushed, or more was changed than was read here in time.
    All,
}

impl Invalidation {
    /// `None` for what is malformed.
    pub(crate) fn read(keys: &Reply<'_>) -> Option<Self> {
        if keys.is_nil() {
            return Some(Self::All);
        }
        keys.elements()?
            .map(|key| Some(Bytes::copy_from_slice(key.text()?.as_bytes())))
            .collect::<Option<_>>()
            .map(Self::Keys)
    }
}

impl Parcel for Invalidation {
    fn size(&self) -> usize {
        match self {
            Self::Keys(keys) => keys.iter().map(|key| size_of::<Bytes>() + key.len()).sum(),
            Self::All => 0,
        }
    }
}
