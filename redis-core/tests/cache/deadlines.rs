//! A deadline holds for the whole of a read, whichever ways it goes. The clock stands still unless everybody waits.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::time::Instant;
use typedis_core::{Cache, Cached, Config, Connection, Error};

use crate::support::{get, mget};

const DEADLINE: Duration = Duration::from_secs(10);

/// When the server refuses the first read.
const REFUSED_AFTER: Duration = Duration::from_secs(8);

/// Reads one command.
async fn command(stream: &mut BufReader<DuplexStream>) -> Option<Vec<String>> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let count: usize = line.trim_end().strip_prefix('*')?.parse().ok()?;
    let mut words = Vec::new();
    for _ in 0..count {
        let mut word = String::new();
        stream.read_line(&mut String::new()).await.ok()?;
        stream.read_line(&mut word).await.ok()?;
        words.push(word.trim_end().to_owned());
    }
    Some(words)
}

/// Refuses the first read with LOADING, late, and does not answer the next one.
async fn serve(stream: DuplexStream) {
    let mut stream = BufReader::new(stream);
    let mut reads = 0;
    while let Some(words) = command(&mut stream).await {
        let reply: &[u8] = if matches!(words[0].as_str(), "GET" | "MGET") {
            reads += 1;
            if reads > 1 {
                continue;
            }
            tokio::time::sleep(REFUSED_AFTER).await;
            b"-LOADING the data\r\n"
        } else {
            b"+OK\r\n"
        };
        if stream.write_all(reply).await.is_err() {
            return;
        }
    }
}

async fn cached() -> Cached<Connection> {
    let config = Config::tcp("nowhere", 1)
        .command_timeout(DEADLINE)
        .liveness(None)
        .transport(|_| async {
            let (client, server) = tokio::io::duplex(4096);
            tokio::spawn(serve(server));
            Ok(client)
        });
    let conn = Connection::open(config).await.unwrap();
    conn.cached(Cache::default()).unwrap()
}

fn check(error: &Error, begun: Instant) {
    assert!(error.is_timeout(), "{error}");
    let took = begun.elapsed();
    // Timers count whole milliseconds.
    assert!(took < DEADLINE + Duration::from_millis(10), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_refused_late_ends_with_its_first_deadline() {
    let cache = cached().await;
    let begun = Instant::now();
    check(&get(&cache, "k").await.unwrap_err(), begun);
}

#[tokio::test(start_paused = true)]
async fn a_read_of_many_keys_that_is_refused_late_ends_with_its_first_deadline() {
    let cache = cached().await;
    let begun = Instant::now();
    check(&mget(&cache, &["a", "b"]).await.unwrap_err(), begun);
}
