//! What a cluster cannot do, or cannot do now.

use std::borrow::Cow;
use std::fmt;

/// What a cluster cannot do, or cannot do now: the cause, and a text that says more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterError {
    cause: ClusterCause,
    text: Cow<'static, str>,
}

/// The causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClusterCause {
    /// No node of the cluster has the address that was asked for.
    UnknownNode,
    /// None of the known nodes can carry it out.
    NoNode,
    /// No replica of the slot is well, and nothing else is to be read from.
    NoReplica,
    /// The server that was asked is a node of a cluster, and serves no slots.
    NoSlots,
    /// The nodes send the command from one to the other without end, because they do not agree who has the slot.
    Circle,
    /// The nodes did not agree who has some slots for as long as a scan waits for that.
    Unsettled,
    /// A node ended a wait for what comes from now on (`$`): the same call once more would miss what has come since.
    WaitEnded,
}

impl ClusterError {
    /// An error of this kind, to test code of yours that reacts to errors.
    pub fn new(cause: ClusterCause, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            cause,
            text: text.into(),
        }
    }

    /// What went wrong.
    #[must_use]
    pub fn cause(&self) -> ClusterCause {
        self.cause
    }

    /// Whether it may go away by itself, so that the same call can be made again, as with most causes: an address that no node
    /// has is wrong in the call, and a wait that was ended has to go on from an id.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        !matches!(
            self.cause,
            ClusterCause::UnknownNode | ClusterCause::WaitEnded
        )
    }
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ClusterError {}
