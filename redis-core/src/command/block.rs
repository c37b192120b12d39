//! How long a server may hold a command, and long waits that are asked for in pieces: while a server holds one, it cannot be told
//! from a server that hangs.

use std::time::Duration;

use tokio::time::Instant;

use super::arg::{ArgWriter, ToArg};

/// How long a server may hold a blocking command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Block {
    /// At most so long.
    For(Duration),
    /// Until something happens.
    Forever,
}

/// A type of argument that bounds how long the server blocks. One is made of a time where a long wait is asked for in pieces.
pub trait BlockLimit: ToArg + From<Duration> {
    /// What the number that is sent counts.
    const UNIT: Duration;

    /// The bound; `None` is for ever.
    fn limit(&self) -> Option<Duration>;
}

/// How much later than it says a server may end a wait: it looks ten times a second.
pub(crate) const LATENESS: Duration = Duration::from_millis(500);

/// The shortest wait that is asked for: older servers take less than a millisecond for no limit at all.
pub(super) const SHORTEST: Duration = Duration::from_millis(5);

/// Where the timeout stands among the bytes of a command, and how another one is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeoutPlace {
    pub(super) at: usize,
    pub(super) write: fn(Duration) -> Option<Vec<u8>>,
}

impl TimeoutPlace {
    /// Of the timeout that will be written at this place.
    pub(super) fn new<L: BlockLimit>(at: usize) -> Self {
        Self {
            at,
            write: |time| {
                let mut bytes = Vec::new();
                let mut out = ArgWriter::new(&mut bytes, false);
                L::from(time).write_arg(&mut out).ok()?;
                out.finish();
                Some(bytes)
            },
        }
    }

    /// Follows the bytes from `from` on, which are moved to `to`; those between make room for them.
    pub(super) fn follow(&mut self, from: usize, to: usize, len: usize) {
        if self.at >= from {
            self.at -= from - to;
        } else if self.at >= to {
            self.at += len;
        }
    }

    /// Where it is once the bytes from `from` to `to` are gone; `None` if it was among them.
    pub(super) fn without(mut self, from: usize, to: usize) -> Option<Self> {
        if self.at >= to {
            self.at -= to - from;
        } else if self.at >= from {
            return None;
        }
        Some(self)
    }
}

/// A wait that is asked for in pieces.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pieces {
    pub(super) place: TimeoutPlace,
    /// How long the whole lasts.
    pub(super) whole: Block,
    /// How long a piece lasts at most.
    pub(super) piece: Duration,
    /// After how long the caller is told that it failed.
    pub(super) deadline: Option<Duration>,
    /// When the first piece was sent.
    pub(super) since: Option<Instant>,
}

impl Pieces {
    /// How long the next piece lasts; `None` once the whole is over.
    pub(super) fn next(&self, passed: Duration) -> Option<Duration> {
        match self.whole {
            Block::Forever => Some(self.piece),
            Block::For(limit) => {
                let rest = limit.checked_sub(passed).filter(|rest| !rest.is_zero())?;
                Some(rest.clamp(SHORTEST, self.piece.max(SHORTEST)))
            }
        }
    }
}

/// The longest wait after which a server that gives no sign of life is noticed in time: as soon as one on a socket on which
/// nothing blocks.
pub(super) fn longest_piece(liveness: Duration) -> Duration {
    let half = liveness / 2;
    half.saturating_sub(LATENESS).max(half / 2).max(SHORTEST)
}
