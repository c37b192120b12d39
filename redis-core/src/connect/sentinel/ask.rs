//! One Sentinel, and its answers.
//!
//! Clients speak RESP2 to Sentinels, which all versions know, over separate connections.

use std::collections::BTreeMap;

use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout_at};

use crate::config::{Address, Config, Protocol, ServiceRole, Transport};
use crate::connect::attempt::Attempt;
use crate::connect::handshake::current_credentials;
use crate::connect::refusal::Refusal;
use crate::connect::replies::Replies;
use crate::reply::Frame;
use crate::wire::encode;

/// What a Sentinel knows about a service.
pub(super) struct Answer {
    /// The nodes that have the wanted role, in the order in which to try them.
    pub(super) nodes: Vec<Address>,
    /// The other Sentinels.
    pub(super) sentinels: Vec<Address>,
    /// The number of the configuration that this is from, if it said so.
    pub(super) epoch: Option<u64>,
}

/// A service has a handful of Sentinels; one that names more than this is broken.
const MOST: usize = 64;

/// Why a Sentinel gave no answer.
pub(super) enum Miss {
    Unreachable(String),
    /// It watches no service with this name.
    Unknown,
}

impl From<Refusal> for Miss {
    fn from(refusal: Refusal) -> Self {
        Self::Unreachable(refusal.to_string())
    }
}

/// The settings for connections to Sentinels.
pub(super) fn settings(config: &Config) -> Config {
    let mut settings = config.clone();
    settings.protocol = Protocol::Resp2;
    settings.database = 0;
    settings.username.clone_from(&config.service.username);
    settings.password.clone_from(&config.service.password);
    settings.provider = None;
    settings
}

/// Asks one Sentinel for the nodes of a service, and for the other Sentinels.
pub(super) async fn locate(
    settings: &Config,
    service: &str,
    role: ServiceRole,
    sentinel: &Address,
    end: Instant,
) -> Result<Answer, Miss> {
    let asked = timeout_at(end, async {
        let mut line = SentinelConnection::open(settings, sentinel, end).await?;
        let query = match role {
            ServiceRole::Primary => "GET-MASTER-ADDR-BY-NAME",
            ServiceRole::Replica => "REPLICAS",
        };
        let query: &[&str] = &["SENTINEL", query, service];
        // If the service moves between the first two answers, the number is too low, and never too high.
        line.send(&[
            &["SENTINEL", "MASTER", service],
            query,
            &["SENTINEL", "SENTINELS", service],
        ])
        .await?;
        Ok([line.next().await?, line.next().await?, line.next().await?])
    });
    let asked: Result<[Frame; 3], Refusal> = match asked.await {
        Ok(asked) => asked,
        Err(_) => Err(timed_out("it did not answer in time".to_owned())),
    };
    let [master, nodes, sentinels] = asked.map_err(|refusal| {
        let (place, reason) = (sentinel.to_string(), refusal.to_string());
        Miss::Unreachable(if reason.starts_with(&place) {
            reason
        } else {
            format!("{place}: {reason}")
        })
    })?;
    Ok(Answer {
        nodes: match role {
            ServiceRole::Primary => primary(nodes, sentinel)?,
            ServiceRole::Replica => replicas(nodes, sentinel)?,
        },
        // Without the list of other Sentinels the answer is still useful.
        sentinels: sentinels
            .decode::<Vec<Fields>>()
            .unwrap_or_default()
            .iter()
            .filter_map(place)
            .take(MOST)
            .collect(),
        epoch: epoch(master),
    })
}

type Fields = BTreeMap<String, String>;

fn place(fields: &Fields) -> Option<Address> {
    address(fields.get("ip")?, fields.get("port")?)
}

fn epoch(master: Frame) -> Option<u64> {
    let fields: Fields = master.decode().ok()?;
    fields.get("config-epoch")?.parse().ok()
}

/// An address as a Sentinel writes it.
fn address(host: &str, port: &str) -> Option<Address> {
    let port = port.parse().ok().filter(|port| *port > 0)?;
    (!host.is_empty()).then(|| Address::Tcp(host.to_owned(), port))
}

fn primary(answer: Frame, sentinel: &Address) -> Result<Vec<Address>, Miss> {
    let found: Option<(String, String)> =
        answer.decode().map_err(|error| said(sentinel, &error))?;
    let (host, port) = found.ok_or(Miss::Unknown)?;
    Ok(address(&host, &port).into_iter().collect())
}

/// The replicas that work, in random order.
fn replicas(answer: Frame, sentinel: &Address) -> Result<Vec<Address>, Miss> {
    let found: Vec<Fields> = answer.decode().map_err(|error| {
        let unknown = error.to_string().contains("No such master");
        if unknown {
            Miss::Unknown
        } else {
            said(sentinel, &error)
        }
    })?;
    let mut healthy: Vec<Address> = found
        .iter()
        .filter(|fields| is_healthy(fields))
        .filter_map(place)
        .collect();
    fastrand::shuffle(&mut healthy);
    Ok(healthy)
}

fn said(sentinel: &Address, error: &crate::error::Error) -> Miss {
    Miss::Unreachable(format!("{sentinel}: {error}"))
}

fn is_healthy(fields: &Fields) -> bool {
    const BAD: [&str; 3] = ["s_down", "o_down", "disconnected"];
    let flags = fields.get("flags").map_or("", String::as_str);
    let link = fields.get("master-link-status").map(String::as_str);
    !flags.split(',').any(|flag| BAD.contains(&flag)) && link.is_none_or(|link| link == "ok")
}

/// A connection to a Sentinel.
pub(super) struct SentinelConnection {
    stream: Box<dyn Transport>,
    replies: Replies,
}

impl SentinelConnection {
    pub(super) async fn open(
        settings: &Config,
        sentinel: &Address,
        end: Instant,
    ) -> Result<Self, Refusal> {
        let credentials = current_credentials(settings)
            .await
            .map_err(Refusal::Credentials)?;
        let attempt = Attempt {
            config: settings,
            address: sentinel,
            host: sentinel.host(),
            end,
            credentials: credentials.as_ref(),
            opened: &|_| {},
        };
        let greeted = attempt.run().await?;
        Ok(Self {
            stream: greeted.stream,
            replies: Replies::new(settings),
        })
    }

    pub(super) async fn send(&mut self, commands: &[&[&str]]) -> Result<(), Refusal> {
        send(&mut *self.stream, commands).await
    }

    /// The next reply or message; the future can be dropped at any time, and nothing is lost.
    pub(super) async fn next(&mut self) -> Result<Frame, Refusal> {
        self.replies.next(&mut *self.stream).await
    }
}

pub(super) async fn send(stream: &mut dyn Transport, commands: &[&[&str]]) -> Result<(), Refusal> {
    let mut out = Vec::new();
    for words in commands {
        encode::array_header(&mut out, u32::try_from(words.len()).unwrap_or(u32::MAX));
        words
            .iter()
            .for_each(|word| encode::bulk(&mut out, word.as_bytes()));
    }
    stream.write_all(&out).await?;
    stream.flush().await?;
    Ok(())
}

pub(super) fn timed_out(text: String) -> Refusal {
    Refusal::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, text))
}
