//! What is known of one counter that only one caller increments: [`Count`].

use super::Memory;
use crate::tally::Rule;

/// A counter on a server, as its only caller knows it.
#[derive(Debug)]
pub(crate) struct Count {
    key: String,
    memory: Memory,
    /// Increments that were confirmed.
    done: i64,
    /// Increments that may have been carried out.
    unsure: i64,
    /// The highest value that was seen.
    highest: i64,
}

impl Count {
    pub(crate) fn new(key: String, memory: Memory) -> Self {
        Self {
            key,
            memory,
            done: 0,
            unsure: 0,
            highest: 0,
        }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// It is not known whether this many increments were carried out.
    pub(crate) fn unsure(&mut self, increments: i64) {
        self.unsure += increments;
    }

    /// An increment was answered with this value.
    pub(crate) fn incremented(&mut self, value: i64) -> Result<(), (Rule, String)> {
        self.done += 1;
        let repeats = value <= self.highest;
        self.highest = self.highest.max(value);
        if repeats && self.memory == Memory::Kept {
            let text = format!("{} became {value} after {}", self.key, self.highest);
            return Err((Rule::Wrong, text));
        }
        self.seen(value)
    }

    /// It was read, while no increment was under way. `None` is a key that does not exist.
    pub(crate) fn seen(&self, value: i64) -> Result<(), (Rule, String)> {
        let Self {
            key, done, unsure, ..
        } = self;
        let text =
            format!("{key} is {value} after {done} increments, and {unsure} that are unsure");
        if value > done + unsure {
            return Err((Rule::Repeated, text));
        }
        if value < *done && self.memory == Memory::Kept {
            return Err((Rule::Lost, text));
        }
        Ok(())
    }

    /// It was read at rest: what was unsure until now is decided.
    pub(crate) fn settle(&mut self, value: Option<i64>) -> Result<(), (Rule, String)> {
        let value = value.unwrap_or(0);
        let seen = self.seen(value);
        self.done = value;
        self.unsure = 0;
        self.highest = value;
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(result: Result<(), (Rule, String)>) -> Option<Rule> {
        result.err().map(|(rule, _)| rule)
    }

    #[test]
    fn what_is_unsure_may_have_happened_or_not() {
        let mut count = Count::new("k".to_owned(), Memory::Kept);
        count.unsure(2);
        assert_eq!(rule(count.incremented(2)), None);
        assert_eq!(rule(count.seen(1)), None);
        assert_eq!(rule(count.seen(3)), None);
        assert_eq!(rule(count.settle(Some(3))), None);
        assert_eq!(rule(count.settle(Some(3))), None);
    }

    #[test]
    fn what_is_confirmed_happened_once() {
        let mut count = Count::new("k".to_owned(), Memory::Kept);
        assert_eq!(rule(count.incremented(1)), None);
        assert_eq!(rule(count.seen(0)), Some(Rule::Lost));
        assert_eq!(rule(count.seen(2)), Some(Rule::Repeated));
        assert_eq!(rule(count.incremented(1)), Some(Rule::Wrong));
    }

    #[test]
    fn a_server_that_may_forget_does_nothing_twice() {
        let mut count = Count::new("k".to_owned(), Memory::MayForget);
        assert_eq!(rule(count.incremented(1)), None);
        assert_eq!(rule(count.incremented(1)), None);
        assert_eq!(rule(count.incremented(4)), Some(Rule::Repeated));
        assert_eq!(rule(count.settle(None)), None);
        assert_eq!(rule(count.incremented(2)), Some(Rule::Repeated));
    }
}
