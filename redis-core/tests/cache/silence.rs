//! Nothing is served from a connection whose reads were not answered for too long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use typedis_core::{Cache, Connection, Protocol};
use typedis_testkit::fake::{Fake, Peer};

use crate::races::{answering_gets, cache_of, read};
use crate::support::*;

#[tokio::test]
async fn nothing_is_served_from_a_connection_that_was_silent_for_too_long() {
    let fake = answering_gets(&["$1\r\n1\r\n"]).await;
    const LONGEST: Duration = Duration::from_millis(50);
    let cache = cache_of(&fake, Cache::default().max_unheard(LONGEST)).await;
    let (mut sent, mut served) = (0, 0);
    // The server was heard at this time at the latest.
    let mut heard = Instant::now();
    until_read(
        "reads go to the server, and come from memory in between",
        async || {
            let asked = Instant::now();
            let (_, counts) = counted(&cache, read(&cache)).await;
            (sent, served) = (sent + counts.misses, served + counts.hits);
            if counts.misses > 0 {
                heard = Instant::now();
            } else {
                let silence = asked.saturating_duration_since(heard);
                assert!(silence <= LONGEST, "served after {silence:?}");
            }
            sent >= 4 && served > 0
        },
    )
    .await;
}

/// A report may have waited in a buffer for as long as the process slept.
#[tokio::test]
async fn a_report_does_not_show_that_the_server_is_alive_now() {
    let fake = Fake::answering(|words| match words.name().as_str() {
        "GET" => b"$1\r\n1\r\n".to_vec(),
        "ECHO" => b">2\r\n$10\r\ninvalidate\r\n*1\r\n$5\r\nother\r\n$1\r\nx\r\n".to_vec(),
        _ => b"+OK\r\n".to_vec(),
    });
    let fake = fake.await.unwrap();
    const LONGEST: Duration = Duration::from_millis(50);
    let cache = cache_of(&fake, Cache::default().max_unheard(LONGEST)).await;
    read(&cache).await;
    let heard = Instant::now();
    until_read("the time is over", async || {
        echo(&cache, "x").await.unwrap();
        heard.elapsed() > LONGEST
    })
    .await;
    let (_, counts) = counted(&cache, read(&cache)).await;
    assert_eq!((counts.hits, counts.misses), (0, 1));
}

/// The other socket, on which its reports would come, is alive: that says nothing about this one.
#[tokio::test]
async fn nothing_is_served_in_resp2_from_a_connection_that_was_silent_for_too_long() {
    let is_silent = Arc::new(AtomicBool::new(false));
    let silent = is_silent.clone();
    let asked = Arc::new(AtomicUsize::new(0));
    let asking = asked.clone();
    let fake = Fake::start(move |mut peer: Peer| {
        let (is_silent, asking) = (is_silent.clone(), asking.clone());
        async move {
            while let Some(words) = peer.command().await? {
                let reply: &[u8] = match words.name().as_str() {
                    _ if peer.number() == 0 && is_silent.load(Ordering::SeqCst) => b"",
                    "GET" => b"$1\r\n1\r\n",
                    "HELLO" if words.text(1) == "3" => b"%1\r\n$5\r\nproto\r\n:3\r\n",
                    "CLIENT" if words.text(1) == "ID" => {
                        asking.fetch_add(1, Ordering::SeqCst);
                        b":7\r\n"
                    }
                    _ => b"+OK\r\n",
                };
                peer.send(reply).await?;
            }
            Ok(())
        }
    })
    .await
    .unwrap();
    const LONGEST: Duration = Duration::from_millis(50);
    let config = at(fake.addr().port()).protocol(Protocol::Resp2);
    let conn = Connection::open(config).await.unwrap();
    let cache = conn.cached(Cache::default().max_unheard(LONGEST)).unwrap();
    until_read("reads are kept", async || {
        read(&cache).await;
        cache.stats().hits > 0
    })
    .await;
    silent.store(true, Ordering::SeqCst);
    let heard = Instant::now();
    until("the time is over", || heard.elapsed() > LONGEST).await;
    let (before, hits) = (asked.load(Ordering::SeqCst), cache.stats().hits);
    let mut reads = Vec::new();
    // Each read that is not in memory asks the other socket.
    until("the other socket was asked some times", || {
        let other = format!("other {}", reads.len());
        for key in ["k", other.as_str()] {
            reads.push(get(&cache, key).send());
        }
        asked.load(Ordering::SeqCst) > before + 3
    })
    .await;
    assert_eq!(cache.stats().hits, hits);
}

/// The socket for reports leads to a server that hangs, and nothing bounds how long it is waited for.
#[tokio::test]
async fn nobody_waits_for_the_socket_for_reports_of_a_cache_that_is_gone() {
    let fake = Fake::answering(|words| match words.name().as_str() {
        "GET" => b"$1\r\n1\r\n".to_vec(),
        "HELLO" if words.text(1) == "3" => b"%1\r\n$5\r\nproto\r\n:3\r\n".to_vec(),
        "CLIENT" if words.text(1) == "ID" => Vec::new(),
        _ => b"+OK\r\n".to_vec(),
    });
    let fake = fake.await.unwrap();
    let config = at(fake.addr().port()).protocol(Protocol::Resp2);
    let conn = Connection::open(config.command_timeout(None).liveness(None))
        .await
        .unwrap();
    let cache = conn.cached(Cache::default()).unwrap();
    read(&cache).await;
    until("the server is asked for the number", || {
        let asked = fake.received(1);
        asked.iter().any(|words| *words == ["CLIENT", "ID"])
    })
    .await;
    drop(cache);
    until("the socket is closed", || fake.open_connections() == 1).await;
}
