//! The task that listens for failovers: [`FailoverWatch`].

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::ask::{self, SentinelConnection, timed_out};
use super::role::verified;
use crate::config::{Address, Claim, Config, Guard, ServiceRole, Verdict};
use crate::connect::Refusal;
use crate::connect::attempt::{Attempt, share};
use crate::connect::handshake::current_credentials;
use crate::reply::Frame;
use crate::runtime;
use crate::runtime::from_now;

/// A task that listens to a Sentinel, and renews sockets to a demoted node. It ends when this is dropped.
#[derive(Debug)]
struct FailoverWatch(JoinHandle<()>);

/// How long a Sentinel may be silent before all Sentinels are asked.
const SILENCE: Duration = Duration::from_secs(5);
/// A line to a Sentinel that lived for at least this long did not fail right away.
const SETTLED: Duration = Duration::from_secs(1);

impl FailoverWatch {
    fn start(config: &Config, service: &str) -> Self {
        let listener = Listener {
            config: config.clone(),
            settings: ask::settings(config),
            service: service.to_owned(),
        };
        Self(runtime::spawn(listener.run()))
    }
}

impl Guard for FailoverWatch {
    fn has_ended(&self) -> bool {
        self.0.is_finished()
    }
}

/// The task that watches the service of a configuration; one for all its connections.
pub(crate) fn guard(config: &Config, service: &str) -> Arc<dyn Guard> {
    config
        .service
        .sentinels
        .guard(|| FailoverWatch::start(config, service))
}

impl Drop for FailoverWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Listener {
    /// The settings for nodes.
    config: Config,
    /// The settings for Sentinels.
    settings: Config,
    service: String,
}

/// What ended a wait.
enum Heard {
    Said(Result<Frame, Refusal>),
    /// A connection was made.
    Joined,
}

impl Listener {
    async fn run(self) {
        let sentinels = &self.settings.service.sentinels;
        let mut failures = 0;
        loop {
            for sentinel in sentinels.to_ask(self.settings.addresses()) {
                if let Ok(line) = self.subscribe(&sentinel).await {
                    let start = Instant::now();
                    self.listen(line, &sentinel).await;
                    if start.elapsed() >= SETTLED {
                        failures = 0;
                    }
                }
            }
            sleep(self.settings.backoff.pause(failures)).await;
            failures = failures.saturating_add(1);
        }
    }

    async fn subscribe(&self, sentinel: &Address) -> Result<SentinelConnection, Refusal> {
        let end = from_now(self.settings.connect_timeout);
        let mut line = SentinelConnection::open(&self.settings, sentinel, end).await?;
        line.send(&[&["SUBSCRIBE", "+switch-master", "+odown"]])
            .await?;
        match timeout_at(end, line.next()).await {
            Ok(Ok(frame)) => match frame.reply().error() {
                Some(error) => Err(Refusal::Server(error)),
                None => Ok(line),
            },
            Ok(Err(refusal)) => Err(refusal),
            Err(_) => Err(timed_out("it did not answer in time".to_owned())),
        }
    }

    /// Listens until the connection is lost.
    async fn listen(&self, mut line: SentinelConnection, sentinel: &Address) {
        let sentinels = &self.settings.service.sentinels;
        // The service may have moved while no task listened.
        self.look(None).await;
        let mut pinged = false;
        loop {
            let heard = {
                let mut said = pin!(line.next());
                let mut joined = pin!(sentinels.joined());
                let either = std::future::poll_fn(|cx| {
                    if let Poll::Ready(said) = said.as_mut().poll(cx) {
                        return Poll::Ready(Heard::Said(said));
                    }
                    joined.as_mut().poll(cx).map(|()| Heard::Joined)
                });
                timeout(SILENCE, either).await
            };
            match heard {
                Ok(Heard::Said(Ok(frame))) => {
                    pinged = false;
                    self.heed(frame, sentinel).await;
                }
                Ok(Heard::Said(Err(_))) => return,
                Ok(Heard::Joined) => self.look(None).await,
                // It was sent a PING already.
                Err(_) if pinged => return,
                Err(_) => {
                    pinged = true;
                    if line.send(&[&["PING"]]).await.is_err() {
                        return;
                    }
                    self.look(None).await;
                }
            }
        }
    }

    async fn heed(&self, message: Frame, sentinel: &Address) {
        let words: Vec<String> = message.decode().unwrap_or_default();
        let [kind, channel, payload] = &words[..] else {
            return;
        };
        if kind != "message" {
            return;
        }
        let words: Vec<&str> = payload.split_ascii_whitespace().collect();
        match (channel.as_str(), &words[..]) {
            ("+switch-master", [service, ..]) if *service == self.service => {
                // A message has no number, and its sender may only be catching up with the others. So it is asked.
                self.look(Some(sentinel)).await;
            }
            ("+odown", ["master", service, ..]) if *service == self.service => {
                self.look(None).await;
            }
            _ => {}
        }
    }

    /// When something that begins now has to be over.
    fn end(&self) -> Instant {
        from_now(self.settings.connect_timeout)
    }

    /// Asks the Sentinels in turn where the primary is, until one is right, and moves connections that are elsewhere.
    async fn look(&self, first: Option<&Address>) {
        let sentinels = &self.settings.service.sentinels;
        let end = self.end();
        let mut asked = sentinels.to_ask(self.settings.addresses());
        asked.sort_by_key(|sentinel| Some(sentinel) != first);
        let count = asked.len();
        let mut outdated = Vec::new();
        for (index, sentinel) in asked.iter().enumerate() {
            let end = share(end, count - index);
            let Some(claim) = self.ask(sentinel, share(end, 2)).await else {
                continue;
            };
            if self.weigh(&claim, sentinel, end).await {
                return;
            }
            if sentinels.is_outdated(claim.epoch) {
                outdated.push((claim, sentinel));
            }
        }
        self.overrule(&outdated, count).await;
    }

    /// What a Sentinel says of the primary. One that is behind teaches nothing about the other Sentinels.
    async fn ask(&self, sentinel: &Address, end: Instant) -> Option<Claim> {
        let sentinels = &self.settings.service.sentinels;
        let role = ServiceRole::Primary;
        let asked = ask::locate(&self.settings, &self.service, role, sentinel, end);
        let answer = asked.await.ok()?;
        if !sentinels.is_outdated(answer.epoch) {
            sentinels.learn(self.settings.addresses(), sentinel, answer.sentinels);
        }
        let primary = answer.nodes.into_iter().next()?;
        Some(Claim {
            primary,
            epoch: answer.epoch,
        })
    }

    /// Moves connections to where a Sentinel says that the primary is, if nothing newer is known, and the node itself does
    /// not deny it. Returns whether that is so.
    async fn weigh(&self, claim: &Claim, by: &Address, end: Instant) -> bool {
        let sentinels = &self.settings.service.sentinels;
        let is_right = match sentinels.judge(claim) {
            Verdict::Believed => true,
            Verdict::Doubted => self.is_primary(&claim.primary, end).await,
            Verdict::Outdated => false,
        };
        if is_right {
            sentinels.moved(claim, by);
        }
        is_right
    }

    /// If most of the Sentinels agree on something old, the service was removed from them and is monitored anew.
    async fn overrule(&self, outdated: &[(Claim, &Address)], count: usize) {
        let agree = |primary: &Address| {
            let claims = outdated.iter().map(|(claim, _)| claim);
            claims.filter(|claim| claim.primary == *primary).count()
        };
        let most = |(claim, _): &&(Claim, &Address)| 2 * agree(&claim.primary) > count;
        if let Some((claim, by)) = outdated.iter().find(most)
            && self.is_primary(&claim.primary, self.end()).await
        {
            self.settings.service.sentinels.begin_anew(claim, by);
        }
    }

    /// Whether a node itself says that it is the primary.
    async fn is_primary(&self, node: &Address, end: Instant) -> bool {
        let asked = async {
            let credentials = current_credentials(&self.config).await.ok()?;
            let attempt = Attempt {
                config: &self.config,
                address: node,
                host: node.host(),
                end,
                credentials: credentials.as_ref(),
                opened: &|_| {},
            };
            verified(&attempt, ServiceRole::Primary).await.ok()
        };
        matches!(timeout_at(end, asked).await, Ok(Some(_)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio::sync::mpsc;
    use tokio::time::Instant;

    use super::FailoverWatch;
    use crate::config::{Backoff, Config};

    /// A Sentinel that accepts SUBSCRIBE, tells of it, and hangs up.
    async fn hang_up(
        mut line: DuplexStream,
        subscribed: mpsc::UnboundedSender<Instant>,
    ) -> io::Result<()> {
        const SUBSCRIBED: &[u8] = b"*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n";
        let mut heard = Vec::new();
        let has = |heard: &[u8], word: &[u8]| heard.windows(word.len()).any(|part| part == word);
        // The handshake: two steps, which come in one piece.
        while !has(&heard, b"LIB-VER") {
            if line.read_buf(&mut heard).await? == 0 {
                return Ok(());
            }
        }
        line.write_all(b"+OK\r\n+OK\r\n").await?;
        while !has(&heard, b"SUBSCRIBE") {
            if line.read_buf(&mut heard).await? == 0 || has(&heard, b"SENTINEL") {
                return Ok(());
            }
        }
        let _ = subscribed.send(Instant::now());
        line.write_all(SUBSCRIBED).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_sentinel_that_accepts_and_hangs_up_is_not_hammered() {
        let (subscribed, mut seen) = mpsc::unbounded_channel();
        let config = Config::sentinel("shop", [("sentinel", 1)])
            .backoff(Backoff {
                first: Duration::from_millis(20),
                longest: Duration::from_secs(2),
            })
            .transport(move |_| {
                let (ours, theirs) = tokio::io::duplex(1024);
                tokio::spawn(hang_up(theirs, subscribed.clone()));
                async move { io::Result::Ok(ours) }
            });
        let _watch = FailoverWatch::start(&config, "shop");
        let first = seen.recv().await.unwrap();
        let mut last = first;
        for _ in 0..12 {
            last = seen.recv().await.unwrap();
        }
        // The clock of the test goes on only while everything waits: these are the pauses.
        assert!(last - first > Duration::from_secs(3), "{:?}", last - first);
    }
}
