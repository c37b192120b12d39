//! Client-side caching: a reader never goes back to an older value, and at rest the cache agrees with the server.

use std::time::Duration;

use typedis::prelude::*;
use typedis::{AnyClient, Cache, Cached};

use super::{Handle, Load, Works, ask_at_rest};
use crate::calls::{Caller, Manner, Outcome};
use crate::tally::Rule;

const KEYS: usize = 20;

/// How long a cache may take to agree when nothing is written any more.
const AGREES_WITHIN: Duration = Duration::from_secs(15);

/// Reads through a cache what it writes beside it.
pub(crate) struct Caching {
    caller: Caller,
    cache: AnyClient,
    /// Writes, and reads what is there.
    beside: AnyClient,
    keys: Vec<Key>,
}

/// One key: versions that only grow.
#[derive(Debug)]
struct Key {
    name: String,
    /// The newest version that the cache gave.
    seen: i64,
    /// The newest version that was sent.
    sent: i64,
}

impl Caching {
    pub(crate) fn new<C>(works: &Works, name: &str, cache: Cached<C>, beside: &Handle) -> Self
    where
        Cached<C>: Client + 'static,
    {
        let key = |index| Key {
            name: format!("cached:{name}:{index}"),
            seen: 0,
            sent: 0,
        };
        Self {
            caller: works.caller("cached reads"),
            cache: AnyClient::new(cache),
            beside: beside.client.clone(),
            keys: (0..KEYS).map(key).collect(),
        }
    }

    /// The settings of every cache here.
    pub(crate) fn settings() -> Cache {
        Cache::default().max_bytes(1 << 20)
    }

    /// INCR rather than SET: it is not sent twice, so a version never comes again.
    async fn write(&mut self, index: usize) {
        if let Some(key) = self.keys.get_mut(index) {
            key.sent += 1;
            let write = async { self.beside.incr(&key.name).await };
            let _ = self.caller.call_as(Manner::any(), 1, write).await;
        }
    }

    async fn read(&mut self, index: usize) {
        if let Some(key) = self.keys.get_mut(index) {
            let read = async { self.cache.get::<i64>(&key.name).await };
            if let Outcome::Done(value) = self.caller.call_as(Manner::any(), 1, read).await {
                let value = value.unwrap_or(0);
                self.caller.tally.check(key.read(value));
            }
        }
    }

    /// Waits until the cache gives what the server has.
    async fn compare(&self, key: &Key) -> Option<i64> {
        let end = tokio::time::Instant::now() + AGREES_WITHIN;
        loop {
            let both = || async { both(&self.cache, &self.beside, &key.name).await };
            let (cached, there) = ask_at_rest(&self.caller, "a cached key", both).await?;
            if cached == there {
                return Some(there);
            }
            if tokio::time::Instant::now() > end {
                let text = format!("{} is {there}, and the cache says {cached}", key.name);
                self.caller.tally.broke(Rule::Stale, text);
                return Some(there);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn both(cache: &AnyClient, beside: &AnyClient, key: &str) -> typedis::Result<(i64, i64)> {
    let cached = cache.get::<i64>(key).await?;
    let there = beside.get::<i64>(key).await?;
    Ok((cached.unwrap_or(0), there.unwrap_or(0)))
}

impl Key {
    fn read(&mut self, value: i64) -> Result<(), (Rule, String)> {
        let Self { name, seen, sent } = self;
        let text = format!("{name}: the cache gave {value} after {seen}; {sent} were written");
        let before = std::mem::replace(seen, value);
        if value < before {
            return Err((Rule::Stale, text));
        }
        if value > *sent {
            return Err((Rule::Wrong, text));
        }
        Ok(())
    }
}

impl Load for Caching {
    async fn step(&mut self) {
        // Few writes and many reads of a few keys.
        if fastrand::u32(0..6) == 0 {
            self.write(fastrand::usize(0..KEYS)).await;
        }
        for _ in 0..4 {
            self.read(fastrand::usize(0..KEYS)).await;
        }
    }

    async fn at_rest(&mut self) {
        for index in 0..self.keys.len() {
            let Some(key) = self.keys.get(index) else {
                continue;
            };
            if let Some(value) = self.compare(key).await
                && let Some(key) = self.keys.get_mut(index)
            {
                self.caller.tally.check(key.read(value));
            }
        }
    }
}
