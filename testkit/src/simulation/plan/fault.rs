//! What breaks: [`Fault`].

use std::time::Duration;

use super::Knobs;
use crate::simulation::keys::PLACES;
use crate::simulation::network::Direction;
use crate::simulation::random::Random;
use crate::simulation::server::deployment::Change;
use crate::simulation::server::{Group, Lie};

/// Something that breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Connections are reset, and what is under way is lost.
    Reset(Which),
    /// A connection is reset after this many more bytes in a direction.
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
    /// For a while, new connections are reset after this many bytes in a direction.
    Curse(Direction, u64, Duration),
    /// Nobody can connect.
    Refuse(Duration),
    /// Whoever connects gets no answer.
    Silence(Duration),
    /// The server loses its data.
    Flush,
    /// The cluster or service changes.
    Change(Change),
    /// A Sentinel, counted round and round, says something wrong for a while.
    Mislead(usize, Lie, Duration),
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
    /// The server that it happens to, counted round and round.
    pub(crate) server: usize,
    pub(crate) fault: Fault,
}

impl PlannedFault {
    /// Some faults, in the order in which they happen.
    pub(super) fn some(random: &mut Random, knobs: &Knobs) -> Vec<Self> {
        let group = knobs.kind.group;
        // Where nothing breaks, slots still move.
        let count = match (knobs.calm, group) {
            (true, Group::Cluster(_)) => random.below(4),
            (true, _) => 0,
            (false, _) => 1 + random.below(6),
        };
        let span = random.pick(100, &[600, 3_000]);
        let fault = |random: &mut Random| match (knobs.calm, group) {
            (true, _) => Fault::Change(gentle(random)),
            (false, Group::Cluster(_)) if random.one_in(2) => Fault::Change(change(random)),
            (false, Group::Service(_)) if random.one_in(2) => Fault::of_service(random),
            (false, _) => Fault::of(random, matches!(group, Group::Alone)),
        };
        let mut faults: Vec<Self> = (0..count)
            .map(|_| Self {
                at: random.between(0..=span),
                server: random.below(64),
                fault: fault(random),
            })
            .collect();
        if matches!(group, Group::Cluster(_)) && knobs.cache.is_some() {
            // At first keys are absent. Servers do not report when the slot of such a key moves.
            faults.extend((0..2).map(|_| Self {
                at: random.between(0..=200),
                server: 0,
                fault: Fault::Change(gentle(random)),
            }));
        }
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
    /// Whether sockets are lost that are open, and nothing else.
    pub(super) fn is_loss(&self) -> bool {
        matches!(
            self,
            Self::Reset(_) | Self::ResetAfter(..) | Self::HangUp(_)
        )
    }

    /// A fault of a server, which may be the only one.
    fn of(random: &mut Random, is_alone: bool) -> Self {
        let which = Which::of(random);
        match random.below(21) {
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
                // Others would hand the loss on to their replicas.
                forgets: random.one_in(2) && is_alone,
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
            18 if is_alone => Self::Flush,
            _ if random.one_in(2) => Self::Refuse(random.millis(1..=2_000)),
            _ => Self::Silence(random.millis(1..=3_000)),
        }
    }
}

impl Fault {
    /// A failover, or a Sentinel that says something wrong.
    fn of_service(random: &mut Random) -> Self {
        match random.below(5) {
            0 => Self::Change(Change::SwitchOver(0)),
            1 => {
                let down = random.pick(200, &[2_000]);
                Self::Change(Change::Crash(
                    0,
                    random.millis(1..=1_200),
                    random.millis(1..=down),
                ))
            }
            2 => Self::Change(Change::Split(0, random.millis(1..=500))),
            _ => {
                let lie = random.pick(Lie::WrongNode, &[Lie::Nobody, Lie::Unknown]);
                Self::Mislead(random.below(8), lie, random.millis(1..=3_000))
            }
        }
    }
}

/// Changes of a cluster that no command may fail for.
fn gentle(random: &mut Random) -> Change {
    let (place, shard) = (random.below(64), random.below(8));
    match random.below(5) {
        0 => Change::Move(places(random), shard),
        1 => Change::Grow(places(random)),
        2 => Change::Visit(place, shard, random.millis(0..=500)),
        _ => {
            let longest = random.pick(50, &[400]);
            Change::Migrate(place, shard, random.millis(0..=longest))
        }
    }
}

fn change(random: &mut Random) -> Change {
    let shard = random.below(8);
    match random.below(12) {
        0..=4 => gentle(random),
        5 => Change::SwitchOver(shard),
        6 | 7 => {
            let down = random.pick(200, &[2_000]);
            Change::Crash(shard, random.millis(1..=1_200), random.millis(1..=down))
        }
        8 => Change::Split(shard, random.millis(1..=2_000)),
        9 => Change::Down(random.millis(1..=600)),
        10 => Change::Readdress(random.below(64)),
        _ => Change::Shrink(shard, random.millis(0..=500)),
    }
}

fn places(random: &mut Random) -> Vec<usize> {
    (0..1 + random.below(3))
        .map(|_| random.below(PLACES * 3))
        .collect()
}
