//! What is late, lost or refused: its callers learn of it, or it waits for the next socket.

use std::task::Waker;

use tokio::time::Instant;

use super::*;
use crate::runtime::after;
use crate::runtime::planted::Planted;

impl Queue {
    /// Gives up the command that goes out alone: a new socket is authenticated anyway.
    fn give_up_alone(&mut self, failure: &Failure, woken: &mut Vec<Waker>) {
        // If it is in flight, it is one of the entries.
        if let Alone::Waiting(cell, ..) = std::mem::replace(&mut self.alone, Alone::None) {
            let failure = failure.in_phase(Phase::NotSent);
            self.fail(Owner::Client(cell), Due::default(), failure, woken);
        }
    }

    /// Delivers a failure: wakes the caller, or frees the cell of a caller who has gone away.
    fn fail(&mut self, owner: Owner, due: Due, failure: Failure, woken: &mut Vec<Waker>) {
        let Some(key) = owner.cell() else { return };
        let Some(cell) = self.cells.get_mut(key) else {
            return;
        };
        match cell {
            Cell::Waiting(waker, parts) => {
                woken.extend(waker.take());
                let mut parts = parts.take().unwrap_or_default();
                (parts.error, parts.due) = (Some(failure), due);
                if !self.routed && !owner.is_own() {
                    parts.hold(Leads::NOWHERE, &self.holds);
                }
                *cell = Cell::Filled(Delivery::Parts(parts));
            }
            Cell::Abandoned => drop(self.cells.remove(key)),
            Cell::Filled(_) => {}
        }
    }

    /// Turns the limits of entries that were queued since the last time into moments.
    #[inline]
    pub(crate) fn stamp(&mut self, now: Instant) {
        if self.unstamped > 0 {
            self.stamp_last(now);
        }
    }

    fn stamp_last(&mut self, now: Instant) {
        let mut earliest = self.earliest_deadline;
        let mut note = |limit: Limit| {
            if let Some(moment) = limit.moment() {
                earliest = Some(earliest.map_or(moment, |known| known.min(moment)));
            }
        };
        // Nearly all entries have the same patience.
        let mut last = (Duration::MAX, Limit::None);
        let count = std::mem::take(&mut self.unstamped);
        let first = self.entries.len().saturating_sub(count);
        for entry in self.entries.range_mut(first..) {
            match entry.limit {
                Limit::Within(patience) => {
                    if patience != last.0 {
                        let moment = entry.limit.from(now);
                        last = (patience, moment.map_or(Limit::None, Limit::At));
                        note(last.1);
                    }
                    entry.limit = last.1;
                }
                limit => note(limit),
            }
        }
        self.earliest_deadline = earliest;
    }

    pub(super) fn note_deadline(&mut self, deadline: Instant) {
        let earliest = self.earliest_deadline;
        self.earliest_deadline = Some(earliest.map_or(deadline, |known| known.min(deadline)));
    }

    /// Why queued commands cannot be sent.
    pub(crate) fn obstacle(&self) -> Option<Arc<Obstacle>> {
        if !self.connected {
            return self.unreached.clone();
        }
        let obstacle = if self.waits_for_another() {
            Obstacle::SocketReplaced
        } else {
            Obstacle::ServerDoesNotRead
        };
        Some(Arc::new(obstacle)).filter(|_| !self.must_wait())
    }

    /// Why a caller cannot queue a command.
    pub(crate) fn obstacle_in_line(&self) -> Option<Arc<Obstacle>> {
        let full = Obstacle::BudgetFull {
            commands: self.budget.commands,
            bytes: self.budget.bytes,
        };
        let unreached = self.unreached.clone().filter(|_| !self.connected);
        unreached.or_else(|| Some(Arc::new(full)))
    }

    /// Fails entries whose deadline is past at `now`. Returns when to check again.
    pub(crate) fn expire(&mut self, now: Instant, woken: &mut Vec<Waker>) -> Option<Instant> {
        let now = match Planted::EarlyDeadline.is_here() {
            true => now + Duration::from_millis(20),
            false => now,
        };
        if self.earliest_deadline.is_none_or(|earliest| earliest > now) {
            return self.earliest_deadline;
        }
        let (mut expired, obstacle) = (Vec::new(), self.obstacle());
        let extra = self
            .relaxation
            .map_or(Duration::ZERO, |relaxation| relaxation.extra_at(now));
        self.earliest_deadline = None;
        for (index, entry) in self.entries.iter_mut().enumerate() {
            let Limit::At(mut deadline) = entry.limit else {
                continue;
            };
            if deadline <= now && !extra.is_zero() && std::mem::take(&mut entry.is_usual) {
                deadline = after(deadline, extra);
                entry.limit = Limit::At(deadline);
            }
            if deadline <= now {
                let taken = index < self.taken;
                if taken && Planted::IgnoredDeadline.is_here() {
                    continue;
                }
                self.given_up += usize::from(!taken);
                let phase = entry.phase(taken);
                self.counts.timeouts += u64::from(!entry.owner.is_own());
                let owner = entry.owner.leave();
                let obstacle = obstacle.clone().filter(|_| !taken);
                let due = entry.due();
                entry.limit = Limit::None;
                expired.push((owner, due, Failure::Timeout(phase, obstacle)));
            } else {
                self.earliest_deadline = Some(
                    self.earliest_deadline
                        .map_or(deadline, |known| known.min(deadline)),
                );
            }
        }
        // The deadline goes back too: some replies may have come, and be refusals, for which there is no time left.
        for (owner, due, failure) in expired {
            self.fail(owner, due, failure, woken);
        }
        self.make_room();
        self.earliest_deadline
    }

    /// The socket is lost. Entries that were not written wait for the next socket. If `again`, idempotent ones that
    /// were written do so too. The rest fail.
    pub(crate) fn lost(
        &mut self,
        failure: &Failure,
        unanswered: &mut Unanswered,
        again: bool,
        woken: &mut Vec<Waker>,
    ) {
        // Commands that go back need their deadline.
        self.stamp(Instant::now());
        self.release(unanswered);
        let (kept, waiting) = self.take_written(failure, unanswered, again, woken);
        unanswered.clear();
        self.give_bound_back(failure, woken);
        self.put_first(kept, waiting);
        self.taken = 0;
        self.owed_since = None;
        self.connected = false;
        self.forget_unwanted();
        if self.routed {
            self.give_all_back(failure, woken);
        }
    }

    /// Takes what was written, in whole or in part: what goes to the next socket, and its bytes. The rest fails.
    fn take_written(
        &mut self,
        failure: &Failure,
        unanswered: &mut Unanswered,
        again: bool,
        woken: &mut Vec<Waker>,
    ) -> (VecDeque<Entry>, Outgoing) {
        // A command that goes out alone is not for the next socket.
        let was_alone = matches!(self.alone, Alone::InFlight);
        self.give_up_alone(failure, woken);
        let written = unanswered.written();
        let (mut waiting, mut kept, mut at) = (Outgoing::default(), VecDeque::new(), 0);
        let rest = self.entries.split_off(self.taken.min(self.entries.len()));
        for mut entry in std::mem::replace(&mut self.entries, rest) {
            let was_sent = at < written;
            let written = written.saturating_sub(at).min(entry.bytes);
            at += entry.bytes;
            entry.losses += u8::from(was_sent);
            let is_kept = if was_sent {
                again && self.goes_again(&mut entry)
            } else {
                !entry.bound
            };
            if !was_alone && is_kept {
                unanswered.move_to(entry.bytes, &mut waiting);
                kept.push_back(entry);
            } else {
                unanswered.release(entry.bytes);
                self.bytes = self.bytes.saturating_sub(entry.bytes);
                let failure = failure.in_phase(entry.phase(was_sent || was_alone));
                if !Planted::SilentLoss.is_here() {
                    self.note_written(entry.owner, written);
                    self.fail(entry.owner, entry.due(), failure, woken);
                }
            }
        }
        (kept, waiting)
    }

    /// Puts these entries, and their bytes, before those that wait.
    fn put_first(&mut self, mut first: VecDeque<Entry>, mut bytes: Outgoing) {
        if Planted::Reordered.is_here() {
            self.entries.append(&mut first);
            bytes.append_to(&mut self.out);
        } else {
            first.append(&mut self.entries);
            self.entries = first;
            self.out.move_to(self.out.len(), &mut bytes);
            self.out = bytes;
        }
    }

    /// Gives what waits, and was written for the lost socket, back to its callers, who adapt it to the next one.
    fn give_bound_back(&mut self, failure: &Failure, woken: &mut Vec<Waker>) {
        let mut bound = Vec::new();
        for entry in self.entries.iter_mut().filter(|entry| entry.bound) {
            let owner = entry.owner.leave();
            bound.push((owner, entry.due(), failure.in_phase(entry.phase(false))));
        }
        for (owner, due, failure) in bound {
            self.fail(owner, due, failure, woken);
        }
    }

    /// Gives waiting commands back to their callers, who may send them elsewhere; only single commands.
    fn give_all_back(&mut self, failure: &Failure, woken: &mut Vec<Waker>) {
        let mut waiting = std::mem::take(&mut self.out);
        for entry in std::mem::take(&mut self.entries) {
            let mut bytes = Outgoing::default();
            waiting.move_to(entry.bytes, &mut bytes);
            self.note_again(&entry, bytes);
            let failure = failure.in_phase(entry.phase(false));
            self.fail(entry.owner, entry.due(), failure, woken);
        }
        (self.bytes, self.own) = (0, 0);
        self.given_up = 0;
        self.earliest_deadline = None;
        woken.extend(self.line.dissolve());
    }

    /// Leaves a copy for a caller who may send it again, if it is a single command: of several, some may have been
    /// carried out.
    pub(super) fn note_again(&mut self, entry: &Entry, bytes: Outgoing) {
        if entry.replies == 1
            && let Some(key) = entry.owner.cell()
            && let Some(Cell::Waiting(_, parts)) = self.cells.get_mut(key)
        {
            let again = Again {
                bytes,
                idempotent: entry.idempotent,
                hold: entry.hold,
            };
            parts.get_or_insert_default().again = Some(Box::new(again));
        }
    }

    /// Leaves how much of an entry was written, for a caller whose entry has many commands.
    fn note_written(&mut self, owner: Owner, written: usize) {
        if let Some(key) = owner.cell()
            && let Some(Cell::Waiting(_, parts)) = self.cells.get_mut(key)
        {
            parts.get_or_insert_default().written = Some(written);
        }
    }

    /// Whether an entry that was sent on a lost socket is sent on the next one. If so, replies that had come
    /// are dropped.
    fn goes_again(&mut self, entry: &mut Entry) -> bool {
        let Some(key) = entry.owner.cell() else {
            return false;
        };
        if !entry.may_go_again(entry.losses) {
            return false;
        }
        entry.come = 0;
        if let Some(Cell::Waiting(_, parts)) = self.cells.get_mut(key) {
            *parts = None;
        }
        true
    }

    /// Drops entries that were given up once they are a good part of those that wait. Scanning at each would cost
    /// O(n²).
    pub(super) fn make_room(&mut self) {
        if self.given_up > 0
            && self.given_up.saturating_mul(4) >= self.entries.len().saturating_sub(self.taken)
        {
            self.forget_unwanted();
        }
    }

    /// Drops entries that were not taken and need not be sent: those that failed and, while there is no socket,
    /// those that no caller waits for.
    pub(super) fn forget_unwanted(&mut self) {
        let mut waiting = std::mem::take(&mut self.out);
        let mut kept = Outgoing::default();
        let (cells, bytes, connected) = (&mut self.cells, &mut self.bytes, self.connected);
        let (mut taken, own) = (self.taken, &mut self.own);
        *own = 0;
        self.entries.retain(|entry| {
            let wanted = match entry.owner {
                _ if taken > 0 => true,
                Owner::Nobody | Owner::Forgotten => false,
                Owner::Driver => connected,
                Owner::Caller(key) | Owner::Client(key) => {
                    connected || !forget_abandoned(cells, key)
                }
            };
            *own += usize::from(wanted && entry.owner.is_own());
            if let Some(fewer) = taken.checked_sub(1) {
                taken = fewer;
            } else if wanted {
                waiting.move_to(entry.bytes, &mut kept);
            } else {
                waiting.advance(entry.bytes);
                if !Planted::KeptBudget.is_here() {
                    *bytes = bytes.saturating_sub(entry.bytes);
                }
            }
            wanted
        });
        self.out = kept;
        self.given_up = 0;
    }

    /// The server refused the connection: everything that waits fails with its error, and so does everything
    /// new until [`Queue::admitted`].
    pub(crate) fn refuse(&mut self, failure: Failure, woken: &mut Vec<Waker>) {
        self.fail_all(&failure, woken);
        self.refused = Some(failure);
    }

    /// The server cannot be reached. Commands for a cluster do not wait until it can.
    pub(crate) fn unreachable(&mut self, failure: Failure, woken: &mut Vec<Waker>) {
        if self.routed {
            self.stamp(Instant::now());
            self.give_all_back(&failure, woken);
            self.refused = Some(failure.in_phase(Phase::NotSent));
        }
    }

    /// Ends the queue: everything fails, and nothing new is accepted. Returns the reason that was given first.
    pub(crate) fn end(&mut self, failure: &Failure, woken: &mut Vec<Waker>) -> Failure {
        self.fail_all(failure, woken);
        self.ended
            .get_or_insert_with(|| failure.in_phase(Phase::NotSent));
        self.connected = false;
        woken.append(&mut self.closing_waiters);
        self.ended.clone().unwrap_or_else(|| failure.clone())
    }

    fn fail_all(&mut self, failure: &Failure, woken: &mut Vec<Waker>) {
        self.give_up_alone(failure, woken);
        let taken = std::mem::take(&mut self.taken);
        for (index, entry) in std::mem::take(&mut self.entries).into_iter().enumerate() {
            let failure = failure.in_phase(entry.phase(index < taken));
            self.fail(entry.owner, entry.due(), failure, woken);
        }
        self.out = Outgoing::default();
        self.given_up = 0;
        (self.bytes, self.own) = (0, 0);
        self.owed_since = None;
        self.earliest_deadline = None;
        woken.extend(self.line.dissolve());
    }
}
