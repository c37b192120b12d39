//! What a cache tells those who keep something of their own: also where no server reports anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use typedis_core::cache::Dropped;
use typedis_core::cluster::{Cluster, slot};
use typedis_core::pubsub::Invalidation;
use typedis_core::{Cache, Client, Config, Run, raw};
use typedis_testkit::fake::{Answer, Fake, FakeCluster};

use crate::races::cache_of;
use crate::support::*;

pub(crate) async fn next(dropped: &mut Dropped) -> Invalidation {
    told(dropped).await.unwrap()
}

pub(crate) fn keys(keys: &[&'static str]) -> Invalidation {
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
    assert_eq!(told(&mut dropped).await, None);
}
