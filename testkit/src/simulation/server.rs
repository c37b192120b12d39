//! A small model of Redis: [`Server`].
//!
//! # Layout
//!
//! - `session`: one connection: reads commands, writes replies; `request`: the commands as they come
//! - `commands`: which command does what; `store`: the keys; `transaction`: MULTI and WATCH
//! - `blocked`: clients that wait for an element; `channels`: who is subscribed to what
//! - `state`: what all sessions share

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::answer::Answer;
use super::network::{Listener, Socket};
use super::world::{World, lock};

mod blocked;
mod channels;
mod commands;
mod request;
mod session;
mod state;
mod store;
mod transaction;

use session::Session;
use state::State;

/// What kind of server it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    /// Whether it knows HELLO.
    pub(crate) resp3: bool,
    /// Whether it sends pushes that no client knows.
    pub(crate) chatters: bool,
}

pub(crate) struct Server {
    world: Arc<World>,
    kind: Kind,
    state: Mutex<State>,
}

impl Server {
    pub(crate) fn new(world: Arc<World>, kind: Kind) -> Arc<Self> {
        let state = Mutex::new(State::new(world.seed, kind.resp3));
        Arc::new(Self { world, kind, state })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Has these keys from the beginning.
    pub(crate) fn fill(&self, keys: impl Iterator<Item = String>) {
        let mut state = self.state();
        for key in keys {
            state.store.set(key.as_bytes(), b"stable");
        }
    }

    /// Does nothing for a while, as a process that was stopped.
    pub(crate) fn pause(&self, time: Duration) {
        self.state().paused_until = Some(Instant::now() + time);
    }

    /// Goes on, if the pause is over.
    pub(crate) fn resume(&self) {
        self.state().wake_all();
    }

    /// Refuses writes for a while, as a replica does.
    pub(crate) fn demote(&self, time: Duration) {
        self.state().replica_until = Some(Instant::now() + time);
    }

    /// Lets nobody in for a while, because it has too many clients.
    pub(crate) fn crowd(&self, time: Duration) {
        self.state().crowded_until = Some(Instant::now() + time);
    }

    /// Refuses nearly everything for a while, as a server that reads its file.
    pub(crate) fn load(&self, time: Duration) {
        self.state().loading_until = Some(Instant::now() + time);
    }

    /// Ends: all sessions are gone. Without its data, if so.
    pub(crate) fn restart(&self, forgets: bool, changes_protocol: bool) {
        let mut state = self.state();
        state.restart(forgets);
        state.resp3 ^= changes_protocol;
        state.wake_all();
    }

    /// Ends all sessions, or only one of them, in good order: what they sent still arrives.
    pub(crate) fn hang_up(&self, only: Option<usize>) {
        self.state().hang_up(only);
    }

    /// How often it lost its data.
    pub(crate) fn losses(&self) -> u64 {
        self.state().losses
    }

    /// How often the server has all its subscriptions on this name, over all sessions.
    pub(crate) fn subscribers(&self, name: &[u8]) -> usize {
        self.state().channels.count(name)
    }
}

impl Server {
    /// How many sockets only for subscriptions are open without any.
    pub(crate) fn former_subscribers(&self) -> usize {
        self.state().former_subscribers()
    }
}

/// A listener is shared by the network; a server spawns a task for each session.
pub(crate) struct Accepting(pub(crate) Arc<Server>);

impl Listener for Accepting {
    fn accept(&self, socket: Socket, number: u64) {
        let server = self.0.clone();
        tokio::spawn(async move {
            let mut session = Session::begin(server, socket, number);
            std::future::poll_fn(|cx| session.poll(cx)).await;
        });
    }
}
