//! Replies of the commands on count-min sketches.

use crate::FromRedis;

/// The reply of CMS.INFO.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[non_exhaustive]
pub struct CountMinInfo {
    /// How many counters there are in a row.
    pub width: u64,
    /// How many rows there are.
    pub depth: u64,
    /// The sum of all counts.
    pub count: u64,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replies::wire::decode;

    #[test]
    fn facts_have_names() {
        let expected = CountMinInfo {
            width: 1000,
            depth: 5,
            count: 3,
        };
        for header in ["*6\r\n", "%3\r\n"] {
            let reply = format!("{header}+width\r\n:1000\r\n+depth\r\n:5\r\n+count\r\n:3\r\n");
            assert_eq!(decode::<CountMinInfo>(&reply).unwrap(), expected);
        }
    }
}
