//! How much a shard that stands still takes from the others: a measurement.

use std::sync::Arc;
use std::time::Duration;

use typedis_core::Run;
use typedis_core::cluster::{Cluster, slot};
use typedis_testkit::ServerKind;

use crate::load::{Load, Progress};
use crate::support::*;

/// How many tasks use the healthy shards, and how many calls wait for the other.
const TASKS: usize = 64;
const WAITING: usize = 256;

/// How long the operations of one figure are counted.
const WINDOW: Duration = Duration::from_secs(1);

const ROUNDS: usize = 9;

/// Tasks that read keys of two shards, for a second while nothing else happens, and for a second while the third shard is
/// stopped and other calls wait for it:
///
/// `cargo test --release -p typedis-core --test cluster -- --ignored --nocapture healthy`
#[tokio::test]
#[ignore = "a measurement, which needs an idle machine and an optimised build"]
async fn healthy_shards_keep_their_throughput_while_one_is_stopped() {
    let servers = start(ServerKind::Valkey9, 0).await;
    let cluster = open(&servers).await;
    let keys: Vec<String> = (0..1000).map(|number| format!("key:{number}")).collect();
    let stopped = servers.owner_of(slot("any")).unwrap();
    let topology = cluster.topology();
    let owner = |key: &str| topology.primary_of(slot(key)).unwrap().address.clone();
    let (hung, healthy): (Vec<_>, Vec<_>) =
        keys.into_iter().partition(|key| owner(key) == owner("any"));
    let healthy = Arc::new(healthy);
    let load = Load::start(TASKS, |task, progress| {
        read(cluster.clone(), healthy.clone(), task, progress)
    });
    load.pass(1000).await;
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let before = count(&load).await;
        stopped.server().pause().unwrap();
        let calls = hung.iter().cycle().take(WAITING).cloned();
        let waiting: Vec<_> = calls
            .map(|key| tokio::spawn(wait(cluster.clone(), key)))
            .collect();
        let during = count(&load).await;
        stopped.server().resume().unwrap();
        for call in waiting {
            soon("a call to the shard that goes on", call)
                .await
                .unwrap();
        }
        println!("{before} operations, then {during}");
        ratios.push(during as f64 / before as f64);
    }
    load.finish().await;
    ratios.sort_by(f64::total_cmp);
    println!(
        "{:.3} ({:.3}–{:.3})",
        ratios[ROUNDS / 2],
        ratios[0],
        ratios[ROUNDS - 1]
    );
}

async fn read(cluster: Cluster, keys: Arc<Vec<String>>, task: usize, progress: Progress) {
    let mut keys = keys.iter().cycle().skip(task * 7);
    while progress.goes_on() {
        if let Some(key) = keys.next() {
            cluster.run(get(key)).await.unwrap();
        }
        progress.add(1);
    }
}

async fn wait(cluster: Cluster, key: String) {
    cluster.run(get(&key)).deadline(LONG).await.unwrap();
}

async fn count(load: &Load<()>) -> u64 {
    let before = load.done();
    tokio::time::sleep(WINDOW).await;
    load.done() - before
}
