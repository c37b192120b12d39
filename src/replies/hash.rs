//! Replies of the commands on hashes.

use typedis_core::{DecodeError, FromRedis, Reply};

/// What HEXPIRE and similar commands did to a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldExpire {
    /// There is no such field.
    Missing,
    /// The condition does not hold, so nothing was changed.
    Refused,
    /// The expiry was set.
    Set,
    /// The time had passed already: the field was deleted.
    Deleted,
}

impl FromRedis for FieldExpire {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        match i64::from_redis(reply)? {
            -2 => Ok(Self::Missing),
            0 => Ok(Self::Refused),
            1 => Ok(Self::Set),
            2 => Ok(Self::Deleted),
            other => Err(DecodeError::new(format!(
                "expected -2, 0, 1 or 2, got {other}"
            ))),
        }
    }
}

/// What HPERSIST did to a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldPersist {
    /// There is no such field.
    Missing,
    /// It had no expiry.
    NoExpiry,
    /// Its expiry was removed.
    Removed,
}

impl FromRedis for FieldPersist {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        match i64::from_redis(reply)? {
            -2 => Ok(Self::Missing),
            -1 => Ok(Self::NoExpiry),
            1 => Ok(Self::Removed),
            other => Err(DecodeError::new(format!(
                "expected -2, -1 or 1, got {other}"
            ))),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replies::wire::decode;

    #[test]
    fn each_field_has_a_result_of_its_own() {
        use FieldExpire::{Deleted, Missing, Refused, Set};
        let all: Vec<FieldExpire> = decode("*4\r\n:-2\r\n:0\r\n:1\r\n:2\r\n").unwrap();
        assert_eq!(all, [Missing, Refused, Set, Deleted]);
        assert!(decode::<FieldExpire>(":3\r\n").is_err());
    }

    #[test]
    fn persist_tells_why_it_did_nothing() {
        let all: Vec<FieldPersist> = decode("*3\r\n:1\r\n:-1\r\n:-2\r\n").unwrap();
        assert_eq!(
            all,
            [
                FieldPersist::Removed,
                FieldPersist::NoExpiry,
                FieldPersist::Missing
            ]
        );
        assert!(decode::<FieldPersist>(":0\r\n").is_err());
    }
}
