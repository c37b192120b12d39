//! The callers' side of the queue: to queue a payload, to wait for room or for replies, to go away.

use std::task::{Poll, Waker};

use tokio::time::Instant;

use super::*;

impl Queue {
    /// Queues a payload, or puts the caller in line for room. `place` is the caller's place in line from before.
    #[inline]
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
        if !self.has_room(terms.bytes) || self.is_behind_others(place) {
            return Submitted::Full(self.stand_in_line(place, waker));
        }
        if place.is_some() {
            self.leave_line(place);
        }
        let cell = self.cells.insert(Cell::Waiting(waker.cloned(), None));
        let mut entry = Entry {
            owner: Owner::Caller(cell),
            bytes: 0,
            replies: terms.replies,
            come: 0,
            limit,
            hold: terms.hold,
            idempotent: terms.idempotent,
            losses: 0,
            awaits: Awaits::Reply,
        };
        let before = self.out.len();
        payload.write_to(&mut self.out);
        entry.bytes = self.out.len() - before;
        self.push_entry(entry);
        Submitted::Queued(cell)
    }

    #[cold]
    fn turn_away(&mut self, place: Option<WaiterKey>) -> Submitted {
        self.leave_line(place);
        let closed = || Failure::Closed(Phase::NotSent);
        Submitted::Ended(Box::new(self.shut().unwrap_or_else(closed)))
    }

    /// Why nothing is accepted, if that is so.
    fn shut(&self) -> Option<Failure> {
        let closing = || self.closing.then_some(Failure::Closed(Phase::NotSent));
        self.ended
            .clone()
            .or_else(closing)
            .or_else(|| self.refused.clone())
    }

    /// Queues a command of the client's own that goes out alone, whose reply is awaited like a caller's; unless it would
    /// be out of place.
    pub(crate) fn submit_own(&mut self, encoded: Outgoing, deadline: Instant) -> Option<CellKey> {
        let out_of_place = self.quiet || !self.connected || self.shut().is_some();
        if out_of_place || !matches!(self.alone, Alone::None) {
            return None;
        }
        let cell = self.cells.insert(Cell::Waiting(None, None));
        self.alone = Alone::Waiting(cell, encoded, deadline);
        Some(cell)
    }

    /// Accepts nothing any more. Those who stand in line are sent away.
    pub(crate) fn stop_accepting(&mut self, woken: &mut Vec<Waker>) {
        self.closing = true;
        woken.extend(self.waiters.drain(..).map(|(_, waker)| waker));
    }

    /// Whether the end has come; else leaves a waker for it.
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

    /// There is no socket, and none is wanted before there is something to send.
    pub(crate) fn sleep(&mut self) {
        self.connected = false;
    }

    /// The present numbers.
    pub(crate) fn stats(&self, now: Instant) -> Stats {
        Stats {
            connected: usize::from(self.connected),
            queued: self.entries.len() - self.taken,
            in_flight: self.taken,
            waiting: self.waiters.len(),
            bytes: self.bytes,
            lag: self
                .owed_since
                .map_or(Duration::ZERO, |since| now.saturating_duration_since(since)),
            answered: self.counts.answered,
            timeouts: self.counts.timeouts,
            reconnects: self.counts.reconnects,
            failed_connects: self.counts.failed_connects,
        }
    }

    /// Takes what was delivered, or leaves a waker.
    #[inline]
    pub(crate) fn poll_cell(&mut self, key: CellKey, waker: &Waker) -> Poll<Delivery> {
        if let Some(Cell::Waiting(waiting, _)) = self.cells.get_mut(key) {
            if !waiting.as_ref().is_some_and(|known| known.will_wake(waker)) {
                *waiting = Some(waker.clone());
            }
            return Poll::Pending;
        }
        Poll::Ready(match self.cells.try_remove(key) {
            Some(Cell::Filled(delivery)) => delivery,
            // A cell is there for as long as its caller is.
            _ => Delivery::failed(Failure::Closed(Phase::MaybeApplied)),
        })
    }

    /// The caller went away; gives who is next in line, if that made room for them.
    pub(crate) fn abandon(&mut self, key: CellKey) -> Option<Waker> {
        match self.cells.get_mut(key) {
            Some(cell @ Cell::Waiting(..)) => {
                *cell = Cell::Abandoned;
                // While there is a socket it is sent in any case, as `Request::send` promises.
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

    /// The caller gave up its place in line; gives who is next, if there is room for them.
    pub(crate) fn leave_line(&mut self, place: Option<WaiterKey>) -> Option<Waker> {
        // Places are given in ascending order.
        let index = self.waiters.binary_search_by_key(&place?, |(key, _)| *key);
        self.waiters.remove(index.ok()?);
        self.next_in_line()
    }

    /// Who is first in line, if there is room.
    pub(crate) fn next_in_line(&self) -> Option<Waker> {
        if self.has_room(1) {
            self.waiters.front().map(|(_, waker)| waker.clone())
        } else {
            None
        }
    }

    /// The driver's waker, to have it look at the queue.
    pub(crate) fn take_driver(&mut self) -> Option<Waker> {
        self.driver.take()
    }

    /// Whether nothing is queued or in flight; without a socket, nothing that somebody waits for.
    pub(crate) fn is_idle(&mut self) -> bool {
        if !self.connected {
            self.forget_unwanted();
        }
        self.entries.is_empty()
    }

    /// Whether the connection has ended for good, or was told to.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_some() || self.order == Order::Close
    }

    /// How many entries have no reply yet.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    #[inline]
    fn has_room(&self, bytes: usize) -> bool {
        // What is larger than the whole budget is let through alone.
        self.entries.is_empty()
            || (self.bytes.saturating_add(bytes) <= self.budget.bytes
                && self.entries.len() < self.budget.commands)
    }

    #[inline]
    fn is_behind_others(&self, place: Option<WaiterKey>) -> bool {
        self.waiters
            .front()
            .is_some_and(|(first, _)| Some(*first) != place)
    }

    fn stand_in_line(&mut self, place: Option<WaiterKey>, waker: Option<&Waker>) -> WaiterKey {
        let waker = waker.cloned().unwrap_or_else(|| Waker::noop().clone());
        if let Some(place) = place
            && let Ok(index) = self.waiters.binary_search_by_key(&place, |(key, _)| *key)
            && let Some(waiter) = self.waiters.get_mut(index)
        {
            waiter.1 = waker;
            return place;
        }
        let key = self.next_waiter;
        self.next_waiter += 1;
        self.waiters.push_back((key, waker));
        key
    }

    #[inline]
    pub(super) fn push_entry(&mut self, entry: Entry) {
        self.bytes += entry.bytes;
        self.unstamped += 1;
        self.entries.push_back(entry);
    }
}
