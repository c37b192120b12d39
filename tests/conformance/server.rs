//! The servers, and what they know.

use typedis::{Config, Exclusive, Protocol};
use typedis_testkit::{Server, ServerKind};

use crate::cases::Case;

/// A server of a test's own, since the calls flush, configure and disconnect.
pub(crate) struct Known {
    server: Server,
    redis: Option<&'static str>,
    valkey: Option<&'static str>,
}

impl Known {
    pub(crate) fn valkey() -> Self {
        Self::start(ServerKind::Valkey9, None, Some("9.1.2"))
    }

    /// Redis with its modules.
    pub(crate) fn redis() -> Self {
        Self::start(ServerKind::RedisStack, Some("8.2.3"), None)
    }

    fn start(kind: ServerKind, redis: Option<&'static str>, valkey: Option<&'static str>) -> Self {
        let server = Server::builder(kind)
            .debug_commands()
            .start()
            .expect("the server starts");
        Self {
            server,
            redis,
            valkey,
        }
    }

    /// Whether it has the command with all the options of the call.
    pub(crate) fn has(&self, case: &Case) -> bool {
        let reached = |since: Option<&str>, version: Option<&str>| match (since, version) {
            (Some(since), Some(version)) => numbers(since) <= numbers(version),
            _ => false,
        };
        reached(case.redis, self.redis) || reached(case.valkey, self.valkey)
    }

    pub(crate) async fn connect(&self, protocol: Protocol) -> Exclusive {
        let config = Config::from_url(&self.server.url())
            .expect("the kit makes good URLs")
            .protocol(protocol);
        typedis::exclusive(config)
            .await
            .expect("the server lets us in")
    }

    pub(crate) fn name(&self) -> &'static str {
        self.server.kind().name()
    }
}

fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map(|number| number.parse().expect("versions are numbers"))
        .collect()
}
