//! Replies of the commands on top-K sketches.

use crate::FromRedis;

/// The reply of TOPK.INFO.
#[derive(Debug, Clone, PartialEq, FromRedis)]
#[non_exhaustive]
pub struct TopKInfo {
    /// How many items the list holds.
    pub k: u64,
    /// How many counters there are in a row.
    pub width: u64,
    /// How many rows there are.
    pub depth: u64,
    /// The probability, to the power of its count, with which another item lowers a counter.
    pub decay: f64,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replies::wire::decode;

    #[test]
    fn facts_have_names() {
        let expected = TopKInfo {
            k: 2,
            width: 8,
            depth: 7,
            decay: 0.9,
        };
        for (header, decay) in [("*8\r\n", "$3\r\n0.9\r\n"), ("%4\r\n", ",0.9\r\n")] {
            let reply =
                format!("{header}+k\r\n:2\r\n+width\r\n:8\r\n+depth\r\n:7\r\n+decay\r\n{decay}");
            assert_eq!(decode::<TopKInfo>(&reply).unwrap(), expected);
        }
    }
}
