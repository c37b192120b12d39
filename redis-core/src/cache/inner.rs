//! What all clones of a caching handle share: [`Inner`].

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::changes::KeyHash;
use super::origin::{Place, Sources};
use super::shared::Shared;
use super::shared_read::SharedReads;
use super::store::{CommandRef, Entry};
use crate::command::{Args, Slots};

/// What is kept, what is on its way, and the sockets that it comes from.
pub(super) struct Inner {
    pub(super) shared: Arc<Shared>,
    pub(super) reads: Arc<SharedReads>,
    pub(super) sources: Sources,
}

/// What there is in memory for a command.
pub(super) enum Found<'c> {
    /// Its reply.
    Kept(Bytes),
    /// No reply, but one would be kept; and where it is read, and the hash of its first key.
    Missing(Place<'c>, KeyHash),
    /// Its keys are kept one by one.
    Each,
    /// Nothing, and nothing is kept of such commands.
    Nothing,
}

impl Inner {
    /// Looks for the reply to a command in memory.
    #[inline]
    pub(super) fn look_up(&self, args: &Args) -> Found<'_> {
        let Some((bytes, key)) = args.cacheable() else {
            return Found::Nothing;
        };
        if args.has_several_keys() && !self.takes_all(args) {
            return Found::Nothing;
        }
        if args.reads_each_key() {
            return Found::Each;
        }
        if !self.covers(bytes, &key) {
            return Found::Nothing;
        }
        let hash = self.shared.hash_of(bytes, &key);
        let Some(place) = self.sources.of(bytes.get(key).unwrap_or_default(), hash) else {
            return Found::Nothing;
        };
        let command = CommandRef { bytes, hash };
        match self.shared.find(&place.source.standing, command) {
            Some(entry) => {
                self.shared.counts.hit();
                Found::Kept(entry.reply)
            }
            None => Found::Missing(place, hash),
        }
    }

    /// The reply to a command with one key, if it is in memory. Reads from memory come here first, so nothing else is
    /// done here.
    pub(super) fn find(&self, args: &Args) -> Option<Entry> {
        let (bytes, place) = args.cacheable()?;
        if args.has_several_keys() || args.reads_each_key() {
            return None;
        }
        let key = bytes.get(place)?;
        let hash = self.shared.changes.hash(key);
        let source = self.sources.of(key, hash)?.source;
        let found = self
            .shared
            .find(&source.standing, CommandRef { bytes, hash });
        if found.is_some() {
            self.shared.counts.hit();
        }
        found
    }

    /// Whether changes of the key at this place of an encoded command are reported.
    #[inline]
    pub(super) fn covers(&self, command: &[u8], key: &Range<usize>) -> bool {
        let key = command.get(key.clone()).unwrap_or_default();
        self.shared.settings.covers(key)
    }

    /// Whether a command with these keys can be read by the cache: changes of all of them are reported, and one node has
    /// them all, unless the command can be split by its keys.
    pub(super) fn takes_all(&self, args: &Args) -> bool {
        let mut covers = true;
        args.each_key(|key| covers &= self.shared.settings.covers(key));
        let is_apart = self.sources.have_slots()
            && !args.reads_each_key()
            && matches!(args.slots(), Slots::Several(..));
        covers && !is_apart
    }
}

impl Drop for Inner {
    /// The last handle is gone.
    fn drop(&mut self) {
        self.shared.listeners.end();
    }
}
