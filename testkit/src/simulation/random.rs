//! Random choices that a seed repeats: [`Random`].

use std::ops::RangeInclusive;
use std::time::Duration;

/// A stream of random choices. Each part of a world has its own stream, so that another part can be left out without
/// a change to this one.
#[derive(Debug, Clone)]
pub(crate) struct Random(fastrand::Rng);

impl Random {
    /// The stream for the part with this purpose and number.
    pub(crate) fn of(seed: u64, purpose: &str, number: u64) -> Self {
        Self(fastrand::Rng::with_seed(mixed(seed, purpose, number)))
    }

    /// A number below `limit`; 0 if that is 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        if limit == 0 { 0 } else { self.0.usize(..limit) }
    }

    pub(crate) fn between(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.0.u64(range)
    }

    /// True once in this many times.
    pub(crate) fn one_in(&mut self, times: u32) -> bool {
        self.0.u32(..times.max(1)) == 0
    }

    pub(crate) fn millis(&mut self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.between(range))
    }

    /// One of the choices. There has to be at least one.
    pub(crate) fn pick<T: Copy>(&mut self, first: T, others: &[T]) -> T {
        match self.below(others.len() + 1).checked_sub(1) {
            Some(index) => others.get(index).copied().unwrap_or(first),
            None => first,
        }
    }
}

/// The seed for a part of a world.
pub(crate) fn mixed(seed: u64, purpose: &str, number: u64) -> u64 {
    let mut hash = Fingerprint::default();
    purpose.bytes().for_each(|byte| hash.add(byte.into()));
    hash.add(seed);
    hash.add(number);
    hash.value()
}

/// A sum of what happened, in order: two runs that do the same have the same sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Fingerprint {
    /// Adds a number; this is the step of SplitMix64.
    pub(crate) fn add(&mut self, number: u64) {
        let mut mix = (self.0 ^ number).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix = (mix ^ (mix >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mix = (mix ^ (mix >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.0 = mix ^ (mix >> 31);
    }

    pub(crate) fn value(self) -> u64 {
        self.0
    }
}
