//! What a cache tells where servers broadcast: everything that is changed, also where nothing is read.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use typedis_core::cache::Dropped;
use typedis_core::cluster::{Cluster, slot};
use typedis_core::pubsub::Invalidation;
use typedis_core::{Cache, Client, Config, Connection, Pool, Protocol, Run, raw};
use typedis_testkit::ServerKind;
use typedis_testkit::fake::{Answer, FakeCluster};

use crate::dropped::{keys, next};
use crate::support::*;

fn broadcast() -> Cache {
    Cache::default().broadcast(["k"])
}

/// Three primaries, each with a replica.
fn replicated() -> typedis_testkit::Cluster {
    let nodes = typedis_testkit::Cluster::builder(ServerKind::Valkey9);
    nodes.primaries(3).replicas(1).start().unwrap()
}

async fn open(config: Config) -> Cluster {
    Cluster::open(config.command_timeout(LONG)).await.unwrap()
}

/// How often this node was told to report.
fn times_told(nodes: &FakeCluster, node: usize) -> usize {
    times_switched(nodes, node, "ON")
}

fn times_switched(nodes: &FakeCluster, node: usize, to: &str) -> usize {
    let node = nodes.node(node);
    let sent = (0..node.connections()).flat_map(|number| node.received(number));
    sent.filter(|words| words.text(1) == "TRACKING" && words.text(2) == to)
        .count()
}

/// Writes a key until it is told, once more each time that anything may have been missed.
async fn until_told<C: Client>(dropped: &mut Dropped, key: &'static str, writer: &C) {
    let write = || raw("SET").key(key).arg("1").reply::<()>();
    writer.run(write()).await.unwrap();
    while next(dropped).await != keys(&[key]) {
        writer.run(write()).await.unwrap();
    }
}

#[tokio::test]
async fn broadcasting_tells_also_where_nothing_is_read() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis6] {
        for protocol in [Protocol::Newest, Protocol::Resp2] {
            let server = server(kind);
            let other = connect(&server).await;
            let line = Connection::open(at(server.port()).protocol(protocol));
            let cache = line.await.unwrap().cached(broadcast());
            let cache = cache.unwrap();
            let mut dropped = cache.dropped();
            // What was changed before the server was told to report is not known.
            assert_eq!(next(&mut dropped).await, Invalidation::All);
            until_told(&mut dropped, "k1", &other).await;
            let kill = raw("CLIENT KILL").arg("TYPE").arg("normal");
            let kill = kill.arg("SKIPME").arg("yes").reply::<u64>();
            other.run(kill).await.unwrap();
            // The key may have been written more than once.
            let mut report = next(&mut dropped).await;
            while report == keys(&["k1"]) {
                report = next(&mut dropped).await;
            }
            assert_eq!(report, Invalidation::All);
            until_told(&mut dropped, "k2", &other).await;
            drop(cache);
            while told(&mut dropped).await.is_some() {}
        }
    }
}

#[tokio::test]
async fn broadcasting_on_all_lanes_of_a_pool_tells_of_each_change_once() {
    let server = server(ServerKind::Valkey9);
    let other = connect(&server).await;
    let pool = Pool::open(at(server.port()).lanes(3)).await.unwrap();
    let cache = pool.cached(broadcast()).unwrap();
    let mut dropped = cache.dropped();
    for _ in 0..3 {
        assert_eq!(next(&mut dropped).await, Invalidation::All);
    }
    assert_eq!(cache.stats().tracking, 3);
    let listed = ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"];
    for key in listed.iter().cycle().take(30) {
        set(&other, key, "1").await.unwrap();
        assert_eq!(next(&mut dropped).await, keys(&[key]));
    }
}

#[tokio::test]
async fn broadcasting_on_a_cluster_tells_what_any_primary_reports_once() {
    let nodes = replicated();
    let open = || open(Config::from_url(&nodes.url()).unwrap());
    let other = open().await;
    for settings in [broadcast(), broadcast().no_loop()] {
        let cache = open().await.cached(settings).unwrap();
        let mut dropped = cache.dropped();
        for _ in 0..3 {
            assert_eq!(next(&mut dropped).await, Invalidation::All);
        }
        for key in ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"] {
            set(&other, key, "1").await.unwrap();
            assert_eq!(next(&mut dropped).await, keys(&[key]));
            // With `no_loop` the handle tells of it itself.
            set(&cache, key, "2").await.unwrap();
            assert_eq!(next(&mut dropped).await, keys(&[key]));
        }
        assert_eq!(cache.stats().tracking, 3);
    }
}

#[tokio::test]
async fn broadcasting_on_a_cluster_ends_at_a_primary_that_becomes_a_replica() {
    let nodes = FakeCluster::start(2, |asked| match asked.command.name().as_str() {
        "SET" if asked.node == 0 => Answer::moved(slot("k"), asked.addr(1)),
        _ => Answer::Usual,
    });
    let nodes = nodes.await.unwrap();
    nodes.assign(0..=16_383, 0);
    nodes.set_replicas(0, &[1]);
    let cluster = open(Config::from_url(&nodes.url()).unwrap()).await;
    let cache = cluster.cached(broadcast()).unwrap();
    let mut dropped = cache.dropped();
    assert_eq!(next(&mut dropped).await, Invalidation::All);
    assert_eq!(times_told(&nodes, 1), 0);
    // Before it is told to report, it is told not to.
    assert_eq!(times_switched(&nodes, 0, "OFF"), 1);
    nodes.assign(0..=16_383, 1);
    nodes.set_replicas(1, &[0]);
    set(&cache, "k", "1").await.unwrap();
    until("the one that took over is told", || {
        times_told(&nodes, 1) > 0
    })
    .await;
    until("the other one is told to end", || {
        times_switched(&nodes, 0, "OFF") > 1
    })
    .await;
    // That it has left, and that the new one reports.
    for _ in 0..2 {
        assert_eq!(next(&mut dropped).await, Invalidation::All);
    }
    assert_eq!((times_told(&nodes, 0), cache.stats().tracking), (1, 1));
}

/// Its replica, which takes over, has not reported anything before. Nothing is sent that would tell of it.
#[tokio::test]
async fn broadcasting_on_a_cluster_goes_on_when_a_primary_has_failed() {
    let nodes = replicated();
    let open = || open(Config::from_url(&nodes.url()).unwrap());
    let (other, cache) = (open().await, open().await.cached(broadcast()).unwrap());
    let mut dropped = cache.dropped();
    for _ in 0..3 {
        assert_eq!(next(&mut dropped).await, Invalidation::All);
    }
    let owner = nodes.owner_of(slot("k")).unwrap();
    let replica = nodes.replicas_of(&owner).unwrap().remove(0);
    owner.server().kill().unwrap();
    replica.take_over_by_force().unwrap();
    replica.wait_until_primary().unwrap();
    until_told(&mut dropped, "k", &other).await;
}

#[tokio::test]
async fn broadcasting_tells_also_after_the_runtime_of_the_first_listener_has_ended() {
    let server = server(ServerKind::Valkey9);
    let other = connect(&server).await;
    let line = Connection::open(at(server.port())).await.unwrap();
    let cache = line.cached(broadcast()).unwrap();
    let listener = cache.clone();
    let short = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        // Nothing is sent from it.
        runtime
            .unwrap()
            .block_on(async { drop(listener.dropped()) });
    });
    short.join().unwrap();
    let mut dropped = cache.dropped();
    assert_eq!(next(&mut dropped).await, Invalidation::All);
    until_told(&mut dropped, "k1", &other).await;
}

#[tokio::test]
async fn broadcasting_on_a_cluster_tells_of_a_node_that_is_new_though_nothing_is_read() {
    let nodes = FakeCluster::start(2, |asked| match asked.command.name().as_str() {
        "SET" if asked.node == 0 => Answer::moved(slot("k"), asked.addr(1)),
        _ => Answer::Usual,
    });
    let nodes = nodes.await.unwrap();
    nodes.assign(0..=16_383, 0);
    let cluster = Cluster::open(nodes.url()).await.unwrap();
    let cache = cluster.cached(broadcast()).unwrap();
    let mut dropped = cache.dropped();
    assert_eq!(next(&mut dropped).await, Invalidation::All);
    // The pause after the first server was told to report is over.
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(100)).await;
    tokio::time::resume();
    tokio::task::yield_now().await;
    nodes.assign(0..=16_383, 1);
    // The map is learnt with a write.
    set(&cache, "k", "1").await.unwrap();
    until("the new node is told", || times_told(&nodes, 1) > 0).await;
    assert_eq!(next(&mut dropped).await, Invalidation::All);
}

/// Nobody has looked at the new map, and a server that does not answer is waited for.
#[tokio::test]
async fn broadcasting_on_a_cluster_tells_of_a_node_that_is_new_though_another_one_hangs() {
    let hung = AtomicUsize::new(usize::MAX);
    let nodes = FakeCluster::start(3, move |asked| {
        let words = asked.command;
        if asked.node == 0 && words.text(1) == "TRACKING" {
            hung.store(asked.connection, Ordering::SeqCst);
        }
        match words.name().as_str() {
            _ if asked.node == 0 && asked.connection == hung.load(Ordering::SeqCst) => {
                Answer::Silence
            }
            "SET" if asked.node == 1 => Answer::moved(slot("k"), asked.addr(2)),
            _ => Answer::Usual,
        }
    });
    let nodes = nodes.await.unwrap();
    nodes.assign(0..=16_383, 0);
    nodes.assign(slot("k")..=slot("k"), 1);
    let config = Config::from_url(&nodes.url()).unwrap().liveness(None);
    let config = config.command_timeout(None);
    let cluster = Cluster::open(config).await.unwrap();
    let cache = cluster.cached(broadcast()).unwrap();
    let mut dropped = cache.dropped();
    assert_eq!(next(&mut dropped).await, Invalidation::All);
    nodes.assign(slot("k")..=slot("k"), 2);
    set(&cluster, "k", "1").await.unwrap();
    until("the new node is told", || times_told(&nodes, 2) > 0).await;
    // The one that hangs is not told twice.
    assert_eq!(times_told(&nodes, 0), 1);
}

/// Where nobody listens, sockets that are not used are closed.
#[tokio::test]
async fn broadcasting_on_a_cluster_keeps_its_sockets_while_nothing_is_sent() {
    let nodes = FakeCluster::start(2, |_| Answer::Usual).await.unwrap();
    let config = Config::from_url(&nodes.url()).unwrap();
    let config = config.idle_timeout(Duration::from_millis(50));
    let (cluster, other) = (open(config.clone()).await, open(config).await);
    let cache = cluster.cached(broadcast()).unwrap();
    let mut dropped = cache.dropped();
    for _ in 0..2 {
        assert_eq!(next(&mut dropped).await, Invalidation::All);
    }
    let sleeps = |cluster: &Cluster| cluster.stats().iter().all(|(_, node)| node.connected == 0);
    for _ in 0..3 {
        set(&other, "k", "1").await.unwrap();
        until("the other handle has no socket", || sleeps(&other)).await;
    }
    assert_eq!((times_told(&nodes, 0), times_told(&nodes, 1)), (1, 1));
    let told = poll_fn(|cx| Poll::Ready(pin!(dropped.next()).poll(cx))).await;
    assert_eq!(told, Poll::Pending);
    drop(dropped);
    until("this handle has no socket either", || sleeps(&cluster)).await;
}

#[tokio::test]
async fn broadcasting_tells_also_where_a_cluster_has_no_map_yet() {
    let nodes = FakeCluster::start(2, |_| Answer::Usual).await.unwrap();
    let cluster = Cluster::lazy(nodes.url()).unwrap();
    let cache = cluster.cached(broadcast()).unwrap();
    let mut dropped = cache.dropped();
    until("both nodes are told", || {
        (0..2).all(|node| times_told(&nodes, node) > 0)
    })
    .await;
    assert_eq!(next(&mut dropped).await, Invalidation::All);
}

#[tokio::test]
async fn broadcasting_goes_on_when_the_runtime_of_the_first_of_two_listeners_ends() {
    let server = server(ServerKind::Valkey9);
    let other = connect(&server).await;
    let line = Connection::open(at(server.port())).await.unwrap();
    let cache = line.cached(broadcast()).unwrap();
    let listener = cache.clone();
    let (tracks, tracking) = tokio::sync::oneshot::channel();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let short = std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(async {
            let mut first = listener.dropped();
            assert_eq!(next(&mut first).await, Invalidation::All);
            tracks.send(()).unwrap();
            ended.await.unwrap();
        });
    });
    tracking.await.unwrap();
    let mut dropped = cache.dropped();
    end.send(()).unwrap();
    short.join().unwrap();
    let kill = raw("CLIENT KILL").arg("TYPE").arg("normal");
    let kill = kill.arg("SKIPME").arg("yes").reply::<u64>();
    other.run(kill).await.unwrap();
    assert_eq!(next(&mut dropped).await, Invalidation::All);
    until_told(&mut dropped, "k1", &other).await;
}

/// Who listens need not be within a runtime: the connection is.
#[tokio::test]
async fn broadcasting_tells_who_asks_for_it_outside_of_a_runtime() {
    let server = server(ServerKind::Valkey9);
    let line = Connection::open(at(server.port())).await.unwrap();
    let cache = line.cached(broadcast()).unwrap();
    let listener = cache.clone();
    let outside = std::thread::spawn(move || listener.dropped());
    let mut dropped = outside.join().unwrap();
    assert_eq!(next(&mut dropped).await, Invalidation::All);
}
