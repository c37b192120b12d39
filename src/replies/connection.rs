//! Replies of the commands on connections.

use crate::FromRedis;
use typedis_core::Name;

/// The reply of HELLO.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[non_exhaustive]
pub struct ServerHello {
    /// `redis` or `valkey`.
    pub server: String,
    /// Its version, such as `8.2.3`.
    pub version: String,
    /// The protocol that the connection speaks from now on, 2 or 3.
    pub proto: u8,
    /// The number of this connection.
    pub id: i64,
    /// `standalone`, `sentinel` or `cluster`.
    pub mode: String,
    /// `master` or `replica`; `None` on a Sentinel, which has no role.
    pub role: Option<String>,
    /// The modules that are loaded into the server.
    #[redis(default)]
    pub modules: Vec<ServerModule>,
}

/// A module that is loaded into a server.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[non_exhaustive]
pub struct ServerModule {
    /// Its name.
    pub name: Name,
    /// Its version, in a notation of its own.
    #[redis(rename = "ver")]
    pub version: i64,
    /// The file that it was loaded from; empty before 7.0.
    #[redis(default)]
    pub path: Name,
    /// The arguments that it was loaded with.
    #[redis(default)]
    pub args: Vec<Name>,
}

/// How a connection tracks keys for client-side caching.
#[derive(Debug, Clone, PartialEq, Eq, FromRedis)]
#[non_exhaustive]
pub struct TrackingInfo {
    /// `on` or `off`, and the modes: `bcast`, `optin`, `caching-yes`, `broken_redirect` and so on.
    pub flags: Vec<String>,
    /// Which connection gets the messages: 0 means this one itself, -1 that tracking is off.
    pub redirect: i64,
    /// Which keys are tracked in the mode `bcast`.
    #[redis(default)]
    pub prefixes: Vec<Name>,
}

impl TrackingInfo {
    /// Whether keys are tracked.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.flags.iter().any(|flag| flag == "on")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replies::wire::decode;

    #[test]
    fn a_server_introduces_itself_in_both_protocols() {
        let three = "%7\r\n$6\r\nserver\r\n$6\r\nvalkey\r\n$7\r\nversion\r\n$5\r\n9.1.2\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:81\r\n\
                     $4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*1\r\n%4\r\n\
                     $4\r\nname\r\n$3\r\nlua\r\n$3\r\nver\r\n:1\r\n$4\r\npath\r\n$3\r\nlua\r\n$4\r\nargs\r\n*0\r\n";
        let two = "*14\r\n$6\r\nserver\r\n$6\r\nvalkey\r\n$7\r\nversion\r\n$5\r\n9.1.2\r\n$5\r\nproto\r\n:2\r\n$2\r\nid\r\n:74\r\n\
                   $4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*1\r\n*8\r\n\
                   $4\r\nname\r\n$3\r\nlua\r\n$3\r\nver\r\n:1\r\n$4\r\npath\r\n$3\r\nlua\r\n$4\r\nargs\r\n*0\r\n";
        for (reply, proto, id) in [(three, 3, 81), (two, 2, 74)] {
            let hello: ServerHello = decode(reply).unwrap();
            assert_eq!(
                (hello.server.as_str(), hello.version.as_str()),
                ("valkey", "9.1.2")
            );
            assert_eq!((hello.proto, hello.id), (proto, id));
            assert_eq!(
                (hello.mode.as_str(), hello.role.as_deref()),
                ("standalone", Some("master"))
            );
            assert_eq!(
                hello.modules,
                [ServerModule {
                    name: "lua".into(),
                    version: 1,
                    path: "lua".into(),
                    args: vec![],
                }]
            );
        }
    }

    #[test]
    fn a_field_that_is_missing_is_named() {
        let error = decode::<ServerHello>("%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n").unwrap_err();
        assert!(error.to_string().contains("version"), "{error}");
    }

    #[test]
    fn tracking_is_described_in_both_protocols() {
        let two = "*6\r\n$5\r\nflags\r\n*3\r\n$2\r\non\r\n$5\r\nbcast\r\n$6\r\nnoloop\r\n$8\r\nredirect\r\n:0\r\n\
                   $8\r\nprefixes\r\n*2\r\n$3\r\nbar\r\n$3\r\nfoo\r\n";
        let three = "%3\r\n$5\r\nflags\r\n~3\r\n$2\r\non\r\n$5\r\nbcast\r\n$6\r\nnoloop\r\n$8\r\nredirect\r\n:0\r\n\
                     $8\r\nprefixes\r\n*2\r\n$3\r\nbar\r\n$3\r\nfoo\r\n";
        let info: TrackingInfo = decode(two).unwrap();
        assert!(info.is_on());
        assert_eq!(info.flags, ["on", "bcast", "noloop"]);
        assert_eq!(
            (info.redirect, info.prefixes.as_slice()),
            (0, ["bar".into(), "foo".into()].as_slice())
        );
        assert_eq!(decode::<TrackingInfo>(three).unwrap(), info);
        let off: TrackingInfo = decode(
            "%3\r\n$5\r\nflags\r\n~1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n$8\r\nprefixes\r\n*0\r\n",
        )
        .unwrap();
        assert!(!off.is_on());
        assert_eq!(off.redirect, -1);
    }
}
