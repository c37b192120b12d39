//! Cases whose instructions are counted. `guard CASE N` does a case's work N times; the difference between two counts is
//! what the work takes, without the start of the program.
//!
//! The kernel's instructions are not counted, so a real socket does no harm; the server is a task of the same thread
//! that answers every command with the same bytes, so that each run takes the same way.

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use typedis::prelude::*;
use typedis::{Config, Event, Frame, Lag, cmd};

type Error = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = match words.as_slice() {
        [case, times] => times
            .parse()
            .map_err(Error::from)
            .and_then(|times| run(case, times)),
        _ => Err("usage: guard CASE TIMES".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(case: &str, times: u64) -> Result<(), Error> {
    match case {
        // Dropped without being sent, a command takes memory from the allocator each time; see `Args::lease`.
        "encode" => {
            (0..times).for_each(|_| drop(black_box(cmd().get::<String>(black_box("user:1000")))))
        }
        "encode-options" => (0..times)
            .for_each(|n| drop(black_box(cmd().set("user:1000", black_box(n)).ex(30).nx()))),
        "decode" => {
            let reply = Bytes::from_static(b"$16\r\n0123456789abcdef\r\n");
            for _ in 0..times {
                let value: Option<String> = Frame::parse(black_box(reply.clone()))?.decode()?;
                black_box(value);
            }
        }
        "decode-strings" => {
            let reply = list(10_000);
            for _ in 0..times {
                let values: Vec<String> = Frame::parse(reply.clone())?.decode()?;
                black_box(values);
            }
        }
        "decode-bytes" => {
            let reply = list(10_000);
            for _ in 0..times {
                let values: Vec<Bytes> = Frame::parse(reply.clone())?.decode()?;
                black_box(values);
            }
        }
        "decode-struct" => {
            let reply = hash();
            for _ in 0..times {
                let user: User = Frame::parse(reply.clone())?.decode()?;
                black_box(user);
            }
        }
        "round-trip" | "pipeline" | "pipeline-1000" | "tasks" | "loops" | "messages" => {
            serve_and_call(case, times)?
        }
        "cluster-pipeline" | "cluster-mget" | "cluster-tasks" | "cluster-loops" => {
            call_a_cluster(case, times)?
        }
        other => return Err(format!("there is no case {other:?}").into()),
    }
    Ok(())
}

/// What HGETALL is read into.
#[derive(FromRedis)]
#[allow(dead_code, reason = "that they are read is what is counted")]
struct User {
    id: u64,
    name: String,
    email: String,
    city: Option<String>,
    country: Option<String>,
    age: u32,
    score: f64,
    logins: u64,
    created: i64,
    updated: i64,
}

/// The hash of a user, as RESP3 writes it.
fn hash() -> Bytes {
    let fields = [
        ("id", "1000"),
        ("name", "Ada Lovelace"),
        ("email", "ada@example.com"),
        ("city", "London"),
        ("country", "England"),
        ("age", "36"),
        ("score", "0.75"),
        ("logins", "1"),
        ("created", "1700000000"),
        ("updated", "1700000001"),
    ];
    let mut reply = format!("%{}\r\n", fields.len());
    for word in fields.into_iter().flat_map(<[_; 2]>::from) {
        reply.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    reply.into()
}

/// An array of strings of 16 bytes.
fn list(elements: usize) -> Bytes {
    let mut reply = format!("*{elements}\r\n").into_bytes();
    for _ in 0..elements {
        reply.extend_from_slice(VALUE);
    }
    reply.into()
}

const VALUE: &[u8] = b"$16\r\n0123456789abcdef\r\n";
const KEY: &str = "user:1000";

fn serve_and_call(case: &str, times: u64) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let wanted = Arc::new(Notify::new());
        let side = Side {
            map: Arc::default(),
            wanted: wanted.clone(),
        };
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(answer(socket, side.clone()));
            }
        });
        let config = Config::tcp("127.0.0.1", port);
        let conn = typedis::connect(config).await?;
        match case {
            "messages" => return receive(&conn, times, &wanted).await,
            "loops" => return many_loops(&conn, times).await,
            _ => {}
        }
        for _ in 0..times {
            match case {
                "round-trip" => {
                    black_box(conn.get::<String>(KEY).await?);
                }
                "pipeline" => black_box_replies(&conn, &[KEY; 100]).await?,
                "pipeline-1000" => black_box_replies(&conn, &[KEY; 1000]).await?,
                _ => hundred_tasks(&conn).await?,
            }
        }
        Ok(())
    })
}

/// A pipeline with a command for each key.
async fn black_box_replies(conn: &typedis::Connection, keys: &[&str]) -> Result<(), Error> {
    let replies = conn.pipeline_each(keys, |command, key| command.get::<String>(*key));
    black_box(replies.await?);
    Ok(())
}

/// The work of a case over three nodes, which share the slots evenly.
fn call_a_cluster(case: &str, times: u64) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (mut listeners, mut ports) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            ports.push(listener.local_addr()?.port());
            listeners.push(listener);
        }
        let side = Side {
            map: map_of_slots(&ports).into(),
            wanted: Arc::default(),
        };
        for listener in listeners {
            let side = side.clone();
            tokio::spawn(async move {
                while let Ok((socket, _)) = listener.accept().await {
                    tokio::spawn(answer(socket, side.clone()));
                }
            });
        }
        let first = ports.first().copied().unwrap_or_default();
        let cluster = typedis::cluster(Config::tcp("127.0.0.1", first)).await?;
        // All of them are as long as the key of the other cases.
        let keys: Vec<String> = (1000..1100)
            .map(|number| format!("user:{number}"))
            .collect();
        if case == "cluster-loops" {
            return many_loops_of_a_cluster(&cluster, &keys, times).await;
        }
        for _ in 0..times {
            match case {
                "cluster-tasks" => hundred_tasks_of_a_cluster(&cluster, &keys).await?,
                "cluster-mget" => {
                    let values: Vec<Option<String>> = cluster.mget(&keys).await?;
                    black_box(values);
                }
                _ => {
                    let replies =
                        cluster.pipeline_each(&keys, |command, key| command.get::<String>(key));
                    black_box(replies.await?);
                }
            }
        }
        Ok(())
    })
}

/// The replies to CLUSTER SLOTS and CLUSTER INFO.
fn map_of_slots(ports: &[u16]) -> Vec<u8> {
    let mut reply = format!("*{}\r\n", ports.len());
    for (index, port) in ports.iter().enumerate() {
        let (first, last) = (
            index * 16_384 / ports.len(),
            (index + 1) * 16_384 / ports.len() - 1,
        );
        reply.push_str(&format!(
            "*3\r\n:{first}\r\n:{last}\r\n*3\r\n$9\r\n127.0.0.1\r\n:{port}\r\n$40\r\n{port:040}\r\n"
        ));
    }
    reply.push_str("$25\r\ncluster_current_epoch:1\r\n\r\n");
    reply.into_bytes()
}

/// A hundred tasks with a command each, all at once.
async fn hundred_tasks(conn: &typedis::Connection) -> Result<(), Error> {
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let conn = conn.clone();
            tokio::spawn(async move { conn.get::<String>(KEY).await })
        })
        .collect();
    for task in tasks {
        black_box(task.await??);
    }
    Ok(())
}

/// The same over a cluster.
async fn hundred_tasks_of_a_cluster(
    cluster: &typedis::Cluster,
    keys: &[String],
) -> Result<(), Error> {
    let tasks: Vec<_> = keys
        .iter()
        .map(|key| {
            let (cluster, key) = (cluster.clone(), key.clone());
            tokio::spawn(async move { cluster.get::<String>(&key).await })
        })
        .collect();
    for task in tasks {
        black_box(task.await??);
    }
    Ok(())
}

/// Tasks of the case that has many.
const LOOPS: usize = 1024;

/// Many tasks that live all the time; each sends one command after another.
async fn many_loops(conn: &typedis::Connection, times: u64) -> Result<(), Error> {
    let tasks: Vec<_> = (0..LOOPS)
        .map(|_| {
            let conn = conn.clone();
            tokio::spawn(async move {
                for _ in 0..times {
                    black_box(conn.get::<String>(KEY).await?);
                }
                Ok::<_, typedis::Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// The same over a cluster; the tasks take the keys in turn.
async fn many_loops_of_a_cluster(
    cluster: &typedis::Cluster,
    keys: &[String],
    times: u64,
) -> Result<(), Error> {
    let tasks: Vec<_> = keys
        .iter()
        .cycle()
        .take(LOOPS)
        .map(|key| {
            let (cluster, key) = (cluster.clone(), key.clone());
            tokio::spawn(async move {
                for _ in 0..times {
                    black_box(cluster.get::<String>(&key).await?);
                }
                Ok::<_, typedis::Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// How many messages one time is.
const MESSAGES: usize = 100;

/// Subscribes, and receives the messages of one time after those of another: so they always come in one piece.
async fn receive(conn: &typedis::Connection, times: u64, wanted: &Notify) -> Result<(), Error> {
    let mut messages = conn.subscriber().on_lag(Lag::Wait).open();
    messages.subscribe(["news"]).await?;
    for _ in 0..times {
        wanted.notify_one();
        let mut received = 0;
        while received < MESSAGES {
            if let Event::Message(message) = messages.next().await.ok_or("it ended")?? {
                black_box(message.payload());
                received += 1;
            }
        }
    }
    Ok(())
}

/// Confirms a subscription, and publishes a hundred messages to it whenever they are wanted.
async fn publish(socket: &mut TcpStream, wanted: &Notify) -> std::io::Result<()> {
    let confirmation = b">3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n";
    socket.write_all(confirmation).await?;
    let message = b">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$16\r\n0123456789abcdef\r\n";
    let messages = message.repeat(MESSAGES);
    loop {
        wanted.notified().await;
        socket.write_all(&messages).await?;
    }
}

/// What the side of the server needs to know.
#[derive(Clone)]
struct Side {
    /// The answer to the questions of a cluster's client.
    map: Arc<[u8]>,
    /// Asks for messages.
    wanted: Arc<Notify>,
}

/// Answers each read of a key with the value, and whatever comes before the first read, which is the greeting, with OK;
/// the questions of a cluster's client with the map.
async fn answer(mut socket: TcpStream, side: Side) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let (mut reads, mut pending) = (None, 0);
    let mut out = Vec::new();
    loop {
        let count = socket.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let bytes = buffer.get(..count).unwrap_or_default();
        out.clear();
        if bytes.starts_with(b"*2\r\n$9\r\nSUBSCRIBE") {
            return publish(&mut socket, &side.wanted).await;
        }
        if bytes.starts_with(b"*2\r\n$7\r\nCLUSTER") {
            socket.write_all(&side.map).await?;
            continue;
        }
        reads = reads.or_else(|| Reads::of(bytes));
        if let Some(Reads { command, reply }) = reads {
            pending += count;
            for _ in 0..pending / command {
                out.extend_from_slice(reply);
            }
            pending %= command;
        } else {
            let commands = bytes.iter().filter(|byte| **byte == b'*').count();
            for _ in 0..commands {
                out.extend_from_slice(b"+OK\r\n");
            }
        }
        socket.write_all(&out).await?;
    }
}

/// The reads that a socket carries: all of them are as long as the first.
#[derive(Clone, Copy)]
struct Reads {
    /// The length of a command.
    command: usize,
    reply: &'static [u8],
}

impl Reads {
    /// Those that begin with these bytes; `None` if they are something else.
    fn of(bytes: &[u8]) -> Option<Self> {
        let (first, reply): (_, &[u8]) = if bytes.starts_with(b"*2\r\n$3\r\nGET") {
            ("*2\r\n$3\r\nGET\r\n", VALUE)
        } else if bytes.starts_with(b"*2\r\n$4\r\nMGET") {
            ("*2\r\n$4\r\nMGET\r\n", b"*1\r\n$16\r\n0123456789abcdef\r\n")
        } else {
            return None;
        };
        let command = first.len() + format!("${}\r\n{KEY}\r\n", KEY.len()).len();
        Some(Self { command, reply })
    }
}
