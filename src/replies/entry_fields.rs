//! The fields of a stream's entry, whether they fit a type or not: [`EntryFields`].

use bytes::Bytes;
use typedis_core::{DecodeError, FromRedis, Reply};

/// The fields of an entry as they came, and the result of decoding them.
///
/// With `StreamEntry<EntryFields<T>>`, one entry that does not fit does not affect the others; with `StreamEntry<T>`
/// the whole reply would fail.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EntryFields<T> {
    /// The fields as `T`, or why they do not fit.
    pub decoded: Result<T, DecodeError>,
    /// The fields in the order in which they were added.
    pub raw: Vec<(Bytes, Bytes)>,
}

impl<T: FromRedis> FromRedis for EntryFields<T> {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            raw: Vec::from_redis(reply.clone())?,
            decoded: T::from_redis(reply),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::replies::wire::decode;

    #[test]
    fn fields_that_do_not_fit_are_kept() {
        let reply = "*2\r\n$1\r\na\r\n$3\r\none\r\n";
        let fields: EntryFields<HashMap<String, i64>> = decode(reply).unwrap();
        assert!(fields.decoded.is_err());
        assert_eq!(fields.raw, [("a".into(), "one".into())]);
        let fields: EntryFields<HashMap<String, String>> = decode(reply).unwrap();
        assert_eq!(fields.decoded.unwrap().get("a").unwrap(), "one");
    }
}
