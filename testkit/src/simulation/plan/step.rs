//! What a client does: [`Step`].

use std::time::Duration;

use super::Knobs;
use crate::simulation::keys::{PLACES, TEXTS};
use crate::simulation::random::Random;
use crate::simulation::server::ChannelKind;

/// How many channels there are of each kind.
pub(crate) const CHANNELS: usize = 3;

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
    Cluster,
    /// A connection that is closed while others use it.
    Doomed,
}

impl Place {
    /// A handle that is there to the end.
    pub(super) fn lasting(random: &mut Random, knobs: &Knobs) -> Self {
        match Self::of(random, knobs) {
            Self::Doomed => Self::Pool,
            place => place,
        }
    }

    pub(super) fn of(random: &mut Random, knobs: &Knobs) -> Self {
        if knobs.kind.cluster().is_some() {
            Self::Cluster
        } else if random.one_in(12) {
            Self::Doomed
        } else if random.one_in(3) {
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
        /// What all keys have in common.
        place: usize,
        calls: Vec<CallKind>,
        pops: Option<usize>,
        leaves_watch: bool,
    },
    /// Reads several texts with one command.
    ReadMany(Vec<usize>),
    /// Writes several texts with one command.
    WriteMany(Vec<usize>),
    /// Reads texts through a cache.
    CachedRead(Vec<usize>),
    /// Writes texts through a cache, one after another.
    CachedWrite(Vec<usize>),
    /// Closes the connection that is to be closed.
    Close,
    /// Listens to a channel for a while.
    Listen {
        channel: usize,
        kind: ChannelKind,
        time: Duration,
    },
    /// Leases a socket, and queues these commands in a MULTI by hand; maybe it is never executed.
    Open {
        /// What all keys have in common.
        place: usize,
        calls: Vec<CallKind>,
        executes: bool,
    },
    /// Adds (`true`) and removes channels of one subscriber, one after another, and then listens. Numbers from [`CHANNELS`] on
    /// are shard channels.
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
    PublishToShard(usize),
    /// An echo of this many bytes.
    Long(usize),
}

impl CallKind {
    fn of(random: &mut Random) -> Self {
        let place = random.below(PLACES);
        match random.below(17) {
            0..=3 => Self::Echo,
            4 => Self::Get(random.below(TEXTS)),
            5 | 6 => Self::Set(random.below(TEXTS)),
            7..=9 => Self::Add(place),
            10 | 11 => Self::Push(place),
            12 => Self::Script(place),
            13 => Self::Long(random.pick(100, &[1_000, 4_000])),
            14 => Self::PublishToShard(random.below(CHANNELS)),
            _ => Self::Publish(random.below(CHANNELS)),
        }
    }

    /// The same with a key of the same slot as this place.
    fn at(self, place: usize) -> Self {
        match self {
            Self::Get(text) => Self::Get(text / PLACES * PLACES + place),
            Self::Set(text) => Self::Set(text / PLACES * PLACES + place),
            Self::Add(_) => Self::Add(place),
            Self::Push(_) => Self::Push(place),
            Self::Script(_) => Self::Script(place),
            // Its slot is another one.
            Self::PublishToShard(channel) => Self::Publish(channel),
            other => other,
        }
    }

    /// Whether it may be carried out more than once.
    pub(crate) fn is_repeatable(self) -> bool {
        match self {
            Self::Echo | Self::Long(_) | Self::Get(_) | Self::Set(_) => true,
            Self::Add(_)
            | Self::Push(_)
            | Self::Script(_)
            | Self::Publish(_)
            | Self::PublishToShard(_) => false,
        }
    }

    /// The kind and the place of its key, if it has one that is changed or read in order.
    pub(crate) fn key(self) -> Option<(&'static str, usize)> {
        match self {
            Self::Get(text) | Self::Set(text) => Some(("text", text)),
            Self::Add(place) | Self::Script(place) => Some(("counter", place)),
            Self::Push(place) => Some(("list", place)),
            Self::PublishToShard(channel) => Some(("shard", channel)),
            Self::Echo | Self::Publish(_) | Self::Long(_) => None,
        }
    }

    fn three(random: &mut Random) -> [Self; 3] {
        [Self::of(random), Self::of(random), Self::of(random)]
    }

    /// Commands whose keys have one slot.
    fn three_at(random: &mut Random) -> [Self; 3] {
        let place = random.below(PLACES);
        Self::three(random).map(|kind| kind.at(place))
    }

    /// Commands whose keys have one slot.
    fn some_at(random: &mut Random) -> (usize, Vec<Self>) {
        let place = random.below(PLACES);
        let kinds = Self::some(random).into_iter();
        (place, kinds.map(|kind| kind.at(place)).collect())
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
    /// For this many polls; then the future is dropped.
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
    /// Whether it uses the connection that is closed while others use it. Reads and writes through a cache use another handle,
    /// wherever the step is.
    pub(crate) fn uses_doomed(&self) -> bool {
        let is_cached = matches!(self.act, Act::CachedRead(_) | Act::CachedWrite(_));
        self.place == Place::Doomed && !is_cached
    }

    pub(super) fn of(random: &mut Random, knobs: &Knobs) -> Self {
        let act = Act::of(random);
        let place = match act {
            Act::Pop(..) | Act::Watch(_) | Act::Lease { .. } | Act::Open { .. }
                if knobs.kind.cluster().is_none() =>
            {
                Place::Pool
            }
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
        match random.below(40) {
            0..=6 => Self::Single(CallKind::of(random)),
            7 | 8 => Self::Pipeline(CallKind::three(random)),
            9..=11 => Self::Transaction(CallKind::three_at(random)),
            12 | 13 => Self::Batch(CallKind::some(random)),
            14 => Self::Each(CallKind::of(random), random.below(6)),
            15 | 16 => Self::Together(CallKind::some(random)),
            17 => {
                let most = random.pick(300, &[20, 2_000]);
                Self::Pop(random.below(PLACES), random.millis(5..=most))
            }
            18 => Self::Pop(random.below(PLACES), random.millis(5..=300)),
            19 => Self::Watch(random.below(PLACES)),
            20 => {
                let (place, calls) = CallKind::some_at(random);
                Self::Lease {
                    place,
                    calls,
                    pops: random.one_in(3).then_some(place),
                    leaves_watch: random.one_in(3),
                }
            }
            21 | 22 => Self::Listen {
                channel: random.below(CHANNELS),
                kind: random.pick(
                    ChannelKind::Channel,
                    &[
                        ChannelKind::Channel,
                        ChannelKind::Pattern,
                        ChannelKind::Shard,
                    ],
                ),
                time: random.millis(0..=600),
            },
            23 | 24 => {
                let (place, calls) = CallKind::some_at(random);
                Self::Open {
                    place,
                    calls,
                    executes: !random.one_in(4),
                }
            }
            27 | 28 => Self::ReadMany(texts(random)),
            29 => Self::WriteMany(texts(random)),
            37 => Self::Close,
            30..=35 => Self::CachedRead(texts(random)),
            36 => {
                let mut some = texts(random);
                some.truncate(2);
                Self::CachedWrite(some)
            }
            25 | 26 => Self::Follow {
                changes: (0..1 + random.below(6))
                    .map(|_| (!random.one_in(3), random.below(2 * CHANNELS)))
                    .collect(),
                time: random.millis(0..=300),
            },
            _ => Self::Scan,
        }
    }
}

/// Some texts, each once.
fn texts(random: &mut Random) -> Vec<usize> {
    let first = random.below(TEXTS);
    let step = 1 + 2 * random.below(TEXTS / 2);
    let count = 1 + random.below(TEXTS - 1);
    (0..count)
        .map(|index| (first + index * step) % TEXTS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caching_handle_is_never_the_one_that_is_closed() {
        let uses_doomed = |place, act| {
            let step = Step {
                pause: Duration::ZERO,
                place,
                act,
                manner: Manner::Wait,
            };
            step.uses_doomed()
        };
        assert!(uses_doomed(Place::Doomed, Act::Single(CallKind::Echo)));
        assert!(!uses_doomed(Place::Pool, Act::Single(CallKind::Echo)));
        assert!(!uses_doomed(Place::Doomed, Act::CachedRead(vec![0])));
        assert!(!uses_doomed(Place::Doomed, Act::CachedWrite(vec![0])));
    }
}
