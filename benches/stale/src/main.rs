//! What client-side caches still serve when it is no longer true, and what a hit costs: typedis, redis-rs and rustis, one
//! after another, each with a server of its own. `cargo run --release` in this folder prints the table of
//! `docs/guide/caching.md`.

use std::time::{Duration, Instant};

use typedis::prelude::*;
use typedis::{Run, raw};
use typedis_testkit::{Server, ServerKind};

use readers::Reader;

mod readers;

const KEYS: usize = 100;
const ROUNDS: usize = 128;
/// Long enough for a report to arrive.
const AT_REST: Duration = Duration::from_millis(50);
/// For how long a key is there that expires.
const LIFE: Duration = Duration::from_millis(20);
/// How often a value is read after the connection was lost, and the pause between two reads.
const READS_AFTER_LOSS: usize = 100;
const PAUSE: Duration = Duration::from_millis(3);
const HITS: usize = 200_000;
/// The runtime lets every task go on this often: the readers send, and the client writes.
const TURNS: usize = 4;

/// A row of the table.
struct Row {
    name: &'static str,
    flush_at_rest: usize,
    flush_during_reads: usize,
    after_expiry: usize,
    after_loss: usize,
    hit: f64,
}

fn key(number: usize) -> String {
    format!("key:{number:06}")
}

/// Changes keys, and kills connections.
struct Writer(typedis::Connection);

impl Writer {
    async fn new(port: u16) -> Self {
        let conn = typedis::connect(typedis::Config::tcp("127.0.0.1", port)).await;
        Self(conn.expect("it connects"))
    }

    async fn set_all(&self) {
        for number in 0..KEYS {
            self.0
                .set(key(number), "0123456789abcdef")
                .await
                .expect("it is set");
        }
    }

    async fn flush(&self) {
        self.0
            .run(raw("FLUSHALL").reply::<()>())
            .await
            .expect("it is flushed");
    }
}

/// How many of the keys are there.
async fn present(reader: &impl Reader) -> usize {
    let mut present = 0;
    for number in 0..KEYS {
        present += usize::from(reader.get(&key(number)).await.is_some());
    }
    present
}

/// Of 12,800 reads, those that are stale some time after FLUSHALL.
async fn flush_at_rest(reader: &impl Reader, writer: &Writer) -> usize {
    let mut stale = 0;
    for _ in 0..ROUNDS {
        writer.set_all().await;
        present(reader).await;
        writer.flush().await;
        tokio::time::sleep(AT_REST).await;
        stale += present(reader).await;
    }
    stale
}

/// The same, if the keys were being read when they were flushed: their replies and the report come together.
async fn flush_during_reads(reader: &impl Reader, writer: &Writer) -> usize {
    let mut stale = 0;
    for _ in 0..ROUNDS {
        writer.set_all().await;
        let read = |number| {
            let reader = reader.clone();
            tokio::spawn(async move { reader.get(&key(number)).await })
        };
        let reads: Vec<_> = (0..KEYS).map(read).collect();
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        writer.flush().await;
        for read in reads {
            read.await.expect("it ends");
        }
        tokio::time::sleep(AT_REST).await;
        stale += present(reader).await;
    }
    stale
}

/// Of 100 reads, those that are stale one millisecond after the time to live has ended.
async fn after_expiry(reader: &impl Reader, writer: &Writer) -> usize {
    let mut stale = 0;
    for number in 0..KEYS {
        writer.0.set(key(number), "x").await.expect("it is set");
        let expire = raw("PEXPIRE").key(key(number)).arg(LIFE.as_millis() as u64);
        writer
            .0
            .run(expire.reply::<i64>())
            .await
            .expect("it expires");
        let expires = Instant::now() + LIFE;
        reader.get(&key(number)).await;
        let end = expires + Duration::from_millis(1);
        tokio::time::sleep(end.saturating_duration_since(Instant::now())).await;
        stale += usize::from(reader.get(&key(number)).await.is_some());
    }
    stale
}

/// Of 100 reads in the time after the connection was lost and the key changed, those that are stale.
async fn after_loss(reader: &impl Reader, writer: &Writer) -> usize {
    writer.0.set("lost", "old").await.expect("it is set");
    reader.get("lost").await;
    let kill = raw("CLIENT KILL")
        .arg("TYPE")
        .arg("normal")
        .arg("SKIPME")
        .arg("yes");
    writer.0.run(kill.reply::<i64>()).await.expect("it kills");
    writer.0.set("lost", "new").await.expect("it is set");
    tokio::time::sleep(AT_REST).await;
    let mut stale = 0;
    for _ in 0..READS_AFTER_LOSS {
        let value = reader.get("lost").await;
        stale += usize::from(value.as_deref() == Some("old"));
        tokio::time::sleep(PAUSE).await;
    }
    stale
}

/// The CPU time of this process, in nanoseconds.
fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// Nanoseconds of CPU time for a hit into a `String`. Of several rounds the fastest counts, which others on the machine
/// have disturbed least.
async fn hit(reader: &impl Reader) -> f64 {
    present(reader).await;
    let keys: Vec<String> = (0..KEYS).map(key).collect();
    let mut least = f64::INFINITY;
    for _ in 0..7 {
        let before = cpu();
        for key in keys.iter().cycle().take(HITS) {
            reader.get(key).await;
        }
        least = least.min((cpu() - before) / HITS as f64);
    }
    least
}

async fn row<R: Reader>(name: &'static str, open: impl AsyncFn(u16) -> R) -> Row {
    let server = Server::start(ServerKind::Valkey9).expect("the server starts");
    let port = server.port();
    let writer = Writer::new(port).await;
    let row = Row {
        name,
        flush_at_rest: flush_at_rest(&open(port).await, &writer).await,
        flush_during_reads: flush_during_reads(&open(port).await, &writer).await,
        after_expiry: after_expiry(&open(port).await, &writer).await,
        hit: {
            writer.set_all().await;
            hit(&open(port).await).await
        },
        after_loss: after_loss(&open(port).await, &writer).await,
    };
    eprintln!("{name}: done");
    row
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let usual = typedis::Cache::default();
    let timed = usual.clone().server_ttl();
    let rows = [
        row("typedis", async |port| {
            readers::typedis(port, usual.clone()).await
        })
        .await,
        row("typedis, `server_ttl()`", async |port| {
            readers::typedis(port, timed.clone()).await
        })
        .await,
        row(
            "redis-rs 1.8.1, `MultiplexedConnection`",
            readers::redis_1::multiplexed,
        )
        .await,
        row(
            "redis-rs 1.8.1, `ConnectionManager`",
            readers::redis_1::manager,
        )
        .await,
        row(
            "redis-rs 2.0.0-rc.2, `MultiplexedConnection`",
            readers::redis_2::multiplexed,
        )
        .await,
        row(
            "redis-rs 2.0.0-rc.2, `ConnectionManager`",
            readers::redis_2::manager,
        )
        .await,
        row("rustis 0.27.2", readers::rustis).await,
    ];
    println!(
        "| stale reads | FLUSHALL at rest, of 12,800 | FLUSHALL during reads, of 12,800 | 1 ms after the time to live, of 100 | after a lost connection, of 100 | a hit, CPU time |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    for row in rows {
        println!(
            "| {} | {} | {} | {} | {} | {:.0} ns |",
            row.name,
            row.flush_at_rest,
            row.flush_during_reads,
            row.after_expiry,
            row.after_loss,
            row.hit
        );
    }
}
