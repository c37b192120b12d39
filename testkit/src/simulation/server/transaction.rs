//! MULTI and WATCH of one session: [`Transaction`].

use super::request::Words;
use super::store::Store;

/// What a session has begun.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// The commands since MULTI, if there was one.
    pub(super) queued: Option<Vec<Words>>,
    /// Whether ASKING came right before MULTI.
    pub(super) asking: bool,
    /// Whether one of them was refused.
    pub(super) spoiled: bool,
    /// The watched keys, with their versions at WATCH.
    watched: Vec<(Vec<u8>, (u64, u64))>,
}

impl Transaction {
    pub(super) fn watch(&mut self, store: &Store, key: &[u8]) {
        self.watched.push((key.to_vec(), store.version(key)));
    }

    pub(super) fn unwatch(&mut self) {
        self.watched.clear();
    }

    /// Whether a watched key was changed.
    pub(super) fn is_stale(&self, store: &Store) -> bool {
        let changed = |(key, version): &(Vec<u8>, (u64, u64))| store.version(key) != *version;
        self.watched.iter().any(changed)
    }
}
