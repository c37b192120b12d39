//! What a cluster tells of itself: events, and its nodes one by one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use typedis_core::cluster::{Cluster, ClusterEvent, slot};
use typedis_core::{Address, ErrorKind, Run, raw};
use typedis_testkit::fake::{Answer, FakeCluster};
use typedis_testkit::{Cluster as Servers, ServerKind};

use crate::support::*;

fn address(fake: &FakeCluster, node: usize) -> Address {
    let addr = fake.node(node).addr();
    Address::Tcp(addr.ip().to_string(), addr.port())
}

#[tokio::test]
async fn moves_of_slots_failovers_and_nodes_that_come_and_go_are_told() {
    let fake = FakeCluster::start(3, |asked| match asked.command.name().as_str() {
        // Makes the client ask for the map.
        "GET" if asked.node == 0 => Answer::moved(0, asked.addr(0)),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    fake.assign(0..=16_383, 0);
    fake.set_replicas(0, &[1]);
    let cluster = connect(&fake).await;
    let mut events = cluster.events();
    // A node gets slots, and a replica takes over the others.
    fake.assign(0..=99, 2);
    fake.assign(100..=16_383, 1);
    fake.set_replicas(0, &[]);
    let _ = cluster
        .run(get("foo"))
        .deadline(Duration::from_millis(100))
        .await;
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(soon("an event", events.next()).await.unwrap());
    }
    let (zero, one, two) = (address(&fake, 0), address(&fake, 1), address(&fake, 2));
    let expected = [
        ClusterEvent::NodeJoined(two.clone()),
        ClusterEvent::FailedOver {
            from: zero.clone(),
            to: one,
        },
        ClusterEvent::SlotsMoved {
            slots: vec![0..=99],
            from: Some(zero.clone()),
            to: Some(two),
        },
        ClusterEvent::NodeLeft(zero),
    ];
    for event in &expected {
        assert!(told.contains(event), "{event:?} is not in {told:?}");
    }
    drop(cluster);
    assert_eq!(soon("the end", events.next()).await, None);
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_told_how_much_it_missed() {
    let fake = FakeCluster::start(2, |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("GET", 0) => Answer::moved(slot(asked.command.text(1)), asked.addr(1)),
            ("GET", _) => Answer::Reply(b"+v\r\n".to_vec()),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    fake.assign(0..=16_383, 0);
    let cluster = connect(&fake).await;
    let mut events = cluster.events();
    for number in 0..400 {
        cluster.run(get(&format!("k{number}"))).await.unwrap();
    }
    let (mut read, mut missed) = (0, 0);
    while missed == 0 {
        match soon("an event", events.next()).await.unwrap() {
            ClusterEvent::Lagged(count) => missed = count,
            _ => read += 1,
        }
    }
    assert!(read >= 256, "{read}");
}

#[tokio::test]
async fn each_primary_answers_for_itself() {
    let servers = blocking(|| Arc::new(Servers::start(ServerKind::Valkey9).unwrap())).await;
    for protocol in BOTH {
        let config = config(&servers.url()).protocol(protocol);
        let cluster = Cluster::open(config).await.unwrap();
        cluster.run(set("a", "1")).await.unwrap();
        let size = raw("DBSIZE").readonly().reply::<u64>();
        let sizes = cluster.each_primary().run(size).await.unwrap();
        let addresses: Vec<_> = cluster
            .topology()
            .primaries()
            .map(|node| node.address.clone())
            .collect();
        assert_eq!(
            sizes
                .iter()
                .map(|(address, _)| address.clone())
                .collect::<Vec<_>>(),
            addresses
        );
        assert_eq!(sizes.iter().map(|(_, size)| size).sum::<u64>(), 1);
        let error = cluster.each_primary().run(get("a")).await.unwrap_err();
        assert_eq!(error.server().unwrap().code(), "MOVED");
        let blocking = raw("BLPOP").key("a").arg(1).blocks_for(1).reply::<()>();
        let error = cluster.each_primary().run(blocking).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    }
}

/// The figures of a large cluster, with the sockets to its nodes: `cargo test --release --test cluster -- --ignored --nocapture
/// large`. What the map alone costs is measured in `src/cluster/shared.rs`.
#[tokio::test]
#[ignore = "a measurement, which needs an idle machine"]
async fn a_large_cluster_costs_little() {
    const NODES: usize = 100;
    let fake = FakeCluster::start(NODES, |asked| match asked.command.name().as_str() {
        "GET" if asked.node == 0 && asked.command.text(1) != "first" => {
            Answer::moved(slot(asked.command.text(1)), asked.addr(1))
        }
        "GET" => Answer::Reply(b"+v\r\n".to_vec()),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let before = Instant::now();
    let cluster = connect(&fake).await;
    let opening = before.elapsed();
    assert_eq!(cluster.topology().nodes().len(), NODES);
    // All slots on one node, and from there one by one to another.
    fake.assign(0..=16_383, 0);
    let single = connect(&fake).await;
    let mut keys: Vec<Option<String>> = vec![None; 16_384];
    for number in 0_u32.. {
        let key = format!("k{number}");
        let place = usize::from(slot(&key));
        keys[place].get_or_insert(key);
        if number % 1_000 == 0 && keys.iter().all(Option::is_some) {
            break;
        }
    }
    let mut times = Vec::new();
    for quarter in keys.chunks(4_096) {
        let before = Instant::now();
        for key in quarter.iter().flatten() {
            single.run(get(key)).await.unwrap();
        }
        times.push(before.elapsed());
    }
    println!("a map of {NODES} nodes, with connecting: {opening:?}");
    println!("16,384 slots that move one by one, by quarters: {times:?}");
}

/// A part of a cluster may never hear of a replica that took over by force; what is left of one that is cut off does not either. Its epoch may be
/// the higher one, since its nodes go on asking for elections.
#[tokio::test]
async fn a_node_for_which_the_cluster_does_not_work_is_not_believed_while_another_one_says_that_it_works()
 {
    for epoch in [1, 2] {
        let text = format!("cluster_state:fail\r\ncluster_current_epoch:{epoch}");
        let failed = format!("${}\r\n{text}\r\n", text.len());
        let is_dead = Arc::new(AtomicBool::new(false));
        let (dead, was_asked) = (is_dead.clone(), AtomicBool::new(false));
        let fake = FakeCluster::start(3, move |asked| {
            let is_dead = dead.load(Ordering::SeqCst);
            let second = asked.command.text(1).to_ascii_uppercase();
            match (asked.command.name().as_str(), asked.node) {
                (_, 0) if is_dead => Answer::Close,
                ("GET", _) => Answer::Reply(b"+v\r\n".to_vec()),
                ("CLUSTER", 1) if is_dead && second == "INFO" => {
                    Answer::Reply(failed.clone().into())
                }
                // At first only the other one answers.
                ("CLUSTER", 2) if !was_asked.swap(true, Ordering::SeqCst) => Answer::Close,
                _ => Answer::Usual,
            }
        })
        .await
        .unwrap();
        fake.assign(0..=99, 1);
        fake.assign(100..=16_383, 0);
        fake.set_replicas(0, &[2]);
        let cluster = connect(&fake).await;
        // Nodes that are connected are asked for the map first: this one.
        let mut keys = (0..).map(|number| format!("k{number}"));
        let key = keys.find(|key| slot(key) < 100).unwrap();
        cluster.run(get(&key)).await.unwrap();
        fake.keep_telling(1);
        fake.assign(100..=16_383, 2);
        fake.set_replicas(0, &[]);
        is_dead.store(true, Ordering::SeqCst);
        let value = soon("the new owner is found", cluster.run(get("foo"))).await;
        assert_eq!(value.unwrap().as_deref(), Some("v"));
    }
}

#[tokio::test]
async fn the_first_map_is_that_of_a_node_for_which_the_cluster_works_if_there_is_one() {
    for works in [true, false] {
        let fake = FakeCluster::start(2, move |asked| {
            let second = asked.command.text(1).to_ascii_uppercase();
            match (asked.command.name().as_str(), asked.node) {
                ("CLUSTER", node) if second == "INFO" && (node == 0 || !works) => {
                    Answer::Reply(b"$18\r\ncluster_state:fail\r\n".to_vec())
                }
                _ => Answer::Usual,
            }
        })
        .await
        .unwrap();
        fake.assign(0..=16_383, 0);
        fake.keep_telling(0);
        fake.assign(0..=16_383, 1);
        let url = format!(
            "redis-cluster://{},{}",
            fake.node(0).addr(),
            fake.node(1).addr()
        );
        let cluster = Cluster::open(config(&url)).await.unwrap();
        let owner = cluster.topology().primary_of(0).unwrap().address.clone();
        assert_eq!(owner, address(&fake, usize::from(works)));
    }
}
