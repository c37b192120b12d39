//! What carries a chain to its servers: [`Carrier`].

use std::fmt;
use std::task::{Context, Poll};

use super::gathered::Gathered;
use super::noting::Noting;
use super::payload::ChainPayload;
use super::routing::Routing;
use super::touched::{Touched, Witness};
use crate::engine::link::Lane;
use crate::error::ServerVersion;

/// What a chain is sent on, and who wants to know which keys it touches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Carrier<'a> {
    pub(super) road: Road<'a>,
    pub(super) witness: Option<&'a dyn Witness>,
}

/// What a chain is sent on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Road<'a> {
    /// One socket.
    Socket(&'a dyn Lane),
    /// The nodes of a cluster.
    Nodes(&'a dyn Nodes),
}

impl<'a> Carrier<'a> {
    /// One socket.
    pub(crate) fn socket(lane: &'a dyn Lane) -> Self {
        Self {
            road: Road::Socket(lane),
            witness: None,
        }
    }

    /// The nodes of a cluster.
    pub(crate) fn nodes(nodes: &'a dyn Nodes) -> Self {
        Self {
            road: Road::Nodes(nodes),
            witness: None,
        }
    }

    /// The same, where `witness` wants to know which keys are touched.
    pub(crate) fn told_to(self, witness: &'a dyn Witness) -> Self {
        Self {
            witness: Some(witness),
            ..self
        }
    }

    /// The payload of a chain that it is to carry.
    pub(super) fn payload(self, atomic: bool) -> ChainPayload {
        ChainPayload::new(atomic).noting(self.noting(atomic))
    }

    /// What is to be noted about the commands of a chain.
    fn noting(self, atomic: bool) -> Option<Box<Noting>> {
        let routing = match self.road {
            Road::Nodes(_) => Some(Routing::new(atomic)),
            Road::Socket(_) => None,
        };
        let touched = self
            .witness
            .map(|witness| Touched::new(witness.hears_reads()));
        (routing.is_some() || touched.is_some()).then(|| {
            Box::new(Noting {
                routing,
                touched,
                names: None,
            })
        })
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
