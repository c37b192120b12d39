//! What all tests of clusters use.

use std::future::IntoFuture;
use std::time::Duration;

use typedis_core::cluster::Cluster;
use typedis_core::{Backoff, Config, Protocol, Raw, raw};
use typedis_testkit::fake::FakeCluster;

/// Longer than anything here takes, on a busy machine too.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) const BOTH: [Protocol; 2] = [Protocol::Newest, Protocol::Resp2];

/// Short pauses, and time enough for a failover.
pub(crate) fn config(url: &str) -> Config {
    Config::from_url(url)
        .unwrap()
        .backoff(Backoff {
            first: Duration::from_millis(1),
            longest: Duration::from_millis(100),
        })
        .command_timeout(Duration::from_secs(30))
}

/// A client of a scripted cluster, which knows its first node alone.
pub(crate) async fn connect(fake: &FakeCluster) -> Cluster {
    let url = fake.node(0).url();
    Cluster::open(config(&url)).await.unwrap()
}

/// The URL of all nodes of a real cluster.
pub(crate) fn url(cluster: &typedis_testkit::Cluster) -> String {
    let addresses: Vec<String> = cluster.addrs().iter().map(ToString::to_string).collect();
    format!("redis://{}", addresses.join(","))
}

pub(crate) async fn soon<T>(what: &str, future: impl IntoFuture<Output = T>) -> T {
    match tokio::time::timeout(LONG, future.into_future()).await {
        Ok(value) => value,
        Err(_) => panic!("it hangs: {what}"),
    }
}

pub(crate) fn get(key: &str) -> Raw<Option<String>> {
    raw("GET").key(key).readonly().reply()
}

pub(crate) fn set(key: &str, value: &str) -> Raw<()> {
    raw("SET").key(key).arg(value).reply()
}

pub(crate) fn incr(key: &str) -> Raw<i64> {
    raw("INCR").key(key).reply()
}
