//! What is done with the servers, and how each part checks itself.
//!
//! # Layout
//!
//! - `counters`, `values`: single commands: what is counted, and what is read back
//! - `chains`: pipelines, batches and transactions
//! - `watching`, `leases`: WATCH, and sockets with a state of their own
//! - `queues`, `workers`: elements and entries that are waited for
//! - `channels`: publish and subscribe, also shard channels
//! - `scans`, `caches`: scans, and client-side caching
//! - `count`: what is known of one counter

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Mutex;
use typedis::{AnyClient, Error};

use crate::calls::Caller;
use crate::rhythm::{Rhythm, pace};
use crate::stalls::Stalls;
use crate::tally::Tally;

pub(crate) mod caches;
pub(crate) mod chains;
pub(crate) mod channels;
mod count;
pub(crate) mod counters;
pub(crate) mod leases;
pub(crate) mod queues;
pub(crate) mod scans;
pub(crate) mod values;
pub(crate) mod watching;
pub(crate) mod workers;

/// Whether the servers of a handle keep what they confirmed, whatever this program does to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Memory {
    /// They do: they write to disk before they answer, and replicas take over in good order.
    Kept,
    /// A failover loses the newest writes: replication is not waited for.
    MayForget,
}

/// A handle under load, of any kind.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    /// A word for its keys and for the report.
    pub(crate) name: &'static str,
    pub(crate) client: AnyClient,
    pub(crate) memory: Memory,
}

/// A part of the load.
pub(crate) trait Load: Send + 'static {
    /// Does a little, and checks it.
    fn step(&mut self) -> impl Future<Output = ()> + Send;

    /// Compares what is known with what is there. Nothing else goes on meanwhile, and nothing is broken.
    fn at_rest(&mut self) -> impl Future<Output = ()> + Send;
}

type Checking = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What all loads share.
pub(crate) struct Works {
    pub(crate) tally: Arc<Tally>,
    pub(crate) stalls: Arc<Stalls>,
    pub(crate) rhythm: Arc<Rhythm>,
    checks: Vec<Box<dyn Fn() -> Checking + Send + Sync>>,
    tasks: tokio::task::JoinSet<()>,
}

impl Works {
    pub(crate) fn new(tally: &Arc<Tally>) -> Self {
        let stalls = Arc::new(Stalls::default());
        let mut tasks = tokio::task::JoinSet::new();
        let watched = Arc::clone(&stalls);
        tasks.spawn(async move { watched.watch().await });
        Self {
            tally: Arc::clone(tally),
            stalls,
            rhythm: Arc::default(),
            checks: Vec::new(),
            tasks,
        }
    }

    /// Who makes the calls of a load.
    pub(crate) fn caller(&self, load: &'static str) -> Caller {
        Caller::new(load, &self.tally, &self.stalls)
    }

    /// Repeats the steps of a load this many times a second, and checks it in each rest.
    pub(crate) fn start(&mut self, load: impl Load, steps_a_second: f64) {
        let load = Arc::new(Mutex::new(load));
        let checked = Arc::clone(&load);
        self.check(move || {
            let load = Arc::clone(&checked);
            async move { load.lock().await.at_rest().await }
        });
        let rhythm = Arc::clone(&self.rhythm);
        self.go(async move {
            let mut pace = pace(steps_a_second);
            loop {
                pace.tick().await;
                let _step = rhythm.step().await;
                load.lock().await.step().await;
            }
        });
    }

    /// A task that goes on also in a rest, and does not end.
    pub(crate) fn go(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(work);
    }

    /// Something to be checked in each rest.
    pub(crate) fn check<F>(&mut self, check: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.checks.push(Box::new(move || Box::pin(check())));
    }

    /// Checks everything, one after the other.
    pub(crate) async fn check_all(&self) {
        for check in &self.checks {
            check().await;
        }
    }

    /// Tasks that ended by themselves, which none of them should. Those that panicked count already.
    pub(crate) fn ended(&mut self) -> Vec<String> {
        let mut ended = Vec::new();
        while let Some(end) = self.tasks.try_join_next() {
            match end {
                Ok(()) => ended.push("a task ended by itself".to_owned()),
                Err(error) if error.is_panic() => {}
                Err(error) => ended.push(error.to_string()),
            }
        }
        ended
    }

    /// Ends all tasks.
    pub(crate) async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

/// Asks at rest, when everything works: an error is tried again for some seconds, then it is a broken rule.
pub(crate) async fn ask_at_rest<T, F>(caller: &Caller, what: &str, ask: impl Fn() -> F) -> Option<T>
where
    F: Future<Output = Result<T, Error>> + Send,
{
    const ATTEMPTS: u32 = 40;
    let mut last = None;
    for _ in 0..ATTEMPTS {
        match ask().await {
            Ok(value) => return Some(value),
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    let last = last.map(|error| error.to_string()).unwrap_or_default();
    let text = format!("{}: {what} fails at rest: {last}", caller.load);
    caller.tally.broke(crate::tally::Rule::NotRecovered, text);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_is_told_unless_it_panicked() {
        let mut works = Works::new(&Arc::default());
        works.go(async {});
        works.go(async { panic!("the hook tells of it") });
        let mut ended = Vec::new();
        // One never ends.
        while works.tasks.len() > 1 {
            ended.extend(works.ended());
            tokio::task::yield_now().await;
        }
        assert_eq!(ended, ["a task ended by itself"]);
    }
}
