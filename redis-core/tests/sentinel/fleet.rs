//! A primary, a replica and three Sentinels.

use std::future::Future;
use std::time::Duration;

use typedis_core::{Backoff, Config, Connection, Result, Run, raw};
use typedis_testkit::{Server, ServerKind};

/// Longer than anything here takes, on a busy machine too.
pub(crate) const LONG: Duration = Duration::from_secs(40);

pub(crate) struct Fleet {
    pub(crate) primary: Server,
    pub(crate) replica: Server,
    pub(crate) sentinels: Vec<Server>,
}

impl Fleet {
    /// Starts all, and waits until the Sentinels know each other and the replica.
    pub(crate) async fn start() -> Self {
        let primary = server().start().unwrap();
        let replica = server()
            .line(format!("replicaof 127.0.0.1 {}", primary.port()))
            .start()
            .unwrap();
        let sentinels = (0..3)
            .map(|_| {
                Server::builder(ServerKind::Valkey9)
                    .sentinel()
                    .line(format!(
                        "sentinel monitor shop 127.0.0.1 {} 2",
                        primary.port()
                    ))
                    .line("sentinel down-after-milliseconds shop 500")
                    .line("sentinel failover-timeout shop 3000")
                    .start()
                    .unwrap()
            })
            .collect();
        let fleet = Self {
            primary,
            replica,
            sentinels,
        };
        fleet.settle().await;
        fleet
    }

    async fn settle(&self) {
        for sentinel in &self.sentinels {
            let conn = Connection::open(sentinel.url()).await.unwrap();
            until(async || {
                let others: Vec<std::collections::BTreeMap<String, String>> = conn
                    .run(raw("SENTINEL SENTINELS").arg("shop").reply())
                    .await
                    .unwrap();
                let replicas: Vec<std::collections::BTreeMap<String, String>> = conn
                    .run(raw("SENTINEL REPLICAS").arg("shop").reply())
                    .await
                    .unwrap();
                others.len() == 2
                    && replicas.len() == 1
                    && replicas[0]["flags"] == "slave"
                    && replicas[0]["master-link-status"] == "ok"
            })
            .await;
        }
    }

    /// The service, by these Sentinels.
    pub(crate) fn config(&self, sentinels: &[usize]) -> Config {
        let hosts = sentinels
            .iter()
            .map(|index| ("127.0.0.1", self.sentinels[*index].port()));
        quick(Config::sentinel("shop", hosts))
    }
}

fn server() -> typedis_testkit::ServerBuilder {
    Server::builder(ServerKind::Valkey9).line("repl-diskless-sync-delay 0")
}

pub(crate) fn quick(config: Config) -> Config {
    config
        .backoff(Backoff {
            first: Duration::from_millis(10),
            longest: Duration::from_millis(100),
        })
        .connect_timeout(Duration::from_secs(3))
        .command_timeout(LONG)
}

/// The port of the node that this reaches, and its role.
pub(crate) async fn node<'a, T>(target: &'a T) -> Result<(u16, String)>
where
    &'a T: typedis_core::Target,
    <&'a T as typedis_core::Target>::Sink: typedis_core::Execute<String, Output = String>,
{
    let info: String = target
        .run(raw("INFO").arg("everything").readonly().reply())
        .await?;
    let field = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().to_owned()
    };
    Ok((field("tcp_port:").parse().unwrap(), field("role:")))
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn until(mut holds: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    within(async move {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
}

/// Fails a test that hangs.
#[track_caller]
pub(crate) fn within<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let place = std::panic::Location::caller();
    async move {
        tokio::time::timeout(LONG, work)
            .await
            .unwrap_or_else(|_| panic!("{place}: nothing happened within {LONG:?}"))
    }
}
