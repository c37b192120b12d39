//! Budgets: what is queued and in flight is bounded, whoever waits waits fairly, and nobody waits in vain.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use typedis_core::{Budget, Connection, ErrorKind, Phase, Run};
use typedis_testkit::proxy::{Cut, Proxy};

use crate::support::*;

fn commands(commands: usize) -> Budget {
    Budget {
        commands,
        ..Budget::default()
    }
}

/// Calls from many tasks with short deadlines, and the most that was ever in flight.
async fn flood(conn: &Connection, calls: usize) -> (Vec<typedis_core::Result<i64>>, usize) {
    let most = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..calls {
        let (conn, most) = (conn.clone(), most.clone());
        tasks.spawn(async move {
            let mut call = conn.run(incr("n")).deadline(Duration::from_millis(30));
            // On a busy machine the deadline may pass before the first poll has ended.
            let early = poll_once(&mut call).await;
            most.fetch_max(conn.in_flight(), Ordering::Relaxed);
            match early {
                Some(result) => result,
                None => call.await,
            }
        });
    }
    let results = tasks.join_all().await;
    (results, most.load(Ordering::Relaxed))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_black_hole_holds_no_more_than_the_budget_and_everybody_gets_an_error() {
    let (proxy, config) = proxied(&db()).await;
    let conn = connect(
        config
            .budget(commands(500))
            .liveness(Duration::from_secs(2)),
    )
    .await;
    proxy.black_hole();
    let (results, most) = flood(&conn, 5_000).await;
    // On a busy machine the line may be found dead before the last of them have started.
    let is_told = |error: typedis_core::Error| error.is_timeout() || error.is_connection();
    assert!(results.into_iter().all(|result| is_told(failed(result))));
    // One more is the driver's own sign of life.
    assert!((1..=501).contains(&most), "{most} were in flight");
    assert!(conn.in_flight() <= 501);
    proxy.heal();
    proxy.cut_all(Cut::Reset);
    ping_works(&conn).await;
    until("nothing is left", || conn.in_flight() == 0).await;
    assert_eq!(counter(&conn, "n").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_of_bytes_is_kept_too() {
    let (proxy, config) = proxied(&db()).await;
    let bytes = 10_000;
    let budget = Budget {
        bytes,
        ..Budget::default()
    };
    let conn = connect(config.budget(budget).liveness(None)).await;
    proxy.black_hole();
    let (results, most) = flood(&conn, 2_000).await;
    assert!(
        results
            .into_iter()
            .all(|result| failed(result).is_timeout())
    );
    let one = "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n".len();
    assert!(most <= bytes / one + 1, "{most} were in flight");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_disconnected_the_dead_give_their_room_to_the_living_and_are_never_sent() {
    let (proxy, config) = proxied(&db()).await;
    let conn = connect(config.budget(commands(100))).await;
    proxy.refuse(true);
    proxy.cut_all(Cut::Reset);
    proxy.wait_for_accepted(3, LONG).await.unwrap();
    // Ten times the budget: some time out, the others are dropped after they were queued.
    let (results, most) = flood(&conn, 500).await;
    assert!(results.iter().all(Result::is_err) && most <= 100, "{most}");
    for _ in 0..500 {
        let mut call = conn.run(incr("n"));
        poll_once(&mut call).await;
        assert!(conn.in_flight() <= 100);
    }
    // The whole budget is to be had again.
    let mut living: Vec<_> = (0..100).map(|_| conn.run(incr("living"))).collect();
    for call in &mut living {
        poll_once(call).await;
    }
    assert!(
        conn.in_flight() >= 75,
        "the dead keep the room of the living"
    );
    proxy.refuse(false);
    for result in all(living).await {
        result.unwrap();
    }
    assert_eq!(counter(&conn, "living").await, 100);
    assert_eq!(counter(&conn, "n").await, 0);
}

#[tokio::test]
async fn what_is_larger_than_the_whole_budget_passes_alone() {
    let budget = Budget {
        bytes: 1_000,
        commands: 10,
    };
    let conn = connect(on(&db()).budget(budget)).await;
    let big = "x".repeat(1 << 20);
    let set = || async { conn.run(set("big", &big)).await.unwrap() };
    let count = || async { conn.run(incr("n")).await.unwrap() };
    let (.., n) = tokio::join!(
        set(),
        count(),
        set(),
        count(),
        all((0..50).map(|_| count())),
        set(),
        count()
    );
    assert_eq!(n, 53);
    let chain = conn.pipeline_each(0..1_000, |c, _| c.run(incr("m"))).await;
    assert_eq!(chain.unwrap().last(), Some(&1_000));
}

#[tokio::test]
async fn who_waits_for_room_is_served_in_order_of_arrival() {
    let conn = connect(on(&db()).budget(commands(3))).await;
    let results = all((0..300).map(|_| conn.run(incr("n")))).await;
    let order: Vec<_> = results.into_iter().map(Result::unwrap).collect();
    assert_eq!(order, (1..=300).collect::<Vec<_>>());
}

/// Someone who needs much room is not overtaken for ever by those who need little.
#[tokio::test]
async fn a_large_command_is_not_starved_by_small_ones() {
    let budget = Budget {
        bytes: 2_000,
        ..Budget::default()
    };
    let conn = connect(on(&db()).budget(budget)).await;
    let stop = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        let (conn, stop) = (conn.clone(), stop.clone());
        tasks.spawn(async move {
            while stop.load(Ordering::Relaxed) == 0 {
                conn.run(incr("n")).await.unwrap();
            }
        });
    }
    until("there is traffic", || conn.in_flight() > 10).await;
    soon("a large command", conn.run(set("big", &"x".repeat(1_900))))
        .await
        .unwrap();
    stop.store(1, Ordering::Relaxed);
    tasks.join_all().await;
}

#[tokio::test]
async fn those_who_leave_the_line_make_way() {
    let (proxy, config) = proxied(&db()).await;
    let conn = connect(
        config
            .budget(commands(1))
            .command_timeout(None)
            .liveness(None),
    )
    .await;
    proxy.to_client().hold();
    let first = conn.run(incr("n")).send();
    let mut in_line: Vec<_> = (0..20).map(|_| conn.run(incr("n"))).collect();
    for call in &mut in_line {
        poll_once(call).await;
    }
    // Every second one goes, the very first among them.
    let mut index = 0;
    in_line.retain(|_| {
        index += 1;
        index % 2 == 0
    });
    proxy.to_client().resume();
    assert_eq!(first.await.unwrap(), 1);
    let results = soon("those in line", all(in_line)).await;
    let order: Vec<_> = results.into_iter().map(Result::unwrap).collect();
    assert_eq!(order, (2..=11).collect::<Vec<_>>());
}

/// A connection with room for one command, of which one is in flight: its reply is held back.
async fn full() -> (
    Proxy,
    Connection,
    impl Future<Output = typedis_core::Result<i64>>,
) {
    let (proxy, config) = proxied(&db()).await;
    let conn = connect(
        config
            .budget(commands(1))
            .command_timeout(None)
            .liveness(None),
    )
    .await;
    proxy.to_client().hold();
    let conn2 = conn.clone();
    let mut first = Box::pin(async move { conn2.run(incr("n")).await });
    poll_once(&mut first).await;
    (proxy, conn, first)
}

/// Nothing wakes a request that was sent and is not awaited: it must not hold up those who are.
#[tokio::test]
async fn a_request_that_was_sent_and_is_not_awaited_holds_up_nobody() {
    let (proxy, conn, first) = full().await;
    let sent = conn.run(incr("n")).send();
    proxy.to_client().resume();
    assert_eq!(soon("the first", first).await.unwrap(), 1);
    let later = soon("a later one", conn.run(incr("n"))).await;
    assert_eq!(later.unwrap(), 2);
    assert_eq!(soon("the one that was sent", sent).await.unwrap(), 3);
}

/// As `select!` leaves behind a future that it borrows, and `buffered` those whose turn is later.
#[tokio::test]
async fn callers_who_are_not_polled_hold_up_nobody() {
    let (proxy, conn, first) = full().await;
    let mut absent: Vec<_> = (0..3).map(|_| conn.run(incr("n"))).collect();
    for call in &mut absent {
        assert!(poll_once(call).await.is_none());
    }
    let waiting = {
        let conn = conn.clone();
        tokio::spawn(async move { conn.run(incr("n")).await })
    };
    until("it stands in line", || conn.stats().waiting == 4).await;
    proxy.to_client().resume();
    assert_eq!(soon("the first", first).await.unwrap(), 1);
    let waited = soon("who waits", waiting).await.unwrap();
    assert_eq!(waited.unwrap(), 2);
    // They can still come, and are served in the order in which they came first.
    let results = soon("the others", all(absent)).await;
    let order: Vec<_> = results.into_iter().map(Result::unwrap).collect();
    assert_eq!(order, [3, 4, 5]);
}

/// Room that comes of a loss is given to those in line, even if they have no deadline that would wake them.
#[tokio::test]
async fn a_lost_connection_makes_room_for_those_in_line() {
    let (proxy, config) = proxied(&db()).await;
    let config = config.liveness(None);
    let conn = connect(config.budget(commands(2)).command_timeout(None)).await;
    proxy.to_client().black_hole();
    let sent = [(); 2].map(|()| conn.run(incr("n")).send());
    // Each in a task of its own, which is polled when it is woken and not otherwise.
    let mut in_line = JoinSet::new();
    for _ in 0..10 {
        let conn = conn.clone();
        in_line.spawn(async move { conn.run(incr("m")).await.unwrap() });
    }
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    proxy.cut_all(Cut::Reset);
    for result in all(sent).await {
        let error = failed(result);
        assert!(
            matches!(error.kind(), ErrorKind::ConnectionLost(_)),
            "{error}"
        );
        assert_eq!(error.phase(), Phase::MaybeApplied);
    }
    proxy.heal();
    // The attempt under way sits in the hole.
    proxy.cut_all(Cut::Reset);
    let mut order = soon("those in line", in_line.join_all()).await;
    order.sort_unstable();
    assert_eq!(order, (1..=10).collect::<Vec<_>>());
}

/// Also with many at once: each gets its turn without a round trip of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_of_thousands_is_served() {
    let conn = connect(on(&db()).budget(commands(50))).await;
    let mut tasks = JoinSet::new();
    for _ in 0..2_000 {
        let conn = conn.clone();
        tasks.spawn(async move { conn.run(incr("n")).await.unwrap() });
    }
    let mut order = soon("all of them", tasks.join_all()).await;
    order.sort_unstable();
    assert_eq!(order, (1..=2_000).collect::<Vec<_>>());
}

#[test]
fn a_request_can_be_sent_outside_of_a_runtime_when_there_is_no_room() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (proxy, conn) = runtime.block_on(async {
        let (proxy, config) = proxied(&db()).await;
        (
            proxy,
            connect(config.budget(commands(1)).liveness(None)).await,
        )
    });
    proxy.to_client().hold();
    let first = conn.run(incr("n")).send();
    let second = conn.run(incr("n")).send();
    proxy.to_client().resume();
    let results = runtime.block_on(async { tokio::join!(first, second) });
    assert_eq!((results.0.unwrap(), results.1.unwrap()), (1, 2));
}
