//! The servers and protocols that a test runs on.

use std::future::Future;
use std::time::Duration;

use typedis::prelude::*;
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

/// Longer than anything here takes, on a busy machine too.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Waits for what comes to its end in much less time.
pub(crate) async fn soon<F: Future>(work: F) -> F::Output {
    let outcome = tokio::time::timeout(LONG, work).await;
    outcome.expect("it comes to its end")
}

/// Waits until this many clients of this database are blocked on the server.
pub(crate) async fn blocked(bench: &Bench, wanted: usize) -> typedis::Result<()> {
    let conn = bench.connect().await;
    let database = bench.database.number().to_string();
    let is_blocked = |client: &typedis::replies::ClientInfo| {
        client.db.to_string() == database && client.flags.contains('b')
    };
    let are_blocked = async {
        loop {
            let clients = conn.client_list().await?;
            if clients.iter().filter(|client| is_blocked(client)).count() == wanted {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let outcome = tokio::time::timeout(LONG, are_blocked).await;
    outcome.unwrap_or_else(|_| panic!("not {wanted} are blocked"))
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
