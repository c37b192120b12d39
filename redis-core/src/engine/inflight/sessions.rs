//! A session's side of the queue, while all is well: to take what waits, and to give replies to the entries that they answer.

use std::task::Waker;

use tokio::time::Instant;

use super::*;
use crate::command::block::LATENESS;
use crate::runtime::after;
use crate::wire::Chunk;
use crate::wire::encode::Output;
use crate::wire::scan::short_reply;

impl Queue {
    /// Leaves the driver's waker, for when there is something to do.
    pub(crate) fn park(&mut self, waker: &Waker) {
        if !self
            .driver
            .as_ref()
            .is_some_and(|known| known.will_wake(waker))
        {
            self.driver = Some(waker.clone());
        }
    }

    /// Whether there is something to write.
    pub(crate) fn has_output(&self) -> bool {
        !self.out.is_empty() || matches!(self.alone, Alone::Waiting(..))
    }

    /// The number of entries that the driver has taken and that have no full reply yet.
    pub(crate) fn owed(&self) -> usize {
        self.taken
    }

    /// Until when the server may hold the next reply. The outer `None` means that it must reply now, the inner `None`
    /// that there is no limit.
    pub(crate) fn held_until(&self, now: Instant) -> Option<Option<Instant>> {
        let next = self.entries.front().filter(|_| self.taken > 0)?;
        match next.hold {
            Hold::None => None,
            Hold::Forever => Some(None),
            Hold::For(time) => {
                let since = self.owed_since.unwrap_or(now);
                let until = after(since, Duration::from_millis(time.into())) + LATENESS;
                (until > now).then_some(Some(until))
            }
        }
    }

    /// How long to wait for the replies of a server that must be left. If it has owed the next reply for longer, it
    /// hangs, and gets no more time.
    pub(crate) fn leaves_by(&self) -> Option<Instant> {
        const GRACE: Duration = Duration::from_secs(1);
        let since = self.left_since?;
        let owed = self.owed_since.unwrap_or(since);
        Some(since.min(owed) + GRACE)
    }

    /// Whether a command is in flight that would fail if the socket were lost, because it cannot be sent
    /// `again`.
    pub(crate) fn would_lose(&self, again: bool) -> bool {
        self.entries.iter().take(self.taken).any(|entry| {
            entry.owner.cell().is_some() && !(again && entry.may_go_again(entry.losses + 1))
        })
    }

    /// Whether queued commands wait for another socket.
    pub(super) fn waits_for_another(&self) -> bool {
        self.order == Order::Renew || self.left_since.is_some()
    }

    /// Whether there is something to write now.
    pub(crate) fn may_write(&self) -> bool {
        self.has_output() && !self.waits_for_another() && !self.must_wait()
    }

    /// Whether the socket was kept only for replies, and the last one has come.
    pub(crate) fn is_drained(&self) -> bool {
        let is_kept = || self.of_callers() > 0 || self.holds.any();
        let ends = self.order == Order::Drain && !is_kept();
        ends || (self.waits_for_another() && self.taken == 0)
    }

    /// Moves everything that waits to be written to `unanswered`. Entries that have failed already are not sent:
    /// their callers were told so, and may have tried again.
    pub(crate) fn take_output(&mut self, unanswered: &mut Unanswered, now: Instant) {
        self.release(unanswered);
        if let Some(mut encoded) = self.take_alone(now) {
            unanswered.append(&mut encoded);
            return;
        }
        if self.given_up > 0 {
            self.forget_unwanted();
        }
        // What was queued since the turn began must have its deadline when it is refused.
        self.stamp(now);
        unanswered.append(&mut self.out);
        if self.taken == 0 {
            self.owed_since = Some(now);
        }
        self.taken = self.entries.len();
    }

    /// Frees the bytes of what was answered.
    #[inline]
    pub(crate) fn release(&mut self, unanswered: &mut Unanswered) {
        unanswered.release(std::mem::take(&mut self.answered_bytes));
    }

    /// Takes the command that goes out alone, if there is one, and makes it the first entry.
    fn take_alone(&mut self, now: Instant) -> Option<Outgoing> {
        let Alone::Waiting(cell, encoded, deadline) =
            std::mem::replace(&mut self.alone, Alone::None)
        else {
            return None;
        };
        self.alone = Alone::InFlight;
        self.bytes += encoded.len();
        self.note_deadline(deadline);
        self.entries.push_front(Entry {
            limit: Limit::At(deadline),
            ..Entry::of(Owner::Client(cell), encoded.len())
        });
        self.own += 1;
        self.taken = 1;
        self.owed_since = Some(now);
        Some(encoded)
    }

    /// Whether nothing may be written now, because of a command that goes out alone.
    pub(crate) fn must_wait(&self) -> bool {
        match self.alone {
            Alone::None => false,
            Alone::Waiting(..) => self.taken > 0,
            Alone::InFlight => true,
        }
    }

    /// Sends a PING of the driver's own. Where the driver must not send commands, a reply that is owed serves
    /// instead. Returns whether there is a reply to wait for.
    pub(crate) fn ask(&mut self, encoded: &[u8]) -> bool {
        if self.quiet {
            return self.taken > 0;
        }
        self.push_own(encoded, Awaits::Reply);
        true
    }

    /// What answers the oldest command that was written.
    pub(crate) fn awaits(&self) -> Awaits {
        self.wanted().map_or(Awaits::Reply, |(awaits, _)| awaits)
    }

    /// Queues a command of the driver's own, whose reply is not awaited by a caller.
    pub(crate) fn push_own(&mut self, encoded: &[u8], awaits: Awaits) {
        self.out.put(encoded);
        self.push_entry(Entry {
            awaits,
            ..Entry::of(Owner::Driver, encoded.len())
        });
    }

    /// What answers the oldest entry, and how many frames; `None` if there is no entry.
    #[inline]
    pub(crate) fn wanted(&self) -> Option<(Awaits, usize)> {
        match self.entries.front() {
            Some(entry) if self.taken > 0 => Some((entry.awaits, entry.replies - entry.come)),
            _ => None,
        }
    }

    /// Notes that the server answered at `now`.
    pub(crate) fn mark_progress(&mut self, now: Instant) {
        self.owed_since = (self.taken > 0).then_some(now);
    }

    /// Whether another node may be asked instead of this one, if this one says so.
    pub(crate) fn is_routed(&self) -> bool {
        self.routed
    }

    /// A connection was established.
    pub(crate) fn admitted(&mut self) {
        self.forget_unwanted();
        self.connected = true;
        self.counts.sockets += 1;
        self.demoted = false;
        self.refused = None;
        self.unreached = None;
        if matches!(self.order, Order::Renew | Order::Leave) {
            self.order = Order::Serve;
        }
    }

    /// Frees memory that a burst has left.
    pub(crate) fn shrink(&mut self) {
        const KEEP: usize = 64 * 1024;
        if self.entries.is_empty() && self.entries.capacity() > KEEP {
            self.entries.shrink_to(KEEP);
            self.cells.shrink_to_fit();
        }
    }

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

    fn count_answer(&mut self, owner: Owner) {
        self.own = self.own.saturating_sub(usize::from(owner.is_own()));
        self.counts.answered += u64::from(!owner.is_own());
        self.counts.told += u64::from(matches!(owner, Owner::Client(_)));
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
        let leads_on = entry.leads_on;
        let is_single = frames == 1 && entry.replies == 1;
        let is_whole = entry.in_one_piece && frames == entry.replies;
        if done {
            self.entries.pop_front();
            self.note_answered(1, bytes);
            self.count_answer(owner);
        }
        let Some(key) = owner.cell() else { return };
        let Some(cell) = self.cells.get_mut(key) else {
            return;
        };
        match cell {
            Cell::Waiting(_, None)
                if (is_single && !piece.starts_with(b"-"))
                    || (is_whole && has_no_error(&piece, frames)) =>
            {
                let filled = Cell::Filled(Delivery::Reply(piece));
                if let Cell::Waiting(Some(waker), _) = std::mem::replace(cell, filled) {
                    woken.push(waker);
                }
            }
            Cell::Waiting(waker, parts) => {
                let all = parts.get_or_insert_default();
                all.chunks.push(piece);
                if done {
                    all.due = due(limit, is_usual);
                    all.due.extend(self.relaxation);
                    all.was_lost = was_lost;
                    woken.extend(waker.take());
                    let mut all = parts.take().unwrap_or_default();
                    if !self.routed && !owner.is_own() {
                        all.hold(leads_on, &self.holds);
                    }
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

/// Whether this many replies, which are short but for the last, have no error among them.
fn has_no_error(mut piece: &[u8], replies: usize) -> bool {
    for _ in 1..replies {
        let rest = short_reply(piece).and_then(|len| piece.get(len..));
        let Some(rest) = rest else { return false };
        piece = rest;
    }
    !matches!(piece.first(), None | Some(b'-' | b'!'))
}

/// The reply at the start of the input, if it is short, and its length.
#[inline]
fn short_piece(input: &[u8]) -> Option<(usize, Chunk)> {
    let len = short_reply(input)?;
    Some((len, Chunk::copied_from(input, len)?))
}
