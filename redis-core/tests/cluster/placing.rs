//! Which node a subscription is on, by a scripted cluster: nodes that do not confirm, and nodes that leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Builder;
use typedis_core::cluster::{Cluster, slot};
use typedis_core::pubsub::{Event, Lag};
use typedis_core::{Channel, ErrorKind, Phase, Run};
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

#[test]
fn streams_end_with_the_runtime_of_their_cluster() {
    let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
    let (servers, first, second) = (runtime(), runtime(), runtime());
    let fake = servers.block_on(FakeCluster::start(2, |asked| {
        match asked.command.name().as_str() {
            "SUBSCRIBE" if asked.command.text(1) == "news" => confirmed(asked),
            "SUBSCRIBE" => Answer::Silence,
            _ => Answer::Usual,
        }
    }));
    let fake = fake.unwrap();
    let (all, news, waiting) = std::thread::scope(|scope| {
        // The nodes answer meanwhile.
        let (done, is_done) = tokio::sync::oneshot::channel::<()>();
        scope.spawn(|| servers.block_on(is_done).unwrap());
        let streams = first.block_on(async {
            let cluster = connect_patiently(&fake).await;
            let news = soon("a channel", cluster.subscribe("news")).await.unwrap();
            let mut waiting = cluster.subscribe("silence");
            let polled = std::future::poll_fn(|cx| {
                std::task::Poll::Ready(std::pin::Pin::new(&mut waiting).poll(cx).is_ready())
            });
            assert!(!polled.await);
            (cluster.subscriber().open(), news, waiting)
        });
        done.send(()).unwrap();
        streams
    });
    drop(first);
    second.block_on(async {
        let (mut all, mut news) = (all, news);
        assert!(soon("the end", all.next()).await.is_none());
        assert!(soon("the end", news.next()).await.is_none());
        let error = soon("an error", waiting).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::RuntimeEnded), "{error}");
        let error = soon("an error", all.subscribe("news")).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::RuntimeEnded), "{error}");
        assert_eq!(error.phase(), Phase::NotSent);
    });
}

/// Two nodes of which the second has all slots, and says of reads, once the first has them, where they are.
async fn cluster_to_leave() -> FakeCluster {
    let fake = FakeCluster::start(2, |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("SUBSCRIBE" | "UNSUBSCRIBE" | "SSUBSCRIBE" | "SUNSUBSCRIBE", _) => confirmed(asked),
            ("GET", 1) => Answer::moved(slot("{t}"), asked.addr(0)),
            ("GET", _) => Answer::Reply(b"$-1\r\n".to_vec()),
            _ => Answer::Usual,
        }
    });
    let fake = fake.await.unwrap();
    fake.assign(0..=16_383, 1);
    fake
}

/// The second node loses its slots, and with them its place in the map: nothing may hold on to it.
async fn is_left(fake: &FakeCluster, cluster: &Cluster) {
    fake.assign(0..=16_383, 0);
    cluster.run(get("{t}")).await.unwrap();
    until("a map without the node", || {
        cluster.topology().primaries().count() == 1
    })
    .await;
    let before = fake.node(1).connections();
    until("the end of its connections", || {
        fake.node(1).open_connections() == 0
    })
    .await;
    assert_eq!(fake.node(1).connections(), before);
}

#[tokio::test]
async fn a_node_that_left_the_cluster_is_not_kept_as_the_home_of_channels() {
    let fake = cluster_to_leave().await;
    let cluster = connect(&fake).await;
    drop(soon("a channel", cluster.subscribe("news")).await.unwrap());
    assert_eq!(fake.count(1, "SUBSCRIBE"), 1);
    is_left(&fake, &cluster).await;
}

#[tokio::test]
async fn a_node_that_left_the_cluster_is_not_kept_for_a_stream_that_is_waited_for() {
    let fake = cluster_to_leave().await;
    let cluster = connect(&fake).await;
    let subscribe = cluster.ssubscribe("{t}").on_lag(Lag::Wait);
    let mut channel = soon("a channel", subscribe).await.unwrap();
    assert_eq!(fake.count(1, "SSUBSCRIBE"), 1);
    is_left(&fake, &cluster).await;
    let next = soon("a note", channel.next()).await.unwrap().unwrap();
    assert_eq!(next, Event::Resubscribed);
}
