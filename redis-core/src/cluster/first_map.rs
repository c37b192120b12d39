//! The first map of a cluster that was opened without one: [`FirstMap`]. The first command that needs it has it asked for.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{DecodeError, Error, ErrorKind, Obstacle, Phase, ServerError, TlsError};
use crate::runtime::Lock;

/// Whether there is a map, and why not.
#[derive(Debug)]
pub(super) struct FirstMap {
    is_found: AtomicBool,
    missing: Lock<Missing>,
}

/// Why there is no map.
#[derive(Debug, Default)]
struct Missing {
    obstacle: Option<Arc<Obstacle>>,
    /// Set if waiting does not help.
    refusal: Option<Refusal>,
}

/// A reason for which waiting does not help. It is told to many.
#[derive(Debug, Clone)]
pub(super) enum Refusal {
    Handshake(ServerError),
    Tls(TlsError),
    Config(String),
    /// The user may not ask for the map.
    Server(ServerError),
    /// What was told is no map.
    Decode(DecodeError),
}

impl Refusal {
    /// The reason behind a failure to learn the map, if waiting does not help.
    pub(super) fn of(error: &Error) -> Option<Self> {
        match error.kind() {
            ErrorKind::Handshake(refusal) => Some(Self::Handshake(refusal.clone())),
            ErrorKind::Tls(refusal) => Some(Self::Tls(refusal.clone())),
            ErrorKind::Config(text) => Some(Self::Config(text.clone())),
            ErrorKind::Server(refusal) if !refusal.is_transient() => {
                Some(Self::Server(refusal.clone()))
            }
            ErrorKind::Decode(failure) => Some(Self::Decode(failure.clone())),
            _ => None,
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal {
            Refusal::Handshake(error) => ErrorKind::Handshake(error),
            Refusal::Tls(error) => ErrorKind::Tls(error),
            Refusal::Config(text) => ErrorKind::Config(text),
            Refusal::Server(error) => ErrorKind::Server(error),
            Refusal::Decode(error) => ErrorKind::Decode(error),
        };
        Self::new(kind, Phase::NotSent)
    }
}

impl FirstMap {
    pub(super) fn new(is_found: bool) -> Self {
        Self {
            is_found: AtomicBool::new(is_found),
            missing: Lock::default(),
        }
    }

    #[inline]
    pub(super) fn is_found(&self) -> bool {
        self.is_found.load(Ordering::Acquire)
    }

    /// Notes that there is a map. Returns whether it is the first.
    pub(super) fn find(&self) -> bool {
        !self.is_found.swap(true, Ordering::AcqRel)
    }

    /// Why there is no map, as far as is known.
    pub(super) fn obstacle(&self) -> Option<Arc<Obstacle>> {
        self.missing.lock().obstacle.clone()
    }

    /// Why nobody has to wait for it, if that is so: the servers refuse to tell it.
    pub(super) fn refusal(&self) -> Option<Error> {
        let missing = self.missing.lock();
        missing.refusal.clone().map(Error::from)
    }

    /// An attempt begins.
    pub(super) fn begin(&self, first: &impl ToString) {
        let connecting = || Arc::new(Obstacle::Connecting(first.to_string()));
        self.missing.lock().obstacle.get_or_insert_with(connecting);
    }

    /// No server has told the map.
    pub(super) fn fail(&self, error: &Error) {
        let reason = match error.kind() {
            ErrorKind::Connect(reason) | ErrorKind::ConnectionLost(reason) => {
                io::Error::new(reason.kind(), reason.to_string())
            }
            _ => io::Error::other(error.to_string()),
        };
        let obstacle = Obstacle::NotConnected(Arc::new(reason));
        *self.missing.lock() = Missing {
            obstacle: Some(Arc::new(obstacle)),
            refusal: Refusal::of(error),
        };
    }
}
