//! What a worker leaves to others when it is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use typedis::prelude::*;
use typedis::{Acknowledge, Config, Job, Protocol, Result, WorkerEvent};
use typedis_testkit::fake::Fake;

use crate::support::{Bench, on_servers, soon};
use crate::worker::{Order, Seen, add, count, note, worker};

on_servers! {
    a_stop_finishes_the_entry_in_hand_and_gives_back_the_rest;
    what_is_given_back_was_not_delivered;
    what_others_have_taken_over_is_left_to_them;
    a_stop_leaves_nothing_where_delivery_acknowledges;
}

async fn a_stop_finishes_the_entry_in_hand_and_gives_back_the_rest(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    add(&pool, 0..10).await?;
    let stop = Arc::new(Notify::new());
    let long = Duration::from_secs(3_600);
    let work =
        worker(&pool, "one")
            .claim_after(long)
            .run_until(stop.notified(), |_: Job<Order>| {
                stop.notify_one();
                async {
                    tokio::task::yield_now().await;
                    Ok::<(), String>(())
                }
            });
    let tally = soon(work).await?;
    assert_eq!((tally.done, tally.failed), (1, 0));
    assert_eq!(pool.xpending("orders", "shop").await?.count, 9);
    let (seen, all) = (Seen::default(), Arc::new(Notify::new()));
    let work =
        worker(&pool, "two")
            .claim_after(long)
            .run_until(all.notified(), |job: Job<Order>| {
                if note(&seen, job.fields.number) == 9 {
                    all.notify_one();
                }
                async { Ok::<(), String>(()) }
            });
    assert_eq!(soon(work).await?.claimed, 9);
    Ok(())
}

async fn what_is_given_back_was_not_delivered(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    add(&pool, 0..10).await?;
    let long = Duration::from_secs(3_600);
    let strict = |consumer| {
        let worker = worker(&pool, consumer).claim_after(long);
        worker.dead_letter("orders:dead", 1)
    };
    // Of each worker only one entry is begun.
    for consumer in ["one", "two"] {
        let stop = Arc::new(Notify::new());
        let work = strict(consumer).run_until(stop.notified(), |job: Job<Order>| {
            assert_eq!(job.deliveries, 1);
            stop.notify_one();
            async { Ok::<(), String>(()) }
        });
        let tally = soon(work).await?;
        assert_eq!((tally.done, tally.dead), (1, 0));
    }
    let (seen, all) = (Seen::default(), Arc::new(Notify::new()));
    let work = strict("three").run_until(all.notified(), |job: Job<Order>| {
        assert_eq!(job.deliveries, 1);
        if note(&seen, job.fields.number) == 8 {
            all.notify_one();
        }
        async { Ok::<(), String>(()) }
    });
    let tally = soon(work).await?;
    assert_eq!((tally.done, tally.claimed, tally.dead), (8, 8, 0));
    assert_eq!(pool.xlen("orders:dead").await?, 0);
    Ok(())
}

async fn what_others_have_taken_over_is_left_to_them(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    add(&pool, 0..3).await?;
    let second = pool.xrange::<Order>("orders", "-", "+").await?[1].id;
    let stop = Arc::new(Notify::new());
    let long = Duration::from_secs(3_600);
    let work =
        worker(&pool, "one")
            .claim_after(long)
            .run_until(stop.notified(), |_: Job<Order>| async {
                let taken = pool.xclaim_justid("orders", "shop", "other", 0, [second]);
                let taken = taken.await.map_err(|error| error.to_string());
                stop.notify_one();
                taken.map(drop)
            });
    assert_eq!(soon(work).await?.done, 1);
    let pending = pool.xpending_range("orders", "shop", "-", "+", 10).await?;
    let owners: Vec<&str> = pending.iter().map(|entry| &*entry.consumer).collect();
    assert_eq!(owners, ["other", "one"]);
    let hour = i64::try_from(long.as_millis()).expect("it is short");
    assert!(pending[0].idle < hour, "others would take it at once");
    assert!(pending[1].idle >= hour, "it was given back");
    Ok(())
}

async fn a_stop_leaves_nothing_where_delivery_acknowledges(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    add(&pool, 0..3).await?;
    let stop = Arc::new(Notify::new());
    let work = worker(&pool, "one")
        .acknowledge(Acknowledge::OnDelivery)
        .run_until(stop.notified(), |_: Job<Order>| {
            stop.notify_one();
            async { Ok::<(), String>(()) }
        });
    assert_eq!(soon(work).await?.done, 3);
    Ok(())
}

/// A server that has an entry for the first reader, once it is told so. Each of its sockets knows nothing of the others.
async fn one_entry(reading: Arc<Notify>, stopped: Arc<Notify>) -> std::io::Result<Fake> {
    const ENTRY: &[u8] =
        b"*1\r\n*2\r\n$6\r\norders\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$6\r\nnumber\r\n$1\r\n7\r\n";
    Fake::start(move |mut peer| {
        let (reading, stopped) = (reading.clone(), stopped.clone());
        async move {
            while let Some(command) = peer.command().await? {
                let reply: &[u8] = match command.name().as_str() {
                    "XAUTOCLAIM" => b"*3\r\n$3\r\n0-0\r\n*0\r\n*0\r\n",
                    "XREADGROUP" => {
                        reading.notify_one();
                        stopped.notified().await;
                        ENTRY
                    }
                    "XPENDING" => b"*1\r\n*4\r\n$3\r\n1-1\r\n$3\r\none\r\n:0\r\n:1\r\n",
                    "XCLAIM" => b"*1\r\n$3\r\n1-1\r\n",
                    _ => b"+OK\r\n",
                };
                peer.send(reply).await?;
            }
            Ok(())
        }
    })
    .await
}

#[tokio::test]
async fn an_entry_that_comes_with_the_stop_is_worked_on_where_delivery_acknowledges() -> Result<()>
{
    let (reading, stopped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let fake = one_entry(reading.clone(), stopped.clone()).await;
    let url = fake.as_ref().expect("a port is free").url();
    let pool = typedis::pool(Config::from_url(&url)?.protocol(Protocol::Resp2)).await?;
    let stop = async {
        reading.notified().await;
        // The server has not answered yet.
        stopped.notify_one();
    };
    let seen = Seen::default();
    let work = worker(&pool, "one")
        .acknowledge(Acknowledge::OnDelivery)
        .run_until(stop, |job: Job<Order>| {
            note(&seen, job.fields.number);
            async { Ok::<(), String>(()) }
        });
    assert_eq!(soon(work).await?.done, 1);
    assert_eq!(count(&seen), 1);
    Ok(())
}

#[tokio::test]
async fn an_entry_that_comes_with_the_stop_was_not_delivered() -> Result<()> {
    let (reading, stopped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let fake = one_entry(reading.clone(), stopped.clone()).await;
    let fake = fake.expect("a port is free");
    let pool = typedis::pool(Config::from_url(&fake.url())?.protocol(Protocol::Resp2)).await?;
    let stop = async {
        reading.notified().await;
        // The server has not answered yet.
        stopped.notify_one();
    };
    let work = worker(&pool, "one").run_until(stop, |_: Job<Order>| async { Ok::<(), String>(()) });
    assert_eq!(soon(work).await?.done, 0);
    let received = (0..fake.connections()).flat_map(|number| fake.received(number));
    let given_back: Vec<_> = received.filter(|words| words.name() == "XCLAIM").collect();
    assert_eq!(given_back.len(), 1);
    let words = given_back[0].bytes();
    let is_count = |two: &[Vec<u8>]| two[0] == b"RETRYCOUNT" && two[1] == b"0";
    assert!(words.windows(2).any(is_count), "{given_back:?}");
    Ok(())
}

/// A server that has an entry for the first who takes over what is pending, and none for readers. Whoever acknowledges it loses
/// the connection, if `loses` says so.
async fn one_pending_entry(reading: Arc<Notify>, loses: bool) -> std::io::Result<Fake> {
    const NONE: &[u8] = b"*3\r\n$3\r\n0-0\r\n*0\r\n*0\r\n";
    const ENTRY: &[u8] =
        b"*3\r\n$3\r\n0-0\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$6\r\nnumber\r\n$1\r\n7\r\n*0\r\n";
    const PENDING: &[u8] = b"*1\r\n*4\r\n$3\r\n1-1\r\n$3\r\none\r\n:0\r\n:2\r\n";
    let taken = Arc::new(AtomicBool::new(false));
    Fake::start(move |mut peer| {
        let (reading, taken) = (reading.clone(), taken.clone());
        async move {
            while let Some(command) = peer.command().await? {
                let reply: &[u8] = match command.name().as_str() {
                    "XAUTOCLAIM" if taken.swap(true, Ordering::Relaxed) => NONE,
                    "XAUTOCLAIM" => ENTRY,
                    "XPENDING" => PENDING,
                    "XACK" if loses => return Ok(()),
                    "XACK" => b":1\r\n",
                    "XREADGROUP" => {
                        reading.notify_one();
                        b"*-1\r\n"
                    }
                    _ => b"+OK\r\n",
                };
                peer.send(reply).await?;
            }
            Ok(())
        }
    })
    .await
}

#[tokio::test]
async fn a_stop_amid_what_was_taken_over_reads_nothing_more_where_delivery_acknowledges()
-> Result<()> {
    let fake = one_pending_entry(Arc::default(), false).await;
    let fake = fake.expect("a port is free");
    let pool = typedis::pool(Config::from_url(&fake.url())?.protocol(Protocol::Resp2)).await?;
    let stop = Notify::new();
    let work = worker(&pool, "one")
        .acknowledge(Acknowledge::OnDelivery)
        .run_until(stop.notified(), |_: Job<Order>| {
            stop.notify_one();
            async { Ok::<(), String>(()) }
        });
    assert_eq!(soon(work).await?.done, 1);
    let mut received = (0..fake.connections()).flat_map(|number| fake.received(number));
    assert!(received.all(|command| command.name() != "XREADGROUP"));
    Ok(())
}

#[tokio::test]
async fn what_may_have_been_acknowledged_is_worked_on() -> Result<()> {
    let reading = Arc::new(Notify::new());
    let fake = one_pending_entry(reading.clone(), true).await;
    let url = fake.as_ref().expect("a port is free").url();
    let pool = typedis::pool(Config::from_url(&url)?.protocol(Protocol::Resp2)).await?;
    let interruptions = Arc::new(AtomicUsize::new(0));
    let work = worker(&pool, "one")
        .acknowledge(Acknowledge::OnDelivery)
        .on_event({
            let interruptions = interruptions.clone();
            move |event| {
                if let WorkerEvent::Interrupted(error) = event {
                    assert_eq!(error.command(), Some("XACK"), "{error}");
                    interruptions.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
        .run_until(reading.notified(), |job: Job<Order>| async move {
            assert_eq!((job.deliveries, job.fields.number), (2, 7));
            Ok::<(), String>(())
        });
    let tally = soon(work).await?;
    assert_eq!((tally.claimed, tally.done), (1, 1));
    assert_eq!(interruptions.load(Ordering::Relaxed), 1);
    Ok(())
}
