//! What a call still waited for when its deadline passed: [`Obstacle`].

use std::fmt;
use std::sync::Arc;

use super::server::ServerError;

/// What a call still waited for when its deadline passed; see [`Error::obstacle`](super::Error::obstacle).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Obstacle {
    /// There was no connection. This is why the last attempt to connect had failed; its text has the address.
    NotConnected(Arc<dyn std::error::Error + Send + Sync>),
    /// There was no connection, and the first attempt to connect to this address had not ended.
    Connecting(String),
    /// All sockets that the pool leases were in use; this is their number.
    LeasesInUse(usize),
    /// As much was queued or in flight on the connection as its budget allows.
    BudgetFull {
        /// How many commands it allows.
        commands: usize,
        /// How many bytes it allows.
        bytes: usize,
    },
    /// The server did not read what had been sent to it before.
    ServerDoesNotRead,
    /// The socket was about to be replaced, and the server had not answered what had been sent on it before.
    SocketReplaced,
    /// The server had refused the command for a reason that passes, such as LOADING, and it was to be sent again.
    Refused(ServerError),
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected(reason) => write!(f, "the last attempt to connect failed: {reason}"),
            Self::Connecting(to) => write!(f, "the attempt to connect to {to} has not ended yet"),
            Self::LeasesInUse(count) => write!(
                f,
                "all {count} leased sockets are in use (give them back sooner, or raise `leases`)"
            ),
            Self::BudgetFull { commands, bytes } => write!(
                f,
                "the budget of {commands} commands and {bytes} bytes is full (send less at once, or raise `budget_commands` and `budget_bytes`)"
            ),
            Self::ServerDoesNotRead => {
                f.write_str("the server does not read what was sent to it before")
            }
            Self::SocketReplaced => f.write_str(
                "the socket is being replaced, and the server has not answered what was sent on it before",
            ),
            Self::Refused(error) => write!(f, "the server refused it for the time being: {error}"),
        }
    }
}

impl std::error::Error for Obstacle {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The text tells the reason; what is behind it is the source.
        match self {
            Self::NotConnected(reason) => reason.source(),
            _ => None,
        }
    }
}
