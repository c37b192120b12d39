//! A rate limiter that spreads calls: [`Gcra`].

use std::time::Duration;

use typedis::{AnyClient, Client, Result};

use super::{Verdict, check_cost};
use crate::keys::Keys;
use crate::scripts::{MOST, Scripts as _, micros};

/// A rate limiter by the generic cell rate algorithm: units come back one by one, at a constant rate, up to a burst.
///
/// Within any time `t` at most `burst + t × limit / period` units are let through. A caller costs one key with one number, whatever the limit is.
///
/// ```
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let database = typedis_testkit::database(typedis_testkit::ServerKind::default());
/// # let url = database.url();
/// use std::time::Duration;
/// use typedis_recipes::{Gcra, Verdict};
///
/// let conn = typedis::connect(url).await?;
/// // 60 calls an hour for each user, and 2 at once.
/// let api = Gcra::new(&conn, "api", 60, Duration::from_secs(3600)).burst(2);
/// assert!(api.check("user:7").await?.is_allowed());
/// assert!(api.check("user:7").await?.is_allowed());
/// match api.check("user:7").await? {
///     Verdict::Limited { retry_after, .. } => println!("429, try again after {retry_after:?}"),
///     Verdict::Allowed { .. } => unreachable!(),
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a limiter does nothing until it is asked"]
pub struct Gcra {
    client: AnyClient,
    name: String,
    /// The microseconds in which one unit comes back.
    interval: u64,
    burst: u64,
}

impl Gcra {
    /// A limiter that lets `limit` units through in each `period`, and at first `limit` at once. Each subject has the key `{gcra:NAME:SUBJECT}`. A colon in the
    /// name becomes `\:`.
    ///
    /// A unit comes back in a whole number of microseconds, rounded up. A limit of 0 counts as 1.
    pub fn new<C: Client + Clone + 'static>(
        client: &C,
        name: impl Into<String>,
        limit: u64,
        period: Duration,
    ) -> Self {
        let limit = limit.clamp(1, MOST);
        Self {
            client: AnyClient::new(client.clone()),
            name: name.into(),
            interval: micros(period).div_ceil(limit).max(1),
            burst: limit,
        }
    }

    /// How many units are let through at once after a time without calls; as many as the limit by default, at least 1.
    pub fn burst(mut self, units: u64) -> Self {
        self.burst = units.clamp(1, MOST);
        self
    }

    /// Asks for one unit.
    ///
    /// # Errors
    /// The server could not be asked, or refused. With [`Phase::MaybeApplied`](typedis::Phase::MaybeApplied) the unit may have been counted; it is never
    /// counted as not used. Whether a call goes on without a verdict is for the caller to decide.
    pub async fn check(&self, subject: &str) -> Result<Verdict> {
        self.check_units(subject, 1).await
    }

    /// Asks for several units: all of them or none.
    ///
    /// # Errors
    /// As [`check`](Self::check); and if the units are more than the burst, which would never be let through.
    pub async fn check_units(&self, subject: &str, units: u64) -> Result<Verdict> {
        check_cost(units, self.burst)?;
        let keys = Keys::of("gcra", &self.name, subject);
        let reply = self
            .client
            .limit_gcra(keys.main(), self.interval, self.burst, units)
            .await?;
        Ok(Verdict::from_reply(reply))
    }
}
