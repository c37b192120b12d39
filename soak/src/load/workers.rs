//! A stream and a worker of its group: each entry is worked on at least once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use typedis::prelude::*;
use typedis::{Job, Worker};

use super::watching::Lender;
use super::{Load, Works, ask_at_rest};
use crate::calls::{Caller, Manner, Outcome};
use crate::tally::Rule;

const GROUP: &str = "workers";

/// After how long an entry whose function failed comes again.
const CLAIM_AFTER: Duration = Duration::from_secs(1);

/// How long entries may take when everything works.
const DONE_WITHIN: Duration = Duration::from_secs(20);

/// One entry.
#[derive(Debug, FromRedis, ToRedis)]
struct Entry {
    number: i64,
}

/// Adds entries to a stream.
pub(crate) struct Entries {
    caller: Caller,
    lender: Lender,
    stream: String,
    next: i64,
    /// Entries that were confirmed, and not worked on yet.
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    confirmed: HashSet<i64>,
    /// Entries that were worked on before their confirmation came.
    early: HashSet<i64>,
}

impl Entries {
    /// Starts what adds entries, and a worker.
    pub(crate) fn start(works: &mut Works, name: &str, lender: &Lender) {
        let entries = Self {
            caller: works.caller("workers"),
            lender: lender.clone(),
            stream: format!("stream:{name}"),
            next: 0,
            open: Arc::default(),
        };
        let worker = entries.worker();
        let (open, caller) = (Arc::clone(&entries.open), entries.caller.clone());
        works.go(async move {
            let handler = move |job: Job<Entry>| std::future::ready(work(&open, &job));
            if let Err(error) = worker.run(handler).await {
                let text = format!("a worker ended: {error}");
                caller.tally.broke(Rule::NotRecovered, text);
            }
        });
        works.start(entries, 8.0);
    }

    fn worker(&self) -> Worker {
        let worker = match &self.lender {
            Lender::Pool(pool) => Worker::new(pool, &self.stream, GROUP, "one"),
            Lender::Cluster(cluster) => Worker::new(cluster, &self.stream, GROUP, "one"),
        };
        let tally = Arc::clone(&self.caller.tally);
        worker
            .claim_after(CLAIM_AFTER)
            .on_event(move |_| tally.commands("workers", 1))
    }

    async fn add(&self, number: i64) -> typedis::Result<()> {
        let entry = Entry { number };
        match &self.lender {
            Lender::Pool(pool) => pool.xadd(&self.stream, "*", entry).await.map(drop),
            Lender::Cluster(cluster) => cluster.xadd(&self.stream, "*", entry).await.map(drop),
        }
    }

    /// Removes entries that were worked on, so that the stream does not grow.
    async fn trim(&self) -> typedis::Result<i64> {
        let trim = raw("XTRIM")
            .key(&self.stream)
            .arg("MAXLEN")
            .arg(0)
            .reply::<i64>();
        match &self.lender {
            Lender::Pool(pool) => pool.run(trim).await,
            Lender::Cluster(cluster) => cluster.run(trim).await,
        }
    }
}

/// The worker's function: one of twenty calls fails, and its entry has to come again.
fn work(open: &Mutex<Open>, job: &Job<Entry>) -> Result<(), &'static str> {
    if fastrand::u32(0..20) == 0 {
        return Err("on purpose");
    }
    let number = job.fields.number;
    let mut open = lock(open);
    if !open.confirmed.remove(&number) {
        open.early.insert(number);
    }
    Ok(())
}

impl Load for Entries {
    async fn step(&mut self) {
        self.next += 1;
        let number = self.next;
        if let Outcome::Done(()) = self
            .caller
            .call_as(Manner::any(), 1, self.add(number))
            .await
        {
            let mut open = lock(&self.open);
            if !open.early.remove(&number) {
                open.confirmed.insert(number);
            }
        }
    }

    async fn at_rest(&mut self) {
        let end = tokio::time::Instant::now() + DONE_WITHIN;
        loop {
            let left = lock(&self.open).confirmed.len();
            if left == 0 {
                break;
            }
            if tokio::time::Instant::now() > end {
                let text = format!("{}: {left} entries were never worked on", self.stream);
                self.caller.tally.broke(Rule::Lost, text);
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        *lock(&self.open) = Open::default();
        // Entries that were not confirmed may still be in work; they may be lost.
        let _ = ask_at_rest(&self.caller, "a stream", || self.trim()).await;
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}
