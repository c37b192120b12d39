//! Single commands that are not to be repeated: INCR, and a script that does the same.

use std::time::Duration;

use typedis::prelude::*;
use typedis::{Error, Script};

use super::count::Count;
use super::{Handle, Load, Works, ask_at_rest};
use crate::calls::{Caller, Manner, Outcome};

/// How many counters one task has.
const KEYS: usize = 4;

/// Increments counters that no other task increments.
pub(crate) struct Counters {
    caller: Caller,
    handle: Handle,
    counts: Vec<Count>,
    script: Script,
}

/// The ways in which one is incremented.
#[derive(Debug, Clone, Copy)]
enum Way {
    Incr,
    Deadline(Duration),
    /// Sent before it is awaited.
    Sent,
    Script,
}

impl Way {
    fn any() -> Self {
        match fastrand::u32(0..10) {
            0 => Self::Deadline(Duration::from_millis(fastrand::u64(1..300))),
            1 => Self::Sent,
            2 | 3 => Self::Script,
            _ => Self::Incr,
        }
    }
}

impl Counters {
    pub(crate) fn new(works: &Works, handle: &Handle, number: usize) -> Self {
        let key = |index| format!("counter:{}:{number}:{index}", handle.name);
        Self {
            caller: works.caller("single commands"),
            handle: handle.clone(),
            counts: (0..KEYS)
                .map(|index| Count::new(key(index), handle.memory))
                .collect(),
            script: Script::new("return redis.call('INCR', KEYS[1])"),
        }
    }

    async fn increment(&self, key: &str, way: Way) -> Result<i64, Error> {
        let client = &self.handle.client;
        match way {
            Way::Incr => client.incr(key).await,
            Way::Deadline(deadline) => client.incr(key).deadline(deadline).await,
            Way::Sent => client.incr(key).send().await,
            Way::Script => {
                let none: [&str; 0] = [];
                client.run(self.script.call(key, none)).await
            }
        }
    }

    async fn call(&self, key: &str) -> Outcome<i64> {
        let way = Way::any();
        let caller = match way {
            Way::Deadline(deadline) => self.caller.with_deadline(deadline),
            Way::Incr | Way::Sent | Way::Script => self.caller.clone(),
        };
        let increment = self.increment(key, way);
        caller.call_as(Manner::any(), 1, increment).await
    }
}

impl Load for Counters {
    /// Two keys at the same time, so that the two commands are in one write.
    async fn step(&mut self) {
        let one = fastrand::usize(0..KEYS);
        let other = (one + fastrand::usize(1..KEYS)) % KEYS;
        let keys = [one, other].map(|index| self.counts.get(index).map_or("", Count::key));
        let (first, second) = tokio::join!(self.call(keys[0]), self.call(keys[1]));
        for (index, outcome) in [(one, first), (other, second)] {
            let Some(count) = self.counts.get_mut(index) else {
                continue;
            };
            let checked = match outcome {
                Outcome::Done(value) => count.incremented(value),
                Outcome::Unsure => {
                    count.unsure(1);
                    Ok(())
                }
                Outcome::NotDone => Ok(()),
            };
            self.caller.tally.check(checked);
        }
    }

    async fn at_rest(&mut self) {
        for count in &mut self.counts {
            let (client, key) = (&self.handle.client, count.key().to_owned());
            let ask = || async { client.get::<i64>(&key).await };
            if let Some(value) = ask_at_rest(&self.caller, "a counter", ask).await {
                self.caller.tally.check(count.settle(value));
            }
        }
    }
}
