//! What a hit and a miss cost, beside the bare cache libraries. Run it with `cargo run --release` in this folder, and with
//! `cargo run --release memory` for the memory of an entry.
//!
//! Times are CPU time of this process per operation, the median of the rounds; the server is a process of its own.

use std::time::{Duration, Instant};

use bytes::Bytes;
use typedis_core::{Cache, Cached, CommandInfo, Config, Connection, Request, Target};
use typedis_testkit::{Server, ServerKind};

const KEYS: usize = 1_000;
const HITS: usize = 1_000_000;
const MISSES: usize = 20_000;
const ENTRIES: usize = 100_000;
const ROUNDS: usize = 5;

static GET: CommandInfo = CommandInfo::new("GET", b"$3\r\nGET\r\n", 1)
    .readonly()
    .cacheable();
static SET: CommandInfo = CommandInfo::new("SET", b"$3\r\nSET\r\n", 1);

fn get<T: Target>(target: T, key: &str) -> Request<T::Sink, Option<Bytes>> {
    Request::new(target, &GET, |args| args.key("key", key))
}

fn get_number<T: Target>(target: T, key: &str) -> Request<T::Sink, Option<i64>> {
    Request::new(target, &GET, |args| args.key("key", key))
}

async fn set(conn: &Connection, key: &str, value: &str) {
    let set = Request::<_, ()>::new(conn, &SET, |args| {
        args.key("key", key);
        args.arg("value", value);
    });
    set.await.expect("it can be set");
}

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("key:{number:06}")).collect()
}

/// The CPU time of this process, from the fields `utime` and `stime` of its state: ticks of 10 ms.
fn cpu() -> Duration {
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string("/proc/self/stat").expect("it is Linux");
    let fields = stat.rsplit(')').next().expect("the name ends");
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || -> u32 { fields.next().and_then(|ticks| ticks.parse().ok()).expect("a number") };
    TICK * (ticks() + ticks())
}

/// The memory of this process that is in use, in bytes.
fn memory() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("it is Linux");
    let pages = statm.split_whitespace().nth(1).expect("a number");
    pages.parse::<usize>().expect("a number") * 4096
}

/// Nanoseconds of CPU time per operation.
fn measure(operations: usize, mut work: impl FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let before = cpu();
            work();
            (cpu() - before).as_nanos() as f64 / operations as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn show(what: &str, nanoseconds: f64) {
    println!("{what:<44} {nanoseconds:>10.1} ns");
}

fn runtime() -> tokio::runtime::Runtime {
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
    // In a process of its own, since memory that was freed before would be used again.
    if std::env::args().any(|word| word == "memory") {
        return entries(&server);
    }
    hits(&server);
    threads(&server);
    misses(&server);
}

/// Hits on one thread, in one task.
fn hits(server: &Server) {
    let (runtime, keys) = (runtime(), keys(KEYS));
    let quick = quick_cache::sync::Cache::<Bytes, Bytes>::new(2 * KEYS);
    let moka = moka::sync::Cache::<Bytes, Bytes>::new(2 * KEYS as u64);
    for key in &keys {
        let (key, value) = (Bytes::from(key.clone()), Bytes::copy_from_slice(b"0123456789abcdef"));
        quick.insert(key.clone(), value.clone());
        moka.insert(key, value);
    }
    let each = |work: &mut dyn FnMut(&str)| {
        for number in 0..HITS {
            work(&keys[number % KEYS]);
        }
    };
    let floor = measure(HITS, || each(&mut |key| drop(std::hint::black_box(quick.get(key.as_bytes())))));
    show("quick_cache, bare lookup into Bytes", floor);
    let other = measure(HITS, || each(&mut |key| drop(std::hint::black_box(moka.get(key.as_bytes())))));
    show("moka, bare lookup into Bytes", other);
    let (plain, cache) = runtime.block_on(open(server, Cache::default()));
    runtime.block_on(async {
        for key in &keys {
            set(&plain, key, "0123456789abcdef").await;
            get(&cache, key).await.expect("it is read");
        }
    });
    let hit = measure(HITS, || {
        runtime.block_on(async {
            for number in 0..HITS {
                get(&cache, &keys[number % KEYS]).await.expect("it is read");
            }
        });
    });
    show("typedis, hit into Bytes", hit);
    println!("{:<44} {:>10.2}", "  against quick_cache", hit / floor);
    runtime.block_on(async {
        for key in &keys {
            set(&plain, key, "1234567890123456").await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        for key in &keys {
            get(&cache, key).await.expect("it is read");
        }
    });
    let number = measure(HITS, || {
        runtime.block_on(async {
            for number in 0..HITS {
                get_number(&cache, &keys[number % KEYS]).await.expect("it is read");
            }
        });
    });
    show("typedis, hit into i64", number);
    println!("  {:?}", cache.stats());
}

/// Hits on two threads: operations per second.
fn threads(server: &Server) {
    let keys = keys(KEYS);
    let quick = quick_cache::sync::Cache::<Bytes, Bytes>::new(2 * KEYS);
    for key in &keys {
        quick.insert(Bytes::from(key.clone()), Bytes::copy_from_slice(b"0123456789abcdef"));
    }
    let rate = |work: &(dyn Fn(&str) + Sync)| {
        let mut best: f64 = 0.0;
        for _ in 0..ROUNDS {
            let began = Instant::now();
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        for number in 0..HITS {
                            work(&keys[number % KEYS]);
                        }
                    });
                }
            });
            best = best.max(2.0 * HITS as f64 / began.elapsed().as_secs_f64());
        }
        best
    };
    let bare = rate(&|key| drop(std::hint::black_box(quick.get(key.as_bytes()))));
    let shared = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be built");
    let (_, cache) = shared.block_on(open(server, Cache::default()));
    shared.block_on(async {
        for key in &keys {
            get(&cache, key).await.expect("it is read");
        }
    });
    let mut best: f64 = 0.0;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let tasks: Vec<_> = (0..2)
            .map(|_| {
                let (cache, keys) = (cache.clone(), keys.clone());
                shared.spawn(async move {
                    for number in 0..HITS {
                        get(&cache, &keys[number % KEYS]).await.expect("it is read");
                    }
                })
            })
            .collect();
        shared.block_on(async {
            for task in tasks {
                task.await.expect("it ends");
            }
        });
        best = best.max(2.0 * HITS as f64 / began.elapsed().as_secs_f64());
    }
    println!("{:<44} {bare:>10.0} /s", "quick_cache, two threads");
    println!("{:<44} {best:>10.0} /s", "typedis, two threads");
    println!("{:<44} {:>10.2}", "  against quick_cache", best / bare);
}

/// Misses, one after another, and the same reads without a cache.
fn misses(server: &Server) {
    let (runtime, keys) = (runtime(), keys(MISSES * ROUNDS));
    let (plain, cache) = runtime.block_on(open(server, Cache::default()));
    let read = measure(MISSES, || {
        runtime.block_on(async {
            for key in keys.iter().take(MISSES) {
                get(&plain, key).await.expect("it is read");
            }
        });
    });
    show("typedis, uncached GET", read);
    let mut rest = keys.chunks(MISSES);
    let miss = measure(MISSES, || {
        let keys = rest.next().expect("a round");
        runtime.block_on(async {
            for key in keys {
                get(&cache, key).await.expect("it is read");
            }
        });
    });
    show("typedis, miss", miss);
    println!("{:<44} {:>10.2}", "  against uncached", miss / read);
}

/// The memory of many small entries.
fn entries(server: &Server) {
    let (runtime, keys) = (runtime(), keys(ENTRIES));
    let (plain, cache) = runtime.block_on(open(server, Cache::default()));
    runtime.block_on(async {
        for key in &keys {
            set(&plain, key, "0123456789abcdef").await;
        }
        get(&cache, "warm").await.expect("it is read");
        let before = memory();
        for key in &keys {
            get(&cache, key).await.expect("it is read");
        }
        let each = (memory() - before) / ENTRIES;
        println!("{:<44} {each:>10} B  ({:?})", "typedis, memory of an entry", cache.stats());
    });
}
