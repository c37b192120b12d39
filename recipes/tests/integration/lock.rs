use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use typedis::prelude::*;
use typedis::{ErrorKind, Phase};
use typedis_recipes::{Error, Lock, LockGuard, LossCause};
use typedis_testkit::proxy::Proxy;
use typedis_testkit::{ServerKind, shared_cluster};

use crate::chaos::Chaos;
use crate::failover::Failing;
use crate::forked::{Forked, cancel};
use crate::support::*;

#[tokio::test]
async fn one_caller_holds_a_lock_and_tokens_grow() {
    for kind in KINDS {
        let conn = Bench::new(kind).await.direct;
        let lock = Lock::new(&conn, "a").ttl(FOR_EVER);
        let first = lock.acquire().await.unwrap();
        assert!(first.is_held());
        assert!(lock.try_acquire().await.unwrap().is_none());
        let other = Lock::new(&conn, "b").try_acquire().await.unwrap();
        assert!(other.is_some(), "another lock is free");
        let token = first.token();
        first.release().await.unwrap();
        let second = lock.try_acquire().await.unwrap().expect("it is free again");
        assert!(second.token() > token);
    }
}

#[tokio::test]
async fn every_handle_has_locks() {
    let bench = Bench::new(ServerKind::Valkey9).await;
    let pool = typedis::pool(bench.database.url()).await.unwrap();
    let exclusive = Arc::new(typedis::exclusive(bench.database.url()).await.unwrap());
    let space = blocking(|| shared_cluster(ServerKind::Valkey9)).await;
    let url = space.cluster().url();
    let cluster = typedis::cluster(config(&url)).await.unwrap();
    for lock in [
        Lock::new(&pool, "pool"),
        Lock::new(&exclusive, "exclusive"),
        Lock::new(&cluster, space.key("cluster")),
        Lock::new(&pool.with_prefix("app:"), "prefixed"),
    ] {
        let guard = lock.acquire().await.unwrap();
        assert!(lock.try_acquire().await.unwrap().is_none(), "{lock:?}");
        guard.release().await.unwrap();
    }
    let keys = pool.exists(["app:{lock:prefixed}:last"]).await.unwrap();
    assert_eq!(keys, 1, "the prefix is before the keys");
}

#[tokio::test]
async fn a_guard_that_is_dropped_releases_the_lock() {
    let conn = Bench::new(ServerKind::Valkey9).await.direct;
    let lock = Lock::new(&conn, "a").ttl(FOR_EVER);
    drop(lock.acquire().await.unwrap());
    // It would not expire in time.
    let next = soon("the lock is released", lock.acquire()).await;
    assert!(next.unwrap().is_held());
}

/// Drops a call for the lock `a` when the server has given it, and no reply comes through the proxy.
async fn drop_a_call(bench: &Bench) -> Proxy {
    let (proxy, conn) = bench.proxied().await;
    let lock = Lock::new(&conn, "a").ttl(FOR_EVER);
    // From now on the server knows the scripts.
    lock.acquire().await.unwrap().release().await.unwrap();
    proxy.to_client().hold();
    let call = tokio::spawn(async move { lock.acquire().await });
    let is_held = async || bench.direct.exists(["{lock:a}"]).await.unwrap() == 1;
    until("the server gave the lock", is_held).await;
    call.abort();
    assert!(call.await.is_err(), "its reply was held back");
    proxy
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_no_lock_behind() {
    let bench = Bench::new(ServerKind::Valkey9).await;
    let proxy = drop_a_call(&bench).await;
    proxy.heal();
    let lock = Lock::new(&bench.direct, "a").ttl(FOR_EVER);
    let next = soon("the lock is given back", lock.acquire()).await;
    assert!(next.unwrap().is_held());
}

#[tokio::test]
async fn nor_does_one_that_arrives_after_it_was_given_back() {
    for kind in KINDS {
        let bench = Bench::new(kind).await;
        let forked = Forked::start(&bench).await;
        let (pool, locks) = (forked.pool.clone(), ["a", "b"]);
        let acquire = move |number: usize| {
            let lock = Lock::new(&pool, locks[number]).ttl(FOR_EVER);
            async move { lock.acquire().await.unwrap() }
        };
        let (late, other) = forked.drop_one(acquire).await;
        let key = format!("{{lock:{}}}", locks[late]);
        let is_free = async || bench.direct.exists([&key]).await.unwrap() == 0;
        until("it is free", is_free).await;
        assert!(other.is_held());
        soon("it is released", other.release()).await.unwrap();
        let lock = Lock::new(&forked.pool, locks[late]);
        let next = soon("the answer", lock.try_acquire()).await.unwrap();
        assert!(next.is_some(), "another caller may have it");
    }
}

#[tokio::test]
async fn a_lock_is_given_back_while_the_server_does_not_answer_that_its_call_was_given_up() {
    for kind in KINDS {
        let bench = Bench::new(kind).await;
        let _proxy = drop_a_call(&bench).await;
        let is_free = async || bench.direct.exists(["{lock:a}"]).await.unwrap() == 0;
        until("it is given back without a reply", is_free).await;
    }
}

#[tokio::test]
async fn locks_of_dropped_calls_are_given_back_over_the_lane_that_does_not_hang() {
    let bench = Bench::new(ServerKind::Valkey9).await;
    let forked = Forked::start(&bench).await;
    let locks = ["a", "b", "c", "d"].map(|name| Lock::new(&forked.pool, name).ttl(FOR_EVER));
    let keys = ["{lock:a}", "{lock:b}", "{lock:c}", "{lock:d}"];
    // From now on the server knows the scripts.
    let both = async { locks[0].acquire().await.unwrap().release().await.unwrap() };
    soon("it knows them", both).await;
    forked.silence();
    // Half of them over each lane.
    let calls = locks.map(|lock| tokio::spawn(async move { lock.acquire().await }));
    let are_held = async || bench.direct.exists(keys).await.unwrap() == 4;
    until("the server gave the locks", are_held).await;
    forked.hang();
    for call in calls {
        cancel(call).await;
    }
    forked.answer();
    let are_free = async || bench.direct.exists(keys).await.unwrap() == 0;
    until("they are given back", are_free).await;
}

#[tokio::test]
async fn a_lock_is_renewed_for_as_long_as_it_is_held() {
    let conn = Bench::new(ServerKind::Valkey9).await.direct;
    let lock = Lock::new(&conn, "a").ttl(RENEWED);
    let guard = lock.acquire().await.unwrap();
    outlast_renewed(&conn).await;
    assert!(guard.is_held());
    guard.release().await.unwrap();
}

#[tokio::test]
async fn locks_are_renewed_while_one_lane_of_their_pool_hangs() {
    let bench = Bench::new(ServerKind::Valkey9).await;
    let forked = Forked::start(&bench).await;
    let mut guards = Vec::new();
    // Enough of them that some are renewed over the lane that hangs.
    for number in 0..8 {
        let lock = Lock::new(&forked.pool, number.to_string()).ttl(RENEWED);
        guards.push(soon("a lock", lock.acquire()).await.unwrap());
    }
    forked.hang();
    outlast_renewed(&bench.direct).await;
    assert!(guards.iter().all(LockGuard::is_held));
}

#[tokio::test]
async fn what_could_not_be_renewed_is_given_back_when_the_server_can_be_reached() {
    let bench = Bench::new(ServerKind::Valkey9).await;
    let (proxy, conn) = bench.proxied().await;
    let lock = Lock::new(&conn, "a").ttl(Duration::from_secs(1));
    let guard = lock.acquire().await.unwrap();
    // No reply comes any more: the server goes on renewing.
    proxy.to_client().hold();
    soon("the holder is told", guard.lost()).await;
    // As if it had been renewed for long, if it is still there.
    let renew = raw("PEXPIRE").key("{lock:a}").arg(10_000_000);
    bench.direct.run(renew.reply::<bool>()).await.unwrap();
    proxy.heal();
    let next = Lock::new(&bench.direct, "a");
    let next = soon("it is given back", next.acquire()).await;
    assert!(next.unwrap().is_held());
}

#[tokio::test]
async fn a_holder_is_told_that_the_server_has_lost_its_lock() {
    let conn = Bench::new(ServerKind::Valkey9).await.direct;
    let lock = Lock::new(&conn, "a").ttl(RENEWED);
    let guard = lock.acquire().await.unwrap();
    conn.del(["{lock:a}"]).await.unwrap();
    let work = guard.run(std::future::pending::<()>());
    let lost = soon("the holder is told", work).await.unwrap_err();
    assert!(matches!(lost.cause(), LossCause::Gone), "{lost}");
    assert!(lost.to_string().starts_with("the lock `a` was lost: "));
    assert!(!guard.is_held());
    let released = guard.release().await.unwrap_err();
    assert!(matches!(released, Error::Lost(_)), "{released}");
}

#[tokio::test]
async fn releasing_what_another_one_has_is_an_error_and_leaves_it() {
    let conn = Bench::new(ServerKind::Valkey9).await.direct;
    let lock = Lock::new(&conn, "a").ttl(FOR_EVER);
    let first = lock.acquire().await.unwrap();
    conn.del(["{lock:a}"]).await.unwrap();
    let second = lock.acquire().await.unwrap();
    let error = first.release().await.unwrap_err();
    let lost = error.lost().expect("it was lost before");
    assert!(matches!(lost.cause(), LossCause::Gone), "{lost}");
    second.release().await.unwrap();
}

#[tokio::test]
async fn a_holder_without_a_server_is_told_and_the_next_has_a_larger_token() {
    let bench = Bench::new(ServerKind::Valkey9).await;
    let (proxy, conn) = bench.proxied().await;
    let ttl = Duration::from_secs(1);
    let guard = Lock::new(&conn, "a").ttl(ttl).acquire().await.unwrap();
    proxy.black_hole();
    let next = Lock::new(&bench.direct, "a").ttl(FOR_EVER);
    let next = soon("the lock expires", next.acquire()).await.unwrap();
    assert!(next.token() > guard.token());
    let lost = soon("the holder is told", guard.lost()).await;
    let LossCause::Unreachable { ttl: passed, .. } = lost.cause() else {
        panic!("{lost}")
    };
    assert_eq!(*passed, ttl);
    proxy.heal();
}

#[tokio::test]
async fn a_holder_whose_connection_was_closed_is_told() {
    let conn = Bench::new(ServerKind::Valkey9).await.direct;
    let lock = Lock::new(&conn, "a").ttl(RENEWED);
    let guard = lock.acquire().await.unwrap();
    let _ = conn.close().await;
    let lost = soon("the holder is told", guard.lost()).await;
    let LossCause::Unreachable { error, .. } = lost.cause() else {
        panic!("{lost}")
    };
    assert!(error.is_some(), "{lost}");
    assert!(!guard.is_held());
}

#[tokio::test]
async fn a_time_to_live_that_is_shorter_than_a_round_trip_is_an_error() {
    let bench = Bench::new(ServerKind::Valkey9).await;
    let (proxy, conn) = bench.proxied().await;
    let far = Duration::from_millis(5);
    proxy.to_client().delay(far, far);
    let lock = Lock::new(&conn, "a").ttl(Duration::from_millis(1));
    let call = soon("the call ends", lock.acquire()).await;
    let error = call.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    assert_eq!(error.phase(), Phase::Applied, "the server gave it");
    assert!(error.to_string().contains("1ms"), "{error}");
}

#[tokio::test]
async fn tokens_grow_also_when_the_last_one_is_lost() {
    for kind in KINDS {
        let conn = Bench::new(kind).await.direct;
        let lock = Lock::new(&conn, "a");
        let first = lock.acquire().await.unwrap();
        let token = first.token();
        first.release().await.unwrap();
        assert_eq!(conn.del(["{lock:a}:last"]).await.unwrap(), 1);
        assert!(lock.acquire().await.unwrap().token() > token);
        // A clock that is slower than the one of the last server.
        conn.del(["{lock:a}"]).await.unwrap();
        let far = 1 << 52;
        conn.set("{lock:a}:last", far).await.unwrap();
        assert_eq!(lock.acquire().await.unwrap().token(), far + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_two_hold_a_lock_and_no_token_is_given_twice_while_connections_fail() {
    const TASKS: usize = 12;
    const ROUNDS: usize = 12;
    let bench = Bench::new(ServerKind::Valkey9).await;
    let (chaos, connections) = Chaos::start(&bench, 4).await;
    let tokens = Arc::new(Mutex::new(Vec::new()));
    let is_inside = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            // Much longer than a task may stand still.
            let lock = Lock::new(&connections[task % 4], "a").ttl(Duration::from_secs(20));
            let lock = lock.retry_every(Duration::from_millis(5));
            let (tokens, is_inside) = (tokens.clone(), is_inside.clone());
            let (direct, faults) = (bench.direct.clone(), chaos.faults());
            tokio::spawn(async move {
                for round in 0..ROUNDS {
                    if round == ROUNDS / 2 {
                        faults.come().await;
                    }
                    let guard = insist!(lock.acquire());
                    assert!(!is_inside.swap(true, Ordering::SeqCst), "two hold it");
                    tokens.lock().unwrap().push(guard.token());
                    direct.incr("work").await.unwrap();
                    is_inside.store(false, Ordering::SeqCst);
                    match guard.release().await {
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
    let tokens = tokens.lock().unwrap();
    assert_eq!(tokens.len(), TASKS * ROUNDS);
    assert!(tokens.is_sorted_by(|a, b| a < b), "{tokens:?}");
}

#[tokio::test]
async fn a_lock_survives_a_failover_in_good_order() {
    let failing = Failing::start().await;
    let lock = Lock::new(&failing.cluster, "a").ttl(FOR_EVER);
    let guard = lock.acquire().await.unwrap();
    let token = guard.token();
    failing.hand_over("{lock:a}").await;
    let refused = insist!(lock.try_acquire());
    assert!(refused.is_none(), "the new primary has the lock");
    soon("it is released", guard.release()).await.unwrap();
    let guard = insist!(lock.acquire());
    assert!(guard.token() > token);
}

#[tokio::test]
async fn a_crash_loses_a_lock_that_the_replica_did_not_have_and_the_token_tells_its_holders_apart()
{
    let failing = Failing::start().await;
    let [other] = failing
        .beside("{lock:a}", |name| format!("{{lock:{name}}}"))
        .await;
    let kept = Lock::new(&failing.cluster, "a").ttl(FOR_EVER);
    let lost = Lock::new(&failing.cluster, other).ttl(FOR_EVER);
    let kept_guard = kept.acquire().await.unwrap();
    failing.cut_replica_off("{lock:a}").await;
    let first = lost.acquire().await.unwrap();
    failing.kill("{lock:a}").await;

    assert!(insist!(kept.try_acquire()).is_none());
    soon("it is released", kept_guard.release()).await.unwrap();
    let second = soon("the lock is free", async { insist!(lost.acquire()) }).await;
    assert!(
        first.is_held() && second.is_held(),
        "the first is not told yet"
    );
    assert!(second.token() > first.token());
    let told = soon("the first is told", first.release()).await;
    let told = told.unwrap_err();
    assert!(
        matches!(&told, Error::Lost(lost) if matches!(lost.cause(), LossCause::Gone)),
        "{told}"
    );
    soon("it is released", second.release()).await.unwrap();
}
