//! What a hit and a miss cost, beside the bare cache libraries. Run it with `cargo run --release` in this folder; the words
//! `hits`, `threads`, `misses` and `memory` choose a part.
//!
//! Times are CPU time of this process per operation. What is compared is measured in turn, and of the rounds of each the
//! fastest counts, which others on the machine have disturbed least. The server is a process of its own.

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use typedis_core::{Cache, Cached, CommandInfo, Config, Connection, Request, Target};
use typedis_testkit::{Server, ServerKind};

const KEYS: usize = 1_000;
const HITS: usize = 2_000_000;
const MISSES: usize = 20_000;
const ENTRIES: usize = 100_000;
const ROUNDS: usize = 7;

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

/// The CPU time of this process, in nanoseconds.
fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
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
            let before = cpu();
            work();
            *least = least.min((cpu() - before) / operations as f64);
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
    let words: Vec<String> = std::env::args().skip(1).collect();
    // In a process of its own, since memory that was freed before would be used again.
    if words == ["memory"] {
        return entries(&server);
    }
    let parts: [(&str, fn(&Server)); 3] = [("hits", hits), ("threads", threads), ("misses", misses)];
    for (name, part) in parts {
        if words.is_empty() || words.iter().any(|word| word == name) {
            part(&server);
        }
    }
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
    let (plain, cache) = runtime.block_on(open(server, Cache::default()));
    let (_, numbers) = runtime.block_on(open(server, Cache::default()));
    runtime.block_on(async {
        for key in &keys {
            set(&plain, key, "0123456789abcdef").await;
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

/// Hits on two threads: operations per second.
fn threads(server: &Server) {
    let keys = keys(KEYS);
    let quick = quick_cache::sync::Cache::<Bytes, Bytes>::new(2 * KEYS);
    for key in &keys {
        quick.insert(Bytes::from(key.clone()), Bytes::copy_from_slice(b"0123456789abcdef"));
    }
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
    let twice = |work: &(dyn Fn() + Sync)| {
        let began = Instant::now();
        std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(work))));
        2.0 * HITS as f64 / began.elapsed().as_secs_f64()
    };
    let (mut bare, mut hits): (f64, f64) = (0.0, 0.0);
    for _ in 0..ROUNDS {
        bare = bare.max(twice(&|| {
            (0..HITS).for_each(|at| drop(black_box(quick.get(keys[at % KEYS].as_bytes()))));
        }));
        let began = Instant::now();
        let tasks = [(); 2].map(|()| {
            let (cache, keys) = (cache.clone(), keys.clone());
            shared.spawn(async move {
                for at in 0..HITS {
                    drop(black_box(get(&cache, &keys[at % KEYS]).await));
                }
            })
        });
        shared.block_on(async {
            for task in tasks {
                task.await.expect("it ends");
            }
        });
        hits = hits.max(2.0 * HITS as f64 / began.elapsed().as_secs_f64());
    }
    println!("{:<44} {bare:>10.0} /s", "quick_cache, two threads");
    println!("{:<44} {hits:>10.0} /s", "typedis, two threads");
    show_ratio("against quick_cache", hits / bare);
}

/// Misses in each mode, one after another, and the same reads without a cache.
fn misses(server: &Server) {
    let (runtime, keys) = (runtime(), keys(MISSES * ROUNDS));
    let (plain, opted_in) = runtime.block_on(open(server, Cache::default()));
    let (_, all_reads) = runtime.block_on(open(server, Cache::default().all_reads()));
    let (_, broadcast) = runtime.block_on(open(server, Cache::default().broadcast(["key:"])));
    let miss = |cache: &Cached<Connection>, keys: &[String]| {
        runtime.block_on(async {
            for key in keys {
                get(cache, key).await.expect("it is read");
            }
        });
    };
    let mut rest = [(); 3].map(|()| keys.chunks(MISSES));
    let [first, second, third] = &mut rest;
    let [read, by_opting_in, of_all_reads, by_broadcast] = measure(
        MISSES,
        [
            &mut || {
                runtime.block_on(async {
                    for key in keys.iter().take(MISSES) {
                        get(&plain, key).await.expect("it is read");
                    }
                })
            },
            &mut || miss(&opted_in, first.next().expect("a round")),
            &mut || miss(&all_reads, second.next().expect("a round")),
            &mut || miss(&broadcast, third.next().expect("a round")),
        ],
    );
    show("typedis, uncached GET", read);
    for (mode, time) in [
        ("typedis, miss", by_opting_in),
        ("typedis, miss, all_reads()", of_all_reads),
        ("typedis, miss, broadcast()", by_broadcast),
    ] {
        show(mode, time);
        show_ratio("against uncached", time / read);
    }
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
