//! What servers report, and what they do not: each trap of the protocol that a cache can fall into.

use std::time::Duration;

use typedis_core::pubsub::Invalidation;
use typedis_core::{Cache, Connection, Protocol, Run, raw};
use typedis_testkit::ServerKind;

use crate::support::*;

/// Waits until a value is seen through the cache.
async fn until_value(cache: &typedis_core::Cached<Connection>, key: &str, value: Option<&str>) {
    until_read("the change is seen", async || {
        get(cache, key).await.unwrap().as_deref() == value
    })
    .await;
}

/// Keys are tracked by their names, whatever their database, and a report uses the tracking up.
#[tokio::test]
async fn a_change_of_the_same_name_in_another_database_drops_a_reply_but_hides_no_change() {
    for kind in SERVERS {
        let server = server(kind);
        let (cache, here) = cached(&server).await;
        let there = Connection::open(at(server.port()).database(1))
            .await
            .unwrap();
        set(&here, "k", "1").await.unwrap();
        get(&cache, "k").await.unwrap();
        set(&there, "k", "other").await.unwrap();
        until("the report comes", || cache.stats().invalidations == 1).await;
        assert_eq!(
            get(&cache, "k").await.unwrap().as_deref(),
            Some("1"),
            "{kind}"
        );
        set(&here, "k", "2").await.unwrap();
        until_value(&cache, "k", Some("2")).await;
    }
}

#[tokio::test]
async fn a_flush_of_another_database_drops_everything() {
    for kind in SERVERS {
        let server = server(kind);
        let (cache, _) = cached(&server).await;
        get(&cache, "k").await.unwrap();
        let there = Connection::open(at(server.port()).database(1))
            .await
            .unwrap();
        there.run(raw("FLUSHDB").reply::<()>()).await.unwrap();
        until("all is dropped", || cache.stats().replies == 0).await;
    }
}

/// SWAPDB is not reported: what is swapped through the handle is dropped, what others swap is seen after the time to live.
#[tokio::test]
async fn swapped_databases_are_seen_at_once_by_whoever_swaps_and_later_by_others() {
    for kind in SERVERS {
        let server = server(kind);
        let ttl = Duration::from_millis(300);
        let line = connect(&server).await;
        let cache = line.cached(Cache::default().ttl(ttl)).unwrap();
        let other = connect(&server).await;
        set(&other, "k", "1").await.unwrap();
        get(&cache, "k").await.unwrap();
        swapdb(&cache).await.unwrap();
        assert_eq!(get(&cache, "k").await.unwrap(), None, "{kind}");
        let flushes = cache.stats().flushes;
        swapdb(&other).await.unwrap();
        // The reply to a later command would come behind a report.
        echo(&cache, "x").await.unwrap();
        assert_eq!(cache.stats().flushes, flushes, "{kind} reports it now");
        until_value(&cache, "k", Some("1")).await;
    }
}

/// The server drops the key from its table when this connection writes it, and reports nothing.
#[tokio::test]
async fn without_reports_of_own_writes_later_writes_of_others_are_seen() {
    for kind in SERVERS {
        let server = server(kind);
        let line = connect(&server).await;
        let cache = line.cached(Cache::default().no_loop()).unwrap();
        let other = connect(&server).await;
        for round in 0..20 {
            get(&cache, "k").await.unwrap();
            let own = format!("own {round}");
            set(&cache, "k", &own).await.unwrap();
            assert_eq!(get(&cache, "k").await.unwrap(), Some(own), "{kind}");
            let theirs = format!("theirs {round}");
            set(&other, "k", &theirs).await.unwrap();
            until_value(&cache, "k", Some(&theirs)).await;
        }
    }
}

/// Redis 6.2 and 7.0 put the report into the array of EXEC, where it is no element.
#[tokio::test]
async fn a_report_within_the_reply_of_a_transaction_is_no_part_of_it() {
    for kind in SERVERS {
        let server = server(kind);
        let (cache, _) = cached(&server).await;
        let mut dropped = cache.dropped();
        get(&cache, "k").await.unwrap();
        let transaction = set(cache.uncached().transaction(), "k", "2");
        let ((), value) = get(transaction, "k").await.unwrap();
        assert_eq!(value.as_deref(), Some("2"), "{kind}");
        let keys = vec![bytes::Bytes::from("k")];
        assert_eq!(told(&mut dropped).await, Some(Invalidation::Keys(keys)));
        assert_eq!(get(&cache, "k").await.unwrap().as_deref(), Some("2"));
    }
}

/// Before its own reply, in Redis 6.2; after it elsewhere.
#[tokio::test]
async fn a_write_through_the_handle_beneath_is_reported_as_that_of_any_other() {
    for kind in SERVERS {
        let server = server(kind);
        let (cache, _) = cached(&server).await;
        get(&cache, "k").await.unwrap();
        set(cache.uncached(), "k", "1").await.unwrap();
        until_value(&cache, "k", Some("1")).await;
        get(&cache, "k").await.unwrap();
        flushall(cache.uncached()).await.unwrap();
        until_value(&cache, "k", None).await;
    }
}

/// A change of the time to live is reported, and the end of it.
#[tokio::test]
async fn an_expired_key_is_reported() {
    for kind in SERVERS {
        let server = server(kind);
        let (cache, other) = cached(&server).await;
        set(&other, "k", "1").await.unwrap();
        get(&cache, "k").await.unwrap();
        pexpire(&other, "k", 5).await.unwrap();
        until("the time to live is reported", || {
            cache.stats().invalidations > 0
        })
        .await;
        until_value(&cache, "k", None).await;
    }
}

/// When a field of a hash is given a time to live, and when it is removed.
#[tokio::test]
async fn an_expired_field_of_a_hash_is_reported() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8] {
        let server = server(kind);
        let (cache, other) = cached(&server).await;
        let mut dropped = cache.dropped();
        let set = raw("HSET")
            .key("h")
            .args(["f", "1", "stays", "1"])
            .reply::<i64>();
        other.run(set).await.unwrap();
        hget(&cache, "h", "f").await.unwrap();
        let expire = raw("HPEXPIRE").key("h").args(["5", "FIELDS", "1", "f"]);
        other.run(expire.reply::<Vec<i64>>()).await.unwrap();
        let keys = vec![bytes::Bytes::from("h")];
        assert_eq!(told(&mut dropped).await, Some(Invalidation::Keys(keys)));
        until_read("the field is gone", async || {
            hget(&cache, "h", "f").await.unwrap().is_none()
        })
        .await;
    }
}

#[tokio::test]
async fn a_connection_that_the_server_ends_is_tracked_anew() {
    let server = server(ServerKind::Valkey9);
    let (cache, _) = cached(&server).await;
    get(&cache, "k").await.unwrap();
    let other = connect(&server).await;
    let kill = raw("CLIENT KILL")
        .arg("TYPE")
        .arg("normal")
        .arg("SKIPME")
        .arg("yes");
    let flushes = cache.stats().flushes;
    other.run(kill.reply::<u64>()).await.unwrap();
    until("the loss is noticed", || cache.stats().flushes > flushes).await;
    assert_eq!((cache.stats().replies, cache.stats().tracking), (0, 0));
    set(&other, "k", "1").await.unwrap();
    assert_eq!(get(&cache, "k").await.unwrap().as_deref(), Some("1"));
    let (_, counts) = counted(&cache, get(&cache, "k")).await;
    assert_eq!(counts.hits, 1, "it is tracked on the new socket");
}

/// In RESP2 reports come on a second socket. When that one is lost, the server says nothing on the first.
#[tokio::test]
async fn the_loss_of_the_socket_for_reports_hides_no_change() {
    // Redis 6.2 does not list the protocol of a client.
    for kind in [ServerKind::Valkey9, ServerKind::Valkey8, ServerKind::Redis8] {
        let server = server(kind);
        let config = at(server.port())
            .protocol(Protocol::Resp2)
            .client_name("reads");
        let line = Connection::open(config).await.unwrap();
        let cache = line.cached(Cache::default()).unwrap();
        let other = connect(&server).await;
        for round in 0..3 {
            let value = format!("{round}");
            set(&other, "k", &value).await.unwrap();
            until_value(&cache, "k", Some(&value)).await;
            until_read("it is kept", async || {
                counted(&cache, get(&cache, "k")).await.1.hits == 1
            })
            .await;
            // All connections but the one that asks are killed, the one for reports among them.
            let list = raw("CLIENT LIST").reply::<String>();
            let list = other.run(list).await.unwrap();
            let flushes = cache.stats().flushes;
            for client in list.lines().filter(|client| client.contains("flags=")) {
                let field = |name: &str| {
                    let mut fields = client.split(' ');
                    fields
                        .find_map(|field| field.strip_prefix(name))
                        .unwrap_or_default()
                };
                if field("resp=") == "3" && !field("cmd=").starts_with("client|list") {
                    let kill = raw("CLIENT KILL").arg("ID").arg(field("id="));
                    other.run(kill.reply::<u64>()).await.unwrap();
                }
            }
            until("the loss is noticed", || cache.stats().flushes > flushes).await;
        }
        set(&other, "k", "last").await.unwrap();
        until_value(&cache, "k", Some("last")).await;
    }
}

/// A server that is told to track few keys forgets some, and reports each as changed.
#[tokio::test]
async fn what_the_server_forgets_is_read_again() {
    let server = server(ServerKind::Valkey9);
    let (cache, other) = cached(&server).await;
    let limit = raw("CONFIG SET").arg("tracking-table-max-keys").arg(3);
    other.run(limit.reply::<()>()).await.unwrap();
    for number in 0..20 {
        get(&cache, &format!("k{number}")).await.unwrap();
    }
    until("keys are forgotten", || cache.stats().invalidations >= 15).await;
    for number in 0..20 {
        set(&other, &format!("k{number}"), "1").await.unwrap();
    }
    for number in 0..20 {
        until_value(&cache, &format!("k{number}"), Some("1")).await;
    }
}

/// The reports of a turn of the server's loop come together, behind the replies of later commands.
#[tokio::test]
async fn broadcasting_reports_what_was_never_read_too() {
    for kind in SERVERS {
        let server = server(kind);
        let line = connect(&server).await;
        let cache = line.cached(Cache::default().broadcast(["user:"])).unwrap();
        let other = connect(&server).await;
        get(&cache, "user:1").await.unwrap();
        let mut dropped = cache.dropped();
        set(&other, "user:2", "1").await.unwrap();
        let keys = vec![bytes::Bytes::from("user:2")];
        assert_eq!(
            told(&mut dropped).await,
            Some(Invalidation::Keys(keys)),
            "{kind}"
        );
        set(&other, "user:1", "1").await.unwrap();
        until_value(&cache, "user:1", Some("1")).await;
        let (_, counts) = counted(&cache, async {
            get(&cache, "other").await.unwrap();
            get(&cache, "other").await.unwrap();
        })
        .await;
        assert_eq!(counts.hits, 0, "its changes are not reported");
    }
}
