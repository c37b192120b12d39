//! Sessions that wait for an element of a list: [`Blocked`].

use std::collections::{BTreeMap, VecDeque};

/// Who waits for an element of which list, the one that came first first.
#[derive(Debug, Default)]
pub(super) struct Blocked {
    lists: BTreeMap<Vec<u8>, VecDeque<Waiter>>,
}

/// A session that waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiter {
    pub(super) session: u64,
    /// The number of the call that it waits for.
    pub(super) call: u64,
}

impl Blocked {
    pub(super) fn wait(&mut self, list: &[u8], waiter: Waiter) {
        let waiting = self.lists.entry(list.to_vec()).or_default();
        waiting.push_back(waiter);
    }

    /// Takes the first who waits for this list.
    pub(super) fn first(&mut self, list: &[u8]) -> Option<Waiter> {
        let waiting = self.lists.get_mut(list)?;
        let first = waiting.pop_front();
        if waiting.is_empty() {
            self.lists.remove(list);
        }
        first
    }

    /// Takes all who wait for a list of which `chosen` is true.
    pub(super) fn take(&mut self, chosen: impl Fn(&[u8]) -> bool) -> Vec<(Vec<u8>, u64)> {
        let mut taken = Vec::new();
        self.lists.retain(|list, waiting| {
            let goes = chosen(list);
            if goes {
                taken.extend(waiting.iter().map(|waiter| (list.clone(), waiter.session)));
            }
            !goes
        });
        taken
    }

    /// Whether the session waited.
    pub(super) fn give_up(&mut self, id: u64) -> bool {
        let mut waited = false;
        self.lists.retain(|_, waiting| {
            let before = waiting.len();
            waiting.retain(|known| known.session != id);
            waited |= waiting.len() < before;
            !waiting.is_empty()
        });
        waited
    }
}
