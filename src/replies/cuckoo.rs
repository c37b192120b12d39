//! Replies of the commands on cuckoo filters.

use typedis_core::{DecodeError, Reply};

use crate::FromRedis;

/// The reply of CF.INFO.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[non_exhaustive]
pub struct CuckooInfo {
    /// How many bytes it takes.
    #[redis(rename = "Size")]
    pub size: u64,
    /// How many buckets it has.
    #[redis(rename = "Number of buckets")]
    pub buckets: u64,
    /// How many filters it consists of.
    #[redis(rename = "Number of filters")]
    pub filters: u64,
    /// How many items were added.
    #[redis(rename = "Number of items inserted")]
    pub items_inserted: u64,
    /// How many items were removed.
    #[redis(rename = "Number of items deleted")]
    pub items_deleted: u64,
    /// How many items a bucket holds.
    #[redis(rename = "Bucket size")]
    pub bucket_size: u64,
    /// How many times larger each further filter is; 0 if it does not grow.
    #[redis(rename = "Expansion rate")]
    pub expansion: u64,
    /// How many times items are moved at most to make room.
    #[redis(rename = "Max iterations")]
    pub max_iterations: u64,
}

/// The result of adding an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CuckooInsert {
    /// It was added.
    Added,
    /// It seems to be there already, and was not added again.
    Present,
    /// The filter is full.
    Full,
}

/// CF.INSERTNX sends integers. CF.INSERT, which never finds an item present, sends booleans in RESP3.
impl FromRedis for CuckooInsert {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        match reply {
            Reply::Boolean(true) => return Ok(Self::Added),
            Reply::Boolean(false) => return Ok(Self::Full),
            _ => {}
        }
        match i64::from_redis(reply)? {
            1 => Ok(Self::Added),
            0 => Ok(Self::Present),
            -1 => Ok(Self::Full),
            other => Err(DecodeError::new(format!(
                "expected -1, 0 or 1, got {other}"
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
    fn facts_have_names() {
        let facts = "+Size\r\n:184\r\n+Number of buckets\r\n:64\r\n+Number of filters\r\n:1\r\n+Number of items inserted\r\n:7\r\n\
                     +Number of items deleted\r\n:1\r\n+Bucket size\r\n:2\r\n+Expansion rate\r\n:1\r\n+Max iterations\r\n:20\r\n";
        for header in ["*16\r\n", "%8\r\n"] {
            let info: CuckooInfo = decode(&format!("{header}{facts}")).unwrap();
            assert_eq!(
                (info.size, info.items_inserted, info.max_iterations),
                (184, 7, 20)
            );
        }
    }

    #[test]
    fn items_are_added_or_not() {
        use CuckooInsert::{Added, Full, Present};
        assert_eq!(
            decode::<Vec<CuckooInsert>>("*3\r\n:0\r\n:1\r\n:-1\r\n").unwrap(),
            [Present, Added, Full]
        );
        assert_eq!(
            decode::<Vec<CuckooInsert>>("*2\r\n#f\r\n#t\r\n").unwrap(),
            [Full, Added]
        );
        assert!(decode::<CuckooInsert>(":2\r\n").is_err());
    }
}
