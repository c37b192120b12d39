//! What came back from the nodes of a cluster: [`Gathered`].

use crate::engine::inflight::Delivery;
use crate::error::Error;
use crate::wire::Chunk;

/// The outcomes of a chain.
#[derive(Debug)]
pub(crate) enum Gathered {
    /// One for each command.
    Each(EachOutcome),
    /// Of all commands together, as one node delivered it.
    Together(Delivery),
    /// Nothing was sent, because a command cannot be.
    Refused(Error),
}

/// The outcome of each command.
#[derive(Debug, Default)]
pub(crate) struct EachOutcome {
    /// The replies in the order of the commands, in pieces of whole frames. A command without a reply has
    /// [`EachOutcome::NO_REPLY`] in its place.
    pub(crate) chunks: Vec<Chunk>,
    /// Why commands have no reply, by their positions, which ascend.
    pub(crate) failures: Vec<(usize, Error)>,
}

impl EachOutcome {
    /// Stands in the place of a reply that did not come.
    pub(crate) const NO_REPLY: &'static [u8] = b"-\r\n";
}
