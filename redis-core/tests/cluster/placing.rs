//! Which node a subscription is on, by a scripted cluster: nodes that do not confirm, and nodes that leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use typedis_core::cluster::Cluster;
use typedis_core::pubsub::Event;
use typedis_core::{Channel, Run};
use typedis_testkit::fake::{Answer, FakeCluster};

use crate::support::*;

/// A client that waits for ever.
async fn connect_patiently(fake: &FakeCluster) -> Cluster {
    let config = config(&fake.node(0).url()).command_timeout(None);
    Cluster::open(config).await.unwrap()
}

/// The next event is a message: it was told of no gap before.
async fn next_is(channel: &mut Channel, text: &str) {
    match soon("a message", channel.next()).await.unwrap().unwrap() {
        Event::Message(message) => assert_eq!(message.payload(), text),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn who_waits_for_a_node_that_cannot_confirm_is_confirmed_by_the_next_owner_of_the_slot() {
    let fake = FakeCluster::start(2, |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("SSUBSCRIBE", 0) => Answer::error("CLUSTERDOWN Hash slot not served"),
            ("SSUBSCRIBE", _) => confirmed(asked),
            ("GET", _) => {
                let mut bytes = push_message("{t}", "hello");
                bytes.extend(b"$-1\r\n");
                Answer::Reply(bytes)
            }
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    fake.assign(0..=16_383, 0);
    let cluster = connect_patiently(&fake).await;
    let resharding = async {
        until("a refusal", || fake.count(0, "SSUBSCRIBE") > 0).await;
        fake.assign(0..=16_383, 1);
    };
    let subscribe = soon("a confirmation", cluster.ssubscribe("{t}"));
    let (channel, ()) = tokio::join!(subscribe, resharding);
    cluster.run(get("{t}")).await.unwrap();
    next_is(&mut channel.unwrap(), "hello").await;
    assert_eq!(fake.count(1, "SSUBSCRIBE"), 1);
}

#[tokio::test]
async fn who_waits_for_a_node_that_is_silent_is_confirmed_by_another() {
    const NONE: usize = usize::MAX;
    // The node that is chosen first takes sockets, and never answers.
    let silent = Arc::new(AtomicUsize::new(NONE));
    let state = silent.clone();
    let fake = FakeCluster::start(2, move |asked| {
        let is_discovery = (asked.node, asked.connection) == (0, 0);
        if !is_discovery {
            let order = Ordering::Relaxed;
            let _ = state.compare_exchange(NONE, asked.node, order, order);
        }
        match asked.command.name().as_str() {
            _ if state.load(Ordering::Relaxed) == asked.node => Answer::Silence,
            "SUBSCRIBE" => confirmed(asked),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect_patiently(&fake).await;
    let mut news = soon("another node", cluster.subscribe("news"))
        .await
        .unwrap();
    assert!(news.is_active());
    let first = silent.load(Ordering::Relaxed);
    assert_eq!(fake.count(1 - first, "SUBSCRIBE"), 1);
    // There was no gap: nothing was promised before.
    let next = std::future::poll_fn(|cx| {
        let mut next = std::pin::pin!(news.next());
        std::task::Poll::Ready(next.as_mut().poll(cx).is_ready())
    });
    assert!(!next.await);
}

#[tokio::test]
async fn who_waits_for_all_primaries_does_not_wait_for_one_that_leaves() {
    let fake = FakeCluster::start(2, |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("CONFIG", _) => {
                Answer::Reply(b"*2\r\n$22\r\nnotify-keyspace-events\r\n$3\r\nAKE\r\n".to_vec())
            }
            ("PSUBSCRIBE", 1) => Answer::error("BUSY a script is running"),
            ("PSUBSCRIBE", _) => confirmed(asked),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect_patiently(&fake).await;
    let leaving = async {
        until("a refusal", || fake.count(1, "PSUBSCRIBE") > 0).await;
        fake.assign(0..=16_383, 0);
    };
    let events = cluster.keyspace_events();
    let (events, ()) = tokio::join!(soon("a confirmation", events), leaving);
    events.unwrap();
}
