//! Reads of one command that do not wait for each other, where the reports have no order among the replies.

use std::sync::atomic::{AtomicUsize, Ordering};

use typedis_core::{Cache, Cached, Connection, Protocol};
use typedis_testkit::fake::Fake;

use crate::races::{read, some};
use crate::support::*;

/// A server that reports no change in time; the first GET of `k` brings `old`, and all later ones bring `new`.
async fn changing() -> Fake {
    let gets = AtomicUsize::new(0);
    Fake::answering(move |words| match words.name().as_str() {
        "GET" if words.text(1) == "k" && gets.fetch_add(1, Ordering::SeqCst) == 0 => {
            b"$3\r\nold\r\n".to_vec()
        }
        "GET" => b"$3\r\nnew\r\n".to_vec(),
        "HELLO" if words.text(1) == "3" => b"%1\r\n$5\r\nproto\r\n:3\r\n".to_vec(),
        "CLIENT" if words.text(1) == "ID" => b":7\r\n".to_vec(),
        _ => b"+OK\r\n".to_vec(),
    })
    .await
    .unwrap()
}

/// A cache that keeps what it reads.
async fn keeping(fake: &Fake, protocol: Protocol, settings: Cache) -> Cached<Connection> {
    let config = at(fake.addr().port()).protocol(protocol);
    let cache = Connection::open(config).await.unwrap().cached(settings);
    let cache = cache.unwrap();
    until_read("reads are kept", async || {
        get(&cache, "k warm").await.unwrap();
        cache.stats().hits > 0
    })
    .await;
    cache
}

#[tokio::test]
async fn an_older_reply_that_is_looked_at_later_does_not_take_the_place_of_a_newer_one() {
    for (protocol, settings) in [
        (Protocol::Resp2, Cache::default()),
        (Protocol::Newest, Cache::default().broadcast(["k"])),
    ] {
        let fake = changing().await;
        let cache = keeping(&fake, protocol, settings).await;
        let first = get(&cache, "k").deadline(LONG).send();
        let second = get(&cache, "k").deadline(LONG).send();
        assert_eq!(second.await.unwrap(), some("new"));
        assert_eq!(first.await.unwrap(), some("old"));
        let (value, counts) = counted(&cache, read(&cache)).await;
        assert_eq!((value, counts.hits), (some("new"), 1), "{protocol:?}");
    }
}

/// The reply of one that was sent before may be older than what another read has brought since.
#[tokio::test]
async fn a_read_is_not_joined_if_a_newer_one_was_sent() {
    let fake = changing().await;
    let settings = Cache::default().broadcast(["k"]);
    let cache = keeping(&fake, Protocol::Newest, settings).await;
    let first = get(&cache, "k").send();
    let second = get(&cache, "k").deadline(LONG).send();
    let third = get(&cache, "k").send();
    assert_eq!(third.await.unwrap(), some("new"));
    assert_eq!(second.await.unwrap(), some("new"));
    assert_eq!(first.await.unwrap(), some("old"));
    let (value, counts) = counted(&cache, read(&cache)).await;
    assert_eq!((value, counts.hits), (some("new"), 1));
}
