//! A deadline holds for the whole of a read, whichever ways it goes. The clock stands still unless everybody waits.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use typedis_core::{Cache, Cached, Connection, Error};

use crate::support::{Stream, command, get, in_memory, mget};

const DEADLINE: Duration = Duration::from_secs(10);

/// When the server refuses the first read.
const REFUSED_AFTER: Duration = Duration::from_secs(8);

/// Refuses the first read with LOADING, late, and does not answer the next one.
async fn serve(mut stream: Stream) {
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
    let config = in_memory(serve).command_timeout(DEADLINE);
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

/// Answers nothing from the first read on.
async fn fall_silent(mut stream: Stream) {
    let mut is_silent = false;
    while let Some(words) = command(&mut stream).await {
        is_silent |= matches!(words[0].as_str(), "GET" | "MGET");
        if !is_silent && stream.write_all(b"+OK\r\n").await.is_err() {
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_joins_a_read_has_all_of_its_own_time() {
    /// When the others ask for the same.
    const LATER: Duration = Duration::from_secs(6);
    let config = in_memory(fall_silent).command_timeout(DEADLINE);
    let conn = Connection::open(config).await.unwrap();
    let cache = conn.cached(Cache::default()).unwrap();
    let first = async {
        let begun = Instant::now();
        check(&get(&cache, "k").await.unwrap_err(), begun);
    };
    let joining = async {
        tokio::time::sleep(LATER).await;
        let begun = Instant::now();
        let (one, many) = tokio::join!(get(&cache, "k"), mget(&cache, &["m", "n"]));
        check(&one.unwrap_err(), begun);
        check(&many.unwrap_err(), begun);
        assert!(begun.elapsed() >= DEADLINE, "{:?}", begun.elapsed());
    };
    let of_many = async {
        let begun = Instant::now();
        check(&mget(&cache, &["m", "n"]).await.unwrap_err(), begun);
    };
    tokio::join!(first, of_many, joining);
}
