//! What waits to be written and what waits for a reply on one connection. No I/O happens here.
//!
//! ```text
//!   submit ──► out ──take_output──► (driver writes) ──► deliver ──► cell ──► the caller decodes
//!              └────────── entries, in wire order ──────────┘
//! ```
//!
//! Callers and the driver share one [`Queue`] behind a mutex that is held for the length of a copy. An *entry* stands
//! for what was written and is owed replies; a *cell* is where those replies wait for their caller. An entry outlives
//! the interest in it: when a caller goes away, the replies are still awaited, and thrown away.

use std::collections::VecDeque;
use std::io;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use slab::Slab;
use smallvec::SmallVec;
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Phase, ServerError, TlsError};
use crate::stats::Stats;

/// Something that can be written and is owed replies: one command, or a pipeline of them.
pub(crate) trait Payload {
    /// How many bytes [`Payload::write_to`] appends, at most.
    fn encoded_len(&self) -> usize;
    /// How many replies it is owed.
    fn replies(&self) -> usize;
    /// Whether sending it twice does no harm.
    fn is_idempotent(&self) -> bool;
    /// Whether the server may hold it for as long as it likes.
    fn is_blocking(&self) -> bool;
    /// Appends it as it goes over the wire.
    fn write_to(&self, out: &mut Vec<u8>);
    /// What a trace says of it.
    #[cfg(feature = "tracing")]
    fn summary(&self) -> crate::trace::Summary;
}

/// The replies of one entry, in the pieces they came in; each piece holds whole frames.
pub(crate) type Chunks = SmallVec<[Bytes; 1]>;

/// What became of an entry: all its replies, or the first of them and why there are no more.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) chunks: Chunks,
    pub(crate) error: Option<Failure>,
}

/// Why replies did not come; cheap to hand to many callers at once.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    Timeout(Phase),
    Lost(Phase, io::ErrorKind, std::sync::Arc<str>),
    Refused(ServerError),
    Tls(TlsError),
    Protocol(std::sync::Arc<str>),
    Closed(Phase),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Timeout(phase) => Self::new(ErrorKind::Timeout, phase),
            Failure::Lost(phase, kind, text) => Self::new(
                ErrorKind::ConnectionLost(io::Error::new(kind, text.to_string())),
                phase,
            ),
            Failure::Refused(error) => Self::new(ErrorKind::Handshake(error), Phase::NotSent),
            Failure::Tls(error) => Self::new(ErrorKind::Tls(error), Phase::NotSent),
            Failure::Protocol(text) => Self::protocol(text.to_string()),
            Failure::Closed(phase) => Self::new(ErrorKind::Closed, phase),
        }
    }
}

impl Failure {
    /// The reason, for an event.
    pub(crate) fn reason(&self) -> std::sync::Arc<str> {
        match self {
            Self::Lost(_, _, text) | Self::Protocol(text) => text.clone(),
            Self::Refused(error) => error.to_string().into(),
            Self::Tls(error) => error.to_string().into(),
            Self::Timeout(_) => "a deadline passed".into(),
            Self::Closed(_) => "it was closed by its owner".into(),
        }
    }

    /// The same failure as it is for something that had, or had not, been sent.
    pub(crate) fn in_phase(&self, phase: Phase) -> Self {
        match self {
            Self::Timeout(_) => Self::Timeout(phase),
            Self::Lost(_, kind, text) => Self::Lost(phase, *kind, text.clone()),
            Self::Closed(_) => Self::Closed(phase),
            Self::Protocol(text) if phase == Phase::NotSent => {
                Self::Lost(phase, io::ErrorKind::InvalidData, text.clone())
            }
            other => other.clone(),
        }
    }
}

/// How much may be queued and in flight on one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Encoded bytes of commands that have no reply yet.
    pub bytes: usize,
    /// Commands (a pipeline counts once) that have no reply yet.
    pub commands: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            bytes: 64 * 1024 * 1024,
            commands: 1_000_000,
        }
    }
}

/// Names a cell.
pub(crate) type CellKey = usize;

/// Names a caller who waits for room.
pub(crate) type WaiterKey = u64;

#[derive(Debug)]
pub(crate) struct Queue {
    budget: Budget,
    /// Encoded, not yet taken by the driver.
    out: Vec<u8>,
    /// Everything that is owed replies, in wire order.
    entries: VecDeque<Entry>,
    /// How many of the entries the driver has taken.
    taken: usize,
    cells: Slab<Cell>,
    /// Bytes of all entries.
    bytes: usize,
    /// How many entries were given up since the last look for such; a bound for how many need not be sent.
    given_up: usize,
    /// Whether there is a socket.
    connected: bool,
    /// Whether a command of the driver's own might be mistaken for one of the callers': after MULTI it would be queued
    /// among theirs.
    pub(crate) quiet: bool,
    /// Whether the server was demoted to a replica, and this socket is of no use for writes.
    pub(crate) demoted: bool,
    /// Callers who wait for room, first come first served.
    waiters: VecDeque<(WaiterKey, Waker)>,
    next_waiter: WaiterKey,
    driver: Option<Waker>,
    /// No deadline of any entry is earlier than this.
    earliest_deadline: Option<Instant>,
    /// Set once: nothing is accepted any more.
    ended: Option<Failure>,
    /// The server refuses to let us in, as of the last attempt.
    refused: Option<Failure>,
    /// Nothing new is accepted, since the end is near.
    closing: bool,
    /// Who waits for the end.
    mourners: Vec<Waker>,
    /// Since when the server has owed the next reply.
    owed_since: Option<Instant>,
    pub(crate) counts: Counts,
    /// Wanted by a caller or by the last handle's end.
    pub(crate) wish: Wish,
}

/// What is counted over the life of a connection.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) answered: u64,
    pub(crate) timeouts: u64,
    pub(crate) reconnects: u64,
    pub(crate) failed_connects: u64,
}

/// What the callers want of the driver besides writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Serve,
    /// A new socket, once what is in flight has been answered.
    Renew,
    /// The end, once everything queued has been answered.
    Drain,
    /// The end, now.
    Close,
}

#[derive(Debug)]
struct Entry {
    owner: Owner,
    bytes: usize,
    replies: usize,
    deadline: Option<Instant>,
    blocking: bool,
    awaits: Awaits,
}

/// What answers a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaits {
    Reply,
    /// A push, or an error: SUBSCRIBE and its kin.
    Push,
    /// The reply of a PING behind the command, and before it, perhaps, the command's error: SUNSUBSCRIBE, whose
    /// confirmation looks like what the server says on its own account when a slot moves away.
    Fence,
}

/// Whose an entry is.
#[derive(Debug, Clone, Copy)]
enum Owner {
    Caller(CellKey),
    /// The driver asked on its own account.
    Driver,
    /// The caller was told that it failed.
    Nobody,
}

#[derive(Debug)]
struct Cell {
    chunks: Chunks,
    state: CellState,
}

#[derive(Debug)]
enum CellState {
    Waiting(Option<Waker>),
    Filled(Option<Failure>),
    /// The caller went away first.
    Abandoned,
}

/// What came of a try to submit.
#[derive(Debug)]
pub(crate) enum Submitted {
    /// It waits for its reply; the waker is the driver's, to be woken once the lock is released.
    Queued(CellKey, Option<Waker>),
    /// There is no room; the caller stands in line.
    Full(WaiterKey),
    /// Nothing is accepted any more.
    Ended(Failure),
}

impl Queue {
    pub(crate) fn new(budget: Budget) -> Self {
        Self {
            budget,
            out: Vec::new(),
            entries: VecDeque::new(),
            taken: 0,
            cells: Slab::new(),
            bytes: 0,
            given_up: 0,
            connected: true,
            quiet: false,
            demoted: false,
            waiters: VecDeque::new(),
            next_waiter: 0,
            driver: None,
            earliest_deadline: None,
            ended: None,
            refused: None,
            closing: false,
            mourners: Vec::new(),
            owed_since: None,
            counts: Counts::default(),
            wish: Wish::Serve,
        }
    }

    // ---- the callers' side ----

    /// Queues a payload, or puts the caller in line for room. `place` is the caller's place in line from before.
    pub(crate) fn submit(
        &mut self,
        payload: &impl Payload,
        deadline: Option<Instant>,
        place: Option<WaiterKey>,
        waker: Option<&Waker>,
    ) -> Submitted {
        if let Some(failure) = self.shut() {
            self.leave_line(place);
            return Submitted::Ended(failure);
        }
        let bytes = payload.encoded_len();
        if !self.has_room(bytes) || self.is_behind_others(place) {
            return Submitted::Full(self.stand_in_line(place, waker));
        }
        self.leave_line(place);
        let before = self.out.len();
        payload.write_to(&mut self.out);
        let cell = self.cells.insert(Cell {
            chunks: Chunks::new(),
            state: CellState::Waiting(waker.cloned()),
        });
        self.push_entry(Entry {
            owner: Owner::Caller(cell),
            bytes: self.out.len() - before,
            replies: payload.replies(),
            deadline,
            blocking: payload.is_blocking(),
            awaits: Awaits::Reply,
        });
        Submitted::Queued(cell, self.driver.take())
    }

    /// Why nothing is accepted, if that is so.
    fn shut(&self) -> Option<Failure> {
        let closing = || self.closing.then_some(Failure::Closed(Phase::NotSent));
        self.ended
            .clone()
            .or_else(closing)
            .or_else(|| self.refused.clone())
    }

    /// Queues a command of the client's own whose reply is awaited like a caller's, unless it would be out of place.
    pub(crate) fn submit_own(&mut self, encoded: &[u8], deadline: Instant) -> Option<CellKey> {
        if self.quiet || !self.connected || self.shut().is_some() {
            return None;
        }
        self.out.extend_from_slice(encoded);
        let cell = self.cells.insert(Cell {
            chunks: Chunks::new(),
            state: CellState::Waiting(None),
        });
        self.push_entry(Entry {
            owner: Owner::Caller(cell),
            bytes: encoded.len(),
            replies: 1,
            deadline: Some(deadline),
            blocking: false,
            awaits: Awaits::Reply,
        });
        Some(cell)
    }

    /// Accepts nothing any more. Those who stand in line are sent away.
    pub(crate) fn stop_accepting(&mut self, woken: &mut Vec<Waker>) {
        self.closing = true;
        woken.extend(self.waiters.drain(..).map(|(_, waker)| waker));
    }

    /// Whether the end has come; else leaves a waker for it.
    pub(crate) fn poll_end(&mut self, waker: &Waker) -> bool {
        if self.ended.is_none() && !self.mourners.iter().any(|known| known.will_wake(waker)) {
            self.mourners.push(waker.clone());
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
    pub(crate) fn poll_cell(&mut self, key: CellKey, waker: &Waker) -> Option<Delivery> {
        let cell = self.cells.get_mut(key)?;
        match &mut cell.state {
            CellState::Waiting(waiting) => {
                if !waiting.as_ref().is_some_and(|known| known.will_wake(waker)) {
                    *waiting = Some(waker.clone());
                }
                None
            }
            CellState::Filled(_) | CellState::Abandoned => self.take_cell(key),
        }
    }

    /// The caller went away; gives who is next in line, if that made room for them.
    pub(crate) fn abandon(&mut self, key: CellKey) -> Option<Waker> {
        match self.cells.get_mut(key) {
            Some(cell) if matches!(cell.state, CellState::Waiting(_)) => {
                cell.state = CellState::Abandoned;
                cell.chunks.clear();
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
        self.ended.is_some() || self.wish == Wish::Close
    }

    /// How many entries have no reply yet.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn has_room(&self, bytes: usize) -> bool {
        // What is larger than the whole budget is let through alone.
        self.entries.is_empty()
            || (self.bytes.saturating_add(bytes) <= self.budget.bytes
                && self.entries.len() < self.budget.commands)
    }

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

    fn push_entry(&mut self, entry: Entry) {
        self.bytes += entry.bytes;
        if let Some(deadline) = entry.deadline {
            self.earliest_deadline = Some(
                self.earliest_deadline
                    .map_or(deadline, |earliest| earliest.min(deadline)),
            );
        }
        self.entries.push_back(entry);
    }

    fn take_cell(&mut self, key: CellKey) -> Option<Delivery> {
        let cell = self.cells.try_remove(key)?;
        let error = match cell.state {
            CellState::Filled(error) => error,
            CellState::Waiting(_) | CellState::Abandoned => None,
        };
        Some(Delivery {
            chunks: cell.chunks,
            error,
        })
    }

    // ---- the driver's side ----

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
        !self.out.is_empty()
    }

    /// How many replies are owed to what was written; entries, not frames.
    pub(crate) fn owed(&self) -> usize {
        self.taken
    }

    /// Whether the server may hold the reply that comes next.
    pub(crate) fn is_held(&self) -> bool {
        self.entries
            .iter()
            .take(self.taken)
            .any(|entry| entry.blocking)
    }

    /// Swaps everything that waits to be written for `empty`. What failed before it was sent is not sent any more: its
    /// caller was told so, and may have tried again.
    pub(crate) fn take_output(&mut self, empty: &mut Vec<u8>) {
        if self.given_up > 0 {
            self.forget_unwanted();
        }
        std::mem::swap(&mut self.out, empty);
        if self.taken == 0 {
            self.owed_since = Some(Instant::now());
        }
        self.taken = self.entries.len();
    }

    /// Asks the server for a sign of life with a command of the driver's own; where that would be out of place, what
    /// it owes is the sign. Says whether there is anything to wait for.
    pub(crate) fn ask(&mut self, encoded: &[u8]) -> bool {
        if self.quiet {
            return self.taken > 0;
        }
        self.push_own(encoded, Awaits::Reply);
        true
    }

    /// What answers the oldest command that was written.
    pub(crate) fn awaits(&self) -> Awaits {
        match self.entries.front() {
            Some(entry) if self.taken > 0 => entry.awaits,
            _ => Awaits::Reply,
        }
    }

    /// Queues a command of the driver's own, whose reply nobody waits for.
    pub(crate) fn push_own(&mut self, encoded: &[u8], awaits: Awaits) {
        self.out.extend_from_slice(encoded);
        self.push_entry(Entry {
            owner: Owner::Driver,
            bytes: encoded.len(),
            replies: 1,
            deadline: None,
            blocking: false,
            awaits,
        });
    }

    /// How many more frames the oldest entry is owed; `None` where nothing was asked.
    pub(crate) fn wanted(&self) -> Option<usize> {
        if self.taken == 0 {
            None
        } else {
            self.entries.front().map(|entry| entry.replies)
        }
    }

    /// Gives a piece of `frames` whole frames to the oldest entry, which must be owed as many.
    pub(crate) fn deliver(&mut self, piece: Bytes, frames: usize, woken: &mut Vec<Waker>) {
        let Some(entry) = self.entries.front_mut() else {
            return;
        };
        entry.replies = entry.replies.saturating_sub(frames);
        let (done, owner, bytes) = (entry.replies == 0, entry.owner, entry.bytes);
        if let Owner::Caller(key) = owner
            && let Some(cell) = self.cells.get_mut(key)
            && matches!(cell.state, CellState::Waiting(_))
        {
            cell.chunks.push(piece);
        }
        if done {
            self.entries.pop_front();
            self.taken = self.taken.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(bytes);
            self.counts.answered += u64::from(!matches!(owner, Owner::Driver));
            self.fill(owner, None, woken);
        }
    }

    /// The server answered at `now`.
    pub(crate) fn mark_progress(&mut self, now: Instant) {
        self.owed_since = (self.taken > 0).then_some(now);
    }

    /// Puts the end to a cell: the caller is woken, or the cell of one who left is freed.
    fn fill(&mut self, owner: Owner, failure: Option<Failure>, woken: &mut Vec<Waker>) {
        let Owner::Caller(key) = owner else { return };
        let Some(cell) = self.cells.get_mut(key) else {
            return;
        };
        match std::mem::replace(&mut cell.state, CellState::Filled(failure)) {
            CellState::Waiting(waker) => woken.extend(waker),
            CellState::Abandoned => drop(self.cells.remove(key)),
            CellState::Filled(_) => {}
        }
    }

    /// Fails what is past its deadline at `now`; gives when to look again.
    pub(crate) fn expire(&mut self, now: Instant, woken: &mut Vec<Waker>) -> Option<Instant> {
        if self.earliest_deadline.is_none_or(|earliest| earliest > now) {
            return self.earliest_deadline;
        }
        let mut expired = Vec::new();
        self.earliest_deadline = None;
        for (index, entry) in self.entries.iter_mut().enumerate() {
            let Some(deadline) = entry.deadline else {
                continue;
            };
            if deadline <= now {
                let phase = if index < self.taken {
                    Phase::MaybeApplied
                } else {
                    self.given_up += 1;
                    Phase::NotSent
                };
                self.counts.timeouts += 1;
                let owner = std::mem::replace(&mut entry.owner, Owner::Nobody);
                expired.push((owner, Failure::Timeout(phase)));
                entry.deadline = None;
            } else {
                self.earliest_deadline = Some(
                    self.earliest_deadline
                        .map_or(deadline, |known| known.min(deadline)),
                );
            }
        }
        for (owner, failure) in expired {
            self.fill(owner, Some(failure), woken);
        }
        self.make_room();
        woken.extend(self.next_in_line());
        self.earliest_deadline
    }

    /// The socket is gone, with `unwritten`, the end of what was taken, still not written: what was written fails,
    /// the rest waits for the next socket, unless nobody wants it any more.
    pub(crate) fn lost(&mut self, failure: &Failure, unwritten: &[u8], woken: &mut Vec<Waker>) {
        let mut rest = unwritten.len();
        let mut kept = self.taken;
        while let Some(entry) = kept
            .checked_sub(1)
            .and_then(|index| self.entries.get(index))
        {
            if entry.bytes > rest {
                break;
            }
            rest -= entry.bytes;
            kept -= 1;
        }
        let written: Vec<Entry> = self.entries.drain(..kept).collect();
        for entry in written {
            self.bytes = self.bytes.saturating_sub(entry.bytes);
            let failure = failure.in_phase(Phase::MaybeApplied);
            self.fill(entry.owner, Some(failure), woken);
        }
        let mut waiting = unwritten.get(rest..).unwrap_or_default().to_vec();
        waiting.append(&mut self.out);
        self.out = waiting;
        self.taken = 0;
        self.owed_since = None;
        self.connected = false;
        self.forget_unwanted();
        woken.extend(self.next_in_line());
    }

    /// Gives room back once a good part of what waits to be written was given up; a look at each is too dear for each.
    fn make_room(&mut self) {
        if self.given_up > 0
            && self.given_up.saturating_mul(4) >= self.entries.len().saturating_sub(self.taken)
        {
            self.forget_unwanted();
        }
    }

    /// Drops what was not taken and need not be sent: what has failed, and, while there is no socket, what nobody
    /// waits for.
    fn forget_unwanted(&mut self) {
        let waiting = std::mem::take(&mut self.out);
        let mut rest = waiting.as_slice();
        let mut kept = Vec::with_capacity(waiting.len());
        let (cells, bytes, connected) = (&mut self.cells, &mut self.bytes, self.connected);
        let mut taken = self.taken;
        self.entries.retain(|entry| {
            if let Some(fewer) = taken.checked_sub(1) {
                taken = fewer;
                return true;
            }
            let (own, later) = rest.split_at_checked(entry.bytes).unwrap_or((rest, &[]));
            rest = later;
            let wanted = match entry.owner {
                Owner::Nobody => false,
                Owner::Driver => connected,
                Owner::Caller(key) => connected || !forget_abandoned(cells, key),
            };
            if wanted {
                kept.extend_from_slice(own);
            } else {
                *bytes = bytes.saturating_sub(entry.bytes);
            }
            wanted
        });
        self.out = kept;
        self.given_up = 0;
    }

    /// The server refused the connection: everything that waits is refused with it, and so is what comes until
    /// [`Queue::admitted`].
    pub(crate) fn refuse(&mut self, failure: Failure, woken: &mut Vec<Waker>) {
        self.fail_all(&failure, woken);
        self.refused = Some(failure);
    }

    /// A connection was established.
    pub(crate) fn admitted(&mut self) {
        self.forget_unwanted();
        self.connected = true;
        self.demoted = false;
        self.refused = None;
        if self.wish == Wish::Renew {
            self.wish = Wish::Serve;
        }
    }

    /// The end: everything fails, and nothing is accepted any more. Gives why, which is what was said the first time.
    pub(crate) fn end(&mut self, failure: &Failure, woken: &mut Vec<Waker>) -> Failure {
        self.fail_all(failure, woken);
        self.ended
            .get_or_insert_with(|| failure.in_phase(Phase::NotSent));
        self.connected = false;
        woken.append(&mut self.mourners);
        self.ended.clone().unwrap_or_else(|| failure.clone())
    }

    fn fail_all(&mut self, failure: &Failure, woken: &mut Vec<Waker>) {
        let taken = std::mem::take(&mut self.taken);
        for (index, entry) in std::mem::take(&mut self.entries).into_iter().enumerate() {
            let phase = if index < taken {
                Phase::MaybeApplied
            } else {
                Phase::NotSent
            };
            self.fill(entry.owner, Some(failure.in_phase(phase)), woken);
        }
        self.out = Vec::new();
        self.given_up = 0;
        self.bytes = 0;
        self.owed_since = None;
        self.earliest_deadline = None;
        woken.extend(self.waiters.drain(..).map(|(_, waker)| waker));
    }

    /// Takes back the memory that a burst left behind.
    pub(crate) fn shrink(&mut self) {
        const KEEP: usize = 64 * 1024;
        if self.out.is_empty() && self.out.capacity() > KEEP {
            self.out = Vec::new();
        }
        if self.entries.is_empty() && self.entries.capacity() > KEEP {
            self.entries.shrink_to(KEEP);
            self.cells.shrink_to_fit();
        }
    }
}

/// Frees the cell of a caller who went away; says whether it was one.
fn forget_abandoned(cells: &mut Slab<Cell>, key: CellKey) -> bool {
    let abandoned = cells
        .get(key)
        .is_none_or(|cell| matches!(cell.state, CellState::Abandoned));
    if abandoned {
        cells.try_remove(key);
    }
    abandoned
}
