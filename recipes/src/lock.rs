//! A lock that one caller holds at a time, with a token that grows: [`Lock`].
//!
//! # Layout
//!
//! - this file: the settings, taking it, and what its holder has
//! - `hold`: the scripts of a lock, which leader elections use as well

use std::time::Duration;

use typedis::{AnyClient, Client, Result};

use crate::guard::{guard, taken};
use crate::lease::{Attempt, Pace};

mod hold;

pub(crate) use hold::LockHold;

/// A lock that one caller holds at a time, in all programs that use the server.
///
/// The lock expires after its [`ttl`](Self::ttl), so a holder that dies does not keep it. A living holder renews it in the background. Each
/// holder gets a token that is larger than all before it: a storage that refuses smaller tokens than it has seen refuses holders that are too
/// late, which no lock with a time limit can prevent by itself.
///
/// ```
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let database = typedis_testkit::database(typedis_testkit::ServerKind::default());
/// # let url = database.url();
/// use std::time::Duration;
/// use typedis_recipes::Lock;
///
/// let conn = typedis::connect(url).await?;
/// let lock = Lock::new(&conn, "report").ttl(Duration::from_secs(10));
/// let guard = lock.acquire().await?; // waits for its turn
/// assert!(lock.try_acquire().await?.is_none());
///
/// // If the lock is lost, the work is dropped, and the error says why.
/// let report = guard.run(async { format!("written by {}", guard.token()) }).await?;
/// guard.release().await?;
/// # Ok(()) }
/// ```
///
/// Waiting callers ask again and again; there is no queue, so any of them may be next.
#[derive(Debug, Clone)]
#[must_use = "a lock does nothing until it is acquired"]
pub struct Lock {
    client: AnyClient,
    name: String,
    pace: Pace,
}

impl Lock {
    /// The lock of this name, on a [`Connection`](typedis::Connection), a [`Pool`](typedis::Pool) or a [`Cluster`](typedis::Cluster). Its keys
    /// are `{lock:NAME}` and `{lock:NAME}:last`; the second has the last token and stays for ever.
    ///
    /// For ten minutes, `{lock:NAME}:given-up:OWNER` says that a call was given up. It is written by SET, which a user with limited
    /// rights (ACL) needs besides the commands of the scripts.
    pub fn new<C: Client + Clone + 'static>(client: &C, name: impl Into<String>) -> Self {
        Self {
            client: AnyClient::new(client.clone()),
            name: name.into(),
            pace: Pace {
                ttl: Duration::from_secs(30),
                pause: Duration::from_millis(100),
            },
        }
    }

    fn attempt(&self) -> Result<Attempt<LockHold>> {
        let what = format!("the lock `{}`", self.name);
        let hold = LockHold::new(self.client.clone(), "lock", &self.name, what, self.pace.ttl)?;
        Ok(Attempt::new(hold))
    }
}

taken! {
    impl Lock for LockGuard;

    /// How long the lock lives after it was acquired or renewed; 30 seconds by default. It is renewed three times in this time, so it has to
    /// be much longer than a round trip, and longer than a failover that holders are to survive.
    fn ttl;

    /// The longest pause between two attempts of [`acquire`](Self::acquire); 100 ms by default.
    fn retry_every;

    /// Takes the lock as soon as it is free. To give up after some time, use [`tokio::time::timeout`]: a call that is dropped leaves no lock
    /// behind.
    async fn acquire;

    /// Takes the lock if it is free. `None` if another caller holds it.
    async fn try_acquire;
}

guard! {
    /// A lock that is held. It is renewed in the background for as long as this lives.
    ///
    /// Dropping it releases the lock in the background. If that fails, or the runtime ends before, the lock expires after its time to live.
    #[must_use = "dropping it releases the lock"]
    pub struct LockGuard(LockHold): "the lock", held if "nobody else can hold the lock";

    /// Releases the lock, and says whether it was held until now.
    fn release;

    /// The fencing token: every later holder has a larger one. Pass it to the storage with each write, and let the storage refuse a token that is
    /// smaller than one it has seen.
    fn token;
}
