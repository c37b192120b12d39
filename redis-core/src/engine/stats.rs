//! The counters of a connection or pool: [`Stats`].

use std::iter::Sum;
use std::ops::AddAssign;
use std::time::Duration;

/// The counters of a connection at one moment, or of all shared sockets of a pool together. Reading them
/// takes one short lock for each socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Sockets that are ready for commands now.
    pub connected: usize,
    /// Commands that wait to be written; a pipeline counts once.
    pub queued: usize,
    /// Commands that were written and have no reply yet.
    pub in_flight: usize,
    /// Callers who wait because the budget is used up. Who was called and is not polled does not count any more.
    pub waiting: usize,
    /// Encoded bytes of commands that are queued or in flight.
    pub bytes: usize,
    /// For how long the server has owed the next reply.
    pub owed_for: Duration,
    /// Commands that were answered.
    pub answered: u64,
    /// Commands that failed because no reply came before their deadline.
    pub timeouts: u64,
    /// How often a lost socket was replaced.
    pub reconnects: u64,
    /// Attempts to connect that failed.
    pub failed_connects: u64,
}

impl AddAssign for Stats {
    /// Adds the values up; of the times for which replies are owed, the longest counts.
    fn add_assign(&mut self, other: Self) {
        self.connected += other.connected;
        self.queued += other.queued;
        self.in_flight += other.in_flight;
        self.waiting += other.waiting;
        self.bytes += other.bytes;
        self.owed_for = self.owed_for.max(other.owed_for);
        self.answered += other.answered;
        self.timeouts += other.timeouts;
        self.reconnects += other.reconnects;
        self.failed_connects += other.failed_connects;
    }
}

impl Sum for Stats {
    /// As [`Stats::add_assign`] adds them up.
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, stats| {
            sum += stats;
            sum
        })
    }
}

impl<'a> Sum<&'a Self> for Stats {
    /// As [`Stats::add_assign`] adds them up.
    fn sum<I: Iterator<Item = &'a Self>>(all: I) -> Self {
        all.copied().sum()
    }
}
