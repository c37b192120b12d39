//! How the servers are reached, and waiting for events.

use std::future::Future;
use std::time::Duration;

use typedis_core::{Backoff, Config, Result, Run, raw};
use typedis_testkit::SentinelService;
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
