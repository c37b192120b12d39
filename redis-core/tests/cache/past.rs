//! What goes past the cache may show something newer than what is kept.

use std::sync::atomic::{AtomicUsize, Ordering};

use typedis_core::cache::Origin;
use typedis_core::{Cache, Cached, Client, Connection, Pool, Run, cmd, raw};
use typedis_testkit::fake::Fake;

use crate::races::{answering_gets, cache_of, read, some};
use crate::support::*;

/// A read past the cache can take another socket than the one that reports changes: what it shows may be newer.
#[tokio::test]
async fn nothing_older_is_served_after_a_read_past_the_cache_has_shown_something_newer() {
    let fake = answering_gets(&[
        "$3\r\nold\r\n",
        "*2\r\n$3\r\nnew\r\n$-1\r\n",
        "$3\r\nnew\r\n",
    ])
    .await;
    let cache = cache_of(&fake, Cache::default().broadcast(["k"])).await;
    for _ in 0..2 {
        assert_eq!(read(&cache).await, some("old"));
    }
    // Changes of the second key are not reported, so this goes as on the handle beneath.
    let both = mget(&cache, &["k", "other"]).await.unwrap();
    assert_eq!(both, [some("new"), None]);
    assert_eq!(read(&cache).await, some("new"));
    assert_eq!(cache.stats().hits, 1);
}

/// Reads twice, the second time from memory; then, after `past` has shown something newer past the cache, once more.
async fn read_around<C: Origin>(cache: &Cached<C>, past: impl AsyncFnOnce(&Cached<C>)) {
    for _ in 0..2 {
        assert_eq!(get(cache, "k").await.unwrap(), some("old"));
    }
    assert_eq!(cache.stats().hits, 1);
    past(cache).await;
    assert_eq!(get(cache, "k").await.unwrap(), some("new"));
}

/// A pool of a server whose first GET brings something older than all later ones. The other lanes of a pool are other
/// sockets than the one that reports.
async fn with_pool(past: impl AsyncFnOnce(&Cached<Pool>)) {
    let fake = answering_gets(&["$3\r\nold\r\n", "$3\r\nnew\r\n"]).await;
    let pool = Pool::open(at(fake.addr().port())).await.unwrap();
    read_around(&pool.cached(Cache::default()).unwrap(), past).await;
}

/// The same with one connection that broadcasts. The server sends the reports behind the replies.
async fn with_broadcasts(past: impl AsyncFnOnce(&Cached<Connection>)) {
    let fake = answering_gets(&["$3\r\nold\r\n", "$3\r\nnew\r\n"]).await;
    read_around(
        &cache_of(&fake, Cache::default().broadcast(["k"])).await,
        past,
    )
    .await;
}

async fn in_a_pipeline<C: Origin>(cache: &Cached<C>) {
    assert_eq!(get(cache.pipeline(), "k").await.unwrap(), (some("new"),));
}

#[tokio::test]
async fn nothing_older_is_served_after_a_pipeline_has_shown_something_newer() {
    with_pool(in_a_pipeline).await;
    with_broadcasts(in_a_pipeline).await;
}

async fn in_a_batch<C: Origin>(cache: &Cached<C>) {
    let mut batch = cache.batch();
    let value = batch.push(get(cmd(), "k"));
    let value = batch.execute().await.unwrap().take(value);
    assert_eq!(value.unwrap(), some("new"));
}

#[tokio::test]
async fn nothing_older_is_served_after_a_batch_has_shown_something_newer() {
    with_pool(in_a_batch).await;
    with_broadcasts(in_a_batch).await;
}

#[tokio::test]
async fn nothing_older_is_served_after_a_transaction_has_shown_something_newer() {
    let fake = Fake::answering({
        let gets = AtomicUsize::new(0);
        move |words| match words.name().as_str() {
            "GET" => match gets.fetch_add(1, Ordering::SeqCst) {
                0 => b"$3\r\nold\r\n".to_vec(),
                1 => b"+QUEUED\r\n".to_vec(),
                _ => b"$3\r\nnew\r\n".to_vec(),
            },
            "EXEC" => b"*1\r\n$3\r\nnew\r\n".to_vec(),
            _ => b"+OK\r\n".to_vec(),
        }
    });
    let fake = fake.await.unwrap();
    let pool = Pool::open(at(fake.addr().port())).await.unwrap();
    let cache = pool.cached(Cache::default()).unwrap();
    read_around(&cache, async |cache| {
        let read = get(cache.transaction(), "k").await.unwrap();
        assert_eq!(read, (some("new"),));
    })
    .await;
}

async fn in_words_with_a_key<C: Origin>(cache: &Cached<C>) {
    let read = raw("GET").key("k").readonly().reply::<Option<String>>();
    assert_eq!(cache.run(read).await.unwrap(), some("new"));
}

async fn in_words<C: Origin>(cache: &Cached<C>) {
    let read = raw("GET").arg("k").readonly().reply::<Option<String>>();
    assert_eq!(cache.run(read).await.unwrap(), some("new"));
}

async fn in_words_in_a_pipeline<C: Origin>(cache: &Cached<C>) {
    let read = raw("GET").arg("k").readonly().reply::<Option<String>>();
    assert_eq!(cache.pipeline().run(read).await.unwrap(), (some("new"),));
}

#[tokio::test]
async fn nothing_older_is_served_after_words_that_only_read_have_shown_something_newer() {
    with_pool(in_words_with_a_key).await;
    with_broadcasts(in_words_with_a_key).await;
    with_pool(in_words).await;
    with_broadcasts(in_words).await;
    with_pool(in_words_in_a_pipeline).await;
    with_broadcasts(in_words_in_a_pipeline).await;
}

/// On one socket the report of a change comes before the reply that shows it.
#[tokio::test]
async fn what_a_pipeline_reads_stays_in_the_cache_if_its_socket_reports_changes() {
    let fake = answering_gets(&["$1\r\n1\r\n"]).await;
    let cache = cache_of(&fake, Cache::default()).await;
    read(&cache).await;
    get(cache.pipeline(), "k").await.unwrap();
    let echo = raw("ECHO").arg("x").readonly().reply::<String>();
    cache.run(echo).await.unwrap();
    let (_, counts) = counted(&cache, read(&cache)).await;
    assert_eq!(counts.hits, 1);
}
