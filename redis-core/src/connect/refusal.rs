//! Why a new socket cannot be used.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::config::Unavailable;
use crate::error::{Error, ErrorKind, Phase, SentinelError, ServerError, TlsCause, TlsError};

/// Why a new socket cannot be used.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It could not be opened, or was lost.
    Io(io::Error),
    /// The TLS handshake failed.
    Tls(TlsError),
    /// There is nothing to log in with.
    Credentials(Unavailable),
    /// The Sentinels did not lead to a usable server.
    Sentinel(SentinelError),
    /// The server refuses the connection or the login.
    Server(ServerError),
    /// The peer does not know HELLO, or hung up on it; it may know RESP2.
    OldProtocol(io::Error),
}

impl Refusal {
    /// Whether waiting does not help, as with a wrong password: callers get the error at once.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Io(_) | Self::Credentials(_) | Self::Sentinel(_) | Self::OldProtocol(_) => false,
            Self::Tls(error) => error.cause() != TlsCause::NotTls,
            Self::Server(error) => !error.is_transient_at_login(),
        }
    }

    /// Whether every server would be refused for the same reason, because it is in the configuration.
    pub(crate) fn holds_everywhere(&self) -> bool {
        matches!(self, Self::Tls(error) if error.cause() == TlsCause::Settings)
    }

    /// What to report when no server could be used: the last refusal for which waiting does not help, or else the last.
    pub(crate) fn graver(earlier: Option<Self>, later: Self) -> Self {
        match earlier {
            Some(earlier) if earlier.is_final() && !later.is_final() => earlier,
            _ => later,
        }
    }

    /// The error for callers who wait for the connection.
    pub(crate) fn into_kind(self) -> ErrorKind {
        match self {
            Self::Io(error) | Self::OldProtocol(error) => ErrorKind::Connect(error),
            Self::Tls(error) => ErrorKind::Tls(error),
            Self::Credentials(error) => ErrorKind::Credentials(error.into()),
            Self::Sentinel(error) => ErrorKind::Sentinel(error),
            Self::Server(error) => ErrorKind::Handshake(error),
        }
    }

    /// The error for callers who wait for another attempt.
    pub(crate) fn into_source(self) -> Arc<dyn std::error::Error + Send + Sync> {
        match self {
            Self::Io(error) | Self::OldProtocol(error) => Arc::new(error),
            Self::Tls(error) => Arc::new(error),
            Self::Sentinel(error) => Arc::new(error),
            Self::Server(error) => Arc::new(error),
            refusal @ Self::Credentials(_) => {
                Arc::new(Error::new(refusal.into_kind(), Phase::NotSent))
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) | Self::OldProtocol(error) => write!(f, "{error}"),
            Self::Tls(error) => write!(f, "{error}"),
            Self::Credentials(error) => write!(f, "the provider of credentials failed: {error}"),
            Self::Sentinel(error) => write!(f, "{error}"),
            Self::Server(error) => write!(f, "{error}"),
        }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
