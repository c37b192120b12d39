//! One connection: [`Wire`], and what may happen to it.

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::Weather;
use super::pipe::Pipe;
use crate::simulation::random::Random;
use crate::simulation::world::lock;

/// Whose end it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// Which bytes something happens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    ToServer,
    ToClient,
}

impl Direction {
    pub(crate) const BOTH: [Self; 2] = [Self::ToServer, Self::ToClient];

    /// What this side writes to.
    pub(super) fn from(side: Side) -> Self {
        match side {
            Side::Client => Self::ToServer,
            Side::Server => Self::ToClient,
        }
    }

    /// What this side reads from.
    pub(super) fn to(side: Side) -> Self {
        match side {
            Side::Client => Self::ToClient,
            Side::Server => Self::ToServer,
        }
    }
}

/// One connection between a client and a server.
#[derive(Debug)]
pub(crate) struct Wire {
    weather: Weather,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) random: Random,
    to_server: Pipe,
    to_client: Pipe,
    /// The error that both sides get.
    pub(super) broken: Option<io::ErrorKind>,
    pub(super) client_gone: bool,
    pub(super) server_gone: bool,
}

impl State {
    pub(super) fn pipe(&mut self, direction: Direction) -> &mut Pipe {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }

    /// Whether the reader of this direction has gone.
    pub(super) fn reader_gone(&self, direction: Direction) -> bool {
        match direction {
            Direction::ToServer => self.server_gone,
            Direction::ToClient => self.client_gone,
        }
    }

    pub(super) fn break_with(&mut self, kind: io::ErrorKind) {
        self.broken.get_or_insert(kind);
        self.to_server.wake_all();
        self.to_client.wake_all();
    }
}

impl Wire {
    pub(super) fn new(number: u64, seed: u64, weather: Weather) -> Self {
        Self {
            weather,
            state: Mutex::new(State {
                random: Random::of(seed, "wire", number),
                to_server: Pipe::default(),
                to_client: Pipe::default(),
                broken: None,
                client_gone: false,
                server_gone: false,
            }),
        }
    }

    pub(super) fn weather(&self) -> Weather {
        self.weather
    }

    pub(super) fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut lock(&self.state))
    }

    pub(crate) fn has_client(&self) -> bool {
        !lock(&self.state).client_gone
    }

    /// Both sides get an error, and everything under way is lost.
    pub(crate) fn reset(&self) {
        self.with(|state| state.break_with(io::ErrorKind::ConnectionReset));
    }

    /// The kernel gives up on a peer that acknowledges nothing.
    pub(crate) fn time_out(&self) {
        self.with(|state| state.break_with(io::ErrorKind::TimedOut));
    }

    /// Breaks the wire after this many more bytes have arrived in this direction.
    pub(crate) fn reset_after(&self, direction: Direction, bytes: u64) {
        self.with(|state| {
            let pipe = state.pipe(direction);
            pipe.breaks_after = Some(pipe.passed + bytes);
        });
    }

    /// It does not break any more.
    pub(crate) fn mend(&self) {
        self.with(|state| {
            state.to_server.breaks_after = None;
            state.to_client.breaks_after = None;
        });
    }

    /// Nothing arrives in this direction for a while; nothing is lost.
    pub(crate) fn stall(&self, direction: Direction, pause: Duration) {
        self.with(|state| {
            let pipe = state.pipe(direction);
            pipe.stalled_until = Some(Instant::now() + pause);
            pipe.wake_all();
        });
    }

    /// Everything that is sent in this direction is lost, and nobody is told.
    pub(crate) fn swallow(&self, direction: Direction) {
        self.with(|state| state.pipe(direction).swallow());
    }
}
