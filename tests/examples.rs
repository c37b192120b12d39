//! Every example runs on a real server and prints what it should.

#![allow(clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use typedis_testkit::{Server, ServerKind, database, shared_cluster};

/// What the examples need, together, so that they are built once.
const FEATURES: &str = "cache,cluster,json";

/// Longer than any example takes, also if it has to be built on a busy machine.
const LONG: Duration = Duration::from_secs(10 * 60);

/// Runs an example and gives what it prints.
fn run(example: &str, variables: &[(&str, &str)], arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(env!("CARGO"));
    command
        .args([
            "run",
            "--quiet",
            "--features",
            FEATURES,
            "--example",
            example,
            "--",
        ])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().expect("cargo runs");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let text = printed(&mut child, LONG).unwrap_or_else(|text| {
        panic!("{example} hangs after:\n{text}");
    });
    let status = child.wait().expect("it ends");
    assert!(status.success(), "{example} failed after:\n{text}");
    text
}

/// What a program prints until it closes its output; an error if it was killed because that took too long.
fn printed(child: &mut Child, limit: Duration) -> Result<String, String> {
    let (sender, parts) = channel();
    let mut stdout = child.stdout.take().expect("it is piped");
    thread::spawn(move || {
        let mut part = [0; 4_096];
        while let Ok(length @ 1..) = stdout.read(&mut part) {
            let part = part.get(..length).unwrap_or_default();
            if sender.send(part.to_vec()).is_err() {
                return;
            }
        }
    });
    let (start, mut bytes) = (Instant::now(), Vec::new());
    loop {
        let part = parts.recv_timeout(limit.saturating_sub(start.elapsed()));
        let text = || String::from_utf8_lossy(&bytes).into_owned();
        match part {
            Ok(part) => bytes.extend(part),
            Err(RecvTimeoutError::Disconnected) => return Ok(text()),
            Err(RecvTimeoutError::Timeout) => {
                // Where there is `exec`, cargo has become the example by now.
                child.kill().expect("it can be killed");
                return Err(text());
            }
        }
    }
}

#[test]
#[cfg(unix)]
fn an_example_that_hangs_is_killed() {
    let mut hanging = Command::new("sh");
    hanging.args(["-c", "echo before; exec sleep 100000"]);
    let mut child = hanging.stdout(Stdio::piped()).spawn().expect("it starts");
    let text = printed(&mut child, Duration::ZERO).expect_err("it does not end");
    assert!("before\n".starts_with(&text), "{text}");
    assert!(!child.wait().expect("it has ended").success());
}

/// Runs an example on an empty database and looks for what it should print; all that it prints.
fn prints(example: &str, expected: &[&str]) -> String {
    let database = database(ServerKind::Valkey9);
    let url = database.url();
    let variables = [("TYPEDIS_URL", url.as_str()), ("JOBS", "20")];
    let text = run(example, &variables, &[], "");
    contains(&text, expected);
    text
}

fn contains(text: &str, expected: &[&str]) {
    for line in expected {
        assert!(text.contains(line), "`{line}` is not in:\n{text}");
    }
}

#[test]
fn getting_started() {
    prints(
        "getting_started",
        &[
            "text: Some(\"value\")",
            "bytes: Some([118, 97, 108, 117, 101])",
            "number: GET: the reply does not fit",
            "hash: 2 fields, key1 is Some(\"value1\")",
            "wheel: Some(Wheel { size: 28, colour: \"red\" })",
        ],
    );
}

#[test]
fn commands() {
    prints(
        "commands",
        &[
            "over one connection: Some(\"single\")",
            "over a pool: Some(\"pooled\")",
            "Some((\"commands:list\", \"element\"))",
        ],
    );
}

#[test]
fn cache() {
    prints(
        "cache",
        &[
            "Ada in London",
            "[Some(1), Some(2)]",
            "now in Some(\"Paris\")",
            "Ada in Paris",
        ],
    );
}

#[test]
fn connection() {
    prints(
        "connection",
        &[
            "bytes: 10",
            "text: some value",
            "as it came: \"embstr\"",
            "3 replies",
            "closed: true, in good order: true",
        ],
    );
}

#[test]
fn pipeline() {
    prints(
        "pipeline",
        &[
            "one after another: 1 1",
            "at once: 2 2",
            "explicitly: 3 3 Some(\"3\")",
            "collected: 4",
        ],
    );
}

#[test]
fn pool() {
    prints(
        "pool",
        &[
            "its name is Some(\"leased\")",
            "the next one's name is None",
        ],
    );
}

#[test]
fn pubsub() {
    prints(
        "pubsub",
        &[
            "channel:1: Hello",
            "channel:2: world",
            "channel:1: quit",
            "Some(News { title: \"JSON both ways\" })",
            "channel:any, by a pattern: matched",
            "channel:other, by a pattern: quit",
            "channel:b: one reader for many",
        ],
    );
}

#[test]
fn scan() {
    prints(
        "scan",
        &[
            "25 keys, from Some(\"scan:0\") on",
            "[(\"a\", 1), (\"b\", 2)]",
            "to go on at 0",
        ],
    );
}

#[test]
fn cluster_scan() {
    let space = typedis_testkit::shared_cluster(ServerKind::Valkey9);
    let url = space.cluster().url();
    let text = run("cluster_scan", &[("TYPEDIS_URL", &url)], &[], "");
    contains(
        &text,
        &[
            "200 keys, and where to go on",
            "500 keys in all",
            "{\"cart:{42}:a\", \"cart:{42}:b\"}",
        ],
    );
}

#[test]
fn transaction() {
    prints(
        "transaction",
        &[
            "in one go: 1",
            "one fails: true, the other does not: 2",
            "watched: 2 left",
            "by hand: 3 Some(\"text\")",
        ],
    );
}

#[test]
fn cluster() {
    let cluster = shared_cluster(ServerKind::Valkey9).cluster();
    let addresses: Vec<String> = cluster.addrs().iter().map(ToString::to_string).collect();
    let url = format!("redis://{}", addresses.join(","));
    let expected = [
        "Some(\"ada\"), 7 letters, 3 users",
        "refused: true",
        "999990 left",
        "popped: true",
        "0 that nobody knows of",
        "stock and sales agree: true",
    ];
    let text = run("cluster", &[("TYPEDIS_URL", url.as_str())], &[], "");
    contains(&text, &expected);
    contains(&text, &["3 primaries"]);
    // On a laptop it works on one server as well.
    prints("cluster", &expected);
}

#[test]
fn sentinel() {
    let server = Server::start(ServerKind::Valkey9).expect("the server starts");
    let monitor = format!("sentinel monitor mymaster 127.0.0.1 {} 1", server.port());
    let sentinel = Server::builder(ServerKind::Valkey9)
        .sentinel()
        .line(monitor)
        .start()
        .expect("the Sentinel starts");
    let variables = [("TYPEDIS_SENTINEL_URL", &*sentinel.url())];
    let text = run("sentinel", &variables, &[], "");
    contains(
        &text,
        &["the primary is at 127.0.0.1", "it holds Some(\"value\")"],
    );
}

#[test]
fn job_queue() {
    let text = prints(
        "job_queue",
        &[
            "failed, attempt 1: 7.png cannot be made so narrow",
            "was put aside",
            "19 jobs are done, 1 put aside",
        ],
    );
    // More than three, if its worker stood still for so long that another one took it over.
    let last = (3..20).any(|attempt| text.contains(&format!("failed, attempt {attempt}: ")));
    assert!(last, "{text}");
}

#[test]
fn chat() {
    let database = database(ServerKind::Valkey9);
    let url = database.url();
    let text = run(
        "chat",
        &[("TYPEDIS_URL", &url)],
        &["ada", "test"],
        "hello\nworld\n",
    );
    contains(&text, &["ada: hello", "ada: world", "ada: (leaves)"]);
}

#[test]
fn tour() {
    prints("tour", &["conn.incr(\"visits\").await?"]);
}
