//! A limited number of callers at a time: [`Semaphore`].

use std::sync::Arc;
use std::time::Duration;

use typedis::{AnyClient, Client, Result as ClientResult};

use crate::guard::guard;
use crate::keys::Keys;
use crate::lease::{Attempt, Held, Taken, forbid};
use crate::scripts::{Scripts as _, micros, possible, unique};

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
    ttl: Duration,
    pause: Duration,
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
            ttl: Duration::from_secs(30),
            pause: Duration::from_millis(100),
        }
    }

    /// How long a permit lives after it was acquired or renewed; 30 seconds by default. It is renewed three times in this time.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = possible(ttl);
        self
    }

    /// The longest pause between two attempts of [`acquire`](Self::acquire); 100 ms by default.
    pub fn retry_every(mut self, pause: Duration) -> Self {
        self.pause = possible(pause);
        self
    }

    /// Takes a permit if one is free. `None` if all are held.
    ///
    /// # Errors
    /// The server could not be asked, or refused; or the time to live is shorter than a round trip
    /// ([`ErrorKind::Usage`](typedis::ErrorKind::Usage)). If it may have given a permit, that is given back in the
    /// background.
    pub async fn try_acquire(&self) -> ClientResult<Option<Permit>> {
        let taken = self.attempt()?.take().await?;
        Ok(taken.ok().map(Permit::new))
    }

    /// Takes a permit as soon as one is free. To give up after some time, use [`tokio::time::timeout`]: a call that is dropped leaves no permit
    /// behind.
    ///
    /// # Errors
    /// As [`try_acquire`](Self::try_acquire).
    pub async fn acquire(&self) -> ClientResult<Permit> {
        let lease = self.attempt()?.wait(self.pause).await?;
        Ok(Permit::new(lease))
    }

    fn attempt(&self) -> ClientResult<Attempt<PermitHold>> {
        Ok(Attempt::new(PermitHold {
            client: self.client.clone(),
            keys: Keys::new("semaphore", &self.name),
            owner: unique()?,
            what: format!("a permit of `{}`", self.name).into(),
            limit: self.limit,
            ttl: self.ttl,
        }))
    }
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
