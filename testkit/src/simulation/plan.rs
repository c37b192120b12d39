//! What a seed decides, as data: [`Plan`]. Parts of it can be left out, and the rest stays as it is.
//!
//! # Layout
//!
//! - `step`: what a client does, and how it waits for that; `knobs`: the settings; `fault`: what breaks

use std::fmt;

use super::random::Random;
use super::server::Group;

mod fault;
mod knobs;
mod step;

pub(crate) use fault::{Fault, PlannedFault, Which};
pub(crate) use knobs::{Kept, Knobs};
pub(crate) use step::{Act, CHANNELS, CallKind, Manner, Place, Step};

/// Everything that happens in a world.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) seed: u64,
    pub(crate) knobs: Knobs,
    pub(crate) clients: Vec<Client>,
    pub(crate) faults: Vec<PlannedFault>,
    /// Channels that are subscribed to from the beginning to the end.
    pub(crate) kept: Vec<Subscription>,
}

/// A subscription that lives from the beginning to the end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subscription {
    pub(crate) place: Place,
    pub(crate) channel: usize,
    pub(crate) is_shard: bool,
}

/// One task.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// It stays the same when other tasks are left out.
    pub(crate) number: usize,
    pub(crate) steps: Vec<Step>,
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut random = Random::of(seed, "plan", 0);
        let knobs = Knobs::of(&mut random).with_sentinels(&mut Random::of(seed, "service", 0));
        let clients = (0..tasks(&mut random))
            .map(|number| Client::of(seed, number, &knobs))
            .collect();
        let faults = PlannedFault::some(&mut random, &knobs);
        let kept = (0..random.below(4))
            .map(|_| Subscription {
                place: Place::lasting(&mut random, &knobs),
                channel: random.below(step::CHANNELS),
                is_shard: random.one_in(3),
            })
            .collect();
        Self {
            seed,
            knobs,
            clients,
            faults,
            kept,
        }
    }
}

impl Plan {
    /// Whether each socket is lost once at most, and nothing else breaks.
    pub(crate) fn loses_once(&self) -> bool {
        let is_alone = matches!(self.knobs.kind.group, Group::Alone);
        is_alone && matches!(&self.faults[..], [only] if only.fault.is_loss())
    }
}

/// Most worlds are small, because small ones are fast and show more of what is rare.
fn tasks(random: &mut Random) -> usize {
    match random.below(16) {
        0 => 17 + random.below(48),
        1..=4 => 5 + random.below(12),
        _ => 1 + random.below(4),
    }
}

impl Client {
    fn of(seed: u64, number: usize, knobs: &Knobs) -> Self {
        let mut random = Random::of(seed, "client", number as u64);
        let count = 1 + random.below(8);
        Self {
            number,
            steps: (0..count).map(|_| Step::of(&mut random, knobs)).collect(),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "settings: {:?}", self.knobs)?;
        for kept in &self.kept {
            writeln!(f, "kept: {kept:?}")?;
        }
        for client in &self.clients {
            for step in &client.steps {
                writeln!(f, "task {}: {step:?}", client.number)?;
            }
        }
        for fault in &self.faults {
            writeln!(
                f,
                "after {} ms at server {}: {:?}",
                fault.at, fault.server, fault.fault
            )?;
        }
        Ok(())
    }
}
