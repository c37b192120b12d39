//! How long a server may hold a command, and long waits that are split into pieces: while a server holds a command,
//! it looks the same as a server that hangs.

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

/// A type of argument that limits how long the server blocks. If a long wait is split into pieces, values are made
/// from times.
pub trait BlockLimit: ToArg + From<Duration> {
    /// The unit of the number that is sent.
    const UNIT: Duration;

    /// The bound; `None` is for ever.
    fn limit(&self) -> Option<Duration>;
}

/// How late a server may end a wait: it checks ten times a second.
pub(crate) const LATENESS: Duration = Duration::from_millis(500);

/// The shortest wait that is sent: for older servers, less than a millisecond means no limit.
pub(super) const SHORTEST: Duration = Duration::from_millis(5);

/// The place of the timeout among the bytes of a command, and how another one is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeoutPlace {
    pub(super) at: usize,
    pub(super) write: fn(Duration) -> Option<Vec<u8>>,
}

impl TimeoutPlace {
    /// Follows the words of the command to their new places.
    pub(super) fn move_to(&mut self, new_place: &impl Fn(usize) -> usize) {
        self.at = new_place(self.at);
    }

    /// The place of the timeout that will be written here.
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

    /// Updates the place when the bytes from `from` on are moved to `to`, and the bytes between make room for
    /// them.
    pub(super) fn follow(&mut self, from: usize, to: usize, len: usize) {
        if self.at >= from {
            self.at -= from - to;
        } else if self.at >= to {
            self.at += len;
        }
    }

    /// The place after the bytes from `from` to `to` were removed; `None` if it was among them.
    pub(super) fn without(mut self, from: usize, to: usize) -> Option<Self> {
        if self.at >= to {
            self.at -= to - from;
        } else if self.at >= from {
            return None;
        }
        Some(self)
    }
}

/// A wait that is split into pieces.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pieces {
    pub(super) place: TimeoutPlace,
    /// How long the whole wait lasts.
    pub(super) whole: Block,
    /// The longest time of a piece.
    pub(super) piece: Duration,
    /// The time after which the command fails.
    pub(super) deadline: Option<Duration>,
    /// When the call began, from which its deadline counts.
    pub(super) begun: Instant,
    /// When the first piece was sent.
    pub(super) since: Option<Instant>,
}

impl Pieces {
    /// How long the next piece lasts; `None` when the whole wait is over.
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

/// The longest wait with which a silent server is noticed in time: as soon as on a socket without blocking commands.
pub(super) fn longest_piece(liveness: Duration) -> Duration {
    let half = liveness / 2;
    half.saturating_sub(LATENESS).max(half / 2).max(SHORTEST)
}
