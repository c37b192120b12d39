//! Streams over commands that block, and what becomes of the sockets when nobody waits any more.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use typedis::commands::ListEnd;
use typedis::prelude::*;
use typedis::{ErrorKind, Phase, Result, Stream};
use typedis_testkit::{
    ServerKind,
    fake::Fake,
    proxy::{Cut, Proxy},
};

use crate::support::{Bench, LONG, blocked, on_servers, soon};

on_servers! {
    elements_come_as_they_are_pushed;
    a_wait_that_is_dropped_loses_nothing;
    any_blocking_command_can_be_repeated;
    a_command_that_does_not_block_is_refused;
    an_argument_that_cannot_be_sent_ends_the_stream;
    a_handle_that_is_closed_ends_its_streams;
    an_error_is_an_item_and_the_stream_goes_on;
    entries_come_as_they_are_added;
    entries_from_now_on_leave_no_gap;
    an_entry_that_does_not_fit_does_not_hide_the_next;
    a_stream_that_is_named_twice_is_refused;
    a_hundred_cancelled_waits_leave_the_pool_whole;
    what_was_popped_for_nobody_is_reported;
}

async fn elements_come_as_they_are_pushed(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    let mut jobs = pool.listen::<u32>(["urgent", "jobs"]);
    pool.rpush("jobs", [1, 2]).await?;
    assert_eq!(jobs.next().await?, ("jobs".into(), 1));
    pool.rpush("urgent", 9).await?;
    assert_eq!(jobs.next().await?, ("urgent".into(), 9));
    assert_eq!(jobs.next().await?, ("jobs".into(), 2));
    let task = tokio::spawn(async move { jobs.next().await });
    blocked(&bench, 1).await?;
    pool.rpush("jobs", 3).await?;
    let job = task.await.expect("the task does not panic")?;
    assert_eq!(job, ("jobs".into(), 3));
    Ok(())
}

async fn a_wait_that_is_dropped_loses_nothing(bench: Bench) -> Result<()> {
    // A wait that is lost because the server stands still for a moment could take an element along.
    let pool = typedis::pool(bench.config().liveness(10 * LONG)).await?;
    let mut jobs = pool.listen::<u32>(["jobs"]);
    for n in 0..20 {
        tokio::select! {
            job = jobs.next() => panic!("there is nothing yet, but it gave {job:?}"),
            outcome = blocked(&bench, 1) => outcome?,
        }
        // The command goes on while nobody polls, and takes the element.
        pool.rpush("jobs", n).await?;
        assert_eq!(pool.llen("jobs").await?, 0);
        assert_eq!(jobs.next().await?.1, n);
    }
    Ok(())
}

async fn any_blocking_command_can_be_repeated(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    pool.rpush("jobs", [1, 2, 3, 4]).await?;
    let mut jobs = pool
        .blmpop::<u32>(0.01, ["jobs"], ListEnd::Right)
        .count(3)
        .repeat();
    assert_eq!(jobs.next().await?, ("jobs".into(), vec![4, 3, 2]));
    assert_eq!(jobs.next().await?, ("jobs".into(), vec![1]));
    // The time of several calls is up in between.
    let later = tokio::spawn({
        let pool = pool.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            pool.rpush("jobs", 5).await
        }
    });
    assert_eq!(jobs.next().await?.1, [5]);
    later.await.expect("the task does not panic")?;

    let own = pool.exclusive().await?;
    own.zadd("board", (2.0, "ada")).await?;
    let mut board = own.bzpopmin::<String>(["board"], 0).repeat();
    assert_eq!(board.next().await?.1, "ada");
    Ok(())
}

async fn a_command_that_does_not_block_is_refused(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    let mut values = pool.get::<String>("k").repeat();
    let error = values.next().await.expect_err("it would never pause");
    assert_eq!(error.phase(), typedis::Phase::NotSent);
    ends(&mut values).await;
    values.next().await.expect_err("it has ended");
    Ok(())
}

/// Checks that a stream has ended.
async fn ends(stream: &mut (impl Stream + Unpin)) {
    let next = poll_fn(|cx| pin!(&mut *stream).poll_next(cx)).await;
    assert!(next.is_none(), "it has not ended");
}

async fn an_argument_that_cannot_be_sent_ends_the_stream(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    let mut jobs = pool.blpop::<u32>([f64::NAN], 0).repeat();
    let error = jobs.next().await.expect_err("it is no name");
    assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{error}");
    ends(&mut jobs).await;
    Ok(())
}

async fn a_handle_that_is_closed_ends_its_streams(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    let mut jobs = pool.listen::<u32>(["jobs"]);
    let mut readings = pool.tail::<()>([("readings", "$")]);
    assert!(pool.close().await.is_clean(), "nothing is on its way");
    let error = jobs.next().await.expect_err("it is closed");
    assert!(matches!(error.kind(), ErrorKind::Closed), "{error}");
    ends(&mut jobs).await;
    let error = readings.next().await.expect_err("it is closed");
    assert!(matches!(error.kind(), ErrorKind::Closed), "{error}");
    ends(&mut readings).await;
    Ok(())
}

async fn an_error_is_an_item_and_the_stream_goes_on(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    pool.set("jobs", "no list").await?;
    let mut jobs = pool.listen::<u32>(["jobs"]);
    let error = jobs.next().await.expect_err("it is no list");
    assert_eq!(error.command(), Some("BLPOP"));
    pool.del("jobs").await?;
    pool.rpush("jobs", ["one", "2"]).await?;
    let error = jobs.next().await.expect_err("a word is no number");
    assert!(error.into_reply().is_some(), "what was popped is kept");
    assert_eq!(jobs.next().await?.1, 2);
    Ok(())
}

#[derive(Debug, PartialEq, FromRedis, ToRedis)]
struct Reading {
    sensor: String,
    value: i64,
}

fn reading(value: i64) -> Reading {
    Reading {
        sensor: "roof".to_owned(),
        value,
    }
}

async fn entries_come_as_they_are_added(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    for n in 0..250 {
        pool.xadd("a", "*", reading(n)).await?;
    }
    let mut entries = pool.tail::<Reading>([("a", "0"), ("b", "0")]);
    for n in 0..250 {
        let (stream, entry) = entries.next().await?;
        assert_eq!((stream.as_str(), entry.fields), ("a", reading(n)));
    }
    let id = pool.xadd("b", "*", reading(7)).await?;
    let (stream, entry) = entries.next().await?;
    assert_eq!(
        (stream.as_str(), entry.id, entry.fields),
        ("b", id, reading(7))
    );
    let places: Vec<String> = entries
        .positions()
        .map(|(_, place)| place.to_string())
        .collect();
    assert_eq!(places[1], id.to_string());
    Ok(())
}

async fn entries_from_now_on_leave_no_gap(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    pool.xadd("a", "*", reading(1)).await?;
    let mut entries = pool.tail::<Reading>([("a", "$")]);
    tokio::select! {
        entry = entries.next() => panic!("what is there already is left out, but not {entry:?}"),
        outcome = blocked(&bench, 1) => outcome?,
    }
    for n in 2..100 {
        pool.xadd("a", "*", reading(n)).await?;
        if n % 7 == 0 {
            assert_eq!(entries.next().await?.1.fields, reading(n / 7 + 1));
        }
    }
    Ok(())
}

async fn an_entry_that_does_not_fit_does_not_hide_the_next(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    let odd = pool.xadd("roofs", "*", [("colour", "red")]).await?;
    pool.xadd("roofs", "*", reading(1)).await?;
    let mut entries = pool.tail::<Reading>([("b", "0"), ("roofs", "0")]);
    let error = entries.next().await.expect_err("it has other fields");
    // The stream is named by its place, because errors show no keys.
    let text = error.to_string();
    assert!(text.contains(&format!("[1].{odd}: ")), "{text}");
    assert!(!text.contains("roofs"), "{text}");
    assert_eq!(entries.next().await?.1.fields, reading(1));
    Ok(())
}

async fn a_stream_that_is_named_twice_is_refused(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    pool.xadd("a", "*", reading(1)).await?;
    let mut entries = pool.tail::<Reading>([("a", "0"), ("b", "0"), ("a", "5")]);
    let error = entries.next().await.expect_err("each has one place");
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    assert!(error.to_string().contains("`a` is named twice"), "{error}");
    ends(&mut entries).await;
    let error = entries.next().await.expect_err("it has ended");
    assert!(error.to_string().contains("has ended"), "{error}");
    Ok(())
}

async fn a_hundred_cancelled_waits_leave_the_pool_whole(bench: Bench) -> Result<()> {
    let pool = typedis::pool(bench.config().leases(100)).await?;
    let whole = pool.available();
    assert_eq!(whole, 100);
    let waits: Vec<_> = (0..100)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.blpop::<String>(["jobs"], 0).await })
        })
        .collect();
    blocked(&bench, 100).await?;
    assert_eq!(pool.available(), 0);
    let start = Instant::now();
    waits.iter().for_each(JoinHandle::abort);
    while pool.available() < whole {
        assert!(start.elapsed() < LONG, "{} of {whole}", pool.available());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("whole again after {:?}", start.elapsed());
    // Nobody is left on the server who would take it.
    pool.rpush("jobs", "first").await?;
    assert_eq!(pool.llen("jobs").await?, 1);
    let job = pool.blpop::<String>(["jobs"], 1).await?;
    assert_eq!(job.map(|(_, job)| job).as_deref(), Some("first"));
    Ok(())
}

async fn what_was_popped_for_nobody_is_reported(bench: Bench) -> Result<()> {
    const PUSHES: u32 = 10_000;
    let pool = typedis::pool(bench.config().leases(16)).await?;
    let unclaimed = Arc::new(Mutex::new(Vec::new()));
    pool.on_unclaimed({
        let unclaimed = unclaimed.clone();
        move |reply| {
            assert_eq!(reply.command(), "BLPOP");
            let (_, n) = reply.decode::<(String, u32)>().expect("it is an element");
            unclaimed.lock().expect("no test panics with it").push(n);
        }
    });
    let ended = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..8_u64)
        .map(|reader| {
            let (pool, ended) = (pool.clone(), ended.clone());
            tokio::spawn(async move {
                let mut taken = Vec::new();
                for round in 0_u64.. {
                    if ended.load(Ordering::Relaxed) {
                        break;
                    }
                    let patience = Duration::from_micros(200 + (round * 37 + reader * 101) % 1_500);
                    let wait = pool.blpop::<u32>(["jobs"], 0);
                    if let Ok(popped) = tokio::time::timeout(patience, wait).await {
                        taken.extend(popped?.map(|(_, n)| n));
                    }
                }
                Ok::<_, typedis::Error>(taken)
            })
        })
        .collect();
    for start in (0..PUSHES).step_by(20) {
        pool.rpush("jobs", (start..start + 20).collect::<Vec<_>>())
            .await?;
        // Readers are to wait for elements as often as elements for readers.
        soon(async {
            let has_failed = || readers.iter().any(JoinHandle::is_finished);
            while pool.llen("jobs").await? > 0 && !has_failed() {
                tokio::task::yield_now().await;
            }
            Ok::<(), typedis::Error>(())
        })
        .await?;
    }
    ended.store(true, Ordering::Relaxed);
    let mut all = Vec::new();
    for reader in readers {
        all.extend(soon(reader).await.expect("the task does not panic")?);
    }
    let start = Instant::now();
    while pool.available() < 16 {
        let out = 16 - pool.available();
        assert!(start.elapsed() < LONG, "{out} are out");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let taken = all.len();
    all.extend(pool.lrange::<u32>("jobs", 0, -1).await?);
    let reported = std::mem::take(&mut *unclaimed.lock().expect("no test panics with it"));
    println!(
        "{taken} taken, {} reported, {} left",
        reported.len(),
        all.len() - taken
    );
    all.extend(reported);
    all.sort_unstable();
    assert_eq!(all, (0..PUSHES).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test]
async fn a_stream_of_a_command_that_had_been_sent_ends_after_an_error() -> Result<()> {
    let fake = Fake::answering(|_| b"+OK\r\n".to_vec()).await;
    let url = fake.as_ref().expect("a port is free").url();
    let pool = typedis::pool(typedis::Config::from_url(&url)?.protocol(typedis::Protocol::Resp2));
    let pool = pool.await?;
    let mut jobs = pool.blpop::<u32>(["jobs"], 1).send().repeat();
    let first = poll_fn(|cx| pin!(&mut jobs).poll_next(cx)).await;
    let error = first.expect("it says why").expect_err("its reply is lost");
    assert!(error.to_string().contains("had been sent"), "{error}");
    ends(&mut jobs).await;
    jobs.next().await.expect_err("it has not come back");
    Ok(())
}

#[tokio::test]
async fn a_connection_that_is_lost_amid_a_wait_says_that_something_may_have_been_popped()
-> Result<()> {
    let bench = Bench::new(ServerKind::Valkey9, typedis::Protocol::Newest);
    let proxy = Proxy::start(bench.database.server().addr())
        .await
        .expect("a port is free");
    let url = format!("{}/{}", proxy.url(), bench.database.number());
    let pool = typedis::pool(url.as_str()).await?;
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.blpop::<String>(["jobs"], 0).await }
    });
    blocked(&bench, 1).await?;
    proxy.cut_all(Cut::Reset);
    let outcome = waiting.await.expect("the task does not panic");
    let error = outcome.expect_err("its socket was lost");
    assert_eq!(
        (error.command(), error.phase()),
        (Some("BLPOP"), Phase::MaybeApplied)
    );
    // Neither is the pool the smaller for it.
    pool.rpush("jobs", "first").await?;
    let job = pool.blpop::<String>(["jobs"], 1).await?;
    assert_eq!(job.map(|(_, job)| job).as_deref(), Some("first"));
    assert_eq!(
        pool.available(),
        Pool::open(bench.config()).await?.available()
    );
    Ok(())
}

#[tokio::test]
async fn a_tail_goes_on_after_lost_connections() -> Result<()> {
    let bench = Bench::new(ServerKind::Valkey9, typedis::Protocol::Newest);
    let proxy = Proxy::start(bench.database.server().addr())
        .await
        .expect("a port is free");
    let url = format!("{}/{}", proxy.url(), bench.database.number());
    let through = typedis::pool(url.as_str()).await?;
    let direct = bench.connect().await;
    let mut entries = through.tail::<Reading>([("a", "0")]);
    let mut seen = BTreeMap::new();
    for n in 0..100 {
        direct.xadd("a", "*", reading(n)).await?;
        if n % 10 == 5 {
            proxy.cut_all(Cut::Reset);
        }
        while let Ok(next) = tokio::time::timeout(Duration::from_millis(20), entries.next()).await {
            if let Ok((_, entry)) = next {
                *seen.entry(entry.fields.value).or_insert(0) += 1;
            }
        }
    }
    soon(async {
        while seen.len() < 100 {
            if let Ok((_, entry)) = entries.next().await {
                *seen.entry(entry.fields.value).or_insert(0) += 1;
            }
        }
    })
    .await;
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");
    Ok(())
}

/// Servers before 7.0.8 take less than a millisecond for no limit at all, and 0.001 seconds for less than a millisecond.
#[tokio::test]
async fn the_shortest_wait_ends_on_every_server() -> typedis::Result<()> {
    for kind in [
        typedis_testkit::ServerKind::Redis6,
        typedis_testkit::ServerKind::Valkey9,
    ] {
        let bench = Bench::new(kind, typedis::Protocol::Newest);
        let pool = bench.pool().await;
        for micros in [1, 500, 1_000, 1_001, 2_000, 3_000, 7_000, 11_000] {
            let wait = Duration::from_micros(micros);
            let waits = async {
                let (left, right) = (ListEnd::Left, ListEnd::Right);
                assert_eq!(pool.blpop::<String>(["none"], wait).await?, None);
                assert_eq!(pool.brpop::<String>(["none"], wait).await?, None);
                assert_eq!(
                    pool.blmove::<String>("none", "other", left, right, wait)
                        .await?,
                    None
                );
                assert_eq!(pool.bzpopmin::<String>(["none"], wait).await?, None);
                assert_eq!(pool.bzpopmax::<String>(["none"], wait).await?, None);
                typedis::Result::<()>::Ok(())
            };
            let ended = tokio::time::timeout(Duration::from_secs(9), waits).await;
            ended.unwrap_or_else(|_| panic!("{kind:?} waits for ever in place of {wait:?}"))?;
        }
    }
    Ok(())
}
