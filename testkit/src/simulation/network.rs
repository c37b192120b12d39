//! Sockets in memory: [`Network`] connects a client to the server that listens at a port.
//!
//! # Layout
//!
//! - `pipe`: the bytes of one direction, and when they arrive
//! - `wire`: the two directions of one connection, and what may happen to them
//! - `socket`: one end of a wire, as tokio reads and writes it

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::random::Random;
use super::world::{World, lock};

mod pipe;
mod socket;
mod wire;

pub(crate) use socket::Socket;
use wire::Side;
pub(crate) use wire::{Direction, Wire};

/// The port of the model server, or of the first node of a cluster.
pub(crate) const PORT: u16 = 6379;

/// How the network behaves when nothing is broken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    /// The shortest and the longest time that bytes are under way, in milliseconds.
    pub(crate) latency: (u64, u64),
    /// One in this many reads and writes is cut short.
    pub(crate) splits: u32,
    /// One in this many polls of a socket that is ready says that it is not, and wakes its task.
    pub(crate) hesitates: u32,
    /// How many bytes are under way before a writer has to wait.
    pub(crate) window: usize,
}

/// Takes the server's end of a new connection.
pub(crate) trait Listener: Send + Sync {
    /// Takes it.
    fn accept(&self, socket: Socket, number: u64);
}

/// What happens to somebody who connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Welcome {
    /// The connection is made.
    Open,
    /// Nobody listens.
    Refused,
    /// No answer comes.
    Silent,
}

pub(crate) struct Network {
    world: Arc<World>,
    weather: Weather,
    state: Mutex<State>,
}

struct State {
    random: Random,
    listeners: BTreeMap<u16, (Arc<dyn Listener>, Welcome)>,
    wires: Vec<Weak<Wire>>,
    next: u64,
    /// New wires break after this many bytes in a direction.
    curse: Option<(Direction, u64)>,
}

impl Network {
    pub(crate) fn new(world: Arc<World>, weather: Weather) -> Self {
        let random = Random::of(world.seed, "network", 0);
        Self {
            world,
            weather,
            state: Mutex::new(State {
                random,
                listeners: BTreeMap::new(),
                wires: Vec::new(),
                next: 1,
                curse: None,
            }),
        }
    }

    pub(crate) fn listen(&self, port: u16, listener: Arc<dyn Listener>) {
        lock(&self.state)
            .listeners
            .insert(port, (listener, Welcome::Open));
    }

    /// Sets what happens to those who connect from now on.
    pub(crate) fn set_welcome(&self, port: u16, welcome: Welcome) {
        if let Some((_, now)) = lock(&self.state).listeners.get_mut(&port) {
            *now = welcome;
        }
    }

    /// Has new wires break after this many bytes in a direction, or not.
    pub(crate) fn curse(&self, curse: Option<(Direction, u64)>) {
        lock(&self.state).curse = curse;
    }

    /// Drops the listeners, which hold the servers.
    pub(crate) fn shut_down(&self) {
        lock(&self.state).listeners.clear();
    }

    /// Connects to a port.
    pub(crate) async fn connect(&self, port: u16) -> io::Result<Socket> {
        let trip = self.trip();
        sleep(trip).await;
        let (listener, welcome) = self.listener(port)?;
        match welcome {
            Welcome::Open => {}
            Welcome::Refused => return Err(io::ErrorKind::ConnectionRefused.into()),
            Welcome::Silent => std::future::pending().await,
        }
        let (number, wire) = self.new_wire();
        self.world
            .note(1, number, || format!("wire {number} to {port} opens"));
        listener.accept(Socket::new(wire.clone(), Side::Server), number);
        // Made before the wait, so that it is closed if whoever connects gives up.
        let socket = Socket::new(wire, Side::Client);
        sleep(trip).await;
        Ok(socket)
    }

    fn trip(&self) -> Duration {
        let (least, most) = self.weather.latency;
        lock(&self.state).random.millis(least..=most)
    }

    fn listener(&self, port: u16) -> io::Result<(Arc<dyn Listener>, Welcome)> {
        let state = lock(&self.state);
        let listener = state.listeners.get(&port);
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        listener.cloned().ok_or_else(refused)
    }

    fn new_wire(&self) -> (u64, Arc<Wire>) {
        let mut state = lock(&self.state);
        let number = state.next;
        state.next += 1;
        let wire = Arc::new(Wire::new(number, self.world.seed, self.weather));
        if let Some((direction, bytes)) = state.curse {
            wire.reset_after(direction, bytes);
        }
        state.wires.retain(|known| known.strong_count() > 0);
        state.wires.push(Arc::downgrade(&wire));
        (number, wire)
    }

    /// The wires that are open, the oldest first.
    pub(crate) fn wires(&self) -> Vec<Arc<Wire>> {
        let state = lock(&self.state);
        state.wires.iter().filter_map(Weak::upgrade).collect()
    }

    /// How many wires have a client.
    pub(crate) fn clients(&self) -> usize {
        let wires = self.wires();
        wires.iter().filter(|wire| wire.has_client()).count()
    }
}

/// Whether a moment has come.
fn is_due(due: Instant) -> bool {
    due <= Instant::now()
}
