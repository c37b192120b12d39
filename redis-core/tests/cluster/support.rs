//! What all tests of clusters use.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::{Duration, Instant};

use typedis_core::cluster::{Cluster, slot};
use typedis_core::{
    Backoff, ClusterCause, Config, Error, ErrorKind, Obstacle, Phase, Protocol, Raw, raw,
};
use typedis_testkit::fake::{Answer, Asked, FakeCluster};
use typedis_testkit::{Cluster as Servers, KeySpace, ServerKind, shared_cluster};

/// Longer than anything here takes, on a busy machine too.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// How long a node is silent before the others take it for dead. They also hear of changes within half of it.
pub(crate) const NODE_TIMEOUT: Duration = Duration::from_secs(2);

/// A primary that is taken for dead is not replaced, unless somebody asks a replica to take over.
pub(crate) const STEADY: &str = "cluster-replica-no-failover yes";

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

/// A client of a scripted cluster whose pauses would be longer than what it is asked has time.
pub(crate) async fn connect_with_long_pauses(fake: &FakeCluster) -> Cluster {
    let backoff = Backoff {
        first: Duration::from_secs(4),
        longest: Duration::from_secs(8),
    };
    let config = config(&fake.node(0).url()).backoff(backoff);
    Cluster::open(config).await.unwrap()
}

/// Checks that something ended because it was refused until its deadline. On a slow machine, the last attempt may not have been
/// answered.
#[track_caller]
pub(crate) fn was_refused_to_the_end(error: &Error, code: &str) {
    let refusal = match error.obstacle() {
        Some(Obstacle::Refused(refusal)) => refusal,
        _ => error.server().unwrap(),
    };
    assert_eq!(refusal.code(), code, "{error}");
    assert!(
        error.is_timeout() || error.phase() == Phase::Refused,
        "{error}"
    );
}

/// Why a cluster could not do something.
#[track_caller]
pub(crate) fn cause(error: &Error) -> ClusterCause {
    match error.kind() {
        ErrorKind::Cluster(reason) => reason.cause(),
        _ => panic!("{error:?}"),
    }
}

/// The call is wrong in itself, and nothing was sent.
#[track_caller]
pub(crate) fn assert_is_wrong_call(error: &Error) {
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error:?}");
    assert_eq!(error.phase(), Phase::NotSent, "{error}");
    assert!(!error.is_retryable(), "{error}");
}

/// Has work done that blocks, as that of the test kit does.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// A cluster of three primaries for this test alone, each with this number of replicas. They replace a primary that is silent for 2 s.
pub(crate) async fn start(kind: ServerKind, replicas: usize) -> Arc<Servers> {
    let builder = Servers::builder(kind)
        .replicas(replicas)
        .node_timeout(NODE_TIMEOUT);
    Arc::new(blocking(move || builder.start().unwrap()).await)
}

/// The same for a test in which no node dies: none is replaced because a busy machine let it stand still, which loses writes.
pub(crate) async fn start_steady(kind: ServerKind, replicas: usize) -> Arc<Servers> {
    let builder = Servers::builder(kind)
        .replicas(replicas)
        .node_timeout(NODE_TIMEOUT)
        .line(STEADY);
    Arc::new(blocking(move || builder.start().unwrap()).await)
}

/// From now on, replicas replace a primary that is silent for 2 s.
pub(crate) fn let_replicas_take_over(servers: &Servers) {
    for node in servers.nodes() {
        node.call(&["CONFIG", "SET", "cluster-replica-no-failover", "no"])
            .unwrap();
    }
}

/// Keys of a cluster that all tests share.
pub(crate) async fn keys_of(kind: ServerKind) -> KeySpace {
    blocking(move || shared_cluster(kind)).await
}

/// Changes a cluster once all nodes agree about it, as after an earlier change: one that had not heard of that would begin the next
/// one wrongly.
pub(crate) async fn change_agreed<T: Send + 'static>(
    servers: &Arc<Servers>,
    work: impl FnOnce(&Servers) -> T + Send + 'static,
) -> T {
    change(servers, move |servers| {
        servers.wait_until_agreed().unwrap();
        work(servers)
    })
    .await
}

/// Changes a cluster, which takes a while.
pub(crate) async fn change<T: Send + 'static>(
    servers: &Arc<Servers>,
    change: impl FnOnce(&Servers) -> T + Send + 'static,
) -> T {
    let servers = servers.clone();
    blocking(move || change(&servers)).await
}

/// A client of a real cluster.
pub(crate) async fn open(servers: &Servers) -> Cluster {
    Cluster::open(config(&servers.url())).await.unwrap()
}

pub(crate) async fn soon<T>(what: &str, future: impl IntoFuture<Output = T>) -> T {
    match tokio::time::timeout(LONG, future.into_future()).await {
        Ok(value) => value,
        Err(_) => panic!("it hangs: {what}"),
    }
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon(what, wait).await;
}

/// Waits until a condition holds, where a thread may be blocked.
pub(crate) fn until_blocking(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < end, "it hangs: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until the node of a key has a client that is blocked.
pub(crate) async fn until_blocked(servers: &Arc<Servers>, key: &'static str) {
    until_so_many_are_blocked(servers, key, 1).await;
}

pub(crate) async fn until_so_many_are_blocked(
    servers: &Arc<Servers>,
    key: &'static str,
    count: usize,
) {
    let expected = format!("blocked_clients:{count}");
    change(servers, move |servers| {
        until_blocking("clients are blocked", || {
            let owner = servers.owner_of(slot(key)).unwrap();
            let info = owner.call(&["INFO", "clients"]).unwrap();
            info.lines().any(|line| line == expected)
        });
    })
    .await;
}

/// The confirmation of a subscription command.
pub(crate) fn confirmed(asked: &Asked<'_>) -> Answer {
    Answer::Reply(push(
        &asked.command.name().to_lowercase(),
        &asked.command.text(1),
    ))
}

/// What a server pushes when a subscription begins or ends.
pub(crate) fn push(kind: &str, channel: &str) -> Vec<u8> {
    let (a, b) = (kind.len(), channel.len());
    format!(">3\r\n${a}\r\n{kind}\r\n${b}\r\n{channel}\r\n:1\r\n").into_bytes()
}

/// A message of a shard channel.
pub(crate) fn push_message(channel: &str, text: &str) -> Vec<u8> {
    let (a, b) = (channel.len(), text.len());
    format!(">3\r\n$8\r\nsmessage\r\n${a}\r\n{channel}\r\n${b}\r\n{text}\r\n").into_bytes()
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
