//! Replies of the commands on strings.

use std::ops::RangeInclusive;

use typedis_core::{DecodeError, Reply};

use crate::FromRedis;

/// The places of the longest common subsequence in two strings: the reply of `LCS … IDX`.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[non_exhaustive]
pub struct LcsMatches {
    /// The parts that both have, the last one first.
    pub matches: Vec<LcsMatch>,
    /// The length of the whole subsequence, also of parts that were left out of `matches`.
    pub len: u64,
}

/// A part that two strings have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LcsMatch {
    /// The bytes that it occupies in the first string.
    pub first: RangeInclusive<usize>,
    /// The bytes that it occupies in the second string.
    pub second: RangeInclusive<usize>,
    /// Its length, with `WITHMATCHLEN`.
    pub len: Option<u64>,
}

impl FromRedis for LcsMatch {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let with_len = reply.elements().is_some_and(|elements| elements.len() == 3);
        let (first, second, len) = if with_len {
            let (first, second, len) = <(Ends, Ends, u64)>::from_redis(reply)?;
            (first, second, Some(len))
        } else {
            let (first, second) = <(Ends, Ends)>::from_redis(reply)?;
            (first, second, None)
        };
        Ok(Self {
            first: first.0..=first.1,
            second: second.0..=second.1,
            len,
        })
    }
}

type Ends = (usize, usize);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replies::wire::decode;

    /// `LCS lk1 lk2 IDX MINMATCHLEN 4`, without and with `WITHMATCHLEN`, after the header of the map.
    const PLAIN: &str =
        "$7\r\nmatches\r\n*1\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n$3\r\nlen\r\n:6\r\n";
    const WITH_LEN: &str = "$7\r\nmatches\r\n*1\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n$3\r\nlen\r\n:6\r\n";

    #[test]
    fn matches_come_as_a_map_or_flat() {
        for header in ["*4\r\n", "%2\r\n"] {
            for (body, len) in [(PLAIN, None), (WITH_LEN, Some(4))] {
                let decoded: LcsMatches = decode(&format!("{header}{body}")).unwrap();
                assert_eq!(decoded.len, 6);
                assert_eq!(
                    decoded.matches,
                    [LcsMatch {
                        first: 4..=7,
                        second: 5..=8,
                        len
                    }]
                );
            }
        }
    }

    #[test]
    fn no_match_is_an_empty_list() {
        let decoded: LcsMatches =
            decode("%2\r\n$7\r\nmatches\r\n*0\r\n$3\r\nlen\r\n:0\r\n").unwrap();
        assert_eq!(
            decoded,
            LcsMatches {
                matches: vec![],
                len: 0
            }
        );
    }
}
