//! What came back from the nodes of a cluster: [`Gathered`].

use super::pieces::Pieces;
use crate::engine::inflight::Delivery;
use crate::error::{Error, Result};
use crate::reply::Frame;
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
    pub(crate) replies: EachReply,
    /// Why commands have no reply, by their positions, which ascend. [`EachOutcome::NO_REPLY`] is in place of the reply.
    pub(crate) failures: Vec<(usize, Error)>,
}

/// The replies to the commands, in pieces of whole frames.
#[derive(Debug)]
pub(crate) enum EachReply {
    /// In the order of the commands.
    InOrder(Vec<Chunk>),
    /// As the nodes sent them.
    ByNode(ByNode),
}

impl Default for EachReply {
    fn default() -> Self {
        Self::InOrder(Vec::new())
    }
}

/// What several nodes sent, each in the order of its own commands.
#[derive(Debug)]
pub(crate) struct ByNode {
    /// For each command, which of `replies` answers it.
    places: Vec<usize>,
    replies: Vec<Pieces>,
}

impl ByNode {
    /// What each node sent, and for each command, which of them answered it.
    pub(crate) fn new(places: Vec<usize>, replies: Vec<Vec<Chunk>>) -> Self {
        Self {
            places,
            replies: replies.into_iter().map(Pieces::new).collect(),
        }
    }

    /// The replies of the node that answered a command.
    #[inline]
    pub(super) fn of(&mut self, command: usize) -> Option<&mut Pieces> {
        self.replies.get_mut(*self.places.get(command)?)
    }
}

impl EachOutcome {
    /// The outcome of the only command.
    pub(crate) fn into_only(self) -> Result<Frame> {
        if let Some((_, error)) = self.failures.into_iter().next() {
            return Err(error);
        }
        let reply = match self.replies {
            EachReply::InOrder(chunks) => chunks.into_iter().next().map(Frame::from_scanned),
            EachReply::ByNode(mut nodes) => {
                let reply = nodes.of(0).and_then(Pieces::next);
                reply.map(|frame| frame.to_frame())
            }
        };
        reply.ok_or_else(|| Error::protocol("no reply was delivered"))
    }

    /// Stands in the place of a reply that did not come.
    pub(crate) const NO_REPLY: &'static [u8] = b"-\r\n";
}
