//! Reads from replicas.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use typedis_core::cluster::{Cluster, ReadFrom, slot};
use typedis_core::{ClusterCause, CommandInfo, Phase, Request, Run, Script, raw};
use typedis_testkit::fake::{Answer, Asked, FakeCluster};
use typedis_testkit::{Cluster as Servers, ServerKind};

use crate::support::*;

const KEY: &str = "foo";

static GET: CommandInfo = CommandInfo::new("GET", b"$3\r\nGET\r\n", 1)
    .readonly()
    .cacheable();
static LLEN: CommandInfo = CommandInfo::new("LLEN", b"$4\r\nLLEN\r\n", 1)
    .readonly()
    .cacheable();
static SUNION: CommandInfo = CommandInfo::new("SUNION", b"$6\r\nSUNION\r\n", 1)
    .readonly()
    .cacheable();
static EVAL: CommandInfo = CommandInfo::new("EVAL", b"$4\r\nEVAL\r\n", 1).readonly();

/// GET as the spec has it.
fn get<'a>(cluster: &'a Cluster, key: &str) -> Request<&'a Cluster, Option<String>> {
    Request::new(cluster, &GET, |args| args.key("key", key))
}

/// A primary and its replicas; a replica that is asked how it fares says that it is well.
async fn fake(
    replicas: usize,
    script: impl Fn(&Asked<'_>) -> Answer + Send + Sync + 'static,
) -> FakeCluster {
    let fake = FakeCluster::start(1 + replicas, move |asked| match script(asked) {
        Answer::Usual if asked.command.name() == "INFO" => well(),
        other => other,
    })
    .await
    .unwrap();
    fake.assign(0..=16_383, 0);
    fake.set_replicas(0, &(1..=replicas).collect::<Vec<_>>());
    fake
}

fn well() -> Answer {
    let text = "role:slave\r\nmaster_link_status:up\r\nmaster_last_io_seconds_ago:0\r\n";
    Answer::Reply(format!("${}\r\n{text}\r\n", text.len()).into_bytes())
}

fn value(text: &str) -> Answer {
    Answer::Reply(format!("${}\r\n{text}\r\n", text.len()).into_bytes())
}

async fn read(cluster: &Cluster) -> Option<String> {
    soon("a read", get(cluster, KEY)).await.unwrap()
}

/// How often each node was sent this command, as the servers count it.
async fn counted(servers: &Arc<Servers>, command: &'static str) -> Vec<(bool, u64)> {
    let servers = servers.clone();
    blocking(move || {
        let count = |node: &Arc<typedis_testkit::cluster::Node>| {
            let text = node.call(&["INFO", "commandstats"]).unwrap();
            let begin = format!("cmdstat_{command}:calls=");
            let line = text.lines().find_map(|line| line.strip_prefix(&begin));
            let calls = line.and_then(|line| line.split(',').next()?.parse().ok());
            (node.is_replica().unwrap(), calls.unwrap_or_default())
        };
        servers.nodes().iter().map(count).collect()
    })
    .await
}

#[tokio::test]
async fn reads_go_to_replicas_and_writes_to_primaries() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8] {
        let servers = start_steady(kind, 1).await;
        for protocol in BOTH {
            let config = config(&servers.url()).protocol(protocol);
            let cluster = Cluster::open(config).await.unwrap();
            let replicas = cluster.replicas();
            for number in 0..30 {
                let key = format!("k{number}");
                replicas.run(set(&key, "1")).await.unwrap();
                let wait = async {
                    // What was just written may not be there yet.
                    while get(&replicas, &key).await.unwrap().is_none() {}
                };
                soon("a value on a replica", wait).await;
            }
        }
        for (is_replica, calls) in counted(&servers, "get").await {
            // Nothing on a replica of Redis is asked of its primary too.
            let may_be_asked = is_replica || kind == ServerKind::Redis8;
            assert!(may_be_asked || calls == 0, "{kind}");
            assert!(!is_replica || calls > 0, "{kind}");
        }
        // Replicas get writes from their primaries, which do not count them twice.
        let written = counted(&servers, "set").await.into_iter();
        let written: u64 = written
            .filter(|(is_replica, _)| !is_replica)
            .map(|(_, calls)| calls)
            .sum();
        assert_eq!(written, 60, "{kind}");
    }
}

#[tokio::test]
async fn a_key_on_its_way_to_another_shard_is_not_taken_for_absent() {
    for kind in [ServerKind::Redis6, ServerKind::Redis8, ServerKind::Valkey9] {
        let servers = start_steady(kind, 1).await;
        let cluster = open(&servers).await;
        cluster.run(set("{t}gone", "still there")).await.unwrap();
        change(&servers, move |moving| {
            let owner = moving.owner_of(slot("t")).unwrap();
            let mut others = moving.primaries().unwrap().into_iter();
            let to = others.find(|node| node.id() != owner.id()).unwrap();
            let step = moving.begin_move(slot("t"), &to).unwrap();
            step.migrate_keys(&["{t}gone"]).unwrap();
            std::mem::forget(step);
        })
        .await;
        let replicas = cluster.replicas();
        for _ in 0..20 {
            let value = soon("a read", get(&replicas, "{t}gone")).await.unwrap();
            assert_eq!(value.as_deref(), Some("still there"), "{kind}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_of_several_keys_lacks_none_that_is_on_its_way() {
    for kind in [ServerKind::Redis6, ServerKind::Redis8, ServerKind::Valkey9] {
        let servers = start_steady(kind, 1).await;
        let cluster = open(&servers).await;
        for key in ["{t}a", "{t}b"] {
            let member = raw("SADD").key(key).arg(key).reply::<i64>();
            cluster.run(member).await.unwrap();
        }
        let to = change(&servers, move |moving| {
            let owner = moving.owner_of(slot("t")).unwrap();
            let replica = moving.replicas_of(&owner).unwrap().pop().unwrap();
            let mut others = moving.primaries().unwrap().into_iter();
            let to = others.find(|node| node.id() != owner.id()).unwrap();
            let step = moving.begin_move(slot("t"), &to).unwrap();
            step.migrate_keys(&["{t}b"]).unwrap();
            std::mem::forget(step);
            // Until the replica has heard that the key is gone.
            until_blocking("the replica lacks it", || {
                replica.call(&["DBSIZE"]).unwrap() == "1"
            });
            to
        })
        .await;
        let replicas = cluster.replicas();
        let union = || -> Request<&Cluster, Vec<String>> {
            Request::new(&replicas, &SUNION, |args| {
                args.keys("key", &["{t}a", "{t}b"]);
            })
        };
        // While only one of the keys is here, no server can tell what both contain.
        for _ in 0..3 {
            let early = union().deadline(Duration::from_millis(100));
            let error = soon("an early read", early).await.unwrap_err();
            assert!(error.is_timeout() || error.server().is_some(), "{error}");
        }
        // A script hides from its caller what it found.
        let script: Request<&Cluster, String> = Request::new(&replicas, &EVAL, |args| {
            args.arg("script", "return redis.call('SCARD', KEYS[1]) .. ''");
            args.arg("numkeys", &1);
            args.key("key", "{t}b");
        });
        assert_eq!(soon("a script", script).await.unwrap(), "1", "{kind}");
        let waiting = replicas.clone();
        let late = tokio::spawn(async move {
            let call: Request<&Cluster, Vec<String>> = Request::new(&waiting, &SUNION, |args| {
                args.keys("key", &["{t}a", "{t}b"])
            });
            call.await
        });
        change(&servers, move |moving| {
            moving.move_slot(slot("t"), &to).unwrap();
        })
        .await;
        let mut both = soon("a read that waits", late).await.unwrap().unwrap();
        both.sort();
        assert_eq!(both, ["{t}a", "{t}b"], "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_only_read_are_read_from_real_replicas() {
    for kind in [ServerKind::Valkey9, ServerKind::Valkey8] {
        let servers = start_steady(kind, 1).await;
        let cluster = open(&servers).await;
        cluster.run(set("{t}k", "v")).await.unwrap();
        let script = Script::new("return redis.call('GET', KEYS[1])").read_only();
        let replicas = cluster.replicas();
        let call = || script.call::<Option<String>>(["{t}k"], [0; 0]);
        // The first calls go to the primary, until it is known how the replica fares and which server it is.
        for _ in 0..1_000 {
            // A replica may get the key a little later.
            let read = replicas.run(call()).await.unwrap();
            assert!(read.is_none_or(|value| value == "v"), "{kind}");
        }
        let calls = counted(&servers, "evalsha_ro").await;
        let by_replicas = calls.iter().any(|(replica, count)| *replica && *count > 1);
        assert!(by_replicas, "{kind}: {calls:?}");
    }
}

#[tokio::test]
async fn readonly_is_said_on_sockets_for_reads_and_on_no_other() {
    let fake = fake(1, |asked| match asked.command.name().as_str() {
        "GET" => value("v"),
        _ => Answer::Usual,
    })
    .await;
    let cluster = connect(&fake).await;
    read(&cluster.replicas()).await.unwrap();
    cluster.run(set(KEY, "1")).await.unwrap();
    assert_eq!((fake.count(0, "GET"), fake.count(1, "GET")), (0, 1));
    assert_eq!(
        (fake.count(0, "READONLY"), fake.count(1, "READONLY")),
        (0, 1)
    );
    assert_eq!((fake.count(0, "SET"), fake.count(1, "SET")), (1, 0));
}

#[tokio::test]
async fn a_replica_that_is_loading_or_has_lost_its_primary_is_left_out() {
    for refusal in ["LOADING a while", "MASTERDOWN Link with MASTER is down"] {
        let fake = fake(1, move |asked| {
            match (asked.command.name().as_str(), asked.node) {
                ("GET", 0) => value("v"),
                ("GET" | "INFO", _) => Answer::error(refusal),
                _ => Answer::Usual,
            }
        })
        .await;
        let replicas = connect(&fake).await.replicas();
        for _ in 0..20 {
            assert_eq!(read(&replicas).await.as_deref(), Some("v"));
        }
        assert_eq!(fake.count(0, "GET"), 20);
        assert!(fake.count(1, "GET") <= 1, "{}", fake.count(1, "GET"));
    }
}

/// Such a server refuses a PING too. It lives, so its socket is kept, and it is read from again once it says that it is well.
#[tokio::test]
async fn a_replica_that_refuses_a_ping_keeps_its_socket_and_is_read_from_again() {
    for refusal in [
        "LOADING Redis is loading the dataset in memory",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    ] {
        let is_sick = Arc::new(AtomicBool::new(false));
        let state = is_sick.clone();
        let fake = fake(1, move |asked| {
            let is_sick = asked.node == 1 && state.load(Ordering::Relaxed);
            match asked.command.name().as_str() {
                "GET" | "PING" if is_sick => Answer::error(refusal),
                "INFO" if is_sick => value("role:slave\r\nmaster_link_status:down"),
                "GET" => value(&asked.node.to_string()),
                _ => Answer::Usual,
            }
        })
        .await;
        let config = config(&fake.node(0).url()).liveness(Duration::from_millis(100));
        let replicas = Cluster::open(config).await.unwrap().replicas();
        assert_eq!(read(&replicas).await.as_deref(), Some("1"));
        let sockets = fake.node(1).connections();
        is_sick.store(true, Ordering::Relaxed);
        let pings = fake.count(1, "PING") + 3;
        let elsewhere = async {
            while fake.count(1, "PING") < pings {
                assert_eq!(read(&replicas).await.as_deref(), Some("0"));
            }
        };
        soon("refused PINGs", elsewhere).await;
        is_sick.store(false, Ordering::Relaxed);
        let back = async { while read(&replicas).await.as_deref() != Some("1") {} };
        soon("reads on the replica", back).await;
        assert_eq!(fake.node(1).connections(), sockets, "{refusal}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_hangs_is_left_out_and_used_again_when_it_is_back() {
    let builder = Servers::builder(ServerKind::Valkey9)
        .replicas(1)
        .node_timeout(Duration::from_secs(60));
    let servers = Arc::new(blocking(move || builder.start().unwrap()).await);
    let cluster = open(&servers).await;
    cluster.run(set(KEY, "v")).await.unwrap();
    let replica = change(&servers, move |hanging| {
        let owner = hanging.owner_of(slot(KEY)).unwrap();
        let replica = hanging.replicas_of(&owner).unwrap().pop().unwrap();
        replica.server().pause().unwrap();
        replica
    })
    .await;
    let replicas = cluster.replicas();
    for _ in 0..100 {
        assert_eq!(read(&replicas).await.as_deref(), Some("v"));
    }
    let back = replica.clone();
    blocking(move || back.server().resume().unwrap()).await;
    let wait = async {
        loop {
            read(&replicas).await;
            let node = replica.clone();
            let told = blocking(move || node.call(&["INFO", "commandstats"]).unwrap()).await;
            let calls = told.split("cmdstat_get:calls=").nth(1);
            let calls = calls.and_then(|rest| rest.split(',').next()?.parse::<u32>().ok());
            // More than those that waited for it.
            if calls > Some(20) {
                return;
            }
        }
    };
    soon("reads on the replica", wait).await;
}

#[tokio::test]
async fn a_replica_that_names_its_own_primary_changes_no_map() {
    // Such commands count as writes there, though they only read.
    let fake = fake(1, |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("GET", 1) => Answer::moved(slot(KEY), asked.addr(0)),
            ("GET", _) => value("v"),
            _ => Answer::Usual,
        }
    })
    .await;
    let cluster = connect(&fake).await;
    let (before, replicas) = (cluster.topology(), cluster.replicas());
    for _ in 0..5 {
        assert_eq!(read(&replicas).await.as_deref(), Some("v"));
    }
    assert_eq!(cluster.topology(), before);
    assert_eq!((fake.count(0, "GET"), fake.count(1, "GET")), (5, 5));
}

#[tokio::test]
async fn nothing_on_a_replica_is_asked_of_the_primary_too() {
    let fake = fake(1, |asked| {
        match (asked.command.name().as_str(), asked.node) {
            ("GET", 1) => Answer::Reply(b"_\r\n".to_vec()),
            ("LLEN", 1) => Answer::Reply(b":0\r\n".to_vec()),
            ("GET", _) => value("v"),
            ("LLEN", _) => Answer::Reply(b":3\r\n".to_vec()),
            _ => Answer::Usual,
        }
    })
    .await;
    let replicas = connect(&fake).await.replicas();
    assert_eq!(read(&replicas).await.as_deref(), Some("v"));
    let length: Request<&Cluster, i64> =
        Request::new(&replicas, &LLEN, |args| args.key("key", KEY));
    assert_eq!(length.await.unwrap(), 3);
}

#[tokio::test]
async fn without_a_replica_reads_go_to_the_primary_unless_nothing_else_is_wanted() {
    let fake = fake(0, |asked| match asked.command.name().as_str() {
        "GET" => value("v"),
        _ => Answer::Usual,
    })
    .await;
    let cluster = connect(&fake).await;
    for nodes in [
        ReadFrom::PreferReplica,
        ReadFrom::Any,
        ReadFrom::Nearest,
        ReadFrom::Zone("a".to_owned()),
    ] {
        let view = cluster.read_from(nodes);
        assert_eq!(read(&view).await.as_deref(), Some("v"));
    }
    let strict = cluster.read_from(ReadFrom::Replica);
    let error = get(&strict, KEY).await.unwrap_err();
    assert_eq!(cause(&error), ClusterCause::NoReplica);
    assert_eq!(error.phase(), Phase::NotSent);
    assert!(error.is_retryable(), "one may get well: {error}");
    assert!(
        error.to_string().contains("no replica of the slot 12182"),
        "{error}"
    );
}

#[tokio::test]
async fn a_zone_is_preferred_and_any_means_all() {
    let fake = fake(2, |asked| match asked.command.name().as_str() {
        "GET" => value(&asked.node.to_string()),
        _ => Answer::Usual,
    })
    .await;
    let mut told = b"*1\r\n*5\r\n:0\r\n:16383\r\n".to_vec();
    for (node, zone) in [(0, "a"), (1, "b"), (2, "a")] {
        let port = fake.node(node).addr().port();
        let text = format!(
            "*4\r\n$9\r\n127.0.0.1\r\n:{port}\r\n$1\r\n{node}\r\n*2\r\n$17\r\navailability-zone\r\n$1\r\n{zone}\r\n"
        );
        told.extend(text.into_bytes());
    }
    for node in 0..3 {
        fake.tell(node, told.clone());
    }
    let cluster = connect(&fake).await;
    for (zone, node) in [("a", "2"), ("b", "1")] {
        let view = cluster.read_from(ReadFrom::Zone(zone.to_owned()));
        for _ in 0..10 {
            assert_eq!(read(&view).await.as_deref(), Some(node));
        }
    }
    let any = cluster.read_from(ReadFrom::Any);
    let mut asked = std::collections::BTreeSet::new();
    for _ in 0..100 {
        asked.extend(read(&any).await);
    }
    assert_eq!(asked.len(), 3);
    // In a configuration it holds for the handle itself.
    let config = config(&format!("{}?read_from=zone:b", fake.url()));
    let cluster = Cluster::open(config).await.unwrap();
    assert_eq!(read(&cluster).await.as_deref(), Some("1"));
}
