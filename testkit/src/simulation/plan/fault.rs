//! What breaks: [`Fault`].

use std::time::Duration;

use crate::simulation::network::Direction;
use crate::simulation::random::Random;

/// Something that breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Connections are reset, and what is under way is lost.
    Reset(Which),
    /// A connection is reset after so many more bytes in a direction.
    ResetAfter(Which, Direction, u64),
    /// The server closes connections in good order.
    HangUp(Option<usize>),
    /// Bytes arrive later.
    Stall(Which, Direction, Duration),
    /// Bytes are lost, in one direction or in both, and nobody is told until the kernel gives up.
    Swallow(Which, Option<Direction>, Duration),
    /// The server's process is stopped for a while.
    Pause(Duration),
    /// The server starts anew.
    Restart {
        forgets: bool,
        down: Duration,
        loading: Duration,
        /// Whether it knows RESP3 from now on if it did not before, and the other way round.
        changes_protocol: bool,
    },
    /// The server becomes a replica for a while.
    Demote(Duration),
    /// The server has too many clients for a while.
    Crowd(Duration),
    /// For a while, new connections are reset after so many bytes in a direction.
    Curse(Direction, u64, Duration),
    /// Nobody can connect.
    Refuse(Duration),
    /// Whoever connects gets no answer.
    Silence(Duration),
}

/// Which connections a fault concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    /// One of those that are open, counted from the oldest, round and round.
    One(usize),
}

/// A fault, and when it happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedFault {
    /// Milliseconds after the beginning.
    pub(crate) at: u64,
    pub(crate) fault: Fault,
}

impl PlannedFault {
    /// Some faults, in the order in which they happen.
    pub(super) fn some(random: &mut Random) -> Vec<Self> {
        let count = 1 + random.below(6);
        let span = random.pick(100, &[600, 3_000]);
        let mut faults: Vec<Self> = (0..count)
            .map(|_| Self {
                at: random.between(0..=span),
                fault: Fault::of(random),
            })
            .collect();
        faults.sort_by_key(|fault| fault.at);
        faults
    }
}

impl Which {
    fn of(random: &mut Random) -> Self {
        if random.one_in(2) {
            Self::All
        } else {
            Self::One(random.below(8))
        }
    }
}

fn direction(random: &mut Random) -> Direction {
    random.pick(Direction::ToServer, &[Direction::ToClient])
}

impl Fault {
    fn of(random: &mut Random) -> Self {
        let which = Which::of(random);
        match random.below(20) {
            0 | 1 => Self::Reset(which),
            2..=5 => {
                let most = random.pick(40, &[400, 5_000]);
                Self::ResetAfter(which, direction(random), random.between(0..=most))
            }
            6 | 7 => Self::HangUp(random.one_in(2).then(|| random.below(8))),
            8 | 9 => {
                let most = random.pick(50, &[2_000]);
                Self::Stall(which, direction(random), random.millis(1..=most))
            }
            10 | 11 => {
                let way = direction(random);
                Self::Swallow(
                    which,
                    random.one_in(2).then_some(way),
                    random.millis(1_000..=15_000),
                )
            }
            12 => Self::Pause(random.millis(1..=4_000)),
            13 | 14 => Self::Restart {
                forgets: random.one_in(2),
                down: random.millis(0..=500),
                loading: random.millis(0..=500),
                changes_protocol: random.one_in(4),
            },
            15 => Self::Demote(random.millis(1..=1_500)),
            16 => Self::Crowd(random.millis(1..=1_500)),
            17 => {
                let bytes = random.between(0..=300);
                Self::Curse(direction(random), bytes, random.millis(1..=1_000))
            }
            _ if random.one_in(2) => Self::Refuse(random.millis(1..=2_000)),
            _ => Self::Silence(random.millis(1..=3_000)),
        }
    }
}
