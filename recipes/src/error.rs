//! What can go wrong: [`Error`], and [`Lost`] for what is held no longer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call of a recipe failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The server could not be asked, or refused.
    Client(typedis::Error),
    /// What was held is held no longer.
    Lost(Lost),
}

/// A lock, a permit, the leadership or a run is held no longer, although it was not given back.
///
/// Another caller may hold it by now. Stop what it protects. What is under way already, such as a write to a storage, can only be refused
/// by the storage: give it the token of the lock.
#[derive(Debug, Clone)]
pub struct Lost {
    what: Arc<str>,
    cause: LossCause,
}

/// Why something is held no longer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum LossCause {
    /// The server does not have it any more: it expired before it was renewed, another client deleted it, or a failover lost it.
    Gone,
    /// It could not be renewed for its whole time to live, so it may have expired.
    Unreachable {
        /// For how long it was not renewed.
        ttl: Duration,
        /// The last failure; `None` if the server did not reply at all.
        error: Option<Arc<typedis::Error>>,
    },
}

impl Lost {
    pub(crate) fn new(what: Arc<str>, cause: LossCause) -> Self {
        Self { what, cause }
    }

    /// Why it was lost.
    #[must_use]
    pub fn cause(&self) -> &LossCause {
        &self.cause
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was lost: ", self.what)?;
        match &self.cause {
            LossCause::Gone => f.write_str(
                "the server does not have it any more, because it expired, was deleted, or was lost in a failover",
            )?,
            LossCause::Unreachable { ttl, error } => {
                write!(f, "it could not be renewed for {ttl:?}")?;
                match error {
                    Some(error) => write!(f, " ({error})")?,
                    None => f.write_str(" (the server did not reply)")?,
                }
            }
        }
        f.write_str("; stop what it protects: another one may have it now")
    }
}

impl std::error::Error for Lost {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            LossCause::Unreachable {
                error: Some(error), ..
            } => error.source(),
            _ => None,
        }
    }
}

impl Error {
    /// The error of the client, if that is what it is.
    #[must_use]
    pub fn client(&self) -> Option<&typedis::Error> {
        match self {
            Self::Client(error) => Some(error),
            Self::Lost(_) => None,
        }
    }

    /// What was lost, if that is what it is.
    #[must_use]
    pub fn lost(&self) -> Option<&Lost> {
        match self {
            Self::Lost(lost) => Some(lost),
            Self::Client(_) => None,
        }
    }
}

impl From<typedis::Error> for Error {
    fn from(error: typedis::Error) -> Self {
        Self::Client(error)
    }
}

impl From<Lost> for Error {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(error) => error.fmt(f),
            Self::Lost(lost) => lost.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Client(error) => error.source(),
            Self::Lost(lost) => lost.source(),
        }
    }
}
