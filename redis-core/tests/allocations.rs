//! A command in steady state allocates nothing but what its reply needs.

#![allow(clippy::unwrap_used)]

use allocation_counter::measure;
use typedis_core::{Backoff, Cache, CommandInfo, Config, Connection, FromRedis, Request};
use typedis_testkit::{Server, ServerKind, database};

static GET: CommandInfo = CommandInfo::new("GET", b"$3\r\nGET\r\n", 1).readonly();
static SET: CommandInfo = CommandInfo::new("SET", b"$3\r\nSET\r\n", 1);

const COMMANDS: u64 = 10_000;

async fn get(conn: &Connection) {
    let call = Request::<_, Option<i64>>::new(conn, &GET, |args| args.key("key", "counter"));
    assert_eq!(call.await.unwrap(), Some(12_345));
}

async fn set(conn: &Connection) {
    let call = Request::<_, ()>::new(conn, &SET, |args| {
        args.key("key", "counter");
        args.arg("value", &12_345);
    });
    call.await.unwrap();
}

/// The allocations of this thread, on which the driver runs too, for many commands one after another.
fn allocations(command: impl AsyncFn(&Connection)) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let db = database(ServerKind::Valkey9);
    let config = Config::tcp("127.0.0.1", db.server().port())
        .database(db.number())
        .backoff(Backoff::default());
    let conn = runtime.block_on(Connection::open(config)).unwrap();
    runtime.block_on(async {
        for _ in 0..1_000 {
            set(&conn).await;
            command(&conn).await;
        }
    });
    let counted = measure(|| {
        runtime.block_on(async {
            for _ in 0..COMMANDS {
                command(&conn).await;
            }
        });
    });
    counted.count_total
}

/// The read buffer is shared with the replies that were cut from it, and replaced once it is used up: one allocation
/// of 16 KiB for every thousand small replies or so.
fn is_next_to_nothing(counted: u64) {
    assert!(
        counted <= COMMANDS / 100,
        "{counted} allocations for {COMMANDS} commands"
    );
}

#[test]
fn get_of_a_number_allocates_nothing() {
    is_next_to_nothing(allocations(get));
}

#[test]
fn set_of_a_small_value_allocates_nothing() {
    is_next_to_nothing(allocations(set));
}

static CACHEABLE_GET: CommandInfo = CommandInfo::new("GET", b"$3\r\nGET\r\n", 1)
    .readonly()
    .cacheable();

/// The allocations for many reads from memory, after one from the server.
fn allocations_of_hits<R: FromRedis>(value: &str) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let server = Server::start(ServerKind::Valkey9).unwrap();
    let config = Config::tcp("127.0.0.1", server.port());
    let conn = runtime.block_on(Connection::open(config)).unwrap();
    let cache = conn.cached(Cache::default()).unwrap();
    let read = || Request::<_, R>::new(&cache, &CACHEABLE_GET, |args| args.key("key", "k"));
    runtime.block_on(async {
        let write = Request::<_, ()>::new(&conn, &SET, |args| {
            args.key("key", "k");
            args.arg("value", value);
        });
        write.await.unwrap();
        for _ in 0..10 {
            read().await.unwrap();
        }
    });
    let hits = cache.stats().hits;
    let counted = measure(|| {
        runtime.block_on(async {
            for _ in 0..COMMANDS {
                read().await.unwrap();
            }
        });
    });
    assert_eq!(cache.stats().hits, hits + COMMANDS);
    counted.count_total
}

/// The runtime allocates a few times for itself, whatever runs on it.
#[test]
fn a_hit_into_bytes_or_an_integer_allocates_nothing() {
    for value in ["1234567890123456", &"long".repeat(1_000)] {
        assert!(allocations_of_hits::<bytes::Bytes>(value) < 10);
    }
    assert!(allocations_of_hits::<i64>("1234567890123456") < 10);
}

/// After a burst the memory of the queue is given back.
#[test]
fn a_burst_leaves_no_memory_behind() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let db = database(ServerKind::Valkey9);
    let config = Config::tcp("127.0.0.1", db.server().port()).database(db.number());
    let conn = runtime.block_on(Connection::open(config)).unwrap();
    let big = "x".repeat(16 << 20);
    runtime.block_on(set(&conn));
    let counted = measure(|| {
        runtime.block_on(async {
            let set = Request::<_, ()>::new(&conn, &SET, |args| {
                args.key("key", "big");
                args.arg("value", &big);
            });
            set.await.unwrap();
            let get = Request::<_, String>::new(&conn, &GET, |args| args.key("key", "big"));
            assert!(get.await.unwrap() == big);
            for _ in 0..10 {
                set_and_get(&conn).await;
            }
        });
    });
    assert!(
        counted.bytes_current < 1 << 20,
        "{} bytes are still held",
        counted.bytes_current
    );
}

async fn set_and_get(conn: &Connection) {
    set(conn).await;
    get(conn).await;
}

/// Sockets and what waits in them do not count: there are none yet but the first one.
#[test]
fn a_cluster_of_a_hundred_nodes_takes_less_than_a_mebibyte() {
    use typedis_core::cluster::Cluster;
    use typedis_testkit::fake::{Answer, FakeCluster};

    let servers = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    // Its memory is that of another thread.
    let fake = servers.spawn(FakeCluster::start(100, |_| Answer::Usual));
    let fake = servers.block_on(fake).unwrap().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut cluster = None;
    let counted = measure(|| {
        cluster = Some(runtime.block_on(Cluster::open(fake.url())).unwrap());
    });
    let nodes = cluster.as_ref().unwrap().topology().nodes().len();
    assert_eq!(nodes, 100);
    let bytes = counted.bytes_current;
    println!("a cluster of 100 nodes holds {bytes} bytes");
    assert!(bytes < 1024 * 1024, "{bytes} bytes");
}
