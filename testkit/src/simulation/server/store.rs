//! The keys of a server: [`Store`].

use std::collections::{BTreeMap, VecDeque};

use super::Answer;

pub(super) const WRONG_TYPE: Answer =
    Answer::Error("WRONGTYPE Operation against a key holding the wrong kind of value");
const NO_NUMBER: Answer = Answer::Error("ERR value is not an integer or out of range");

/// The keys, and how often each was changed.
#[derive(Debug, Default)]
pub(super) struct Store {
    keys: BTreeMap<Vec<u8>, Value>,
    versions: BTreeMap<Vec<u8>, u64>,
    /// How often all keys were lost: that changes each of them.
    era: u64,
}

#[derive(Debug, Clone)]
enum Value {
    Text(Vec<u8>),
    List(VecDeque<Vec<u8>>),
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

    pub(super) fn get(&self, key: &[u8]) -> Answer {
        match self.keys.get(key) {
            None => Answer::Nil,
            Some(Value::Text(text)) => Answer::text(text),
            Some(Value::List(_)) => WRONG_TYPE,
        }
    }

    pub(super) fn set(&mut self, key: &[u8], text: &[u8]) -> Answer {
        self.touch(key);
        self.keys.insert(key.to_vec(), Value::Text(text.to_vec()));
        Answer::ok()
    }

    pub(super) fn add(&mut self, key: &[u8], number: i64) -> Answer {
        let now = match self.keys.get(key) {
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
        let list = self
            .keys
            .entry(key.to_vec())
            .or_insert_with(|| Value::List(VecDeque::new()));
        let Value::List(list) = list else {
            return WRONG_TYPE;
        };
        list.push_back(element.to_vec());
        let len = i64::try_from(list.len()).unwrap_or(i64::MAX);
        self.touch(key);
        Answer::Integer(len)
    }

    /// Takes the first element of a list.
    pub(super) fn pop(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        let Some(Value::List(list)) = self.keys.get_mut(key) else {
            return None;
        };
        let element = list.pop_front();
        if list.is_empty() {
            self.keys.remove(key);
        }
        self.touch(key);
        element
    }

    /// At most `count` keys after the first `from`, in their order, and where to go on; 0 at the end.
    pub(super) fn scan(&self, from: usize, count: usize) -> Answer {
        let keys: Vec<Answer> = self
            .keys
            .keys()
            .skip(from)
            .take(count)
            .map(Answer::text)
            .collect();
        let next = from + keys.len();
        let cursor = if next < self.keys.len() { next } else { 0 };
        Answer::List(vec![Answer::text(cursor.to_string()), Answer::List(keys)])
    }
}
