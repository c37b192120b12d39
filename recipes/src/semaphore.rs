//! A limited number of callers at a time: [`Semaphore`].

use std::sync::Arc;
use std::time::Duration;

use typedis::{AnyClient, Client, Result as ClientResult};

use crate::guard::{guard, taken};
use crate::keys::Keys;
use crate::lease::{Attempt, Held, Pace, Taken, forbid};
use crate::scripts::{Scripts as _, micros, unique};

/// A limited number of permits, shared by all programs that use the server.
///
/// A permit expires after its [`ttl`](Self::ttl), so a holder that dies does not keep it. A living holder renews it in the background.
///
/// ```
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let database = typedis_testkit::database(typedis_testkit::ServerKind::default());
/// # let url = database.url();
/// use typedis_recipes::Semaphore;
///
/// let conn = typedis::connect(url).await?;
/// let downloads = Semaphore::new(&conn, "downloads", 2);
/// let first = downloads.acquire().await?;
/// let second = downloads.acquire().await?;
/// assert!(downloads.try_acquire().await?.is_none());
///
/// let page = first.run(async { "the page" }).await?;
/// first.release().await?;
/// assert!(downloads.try_acquire().await?.is_some());
/// # Ok(()) }
/// ```
///
/// It is not fair: waiting callers ask again and again, and any of them may be next. Callers with different limits share the permits; each one
/// compares with its own limit.
#[derive(Debug, Clone)]
#[must_use = "a semaphore does nothing until a permit is acquired"]
pub struct Semaphore {
    client: AnyClient,
    name: String,
    limit: u64,
    pace: Pace,
}

impl Semaphore {
    /// The semaphore of this name with `limit` permits. Its key is `{semaphore:NAME}`.
    ///
    /// For ten minutes, `{semaphore:NAME}:given-up:OWNER` says that a call was given up. It is written by SET, which a user with limited
    /// rights (ACL) needs besides the commands of the scripts.
    pub fn new<C: Client + Clone + 'static>(
        client: &C,
        name: impl Into<String>,
        limit: u64,
    ) -> Self {
        Self {
            client: AnyClient::new(client.clone()),
            name: name.into(),
            limit,
            pace: Pace {
                ttl: Duration::from_secs(30),
                pause: Duration::from_millis(100),
            },
        }
    }

    fn attempt(&self) -> ClientResult<Attempt<PermitHold>> {
        Ok(Attempt::new(PermitHold {
            client: self.client.clone(),
            keys: Keys::new("semaphore", &self.name),
            owner: unique()?,
            what: format!("a permit of `{}`", self.name).into(),
            limit: self.limit,
            ttl: self.pace.ttl,
        }))
    }
}

taken! {
    impl Semaphore for Permit;

    /// How long a permit lives after it was acquired or renewed; 30 seconds by default. It is renewed three times in this time, so it has to be
    /// much longer than a round trip, and longer than a failover that holders are to survive.
    fn ttl;

    /// The longest pause between two attempts of [`acquire`](Self::acquire); 100 ms by default.
    fn retry_every;

    /// Takes a permit as soon as one is free. To give up after some time, use [`tokio::time::timeout`]: a call that is dropped leaves no permit
    /// behind.
    async fn acquire;

    /// Takes a permit if one is free. `None` if all are held.
    async fn try_acquire;
}

guard! {
    /// A permit that is held. It is renewed in the background for as long as this lives.
    ///
    /// Dropping it gives the permit back in the background. If that fails, or the runtime ends before, the permit expires.
    #[must_use = "dropping it gives the permit back"]
    pub struct Permit(PermitHold): "the permit", held if "the permit is certainly held";

    /// Gives the permit back, and says whether it was held until now.
    fn release;
}

/// What one caller holds, or wants to.
struct PermitHold {
    client: AnyClient,
    keys: Keys,
    owner: String,
    what: Arc<str>,
    limit: u64,
    ttl: Duration,
}

impl PermitHold {
    fn given_up(&self) -> String {
        self.keys.given_up(&self.owner)
    }
}

impl Held for PermitHold {
    type Given = ();
    /// After which time the next permit expires.
    type Refusal = Duration;

    fn what(&self) -> Arc<str> {
        Arc::clone(&self.what)
    }

    fn ttl(&self) -> Duration {
        self.ttl
    }

    async fn take(&self) -> Taken<Self> {
        let (key, ttl) = (self.keys.main(), micros(self.ttl));
        let expires = self
            .client
            .semaphore_acquire(key, self.given_up(), &self.owner, self.limit, ttl)
            .await?;
        Ok(match expires {
            0 => Ok(()),
            expires => Err(Duration::from_micros(expires)),
        })
    }

    async fn renew(&self) -> ClientResult<bool> {
        let (key, ttl) = (self.keys.main(), micros(self.ttl));
        self.client.semaphore_renew(key, &self.owner, ttl).await
    }

    async fn forbid(&self) -> ClientResult<()> {
        forbid(&self.client, &self.given_up()).await
    }

    async fn release(&self) -> ClientResult<bool> {
        self.client
            .semaphore_release(self.keys.main(), &self.owner)
            .await
    }
}
