//! One direction of a proxy: [`Lane`], the rules by which its bytes flow.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Cut;

/// The rules of one direction. They hold for all connections and may be changed at any time.
#[derive(Debug)]
pub struct Lane {
    rules: watch::Sender<Rules>,
    passed: watch::Sender<u64>,
}

/// The rules as a pump reads them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rules {
    pub(super) flow: Flow,
    /// Bytes arrive later, by a time between these two.
    delay: (Duration, Duration),
    /// The most bytes that are written at once.
    chunk: Option<usize>,
    /// Bytes a second.
    rate: Option<u32>,
    pub(super) half_closes: u64,
    cut: Option<(u64, Cut)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Flow {
    #[default]
    Open,
    /// Nothing is read or written: what is sent fills the buffers, then the sender waits.
    Held,
    /// Everything is read and thrown away.
    Swallowed,
}

impl Lane {
    pub(super) fn new() -> Self {
        Self {
            rules: watch::Sender::default(),
            passed: watch::Sender::default(),
        }
    }

    /// Lets bytes arrive later: each read is delayed by a random time between the two, like a long distance,
    /// which does not reduce the throughput. The order is kept. Two zeros end the delay.
    pub fn delay(&self, at_least: Duration, at_most: Duration) {
        self.rules
            .send_modify(|rules| rules.delay = (at_least, at_most.max(at_least)));
    }

    /// Writes at most `bytes` at once, each write separately; 0 ends this.
    pub fn chunks(&self, bytes: usize) {
        self.rules
            .send_modify(|rules| rules.chunk = Some(bytes).filter(|bytes| *bytes > 0));
    }

    /// Lets at most this many bytes a second through on each connection; 0 ends this.
    pub fn rate(&self, bytes_per_second: u32) {
        self.rules
            .send_modify(|rules| rules.rate = Some(bytes_per_second).filter(|rate| *rate > 0));
    }

    /// Stops reading and writing: the buffers fill, then the sender's writes block. Nothing is lost.
    pub fn hold(&self) {
        self.rules.send_modify(|rules| rules.flow = Flow::Held);
    }

    /// Swallows all bytes from now on, and the ends of connections, while the connections stay open.
    pub fn black_hole(&self) {
        self.rules.send_modify(|rules| rules.flow = Flow::Swallowed);
    }

    /// Lets bytes through again. Bytes that were held arrive now, bytes that were swallowed never arrive.
    pub fn resume(&self) {
        self.rules.send_modify(|rules| rules.flow = Flow::Open);
    }

    /// Ends this direction of all connections that are open now (FIN in this direction only).
    pub fn half_close(&self) {
        self.rules.send_modify(|rules| rules.half_closes += 1);
    }

    /// Cuts one connection when it has carried `bytes` bytes in this direction, counted from its beginning: the first
    /// that gets there. No byte more is let through. Later connections are not affected.
    ///
    /// A connection that has already carried more is cut before its next byte.
    pub fn cut_after(&self, bytes: u64, cut: Cut) {
        self.rules
            .send_modify(|rules| rules.cut = Some((bytes, cut)));
    }

    /// How many bytes have been let through, over all connections.
    #[must_use]
    pub fn passed(&self) -> u64 {
        *self.passed.borrow()
    }

    pub(super) fn rules(&self) -> watch::Receiver<Rules> {
        self.rules.subscribe()
    }

    /// How many times [`Lane::half_close`] was called so far.
    pub(super) fn half_closes(&self) -> u64 {
        self.rules.borrow().half_closes
    }

    pub(super) fn count(&self, bytes: usize) {
        self.passed.send_modify(|passed| *passed += bytes as u64);
    }

    /// Takes the rule that cuts a connection at its `position`-th byte; the rule applies to one connection only.
    pub(super) fn take_cut(&self, position: u64) -> Option<Cut> {
        let mut taken = None;
        self.rules.send_if_modified(|rules| {
            if let Some((at, cut)) = rules.cut
                && at <= position
            {
                taken = Some(cut);
                rules.cut = None;
            }
            taken.is_some()
        });
        taken
    }
}

impl Rules {
    /// When bytes that were read now may be written.
    pub(super) fn due(&self) -> Instant {
        let (at_least, at_most) = self.delay;
        let spread = (at_most - at_least).as_secs_f64() * fastrand::f64();
        Instant::now() + at_least + Duration::from_secs_f64(spread)
    }

    /// How many of `length` bytes go into the next write of a connection that has carried `position` bytes so far.
    pub(super) fn next_write(&self, length: usize, position: u64) -> usize {
        let until_cut = self
            .cut
            .map_or(u64::MAX, |(at, _)| at.saturating_sub(position));
        let length = length.min(self.chunk.unwrap_or(usize::MAX));
        length.min(usize::try_from(until_cut).unwrap_or(usize::MAX))
    }

    /// How long a write of this many bytes takes at the limited rate.
    pub(super) fn time_for(&self, bytes: usize) -> Duration {
        self.rate.map_or(Duration::ZERO, |rate| {
            Duration::from_secs_f64(bytes as f64 / f64::from(rate))
        })
    }
}
