//! A cache over all nodes of a cluster.

use std::sync::atomic::{AtomicUsize, Ordering};

use typedis_core::cluster::Cluster;
use typedis_core::{
    AllowsBlocking, Cache, Cached, CommandInfo, ErrorKind, Request, Run, Timeout, raw,
};
use typedis_testkit::ServerKind;
use typedis_testkit::fake::{Answer, FakeCluster};

use crate::support::*;

async fn open(nodes: &typedis_testkit::Cluster) -> Cluster {
    let config = typedis_core::Config::from_url(&nodes.url()).unwrap();
    Cluster::open(config.command_timeout(LONG)).await.unwrap()
}

#[tokio::test]
async fn each_node_reports_what_was_read_from_it() {
    let nodes = typedis_testkit::Cluster::start(ServerKind::Valkey9).unwrap();
    let other = open(&nodes).await;
    let cache = open(&nodes).await.cached(Cache::default()).unwrap();
    let keys: Vec<String> = (0..30).map(|number| format!("k{number}")).collect();
    for key in &keys {
        set(&other, key, "1").await.unwrap();
        assert_eq!(get(&cache, key).await.unwrap().as_deref(), Some("1"));
        let (_, counts) = counted(&cache, get(&cache, key)).await;
        assert_eq!(counts.hits, 1, "{key}");
    }
    assert_eq!(cache.stats().tracking, 3);
    let listed: Vec<&str> = keys.iter().map(String::as_str).collect();
    for hits in [0, 30] {
        let (read, counts) = counted(&cache, mget(&cache, &listed)).await;
        assert_eq!(read.unwrap(), vec![Some("1".to_owned()); 30]);
        assert_eq!(counts.hits, hits);
    }
    for key in &keys {
        set(&other, key, "2").await.unwrap();
    }
    for key in &keys {
        until_read("the change is seen", async || {
            get(&cache, key).await.unwrap().as_deref() == Some("2")
        })
        .await;
    }
    set(&cache, "k1", "3").await.unwrap();
    assert_eq!(get(&cache, "k1").await.unwrap().as_deref(), Some("3"));
    // Keys of several slots are refused as on the cluster itself; with one hash tag they are kept.
    assert!(sinter(&cache, &["a", "b"]).await.is_err());
    for hits in [0, 1] {
        let (_, counts) = counted(&cache, sinter(&cache, &["{t}a", "{t}b"])).await;
        assert_eq!(counts.hits, hits);
    }
}

/// Nobody reports that a key is absent no more when its slot has moved.
#[tokio::test]
async fn a_slot_that_moves_leaves_nothing_behind() {
    let nodes = typedis_testkit::Cluster::start(ServerKind::Valkey9).unwrap();
    let other = open(&nodes).await;
    let cache = open(&nodes).await.cached(Cache::default()).unwrap();
    assert_eq!(get(&cache, "{t}absent").await.unwrap(), None);
    set(&other, "{t}there", "1").await.unwrap();
    get(&cache, "{t}there").await.unwrap();
    let slot = nodes.slot_of("{t}").unwrap();
    let owner = nodes.owner_of(slot).unwrap();
    let primaries = nodes.primaries().unwrap();
    let target = primaries
        .iter()
        .find(|node| node.id() != owner.id())
        .unwrap();
    nodes.move_slot(slot, target).unwrap();
    set(&other, "{t}absent", "made on the new node")
        .await
        .unwrap();
    set(&other, "{t}there", "2").await.unwrap();
    // The answer to any command about the slot tells of the move.
    let exists = raw("EXISTS").key("{t}any").readonly().reply::<i64>();
    cache.run(exists).await.unwrap();
    let absent = get(&cache, "{t}absent").await.unwrap();
    assert_eq!(absent.as_deref(), Some("made on the new node"));
    until_read("the change is seen", async || {
        get(&cache, "{t}there").await.unwrap().as_deref() == Some("2")
    })
    .await;
    // And back again: what was read on the first node is not served.
    nodes.wait_until_agreed().unwrap();
    nodes.move_slot(slot, &owner).unwrap();
    set(&other, "{t}absent", "made on the old node")
        .await
        .unwrap();
    let exists = raw("EXISTS").key("{t}any").readonly().reply::<i64>();
    cache.run(exists).await.unwrap();
    let absent = get(&cache, "{t}absent").await.unwrap();
    assert_eq!(absent.as_deref(), Some("made on the old node"));
}

/// The same for a slot that moves with all its keys in one step.
#[tokio::test]
async fn a_slot_that_moves_in_one_step_leaves_nothing_behind() {
    let nodes = typedis_testkit::Cluster::start(ServerKind::Valkey9).unwrap();
    let other = open(&nodes).await;
    let cache = open(&nodes).await.cached(Cache::default()).unwrap();
    set(&other, "{t}there", "1").await.unwrap();
    assert_eq!(get(&cache, "{t}absent").await.unwrap(), None);
    assert_eq!(get(&cache, "{t}there").await.unwrap().as_deref(), Some("1"));
    let slot = nodes.slot_of("{t}").unwrap();
    let owner = nodes.owner_of(slot).unwrap();
    let primaries = nodes.primaries().unwrap();
    let target = primaries
        .iter()
        .find(|node| node.id() != owner.id())
        .unwrap();
    nodes.move_slots_at_once(slot..=slot, target).unwrap();
    set(&other, "{t}absent", "made").await.unwrap();
    set(&other, "{t}there", "2").await.unwrap();
    let exists = raw("EXISTS").key("{t}any").readonly().reply::<i64>();
    cache.run(exists).await.unwrap();
    assert_eq!(
        get(&cache, "{t}absent").await.unwrap().as_deref(),
        Some("made")
    );
    until_read("the change is seen", async || {
        get(&cache, "{t}there").await.unwrap().as_deref() == Some("2")
    })
    .await;
}

#[tokio::test]
async fn reads_go_on_after_a_node_was_lost() {
    let nodes = typedis_testkit::Cluster::builder(ServerKind::Valkey9)
        .primaries(3)
        .replicas(1)
        .start()
        .unwrap();
    let other = open(&nodes).await;
    let cache = open(&nodes).await.cached(Cache::default()).unwrap();
    let keys: Vec<String> = (0..20).map(|number| format!("k{number}")).collect();
    for key in &keys {
        get(&cache, key).await.unwrap();
    }
    let owner = nodes.owner_of(nodes.slot_of("k0").unwrap()).unwrap();
    let replica = nodes.replicas_of(&owner).unwrap().remove(0);
    replica.take_over_by_force().unwrap();
    replica.wait_until_primary().unwrap();
    nodes.wait_until_agreed().unwrap();
    for key in &keys {
        set(&other, key, "after").await.unwrap();
    }
    for key in &keys {
        until_read("the write is seen", async || {
            get(&cache, key).await.unwrap().as_deref() == Some("after")
        })
        .await;
    }
}

/// With `no_loop` no node reports it.
#[tokio::test]
async fn what_a_pipeline_or_transaction_of_a_cluster_writes_is_dropped_at_once() {
    use typedis_core::{Client, cmd};

    let nodes = typedis_testkit::Cluster::start(ServerKind::Valkey9).unwrap();
    for settings in [Cache::default(), Cache::default().no_loop()] {
        let cache = open(&nodes).await.cached(settings).unwrap();
        for round in 0..20 {
            let value = round.to_string();
            get(&cache, "k").await.unwrap();
            set(cache.pipeline(), "k", &value).await.unwrap();
            assert_eq!(get_number(&cache, "k").await.unwrap(), Some(round));
            set(cache.transaction(), "k", "t").await.unwrap();
            assert_eq!(get(&cache, "k").await.unwrap().as_deref(), Some("t"));
            let mut batch = cache.batch();
            let _ = batch.push(set(cmd(), "k", "b"));
            batch.execute().await.unwrap();
            assert_eq!(get(&cache, "k").await.unwrap().as_deref(), Some("b"));
        }
    }
}

/// A pipeline can follow a slot to a node that has not reported anything yet.
#[tokio::test]
async fn what_a_pipeline_of_a_cluster_reads_is_dropped() {
    use typedis_core::Client;

    let nodes = typedis_testkit::Cluster::start(ServerKind::Valkey9).unwrap();
    let cache = open(&nodes).await.cached(Cache::default()).unwrap();
    get(&cache, "k").await.unwrap();
    get(&cache, "l").await.unwrap();
    get(cache.pipeline(), "k").await.unwrap();
    let (_, counts) = counted(&cache, async {
        get(&cache, "k").await.unwrap();
        get(&cache, "l").await.unwrap();
    })
    .await;
    assert_eq!((counts.misses, counts.hits), (1, 1));
}

/// What is kept was read from primaries. A read that cannot be kept must not bring something older.
#[tokio::test]
async fn what_falls_out_of_the_cache_is_not_read_from_a_replica() {
    let primary_reads = AtomicUsize::new(0);
    let fake = FakeCluster::start(2, move |asked| {
        let is_get = match asked.command.name().as_str() {
            "GET" => true,
            "MGET" => false,
            "INFO" => {
                let text =
                    "role:slave\r\nmaster_link_status:up\r\nmaster_last_io_seconds_ago:0\r\n";
                return Answer::Reply(format!("${}\r\n{text}\r\n", text.len()).into_bytes());
            }
            _ => return Answer::Usual,
        };
        let before = if is_get { "" } else { "*1\r\n" };
        if asked.node == 1 {
            return Answer::Reply(format!("{before}$3\r\nold\r\n").into_bytes());
        }
        if primary_reads
            .fetch_add(1, Ordering::SeqCst)
            .is_multiple_of(2)
        {
            return Answer::error("LOADING the data");
        }
        Answer::Reply(format!("{before}$3\r\nnew\r\n").into_bytes())
    })
    .await
    .unwrap();
    fake.assign(0..=16_383, 0);
    fake.set_replicas(0, &[1]);
    let config = typedis_core::Config::from_url(&fake.url()).unwrap();
    let cluster = Cluster::open(config.command_timeout(LONG)).await.unwrap();
    let cache = cluster.replicas().cached(Cache::default()).unwrap();
    assert_eq!(get(&cache, "k").await.unwrap().as_deref(), Some("new"));
    let all = mget(&cache, &["k"]).await.unwrap();
    assert_eq!(all, [Some("new".to_owned())]);
}

/// Nothing is kept then, so nothing speaks against reads from replicas: of one key and of many.
#[tokio::test]
async fn if_nodes_refuse_to_report_reads_go_where_they_go_without_a_cache() {
    let fake = FakeCluster::start(2, move |asked| {
        let name = asked.command.name();
        match name.as_str() {
            "CLIENT" if asked.command.text(1) == "TRACKING" => Answer::error("ERR unknown"),
            "GET" => Answer::Reply(b"$1\r\nv\r\n".to_vec()),
            "MGET" => Answer::Reply(b"*1\r\n$1\r\nv\r\n".to_vec()),
            "INFO" => {
                let text =
                    "role:slave\r\nmaster_link_status:up\r\nmaster_last_io_seconds_ago:0\r\n";
                Answer::Reply(format!("${}\r\n{text}\r\n", text.len()).into_bytes())
            }
            _ => Answer::Usual,
        }
    })
    .await
    .unwrap();
    fake.assign(0..=16_383, 0);
    fake.set_replicas(0, &[1]);
    let config = typedis_core::Config::from_url(&fake.url()).unwrap();
    let cluster = Cluster::open(config.command_timeout(LONG)).await.unwrap();
    let cache = cluster.replicas().cached(Cache::default()).unwrap();
    until_read("the replica is known", async || {
        get(&cache, "k").await.unwrap();
        fake.count(1, "GET") > 0
    })
    .await;
    let at_primary = fake.count(0, "MGET");
    for _ in 0..3 {
        mget(&cache, &["k"]).await.unwrap();
    }
    assert_eq!(
        (fake.count(0, "MGET") - at_primary, fake.count(1, "MGET")),
        (0, 3)
    );
}

static BLPOP: CommandInfo = CommandInfo::new("BLPOP", b"$5\r\nBLPOP\r\n", 1)
    .blocking()
    .waits();

type Popped = Option<(String, String)>;

/// What the method of a blocking command asks of its handle.
fn blpop<H: AllowsBlocking + typedis_core::Target<Sink = H> + typedis_core::Sink>(
    handle: H,
    key: &str,
) -> Request<H, Popped> {
    Request::new(handle, &BLPOP, |args| {
        let timeout = Timeout::from(60);
        args.key("key", key);
        args.block(&timeout);
        args.arg("timeout", &timeout);
    })
}

#[tokio::test]
async fn a_blocking_command_waits_on_a_leased_socket() {
    let nodes = typedis_testkit::Cluster::start(ServerKind::Valkey9).unwrap();
    let cache: Cached<Cluster> = open(&nodes).await.cached(Cache::default()).unwrap();
    let waiting = cache.clone();
    let wait = tokio::spawn(async move { blpop(&waiting, "{t}jobs").await });
    // The shared sockets are free meanwhile.
    set(&cache, "{t}other", "1").await.unwrap();
    let push = raw("RPUSH").key("{t}jobs").arg("job").reply::<i64>();
    cache.run(push).await.unwrap();
    let job = tokio::time::timeout(LONG, wait).await.unwrap().unwrap();
    assert_eq!(job.unwrap().unwrap().1, "job");
}

#[tokio::test]
async fn nothing_is_served_once_the_cluster_is_closed() {
    let nodes = typedis_testkit::Cluster::start(ServerKind::Valkey9).unwrap();
    let cluster = open(&nodes).await;
    let cache = cluster.cached(Cache::default()).unwrap();
    set(&cluster, "k", "1").await.unwrap();
    for _ in 0..2 {
        assert_eq!(get(&cache, "k").await.unwrap().as_deref(), Some("1"));
    }
    assert!(cluster.close().await.is_clean());
    let error = get(&cache, "k").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Closed), "{error}");
    assert!(cache.uncached().is_closed());
    assert_eq!(cache.stats().tracking, 0);
}

/// Before there is a map, no node can report anything.
#[tokio::test]
async fn a_cache_over_a_lazy_cluster_keeps_replies_once_there_is_a_map() {
    let nodes = typedis_testkit::Cluster::start(ServerKind::Valkey9).unwrap();
    let config = typedis_core::Config::from_url(&nodes.url()).unwrap();
    let cluster = Cluster::lazy(config.command_timeout(LONG)).unwrap();
    let cache = cluster.cached(Cache::default()).unwrap();
    assert_eq!(get(&cache, "k").await.unwrap(), None);
    for hits in [0, 1] {
        let (read, counts) = counted(&cache, get(&cache, "k")).await;
        assert_eq!(read.unwrap(), None);
        assert_eq!(counts.hits, hits);
    }
    set(&cluster, "k", "1").await.unwrap();
    until_read("the change is seen", async || {
        get(&cache, "k").await.unwrap().as_deref() == Some("1")
    })
    .await;
}

/// The nodes are not known yet, so there is no connection that the first could have taken.
#[tokio::test]
async fn a_lazy_cluster_has_one_cache_as_any_other() {
    let fake = FakeCluster::start(1, |_| Answer::Usual).await.unwrap();
    let config = typedis_core::Config::from_url(&fake.url()).unwrap();
    for cluster in [
        Cluster::lazy(config.clone()).unwrap(),
        Cluster::open(config).await.unwrap(),
    ] {
        let first = cluster.cached(Cache::default()).unwrap();
        let clone = first.clone();
        for other in [&cluster, &cluster.replicas()] {
            let error = other.cached(Cache::default()).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
        }
        drop(first);
        assert!(cluster.cached(Cache::default()).is_err());
        drop(clone);
        let next = cluster.cached(Cache::default()).unwrap();
        drop(next);
        assert!(cluster.cached(Cache::default()).is_ok());
    }
}
