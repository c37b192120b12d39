//! The reply of HOTKEYS GET: [`Hotkeys`].

use bytes::Bytes;
use typedis_core::{DecodeError, FromRedis, Reply};

use crate::replies::fields::{each_field, fill, required};

/// The results of tracking hot keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hotkeys {
    /// Whether it is still on.
    pub is_active: bool,
    /// One in this many keys was sampled.
    pub sample_ratio: u64,
    /// When it began, as a Unix time in milliseconds.
    pub start_time: u64,
    /// How many milliseconds it lasted.
    pub duration: u64,
    /// The keys that took the most time, and how many microseconds.
    pub by_cpu_time: Vec<(Bytes, u64)>,
    /// The keys that took the most traffic, and how many bytes.
    pub by_net_bytes: Vec<(Bytes, u64)>,
}

impl FromRedis for Hotkeys {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let (mut active, mut ratio, mut start, mut duration) = (None, None, None, None);
        let (mut cpu, mut net) = (None, None);
        each_field(&reply, |name, value| match name {
            "tracking-active" => fill(&mut active, value),
            "sample-ratio" => fill(&mut ratio, value),
            "collection-start-time-unix-ms" => fill(&mut start, value),
            "collection-duration-ms" => fill(&mut duration, value),
            "by-cpu-time-us" => fill(&mut cpu, value),
            "by-net-bytes" => fill(&mut net, value),
            _ => Ok(()),
        })?;
        Ok(Self {
            is_active: required(active, "tracking-active")?,
            sample_ratio: required(ratio, "sample-ratio")?,
            start_time: required(start, "collection-start-time-unix-ms")?,
            duration: required(duration, "collection-duration-ms")?,
            by_cpu_time: cpu.unwrap_or_default(),
            by_net_bytes: net.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replies::wire::decode;

    #[test]
    fn keys_are_listed_by_what_was_measured() {
        let reply = "*12\r\n$15\r\ntracking-active\r\n:1\r\n$12\r\nsample-ratio\r\n:1\r\n$14\r\nselected-slots\r\n*0\r\n\
                     $29\r\ncollection-start-time-unix-ms\r\n:1769420604522\r\n$22\r\ncollection-duration-ms\r\n:6408\r\n\
                     $14\r\nby-cpu-time-us\r\n*4\r\n$1\r\nx\r\n:104\r\n$1\r\ny\r\n:98\r\n";
        let hotkeys: Hotkeys = decode(reply).unwrap();
        assert!(hotkeys.is_active);
        assert_eq!((hotkeys.sample_ratio, hotkeys.duration), (1, 6408));
        assert_eq!(
            hotkeys.by_cpu_time,
            [(Bytes::from("x"), 104), (Bytes::from("y"), 98)]
        );
        assert_eq!(hotkeys.by_net_bytes, []);
        assert_eq!(decode::<Option<Hotkeys>>("$-1\r\n").unwrap(), None);
    }
}
