//! Maintenance that the server announces: which operations last, and until when limits of time are longer.
//! No I/O happens here.
//!
//! # Layout
//!
//! - `notice`: reading what the server pushes
//! - this file: what follows from all that was read

use std::time::Duration;

use tokio::time::Instant;

use crate::runtime::after;

mod notice;

pub(crate) use notice::Notice;
use notice::{Kind, LONGEST, Step};
pub use notice::{Maintenance, SlotsMove};

/// Longer limits of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Relaxation {
    /// Until then.
    pub(crate) until: Instant,
    /// By this time.
    pub(crate) extra: Duration,
}

impl Relaxation {
    /// How much longer a limit is that is reached at `now`.
    pub(crate) fn extra_at(self, now: Instant) -> Duration {
        if now < self.until {
            self.extra
        } else {
            Duration::ZERO
        }
    }
}

/// The operations that were announced on one connection.
#[derive(Debug, Default)]
pub(crate) struct Operations {
    lasting: Vec<Lasting>,
    /// What was read, so that a repetition is known.
    seen: Vec<(Instant, Notice)>,
}

#[derive(Debug)]
struct Lasting {
    kind: Kind,
    sequence: i64,
    since: Instant,
}

impl Operations {
    /// Takes a notice. Returns how long limits of time are longer, by `extra`; `None` if it was seen before.
    pub(crate) fn note(
        &mut self,
        notice: &Notice,
        now: Instant,
        extra: Duration,
    ) -> Option<Relaxation> {
        /// A server that announces more at a time is broken; what it announced first is forgotten.
        const MOST: usize = 64;
        self.forget_old(now);
        if self.seen.iter().any(|(_, seen)| seen == notice) {
            return None;
        }
        self.seen.push((now, notice.clone()));
        match notice.step() {
            Step::Begins(kind) => self.lasting.push(Lasting {
                kind,
                sequence: notice.sequence,
                since: now,
            }),
            Step::Ends(kind) => self.end(kind, notice.sequence),
        }
        let too_many = self.seen.len().saturating_sub(MOST);
        self.seen.drain(..too_many);
        let too_many = self.lasting.len().saturating_sub(MOST);
        self.lasting.drain(..too_many);
        Some(self.relaxation(now, extra))
    }

    /// There is a new socket. Operations that are not over are announced on it again, except that the move which led
    /// to it is over. Returns how long limits of time are longer, if something lasted.
    pub(crate) fn connected(&mut self, now: Instant, extra: Duration) -> Option<Relaxation> {
        let lasted = !self.lasting.is_empty();
        self.lasting.clear();
        let is_move = |notice: &Notice| notice.step() == Step::Begins(Kind::Move);
        self.seen.retain(|(_, notice)| is_move(notice));
        lasted.then(|| self.relaxation(now, extra))
    }

    /// Ends the operation with this number, or else the oldest of its kind.
    fn end(&mut self, kind: Kind, sequence: i64) {
        let of_kind = |lasting: &Lasting| lasting.kind == kind;
        let numbered = |lasting: &Lasting| of_kind(lasting) && lasting.sequence == sequence;
        let known = self.lasting.iter().position(numbered);
        if let Some(index) = known.or_else(|| self.lasting.iter().position(of_kind)) {
            self.lasting.remove(index);
        }
    }

    /// After the end, the server needs time for what has queued up meanwhile.
    fn relaxation(&self, now: Instant, extra: Duration) -> Relaxation {
        let since = self.lasting.iter().map(|lasting| lasting.since).max();
        let until = after(since.map_or(now, |since| since + LONGEST), extra);
        Relaxation { until, extra }
    }

    fn forget_old(&mut self, now: Instant) {
        self.lasting.retain(|lasting| now < lasting.since + LONGEST);
        self.seen.retain(|(at, _)| now < *at + LONGEST);
    }
}

#[cfg(test)]
#[path = "maintenance/tests.rs"]
mod tests;
