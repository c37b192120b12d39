//! Reads of one command that do not wait for each other, where the reports have no order among the replies.

use std::sync::atomic::{AtomicUsize, Ordering};

use typedis_core::{Budget, Cache, Cached, Connection, Protocol};
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
        "MGET" if gets.fetch_add(1, Ordering::SeqCst) == 0 => b"*1\r\n$3\r\nold\r\n".to_vec(),
        "MGET" => b"*1\r\n$3\r\nnew\r\n".to_vec(),
        "ECHO" => b"$1\r\nx\r\n".to_vec(),
        "HELLO" if words.text(1) == "3" => b"%1\r\n$5\r\nproto\r\n:3\r\n".to_vec(),
        "CLIENT" if words.text(1) == "ID" => b":7\r\n".to_vec(),
        _ => b"+OK\r\n".to_vec(),
    })
    .await
    .unwrap()
}

/// A cache that keeps what it reads.
async fn keeping(fake: &Fake, protocol: Protocol, settings: Cache) -> Cached<Connection> {
    keeping_within(fake, protocol, settings, Budget::default()).await
}

/// The same, with this room for commands.
async fn keeping_within(
    fake: &Fake,
    protocol: Protocol,
    settings: Cache,
    budget: Budget,
) -> Cached<Connection> {
    let config = at(fake.addr().port()).protocol(protocol).budget(budget);
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

/// The one that began last does not bring what is newest if another one had to wait for room, or is sent again.
#[tokio::test]
async fn what_was_read_before_a_read_that_had_to_wait_is_not_served_after_it() {
    let budget = Budget {
        commands: 1,
        ..Budget::default()
    };
    for (protocol, settings) in [
        (Protocol::Resp2, Cache::default()),
        (Protocol::Newest, Cache::default().broadcast(["k"])),
    ] {
        for many in [false, true] {
            let fake = changing().await;
            let cache = keeping_within(&fake, protocol, settings.clone(), budget).await;
            // There is no more room.
            let full = echo(cache.uncached(), "x").send();
            let waiting = mget(&cache, &["k"]).send();
            let alone = get(&cache, "k").send();
            full.await.unwrap();
            // Whoever is not polled when it is called is passed over.
            if many {
                let newer = mget(&cache, &["k"]).deadline(LONG).await.unwrap();
                assert_eq!(newer, [some("old")]);
                assert_eq!(waiting.await.unwrap(), [some("new")]);
                assert_eq!(mget(&cache, &["k"]).await.unwrap(), [some("new")]);
            } else {
                let newer = get(&cache, "k").deadline(LONG).await.unwrap();
                assert_eq!(newer, some("old"));
                assert_eq!(alone.await.unwrap(), some("new"));
                assert_eq!(read(&cache).await, some("new"), "{protocol:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_was_read_before_a_read_that_was_refused_is_not_served_after_it() {
    let gets = AtomicUsize::new(0);
    let fake = Fake::answering(move |words| match words.name().as_str() {
        "GET" if words.text(1) == "k" => match gets.fetch_add(1, Ordering::SeqCst) {
            0 => b"-LOADING the data\r\n".to_vec(),
            1 => b"$3\r\nold\r\n".to_vec(),
            _ => b"$3\r\nnew\r\n".to_vec(),
        },
        "GET" => b"$3\r\nnew\r\n".to_vec(),
        "ECHO" => b"$1\r\nx\r\n".to_vec(),
        _ => b"+OK\r\n".to_vec(),
    })
    .await
    .unwrap();
    let cache = keeping(&fake, Protocol::Newest, Cache::default().broadcast(["k"])).await;
    let refused = get(&cache, "k").send();
    let second = get(&cache, "k").deadline(LONG).await.unwrap();
    assert_eq!(second, some("old"));
    assert_eq!(refused.await.unwrap(), some("new"));
    assert_eq!(read(&cache).await, some("new"));
}
