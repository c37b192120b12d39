//! Whether servers are configured to tell the events that a stream waits for: [`Needed`] and [`Checks`].

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::broker::Broker;
use crate::config::Address;
use crate::error::{Error, Result};
use crate::handle::Connection;
use crate::request::{Run, raw};

/// What a server has to have among its `notify-keyspace-events`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needed {
    /// The letter.
    pub(super) class: char,
    /// The letters that turn everything of this sort on.
    pub(super) all: &'static str,
    /// Which servers know the letter, for the message.
    pub(super) since: &'static str,
}

/// The checks after gaps: a server that became reachable there may be configured otherwise, as a primary that joined.
pub(super) struct Checks {
    broker: Arc<dyn Broker>,
    needed: Needed,
    /// The servers that told no such events when they were asked last.
    silent: Vec<Address>,
    /// What the reader does not know yet.
    untold: VecDeque<Error>,
    running: Option<Running>,
}

/// Asks servers; gives those that tell no such events, each with what to say of it.
type Running = Pin<Box<dyn Future<Output = Vec<(Address, Error)>> + Send + Sync>>;

impl Needed {
    /// What to say of a server that tells no such events. It looks like one on which nothing happens, so this is an error. If
    /// the configuration may not be read, nothing is known, and the server counts as configured.
    pub(super) async fn is_missing(self, server: &Connection) -> Result<Option<Error>> {
        let asked = raw("CONFIG GET")
            .arg("notify-keyspace-events")
            .readonly()
            .reply::<Vec<(String, String)>>();
        let flags = match server.run(asked).await {
            Ok(pairs) => pairs.into_iter().next(),
            Err(error) if error.server().is_some() => return Ok(None),
            Err(error) => return Err(error),
        };
        let lacks = |(_, flags): &(String, String)| !flags.contains(self.class);
        Ok(flags
            .filter(lacks)
            .map(|(_, flags)| self.missing(server, &flags)))
    }

    fn missing(self, server: &Connection, flags: &str) -> Error {
        let Self { class, all, since } = self;
        let address = server.config().address();
        Error::usage(format!(
            "the server {address} tells no such events: its `notify-keyspace-events` is {flags:?} and lacks `{class}`; \
             `CONFIG SET notify-keyspace-events {all}` turns all of them on{since}"
        ))
    }

    /// Asks all. One that does not answer is lost, which leads to the next gap.
    async fn missing_among(self, servers: Vec<Connection>) -> Vec<(Address, Error)> {
        let mut missing = Vec::new();
        for server in servers {
            if let Ok(Some(error)) = self.is_missing(&server).await {
                missing.push((server.config().address().clone(), error));
            }
        }
        missing
    }
}

impl Checks {
    pub(super) fn new(broker: Arc<dyn Broker>, needed: Needed) -> Self {
        Self {
            broker,
            needed,
            silent: Vec::new(),
            untold: VecDeque::new(),
            running: None,
        }
    }

    /// There was a gap: all servers are asked once more.
    pub(super) fn begin(&mut self) {
        let servers = self.broker.servers();
        self.running = Some(Box::pin(self.needed.missing_among(servers)));
    }

    /// What to say of a server that tells no such events: once, until it has been found to tell them in between.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Option<Error> {
        if let Some(running) = &mut self.running
            && let Poll::Ready(missing) = running.as_mut().poll(cx)
        {
            self.running = None;
            self.note(missing);
        }
        self.untold.pop_front()
    }

    fn note(&mut self, missing: Vec<(Address, Error)>) {
        let before = std::mem::take(&mut self.silent);
        for (address, error) in missing {
            if !before.contains(&address) {
                self.untold.push_back(error);
            }
            self.silent.push(address);
        }
    }
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checks")
            .field("needed", &self.needed)
            .field("silent", &self.silent)
            .finish_non_exhaustive()
    }
}
