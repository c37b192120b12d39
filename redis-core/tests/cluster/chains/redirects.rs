//! Commands of a pipeline that a node refuses, or sends to another node.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use typedis_core::cluster::slot;
use typedis_core::{ClusterCause, ErrorKind, Phase, Run, raw};
use typedis_testkit::fake::{Answer, FakeCluster};

use super::{KEY, count, keys, node_of, number};
use crate::support::*;

#[tokio::test]
async fn a_redirect_of_one_command_does_not_disturb_the_others() {
    let fake = FakeCluster::start(3, |asked| {
        let (text, here) = (asked.command.text(1), asked.node);
        let key = text.as_str();
        match asked.command.name().as_str() {
            // Every fifth key has moved to the next node, every seventh is on its way there.
            "INCR" if number(key) % 5 == 0 && here == node_of(key) => {
                Answer::moved(slot(key), asked.addr((here + 1) % 3))
            }
            "INCR" if number(key) % 5 == 0 => count(key),
            "INCR" if number(key) % 7 == 0 && here == node_of(key) => {
                Answer::ask(slot(key), asked.addr((here + 1) % 3))
            }
            "INCR" if number(key) % 7 == 0 && !asked.asking => {
                Answer::moved(slot(key), asked.addr(node_of(key)))
            }
            "INCR" => count(key),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let keys = keys(100);
    let replies = cluster.pipeline_each(&keys, |_, key| incr(key));
    let expected: Vec<i64> = (0..100).collect();
    assert_eq!(soon("a pipeline", replies).await.unwrap(), expected);
    let sent: usize = (0..3).map(|node| fake.count(node, "INCR")).sum();
    let redirected = (0..100).filter(|n| n % 5 == 0 || n % 7 == 0).count();
    assert_eq!(sent, 100 + redirected);
}

#[tokio::test]
async fn commands_of_one_slot_keep_their_order_through_a_redirect_and_a_pause() {
    // The first three are refused for a while; then the slot has moved, and the later ones are told so at once.
    let refused = Arc::new(AtomicUsize::new(0));
    let fake = FakeCluster::start(3, move |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("APPEND", 2) if refused.fetch_add(1, Ordering::Relaxed) < 3 => {
                Answer::error("CLUSTERDOWN The cluster is down")
            }
            ("APPEND", 2) => Answer::moved(12_182, asked.addr(0)),
            ("APPEND", _) => Answer::Reply(b":1\r\n".to_vec()),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let append = |number: usize| raw("APPEND").key(KEY).arg(number).reply::<i64>();
    let replies = cluster.pipeline_each(0..20, |_, number| append(number));
    assert_eq!(soon("a pipeline", replies).await.unwrap(), [1; 20]);
    let arrived: Vec<String> = (0..fake.node(0).connections())
        .flat_map(|connection| fake.node(0).received(connection))
        .filter(|words| words.name() == "APPEND")
        .map(|words| words.text(2))
        .collect();
    let expected: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    assert_eq!(arrived, expected);
}

#[tokio::test]
async fn a_command_that_never_passes_ends_with_its_refusal_at_the_deadline() {
    let fake = FakeCluster::start(3, |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("INCR", 2) => Answer::error("CLUSTERDOWN The cluster is down"),
            ("INCR", _) => Answer::Reply(b":1\r\n".to_vec()),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect_with_long_pauses(&fake).await;
    assert_ne!(node_of("k0"), 2);
    // On a busy machine there may be no second attempt before the deadline.
    for _ in 0..5 {
        let before = fake.count(2, "INCR");
        let down = cluster
            .pipeline()
            .run(incr("k0"))
            .attempt()
            .run(incr(KEY))
            .attempt()
            .deadline(Duration::from_secs(1));
        let (well, down) = soon("a pipeline", down).await.unwrap();
        assert_eq!(well.unwrap(), 1);
        was_refused_to_the_end(&down.unwrap_err(), "CLUSTERDOWN");
        if fake.count(2, "INCR") > before + 1 {
            return;
        }
    }
    panic!("it was tried once only");
}

#[tokio::test]
async fn nodes_that_send_a_command_round_and_round_fail_that_command_alone() {
    let fake = FakeCluster::start(3, |asked| {
        match (
            asked.command.name().as_str(),
            asked.command.text(1).as_str(),
        ) {
            ("INCR", KEY) => Answer::moved(12_182, asked.addr((asked.node + 1) % 3)),
            ("INCR", key) => count(key),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let both = cluster
        .pipeline()
        .run(incr("k7"))
        .attempt()
        .run(incr(KEY))
        .attempt();
    let (well, circle) = soon("a pipeline", both).await.unwrap();
    assert_eq!(well.unwrap(), 7);
    let circle = circle.unwrap_err();
    assert_eq!(cause(&circle), ClusterCause::Circle);
    assert_eq!(circle.phase(), Phase::Refused);
    assert!(circle.is_retryable(), "{circle}");
}

#[tokio::test]
async fn a_circle_behind_a_loss_does_not_undo_what_a_pipeline_has_sent() {
    let lost = AtomicUsize::new(0);
    let fake = FakeCluster::start(3, move |asked| match asked.command.name().as_str() {
        "GET" if lost.fetch_add(1, Ordering::Relaxed) == 0 => Answer::Close,
        "GET" => Answer::moved(12_182, asked.addr((asked.node + 1) % 3)),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let read = cluster.pipeline().run(get(KEY));
    let error = soon("a pipeline", read).await.unwrap_err();
    assert_eq!(cause(&error), ClusterCause::Circle);
    assert_eq!(error.phase(), Phase::MaybeApplied, "{error}");
    assert!(!error.is_retryable(), "{error}");
}

#[tokio::test]
async fn two_absent_keys_amid_a_migration_wait_until_it_is_over() {
    // The source has none of the keys, so it says ASK; the target says TRYAGAIN for as long as the slot moves.
    let asked_before = Arc::new(AtomicUsize::new(0));
    let fake = FakeCluster::start(3, move |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("RENAME", 2) if asked_before.fetch_add(1, Ordering::Relaxed) < 20 => {
                Answer::ask(12_182, asked.addr(0))
            }
            ("RENAME", 2) => Answer::moved(12_182, asked.addr(0)),
            ("RENAME", 0) if asked.asking => {
                Answer::error("TRYAGAIN Multiple keys request during rehashing of slot")
            }
            ("INCR", _) => Answer::Reply(b":1\r\n".to_vec()),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let rename = raw("RENAME").key("{foo}a").key("{foo}b").reply::<()>();
    let both = cluster.pipeline().run(rename).run(incr("k0"));
    let ((), one) = soon("a pipeline", both).await.unwrap();
    assert_eq!(one, 1);
    assert_eq!((fake.count(2, "RENAME"), fake.count(0, "RENAME")), (21, 21));
}

/// A reply is missing at the deadline, and another is a refusal that passes.
#[tokio::test]
async fn what_was_refused_does_not_go_again_once_the_deadline_has_passed() {
    let fake = FakeCluster::start(3, |asked| match asked.command.name().as_str() {
        "INCR" => Answer::error("CLUSTERDOWN The cluster is down"),
        "GET" => Answer::Silence,
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let both = cluster
        .pipeline()
        .run(incr(KEY))
        .attempt()
        .run(get(KEY))
        .attempt()
        .deadline(Duration::from_secs(1));
    let (refused, silent) = soon("a pipeline", both).await.unwrap();
    assert_eq!(refused.unwrap_err().server().unwrap().code(), "CLUSTERDOWN");
    assert!(matches!(silent.unwrap_err().kind(), ErrorKind::Timeout));
    assert_eq!(fake.count(2, "INCR"), 1);
}
