//! Values that say which key and which version they are: SET, GET and MGET.
//!
//! SET may be repeated, so the library sends it again when a socket is lost without a reply. The bytes on the old socket may
//! still arrive, after newer writes. So a version that was sent since the last rest may come back, which is counted but breaks
//! no rule; a value of another key, or a version that was never sent, does.

use typedis::prelude::*;

use super::{Handle, Load, Memory, Works, ask_at_rest};
use crate::calls::{Caller, Manner, Outcome};
use crate::tally::Rule;

const KEYS: usize = 6;

/// Most values are small; one of this many is large.
const ONE_LARGE_OF: u32 = 40;
const LARGE: usize = 64 << 10;

/// Writes and reads keys that no other task writes.
pub(crate) struct Values {
    caller: Caller,
    handle: Handle,
    keys: Vec<Key>,
}

/// One key, as its only writer knows it.
#[derive(Debug)]
struct Key {
    name: String,
    /// The newest version that was confirmed.
    confirmed: u64,
    /// The newest version that was sent.
    sent: u64,
    /// The oldest version that may come.
    oldest: u64,
}

impl Key {
    fn next_value(&mut self) -> String {
        self.sent += 1;
        let length = match fastrand::u32(0..ONE_LARGE_OF) {
            0 => LARGE,
            _ => fastrand::usize(0..200),
        };
        format!("{}={}={}", self.name, self.sent, "x".repeat(length))
    }

    /// Checks a value that was read; `Ok(true)` if it is older than it should be.
    fn read(&self, value: Option<&str>, memory: Memory) -> Result<bool, (Rule, String)> {
        let Some(value) = value else {
            let lost = self.oldest > 0 && memory == Memory::Kept;
            let text = || format!("{} is gone", self.name);
            return if lost {
                Err((Rule::Lost, text()))
            } else {
                Ok(false)
            };
        };
        let mut parts = value.split('=');
        let (name, version) = (parts.next(), parts.next());
        let version = version.and_then(|text| text.parse::<u64>().ok());
        let Some(version) = version.filter(|_| name == Some(self.name.as_str())) else {
            let start: String = value.chars().take(60).collect();
            let text = format!("a read of {} gave {start:?}", self.name);
            return Err((Rule::Wrong, text));
        };
        let text = || {
            let Self {
                name, oldest, sent, ..
            } = self;
            format!("{name} has the version {version}, not one from {oldest} to {sent}")
        };
        if version > self.sent {
            return Err((Rule::Wrong, text()));
        }
        if version < self.oldest && memory == Memory::Kept {
            return Err((Rule::Lost, text()));
        }
        Ok(version < self.confirmed && memory == Memory::Kept)
    }
}

impl Values {
    pub(crate) fn new(works: &Works, handle: &Handle) -> Self {
        let key = |index| Key {
            name: format!("value:{}:{index}", handle.name),
            confirmed: 0,
            sent: 0,
            oldest: 0,
        };
        Self {
            caller: works.caller("single commands"),
            handle: handle.clone(),
            keys: (0..KEYS).map(key).collect(),
        }
    }

    async fn write(&mut self, index: usize) {
        let Some(key) = self.keys.get_mut(index) else {
            return;
        };
        let value = key.next_value();
        let set = async { self.handle.client.set(&key.name, &value).await };
        if let Outcome::Done(()) = self.caller.call_as(Manner::any(), 1, set).await {
            key.confirmed = key.sent;
        }
    }

    /// Three reads at the same time, in one write.
    async fn read_some(&self) {
        let start = fastrand::usize(0..KEYS);
        let three = [0, 1, 2].map(|offset| (start + offset) % KEYS);
        let read = |index: usize| async move {
            let key = self.keys.get(index)?;
            let get = async { self.handle.client.get::<String>(&key.name).await };
            match self.caller.call_as(Manner::any(), 1, get).await {
                Outcome::Done(value) => Some((key, value)),
                _ => None,
            }
        };
        let read = tokio::join!(read(three[0]), read(three[1]), read(three[2]));
        for (key, value) in [read.0, read.1, read.2].into_iter().flatten() {
            self.check(key, value.as_deref());
        }
    }

    /// All keys in one command, which a cluster splits.
    async fn read_all(&self) {
        let names: Vec<&str> = self.keys.iter().map(|key| key.name.as_str()).collect();
        let mget = async { self.handle.client.mget::<String>(&names).await };
        let Outcome::Done(values) = self.caller.call_as(Manner::any(), 1, mget).await else {
            return;
        };
        for (key, value) in self.keys.iter().zip(&values) {
            self.check(key, value.as_deref());
        }
    }

    fn check(&self, key: &Key, value: Option<&str>) {
        match key.read(value, self.handle.memory) {
            Ok(true) => self.caller.tally.older(),
            Ok(false) => {}
            Err((rule, text)) => self.caller.tally.broke(rule, text),
        }
    }
}

impl Load for Values {
    async fn step(&mut self) {
        match fastrand::u32(0..4) {
            0 | 1 => self.write(fastrand::usize(0..KEYS)).await,
            2 => self.read_some().await,
            _ => self.read_all().await,
        }
    }

    async fn at_rest(&mut self) {
        for index in 0..KEYS {
            let Some(key) = self.keys.get(index) else {
                continue;
            };
            let ask = || async { self.handle.client.get::<String>(&key.name).await };
            let Some(value) = ask_at_rest(&self.caller, "a value", ask).await else {
                continue;
            };
            self.check(key, value.as_deref());
            let version = value
                .as_deref()
                .and_then(|value| value.split('=').nth(1)?.parse().ok());
            if let Some(key) = self.keys.get_mut(index) {
                key.oldest = version.unwrap_or(0);
                key.confirmed = key.oldest;
            }
        }
    }
}
