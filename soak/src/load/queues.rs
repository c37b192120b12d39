//! Elements that are pushed and waited for: each is popped once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use typedis::Name;
use typedis::prelude::*;

use super::watching::Lender;
use super::{Load, Works, ask_at_rest};
use crate::calls::{Caller, DEADLINE, Manner, Outcome};
use crate::tally::Rule;

/// How long a consumer waits in the server, in seconds.
const WAIT: u64 = 1;

/// How long elements may take to be popped when everything works.
const DRAINED_WITHIN: Duration = Duration::from_secs(15);

/// How many consumers there are.
const CONSUMERS: usize = 2;

/// Pushes elements, each with its number.
pub(crate) struct Queue {
    caller: Caller,
    lender: Lender,
    key: String,
    next: i64,
    ledger: Arc<Mutex<Ledger>>,
}

/// What is known of the elements.
#[derive(Debug, Default)]
struct Ledger {
    /// Elements that were pushed and not popped yet; `true` if the push was confirmed.
    pushed: HashMap<i64, bool>,
    /// Calls that may have popped an element for nobody.
    unsure: usize,
    popped: u64,
}

impl Queue {
    /// Starts producers and consumers.
    pub(crate) fn start(works: &mut Works, name: &str, lender: &Lender) {
        let queue = Self {
            caller: works.caller("blocking"),
            lender: lender.clone(),
            key: format!("queue:{name}"),
            next: 0,
            ledger: Arc::default(),
        };
        queue.report_unclaimed();
        for _ in 0..CONSUMERS {
            let consumer = Consumer {
                caller: queue.caller.within(DEADLINE + Duration::from_secs(WAIT)),
                lender: lender.clone(),
                key: queue.key.clone(),
                ledger: Arc::clone(&queue.ledger),
            };
            works.go(async move {
                loop {
                    consumer.pop().await;
                }
            });
        }
        works.start(queue, 10.0);
    }

    /// What is popped for a consumer that has gone away is passed to this function.
    fn report_unclaimed(&self) {
        let (tally, ledger) = (Arc::clone(&self.caller.tally), Arc::clone(&self.ledger));
        let report = move |unclaimed: typedis::Unclaimed| {
            if let Ok(Some((_, element))) = unclaimed.decode::<Option<(Name, i64)>>() {
                tally.check(lock(&ledger).pop(element));
            }
        };
        match &self.lender {
            Lender::Pool(pool) => pool.on_unclaimed(report),
            Lender::Cluster(cluster) => cluster.on_unclaimed(report),
        }
    }

    async fn push(&self, element: i64) -> typedis::Result<u64> {
        match &self.lender {
            Lender::Pool(pool) => pool.rpush(&self.key, element).await,
            Lender::Cluster(cluster) => cluster.rpush(&self.key, element).await,
        }
    }

    async fn length(&self) -> typedis::Result<u64> {
        match &self.lender {
            Lender::Pool(pool) => pool.llen(&self.key).await,
            Lender::Cluster(cluster) => cluster.llen(&self.key).await,
        }
    }

    /// Elements that were confirmed, and neither popped nor possibly popped for nobody.
    fn missing(&self) -> usize {
        let ledger = lock(&self.ledger);
        let confirmed = ledger.pushed.values().filter(|confirmed| **confirmed);
        confirmed.count().saturating_sub(ledger.unsure)
    }
}

impl Load for Queue {
    async fn step(&mut self) {
        self.next += 1;
        let element = self.next;
        // It may be popped before its push is answered.
        lock(&self.ledger).pushed.insert(element, false);
        let outcome = self
            .caller
            .call_as(Manner::any(), 1, self.push(element))
            .await;
        let mut ledger = lock(&self.ledger);
        match (outcome, ledger.pushed.get_mut(&element)) {
            (Outcome::Done(_), Some(confirmed)) => *confirmed = true,
            (Outcome::NotDone, Some(_)) => {
                ledger.pushed.remove(&element);
            }
            (Outcome::NotDone, None) => {
                let text = format!("element {element} was popped, and its push was not sent");
                drop(ledger);
                self.caller.tally.broke(Rule::Repeated, text);
            }
            _ => {}
        }
    }

    async fn at_rest(&mut self) {
        let end = tokio::time::Instant::now() + DRAINED_WITHIN;
        loop {
            let length = ask_at_rest(&self.caller, "a queue", || self.length()).await;
            let missing = self.missing();
            if (length == Some(0) && missing == 0) || tokio::time::Instant::now() > end {
                if missing > 0 || length != Some(0) {
                    let text = format!(
                        "{}: {missing} elements were confirmed and never came; {length:?} are in the list",
                        self.key
                    );
                    self.caller.tally.broke(Rule::Lost, text);
                }
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let mut ledger = lock(&self.ledger);
        ledger.pushed.clear();
        ledger.unsure = 0;
    }
}

/// Waits for elements, in a rest too.
struct Consumer {
    caller: Caller,
    lender: Lender,
    key: String,
    ledger: Arc<Mutex<Ledger>>,
}

impl Consumer {
    async fn pop(&self) {
        let pop = async {
            match &self.lender {
                Lender::Pool(pool) => pool.blpop::<i64>([&self.key], WAIT).await,
                Lender::Cluster(cluster) => cluster.blpop::<i64>([&self.key], WAIT).await,
            }
        };
        let manner = match fastrand::u32(0..20) {
            0 => Manner::Impatient(Duration::from_millis(fastrand::u64(0..200))),
            _ => Manner::Patient,
        };
        match self.caller.call_as(manner, 1, pop).await {
            Outcome::Done(Some((_, element))) => {
                let checked = lock(&self.ledger).pop(element);
                self.caller.tally.check(checked);
            }
            Outcome::Done(None) => {}
            Outcome::Unsure => lock(&self.ledger).unsure += 1,
            // A server that is away refuses at once.
            Outcome::NotDone => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

impl Ledger {
    fn pop(&mut self, element: i64) -> Result<(), (Rule, String)> {
        self.popped += 1;
        match self.pushed.remove(&element) {
            Some(_) => Ok(()),
            None => Err((
                Rule::Repeated,
                format!("element {element} was popped, and it is not in the list"),
            )),
        }
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
