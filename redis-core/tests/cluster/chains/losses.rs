//! Commands of a pipeline whose node is lost or cannot be reached.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use typedis_core::cluster::Cluster;
use typedis_core::{Budget, CommandInfo, Detached, Error, Phase, Request, Result, Run, cmd, raw};
use typedis_testkit::fake::{Answer, FakeCluster};

use super::{KEY, keys, node_of, tell};
use crate::support::*;

static APPEND: CommandInfo = CommandInfo::new("APPEND", b"$6\r\nAPPEND\r\n", 1);

#[tokio::test]
async fn what_is_lost_with_a_node_goes_again_only_if_it_may_be_repeated() {
    let lost = Arc::new(AtomicUsize::new(0));
    let fake = FakeCluster::start(3, move |asked| {
        match (asked.command.name().as_str(), asked.node) {
            // After two replies the socket is lost, once.
            ("GET" | "INCR", 2) if lost.fetch_add(1, Ordering::Relaxed) == 2 => Answer::Close,
            ("GET", node) => tell(node, &asked.command.text(1)),
            ("INCR", _) => Answer::Reply(b":1\r\n".to_vec()),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let mut batch = cluster.batch();
    let first: Vec<_> = (0..2).map(|_| batch.push(incr(KEY))).collect();
    let second = [(); 2].map(|()| (batch.push(incr(KEY)), batch.push(get(KEY))));
    let elsewhere = batch.push(incr("k0"));
    let mut replies = soon("a batch", batch.execute()).await.unwrap();
    for handle in first {
        assert_eq!(replies.take(handle).unwrap(), 1);
    }
    let lost = |error: Error| {
        assert_eq!(error.phase(), Phase::MaybeApplied, "{error}");
        assert!(error.is_connection(), "{error}");
    };
    let [(write, read), (last_write, last_read)] = second;
    lost(replies.take(write).unwrap_err());
    // The write behind it may have been carried out, so this would read what came later.
    lost(replies.take(read).unwrap_err());
    lost(replies.take(last_write).unwrap_err());
    assert_eq!(replies.take(last_read).unwrap().unwrap(), "2:foo");
    assert_eq!(replies.take(elsewhere).unwrap(), 1);
    assert_eq!(fake.count(2, "INCR"), 3);
}

/// Each of them could be repeated alone. But the first write may have been carried out: what comes before it on the same key would then
/// see or undo it.
#[tokio::test]
async fn what_a_later_write_may_have_overtaken_is_not_repeated() {
    static GET: CommandInfo = CommandInfo::new("GET", b"$3\r\nGET\r\n", 1).readonly();
    static SET: CommandInfo = CommandInfo::new("SET", b"$3\r\nSET\r\n", 1).idempotent();
    fn read(key: &str) -> Request<Detached, Option<String>> {
        Request::new(cmd(), &GET, |args| args.key("key", key))
    }
    fn write(key: &str, value: &str) -> Request<Detached, ()> {
        Request::new(cmd(), &SET, |args| {
            args.key("key", key);
            args.arg("value", value);
        })
    }
    let lost = Arc::new(AtomicUsize::new(0));
    let fake = FakeCluster::start(3, move |asked| {
        let is_lost = lost.load(Ordering::Relaxed) > 0;
        match (
            asked.command.name().as_str(),
            asked.command.text(2).as_str(),
        ) {
            ("GET" | "SET", value) if !is_lost && value != "second" => Answer::Silence,
            ("SET", _) if !is_lost => {
                lost.store(1, Ordering::Relaxed);
                Answer::Close
            }
            ("GET", _) => tell(asked.node, &asked.command.text(1)),
            ("SET", _) => Answer::Reply(b"+OK\r\n".to_vec()),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let other = keys(100).into_iter().find(|key| node_of(key) == 2).unwrap();
    let mut batch = cluster.batch();
    let before = batch.push(read(KEY));
    let elsewhere = batch.push(read(&other));
    let first = batch.push(write(KEY, "first"));
    let second = batch.push(write(KEY, "second"));
    let mut replies = soon("a batch", batch.execute()).await.unwrap();
    let error = replies.take(before).unwrap_err();
    assert_eq!(error.phase(), Phase::MaybeApplied, "{error}");
    let error = replies.take(first).unwrap_err();
    assert_eq!(error.phase(), Phase::MaybeApplied, "{error}");
    replies.take(second).unwrap();
    let told = replies.take(elsewhere).unwrap();
    assert_eq!(told, Some(format!("2:{other}")));
    assert_eq!((fake.count(2, "GET"), fake.count(2, "SET")), (3, 3));
}

/// More than the sockets' buffers hold, to a node that closes the socket at the first command.
#[tokio::test]
async fn what_was_not_written_to_a_lost_node_goes_again_whatever_it_is() {
    let before = Arc::new(AtomicUsize::new(0));
    let fake = FakeCluster::start(1, move |asked| match asked.command.name().as_str() {
        "APPEND" if before.fetch_add(1, Ordering::Relaxed) == 0 => Answer::Close,
        "APPEND" => Answer::Reply(b":1\r\n".to_vec()),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let value = "x".repeat(1 << 20);
    let appends = cluster.pipeline_each(0..48, |once, _| {
        let append: Request<_, i64> = Request::new(once, &APPEND, |args| {
            args.key("key", KEY);
            args.arg("value", &value);
        });
        append.attempt()
    });
    let outcomes = soon("a pipeline", appends).await.unwrap();
    let known = outcomes.iter().position(Result::is_ok);
    let known = known.expect("some were not written");
    // The first may have been carried out. Nothing is known of those behind it that had been written.
    assert!(known > 0);
    let (unknown, known) = outcomes.split_at(known);
    let is_unknown = |outcome: &Result<i64>| {
        let error = outcome.as_ref().unwrap_err();
        error.phase() == Phase::MaybeApplied
    };
    assert!(unknown.iter().all(is_unknown));
    assert!(known.iter().all(Result::is_ok));
    assert_eq!(fake.count(0, "APPEND"), 1 + known.len());
}

/// Seed 2242 of the simulation: what was sent to a node that was lost may have been carried out, also if it cannot be sent to
/// another.
#[tokio::test]
async fn what_was_lost_with_a_node_is_not_reported_as_not_sent_later() {
    for in_pipeline in [false, true] {
        // On a busy machine a node may not even be asked within the first of these.
        let mut limits = [300, 3_000, 30_000].map(Duration::from_millis).into_iter();
        let error = loop {
            let limit = limits.next().expect("a node is asked in time");
            if let Some(error) = lost_and_never_back(in_pipeline, limit).await {
                break error;
            }
        };
        assert_eq!(error.phase(), Phase::MaybeApplied, "{error}");
    }
}

/// How commands end at their deadline which a node was sent before it was lost for good. `None` if it was not sent them in time.
async fn lost_and_never_back(in_pipeline: bool, limit: Duration) -> Option<Error> {
    let lost = Arc::new(AtomicUsize::new(0));
    let is_lost = lost.clone();
    let fake = FakeCluster::start(2, move |asked| match asked.command.name().as_str() {
        "ECHO" => {
            is_lost.store(1, Ordering::Relaxed);
            Answer::Close
        }
        "HELLO" if is_lost.load(Ordering::Relaxed) > 0 => Answer::Silence,
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let echo = || raw("ECHO").key("a").readonly().reply::<String>();
    let error = if in_pipeline {
        let both = cluster.pipeline().run(echo()).run(echo());
        both.deadline(limit).await.unwrap_err()
    } else {
        cluster.run(echo()).deadline(limit).await.unwrap_err()
    };
    (lost.load(Ordering::Relaxed) > 0).then_some(error)
}

/// The node cannot be reached, and the budget of its link is full: they wait for room, are turned away, and try again.
#[tokio::test]
async fn what_is_turned_away_while_it_waits_for_room_keeps_its_first_deadline() {
    let fake = FakeCluster::start(3, |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("HELLO", 2) | ("GET", _) => Answer::Silence,
            ("INCR", _) => Answer::Reply(b":1\r\n".to_vec()),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let one = Budget {
        commands: 1,
        ..Budget::default()
    };
    let config = config(&fake.node(0).url())
        .budget(one)
        .connect_timeout(Duration::from_secs(1));
    let cluster = Cluster::open(config).await.unwrap();
    let elsewhere = keys(9).into_iter().find(|key| node_of(key) == 0).unwrap();
    let first = cluster.run(get(KEY));
    // They begin after it, and last for longer than a connection attempt.
    let deadline = Duration::from_millis(1_500);
    let late = async {
        let single = cluster.run(incr(KEY)).deadline(deadline);
        let on_one = cluster
            .pipeline()
            .run(incr(KEY))
            .run(incr(KEY))
            .deadline(deadline);
        let on_two = cluster
            .pipeline()
            .run(incr(KEY))
            .run(incr("k0"))
            .deadline(deadline);
        tokio::join!(single, on_one, on_two)
    };
    let limit = cluster
        .run(get(&elsewhere))
        .deadline(Duration::from_millis(2_000));
    let (single, on_one, on_two) = tokio::select! {
        biased;
        _ = first => panic!("it has a later deadline"),
        outcomes = late => outcomes,
        later = limit => panic!("a command with a later deadline was given up first: {later:?}"),
    };
    for error in [
        single.unwrap_err(),
        on_one.unwrap_err(),
        on_two.unwrap_err(),
    ] {
        assert_eq!(error.phase(), Phase::NotSent, "{error}");
    }
}
