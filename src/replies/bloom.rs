//! Replies of the commands on Bloom filters.

use typedis_core::{DecodeError, Reply};

use crate::FromRedis;

/// The reply of BF.INFO.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[non_exhaustive]
pub struct BloomInfo {
    /// How many items it has room for before it grows.
    #[redis(rename = "Capacity")]
    pub capacity: u64,
    /// How many bytes it takes.
    #[redis(rename = "Size")]
    pub size: u64,
    /// How many filters it consists of.
    #[redis(rename = "Number of filters")]
    pub filters: u64,
    /// How many items were added and new.
    #[redis(rename = "Number of items inserted")]
    pub items: u64,
    /// How many times larger each further filter is; `None` if it does not grow.
    #[redis(rename = "Expansion rate")]
    pub expansion: Option<u64>,
}

/// One fact about a Bloom filter, which comes with its name in RESP3 and alone in RESP2. Other modules than that of Redis
/// reply with the fact itself, in no array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InfoField<T>(pub T);

impl<T: FromRedis> FromRedis for InfoField<T> {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let Some(mut elements) = reply.elements() else {
            return T::from_redis(reply).map(Self);
        };
        let value = match &reply {
            Reply::Map(_) if elements.len() == 2 => elements.nth(1),
            Reply::Array(_) if elements.len() == 1 => elements.next(),
            _ => None,
        };
        let value = value.ok_or_else(|| DecodeError::expected("one fact", &reply))?;
        T::from_redis(value).map(Self)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replies::wire::decode;

    #[test]
    fn facts_have_names() {
        let facts = "+Capacity\r\n:100\r\n+Size\r\n:240\r\n+Number of filters\r\n:1\r\n+Number of items inserted\r\n:3\r\n\
                     +Expansion rate\r\n:2\r\n";
        let expected = BloomInfo {
            capacity: 100,
            size: 240,
            filters: 1,
            items: 3,
            expansion: Some(2),
        };
        for header in ["*10\r\n", "%5\r\n"] {
            assert_eq!(
                decode::<BloomInfo>(&format!("{header}{facts}")).unwrap(),
                expected
            );
        }
    }

    #[test]
    fn one_fact_may_come_in_no_array() {
        assert_eq!(decode::<InfoField<u64>>(":100\r\n").unwrap().0, 100);
        let none = decode::<InfoField<Option<u64>>>("$-1\r\n").unwrap();
        assert_eq!(none, InfoField(None));
    }

    #[test]
    fn one_fact_comes_alone_in_resp2() {
        for reply in ["*1\r\n:100\r\n", "%1\r\n+Capacity\r\n:100\r\n"] {
            assert_eq!(decode::<InfoField<u64>>(reply).unwrap(), InfoField(100));
        }
        for reply in ["*1\r\n$-1\r\n", "%1\r\n+Expansion rate\r\n_\r\n"] {
            assert_eq!(
                decode::<InfoField<Option<u64>>>(reply).unwrap(),
                InfoField(None)
            );
        }
        assert!(decode::<InfoField<u64>>("*2\r\n:1\r\n:2\r\n").is_err());
    }
}
