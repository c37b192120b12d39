//! Bytes that are to be sent: [`Outgoing`].

use std::collections::VecDeque;
use std::fmt;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

use crate::wire::encode::Output;

/// Values with at least this many bytes are shared, not copied. Sharing costs a reference count and a piece of a
/// vectored write; copying this many bytes costs about a microsecond.
pub(crate) const SHARE: usize = 16 * 1024;

/// A piece of at least this many bytes is written alone. If a socket takes only a part of it, the socket is known to
/// be full, and is not asked again before it has much more room.
const ALONE: usize = 256 * 1024;

/// The most pieces in one write; all systems accept this many.
pub(crate) const PIECES: usize = 64;

/// A buffer larger than this is freed when its bytes were written.
const KEEP: usize = 256 * 1024;

/// Bytes that were passed are removed if there are this many, and more than those after them.
const COMPACT: usize = 64 * 1024;

/// A sequence of bytes: short ones are joined, long ones shared with their owners.
#[derive(Default, Clone)]
pub(crate) struct Outgoing {
    /// The pieces before the tail; none of them is empty.
    pieces: VecDeque<Bytes>,
    /// The number of bytes in the pieces.
    in_pieces: usize,
    tail: Vec<u8>,
    /// How many bytes of the tail were passed.
    passed: usize,
}

/// Arguments may be secrets, so only the size is shown.
impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Outgoing").field(&self.len()).finish()
    }
}

impl Outgoing {
    pub(crate) fn len(&self) -> usize {
        self.in_pieces + self.rest().len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.rest().is_empty()
    }

    #[inline]
    fn rest(&self) -> &[u8] {
        self.tail.get(self.passed..).unwrap_or_default()
    }

    /// Appends bytes without a copy, if there are enough of them.
    pub(crate) fn put_shared(&mut self, bytes: Bytes) {
        if bytes.len() < SHARE {
            self.tail.extend_from_slice(&bytes);
            return;
        }
        self.close_tail();
        self.push_piece(bytes);
    }

    fn push_piece(&mut self, piece: Bytes) {
        self.in_pieces += piece.len();
        self.pieces.push_back(piece);
    }

    /// Appends another sequence, which keeps its long pieces: they are shared from then on.
    pub(crate) fn put_all(&mut self, other: &mut Self) {
        if other.rest().len() >= SHARE {
            other.close_tail();
        }
        for piece in &other.pieces {
            self.put_shared(piece.clone());
        }
        self.tail.extend_from_slice(other.rest());
    }

    /// Makes room for `more` bytes.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.tail.reserve(more);
    }

    /// Moves everything to the end of `other`, without copying long pieces.
    pub(crate) fn append_to(&mut self, other: &mut Self) {
        if self.rest().len() >= SHARE {
            self.close_tail();
        }
        self.move_to(self.len(), other);
    }

    /// Moves the first `len` bytes to the end of `other`.
    pub(crate) fn move_to(&mut self, mut len: usize, other: &mut Self) {
        while let Some(front) = self.pieces.front_mut()
            && len > 0
        {
            let part = front.split_to(len.min(front.len()));
            len -= part.len();
            self.in_pieces -= part.len();
            if front.is_empty() {
                self.pieces.pop_front();
            }
            other.put_shared(part);
        }
        let part = self.rest().get(..len).unwrap_or(self.rest());
        let len = part.len();
        other.tail.extend_from_slice(part);
        self.pass(len);
    }

    /// A copy of `len` bytes, in which long pieces are shared.
    pub(crate) fn copy(&self, mut from: usize, mut len: usize) -> Self {
        let mut copy = Self::default();
        for piece in &self.pieces {
            let start = from.min(piece.len());
            let end = start.saturating_add(len).min(piece.len());
            copy.put_shared(piece.slice(start..end));
            (from, len) = (from - start, len - (end - start));
        }
        let rest = self.rest().get(from..).unwrap_or_default();
        copy.put(rest.get(..len).unwrap_or(rest));
        copy
    }

    /// Drops the first `len` bytes.
    pub(crate) fn advance(&mut self, mut len: usize) {
        while let Some(front) = self.pieces.front_mut()
            && len > 0
        {
            let part = len.min(front.len());
            front.advance(part);
            len -= part;
            self.in_pieces -= part;
            if front.is_empty() {
                self.pieces.pop_front();
            }
        }
        self.pass(len);
    }

    /// Drops bytes of the tail.
    #[inline]
    fn pass(&mut self, len: usize) {
        self.passed = (self.passed + len).min(self.tail.len());
        if self.passed == self.tail.len() {
            self.clear_tail();
        } else if self.passed > COMPACT && self.passed > self.tail.len() / 2 {
            self.tail.drain(..std::mem::take(&mut self.passed));
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.pieces.clear();
        self.in_pieces = 0;
        self.clear_tail();
    }

    /// Clears the tail; room for the usual amount is kept.
    fn clear_tail(&mut self) {
        self.passed = 0;
        if self.tail.capacity() > KEEP {
            self.tail = Vec::new();
        } else {
            self.tail.clear();
        }
    }

    /// All bytes from the given place on, if they are in one piece; or the piece there, if it is long enough to be
    /// written alone.
    #[inline]
    pub(crate) fn single(&self, from: usize) -> Option<&[u8]> {
        if self.pieces.is_empty() {
            self.rest().get(from..)
        } else {
            self.long_piece(from)
        }
    }

    fn long_piece(&self, mut from: usize) -> Option<&[u8]> {
        for piece in &self.pieces {
            match piece.get(from..) {
                Some(rest) if !rest.is_empty() => return (rest.len() >= ALONE).then_some(rest),
                _ => from -= piece.len(),
            }
        }
        None
    }

    /// The first pieces from the given place on, for a vectored write; returns how many pieces there are.
    pub(crate) fn fill<'a>(&'a self, mut from: usize, slices: &mut [IoSlice<'a>; PIECES]) -> usize {
        let pieces = self.pieces.iter().map(|piece| &**piece);
        let rests = pieces.chain([self.rest()]).filter_map(|piece| {
            let rest = piece.get(from..).unwrap_or_default();
            from = from.saturating_sub(piece.len());
            (!rest.is_empty()).then_some(rest)
        });
        let mut count = 0;
        for (slice, rest) in slices.iter_mut().zip(rests) {
            *slice = IoSlice::new(rest);
            count += 1;
        }
        count
    }

    /// Turns the tail into a piece.
    fn close_tail(&mut self) {
        if self.rest().is_empty() {
            return;
        }
        let mut piece = Bytes::from(std::mem::take(&mut self.tail));
        piece.advance(std::mem::take(&mut self.passed));
        self.push_piece(piece);
    }
}

impl Output for Outgoing {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn content(outgoing: &Outgoing) -> Vec<u8> {
        content_from(outgoing, 0)
    }

    fn content_from(outgoing: &Outgoing, from: usize) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); PIECES];
        let count = outgoing.fill(from, &mut slices);
        slices[..count]
            .iter()
            .flat_map(|slice| slice.to_vec())
            .collect()
    }

    /// Short and long pieces in turn, and the same bytes in one vector.
    fn example(lengths: &[usize]) -> (Outgoing, Vec<u8>) {
        let (mut outgoing, mut all) = (Outgoing::default(), Vec::new());
        for (index, len) in lengths.iter().enumerate() {
            let bytes = vec![index as u8; *len];
            all.extend_from_slice(&bytes);
            if index % 2 == 0 {
                outgoing.put(&bytes);
            } else {
                outgoing.put_shared(bytes.into());
            }
        }
        (outgoing, all)
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_bytes_stay_in_order(
            lengths in prop::collection::vec(prop_oneof![0..100_usize, SHARE - 2..SHARE + 100], 0..12),
            cut in 0..4 * SHARE,
            before in 0..2 * SHARE,
        ) {
            let (mut outgoing, all) = example(&lengths);
            prop_assert_eq!(outgoing.len(), all.len());
            let (mut head, mut head_bytes) = example(&[before]);
            let cut = cut.min(all.len());
            outgoing.move_to(cut, &mut head);
            head_bytes.extend_from_slice(&all[..cut]);
            prop_assert!(content(&head) == head_bytes);
            prop_assert!(content(&outgoing) == all[cut..]);
            head.put_all(&mut outgoing);
            prop_assert!(content(&head)[before..] == all);
            prop_assert_eq!(head.len(), before + all.len());
        }

        #[test]
        fn what_was_written_is_passed_over(
            lengths in prop::collection::vec(prop_oneof![0..100_usize, SHARE..SHARE + 100], 0..8),
            steps in prop::collection::vec(0..SHARE, 0..20),
        ) {
            let (mut outgoing, all) = example(&lengths);
            let mut at = 0;
            for step in steps {
                let step = step.min(all.len() - at);
                outgoing.advance(step);
                at += step;
                prop_assert!(content(&outgoing) == all[at..]);
                prop_assert_eq!(outgoing.len(), all.len() - at);
                prop_assert_eq!(outgoing.is_empty(), at == all.len());
            }
        }

        #[test]
        fn what_lies_further_on_is_found(
            lengths in prop::collection::vec(prop_oneof![0..100_usize, SHARE..SHARE + 100], 0..8),
            before in 0..SHARE,
            from in 0..4 * SHARE,
        ) {
            let (mut outgoing, all) = example(&lengths);
            let before = before.min(all.len());
            outgoing.advance(before);
            let rest = &all[before..];
            let from = from.min(rest.len());
            for len in [0, 1, SHARE, rest.len() - from] {
                let to = rest.len().min(from + len);
                prop_assert!(content(&outgoing.copy(from, len)) == rest[from..to]);
            }
            prop_assert!(content_from(&outgoing, from) == rest[from..]);
        }
    }

    #[test]
    fn long_values_are_not_copied() {
        let value = Bytes::from(vec![7; SHARE]);
        let mut outgoing = Outgoing::default();
        outgoing.put(b"SET k ");
        outgoing.put_shared(value.clone());
        outgoing.put(b"\r\n");
        let mut slices = [IoSlice::new(&[]); PIECES];
        assert_eq!(outgoing.fill(0, &mut slices), 3);
        assert_eq!(slices[1].as_ptr(), value.as_ptr());
    }
}
