//! Which node each subscription of a cluster lives on: [`Places`].
//!
//! ```text
//!   the map changed, a node was lost ──┐            ┌── leave nodes that are not right any more
//!   a slot moved away (MOVED) ─────────┴─► settle ──┴── join those that are; the reader gets `Resubscribed`
//! ```
//!
//! A shard channel belongs on the owner of its slot. Channels and patterns need one node that hears of everything; all of
//! them share one, their home, so that there is one socket. Keyspace events belong on every primary.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::nodes::Node;
use super::routes::Routes;
use crate::command::slot;
use crate::config::Lag;
use crate::engine::inflight::Failure;
use crate::engine::subscriptions::cause::Cause;
use crate::engine::subscriptions::hub::{Hub, Membership};
use crate::engine::subscriptions::inbox::Inbox;
use crate::engine::subscriptions::message::Message;
use crate::engine::subscriptions::mover::Mover;
use crate::engine::subscriptions::source::SourceKind;
use crate::engine::subscriptions::table::Entrance;
use crate::engine::subscriptions::ticket::Ticket;
use crate::error::Phase;
use crate::pubsub::{Reach, home};
use crate::runtime::Lock;
use crate::runtime::planted::Planted;

/// If a node cannot be reached for this long, the map is asked for, and subscriptions that another node can serve move to
/// that node.
pub(super) const SILENCE: Duration = Duration::from_secs(1);

/// The subscriptions of a cluster.
#[derive(Debug, Default)]
pub(super) struct Places {
    state: Lock<State>,
    notes: Arc<Notes>,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<EntryId, Entry>,
    next: EntryId,
    /// The node of channels and patterns.
    home: Option<Arc<Node>>,
    /// Inboxes that end with all subscriptions, also while nothing is subscribed to for them.
    readers: Vec<Weak<Inbox<Message>>>,
    /// Why nothing is subscribed to any more.
    over: Option<Failure>,
}

pub(super) type EntryId = u64;

/// What nodes said of subscriptions, for the task to read.
#[derive(Debug, Default)]
pub(super) struct Notes {
    displaced: Lock<Vec<Displaced>>,
    hindered: AtomicBool,
    changed: Notify,
}

/// A subscription that has no place on a node any more.
#[derive(Debug)]
pub(super) struct Displaced {
    entry: EntryId,
    pub(super) node: Weak<Node>,
    pub(super) cause: Cause,
    ticket: Option<Arc<Ticket>>,
}

/// A subscription of one reader to one source.
#[derive(Debug)]
struct Entry {
    entrance: Entrance,
    reach: Reach,
    sockets: Arc<Sockets>,
    stays: Vec<Stay>,
    /// Since when a node of it cannot be reached.
    away: Option<Instant>,
}

/// A subscription on one node.
#[derive(Debug)]
struct Stay {
    node: Arc<Node>,
    membership: Membership,
}

/// Which sockets fill one inbox.
#[derive(Debug)]
pub(super) struct Sockets {
    lag: Lag,
    inbox: Arc<Inbox<Message>>,
    /// Where a socket is not read while the inbox is full: the hubs with such sockets, by their nodes. A node that has
    /// left the cluster must not live on in here.
    apart: Lock<Vec<(Weak<Node>, Arc<Hub>)>>,
}

/// Takes note of what a node says of a subscription.
#[derive(Debug)]
struct Porter {
    notes: Arc<Notes>,
    entry: EntryId,
    node: Weak<Node>,
}

impl Mover for Porter {
    fn displaced(&self, cause: Cause, ticket: Option<Arc<Ticket>>) {
        self.notes.displaced.lock().push(Displaced {
            entry: self.entry,
            node: self.node.clone(),
            cause,
            ticket,
        });
        self.notes.changed.notify_one();
    }

    fn hindered(&self) {
        let hindered = &self.notes.hindered;
        hindered.store(true, Ordering::Release);
        self.notes.changed.notify_one();
    }
}

impl Notes {
    /// Waits until there is something to do.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Which subscriptions were sent away since the last call.
    pub(super) fn take(&self) -> Vec<Displaced> {
        std::mem::take(&mut *self.displaced.lock())
    }

    /// The ticket of a subscription that a node sent away, if that was not heeded yet.
    fn take_ticket(&self, entry: EntryId, node: &Arc<Node>) -> Option<Arc<Ticket>> {
        let mut displaced = self.displaced.lock();
        let mut of_stay = displaced
            .iter_mut()
            .filter(|gone| gone.entry == entry && gone.node.as_ptr() == Arc::as_ptr(node));
        of_stay.find_map(|gone| gone.ticket.take())
    }

    /// Whether one was refused for now since the last call.
    pub(super) fn take_hindered(&self) -> bool {
        self.hindered.swap(false, Ordering::AcqRel)
    }
}

impl Places {
    /// The map has changed.
    pub(super) fn map_changed(&self) {
        self.notes.changed.notify_one();
    }

    /// What nodes say of subscriptions.
    pub(super) fn notes(&self) -> Arc<Notes> {
        self.notes.clone()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state.lock().entries.is_empty()
    }

    /// Adds a subscription. The ticket of the entrance gets the outcome.
    pub(super) fn add(
        &self,
        entrance: Entrance,
        reach: Reach,
        sockets: Arc<Sockets>,
        routes: &Routes,
    ) -> EntryId {
        if let Some(ticket) = &entrance.ticket {
            ticket.expect();
        }
        let mut state = self.state.lock();
        state.next += 1;
        let id = state.next;
        let entry = Entry {
            entrance,
            reach,
            sockets,
            stays: Vec::new(),
            away: None,
        };
        if let Some(failure) = state.over.clone() {
            drop(state);
            wake(|woken| entry.end(id, &failure, &self.notes, woken));
            return id;
        }
        state.entries.insert(id, entry);
        state.settle(id, routes, &self.notes);
        drop(state);
        // From now on the task looks at times.
        self.map_changed();
        id
    }

    /// Has an inbox end with all subscriptions, also while nothing is subscribed to for it.
    pub(super) fn attend(&self, inbox: &Arc<Inbox<Message>>) {
        let mut state = self.state.lock();
        if state.over.is_some() {
            // Nobody reads it yet.
            inbox.end(None, &mut Vec::new());
            return;
        }
        state.readers.retain(|reader| reader.strong_count() > 0);
        state.readers.push(Arc::downgrade(inbox));
    }

    /// Whether nothing is subscribed to any more.
    pub(super) fn is_over(&self) -> bool {
        self.state.lock().over.is_some()
    }

    /// Ends all subscriptions, for this reason.
    pub(super) fn end(&self, failure: &Failure) {
        let mut state = self.state.lock();
        let failure = state.over.get_or_insert_with(|| failure.clone()).clone();
        let failure = failure.in_phase(Phase::MaybeApplied);
        state.home = None;
        let entries = std::mem::take(&mut state.entries);
        let readers = std::mem::take(&mut state.readers);
        drop(state);
        wake(|woken| {
            for (id, entry) in entries {
                entry.end(id, &failure, &self.notes, woken);
            }
            let readers = readers.iter().filter_map(Weak::upgrade);
            readers.for_each(|reader| reader.end(None, woken));
        });
        self.map_changed();
    }

    /// Ends a subscription.
    pub(super) fn remove(&self, id: EntryId) {
        let entry = self.state.lock().entries.remove(&id);
        drop(entry);
    }

    /// Whether a subscription was neither refused nor ended.
    pub(super) fn has(&self, id: EntryId) -> bool {
        let state = self.state.lock();
        let entry = state.entries.get(&id);
        entry.is_some_and(|entry| {
            let mut stays = entry.stays.iter();
            entry.stays.is_empty() || stays.any(|stay| stay.membership.is_current())
        })
    }

    /// Puts every subscription where it belongs. Returns whether a node has been away for too long.
    pub(super) fn settle(&self, displaced: Vec<Displaced>, routes: &Routes) -> bool {
        let mut state = self.state.lock();
        for gone in displaced {
            state.remove(gone, &self.notes);
        }
        let is_lost = state.note_absences(routes);
        state.forget_home(routes);
        let entries: Vec<EntryId> = state.entries.keys().copied().collect();
        for id in entries {
            state.settle(id, routes, &self.notes);
        }
        is_lost
    }
}

impl Drop for Places {
    /// The task ends with the handle.
    fn drop(&mut self) {
        self.map_changed();
    }
}

impl Sockets {
    pub(super) fn new(lag: Lag, inbox: Arc<Inbox<Message>>) -> Self {
        Self {
            lag,
            inbox,
            apart: Lock::default(),
        }
    }

    /// The hub of a node that fills the inbox.
    fn hub_at(&self, node: &Arc<Node>) -> Arc<Hub> {
        let own = node.connection().link().hub();
        if self.lag != Lag::Wait {
            return own.clone();
        }
        let mut apart = self.apart.lock();
        // A hub that only this list holds has no subscription and no socket.
        let is_here = |known: &Weak<Node>| known.as_ptr() == Arc::as_ptr(node);
        apart.retain(|(known, hub)| is_here(known) || Arc::strong_count(hub) > 1);
        if let Some((_, hub)) = apart.iter().find(|(known, _)| is_here(known)) {
            return hub.clone();
        }
        let hub = home(own, &self.inbox, self.lag);
        apart.push((Arc::downgrade(node), hub.clone()));
        hub
    }
}

impl State {
    /// Puts an entry where it belongs now.
    fn settle(&mut self, id: EntryId, routes: &Routes, notes: &Arc<Notes>) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let wanted = entry.wanted(routes, &mut self.home);
        let is_wanted = |stay: &Stay| wanted.iter().any(|node| Arc::ptr_eq(node, &stay.node));
        entry.leave(id, notes, |stay| !is_wanted(stay));
        for node in wanted {
            let known = |stay: &Stay| Arc::ptr_eq(&stay.node, &node);
            if !entry.stays.iter().any(known) {
                let membership = entry.join(id, &node, notes);
                entry.stays.push(Stay { node, membership });
            }
        }
        // From now on, nodes count for it; what is joined later is found after a gap.
        if !entry.stays.is_empty()
            && let Some(ticket) = entry.entrance.ticket.take()
        {
            wake(|woken| ticket.confirm(woken));
        }
    }

    /// A home that has left the cluster is none, also while nothing is subscribed to there: it would be connected to
    /// for ever.
    fn forget_home(&mut self, routes: &Routes) {
        self.home = self.home.take().filter(|home| is_known(routes, home));
    }

    /// A node has no place for a subscription any more.
    fn remove(&mut self, displaced: Displaced, notes: &Notes) {
        let Some(entry) = self.entries.get_mut(&displaced.entry) else {
            return;
        };
        let node = displaced.node.as_ptr();
        entry.leave(displaced.entry, notes, |stay| {
            Arc::as_ptr(&stay.node) == node
        });
        entry.take_back(displaced.ticket);
    }

    /// Notes which subscriptions have lost their nodes. Returns whether one has for too long; then channels and patterns get
    /// another home.
    fn note_absences(&mut self, routes: &Routes) -> bool {
        let now = Instant::now();
        let (mut is_lost, mut home_is_lost) = (false, false);
        for entry in self.entries.values_mut() {
            if entry.stays.iter().all(|stay| stay.membership.is_served()) {
                entry.away = None;
                continue;
            }
            let since = *entry.away.get_or_insert(now);
            if now - since < SILENCE {
                continue;
            }
            is_lost = true;
            if entry.needs_home() {
                entry.away = None;
                home_is_lost = true;
            }
        }
        // Once, however many live there: a second choice could be the one that was lost.
        if home_is_lost {
            self.home = other_home(routes, self.home.as_ref());
        }
        is_lost
    }
}

impl Stay {
    /// Leaves the node. Returns the ticket of a caller who still waits for the confirmation.
    fn leave(self, id: EntryId, notes: &Notes) -> Option<Arc<Ticket>> {
        let ticket = self.membership.leave();
        // The node may have sent it away just now, and then the notes have the ticket.
        ticket.or_else(|| notes.take_ticket(id, &self.node))
    }
}

impl Entry {
    fn needs_home(&self) -> bool {
        self.reach == Reach::OneServer && self.entrance.source.kind() != SourceKind::Shard
    }

    /// The nodes that it should be on.
    fn wanted(&self, routes: &Routes, home: &mut Option<Arc<Node>>) -> Vec<Arc<Node>> {
        if self.reach == Reach::EveryPrimary {
            return routes.primaries().cloned().collect();
        }
        if self.needs_home() {
            if !home.as_ref().is_some_and(|home| is_known(routes, home)) {
                *home = other_home(routes, None);
            }
            return home.iter().cloned().collect();
        }
        let stays = Planted::StrayedSubscription.is_here() && !self.stays.is_empty();
        match routes.known_owner(slot(self.entrance.source.name_bytes())) {
            Some(owner) if !stays => vec![owner.clone()],
            // Nobody owns the slot now: it waits where it is.
            _ => match self.stays.first() {
                Some(stay) => vec![stay.node.clone()],
                None => routes.any_primary().cloned().into_iter().collect(),
            },
        }
    }

    /// Leaves nodes. None of them may keep the ticket of a caller who waits: it would not be confirmed any more.
    fn leave(&mut self, id: EntryId, notes: &Notes, is_left: impl Fn(&Stay) -> bool) {
        let left: Vec<Stay> = self.stays.extract_if(.., |stay| is_left(stay)).collect();
        for stay in left {
            self.take_back(stay.leave(id, notes));
        }
    }

    /// There will be no node for it any more.
    fn end(self, id: EntryId, failure: &Failure, notes: &Notes, woken: &mut Vec<Waker>) {
        let stays = self.stays.into_iter();
        let tickets = stays.filter_map(|stay| stay.leave(id, notes));
        for ticket in tickets.chain(self.entrance.ticket) {
            ticket.fail(Cause::Link(failure.clone()), woken);
        }
        self.entrance.inbox.end(None, woken);
    }

    /// A node will not confirm what this ticket waits for.
    fn take_back(&mut self, ticket: Option<Arc<Ticket>>) {
        let Some(ticket) = ticket else { return };
        let settled = match self.reach {
            // Whoever waits goes on waiting, for the node that is asked next.
            Reach::OneServer => self.entrance.ticket.replace(ticket),
            Reach::EveryPrimary => Some(ticket),
        };
        if let Some(ticket) = settled {
            wake(|woken| ticket.confirm(woken));
        }
    }

    fn join(&self, id: EntryId, node: &Arc<Node>, notes: &Arc<Notes>) -> Membership {
        if let Some(ticket) = &self.entrance.ticket {
            ticket.expect();
        }
        let porter = Porter {
            notes: notes.clone(),
            entry: id,
            node: Arc::downgrade(node),
        };
        self.sockets.hub_at(node).join(Entrance {
            mover: Some(Arc::new(porter)),
            ..self.entrance.clone()
        })
    }
}

fn is_known(routes: &Routes, node: &Arc<Node>) -> bool {
    routes.nodes().iter().any(|known| Arc::ptr_eq(known, node))
}

/// A primary for channels and patterns; one that is connected, if there is one, so that no further socket is needed.
fn other_home(routes: &Routes, but: Option<&Arc<Node>>) -> Option<Arc<Node>> {
    let others: Vec<&Arc<Node>> = routes
        .primaries()
        .filter(|node| !but.is_some_and(|but| Arc::ptr_eq(node, but)))
        .collect();
    let connected: Vec<&Arc<Node>> = others
        .iter()
        .copied()
        .filter(|node| node.connection().is_connected())
        .collect();
    let from = if connected.is_empty() {
        others
    } else {
        connected
    };
    let chosen = from.get(fastrand::usize(..from.len().max(1)));
    // Where there is no other, the same node is waited for.
    chosen.copied().or(but).cloned()
}

fn wake(work: impl FnOnce(&mut Vec<Waker>)) {
    let mut woken = Vec::new();
    work(&mut woken);
    woken.into_iter().for_each(Waker::wake);
}

#[cfg(test)]
mod tests;
