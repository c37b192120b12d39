use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use typedis_core::cluster::{Cluster, slot};
use typedis_core::{
    CommandInfo, Done, Error, ErrorKind, Phase, Request, RequestPolicy, ResponsePolicy, ToArgs,
};
use typedis_testkit::ServerKind;
use typedis_testkit::fake::{Answer, FakeCluster};

use crate::support::*;

static MGET: CommandInfo = CommandInfo::new("MGET", b"$4\r\nMGET\r\n", 1)
    .readonly()
    .policies(RequestPolicy::MultiShard, ResponsePolicy::Default);
static DEL: CommandInfo = CommandInfo::new("DEL", b"$3\r\nDEL\r\n", 1)
    .policies(RequestPolicy::MultiShard, ResponsePolicy::AggSum);
static MSET: CommandInfo = CommandInfo::new("MSET", b"$4\r\nMSET\r\n", 1)
    .policies(RequestPolicy::MultiShard, ResponsePolicy::AllSucceeded);
static DBSIZE: CommandInfo = CommandInfo::new("DBSIZE", b"$6\r\nDBSIZE\r\n", 1)
    .readonly()
    .policies(RequestPolicy::AllShards, ResponsePolicy::AggSum);
static KEYS: CommandInfo = CommandInfo::new("KEYS", b"$4\r\nKEYS\r\n", 1)
    .readonly()
    .policies(RequestPolicy::AllShards, ResponsePolicy::Default);
static FLUSHALL: CommandInfo = CommandInfo::new("FLUSHALL", b"$8\r\nFLUSHALL\r\n", 1)
    .idempotent()
    .policies(RequestPolicy::AllShards, ResponsePolicy::AllSucceeded);
static EXISTS: CommandInfo =
    CommandInfo::new("SCRIPT EXISTS", b"$6\r\nSCRIPT\r\n$6\r\nEXISTS\r\n", 2)
        .readonly()
        .policies(RequestPolicy::AllShards, ResponsePolicy::AggLogicalAnd);
static RESETSTAT: CommandInfo = CommandInfo::new(
    "CONFIG RESETSTAT",
    b"$6\r\nCONFIG\r\n$9\r\nRESETSTAT\r\n",
    2,
);
static RANDOMKEY: CommandInfo = CommandInfo::new("RANDOMKEY", b"$9\r\nRANDOMKEY\r\n", 1)
    .readonly()
    .policies(RequestPolicy::AllShards, ResponsePolicy::Special);

fn with_keys<'a, R>(
    cluster: &'a Cluster,
    info: &'static CommandInfo,
    keys: impl ToArgs,
) -> Request<&'a Cluster, R> {
    Request::new(cluster, info, |args| args.keys("key", &keys))
}

/// A key of each of three nodes, in their order.
fn one_key_for_each_node() -> Vec<String> {
    let mut by_node: BTreeMap<u16, String> = BTreeMap::new();
    for number in 0..100 {
        let key = format!("k{number}");
        by_node.entry(slot(&key) / 5_462).or_insert(key);
    }
    by_node.into_values().collect()
}

#[tokio::test]
async fn many_keys_are_split_by_slots_and_joined_in_order() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis6] {
        let space = keys_of(kind).await;
        for protocol in BOTH {
            let config = config(&space.cluster().url()).protocol(protocol);
            let cluster = Cluster::open(config).await.unwrap();
            let keys: Vec<String> = (0..100).map(|number| space.key(number)).collect();
            let pairs: Vec<(&str, String)> =
                keys.iter().map(|key| (&**key, format!("v{key}"))).collect();
            let mset: Request<&Cluster, ()> = Request::new(&cluster, &MSET, |args| {
                args.records::<(typedis_core::Key, typedis_core::Text), _>("pairs", &pairs);
            });
            mset.await.unwrap();
            let mut asked = keys.clone();
            asked.insert(50, space.key("absent"));
            let values: Vec<Option<String>> = with_keys(&cluster, &MGET, &asked).await.unwrap();
            for (key, value) in asked.iter().zip(values) {
                let expected = (*key != space.key("absent")).then(|| format!("v{key}"));
                assert_eq!(value, expected);
            }
            let deleted: u64 = with_keys(&cluster, &DEL, &asked).await.unwrap();
            assert_eq!(deleted, 100);
        }
    }
}

#[tokio::test]
async fn what_concerns_all_nodes_is_asked_of_each_and_becomes_one_reply() {
    let fake = FakeCluster::start(3, |asked| {
        let node = asked.node;
        match asked.command.name().as_str() {
            "DBSIZE" => Answer::Reply(
                format!(":{}\r\n", 10_i32.pow(u32::try_from(node).unwrap())).into_bytes(),
            ),
            "KEYS" => Answer::Reply(format!("*1\r\n+k{node}\r\n").into_bytes()),
            "SCRIPT" => {
                Answer::Reply(format!("*2\r\n:1\r\n:{}\r\n", usize::from(node != 1)).into_bytes())
            }
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let size: i64 = Request::new(&cluster, &DBSIZE, |_| {}).await.unwrap();
    assert_eq!(size, 111);
    let mut keys: Vec<String> = Request::new(&cluster, &KEYS, |args| args.word("*"))
        .await
        .unwrap();
    keys.sort();
    assert_eq!(keys, ["k0", "k1", "k2"]);
    let known: Vec<bool> = Request::new(&cluster, &EXISTS, |args| {
        args.word("a");
        args.word("b");
    })
    .await
    .unwrap();
    assert_eq!(known, [true, false]);
    let random: Request<&Cluster, Option<String>> = Request::new(&cluster, &RANDOMKEY, |_| {});
    let error = random.await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
}

#[tokio::test]
async fn a_command_that_some_nodes_carried_out_is_not_called_undone() {
    let fake = FakeCluster::start(3, |asked| match asked.command.name().as_str() {
        "FLUSHALL" if asked.node == 1 => Answer::error("NOPERM no"),
        "FLUSHALL" => Answer::Reply(b"+OK\r\n".to_vec()),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let flush: Request<&Cluster, ()> = Request::new(&cluster, &FLUSHALL, |_| {});
    let error = flush.await.unwrap_err();
    assert_eq!(error.phase(), Phase::MaybeApplied);
    assert_eq!(error.server().unwrap().code(), "NOPERM");
    assert_eq!(
        error.to_string(),
        "FLUSHALL: NOPERM no; 2 of 3 nodes carried it out"
    );
    assert!(matches!(
        error.done(),
        Some(Done::Nodes {
            done: 2,
            all: 3,
            ..
        })
    ));
}

#[tokio::test]
async fn of_each_primary_it_is_told_how_many_have_done_it() {
    let fake = FakeCluster::start(4, |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("CONFIG", 0) => Answer::error("LOADING the dataset"),
            ("CONFIG", 2) => Answer::Close,
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let reset: Request<_, ()> = Request::new(cluster.each_primary(), &RESETSTAT, |_| {});
    let error = soon("CONFIG RESETSTAT", reset).await.unwrap_err();
    assert_eq!(error.command(), Some("CONFIG RESETSTAT"));
    // The graver of the two failures.
    assert!(error.is_connection(), "{error:?}");
    assert_eq!(error.phase(), Phase::MaybeApplied);
    assert!(!error.is_retryable(), "{error}");
    assert!(
        matches!(
            error.done(),
            Some(Done::Nodes {
                done: 2,
                all: 4,
                ..
            })
        ),
        "{error}"
    );
}

#[tokio::test]
async fn what_no_primary_has_done_can_be_tried_again() {
    let fake = FakeCluster::start(2, |asked| match asked.command.name().as_str() {
        "CONFIG" => Answer::error("LOADING the dataset"),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let reset: Request<_, ()> = Request::new(cluster.each_primary(), &RESETSTAT, |_| {});
    let error = soon("CONFIG RESETSTAT", reset).await.unwrap_err();
    assert_eq!((error.phase(), error.done()), (Phase::Refused, None));
    assert!(error.is_retryable(), "{error}");
}

#[tokio::test]
async fn of_several_failures_the_one_counts_after_which_more_may_have_been_done() {
    let fake = FakeCluster::start(3, |asked| match asked.command.name().as_str() {
        "DEL" if asked.node == 1 => Answer::Close,
        "DEL" => Answer::error("NOPERM no"),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let keys: Vec<String> = (0..100).map(|number| format!("k{number}")).collect();
    let calls: Request<&Cluster, u64> = with_keys(&cluster, &DEL, &keys);
    assert_eq!(calls.await.unwrap_err().phase(), Phase::MaybeApplied);
}

#[tokio::test]
async fn a_part_that_fails_is_an_error_that_says_what_was_done() {
    let fake = FakeCluster::start(3, |asked| match asked.command.name().as_str() {
        "DEL" if asked.node == 1 => Answer::error("NOPERM no"),
        "DEL" => Answer::Reply(b":1\r\n".to_vec()),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let keys = one_key_for_each_node();
    let calls: Request<&Cluster, u64> = with_keys(&cluster, &DEL, &keys);
    let error = calls.await.unwrap_err();
    assert_eq!(error.phase(), Phase::MaybeApplied);
    assert_eq!(error.server().unwrap().code(), "NOPERM");
    assert_eq!(
        error.to_string(),
        "DEL: NOPERM no; it has 3 keys, counted from 0, and was carried out for these: 0, 2"
    );
    assert_eq!(keys_done(&error), Some(vec![0, 2]));
    assert!(!error.is_retryable(), "{error}");
}

/// The numbers of the keys for which a command was carried out that failed in part.
fn keys_done(error: &Error) -> Option<Vec<usize>> {
    match error.done()? {
        Done::Keys { done, .. } => Some(done.clone()),
        _ => None,
    }
}

/// What is known of the part that failed is known of the whole, and said once.
#[tokio::test]
async fn a_part_that_is_lost_is_a_loss_of_the_whole() {
    let fake = FakeCluster::start(3, |asked| match asked.command.name().as_str() {
        "DEL" if asked.node == 1 => Answer::Close,
        "DEL" => Answer::Reply(b":1\r\n".to_vec()),
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let calls: Request<&Cluster, u64> = with_keys(&cluster, &DEL, one_key_for_each_node());
    let error = soon("DEL", calls).await.unwrap_err();
    assert!(error.is_connection(), "{error:?}");
    assert_eq!(error.phase(), Phase::MaybeApplied, "{error}");
    assert!(!error.is_retryable(), "{error}");
    assert_eq!(keys_done(&error), Some(vec![0, 2]), "{error}");
    let text = error.to_string();
    assert_eq!(text.matches("may or may not").count(), 1, "{text}");
}

#[tokio::test]
async fn a_slot_that_moves_amid_a_split_command_is_followed() {
    let fake = FakeCluster::start(3, |asked| match asked.command.name().as_str() {
        "MGET" if asked.node != 0 => Answer::moved(slot(asked.command.text(1)), asked.addr(0)),
        "MGET" => {
            let keys = &asked.command.bytes()[1..];
            let mut reply = format!("*{}\r\n", keys.len());
            for key in keys {
                reply += &format!("+{}\r\n", String::from_utf8_lossy(key));
            }
            Answer::Reply(reply.into_bytes())
        }
        _ => Answer::Usual,
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let keys: Vec<String> = (0..50).map(|number| format!("k{number}")).collect();
    let values: Vec<String> = with_keys(&cluster, &MGET, &keys).await.unwrap();
    assert_eq!(values, keys);
}

/// How a primary says that it cannot answer any more.
const FAILURES: [&str; 3] = [
    "",
    "READONLY You can't write against a read only replica.",
    "LOADING the dataset",
];

#[tokio::test]
async fn the_part_of_a_primary_that_fails_goes_to_its_successor() {
    for failure in FAILURES {
        let fake = FakeCluster::start(4, move |asked| {
            match (asked.command.name().as_str(), asked.node) {
                ("DBSIZE" | "FLUSHALL", 1) if failure.is_empty() => Answer::Close,
                ("DBSIZE" | "FLUSHALL", 1) => Answer::error(failure),
                ("DBSIZE", 3) => Answer::Reply(b":10\r\n".to_vec()),
                ("DBSIZE", _) => Answer::Reply(b":1\r\n".to_vec()),
                _ => Answer::Usual,
            }
        })
        .await
        .unwrap();
        fake.assign(0..=5_460, 0);
        fake.assign(5_461..=10_922, 1);
        fake.assign(10_923..=16_383, 2);
        fake.set_replicas(1, &[3]);
        let cluster = connect(&fake).await;
        let size: Request<&Cluster, i64> = Request::new(&cluster, &DBSIZE, |_| {});
        let flush: Request<&Cluster, ()> = Request::new(&cluster, &FLUSHALL, |_| {});
        let (size, flush) = (
            size.deadline(Duration::from_secs(20)),
            flush.deadline(Duration::from_secs(20)),
        );
        let failover = async {
            // Both have met the primary that fails.
            while fake.count(1, "DBSIZE") == 0 || fake.count(1, "FLUSHALL") == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            fake.set_replicas(1, &[]);
            fake.assign(5_461..=10_922, 3);
        };
        let calls = async { tokio::join!(size.into_future(), flush.into_future(), failover) };
        let (size, flush, ()) = soon("commands for all primaries", calls).await;
        assert_eq!(size.unwrap(), 12, "{failure}");
        flush.unwrap();
        for node in [0, 2, 3] {
            assert_eq!(fake.count(node, "DBSIZE"), 1, "{node}");
            assert_eq!(fake.count(node, "FLUSHALL"), 1, "{node}");
        }
    }
}

/// The successor is a replica again, and refuses what it was given meanwhile.
#[tokio::test]
async fn the_part_of_a_primary_that_comes_back_returns_to_it() {
    let recovered = Arc::new(AtomicBool::new(false));
    let has_recovered = recovered.clone();
    let fake = FakeCluster::start(4, move |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("FLUSHALL", 1) if !has_recovered.load(Ordering::Relaxed) => Answer::error("LOADING"),
            ("FLUSHALL", 3) => {
                Answer::error("READONLY You can't write against a read only replica.")
            }
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    fake.assign(0..=5_460, 0);
    fake.assign(5_461..=10_922, 1);
    fake.assign(10_923..=16_383, 2);
    fake.set_replicas(1, &[3]);
    let cluster = connect(&fake).await;
    let flush: Request<&Cluster, ()> = Request::new(&cluster, &FLUSHALL, |_| {});
    let failovers = async {
        until("the primary is met", || fake.count(1, "FLUSHALL") > 0).await;
        fake.set_replicas(3, &[1]);
        fake.assign(5_461..=10_922, 3);
        until("the successor is met", || fake.count(3, "FLUSHALL") > 0).await;
        recovered.store(true, Ordering::Relaxed);
        fake.set_replicas(1, &[3]);
        fake.assign(5_461..=10_922, 1);
    };
    let calls = async { tokio::join!(flush.into_future(), failovers) };
    let (flush, ()) = soon("FLUSHALL", calls).await;
    flush.unwrap();
}

/// The part of one of them stays where it was.
#[tokio::test]
async fn the_successor_of_two_primaries_is_asked_once() {
    let recovered = Arc::new(AtomicBool::new(false));
    let has_recovered = recovered.clone();
    let fake = FakeCluster::start(4, move |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("DBSIZE", 0 | 1) if !has_recovered.load(Ordering::Relaxed) => Answer::error("LOADING"),
            ("DBSIZE", 3) => Answer::Reply(b":10\r\n".to_vec()),
            ("DBSIZE", _) => Answer::Reply(b":1\r\n".to_vec()),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    fake.assign(0..=5_460, 0);
    fake.assign(5_461..=10_922, 1);
    fake.assign(10_923..=16_383, 2);
    let cluster = connect(&fake).await;
    let size: Request<&Cluster, i64> = Request::new(&cluster, &DBSIZE, |_| {});
    let failover = async {
        while fake.count(0, "DBSIZE") == 0 || fake.count(1, "DBSIZE") == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        fake.assign(0..=10_922, 3);
        while fake.count(3, "DBSIZE") == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        recovered.store(true, Ordering::Relaxed);
    };
    let calls = async { tokio::join!(size.into_future(), failover) };
    let (size, ()) = soon("DBSIZE", calls).await;
    assert_eq!(size.unwrap(), 12);
    assert_eq!(fake.count(3, "DBSIZE"), 1);
}

#[tokio::test]
async fn a_node_that_got_the_slots_of_another_is_not_asked_twice() {
    let moved = Arc::new(AtomicBool::new(false));
    let has_moved = moved.clone();
    let fake = FakeCluster::start(3, move |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("DBSIZE", 1) if !has_moved.load(Ordering::Relaxed) => Answer::error("LOADING"),
            ("DBSIZE", _) => Answer::Reply(b":1\r\n".to_vec()),
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    let cluster = connect(&fake).await;
    let size: Request<&Cluster, i64> = Request::new(&cluster, &DBSIZE, |_| {});
    let resharding = async {
        while fake.count(1, "DBSIZE") == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        fake.assign(0..=16_383, 0);
        while cluster.topology().primaries().count() > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        moved.store(true, Ordering::Relaxed);
    };
    let calls = async { tokio::join!(size.into_future(), resharding) };
    let (size, ()) = soon("DBSIZE", calls).await;
    assert_eq!(size.unwrap(), 3);
    assert_eq!((fake.count(0, "DBSIZE"), fake.count(2, "DBSIZE")), (1, 1));
}
