//! Arbitrary bytes come while commands are in flight: nothing panics, and each caller gets a reply or an error. The first byte
//! of the input says how many pieces there are, the next ones how large each is; the rest is sent. The clock stands still
//! unless everybody waits, so that deadlines cost no time.
#![no_main]

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::time::timeout;
use typedis_core::{Config, Connection, Run, raw};

const DEADLINE: Duration = Duration::from_secs(1);

/// Far later than any deadline.
const HANGS: Duration = Duration::from_secs(60);

fuzz_target!(|input: &[u8]| {
    let Some((count, rest)) = input.split_first() else {
        return;
    };
    let count = usize::from(count % 16).min(rest.len());
    let (sizes, bytes) = rest.split_at(count);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(session(sizes.to_vec(), bytes.to_vec()));
});

async fn session(sizes: Vec<u8>, bytes: Vec<u8>) {
    let used = AtomicBool::new(false);
    let config = Config::tcp("fuzz", 1)
        .command_timeout(DEADLINE)
        .connect_timeout(DEADLINE)
        .transport(move |_| {
            // The next connections fail.
            let first = !used.swap(true, Ordering::Relaxed);
            let (sizes, bytes) = (sizes.clone(), bytes.clone());
            async move {
                if !first {
                    return Err(io::Error::from(io::ErrorKind::ConnectionRefused));
                }
                let (client, server) = tokio::io::duplex(1 << 16);
                tokio::spawn(serve(server, sizes, bytes));
                Ok(client)
            }
        });
    let conn = Connection::open(config).await.expect("the handshake is answered");
    let get = |key: &'static str| raw("GET").key(key).readonly().reply::<Option<String>>();
    let incr = |key: &'static str| raw("INCR").key(key).reply::<i64>();
    let all = async {
        let pipeline = conn.pipeline().run(get("d")).run(incr("e"));
        let transaction = conn.transaction().run(incr("f")).run(incr("g"));
        let dropped = timeout(Duration::ZERO, conn.run(incr("h")));
        tokio::join!(
            conn.run(get("a")),
            conn.run(incr("b")),
            dropped,
            conn.run(get("c")),
            pipeline,
            transaction,
            conn.subscribe("channel"),
        )
    };
    assert!(timeout(HANGS, all).await.is_ok(), "a caller hangs");
    let _ = timeout(HANGS, conn.close()).await.expect("close ends");
}

/// Lets a client in, waits for its first command, and sends the bytes.
async fn serve(stream: DuplexStream, sizes: Vec<u8>, bytes: Vec<u8>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while is_of_handshake(&mut stream).await? {
        stream.write_all(b"+OK\r\n").await?;
    }
    let mut rest = bytes.as_slice();
    for size in sizes {
        let (piece, after) = rest.split_at(usize::from(size).min(rest.len()));
        stream.write_all(piece).await?;
        tokio::task::yield_now().await;
        rest = after;
    }
    stream.write_all(rest).await?;
    // Nothing more is answered.
    tokio::io::copy(&mut stream.take(1 << 20), &mut tokio::io::sink()).await?;
    Ok(())
}

/// Reads one command, and says whether the client sends it before those of its callers.
async fn is_of_handshake(stream: &mut BufReader<DuplexStream>) -> io::Result<bool> {
    let mut lines = Vec::new();
    let mut left = 1;
    while left > 0 {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(count) = line.strip_prefix('*') {
            left += 2 * count.trim().parse::<usize>().unwrap_or(0);
        }
        left -= 1;
        lines.push(line);
    }
    let name = lines.get(2).map_or("", |line| line.trim());
    Ok(["HELLO", "CLIENT", "AUTH", "SELECT"].contains(&name))
}
