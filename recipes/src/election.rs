//! One leader among candidates: [`Election`].
//!
//! # Layout
//!
//! - this file: the settings, and the leader
//! - `events`: elected, lost, elected again

use std::time::Duration;

use typedis::prelude::HashCommands as _;
use typedis::{AnyClient, Client, Result as ClientResult};

use crate::guard::{guard, taken};
use crate::keys::Keys;
use crate::lease::{Attempt, Pace};
use crate::lock::LockHold;

mod events;

pub use events::{ElectionEvent, ElectionEvents};

const RECIPE: &str = "election";

/// One leader at a time among candidates, who may be in different programs.
///
/// The leader renews its leadership in the background. If it dies, another candidate is elected after the [`ttl`](Self::ttl). Each leader has a
/// token that is larger than all before it, as the holder of a [`Lock`](crate::Lock).
///
/// ```
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let database = typedis_testkit::database(typedis_testkit::ServerKind::default());
/// # let url = database.url();
/// use typedis_recipes::Election;
///
/// let conn = typedis::connect(url).await?;
/// let election = Election::new(&conn, "scheduler", "node-1");
/// let leadership = election.campaign().await?; // waits until it is elected
/// assert_eq!(election.leader().await?.as_deref(), Some("node-1"));
///
/// leadership.run(async { println!("leading with the token {}", leadership.token()) }).await?;
/// leadership.resign().await?;
/// assert_eq!(election.leader().await?, None);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a candidate does nothing until it campaigns"]
pub struct Election {
    client: AnyClient,
    name: String,
    candidate: String,
    pace: Pace,
}

impl Election {
    /// The election of this name, in which this is `candidate`: a name that others can read. Its keys are `{election:NAME}` and
    /// `{election:NAME}:last`; the second has the last token and stays for ever.
    ///
    /// For ten minutes, `{election:NAME}:given-up:OWNER` says that a call was given up. It is written by SET, which a user with limited
    /// rights (ACL) needs besides the commands of the scripts.
    pub fn new<C: Client + Clone + 'static>(
        client: &C,
        name: impl Into<String>,
        candidate: impl Into<String>,
    ) -> Self {
        Self {
            client: AnyClient::new(client.clone()),
            name: name.into(),
            candidate: candidate.into(),
            pace: Pace {
                ttl: Duration::from_secs(15),
                pause: Duration::from_secs(1),
            },
        }
    }

    /// Campaigns again and again, and tells when it is elected and when the leadership is lost.
    #[must_use]
    pub fn events(&self) -> ElectionEvents {
        ElectionEvents::new(self.clone())
    }

    /// The name of the candidate that leads now, as far as the server knows.
    ///
    /// # Errors
    /// The server could not be asked, or refused.
    pub async fn leader(&self) -> ClientResult<Option<String>> {
        let keys = Keys::new(RECIPE, &self.name);
        let owner = self.client.hget::<String>(keys.main(), "owner").await?;
        let name = |owner: String| owner.split_once(':').map(|(_, name)| name.to_owned());
        Ok(owner.and_then(name))
    }

    fn attempt(&self) -> ClientResult<Attempt<LockHold>> {
        let what = format!("the leadership of `{}`", self.name);
        let hold = LockHold::new(self.client.clone(), RECIPE, &self.name, what, self.pace.ttl)?;
        Ok(Attempt::new(hold.named(&self.candidate)))
    }
}

taken! {
    impl Election for Leadership;

    /// For how long a leader that dies is still the leader; 15 seconds by default. A living one renews its leadership three times in this time, so it
    /// has to be much longer than a round trip, and longer than a failover that leaders are to survive.
    fn ttl;

    /// The longest pause between two attempts to be elected; a second by default.
    fn retry_every;

    /// Waits until this candidate is elected. A call that is dropped leaves no leader behind. [`events`](Self::events) goes on after errors.
    async fn campaign;
}

guard! {
    /// The leadership, for as long as this lives. Dropping it resigns in the background.
    #[must_use = "dropping it resigns"]
    pub struct Leadership(LockHold): "the leadership", held if "nobody else can lead";

    /// Gives the leadership up, and says whether it was held until now.
    fn resign;

    /// The fencing token: every later leader has a larger one. Let storages refuse a token that is smaller than one they have seen.
    fn token;
}
