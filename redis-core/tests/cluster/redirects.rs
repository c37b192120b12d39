use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use typedis_core::cluster::{ClusterEvent, ClusterEvents, slot};
use typedis_core::{ClusterCause, Phase, Run, Script};
use typedis_testkit::fake::{Answer, FakeCluster};

use crate::support::*;

/// Slot 12182, which the last of three nodes has.
const KEY: &str = "foo";

fn ok(text: &str) -> Answer {
    Answer::Reply(format!("+{text}\r\n").into_bytes())
}

#[tokio::test]
async fn moved_is_followed_and_remembered() {
    let fake = FakeCluster::start(3, |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("GET", 0) => ok("there"),
            ("GET", _) => Answer::moved(12_182, asked.addr(0)),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    // The map of all nodes goes on telling the wrong owner for a while: one redirect is enough.
    assert_eq!(cluster.run(get(KEY)).await.unwrap().unwrap(), "there");
    assert_eq!(fake.count(2, "GET"), 1);
    fake.assign(12_182..=12_182, 0);
    for _ in 0..10 {
        assert_eq!(cluster.run(get(KEY)).await.unwrap().unwrap(), "there");
    }
    assert_eq!((fake.count(2, "GET"), fake.count(0, "GET")), (1, 11));
    let owner = cluster
        .topology()
        .primary_of(12_182)
        .unwrap()
        .address
        .clone();
    assert_eq!(owner.to_string(), fake.node(0).addr().to_string());
}

/// The slot of the key has moved to the first node, then the last slot, and nothing has moved back.
async fn expect_moves_to_the_first(fake: &FakeCluster, events: &mut ClusterEvents) {
    for expected in [12_182, 16_383] {
        let event = soon("an event", events.next()).await.unwrap();
        let ClusterEvent::SlotsMoved { slots, to, .. } = &event else {
            panic!("{event:?}");
        };
        let owner = fake.node(0).addr().to_string();
        assert_eq!(slots[..], [expected..=expected], "{event:?}");
        assert_eq!(to.as_ref().unwrap().to_string(), owner, "{event:?}");
    }
}

#[tokio::test]
async fn a_map_that_contradicts_moved_is_checked_with_the_new_owner() {
    let fake = FakeCluster::start(8, |asked| {
        let is_moved = asked.command.text(1) == KEY && asked.node != 0;
        match asked.command.name().as_str() {
            "GET" if is_moved => Answer::moved(12_182, asked.addr(0)),
            "GET" => ok("there"),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let mut events = cluster.events();
    // Nodes that are connected are asked for the map first.
    for number in 0..100 {
        cluster.run(get(&format!("k{number}"))).await.unwrap();
    }
    // All but the new owner go on telling the old map.
    (1..8).for_each(|node| fake.keep_telling(node));
    fake.assign(12_182..=12_182, 0);
    fake.assign(16_383..=16_383, 0);
    assert_eq!(cluster.run(get(KEY)).await.unwrap().unwrap(), "there");
    expect_moves_to_the_first(&fake, &mut events).await;
}

/// Whether nodes answer when they are asked for the map.
const OPEN: usize = 0;
const CLOSED: usize = 1;
/// They do not, and one of them was asked.
const WAITED_FOR: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_old_map_that_was_asked_for_before_moved_came_is_not_believed() {
    let gate = Arc::new(AtomicUsize::new(OPEN));
    let closed = gate.clone();
    let fake = FakeCluster::start(8, move |asked| {
        let is_moved = asked.command.text(1) == KEY && asked.node != 0;
        let (name, state) = (asked.command.name(), closed.load(Ordering::SeqCst));
        let is_shut = state != OPEN;
        match (name.as_str(), asked.node) {
            ("GET", _) if is_moved => Answer::moved(12_182, asked.addr(0)),
            // This makes the client ask for the map, and comes again until it has done so.
            ("GET", _) if state == CLOSED => Answer::error("CLUSTERDOWN The cluster is down"),
            ("GET", _) => ok("there"),
            ("CLUSTER", 0) if is_shut => Answer::error("LOADING"),
            ("CLUSTER", _) if is_shut => {
                closed.store(WAITED_FOR, Ordering::SeqCst);
                tokio::task::block_in_place(|| {
                    until_blocking("the map may be told", || {
                        closed.load(Ordering::SeqCst) == OPEN
                    });
                });
                Answer::Usual
            }
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let mut events = cluster.events();
    for number in 0..100 {
        cluster.run(get(&format!("k{number}"))).await.unwrap();
    }
    (1..8).for_each(|node| fake.keep_telling(node));
    fake.assign(12_182..=12_182, 0);
    fake.assign(16_383..=16_383, 0);
    gate.store(CLOSED, Ordering::SeqCst);
    cluster.run(get("other")).await.unwrap();
    assert_eq!(cluster.run(get(KEY)).await.unwrap().unwrap(), "there");
    gate.store(OPEN, Ordering::SeqCst);
    expect_moves_to_the_first(&fake, &mut events).await;
}

#[tokio::test]
async fn ask_holds_for_one_command_and_asking_stands_right_before_it() {
    let fake = FakeCluster::start(3, |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("GET" | "INCR", 0) if asked.asking => ok("7"),
            ("GET" | "INCR", 0) => Answer::moved(12_182, asked.addr(2)),
            ("GET" | "INCR", _) => Answer::ask(12_182, asked.addr(0)),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let many: Vec<_> = (0..50)
        .map(|_| {
            let cluster = cluster.clone();
            tokio::spawn(async move { cluster.run(get(KEY)).await.unwrap().unwrap() })
        })
        .collect();
    for one in many {
        assert_eq!(soon("a redirected GET", one).await.unwrap(), "7");
    }
    // The slot has not moved.
    assert_eq!(
        (
            fake.count(2, "GET"),
            fake.count(0, "GET"),
            fake.count(0, "ASKING")
        ),
        (50, 50, 50)
    );
}

#[tokio::test]
async fn what_passes_is_waited_for() {
    for refusal in [
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "CLUSTERDOWN Hash slot not served",
        "LOADING Valkey is loading the dataset in memory",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "READONLY You can't write against a read only replica.",
    ] {
        let asked_before = Arc::new(AtomicUsize::new(0));
        let fake = FakeCluster::start(1, move |asked| match asked.command.name().as_str() {
            "INCR" if asked_before.fetch_add(1, Ordering::Relaxed) < 5 => Answer::error(refusal),
            "INCR" => Answer::Reply(b":1\r\n".to_vec()),
            _ => Answer::Usual,
        })
        .await
        .unwrap();
        let cluster = connect(&fake).await;
        let reply = soon(refusal, cluster.run(incr(KEY))).await;
        assert_eq!(reply.unwrap(), 1, "{refusal}");
        assert_eq!(fake.count(0, "INCR"), 6);
    }
}

/// A script may fail like this after it has changed something.
#[tokio::test]
async fn an_error_whose_code_a_script_chose_is_the_outcome_of_its_call() {
    for chosen in ["BUSY the lock is held", "READONLY mode", "CLUSTERDOWN"] {
        let fake = FakeCluster::start(1, move |asked| match asked.command.name().as_str() {
            "INCR" | "EVAL" | "EVALSHA" => Answer::error(chosen),
            _ => Answer::Usual,
        })
        .await
        .unwrap();
        let cluster = connect(&fake).await;
        let script = Script::new("return redis.error_reply('BUSY the lock is held')");
        let call = || script.call::<i64>([KEY], ());
        let mut errors = Vec::new();
        errors.extend(soon(chosen, cluster.run(call())).await.err());
        errors.extend(soon(chosen, cluster.run(incr(KEY))).await.err());
        let chain = cluster.pipeline().run(call()).attempt();
        let (one, other) = soon(chosen, chain.run(call()).attempt()).await.unwrap();
        errors.extend([one.err(), other.err()].into_iter().flatten());
        let texts: Vec<_> = errors
            .iter()
            .map(|error| error.server().unwrap().to_string())
            .collect();
        assert_eq!(texts, [chosen; 4]);
        assert_eq!(fake.count(0, "INCR"), 1);
    }
}

/// Also if the whole pause would be longer than what is left of its time.
#[tokio::test]
async fn what_does_not_pass_is_the_error_once_the_deadline_comes_and_not_before() {
    const DEADLINE: Duration = Duration::from_secs(3);
    let fake = FakeCluster::start(1, |asked| match asked.command.name().as_str() {
        "INCR" => Answer::error("CLUSTERDOWN The cluster is down"),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect_with_long_pauses(&fake).await;
    let begun = Instant::now();
    let call = cluster.run(incr(KEY)).deadline(DEADLINE);
    let error = soon("a cluster that is down", call).await.unwrap_err();
    was_refused_to_the_end(&error, "CLUSTERDOWN");
    assert_eq!(error.command(), Some("INCR"));
    let unused = DEADLINE.saturating_sub(begun.elapsed());
    assert!(unused < Duration::from_millis(300), "{unused:?}");
}

#[tokio::test]
async fn nodes_that_send_a_command_in_a_circle_are_an_error_that_shows_the_path() {
    let fake = FakeCluster::start(2, |asked| match asked.command.name().as_str() {
        "INCR" => Answer::moved(12_182, asked.addr(1 - asked.node)),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let error = soon("a circle", cluster.run(incr(KEY))).await.unwrap_err();
    assert_eq!(cause(&error), ClusterCause::Circle);
    assert_eq!(error.phase(), Phase::Refused);
    assert!(error.is_retryable(), "the nodes may agree later: {error}");
    let (a, b) = (fake.node(0).addr(), fake.node(1).addr());
    assert!(
        error.to_string().contains(&format!("{a}, {b}, {a}")),
        "{error}"
    );
    let sent = fake.count(0, "INCR") + fake.count(1, "INCR");
    assert_eq!(sent, 17);
}

/// What was sent once stays sent, wherever it goes from there.
#[tokio::test]
async fn a_circle_behind_a_loss_does_not_undo_what_was_sent() {
    let lost = AtomicUsize::new(0);
    let fake = FakeCluster::start(2, move |asked| match asked.command.name().as_str() {
        "GET" if lost.fetch_add(1, Ordering::Relaxed) == 0 => Answer::Close,
        "GET" => Answer::moved(12_182, asked.addr(1 - asked.node)),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let error = soon("a circle", cluster.run(get(KEY))).await.unwrap_err();
    assert_eq!(cause(&error), ClusterCause::Circle);
    assert_eq!(error.phase(), Phase::MaybeApplied, "{error}");
    assert!(!error.is_retryable(), "{error}");
}

#[tokio::test]
async fn another_error_is_the_callers() {
    let fake = FakeCluster::start(1, |asked| match asked.command.name().as_str() {
        "INCR" => Answer::error("WRONGTYPE Operation against a key"),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let error = cluster.run(incr(KEY)).await.unwrap_err();
    assert_eq!(error.server().unwrap().code(), "WRONGTYPE");
    assert_eq!(fake.count(0, "INCR"), 1);
}

#[tokio::test]
async fn a_lost_command_goes_again_only_if_it_may_be_repeated() {
    let lost = Arc::new(AtomicUsize::new(0));
    let fake = FakeCluster::start(1, move |asked| match asked.command.name().as_str() {
        "GET" | "INCR" if lost.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) => Answer::Close,
        "GET" => ok("again"),
        "INCR" => Answer::Reply(b":2\r\n".to_vec()),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    assert_eq!(cluster.run(get(KEY)).await.unwrap().unwrap(), "again");
    assert_eq!(fake.count(0, "GET"), 2);
    let error = cluster.run(incr(KEY)).await.unwrap_err();
    assert_eq!(error.phase(), Phase::MaybeApplied, "{error}");
    assert_eq!(fake.count(0, "INCR"), 1);
    assert_eq!(cluster.run(incr(KEY)).await.unwrap(), 2);
}

#[tokio::test]
async fn a_command_that_was_sent_on_and_then_lost_takes_no_reply_of_others() {
    let fake = FakeCluster::start(3, |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("INCR", 0) => Answer::Close,
            ("INCR", _) => Answer::moved(12_182, asked.addr(0)),
            ("GET", 0) => ok("right"),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let error = soon("a loss", cluster.run(incr(KEY))).await.unwrap_err();
    assert_eq!(error.phase(), Phase::MaybeApplied, "{error}");
    assert_eq!(fake.count(0, "INCR"), 1);
    for _ in 0..3 {
        let got = soon("a value", cluster.run(get(KEY))).await.unwrap();
        assert_eq!(got.as_deref(), Some("right"));
    }
}

#[tokio::test]
async fn after_asking_an_error_that_is_no_refusal_is_the_callers() {
    let fake = FakeCluster::start(3, |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("INCR", 0) if asked.asking => Answer::error("WRONGTYPE Operation against a key"),
            ("INCR", _) => Answer::ask(12_182, asked.addr(0)),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let error = soon("an error", cluster.run(incr(KEY))).await.unwrap_err();
    assert_eq!(error.server().unwrap().code(), "WRONGTYPE");
    assert_eq!(fake.count(0, "INCR"), 1);
}

#[tokio::test]
async fn asking_is_followed_also_after_other_redirects() {
    let fake = FakeCluster::start(3, |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("GET", 0) if asked.asking => ok("there"),
            ("GET", 0) => Answer::moved(12_182, asked.addr(1)),
            ("GET", 1) => Answer::ask(12_182, asked.addr(0)),
            ("GET", _) => Answer::moved(12_182, asked.addr(0)),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let got = soon("a value", cluster.run(get(KEY))).await.unwrap();
    assert_eq!(got.as_deref(), Some("there"));
}

#[tokio::test]
async fn a_node_that_only_a_redirect_tells_of_is_reached() {
    // It has no slots yet, so that no map names it.
    let fake = FakeCluster::start(3, |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("GET", 1) if asked.asking => ok("new"),
            ("GET", _) => Answer::ask(12_182, asked.addr(1)),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    fake.assign(0..=16_383, 2);
    let cluster = connect(&fake).await;
    assert_eq!(cluster.topology().nodes().len(), 1);
    for _ in 0..3 {
        assert_eq!(cluster.run(get(KEY)).await.unwrap().unwrap(), "new");
    }
    assert_eq!(fake.node(1).connections(), 1);
}

#[tokio::test]
async fn redirects_without_end_of_all_slots_ask_for_the_map_at_most_once_a_second() {
    let fake = FakeCluster::start(2, |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("GET", 0) => Answer::moved(slot(asked.command.text(1)), asked.addr(1)),
            ("GET", _) => ok("there"),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    fake.assign(0..=16_383, 0);
    let cluster = connect(&fake).await;
    let before = std::time::Instant::now();
    for number in 0..2_000 {
        cluster.run(get(&format!("k{number}"))).await.unwrap();
    }
    let questions: usize = (0..2).map(|node| fake.count(node, "CLUSTER")).sum();
    // Two commands each time.
    let most = 2 * (2 + usize::try_from(before.elapsed().as_secs()).unwrap());
    assert!(questions <= most, "{questions} questions");
}
