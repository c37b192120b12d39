//! What happened: one case for each kind of failure.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::Arc;

use super::{ArgError, ClusterError, DecodeError, SentinelError, ServerError, TlsError};

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument cannot be sent: NaN, an empty list of keys, a value that is too long.
    Argument(ArgError),
    /// The URL or the configuration cannot be used.
    Config(String),
    /// The server could not be reached, or not within the connect timeout.
    Connect(io::Error),
    /// The server refused the connection: authentication, a wrong database, too many clients.
    Handshake(ServerError),
    /// The TLS handshake failed.
    Tls(TlsError),
    /// The provider of credentials has none.
    Credentials(Arc<dyn std::error::Error + Send + Sync>),
    /// The Sentinels did not lead to a usable server.
    Sentinel(SentinelError),
    /// A cluster cannot do this, or cannot do it now, as while its nodes do not agree.
    Cluster(ClusterError),
    /// The connection was lost.
    ConnectionLost(io::Error),
    /// No reply came before the deadline.
    Timeout,
    /// The server replied with an error.
    Server(ServerError),
    /// The reply does not fit the type that was asked for.
    Decode(DecodeError),
    /// The server sent bytes that are not RESP, or a reply to no command. The connection was closed.
    Protocol(Cow<'static, str>),
    /// A watched key was changed by another client: EXEC did nothing.
    WatchedKeyChanged,
    /// A command of a transaction was refused when it was queued, so EXEC executed none of them.
    TransactionAborted(ServerError),
    /// The user's own error, passed through.
    Custom(Box<dyn std::error::Error + Send + Sync>),
    /// A command cannot be used in this way; the text says how to use it.
    Usage(Cow<'static, str>),
    /// This many messages of a subscription were dropped, because its reader was slow; the next ones can be
    /// read.
    Lagged(u64),
    /// A subscription was ended, as [`Lag::Close`](crate::pubsub::Lag::Close) says, because its reader was too slow.
    TooSlow,
    /// The connection, pool or cluster was closed by its owner.
    Closed,
    /// The tokio runtime that the connection was made in has ended.
    RuntimeEnded,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(reason) => write!(f, "{reason}"),
            Self::Config(text) => f.write_str(text),
            Self::Connect(error) => write!(f, "cannot connect: {error}"),
            Self::Handshake(error) => write!(f, "the server refused the connection: {error}"),
            Self::Tls(error) => write!(f, "cannot connect: {error}"),
            Self::Sentinel(error) => write!(f, "{error}"),
            Self::Credentials(error) => {
                write!(
                    f,
                    "cannot connect: the provider of credentials failed: {error}"
                )
            }
            Self::ConnectionLost(error) => write!(f, "the connection was lost: {error}"),
            Self::Timeout => f.write_str("no reply before the deadline"),
            Self::Server(error) => write!(f, "{error}"),
            Self::Decode(error) => write!(f, "the reply does not fit: {error}"),
            Self::Protocol(text) => write!(f, "protocol error, the connection was closed: {text}"),
            Self::WatchedKeyChanged => f.write_str(
                "a watched key was changed by another client; the transaction did nothing",
            ),
            Self::TransactionAborted(error) => {
                write!(f, "{error}; the whole transaction was refused")
            }
            Self::Custom(error) => write!(f, "{error}"),
            Self::Usage(text) => f.write_str(text),
            Self::Cluster(error) => write!(f, "the cluster: {error}"),
            Self::Lagged(count) => write!(
                f,
                "{count} messages were dropped because their reader was slow; read on, or give the subscription more capacity"
            ),
            Self::TooSlow => f.write_str(
                "the subscription was ended because its reader was slow; subscribe again, or give it more capacity",
            ),
            Self::Closed => f.write_str("the connection was closed by its owner"),
            Self::RuntimeEnded => f.write_str(
                "the tokio runtime that the connection was made in has ended; make it in one that lives for as long as it is used",
            ),
        }
    }
}
