//! Whoever reads from memory only gives other tasks their turn all the same: on one thread, the one that reads reports is among them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use typedis_core::{AnyClient, Cache, Cached, Connection, cmd};
use typedis_testkit::fake::Fake;

use crate::races::{answering_gets, cache_of};
use crate::support::*;

const READS: u64 = 10_000;

/// A cache that serves for as long as the test takes.
async fn lasting(replies: &'static [&'static str]) -> (Fake, Cached<Connection>) {
    let fake = answering_gets(replies).await;
    let cache = cache_of(&fake, Cache::default().max_unheard(LONG * 10)).await;
    (fake, cache)
}

/// Reads from memory, and asserts that another task had its turn meanwhile.
async fn gives_way(cache: &Cached<Connection>, mut read: impl AsyncFnMut()) {
    read().await;
    let had_its_turn = Arc::new(AtomicBool::new(false));
    let has_it = had_its_turn.clone();
    tokio::spawn(async move { has_it.store(true, Ordering::SeqCst) });
    let ((), counts) = counted(cache, async {
        for _ in 0..READS {
            read().await;
        }
    })
    .await;
    assert_eq!((counts.hits, counts.misses), (READS, 0));
    assert!(had_its_turn.load(Ordering::SeqCst));
}

#[tokio::test]
async fn reads_of_one_key_give_way() {
    let (_fake, cache) = lasting(&["$1\r\n1\r\n"]).await;
    gives_way(&cache, async || {
        get(&cache, "k").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn reads_of_many_keys_give_way() {
    let (_fake, cache) = lasting(&["*1\r\n$1\r\n1\r\n"]).await;
    gives_way(&cache, async || {
        mget(&cache, &["k"]).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn reads_of_decoded_values_give_way() {
    let (_fake, cache) = lasting(&["$1\r\n1\r\n"]).await;
    let values = cache.decoded::<Option<String>>();
    gives_way(&cache, async || {
        values.get(get(cmd(), "k")).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn reads_over_a_handle_of_any_type_give_way() {
    let (_fake, cache) = lasting(&["$1\r\n1\r\n"]).await;
    let any = AnyClient::new(cache.clone());
    gives_way(&cache, async || {
        get(&any, "k").await.unwrap();
    })
    .await;
    let (_fake, cache) = lasting(&["*1\r\n$1\r\n1\r\n"]).await;
    let any = AnyClient::new(cache.clone());
    gives_way(&cache, async || {
        mget(&any, &["k"]).await.unwrap();
    })
    .await;
}
