//! Real clusters that change under load that checks itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use typedis_core::cluster::{Cluster, slot};
use typedis_core::{CommandInfo, Request, RequestPolicy, ResponsePolicy, Run, Script};
use typedis_testkit::cluster::Node;
use typedis_testkit::{Cluster as Servers, ServerKind};

use crate::load::{Load, Progress, Tally};
use crate::support::*;

/// How many tasks load the cluster.
const TASKS: usize = 64;

/// Load that checks itself: each task has keys of its own, counts them up, and reads them back.
struct Counters {
    cluster: Cluster,
    load: Load<HashMap<String, Tally>>,
}

impl Counters {
    async fn start(servers: &Servers) -> Self {
        let cluster = open(servers).await;
        let load = Load::start(TASKS, |task, progress| {
            count(cluster.clone(), task, progress)
        });
        Self { cluster, load }
    }

    async fn pass(&self, more: u64) {
        self.load.pass(more).await;
    }

    /// Ends it, and compares what tasks were told with what the servers have. `exact` says that no server lost a write.
    async fn finish(self, exact: bool) {
        for counters in self.load.finish().await {
            for (key, tally) in counters {
                let value = self.cluster.run(get(&key)).await.unwrap();
                tally.check(&key, value, exact);
            }
        }
    }
}

async fn count(cluster: Cluster, task: usize, progress: Progress) -> HashMap<String, Tally> {
    let mut counters: HashMap<String, Tally> = HashMap::new();
    for round in 0.. {
        if !progress.goes_on() {
            break;
        }
        // Half of the keys are in the slots that move.
        let key = match round % 4 {
            0 | 1 => format!("{{t}}{task}.{}", round % 2),
            other => format!("k{task}.{other}"),
        };
        let tally = counters.entry(key.clone()).or_default();
        tally.note(cluster.run(incr(&key)).await).unwrap();
        cluster.run(get(&key)).await.unwrap();
        progress.add(2);
    }
    counters
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_move_key_by_key_lose_and_repeat_nothing() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis6] {
        let servers = start_steady(kind, 0).await;
        let load = Counters::start(&servers).await;
        load.pass(500).await;
        for number in 0..40 {
            // The slot of `{t}`, and others, to and fro.
            let slot = if number % 4 == 0 {
                slot("t")
            } else {
                number * 300
            };
            change_agreed(&servers, move |servers| servers.move_slot_elsewhere(slot))
                .await
                .unwrap();
            load.pass(50).await;
        }
        load.finish(true).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_move_at_once_lose_and_repeat_nothing() {
    let servers = start_steady(ServerKind::Valkey9, 0).await;
    let load = Counters::start(&servers).await;
    load.pass(500).await;
    for _ in 0..6 {
        change(&servers, |servers| {
            let to = servers.other_primary(slot("t")).unwrap();
            servers
                .move_slots_at_once(slot("t") - 20..=slot("t") + 20, &to)
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
        let servers = start_steady(kind, 1).await;
        let load = Counters::start(&servers).await;
        load.pass(500).await;
        for _ in 0..3 {
            change(&servers, |servers| servers.fail_over(slot("t")))
                .await
                .unwrap();
            load.pass(500).await;
        }
        load.finish(true).await;
    }
}

/// Its primary holds back writes for 10 s after it has handed over, though the new one serves at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_of_redis_6_that_keeps_writes_waiting_loses_and_repeats_nothing() {
    let servers = start_steady(ServerKind::Redis6, 1).await;
    let load = Counters::start(&servers).await;
    load.pass(500).await;
    change(&servers, |servers| servers.fail_over(slot("t")))
        .await
        .unwrap();
    load.pass(500).await;
    load.finish(true).await;
}

/// A replica does not have the scripts of its primary.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_is_brought_to_the_replica_that_takes_over() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8] {
        let servers = start_steady(kind, 1).await;
        let cluster = open(&servers).await;
        let script = Script::new("return redis.call('INCR', KEYS[1])");
        let call = || script.call::<i64>(["{t}scripted"], [0; 0]);
        assert_eq!(cluster.run(call()).await.unwrap(), 1);
        for round in 0..3 {
            change(&servers, |servers| servers.fail_over(slot("t")))
                .await
                .unwrap();
            let count = match round {
                0 => cluster.run(call()).await.unwrap(),
                1 => cluster.pipeline().run(call()).await.unwrap().0,
                _ => cluster.transaction().run(call()).await.unwrap().0,
            };
            assert_eq!(count, round + 2, "{kind}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_killed_is_followed_by_its_replica() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8] {
        let servers = start(kind, 1).await;
        let load = Counters::start(&servers).await;
        load.pass(500).await;
        change(&servers, |servers| {
            let heir = servers.replica_of_owner(slot("t")).unwrap();
            let owner = servers.owner_of(slot("t")).unwrap();
            owner.server().kill().unwrap();
            heir.wait_until_primary().unwrap();
        })
        .await;
        load.pass(500).await;
        change(&servers, Servers::restart_the_dead).await.unwrap();
        load.pass(500).await;
        // What the dead primary had not passed on is gone.
        load.finish(false).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_hangs_is_followed_by_its_replica_and_may_come_back() {
    let servers = start(ServerKind::Valkey9, 1).await;
    let load = Counters::start(&servers).await;
    load.pass(500).await;
    change(&servers, |servers| {
        let heir = servers.replica_of_owner(slot("t")).unwrap();
        let owner = servers.owner_of(slot("t")).unwrap();
        owner.server().pause().unwrap();
        heir.wait_until_primary().unwrap();
    })
    .await;
    load.pass(500).await;
    change(&servers, |servers| {
        for node in servers.nodes() {
            node.server().resume().unwrap();
        }
        servers.wait_until_agreed().unwrap();
    })
    .await;
    load.pass(500).await;
    load.finish(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_join_and_leave_are_followed() {
    let servers = start_steady(ServerKind::Valkey9, 0).await;
    let load = Counters::start(&servers).await;
    load.pass(500).await;
    change(&servers, |servers| {
        let added = servers.add_node().unwrap();
        servers.move_slots_at_once(0..=999, &added).unwrap();
        servers.move_slot(slot("t"), &added).unwrap();
        servers.wait_until_agreed().unwrap();
    })
    .await;
    load.pass(500).await;
    change(&servers, |servers| {
        let nodes = servers.nodes();
        let (first, last) = (&nodes[0], nodes.last().unwrap());
        servers.move_slots_at_once(0..=999, first).unwrap();
        servers.move_slot(slot("t"), first).unwrap();
        servers.wait_until_agreed().unwrap();
        servers.remove_node(last).unwrap();
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
    change(&servers, Servers::restart_elsewhere).await.unwrap();
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
    let cluster = open(&servers).await;
    change(&servers, |servers| {
        servers.owner_of(slot("foo"))?.server().kill()
    })
    .await
    .unwrap();
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

static DBSIZE: CommandInfo = CommandInfo::new("DBSIZE", b"$6\r\nDBSIZE\r\n", 1)
    .readonly()
    .policies(RequestPolicy::AllShards, ResponsePolicy::AggSum);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_for_all_primaries_counts_each_key_once_while_replicas_take_over() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis8] {
        let servers = start(kind, 1).await;
        let cluster = open(&servers).await;
        for number in 0..300 {
            cluster.run(set(&format!("k{number}"), "1")).await.unwrap();
        }
        // Nothing is written any more, so the replicas have all that their primaries have.
        change(&servers, wait_for_replicas).await;
        let load = Load::start(8, |_, progress| {
            let cluster = cluster.clone();
            async move {
                for number in 0.. {
                    if !progress.goes_on() {
                        break;
                    }
                    // A redirect of it names the new primary before the map does.
                    let value = cluster.run(get(&format!("k{}", number % 300))).await;
                    assert_eq!(value.unwrap().unwrap(), "1");
                    let size: Request<&Cluster, i64> = Request::new(&cluster, &DBSIZE, |_| {});
                    assert_eq!(size.await.unwrap(), 300);
                    progress.add(1);
                }
            }
        });
        load.pass(20).await;
        change(&servers, |servers| servers.fail_over(slot("t")))
            .await
            .unwrap();
        load.pass(20).await;
        change(&servers, |servers| {
            let heir = servers.replica_of_owner(slot("foo")).unwrap();
            let owner = servers.owner_of(slot("foo")).unwrap();
            owner.server().kill().unwrap();
            heir.wait_until_primary().unwrap();
        })
        .await;
        load.pass(20).await;
        load.finish().await;
    }
}

/// Waits until each replica has as many keys as its primary.
fn wait_for_replicas(servers: &Servers) {
    for primary in servers.primaries().unwrap() {
        let size = |node: &Node| node.call(&["DBSIZE"]).unwrap();
        for replica in servers.replicas_of(&primary).unwrap() {
            until_blocking("a replica has all keys", || {
                size(&replica) == size(&primary)
            });
        }
    }
}
