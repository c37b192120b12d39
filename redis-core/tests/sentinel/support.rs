//! How the servers are reached, Sentinels that answer by script, and waiting for events.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use typedis_core::{Backoff, Config, Result, Run, raw};
use typedis_testkit::SentinelService;
use typedis_testkit::fake::Fake;
use typedis_testkit::sentinel_service::SERVICE;

/// Longer than anything here takes, on a busy machine too.
pub(crate) const LONG: Duration = Duration::from_secs(40);

/// The service, by these of the Sentinels.
pub(crate) fn config(service: &SentinelService, sentinels: &[usize]) -> Config {
    let hosts = sentinels
        .iter()
        .map(|index| ("127.0.0.1", service.sentinels[*index].port()));
    quick(Config::sentinel(SERVICE, hosts))
}

pub(crate) fn quick(config: Config) -> Config {
    config
        .backoff(Backoff {
            first: Duration::from_millis(10),
            longest: Duration::from_millis(100),
        })
        .connect_timeout(Duration::from_secs(3))
        .command_timeout(LONG)
}

/// A Sentinel that names whatever port is in there.
pub(crate) async fn naming(port: Arc<AtomicU16>) -> Fake {
    Fake::answering(move |command| {
        let words: Vec<String> = (0..command.bytes().len())
            .map(|index| command.text(index))
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let text = match words[..] {
            ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "shop"] => {
                let port = port.load(Ordering::SeqCst).to_string();
                format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len())
            }
            ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", _] => "*-1\r\n".to_owned(),
            ["SENTINEL", _, "shop"] => "*0\r\n".to_owned(),
            ["SENTINEL", ..] => "-ERR No such master with that name\r\n".to_owned(),
            ["SUBSCRIBE", ..] => "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n".to_owned(),
            _ => "+OK\r\n".to_owned(),
        };
        text.into_bytes()
    })
    .await
    .unwrap()
}

pub(crate) fn by(service: &str, sentinels: &[SocketAddr]) -> Config {
    let hosts = sentinels
        .iter()
        .map(|address| (address.ip().to_string(), address.port()));
    quick(Config::sentinel(service, hosts))
}

/// The port of the node that this reaches, and its role.
pub(crate) async fn node<'a, T>(target: &'a T) -> Result<(u16, String)>
where
    &'a T: typedis_core::Target,
    <&'a T as typedis_core::Target>::Sink: typedis_core::Execute<String, Output = String>,
{
    let info: String = target
        .run(raw("INFO").arg("everything").readonly().reply())
        .await?;
    let field = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().to_owned()
    };
    Ok((field("tcp_port:").parse().unwrap(), field("role:")))
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn until(mut holds: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    within(async move {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
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
