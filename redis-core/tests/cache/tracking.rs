//! When tracking is on and when it is not, and what is served meanwhile: what a reading of the code has found.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use typedis_core::cluster::{Cluster, slot};
use typedis_core::{Cache, Cached, Client, Connection, Protocol, Run, Script, raw};
use typedis_testkit::ServerKind;
use typedis_testkit::fake::{Answer, Fake, FakeCluster, Peer};

use crate::support::*;

const BUSY: &str =
    "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n";

async fn cache_of(fake: &Fake, settings: Cache) -> Cached<Connection> {
    let conn = Connection::open(at(fake.addr().port())).await.unwrap();
    conn.cached(settings).unwrap()
}

/// Reads some times; returns how many came from memory.
async fn hits_of(cache: &Cached<Connection>, reads: u64) -> u64 {
    let (_, counts) = counted(cache, async {
        for _ in 0..reads {
            assert_eq!(get(cache, "k").await.unwrap().as_deref(), Some("1"));
        }
    })
    .await;
    counts.hits
}

/// A server that answers what comes between the first TRACKING and the first GET, or only a part of it, in its own way.
async fn at_first(answer: fn(&str) -> Option<&'static str>) -> Fake {
    let gets = Arc::new(AtomicUsize::new(0));
    Fake::answering(move |words| {
        let name = match words.name().as_str() {
            "CLIENT" => words.text(1),
            name => name.to_owned(),
        };
        let is_first = gets.load(Ordering::SeqCst) == 0;
        if name == "GET" {
            gets.fetch_add(1, Ordering::SeqCst);
        }
        match answer(&name) {
            Some(own) if is_first => own.as_bytes().to_vec(),
            _ if name == "GET" => b"$1\r\n1\r\n".to_vec(),
            _ => b"+OK\r\n".to_vec(),
        }
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_server_that_was_busy_when_tracking_was_to_begin_is_asked_again() {
    for settings in [
        Cache::default(),
        Cache::default().all_reads(),
        Cache::default().broadcast(["k"]),
    ] {
        let fake = at_first(|name| match name {
            "TRACKING" | "CACHING" | "GET" => Some(BUSY),
            _ => None,
        })
        .await;
        let cache = cache_of(&fake, settings.clone()).await;
        assert!(hits_of(&cache, 5).await > 0, "{settings:?}");
        assert_eq!(cache.stats().tracking, 1, "{settings:?}");
    }
}

/// The script may end between two commands of one write.
#[tokio::test]
async fn a_server_that_was_busy_for_the_first_part_of_a_write_is_asked_again() {
    for settings in [
        Cache::default(),
        Cache::default().all_reads(),
        Cache::default().broadcast(["k"]),
    ] {
        let fake = at_first(|name| match name {
            "TRACKING" => Some(BUSY),
            "CACHING" => Some("-ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled\r\n"),
            _ => None,
        })
        .await;
        let cache = cache_of(&fake, settings.clone()).await;
        assert!(hits_of(&cache, 5).await > 0, "{settings:?}");
        assert_eq!(cache.stats().tracking, 1, "{settings:?}");
    }
}

#[tokio::test]
async fn a_flush_while_tracking_begins_does_not_keep_it_from_beginning() {
    for settings in [Cache::default(), Cache::default().broadcast(["k"])] {
        let fake = at_first(|name| match name {
            "GET" => Some(">2\r\n$10\r\ninvalidate\r\n_\r\n$1\r\n1\r\n"),
            _ => None,
        })
        .await;
        let cache = cache_of(&fake, settings.clone()).await;
        assert!(hits_of(&cache, 5).await > 0, "{settings:?}");
    }
}

/// The read that was to turn tracking on has gone, so nothing is known of tracking; the server may have been told all the
/// same.
#[tokio::test]
async fn tracking_is_turned_off_with_the_handle_even_if_it_does_not_seem_to_be_on() {
    let fake = Fake::answering(|words| match words.name().as_str() {
        "ECHO" => b"$1\r\nx\r\n".to_vec(),
        _ => b"+OK\r\n".to_vec(),
    })
    .await
    .unwrap();
    let conn = Connection::open(at(fake.addr().port())).await.unwrap();
    let cache = conn.cached(Cache::default()).unwrap();
    drop(get(&cache, "k").send());
    assert_eq!(cache.stats().tracking, 0);
    drop(cache);
    echo(&conn, "x").await.unwrap();
    let sent = fake.received(0);
    let off = sent
        .iter()
        .any(|words| *words == ["CLIENT", "TRACKING", "OFF"]);
    assert!(off, "{sent:?}");
}

#[tokio::test]
async fn with_no_loop_a_script_drops_also_what_it_does_not_name() {
    let server = server(ServerKind::Valkey9);
    let line = connect(&server).await;
    let cache = line.cached(Cache::default().no_loop()).unwrap();
    let script = Script::new("return redis.call('SET', 'k', ARGV[1])");
    for round in 0..20 {
        let keys: &[&str] = if round % 2 == 0 { &[] } else { &["a"] };
        for chained in [false, true] {
            get(&cache, "k").await.unwrap();
            let value = format!("{round} {chained}");
            let call = script.call::<()>(keys, &value);
            if chained {
                cache.pipeline().run(call).await.unwrap();
            } else {
                cache.run(call).await.unwrap();
            }
            assert_eq!(get(&cache, "k").await.unwrap(), Some(value));
        }
    }
}

#[tokio::test]
async fn with_no_loop_a_raw_command_drops_also_the_keys_that_it_does_not_mark() {
    let server = server(ServerKind::Valkey9);
    let line = connect(&server).await;
    let cache = line.cached(Cache::default().no_loop()).unwrap();
    for round in 0..20 {
        for chained in [false, true] {
            get(&cache, "k").await.unwrap();
            let value = format!("{round} {chained}");
            let mset = raw("MSET").key("a").arg("1").arg("k").arg(&value);
            if chained {
                cache.pipeline().run(mset.reply::<()>()).await.unwrap();
            } else {
                cache.run(mset.reply::<()>()).await.unwrap();
            }
            assert_eq!(get(&cache, "k").await.unwrap(), Some(value));
        }
    }
}

/// The server does not report what the connection writes itself, and does not say what a raw command writes.
#[tokio::test]
async fn a_raw_command_without_a_key_drops_everything() {
    let server = server(ServerKind::Valkey9);
    let line = connect(&server).await;
    let cache = line.cached(Cache::default().no_loop()).unwrap();
    for round in 0..20 {
        get(&cache, "k").await.unwrap();
        let value = round.to_string();
        let set = raw("SET").arg("k").arg(&value).reply::<()>();
        cache.run(set).await.unwrap();
        assert_eq!(get(&cache, "k").await.unwrap(), Some(value));
    }
}

/// One of the elements is in memory when it is looked for, and is reported as changed while the other one is read.
#[tokio::test]
async fn no_element_of_a_reply_is_older_than_a_report_that_was_read_before_it() {
    let fake = Fake::start(|mut peer: Peer| async move {
        peer.answer_until("MGET", "+OK\r\n").await?;
        peer.send("*1\r\n$1\r\n1\r\n").await?;
        peer.answer_until("MGET", "+OK\r\n").await?;
        peer.send(">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n*1\r\n$1\r\n2\r\n")
            .await?;
        peer.answer_until("MGET", "+OK\r\n").await?;
        peer.send("*2\r\n$1\r\n3\r\n$1\r\n2\r\n").await?;
        peer.until_closed().await
    })
    .await
    .unwrap();
    let cache = cache_of(&fake, Cache::default()).await;
    mget(&cache, &["a"]).await.unwrap();
    let values = mget(&cache, &["a", "b"]).await.unwrap();
    assert_eq!(values, [Some("3".to_owned()), Some("2".to_owned())]);
}

/// One of the elements is on its way when it is looked for, and is reported as changed before the other one is read.
#[tokio::test]
async fn no_element_of_a_reply_is_older_than_a_report_that_was_read_before_another_element() {
    let fake = Fake::start(|mut peer: Peer| async move {
        peer.answer_until("MGET", "+OK\r\n").await?;
        peer.expect(&["CLIENT", "TRACKING", "ON", "OPTIN"]).await?;
        peer.expect(&["CLIENT", "CACHING", "YES"]).await?;
        peer.expect(&["MGET", "b"]).await?;
        peer.send("*1\r\n$1\r\n1\r\n").await?;
        peer.send(">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n")
            .await?;
        peer.send("+OK\r\n+OK\r\n*1\r\n$1\r\n2\r\n").await?;
        peer.answer_until("MGET", "+OK\r\n").await?;
        peer.send("*2\r\n$1\r\n3\r\n$1\r\n2\r\n").await?;
        peer.until_closed().await
    })
    .await
    .unwrap();
    let cache = cache_of(&fake, Cache::default()).await;
    let first = mget(&cache, &["a"]).send();
    let values = mget(&cache, &["a", "b"]).await.unwrap();
    assert_eq!(values, [Some("3".to_owned()), Some("2".to_owned())]);
    assert_eq!(first.await.unwrap(), [Some("1".to_owned())]);
}

#[tokio::test]
async fn of_many_keys_those_whose_slot_no_node_has_are_not_left_out() {
    let fake = FakeCluster::start(2, |asked| match asked.command.name().as_str() {
        "MGET" => {
            let keys = asked.command.bytes().iter().skip(1);
            let mut reply = format!("*{}\r\n", keys.len()).into_bytes();
            for key in keys {
                reply.extend_from_slice(format!("${}\r\n", key.len()).as_bytes());
                reply.extend_from_slice(key);
                reply.extend_from_slice(b"\r\n");
            }
            Answer::Reply(reply)
        }
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let missing = slot("nobody");
    fake.unassign(missing..=missing);
    let config = typedis_core::Config::from_url(&fake.url()).unwrap();
    let cluster = Cluster::open(config.command_timeout(LONG)).await.unwrap();
    let cache = cluster.cached(Cache::default()).unwrap();
    for _ in 0..2 {
        let keys = ["a", "nobody", "b"];
        let values = mget(&cache, &keys).await.unwrap();
        assert_eq!(values, keys.map(|key| Some(key.to_owned())));
    }
}

#[tokio::test]
async fn a_read_that_a_node_sends_elsewhere_is_not_sent_to_it_again_and_again_in_any_mode() {
    for settings in [
        Cache::default(),
        Cache::default().all_reads(),
        Cache::default().broadcast(["foo"]),
    ] {
        let fake = FakeCluster::start(2, |asked| {
            let is_moved = asked.command.text(1) == "foo" && asked.node == 1;
            match asked.command.name().as_str() {
                "GET" if is_moved => Answer::moved(slot("foo"), asked.addr(0)),
                "GET" => Answer::Reply(b"$1\r\nv\r\n".to_vec()),
                _ => Answer::Usual,
            }
        })
        .await
        .unwrap();
        let config = typedis_core::Config::from_url(&fake.url()).unwrap();
        let cluster = Cluster::open(config.command_timeout(LONG)).await.unwrap();
        let cache = cluster.cached(settings).unwrap();
        // The first read turns tracking on; in two of the modes nothing comes before those after it.
        get(&cache, "{foo}2").await.unwrap();
        assert_eq!(get(&cache, "foo").await.unwrap().as_deref(), Some("v"));
        // One time for all who ask, and one time for the caller.
        assert_eq!((fake.count(1, "GET"), fake.count(0, "GET")), (3, 1));
    }
}

/// The socket for reports lives where the other one does.
#[tokio::test]
async fn reports_in_resp2_go_on_when_the_runtime_of_the_first_reader_ends() {
    let server = server(ServerKind::Valkey9);
    let line = Connection::open(at(server.port()).protocol(Protocol::Resp2));
    let cache = line.await.unwrap();
    let cache = cache.cached(Cache::default().max_unheard(LONG)).unwrap();
    let reader = cache.clone();
    let short = std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        runtime.block_on(until_read("the reply is kept", async || {
            get(&reader, "k").await.unwrap();
            reader.stats().replies == 1
        }));
    });
    // This thread goes on with the connection.
    until("the reader has ended", || short.is_finished()).await;
    short.join().unwrap();
    let (_, counts) = counted(&cache, get(&cache, "k")).await;
    assert_eq!(counts.hits, 1);
    assert_eq!(cache.stats().tracking, 1);
}
