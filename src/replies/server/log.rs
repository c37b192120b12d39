//! Replies of SLOWLOG and COMMANDLOG.

use std::time::Duration;

use bytes::Bytes;
use typedis_core::{DecodeError, FromRedis, Name, Reply};

use crate::replies::fields::next;

/// A command that took too long.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlowLogEntry {
    /// Its number, which is never given again.
    pub id: u64,
    /// When it ran, as a Unix time in seconds.
    pub time: u64,
    /// How long it took.
    pub duration: Duration,
    /// Its words; long ones and many of them are cut off.
    pub args: Vec<Bytes>,
    /// The address and port of the client.
    pub client_addr: Name,
    /// The name of the connection; empty without one.
    pub client_name: Name,
}

/// A command that took too long, or whose request or reply was too large.
#[derive(Debug, Clone, PartialEq, Eq)]
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

impl FromRedis for CommandLogEntry {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let Reply::Array(mut elements) = reply else {
            return Err(DecodeError::expected("an entry of a log", &reply));
        };
        Ok(Self {
            id: next(&mut elements, "id")?,
            time: next(&mut elements, "time")?,
            amount: next(&mut elements, "amount")?,
            args: next(&mut elements, "args")?,
            client_addr: next(&mut elements, "client_addr")?,
            client_name: next(&mut elements, "client_name")?,
        })
    }
}

impl FromRedis for SlowLogEntry {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let entry = CommandLogEntry::from_redis(reply)?;
        Ok(Self {
            id: entry.id,
            time: entry.time,
            duration: Duration::from_micros(entry.amount),
            args: entry.args,
            client_addr: entry.client_addr,
            client_name: entry.client_name,
        })
    }
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
}
