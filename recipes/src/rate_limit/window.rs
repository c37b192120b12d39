//! A rate limiter that counts calls: [`SlidingWindow`].

use std::time::Duration;

use typedis::{AnyClient, Client, Result};

use super::{Verdict, check_cost};
use crate::keys::Keys;
use crate::scripts::{MOST, Scripts as _, micros, unique};

/// A rate limiter that remembers when each unit was let through: never more than the limit in any period of this length.
///
/// It is exact, and costs an element of a sorted set for each unit. For large limits take [`Gcra`](super::Gcra), which costs one number.
///
/// ```
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let database = typedis_testkit::database(typedis_testkit::ServerKind::default());
/// # let url = database.url();
/// use std::time::Duration;
/// use typedis_recipes::{SlidingWindow, Verdict};
///
/// let conn = typedis::connect(url).await?;
/// let logins = SlidingWindow::new(&conn, "logins", 3, Duration::from_secs(600));
/// assert_eq!(logins.check("ada").await?, Verdict::Allowed { remaining: 2 });
/// assert_eq!(logins.check_units("ada", 2).await?, Verdict::Allowed { remaining: 0 });
/// assert!(!logins.check("ada").await?.is_allowed());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a limiter does nothing until it is asked"]
pub struct SlidingWindow {
    client: AnyClient,
    name: String,
    limit: u64,
    /// The length of the window in microseconds.
    length: u64,
}

impl SlidingWindow {
    /// A limiter that lets `limit` units through in any time of the length `period`. Each subject has the key `{window:NAME:SUBJECT}`. A colon in the
    /// name becomes `\:`.
    pub fn new<C: Client + Clone + 'static>(
        client: &C,
        name: impl Into<String>,
        limit: u64,
        period: Duration,
    ) -> Self {
        Self {
            client: AnyClient::new(client.clone()),
            name: name.into(),
            limit: limit.min(MOST),
            length: micros(period).max(1),
        }
    }

    /// Asks for one unit. A call that is sent again because its reply was lost is counted once.
    ///
    /// # Errors
    /// The server could not be asked, or refused. With [`Phase::MaybeApplied`](typedis::Phase::MaybeApplied) the unit may have been counted. Whether a
    /// call goes on without a verdict is for the caller to decide.
    pub async fn check(&self, subject: &str) -> Result<Verdict> {
        self.check_units(subject, 1).await
    }

    /// Asks for several units: all of them or none.
    ///
    /// # Errors
    /// As [`check`](Self::check); and if the units are more than the limit, which would never be let through.
    pub async fn check_units(&self, subject: &str, units: u64) -> Result<Verdict> {
        check_cost(units, self.limit)?;
        let keys = Keys::of("window", &self.name, subject);
        let reply = self
            .client
            .limit_window(keys.main(), self.length, self.limit, units, unique()?)
            .await?;
        Ok(Verdict::from_reply(reply))
    }
}
