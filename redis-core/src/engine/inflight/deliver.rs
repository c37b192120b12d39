//! Gives replies to the entries that they answer.

use std::task::Waker;

use tokio::time::Instant;

use super::*;
use crate::wire::Chunk;
use crate::wire::scan::short_reply;

impl Queue {
    /// Gives the short replies with which `input` begins to the oldest entries, at most `most`, as long as each entry is
    /// owed just one reply and its caller waits. This is the usual case of [`Queue::deliver`] in few steps. Returns how
    /// many replies were given, and their length.
    pub(crate) fn deliver_short(
        &mut self,
        input: &[u8],
        most: usize,
        woken: &mut Vec<Waker>,
    ) -> (usize, usize) {
        let (mut count, mut passed, mut bytes) = (0, 0, 0);
        for entry in self.entries.iter().take(most.min(self.taken)) {
            let rest = input.get(passed..).unwrap_or_default();
            let Some((len, reply)) = short_piece(rest) else {
                break;
            };
            let Some(waker) = entry.fill(&mut self.cells, reply) else {
                break;
            };
            woken.extend(waker);
            (count, passed, bytes) = (count + 1, passed + len, bytes + entry.bytes);
        }
        self.entries.drain(..count);
        self.note_answered(count, bytes);
        self.counts.answered += count as u64;
        (count, passed)
    }

    /// The oldest entries, which have been removed, were answered.
    #[inline]
    fn note_answered(&mut self, count: usize, bytes: usize) {
        self.taken = self.taken.saturating_sub(count);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.answered_bytes += bytes;
        if count > 0 && matches!(self.alone, Alone::InFlight) {
            self.alone = Alone::None;
        }
    }

    /// Gives a piece of `frames` whole frames to the oldest entry. The entry must be owed at least
    /// that many.
    #[inline]
    pub(crate) fn deliver(&mut self, piece: Chunk, frames: usize, woken: &mut Vec<Waker>) {
        let Some(entry) = self.entries.front_mut() else {
            return;
        };
        entry.come = (entry.come + frames).min(entry.replies);
        let done = entry.come == entry.replies;
        let (owner, bytes, limit) = (entry.owner, entry.bytes, entry.limit);
        let (is_usual, was_lost) = (entry.is_usual, entry.losses > 0);
        let is_single = frames == 1 && entry.replies == 1;
        if done {
            self.entries.pop_front();
            self.note_answered(1, bytes);
            self.counts.answered += u64::from(!matches!(owner, Owner::Driver));
        }
        let Owner::Caller(key) = owner else { return };
        let Some(cell) = self.cells.get_mut(key) else {
            return;
        };
        match cell {
            Cell::Waiting(_, None) if is_single && !piece.starts_with(b"-") => {
                let filled = Cell::Filled(Delivery::Reply(piece));
                if let Cell::Waiting(Some(waker), _) = std::mem::replace(cell, filled) {
                    woken.push(waker);
                }
            }
            Cell::Waiting(waker, parts) => {
                let all = parts.get_or_insert_default();
                all.chunks.push(piece);
                if done {
                    let extra = extra(self.relaxation.filter(|_| is_usual));
                    all.deadline = limit.moment().map(|moment| moment + extra);
                    all.was_lost = was_lost;
                    woken.extend(waker.take());
                    let all = parts.take().unwrap_or_default();
                    *cell = Cell::Filled(Delivery::Parts(all));
                }
            }
            Cell::Abandoned if done => drop(self.cells.remove(key)),
            Cell::Abandoned | Cell::Filled(_) => {}
        }
    }

    /// The server refused the oldest entry for a reason that goes away: its caller also gets the command to send
    /// again. Not where a MULTI may be open: its EXEC does nothing once a command was refused.
    pub(crate) fn deliver_refusal(
        &mut self,
        piece: Chunk,
        unanswered: &Unanswered,
        woken: &mut Vec<Waker>,
    ) {
        if let Some(entry) = self.entries.front().copied().filter(|_| !self.quiet) {
            let bytes = unanswered.copy(self.answered_bytes, entry.bytes);
            self.note_again(&entry, bytes);
        }
        self.deliver(piece, 1, woken);
    }
}

impl Entry {
    /// Gives the caller its reply, if that is the only one and the caller waits, and returns the waker that was there.
    /// `None` means that nothing was done.
    #[inline]
    fn fill(&self, cells: &mut Slab<Cell>, reply: Chunk) -> Option<Option<Waker>> {
        let Owner::Caller(key) = self.owner else {
            return None;
        };
        if self.replies != 1 || self.awaits != Awaits::Reply {
            return None;
        }
        let cell = cells.get_mut(key)?;
        let Cell::Waiting(waker, None) = cell else {
            return None;
        };
        let waker = waker.take();
        let filled = Cell::Filled(Delivery::Reply(reply));
        // Nothing is left in the cell that needs a drop; the compiler does not see that.
        std::mem::forget(std::mem::replace(cell, filled));
        Some(waker)
    }
}

/// The reply at the start of the input, if it is short, and its length.
#[inline]
fn short_piece(input: &[u8]) -> Option<(usize, Chunk)> {
    let len = short_reply(input)?;
    Some((len, Chunk::copied_from(input, len)?))
}

/// How much longer a limit is now.
fn extra(relaxation: Option<Relaxation>) -> Duration {
    relaxation.map_or(Duration::ZERO, |relaxation| {
        relaxation.extra_at(Instant::now())
    })
}
