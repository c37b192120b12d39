use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use typedis_core::cluster::{Cluster, slot};
use typedis_core::{Error, Phase, Run};
use typedis_testkit::{Cluster as Servers, ServerKind};

use crate::support::*;

/// How many tasks load the cluster.
const TASKS: usize = 64;

/// Load that checks itself: each task has keys of its own, counts them up, and reads them back.
struct Load {
    cluster: Cluster,
    over: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<Counted>>,
}

/// What a task knows of its counters: how often it was told that one grew, and how often it may have grown besides.
#[derive(Default)]
struct Counted {
    counters: HashMap<String, (i64, i64)>,
    /// Errors of what may be repeated, which must not be.
    errors: Vec<Error>,
}

impl Load {
    async fn start(servers: &Servers) -> Self {
        let config = config(&url(servers)).command_timeout(Duration::from_secs(30));
        let cluster = Cluster::open(config).await.unwrap();
        let (over, done) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let tasks = (0..TASKS)
            .map(|task| tokio::spawn(count(cluster.clone(), task, over.clone(), done.clone())))
            .collect();
        Self {
            cluster,
            over,
            done,
            tasks,
        }
    }

    /// Waits until this many more operations are done.
    async fn pass(&self, more: u64) {
        let goal = self.done.load(Ordering::Relaxed) + more;
        let wait = async {
            while self.done.load(Ordering::Relaxed) < goal {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(LONG, wait).await.is_err() {
            panic!("the load stands still; {:?}", self.cluster);
        }
    }

    /// Ends it, and compares what tasks were told with what the servers have. `exact` says that no server lost a write.
    async fn finish(self, exact: bool) {
        self.over.store(true, Ordering::Relaxed);
        for task in self.tasks {
            let counted = soon("a task of the load", task).await.unwrap();
            assert!(counted.errors.is_empty(), "{:?}", counted.errors);
            for (key, (told, maybe)) in counted.counters {
                let value = self.cluster.run(get(&key)).await.unwrap();
                let value: i64 = value.map_or(0, |value| value.parse().unwrap());
                assert!(
                    value <= told + maybe,
                    "{key}: {value} of {told} and {maybe}"
                );
                assert!(
                    !exact || value >= told,
                    "{key}: {value} of {told} and {maybe}"
                );
            }
        }
    }
}

async fn count(
    cluster: Cluster,
    task: usize,
    over: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
) -> Counted {
    let mut counted = Counted::default();
    for round in 0.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        // Half of the keys are in the slots that move.
        let key = match round % 4 {
            0 | 1 => format!("{{t}}{task}.{}", round % 2),
            other => format!("k{task}.{other}"),
        };
        let (told, maybe) = counted.counters.entry(key.clone()).or_default();
        match cluster.run(incr(&key)).await {
            Ok(_) => *told += 1,
            Err(error) if error.phase() == Phase::MaybeApplied => *maybe += 1,
            Err(error) => counted.errors.push(error),
        }
        match cluster.run(get(&key)).await {
            Ok(_) => {}
            Err(error) => counted.errors.push(error),
        }
        done.fetch_add(2, Ordering::Relaxed);
    }
    counted
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

async fn start(kind: ServerKind, replicas: usize) -> Arc<Servers> {
    let builder = Servers::builder(kind)
        .replicas(replicas)
        .node_timeout(Duration::from_secs(2));
    Arc::new(blocking(move || builder.start().unwrap()).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_move_key_by_key_lose_and_repeat_nothing() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis6] {
        let servers = start(kind, 0).await;
        let load = Load::start(&servers).await;
        load.pass(500).await;
        for number in 0..40 {
            let servers = servers.clone();
            // The slot of `{t}`, and others, to and fro.
            let slot = if number % 4 == 0 {
                slot("t")
            } else {
                number * 300
            };
            blocking(move || {
                let owner = servers.owner_of(slot).unwrap();
                let others = servers.primaries().unwrap();
                let to = others.iter().find(|node| node.id() != owner.id()).unwrap();
                servers.move_slot(slot, to).unwrap();
            })
            .await;
            load.pass(50).await;
        }
        load.finish(true).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_move_at_once_lose_and_repeat_nothing() {
    let servers = start(ServerKind::Valkey9, 0).await;
    let load = Load::start(&servers).await;
    load.pass(500).await;
    for _ in 0..6 {
        let servers = servers.clone();
        blocking(move || {
            let owner = servers.owner_of(slot("t")).unwrap();
            let others = servers.primaries().unwrap();
            let to = others.iter().find(|node| node.id() != owner.id()).unwrap();
            servers
                .move_slots_at_once(slot("t") - 20..=slot("t") + 20, to)
                .unwrap();
            servers.wait_until_agreed().unwrap();
        })
        .await;
        load.pass(200).await;
    }
    load.finish(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_that_is_asked_for_loses_and_repeats_nothing() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8] {
        let servers = start(kind, 1).await;
        let load = Load::start(&servers).await;
        load.pass(500).await;
        for _ in 0..3 {
            let servers = servers.clone();
            blocking(move || {
                let owner = servers.owner_of(slot("t")).unwrap();
                let heir = servers.replicas_of(&owner).unwrap().pop().unwrap();
                heir.take_over().unwrap();
                servers.wait_until_agreed().unwrap();
            })
            .await;
            load.pass(500).await;
        }
        load.finish(true).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_killed_is_followed_by_its_replica() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8] {
        let servers = start(kind, 1).await;
        let load = Load::start(&servers).await;
        load.pass(500).await;
        let dead = servers.clone();
        blocking(move || {
            let owner = dead.owner_of(slot("t")).unwrap();
            let heir = dead.replicas_of(&owner).unwrap().pop().unwrap();
            owner.server().kill().unwrap();
            heir.wait_until_primary().unwrap();
        })
        .await;
        load.pass(500).await;
        let dead = servers.clone();
        blocking(move || dead.restart_the_dead().unwrap()).await;
        load.pass(500).await;
        // What the dead primary had not passed on is gone.
        load.finish(false).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_hangs_is_followed_by_its_replica_and_may_come_back() {
    let servers = start(ServerKind::Valkey9, 1).await;
    let load = Load::start(&servers).await;
    load.pass(500).await;
    let hung = servers.clone();
    blocking(move || {
        let owner = hung.owner_of(slot("t")).unwrap();
        let heir = hung.replicas_of(&owner).unwrap().pop().unwrap();
        owner.server().pause().unwrap();
        heir.wait_until_primary().unwrap();
    })
    .await;
    load.pass(500).await;
    let hung = servers.clone();
    blocking(move || {
        for node in hung.nodes() {
            node.server().resume().unwrap();
        }
        hung.wait_until_agreed().unwrap();
    })
    .await;
    load.pass(500).await;
    load.finish(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_join_and_leave_are_followed() {
    let servers = start(ServerKind::Valkey9, 0).await;
    let load = Load::start(&servers).await;
    load.pass(500).await;
    let changing = servers.clone();
    blocking(move || {
        let added = changing.add_node().unwrap();
        changing.move_slots_at_once(0..=999, &added).unwrap();
        changing.move_slot(slot("t"), &added).unwrap();
        changing.wait_until_agreed().unwrap();
    })
    .await;
    load.pass(500).await;
    let changing = servers.clone();
    blocking(move || {
        let nodes = changing.nodes();
        let (first, last) = (&nodes[0], nodes.last().unwrap());
        changing.move_slots_at_once(0..=999, first).unwrap();
        changing.move_slot(slot("t"), first).unwrap();
        changing.wait_until_agreed().unwrap();
        changing.remove_node(last).unwrap();
    })
    .await;
    load.pass(500).await;
    load.finish(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_all_come_back_under_other_ports_are_found_through_the_seeds_that_are_left() {
    let servers = start(ServerKind::Valkey9, 0).await;
    // The seed is a proxy whose address stays.
    let proxy = typedis_testkit::proxy::Proxy::start(servers.addrs()[0])
        .await
        .unwrap();
    let cluster = Cluster::open(config(&proxy.url())).await.unwrap();
    cluster.run(set("a", "1")).await.unwrap();
    let moving = servers.clone();
    blocking(move || moving.restart_elsewhere().unwrap()).await;
    proxy.set_upstream(servers.addrs()[0]);
    proxy.cut_all(typedis_testkit::proxy::Cut::Reset);
    soon("a SET after the move", cluster.run(set("a", "2")))
        .await
        .unwrap();
    assert_eq!(cluster.run(get("a")).await.unwrap().unwrap(), "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_shard_that_nobody_takes_over_fails_at_the_deadline_and_the_others_go_on() {
    // Nodes then answer MOVED to the dead node for ever, and the map names it as the owner.
    let builder = Servers::builder(ServerKind::Valkey9)
        .node_timeout(Duration::from_secs(1))
        .line("cluster-require-full-coverage no");
    let servers = Arc::new(blocking(move || builder.start().unwrap()).await);
    let cluster = Cluster::open(config(&url(&servers))).await.unwrap();
    let dying = servers.clone();
    blocking(move || {
        dying
            .owner_of(slot("foo"))
            .unwrap()
            .server()
            .kill()
            .unwrap()
    })
    .await;
    let call = cluster.run(get("foo")).deadline(Duration::from_millis(500));
    let error = soon("a key of a dead shard", call).await.unwrap_err();
    assert!(error.is_timeout() || error.is_connection(), "{error}");
    let alive = ["a", "b", "c", "d", "e"];
    let topology = cluster.topology();
    let owner = |key: &str| topology.primary_of(slot(key)).unwrap().address.clone();
    let alive: Vec<&str> = alive
        .into_iter()
        .filter(|key| owner(key) != owner("foo"))
        .collect();
    assert!(!alive.is_empty());
    for key in alive {
        soon("a key of a live shard", cluster.run(incr(key)))
            .await
            .unwrap();
    }
}
