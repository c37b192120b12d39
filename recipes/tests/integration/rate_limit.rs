use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use typedis::prelude::*;
use typedis::{ErrorKind, Phase};
use typedis_recipes::{Gcra, SlidingWindow, Verdict};
use typedis_testkit::{ServerKind, shared_cluster};

use crate::chaos::Chaos;
use crate::failover::Failing;
use crate::support::*;

const HOUR: Duration = Duration::from_secs(3600);

fn wait(verdict: Verdict) -> Duration {
    match verdict {
        Verdict::Limited { retry_after, .. } => retry_after,
        Verdict::Allowed { .. } => panic!("it was let through"),
    }
}

#[tokio::test]
async fn gcra_lets_a_burst_through_and_then_says_how_long_to_wait() {
    for kind in KINDS {
        let conn = Bench::new(kind).await.direct;
        let limiter = Gcra::new(&conn, "a", 60, HOUR).burst(3);
        for remaining in [2, 1, 0] {
            let verdict = limiter.check("ada").await.unwrap();
            assert_eq!(verdict, Verdict::Allowed { remaining });
        }
        let minute = Duration::from_secs(60);
        let (one, two) = (
            limiter.check("ada").await.unwrap(),
            limiter.check_units("ada", 2).await.unwrap(),
        );
        assert!(wait(one) <= minute, "{one:?}");
        assert!(wait(two) > minute && wait(two) <= 2 * minute, "{two:?}");
        assert!(limiter.check("grace").await.unwrap().is_allowed());
    }
}

#[tokio::test]
async fn a_window_lets_its_limit_through_and_then_says_how_long_to_wait() {
    for kind in KINDS {
        let conn = Bench::new(kind).await.direct;
        let limiter = SlidingWindow::new(&conn, "a", 3, HOUR);
        let verdict = limiter.check_units("ada", 2).await.unwrap();
        assert_eq!(verdict, Verdict::Allowed { remaining: 1 });
        let verdict = limiter.check_units("ada", 2).await.unwrap();
        assert!(wait(verdict) <= HOUR);
        assert!(matches!(verdict, Verdict::Limited { remaining: 1, .. }));
        let verdict = limiter.check("ada").await.unwrap();
        assert_eq!(verdict, Verdict::Allowed { remaining: 0 });
        assert!(wait(limiter.check("ada").await.unwrap()) <= HOUR);
        assert!(limiter.check("grace").await.unwrap().is_allowed());
    }
}

#[tokio::test]
async fn units_come_back() {
    for kind in KINDS {
        let conn = Bench::new(kind).await.direct;
        let gcra = Gcra::new(&conn, "a", 1, Duration::from_millis(100));
        let window = SlidingWindow::new(&conn, "a", 1, Duration::from_millis(100));
        for _ in 0..3 {
            let next = async || gcra.check("ada").await.unwrap().is_allowed();
            until("a unit comes back", next).await;
            let next = async || window.check("ada").await.unwrap().is_allowed();
            until("a unit leaves the window", next).await;
        }
    }
}

#[tokio::test]
async fn more_than_would_ever_be_let_through_is_refused_before_it_is_sent() {
    let conn = Bench::new(ServerKind::Valkey9).await.direct;
    let gcra = Gcra::new(&conn, "a", 60, HOUR).burst(3);
    let window = SlidingWindow::new(&conn, "a", 3, HOUR);
    for error in [
        gcra.check_units("ada", 4).await.unwrap_err(),
        window.check_units("ada", 4).await.unwrap_err(),
    ] {
        assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{error}");
        assert_eq!(error.phase(), Phase::NotSent);
    }
    assert_eq!(conn.dbsize().await.unwrap(), 0);
}

#[tokio::test]
async fn a_clock_that_was_set_back_locks_nobody_out() {
    for kind in KINDS {
        let conn = Bench::new(kind).await.direct;
        let later = server_time(&conn).await + 100 * 3600 * 1_000_000;
        conn.set("{gcra:a:ada}", later).await.unwrap();
        let gcra = Gcra::new(&conn, "a", 60, HOUR).burst(2);
        let verdict = gcra.check("ada").await.unwrap();
        assert!(wait(verdict) <= Duration::from_secs(60), "{verdict:?}");

        let past = [(later as f64, "x:1"), (later as f64, "x:2")];
        conn.zadd("{window:a:ada}", past).await.unwrap();
        let window = SlidingWindow::new(&conn, "a", 2, HOUR);
        let verdict = window.check("ada").await.unwrap();
        assert!(wait(verdict) <= HOUR, "{verdict:?}");
    }
}

#[tokio::test]
async fn limiters_work_on_a_cluster() {
    let space = blocking(|| shared_cluster(ServerKind::Redis8)).await;
    let url = space.cluster().url();
    let cluster = typedis::cluster(config(&url)).await.unwrap();
    let gcra = Gcra::new(&cluster, space.key("gcra"), 1, HOUR);
    let window = SlidingWindow::new(&cluster, space.key("window"), 1, HOUR);
    for subject in ["a", "b", "c", "d", "e"] {
        assert!(gcra.check(subject).await.unwrap().is_allowed());
        assert!(!gcra.check(subject).await.unwrap().is_allowed());
        assert!(window.check(subject).await.unwrap().is_allowed());
        assert!(!window.check(subject).await.unwrap().is_allowed());
    }
}

/// What a load was told.
#[derive(Default)]
struct Told {
    allowed: AtomicU64,
    /// Calls that may have been counted.
    unknown: AtomicU64,
}

/// Asks until the limiter has refused many times.
macro_rules! until_refused {
    ($limiter:expr, $told:expr) => {{
        let mut refused = 0;
        while refused < 40 {
            match $limiter.check("ada").await {
                Ok(Verdict::Limited { .. }) => refused += 1,
                Ok(Verdict::Allowed { .. }) => {
                    $told.allowed.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) if error.phase() == Phase::MaybeApplied => {
                    $told.unknown.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => assert!(passes(&error), "{error}"),
            }
        }
    }};
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_than_the_limit_is_let_through_while_connections_fail() {
    const LIMIT: u64 = 150;
    let bench = Bench::new(ServerKind::Valkey9).await;
    let (chaos, connections) = Chaos::start(&bench, 4).await;
    let (by_gcra, by_window) = (Arc::new(Told::default()), Arc::new(Told::default()));
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let conn = &connections[task % 4];
            // So long that no unit comes back while the test runs.
            let gcra = Gcra::new(conn, "a", LIMIT, 1000 * HOUR);
            let window = SlidingWindow::new(conn, "a", LIMIT, 1000 * HOUR);
            let (by_gcra, by_window) = (by_gcra.clone(), by_window.clone());
            let faults = chaos.faults();
            tokio::spawn(async move {
                until_refused!(gcra, by_gcra);
                faults.come().await;
                until_refused!(window, by_window);
            })
        })
        .collect();
    for task in tasks {
        soon("a task of the load", task).await.unwrap();
    }
    chaos.end().await;
    for told in [by_gcra, by_window] {
        let allowed = told.allowed.load(Ordering::Relaxed);
        let unknown = told.unknown.load(Ordering::Relaxed);
        assert!(allowed <= LIMIT, "{allowed} of {LIMIT}");
        assert!(allowed + unknown >= LIMIT, "{allowed} and {unknown}");
    }
    let counted = bench.direct.zcard("{window:a:ada}").await.unwrap();
    assert_eq!(counted, LIMIT);
}

/// The server's own record says when units were let through: no window of the length has more than the limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_window_has_more_than_the_limit_while_it_slides() {
    const LIMIT: usize = 20;
    let length = Duration::from_millis(300);
    let bench = Bench::new(ServerKind::Valkey9).await;
    let (chaos, connections) = Chaos::start(&bench, 4).await;
    let tasks: Vec<_> = (0..12)
        .map(|task| {
            let window = SlidingWindow::new(&connections[task % 4], "a", LIMIT as u64, length);
            let (direct, faults) = (bench.direct.clone(), chaos.faults());
            tokio::spawn(async move {
                let mut allowed = 0;
                while allowed < 15 {
                    if allowed == 7 {
                        faults.come().await;
                    }
                    if insist!(window.check("ada")).is_allowed() {
                        allowed += 1;
                        // Its elements leave the set with the window: they are copied.
                        let all = direct.zrange::<String>("{window:a:ada}", 0, -1);
                        let all = all.with_scores().await.unwrap();
                        let all = all.into_iter().map(|(unit, micros)| (micros, unit));
                        let all: Vec<_> = all.collect();
                        if !all.is_empty() {
                            direct.zadd("seen", all).await.unwrap();
                        }
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        soon("a task of the load", task).await.unwrap();
    }
    chaos.end().await;
    let seen = bench.direct.zrange::<String>("seen", 0, -1).with_scores();
    let times: Vec<f64> = seen.await.unwrap().into_iter().map(|(_, at)| at).collect();
    assert!(times.len() > LIMIT, "{}", times.len());
    for window in times.windows(LIMIT + 1) {
        let (first, last) = (window[0], window[LIMIT]);
        assert!(last - first >= length.as_micros() as f64, "{window:?}");
    }
}

#[tokio::test]
async fn what_was_let_through_is_known_after_a_failover_in_good_order() {
    let failing = Failing::start().await;
    let gcra = Gcra::new(&failing.cluster, "a", 5, FOR_EVER).burst(5);
    assert!(gcra.check_units("ada", 4).await.unwrap().is_allowed());
    failing.hand_over("{gcra:a:ada}").await;
    assert!(!insist!(gcra.check_units("ada", 2)).is_allowed());

    let window = SlidingWindow::new(&failing.cluster, "a", 5, FOR_EVER);
    assert!(insist!(window.check_units("ada", 4)).is_allowed());
    failing.hand_over("{window:a:ada}").await;
    assert!(!insist!(window.check_units("ada", 2)).is_allowed());
}

#[tokio::test]
async fn a_crash_lets_through_once_more_what_the_replica_did_not_know_of() {
    let failing = Failing::start().await;
    let [name] = failing
        .beside("{gcra:a:ada}", |name| format!("{{window:{name}:ada}}"))
        .await;
    let gcra = Gcra::new(&failing.cluster, "a", 5, FOR_EVER).burst(5);
    let window = SlidingWindow::new(&failing.cluster, name, 5, FOR_EVER);
    assert!(gcra.check_units("ada", 2).await.unwrap().is_allowed());
    assert!(window.check_units("ada", 2).await.unwrap().is_allowed());
    failing.cut_replica_off("{gcra:a:ada}").await;
    assert!(gcra.check_units("ada", 3).await.unwrap().is_allowed());
    assert!(window.check_units("ada", 3).await.unwrap().is_allowed());
    failing.kill("{gcra:a:ada}").await;

    assert!(!insist!(gcra.check_units("ada", 4)).is_allowed());
    assert_eq!(
        insist!(gcra.check_units("ada", 3)),
        Verdict::Allowed { remaining: 0 }
    );
    assert!(!insist!(window.check_units("ada", 4)).is_allowed());
    assert_eq!(
        insist!(window.check_units("ada", 3)),
        Verdict::Allowed { remaining: 0 }
    );
}
