//! Replies of SLOWLOG and COMMANDLOG.

use std::time::Duration;

use bytes::Bytes;
use typedis_core::Name;

use crate::FromRedis;
use crate::replies::duration::micros;

/// A command that took too long.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[redis(array)]
#[non_exhaustive]
pub struct SlowLogEntry {
    /// Its number, which is never given again.
    pub id: u64,
    /// When it ran, as a Unix time in seconds.
    pub time: u64,
    /// How long it took.
    #[redis(with = "micros")]
    pub duration: Duration,
    /// Its words; long ones and many of them are cut off.
    pub args: Vec<Bytes>,
    /// The address and port of the client.
    pub client_addr: Name,
    /// The name of the connection; empty without one.
    pub client_name: Name,
    /// How many words the command had, of which `args` may show fewer; since Redis 8.10.
    pub argc: Option<u64>,
}

/// A command that took too long, or whose request or reply was too large.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[redis(array)]
#[non_exhaustive]
pub struct CommandLogEntry {
    /// Its number, which is never given again.
    pub id: u64,
    /// When it ran, as a Unix time in seconds.
    pub time: u64,
    /// How many microseconds it took, or how many bytes were too many.
    pub amount: u64,
    /// Its words; long ones and many of them are cut off.
    pub args: Vec<Bytes>,
    /// The address and port of the client.
    pub client_addr: Name,
    /// The name of the connection; empty without one.
    pub client_name: Name,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replies::wire::decode;

    const ENTRIES: &str = "*2\r\n*6\r\n:10\r\n:1795335972\r\n:7\r\n*2\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$15\r\n127.0.0.1:34178\r\n$0\r\n\r\n\
                           *6\r\n:9\r\n:1795335971\r\n:1\r\n*1\r\n$4\r\nPING\r\n$15\r\n127.0.0.1:34178\r\n$3\r\nweb\r\n";

    #[test]
    fn both_logs_have_the_same_entries() {
        let slow: Vec<SlowLogEntry> = decode(ENTRIES).unwrap();
        let large: Vec<CommandLogEntry> = decode(ENTRIES).unwrap();
        let first = slow.first().unwrap();
        assert_eq!((first.id, first.duration), (10, Duration::from_micros(7)));
        assert_eq!(first.args, ["CONFIG", "SET"]);
        assert_eq!(slow.get(1).unwrap().client_name, "web");
        assert_eq!(large.first().unwrap().amount, 7);
        assert_eq!(decode::<Vec<SlowLogEntry>>("*0\r\n").unwrap(), []);
    }

    #[test]
    fn newer_servers_tell_how_many_words_there_were() {
        let entry = |length: u8, end: &str| {
            let start = "\r\n:9\r\n:1795335971\r\n:1\r\n*1\r\n$4\r\nPING\r\n$1\r\na\r\n$0\r\n\r\n";
            decode::<SlowLogEntry>(&format!("*{length}{start}{end}")).unwrap()
        };
        assert_eq!(entry(6, "").argc, None);
        assert_eq!(entry(7, ":40\r\n").argc, Some(40));
        assert_eq!(entry(8, ":40\r\n:7\r\n").argc, Some(40));
    }
}
