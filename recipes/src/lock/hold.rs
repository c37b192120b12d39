//! The scripts of a lock, called for one holder: [`LockHold`].

use std::sync::Arc;
use std::time::Duration;

use typedis::{AnyClient, Result};

use crate::keys::Keys;
use crate::lease::{Held, Taken, forbid};
use crate::scripts::{Scripts as _, millis, unique};

/// What one caller holds, or wants to.
pub(crate) struct LockHold {
    client: AnyClient,
    keys: Keys,
    last: String,
    owner: String,
    what: Arc<str>,
    ttl: Duration,
}

impl LockHold {
    pub(crate) fn new(
        client: AnyClient,
        recipe: &str,
        name: &str,
        what: String,
        ttl: Duration,
    ) -> Result<Self> {
        let keys = Keys::new(recipe, name);
        Ok(Self {
            client,
            last: keys.part("last"),
            keys,
            owner: unique()?,
            what: what.into(),
            ttl,
        })
    }

    /// Adds a name that others can read.
    pub(crate) fn named(mut self, name: &str) -> Self {
        self.owner = format!("{}:{name}", self.owner);
        self
    }

    fn given_up(&self) -> String {
        self.keys.given_up(&self.owner)
    }
}

impl Held for LockHold {
    /// The token.
    type Given = u64;
    /// After which time the lock of another one expires.
    type Refusal = Duration;

    fn what(&self) -> Arc<str> {
        Arc::clone(&self.what)
    }

    fn ttl(&self) -> Duration {
        self.ttl
    }

    async fn take(&self) -> Taken<Self> {
        let (owner, ttl) = (&self.owner, millis(self.ttl));
        let (token, expires) = self
            .client
            .lock_acquire(self.keys.main(), &self.last, self.given_up(), owner, ttl)
            .await?;
        let expires = Duration::from_millis(u64::try_from(expires).unwrap_or(u64::MAX).max(1));
        Ok(if token > 0 { Ok(token) } else { Err(expires) })
    }

    async fn renew(&self) -> Result<bool> {
        let ttl = millis(self.ttl);
        self.client
            .lock_renew(self.keys.main(), &self.owner, ttl)
            .await
    }

    async fn forbid(&self) -> Result<()> {
        forbid(&self.client, &self.given_up()).await
    }

    async fn release(&self) -> Result<bool> {
        self.client
            .lock_release(self.keys.main(), &self.owner)
            .await
    }
}
