//! Publish and subscribe on clusters that change.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use typedis_core::cluster::{Cluster, slot};
use typedis_core::pubsub::{Event, Lag};
use typedis_core::{Channel, Run, raw};
use typedis_testkit::ServerKind;
use typedis_testkit::cluster::Node;
use typedis_testkit::fake::{Answer, FakeCluster};

use crate::support::*;

const KINDS: [ServerKind; 2] = [ServerKind::Valkey9, ServerKind::Redis8];

async fn publish(cluster: &Cluster, channel: &str, text: &str) {
    let command = raw("PUBLISH").arg(channel).arg(text).reply::<i64>();
    cluster.run(command).await.unwrap();
}

async fn spublish(cluster: &Cluster, channel: &str, text: &str) {
    let command = raw("SPUBLISH").key(channel).arg(text).reply::<i64>();
    cluster.run(command).await.unwrap();
}

async fn text(channel: &mut Channel) -> String {
    let next = soon("a message", channel.get::<String>()).await;
    next.unwrap().unwrap()
}

/// Publishes until the reader gets something again, and returns what it was told before.
async fn heard_again(cluster: &Cluster, channel: &mut Channel, shard: bool) -> Vec<Event> {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let again = format!("again {}", CALLS.fetch_add(1, Ordering::Relaxed));
    let name = channel.name().into_owned();
    let mut told = Vec::new();
    let wait = async {
        loop {
            if shard {
                let command = raw("SPUBLISH").key(&name).arg(&again).reply::<i64>();
                // A cluster that is failing over refuses for a while.
                let _ = cluster.run(command).await;
            } else {
                let command = raw("PUBLISH").arg(&name).arg(&again).reply::<i64>();
                let _ = cluster.run(command).await;
            }
            let next = tokio::time::timeout(Duration::from_millis(20), channel.next()).await;
            match next {
                Ok(Some(Ok(Event::Message(message)))) => {
                    if *message.payload() == again {
                        return;
                    }
                }
                Ok(Some(Ok(event))) => told.push(event),
                Ok(other) => panic!("{other:?}"),
                Err(_) => {}
            }
        }
    };
    soon("messages after a move", wait).await;
    told
}

#[tokio::test]
async fn channels_patterns_and_shard_channels_are_heard_whichever_node_is_published_to() {
    for kind in KINDS {
        let space = keys_of(kind).await;
        for protocol in BOTH {
            let config = config(&space.cluster().url()).protocol(protocol);
            let cluster = Cluster::open(config).await.unwrap();
            let names: Vec<String> = (0..6).map(|number| space.key(number)).collect();
            let mut plain = cluster.subscribe(&names[0]).await.unwrap();
            let pattern = format!("{}*", space.key(1));
            let mut matched = cluster.psubscribe(&pattern).await.unwrap();
            let mut shards = cluster.ssubscribe(&names[2..]).await.unwrap();
            for (_, node) in cluster.primaries() {
                let say = |channel: &str| raw("PUBLISH").arg(channel).arg("hello").reply::<i64>();
                node.run(say(&names[0])).await.unwrap();
                node.run(say(&names[1])).await.unwrap();
                assert_eq!(text(&mut plain).await, "hello");
                let (channel, text) = soon("a match", matched.get::<String>())
                    .await
                    .unwrap()
                    .unwrap();
                assert_eq!((channel, text), (names[1].clone(), "hello".to_owned()));
            }
            for (name, shard) in names[2..].iter().zip(&mut shards) {
                spublish(&cluster, name, name).await;
                assert_eq!(text(shard).await, *name);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_channel_follows_its_slot_and_tells_of_the_gap() {
    for kind in KINDS {
        let servers = start_steady(kind, 0).await;
        for protocol in BOTH {
            let config = config(&servers.url()).protocol(protocol);
            let cluster = Cluster::open(config).await.unwrap();
            let [mut one, mut two] = cluster.ssubscribe(["{t}one", "{t}two"]).await.unwrap();
            let mut other = cluster.ssubscribe("elsewhere").await.unwrap();
            for round in 0..3 {
                let moving = servers.clone();
                let at_once = kind == ServerKind::Valkey9 && round == 2;
                blocking(move || {
                    let to = moving.other_primary(slot("t")).unwrap();
                    if at_once {
                        let slots = slot("t")..=slot("t");
                        moving.move_slots_at_once(slots, &to).unwrap();
                    } else {
                        moving.move_slot(slot("t"), &to).unwrap();
                    }
                    moving.wait_until_agreed().unwrap();
                })
                .await;
                for channel in [&mut one, &mut two] {
                    let told = heard_again(&cluster, channel, true).await;
                    assert_eq!(told, [Event::Resubscribed], "{kind} {protocol:?}");
                }
            }
            spublish(&cluster, "elsewhere", "undisturbed").await;
            let next = soon("a message", other.next()).await.unwrap().unwrap();
            assert!(matches!(next, Event::Message(_)), "{next:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_go_on_after_a_failover_that_was_asked_for_and_one_that_was_not() {
    for kind in KINDS {
        let servers = start_steady(kind, 1).await;
        let cluster = open(&servers).await;
        let mut shard = cluster.ssubscribe("{t}").await.unwrap();
        change(&servers, move |changing| {
            let owner = changing.owner_of(slot("t")).unwrap();
            let heir = changing.replicas_of(&owner).unwrap().pop().unwrap();
            heir.take_over().unwrap();
            changing.wait_until_agreed().unwrap();
        })
        .await;
        let told = heard_again(&cluster, &mut shard, true).await;
        assert!(told.contains(&Event::Resubscribed), "{kind} {told:?}");
        assert!(told.iter().all(|event| *event == Event::Resubscribed));
        change(&servers, move |changing| {
            let owner = changing.owner_of(slot("t")).unwrap();
            let heir = changing.replicas_of(&owner).unwrap().pop().unwrap();
            let_replicas_take_over(changing);
            owner.server().kill().unwrap();
            heir.wait_until_primary().unwrap();
        })
        .await;
        // It may have been on the demoted node, which still hears of everything.
        heard_again(&cluster, &mut shard, true).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_move_when_their_node_dies_for_good_or_hangs() {
    let servers = start(ServerKind::Valkey9, 0).await;
    for hangs in [false, true] {
        let mut config = config(&servers.url());
        if hangs {
            // It is seen by its silence alone.
            config = config.liveness(Duration::from_secs(2));
        }
        let cluster = Cluster::open(config).await.unwrap();
        let mut news = cluster.subscribe("news").await.unwrap();
        let mut all = cluster.psubscribe("n*").await.unwrap();
        let home = change(&servers, move |changing| {
            let home = changing.nodes().into_iter().find(has_patterns).unwrap();
            if hangs {
                home.server().pause().unwrap();
            } else {
                home.server().kill().unwrap();
            }
            home
        })
        .await;
        let told = heard_again_at_others(&cluster, &home, &mut news).await;
        assert_eq!(told, [Event::Resubscribed]);
        let next = soon("a note", all.next()).await.unwrap().unwrap();
        assert_eq!(next, Event::Resubscribed);
        change(&servers, move |changing| {
            if hangs {
                home.server().resume().unwrap();
            } else {
                home.server().restart().unwrap();
            }
            changing.wait_until_agreed().unwrap();
        })
        .await;
        drop((news, all, cluster));
        change(&servers, |changing| {
            until_blocking("the subscriptions of this round are over", || {
                !changing.nodes().iter().any(has_patterns)
            });
        })
        .await;
    }
}

/// Whether anybody is subscribed to a pattern there.
fn has_patterns(node: &Arc<Node>) -> bool {
    let count = node.reply(&["PUBSUB", "NUMPAT"]).unwrap();
    format!("{count:?}") != "Integer(0)"
}

/// Like `heard_again`, but publishes to nodes that live.
async fn heard_again_at_others(
    cluster: &Cluster,
    dead: &Node,
    channel: &mut Channel,
) -> Vec<Event> {
    let alive = cluster.primaries().into_iter();
    let alive = alive.filter(|(address, _)| address.to_string() != dead.addr().to_string());
    let (_, node) = alive.last().unwrap();
    let mut told = Vec::new();
    let wait = async {
        loop {
            let command = raw("PUBLISH").arg("news").arg("again").reply::<i64>();
            // A node that stands still for a moment may lose its socket.
            let _ = node.run(command).await;
            let next = tokio::time::timeout(Duration::from_millis(20), channel.next()).await;
            match next {
                Ok(Some(Ok(Event::Message(_)))) => return,
                Ok(Some(Ok(event))) => told.push(event),
                Ok(other) => panic!("{other:?}"),
                Err(_) => {}
            }
        }
    };
    soon("messages from another node", wait).await;
    told
}

#[tokio::test]
async fn a_stream_that_is_waited_for_reads_from_several_nodes() {
    let space = keys_of(ServerKind::Redis8).await;
    // Without checks of liveness, which would have the drivers look for room as well.
    let config = config(&space.cluster().url()).liveness(None);
    let cluster = Cluster::open(config).await.unwrap();
    let builder = cluster.subscriber().on_lag(Lag::Wait);
    let mut all = builder.capacity_messages(2).open();
    let names: Vec<String> = (0..9).map(|number| space.key(number)).collect();
    all.ssubscribe(&names).await.unwrap();
    assert_eq!(all.sources().len(), 9);
    let expected: Vec<String> = (0..10).flat_map(|_| names.clone()).collect();
    for name in &expected {
        spublish(&cluster, name, name).await;
    }
    let mut heard = Vec::new();
    while heard.len() < expected.len() {
        match soon("a message", all.next()).await.unwrap().unwrap() {
            Event::Message(message) => heard.push(message.channel().into_owned()),
            other => panic!("{other:?}"),
        }
    }
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    assert_eq!(sorted(heard), sorted(expected));
    all.sunsubscribe(&names[1..]);
    assert_eq!(all.sources().len(), 1);
}

#[tokio::test]
async fn all_subscriptions_of_a_node_share_the_socket_of_its_commands() {
    let fake = FakeCluster::start(3, |asked| match asked.command.name().as_str() {
        "SUBSCRIBE" | "PSUBSCRIBE" | "SSUBSCRIBE" => confirmed(asked),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let names: Vec<String> = (0..60).map(|number| format!("c{number}")).collect();
    let _plain = cluster.subscribe(&names).await.unwrap();
    let _patterns = cluster.psubscribe(&names).await.unwrap();
    let _shards = cluster.ssubscribe(&names).await.unwrap();
    for name in &names {
        cluster.run(set(name, "1")).await.unwrap();
    }
    let homes = (0..3).filter(|node| fake.count(*node, "SUBSCRIBE") > 0);
    assert_eq!(homes.count(), 1, "channels and patterns share a node");
    // One socket a node, and one more for the question at the start.
    let sockets: usize = (0..3).map(|node| fake.node(node).connections()).sum();
    assert_eq!(sockets, 4);
}

#[tokio::test]
async fn an_unasked_end_of_a_shard_channel_leads_to_the_node_that_has_its_slot_now() {
    // After this, the first node has given the slot away.
    let moved = Arc::new(AtomicUsize::new(0));
    let state = moved.clone();
    let fake = FakeCluster::start(2, move |asked| {
        let is_moved = state.load(Ordering::Relaxed) > 0;
        match (asked.command.name().as_str(), asked.node) {
            ("SSUBSCRIBE", 0) if is_moved => Answer::moved(slot("{t}"), asked.addr(1)),
            ("SSUBSCRIBE", 1) if !is_moved => Answer::moved(slot("{t}"), asked.addr(0)),
            ("SSUBSCRIBE", _) => confirmed(asked),
            // Two channels end in one go, in another order than they began.
            ("GET", 0) => {
                state.store(1, Ordering::Relaxed);
                let mut bytes = push("sunsubscribe", "{t}b");
                bytes.extend(push("sunsubscribe", "{t}a"));
                bytes.extend(b"$-1\r\n");
                Answer::Reply(bytes)
            }
            ("GET", _) => {
                let mut bytes = Vec::new();
                for name in ["{t}a", "{t}b"] {
                    bytes.extend(push_message(name, "x"));
                }
                bytes.extend(b"$-1\r\n");
                Answer::Reply(bytes)
            }
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    fake.assign(0..=16_383, 0);
    let cluster = connect(&fake).await;
    let mut both = cluster.ssubscribe(["{t}a", "{t}b"]).await.unwrap();
    cluster.run(get("{t}")).await.unwrap();
    for channel in &mut both {
        let next = soon("a note", channel.next()).await.unwrap().unwrap();
        assert_eq!(next, Event::Resubscribed);
    }
    cluster.run(get("{t}")).await.unwrap();
    for channel in &mut both {
        assert_eq!(text(channel).await, "x");
    }
}

#[tokio::test]
async fn nodes_that_send_a_subscription_to_and_fro_are_followed_until_they_agree() {
    let asked = Arc::new(AtomicUsize::new(0));
    let state = asked.clone();
    let fake = FakeCluster::start(2, move |asked| match asked.command.name().as_str() {
        "SSUBSCRIBE" if state.fetch_add(1, Ordering::Relaxed) < 12 => {
            Answer::moved(slot("{t}"), asked.addr(1 - asked.node))
        }
        "SSUBSCRIBE" => confirmed(asked),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    soon("a subscription", cluster.ssubscribe("{t}"))
        .await
        .unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 13);
}

#[tokio::test]
async fn a_refused_subscription_is_the_callers_error() {
    let fake = FakeCluster::start(2, |asked| match asked.command.name().as_str() {
        "SSUBSCRIBE" => Answer::error("NOPERM no permissions to access the channel"),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let error = cluster.ssubscribe("{t}").await.unwrap_err();
    assert_eq!(error.server().unwrap().code(), "NOPERM");
    assert_eq!(error.command(), Some("SSUBSCRIBE"));
}

#[tokio::test]
async fn a_node_that_forgot_the_cluster_sends_subscriptions_to_where_the_map_says() {
    // The first node was reset: it knows no owner of any slot.
    let reset = Arc::new(AtomicUsize::new(0));
    let state = reset.clone();
    let fake = FakeCluster::start(2, move |asked| {
        let is_reset = state.load(Ordering::Relaxed) > 0;
        match (asked.command.name().as_str(), asked.node) {
            ("SSUBSCRIBE", 0) if is_reset => Answer::error("CLUSTERDOWN Hash slot not served"),
            ("SSUBSCRIBE", _) => confirmed(asked),
            ("GET", 0) => {
                state.store(1, Ordering::Relaxed);
                let mut bytes = push("sunsubscribe", "{t}");
                bytes.extend(b"$-1\r\n");
                Answer::Reply(bytes)
            }
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    fake.assign(0..=16_383, 0);
    let cluster = connect(&fake).await;
    let mut channel = cluster.ssubscribe("{t}").await.unwrap();
    fake.assign(0..=16_383, 1);
    cluster.run(get("{t}")).await.unwrap();
    let wait = async {
        loop {
            if channel.next().await.unwrap().unwrap() == Event::Resubscribed {
                return;
            }
        }
    };
    soon("the other node", wait).await;
    assert_eq!(fake.count(1, "SSUBSCRIBE"), 1);
}

#[tokio::test]
async fn a_dropped_subscription_is_ended_on_its_node() {
    let space = keys_of(ServerKind::Valkey9).await;
    let cluster = open(space.cluster()).await;
    let name = space.key("gone");
    let mut kept = cluster.subscribe(space.key("kept")).await.unwrap();
    let gone = cluster.subscribe(&name).await.unwrap();
    drop(gone);
    publish(&cluster, &space.key("kept"), "still here").await;
    assert_eq!(text(&mut kept).await, "still here");
    let wait = async {
        loop {
            let mut all = 0;
            for (_, node) in cluster.primaries() {
                let ask = raw("PUBSUB NUMSUB").arg(&name).reply::<(String, i64)>();
                all += node.run(ask).await.unwrap().1;
            }
            if all == 0 {
                return;
            }
        }
    };
    soon("the end of a subscription", wait).await;
}
