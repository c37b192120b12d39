//! Which socket serves the subscriptions of a connection: [`Hub`], which holds the table of subscriptions.
//!
//! ```text
//!    RESP3: the connection's own socket       RESP2, or `Lag::Wait`: a socket apart
//!
//!      Connection ──► Link ◄── Driver           Connection ──► Link ◄── Driver
//!                      │ hub                                    │ hub
//!                      ▼                                        ▼
//!                  Hub (Table)                              Hub (Table) ◄── Link ◄── Driver
//! ```
//!
//! The second socket is opened by the first subscription and closed after the last.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::Waker;

use tokio::runtime::Handle;

use super::cause::Cause;
use super::inbox::Inbox;
use super::invalidation::Invalidates;
use super::message::Message;
use super::source::Source;
use super::table::{Entrance, MemberId, Received, Table};
use super::ticket::Ticket;
use crate::config::Config;
use crate::engine::inflight::{Awaits, Failure};
use crate::error::ServerError;
use crate::reply::Frame;
use crate::runtime::Lock;
use crate::runtime::Task;
use crate::runtime::planted::Planted;

/// A socket that can serve subscriptions, as a hub sees it.
pub(crate) trait Line: Send + Sync {
    /// Whether the last socket that logged in speaks RESP3.
    fn speaks_resp3(&self) -> bool;
    /// Whether the next socket may speak RESP3, as far as is known.
    fn may_speak_resp3(&self) -> bool;
    /// Whether there is a socket that is ready.
    fn is_connected(&self) -> bool;
    /// Makes the driver check whether there is something to do.
    fn nudge(&self);
    /// Closes the socket at once.
    fn close(&self);
}

/// Opens a socket only for the subscriptions of a hub. Returns its line, and the task that serves it.
pub(crate) type OpenApart = fn(Arc<Config>, Arc<Hub>) -> (Weak<dyn Line>, Task);

#[derive(Debug)]
pub(crate) struct Hub {
    config: Arc<Config>,
    runtime: Handle,
    open_apart: OpenApart,
    /// Whether the driver should look at the table; read without taking the lock.
    dirty: AtomicBool,
    /// While this inbox has no room, nothing is read.
    gate: Option<Weak<Inbox<Message>>>,
    state: Lock<State>,
}

#[derive(Debug, Default)]
struct State {
    table: Table,
    /// The connection's own socket.
    commands: Option<Weak<dyn Line>>,
    /// A socket only for subscriptions, while there is one.
    apart: Option<Weak<dyn Line>>,
    ended: Option<Failure>,
    /// Hubs for other subscriptions of this connection, each with its own socket.
    others: Vec<Weak<Hub>>,
    /// Inboxes that end with the connection, also while nothing is subscribed to for them.
    readers: Vec<Weak<Inbox<Message>>>,
}

impl Hub {
    pub(crate) fn new(config: Arc<Config>, runtime: Handle, open_apart: OpenApart) -> Self {
        Self {
            config,
            runtime,
            open_apart,
            dirty: AtomicBool::new(false),
            gate: None,
            state: Lock::default(),
        }
    }

    /// A hub with a socket only for this inbox. The socket is not read while the inbox is full.
    pub(crate) fn for_inbox(self: &Arc<Self>, inbox: &Arc<Inbox<Message>>) -> Arc<Self> {
        let mut hub = Self::new(self.config.clone(), self.runtime.clone(), self.open_apart);
        hub.gate = Some(Arc::downgrade(inbox));
        let hub = Arc::new(hub);
        let mut state = self.state.lock();
        hub.state.lock().ended = state.ended.clone();
        state.others.retain(|other| other.strong_count() > 0);
        state.others.push(Arc::downgrade(&hub));
        hub
    }

    pub(crate) fn belongs_to(&self, commands: Weak<dyn Line>) {
        self.state.lock().commands = Some(commands);
    }

    /// Where its connection lives: what is to last as long as the connection belongs there.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    // ---- the subscribers' side ----

    /// Subscribes; the ticket gets the outcome.
    pub(crate) fn join(self: &Arc<Self>, entrance: Entrance) -> Membership {
        let mut woken = Vec::new();
        let source = entrance.source.clone();
        let mut state = self.state.lock();
        let (id, driver) = if let Some(failure) = state.ended.clone() {
            entrance.refuse(failure, &mut woken);
            (0, None)
        } else {
            let id = state.table.join(entrance, &mut woken);
            (id, self.ensure_served(&mut state))
        };
        drop(state);
        self.launch(driver);
        self.stir();
        woken.into_iter().for_each(Waker::wake);
        Membership {
            hub: self.clone(),
            source,
            id,
        }
    }

    /// Has an inbox end with the connection, also while nothing is subscribed to for it.
    pub(crate) fn attend(&self, inbox: &Arc<Inbox<Message>>) {
        let mut state = self.state.lock();
        if let Some(failure) = &state.ended {
            // Nobody reads it yet.
            inbox.end(Some(Cause::ended_by(failure)), &mut Vec::new());
            return;
        }
        state.readers.retain(|reader| reader.strong_count() > 0);
        state.readers.push(Arc::downgrade(inbox));
    }

    /// Reports invalidations to `listener`; see [`Invalidates`].
    pub(crate) fn watch_invalidations(
        self: &Arc<Self>,
        listener: Arc<dyn Invalidates>,
    ) -> Result<InvalidationWatch, Failure> {
        let mut state = self.state.lock();
        match &state.ended {
            Some(failure) => Err(failure.clone()),
            None => Ok(InvalidationWatch {
                id: state.table.watch_invalidations(listener),
                hub: self.clone(),
            }),
        }
    }

    /// Makes the driver look at the table.
    fn stir(&self) {
        self.dirty.store(true, Ordering::Release);
        let state = self.state.lock();
        let serving = state.apart.as_ref().or(state.commands.as_ref());
        let line = serving.and_then(Weak::upgrade);
        drop(state);
        if let Some(line) = line {
            line.nudge();
        }
    }

    /// The task of a second socket, if there has to be one to serve the table.
    fn ensure_served(self: &Arc<Self>, state: &mut State) -> Option<Task> {
        let own = state.commands.as_ref().and_then(Weak::upgrade);
        let served = state.apart.is_some() || own.is_some_and(|line| line.may_speak_resp3());
        if served {
            return None;
        }
        let (line, driver) = (self.open_apart)(self.config.clone(), self.clone());
        state.apart = Some(line);
        Some(driver)
    }

    /// Not called under the lock: a runtime that is shutting down drops the driver at once.
    fn launch(&self, driver: Option<Task>) {
        if let Some(driver) = driver {
            self.runtime.spawn(driver);
        }
    }

    // ---- the drivers' side ----

    /// Whether [`Hub::take_operations`] may have something; cheap.
    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::Acquire)
    }

    /// The commands that this driver is to send.
    pub(crate) fn take_operations(&self, link: &dyn Line) -> Vec<(Vec<u8>, Awaits)> {
        let mut state = self.state.lock();
        if !state.is_served_by(link) {
            return Vec::new();
        }
        self.dirty.store(false, Ordering::Release);
        state.table.take_operations()
    }

    /// Takes a push; see [`Table::receive`].
    pub(crate) fn receive(
        &self,
        push: &Frame,
        may_answer: impl FnOnce() -> bool,
        woken: &mut Vec<Waker>,
    ) -> Received {
        let mut state = self.state.lock();
        let received = state.table.receive(push, may_answer, woken);
        if state.table.is_dirty() {
            self.dirty.store(true, Ordering::Release);
        }
        received
    }

    /// The server refused the oldest command; returns whether to call [`Hub::retry_postponed`] after a pause.
    pub(crate) fn refused(&self, error: &ServerError, woken: &mut Vec<Waker>) -> bool {
        let again = self.state.lock().table.refused(error, woken);
        self.dirty.store(true, Ordering::Release);
        again
    }

    /// Takes a reply to the oldest command or to the PING after it; see [`Table::fenced`]. Also returns whether to call
    /// [`Hub::retry_postponed`] after a pause.
    pub(crate) fn fenced(
        &self,
        error: Option<&ServerError>,
        woken: &mut Vec<Waker>,
    ) -> (Received, bool) {
        let received = self.state.lock().table.fenced(error, woken);
        self.dirty.store(true, Ordering::Release);
        received
    }

    pub(crate) fn retry_postponed(&self) {
        self.state.lock().table.retry_postponed();
        self.dirty.store(true, Ordering::Release);
    }

    /// Whether a push of `size` bytes may be taken; if not, `waker` is woken when there is room.
    ///
    /// While the server owes the confirmation that a reader may wait for, there is room for all that it sent before: the
    /// reader would wait for itself.
    pub(crate) fn has_room(&self, size: usize, waker: &Waker) -> bool {
        let gate = self.gate.as_ref().and_then(Weak::upgrade);
        gate.is_none_or(|inbox| {
            inbox.has_room(size, waker)
                || (inbox.has_open_call() && self.state.lock().table.is_asking())
        })
    }

    /// A socket is ready to serve subscriptions.
    pub(crate) fn connected(self: &Arc<Self>, link: &dyn Line) {
        let mut state = self.state.lock();
        let is_own = state.is_own(link) && state.apart.is_none();
        // The server, or a proxy, may no longer speak RESP3.
        let driver = if is_own && !link.speaks_resp3() && !state.table.is_empty() {
            self.ensure_served(&mut state)
        } else {
            None
        };
        drop(state);
        self.launch(driver);
        self.dirty.store(true, Ordering::Release);
    }

    /// Whether this socket has to be open also while no command is sent: for a subscription, or for who listens to invalidations.
    pub(crate) fn needs(&self, link: &dyn Line) -> bool {
        let state = self.state.lock();
        let serves = state.apart.is_none() && !state.table.is_empty();
        state.is_own(link) && (serves || state.table.keeps_awake())
    }

    /// Whether a socket that serves the table is connected.
    fn is_served(&self) -> bool {
        let state = self.state.lock();
        let serving = state.apart.as_ref().or(state.commands.as_ref());
        let line = serving.and_then(Weak::upgrade);
        drop(state);
        line.is_some_and(|line| line.is_connected())
    }

    /// A socket was lost.
    pub(crate) fn lost(&self, link: &dyn Line, woken: &mut Vec<Waker>) {
        let mut state = self.state.lock();
        if state.is_own(link) {
            state.table.lost_track(woken);
        }
        let serves = match &state.apart {
            Some(apart) => is(apart, link),
            None => state.is_own(link),
        };
        if serves {
            state.table.lost();
            self.dirty.store(true, Ordering::Release);
        }
    }

    /// The server refuses the connection or the login.
    pub(crate) fn shut_out(&self, link: &dyn Line, failure: &Failure, woken: &mut Vec<Waker>) {
        let mut state = self.state.lock();
        if state.apart.as_ref().is_none_or(|apart| is(apart, link)) {
            state.table.fail_pending(failure, woken);
        }
    }

    /// Whether this separate socket is not needed any more, because nothing is subscribed; from then on it is not
    /// used.
    pub(crate) fn retires(&self, link: &dyn Line) -> bool {
        let mut state = self.state.lock();
        let serves = state.apart.as_ref().is_some_and(|apart| is(apart, link));
        if serves && state.table.is_empty() && !Planted::KeptSocket.is_here() {
            state.table.lost();
            state.apart = None;
        }
        state.apart.as_ref().is_none_or(|apart| !is(apart, link))
    }

    /// The driver of `link` ends.
    pub(crate) fn end(&self, link: &dyn Line, failure: &Failure, woken: &mut Vec<Waker>) {
        let mut state = self.state.lock();
        let apart = state.apart.take();
        if !state.is_own(link) && !apart.as_ref().is_some_and(|apart| is(apart, link)) {
            state.apart = apart;
            return;
        }
        state.end(failure, woken);
        let others = std::mem::take(&mut state.others);
        drop(state);
        if let Some(line) = apart.and_then(|apart| apart.upgrade()) {
            line.close();
        }
        for other in others.iter().filter_map(Weak::upgrade) {
            other.close(failure, woken);
        }
    }

    /// The connection that this hub's subscriptions belong to has ended. It may have no socket that would end them.
    fn close(&self, failure: &Failure, woken: &mut Vec<Waker>) {
        let mut state = self.state.lock();
        state.end(failure, woken);
        let line = state.apart.as_ref().and_then(Weak::upgrade);
        drop(state);
        if let Some(line) = line {
            line.close();
        }
    }
}

impl State {
    fn end(&mut self, failure: &Failure, woken: &mut Vec<Waker>) {
        self.ended.get_or_insert_with(|| failure.clone());
        self.table.end(failure, woken);
        for reader in self.readers.drain(..).filter_map(|reader| reader.upgrade()) {
            reader.end(Some(Cause::ended_by(failure)), woken);
        }
    }

    fn is_own(&self, link: &dyn Line) -> bool {
        self.commands.as_ref().is_some_and(|own| is(own, link))
    }

    fn is_served_by(&self, link: &dyn Line) -> bool {
        match &self.apart {
            Some(apart) => is(apart, link),
            None => self.is_own(link) && link.speaks_resp3(),
        }
    }
}

fn is(known: &Weak<dyn Line>, link: &dyn Line) -> bool {
    std::ptr::addr_eq(known.as_ptr(), link)
}

/// A subscription of one reader to one source; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Membership {
    hub: Arc<Hub>,
    source: Arc<Source>,
    id: MemberId,
}

impl Membership {
    /// Whether a socket that serves it is connected.
    pub(crate) fn is_served(&self) -> bool {
        self.hub.is_served()
    }

    /// Whether it was neither refused nor ended.
    pub(crate) fn is_current(&self) -> bool {
        self.hub.state.lock().table.has(&self.source, self.id)
    }

    /// Ends it. Returns the ticket of a caller who still waits for the confirmation, which will not come from here.
    pub(crate) fn leave(self) -> Option<Arc<Ticket>> {
        // Dropping it then finds nothing to remove.
        self.hub.state.lock().table.leave(&self.source, self.id)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let left = self.hub.state.lock().table.leave(&self.source, self.id);
        drop(left);
        self.hub.stir();
    }
}

/// A listener's interest in invalidations; dropping it ends it.
#[derive(Debug)]
pub(crate) struct InvalidationWatch {
    hub: Arc<Hub>,
    id: MemberId,
}

impl Drop for InvalidationWatch {
    fn drop(&mut self) {
        self.hub.state.lock().table.unwatch_invalidations(self.id);
    }
}
