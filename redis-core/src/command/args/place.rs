//! Words that are moved to their place after they were written: options, counts, columns.

use super::{Args, Part};
use crate::wire::encode::{self, Output};

impl Part {
    pub(super) fn order(&self) -> u8 {
        self.order
    }
}

/// An option that is being written.
#[doc(hidden)]
#[must_use = "the option has no place until it is ended"]
#[derive(Debug)]
pub struct BegunPart {
    order: u8,
    /// Where it begins: the byte, and the word.
    end: usize,
    last: u32,
    /// Whether something around it is moved as well.
    moves: bool,
}

impl Args {
    /// Writes what `write` writes, and before it the number of these words, divided by `per_item`.
    pub fn counted(&mut self, per_item: u32, write: impl FnOnce(&mut Self)) {
        let (byte, word) = (self.bytes.len(), self.words);
        self.in_place(write);
        let count = (self.words - word) / per_item.max(1);
        let end = self.bytes.len();
        encode::bulk_integer(&mut self.bytes, count);
        let len = self.bytes.len() - end;
        self.move_tail(byte, word, len, 1);
    }

    /// Writes an option to its place among the parts. It replaces what was there before.
    pub fn part(&mut self, order: u8, write: impl FnOnce(&mut Self)) {
        let begun = self.begin_part(order);
        write(self);
        self.end_part(begun);
    }

    /// Writes an option to its place among the parts, after what is there already.
    pub fn append(&mut self, order: u8, write: impl FnOnce(&mut Self)) {
        let begun = self.begin_another(order);
        write(self);
        self.end_part(begun);
    }

    /// Writes an option that is a word. It replaces what was at its place.
    #[inline]
    pub fn flag(&mut self, order: u8, word: &str) {
        let begun = self.begin_part(order);
        self.word(word);
        self.end_part(begun);
    }

    /// Begins an option, which [`Args::end_part`] moves to its place. It replaces what was there before.
    ///
    /// Option builders call these two and not [`Args::part`]: a closure takes the compiler longer than its content does, and there
    /// are many of them.
    #[inline]
    pub fn begin_part(&mut self, order: u8) -> BegunPart {
        self.remove(order);
        self.begin_another(order)
    }

    /// Begins an option, which comes after what is at its place already.
    #[inline]
    pub fn begin_another(&mut self, order: u8) -> BegunPart {
        BegunPart {
            order,
            end: self.bytes.len(),
            last: self.words,
            moves: std::mem::replace(&mut self.moves, true),
        }
    }

    /// Moves what was written since the option was begun to its place.
    pub fn end_part(&mut self, begun: BegunPart) {
        let BegunPart {
            order,
            end,
            last,
            moves,
        } = begun;
        self.moves = moves;
        let place = self.parts.partition_point(|part| part.order <= order);
        let (byte, word) = match self.parts.get(place) {
            None => (end, last),
            Some(next) => {
                let before = (next.byte, next.word);
                self.move_before(place, end, last);
                before
            }
        };
        self.parts.insert(place, Part { order, word, byte });
    }

    /// Moves what was written from byte `end` and word `last` on to before the part at `place`.
    fn move_before(&mut self, place: usize, end: usize, last: u32) {
        let Some(&Part { byte, word, .. }) = self.parts.get(place) else {
            return;
        };
        let (len, words) = (self.bytes.len() - end, self.words - last);
        // The words were counted when they were written; `move_tail` counts them again.
        self.words = last;
        self.move_tail(byte, word, len, words);
        for later in self.parts.iter_mut().skip(place) {
            later.byte += len;
            later.word += words;
        }
    }

    /// Makes all of what `write` writes lie in the buffer, so that it can be moved.
    pub(in crate::command) fn in_place(&mut self, write: impl FnOnce(&mut Self)) {
        let moves = std::mem::replace(&mut self.moves, true);
        write(self);
        self.moves = moves;
    }

    fn remove(&mut self, order: u8) {
        let Some(index) = self.parts.iter().position(|part| part.order == order) else {
            return;
        };
        let part = self.parts.remove(index);
        let (end, last) = self
            .parts
            .get(index)
            .map_or((self.bytes.len(), self.words), |next| {
                (next.byte, next.word)
            });
        let (len, words) = (end - part.byte, last - part.word);
        self.bytes.drain(part.byte..end);
        if let Some(rare) = &mut self.rare {
            rare.timeout = rare
                .timeout
                .and_then(|timeout| timeout.without(part.byte, end));
        }
        self.words -= words;
        for later in self.parts.iter_mut().skip(index) {
            later.byte -= len;
            later.word -= words;
        }
        self.keys
            .retain(|position| !(part.word..last).contains(position));
        for position in self.keys.iter_mut().filter(|position| **position >= last) {
            *position -= words;
        }
        self.renew_slots();
    }

    /// Moves the last `len` bytes, which are `words` words not yet counted, to `byte`, where word number `word` began.
    fn move_tail(&mut self, byte: usize, word: u32, len: usize, words: u32) {
        if let Some(tail) = self.bytes.get_mut(byte..) {
            tail.rotate_right(len);
        }
        if let Some(rare) = &mut self.rare
            && let Some(timeout) = &mut rare.timeout
        {
            timeout.follow(self.bytes.len() - len, byte, len);
        }
        let written = self.words;
        self.words += words;
        if self.keys.is_empty() {
            return;
        }
        for position in self.keys.iter_mut().filter(|position| **position >= word) {
            *position = if *position < written {
                *position + words
            } else {
                *position - (written - word)
            };
        }
        self.keys.sort_unstable();
    }

    /// Turns `a 1 b 2` from `byte` on, where word number `word` begins, into `a b 1 2`.
    pub(in crate::command) fn deinterleave(&mut self, byte: usize, word: u32) {
        let Some(tail) = self.bytes.get(byte..) else {
            return;
        };
        let words: Vec<&[u8]> = encode::words(tail).collect();
        let mut sorted = Vec::with_capacity(tail.len());
        for half in 0..2 {
            words
                .iter()
                .skip(half)
                .step_by(2)
                .for_each(|word| encode::bulk(&mut sorted, word));
        }
        self.bytes.truncate(byte);
        self.bytes.put(&sorted);
        for position in self.keys.iter_mut().filter(|position| **position >= word) {
            *position = word + (*position - word) / 2;
        }
    }
}
