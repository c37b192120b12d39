//! A checker of histories: writers raise the versions of keys, and readers through a cache must not see one that is too old.
//!
//! A read is too old if it brings a version below
//! - one that the same handle had returned for the key before the read began, or
//! - one that was acknowledged before a report about the key that the driver had come to before the read began.
//!
//! `TYPEDIS_READS` sets how many reads there are.
//!
//! # Layout
//!
//! - `history`: what was written, read and reported, and the rule; `clusters`: the same on a cluster

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use typedis_testkit::{Server, ServerKind};

use super::{Cache, Cached, Origin};
use crate::client::Client;
use crate::config::{Backoff, Config, Protocol};
use crate::engine::subscriptions::hub::InvalidationWatch;
use crate::handle::Connection;
use crate::request::{Request, Run, Target, raw};
use crate::{CommandInfo, RequestPolicy, ResponsePolicy};

#[cfg(feature = "cluster")]
mod clusters;
mod history;

use history::{EXPIRING, Ends, History, KEYS, Observer};

const READERS: usize = 8;
const WRITERS: usize = 2;

static GET: CommandInfo = CommandInfo::new("GET", b"$3\r\nGET\r\n", 1)
    .readonly()
    .cacheable();
static MGET: CommandInfo = CommandInfo::new("MGET", b"$4\r\nMGET\r\n", 1)
    .readonly()
    .cacheable()
    .policies(RequestPolicy::MultiShard, ResponsePolicy::Default);

fn key(number: usize) -> String {
    format!("k{number}")
}

fn get<T: Target>(target: T, number: usize) -> Request<T::Sink, Option<u64>> {
    Request::new(target, &GET, |args| args.key("key", &key(number)))
}

fn mget<T: Target>(target: T, numbers: &[usize]) -> Request<T::Sink, Vec<Option<u64>>> {
    let keys: Vec<String> = numbers.iter().map(|number| key(*number)).collect();
    Request::new(target, &MGET, |args| args.keys("key", &keys))
}

/// A caching connection, and an observer of it.
async fn observed(
    config: Config,
    settings: Cache,
    history: &Arc<History>,
) -> (Cached<Connection>, InvalidationWatch) {
    let conn = Connection::open(config).await.unwrap();
    let link = conn.shared_link();
    let history = history.clone();
    let observer = Observer { history, link };
    let watch = conn.link().hub().watch_invalidations(Arc::new(observer));
    (conn.cached(settings).unwrap(), watch.unwrap())
}

/// Raises the versions of its share of the keys.
async fn write<C: Client>(conn: C, history: Arc<History>, share: usize) {
    let _ends = Ends(history.clone());
    let mut version = 0;
    while !history.is_over() {
        // A few keys are written often.
        let most = if fastrand::bool() { KEYS } else { KEYS / 50 };
        let number = fastrand::usize(..most / WRITERS) * WRITERS + share;
        version += 1;
        let set = raw("SET").key(key(number)).arg(version);
        let set = if number.is_multiple_of(EXPIRING) {
            set.arg("PX").arg(fastrand::u32(5..50))
        } else {
            set
        };
        if conn.run(set.reply::<()>()).await.is_ok() {
            history.acknowledge(number, version);
        }
        if version % 16 == 0 {
            tokio::task::yield_now().await;
        }
    }
}

async fn read<C: Origin>(cache: Cached<C>, history: Arc<History>, reads: usize, gets_only: bool) {
    while !history.suffices(reads) && !history.is_over() {
        let most = if fastrand::bool() { KEYS } else { KEYS / 50 };
        let first = fastrand::usize(..most);
        if gets_only || fastrand::u8(..8) > 0 {
            let bound = history.bound(first);
            if let Ok(version) = get(&cache, first).await {
                history.check(first, bound, version);
            }
        } else {
            let numbers = [first, fastrand::usize(..KEYS), fastrand::usize(..most)];
            let bounds = numbers.map(|number| history.bound(number));
            if let Ok(versions) = mget(&cache, &numbers).await {
                for ((number, bound), version) in numbers.into_iter().zip(bounds).zip(versions) {
                    history.check(number, bound, version);
                }
            }
        }
    }
}

/// What disturbs readers and writers.
async fn disturb(conn: Connection, history: Arc<History>) {
    let _ends = Ends(history.clone());
    for round in 0_u64.. {
        if history.is_over() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        if round % 5 == 4 {
            history.flushes_begun.fetch_add(1, Ordering::SeqCst);
            let flushed = conn.run(raw("FLUSHALL").reply::<()>()).await;
            flushed.unwrap();
            history.flushes_ended.fetch_add(1, Ordering::SeqCst);
        }
        if round % 7 == 6 {
            let kill = raw("CLIENT KILL").arg("TYPE").arg("normal");
            let _ = conn.run(kill.reply::<u64>()).await;
            history.disturbed.store(true, Ordering::Relaxed);
        }
    }
}

/// How a run is set up.
struct Setup {
    kind: ServerKind,
    settings: Cache,
    protocol: Protocol,
    disturbed: bool,
    /// Whether each key is read by one command only: in RESP2 different ones may disagree for the time that a report needs.
    gets_only: bool,
    /// What the server has for its data.
    memory: Option<&'static str>,
    reads: usize,
}

/// The violations of a run, and the cache after it.
async fn run(setup: Setup) -> (Vec<String>, super::CacheStats) {
    let mut server = Server::builder(setup.kind);
    if let Some(memory) = setup.memory {
        server = server
            .line(format!("maxmemory {memory}"))
            .line("maxmemory-policy allkeys-random");
    }
    let server = server.start().unwrap();
    let config = || {
        Config::tcp("127.0.0.1", server.port())
            .backoff(Backoff {
                first: Duration::from_millis(1),
                longest: Duration::from_millis(10),
            })
            .command_timeout(Duration::from_secs(20))
    };
    let history = History::new(setup.memory.is_some());
    let ends = Ends(history.clone());
    let (cache, _watch) =
        observed(config().protocol(setup.protocol), setup.settings, &history).await;
    let mut others = Vec::new();
    for share in 0..WRITERS {
        let conn = Connection::open(config()).await.unwrap();
        others.push(tokio::spawn(write(conn, history.clone(), share)));
    }
    if setup.disturbed {
        let conn = Connection::open(config()).await.unwrap();
        others.push(tokio::spawn(disturb(conn, history.clone())));
    } else {
        history.disturbed.store(true, Ordering::Relaxed);
    }
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            tokio::spawn(read(
                cache.clone(),
                history.clone(),
                setup.reads,
                setup.gets_only,
            ))
        })
        .collect();
    for reader in readers {
        reader.await.unwrap();
    }
    drop(ends);
    for other in others {
        other.await.unwrap();
    }
    let plain = Connection::open(config()).await.unwrap();
    // All reports of the writes come before this reply. In RESP2 they come on another socket, some time.
    let echo = raw("ECHO").arg("x").readonly().reply::<String>();
    cache.run(echo).await.unwrap();
    let has_order = cache.uncached().link().speaks_resp3();
    compare(&cache, &plain, has_order, &history).await;
    let violations = history.violations.lock().unwrap().clone();
    let absent = history.absent.load(Ordering::Relaxed);
    println!(
        "{} reads on {}, {absent} of them of absent keys: {} violations; {:?}",
        history.reads.load(Ordering::Relaxed),
        setup.kind,
        violations.len(),
        cache.stats()
    );
    (violations, cache.stats())
}

/// Nothing is left that differs from the server, once all reports have been read: now, if they have an order among the
/// replies, and some time otherwise.
async fn compare<C: Origin>(cache: &Cached<C>, plain: &C, has_order: bool, history: &History) {
    for number in (0..KEYS).filter(|number| !number.is_multiple_of(EXPIRING)) {
        let there = get(plain, number).await.unwrap();
        let mut kept = get(cache, number).await.unwrap();
        for _ in 0..10_000 {
            if has_order || kept == there {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
            kept = get(cache, number).await.unwrap();
        }
        if kept != there && !(history.evicts && there.is_none()) {
            history.note(format!(
                "{number}: {kept:?} is left, the server has {there:?}"
            ));
        }
    }
}

fn reads() -> usize {
    std::env::var("TYPEDIS_READS").map_or(20_000, |reads| reads.parse().unwrap())
}

async fn is_faultless(settings: Cache, kind: ServerKind, memory: Option<&'static str>) {
    let setup = Setup {
        kind,
        settings,
        protocol: Protocol::Newest,
        gets_only: false,
        disturbed: true,
        memory,
        reads: reads(),
    };
    let (violations, stats) = run(setup).await;
    assert!(violations.is_empty(), "{violations:#?}");
    assert!(stats.hits > 0 && stats.invalidations > 0, "{stats:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_too_old_among_lost_sockets_flushes_and_expiry() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis6] {
        is_faultless(Cache::default(), kind, None).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_too_old_where_both_sides_evict() {
    let settings = Cache::default().max_bytes(50_000);
    is_faultless(settings, ServerKind::Valkey9, Some("3mb")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_too_old_in_the_other_modes() {
    for settings in [
        Cache::default().all_reads(),
        Cache::default().server_ttl(),
        Cache::default().broadcast(["k"]),
    ] {
        is_faultless(settings, ServerKind::Redis8, None).await;
    }
}

/// The reports come on another socket, so the order of reports and replies is not known. What is served is bounded by it
/// all the same: no version goes back, and nothing old is left in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_too_old_in_resp2() {
    let setup = Setup {
        kind: ServerKind::Valkey9,
        settings: Cache::default(),
        protocol: Protocol::Resp2,
        gets_only: true,
        disturbed: true,
        memory: None,
        reads: reads(),
    };
    let (violations, stats) = run(setup).await;
    assert!(violations.is_empty(), "{violations:#?}");
    assert!(stats.hits > 0 && stats.invalidations > 0, "{stats:?}");
}

/// The checker finds a fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_that_are_applied_one_turn_late_are_found_out() {
    let settings = Cache {
        reports_late: true,
        ..Cache::default()
    };
    let setup = Setup {
        kind: ServerKind::Valkey9,
        settings,
        protocol: Protocol::Newest,
        gets_only: false,
        disturbed: false,
        memory: None,
        reads: 20_000,
    };
    let (violations, _) = run(setup).await;
    assert!(!violations.is_empty());
}
