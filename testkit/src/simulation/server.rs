//! A small model of Redis: [`Server`].
//!
//! # Layout
//!
//! - `session`: one connection: reads commands, writes replies; `request`: the commands as they come
//! - `commands`: the commands of a session; `apply`: those that the server carries out for it; `words`: what their words mean
//! - `store`: the keys; `transaction`: MULTI and WATCH; `tracking`: who is told what has changed
//! - `blocked`: clients that wait for an element; `channels`: who is subscribed to what
//! - `membership`: the server as a node of a cluster; `moves`: what leaves it and what arrives
//! - `sentinel`: the server as a Sentinel, and as a node of a service that Sentinels watch
//! - `fleet/`: all servers of a world, as a cluster if it is one
//! - `state`: what all sessions share

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::answer::Answer;

use super::network::{Listener, Socket};
use super::random::Random;
use super::world::{World, lock};

mod apply;
mod blocked;
mod channels;
mod commands;
pub(crate) mod fleet;
mod membership;
mod moves;
mod request;
mod sentinel;
mod session;
mod state;
mod store;
mod tracking;
mod transaction;
mod words;

pub(crate) use channels::ChannelKind;
use fleet::{Fleet, NodeId};
pub(crate) use sentinel::{Lie, SENTINEL_PORT, SERVICE};
use session::Session;
use state::State;

/// What kind of server it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    /// Whether it knows HELLO.
    pub(crate) resp3: bool,
    /// Whether it sends pushes that no client knows.
    pub(crate) chatters: bool,
    /// Whether changes of keys are told before the reply to what changed them.
    pub(crate) pushes_first: bool,
    pub(crate) group: Group,
}

/// What the servers of a world are to each other.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Group {
    /// There is only one.
    Alone,
    Service(ServiceKind),
    Cluster(ClusterKind),
}

impl Kind {
    /// What kind of cluster it is in, if it is in one.
    pub(crate) fn cluster(&self) -> Option<ClusterKind> {
        match self.group {
            Group::Cluster(cluster) => Some(cluster),
            Group::Alone | Group::Service(_) => None,
        }
    }

    /// What kind of service it belongs to, if it does.
    pub(crate) fn service(&self) -> Option<ServiceKind> {
        match self.group {
            Group::Service(service) => Some(service),
            Group::Alone | Group::Cluster(_) => None,
        }
    }
}

/// A primary and its replica, and the Sentinels that watch them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServiceKind {
    pub(crate) sentinels: usize,
    /// How many of the Sentinels the clients are told of; the Sentinels name the others.
    pub(crate) configured: usize,
    /// Whether all sessions of a node are closed when it becomes a replica.
    pub(crate) turns_out: bool,
}

/// What kind of cluster its servers are in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClusterKind {
    pub(crate) shards: usize,
    /// How many replicas each primary has.
    pub(crate) replicas: usize,
    pub(crate) host: HostStyle,
    /// Whether the keys of commands in a transaction are checked only at EXEC.
    pub(crate) queues_all: bool,
    /// Whether sessions that wait for an element are closed when their server becomes a replica.
    pub(crate) turns_out: bool,
}

/// How the nodes of a cluster name hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostStyle {
    Named,
    /// The host of the node that is asked is meant.
    Absent,
    Unknown,
}

pub(crate) struct Server {
    world: Arc<World>,
    pub(crate) id: NodeId,
    kind: Kind,
    /// The servers that it belongs to.
    fleet: OnceLock<Weak<Fleet>>,
    state: Mutex<State>,
}

impl Server {
    pub(crate) fn new(world: Arc<World>, id: NodeId, kind: Kind) -> Arc<Self> {
        let random = Random::of(world.seed, "server", id as u64);
        let state = Mutex::new(State::new(random, kind.resp3));
        Arc::new(Self {
            world,
            id,
            kind,
            fleet: OnceLock::new(),
            state,
        })
    }

    /// Names the servers that it belongs to.
    pub(crate) fn join(&self, fleet: &Arc<Fleet>) {
        // It is called once.
        let _ = self.fleet.set(Arc::downgrade(fleet));
    }

    fn fleet(&self) -> Option<Arc<Fleet>> {
        self.fleet.get()?.upgrade()
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

    /// Loses its data.
    pub(crate) fn flush(&self) {
        let mut state = self.state();
        state.losses += 1;
        state.store.forget_all();
        state.tracking.all_changed();
        state.tell_news();
        self.world.ledger().forgot_all();
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
        if forgets {
            self.world.ledger().forgot_all();
        }
        state.resp3 ^= changes_protocol;
        state.changed_protocol |= changes_protocol;
        state.wake_all();
    }

    /// Ends all sessions, or only one of them, in good order: what they sent still arrives.
    pub(crate) fn hang_up(&self, only: Option<usize>) {
        self.state().hang_up(only);
    }

    /// Whether it has begun or ceased to speak RESP3.
    pub(crate) fn has_changed_protocol(&self) -> bool {
        self.state().changed_protocol
    }

    /// The text of a key, as a client gets it.
    pub(crate) fn text(&self, key: &str) -> Answer {
        self.state().store.get(key.as_bytes())
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
