//! Replies of the commands on keys of any type.

use std::fmt;

use typedis_core::{ArgError, ArgWriter, Args, DecodeError, FromRedis, Reply, ToArg, ToArgs};

/// When a key, or a field of a hash, expires. The unit depends on the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expiry {
    /// There is no such key or field.
    Missing,
    /// It lives until it is deleted.
    Never,
    /// It expires: in this many seconds (`ttl`, `httl`) or milliseconds (`pttl`, `hpttl`), or at this Unix time in
    /// seconds (`expiretime`, `hexpiretime`) or milliseconds (`pexpiretime`, `hpexpiretime`).
    Expires(u64),
}

impl Expiry {
    /// The number, if there is an expiry.
    #[must_use]
    pub fn value(self) -> Option<u64> {
        match self {
            Self::Expires(value) => Some(value),
            Self::Missing | Self::Never => None,
        }
    }
}

impl FromRedis for Expiry {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        match i64::from_redis(reply)? {
            -2 => Ok(Self::Missing),
            -1 => Ok(Self::Never),
            value => u64::try_from(value).map(Self::Expires).map_err(|_| {
                DecodeError::new(format!("expected an expiry, -1 or -2, got {value}"))
            }),
        }
    }
}

/// The type of the value at a key. It can be sent too, for the `TYPE` option of SCAN.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyType {
    /// There is no such key.
    Missing,
    /// A string; HyperLogLogs and bitmaps are strings too.
    String,
    /// A list.
    List,
    /// A set.
    Set,
    /// A sorted set; geospatial indexes are sorted sets too.
    SortedSet,
    /// A hash.
    Hash,
    /// A stream.
    Stream,
    /// A vector set.
    VectorSet,
    /// Any other type, such as a module's: `ReJSON-RL`.
    Other(String),
}

impl KeyType {
    /// The server's word for it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Missing => "none",
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::SortedSet => "zset",
            Self::Hash => "hash",
            Self::Stream => "stream",
            Self::VectorSet => "vectorset",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromRedis for KeyType {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let name = String::from_redis(reply)?;
        Ok(match name.as_str() {
            "none" => Self::Missing,
            "string" => Self::String,
            "list" => Self::List,
            "set" => Self::Set,
            "zset" => Self::SortedSet,
            "hash" => Self::Hash,
            "stream" => Self::Stream,
            "vectorset" => Self::VectorSet,
            _ => Self::Other(name),
        })
    }
}

impl ToArg for KeyType {
    fn write_arg(&self, out: &mut ArgWriter<'_>) -> Result<(), ArgError> {
        out.text(self.as_str());
        Ok(())
    }
}

impl ToArgs for KeyType {
    fn write_args(&self, out: &mut Args) {
        out.item(self);
    }
}

/// Whether MIGRATE had anything to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Migrated {
    /// The keys that exist were moved.
    Done,
    /// None of the keys exists.
    NoKey,
}

impl FromRedis for Migrated {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        match reply.text().map(|text| text.as_bytes()) {
            Some(b"OK") => Ok(Self::Done),
            Some(b"NOKEY") => Ok(Self::NoKey),
            _ => Err(DecodeError::expected("OK or NOKEY", &reply)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::args::wire::words;
    use crate::replies::wire::decode;

    #[test]
    fn an_expiry_is_a_number_or_one_of_two_reasons() {
        let all: Vec<Expiry> = decode("*3\r\n:60\r\n:-1\r\n:-2\r\n").unwrap();
        assert_eq!(all, [Expiry::Expires(60), Expiry::Never, Expiry::Missing]);
        assert_eq!(Expiry::Expires(60).value(), Some(60));
        assert_eq!(Expiry::Never.value(), None);
        assert!(decode::<Expiry>(":-3\r\n").is_err());
        assert!(decode::<Expiry>("$-1\r\n").is_err());
    }

    #[test]
    fn key_types_are_read_and_sent_by_the_same_words() {
        for name in [
            "none",
            "string",
            "list",
            "set",
            "zset",
            "hash",
            "stream",
            "vectorset",
            "ReJSON-RL",
        ] {
            let decoded: KeyType = decode(&format!("+{name}\r\n")).unwrap();
            assert_eq!(matches!(decoded, KeyType::Other(_)), name == "ReJSON-RL");
            assert_eq!(words(&decoded), [name]);
        }
    }

    #[test]
    fn migrate_says_whether_there_was_a_key() {
        assert_eq!(decode::<Migrated>("+OK\r\n").unwrap(), Migrated::Done);
        assert_eq!(decode::<Migrated>("+NOKEY\r\n").unwrap(), Migrated::NoKey);
        assert!(decode::<Migrated>("+QUEUED\r\n").is_err());
    }
}
