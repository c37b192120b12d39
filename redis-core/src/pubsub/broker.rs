//! Who makes subscriptions: [`Broker`], a connection or a cluster.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::config::{Config, Lag};
use crate::engine::subscriptions::hub::{Hub, Membership};
use crate::engine::subscriptions::inbox::Inbox;
use crate::engine::subscriptions::message::Message;
use crate::engine::subscriptions::source::Source;
use crate::engine::subscriptions::table::Entrance;
use crate::engine::subscriptions::ticket::Ticket;
use crate::error::{Obstacle, Result};
use crate::handle::Connection;

/// Who makes subscriptions, and keeps them.
pub(crate) trait Broker: fmt::Debug + Send + Sync {
    /// The configuration, for what a subscription does not choose itself.
    fn config(&self) -> &Config;

    /// The means to subscribe for one inbox.
    fn desk(&self, inbox: &Arc<Inbox<Message>>, lag: Lag, reach: Reach) -> Arc<dyn Desk>;

    /// Waits until it is known which servers there are.
    fn ready(&self) -> Ready<'_> {
        Box::pin(async { Ok(()) })
    }

    /// What keeps the server from confirming a subscription, as far as is known.
    fn obstacle(&self) -> Option<Arc<Obstacle>>;

    /// The servers whose keyspace events are told.
    fn servers(&self) -> Vec<Connection>;
}

/// The wait until it is known which servers there are.
pub(crate) type Ready<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// On which servers of a cluster a subscription is needed; on a single server there is no difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// On one that hears of all that is published: the owner of the slot for a shard channel, any for other channels.
    OneServer,
    /// On every primary, because none hears of what happens on the others.
    EveryPrimary,
}

/// Makes subscriptions for one inbox.
pub(crate) trait Desk: Send + Sync {
    /// Subscribes. The ticket of the entrance gets the outcome.
    fn join(&self, entrance: Entrance) -> Box<dyn Subscription>;

    /// Has the inbox end with the connection, also while nothing is subscribed to for it.
    fn attend(&self, inbox: &Arc<Inbox<Message>>);
}

/// A subscription of one reader to one source; dropping it ends it.
pub(crate) trait Subscription: fmt::Debug + Send + Sync {
    /// Whether it was neither refused nor ended.
    fn is_current(&self) -> bool;
}

impl Broker for Connection {
    fn config(&self) -> &Config {
        self.config()
    }

    fn desk(&self, inbox: &Arc<Inbox<Message>>, lag: Lag, _: Reach) -> Arc<dyn Desk> {
        Arc::new(home(self.link().hub(), inbox, lag))
    }

    fn obstacle(&self) -> Option<Arc<Obstacle>> {
        let link = self.link();
        link.obstacle().filter(|_| !link.load().1)
    }

    fn servers(&self) -> Vec<Connection> {
        vec![self.clone()]
    }
}

/// The hub that fills an inbox: the connection's, or a separate one if reading has to wait for this inbox.
pub(crate) fn home(hub: &Arc<Hub>, inbox: &Arc<Inbox<Message>>, lag: Lag) -> Arc<Hub> {
    match lag {
        Lag::Wait => hub.for_inbox(inbox),
        Lag::DropOldest | Lag::Close => hub.clone(),
    }
}

impl Desk for Arc<Hub> {
    fn join(&self, entrance: Entrance) -> Box<dyn Subscription> {
        if let Some(ticket) = &entrance.ticket {
            ticket.expect();
        }
        Box::new(Hub::join(self, entrance))
    }

    fn attend(&self, inbox: &Arc<Inbox<Message>>) {
        Hub::attend(self, inbox);
    }
}

impl Subscription for Membership {
    fn is_current(&self) -> bool {
        self.is_current()
    }
}

/// A request to subscribe, of a caller who waits for `ticket`.
pub(super) fn entrance(
    source: Arc<Source>,
    inbox: Arc<Inbox<Message>>,
    ticket: Arc<Ticket>,
    alone: bool,
) -> Entrance {
    Entrance {
        source,
        inbox,
        ticket: Some(ticket),
        alone,
        mover: None,
    }
}
