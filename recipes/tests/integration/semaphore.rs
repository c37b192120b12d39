use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use typedis::prelude::*;
use typedis_recipes::{Error, LossCause, Semaphore};
use typedis_testkit::ServerKind;

use crate::chaos::Chaos;
use crate::failover::Failing;
use crate::forked::Forked;
use crate::support::*;

#[tokio::test]
async fn there_are_as_many_permits_as_the_limit_says() {
    for kind in KINDS {
        let conn = Bench::new(kind).await.direct;
        let semaphore = Semaphore::new(&conn, "a", 2).ttl(FOR_EVER);
        let first = semaphore.acquire().await.unwrap();
        let second = semaphore.acquire().await.unwrap();
        assert!(first.is_held() && second.is_held());
        assert!(semaphore.try_acquire().await.unwrap().is_none());
        first.release().await.unwrap();
        let third = semaphore.try_acquire().await.unwrap();
        assert!(third.is_some(), "one is free again");
        drop(second);
        let fourth = soon("a dropped permit is given back", semaphore.acquire()).await;
        fourth.unwrap().release().await.unwrap();
        let none = Semaphore::new(&conn, "b", 0);
        assert!(none.try_acquire().await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_permit_that_is_not_renewed_expires_and_its_holder_is_told() {
    let bench = Bench::new(ServerKind::Valkey9).await;
    let (proxy, conn) = bench.proxied().await;
    let ttl = Duration::from_secs(1);
    let permit = Semaphore::new(&conn, "a", 1).ttl(ttl);
    let permit = permit.acquire().await.unwrap();
    proxy.black_hole();
    let other = Semaphore::new(&bench.direct, "a", 1).ttl(FOR_EVER);
    let other = soon("the permit expires", other.acquire()).await.unwrap();
    let lost = soon("the holder is told", permit.lost()).await;
    assert!(
        matches!(lost.cause(), LossCause::Unreachable { .. }),
        "{lost}"
    );
    other.release().await.unwrap();
}

#[tokio::test]
async fn a_call_that_arrives_after_its_permit_was_given_back_gets_none() {
    let bench = Bench::new(ServerKind::Valkey9).await;
    let forked = Forked::start(&bench).await;
    let semaphore = Semaphore::new(&forked.pool, "a", 2).ttl(FOR_EVER);
    let acquire = move |_| {
        let semaphore = semaphore.clone();
        async move { semaphore.acquire().await.unwrap() }
    };
    let (_, permit) = forked.drop_one(acquire).await;
    let is_free = async || bench.direct.zcard("{semaphore:a}").await.unwrap() == 1;
    until("its permit is free", is_free).await;
    soon("it is released", permit.release()).await.unwrap();
}

#[tokio::test]
async fn permits_are_renewed_and_their_key_expires_with_the_last_one() {
    let check = async |kind: ServerKind| {
        let conn = Bench::new(kind).await.direct;
        let semaphore = Semaphore::new(&conn, "a", 1).ttl(RENEWED);
        let permit = semaphore.acquire().await.unwrap();
        outlast_renewed(&conn).await;
        assert!(permit.is_held());
        assert!(semaphore.try_acquire().await.unwrap().is_none());
        let left: i64 = conn
            .run(raw("PTTL").key("{semaphore:a}").reply())
            .await
            .unwrap();
        assert!(left >= 0, "the key does not stay for ever: {left}");
        conn.del(["{semaphore:a}"]).await.unwrap();
        let lost = soon("the holder is told", permit.lost()).await;
        assert!(matches!(lost.cause(), LossCause::Gone), "{lost}");
        assert!(matches!(permit.release().await, Err(Error::Lost(_))));
    };
    let [one, two, three] = KINDS.map(check);
    tokio::join!(one, two, three);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_never_more_holders_than_permits_while_connections_fail() {
    const TASKS: usize = 16;
    const ROUNDS: usize = 12;
    const LIMIT: usize = 3;
    let bench = Bench::new(ServerKind::Valkey9).await;
    let (chaos, connections) = Chaos::start(&bench, 4).await;
    let inside = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let semaphore = Semaphore::new(&connections[task % 4], "a", LIMIT as u64)
                .ttl(Duration::from_secs(20))
                .retry_every(Duration::from_millis(5));
            let (inside, most, direct) = (inside.clone(), most.clone(), bench.direct.clone());
            let faults = chaos.faults();
            tokio::spawn(async move {
                for round in 0..ROUNDS {
                    if round == ROUNDS / 2 {
                        faults.come().await;
                    }
                    let permit = insist!(semaphore.acquire());
                    let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                    assert!(now <= LIMIT, "{now} hold one of {LIMIT}");
                    most.fetch_max(now, Ordering::SeqCst);
                    direct.incr("work").await.unwrap();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    match permit.release().await {
                        Ok(()) => {}
                        Err(Error::Client(error)) if passes(&error) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        soon("a task of the load", task).await.unwrap();
    }
    chaos.end().await;
    let done: usize = bench.direct.get("work").await.unwrap().unwrap();
    assert_eq!(done, TASKS * ROUNDS);
    assert!(most.load(Ordering::SeqCst) > 1, "they never met");
}

#[tokio::test]
async fn permits_survive_a_failover_in_good_order() {
    let failing = Failing::start().await;
    let semaphore = Semaphore::new(&failing.cluster, "a", 1).ttl(FOR_EVER);
    let permit = semaphore.acquire().await.unwrap();
    failing.hand_over("{semaphore:a}").await;
    let refused = insist!(semaphore.try_acquire());
    assert!(refused.is_none(), "the new primary has the permit");
    soon("it is released", permit.release()).await.unwrap();
    let next = insist!(semaphore.try_acquire());
    assert!(next.is_some());
}

#[tokio::test]
async fn a_crash_loses_permits_that_the_replica_did_not_have_so_more_than_the_limit_are_out() {
    let failing = Failing::start().await;
    let semaphore = Semaphore::new(&failing.cluster, "a", 2).ttl(FOR_EVER);
    let kept = semaphore.acquire().await.unwrap();
    failing.cut_replica_off("{semaphore:a}").await;
    let lost = semaphore.acquire().await.unwrap();
    failing.kill("{semaphore:a}").await;

    let third = soon("a permit is free", async { insist!(semaphore.acquire()) }).await;
    assert!(kept.is_held() && lost.is_held() && third.is_held());
    assert!(
        insist!(semaphore.try_acquire()).is_none(),
        "no more than one was lost"
    );
    let told = soon("it is told", lost.release()).await.unwrap_err();
    assert!(
        matches!(&told, Error::Lost(lost) if matches!(lost.cause(), LossCause::Gone)),
        "{told}"
    );
    soon("it is released", kept.release()).await.unwrap();
    soon("it is released", third.release()).await.unwrap();
}
