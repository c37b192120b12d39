//! The task that listens for failovers: [`FailoverWatch`].

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::ask::{self, SentinelConnection, address, timed_out};
use crate::config::{Address, Config, Guard, ServiceRole};
use crate::connect::Refusal;
use crate::connect::attempt::share;
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
        self.look().await;
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
                Ok(Heard::Joined) => self.look().await,
                // It was sent a PING already.
                Err(_) if pinged => return,
                Err(_) => {
                    pinged = true;
                    if line.send(&[&["PING"]]).await.is_err() {
                        return;
                    }
                    self.look().await;
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
            ("+switch-master", [service, _, _, host, port]) if *service == self.service => {
                if let Some(primary) = address(host, port) {
                    self.settings.service.sentinels.moved(&primary, sentinel);
                }
            }
            ("+odown", ["master", service, ..]) if *service == self.service => self.look().await,
            _ => {}
        }
    }

    /// Asks where the primary is, and moves connections that are elsewhere.
    async fn look(&self) {
        let sentinels = &self.settings.service.sentinels;
        let end = from_now(self.settings.connect_timeout);
        let asked = sentinels.to_ask(self.settings.addresses());
        let count = asked.len();
        for (index, sentinel) in asked.iter().enumerate() {
            let end = share(end, count - index);
            let role = ServiceRole::Primary;
            let found = ask::locate(&self.settings, &self.service, role, sentinel, end).await;
            if let Ok(answer) = found {
                sentinels.learn(self.settings.addresses(), sentinel, answer.sentinels);
                if let Some(primary) = answer.nodes.first() {
                    sentinels.moved(primary, sentinel);
                    return;
                }
            }
        }
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
