//! Why a subscription failed: [`Cause`].

use crate::engine::inflight::Failure;
use crate::error::{Error, ErrorKind, Phase, ServerError};

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum Cause {
    /// The server refused it.
    Refused(ServerError),
    /// The connection has failed.
    Link(Failure),
    TooSlow,
}

impl Cause {
    /// The connection has ended. Whoever reads was subscribed, so the command was applied.
    pub(crate) fn ended_by(failure: &Failure) -> Self {
        Self::Link(failure.in_phase(Phase::Applied))
    }
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Refused(error) => Self::refused(error),
            Cause::Link(failure) => Self::from(failure),
            Cause::TooSlow => Self::new(ErrorKind::TooSlow, Phase::Applied),
        }
    }
}
