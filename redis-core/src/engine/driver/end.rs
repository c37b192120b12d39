//! How a session on one socket ended: [`End`].

use std::io;
use std::sync::Arc;

use crate::engine::inflight::Failure;
use crate::error::Phase;

/// How a session on one socket ended.
#[derive(Debug)]
pub(super) enum End {
    Lost(Failure),
    /// The handles closed the connection.
    Closed,
    /// A caller asked for another socket.
    Renew,
    /// It was not used for long.
    Unused,
}

impl End {
    /// What those are told who wait for something on this socket.
    pub(super) fn failure(&self) -> Failure {
        let aborted = |text| lost(io::ErrorKind::ConnectionAborted, text);
        match self {
            Self::Lost(failure) => failure.clone(),
            Self::Closed => Failure::Closed(Phase::NotSent),
            Self::Renew => aborted("the socket was given up for a new one"),
            Self::Unused => aborted("it was not used"),
        }
    }
}

pub(super) fn lost(kind: io::ErrorKind, text: &str) -> Failure {
    Failure::Lost(Phase::MaybeApplied, kind, Arc::from(text))
}

/// Bytes came that a server does not send.
pub(super) fn protocol(text: &str) -> Failure {
    Failure::Protocol(Arc::from(text))
}
