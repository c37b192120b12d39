//! What all clones of a caching handle share: [`Inner`].

use std::ops::Range;
use std::sync::Arc;

use super::flight::Flights;
use super::origin::Sources;
use super::shared::Shared;
use crate::command::Args;

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

    /// Whether changes of all keys are reported.
    pub(super) fn covers_all(&self, args: &Args) -> bool {
        let mut covers = true;
        args.each_key(|key| covers &= self.shared.settings.covers(key));
        covers
    }
}

impl Drop for Inner {
    /// The last handle is gone.
    fn drop(&mut self) {
        self.shared.listeners.end();
    }
}
