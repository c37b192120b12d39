//! What the driver took from the queue: [`Unanswered`] keeps it until it is answered, so that it can be sent again.

use std::io::IoSlice;

use crate::wire::outgoing::{Outgoing, PIECES};

/// The bytes of all entries that were taken, in the order of the entries.
#[derive(Debug, Default)]
pub(crate) struct Unanswered {
    bytes: Outgoing,
    /// How many of these bytes were written.
    written: usize,
}

impl Unanswered {
    /// Whether nothing is left to be written.
    #[inline]
    pub(crate) fn is_written(&self) -> bool {
        self.written >= self.bytes.len()
    }

    /// How many bytes were written.
    pub(crate) fn written(&self) -> usize {
        self.written
    }

    /// Notes that `count` more bytes were written.
    pub(crate) fn wrote(&mut self, count: usize) {
        self.written += count;
    }

    /// The bytes to be written, if they are in one piece.
    pub(crate) fn single(&self) -> Option<&[u8]> {
        self.bytes.single(self.written)
    }

    /// The first pieces of the bytes to be written. Returns how many pieces there are.
    pub(crate) fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>; PIECES]) -> usize {
        self.bytes.fill(self.written, slices)
    }

    /// Takes all of `more`.
    pub(super) fn append(&mut self, more: &mut Outgoing) {
        if self.bytes.is_empty() {
            std::mem::swap(&mut self.bytes, more);
        } else {
            more.move_to(more.len(), &mut self.bytes);
        }
    }

    /// Frees the first `count` bytes, which were answered.
    #[inline]
    pub(super) fn release(&mut self, count: usize) {
        if count > 0 {
            self.bytes.advance(count);
            self.written = self.written.saturating_sub(count);
        }
    }

    /// Moves the first `len` bytes to the end of `other`.
    pub(super) fn move_to(&mut self, len: usize, other: &mut Outgoing) {
        self.bytes.move_to(len, other);
        self.written = self.written.saturating_sub(len);
    }

    /// A copy of `len` bytes, which begin at `from`.
    pub(super) fn copy(&self, from: usize, len: usize) -> Outgoing {
        self.bytes.copy(from, len)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.written = 0;
    }
}
