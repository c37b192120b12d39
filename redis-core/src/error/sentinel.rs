//! Why Sentinels did not lead to a usable server.

use std::fmt;

/// A service that could not be found: the cause, and what each Sentinel or node said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentinelError {
    service: String,
    cause: SentinelCause,
    reasons: Vec<String>,
}

/// The causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SentinelCause {
    /// No Sentinel could be asked.
    Unreachable,
    /// None of the Sentinels that could be asked watches a service with this name.
    UnknownService,
    /// The Sentinels know no replica that works.
    NoReplica,
    /// The node that the Sentinels name cannot be reached, or does not have the wanted role, as just after a
    /// failover.
    Unusable,
}

impl SentinelError {
    /// An error of this kind, to test code of yours that reacts to errors.
    pub fn new(service: impl Into<String>, cause: SentinelCause, reasons: Vec<String>) -> Self {
        Self {
            service: service.into(),
            cause,
            reasons,
        }
    }

    /// What went wrong.
    #[must_use]
    pub fn cause(&self) -> SentinelCause {
        self.cause
    }

    /// The name of the service.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// What each Sentinel or node said.
    #[must_use]
    pub fn reasons(&self) -> &[String] {
        &self.reasons
    }
}

impl fmt::Display for SentinelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = &self.service;
        match self.cause {
            SentinelCause::Unreachable => {
                write!(f, "no Sentinel could be asked for the service `{service}`")
            }
            SentinelCause::UnknownService => {
                write!(f, "the Sentinels watch no service `{service}`")
            }
            SentinelCause::NoReplica => {
                write!(f, "the service `{service}` has no replica that works")
            }
            SentinelCause::Unusable => write!(
                f,
                "the node that the Sentinels name for the service `{service}` cannot be used"
            ),
        }?;
        if self.reasons.is_empty() {
            return Ok(());
        }
        write!(f, ": {}", self.reasons.join("; "))
    }
}

impl std::error::Error for SentinelError {}
