//! Elected, lost, elected again: [`ElectionEvents`].

use tokio::time::Instant;
use typedis::{Backoff, Error, Result};

use super::{Election, Leadership};
use crate::error::Lost;
use crate::lease::{Attempt, pause};
use crate::lock::LockHold;

/// What happens to a candidate.
#[derive(Debug)]
#[non_exhaustive]
pub enum ElectionEvent {
    /// This candidate leads from now on.
    Elected {
        /// Larger than the tokens of all leaders before.
        token: u64,
    },
    /// It does not lead any more. The next call of [`ElectionEvents::next`] campaigns again.
    Lost(Lost),
    /// The server could not be asked. The next call goes on after a pause.
    Interrupted(Error),
}

/// A candidate that campaigns again and again. Dropping it resigns in the background.
///
/// ```
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let database = typedis_testkit::database(typedis_testkit::ServerKind::default());
/// # let url = database.url();
/// use typedis_recipes::{Election, ElectionEvent};
///
/// let conn = typedis::connect(url).await?;
/// let mut events = Election::new(&conn, "scheduler", "node-1").events();
/// loop {
///     match events.next().await {
///         ElectionEvent::Elected { token } => println!("leading with the token {token}"),
///         ElectionEvent::Lost(why) => println!("not leading any more: {why}"),
///         ElectionEvent::Interrupted(error) => println!("still trying: {error}"),
///         _ => {}
///     }
///     # break;
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct ElectionEvents {
    election: Election,
    state: State,
    /// Failures in a row.
    failures: u32,
}

enum State {
    Idle,
    Campaigning {
        attempt: Attempt<LockHold>,
        /// When the next attempt is made.
        next: Instant,
    },
    Leading(Leadership),
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Idle => f.write_str("Idle"),
            Self::Campaigning { .. } => f.write_str("Campaigning"),
            Self::Leading(leadership) => leadership.fmt(f),
        }
    }
}

impl ElectionEvents {
    pub(super) fn new(election: Election) -> Self {
        Self {
            election,
            state: State::Idle,
            failures: 0,
        }
    }

    /// The leadership, if this candidate leads.
    #[must_use]
    pub fn leadership(&self) -> Option<&Leadership> {
        match &self.state {
            State::Leading(leadership) => Some(leadership),
            _ => None,
        }
    }

    /// Waits for the next event: [`Elected`](ElectionEvent::Elected) and [`Lost`](ElectionEvent::Lost) take turns. It campaigns only while this is
    /// awaited. The call may be dropped and made again; nothing is missed.
    pub async fn next(&mut self) -> ElectionEvent {
        loop {
            match self.step().await {
                Ok(Some(event)) => {
                    self.failures = 0;
                    return event;
                }
                Ok(None) => {}
                Err(error) => {
                    let pause = Backoff::default().pause(self.failures);
                    self.failures = self.failures.saturating_add(1);
                    if let State::Campaigning { next, .. } = &mut self.state {
                        *next = Instant::now() + pause;
                    }
                    return ElectionEvent::Interrupted(error);
                }
            }
        }
    }

    async fn step(&mut self) -> Result<Option<ElectionEvent>> {
        match &mut self.state {
            State::Idle => {
                self.state = State::Campaigning {
                    attempt: self.election.attempt()?,
                    next: Instant::now(),
                };
                Ok(None)
            }
            State::Campaigning { attempt, next } => {
                tokio::time::sleep_until(*next).await;
                match attempt.take().await? {
                    Ok(lease) => {
                        let leadership = Leadership::new(lease);
                        let token = leadership.token();
                        self.state = State::Leading(leadership);
                        Ok(Some(ElectionEvent::Elected { token }))
                    }
                    Err(expires) => {
                        *next = Instant::now() + pause(self.election.pace.pause, expires);
                        self.failures = 0;
                        Ok(None)
                    }
                }
            }
            State::Leading(leadership) => {
                let lost = leadership.lost().await;
                self.state = State::Idle;
                Ok(Some(ElectionEvent::Lost(lost)))
            }
        }
    }
}
