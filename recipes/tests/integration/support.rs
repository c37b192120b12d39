//! Servers, handles, and waiting for events.

use std::time::Duration;

use typedis::prelude::*;
use typedis::{Backoff, Config};
use typedis_testkit::proxy::Proxy;
use typedis_testkit::{Database, ServerKind, database};

/// Longer than anything here takes, on a busy machine too.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// A time to live that does not end while a test runs.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(10_000);

/// A time to live that ends while a test runs, unless it is renewed. It is renewed each third of it, so it outlives a program that stands still for some
/// seconds.
pub(crate) const RENEWED: Duration = Duration::from_secs(9);

/// The servers on which each recipe is tried: the newest, and the oldest that is supported.
pub(crate) const KINDS: [ServerKind; 3] =
    [ServerKind::Valkey9, ServerKind::Redis8, ServerKind::Redis6];

/// An empty database, and a way to it that faults do not touch.
pub(crate) struct Bench {
    pub(crate) database: Database,
    pub(crate) direct: Connection,
}

impl Bench {
    pub(crate) async fn new(kind: ServerKind) -> Self {
        let database = blocking(move || database(kind)).await;
        let direct = typedis::connect(database.url()).await.unwrap();
        Self { database, direct }
    }

    /// A proxy in front of the server, and a connection through it.
    pub(crate) async fn proxied(&self) -> (Proxy, Connection) {
        let proxy = Proxy::start(self.database.server().addr()).await.unwrap();
        let conn = self.through(&proxy).await;
        (proxy, conn)
    }

    /// Another connection through the proxy, which comes back fast after a loss.
    pub(crate) async fn through(&self, proxy: &Proxy) -> Connection {
        let url = format!("{}/{}", proxy.url(), self.database.number());
        typedis::connect(config(&url)).await.unwrap()
    }
}

/// Short pauses between attempts, and much time for each command.
pub(crate) fn config(url: &str) -> Config {
    Config::from_url(url)
        .unwrap()
        .backoff(Backoff {
            first: Duration::from_millis(1),
            longest: Duration::from_millis(50),
        })
        .command_timeout(LONG)
}

/// Runs what blocks: the test kit.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// Fails if it hangs.
pub(crate) async fn soon<T>(what: &str, future: impl IntoFuture<Output = T>) -> T {
    match tokio::time::timeout(LONG, future.into_future()).await {
        Ok(value) => value,
        Err(_) => panic!("it hangs: {what}"),
    }
}

/// Asks again until the answer is as wanted.
pub(crate) async fn until(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon(what, wait).await;
}

/// Whether the error says that the connection or the server was at fault, which the callers of a load get over.
pub(crate) fn passes(error: &typedis::Error) -> bool {
    error.is_connection() || error.is_timeout() || error.is_retryable()
}

/// Evaluates a call again until the connection is not at fault; fails if that takes too long. A macro, because the future of a function that
/// takes a closure cannot be spawned.
macro_rules! insist {
    ($call:expr) => {{
        let end = tokio::time::Instant::now() + $crate::support::LONG;
        loop {
            match $call.await {
                Ok(value) => break value,
                Err(error)
                    if $crate::support::passes(&error) && tokio::time::Instant::now() < end =>
                {
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }};
}

pub(crate) use insist;

/// The time of the server in microseconds.
pub(crate) async fn server_time(conn: &Connection) -> u64 {
    let (seconds, micros) = conn.time().await.unwrap();
    seconds * 1_000_000 + micros
}

/// Waits until what lives for [`RENEWED`] has ended, or was renewed.
pub(crate) async fn outlast_renewed(conn: &Connection) {
    let end = server_time(conn).await + (RENEWED + RENEWED / 3).as_micros() as u64;
    let is_over = async || server_time(conn).await > end;
    until("more than the time to live has passed", is_over).await;
}
