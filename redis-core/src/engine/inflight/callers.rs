//! The callers' side of the queue: to queue a payload, to wait for room or for replies, and to give
//! up waiting.

use std::io;
use std::task::{Poll, Waker};

use tokio::time::Instant;

use super::*;
use crate::runtime::planted::Planted;
use crate::wire::Chunk;

impl Queue {
    /// Queues a payload, or makes the caller wait for room. `place` is the caller's place among those who wait,
    /// if it has one.
    #[inline(always)]
    pub(crate) fn submit(
        &mut self,
        payload: &mut impl Payload,
        terms: Terms,
        limit: Limit,
        place: Option<WaiterKey>,
        waker: Option<&Waker>,
    ) -> Submitted {
        if self.ended.is_some() || self.closing || self.refused.is_some() {
            return self.turn_away(place);
        }
        if !self.has_room(terms.bytes) || self.line.is_before(place) {
            // One that is not polled yet cannot be called. It has a place all the same, so that what is sent behind it does not overtake it
            // at once.
            let waker = waker.unwrap_or(Waker::noop());
            return Submitted::Full(self.line.stand(place, terms.bytes, waker));
        }
        if let Some(place) = place {
            self.line.leave(place);
        }
        Submitted::Queued(self.enqueue(payload, terms, limit, Owner::Caller, waker))
    }

    #[inline(always)]
    fn enqueue(
        &mut self,
        payload: &mut impl Payload,
        terms: Terms,
        limit: Limit,
        owner: impl FnOnce(CellKey) -> Owner,
        waker: Option<&Waker>,
    ) -> CellKey {
        let cell = self.cells.insert(Cell::Waiting(waker.cloned(), None));
        let mut entry = Entry {
            owner: owner(cell),
            bytes: 0,
            replies: terms.replies,
            come: 0,
            limit,
            is_usual: terms.patience.is_usual(),
            hold: terms.hold,
            idempotent: terms.idempotent,
            again_in_part: payload.goes_again_in_part(),
            bound: payload.is_bound(),
            leads_on: payload.leads_on(),
            in_one_piece: payload.takes_one_piece(),
            losses: 0,
            awaits: Awaits::Reply,
        };
        let before = self.out.len();
        payload.write_to(&mut self.out);
        entry.bytes = self.out.len() - before;
        self.push_entry(entry);
        cell
    }

    /// The same, for what was on its way before nothing new was accepted.
    #[cold]
    pub(crate) fn submit_onward(
        &mut self,
        payload: &mut impl Payload,
        terms: Terms,
        limit: Limit,
        place: Option<WaiterKey>,
        waker: Option<&Waker>,
    ) -> Submitted {
        let closing = std::mem::take(&mut self.closing);
        let submitted = self.submit(payload, terms, limit, place, waker);
        self.closing = closing;
        submitted
    }

    /// The same, for a question of the client itself. There are few of them, so they wait for no room.
    #[cold]
    pub(crate) fn submit_question(
        &mut self,
        payload: &mut impl Payload,
        terms: Terms,
        limit: Limit,
        waker: Option<&Waker>,
    ) -> Submitted {
        match self.ended.as_ref().or(self.refused.as_ref()) {
            Some(failure) => Submitted::Ended(Box::new(failure.clone())),
            None if !payload.fits(self.connected) => Submitted::Ended(Box::new(elsewhere())),
            None => Submitted::Queued(self.enqueue(payload, terms, limit, Owner::Client, waker)),
        }
    }

    #[cold]
    fn turn_away(&mut self, place: Option<WaiterKey>) -> Submitted {
        if let Some(place) = place {
            self.line.leave(place);
        }
        let closed = || Failure::Closed(Phase::NotSent);
        Submitted::Ended(Box::new(self.shut().unwrap_or_else(closed)))
    }

    /// Why nothing new is accepted, if that is so.
    fn shut(&self) -> Option<Failure> {
        let closing = || self.closing.then_some(Failure::Closed(Phase::NotSent));
        self.ended
            .clone()
            .or_else(closing)
            .or_else(|| self.refused.clone())
    }

    /// Queues a command of the client's own that is sent alone and whose reply is awaited like a caller's. `None` if
    /// such a command cannot be sent now.
    pub(crate) fn submit_own(&mut self, encoded: Outgoing, deadline: Instant) -> Option<CellKey> {
        let out_of_place = self.quiet || !self.connected || self.shut().is_some();
        if out_of_place || !matches!(self.alone, Alone::None) {
            return None;
        }
        let cell = self.cells.insert(Cell::Waiting(None, None));
        self.alone = Alone::Waiting(cell, encoded, deadline);
        Some(cell)
    }

    /// Accepts nothing new. Callers who wait for room get an error.
    pub(crate) fn stop_accepting(&mut self, woken: &mut Vec<Waker>) {
        self.closing = true;
        woken.extend(self.line.dissolve());
    }

    /// Whether the connection has ended; if not, leaves a waker for the end.
    pub(crate) fn poll_end(&mut self, waker: &Waker) -> bool {
        if self.ended.is_none()
            && !self
                .closing_waiters
                .iter()
                .any(|known| known.will_wake(waker))
        {
            self.closing_waiters.push(waker.clone());
        }
        self.ended.is_some()
    }

    /// Whether there is a socket.
    pub(crate) fn is_connected(&self) -> bool {
        self.connected
    }

    /// The numbers of the present socket, or the last one, and of the first socket that can carry what is queued now.
    pub(crate) fn sockets(&self) -> (u64, u64) {
        let present = self.counts.sockets;
        (present, present + u64::from(!self.connected))
    }

    /// Notes that there is no socket, and that none is needed before there is something to send.
    pub(crate) fn sleep(&mut self) {
        self.connected = false;
    }

    /// The present values.
    pub(crate) fn stats(&self, now: Instant) -> Stats {
        Stats {
            connected: usize::from(self.connected),
            queued: self.entries.len() - self.taken,
            in_flight: self.taken,
            waiting: self.line.len(),
            bytes: self.bytes,
            owed_for: self
                .owed_since
                .map_or(Duration::ZERO, |since| now.saturating_duration_since(since)),
            answered: self.counts.answered,
            timeouts: self.counts.timeouts,
            reconnects: self.counts.reconnects,
            failed_connects: self.counts.failed_connects,
        }
    }

    /// Takes the delivery, or leaves a waker.
    #[inline(always)]
    pub(crate) fn poll_cell(&mut self, key: CellKey, waker: &Waker) -> Poll<Delivery> {
        if let Some(Cell::Waiting(waiting, _)) = self.cells.get_mut(key) {
            if !waiting.as_ref().is_some_and(|known| known.will_wake(waker)) {
                *waiting = Some(waker.clone());
            }
            return Poll::Pending;
        }
        Poll::Ready(match self.cells.try_remove(key) {
            Some(Cell::Filled(delivery)) => delivery,
            // The cell is freed by its caller, so it is always there.
            _ => Delivery::failed(Failure::Closed(Phase::MaybeApplied)),
        })
    }

    /// Whether the delivery is there.
    pub(crate) fn has_delivery(&self, key: CellKey) -> bool {
        matches!(self.cells.get(key), Some(Cell::Filled(_)))
    }

    /// Takes the delivery, if it is a single reply. This is the usual case of [`Queue::poll_cell`] in few steps.
    #[inline(always)]
    pub(crate) fn take_reply(&mut self, key: CellKey) -> Option<Chunk> {
        let Some(Cell::Filled(Delivery::Reply(_))) = self.cells.get(key) else {
            return None;
        };
        match self.cells.try_remove(key) {
            Some(Cell::Filled(Delivery::Reply(chunk))) => Some(chunk),
            _ => None,
        }
    }

    /// The caller has gone away. Returns the waker of the next caller who waits, if there is now
    /// room.
    #[must_use]
    pub(crate) fn abandon(&mut self, key: CellKey) -> Option<Waker> {
        match self.cells.get_mut(key) {
            Some(cell @ Cell::Waiting(..)) => {
                *cell = Cell::Abandoned;
                if Planted::ShiftedReply.is_here() {
                    self.shift_replies(key);
                }
                // With a socket it is sent all the same, as `Request::send` says.
                if !self.connected {
                    self.given_up += 1;
                    self.make_room();
                    return self.next_in_line();
                }
            }
            Some(_) => drop(self.cells.remove(key)),
            None => {}
        }
        None
    }

    /// The fault [`Planted::ShiftedReply`].
    fn shift_replies(&mut self, key: CellKey) {
        let is_its = |entry: &Entry| matches!(entry.owner, Owner::Caller(owner) if owner == key);
        let index = self.entries.iter().position(is_its);
        if let Some(index) = index.filter(|index| *index < self.taken) {
            self.entries.remove(index);
            self.taken -= 1;
        }
    }

    /// The caller no longer waits for room. Returns the waker of the next caller who waits, if
    /// there is room.
    #[must_use]
    pub(crate) fn leave_line(&mut self, place: WaiterKey) -> Option<Waker> {
        self.line.leave(place);
        self.next_in_line()
    }

    /// Whether callers wait for room.
    #[inline]
    pub(crate) fn has_line(&self) -> bool {
        !self.line.is_empty()
    }

    /// Calls the first caller who waits, if there is room for it: it must be woken, and the driver must look after the line.
    #[cold]
    #[must_use]
    pub(crate) fn next_in_line(&mut self) -> Option<Waker> {
        self.with_line(|line, queue| line.call(|bytes| queue.has_room(bytes)))
    }

    /// Sees to it that callers who were called and do not come hold up nobody. Returns when to do so again.
    #[cold]
    pub(crate) fn look_after_line(
        &mut self,
        now: Instant,
        woken: &mut Vec<Waker>,
    ) -> Option<Instant> {
        self.with_line(|line, queue| line.look_after(now, |bytes| queue.has_room(bytes), woken))
    }

    fn with_line<T>(&mut self, work: impl FnOnce(&mut Line, &Self) -> T) -> T {
        let mut line = std::mem::take(&mut self.line);
        let result = work(&mut line, self);
        self.line = line;
        result
    }

    /// Takes the driver's waker, which makes it look at the queue.
    pub(crate) fn take_driver(&mut self) -> Option<Waker> {
        self.driver.take()
    }

    /// Whether new commands are accepted, as far as its end is concerned.
    pub(crate) fn is_open(&self) -> bool {
        !self.closing && !self.has_ended()
    }

    /// Whether nothing is queued or in flight. Without a socket, commands that no caller waits for
    /// do not count.
    pub(crate) fn is_idle(&mut self) -> bool {
        if !self.connected {
            self.forget_unwanted();
        }
        self.entries.is_empty()
    }

    /// Whether nothing is queued or in flight but what is the client's own: nobody waits for that at the end.
    pub(crate) fn is_settled(&mut self) -> bool {
        self.is_idle() || self.of_callers() == 0
    }

    /// Whether something of callers is on its way: what is owed replies or waits for room, what is kept for later, and outcomes
    /// that are not taken yet and with which their callers may go elsewhere.
    pub(crate) fn is_busy(&mut self) -> bool {
        !self.is_settled() || self.has_line() || self.holds.any() || self.count_undecided() > 0
    }

    /// The same for a link that ends when this is over: then the driver is woken. Where callers may go elsewhere, the cluster's code
    /// looks after outcomes that are not taken yet.
    pub(crate) fn is_kept(&mut self, driver: &Waker) -> bool {
        // In any case: what is on its way may come to be held before the next look.
        let is_held = self.holds.any_until(driver);
        is_held || !self.is_settled()
    }

    /// Keeps the link from its end, for something that may be sent later.
    pub(crate) fn hold(&self) -> Held {
        self.holds.hold_for_later()
    }

    /// The number of callers whose command is on its way.
    pub(crate) fn unsettled(&self) -> usize {
        let unqueued = if self.routed {
            self.line.len() + self.count_undecided()
        } else {
            // Also those that wait for room: while nothing new is accepted, nobody else does.
            self.holds.calls()
        };
        self.awaited() + unqueued
    }

    fn count_undecided(&self) -> usize {
        if !self.routed {
            // Each of them is held.
            return 0;
        }
        let is_undecided = |cell: &Cell| match cell {
            Cell::Filled(Delivery::Parts(parts)) => parts.may_go_on(),
            Cell::Filled(_) | Cell::Waiting(..) | Cell::Abandoned => false,
        };
        let cells = self.cells.iter();
        cells.filter(|(_, cell)| is_undecided(cell)).count()
    }

    /// Whether the connection has ended for good, or was ordered to.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_some() || self.order == Order::Close
    }

    /// Whether nothing new is accepted, though what is on its way may still be.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing || self.has_ended()
    }

    /// The number of callers that have not taken their replies.
    #[cfg(test)]
    pub(crate) fn cells(&self) -> usize {
        self.cells.len()
    }

    /// Whether no entry is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The number of entries of callers that have no reply yet.
    pub(crate) fn of_callers(&self) -> usize {
        self.entries.len().saturating_sub(self.own)
    }

    /// The number of entries whose callers wait for them. The client's own commands do not count, nor what was abandoned.
    pub(crate) fn awaited(&self) -> usize {
        let is_awaited = |entry: &&Entry| match entry.owner {
            Owner::Caller(key) => matches!(self.cells.get(key), Some(Cell::Waiting(..))),
            Owner::Client(_) | Owner::Driver | Owner::Nobody | Owner::Forgotten => false,
        };
        self.entries.iter().filter(is_awaited).count()
    }

    /// What callers have queued or in flight: how many commands, and how many bytes. The client's own do not count.
    #[cfg(feature = "planted")]
    pub(crate) fn budgeted(&self) -> (usize, usize) {
        let entries = self.entries.iter();
        let of_callers = entries.filter(|entry| !entry.owner.is_own());
        of_callers.fold((0, 0), |(count, bytes), entry| {
            (count + 1, bytes + entry.bytes)
        })
    }

    #[inline]
    fn has_room(&self, bytes: usize) -> bool {
        // A payload larger than the whole budget is accepted if it is the only one.
        self.entries.is_empty()
            || Planted::IgnoredBudget.is_here()
            || (self.bytes.saturating_add(bytes) <= self.budget.bytes
                && self.entries.len() < self.budget.commands)
    }

    #[inline]
    pub(super) fn push_entry(&mut self, entry: Entry) {
        self.bytes += entry.bytes;
        self.own += usize::from(entry.owner.is_own());
        self.unstamped += 1;
        self.entries.push_back(entry);
    }
}

/// The failure of what is only for a socket that is gone.
fn elsewhere() -> Failure {
    let text = "the socket that it is for is gone";
    Failure::Lost(Phase::NotSent, io::ErrorKind::NotConnected, text.into())
}
