//! The reply of INFO: [`ServerInfo`].

use std::collections::BTreeMap;
use std::str::FromStr;

use typedis_core::{DecodeError, FromRedis, Name, Reply};

use crate::replies::text::{bytes, fields};

/// The state of a server: named values, in sections.
///
/// Values are text, because they differ from server to server and from version to version; [`parse`](Self::parse)
/// reads numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ServerInfo {
    /// The sections, in the order of the server.
    pub sections: Vec<InfoSection>,
}

/// A section of [`ServerInfo`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct InfoSection {
    /// Its name, such as `Server` or `Memory`.
    pub name: String,
    /// Names and values, in the order of the server; a name may come again (`module`).
    pub fields: Vec<(Name, Name)>,
}

/// A database, as the section `Keyspace` describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyspaceInfo {
    /// Its number.
    pub db: u32,
    /// How many keys it has.
    pub keys: u64,
    /// How many of the keys expire.
    pub expires: u64,
    /// How many milliseconds are left until then, on average.
    pub avg_ttl: u64,
}

impl ServerInfo {
    /// The section with this name, in upper or lower case.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&InfoSection> {
        self.sections
            .iter()
            .find(|section| section.name.eq_ignore_ascii_case(name))
    }

    /// The value with this name, in any section.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.sections.iter().find_map(|section| section.get(name))
    }

    /// The value with this name, as a number or anything else that can be parsed; `None` if it is absent or cannot be
    /// parsed.
    #[must_use]
    pub fn parse<T: FromStr>(&self, name: &str) -> Option<T> {
        self.get(name)?.parse().ok()
    }

    /// A value that consists of parts, such as `cmdstat_get` (`calls=1,usec=2`): the parts by their names.
    #[must_use]
    pub fn parts(&self, name: &str) -> Option<BTreeMap<&str, &str>> {
        self.get(name).map(|value| fields(value, ',').collect())
    }

    /// The version of the server: Valkey's own, or that of Redis.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.get("valkey_version")
            .or_else(|| self.get("redis_version"))
    }

    /// Whether the server is Valkey.
    #[must_use]
    pub fn is_valkey(&self) -> bool {
        self.get("valkey_version").is_some()
    }

    /// `master` or `slave`.
    #[must_use]
    pub fn role(&self) -> Option<&str> {
        self.get("role")
    }

    /// The bytes of memory that the server has in use.
    #[must_use]
    pub fn used_memory(&self) -> Option<u64> {
        self.parse("used_memory")
    }

    /// How many clients are connected.
    #[must_use]
    pub fn connected_clients(&self) -> Option<u64> {
        self.parse("connected_clients")
    }

    /// For how many seconds the server has been running.
    #[must_use]
    pub fn uptime_in_seconds(&self) -> Option<u64> {
        self.parse("uptime_in_seconds")
    }

    /// The databases that have keys.
    #[must_use]
    pub fn keyspace(&self) -> Vec<KeyspaceInfo> {
        let fields = self
            .section("keyspace")
            .map(|section| section.fields.as_slice());
        fields
            .unwrap_or_default()
            .iter()
            .filter_map(|(name, value)| KeyspaceInfo::parse(name, value))
            .collect()
    }
}

impl InfoSection {
    /// The value with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(own, _)| own == name);
        field.map(|(_, value)| value.as_str())
    }
}

impl KeyspaceInfo {
    /// `db0` and `keys=1,expires=0,avg_ttl=0`.
    fn parse(name: &str, value: &str) -> Option<Self> {
        let parts: BTreeMap<_, _> = fields(value, ',').collect();
        let number = |name| parts.get(name)?.parse().ok();
        Some(Self {
            db: name.strip_prefix("db")?.parse().ok()?,
            keys: number("keys")?,
            expires: number("expires")?,
            avg_ttl: number("avg_ttl").unwrap_or_default(),
        })
    }
}

impl FromRedis for ServerInfo {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let mut sections: Vec<InfoSection> = Vec::new();
        // Names of errors and of modules, and paths, may contain any bytes.
        let lines = bytes(&reply, "lines of fields")?.split(|byte| *byte == b'\n');
        for line in lines.map(<[u8]>::trim_ascii_end) {
            if let Some(name) = line.strip_prefix(b"#") {
                let name = String::from_utf8_lossy(name.trim_ascii()).into_owned();
                sections.push(InfoSection {
                    name,
                    fields: Vec::new(),
                });
            } else if let Some(colon) = line.iter().position(|byte| *byte == b':') {
                // What comes before the first section has none, as modules may have it.
                if sections.is_empty() {
                    sections.push(InfoSection::default());
                }
                let (name, value) = line.split_at(colon);
                let value = value.strip_prefix(b":").unwrap_or_default();
                if let Some(section) = sections.last_mut() {
                    section.fields.push((name.into(), value.into()));
                }
            }
        }
        Ok(Self { sections })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replies::wire::decode;

    const TEXT: &str = "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.2\r\n\
                        listener0:name=tcp,bind=*,bind=-::*,port=7941\r\n\r\n\
                        # Memory\r\nused_memory:1372424\r\nused_memory_human:1.31M\r\n\r\n\
                        # Modules\r\nmodule:name=a,ver=1\r\nmodule:name=b,ver=2\r\n\r\n\
                        # Commandstats\r\ncmdstat_config|set:calls=1,usec=2,usec_per_call=2.00\r\n\r\n\
                        # Keyspace\r\ndb0:keys=5,expires=1,avg_ttl=300\r\ndb3:keys=2,expires=0,avg_ttl=0,subexpiry=0\r\n\r\n";

    fn info() -> ServerInfo {
        decode(&format!("${}\r\n{TEXT}\r\n", TEXT.len())).unwrap()
    }

    #[test]
    fn sections_hold_values_in_both_protocols() {
        let info = info();
        let verbatim = format!("={}\r\ntxt:{TEXT}\r\n", TEXT.len() + 4);
        assert_eq!(decode::<ServerInfo>(&verbatim).unwrap(), info);
        assert_eq!(info.sections.len(), 5);
        assert_eq!((info.version(), info.is_valkey()), (Some("9.1.2"), true));
        assert_eq!(info.used_memory(), Some(1_372_424));
        assert_eq!(info.parse::<u64>("used_memory_human"), None);
        assert_eq!(info.get("nothing"), None);
        assert_eq!(info.section("modules").unwrap().fields.len(), 2);
    }

    #[test]
    fn values_of_parts_are_taken_apart() {
        let info = info();
        let parts = info.parts("cmdstat_config|set").unwrap();
        assert_eq!(parts.get("usec_per_call"), Some(&"2.00"));
        let keyspace: Vec<_> = info
            .keyspace()
            .iter()
            .map(|db| (db.db, db.keys, db.avg_ttl))
            .collect();
        assert_eq!(keyspace, [(0, 5, 300), (3, 2, 0)]);
    }

    #[test]
    fn an_unknown_section_is_empty() {
        assert_eq!(
            decode::<ServerInfo>("$2\r\n\r\n\r\n").unwrap(),
            ServerInfo::default()
        );
        assert!(decode::<ServerInfo>(":1\r\n").is_err());
    }
}
