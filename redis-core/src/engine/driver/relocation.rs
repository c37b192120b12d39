//! The way to a new socket that is opened while the old one still serves, because the server said that its endpoint
//! moves: [`Relocation`].
//!
//! ```text
//!   MOVING ──► (half of the time, without an endpoint) ──► connect ──► ready ──► the old socket is drained, and left
//!                                                            ▲   │ failed
//!                                                            └───┘ until the time is over
//! ```

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::sleep;

use crate::config::Address;
use crate::connect::{self, Ready, Refusal};
use crate::engine::events::ConnectionEvent;
use crate::engine::inflight::Order;
use crate::engine::link::Link;
use crate::engine::maintenance::{Maintenance, Notice};
use crate::runtime::from_now;

/// The server said that its endpoint moves.
pub(super) struct Moving {
    /// Where to, if it said so.
    to: Option<Address>,
    within: Duration,
}

impl Moving {
    pub(super) fn announced_by(notice: &Notice) -> Option<Self> {
        match &notice.content {
            Maintenance::Moving { to, within } => Some(Self {
                to: to.clone(),
                within: *within,
            }),
            _ => None,
        }
    }
}

/// The attempt to open a new socket.
type Opening = Pin<Box<dyn Future<Output = Option<Box<Ready>>> + Send>>;

/// A new socket on its way, if there is one.
#[derive(Default)]
pub(super) struct Relocation {
    opening: Option<Opening>,
    ready: Option<Box<Ready>>,
}

impl Relocation {
    /// Begins to open a socket for the server that is known as `origin`; an earlier one is given up.
    pub(super) fn begin(&mut self, link: &Arc<Link>, origin: &Address, moving: Moving) {
        let config = &link.config;
        // Nodes of a cluster are found by its map, and a socket that does not reconnect cannot be replaced.
        if config.routed || !config.reconnect {
            return;
        }
        // Only Sentinels say where the server of a service is.
        let to = moving.to.filter(|_| config.service().is_none());
        if let Some(to) = &to {
            let until = from_now(moving.within);
            let detours = &config.maintenance.detours;
            detours.note(origin.clone(), to.clone(), until);
        }
        self.ready = None;
        self.opening = Some(Box::pin(open(
            link.clone(),
            origin.clone(),
            to,
            moving.within,
        )));
    }

    /// Goes on; as soon as the new socket is ready, the driver is to leave the old one.
    pub(super) fn advance(&mut self, link: &Link, cx: &mut Context<'_>) {
        let Some(opening) = &mut self.opening else {
            return;
        };
        if let Poll::Ready(ready) = opening.as_mut().poll(cx) {
            self.opening = None;
            self.ready = ready;
            if self.ready.is_some() {
                link.order(Order::Renew);
            }
        }
    }

    /// The new socket, if it is ready.
    pub(super) fn into_ready(self) -> Option<Box<Ready>> {
        self.ready
    }
}

/// Tries to open the socket until the time is over. After that the old one is used for as long as it works.
async fn open(
    link: Arc<Link>,
    origin: Address,
    to: Option<Address>,
    within: Duration,
) -> Option<Box<Ready>> {
    let end = from_now(within);
    if to.is_none() {
        // By then the configured address is expected to lead to the new node.
        sleep(within / 2).await;
    }
    let mut failures = 0;
    loop {
        match connect_once(&link, &origin, to.as_ref()).await {
            Ok(ready) => return Some(ready),
            Err(refusal) => {
                link.announce(ConnectionEvent::failed(&refusal));
                link.count(|counts| counts.failed_connects += 1);
            }
        }
        let pause = link.config.backoff.pause(failures);
        failures = failures.saturating_add(1);
        if from_now(pause) >= end {
            return None;
        }
        sleep(pause).await;
    }
}

async fn connect_once(
    link: &Link,
    origin: &Address,
    to: Option<&Address>,
) -> Result<Box<Ready>, Refusal> {
    let opened = |address: &Address| link.announce(ConnectionEvent::Connected(address.clone()));
    match to {
        Some(to) => connect::connect_to(&link.config, to, origin, &opened).await,
        None => connect::connect(&link.config, &opened).await,
    }
}
