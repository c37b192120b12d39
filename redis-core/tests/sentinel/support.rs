//! How the servers are reached, Sentinels that answer by script, and waiting for events.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use typedis_core::{Backoff, Channel, Config, Connection, Result, Run, raw};
use typedis_testkit::fake::Fake;
use typedis_testkit::resp::Resp;
use typedis_testkit::sentinel_service::SERVICE;
use typedis_testkit::{SentinelService, Server};

/// Longer than anything here takes, on a busy machine too: a Sentinel that stood still for two seconds does nothing for half a minute.
pub(crate) const LONG: Duration = Duration::from_secs(120);

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

/// When the Sentinels say that the replica is the primary now.
pub(crate) struct Switch(Vec<Channel>);

impl Switch {
    pub(crate) async fn watch(service: &SentinelService) -> Self {
        let mut channels = Vec::new();
        for sentinel in &service.sentinels {
            let conn = Connection::open(sentinel.url()).await.unwrap();
            let [channel] = conn.subscribe(["+switch-master"]).await.unwrap();
            channels.push(channel);
        }
        Self(channels)
    }

    /// Waits until the first of them says so.
    pub(crate) async fn seen(&mut self) -> Instant {
        let [one, two, three] = &mut self.0[..] else {
            panic!("there are three Sentinels")
        };
        within(async {
            tokio::select! {
                _ = one.next() => {}
                _ = two.next() => {}
                _ = three.next() => {}
            }
        })
        .await;
        Instant::now()
    }
}

/// Has a Sentinel fail over. It refuses while the replica is not in order, or another failover is not over.
pub(crate) async fn fail_over(sentinel: &Server) {
    let sentinel = Connection::open(sentinel.url()).await.unwrap();
    until(async || {
        let fail_over = raw("SENTINEL FAILOVER").arg(SERVICE).reply::<String>();
        sentinel.run(fail_over).await.is_ok()
    })
    .await;
}

/// What a scripted Sentinel says of the service `shop`.
#[derive(Clone, Copy)]
pub(crate) struct Told {
    /// The port of the primary.
    pub(crate) port: u16,
    /// The number of its configuration, if it says that.
    pub(crate) epoch: Option<u64>,
    /// The port of another Sentinel that it names.
    pub(crate) other: Option<u16>,
    /// The channel and the text of a message that subscribers get at once.
    pub(crate) message: Option<(&'static str, &'static str)>,
}

impl Told {
    pub(crate) fn at(port: u16, epoch: impl Into<Option<u64>>) -> Self {
        Self {
            port,
            epoch: epoch.into(),
            other: None,
            message: None,
        }
    }
}

/// A Sentinel that says what `told` returns.
pub(crate) async fn saying(told: impl Fn() -> Told + Send + Sync + 'static) -> Fake {
    Fake::answering(move |command| {
        let words: Vec<String> = (0..command.bytes().len())
            .map(|index| command.text(index))
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let told = told();
        let text = match words[..] {
            ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "shop"] => {
                list(&["127.0.0.1", &told.port.to_string()])
            }
            ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", _] => "*-1\r\n".to_owned(),
            ["SENTINEL", "MASTER", "shop"] => match told.epoch {
                Some(epoch) => list(&["name", "shop", "config-epoch", &epoch.to_string()]),
                None => list(&[]),
            },
            ["SENTINEL", "SENTINELS", "shop"] => others(told.other),
            ["SENTINEL", _, "shop"] => list(&[]),
            ["SENTINEL", ..] => "-ERR No such master with that name\r\n".to_owned(),
            ["SUBSCRIBE", ..] => {
                let message = told
                    .message
                    .map(|(channel, text)| list(&["message", channel, text]));
                let subscribed = "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n";
                format!("{subscribed}{}", message.unwrap_or_default())
            }
            _ => "+OK\r\n".to_owned(),
        };
        text.into_bytes()
    })
    .await
    .unwrap()
}

/// The list of other Sentinels.
fn others(port: Option<u16>) -> String {
    match port {
        Some(port) => {
            let fields = list(&["ip", "127.0.0.1", "port", &port.to_string()]);
            format!("*1\r\n{fields}")
        }
        None => list(&[]),
    }
}

/// A Sentinel that names whatever port is in there.
pub(crate) async fn naming(port: Arc<AtomicU16>) -> Fake {
    saying(move || Told::at(port.load(Ordering::SeqCst), None)).await
}

/// An array of texts.
fn list(texts: &[&str]) -> String {
    let texts: Vec<Resp> = texts.iter().map(|text| Resp::from(*text)).collect();
    Resp::aggregate('*', &texts).to_string()
}

/// How often a Sentinel was asked where the service is.
pub(crate) fn questions(sentinel: &Fake) -> usize {
    let heard = (0..sentinel.connections()).flat_map(|number| sentinel.received(number));
    heard
        .filter(|words| words.text(1) == "GET-MASTER-ADDR-BY-NAME")
        .count()
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
