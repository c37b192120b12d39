//! How a read ended: [`Outcome`].

use std::sync::Arc;

use crate::engine::inflight::Failure;
use crate::reply::KeptReply;

/// How a read ended.
#[derive(Debug, Clone)]
pub(in crate::cache) enum Outcome {
    /// The reply, which may be an error.
    Reply(KeptReply),
    /// The elements of the reply, for a read whose elements are wanted.
    Elements(Arc<[KeptReply]>),
    Failed(Failure),
    /// It must be sent in the ordinary way, by each caller for itself: it was refused for a reason that goes away, or
    /// another node has its keys.
    Ordinary,
}

impl Outcome {
    /// Whether a caller that waits for it may have to send the command once more, in the ordinary way.
    #[inline]
    pub(super) fn leads_on(&self, was_joined: bool) -> bool {
        match self {
            Self::Reply(_) | Self::Elements(_) => false,
            // Whoever has joined later may have time left, also if the first caller has gone.
            Self::Failed(failure) => was_joined && matches!(failure, Failure::Timeout(..)),
            Self::Ordinary => true,
        }
    }
}
