//! The servers and protocols that a test runs on.

use typedis::{Config, Connection, Pool, Protocol};
use typedis_testkit::{Database, ServerKind, database};

/// An empty database of a server, spoken to in one protocol.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) database: Database,
    pub(crate) protocol: Protocol,
}

impl Bench {
    pub(crate) fn new(kind: ServerKind, protocol: Protocol) -> Self {
        Self {
            database: database(kind),
            protocol,
        }
    }

    pub(crate) fn config(&self) -> Config {
        Config::from_url(&self.database.url())
            .expect("the kit makes good URLs")
            .protocol(self.protocol)
    }

    pub(crate) async fn connect(&self) -> Connection {
        typedis::connect(self.config())
            .await
            .expect("a test server lets us in")
    }

    pub(crate) async fn pool(&self) -> Pool {
        typedis::pool(self.config())
            .await
            .expect("a test server lets us in")
    }
}

/// Runs an async test on Valkey 9 and Redis 8, in both protocols, each as a test of its own.
macro_rules! on_servers {
    ($($name:ident;)*) => {
        on_servers! { @each valkey9_resp2, Valkey9, Resp2: $($name;)* }
        on_servers! { @each valkey9_resp3, Valkey9, Newest: $($name;)* }
        on_servers! { @each redis8_resp2, Redis8, Resp2: $($name;)* }
        on_servers! { @each redis8_resp3, Redis8, Newest: $($name;)* }
    };
    (@each $module:ident, $kind:ident, $protocol:ident: $($name:ident;)*) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $name() -> typedis::Result<()> {
                    let kind = typedis_testkit::ServerKind::$kind;
                    super::$name(crate::support::Bench::new(kind, typedis::Protocol::$protocol)).await
                }
            )*
        }
    };
}

pub(crate) use on_servers;
