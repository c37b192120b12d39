//! Settings that are as large as can be.

use std::time::Duration;

use typedis::prelude::*;
use typedis_recipes::{
    Begun, CacheAside, Election, Gcra, Idempotency, Lock, Queue, Semaphore, SlidingWindow,
};

use crate::support::*;

const EVER: Duration = Duration::MAX;

/// How long a key lives from now on, in milliseconds; less than nothing if it does not end, or is not there.
async fn left(conn: &Connection, key: &str) -> i64 {
    conn.run(raw("PTTL").key(key).reply()).await.unwrap()
}

#[tokio::test]
async fn what_is_held_for_ever_is_held_and_can_expire() {
    for kind in KINDS {
        let conn = Bench::new(kind).await.direct;
        let lock = Lock::new(&conn, "a").ttl(EVER).retry_every(EVER);
        let guard = lock.acquire().await.unwrap();
        let semaphore = Semaphore::new(&conn, "a", 1).ttl(EVER).retry_every(EVER);
        let permit = semaphore.acquire().await.unwrap();
        let election = Election::new(&conn, "a", "x").ttl(EVER).retry_every(EVER);
        let leadership = election.campaign().await.unwrap();
        assert!(guard.is_held() && permit.is_held() && leadership.is_held());
        for key in ["{lock:a}", "{semaphore:a}", "{election:a}"] {
            assert!(left(&conn, key).await > 0, "{kind:?} {key}");
        }
        guard.release().await.unwrap();
        permit.release().await.unwrap();
        leadership.resign().await.unwrap();
        assert!(lock.try_acquire().await.unwrap().is_some());
    }
}

#[tokio::test]
async fn what_is_stored_for_ever_is_stored_and_can_expire() {
    for kind in KINDS {
        let conn = Bench::new(kind).await.direct;
        let requests = Idempotency::new(&conn, "a").run_ttl(EVER).result_ttl(EVER);
        let begun = requests.begin::<String>("x").await.unwrap();
        let Begun::Run(run) = begun else {
            panic!("{begun:?}")
        };
        assert!(left(&conn, "{idempotency:a:x}").await > 0, "{kind:?}");
        run.finish(&"done".to_owned()).await.unwrap();
        assert!(left(&conn, "{idempotency:a:x}").await > 0, "{kind:?}");
        let again = requests.begin::<String>("x").await.unwrap();
        assert!(matches!(again, Begun::Replay(_)), "{again:?}");

        let cache = CacheAside::new(&conn, "a").ttl(EVER).load_within(EVER);
        let load = || async {
            let left = left(&conn, "{cache:a:x}:load").await;
            assert!(left > 0, "{kind:?}");
            Ok::<_, String>(7)
        };
        assert_eq!(cache.get::<u64, _, _, _>("x", load).await.unwrap(), 7);
        assert!(left(&conn, "{cache:a:x}").await > 0, "{kind:?}");
        let stored = cache.get::<u64, _, _, _>("x", || async { Err("not stored") });
        assert_eq!(stored.await.unwrap(), 7);
    }
}

#[tokio::test]
async fn a_queue_takes_times_of_any_length() {
    for kind in KINDS {
        let conn = Bench::new(kind).await.direct;
        let queue = Queue::new(&conn, "a")
            .visibility(EVER)
            .retry_after(EVER)
            .max_deliveries(u64::MAX);
        queue.push_as("never", "x", EVER).await.unwrap();
        queue.push_as("now", "y", Duration::ZERO).await.unwrap();
        let job = queue.take::<String>().await.unwrap().expect("it is due");
        assert!(job.extend().await.unwrap());
        job.failed("no route").await.unwrap();
        assert!(queue.take::<String>().await.unwrap().is_none(), "{kind:?}");
        let due = conn.zscore("{queue:a}", "now").await.unwrap().unwrap();
        assert!(due < 2_f64.powi(53), "{due} is exact");
    }
}

#[tokio::test]
async fn dead_jobs_are_listed_up_to_any_number() {
    for kind in KINDS {
        let conn = Bench::new(kind).await.direct;
        let queue = Queue::new(&conn, "a").max_deliveries(1);
        for _ in 0..3 {
            queue.push("x").await.unwrap();
            let job = queue.take::<String>().await.unwrap().expect("it is due");
            job.failed("no route").await.unwrap();
        }
        for (most, listed) in [(0, 0), (1, 1), (3, 3), (u64::MAX, 3)] {
            let dead = queue.dead::<String>(most).await.unwrap();
            assert_eq!(dead.len(), listed, "{kind:?} {most}");
        }
    }
}

#[tokio::test]
async fn a_limit_that_is_as_large_as_can_be_lets_calls_through() {
    for kind in KINDS {
        let conn = Bench::new(kind).await.direct;
        for gcra in [
            Gcra::new(&conn, "short", u64::MAX, Duration::from_secs(1)),
            Gcra::new(&conn, "long", u64::MAX, EVER),
            Gcra::new(&conn, "slow", 1, EVER).burst(u64::MAX),
        ] {
            for _ in 0..3 {
                let verdict = gcra.check("x").await.unwrap();
                assert!(verdict.is_allowed(), "{kind:?} {gcra:?} {verdict:?}");
            }
        }
        let window = SlidingWindow::new(&conn, "a", u64::MAX, EVER);
        for _ in 0..3 {
            assert!(window.check("x").await.unwrap().is_allowed(), "{kind:?}");
        }
    }
}

#[tokio::test]
async fn a_wait_that_is_longer_than_a_number_of_the_server_is_told() {
    for kind in KINDS {
        let conn = Bench::new(kind).await.direct;
        let gcra = Gcra::new(&conn, "a", 1, EVER).burst(u64::MAX);
        let all = (1 << 53) - 1;
        let verdict = gcra.check_units("x", all).await.unwrap();
        assert!(verdict.is_allowed(), "{kind:?} {verdict:?}");
        let verdict = gcra.check_units("x", all).await.unwrap();
        assert!(!verdict.is_allowed(), "{kind:?} {verdict:?}");
    }
}
