//! The keys of a server: [`Store`].

use std::collections::{BTreeMap, VecDeque};

use super::Answer;
use crate::simulation::ledger::Token;

pub(super) const WRONG_TYPE: Answer =
    Answer::refusal("WRONGTYPE Operation against a key holding the wrong kind of value");
const NO_NUMBER: Answer = Answer::refusal("ERR value is not an integer or out of range");

/// The keys, and how often each was changed.
#[derive(Debug, Default)]
pub(super) struct Store {
    keys: BTreeMap<Vec<u8>, Entry>,
    /// All keys that ever were here, in the order in which they came: by their places, scans find their way.
    names: Vec<Vec<u8>>,
    versions: BTreeMap<Vec<u8>, u64>,
    /// How often all keys were lost: that changes each of them.
    era: u64,
}

/// A key, as it is copied from server to server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    /// `None` if the key does not exist any more.
    value: Option<Value>,
    /// Which commands have changed it, in their order.
    pub(crate) history: Vec<Token>,
}

#[derive(Debug, Clone)]
enum Value {
    Text(Vec<u8>),
    List(VecDeque<Vec<u8>>),
}

impl Entry {
    /// The elements, if it is a list.
    pub(crate) fn elements(&self) -> impl Iterator<Item = &[u8]> {
        let list = match &self.value {
            Some(Value::List(list)) => Some(list),
            _ => None,
        };
        list.into_iter().flatten().map(Vec::as_slice)
    }
}

impl Store {
    /// A number that changes with each change of the key.
    pub(super) fn version(&self, key: &[u8]) -> (u64, u64) {
        (self.era, self.versions.get(key).copied().unwrap_or(0))
    }

    pub(super) fn forget_all(&mut self) {
        self.keys.clear();
        self.era += 1;
    }

    fn touch(&mut self, key: &[u8]) {
        *self.versions.entry(key.to_vec()).or_default() += 1;
    }

    /// The entry of a key, which is made if there is none.
    fn entry(&mut self, key: &[u8]) -> &mut Entry {
        if !self.names.iter().any(|name| name == key) {
            self.names.push(key.to_vec());
        }
        self.keys.entry(key.to_vec()).or_default()
    }

    fn value(&self, key: &[u8]) -> Option<&Value> {
        self.keys.get(key)?.value.as_ref()
    }

    pub(super) fn has(&self, key: &[u8]) -> bool {
        self.value(key).is_some()
    }

    /// All keys that exist or existed.
    pub(super) fn entries(&self) -> &BTreeMap<Vec<u8>, Entry> {
        &self.keys
    }

    /// Takes over all keys of another server.
    pub(super) fn copy(&mut self, keys: BTreeMap<Vec<u8>, Entry>) {
        for key in keys.keys() {
            self.entry(key);
        }
        self.keys = keys;
        self.era += 1;
    }

    /// Takes over a key of another server.
    pub(super) fn put(&mut self, key: &[u8], entry: Entry) {
        self.touch(key);
        *self.entry(key) = entry;
    }

    /// Takes over what another server knows of a key that does not exist there any more.
    pub(super) fn precede(&mut self, key: &[u8], mut entry: Entry) {
        let known = self.entry(key);
        entry.history.append(&mut known.history);
        known.history = entry.history;
    }

    /// Removes a key with its history.
    pub(super) fn take(&mut self, key: &[u8]) -> Option<Entry> {
        self.touch(key);
        self.keys.remove(key)
    }

    /// Notes that a command has changed a key.
    pub(super) fn note(&mut self, key: &[u8], token: Token) {
        let entry = self.entry(key);
        entry.history.push(token);
    }

    pub(super) fn get(&self, key: &[u8]) -> Answer {
        match self.value(key) {
            None => Answer::Nil,
            Some(Value::Text(text)) => Answer::text(text),
            Some(Value::List(_)) => WRONG_TYPE,
        }
    }

    pub(super) fn set(&mut self, key: &[u8], text: &[u8]) -> Answer {
        self.touch(key);
        let entry = self.entry(key);
        entry.value = Some(Value::Text(text.to_vec()));
        Answer::ok()
    }

    pub(super) fn add(&mut self, key: &[u8], number: i64) -> Answer {
        let now = match self.value(key) {
            None => Some(0),
            Some(Value::Text(text)) => std::str::from_utf8(text).ok().and_then(|t| t.parse().ok()),
            Some(Value::List(_)) => return WRONG_TYPE,
        };
        let Some(sum) = now.and_then(|now: i64| now.checked_add(number)) else {
            return NO_NUMBER;
        };
        self.set(key, sum.to_string().as_bytes());
        Answer::Integer(sum)
    }

    pub(super) fn push(&mut self, key: &[u8], element: &[u8]) -> Answer {
        let entry = self.entry(key);
        let value = entry
            .value
            .get_or_insert_with(|| Value::List(VecDeque::new()));
        let Value::List(list) = value else {
            return WRONG_TYPE;
        };
        list.push_back(element.to_vec());
        let len = i64::try_from(list.len()).unwrap_or(i64::MAX);
        self.touch(key);
        Answer::Integer(len)
    }

    /// Takes the first element of a list.
    pub(super) fn pop(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        let entry = self.keys.get_mut(key)?;
        let Some(Value::List(list)) = &mut entry.value else {
            return None;
        };
        let element = list.pop_front();
        if list.is_empty() {
            entry.value = None;
        }
        self.touch(key);
        element
    }

    /// At most `count` keys from a place on, and where to go on; 0 at the end. What is here the whole time is found, whatever
    /// comes and goes meanwhile.
    pub(super) fn scan(&self, from: usize, count: usize, shows: impl Fn(&[u8]) -> bool) -> Answer {
        let mut keys = Vec::new();
        let mut next = 0;
        for (place, name) in self.names.iter().enumerate().skip(from) {
            if keys.len() == count {
                next = place;
                break;
            }
            if self.has(name) && shows(name) {
                keys.push(Answer::text(name));
            }
        }
        Answer::List(vec![Answer::text(next.to_string()), Answer::List(keys)])
    }
}
