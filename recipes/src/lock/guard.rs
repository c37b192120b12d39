//! What the holder of a lock has: [`LockGuard`].

use std::fmt;

use super::LockHold;
use crate::error::{Lost, Result};
use crate::lease::Lease;

/// A lock that is held. It is renewed in the background for as long as this lives.
///
/// Dropping it releases the lock in the background. If that fails, or the runtime ends before, the lock expires after its time to live.
#[must_use = "dropping it releases the lock"]
pub struct LockGuard {
    token: u64,
    lease: Lease<LockHold>,
}

impl LockGuard {
    pub(crate) fn new(token: u64, lease: Lease<LockHold>) -> Self {
        Self { token, lease }
    }

    /// The fencing token: every later holder has a larger one. Pass it to the storage with each write, and let the storage refuse a token that is
    /// smaller than one it has seen.
    #[must_use]
    pub fn token(&self) -> u64 {
        self.token
    }

    /// Whether nobody else can hold the lock, as far as this client knows: it was acquired or renewed less than its time to live ago.
    ///
    /// The answer may be out of date when it is used, because a program may be paused at any moment; the token is not.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.lease.is_held()
    }

    /// Waits until the lock is lost, and says why.
    pub async fn lost(&self) -> Lost {
        self.lease.lost().await
    }

    /// Runs the work, and drops it if the lock is lost meanwhile.
    ///
    /// # Errors
    /// The lock was lost.
    pub async fn run<F: Future>(&self, work: F) -> Result<F::Output, Lost> {
        self.lease.run(work).await
    }

    /// Releases the lock, and says whether it was held until now.
    ///
    /// # Errors
    /// The lock was lost before; or the server could not be asked, and the lock expires by itself.
    pub async fn release(self) -> Result<()> {
        self.lease.release().await
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard")
            .field("token", &self.token)
            .field("is_held", &self.is_held())
            .finish_non_exhaustive()
    }
}
