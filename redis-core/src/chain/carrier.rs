//! What carries a chain to its servers: [`Carrier`].

use std::fmt;
use std::task::{Context, Poll};

use super::gathered::Gathered;
use super::noting::Noting;
use super::payload::ChainPayload;
use super::routing::Routing;
use super::writes::Writes;
use crate::engine::link::Lane;
use crate::error::ServerVersion;

/// What a chain is sent on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Carrier<'a> {
    /// One socket.
    Socket(&'a dyn Lane),
    /// The nodes of a cluster.
    Nodes(&'a dyn Nodes),
}

impl Carrier<'_> {
    /// The payload of a chain that it is to carry.
    pub(super) fn payload(self, atomic: bool) -> ChainPayload {
        ChainPayload::new(atomic).noting(self.noting(atomic))
    }

    /// What is to be noted about the commands of a chain.
    fn noting(self, atomic: bool) -> Option<Box<Noting>> {
        let mut noting = Noting::default();
        match self {
            Carrier::Nodes(_) => noting.routing = Some(Routing::new(atomic)),
            Carrier::Socket(lane) if lane.hears_writes() => {
                noting.writes = Some(Writes::default());
            }
            Carrier::Socket(_) => return None,
        }
        Some(Box::new(noting))
    }
}

/// Many nodes, of which each command of a chain goes to the right one.
pub(crate) trait Nodes: fmt::Debug + Sync {
    /// Begins a chain, which is not empty; what is to be sent is taken out of the payload.
    fn begin(&self, payload: &mut ChainPayload) -> Box<dyn Spread + '_>;
}

/// A chain on its way to the nodes of a cluster.
pub(crate) trait Spread: fmt::Debug + Send {
    /// Has it sent now, before the first poll.
    fn submit(&mut self, payload: &mut ChainPayload);

    /// Drives it until each of its commands has its outcome.
    fn poll(&mut self, payload: &mut ChainPayload, cx: &mut Context<'_>) -> Poll<Gathered>;

    /// The server that explains a refusal, if it introduced itself.
    fn server(&self) -> Option<ServerVersion>;
}
