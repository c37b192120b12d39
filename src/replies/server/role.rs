//! The reply of ROLE: [`Role`].

use typedis_core::{DecodeError, Name, Reply};

use crate::FromRedis;
use crate::replies::fields::next;

/// The role of a server, and the servers that it works with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// A primary, which takes writes.
    Primary {
        /// Its position in its replication stream.
        offset: u64,
        /// Its replicas.
        replicas: Vec<ReplicaLink>,
    },
    /// A replica, which copies a primary.
    Replica {
        /// The host of the primary.
        host: Name,
        /// The port of the primary.
        port: u16,
        /// The state of the link: `connected`, or `connect`, `connecting`, `handshake`, `sync` before that.
        state: String,
        /// Its position in the replication stream of the primary; -1 before it has begun.
        offset: i64,
    },
    /// A Sentinel.
    Sentinel {
        /// The names of the primaries that it watches.
        primaries: Vec<Name>,
    },
}

/// A replica, as its primary knows it.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[redis(array)]
#[non_exhaustive]
pub struct ReplicaLink {
    /// Its address.
    pub host: Name,
    /// Its port.
    pub port: u16,
    /// Its position in the replication stream of the primary.
    pub offset: i64,
}

impl FromRedis for Role {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        let Reply::Array(mut elements) = reply else {
            return Err(DecodeError::expected("a role", &reply));
        };
        let role: String = next(&mut elements, "role")?;
        match role.as_str() {
            "master" | "primary" => Ok(Self::Primary {
                offset: next(&mut elements, "offset")?,
                replicas: next(&mut elements, "replicas")?,
            }),
            "slave" | "replica" => Ok(Self::Replica {
                host: next(&mut elements, "host")?,
                port: next(&mut elements, "port")?,
                state: next(&mut elements, "state")?,
                offset: next(&mut elements, "offset")?,
            }),
            "sentinel" => Ok(Self::Sentinel {
                primaries: next(&mut elements, "primaries")?,
            }),
            _ => Err(DecodeError::new(
                "expected `master`, `slave` or `sentinel`, got another role",
            )),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replies::wire::decode;

    #[test]
    fn every_role_names_its_peers() {
        let primary = "*3\r\n$6\r\nmaster\r\n:14\r\n*1\r\n*3\r\n$9\r\n127.0.0.1\r\n$4\r\n7823\r\n$2\r\n14\r\n";
        let replicas = vec![ReplicaLink {
            host: "127.0.0.1".into(),
            port: 7823,
            offset: 14,
        }];
        assert_eq!(
            decode::<Role>(primary).unwrap(),
            Role::Primary {
                offset: 14,
                replicas
            }
        );
        let replica = "*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:7822\r\n$9\r\nconnected\r\n:14\r\n";
        let expected = Role::Replica {
            host: "127.0.0.1".into(),
            port: 7822,
            state: "connected".to_owned(),
            offset: 14,
        };
        assert_eq!(decode::<Role>(replica).unwrap(), expected);
        let sentinel = "*2\r\n$8\r\nsentinel\r\n*1\r\n$8\r\nmymaster\r\n";
        let primaries = vec!["mymaster".into()];
        assert_eq!(
            decode::<Role>(sentinel).unwrap(),
            Role::Sentinel { primaries }
        );
        assert!(decode::<Role>("*1\r\n$5\r\nother\r\n").is_err());
    }
}
