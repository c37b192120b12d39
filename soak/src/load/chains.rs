//! Pipelines, batches and transactions: each reply in its place, and all or nothing of a transaction.

use typedis::prelude::*;

use super::count::Count;
use super::{Handle, Load, Works, ask_at_rest};
use crate::calls::{Caller, Manner, Outcome};
use crate::tally::Rule;

/// How many counters a batch increments.
const MANY: usize = 8;

/// Chains over counters that no other task increments.
pub(crate) struct Chains {
    caller: Caller,
    handle: Handle,
    counts: Vec<Count>,
    /// Two counters that are only incremented together. They have one slot.
    twins: [Count; 2],
}

impl Chains {
    pub(crate) fn new(works: &Works, handle: &Handle) -> Self {
        let name = handle.name;
        let count = |key| Count::new(key, handle.memory);
        Self {
            caller: works.caller("chains"),
            handle: handle.clone(),
            counts: (0..MANY)
                .map(|index| count(format!("chain:{name}:{index}")))
                .collect(),
            twins: ["left", "right"].map(|side| count(format!("{{twins:{name}}}:{side}"))),
        }
    }

    /// A tuple of three types.
    async fn pipeline(&mut self) {
        let [first, .., last] = self.counts.as_mut_slice() else {
            return;
        };
        let text = format!("text {}", fastrand::u32(..));
        let client = &self.handle.client;
        let pipeline = async {
            client
                .pipeline()
                .incr(first.key())
                .echo::<String>(&text)
                .incr(last.key())
                .await
        };
        let outcome = self.caller.call_as(Manner::any(), 3, pipeline).await;
        let tally = &self.caller.tally;
        match outcome {
            Outcome::Done((one, echo, three)) => {
                tally.check(first.incremented(one));
                tally.check(last.incremented(three));
                if echo != text {
                    tally.broke(Rule::Wrong, format!("ECHO {text} gave {echo}"));
                }
            }
            // The first error is that of the whole: others of its commands may have been carried out.
            _ => {
                first.unsure(1);
                last.unsure(1);
            }
        }
    }

    /// Each command has a result of its own.
    async fn each(&mut self) {
        let keys: Vec<String> = self.counts.iter().map(|c| c.key().to_owned()).collect();
        let client = &self.handle.client;
        let each = async {
            client
                .pipeline_each(&keys, |c, key| c.incr(key).attempt())
                .await
        };
        let commands = keys.len() as u64;
        match self.caller.call_as(Manner::any(), commands, each).await {
            Outcome::Done(results) => {
                if results.len() != keys.len() {
                    let text = format!("{} replies for {commands} commands", results.len());
                    self.caller.tally.broke(Rule::Wrong, text);
                }
                for (count, result) in self.counts.iter_mut().zip(results) {
                    let outcome = match result {
                        Ok(value) => Outcome::Done(value),
                        Err(error) => self.caller.failed(&error),
                    };
                    match outcome {
                        Outcome::Done(value) => self.caller.tally.check(count.incremented(value)),
                        Outcome::Unsure => count.unsure(1),
                        Outcome::NotDone => {}
                    }
                }
            }
            Outcome::Unsure => self.counts.iter_mut().for_each(|count| count.unsure(1)),
            Outcome::NotDone => {}
        }
    }

    /// Commands that are collected at run time, in any order.
    async fn batch(&mut self) {
        let mut order: Vec<usize> = (0..self.counts.len()).collect();
        fastrand::shuffle(&mut order);
        order.truncate(fastrand::usize(1..=MANY));
        let mut batch = self.handle.client.batch();
        let mut handles = Vec::new();
        for &index in &order {
            if let Some(count) = self.counts.get(index) {
                handles.push((index, batch.push(cmd().incr(count.key()))));
            }
        }
        let outcome = self
            .caller
            .call_as(Manner::any(), handles.len() as u64, batch.execute())
            .await;
        let Outcome::Done(mut replies) = outcome else {
            if !matches!(outcome, Outcome::NotDone) {
                for index in order {
                    self.unsure(index);
                }
            }
            return;
        };
        for (index, handle) in handles {
            let outcome = match replies.take(handle) {
                Ok(value) => Outcome::Done(value),
                Err(error) => self.caller.failed(&error),
            };
            match (outcome, self.counts.get_mut(index)) {
                (Outcome::Done(value), Some(count)) => {
                    self.caller.tally.check(count.incremented(value));
                }
                (Outcome::Unsure, _) => self.unsure(index),
                _ => {}
            }
        }
    }

    fn unsure(&mut self, index: usize) {
        if let Some(count) = self.counts.get_mut(index) {
            count.unsure(1);
        }
    }

    async fn transaction(&mut self) {
        let [left, right] = &mut self.twins;
        let client = &self.handle.client;
        let transaction = async {
            client
                .transaction()
                .incr(left.key())
                .incr(right.key())
                .await
        };
        let tally = &self.caller.tally;
        match self.caller.call_as(Manner::any(), 4, transaction).await {
            Outcome::Done((one, two)) => {
                tally.check(left.incremented(one));
                tally.check(right.incremented(two));
                if one != two {
                    let text = format!("{} is {one}, its twin {two}", left.key());
                    tally.broke(Rule::Wrong, text);
                }
            }
            Outcome::Unsure => {
                left.unsure(1);
                right.unsure(1);
            }
            Outcome::NotDone => {}
        }
    }
}

impl Load for Chains {
    async fn step(&mut self) {
        match fastrand::u32(0..5) {
            0 => self.pipeline().await,
            1 => self.each().await,
            2 => self.batch().await,
            _ => self.transaction().await,
        }
    }

    async fn at_rest(&mut self) {
        let client = &self.handle.client;
        for count in self.counts.iter_mut().chain(&mut self.twins) {
            let key = count.key().to_owned();
            let ask = || async { client.get::<i64>(&key).await };
            if let Some(value) = ask_at_rest(&self.caller, "a counter", ask).await {
                self.caller.tally.check(count.settle(value));
            }
        }
        let [left, right] = &self.twins;
        let ask = || async { client.mget::<i64>([left.key(), right.key()]).await };
        if let Some(values) = ask_at_rest(&self.caller, "the twins", ask).await
            && values.first() != values.last()
        {
            let text = format!("half of a transaction: {} {values:?}", left.key());
            self.caller.tally.broke(Rule::Lost, text);
        }
    }
}
