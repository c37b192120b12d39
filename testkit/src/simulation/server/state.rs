//! What all sessions of a server share: [`State`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::Mutex;
use std::task::Waker;

use tokio::time::Instant;

use super::Lie;
use super::blocked::Blocked;
use super::channels::Channels;
use super::membership::Membership;
use super::store::{Entry, Store};
use super::tracking::Tracking;
use crate::simulation::answer::Answer;
use crate::simulation::random::Random;
use crate::simulation::world::lock;

#[derive(Debug)]
pub(super) struct State {
    pub(super) random: Random,
    pub(super) store: Store,
    pub(super) channels: Channels,
    pub(super) blocked: Blocked,
    pub(super) tracking: Tracking,
    /// `None` for a server that is alone.
    pub(super) membership: Option<Membership>,
    /// What it says of its service instead of what it knows, if it is a Sentinel.
    pub(super) lie: Option<Lie>,
    /// What its primary has written, and when it gets here.
    incoming: VecDeque<(Instant, Vec<u8>, Entry)>,
    /// How often the process was started.
    pub(super) run: u64,
    pub(super) scripts: BTreeSet<Vec<u8>>,
    pub(super) paused_until: Option<Instant>,
    pub(super) loading_until: Option<Instant>,
    pub(super) replica_until: Option<Instant>,
    pub(super) crowded_until: Option<Instant>,
    /// Whether it knows HELLO.
    pub(super) resp3: bool,
    pub(super) changed_protocol: bool,
    pub(super) losses: u64,
    sessions: BTreeMap<u64, Arc<Mutex<Outbox>>>,
}

/// What a session has to send, and whether it is to end.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) bytes: Vec<u8>,
    pub(super) resp3: bool,
    /// Whether it had subscriptions.
    pub(super) subscribed: bool,
    /// The socket is closed when everything was sent.
    pub(super) hangs_up: bool,
    /// The session is gone at once.
    pub(super) is_dead: bool,
    /// Somebody else answered the command that it waited with.
    pub(super) unblocked: bool,
    pub(super) waker: Option<Waker>,
}

impl Outbox {
    pub(super) fn put(&mut self, answer: &Answer) {
        answer.write(self.resp3, &mut self.bytes);
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// Whether something that ends at a moment goes on.
fn lasts(until: Option<Instant>) -> bool {
    until.is_some_and(|until| until > Instant::now())
}

impl State {
    pub(super) fn new(random: Random, resp3: bool) -> Self {
        Self {
            random,
            store: Store::default(),
            channels: Channels::default(),
            blocked: Blocked::default(),
            tracking: Tracking::default(),
            membership: None,
            lie: None,
            incoming: VecDeque::new(),
            run: 1,
            scripts: BTreeSet::new(),
            paused_until: None,
            loading_until: None,
            replica_until: None,
            crowded_until: None,
            resp3,
            changed_protocol: false,
            losses: 0,
            sessions: BTreeMap::new(),
        }
    }

    pub(super) fn enter(&mut self, id: u64) -> Arc<Mutex<Outbox>> {
        let outbox = Arc::new(Mutex::new(Outbox::default()));
        if lasts(self.crowded_until) {
            let mut outbox = lock(&outbox);
            outbox.put(&Answer::refusal("ERR max number of clients reached"));
            outbox.hangs_up = true;
        }
        self.sessions.insert(id, outbox.clone());
        outbox
    }

    pub(super) fn leave(&mut self, id: u64) {
        self.sessions.remove(&id);
        self.channels.leave_all(id);
        self.blocked.give_up(id);
        self.tracking.leave(id);
    }

    pub(super) fn is_paused(&self) -> bool {
        lasts(self.paused_until)
    }

    pub(super) fn is_loading(&self) -> bool {
        lasts(self.loading_until)
    }

    pub(super) fn is_replica(&self) -> bool {
        let follows = |node: &Membership| !node.is_of_cluster() && node.primary() != Some(node.me);
        lasts(self.replica_until) || self.membership.as_ref().is_some_and(follows)
    }

    /// Sends something to a session that did not ask for it just now.
    pub(super) fn send(&self, id: u64, answer: &Answer) {
        if let Some(outbox) = self.sessions.get(&id) {
            let mut outbox = lock(outbox);
            outbox.put(answer);
            outbox.wake();
        }
    }

    /// Answers the command that a session waits with.
    pub(super) fn unblock(&self, id: u64, answer: &Answer) {
        if let Some(outbox) = self.sessions.get(&id) {
            let mut outbox = lock(outbox);
            outbox.put(answer);
            outbox.unblocked = true;
            outbox.wake();
        }
    }

    /// Answers the command that a session waits with, and closes the session.
    pub(super) fn turn_out(&self, id: u64, answer: &Answer) {
        self.unblock(id, answer);
        if let Some(outbox) = self.sessions.get(&id) {
            lock(outbox).hangs_up = true;
        }
    }

    /// Tells those who track keys what has changed.
    pub(super) fn tell_news(&mut self) {
        for (id, news) in self.tracking.take_news() {
            // In RESP2 it would be taken for a reply, so real servers do not send it.
            let speaks = |outbox: &Arc<Mutex<Outbox>>| lock(outbox).resp3;
            if self.sessions.get(&id).is_some_and(speaks) {
                self.send(id, &news);
            }
        }
    }

    /// Takes note of what its primary has written, which gets here at this moment.
    pub(super) fn expect(&mut self, due: Instant, key: &[u8], entry: Entry) {
        let due = self
            .incoming
            .back()
            .map_or(due, |(last, ..)| due.max(*last));
        self.incoming.push_back((due, key.to_vec(), entry));
    }

    /// Takes over what has got here by now, or everything.
    pub(super) fn catch_up(&mut self, everything: bool) {
        let now = Instant::now();
        while let Some((due, ..)) = self.incoming.front()
            && (everything || *due <= now)
            && let Some((_, key, entry)) = self.incoming.pop_front()
        {
            self.store.put(&key, entry);
            self.tracking.changed(None, &key);
        }
    }

    /// It is the primary from now on: what its former primary has written, and has not got here, never does.
    pub(super) fn forget_primary(&mut self) {
        self.incoming.clear();
    }

    /// Becomes a copy of another server.
    pub(super) fn copy(&mut self, keys: BTreeMap<Vec<u8>, Entry>) {
        self.incoming.clear();
        self.store.copy(keys);
        self.tracking.all_changed();
        self.tell_news();
    }

    /// How many sessions there are.
    pub(super) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// How many sockets of RESP2 had subscriptions and have none.
    pub(super) fn former_subscribers(&self) -> usize {
        let is_former = |(id, outbox): &(&u64, &Arc<Mutex<Outbox>>)| {
            let outbox = lock(outbox);
            outbox.subscribed && !outbox.resp3 && !self.channels.has(**id)
        };
        self.sessions.iter().filter(is_former).count()
    }

    pub(super) fn wake_all(&mut self) {
        self.sessions
            .values()
            .for_each(|outbox| lock(outbox).wake());
    }

    pub(super) fn restart(&mut self, forgets: bool) {
        for outbox in self.sessions.values() {
            lock(outbox).is_dead = true;
        }
        // Scripts are never kept.
        self.scripts.clear();
        self.channels = Channels::default();
        self.blocked = Blocked::default();
        self.tracking = Tracking::default();
        self.run += 1;
        self.paused_until = None;
        if forgets {
            self.losses += 1;
            self.store.forget_all();
        }
    }

    pub(super) fn hang_up(&mut self, only: Option<usize>) {
        let count = self.sessions.len().max(1);
        for (index, outbox) in self.sessions.values().enumerate() {
            if only.is_none_or(|only| only % count == index) {
                let mut outbox = lock(outbox);
                outbox.hangs_up = true;
                outbox.wake();
            }
        }
    }
}
