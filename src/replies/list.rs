//! Replies of the commands on lists.

use typedis_core::{DecodeError, FromRedis, Reply};

/// What LINSERT did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListInsert {
    /// The list has no element that equals the pivot; nothing was inserted.
    NoPivot,
    /// There is no list; nothing was inserted.
    NoList,
    /// The element was inserted; the list now has this many elements.
    Inserted(u64),
}

impl ListInsert {
    /// The new length, if the element was inserted.
    #[must_use]
    pub fn new_len(self) -> Option<u64> {
        match self {
            Self::Inserted(len) => Some(len),
            Self::NoPivot | Self::NoList => None,
        }
    }
}

impl FromRedis for ListInsert {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        match i64::from_redis(reply)? {
            -1 => Ok(Self::NoPivot),
            0 => Ok(Self::NoList),
            len => u64::try_from(len)
                .map(Self::Inserted)
                .map_err(|_| DecodeError::new(format!("expected a length, 0 or -1, got {len}"))),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replies::wire::decode;

    #[test]
    fn an_insertion_has_a_length_or_a_reason() {
        let all: Vec<ListInsert> = decode("*3\r\n:9\r\n:0\r\n:-1\r\n").unwrap();
        assert_eq!(
            all,
            [
                ListInsert::Inserted(9),
                ListInsert::NoList,
                ListInsert::NoPivot
            ]
        );
        assert_eq!(ListInsert::Inserted(9).new_len(), Some(9));
        assert_eq!(ListInsert::NoPivot.new_len(), None);
        assert!(decode::<ListInsert>(":-2\r\n").is_err());
    }
}
