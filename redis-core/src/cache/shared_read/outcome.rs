//! How a read ended: [`Outcome`].

use std::sync::Arc;

use bytes::Bytes;

use crate::engine::inflight::Failure;

/// How a read ended.
#[derive(Debug, Clone)]
pub(in crate::cache) enum Outcome {
    /// The reply, which may be an error.
    Reply(Bytes),
    /// The elements of the reply, for a read whose elements are wanted.
    Elements(Arc<[Bytes]>),
    Failed(Failure),
    /// It must be sent in the ordinary way, by each caller for itself: it was refused for a reason that goes away, or
    /// another node has its keys.
    Ordinary,
}
