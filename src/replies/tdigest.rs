//! Replies of the commands on t-digests.

use crate::FromRedis;

/// The reply of TDIGEST.INFO.
#[derive(Debug, Clone, PartialEq, FromRedis)]
#[non_exhaustive]
pub struct TDigestInfo {
    /// How accurate it is.
    #[redis(rename = "Compression")]
    pub compression: u64,
    /// How many centroids it has room for.
    #[redis(rename = "Capacity")]
    pub capacity: u64,
    /// How many centroids there are.
    #[redis(rename = "Merged nodes")]
    pub merged_nodes: u64,
    /// How many numbers wait to be merged into them.
    #[redis(rename = "Unmerged nodes")]
    pub unmerged_nodes: u64,
    /// How many numbers the centroids stand for.
    #[redis(rename = "Merged weight")]
    pub merged_weight: f64,
    /// How many numbers the waiting ones stand for.
    #[redis(rename = "Unmerged weight")]
    pub unmerged_weight: f64,
    /// How many numbers were added.
    #[redis(rename = "Observations")]
    pub observations: f64,
    /// How many times waiting numbers were merged.
    #[redis(rename = "Total compressions")]
    pub total_compressions: u64,
    /// How many bytes it takes.
    #[redis(rename = "Memory usage")]
    pub memory_usage: u64,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replies::wire::decode;

    #[test]
    fn facts_have_names() {
        let facts = "+Compression\r\n:100\r\n+Capacity\r\n:610\r\n+Merged nodes\r\n:5\r\n+Unmerged nodes\r\n:0\r\n\
                     +Merged weight\r\n:5\r\n+Unmerged weight\r\n:0\r\n+Observations\r\n:5\r\n+Total compressions\r\n:1\r\n\
                     +Memory usage\r\n:9768\r\n";
        for header in ["*18\r\n", "%9\r\n"] {
            let info: TDigestInfo = decode(&format!("{header}{facts}")).unwrap();
            assert_eq!(
                (info.compression, info.observations, info.memory_usage),
                (100, 5.0, 9768)
            );
        }
    }
}
