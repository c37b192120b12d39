//! Reports that come at the worst moment, lost sockets and refusals, on a scripted server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use typedis_core::{Budget, Cache, Cached, Connection, Protocol};
use typedis_testkit::fake::{Fake, Peer};

use crate::support::*;

const CHANGED: &str = ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n";

/// A server that accepts everything else with OK, and answers GET and MGET with these bytes, one after another, the last one
/// again and again.
pub(crate) async fn answering_gets(replies: &'static [&'static str]) -> Fake {
    let gets = Arc::new(AtomicUsize::new(0));
    Fake::answering(move |words| match words.name().as_str() {
        "GET" | "MGET" => {
            let number = gets.fetch_add(1, Ordering::SeqCst).min(replies.len() - 1);
            replies[number].as_bytes().to_vec()
        }
        _ => b"+OK\r\n".to_vec(),
    })
    .await
    .unwrap()
}

pub(crate) async fn cache_of(fake: &Fake, settings: Cache) -> Cached<Connection> {
    let conn = Connection::open(at(fake.addr().port())).await.unwrap();
    conn.cached(settings).unwrap()
}

pub(crate) async fn read(cache: &Cached<Connection>) -> Option<String> {
    get(cache, "k").await.unwrap()
}

/// Reads twice, and returns the values and whether the second came from memory.
async fn read_twice(replies: &'static [&'static str]) -> (Option<String>, Option<String>, bool) {
    let fake = answering_gets(replies).await;
    let cache = cache_of(&fake, Cache::default()).await;
    let first = read(&cache).await;
    // All that came in one piece with the first reply has been read by now.
    let (second, counts) = counted(&cache, read(&cache)).await;
    (first, second, counts.hits == 1)
}

pub(crate) fn some(value: &str) -> Option<String> {
    Some(value.to_owned())
}

#[tokio::test]
async fn a_reply_is_kept_if_nothing_is_reported() {
    assert_eq!(
        read_twice(&["$1\r\n1\r\n", "$1\r\n2\r\n"]).await,
        (some("1"), some("1"), true)
    );
}

#[tokio::test]
async fn a_report_that_comes_before_the_reply_of_a_read_keeps_it_from_being_kept() {
    let replies = &[
        ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n$1\r\n1\r\n",
        "$1\r\n2\r\n",
    ];
    assert_eq!(read_twice(replies).await, (some("1"), some("2"), false));
}

#[tokio::test]
async fn a_report_that_comes_right_behind_a_reply_drops_it() {
    let replies = &[
        "$1\r\n1\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n",
        "$1\r\n2\r\n",
    ];
    assert_eq!(read_twice(replies).await, (some("1"), some("2"), false));
}

#[tokio::test]
async fn a_flush_drops_what_is_kept_and_what_is_on_its_way() {
    for replies in [
        &[">2\r\n$10\r\ninvalidate\r\n_\r\n$1\r\n1\r\n", "$1\r\n2\r\n"],
        &["$1\r\n1\r\n>2\r\n$10\r\ninvalidate\r\n_\r\n", "$1\r\n2\r\n"],
        // What cannot be read may mean any key.
        &[
            "$1\r\n1\r\n>2\r\n$10\r\ninvalidate\r\n:7\r\n",
            "$1\r\n2\r\n",
        ],
        &[
            "$1\r\n1\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n*0\r\n",
            "$1\r\n2\r\n",
        ],
    ] {
        assert_eq!(read_twice(replies).await, (some("1"), some("2"), false));
    }
}

#[tokio::test]
async fn who_asks_after_a_report_does_not_get_the_reply_that_was_asked_for_before_it() {
    let (report, reported) = tokio::sync::oneshot::channel::<()>();
    let reported = std::sync::Mutex::new(Some(reported));
    let fake = Fake::start(move |mut peer: Peer| {
        let reported = reported.lock().unwrap().take();
        async move {
            peer.answer_until("GET", "+OK\r\n").await?;
            if let Some(reported) = reported {
                let _ = reported.await;
            }
            peer.send(CHANGED).await?;
            // CLIENT CACHING YES and the second GET come before the first reply is sent.
            peer.expect(&["CLIENT", "TRACKING", "ON", "OPTIN"]).await?;
            peer.expect(&["CLIENT", "CACHING", "YES"]).await?;
            peer.expect(&["GET", "k"]).await?;
            peer.send("$1\r\n1\r\n+OK\r\n+OK\r\n$1\r\n2\r\n").await?;
            peer.until_closed().await
        }
    })
    .await
    .unwrap();
    let cache = cache_of(&fake, Cache::default()).await;
    let before = get(&cache, "k").send();
    report.send(()).unwrap();
    // Joining is possible until the report was read.
    tokio::time::timeout(LONG, async {
        while fake.received(0).len() < 9 {
            drop(get(&cache, "k").send());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(before.await.unwrap().as_deref(), Some("1"));
}

#[tokio::test]
async fn a_read_that_was_given_up_while_it_waited_for_room_holds_up_nobody() {
    let (answer, answered) = tokio::sync::oneshot::channel::<()>();
    let answered = std::sync::Mutex::new(Some(answered));
    let fake = Fake::start(move |mut peer: Peer| {
        let answered = answered.lock().unwrap().take();
        async move {
            peer.answer_until("ECHO", "+OK\r\n").await?;
            if let Some(answered) = answered {
                let _ = answered.await;
            }
            peer.send("$1\r\n1\r\n").await?;
            peer.answer_until("SET", "+OK\r\n").await?;
            peer.send("+OK\r\n").await?;
            peer.until_closed().await
        }
    })
    .await
    .unwrap();
    let budget = Budget {
        commands: 1,
        ..Budget::default()
    };
    let config = at(fake.addr().port()).budget(budget);
    let conn = Connection::open(config).await.unwrap();
    let cache = conn.cached(Cache::default()).unwrap();
    // There is no more room.
    let first = echo(&conn, "1").send();
    let mut waiting = Box::pin(async { get(&cache, "k").await });
    let once = std::future::poll_fn(|cx| {
        assert!(waiting.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    });
    once.await;
    drop(waiting);
    answer.send(()).unwrap();
    assert_eq!(first.await.unwrap(), "1");
    let next = set(&conn, "k", "2");
    tokio::time::timeout(LONG, next).await.unwrap().unwrap();
}

#[tokio::test]
async fn nothing_is_left_of_a_lost_socket() {
    let fake = Fake::start(|mut peer: Peer| async move {
        peer.answer_until("GET", "+OK\r\n").await?;
        let value = peer.number() + 1;
        peer.send(format!("$1\r\n{value}\r\n")).await?;
        // The first socket is lost at the second read, which is sent once more on the next socket.
        peer.answer_until("GET", "+OK\r\n").await?;
        if peer.number() > 0 {
            peer.send("$1\r\n3\r\n").await?;
            peer.until_closed().await?;
        }
        Ok(())
    })
    .await
    .unwrap();
    let cache = cache_of(&fake, Cache::default()).await;
    assert_eq!(read(&cache).await.as_deref(), Some("1"));
    assert_eq!(read(&cache).await.as_deref(), Some("1"));
    let other = get(&cache, "x").await.unwrap();
    assert_eq!(other.as_deref(), Some("2"));
    assert_eq!(cache.stats().replies, 0, "it was sent on two sockets");
    assert_eq!(read(&cache).await.as_deref(), Some("3"));
    assert_eq!(cache.stats().replies, 1);
    let sent = fake.received(1);
    assert!(
        sent.iter()
            .any(|words| *words == ["CLIENT", "TRACKING", "ON", "OPTIN"]),
        "{sent:?}"
    );
}

#[tokio::test]
async fn nothing_is_kept_if_the_server_refuses_to_report() {
    let fake = Fake::answering(|words| match words.name().as_str() {
        "GET" => b"$1\r\n1\r\n".to_vec(),
        "CLIENT" if words.text(1) != "SETINFO" => b"-ERR unknown subcommand\r\n".to_vec(),
        _ => b"+OK\r\n".to_vec(),
    })
    .await
    .unwrap();
    let cache = cache_of(&fake, Cache::default()).await;
    for _ in 0..3 {
        assert_eq!(read(&cache).await.as_deref(), Some("1"));
    }
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.tracking), (0, 3, 0));
    let sent = fake.received(0);
    let asked = sent.iter().filter(|words| words.text(1) == "TRACKING");
    assert_eq!(asked.count(), 1);
}

#[tokio::test]
async fn nothing_is_kept_if_a_read_was_not_opted_in() {
    let asked = Arc::new(AtomicUsize::new(0));
    let fake = Fake::answering(move |words| match words.name().as_str() {
        "GET" => b"$1\r\n1\r\n".to_vec(),
        // The second read is not tracked, as if somebody had turned tracking off.
        "CLIENT" if words.text(1) == "CACHING" && asked.fetch_add(1, Ordering::SeqCst) == 1 => {
            b"-ERR CLIENT CACHING can be called only when the client is in tracking mode\r\n"
                .to_vec()
        }
        _ => b"+OK\r\n".to_vec(),
    })
    .await
    .unwrap();
    let cache = cache_of(&fake, Cache::default()).await;
    read(&cache).await;
    assert_eq!(cache.stats().replies, 1);
    get(&cache, "x").await.unwrap();
    // Whether what was read before is still reported is not known either.
    assert_eq!((cache.stats().replies, cache.stats().tracking), (0, 0));
    read(&cache).await;
    assert_eq!((cache.stats().replies, cache.stats().tracking), (1, 1));
}

/// A server accepts CLIENT TRACKING in RESP2 too, and then reports nothing.
#[tokio::test]
async fn nothing_is_kept_in_resp2_as_long_as_there_is_no_socket_for_reports() {
    // It answers HELLO on the second socket with an error, so that this one speaks RESP2 as well.
    let fake = Fake::answering(|words| match words.name().as_str() {
        "GET" => b"$1\r\n1\r\n".to_vec(),
        "HELLO" => b"-ERR unknown command\r\n".to_vec(),
        "CLIENT" if words.text(1) == "ID" => b":7\r\n".to_vec(),
        _ => b"+OK\r\n".to_vec(),
    })
    .await
    .unwrap();
    for protocol in [Protocol::Resp2, Protocol::Newest] {
        let config = at(fake.addr().port()).protocol(protocol);
        let conn = Connection::open(config).await.unwrap();
        let cache = conn.cached(Cache::default()).unwrap();
        for _ in 0..20 {
            read(&cache).await;
            tokio::task::yield_now().await;
        }
        assert_eq!((cache.stats().hits, cache.stats().replies), (0, 0));
    }
}

/// A second socket could lead to the other server, where the number of the first one's client means nothing.
#[tokio::test]
async fn nothing_is_kept_in_resp2_if_the_socket_for_reports_may_lead_to_another_server() {
    let fake = Fake::answering(|words| match words.name().as_str() {
        "GET" => b"$1\r\n1\r\n".to_vec(),
        "HELLO" if words.text(1) == "3" => b"%1\r\n$5\r\nproto\r\n:3\r\n".to_vec(),
        "CLIENT" if words.text(1) == "ID" => b":7\r\n".to_vec(),
        _ => b"+OK\r\n".to_vec(),
    })
    .await
    .unwrap();
    let (host, port) = (fake.addr().ip().to_string(), fake.addr().port());
    let one = at(port).protocol(Protocol::Resp2);
    let conn = Connection::open(one.clone()).await.unwrap();
    let cache = conn.cached(Cache::default()).unwrap();
    let mut reads = 0;
    until_read("reads of one server are kept", async || {
        reads += 1;
        read(&cache).await;
        cache.stats().hits > 0
    })
    .await;
    let conn = Connection::open(one.or_tcp(host, port)).await.unwrap();
    let cache = conn.cached(Cache::default()).unwrap();
    // More than were needed before.
    for _ in 0..reads * 2 + 200 {
        read(&cache).await;
        tokio::task::yield_now().await;
    }
    assert_eq!((cache.stats().hits, cache.stats().replies), (0, 0));
}

#[tokio::test]
async fn a_value_whose_key_was_gone_right_behind_it_is_not_kept() {
    let fake = Fake::answering(|words| match words.name().as_str() {
        "GET" if *words == ["GET", "k"] => b"$1\r\n1\r\n".to_vec(),
        "GET" => b"_\r\n".to_vec(),
        "MGET" => b"*2\r\n$1\r\n1\r\n_\r\n".to_vec(),
        "PTTL" => b":-2\r\n".to_vec(),
        _ => b"+OK\r\n".to_vec(),
    });
    let fake = fake.await.unwrap();
    let cache = cache_of(&fake, Cache::default().server_ttl()).await;
    for _ in 0..2 {
        read(&cache).await;
    }
    assert_eq!(cache.stats().replies, 0);
    mget(&cache, &["k", "m"]).await.unwrap();
    assert_eq!(cache.stats().replies, 1, "that a key is absent is kept");
    for _ in 0..2 {
        assert_eq!(get(&cache, "absent").await.unwrap(), None);
    }
    assert_eq!((cache.stats().replies, cache.stats().hits), (2, 1));
}

#[tokio::test]
async fn a_read_that_is_refused_for_a_reason_that_goes_away_is_sent_again() {
    let replies = &[
        "-LOADING Redis is loading the dataset in memory\r\n",
        "$1\r\n1\r\n",
    ];
    let fake = answering_gets(replies).await;
    let cache = cache_of(&fake, Cache::default()).await;
    assert_eq!(read(&cache).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn every_key_of_a_long_report_is_dropped() {
    let fake = Fake::start(|mut peer: Peer| async move {
        for number in 0..100 {
            peer.answer_until("GET", "+OK\r\n").await?;
            peer.send(format!("$2\r\n{number:02}\r\n")).await?;
        }
        peer.answer_until("GET", "+OK\r\n").await?;
        let keys: String = (0..100)
            .map(|number| format!("$3\r\nk{number:02}\r\n"))
            .collect();
        peer.send(format!(
            ">2\r\n$10\r\ninvalidate\r\n*100\r\n{keys}$1\r\nx\r\n"
        ))
        .await?;
        peer.until_closed().await
    })
    .await
    .unwrap();
    let cache = cache_of(&fake, Cache::default()).await;
    for number in 0..100 {
        get(&cache, &format!("k{number:02}")).await.unwrap();
    }
    assert_eq!(cache.stats().replies, 100);
    get(&cache, "other").await.unwrap();
    let stats = cache.stats();
    assert_eq!((stats.replies, stats.invalidations), (1, 100));
}

#[tokio::test]
async fn all_reads_and_broadcasting_keep_nothing_before_tracking_is_on() {
    for (settings, enabling) in [
        (
            Cache::default().all_reads(),
            vec![vec!["CLIENT", "TRACKING", "ON"]],
        ),
        (
            Cache::default().broadcast(["k", "x"]).no_loop(),
            vec![
                vec!["CLIENT", "TRACKING", "OFF"],
                vec![
                    "CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "k", "PREFIX", "x", "NOLOOP",
                ],
            ],
        ),
    ] {
        let fake = Fake::start(move |mut peer: Peer| {
            let enabling = enabling.clone();
            async move {
                peer.expect(&["HELLO", "3"]).await?;
                peer.send("+OK\r\n").await?;
                for _ in 0..2 {
                    peer.command().await?;
                    peer.send("+OK\r\n").await?;
                }
                for words in &enabling {
                    peer.expect(words).await?;
                    peer.send("+OK\r\n").await?;
                }
                for value in 1.. {
                    if peer.command().await?.is_none() {
                        break;
                    }
                    peer.send(format!("$1\r\n{value}\r\n")).await?;
                }
                Ok(())
            }
        })
        .await
        .unwrap();
        let cache = cache_of(&fake, settings).await;
        for _ in 0..3 {
            assert_eq!(read(&cache).await.as_deref(), Some("1"));
        }
        assert_eq!((cache.stats().hits, cache.stats().tracking), (2, 1));
        drop(cache);
        fake.finish().await.unwrap();
    }
}
