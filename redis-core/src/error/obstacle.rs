//! What a call still waited for when its deadline passed: [`Obstacle`].

use std::fmt;
use std::sync::Arc;

use super::server::ServerError;

/// What a call still waited for when its deadline passed; see [`Error::obstacle`](super::Error::obstacle).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Obstacle {
    /// There was no connection. This is the reason why the last attempt to connect failed; its text has the address.
    NotConnected(Arc<dyn std::error::Error + Send + Sync>),
    /// There was no connection, and the first attempt to connect to this address had not ended.
    Connecting(String),
    /// All sockets that the pool leases were in use; this is their number.
    LeasesInUse(usize),
    /// The budget of the connection was used up by commands that were queued or in flight.
    BudgetFull {
        /// The number of commands that it allows.
        commands: usize,
        /// The number of bytes that it allows.
        bytes: usize,
    },
    /// The server did not read earlier commands.
    ServerDoesNotRead,
    /// The socket was about to be replaced, and the server had not answered earlier commands on it.
    SocketReplaced,
    /// The server had refused the command for a reason that goes away, such as LOADING, and the command would have
    /// been sent again.
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
