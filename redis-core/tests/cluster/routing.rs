use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use typedis_core::cluster::{Cluster, slot};
use typedis_core::{
    ClusterCause, CommandInfo, ErrorKind, Naming, Phase, Request, Run, StateChange, Target, Value,
    raw,
};
use typedis_testkit::fake::{Answer, Fake, FakeCluster};
use typedis_testkit::{Server, ServerKind};

use crate::support::*;

const KINDS: [ServerKind; 4] = [
    ServerKind::Valkey9,
    ServerKind::Redis8,
    ServerKind::Valkey8,
    ServerKind::Redis6,
];

#[tokio::test]
async fn keys_are_found_on_their_nodes_of_every_server_in_both_protocols() {
    for kind in KINDS {
        let space = keys_of(kind).await;
        for protocol in BOTH {
            let config = config(&space.cluster().url()).protocol(protocol);
            let cluster = Cluster::open(config).await.unwrap();
            assert_eq!(cluster.topology().served(), 16_384);
            for number in 0..50 {
                let key = space.key(number);
                cluster.run(set(&key, &key)).await.unwrap();
                assert_eq!(cluster.run(get(&key)).await.unwrap(), Some(key));
            }
        }
    }
}

#[tokio::test]
async fn each_command_goes_to_the_owner_of_its_slot_at_once() {
    let fake = FakeCluster::start(3, |asked| match asked.command.name().as_str() {
        "GET" => Answer::Reply(format!("+{}\r\n", asked.node).into_bytes()),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    for number in 0..100 {
        let key = format!("k{number}");
        let node = usize::from(slot(&key)) * 3 / 16_384;
        let answer = cluster.run(get(&key)).await.unwrap().unwrap();
        assert_eq!(answer, node.to_string());
    }
    // One socket a node, and one more for the question at the start.
    let sockets: usize = (0..3).map(|node| fake.node(node).connections()).sum();
    assert_eq!(sockets, 4);
}

#[tokio::test]
async fn commands_without_keys_are_spread_over_the_primaries() {
    let fake = FakeCluster::start(3, |_| Answer::Usual).await.unwrap();
    let cluster = connect(&fake).await;
    for _ in 0..100 {
        cluster
            .run(raw("ECHO").arg("a").reply::<()>())
            .await
            .unwrap();
    }
    for node in 0..3 {
        assert!(fake.count(node, "ECHO") > 10);
    }
}

/// Nodes pass messages on to each other, each at its own speed.
#[tokio::test]
async fn messages_to_a_channel_go_to_one_node_so_that_they_keep_their_order() {
    static PUBLISH: CommandInfo =
        CommandInfo::new("PUBLISH", b"$7\r\nPUBLISH\r\n", 1).naming(&Naming::NONE.channel());
    fn publish<T: Target>(target: T, channel: &str) -> Request<T::Sink, Value> {
        Request::new(target, &PUBLISH, |args| {
            args.arg("channel", channel);
            args.arg("message", "text");
        })
    }
    let fake = FakeCluster::start(3, |_| Answer::Usual).await.unwrap();
    let cluster = connect(&fake).await;
    for _ in 0..20 {
        publish(&cluster, "news").await.unwrap();
        publish(cluster.pipeline(), "news").await.unwrap();
        // The fake does not know transactions.
        publish(cluster.transaction(), "news").await.unwrap_err();
    }
    let owner = usize::from(slot("news")) * 3 / 16_384;
    for node in 0..3 {
        let expected = if node == owner { 60 } else { 0 };
        assert_eq!(fake.count(node, "PUBLISH"), expected);
    }
}

#[tokio::test]
async fn keys_of_two_slots_are_refused_before_anything_is_sent_and_named() {
    let fake = FakeCluster::start(3, |_| Answer::Usual).await.unwrap();
    let cluster = connect(&fake).await;
    let rename = raw("RENAME").key("foo").key("bar").reply::<()>();
    let error = cluster.run(rename).await.unwrap_err();
    let text = error.to_string();
    assert_is_wrong_call(&error);
    assert!(
        text.contains("`foo` has slot 12182, `bar` has slot 5061"),
        "{text}"
    );
    assert!((0..3).all(|node| fake.count(node, "RENAME") == 0));
    let rename = raw("RENAME").key("{a}1").key("{a}2").reply::<()>();
    cluster.run(rename).await.unwrap();
}

#[tokio::test]
async fn what_changes_a_connection_is_refused_before_it_is_sent() {
    static SELECT: CommandInfo =
        CommandInfo::new("SELECT", b"$6\r\nSELECT\r\n", 1).state(StateChange::Database);
    let fake = FakeCluster::start(1, |_| Answer::Usual).await.unwrap();
    let cluster = connect(&fake).await;
    let select: Request<&Cluster, ()> = Request::new(&cluster, &SELECT, |args| args.word("1"));
    let error = select.await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    assert_eq!(fake.count(0, "SELECT"), 0);
}

#[tokio::test]
async fn a_server_that_is_no_cluster_owns_all_slots() {
    let server = blocking(|| Server::start(ServerKind::default()).unwrap()).await;
    let cluster = Cluster::open(config(&server.url())).await.unwrap();
    for key in ["a", "b", "c"] {
        assert_eq!(cluster.run(incr(key)).await.unwrap(), 1);
    }
    assert_eq!(cluster.topology().primaries().count(), 1);
}

#[tokio::test]
async fn a_seed_that_is_dead_or_knows_nothing_is_passed_over() {
    let fake = FakeCluster::start(2, |_| Answer::Usual).await.unwrap();
    let empty = Fake::answering(|words| match words.name().as_str() {
        "CLUSTER" => b"*0\r\n".to_vec(),
        "HELLO" => b"%0\r\n".to_vec(),
        _ => b"+OK\r\n".to_vec(),
    })
    .await
    .unwrap();
    let url = format!(
        "redis://127.0.0.1:1,{},{}",
        empty.addr(),
        fake.node(1).addr()
    );
    let cluster = Cluster::open(config(&url)).await.unwrap();
    assert_eq!(cluster.topology().nodes().len(), 2);
    let error = Cluster::open(config(&empty.url())).await.unwrap_err();
    assert_eq!(cause(&error), ClusterCause::NoSlots);
    assert_eq!(error.phase(), Phase::NotSent);
    assert!(error.is_retryable(), "it may get some: {error}");
    assert!(error.to_string().contains("serves no slots"), "{error}");
    let error = Cluster::open(config("redis://127.0.0.1:1"))
        .await
        .unwrap_err();
    assert!(error.is_connection(), "{error}");
}

/// What one server refuses, another may accept.
#[tokio::test]
async fn a_seed_that_refuses_for_good_is_passed_over() {
    let fake = FakeCluster::start(2, |_| Answer::Usual).await.unwrap();
    let denying = Fake::answering(|_| b"-DENIED Redis is running in protected mode\r\n".to_vec());
    let denying = denying.await.unwrap();
    let url = format!("redis://{},{}", denying.addr(), fake.node(1).addr());
    let cluster = Cluster::open(config(&url)).await.unwrap();
    assert_eq!(cluster.topology().nodes().len(), 2);
    // If none can be used, the refusal is the one to report.
    for url in [
        format!("redis://{},127.0.0.1:1", denying.addr()),
        format!("redis://127.0.0.1:1,{}", denying.addr()),
    ] {
        let error = Cluster::open(config(&url)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Handshake(_)), "{error:?}");
    }
}

#[tokio::test]
async fn one_node_is_a_connection_of_its_own_on_which_redirects_are_errors() {
    let space = keys_of(ServerKind::Valkey9).await;
    let cluster = open(space.cluster()).await;
    let primaries = cluster.primaries();
    assert_eq!(primaries.len(), 3);
    let key = space.key("a");
    let owner = cluster
        .topology()
        .primary_of(slot(&key))
        .unwrap()
        .address
        .clone();
    for (address, connection) in primaries {
        let same = cluster.node(&address.to_string()).unwrap();
        assert_eq!(same.config().address(), &address);
        let reply = connection.run(set(&key, "1")).await;
        match reply {
            Ok(()) => assert_eq!(address, owner),
            Err(error) => assert_eq!(error.server().unwrap().code(), "MOVED"),
        }
    }
    let error = cluster.node("10.0.0.7:6379").unwrap_err();
    assert_eq!(cause(&error), ClusterCause::UnknownNode);
    assert!(!error.is_retryable(), "the address is wrong: {error}");
    let text = error.to_string();
    assert!(text.contains("these are known: 127.0.0.1:"), "{text}");
    let numbers = cluster.stats();
    assert_eq!(numbers.len(), 3);
}

/// Each node has a socket and a budget of its own.
#[tokio::test]
async fn a_node_that_does_not_answer_holds_up_no_other() {
    let fake = FakeCluster::start(3, |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("GET", 2) => Answer::Silence,
            ("GET", _) => Answer::Reply(b"+here\r\n".to_vec()),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let owner = |key: &str| usize::from(slot(key)) * 3 / 16_384;
    let keys: Vec<String> = (0..600).map(|number| format!("key:{number}")).collect();
    let (hung, others): (Vec<_>, Vec<_>) = keys.iter().partition(|key| owner(key) == 2);
    let mut unanswered: Vec<_> = hung.iter().map(|key| cluster.run(get(key))).collect();
    let mut all_hang = || {
        let mut cx = Context::from_waker(Waker::noop());
        let mut calls = unanswered.iter_mut();
        calls.all(|call| Pin::new(call).poll(&mut cx).is_pending())
    };
    assert!(all_hang());
    for key in others {
        let answer = soon("a command on another node", cluster.run(get(key))).await;
        assert_eq!(answer.unwrap().unwrap(), "here");
    }
    assert!(all_hang());
}

#[tokio::test]
async fn what_a_node_owes_that_vanishes_from_the_map_is_asked_of_its_successor() {
    let (is_down, asks) = (Arc::new(AtomicBool::new(false)), AtomicBool::new(false));
    let down = is_down.clone();
    let fake = FakeCluster::start(3, move |asked| {
        let is_down = down.load(Ordering::SeqCst);
        match (asked.command.name().as_str(), asked.node) {
            (_, 2) if is_down => Answer::Silence,
            // This makes the client ask for the map, once.
            ("GET", 1) if is_down && !asks.swap(true, Ordering::SeqCst) => {
                Answer::error("CLUSTERDOWN The cluster is down")
            }
            ("GET", _) => Answer::Reply(b"+here\r\n".to_vec()),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let config = config(&fake.node(0).url())
        .liveness(None)
        .command_timeout(Duration::from_secs(60));
    let cluster = Cluster::open(config).await.unwrap();
    let owner = |key: &str| usize::from(slot(key)) * 3 / 16_384;
    let key = |node: usize| {
        let mut keys = (0..).map(|number| format!("key:{number}"));
        keys.find(|key| owner(key) == node).unwrap()
    };
    for node in 0..3 {
        cluster.run(get(&key(node))).await.unwrap();
    }
    is_down.store(true, Ordering::SeqCst);
    fake.assign(10_923..=16_383, 0);
    let (first, second) = (key(2), key(1));
    let (owed, other) = tokio::join!(
        soon("what is owed", cluster.run(get(&first))),
        soon("another", cluster.run(get(&second)))
    );
    assert_eq!(owed.unwrap().unwrap(), "here");
    assert_eq!(other.unwrap().unwrap(), "here");
}
