//! What all tests use: servers, commands with the facts that the rows of the spec give, and waiting for events.

use std::future::Future;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, DuplexStream};
use typedis_core::cache::{Dropped, Origin};
use typedis_core::pubsub::Invalidation;
use typedis_core::{
    Backoff, Cache, CacheStats, Cached, CommandInfo, Config, Connection, Request, RequestPolicy,
    ResponsePolicy, Target,
};
use typedis_testkit::{Server, ServerKind};

/// Longer than anything here takes, on a busy machine too.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Servers of all lines that differ in what they push, and when.
pub(crate) const SERVERS: [ServerKind; 4] = [
    ServerKind::Valkey9,
    ServerKind::Valkey8,
    ServerKind::Redis8,
    ServerKind::Redis6,
];

static GET: CommandInfo = CommandInfo::new("GET", b"$3\r\nGET\r\n", 1)
    .readonly()
    .cacheable();
static STRLEN: CommandInfo = CommandInfo::new("STRLEN", b"$6\r\nSTRLEN\r\n", 1)
    .readonly()
    .cacheable();
static SINTER: CommandInfo = CommandInfo::new("SINTER", b"$6\r\nSINTER\r\n", 1)
    .readonly()
    .cacheable();
static MGET: CommandInfo = CommandInfo::new("MGET", b"$4\r\nMGET\r\n", 1)
    .readonly()
    .cacheable()
    .policies(RequestPolicy::MultiShard, ResponsePolicy::Default);
static HGET: CommandInfo = CommandInfo::new("HGET", b"$4\r\nHGET\r\n", 1)
    .readonly()
    .cacheable();
static ECHO: CommandInfo = CommandInfo::new("ECHO", b"$4\r\nECHO\r\n", 1).readonly();
static SET: CommandInfo = CommandInfo::new("SET", b"$3\r\nSET\r\n", 1).idempotent();
static SADD: CommandInfo = CommandInfo::new("SADD", b"$4\r\nSADD\r\n", 1);
static FLUSHALL: CommandInfo =
    CommandInfo::new("FLUSHALL", b"$8\r\nFLUSHALL\r\n", 1).writes_unnamed();
static SWAPDB: CommandInfo = CommandInfo::new("SWAPDB", b"$6\r\nSWAPDB\r\n", 1).writes_unnamed();
static PEXPIRE: CommandInfo = CommandInfo::new("PEXPIRE", b"$7\r\nPEXPIRE\r\n", 1);

pub(crate) fn get<T: Target>(target: T, key: &str) -> Request<T::Sink, Option<String>> {
    Request::new(target, &GET, |args| args.key("key", key))
}

/// GET, decoded as a number.
pub(crate) fn get_number<T: Target>(target: T, key: &str) -> Request<T::Sink, Option<i64>> {
    Request::new(target, &GET, |args| args.key("key", key))
}

pub(crate) fn strlen<T: Target>(target: T, key: &str) -> Request<T::Sink, i64> {
    Request::new(target, &STRLEN, |args| args.key("key", key))
}

pub(crate) fn sinter<T: Target>(target: T, keys: &[&str]) -> Request<T::Sink, Vec<String>> {
    Request::new(target, &SINTER, |args| args.keys("key", keys))
}

pub(crate) fn mget<T: Target>(target: T, keys: &[&str]) -> Request<T::Sink, Vec<Option<String>>> {
    Request::new(target, &MGET, |args| args.keys("key", keys))
}

pub(crate) fn hget<T: Target>(
    target: T,
    key: &str,
    field: &str,
) -> Request<T::Sink, Option<String>> {
    Request::new(target, &HGET, |args| {
        args.key("key", key);
        args.arg("field", field);
    })
}

pub(crate) fn echo<T: Target>(target: T, word: &str) -> Request<T::Sink, String> {
    Request::new(target, &ECHO, |args| args.arg("message", word))
}

pub(crate) fn set<T: Target>(target: T, key: &str, value: &str) -> Request<T::Sink, ()> {
    Request::new(target, &SET, |args| {
        args.key("key", key);
        args.arg("value", value);
    })
}

pub(crate) fn sadd<T: Target>(target: T, key: &str, member: &str) -> Request<T::Sink, i64> {
    Request::new(target, &SADD, |args| {
        args.key("key", key);
        args.arg("member", member);
    })
}

pub(crate) fn pexpire<T: Target>(target: T, key: &str, ms: i64) -> Request<T::Sink, i64> {
    Request::new(target, &PEXPIRE, |args| {
        args.key("key", key);
        args.arg("milliseconds", &ms);
    })
}

pub(crate) fn swapdb<T: Target>(target: T) -> Request<T::Sink, ()> {
    Request::new(target, &SWAPDB, |args| {
        args.arg("first", &0);
        args.arg("second", &1);
    })
}

pub(crate) fn flushall<T: Target>(target: T) -> Request<T::Sink, ()> {
    Request::new(target, &FLUSHALL, |_| {})
}

/// A server of its own: a flush by another test would be reported to all.
pub(crate) fn server(kind: ServerKind) -> Server {
    Server::builder(kind).debug_commands().start().unwrap()
}

/// The configuration for a server at this port, which comes back fast after a loss.
pub(crate) fn at(port: u16) -> Config {
    Config::tcp("127.0.0.1", port)
        .backoff(Backoff {
            first: Duration::from_millis(1),
            longest: Duration::from_millis(50),
        })
        .command_timeout(LONG)
}

pub(crate) async fn connect(server: &Server) -> Connection {
    Connection::open(at(server.port())).await.unwrap()
}

/// A caching connection, and another one that caches nothing.
pub(crate) async fn cached(server: &Server) -> (Cached<Connection>, Connection) {
    let cache = connect(server).await.cached(Cache::default()).unwrap();
    (cache, connect(server).await)
}

/// The server's side of a connection in memory.
pub(crate) type Stream = BufReader<DuplexStream>;

/// A configuration that connects to `serve` in memory, so that the clock can stand still: it goes on when everybody waits.
pub(crate) fn in_memory<F>(serve: impl Fn(Stream) -> F + Send + Sync + 'static) -> Config
where
    F: Future<Output = ()> + Send + 'static,
{
    Config::tcp("nowhere", 1)
        .liveness(None)
        .transport(move |_| {
            let (client, server) = tokio::io::duplex(4096);
            tokio::spawn(serve(BufReader::new(server)));
            async move { Ok(client) }
        })
}

/// Reads one command.
pub(crate) async fn command(stream: &mut Stream) -> Option<Vec<String>> {
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

/// How the numbers change while `work` runs.
pub(crate) async fn counted<C: Origin, T>(
    cache: &Cached<C>,
    work: impl Future<Output = T>,
) -> (T, CacheStats) {
    let before = cache.stats();
    let value = work.await;
    let mut after = cache.stats();
    after.hits -= before.hits;
    after.misses -= before.misses;
    after.shared -= before.shared;
    after.invalidations -= before.invalidations;
    after.flushes -= before.flushes;
    (value, after)
}

/// What is told next; `None` is the end.
pub(crate) async fn told(dropped: &mut Dropped) -> Option<Invalidation> {
    let next = tokio::time::timeout(LONG, dropped.next());
    next.await.expect("something is told")
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    if tokio::time::timeout(LONG, wait).await.is_err() {
        panic!("in vain: {what}");
    }
}

/// Waits until the reply of a read is as wanted.
pub(crate) async fn until_read(what: &str, mut read: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !read().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    if tokio::time::timeout(LONG, wait).await.is_err() {
        panic!("in vain: {what}");
    }
}
