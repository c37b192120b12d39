//! The work of a stream's consumer group.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use typedis::prelude::*;
use typedis::{Acknowledge, Backoff, ErrorKind, Job, Result, Worker, WorkerEvent};
use typedis_testkit::ServerKind;
use typedis_testkit::proxy::{Cut, Proxy};

use crate::support::{Bench, on_servers, soon};

on_servers! {
    every_entry_is_worked_on_and_acknowledged;
    what_fails_is_delivered_again_and_then_buried;
    what_does_not_fit_is_buried_with_its_fields;
    what_a_dead_worker_held_is_taken_over;
    nothing_is_pending_where_delivery_acknowledges;
    what_was_pending_before_is_acknowledged_when_it_is_taken_over;
    a_handle_that_was_closed_ends_its_worker;
    a_group_that_is_deleted_is_made_again;
    an_entry_that_was_deleted_while_pending_is_passed_over;
}

#[derive(Debug, Clone, PartialEq, FromRedis, ToRedis)]
pub(crate) struct Order {
    pub(crate) number: u32,
}

/// What was worked on, and how often.
pub(crate) type Seen = Arc<Mutex<BTreeMap<u32, u64>>>;

pub(crate) fn note(seen: &Seen, number: u32) -> usize {
    let mut seen = seen.lock().expect("no test panics with it");
    *seen.entry(number).or_default() += 1;
    seen.len()
}

pub(crate) fn count(seen: &Seen) -> usize {
    seen.lock().expect("no test panics with it").len()
}

pub(crate) fn worker(pool: &Pool, consumer: &str) -> Worker {
    Worker::new(pool, "orders", "shop", consumer).claim_after(Duration::from_millis(60))
}

/// Waits until a condition holds.
async fn until(mut holds: impl FnMut() -> bool) {
    soon(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

pub(crate) async fn add(pool: &Pool, numbers: std::ops::Range<u32>) -> Result<()> {
    pool.pipeline_each(numbers, |cmd, number| {
        cmd.xadd("orders", "*", Order { number })
    })
    .await?;
    Ok(())
}

async fn every_entry_is_worked_on_and_acknowledged(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    add(&pool, 0..200).await?;
    let (seen, all) = (Seen::default(), Arc::new(Notify::new()));
    let mut workers = Vec::new();
    for consumer in ["one", "two", "three"] {
        let worker = worker(&pool, consumer).claim_after(Duration::from_secs(60));
        let (seen, all, end) = (seen.clone(), all.clone(), all.clone());
        workers.push(tokio::spawn(async move {
            let stop = async move { end.notified().await };
            let work = move |job: Job<Order>| {
                if note(&seen, job.fields.number) == 200 {
                    (0..3).for_each(|_| all.notify_one());
                }
                async { Ok::<(), String>(()) }
            };
            worker.run_until(stop, work).await
        }));
    }
    let mut done = 0;
    for worker in workers {
        done += soon(worker).await.expect("the task does not panic")?.done;
    }
    assert_eq!(done, 200);
    let seen = std::mem::take(&mut *seen.lock().expect("no test panics with it"));
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");
    assert_eq!(pool.xpending("orders", "shop").await?.count, 0);
    Ok(())
}

async fn what_fails_is_delivered_again_and_then_buried(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    add(&pool, 0..3).await?;
    let buried = Arc::new(Notify::new());
    let worker = worker(&pool, "one")
        .dead_letter("orders:dead", 3)
        .on_event({
            let buried = buried.clone();
            move |event| {
                if matches!(event, WorkerEvent::Buried { deliveries: 3, .. }) {
                    buried.notify_one();
                }
            }
        });
    let work = worker.run_until(buried.notified(), |job: Job<Order>| async move {
        match job.fields.number {
            1 => Err(format!("failure {}", job.deliveries)),
            _ => Ok(()),
        }
    });
    let tally = soon(work).await?;
    assert_eq!(
        (tally.done, tally.failed, tally.claimed, tally.dead),
        (2, 3, 2, 1)
    );
    let dead = pool
        .xrange::<BTreeMap<String, String>>("orders:dead", "-", "+")
        .await?;
    let fields = &dead[0].fields;
    let expected = [
        ("number", "1"),
        ("dead:stream", "orders"),
        ("dead:deliveries", "3"),
        ("dead:reason", "failure 3"),
    ];
    for (name, value) in expected {
        assert_eq!(fields.get(name).map(String::as_str), Some(value));
    }
    assert_eq!(pool.xpending("orders", "shop").await?.count, 0);
    Ok(())
}

async fn what_does_not_fit_is_buried_with_its_fields(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    pool.xadd("orders", "*", [("colour", "red")]).await?;
    add(&pool, 5..6).await?;
    let last = Arc::new(Notify::new());
    let work = worker(&pool, "one")
        .dead_letter("orders:dead", 1)
        .run_until(last.notified(), |_: Job<Order>| {
            last.notify_one();
            async { Ok::<(), String>(()) }
        });
    let tally = soon(work).await?;
    assert_eq!((tally.done, tally.dead), (1, 1));
    let dead = pool
        .xrange::<BTreeMap<String, String>>("orders:dead", "-", "+")
        .await?;
    assert_eq!(
        dead[0].fields.get("colour").map(String::as_str),
        Some("red")
    );
    assert!(dead[0].fields["dead:reason"].contains("number"), "{dead:?}");
    Ok(())
}

async fn what_a_dead_worker_held_is_taken_over(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    add(&pool, 0..25).await?;
    // It reads a batch and dies on its first entry.
    let hung = tokio::spawn(worker(&pool, "one").run(|_: Job<Order>| async {
        std::future::pending::<()>().await;
        Ok::<(), String>(())
    }));
    soon(async {
        // The group is not there at first.
        let pending = async || pool.xpending("orders", "shop").await;
        while pending().await.map_or(0, |pending| pending.count) < 10 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    hung.abort();
    let (seen, all) = (Seen::default(), Arc::new(Notify::new()));
    let work = worker(&pool, "two").run_until(all.notified(), |job: Job<Order>| {
        if note(&seen, job.fields.number) == 25 {
            all.notify_one();
        }
        async { Ok::<(), String>(()) }
    });
    let tally = soon(work).await?;
    assert_eq!((tally.done, tally.claimed), (25, 10));
    Ok(())
}

async fn nothing_is_pending_where_delivery_acknowledges(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    add(&pool, 0..5).await?;
    let stop = Arc::new(Notify::new());
    let work = worker(&pool, "one")
        .acknowledge(Acknowledge::OnDelivery)
        .run_until(stop.notified(), |job: Job<Order>| {
            if job.fields.number == 4 {
                stop.notify_one();
            }
            async { Err::<(), _>("failure") }
        });
    let tally = soon(work).await?;
    assert_eq!(tally.failed, 5);
    assert_eq!(pool.xpending("orders", "shop").await?.count, 0);
    Ok(())
}

async fn what_was_pending_before_is_acknowledged_when_it_is_taken_over(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    add(&pool, 0..3).await?;
    pool.xgroup_create("orders", "shop", "0").await?;
    let read = pool.xreadgroup::<Order>("shop", "dead", [("orders", ">")]);
    read.await?.expect("they are there");
    let (seen, all) = (Seen::default(), Arc::new(Notify::new()));
    let work = worker(&pool, "one")
        .acknowledge(Acknowledge::OnDelivery)
        .run_until(all.notified(), |job: Job<Order>| {
            if note(&seen, job.fields.number) == 3 {
                all.notify_one();
            }
            async { Ok::<(), String>(()) }
        });
    assert_eq!(soon(work).await?.claimed, 3);
    assert_eq!(pool.xpending("orders", "shop").await?.count, 0);
    Ok(())
}

async fn a_handle_that_was_closed_ends_its_worker(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    let working = tokio::spawn({
        let worker = worker(&pool, "one").claim_after(Duration::from_secs(3_600));
        async move {
            let never = std::future::pending::<()>();
            let work = |_: Job<Order>| async { Ok::<(), String>(()) };
            worker.run_until(never, work).await
        }
    });
    crate::support::blocked(&bench, 1).await?;
    let _closed = pool.close().within(Duration::ZERO).await;
    let outcome = soon(working).await.expect("the task does not panic");
    let error = outcome.expect_err("it cannot go on");
    assert!(matches!(error.kind(), ErrorKind::Closed), "{error}");
    Ok(())
}

async fn a_group_that_is_deleted_is_made_again(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    let (seen, twice) = (Seen::default(), Arc::new(Notify::new()));
    let running = tokio::spawn({
        let (worker, seen, twice) = (worker(&pool, "one"), seen.clone(), twice.clone());
        let end = twice.clone();
        async move {
            let stop = async move { end.notified().await };
            let work = move |job: Job<Order>| {
                if note(&seen, job.fields.number) == 2 {
                    twice.notify_one();
                }
                async { Ok::<(), String>(()) }
            };
            worker.run_until(stop, work).await
        }
    });
    add(&pool, 0..1).await?;
    until(|| count(&seen) > 0).await;
    pool.del("orders").await?;
    add(&pool, 1..2).await?;
    let tally = soon(running).await.expect("the task does not panic")?;
    assert!(tally.done >= 2);
    Ok(())
}

async fn an_entry_that_was_deleted_while_pending_is_passed_over(bench: Bench) -> Result<()> {
    let pool = bench.pool().await;
    add(&pool, 0..3).await?;
    pool.xgroup_create("orders", "shop", "0").await?;
    // Somebody has read all three and died; one of them is gone since.
    let read = pool.xreadgroup::<Order>("shop", "dead", [("orders", ">")]);
    let read = read.await?.expect("they are there");
    pool.xdel("orders", read[0].1[1].id).await?;
    let (seen, all) = (Seen::default(), Arc::new(Notify::new()));
    let work = worker(&pool, "one").run_until(all.notified(), |job: Job<Order>| {
        if note(&seen, job.fields.number) == 2 {
            all.notify_one();
        }
        async { Ok::<(), String>(()) }
    });
    let tally = soon(work).await?;
    assert_eq!((tally.done, tally.failed, tally.dead), (2, 0, 0));
    assert_eq!(pool.xpending("orders", "shop").await?.count, 0);
    Ok(())
}

#[tokio::test]
async fn lost_connections_are_waited_for() -> Result<()> {
    const ORDERS: u32 = 100;
    let bench = Bench::new(ServerKind::Valkey9, typedis::Protocol::Newest);
    let proxy = Proxy::start(bench.database.server().addr())
        .await
        .expect("a port is free");
    let url = format!("{}/{}", proxy.url(), bench.database.number());
    // What waits for the next socket is an interruption, too, before long.
    let config = typedis::Config::from_url(&url)?
        .command_timeout(Duration::from_millis(200))
        .backoff(Backoff {
            first: Duration::from_millis(1),
            longest: Duration::from_millis(10),
        });
    let (through, direct) = (typedis::pool(config).await?, bench.pool().await);
    let (seen, interrupted) = (Seen::default(), Arc::new(AtomicUsize::new(0)));
    let stop = Arc::new(Notify::new());
    let working = tokio::spawn({
        let (seen, stop, interrupted) = (seen.clone(), stop.clone(), interrupted.clone());
        let worker = worker(&through, "one").on_event(move |event| {
            if matches!(event, WorkerEvent::Interrupted(_)) {
                interrupted.fetch_add(1, Ordering::Relaxed);
            }
        });
        let work = move |job: Job<Order>| {
            note(&seen, job.fields.number);
            async { Ok::<(), String>(()) }
        };
        async move { worker.run_until(stop.notified(), work).await }
    });
    for number in 0..ORDERS {
        add(&direct, number..number + 1).await?;
        if number % 10 == 5 {
            until(|| count(&seen) > number as usize).await;
            // Now lost, now away for a while, until the worker has noticed.
            let before = interrupted.load(Ordering::Relaxed);
            proxy.refuse(number % 20 == 5);
            until(|| {
                proxy.cut_all(Cut::Reset);
                interrupted.load(Ordering::Relaxed) > before
            })
            .await;
            proxy.refuse(false);
        }
    }
    // What was delivered when a connection was lost is taken up again, and everything is acknowledged in the end.
    soon(async {
        while count(&seen) < ORDERS as usize || direct.xpending("orders", "shop").await?.count > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok::<(), typedis::Error>(())
    })
    .await?;
    assert!(
        interrupted.load(Ordering::Relaxed) > 0,
        "it noticed nothing"
    );
    stop.notify_one();
    let tally = soon(working).await.expect("the task does not panic")?;
    assert!(tally.done >= u64::from(ORDERS), "{tally:?}");
    Ok(())
}
