//! What a client does: [`Step`].

use std::time::Duration;

use super::Knobs;
use crate::simulation::random::Random;

/// How many keys, lists and channels there are.
pub(super) const KEYS: usize = 3;
pub(super) const CHANNELS: usize = 3;

/// One thing that a client does.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// How long it waits before.
    pub(crate) pause: Duration,
    pub(crate) place: Place,
    pub(crate) act: Act,
    pub(crate) manner: Manner,
}

/// Which handle is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Connection(usize),
    Pool,
}

impl Place {
    pub(super) fn of(random: &mut Random, knobs: &Knobs) -> Self {
        if random.one_in(3) {
            Self::Pool
        } else {
            Self::Connection(random.below(knobs.connections))
        }
    }
}

/// What is done.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Single(CallKind),
    Pipeline([CallKind; 3]),
    Transaction([CallKind; 3]),
    Batch(Vec<CallKind>),
    /// The same command for several items.
    Each(CallKind, usize),
    /// Several commands at once, each with its own future.
    Together(Vec<CallKind>),
    /// Takes an element of a list, and waits for one for so long; 0 is for ever.
    Pop(usize, Duration),
    /// Reads a counter and adds to it, if nobody else has.
    Watch(usize),
    /// Leases a socket, and issues these commands on it; maybe it then waits for an element, and maybe it leaves its
    /// state behind.
    Lease {
        calls: Vec<CallKind>,
        pops: Option<usize>,
        leaves_watch: bool,
    },
    /// Listens to a channel, or a pattern, for a while.
    Listen {
        channel: usize,
        pattern: bool,
        time: Duration,
    },
    /// Leases a socket, and queues these commands in a MULTI by hand; maybe it is never executed.
    Open {
        calls: Vec<CallKind>,
        executes: bool,
    },
    /// Adds (`true`) and removes channels of one subscriber, one after another, and then listens.
    Follow {
        changes: Vec<(bool, usize)>,
        time: Duration,
    },
    Scan,
}

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallKind {
    Echo,
    Get(usize),
    Set(usize),
    Add(usize),
    Push(usize),
    Script(usize),
    Publish(usize),
    /// An echo of so many bytes.
    Long(usize),
}

impl CallKind {
    fn of(random: &mut Random) -> Self {
        let place = random.below(KEYS);
        match random.below(16) {
            0..=3 => Self::Echo,
            4 => Self::Get(place),
            5 | 6 => Self::Set(place),
            7..=9 => Self::Add(place),
            10 | 11 => Self::Push(place),
            12 => Self::Script(place),
            13 => Self::Long(random.pick(100, &[1_000, 4_000])),
            _ => Self::Publish(random.below(CHANNELS)),
        }
    }

    fn three(random: &mut Random) -> [Self; 3] {
        [Self::of(random), Self::of(random), Self::of(random)]
    }

    fn some(random: &mut Random) -> Vec<Self> {
        (0..1 + random.below(5)).map(|_| Self::of(random)).collect()
    }
}

/// How a client waits for what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// To the end.
    Wait,
    /// Until this time is over; then the future is dropped.
    Timeout(Duration),
    /// For so many polls; then the future is dropped.
    Polls(usize),
    /// In another task, which is aborted after this time.
    Abort(Duration),
    /// With a deadline of its own.
    Deadline(Duration),
}

impl Manner {
    fn of(random: &mut Random) -> Self {
        match random.below(10) {
            0 | 1 => Self::Timeout(random.millis(0..=30)),
            2 => Self::Polls(random.below(4)),
            3 => Self::Abort(random.millis(0..=30)),
            4 => Self::Deadline(random.millis(1..=100)),
            _ => Self::Wait,
        }
    }
}

impl Step {
    pub(super) fn of(random: &mut Random, knobs: &Knobs) -> Self {
        let act = Act::of(random);
        let place = match act {
            Act::Pop(..) | Act::Watch(_) | Act::Lease { .. } | Act::Open { .. } => Place::Pool,
            _ => Place::of(random, knobs),
        };
        let pause = match random.below(3) {
            0 => Duration::ZERO,
            1 => random.millis(0..=5),
            _ => random.millis(0..=400),
        };
        Self {
            pause,
            place,
            act,
            manner: Manner::of(random),
        }
    }
}

impl Act {
    fn of(random: &mut Random) -> Self {
        match random.below(28) {
            0..=6 => Self::Single(CallKind::of(random)),
            7 | 8 => Self::Pipeline(CallKind::three(random)),
            9..=11 => Self::Transaction(CallKind::three(random)),
            12 | 13 => Self::Batch(CallKind::some(random)),
            14 => Self::Each(CallKind::of(random), random.below(6)),
            15 | 16 => Self::Together(CallKind::some(random)),
            17 => {
                let most = random.pick(300, &[20, 2_000]);
                Self::Pop(random.below(KEYS), random.millis(5..=most))
            }
            18 => Self::Pop(random.below(KEYS), random.millis(5..=300)),
            19 => Self::Watch(random.below(KEYS)),
            20 => Self::Lease {
                calls: CallKind::some(random),
                pops: random.one_in(3).then(|| random.below(KEYS)),
                leaves_watch: random.one_in(3),
            },
            21 | 22 => Self::Listen {
                channel: random.below(CHANNELS),
                pattern: random.one_in(3),
                time: random.millis(0..=600),
            },
            23 | 24 => Self::Open {
                calls: CallKind::some(random),
                executes: !random.one_in(4),
            },
            25 | 26 => Self::Follow {
                changes: (0..1 + random.below(6))
                    .map(|_| (!random.one_in(3), random.below(CHANNELS)))
                    .collect(),
                time: random.millis(0..=300),
            },
            _ => Self::Scan,
        }
    }
}
