//! What all tests use: servers to connect to, commands, and waiting for events.

use std::future::Future;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::Duration;

use typedis_core::{
    Backoff, CommandInfo, Config, Connection, Error, Exclusive, Pool, Protocol, Raw, Request, Run,
    Target, raw,
};
use typedis_testkit::fake::Peer;
use typedis_testkit::proxy::Proxy;
use typedis_testkit::{Database, ServerKind, database};

/// Longer than anything here takes, on a busy machine too.
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) const BOTH: [Protocol; 2] = [Protocol::Newest, Protocol::Resp2];

/// A size from the environment.
pub(crate) fn size(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |text| text.parse().expect(variable))
}

/// An empty database of the default server.
pub(crate) fn db() -> Database {
    database(ServerKind::Valkey9)
}

/// The configuration for a server at this address, which comes back fast after a loss.
pub(crate) fn at(address: SocketAddr) -> Config {
    Config::tcp(address.ip().to_string(), address.port())
        .backoff(Backoff {
            first: Duration::from_millis(1),
            longest: Duration::from_millis(50),
        })
        .command_timeout(LONG)
}

/// The configuration for a database.
pub(crate) fn on(db: &Database) -> Config {
    at(db.server().addr()).database(db.number())
}

/// A proxy in front of a database, and the configuration to go through it.
pub(crate) async fn proxied(db: &Database) -> (Proxy, Config) {
    let proxy = Proxy::start(db.server().addr()).await.unwrap();
    let config = at(proxy.addr()).database(db.number());
    (proxy, config)
}

/// Cuts all connections, and waits until the client has made another one.
pub(crate) async fn cut_and_return(proxy: &Proxy) {
    let next = proxy.accepted() + 1;
    proxy.cut_all(typedis_testkit::proxy::Cut::Reset);
    proxy.wait_for_accepted(next, LONG).await.unwrap();
}

pub(crate) async fn connect(config: Config) -> Connection {
    Connection::open(config).await.unwrap()
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let what = what.to_owned();
    async move {
        let wait = async {
            while !holds() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        if tokio::time::timeout(LONG, wait).await.is_err() {
            panic!("in vain: {what}");
        }
    }
}

/// Asks again until the answer is as wanted.
pub(crate) async fn until_async(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    if tokio::time::timeout(LONG, wait).await.is_err() {
        panic!("in vain: {what}");
    }
}

/// Waits for something that must come to an end.
pub(crate) async fn soon<T>(what: &str, future: impl IntoFuture<Output = T>) -> T {
    match tokio::time::timeout(LONG, future.into_future()).await {
        Ok(value) => value,
        Err(_) => panic!("it hangs: {what}"),
    }
}

/// A lease of a pool whose time limit is short: asked for again when it comes too late, as on a busy machine.
pub(crate) async fn lease(pool: &Pool) -> Exclusive {
    let asking = async {
        loop {
            match pool.exclusive().await {
                Ok(lease) => return lease,
                Err(error) => assert!(error.is_timeout(), "{error}"),
            }
        }
    };
    soon("a lease", asking).await
}

/// Waits for all futures, in order.
pub(crate) async fn all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        let mut pending = false;
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none() {
                match future.as_mut().poll(cx) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(())
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

/// Polls a future once: a command is then queued. What it gave, if it was ready at once.
pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        Poll::Ready(match std::pin::Pin::new(&mut *future).poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

pub(crate) fn echo(text: &str) -> Raw<String> {
    raw("ECHO").arg(text).reply()
}

pub(crate) fn incr(key: &str) -> Raw<i64> {
    raw("INCR").key(key).reply()
}

pub(crate) fn get(key: &str) -> Raw<Option<i64>> {
    raw("GET").key(key).readonly().reply()
}

pub(crate) fn set(key: &str, value: &str) -> Raw<()> {
    raw("SET").key(key).arg(value).reply()
}

/// The counter's value; 0 if it was never counted.
pub(crate) async fn counter(conn: &Connection, key: &str) -> i64 {
    conn.run(get(key)).await.unwrap().unwrap_or(0)
}

/// The server's number of this connection.
pub(crate) async fn id<T>(target: T) -> i64
where
    T: Target,
    T::Sink: typedis_core::Execute<i64, Output = i64>,
{
    known(target, &CLIENT_ID, &[]).await.unwrap()
}

static CLIENT_ID: CommandInfo = CommandInfo::new("CLIENT ID", b"$6\r\nCLIENT\r\n$2\r\nID\r\n", 2);
pub(crate) static GET: CommandInfo = CommandInfo::new("GET", b"$3\r\nGET\r\n", 1).readonly();
pub(crate) static SET: CommandInfo = CommandInfo::new("SET", b"$3\r\nSET\r\n", 1);
pub(crate) static INCR: CommandInfo = CommandInfo::new("INCR", b"$4\r\nINCR\r\n", 1);
pub(crate) static ECHO: CommandInfo = CommandInfo::new("ECHO", b"$4\r\nECHO\r\n", 1).readonly();

/// A command of which is known what it does, as those of the spec; a raw one may do anything to its connection.
pub(crate) fn known<T: Target, R>(
    target: T,
    info: &'static CommandInfo,
    words: &[&str],
) -> Request<T::Sink, R> {
    Request::new(target, info, |args| args.args("arg", &words))
}

/// Lets a fake server answer the handshake of RESP2, up to the first command of a test.
pub(crate) async fn after_handshake(peer: &mut Peer) -> std::io::Result<()> {
    // The last step.
    let last = |words: &typedis_testkit::fake::Words| words.text(2) == "LIB-VER";
    while let Some(command) = peer.command().await? {
        peer.send("+OK\r\n").await?;
        if last(&command) {
            return Ok(());
        }
    }
    Err(std::io::ErrorKind::UnexpectedEof.into())
}

/// The phase of what must be an error.
#[track_caller]
pub(crate) fn failed<T: std::fmt::Debug>(result: typedis_core::Result<T>) -> Error {
    result.expect_err("this has to fail")
}

pub(crate) async fn ping_works(conn: &Connection) {
    let text = format!("after-{}", fastrand::u64(..));
    assert_eq!(soon("an echo", conn.run(echo(&text))).await.unwrap(), text);
}
