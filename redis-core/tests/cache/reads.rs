//! What is served from memory, and when it is not.

use std::time::Duration;

use tokio::join;
use typedis_core::pubsub::Invalidation;
use typedis_core::{Cache, Client, ErrorKind, Pool, Run, cmd, raw};
use typedis_testkit::ServerKind;

use crate::support::*;

#[tokio::test]
async fn a_read_comes_from_memory_until_somebody_changes_its_key() {
    for kind in SERVERS {
        let server = server(kind);
        let (cache, other) = cached(&server).await;
        set(&other, "k", "1").await.unwrap();
        assert_eq!(get(&cache, "k").await.unwrap().as_deref(), Some("1"));
        let (value, counts) = counted(&cache, get(&cache, "k")).await;
        assert_eq!(value.unwrap().as_deref(), Some("1"));
        assert_eq!((counts.hits, counts.misses), (1, 0), "{kind}");
        set(&other, "k", "22").await.unwrap();
        until_read("the change is seen", async || {
            get(&cache, "k").await.unwrap().as_deref() == Some("22")
        })
        .await;
        assert_eq!(cache.stats().invalidations, 1, "{kind}");
        assert_eq!(cache.stats().tracking, 1, "{kind}");
    }
}

#[tokio::test]
async fn one_entry_serves_every_type() {
    let server = server(ServerKind::Valkey9);
    let (cache, other) = cached(&server).await;
    set(&other, "k", "12").await.unwrap();
    assert_eq!(get(&cache, "k").await.unwrap().as_deref(), Some("12"));
    let (number, counts) = counted(&cache, get_number(&cache, "k")).await;
    assert_eq!((number.unwrap(), counts.hits), (Some(12), 1));
    set(&cache, "k", "x").await.unwrap();
    let error = get_number(&cache, "k").await.unwrap_err();
    assert_eq!(error.command(), Some("GET"));
    // Also from memory.
    let (again, counts) = counted(&cache, get_number(&cache, "k")).await;
    assert_eq!(
        (again.unwrap_err().command(), counts.hits),
        (Some("GET"), 1)
    );
}

#[tokio::test]
async fn that_a_key_is_absent_is_kept_until_it_is_made() {
    for kind in SERVERS {
        let server = server(kind);
        let (cache, other) = cached(&server).await;
        assert_eq!(get(&cache, "k").await.unwrap(), None);
        let (value, counts) = counted(&cache, get(&cache, "k")).await;
        assert_eq!((value.unwrap(), counts.hits), (None, 1), "{kind}");
        set(&other, "k", "1").await.unwrap();
        until_read("the key is seen", async || {
            get(&cache, "k").await.unwrap().is_some()
        })
        .await;
    }
}

#[tokio::test]
async fn all_commands_about_a_key_are_dropped_with_it_and_no_others() {
    let server = server(ServerKind::Valkey9);
    let (cache, other) = cached(&server).await;
    set(&other, "a", "1").await.unwrap();
    set(&other, "b", "1").await.unwrap();
    for key in ["a", "b"] {
        get(&cache, key).await.unwrap();
        strlen(&cache, key).await.unwrap();
    }
    assert_eq!(cache.stats().replies, 4);
    set(&other, "a", "22").await.unwrap();
    until("the report of the change comes", || {
        cache.stats().invalidations == 2
    })
    .await;
    assert_eq!(cache.stats().replies, 2);
    let (_, counts) = counted(&cache, async {
        assert_eq!(get(&cache, "b").await.unwrap().as_deref(), Some("1"));
        assert_eq!(strlen(&cache, "b").await.unwrap(), 1);
    })
    .await;
    assert_eq!(counts.hits, 2);
    assert_eq!(strlen(&cache, "a").await.unwrap(), 2);
}

/// There may be very many of them, so they are not looked for when the change is reported.
#[tokio::test]
async fn a_reply_about_a_part_of_a_key_is_dropped_when_it_is_asked_for_after_a_change() {
    let server = server(ServerKind::Valkey9);
    let (cache, other) = cached(&server).await;
    let write = |value: &'static str| raw("HSET").key("h").args(["f", value]).reply::<i64>();
    other.run(write("1")).await.unwrap();
    for _ in 0..2 {
        assert_eq!(hget(&cache, "h", "f").await.unwrap().as_deref(), Some("1"));
    }
    let mut dropped = cache.dropped();
    other.run(write("2")).await.unwrap();
    told(&mut dropped).await.unwrap();
    let (value, counts) = counted(&cache, hget(&cache, "h", "f")).await;
    assert_eq!(value.unwrap().as_deref(), Some("2"));
    assert_eq!((counts.invalidations, cache.stats().replies), (1, 1));
    let (_, counts) = counted(&cache, hget(&cache, "h", "f")).await;
    assert_eq!((counts.hits, counts.invalidations), (1, 0));
}

#[tokio::test]
async fn a_reply_that_depends_on_several_keys_is_dropped_with_any_of_them() {
    for kind in SERVERS {
        let server = server(kind);
        let (cache, other) = cached(&server).await;
        sadd(&other, "a", "x").await.unwrap();
        assert!(sinter(&cache, &["a", "b"]).await.unwrap().is_empty());
        let (_, counts) = counted(&cache, sinter(&cache, &["a", "b"])).await;
        assert_eq!(counts.hits, 1, "{kind}");
        sadd(&other, "b", "x").await.unwrap();
        until_read("the change of the second key is seen", async || {
            sinter(&cache, &["a", "b"]).await.unwrap() == ["x"]
        })
        .await;
    }
}

#[tokio::test]
async fn what_many_ask_for_at_once_is_sent_once() {
    let server = server(ServerKind::Valkey9);
    let (cache, other) = cached(&server).await;
    set(&other, "k", "1").await.unwrap();
    get(&cache, "warm").await.unwrap();
    let answered = cache.uncached().stats().answered;
    let reads = (0..50).map(|_| get(&cache, "k").send()).collect::<Vec<_>>();
    for read in reads {
        assert_eq!(read.await.unwrap().as_deref(), Some("1"));
    }
    assert_eq!(cache.uncached().stats().answered, answered + 1);
    assert_eq!(cache.stats().shared, 49);
}

#[tokio::test]
async fn a_read_goes_on_when_the_one_who_began_it_goes_away() {
    let server = server(ServerKind::Valkey9);
    let (cache, other) = cached(&server).await;
    set(&other, "k", "1").await.unwrap();
    let first = get(&cache, "k").send();
    let second = get(&cache, "k").send();
    drop(first);
    assert_eq!(second.await.unwrap().as_deref(), Some("1"));
    let (_, counts) = counted(&cache, get(&cache, "k")).await;
    assert_eq!(counts.hits, 1);
    // When all have gone, others begin anew.
    drop((get(&cache, "x").send(), get(&cache, "x").send()));
    let (value, counts) = counted(&cache, get(&cache, "x")).await;
    assert_eq!((value.unwrap(), counts.misses, counts.shared), (None, 1, 0));
}

#[tokio::test]
async fn the_failure_of_a_shared_read_is_everybodys() {
    let server = server(ServerKind::Valkey9);
    let (cache, other) = cached(&server).await;
    sadd(&other, "s", "x").await.unwrap();
    let (a, b) = join!(get(&cache, "s"), get(&cache, "s"));
    for outcome in [a, b] {
        let error = outcome.unwrap_err();
        assert_eq!(error.server().unwrap().code(), "WRONGTYPE");
        assert_eq!(error.command(), Some("GET"));
    }
    assert_eq!(cache.stats().shared, 1);
    // An error is not kept.
    let (_, counts) = counted(&cache, get(&cache, "s")).await;
    assert_eq!((counts.hits, counts.misses), (0, 1));
}

#[tokio::test]
async fn what_is_written_through_the_handle_is_dropped_at_once() {
    for kind in SERVERS {
        let server = server(kind);
        let (cache, _) = cached(&server).await;
        for round in 0..200 {
            let value = round.to_string();
            set(&cache, "k", &value).await.unwrap();
            assert_eq!(get(&cache, "k").await.unwrap(), Some(value), "{kind}");
        }
        get(&cache, "k").await.unwrap();
        flushall(&cache).await.unwrap();
        assert_eq!(get(&cache, "k").await.unwrap(), None, "{kind}");
        let unknown = raw("SET").key("k").arg("raw").reply::<()>();
        cache.run(unknown).await.unwrap();
        assert_eq!(get(&cache, "k").await.unwrap().as_deref(), Some("raw"));
    }
}

#[tokio::test]
async fn what_is_not_cacheable_goes_to_the_server_each_time() {
    let server = server(ServerKind::Valkey9);
    let (cache, _) = cached(&server).await;
    let answered = cache.uncached().stats().answered;
    for _ in 0..3 {
        assert_eq!(echo(&cache, "x").await.unwrap(), "x");
    }
    assert_eq!(cache.uncached().stats().answered, answered + 3);
    let (replies, counts) = counted(&cache, async {
        let (a, b) = get(get(cache.pipeline(), "k"), "k").await.unwrap();
        (a, b)
    })
    .await;
    assert_eq!((replies, counts.hits, counts.misses), ((None, None), 0, 0));
}

#[tokio::test]
async fn a_read_with_a_deadline_is_served_and_kept_but_not_shared() {
    let server = server(ServerKind::Valkey9);
    let (cache, other) = cached(&server).await;
    set(&other, "k", "1").await.unwrap();
    let read = || get(&cache, "k").deadline(LONG);
    let (a, b) = join!(read(), read());
    assert_eq!(a.unwrap(), b.unwrap());
    assert_eq!(cache.stats().shared, 0);
    let (_, counts) = counted(&cache, read()).await;
    assert_eq!(counts.hits, 1);
    // What is in memory needs no time; a read that has none left fails.
    let past = get(&cache, "k").deadline(Duration::ZERO).await;
    assert_eq!(past.unwrap().as_deref(), Some("1"));
    let error = get(&cache, "x").deadline(Duration::ZERO).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    let (_, counts) = counted(&cache, get(&cache, "x")).await;
    assert_eq!(counts.misses, 1);
}

#[tokio::test]
async fn a_time_to_live_ends_what_is_kept() {
    let server = server(ServerKind::Valkey9);
    let cache = connect(&server).await;
    let cache = cache
        .cached(Cache::default().ttl(Duration::from_millis(1)))
        .unwrap();
    until_read("it is read again", async || {
        let (_, counts) = counted(&cache, get(&cache, "k")).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        counts.misses == 1 && cache.stats().misses > 2
    })
    .await;
}

/// Without its active cycle a server removes an expired key, and reports it, only when somebody touches it.
#[tokio::test]
async fn the_time_to_live_of_the_server_ends_what_is_kept() {
    for kind in SERVERS {
        let server = server(kind);
        let (plain, other) = cached(&server).await;
        let line = connect(&server).await;
        let cache = line.cached(Cache::default().server_ttl()).unwrap();
        let debug = raw("DEBUG").arg("SET-ACTIVE-EXPIRE").arg(0).reply::<()>();
        other.run(debug).await.unwrap();
        set(&other, "k", "1").await.unwrap();
        pexpire(&other, "k", 200).await.unwrap();
        set(&other, "stays", "1").await.unwrap();
        get(&cache, "stays").await.unwrap();
        get(&plain, "k").await.unwrap();
        if get(&cache, "k").await.unwrap().is_some() {
            until_read("the key is gone", async || {
                get(&cache, "k").await.unwrap().is_none()
            })
            .await;
        }
        let (_, counts) = counted(&cache, get(&cache, "stays")).await;
        assert_eq!(
            counts.hits, 1,
            "{kind}: a key without a time to live is kept"
        );
    }
}

#[tokio::test]
async fn long_replies_are_not_kept_and_all_are_bounded() {
    let server = server(ServerKind::Valkey9);
    let line = connect(&server).await;
    let other = connect(&server).await;
    let settings = Cache::default().max_bytes(64 * 1024).max_reply_bytes(2_000);
    let cache = line.cached(settings).unwrap();
    set(&other, "long", &"x".repeat(5_000)).await.unwrap();
    for _ in 0..2 {
        assert_eq!(get(&cache, "long").await.unwrap().unwrap().len(), 5_000);
    }
    assert_eq!((cache.stats().hits, cache.stats().replies), (0, 0));
    for number in 0..1_000 {
        let key = format!("k{number}");
        set(&other, &key, &"x".repeat(500)).await.unwrap();
        get(&cache, &key).await.unwrap();
    }
    let stats = cache.stats();
    assert!(stats.bytes <= 64 * 1024 && stats.replies > 20, "{stats:?}");
    assert!(stats.evictions > 800, "{stats:?}");
}

#[tokio::test]
async fn a_pool_reads_each_key_over_one_lane() {
    let server = server(ServerKind::Valkey9);
    let pool = Pool::open(at(server.port()).lanes(3)).await.unwrap();
    let cache = pool.cached(Cache::default()).unwrap();
    let other = connect(&server).await;
    for number in 0..60 {
        let key = format!("k{number}");
        set(&cache, &key, "1").await.unwrap();
        get(&cache, &key).await.unwrap();
        let (_, counts) = counted(&cache, get(&cache, &key)).await;
        assert_eq!(counts.hits, 1);
    }
    assert_eq!(cache.stats().tracking, 3);
    for number in 0..60 {
        set(&other, &format!("k{number}"), "2").await.unwrap();
    }
    until("all reports come", || cache.stats().invalidations == 60).await;
    assert_eq!(get(&cache, "k7").await.unwrap().as_deref(), Some("2"));
    assert!(pool.cached(Cache::default()).is_err());
}

#[tokio::test]
async fn a_connection_has_one_caching_handle_at_a_time() {
    let server = server(ServerKind::Valkey9);
    let conn = connect(&server).await;
    let cache = conn.cached(Cache::default()).unwrap();
    get(&cache, "k").await.unwrap();
    let error = conn.cached(Cache::default()).unwrap_err();
    assert!(error.to_string().contains("clone that handle"), "{error}");
    let clone = cache.clone();
    drop(cache);
    assert!(conn.cached(Cache::default()).is_err());
    drop(clone);
    // The next one may be of another kind: tracking was turned off.
    let cache = conn.cached(Cache::default().broadcast(["k"])).unwrap();
    get(&cache, "k").await.unwrap();
    let (_, counts) = counted(&cache, get(&cache, "k")).await;
    assert_eq!(counts.hits, 1);
}

fn values(values: &[Option<&str>]) -> Vec<Option<String>> {
    values
        .iter()
        .map(|value| value.map(str::to_owned))
        .collect()
}

#[tokio::test]
async fn of_a_read_with_many_keys_only_what_is_missing_is_asked_for() {
    for kind in SERVERS {
        let server = server(kind);
        let (cache, other) = cached(&server).await;
        for (key, value) in [("a", "1"), ("b", "2"), ("c", "3")] {
            set(&other, key, value).await.unwrap();
        }
        let all = values(&[Some("1"), None, Some("3"), Some("1")]);
        let keys = ["a", "x", "c", "a"];
        assert_eq!(mget(&cache, &keys).await.unwrap(), all);
        let (again, counts) = counted(&cache, mget(&cache, &keys)).await;
        assert_eq!(
            (again.unwrap(), counts.hits, counts.misses),
            (all, 4, 0),
            "{kind}"
        );
        let (some, counts) = counted(&cache, mget(&cache, &["b", "a"])).await;
        assert_eq!(some.unwrap(), values(&[Some("2"), Some("1")]));
        assert_eq!((counts.hits, counts.misses), (1, 1), "{kind}");
        set(&other, "c", "33").await.unwrap();
        until("the report comes", || cache.stats().invalidations == 1).await;
        let (some, counts) = counted(&cache, mget(&cache, &["b", "c", "a"])).await;
        assert_eq!(some.unwrap(), values(&[Some("2"), Some("33"), Some("1")]));
        assert_eq!((counts.hits, counts.misses), (2, 1), "{kind}");
    }
}

#[tokio::test]
async fn reads_with_many_keys_wait_for_each_other_key_by_key() {
    let server = server(ServerKind::Valkey9);
    let (cache, other) = cached(&server).await;
    set(&other, "b", "2").await.unwrap();
    get(&cache, "warm").await.unwrap();
    let answered = cache.uncached().stats().answered;
    let first = mget(&cache, &["a", "b"]).send();
    let second = mget(&cache, &["b", "c", "a"]).send();
    drop(first);
    assert_eq!(second.await.unwrap(), values(&[Some("2"), None, None]));
    assert_eq!(cache.uncached().stats().answered, answered + 2);
    assert_eq!(cache.stats().shared, 2);
}

#[tokio::test]
async fn a_pool_reads_many_keys_over_the_lanes_of_each() {
    let server = server(ServerKind::Valkey9);
    let pool = Pool::open(at(server.port()).lanes(3)).await.unwrap();
    let cache = pool.cached(Cache::default()).unwrap();
    let keys: Vec<String> = (0..50).map(|number| format!("k{number}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    for key in &keys {
        set(&cache, key, key).await.unwrap();
    }
    let all: Vec<Option<String>> = keys.iter().map(|key| Some((*key).to_owned())).collect();
    for hits in [0, 50] {
        let (read, counts) = counted(&cache, mget(&cache, &keys)).await;
        assert_eq!((read.unwrap(), counts.hits), (all.clone(), hits));
    }
}

#[tokio::test]
async fn a_value_is_decoded_once_until_its_key_is_changed() {
    let server = server(ServerKind::Valkey9);
    let (cache, other) = cached(&server).await;
    set(&other, "k", "1").await.unwrap();
    let numbers = cache.decoded::<Option<i64>>();
    let first = numbers.get(get_number(cmd(), "k")).await.unwrap();
    let second = numbers.clone().get(get_number(cmd(), "k")).await.unwrap();
    assert_eq!(*first, Some(1));
    assert!(std::sync::Arc::ptr_eq(&first, &second));
    set(&cache, "k", "2").await.unwrap();
    assert_eq!(*numbers.get(get_number(cmd(), "k")).await.unwrap(), Some(2));
    set(&cache, "k", "x").await.unwrap();
    let error = numbers.get(get_number(cmd(), "k")).await.unwrap_err();
    assert_eq!(error.command(), Some("GET"));
}

#[tokio::test]
async fn a_failure_without_a_reply_is_decoded_into_a_type_that_keeps_failures() {
    let server = server(ServerKind::Valkey9);
    let (cache, _) = cached(&server).await;
    type Kept = typedis_core::Result<Option<String>>;
    let values = cache.decoded::<Kept>();
    assert!(cache.uncached().close().await.is_clean());
    let failed = values.get(get(cmd(), "k").with_reply::<Kept>()).await;
    let failed = failed.unwrap();
    let error = failed.as_ref().as_ref().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Closed), "{error}");
    assert_eq!(error.command(), Some("GET"));
}

#[tokio::test]
async fn reported_keys_can_be_listened_to_until_the_handle_is_dropped() {
    let server = server(ServerKind::Valkey9);
    let (cache, other) = cached(&server).await;
    let mut dropped = cache.dropped();
    get(&cache, "k").await.unwrap();
    set(&other, "unread", "1").await.unwrap();
    set(&other, "k", "1").await.unwrap();
    let keys = vec![bytes::Bytes::from("k")];
    assert_eq!(told(&mut dropped).await, Some(Invalidation::Keys(keys)));
    flushall(&other).await.unwrap();
    assert_eq!(told(&mut dropped).await, Some(Invalidation::All));
    drop(cache);
    assert_eq!(told(&mut dropped).await, None);
}

#[tokio::test]
async fn what_a_pipeline_or_transaction_writes_is_dropped_too() {
    for kind in SERVERS {
        for settings in [Cache::default(), Cache::default().no_loop()] {
            let server = server(kind);
            let cache = connect(&server).await.cached(settings).unwrap();
            for round in 0..50 {
                get(&cache, "k").await.unwrap();
                set(cache.pipeline(), "k", &round.to_string())
                    .await
                    .unwrap();
                assert_eq!(get_number(&cache, "k").await.unwrap(), Some(round));
                set(cache.transaction(), "k", "t").await.unwrap();
                assert_eq!(get(&cache, "k").await.unwrap().as_deref(), Some("t"));
                let mut batch = cache.batch();
                let _ = batch.push(set(cmd(), "k", "b"));
                batch.execute().await.unwrap();
                assert_eq!(get(&cache, "k").await.unwrap().as_deref(), Some("b"));
                set(&cache, "k", "alone").await.unwrap();
                assert_eq!(get(&cache, "k").await.unwrap().as_deref(), Some("alone"));
                flushall(cache.pipeline()).await.unwrap();
                assert_eq!(get(&cache, "k").await.unwrap(), None, "{kind}");
            }
        }
    }
}
