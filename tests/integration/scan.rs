//! Scans as streams, and step by step.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::pin::pin;
use std::task::Poll;

use typedis::prelude::*;
use typedis::replies::KeyType;
use typedis::{Cursor, ErrorKind, Result, Stream};
use typedis_testkit::fake::Fake;

use crate::support::{Bench, on_servers};

on_servers! {
    a_scan_finds_every_key;
    options_hold_for_every_page;
    each_kind_of_scan_has_its_elements;
    a_step_gives_the_next_cursor;
    a_scan_goes_on_from_a_saved_cursor;
    a_stream_belongs_to_nobody;
    an_exclusive_connection_lends_itself_to_a_scan;
    what_exists_throughout_is_seen_while_keys_are_written;
    an_error_of_the_server_ends_the_stream;
}

async fn fill(conn: &Connection, count: u32) -> Result<()> {
    conn.pipeline_each(0..count, |cmd, n| cmd.set(format!("key:{n}"), n))
        .await?;
    Ok(())
}

async fn a_scan_finds_every_key(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    fill(&conn, 500).await?;
    let keys: BTreeSet<String> = conn.scan(0).count(50).stream().try_collect().await?;
    assert_eq!(keys.len(), 500);
    assert!(keys.contains("key:0") && keys.contains("key:499"));
    Ok(())
}

async fn options_hold_for_every_page(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    fill(&conn, 300).await?;
    conn.rpush("key:list", "element").await?;
    let some = conn
        .scan(0)
        .matching("key:1*")
        .count(10)
        .of_type(KeyType::String);
    let keys: BTreeSet<String> = some.stream().try_collect().await?;
    // 1, 10 to 19, 100 to 199.
    assert_eq!(keys.len(), 111);
    let lists: Vec<String> = conn
        .scan(0)
        .of_type(KeyType::List)
        .stream()
        .try_collect()
        .await?;
    assert_eq!(lists, ["key:list"]);
    Ok(())
}

async fn each_kind_of_scan_has_its_elements(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    let pairs: Vec<(String, u32)> = (0..600).map(|n| (format!("f{n}"), n)).collect();
    conn.hset("hash", &pairs).await?;
    conn.zadd(
        "zset",
        pairs
            .iter()
            .map(|(f, n)| (f64::from(*n), f))
            .collect::<Vec<_>>(),
    )
    .await?;
    conn.sadd(
        "set",
        pairs.iter().map(|(f, _)| f.as_str()).collect::<Vec<_>>(),
    )
    .await?;

    let hash: BTreeMap<String, u32> = conn.hscan("hash", 0).stream().try_collect().await?;
    assert_eq!(hash, pairs.iter().cloned().collect());
    let zset: Vec<(String, f64)> = conn
        .zscan("zset", 0)
        .count(100)
        .stream()
        .try_collect()
        .await?;
    let zset: BTreeMap<String, f64> = zset.into_iter().collect();
    assert_eq!((zset.len(), zset.get("f599")), (600, Some(&599.0)));
    let set: BTreeSet<String> = conn
        .sscan("set", 0)
        .count(100)
        .stream()
        .try_collect()
        .await?;
    assert_eq!(set, pairs.iter().map(|(f, _)| f.clone()).collect());

    let fields: Result<HashSet<String>> = conn
        .hscan("hash", 0)
        .no_values()
        .stream()
        .try_collect()
        .await;
    assert_eq!(fields?.len(), 600);
    Ok(())
}

async fn a_step_gives_the_next_cursor(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    fill(&conn, 100).await?;
    let mut found = BTreeSet::new();
    let mut cursor = 0;
    loop {
        let (next, keys) = conn.scan::<String>(cursor).count(10).await?;
        found.extend(keys);
        if next == 0 {
            break;
        }
        cursor = next;
    }
    assert_eq!(found.len(), 100);
    Ok(())
}

async fn a_scan_goes_on_from_a_saved_cursor(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    fill(&conn, 400).await?;
    let mut found = BTreeSet::new();
    let mut cursor = Some(Cursor::default());
    let mut scans = 0;
    // A new scan after 30 elements or more, and another handle each time.
    while let Some(at) = cursor.clone() {
        let conn = bench.connect().await;
        let mut keys = conn.scan::<String>(at).count(20).stream();
        let mut read = 0;
        // A page may be larger than that, and is read again from its beginning.
        while read < 30 || keys.cursor() == cursor {
            match keys.try_next().await? {
                Some(key) => found.insert(key),
                None => break,
            };
            read += 1;
        }
        cursor = keys.cursor();
        scans += 1;
    }
    assert_eq!(found.len(), 400);
    assert!(scans > 5, "{scans} scans");
    Ok(())
}

async fn a_stream_belongs_to_nobody(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    pool.mset([("a", 1), ("b", 2)]).await?;
    let keys = {
        let pool = pool.clone();
        pool.scan::<String>(0).stream()
    };
    let keys = tokio::spawn(keys.try_collect::<BTreeSet<_>>());
    let keys = keys.await.expect("the task does not panic")?;
    assert_eq!(keys.len(), 2);
    Ok(())
}

async fn an_exclusive_connection_lends_itself_to_a_scan(bench: Bench) -> Result<()> {
    let own = bench.pool().await.exclusive().await?;
    own.set("a", 1).await?;
    let keys: Vec<String> = own.scan(0).stream().try_collect().await?;
    assert_eq!(keys, ["a"]);
    Ok(())
}

/// How many keys there are throughout; `TYPEDIS_SCAN_KEYS` asks for more.
fn key_count() -> u32 {
    let wanted = std::env::var("TYPEDIS_SCAN_KEYS").ok();
    wanted
        .and_then(|count| count.parse().ok())
        .unwrap_or(20_000)
}

/// The memory of this process in kB; 0 where the system does not tell.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

async fn what_exists_throughout_is_seen_while_keys_are_written(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    let count = key_count();
    for start in (0..count).step_by(10_000) {
        conn.pipeline_each(start..count.min(start + 10_000), |cmd, n| {
            cmd.set(format!("key:{n}"), n)
        })
        .await?;
    }
    let writer = tokio::spawn({
        let conn = bench.connect().await;
        async move {
            // The table grows and shrinks while it is scanned.
            for round in 0.. {
                let passing: Vec<String> =
                    (0..2_000).map(|n| format!("passing:{round}:{n}")).collect();
                conn.pipeline_each(&passing, |cmd, key| cmd.set(key, 1))
                    .await?;
                conn.del(&passing).await?;
            }
            Ok::<(), typedis::Error>(())
        }
    });
    let mut seen = vec![false; count as usize];
    let mut stream = conn.scan::<String>(0).count(1_000).stream();
    let before = resident();
    while let Some(key) = stream.try_next().await? {
        if let Some(n) = key
            .strip_prefix("key:")
            .and_then(|n| n.parse::<usize>().ok())
        {
            seen[n] = true;
        }
    }
    writer.abort();
    let grown = resident().saturating_sub(before);
    println!("{count} keys, {grown} kB more resident, of {before} kB");
    // Other tests share the process, unless this one was asked for by itself.
    if std::env::var_os("TYPEDIS_SCAN_KEYS").is_some() {
        assert!(grown < 16 * 1024, "{grown} kB more after {count} keys");
    }
    let missing = seen.iter().filter(|seen| !**seen).count();
    assert_eq!(missing, 0, "of {count} keys");
    Ok(())
}

async fn an_error_of_the_server_ends_the_stream(bench: Bench) -> Result<()> {
    let conn = bench.connect().await;
    conn.set("text", "no hash").await?;
    let mut fields = conn.hscan::<String, String>("text", 0).stream();
    let error = fields.try_next().await.expect_err("it is no hash");
    assert_eq!(error.command(), Some("HSCAN"));
    assert!(matches!(error.kind(), ErrorKind::Server(_)));
    assert!(fields.next().await.is_none(), "it has ended");
    assert_eq!(fields.cursor(), Some(0.into()), "and nothing was found yet");
    Ok(())
}

/// A server that has this many pages of two keys, of which the fifth fails.
async fn failing() -> std::io::Result<Fake> {
    Fake::answering(|words| {
        if words.name() != "SCAN" {
            return b"+OK\r\n".to_vec();
        }
        match words.text(1).parse::<u64>() {
            Ok(4) => b"-ERR page 4 is broken\r\n".to_vec(),
            Ok(page) => format!(
                "*2\r\n$1\r\n{}\r\n*2\r\n$1\r\na\r\n$1\r\n{page}\r\n",
                page + 1
            )
            .into_bytes(),
            Err(_) => b"-ERR no cursor\r\n".to_vec(),
        }
    })
    .await
}

#[tokio::test]
async fn an_error_on_a_later_page_comes_after_what_was_found() -> Result<()> {
    let fake = failing().await.expect("a port is free");
    let config = typedis::Config::from_url(&fake.url())?.protocol(typedis::Protocol::Resp2);
    let conn = typedis::connect(config).await?;
    let mut keys = conn.scan::<String>(0).stream();
    let mut found = Vec::new();
    let error = loop {
        match keys.next().await {
            Some(Ok(key)) => found.push(key),
            Some(Err(error)) => break error,
            None => panic!("the error was lost"),
        }
    };
    assert_eq!(found, ["a", "0", "a", "1", "a", "2", "a", "3"]);
    assert!(error.to_string().contains("page 4 is broken"), "{error}");
    assert!(keys.next().await.is_none());
    assert_eq!(keys.cursor(), Some(4.into()));

    let mut keys = conn.scan::<String>(0).stream().distinct();
    for expected in ["a", "0", "1", "2", "3"] {
        assert_eq!(keys.try_next().await?.as_deref(), Some(expected));
    }
    Ok(())
}

#[tokio::test]
async fn a_stream_of_a_command_that_had_been_sent_is_an_error_and_not_empty() -> Result<()> {
    let fake = failing().await.expect("a port is free");
    let config = typedis::Config::from_url(&fake.url())?.protocol(typedis::Protocol::Resp2);
    let conn = typedis::connect(config).await?;
    let mut keys = conn.scan::<String>(0).send().stream();
    let error = keys.try_next().await.expect_err("its reply is lost");
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    assert!(keys.next().await.is_none(), "it has ended");
    Ok(())
}

#[tokio::test]
async fn a_stream_asks_for_a_page_when_it_is_polled() -> Result<()> {
    let fake = failing().await.expect("a port is free");
    let config = typedis::Config::from_url(&fake.url())?.protocol(typedis::Protocol::Resp2);
    let conn = typedis::connect(config).await?;
    let scans = || {
        let received = fake.received(0);
        received
            .iter()
            .filter(|words| words.name() == "SCAN")
            .count()
    };
    let mut keys = pin!(conn.scan::<String>(0).stream());
    assert_eq!(scans(), 0);
    for _ in 0..2 {
        let key = std::future::poll_fn(|cx| keys.as_mut().poll_next(cx)).await;
        assert!(matches!(key, Some(Ok(_))));
    }
    // What had been sent before would be ahead of this.
    conn.ping().await?;
    assert_eq!(scans(), 1, "the next page is not asked for ahead");
    let pending = std::future::poll_fn(|cx| Poll::Ready(keys.as_mut().poll_next(cx).is_pending()));
    assert!(pending.await);
    Ok(())
}
