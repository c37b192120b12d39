//! A socket whose server reports changes: [`Source`].

use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use super::shared::Shared;
use super::standing::{Present, Standing, Tracking};
use crate::engine::link::Link;
use crate::engine::subscriptions::inbox::Cause;
use crate::engine::subscriptions::invalidation::{Invalidates, Invalidation};

/// A connection whose reads are kept; it hears what its server reports.
pub(super) struct Source {
    pub(super) link: Arc<Link>,
    pub(super) standing: Arc<Standing>,
    shared: Arc<Shared>,
}

impl Source {
    pub(super) fn new(link: Arc<Link>, shared: Arc<Shared>) -> Self {
        Self {
            link,
            standing: shared.enlist(),
            shared,
        }
    }

    #[inline]
    pub(super) fn present(&self) -> Present {
        self.standing.present()
    }

    /// Forgets what was read over it.
    pub(super) fn forget(&self, tracking: impl Fn(Tracking) -> Tracking) {
        self.shared.forget(&self.standing, tracking);
    }
}

impl Invalidates for Source {
    fn invalidate(&self, invalidation: &Invalidation, woken: &mut Vec<Waker>) {
        self.standing.hear(self.shared.now());
        match invalidation {
            Invalidation::Keys(keys) => keys.iter().for_each(|key| self.shared.changed(key)),
            Invalidation::All => self.forget(|tracking| tracking),
        }
        self.shared.tell(invalidation, woken);
    }

    fn lost(&self, woken: &mut Vec<Waker>) {
        self.forget(|_| Tracking::Off);
        self.shared.tell(&Invalidation::All, woken);
    }

    fn end(&self, _: Cause, woken: &mut Vec<Waker>) {
        self.lost(woken);
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("present", &self.present())
            .finish_non_exhaustive()
    }
}
