//! The bytes of one direction of a wire: [`Pipe`].

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

/// Bytes under way in one direction.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    segments: VecDeque<Segment>,
    /// How many of the first segment's bytes have been read.
    read: usize,
    /// Bytes that were written and not read.
    pub(super) under_way: usize,
    /// All bytes that were ever read.
    pub(super) passed: u64,
    /// After how many bytes the wire breaks.
    pub(super) breaks_after: Option<u64>,
    /// Nothing arrives before this moment.
    pub(super) stalled_until: Option<Instant>,
    /// What is written is lost.
    pub(super) swallows: bool,
    /// When the writer's end of the stream arrives.
    pub(super) ends: Option<Instant>,
    /// When the last segment arrives.
    last: Option<Instant>,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

#[derive(Debug)]
struct Segment {
    due: Instant,
    bytes: Vec<u8>,
}

/// What a reader finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    /// This many bytes of the first segment.
    Bytes(usize),
    /// The end of the stream.
    End,
    /// Nothing before this moment.
    Later(Instant),
    Nothing,
}

impl Pipe {
    /// Sends bytes that are under way for this long, or longer if those before them are.
    pub(super) fn send(&mut self, bytes: &[u8], trip: Duration) {
        self.under_way += bytes.len();
        if self.swallows {
            return;
        }
        let due = self.arrival(trip);
        self.segments.push_back(Segment {
            due,
            bytes: bytes.to_vec(),
        });
    }

    /// Sends the end of the stream.
    pub(super) fn finish(&mut self, trip: Duration) {
        if self.ends.is_none() && !self.swallows {
            self.ends = Some(self.arrival(trip));
        }
    }

    /// When something that is sent now arrives: bytes do not overtake each other.
    fn arrival(&mut self, trip: Duration) -> Instant {
        let due = Instant::now() + trip;
        let due = self.last.map_or(due, |last| last.max(due));
        self.last = Some(due);
        due
    }

    /// Loses everything that is under way, and all that is sent from now on.
    pub(super) fn swallow(&mut self) {
        self.swallows = true;
        self.segments.clear();
        self.read = 0;
    }

    /// What has arrived at `now`.
    pub(super) fn arrived(&self, now: Instant) -> Arrived {
        let (due, found) = match (self.segments.front(), self.ends) {
            (Some(segment), _) => {
                let left = segment.bytes.len().saturating_sub(self.read);
                (segment.due, Arrived::Bytes(left))
            }
            (None, Some(end)) => (end, Arrived::End),
            (None, None) => return Arrived::Nothing,
        };
        let due = self.stalled_until.map_or(due, |until| until.max(due));
        if due <= now {
            found
        } else {
            Arrived::Later(due)
        }
    }

    /// Takes bytes of the first segment, at most `count`.
    pub(super) fn take(&mut self, count: usize, mut put: impl FnMut(&[u8])) {
        let Some(segment) = self.segments.front() else {
            return;
        };
        let end = segment.bytes.len().min(self.read + count);
        let piece = segment.bytes.get(self.read..end).unwrap_or_default();
        put(piece);
        let taken = piece.len();
        self.under_way = self.under_way.saturating_sub(taken);
        self.passed += taken as u64;
        self.read = end;
        if self.read == segment.bytes.len() {
            self.segments.pop_front();
            self.read = 0;
        }
    }

    pub(super) fn wake_all(&mut self) {
        [self.reader.take(), self.writer.take()]
            .into_iter()
            .flatten()
            .for_each(Waker::wake);
    }
}
