//! Where a socket leads: [`Place`].

use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};

/// A hash of the address that the last socket of a link leads to, since only whether two are the same matters.
#[derive(Debug, Default)]
pub(crate) struct Place(AtomicU64);

impl Place {
    pub(crate) fn note(&self, address: impl Hash) {
        let mut hasher = DefaultHasher::new();
        address.hash(&mut hasher);
        self.0.store(hasher.finish(), Ordering::Release);
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.0.load(Ordering::Acquire) == other.0.load(Ordering::Acquire)
    }
}
