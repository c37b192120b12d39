//! From the replies of many nodes to one outcome for each command, in the order of the caller: [`Gather`].

use std::collections::BTreeMap;

use super::split::Join;
use crate::chain::gathered::{ByNode, EachOutcome, EachReply};
use crate::chain::pieces::Pieces;
use crate::error::{Error, Result};
use crate::reply::{Frame, FrameRef};
use crate::wire::Chunk;

/// Replies of at most this many bytes are copied into one piece with those around them; longer ones are shared.
const COPIED: usize = 1024;

/// What has come so far.
#[derive(Debug, Default)]
pub(super) struct Gather {
    /// For each command, the number of the bundle in which it was first sent.
    first: Vec<usize>,
    /// The replies of these bundles.
    replies: Vec<Vec<Chunk>>,
    /// The outcomes of commands that were redirected, refused or lost. They count in place of what their first bundle
    /// brought.
    others: BTreeMap<usize, Outcome>,
}

/// The outcome of one command.
#[derive(Debug)]
pub(super) enum Outcome {
    Reply(Chunk),
    Failed(Error),
    /// It is still on its way.
    Awaited,
}

impl Gather {
    pub(super) fn reserve(&mut self, commands: usize) {
        self.first.reserve(commands);
    }

    /// The next command is first sent in the bundle with this number.
    pub(super) fn expect(&mut self, bundle: usize) {
        self.first.push(bundle);
    }

    /// The replies of a bundle: one for each of its commands, or, if it failed, for the first ones.
    pub(super) fn take(&mut self, bundle: usize, chunks: Vec<Chunk>) {
        if self.replies.len() <= bundle {
            self.replies.resize_with(bundle + 1, Vec::new);
        }
        if let Some(replies) = self.replies.get_mut(bundle) {
            *replies = chunks;
        }
    }

    /// The outcome of a command, whatever its first bundle brought.
    pub(super) fn settle(&mut self, command: usize, outcome: Outcome) {
        self.others.insert(command, outcome);
    }

    /// What the first bundle brought for a command does not count.
    pub(super) fn await_outcome(&mut self, command: usize) {
        self.settle(command, Outcome::Awaited);
    }

    /// Puts the outcomes in order. Those of the parts of a split command become one.
    pub(super) fn join(self, joins: &[Join]) -> EachOutcome {
        if joins.is_empty() && self.others.is_empty() {
            return EachOutcome {
                replies: EachReply::ByNode(ByNode::new(self.first, self.replies)),
                failures: Vec::new(),
            };
        }
        self.put_in_order(joins)
    }

    fn put_in_order(self, joins: &[Join]) -> EachOutcome {
        let mut joined = Joined::default();
        let commands = self.first.len();
        let mut arrived = Arrived::new(self);
        let mut joins = joins.iter().peekable();
        let (mut part, mut index) = (0, 0);
        while part < commands {
            match joins.next_if(|join| join.first == part) {
                None => {
                    arrived.next(part, |outcome| joined.put(index, outcome));
                    part += 1;
                }
                Some(join) => {
                    let replies = (part..part + join.len()).map(|part| {
                        let mut outcome = None;
                        arrived.next(part, |arrived| outcome = Some(arrived.into_frame()));
                        outcome.unwrap_or_else(|| Err(missing()))
                    });
                    let outcome = join.reply(replies.collect());
                    part += join.len();
                    joined.put(index, outcome.into());
                }
            }
            index += 1;
        }
        joined.finish()
    }
}

#[cold]
fn missing() -> Error {
    Error::protocol("there are fewer replies than commands")
}

/// What has arrived, one command after another.
struct Arrived {
    first: Vec<usize>,
    replies: Vec<Pieces>,
    others: BTreeMap<usize, Outcome>,
}

/// The outcome of a command, which lies among others.
enum Next<'a> {
    Frame(FrameRef<'a>),
    Chunk(Chunk),
    Failed(Error),
}

impl Next<'_> {
    fn into_frame(self) -> Result<Frame> {
        match self {
            Self::Frame(frame) => Ok(frame.to_frame()),
            Self::Chunk(chunk) => Ok(Frame::from_scanned(chunk)),
            Self::Failed(error) => Err(error),
        }
    }
}

impl From<Result<Frame>> for Next<'_> {
    fn from(outcome: Result<Frame>) -> Self {
        match outcome {
            Ok(frame) => Self::Chunk(frame.into_chunk()),
            Err(error) => Self::Failed(error),
        }
    }
}

impl Arrived {
    fn new(gather: Gather) -> Self {
        Self {
            first: gather.first,
            replies: gather.replies.into_iter().map(Pieces::new).collect(),
            others: gather.others,
        }
    }

    #[inline]
    fn next(&mut self, command: usize, mut put: impl FnMut(Next<'_>)) {
        let bundle = self.first.get(command);
        let pieces = bundle.and_then(|bundle| self.replies.get_mut(*bundle));
        let other = if self.others.is_empty() {
            None
        } else {
            self.others.remove(&command)
        };
        match (other, pieces) {
            (None, Some(pieces)) => match pieces.next_short() {
                Some(frame) => put(Next::Frame(frame)),
                None => put(pieces
                    .next()
                    .map_or_else(|| Next::Failed(missing()), Next::Frame)),
            },
            (None, None) => put(Next::Failed(missing())),
            (Some(other), pieces) => {
                pieces.and_then(Pieces::next);
                put(match other {
                    Outcome::Reply(chunk) => Next::Chunk(chunk),
                    Outcome::Failed(error) => Next::Failed(error),
                    Outcome::Awaited => Next::Failed(missing()),
                });
            }
        }
    }
}

/// Outcomes in the order of the commands.
#[derive(Default)]
struct Joined {
    chunks: Vec<Chunk>,
    failures: Vec<(usize, Error)>,
    /// Short replies that come one after another.
    short: Vec<u8>,
}

impl Joined {
    #[inline]
    fn put(&mut self, index: usize, outcome: Next<'_>) {
        match outcome {
            Next::Frame(frame) if frame.as_bytes().len() <= COPIED => {
                self.short.extend_from_slice(frame.as_bytes());
            }
            Next::Frame(frame) => self.put_chunk(frame.to_chunk()),
            Next::Chunk(chunk) => self.put_chunk(chunk),
            Next::Failed(error) => {
                self.short.extend_from_slice(EachOutcome::NO_REPLY);
                self.failures.push((index, error));
            }
        }
    }

    fn put_chunk(&mut self, chunk: Chunk) {
        if chunk.len() <= COPIED {
            self.short.extend_from_slice(&chunk);
            return;
        }
        self.close_short();
        self.chunks.push(chunk);
    }

    fn close_short(&mut self) {
        if !self.short.is_empty() {
            let bytes = bytes::Bytes::from(std::mem::take(&mut self.short));
            self.chunks.push(bytes.into());
        }
    }

    fn finish(mut self) -> EachOutcome {
        self.close_short();
        EachOutcome {
            replies: EachReply::InOrder(self.chunks),
            failures: self.failures,
        }
    }
}
