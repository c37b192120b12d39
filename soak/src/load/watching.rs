//! WATCH: several tasks read and write one value, and no increment is lost or repeated.

use std::time::Duration;

use typedis::prelude::*;

use super::count::Count;
use super::{Load, Memory, Works, ask_at_rest};
use crate::calls::{Caller, Manner, Outcome};

/// How long the attempts of one call may take: most of it is waiting for a lease or a server.
const LIMIT: Duration = Duration::from_secs(30);

/// How many increments of one key are attempted at the same time.
const AT_ONCE: usize = 3;

/// A handle that lends sockets.
#[derive(Debug, Clone)]
pub(crate) enum Lender {
    Pool(Pool),
    Cluster(Cluster),
}

/// Increments a key by reading it first.
pub(crate) struct Watching {
    caller: Caller,
    lender: Lender,
    /// It is incremented by nobody else.
    count: Count,
}

impl Watching {
    pub(crate) fn new(works: &Works, name: &str, lender: Lender) -> Self {
        Self {
            caller: works.caller("watch").within(LIMIT),
            lender,
            count: Count::new(format!("watched:{name}"), Memory::Kept),
        }
    }

    /// Reads the key, and sets it to one more than it was.
    async fn increment(&self) -> Outcome<i64> {
        let key = self.count.key().to_owned();
        let attempt = |tx: typedis::Watched| {
            let key = key.clone();
            async move {
                let value = tx.get::<i64>(&key).await?.unwrap_or(0);
                Ok(tx.transaction().set(&key, value + 1).get::<i64>(&key))
            }
        };
        let manner = match Manner::any() {
            // Dropped in the first milliseconds nothing is ever written.
            Manner::Impatient(time) => Manner::Impatient(time * 10),
            manner => manner,
        };
        let commands = 6;
        let outcome = match &self.lender {
            Lender::Pool(pool) => {
                let watch = pool.watch([&key], attempt).into_future();
                self.caller.call_as(manner, commands, watch).await
            }
            Lender::Cluster(cluster) => {
                let watch = cluster.watch([&key], attempt).into_future();
                self.caller.call_as(manner, commands, watch).await
            }
        };
        match outcome {
            Outcome::Done(((), value)) => Outcome::Done(value.unwrap_or(0)),
            Outcome::Unsure => Outcome::Unsure,
            Outcome::NotDone => Outcome::NotDone,
        }
    }
}

impl Load for Watching {
    async fn step(&mut self) {
        let outcomes: [_; AT_ONCE] = {
            let (one, two, three) =
                tokio::join!(self.increment(), self.increment(), self.increment());
            [one, two, three]
        };
        let mut values = Vec::new();
        for outcome in outcomes {
            match outcome {
                Outcome::Done(value) => values.push(value),
                Outcome::Unsure => self.count.unsure(1),
                Outcome::NotDone => {}
            }
        }
        // They were answered in some order; each has its own value.
        values.sort_unstable();
        for value in values {
            self.caller.tally.check(self.count.incremented(value));
        }
    }

    async fn at_rest(&mut self) {
        let key = self.count.key().to_owned();
        let value = match &self.lender {
            Lender::Pool(pool) => {
                ask_at_rest(&self.caller, "a watched key", || async {
                    pool.get::<i64>(&key).await
                })
                .await
            }
            Lender::Cluster(cluster) => {
                let ask = || async { cluster.get::<i64>(&key).await };
                ask_at_rest(&self.caller, "a watched key", ask).await
            }
        };
        if let Some(value) = value {
            self.caller.tally.check(self.count.settle(value));
        }
    }
}
