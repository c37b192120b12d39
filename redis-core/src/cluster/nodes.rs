//! A node of a cluster, and the link that leads to it: [`Node`].

use std::sync::Arc;

use tokio::time::Instant;

use crate::config::{Address, Config};
use crate::engine::link::Link;
use crate::handle::Connection;

/// A node, with a socket that is opened when it is first needed. When the node is known no more, what is on its way is
/// answered, and then the socket is closed.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) address: Address,
    connection: Connection,
    /// When a redirect told of it.
    pub(super) since: Instant,
}

impl Node {
    pub(super) fn new(config: &Config, address: &Address) -> Arc<Self> {
        let config = config.for_node(address.clone(), &[]);
        let idle = config.idle_timeout;
        Arc::new(Self {
            address: address.clone(),
            connection: Connection::sleeping(config, idle),
            since: Instant::now(),
        })
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The link, for something on its way that may outlive the node's place in the map.
    #[inline]
    pub(super) fn link(&self) -> Arc<Link> {
        self.connection.shared_link()
    }
}
