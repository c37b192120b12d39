//! What the tests have in common: every server in both protocols, and questions to the server.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use typedis_core::{Config, Connection, Protocol, Run, raw};
use typedis_testkit::{Server, ServerKind, shared};

pub(crate) const KINDS: [ServerKind; 3] =
    [ServerKind::Valkey9, ServerKind::Redis8, ServerKind::Redis6];
pub(crate) const PROTOCOLS: [Protocol; 2] = [Protocol::Newest, Protocol::Resp2];

/// Each server with each protocol; the text tells channels of one apart from those of another.
pub(crate) fn everywhere() -> impl Iterator<Item = (&'static Server, Config, String)> {
    KINDS.into_iter().flat_map(|kind| {
        PROTOCOLS.into_iter().map(move |protocol| {
            let server = shared(kind);
            (server, config(server, protocol), format!("{protocol:?}"))
        })
    })
}

pub(crate) fn config(server: &Server, protocol: Protocol) -> Config {
    Config::from_url(&server.url()).unwrap().protocol(protocol)
}

/// A connection apart from what is tested.
pub(crate) async fn asker(server: &Server) -> Connection {
    Connection::open(server.url()).await.unwrap()
}

pub(crate) async fn publish(conn: &Connection, channel: &str, message: &str) -> i64 {
    conn.run(raw("PUBLISH").arg(channel).arg(message).reply())
        .await
        .unwrap()
}

/// How many clients the server has subscribed to a channel.
pub(crate) async fn numsub(conn: &Connection, channel: &str) -> i64 {
    let pairs: Vec<(String, i64)> = conn
        .run(raw("PUBSUB NUMSUB").arg(channel).reply())
        .await
        .unwrap();
    pairs[0].1
}

pub(crate) async fn numpat(conn: &Connection) -> i64 {
    conn.run(raw("PUBSUB NUMPAT").reply()).await.unwrap()
}

/// The channels that anybody is subscribed to.
pub(crate) async fn channels(conn: &Connection, pattern: &str) -> BTreeSet<String> {
    let channels: Vec<String> = conn
        .run(raw("PUBSUB CHANNELS").arg(pattern).reply())
        .await
        .unwrap();
    channels.into_iter().collect()
}

/// Asks until the answer is as expected.
pub(crate) async fn eventually<T: PartialEq + std::fmt::Debug>(
    expected: T,
    mut ask: impl AsyncFnMut() -> T,
) {
    let start = Instant::now();
    loop {
        let answer = ask().await;
        if answer == expected {
            return;
        }
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "still {answer:?} rather than {expected:?}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn within<T>(seconds: u64, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(seconds), future)
        .await
        .expect("it takes too long")
}
