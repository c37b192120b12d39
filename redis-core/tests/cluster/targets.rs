//! Scans while a slot is moved to a node that cannot be reached, or that the map does not have.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use typedis_core::cluster::{Cluster, slot};
use typedis_core::{Address, ErrorKind};
use typedis_testkit::fake::{Answer, FakeCluster};

use crate::scans::{bulk, scan};
use crate::support::*;

/// A page of SCAN, the last one.
fn page(keys: &[&str]) -> Answer {
    let mut text = format!("*2\r\n$1\r\n0\r\n*{}\r\n", keys.len());
    for key in keys {
        text += &format!("${}\r\n{key}\r\n", key.len());
    }
    Answer::Reply(text.into_bytes())
}

/// Three nodes: the first gives the slot of `{t}` to the third, which has no slots; the second has all others. The third is
/// unreachable, and the first gives the move up after it was asked this often for its slots.
async fn with_an_unreachable_target(version: &'static str, given_up_after: usize) -> FakeCluster {
    let asked_before = AtomicUsize::new(0);
    let moving = slot("t");
    let fake = FakeCluster::start(3, move |asked| {
        let node = asked.node;
        match (
            asked.command.name().as_str(),
            asked.command.text(1).as_str(),
        ) {
            _ if node == 2 => Answer::Close,
            ("CLUSTERSCAN", _) => Answer::error("ERR unknown command"),
            ("SCAN", _) if node == 0 => page(&["{t}1", "{t}2"]),
            ("SCAN", _) => page(&["k1", "k2"]),
            ("CLUSTER", "NODES") => {
                let slots = match node {
                    0 if asked_before.fetch_add(1, Ordering::Relaxed) < given_up_after => {
                        format!("{moving} [{moving}->-{:040x}]", 2)
                    }
                    0 => moving.to_string(),
                    _ => format!("0-{} {}-16383", moving - 1, moving + 1),
                };
                bulk(&format!(
                    "{:040x} {}@1 master - 0 0 2 connected\n\
                     {node:040x} {}@1 myself,master - 0 0 1 connected {slots}\n",
                    2,
                    asked.addr(2),
                    asked.addr(node)
                ))
            }
            ("INFO", _) => bulk(&format!("redis_version:{version}\r\nrun_id:one\r\n")),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    fake.assign(0..=16_383, 1);
    fake.assign(moving..=moving, 0);
    fake
}

/// The two orders in which nodes go through their keys.
const VERSIONS: [&str; 2] = ["7.2.0", "8.2.0"];

#[tokio::test]
async fn a_scan_ends_with_an_error_if_the_target_of_a_slot_stays_unreachable() {
    for version in VERSIONS {
        let fake = with_an_unreachable_target(version, usize::MAX).await;
        let config = config(&fake.node(0).url()).command_timeout(Duration::from_secs(2));
        let cluster = Cluster::open(config).await.unwrap();
        let mut stream = scan(&cluster, 0, "*", 10);
        let mut found = BTreeSet::new();
        let error = loop {
            match soon("a scan", stream.try_next()).await {
                Ok(key) => {
                    let key = key.expect("a target is unreachable");
                    assert!(found.insert(key.clone()), "{version}: {key} came twice");
                }
                Err(error) => break error,
            }
        };
        assert_eq!(found.len(), 4, "{version}: {found:?}");
        assert!(!matches!(error.kind(), ErrorKind::Protocol(_)), "{error}");
        assert!(fake.node(2).connections() > 0, "{version}");
        // The cursor leads to the slot that is left.
        let cursor = stream.cursor().unwrap().to_string();
        let moving = slot("t");
        let done = format!("scan1.0-{},{}-16383", moving - 1, moving + 1);
        assert_eq!(cursor, done, "{version}");
    }
}

#[tokio::test]
async fn a_scan_goes_on_if_the_move_to_an_unreachable_node_is_given_up() {
    for version in VERSIONS {
        let fake = with_an_unreachable_target(version, 4).await;
        let cluster = connect(&fake).await;
        let stream = scan(&cluster, 0, "*", 10);
        let found: Vec<String> = soon("a scan", stream.try_collect()).await.unwrap();
        let found: BTreeSet<String> = found.into_iter().collect();
        assert_eq!(found.len(), 4, "{version}: {found:?}");
        assert!(fake.node(2).connections() > 0, "{version}");
    }
}

/// CLUSTER SLOTS of nodes that are told by their names.
fn slots_by_name(ranges: &[(u16, u16, usize)]) -> Vec<u8> {
    let mut text = format!("*{}\r\n", ranges.len());
    for (first, last, node) in ranges {
        let (host, ip) = (format!("node-{node}.example"), format!("10.0.0.{node}"));
        text += &format!(
            "*3\r\n:{first}\r\n:{last}\r\n*4\r\n${}\r\n{host}\r\n",
            host.len()
        );
        text += &format!(":6379\r\n$40\r\n{node:040x}\r\n*2\r\n$2\r\nip\r\n");
        text += &format!("${}\r\n{ip}\r\n", ip.len());
    }
    text.into_bytes()
}

#[tokio::test]
async fn the_target_of_a_slot_is_reached_by_the_name_that_the_cluster_prefers() {
    let moving = slot("t");
    for is_known in [true, false] {
        let fake = FakeCluster::start(2, move |asked| {
            let node = asked.node;
            let line = |other: usize, role: &str, slots: &str| {
                format!(
                    "{other:040x} 10.0.0.{other}:6379@16379,node-{other}.example {role} - 0 0 1 connected {slots}\n"
                )
            };
            match (asked.command.name().as_str(), asked.command.text(1).as_str()) {
                ("CLUSTERSCAN", _) => Answer::error("ERR unknown command"),
                ("SCAN", _) if node == 0 => page(&["{t}1"]),
                ("SCAN", _) => page(&["{t}2"]),
                ("CLUSTER", "NODES") => {
                    let last = if is_known { 16_382 } else { 16_383 };
                    let (own, other) = match (node, is_known) {
                        (0, _) => (format!("0-{last} [{moving}->-{:040x}]", 1), ""),
                        (_, true) => (format!("16383 [{moving}-<-{:040x}]", 0), ""),
                        (_, false) => (format!("[{moving}-<-{:040x}]", 0), ""),
                    };
                    let others = line(1 - node, "master", other);
                    bulk(&(others + &line(node, "myself,master", &own)))
                }
                ("INFO", _) => bulk("redis_version:8.2.0\r\nrun_id:one\r\n"),
                _ => Answer::Usual,
            }
        })
        .await
        .unwrap();
        let ranges: &[_] = match is_known {
            true => &[(0, 16_382, 0), (16_383, 16_383, 1)],
            false => &[(0, 16_383, 0)],
        };
        for node in 0..2 {
            fake.tell(node, slots_by_name(ranges));
        }
        let ports = [fake.node(0).addr().port(), fake.node(1).addr().port()];
        let by_ip = Arc::new(AtomicBool::new(false));
        let seen = by_ip.clone();
        let config = config(&fake.node(0).url()).map_address(move |told| {
            let port = match &told {
                Address::Tcp(host, 6_379) if host == "node-0.example" => ports[0],
                Address::Tcp(host, 6_379) if host == "node-1.example" => ports[1],
                Address::Tcp(host, _) => {
                    seen.fetch_or(host.starts_with("10."), Ordering::Relaxed);
                    1
                }
                _ => 1,
            };
            Address::Tcp("127.0.0.1".to_owned(), port)
        });
        let cluster = Cluster::open(config.command_timeout(Duration::from_secs(5)))
            .await
            .unwrap();
        let stream = scan(&cluster, 0, "*", 10);
        let mut found: Vec<String> = soon("a scan", stream.try_collect()).await.unwrap();
        found.sort();
        assert_eq!(found, ["{t}1", "{t}2"], "known: {is_known}");
        assert!(!by_ip.load(Ordering::Relaxed), "known: {is_known}");
    }
}
