//! What a cache tells those who keep something of their own: also where no server reports anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use typedis_core::cache::Dropped;
use typedis_core::cluster::{Cluster, slot};
use typedis_core::pubsub::Invalidation;
use typedis_core::{Cache, Client, Config, Connection, Pool, Protocol, Run, raw};
use typedis_testkit::ServerKind;
use typedis_testkit::fake::{Answer, Fake, FakeCluster};

use crate::races::cache_of;
use crate::support::*;

async fn next(dropped: &mut Dropped) -> Invalidation {
    let next = tokio::time::timeout(LONG, dropped.next());
    next.await.expect("something is told").unwrap()
}

fn keys(keys: &[&'static str]) -> Invalidation {
    Invalidation::Keys(keys.iter().map(|key| Bytes::from(*key)).collect())
}

#[tokio::test]
async fn that_a_slot_has_moved_is_told() {
    let moved = Arc::new(AtomicBool::new(false));
    let has_moved = moved.clone();
    let fake = FakeCluster::start(2, move |asked| {
        let is_moved = asked.node == 1 && moved.load(Ordering::SeqCst);
        match asked.command.name().as_str() {
            "GET" | "EXISTS" if is_moved => Answer::moved(slot("foo"), asked.addr(0)),
            "EXISTS" => Answer::Reply(b":1\r\n".to_vec()),
            "GET" => Answer::Reply(b"$1\r\nv\r\n".to_vec()),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let config = Config::from_url(&fake.url()).unwrap();
    let cluster = Cluster::open(config.command_timeout(LONG)).await.unwrap();
    let cache = cluster.cached(Cache::default()).unwrap();
    get(&cache, "foo").await.unwrap();
    let mut dropped = cache.dropped();
    fake.assign(slot("foo")..=slot("foo"), 0);
    has_moved.store(true, Ordering::SeqCst);
    let exists = raw("EXISTS").key("foo").readonly().reply::<i64>();
    cache.run(exists).await.unwrap();
    let reads = until_read("it is told", async || {
        get(&cache, "foo").await.unwrap();
        false
    });
    tokio::select! {
        told = dropped.next() => assert_eq!(told, Some(Invalidation::All)),
        () = reads => {}
    }
}

#[tokio::test]
async fn that_the_server_does_not_report_any_more_is_told() {
    let asked = AtomicUsize::new(0);
    let fake = Fake::answering(move |words| match words.name().as_str() {
        "GET" => b"$1\r\n1\r\n".to_vec(),
        "CLIENT" if words.text(1) == "CACHING" && asked.fetch_add(1, Ordering::SeqCst) == 1 => {
            b"-ERR CLIENT CACHING can be called only when the client is in tracking mode\r\n"
                .to_vec()
        }
        _ => b"+OK\r\n".to_vec(),
    })
    .await
    .unwrap();
    let cache = cache_of(&fake, Cache::default()).await;
    let mut dropped = cache.dropped();
    get(&cache, "k").await.unwrap();
    get(&cache, "x").await.unwrap();
    assert_eq!(next(&mut dropped).await, Invalidation::All);
}

/// With `no_loop` the server says nothing of it, and does not track these keys any more.
#[tokio::test]
async fn what_the_handle_writes_is_told_if_the_server_does_not_report_it() {
    let fake = Fake::answering(|_| b"+OK\r\n".to_vec()).await.unwrap();
    let cache = cache_of(&fake, Cache::default().no_loop()).await;
    let mut dropped = cache.dropped();
    set(&cache, "a", "1").await.unwrap();
    assert_eq!(next(&mut dropped).await, keys(&["a"]));
    set(set(cache.pipeline(), "b", "1"), "c", "1")
        .await
        .unwrap();
    assert_eq!(next(&mut dropped).await, keys(&["b", "c"]));
    let unknown = || raw("SET").arg("k").arg("1").reply::<()>();
    cache.run(unknown()).await.unwrap();
    assert_eq!(next(&mut dropped).await, Invalidation::All);
    cache.pipeline().run(unknown()).await.unwrap();
    assert_eq!(next(&mut dropped).await, Invalidation::All);
    drop(cache);
    assert_eq!(dropped.next().await, None);
}

/// Writes a key until it is told, once more each time that anything may have been missed.
async fn until_told(dropped: &mut Dropped, key: &'static str, writer: &Connection) {
    set(writer, key, "1").await.unwrap();
    while next(dropped).await != keys(&[key]) {
        set(writer, key, "1").await.unwrap();
    }
}

#[tokio::test]
async fn broadcasting_tells_also_where_nothing_is_read() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis6] {
        for protocol in [Protocol::Newest, Protocol::Resp2] {
            let server = server(kind);
            let other = connect(&server).await;
            let line = Connection::open(at(server.port()).protocol(protocol));
            let cache = line
                .await
                .unwrap()
                .cached(Cache::default().broadcast(["k"]));
            let cache = cache.unwrap();
            let mut dropped = cache.dropped();
            // What was changed before the server was told to report is not known.
            assert_eq!(next(&mut dropped).await, Invalidation::All);
            until_told(&mut dropped, "k1", &other).await;
            let kill = raw("CLIENT KILL").arg("TYPE").arg("normal");
            let kill = kill.arg("SKIPME").arg("yes").reply::<u64>();
            other.run(kill).await.unwrap();
            assert_eq!(next(&mut dropped).await, Invalidation::All);
            until_told(&mut dropped, "k2", &other).await;
            drop(cache);
            while dropped.next().await.is_some() {}
        }
    }
}

#[tokio::test]
async fn broadcasting_on_all_lanes_of_a_pool_tells_of_each_change_once() {
    let server = server(ServerKind::Valkey9);
    let other = connect(&server).await;
    let pool = Pool::open(at(server.port()).lanes(3)).await.unwrap();
    let cache = pool.cached(Cache::default().broadcast(["k"])).unwrap();
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
async fn broadcasting_on_a_cluster_tells_what_any_node_reports() {
    let nodes = typedis_testkit::Cluster::start(ServerKind::Valkey9).unwrap();
    let config = Config::from_url(&nodes.url()).unwrap();
    let open = async || {
        let config = config.clone().command_timeout(LONG);
        Cluster::open(config).await.unwrap()
    };
    let other = open().await;
    let cache = open().await.cached(Cache::default().broadcast(["k"]));
    let cache = cache.unwrap();
    let mut dropped = cache.dropped();
    for _ in 0..3 {
        assert_eq!(next(&mut dropped).await, Invalidation::All);
    }
    for key in ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"] {
        set(&other, key, "1").await.unwrap();
        assert_eq!(next(&mut dropped).await, keys(&[key]));
    }
}

#[tokio::test]
async fn broadcasting_tells_also_after_the_runtime_of_the_first_listener_has_ended() {
    let server = server(ServerKind::Valkey9);
    let other = connect(&server).await;
    let line = Connection::open(at(server.port())).await.unwrap();
    let cache = line.cached(Cache::default().broadcast(["k"])).unwrap();
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
    let cache = cluster.cached(Cache::default().broadcast(["k"])).unwrap();
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
    until("the new node is told to report", || {
        let node = nodes.node(1);
        let mut sent = (0..node.connections()).flat_map(|number| node.received(number));
        sent.any(|words| words.text(1) == "TRACKING")
    })
    .await;
    assert_eq!(next(&mut dropped).await, Invalidation::All);
}
