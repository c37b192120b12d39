//! Scans over all primaries, also while slots move and nodes change.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};

use typedis_core::cluster::{Cluster, slot};
use typedis_core::{
    CommandInfo, Connection, Cursor, ErrorKind, IntoScanStream, Request, RequestPolicy,
    ResponsePolicy, Run, ScanStream, raw,
};
use typedis_testkit::fake::{Answer, FakeCluster};
use typedis_testkit::{Server, ServerKind};

use crate::support::*;

pub(crate) static SCAN: CommandInfo = CommandInfo::new("SCAN", b"$4\r\nSCAN\r\n", 1)
    .readonly()
    .policies(RequestPolicy::Special, ResponsePolicy::Special);
pub(crate) static HSCAN: CommandInfo = CommandInfo::new("HSCAN", b"$5\r\nHSCAN\r\n", 1).readonly();
pub(crate) static SSCAN: CommandInfo = CommandInfo::new("SSCAN", b"$5\r\nSSCAN\r\n", 1).readonly();
pub(crate) static ZSCAN: CommandInfo = CommandInfo::new("ZSCAN", b"$5\r\nZSCAN\r\n", 1).readonly();

type Fields = Vec<(String, u64)>;

const KINDS: [ServerKind; 4] = [
    ServerKind::Valkey9,
    ServerKind::Redis8,
    ServerKind::Valkey8,
    ServerKind::Redis6,
];

pub(crate) fn scan(
    cluster: &Cluster,
    cursor: impl Into<Cursor>,
    pattern: &str,
    count: usize,
) -> ScanStream<'static, String> {
    let cursor = cursor.into();
    let request: Request<&Cluster, (u64, Vec<String>)> = Request::new(cluster, &SCAN, |args| {
        args.args("cursor", &cursor);
        args.word("MATCH");
        args.arg("pattern", pattern);
        args.word("COUNT");
        args.arg("count", &count);
    });
    request.stream()
}

/// Writes keys on all nodes, and 300 in the slot of `{t}`.
async fn fill(cluster: &Cluster) -> BTreeSet<String> {
    let keys = (0..2_000).map(|number| format!("k{number}"));
    let keys: BTreeSet<String> = keys
        .chain((0..300).map(|number| format!("{{t}}{number}")))
        .collect();
    for key in &keys {
        cluster.run(set(key, "1")).await.unwrap();
    }
    keys
}

#[tokio::test]
async fn every_key_is_found_once_on_a_quiet_cluster() {
    for kind in KINDS {
        let space = keys_of(kind).await;
        for protocol in BOTH {
            let config = config(&space.cluster().url()).protocol(protocol);
            let cluster = Cluster::open(config).await.unwrap();
            let keys: BTreeSet<String> = (0..300).map(|number| space.key(number)).collect();
            for key in &keys {
                cluster.run(set(key, "1")).await.unwrap();
            }
            for count in [1, 10, 1_000] {
                let stream = scan(&cluster, 0, &space.pattern(), count);
                let found: Vec<String> = soon("a scan", stream.try_collect()).await.unwrap();
                assert_eq!(found.len(), keys.len(), "{kind} {protocol:?} {count}");
                assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), keys);
            }
        }
    }
}

#[tokio::test]
async fn the_scan_of_the_whole_cluster_is_used_where_the_server_has_it() {
    let servers = start_steady(ServerKind::Valkey9, 0).await;
    let cluster = open(&servers).await;
    let keys = fill(&cluster).await;
    let found: Vec<String> = scan(&cluster, 0, "*", 100).try_collect().await.unwrap();
    assert_eq!(found.len(), keys.len());
    let statistics = blocking(move || {
        let nodes = servers.nodes().into_iter();
        let nodes = nodes.map(|node| node.call(&["INFO", "commandstats"]).unwrap());
        nodes.collect::<String>()
    })
    .await;
    assert!(statistics.contains("cmdstat_clusterscan:"));
    assert!(!statistics.contains("cmdstat_scan:"));
}

#[tokio::test]
async fn a_saved_cursor_goes_on_in_another_process_without_missing_anything() {
    for kind in KINDS {
        let servers = start_steady(kind, 0).await;
        let keys = fill(&open(&servers).await).await;
        let (mut found, mut saved, mut rounds) = (BTreeSet::new(), "0".to_owned(), 0);
        let mut total = 0;
        loop {
            // Another handle knows nothing of the one before.
            let cluster = open(&servers).await;
            let mut stream = scan(&cluster, &saved, "*", 20);
            let before = found.len();
            while let Some(key) = stream.try_next().await.unwrap() {
                total += 1;
                found.insert(key);
                if found.len() > before + 400 {
                    break;
                }
            }
            rounds += 1;
            match stream.cursor() {
                Some(cursor) => saved = cursor.to_string(),
                None => break,
            }
        }
        assert_eq!(found, keys, "{kind}");
        assert!(rounds > 4, "{kind}: {rounds}");
        assert!(total < 2 * keys.len(), "{kind}: {total} keys were told");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_there_throughout_is_seen_while_slots_move_to_and_fro() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8, ServerKind::Redis6] {
        let servers = start_steady(kind, 0).await;
        let cluster = open(&servers).await;
        let keys = fill(&cluster).await;
        let (over, moves) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU16::new(0)),
        );
        let (moving, stop, counter) = (servers.clone(), over.clone(), moves.clone());
        let mover = tokio::task::spawn_blocking(move || {
            while !stop.load(Ordering::Relaxed) {
                // The big slot, and others, to and fro.
                let moves = counter.fetch_add(1, Ordering::Relaxed);
                let slot = match moves % 3 {
                    0 => slot("t"),
                    _ => slot(format!("k{}", moves / 3)),
                };
                let to = moving.other_primary(slot).unwrap();
                moving.move_slot(slot, &to).unwrap();
                // A node that has not heard of a move would begin the next one wrongly.
                moving.wait_until_agreed().unwrap();
            }
        });
        while moves.load(Ordering::Relaxed) < 30 {
            // A failure of it is reported below.
            if mover.is_finished() {
                break;
            }
            let found = interrupted_scan(&cluster).await;
            let missing: Vec<_> = keys.difference(&found).collect();
            assert!(missing.is_empty(), "{kind}, {moves:?} moves: {missing:?}");
        }
        over.store(true, Ordering::Relaxed);
        mover.await.unwrap();
    }
}

/// All keys, by scans of which each goes on from the saved cursor of the one before.
async fn interrupted_scan(cluster: &Cluster) -> BTreeSet<String> {
    let mut saved = "0".to_owned();
    let mut found = BTreeSet::new();
    loop {
        let mut stream = scan(cluster, &saved, "*", 10);
        let mut read = 0;
        while let Some(key) = soon("a scan", stream.try_next()).await.unwrap() {
            found.insert(key);
            read += 1;
            if read > 900 {
                break;
            }
        }
        match stream.cursor() {
            Some(cursor) => saved = cursor.to_string(),
            None => return found,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_is_on_its_way_all_the_time_is_seen_whole_and_nothing_waits_for_it() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8, ServerKind::Redis6] {
        let servers = start_steady(kind, 0).await;
        let cluster = open(&servers).await;
        let keys = fill(&cluster).await;
        let moving = servers.clone();
        // Every second key is on the target already.
        blocking(move || {
            let to = moving.other_primary(slot("t")).unwrap();
            let step = moving.begin_move(slot("t"), &to).unwrap();
            let names: Vec<String> = (0..150)
                .map(|number| format!("{{t}}{}", 2 * number))
                .collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            step.migrate_keys(&names).unwrap();
            std::mem::forget(step);
        })
        .await;
        let stream = scan(&cluster, 0, "*", 50);
        let found: BTreeSet<String> = soon("a scan", stream.try_collect()).await.unwrap();
        let missing: Vec<_> = keys.difference(&found).collect();
        assert!(missing.is_empty(), "{kind}: {missing:?}");
        let stream = scan(&cluster, 0, "{t}*", 50);
        let found: BTreeSet<String> = soon("a scan", stream.try_collect()).await.unwrap();
        assert_eq!(found.len(), 300, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_dies_during_a_scan_is_replaced_by_its_replica() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8] {
        let servers = start(kind, 1).await;
        let cluster = open(&servers).await;
        let keys = fill(&cluster).await;
        for node in cluster.primaries() {
            let wait = raw("WAIT").arg(1).arg(10_000).blocks_for(10);
            let _ = node.1.run(wait.reply::<i64>()).await;
        }
        let mut stream = scan(&cluster, 0, "*", 10);
        let mut found = BTreeSet::new();
        for _ in 0..100 {
            found.insert(stream.try_next().await.unwrap().unwrap());
        }
        change(&servers, move |dying| {
            for slot in [slot("t"), 0] {
                let owner = dying.owner_of(slot).unwrap();
                let heir = dying.replicas_of(&owner).unwrap().pop().unwrap();
                owner.server().kill().unwrap();
                heir.wait_until_primary().unwrap();
                dying.restart_the_dead().unwrap();
            }
        })
        .await;
        while let Some(key) = soon("a scan", stream.try_next()).await.unwrap() {
            found.insert(key);
        }
        let missing: Vec<_> = keys.difference(&found).collect();
        assert!(missing.is_empty(), "{kind}: {missing:?}");
    }
}

#[tokio::test]
async fn a_pattern_with_a_hash_tag_asks_the_one_node_that_can_have_such_keys() {
    for kind in KINDS {
        let servers = start_steady(kind, 0).await;
        let cluster = open(&servers).await;
        fill(&cluster).await;
        let answered = || {
            let numbers = cluster.stats().into_iter();
            let numbers = numbers.map(|(address, stats)| (address.to_string(), stats.answered));
            numbers.collect::<Vec<_>>()
        };
        let before = answered();
        let stream = scan(&cluster, 0, "{t}*", 10);
        let found: Vec<String> = soon("a scan", stream.try_collect()).await.unwrap();
        assert_eq!(found.len(), 300, "{kind}");
        let owner = cluster
            .topology()
            .primary_of(slot("t"))
            .unwrap()
            .address
            .to_string();
        for ((address, before), (_, after)) in before.into_iter().zip(answered()) {
            assert_eq!(
                before == after,
                address != owner,
                "{kind}: {address} of {owner}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_of_one_key_begins_again_where_its_slot_went() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8, ServerKind::Redis6] {
        let servers = start_steady(kind, 0).await;
        let cluster = open(&servers).await;
        for number in 0..2_000 {
            let field = raw("HSET").key("{t}").arg(format!("f{number}")).arg(number);
            cluster.run(field.reply::<i64>()).await.unwrap();
        }
        let cursor = Cursor::default();
        let request: Request<&Cluster, (u64, Fields)> = Request::new(&cluster, &HSCAN, |args| {
            args.key("key", "{t}");
            args.args("cursor", &cursor);
        });
        let mut stream = request.stream();
        let mut found = BTreeSet::new();
        for round in 0.. {
            if [300, 1_500].contains(&round) {
                change_agreed(&servers, move |moving| {
                    moving.move_slot_elsewhere(slot("t")).unwrap();
                })
                .await;
            }
            if found.len() < 2_000 && round > 20_000 {
                panic!("it never ends");
            }
            match soon("a scan", stream.try_next()).await.unwrap() {
                Some((field, value)) => {
                    assert_eq!(field, format!("f{value}"));
                    found.insert(field);
                }
                None => break,
            }
        }
        assert_eq!(found.len(), 2_000, "{kind}");
    }
}

#[tokio::test]
async fn a_server_that_is_no_cluster_is_scanned_as_well() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis6] {
        let server = blocking(move || Server::start(kind).unwrap()).await;
        let cluster = Cluster::open(config(&server.url())).await.unwrap();
        let keys: BTreeSet<String> = (0..500).map(|number| format!("k{number}")).collect();
        for key in &keys {
            cluster.run(set(key, "1")).await.unwrap();
        }
        let mut stream = scan(&cluster, 0, "*", 10);
        let mut found = BTreeSet::new();
        for _ in 0..100 {
            found.insert(stream.try_next().await.unwrap().unwrap());
        }
        let saved = stream.cursor().unwrap().to_string();
        let rest: Vec<String> = scan(&cluster, saved, "*", 10).try_collect().await.unwrap();
        found.extend(rest);
        assert_eq!(found, keys, "{kind}");
    }
}

/// More pages than are read before the node is asked for its slots again.
const PAGES: usize = 70;

/// A node of a version before 8 with one key a page. When it is asked for its slots the second time, it refuses.
async fn refusing(refusal: &'static str) -> FakeCluster {
    let asked_before = Arc::new(AtomicUsize::new(0));
    FakeCluster::start(1, move |asked| {
        let (name, what) = (asked.command.name(), asked.command.text(1));
        match (name.as_str(), what.as_str()) {
            ("CLUSTERSCAN", _) => Answer::error("ERR unknown command"),
            ("SCAN", cursor) => {
                let at: usize = cursor.parse().unwrap();
                let next = ((at + 1) % PAGES).to_string();
                let (len, key) = (next.len(), format!("k{at}"));
                let key_len = key.len();
                let page = format!("*2\r\n${len}\r\n{next}\r\n*1\r\n${key_len}\r\n{key}\r\n");
                Answer::Reply(page.into_bytes())
            }
            ("CLUSTER", "NODES") if asked_before.fetch_add(1, Ordering::Relaxed) == 1 => {
                Answer::error(refusal)
            }
            ("CLUSTER", "NODES") => bulk(&format!(
                "{:040x} 127.0.0.1:1@2 myself,master - 0 0 1 connected 0-16383\n",
                asked.node
            )),
            ("INFO", _) => bulk("redis_version:7.2.0\r\nrun_id:one\r\n"),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap()
}

fn all_keys() -> BTreeSet<String> {
    (0..PAGES).map(|number| format!("k{number}")).collect()
}

#[tokio::test]
async fn a_page_is_not_lost_if_the_node_refuses_right_behind_it() {
    let fake = refusing("LOADING Redis is loading the dataset in memory").await;
    let cluster = connect(&fake).await;
    let stream = scan(&cluster, 0, "*", 1);
    let found: Vec<String> = soon("a scan", stream.try_collect()).await.unwrap();
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), all_keys());
}

#[tokio::test]
async fn a_page_comes_before_the_error_that_ends_the_scan_behind_it() {
    let fake = refusing("ERR it is broken").await;
    let cluster = connect(&fake).await;
    let mut stream = scan(&cluster, 0, "*", 1);
    let mut found = BTreeSet::new();
    let error = loop {
        match soon("a scan", stream.try_next()).await {
            Ok(key) => assert!(found.insert(key.expect("an error comes first"))),
            Err(error) => break error,
        }
    };
    assert_eq!(error.server().unwrap().code(), "ERR");
    let saved = stream.cursor().expect("it can go on").to_string();
    let rest: Vec<String> = scan(&cluster, saved, "*", 1).try_collect().await.unwrap();
    found.extend(rest);
    assert_eq!(found, all_keys());
}

#[tokio::test]
async fn a_cursor_of_something_else_is_refused_before_anything_is_sent() {
    let space = keys_of(ServerKind::Valkey9).await;
    let cluster = open(space.cluster()).await;
    for wrong in ["17", "scan1.0-9.x", "scan2.-", "nonsense"] {
        let mut stream = scan(&cluster, wrong, "*", 10);
        let error = stream.try_next().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
        assert!(error.to_string().contains("begin with 0"), "{error}");
        assert_eq!(stream.try_next().await.unwrap(), None);
    }
    let address = space.cluster().addrs()[0];
    let conn = Connection::open(format!("redis://{address}"))
        .await
        .unwrap();
    let cursor = Cursor::from("scan1.0-9");
    let request: Request<&Connection, (u64, Vec<String>)> =
        Request::new(&conn, &SCAN, |args| args.args("cursor", &cursor));
    let error = request.stream().try_next().await.unwrap_err();
    assert!(error.to_string().contains("over a cluster"), "{error}");
}

/// A command with a cursor whose row says nothing of nodes.
static OWN: CommandInfo = CommandInfo::new("OWN.SCAN", b"$8\r\nOWN.SCAN\r\n", 1).readonly();

#[tokio::test]
async fn a_scan_that_names_neither_a_key_nor_all_nodes_stays_on_one() {
    let fake = FakeCluster::start(3, |asked| match asked.command.name().as_str() {
        "OWN.SCAN" => {
            let at: usize = asked.command.text(1).parse().unwrap();
            let (node, page) = (at / 100, at % 100);
            match page {
                _ if at > 0 && node != asked.node + 1 => Answer::error("ERR no such cursor"),
                20 => Answer::Reply(b"*2\r\n+0\r\n*0\r\n".to_vec()),
                _ => {
                    let next = (asked.node + 1) * 100 + page + 1;
                    Answer::Reply(format!("*2\r\n+{next}\r\n*1\r\n+{page}\r\n").into_bytes())
                }
            }
        }
        _ => Answer::Usual,
    });
    let fake = fake.await.unwrap();
    let cluster = connect(&fake).await;
    let cursor = Cursor::default();
    let request: Request<&Cluster, (u64, Vec<u64>)> =
        Request::new(&cluster, &OWN, |args| args.args("cursor", &cursor));
    let found: Vec<u64> = soon("a scan", request.stream().try_collect())
        .await
        .unwrap();
    assert_eq!(found, (0..20).collect::<Vec<_>>());
}

pub(crate) fn bulk(text: &str) -> Answer {
    Answer::Reply(format!("${}\r\n{text}\r\n", text.len()).into_bytes())
}
