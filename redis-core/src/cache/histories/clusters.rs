//! The same on a cluster, whose slots move and whose primaries change meanwhile.
//!
//! Each key is read by one command only: the reports of different nodes have no order among the replies of the handle.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use typedis_testkit::{Cluster as Nodes, ServerKind};

use super::history::{Ends, History, Observer};
use super::{READERS, WRITERS, compare, key, read, reads, write};
use crate::cache::{Cache, CacheStats};
use crate::cluster::Cluster;
use crate::config::{Backoff, Config, Protocol};

/// How often each fault happened.
#[derive(Debug, Default)]
struct Faults {
    flushes: AtomicUsize,
    kills: AtomicUsize,
    moves: AtomicUsize,
    failovers: AtomicUsize,
}

impl Faults {
    fn all(&self) -> [usize; 4] {
        let all = [&self.flushes, &self.kills, &self.moves, &self.failovers];
        all.map(|times| times.load(Ordering::Relaxed))
    }
}

/// Disturbs readers and writers, one fault after another, until they are done.
fn disturb(nodes: &Nodes, history: &Arc<History>, faults: &Faults) {
    let _ends = Ends(history.clone());
    let count = |faults: &AtomicUsize| faults.fetch_add(1, Ordering::Relaxed);
    for round in 0_usize.. {
        if history.is_over() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
        let primaries = nodes.primaries().unwrap();
        let primary = &primaries[round % primaries.len()];
        if round % 5 == 4 {
            history.flushes_begun.fetch_add(1, Ordering::SeqCst);
            primary.call(&["FLUSHALL"]).unwrap();
            history.flushes_ended.fetch_add(1, Ordering::SeqCst);
            count(&faults.flushes);
        }
        if round % 7 == 6 {
            primary.call(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
            count(&faults.kills);
        }
        if round % 3 == 2 {
            let slot = nodes.slot_of(&key(fastrand::usize(..20))).unwrap();
            let owner = nodes.owner_of(slot).unwrap();
            if owner.id() != primary.id() && nodes.move_slot(slot, primary).is_ok() {
                count(&faults.moves);
            }
        }
        if round % 40 >= 20
            && faults.failovers.load(Ordering::Relaxed) <= round / 40
            && let Some(replica) = nodes.replicas_of(primary).unwrap().first()
            && replica.take_over().is_ok()
        {
            replica.wait_until_primary().unwrap();
            nodes.wait_until_agreed().unwrap();
            count(&faults.failovers);
        }
        if faults.all().iter().all(|times| *times > 0) {
            history.disturbed.store(true, Ordering::Relaxed);
        }
    }
}

/// The violations of a run, the cache after it, and what happened meanwhile.
async fn run(kind: ServerKind, settings: Cache, protocol: Protocol) -> (Vec<String>, CacheStats) {
    let nodes = Nodes::builder(kind)
        .primaries(3)
        .replicas(1)
        // A failover that nobody ordered loses writes that were acknowledged, and on a busy machine nodes may seem dead.
        .line("cluster-replica-no-failover yes")
        .start()
        .unwrap();
    let config = Config::from_url(&nodes.url())
        .unwrap()
        .backoff(Backoff {
            first: Duration::from_millis(1),
            longest: Duration::from_millis(10),
        })
        .command_timeout(Duration::from_secs(60));
    let open = |config: Config| async move { Cluster::open(config).await.unwrap() };
    let history = History::new(false);
    let ends = Ends(history.clone());
    let cluster = open(config.clone().protocol(protocol)).await;
    let observe = |link: Arc<crate::engine::link::Link>| {
        let (hub, history) = (link.hub().clone(), history.clone());
        let observer = Observer { history, link };
        hub.watch_invalidations(Arc::new(observer)).unwrap()
    };
    // Those of replicas too, which may take over.
    let watches: Vec<_> = cluster.map().links().map(observe).collect();
    let cache = cluster.cached(settings).unwrap();
    let mut others = Vec::new();
    for share in 0..WRITERS {
        let writer = open(config.clone()).await;
        others.push(tokio::spawn(write(writer, history.clone(), share)));
    }
    let (nodes, faults) = (Arc::new(nodes), Arc::new(Faults::default()));
    let disturbing = (nodes.clone(), history.clone(), faults.clone());
    let disturbing = tokio::task::spawn_blocking(move || {
        let (nodes, history, faults) = disturbing;
        disturb(&nodes, &history, &faults);
    });
    let reader = |_| tokio::spawn(read(cache.clone(), history.clone(), reads(), true));
    let readers: Vec<_> = (0..READERS).map(reader).collect();
    for reader in readers {
        reader.await.unwrap();
    }
    drop(ends);
    for other in others {
        other.await.unwrap();
    }
    disturbing.await.unwrap();
    compare(&cache, &open(config).await, false, &history).await;
    drop(watches);
    let violations = history.violations.lock().unwrap().clone();
    println!(
        "{} reads on a cluster of {kind}: {} violations; {faults:?}; {:?}",
        history.reads.load(Ordering::Relaxed),
        violations.len(),
        cache.stats()
    );
    (violations, cache.stats())
}

async fn is_faultless(kind: ServerKind, settings: Cache, protocol: Protocol) {
    let (violations, stats) = run(kind, settings, protocol).await;
    assert!(violations.is_empty(), "{violations:#?}");
    assert!(stats.hits > 0 && stats.invalidations > 0, "{stats:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_too_old_on_a_cluster_whose_slots_move() {
    is_faultless(ServerKind::Valkey9, Cache::default(), Protocol::Newest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_too_old_on_a_cluster_in_the_other_modes() {
    for settings in [
        Cache::default().all_reads(),
        Cache::default().broadcast(["k"]),
    ] {
        is_faultless(ServerKind::Redis8, settings, Protocol::Newest).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_too_old_on_a_cluster_in_resp2() {
    is_faultless(ServerKind::Valkey9, Cache::default(), Protocol::Resp2).await;
}
