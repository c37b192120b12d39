//! Values that are loaded once for all callers, and refreshed before they end: [`CacheAside`].

use std::fmt;
use std::time::Duration;

use tokio::runtime::Handle;
use typedis::prelude::GenericCommands as _;
use typedis::{AnyClient, Client, DecodeError, Error, FromRedis, Phase, Reply, ToArg};

use crate::keys::Keys;
use crate::lease::{forbid, take_back};
use crate::scripts::{Scripts as _, jittered, millis, possible, unique};

/// A cache on the server, beside the place where the values come from.
///
/// - **Single flight**: of all callers who miss a value, in all programs, one loads it. The others wait for it.
/// - **Early refresh**: before a value ends, one caller loads it again while the others still get the old one. The more callers there are, and the longer
///   the last load took, the earlier that is (probabilistic early expiration).
///
/// ```
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let database = typedis_testkit::database(typedis_testkit::ServerKind::default());
/// # let url = database.url();
/// use std::time::Duration;
/// use typedis_recipes::CacheAside;
///
/// let conn = typedis::connect(url).await?;
/// let users = CacheAside::new(&conn, "users").ttl(Duration::from_secs(300));
/// let load = || async { Ok::<_, std::io::Error>("Ada, from the database".to_owned()) };
/// let user: String = users.get("7", load).await?;
/// let user: String = users.get("7", load).await?; // not loaded again
///
/// users.forget("7").await?; // after a change in the database
/// # Ok(()) }
/// ```
///
/// For values with a structure, use `typedis::Json`. For an absent value that is to be cached, use an `Option` inside of it.
#[derive(Debug, Clone)]
#[must_use = "a cache does nothing until it is asked"]
pub struct CacheAside {
    client: AnyClient,
    name: String,
    ttl: Duration,
    load_ttl: Duration,
    eagerness: f64,
    pause: Duration,
}

/// Why a cache has no value.
#[derive(Debug)]
#[non_exhaustive]
pub enum CacheError<E> {
    /// The server could not be asked, or refused; nothing was loaded.
    Client(Error),
    /// The load failed.
    Load(E),
}

impl<E> CacheError<E> {
    /// The error of the client, if that is what it is.
    #[must_use]
    pub fn client(&self) -> Option<&Error> {
        match self {
            Self::Client(error) => Some(error),
            Self::Load(_) => None,
        }
    }

    /// The error of the load, if that is what it is.
    #[must_use]
    pub fn load(&self) -> Option<&E> {
        match self {
            Self::Load(error) => Some(error),
            Self::Client(_) => None,
        }
    }
}

impl<E: fmt::Display> fmt::Display for CacheError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(error) => write!(f, "the cache could not be asked: {error}"),
            Self::Load(error) => write!(f, "the value could not be loaded: {error}"),
        }
    }
}

impl<E: std::error::Error> std::error::Error for CacheError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Client(error) => error.source(),
            Self::Load(error) => error.source(),
        }
    }
}

impl<E> From<Error> for CacheError<E> {
    fn from(error: Error) -> Self {
        Self::Client(error)
    }
}

impl CacheAside {
    /// The cache of this name. Each value has the keys `{cache:NAME:KEY}` and, while it is loaded, `{cache:NAME:KEY}:load`. A colon in
    /// the name becomes `\:`.
    ///
    /// For ten minutes, `{cache:NAME:KEY}:given-up:OWNER` says that a call was given up. It is written by SET, which a user with limited
    /// rights (ACL) needs besides the commands of the scripts.
    pub fn new<C: Client + Clone + 'static>(client: &C, name: impl Into<String>) -> Self {
        Self {
            client: AnyClient::new(client.clone()),
            name: name.into(),
            ttl: Duration::from_secs(300),
            load_ttl: Duration::from_secs(10),
            eagerness: 1.0,
            pause: Duration::from_millis(20),
        }
    }

    /// How long a value is valid; 5 minutes by default.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = possible(ttl);
        self
    }

    /// How long the others wait for a load before one of them loads as well; 10 seconds by default. A value that comes later is not stored.
    pub fn load_within(mut self, ttl: Duration) -> Self {
        self.load_ttl = possible(ttl);
        self
    }

    /// How early values are refreshed: 1 by default. With 0 they are not refreshed before they end; larger is earlier.
    pub fn eagerness(mut self, factor: f64) -> Self {
        self.eagerness = if factor.is_finite() {
            factor.max(0.0)
        } else {
            1.0
        };
        self
    }

    /// The longest pause between two questions of a caller that waits for another one's load; 20 ms by default.
    pub fn retry_every(mut self, pause: Duration) -> Self {
        self.pause = possible(pause);
        self
    }

    /// The value: from the cache, or loaded by this caller or by another one.
    ///
    /// A value that was loaded is returned also if it cannot be stored. A cached value that is no `T` counts as absent: it is loaded and replaced. If a
    /// refresh before the end fails, the old value is returned, and the next caller tries again.
    ///
    /// # Errors
    /// The load failed; or the server could not be asked, or refused.
    pub async fn get<T, E, F, L>(&self, key: &str, load: F) -> Result<T, CacheError<E>>
    where
        T: FromRedis + ToArg + Sync,
        F: FnOnce() -> L,
        L: Future<Output = Result<T, E>>,
    {
        let mut flight = Flight::new(&self.client, &self.keys(key))?;
        loop {
            match flight.ask(self.load_ttl, self.early()).await? {
                Read::Hit(value) => return Ok(value),
                Read::Unreadable => {}
                Read::Wait(expires) => {
                    tokio::time::sleep(jittered(self.pause).min(expires)).await;
                }
                Read::Load(old) => {
                    return match load().await {
                        Ok(value) => {
                            // The value is good also where it cannot be stored.
                            let _ = flight.store(&value, self.ttl).await;
                            Ok(value)
                        }
                        Err(error) => old.ok_or(CacheError::Load(error)),
                    };
                }
            }
        }
    }

    /// Forgets a value. What is loaded at this moment is not stored, because it may have been read before the change.
    ///
    /// # Errors
    /// The server could not be asked, or refused.
    pub async fn forget(&self, key: &str) -> typedis::Result<()> {
        let keys = self.keys(key);
        let both = [keys.main(), &keys.part("load")];
        self.client.del(both).await.map(drop)
    }

    fn keys(&self, key: &str) -> Keys {
        Keys::of("cache", &self.name, key)
    }

    /// How many times the duration of the last load before its end a value is refreshed by this call: a random number, on average the eagerness. See "Optimal
    /// probabilistic cache stampede prevention", Vattani, Chierichetti, Lowenstein, 2015.
    fn early(&self) -> f64 {
        // In (0, 1], so that the logarithm is finite.
        let random = 1.0 - fastrand::f64();
        self.eagerness * -random.ln()
    }
}

/// What a caller reads.
enum Read<T> {
    Hit(T),
    /// The value is of another type. The next question takes it for absent.
    Unreadable,
    /// Another caller loads; its load expires after this time.
    Wait(Duration),
    /// This caller is to load; the old value is there if it is still valid.
    Load(Option<T>),
}

/// A value as it was stored; `None` if it is of another type.
struct Stored<T>(Option<T>);

impl<T: FromRedis> FromRedis for Stored<T> {
    fn from_redis(reply: Reply<'_>) -> Result<Self, DecodeError> {
        Ok(Self(T::from_redis(reply).ok()))
    }
}

/// One call, which may have to load. If it ends before the value is stored, the others are told that they can load.
struct Flight {
    client: AnyClient,
    entry: String,
    load: String,
    given_up: String,
    owner: String,
    /// Whether the others may be waiting for this caller.
    is_open: bool,
    /// Whether a question of this caller has no reply, so that it may be on its way still.
    is_asking: bool,
    /// Whether the value that was read last is of another type.
    is_unreadable: bool,
}

impl Flight {
    fn new(client: &AnyClient, keys: &Keys) -> typedis::Result<Self> {
        let owner = unique()?;
        Ok(Self {
            client: client.clone(),
            entry: keys.main().to_owned(),
            load: keys.part("load"),
            given_up: keys.given_up(&owner),
            owner,
            is_open: false,
            is_asking: false,
            is_unreadable: false,
        })
    }

    async fn ask<T: FromRedis>(&mut self, ttl: Duration, early: f64) -> typedis::Result<Read<T>> {
        (self.is_open, self.is_asking) = (true, true);
        let (entry, load, given_up) = (&self.entry, &self.load, &self.given_up);
        let unreadable = u64::from(self.is_unreadable);
        let reply = self
            .client
            .cache_read::<Stored<T>>(
                entry,
                load,
                given_up,
                &self.owner,
                millis(ttl),
                early,
                unreadable,
            )
            .await;
        self.is_asking = matches!(&reply, Err(error) if error.phase() == Phase::MaybeApplied);
        let (state, expires, value) = reply?;
        self.is_open = state == 2;
        self.is_unreadable = state == 1 && matches!(value, Some(Stored(None)));
        let expires = Duration::from_millis(u64::try_from(expires).unwrap_or(0).max(1));
        Ok(match (state, value) {
            (2, old) => Read::Load(old.and_then(|Stored(old)| old)),
            (_, Some(Stored(Some(value)))) => Read::Hit(value),
            (_, Some(Stored(None))) => Read::Unreadable,
            (_, None) => Read::Wait(expires),
        })
    }

    async fn store<T: ToArg + Sync>(&mut self, value: &T, ttl: Duration) -> typedis::Result<()> {
        self.client
            .cache_store(&self.entry, &self.load, &self.owner, value, millis(ttl))
            .await?;
        self.is_open = false;
        Ok(())
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.is_open
            && let Ok(runtime) = Handle::try_current()
        {
            let client = self.client.clone();
            let (load, given_up) = (self.load.clone(), self.given_up.clone());
            let (owner, is_asking) = (self.owner.clone(), self.is_asking);
            // If it fails, the load expires.
            runtime.spawn(async move {
                let first = release(&client, &load, &owner);
                if is_asking {
                    let again = release(&client, &load, &owner);
                    take_back(forbid(&client, &given_up), first, again).await;
                } else {
                    first.await;
                }
            });
        }
    }
}

/// Lets the others load, if it is the `owner` who does now.
async fn release(client: &AnyClient, load: &str, owner: &str) {
    // Nobody is there to be told.
    let _ = client.lock_release(load, owner).await;
}
