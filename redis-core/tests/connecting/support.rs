//! What all tests use.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use typedis_core::{
    Backoff, Config, Connection, ConnectionEvent, Error, Events, FromRedis, Raw, Result, Run,
    Target, raw,
};

/// Longer than anything here takes, on a busy machine too.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// The configuration for a server at this address, which comes back fast after a loss.
pub(crate) fn at(address: SocketAddr) -> Config {
    quick(Config::tcp(address.ip().to_string(), address.port()))
}

/// The same, coming back fast after a loss.
pub(crate) fn quick(config: Config) -> Config {
    config
        .backoff(Backoff {
            first: Duration::from_millis(1),
            longest: Duration::from_millis(50),
        })
        .connect_timeout(LONG)
        .command_timeout(LONG)
}

pub(crate) fn words<R: FromRedis>(words: &[&str]) -> Raw<R> {
    let mut command = raw(words[0]);
    for word in &words[1..] {
        command = command.arg(*word);
    }
    command.reply()
}

/// Runs a command and gives its reply as a text.
pub(crate) async fn say<'a, T>(target: &'a T, command: &[&str]) -> Result<String>
where
    &'a T: Target,
    <&'a T as Target>::Sink: typedis_core::Execute<String, Output = String>,
{
    target.run(words::<String>(command)).await
}

pub(crate) async fn ping(conn: &Connection) -> Result<String> {
    say(conn, &["PING"]).await
}

/// The error of a connection that cannot be made.
pub(crate) async fn refusal(config: Config) -> Error {
    match within(Connection::open(config)).await {
        Ok(conn) => panic!("connected: {conn:?}"),
        Err(error) => error,
    }
}

/// Fails a test that hangs.
#[track_caller]
pub(crate) fn within<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let place = std::panic::Location::caller();
    async move {
        tokio::time::timeout(LONG, work)
            .await
            .unwrap_or_else(|_| panic!("{place}: nothing happened within {LONG:?}"))
    }
}

/// Reads events up to one that is wanted.
#[track_caller]
pub(crate) fn event(
    events: &mut Events,
    wanted: impl Fn(&ConnectionEvent) -> bool,
) -> impl Future<Output = ConnectionEvent> {
    within(async move {
        loop {
            match events.next().await {
                Some(event) if wanted(&event) => return event,
                Some(_) => {}
                None => panic!("the events ended"),
            }
        }
    })
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn until(mut holds: impl FnMut() -> bool) -> impl Future<Output = ()> {
    within(async move {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
}
