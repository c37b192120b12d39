//! What all clones of a caching handle share: [`Inner`].

use std::ops::Range;
use std::sync::Arc;

use super::changes::Hashes;
use super::origin::{Place, Sources};
use super::shared::Shared;
use super::shared_read::SharedReads;
use super::store::CommandRef;
use crate::command::{Args, Slots};
use crate::reply::KeptReply;

/// What is kept, what is on its way, and the sockets that it comes from.
pub(super) struct Inner {
    pub(super) shared: Arc<Shared>,
    pub(super) reads: Arc<SharedReads>,
    pub(super) sources: Sources,
}

/// How a command is read whose reply is not in memory.
pub(super) enum Way {
    /// As a read whose reply is kept, over the socket of this place.
    Kept(Place),
    /// Its keys are kept one by one.
    Each,
    /// As on the handle beneath; nothing is kept of such commands.
    Ordinary,
}

impl Inner {
    /// How a command is read whose reply is not in memory.
    pub(super) fn way(&self, args: &Args) -> Way {
        let Some((bytes, key)) = args.cacheable() else {
            return Way::Ordinary;
        };
        let takes = if args.has_several_keys() {
            self.takes_all(args)
        } else {
            self.covers(bytes, &key)
        };
        if !takes {
            return Way::Ordinary;
        }
        if args.reads_each_key() {
            return Way::Each;
        }
        let key = bytes.get(key).unwrap_or_default();
        let place = self.sources.of(key, self.shared.changes.hash(key));
        place.map_or(Way::Ordinary, Way::Kept)
    }

    /// The reply to a command, if it is in memory. Most reads from memory do nothing but this and count.
    #[inline(always)]
    pub(super) fn find(&self, args: &Args) -> Option<KeptReply> {
        let (bytes, place) = args.cacheable()?;
        if args.reads_each_key() {
            return None;
        }
        self.sources.keep_up();
        let Hashes { key, command: hash } = self.shared.changes.hashes(bytes, &place)?;
        let found = self.shared.find(key, &CommandRef { bytes, hash })?;
        Some(found.reply)
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

impl Inner {
    /// Whether a reply that goes past the cache may show a change before it is reported.
    pub(super) fn may_show_newer(&self) -> bool {
        let in_order = self.shared.settings.reports_in_order();
        !(in_order && self.sources.report_on_the_same_socket())
    }

    /// The reply about this key that has come may be newer than what is kept.
    pub(super) fn forget_read(&self, key: &[u8]) {
        if self.shared.settings.covers(key) {
            self.shared.count_change(self.shared.changes.hash(key));
        }
    }
}

impl Drop for Inner {
    /// The last handle is gone.
    fn drop(&mut self) {
        self.shared.listeners.end();
    }
}
