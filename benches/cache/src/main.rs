//! What a hit and a miss cost, beside the bare cache libraries. Run it with `cargo run --release` in this folder; the words
//! `hits`, `tasks`, `fields`, `cluster`, `threads`, `misses`, `first` and `memory` choose a part.
//!
//! Times are CPU time of this process per operation. What is compared is measured in turn, and of the rounds of each the
//! fastest counts, which others on the machine have disturbed least. The server is a process of its own.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use typedis_core::cluster::Cluster;
use typedis_core::{Cache, Cached, Client, CommandInfo, Config, Connection, Request, Target};
use typedis_testkit::{Cluster as Nodes, Server, ServerKind};

const KEYS: usize = 1_000;
const HITS: usize = 2_000_000;
const PASSES: usize = 20;
const MISSES: usize = 20_000;
const ENTRIES: usize = 100_000;
const ROUNDS: usize = 7;
const VALUE: &str = "0123456789abcdef";

static GET: CommandInfo = CommandInfo::new("GET", b"$3\r\nGET\r\n", 1)
    .readonly()
    .cacheable();
static HGET: CommandInfo = CommandInfo::new("HGET", b"$4\r\nHGET\r\n", 1)
    .readonly()
    .cacheable();
static SET: CommandInfo = CommandInfo::new("SET", b"$3\r\nSET\r\n", 1);

fn get<T: Target>(target: T, key: &str) -> Request<T::Sink, Option<Bytes>> {
    Request::new(target, &GET, |args| args.key("key", key))
}

fn get_number<T: Target>(target: T, key: &str) -> Request<T::Sink, Option<i64>> {
    Request::new(target, &GET, |args| args.key("key", key))
}

fn hget<T: Target>(target: T, key: &str, field: &str) -> Request<T::Sink, Option<Bytes>> {
    Request::new(target, &HGET, |args| {
        args.key("key", key);
        args.arg("field", field);
    })
}

async fn set(client: &impl Client, key: &str, value: &str) {
    let set = Request::<_, ()>::new(client, &SET, |args| {
        args.key("key", key);
        args.arg("value", value);
    });
    set.await.expect("it can be set");
}

async fn set_all(client: &impl Client, keys: &[String]) {
    for key in keys {
        set(client, key, VALUE).await;
    }
}

async fn get_all(client: &impl Client, keys: &[String]) {
    for key in keys {
        get(client, key).await.expect("it is read");
    }
}

fn keys(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("key:{number:06}"))
        .collect()
}

/// The CPU time of this process, in nanoseconds.
fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// The CPU time of some work, in nanoseconds.
fn time(work: &mut dyn FnMut()) -> f64 {
    let before = cpu();
    work();
    cpu() - before
}

/// The memory of this process that is in use, in bytes.
fn memory() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("it is Linux");
    let pages = statm.split_whitespace().nth(1).expect("a number");
    pages.parse::<usize>().expect("a number") * 4096
}

/// Nanoseconds of CPU time per operation of each work.
fn measure<const N: usize>(operations: usize, mut works: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut least = [f64::INFINITY; N];
    for _ in 0..ROUNDS {
        for (work, least) in works.iter_mut().zip(&mut least) {
            *least = least.min(time(work) / operations as f64);
        }
    }
    least
}

fn show(what: &str, nanoseconds: f64) {
    println!("{what:<44} {nanoseconds:>10.1} ns");
}

fn show_ratio(what: &str, ratio: f64) {
    println!("  {what:<42} {ratio:>10.2}");
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built")
}

async fn open(server: &Server, settings: Cache) -> (Connection, Cached<Connection>) {
    let config = || Config::tcp("127.0.0.1", server.port());
    let plain = Connection::open(config()).await.expect("it connects");
    let line = Connection::open(config()).await.expect("it connects");
    (plain, line.cached(settings).expect("it caches"))
}

fn main() {
    let server = Server::start(ServerKind::Valkey9).expect("the server starts");
    let words: Vec<String> = std::env::args().skip(1).collect();
    // In a process of its own, since memory that was freed before would be used again.
    if words == ["memory"] {
        return entries(&server);
    }
    let parts: [(&str, fn(&Server)); 7] = [
        ("hits", hits),
        ("tasks", hits_in_tasks),
        ("fields", fields),
        ("cluster", cluster),
        ("threads", threads),
        ("misses", misses),
        ("first", first_reads),
    ];
    for (name, part) in parts {
        if words.is_empty() || words.iter().any(|word| word == name) {
            part(&server);
        }
    }
}

/// Hits on one thread, one after the other, without a task or a yield.
fn hits(server: &Server) {
    let (runtime, keys) = (runtime(), keys(KEYS));
    let quick = quick_cache::sync::Cache::<Bytes, Bytes>::new(2 * KEYS);
    let moka = moka::sync::Cache::<Bytes, Bytes>::new(2 * KEYS as u64);
    for key in &keys {
        let (key, value) = (
            Bytes::from(key.clone()),
            Bytes::copy_from_slice(VALUE.as_bytes()),
        );
        quick.insert(key.clone(), value.clone());
        moka.insert(key, value);
    }
    let (plain, cache) = runtime.block_on(open(server, Cache::default()));
    let (_, numbers) = runtime.block_on(open(server, Cache::default()));
    runtime.block_on(async {
        for key in &keys {
            set(&plain, key, VALUE).await;
            get(&cache, key).await.expect("it is read");
            let number = format!("number:{key}");
            set(&plain, &number, "1234567890123456").await;
            get_number(&numbers, &number).await.expect("it is read");
        }
    });
    let numbered: Vec<String> = keys.iter().map(|key| format!("number:{key}")).collect();
    let [bare, other, hit, number] = measure(
        HITS,
        [
            &mut || (0..HITS).for_each(|at| drop(black_box(quick.get(keys[at % KEYS].as_bytes())))),
            &mut || (0..HITS).for_each(|at| drop(black_box(moka.get(keys[at % KEYS].as_bytes())))),
            &mut || {
                runtime.block_on(async {
                    for at in 0..HITS {
                        drop(black_box(get(&cache, &keys[at % KEYS]).await));
                    }
                })
            },
            &mut || {
                runtime.block_on(async {
                    for at in 0..HITS {
                        drop(black_box(get_number(&numbers, &numbered[at % KEYS]).await));
                    }
                })
            },
        ],
    );
    show("quick_cache, bare lookup into Bytes", bare);
    show("moka, bare lookup into Bytes", other);
    show("typedis, hit into Bytes", hit);
    show_ratio("against quick_cache", hit / bare);
    show("typedis, hit into i64", number);
    show_ratio("against quick_cache", number / bare);
    println!("  {:?}", cache.stats());
}

/// Hits in tasks, as the comparison with other clients has them: each task yields once in 64 reads.
fn hits_in_tasks(server: &Server) {
    let (runtime, keys) = (runtime(), Arc::new(keys(KEYS)));
    let (quick, cache) = filled(server, &runtime, &keys);
    for tasks in [1, 256] {
        let [bare, hit] = measure(
            HITS,
            [
                &mut || {
                    runtime.block_on(all((0..tasks).map(|_| look_up(&quick, &keys, HITS / tasks))))
                },
                &mut || {
                    runtime.block_on(all((0..tasks).map(|_| read(&cache, &keys, HITS / tasks))))
                },
            ],
        );
        show(&format!("quick_cache, bare lookup, {tasks} tasks"), bare);
        show(&format!("typedis, hit into Bytes, {tasks} tasks"), hit);
        show_ratio("against quick_cache", hit / bare);
    }
}

type Quick = quick_cache::sync::Cache<Bytes, Bytes>;

/// The bare library and a cache, with a value for each of these keys.
fn filled(server: &Server, runtime: &Runtime, keys: &[String]) -> (Arc<Quick>, Cached<Connection>) {
    let quick = Quick::new(2 * KEYS);
    for key in keys {
        quick.insert(
            Bytes::from(key.clone()),
            Bytes::copy_from_slice(VALUE.as_bytes()),
        );
    }
    let (plain, cache) = runtime.block_on(open(server, Cache::default()));
    runtime.block_on(async {
        set_all(&plain, keys).await;
        get_all(&cache, keys).await;
    });
    (Arc::new(quick), cache)
}

fn look_up(
    quick: &Arc<Quick>,
    keys: &Arc<Vec<String>>,
    count: usize,
) -> impl Future<Output = ()> + Send + 'static {
    let (quick, keys) = (quick.clone(), keys.clone());
    async move {
        for at in 0..count {
            drop(black_box(quick.get(keys[at % KEYS].as_bytes())));
            if at % 64 == 0 {
                tokio::task::yield_now().await;
            }
        }
    }
}

fn read(
    cache: &Cached<Connection>,
    keys: &Arc<Vec<String>>,
    count: usize,
) -> impl Future<Output = ()> + Send + 'static {
    let (cache, keys) = (cache.clone(), keys.clone());
    async move {
        for at in 0..count {
            drop(black_box(get(&cache, &keys[at % KEYS]).await));
            if at % 64 == 0 {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Runs all of these, each in a task.
async fn all(works: impl Iterator<Item: Future<Output = ()> + Send + 'static>) {
    let mut tasks: JoinSet<()> = JoinSet::new();
    works.for_each(|work| drop(tasks.spawn(work)));
    tasks.join_all().await;
}

/// Hits of HGET: of one field of each hash, and of all fields of one hash.
fn fields(server: &Server) {
    let (runtime, keys) = (runtime(), keys(KEYS));
    let hashes: Vec<String> = keys.iter().map(|key| format!("hash:{key}")).collect();
    let (_, cache) = runtime.block_on(open(server, Cache::default()));
    runtime.block_on(async {
        for (key, hash) in keys.iter().zip(&hashes) {
            hget(&cache, hash, "field").await.expect("it is read");
            hget(&cache, "hash", key).await.expect("it is read");
        }
    });
    let [apart, together] = measure(
        HITS,
        [
            &mut || {
                runtime.block_on(async {
                    for at in 0..HITS {
                        drop(black_box(hget(&cache, &hashes[at % KEYS], "field").await));
                    }
                })
            },
            &mut || {
                runtime.block_on(async {
                    for at in 0..HITS {
                        drop(black_box(hget(&cache, "hash", &keys[at % KEYS]).await));
                    }
                })
            },
        ],
    );
    show("typedis, hit of HGET, one field of a hash", apart);
    show("typedis, hit of HGET, many fields of a hash", together);
    show_ratio("against one field", together / apart);
}

/// Hits on two threads, in tasks as above: operations per second.
fn threads(server: &Server) {
    let keys = Arc::new(keys(KEYS));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be built");
    let (quick, cache) = filled(server, &runtime, &keys);
    let throughput = |work: &dyn Fn()| {
        let began = Instant::now();
        work();
        2.0 * HITS as f64 / began.elapsed().as_secs_f64()
    };
    for tasks in [2, 256] {
        let count = 2 * HITS / tasks;
        let (mut bare, mut hits): (f64, f64) = (0.0, 0.0);
        for _ in 0..ROUNDS {
            let bare_work =
                || runtime.block_on(all((0..tasks).map(|_| look_up(&quick, &keys, count))));
            let hit_work = || runtime.block_on(all((0..tasks).map(|_| read(&cache, &keys, count))));
            bare = bare.max(throughput(&bare_work));
            hits = hits.max(throughput(&hit_work));
        }
        println!(
            "{:<44} {bare:>10.0} /s",
            format!("quick_cache, two threads, {tasks} tasks")
        );
        println!(
            "{:<44} {hits:>10.0} /s",
            format!("typedis, two threads, {tasks} tasks")
        );
        show_ratio("against quick_cache", hits / bare);
    }
}

/// Hits over a cluster of three nodes, and over one node.
fn cluster(server: &Server) {
    let (runtime, keys) = (runtime(), keys(KEYS));
    let nodes = Nodes::start(ServerKind::Valkey9).expect("the cluster starts");
    let (plain, one) = runtime.block_on(open(server, Cache::default()));
    let many = runtime
        .block_on(Cluster::open(nodes.url()))
        .expect("it connects");
    let cached = many.cached(Cache::default()).expect("it caches");
    runtime.block_on(async {
        set_all(&plain, &keys).await;
        set_all(&many, &keys).await;
        get_all(&one, &keys).await;
        get_all(&cached, &keys).await;
    });
    let [on_one, on_many] = measure(
        HITS,
        [
            &mut || {
                runtime.block_on(async {
                    for at in 0..HITS {
                        drop(black_box(get(&one, &keys[at % KEYS]).await));
                    }
                })
            },
            &mut || {
                runtime.block_on(async {
                    for at in 0..HITS {
                        drop(black_box(get(&cached, &keys[at % KEYS]).await));
                    }
                })
            },
        ],
    );
    show("typedis, hit on one node", on_one);
    show("typedis, hit over a cluster of three", on_many);
    show_ratio("against one node", on_many / on_one);
}

/// Misses in each mode, and the same reads without a cache. After each pass over the keys all of them are written, so that
/// their replies are dropped.
fn misses(server: &Server) {
    let (runtime, keys) = (runtime(), keys(KEYS));
    let (plain, opted_in) = runtime.block_on(open(server, Cache::default()));
    let (_, all_reads) = runtime.block_on(open(server, Cache::default().all_reads()));
    let (_, broadcast) = runtime.block_on(open(server, Cache::default().broadcast(["key:"])));
    let caches = [opted_in, all_reads, broadcast];
    runtime.block_on(set_all(&plain, &keys));
    let mut least = [f64::INFINITY; 4];
    for _ in 0..ROUNDS {
        let mut sums = [0.0; 4];
        for _ in 0..PASSES {
            sums[0] += time(&mut || runtime.block_on(get_all(&plain, &keys)));
            for (sum, cache) in sums[1..].iter_mut().zip(&caches) {
                *sum += time(&mut || runtime.block_on(get_all(cache, &keys)));
            }
            runtime.block_on(async {
                set_all(&plain, &keys).await;
                for cache in &caches {
                    // The reports come before the reply to what is written through the handle.
                    set(cache, "last", VALUE).await;
                }
            });
        }
        let each = sums.map(|sum| sum / (KEYS * PASSES) as f64);
        least
            .iter_mut()
            .zip(each)
            .for_each(|(least, each)| *least = least.min(each));
    }
    for cache in &caches {
        let (stats, reads) = (cache.stats(), (KEYS * PASSES * ROUNDS) as u64);
        assert!(stats.misses == reads, "all of them are misses: {stats:?}");
    }
    let [read, modes @ ..] = least;
    show("typedis, uncached GET", read);
    for (mode, time) in ["miss", "miss, all_reads()", "miss, broadcast()"]
        .into_iter()
        .zip(modes)
    {
        show(&format!("typedis, {mode}"), time);
        show_ratio("against uncached", time / read);
    }
}

/// Misses of ever new keys, so that the memory of the cache grows, and the same reads without a cache.
fn first_reads(server: &Server) {
    let (runtime, keys) = (runtime(), keys(MISSES * ROUNDS));
    let (plain, cache) = runtime.block_on(open(server, Cache::default()));
    runtime.block_on(set_all(&plain, &keys));
    let (mut uncached, mut cached) = (keys.chunks(MISSES), keys.chunks(MISSES));
    let [read, miss] = measure(
        MISSES,
        [
            &mut || runtime.block_on(get_all(&plain, uncached.next().unwrap_or_default())),
            &mut || runtime.block_on(get_all(&cache, cached.next().unwrap_or_default())),
        ],
    );
    show("typedis, uncached GET of new keys", read);
    show("typedis, miss of new keys", miss);
    show_ratio("against uncached", miss / read);
}

/// The memory of many small entries.
fn entries(server: &Server) {
    let (runtime, keys) = (runtime(), keys(ENTRIES));
    let (plain, cache) = runtime.block_on(open(server, Cache::default()));
    runtime.block_on(async {
        for key in &keys {
            set(&plain, key, VALUE).await;
        }
        get(&cache, "warm").await.expect("it is read");
        let before = memory();
        for key in &keys {
            get(&cache, key).await.expect("it is read");
        }
        let each = (memory() - before) / ENTRIES;
        println!(
            "{:<44} {each:>10} B  ({:?})",
            "typedis, memory of an entry",
            cache.stats()
        );
    });
}
