//! What all clones of a caching handle share: [`Inner`].

use std::ops::Range;
use std::sync::Arc;

use super::flight::Flights;
use super::origin::Sources;
use super::shared::Shared;

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
}
