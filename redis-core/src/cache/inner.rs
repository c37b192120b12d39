//! What all clones of a caching handle share: [`Inner`].

use std::ops::Range;
use std::sync::Arc;

use super::flight::Flights;
use super::origin::Sources;
use super::shared::Shared;
use crate::command::{Args, Slots};

/// What is kept, what is on its way, and the sockets that it comes from.
pub(super) struct Inner {
    pub(super) shared: Arc<Shared>,
    pub(super) flights: Arc<Flights>,
    pub(super) sources: Sources,
}

impl Inner {
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
