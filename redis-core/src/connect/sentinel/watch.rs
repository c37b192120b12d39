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

/// What a Sentinel answered.
struct Answer {
    claim: Claim,
    by: Address,
    /// The other Sentinels that it names.
    others: Vec<Address>,
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
        let (mut answered, mut outdated) = (0, Vec::new());
        for (index, sentinel) in asked.into_iter().enumerate() {
            let end = share(end, count - index);
            let Some(answer) = self.ask(sentinel, share(end, 2)).await else {
                continue;
            };
            answered += 1;
            if self.weigh(&answer.claim, &answer.by, end).await {
                return;
            }
            if sentinels.is_outdated(answer.claim.epoch) {
                outdated.push(answer);
            }
        }
        self.overrule(&outdated, answered, count).await;
    }

    /// What a Sentinel says of the primary. One that is behind teaches nothing about the other Sentinels.
    async fn ask(&self, sentinel: Address, end: Instant) -> Option<Answer> {
        let role = ServiceRole::Primary;
        let asked = ask::locate(&self.settings, &self.service, role, &sentinel, end);
        let heard = asked.await.ok()?;
        let primary = heard.nodes.into_iter().next();
        let epoch = heard.epoch;
        if !self.settings.service.sentinels.is_outdated(epoch) {
            self.learn(&sentinel, heard.sentinels.clone());
        }
        Some(Answer {
            claim: Claim {
                primary: primary?,
                epoch,
            },
            by: sentinel,
            others: heard.sentinels,
        })
    }

    fn learn(&self, from: &Address, others: Vec<Address>) {
        let sentinels = &self.settings.service.sentinels;
        sentinels.learn(self.settings.addresses(), from, others);
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

    /// If most of the Sentinels agree on something old, the service was removed from them and added again. Sentinels that do
    /// not answer may be gone for good, so most of those that answer are enough where no healthy primary would be left for that.
    async fn overrule(&self, outdated: &[Answer], answered: usize, count: usize) {
        let sentinels = &self.settings.service.sentinels;
        let agree = |primary: &Address| {
            let claims = outdated.iter().map(|answer| &answer.claim);
            claims.filter(|claim| claim.primary == *primary).count()
        };
        let most = |answer: &&Answer| 2 * agree(&answer.claim.primary) > answered;
        let (Some(answer), Some(known)) = (outdated.iter().find(most), sentinels.known()) else {
            return;
        };
        let primary = &answer.claim.primary;
        let may_overrule = 2 * agree(primary) > count
            || *primary == known.primary
            || self.is_gone(&known.primary, self.end()).await;
        if may_overrule
            && self.is_primary(primary, self.end()).await
            && sentinels.begin_anew(&answer.claim, &answer.by, &known)
        {
            self.learn(&answer.by, answer.others.clone());
        }
    }

    /// Whether a node itself says that it is the primary.
    async fn is_primary(&self, node: &Address, end: Instant) -> bool {
        matches!(self.visit(node, end).await, Some(Ok(())))
    }

    /// Whether a node cannot be reached, or says that it is not the primary. One that refuses us, as with too many clients, may
    /// serve the connections that it has.
    async fn is_gone(&self, node: &Address, end: Instant) -> bool {
        matches!(self.visit(node, end).await, Some(Err(Refusal::Io(_))))
    }

    /// Asks a node whether it is the primary; `None` if there is nothing to log in with.
    async fn visit(&self, node: &Address, end: Instant) -> Option<Result<(), Refusal>> {
        let credentials = timeout_at(end, current_credentials(&self.config));
        let credentials = credentials.await.ok()?.ok()?;
        let attempt = Attempt {
            config: &self.config,
            address: node,
            host: node.host(),
            end,
            credentials: credentials.as_ref(),
            opened: &|_| {},
        };
        Some(verified(&attempt, ServiceRole::Primary).await.map(drop))
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
