//! Where messages wait for their reader: [`Inbox`], bounded in bytes and messages.
//!
//! The driver puts messages in and never waits. What happens when there is no room is the subscriber's choice, [`Lag`].
//!
//! # Layout
//!
//! - `gap`: what happened between two messages

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use tokio::task::coop;

use super::cause::Cause;
use super::message::{Event, Interruption, Parcel};
use super::ticket::Ticket;
use crate::config::{Capacity, Lag};
use crate::engine::inflight::Failure;
use crate::error::Result;
use crate::runtime::Lock;

mod gap;

use gap::Gap;

/// The result of putting an item in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Put {
    Kept,
    /// The inbox accepts nothing any more.
    Closed,
}

pub(crate) struct Inbox<T> {
    capacity: Capacity,
    state: Lock<State<T>>,
}

struct State<T> {
    slots: VecDeque<Slot<T>>,
    /// The cost of all slots together.
    bytes: usize,
    /// What happened after the last slot.
    tail: Gap,
    end: Option<End>,
    reader: Option<Waker>,
    /// The tickets of callers whose confirmations stand behind messages; see [`Inbox::has_open_call`].
    calls: Vec<Arc<Ticket>>,
    /// The wakers of the drivers that wait for room: on a cluster, several sockets may fill one inbox.
    writers: Vec<Waker>,
}

struct Slot<T> {
    /// What happened before the item.
    before: Gap,
    item: T,
    cost: usize,
}

enum End {
    /// Its owner closed it, or the failure was read.
    Over,
    Failed(Cause),
}

impl<T: Parcel> Inbox<T> {
    pub(crate) fn new(capacity: Capacity) -> Self {
        Self {
            capacity,
            state: Lock::new(State {
                slots: VecDeque::new(),
                bytes: 0,
                tail: Gap::default(),
                end: None,
                reader: None,
                calls: Vec::new(),
                writers: Vec::new(),
            }),
        }
    }

    // ---- the driver's side ----

    pub(crate) fn put(&self, item: T, woken: &mut Vec<Waker>) -> Put {
        let cost = Self::cost(item.size());
        let mut state = self.state.lock();
        if state.end.is_some() {
            return Put::Closed;
        }
        let full = |state: &State<T>| !self.capacity.admits(state.slots.len(), state.bytes, cost);
        match self.capacity.lag {
            Lag::DropOldest => {
                while full(&state) {
                    state.drop_oldest();
                }
            }
            Lag::Close if full(&state) => {
                state.end(End::Failed(Cause::TooSlow), woken);
                return Put::Closed;
            }
            // There is room; with `Wait`, the driver has asked `has_room` before.
            Lag::Close | Lag::Wait => {}
        }
        let before = std::mem::take(&mut state.tail);
        state.bytes += cost;
        state.slots.push_back(Slot { before, item, cost });
        woken.extend(state.reader.take());
        Put::Kept
    }

    /// Whether an item of `size` bytes has room; if not, `waker` is woken when there is more.
    pub(crate) fn has_room(&self, size: usize, waker: &Waker) -> bool {
        let mut state = self.state.lock();
        let room = state.end.is_some()
            || self
                .capacity
                .admits(state.slots.len(), state.bytes, Self::cost(size));
        if !room && !state.writers.iter().any(|known| known.will_wake(waker)) {
            state.writers.push(waker.clone());
        }
        room
    }

    /// Whether the reader may be waiting for a confirmation that stands behind messages.
    pub(crate) fn has_open_call(&self) -> bool {
        let state = self.state.lock();
        state.calls.iter().any(|ticket| ticket.is_open())
    }

    /// Notes the ticket of a call that waits for its confirmation. The reader may have made it.
    pub(crate) fn begin_call(&self, ticket: Arc<Ticket>) {
        self.change_calls(|calls| calls.push(ticket));
    }

    /// The call with this ticket is over.
    pub(crate) fn end_call(&self, ticket: &Arc<Ticket>) {
        self.change_calls(|calls| calls.retain(|known| !Arc::ptr_eq(known, ticket)));
    }

    fn change_calls(&self, change: impl FnOnce(&mut Vec<Arc<Ticket>>)) {
        let mut state = self.state.lock();
        change(&mut state.calls);
        // Each of them looks again.
        let writers = std::mem::take(&mut state.writers);
        drop(state);
        writers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn resubscribed(&self, woken: &mut Vec<Waker>) {
        let mut state = self.state.lock();
        state.tail.resubscribed();
        woken.extend(state.reader.take());
    }

    pub(crate) fn interrupted(&self, interruption: Interruption, woken: &mut Vec<Waker>) {
        let mut state = self.state.lock();
        state.tail.interrupted(interruption);
        woken.extend(state.reader.take());
    }

    /// One of several sources failed.
    pub(crate) fn fail(&self, cause: Cause, woken: &mut Vec<Waker>) {
        let mut state = self.state.lock();
        state.tail.failed(cause);
        woken.extend(state.reader.take());
    }

    /// Nothing more will come, because of `cause` or because the owner closed it. What has arrived can still be
    /// read.
    pub(crate) fn end(&self, cause: Option<Cause>, woken: &mut Vec<Waker>) {
        let end = match cause {
            None | Some(Cause::Link(Failure::Closed(_) | Failure::Abandoned(_))) => End::Over,
            Some(cause) => End::Failed(cause),
        };
        self.state.lock().end(end, woken);
    }

    fn cost(size: usize) -> usize {
        // The queue may have allocated twice the space that it uses.
        size + 2 * size_of::<Slot<T>>()
    }

    // ---- the reader's side ----

    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Event<T>>>> {
        // A reader that always finds something must not keep other tasks from running.
        let turn = ready!(coop::poll_proceed(cx));
        let mut state = self.state.lock();
        let next = state.next();
        if next.is_none() {
            state.reader = Some(cx.waker().clone());
            drop(state);
        } else if state.writers.is_empty() {
            drop(state);
        } else {
            // Each of them looks again whether there is room.
            let writers = std::mem::take(&mut state.writers);
            drop(state);
            writers.into_iter().for_each(Waker::wake);
        }
        match next {
            Some(next) => {
                turn.made_progress();
                Poll::Ready(next)
            }
            None => Poll::Pending,
        }
    }

    /// Whether more may come.
    pub(crate) fn is_open(&self) -> bool {
        self.state.lock().end.is_none()
    }

    /// How many messages wait, and how many bytes they count as.
    pub(crate) fn held(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.slots.len(), state.bytes)
    }
}

impl Capacity {
    /// An item larger than the whole capacity is accepted if it is the only one.
    fn admits(&self, messages: usize, bytes: usize, cost: usize) -> bool {
        messages == 0 || (messages < self.messages && bytes.saturating_add(cost) <= self.bytes)
    }
}

impl<T> State<T> {
    fn drop_oldest(&mut self) {
        let Some(slot) = self.slots.pop_front() else {
            return;
        };
        self.bytes -= slot.cost;
        let next = match self.slots.front_mut() {
            Some(next) => &mut next.before,
            None => &mut self.tail,
        };
        next.widen(slot.before);
    }

    fn end(&mut self, end: End, woken: &mut Vec<Waker>) {
        self.end.get_or_insert(end);
        woken.extend(self.reader.take());
        woken.append(&mut self.writers);
    }

    /// The next event; `None` if nothing is there yet.
    fn next(&mut self) -> Option<Option<Result<Event<T>>>> {
        let gap = match self.slots.front_mut() {
            Some(slot) => &mut slot.before,
            None => &mut self.tail,
        };
        if !gap.is_empty()
            && let Some(event) = gap.next()
        {
            return Some(Some(event));
        }
        if let Some(slot) = self.slots.pop_front() {
            self.bytes -= slot.cost;
            self.shrink();
            return Some(Some(Ok(Event::Message(slot.item))));
        }
        match std::mem::replace(self.end.as_mut()?, End::Over) {
            End::Over => Some(None),
            End::Failed(cause) => Some(Some(Err(cause.into()))),
        }
    }

    /// Frees memory that a burst has left.
    fn shrink(&mut self) {
        const KEEP: usize = 256;
        if self.slots.is_empty() && self.slots.capacity() > KEEP {
            self.slots = VecDeque::new();
        }
    }
}

impl<T> fmt::Debug for Inbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "inbox/tests.rs"]
mod tests;
