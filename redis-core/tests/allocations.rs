//! A command in steady state allocates nothing but what its reply needs.

#![allow(clippy::unwrap_used)]

use allocation_counter::measure;
use typedis_core::{Backoff, CommandInfo, Config, Connection, Request};
use typedis_testkit::{ServerKind, database};

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
