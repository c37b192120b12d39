//! Publish and subscribe: messages come in order, each once, and none is missing without a word.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use typedis::prelude::*;
use typedis::{AnyClient, Channel, Event};

use super::{Load, Works};
use crate::calls::{Caller, Manner, Outcome};
use crate::tally::{Rule, Tally};

/// How long a subscription may take to work again when everything works.
const RECOVERS_WITHIN: Duration = Duration::from_secs(20);

/// What subscribes.
#[derive(Debug, Clone)]
pub(crate) enum Subscribing {
    Connection(Connection),
    /// With shard channels.
    Cluster(Cluster),
}

impl Subscribing {
    async fn subscribe(&self, name: &str) -> typedis::Result<Channel> {
        match self {
            Self::Connection(conn) => conn.subscribe(name).await,
            Self::Cluster(cluster) => cluster.ssubscribe(name).await,
        }
    }
}

/// Publishes numbered messages to one channel.
pub(crate) struct Publisher {
    caller: Caller,
    client: AnyClient,
    sharded: bool,
    channel: String,
    next: u64,
    ledger: Arc<Mutex<Ledger>>,
}

/// What is known of the messages.
#[derive(Debug, Default)]
struct Ledger {
    /// The newest message that came.
    last: u64,
    /// Messages after it: `true` if the server confirmed them.
    sent: BTreeMap<u64, bool>,
    /// Older messages that may have been sent, and may still come.
    unsure: Vec<u64>,
    /// Whether the subscriber was told that messages may be missing.
    gap: bool,
}

impl Ledger {
    fn answered(&mut self, message: u64, confirmed: bool) {
        if let Some(known) = self.sent.get_mut(&message) {
            *known = confirmed;
        }
    }

    fn came(&mut self, message: u64) -> Result<(), (Rule, String)> {
        if message <= self.last {
            let Some(index) = self.unsure.iter().position(|unsure| *unsure == message) else {
                let text = format!("message {message} came after message {}", self.last);
                return Err((Rule::Repeated, text));
            };
            self.unsure.swap_remove(index);
            return Ok(());
        }
        let later = self.sent.split_off(&(message + 1));
        let passed = std::mem::replace(&mut self.sent, later);
        let mut missing = Vec::new();
        for (number, confirmed) in passed {
            match (number == message, confirmed) {
                (true, _) => {}
                (false, true) => missing.push(number),
                (false, false) => self.unsure.push(number),
            }
        }
        self.last = message;
        if std::mem::take(&mut self.gap) {
            // In a cluster they may come yet: another node got them, and has not passed them on.
            self.unsure.append(&mut missing);
        }
        if missing.is_empty() {
            return Ok(());
        }
        let text = format!("messages {missing:?} are missing before {message}, without a word");
        Err((Rule::Lost, text))
    }
}

impl Publisher {
    /// Subscribes, then starts what publishes and what reads.
    pub(crate) async fn start(
        works: &mut Works,
        name: &str,
        client: &AnyClient,
        on: &Subscribing,
    ) -> typedis::Result<()> {
        let publisher = Self {
            caller: works.caller("channels"),
            client: client.clone(),
            sharded: matches!(on, Subscribing::Cluster(_)),
            channel: format!("channel:{name}"),
            next: 0,
            ledger: Arc::default(),
        };
        let channel = on.subscribe(&publisher.channel).await?;
        let (ledger, tally) = (Arc::clone(&publisher.ledger), Arc::clone(&works.tally));
        works.go(async move { read(channel, &ledger, &tally).await });
        works.start(publisher, 10.0);
        Ok(())
    }

    async fn publish(&self, message: u64) -> typedis::Result<u64> {
        if self.sharded {
            self.client.spublish(&self.channel, message).await
        } else {
            self.client.publish(&self.channel, message).await
        }
    }

    /// Publishes the next message, in this manner.
    async fn next(&mut self, manner: Manner) {
        self.next += 1;
        let message = self.next;
        lock(&self.ledger).sent.insert(message, false);
        let outcome = self.caller.call_as(manner, 1, self.publish(message)).await;
        let mut ledger = lock(&self.ledger);
        match outcome {
            Outcome::Done(_) => ledger.answered(message, true),
            Outcome::Unsure => ledger.answered(message, false),
            Outcome::NotDone => {
                ledger.sent.remove(&message);
            }
        }
    }
}

impl Load for Publisher {
    async fn step(&mut self) {
        self.next(Manner::any()).await;
    }

    /// New messages are published until one arrives.
    async fn at_rest(&mut self) {
        let end = tokio::time::Instant::now() + RECOVERS_WITHIN;
        let first = self.next + 1;
        while lock(&self.ledger).last < first {
            if tokio::time::Instant::now() > end {
                let text = format!("nothing comes from {}", self.channel);
                self.caller.tally.broke(Rule::NotRecovered, text);
                break;
            }
            self.next(Manner::Patient).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        lock(&self.ledger).unsure.clear();
    }
}

/// Reads until the subscription ends, which it should not.
async fn read(mut channel: Channel, ledger: &Mutex<Ledger>, tally: &Tally) {
    while let Some(event) = channel.next().await {
        match event {
            Ok(Event::Message(message)) => {
                match message.decode::<u64>() {
                    Ok(number) => {
                        let checked = lock(ledger).came(number);
                        tally.check(checked.map_err(|(rule, text)| {
                            (rule, format!("{}: {text}", message.channel()))
                        }));
                    }
                    Err(error) => tally.broke(Rule::Wrong, format!("a message: {error}")),
                }
            }
            Ok(_) => {
                tally.gap();
                lock(ledger).gap = true;
            }
            Err(error) => tally.broke(Rule::NotRecovered, format!("a subscription ended: {error}")),
        }
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(sent: &[(u64, bool)]) -> Ledger {
        Ledger {
            sent: sent.iter().copied().collect(),
            ..Ledger::default()
        }
    }

    #[test]
    fn a_confirmed_message_is_not_missing_without_a_word() {
        let mut missing = ledger(&[(1, true), (2, true), (3, true)]);
        assert!(missing.came(1).is_ok());
        assert!(missing.came(3).is_err_and(|(rule, _)| rule == Rule::Lost));
        let mut told = ledger(&[(1, true), (2, true)]);
        told.gap = true;
        assert!(told.came(2).is_ok());
    }

    #[test]
    fn an_unsure_message_may_come_late_and_once() {
        let mut ledger = ledger(&[(1, false), (2, true)]);
        assert!(ledger.came(2).is_ok());
        assert!(ledger.came(1).is_ok());
        assert!(
            ledger
                .came(1)
                .is_err_and(|(rule, _)| rule == Rule::Repeated)
        );
        assert!(
            ledger
                .came(2)
                .is_err_and(|(rule, _)| rule == Rule::Repeated)
        );
    }
}
