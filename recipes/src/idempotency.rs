//! A request that is made twice is carried out once: [`Idempotency`].

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use typedis::{AnyClient, Client, FromRedis, Result as ClientResult, ToArg};

use crate::error::{Error, LossCause, Lost, Result};
use crate::keys::Keys;
use crate::lease::{Attempt, Held, Lease, Taken, forbid};
use crate::scripts::{Scripts as _, millis, possible, unique};

/// Results of requests by the key that their callers chose, so that a request that is made twice is carried out once.
///
/// ```
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let database = typedis_testkit::database(typedis_testkit::ServerKind::default());
/// # let url = database.url();
/// use typedis_recipes::{Begun, Idempotency};
///
/// async fn pay(payments: &Idempotency, key: &str) -> typedis_recipes::Result<String> {
///     match payments.begin::<String>(key).await? {
///         Begun::Run(run) => {
///             let receipt = "paid once".to_owned(); // the work
///             run.finish(&receipt).await?;
///             Ok(receipt)
///         }
///         Begun::Replay(receipt) => Ok(receipt),
///         Begun::InProgress { retry_after } => Ok(format!("409, try again after {retry_after:?}")),
///     }
/// }
///
/// let conn = typedis::connect(url).await?;
/// let payments = Idempotency::new(&conn, "payments");
/// assert_eq!(pay(&payments, "5f0c").await?, "paid once");
/// assert_eq!(pay(&payments, "5f0c").await?, "paid once"); // the stored result
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "it does nothing until a request is begun"]
pub struct Idempotency {
    client: AnyClient,
    name: String,
    run_ttl: Duration,
    result_ttl: Duration,
}

/// What is known of a request.
#[derive(Debug)]
pub enum Begun<T: FromRedis + Send + 'static> {
    /// Nobody has carried it out: the caller does it now, and stores the result.
    Run(RequestRun<T>),
    /// It was carried out; this is the result.
    Replay(T),
    /// Another caller is carrying it out.
    InProgress {
        /// When that caller's run expires if it is not renewed: the caller may have died. It may also have finished before.
        retry_after: Duration,
    },
}

impl Idempotency {
    /// The requests of one kind. Each has the key `{idempotency:NAME:KEY}`. A colon in the name becomes `\:`.
    ///
    /// For ten minutes, `{idempotency:NAME:KEY}:given-up:OWNER` says that a call was given up. It is written by SET, which a user with limited
    /// rights (ACL) needs besides the commands of the scripts.
    pub fn new<C: Client + Clone + 'static>(client: &C, name: impl Into<String>) -> Self {
        Self {
            client: AnyClient::new(client.clone()),
            name: name.into(),
            run_ttl: Duration::from_secs(30),
            result_ttl: Duration::from_secs(24 * 3600),
        }
    }

    /// For how long a caller that dies keeps others from carrying the request out; 30 seconds by default. A living caller renews its run three times in this
    /// time.
    pub fn run_ttl(mut self, ttl: Duration) -> Self {
        self.run_ttl = possible(ttl);
        self
    }

    /// How long results are stored; a day by default.
    pub fn result_ttl(mut self, ttl: Duration) -> Self {
        self.result_ttl = possible(ttl);
        self
    }

    /// Begins a request, or says what became of it. The key is the caller's own, such as the header `Idempotency-Key`; two different requests must not have one
    /// key.
    ///
    /// # Errors
    /// The server could not be asked, or refused; the stored result is no `T`; or the time to live of a run is shorter than a round trip
    /// ([`ErrorKind::Usage`](typedis::ErrorKind::Usage)). If a run may have begun, it is ended in the background.
    pub async fn begin<T: FromRedis + Send + 'static>(&self, key: &str) -> ClientResult<Begun<T>> {
        let hold = RunHold {
            client: self.client.clone(),
            keys: self.keys(key),
            owner: unique()?,
            what: format!("the run of `{}:{key}`", self.name).into(),
            ttl: self.run_ttl,
            is_finished: AtomicBool::new(false),
            result: PhantomData,
        };
        Ok(match Attempt::new(hold).take().await? {
            Ok(lease) => Begun::Run(RequestRun {
                lease,
                result_ttl: self.result_ttl,
            }),
            Err(known) => known,
        })
    }

    /// Forgets a request and its result, so that it can be carried out again.
    ///
    /// # Errors
    /// The server could not be asked, or refused.
    pub async fn forget(&self, key: &str) -> ClientResult<()> {
        use typedis::prelude::GenericCommands as _;
        let keys = self.keys(key);
        self.client.del([keys.main()]).await.map(drop)
    }

    fn keys(&self, key: &str) -> Keys {
        Keys::of("idempotency", &self.name, key)
    }
}

/// A request that this caller carries out. Other callers are told so for as long as this lives.
///
/// Dropping it without a stored result ends the run: the next caller carries the request out. If that cannot be told to the server, the run expires.
#[must_use = "without `finish` the next caller carries the request out again"]
pub struct RequestRun<T: FromRedis + Send + 'static> {
    lease: Lease<RunHold<T>>,
    result_ttl: Duration,
}

impl<T: FromRedis + Send + 'static> RequestRun<T> {
    /// Stores the result, for all who make the same request later.
    ///
    /// # Errors
    /// The run was lost, and another caller may have carried the request out as well; or the server could not be asked: the call may be repeated.
    pub async fn finish(&self, result: &T) -> Result<()>
    where
        T: ToArg + Sync,
    {
        let hold = self.lease.held();
        let ttl = millis(self.result_ttl);
        let is_stored = hold
            .client
            .run_finish(hold.keys.main(), &hold.owner, result, ttl)
            .await?;
        if !is_stored {
            return Err(Error::Lost(Lost::new(hold.what(), LossCause::Gone)));
        }
        hold.is_finished.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Whether nobody else can carry the request out, as far as this client knows.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.lease.is_held()
    }

    /// Waits until the run is lost, and says why.
    pub async fn lost(&self) -> Lost {
        self.lease.lost().await
    }
}

impl<T: FromRedis + Send + 'static> fmt::Debug for RequestRun<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestRun")
            .field("is_held", &self.is_held())
            .finish_non_exhaustive()
    }
}

/// What one caller carries out, or wants to.
struct RunHold<T> {
    client: AnyClient,
    keys: Keys,
    owner: String,
    what: Arc<str>,
    ttl: Duration,
    /// Whether the result is stored: there is nothing to renew or to end.
    is_finished: AtomicBool,
    result: PhantomData<fn() -> T>,
}

impl<T> RunHold<T> {
    fn given_up(&self) -> String {
        self.keys.given_up(&self.owner)
    }
}

impl<T: FromRedis + Send + 'static> Held for RunHold<T> {
    type Given = ();
    type Refusal = Begun<T>;

    fn what(&self) -> Arc<str> {
        Arc::clone(&self.what)
    }

    fn ttl(&self) -> Duration {
        self.ttl
    }

    async fn take(&self) -> Taken<Self> {
        let (key, ttl) = (self.keys.main(), millis(self.ttl));
        let (state, expires, result) = self
            .client
            .run_begin::<T>(key, self.given_up(), &self.owner, ttl)
            .await?;
        let retry_after = Duration::from_millis(u64::try_from(expires).unwrap_or(0).max(1));
        Ok(match (state, result) {
            (_, Some(result)) => Err(Begun::Replay(result)),
            (1, None) => Ok(()),
            (_, None) => Err(Begun::InProgress { retry_after }),
        })
    }

    async fn renew(&self) -> ClientResult<bool> {
        if self.is_finished.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let (key, ttl) = (self.keys.main(), millis(self.ttl));
        self.client.run_renew(key, &self.owner, ttl).await
    }

    async fn forbid(&self) -> ClientResult<()> {
        forbid(&self.client, &self.given_up()).await
    }

    async fn release(&self) -> ClientResult<bool> {
        if self.is_finished.load(Ordering::Relaxed) {
            return Ok(true);
        }
        self.client.run_release(self.keys.main(), &self.owner).await
    }
}
