//! A read that was sent, and whose caller does not look for its reply: who asks for the same later gets nothing that is too old.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use typedis_core::{Budget, Cache, Cached, Connection};

use crate::races::{answering_gets, cache_of, read, some};
use crate::support::*;

/// All that was sent before is answered by now.
async fn all_is_answered(cache: &Cached<Connection>) {
    echo(cache.uncached(), "x").await.unwrap();
}

#[tokio::test]
async fn a_reply_that_has_come_is_in_memory_before_its_caller_looks_for_it() {
    for settings in [Cache::default(), Cache::default().broadcast(["k"])] {
        let fake = answering_gets(&["$1\r\n1\r\n", "*1\r\n$1\r\n2\r\n"]).await;
        let cache = cache_of(&fake, settings).await;
        let unpolled = get(&cache, "k").send();
        all_is_answered(&cache).await;
        let (value, counts) = counted(&cache, read(&cache)).await;
        assert_eq!((value, counts.hits, counts.misses), (some("1"), 1, 0));
        assert_eq!(unpolled.await.unwrap(), some("1"));
        let unpolled = mget(&cache, &["k"]).send();
        all_is_answered(&cache).await;
        let (value, counts) = counted(&cache, mget(&cache, &["k"])).await;
        assert_eq!(value.unwrap(), [some("2")]);
        assert_eq!((counts.hits, counts.misses), (1, 0));
        assert_eq!(unpolled.await.unwrap(), [some("2")]);
    }
}

#[tokio::test]
async fn tracking_has_begun_when_the_server_says_so_and_not_when_the_caller_hears_of_it() {
    let fake = answering_gets(&["$1\r\n1\r\n"]).await;
    let cache = cache_of(&fake, Cache::default().broadcast(["k"])).await;
    let unpolled = get(&cache, "k").send();
    all_is_answered(&cache).await;
    get(&cache, "k2").await.unwrap();
    let (_, counts) = counted(&cache, get(&cache, "k2")).await;
    assert_eq!((counts.hits, cache.stats().tracking), (1, 1));
    drop(unpolled);
}

#[tokio::test]
async fn who_asks_later_than_max_unheard_does_not_get_a_reply_from_before() {
    const LONGEST: Duration = Duration::from_millis(50);
    let fake = answering_gets(&["$1\r\n1\r\n", "$1\r\n2\r\n"]).await;
    let cache = cache_of(&fake, Cache::default().max_unheard(LONGEST)).await;
    let begun = Instant::now();
    let unpolled = get(&cache, "k").send();
    until_read("the time is over", async || {
        all_is_answered(&cache).await;
        begun.elapsed() > LONGEST
    })
    .await;
    assert_eq!(read(&cache).await, some("2"));
    assert_eq!(unpolled.await.unwrap(), some("1"));
}

/// Longer than everything else in these tests; the clock stands still meanwhile.
pub(crate) const LATER: Duration = Duration::from_secs(30);

/// Counts GET and MGET, and answers each with its number; but the first `held` replies are sent together with the next one.
async fn number(mut stream: Stream, held: usize) {
    let (mut reads, mut replies) = (0, String::new());
    while let Some(words) = command(&mut stream).await {
        match words[0].as_str() {
            "GET" => {
                reads += 1;
                replies += &format!("$1\r\n{reads}\r\n");
            }
            "MGET" => {
                reads += 1;
                replies += &format!("*1\r\n$1\r\n{reads}\r\n");
            }
            "ECHO" => {
                reads += 1;
                replies += "$1\r\nx\r\n";
            }
            _ => replies += "+OK\r\n",
        }
        if reads > 0 && reads <= held {
            continue;
        }
        let sent = std::mem::take(&mut replies);
        if stream.write_all(sent.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A connection to a server of which the first replies are held.
pub(crate) async fn numbered(held: usize, budget: Budget) -> Connection {
    let config = in_memory(move |stream| number(stream, held)).budget(budget);
    Connection::open(config.command_timeout(LATER / 2))
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn who_asks_after_the_time_to_live_does_not_get_a_reply_from_before() {
    for held in [0, 1] {
        let settings = || Cache::default().max_unheard(LONG * 10).ttl(LATER / 4);
        let conn = numbered(held, Budget::default()).await;
        let cache = conn.cached(settings()).unwrap();
        let unpolled = get(&cache, "k").send();
        tokio::time::sleep(LATER / 3).await;
        assert_eq!(read(&cache).await, some("2"));
        assert_eq!(unpolled.await.unwrap(), some("1"));
        let conn = numbered(held, Budget::default()).await;
        let cache = conn.cached(settings()).unwrap();
        let unpolled = mget(&cache, &["k"]).send();
        tokio::time::sleep(LATER / 3).await;
        assert_eq!(mget(&cache, &["k"]).await.unwrap(), [some("2")]);
        assert_eq!(unpolled.await.unwrap(), [some("1")]);
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_after_the_deadline_of_another_has_his_own() {
    let cache = numbered(1, Budget::default()).await;
    let cache = cache.cached(Cache::default()).unwrap();
    let unpolled = get(&cache, "k").send();
    tokio::time::sleep(LATER).await;
    assert_eq!(read(&cache).await, some("2"));
    assert!(unpolled.await.unwrap_err().is_timeout());
}

/// Nobody has looked whether there is room for it, so it has not failed yet.
#[tokio::test(start_paused = true)]
async fn who_asks_after_the_deadline_of_another_that_waited_for_room_has_his_own() {
    let budget = Budget {
        commands: 1,
        ..Budget::default()
    };
    let config = in_memory(echo_slowly)
        .budget(budget)
        .command_timeout(LATER / 2);
    let conn = Connection::open(config).await.unwrap();
    let cache = conn.cached(Cache::default()).unwrap();
    let first = echo(&conn, "x").send();
    let unpolled = get(&cache, "k").send();
    tokio::time::sleep(LATER).await;
    assert!(first.await.unwrap_err().is_timeout());
    assert_eq!(read(&cache).await, some("1"));
    drop(unpolled);
}

/// Answers ECHO later than its caller waits.
async fn echo_slowly(mut stream: Stream) {
    while let Some(words) = command(&mut stream).await {
        let reply: &[u8] = match words[0].as_str() {
            "GET" => b"$1\r\n1\r\n",
            "ECHO" => {
                tokio::time::sleep(LATER * 2 / 3).await;
                b"$1\r\nx\r\n"
            }
            _ => b"+OK\r\n",
        };
        if stream.write_all(reply).await.is_err() {
            return;
        }
    }
}
