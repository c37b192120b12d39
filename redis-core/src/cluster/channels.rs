//! Publish and subscribe on a cluster.

use std::sync::Arc;

use super::desk::ClusterDesk;
use super::handle::Cluster;
use super::map_wait::map_within;
use super::nodes::Node;
use crate::client::Prefixed;
use crate::config::{Config, Lag};
use crate::engine::inflight::Patience;
use crate::engine::subscriptions::inbox::Inbox;
use crate::engine::subscriptions::message::Message;
use crate::engine::subscriptions::source::{SourceKind, ToChannels};
use crate::error::Obstacle;
use crate::handle::Connection;
use crate::pubsub::{
    Broker, Channel, Desk, PatternChannel, Reach, Ready, Subscribe, SubscriberBuilder,
    WatchKeyspace,
};

crate::pubsub::subscriptions!(Cluster);

impl Cluster {
    /// Subscribes to channels, as [`Connection::subscribe`] does.
    ///
    /// What is published on any node is heard on every node: so all channels and patterns of a handle share the socket of
    /// one node. When that node goes, they move to another, and their streams yield
    /// [`Event::Resubscribed`](crate::Event::Resubscribed). Where much is published, [`Cluster::ssubscribe`] is cheaper for the
    /// cluster.
    ///
    /// ```no_run
    /// # async fn example(cluster: typedis_core::cluster::Cluster) -> typedis_core::Result<()> {
    /// let mut news = cluster.subscribe("news").await?;
    /// while let Some(text) = news.get::<String>().await? {
    ///     println!("{text}");
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`Connection::subscribe`].
    pub fn subscribe<N: ToChannels>(&self, channels: N) -> Subscribe<N, Channel> {
        Subscribe::new(self.broker(), SourceKind::Channel, channels, Channel::new)
    }

    /// Subscribes to glob-style patterns of channel names, as [`Cluster::subscribe`] does to channels.
    ///
    /// # Errors
    /// As for [`Connection::subscribe`].
    pub fn psubscribe<N: ToChannels>(&self, patterns: N) -> Subscribe<N, PatternChannel> {
        let kind = SourceKind::Pattern;
        Subscribe::new(self.broker(), kind, patterns, PatternChannel::new)
    }

    /// Subscribes to shard channels, each on the node that has its slot; channels of one call may have different slots.
    ///
    /// When the slot moves to another node, or a replica takes over, the subscription goes along, and the stream yields
    /// [`Event::Resubscribed`](crate::Event::Resubscribed): messages that were published in between are missing.
    ///
    /// ```no_run
    /// # async fn example(cluster: typedis_core::cluster::Cluster) -> typedis_core::Result<()> {
    /// use typedis_core::Event;
    ///
    /// let mut orders = cluster.ssubscribe("orders:{eu}").await?;
    /// while let Some(event) = orders.next().await {
    ///     match event? {
    ///         Event::Message(message) => println!("{:?}", message.payload()),
    ///         Event::Resubscribed => println!("the slot has moved: messages may be missing"),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`Connection::subscribe`]. Servers before 7.0 have no shard channels.
    pub fn ssubscribe<N: ToChannels>(&self, shard_channels: N) -> Subscribe<N, Channel> {
        let kind = SourceKind::Shard;
        Subscribe::new(self.broker(), kind, shard_channels, Channel::new)
    }

    /// One stream for many subscriptions of all kinds; at first it has none. See [`Connection::subscriber`].
    ///
    /// ```no_run
    /// # async fn example(cluster: typedis_core::cluster::Cluster) -> typedis_core::Result<()> {
    /// let mut all = cluster.subscriber().capacity_messages(1_000).open();
    /// all.psubscribe("user:*").await?;
    /// all.ssubscribe(["orders:{eu}", "orders:{us}"]).await?;
    /// # Ok(()) }
    /// ```
    pub fn subscriber(&self) -> SubscriberBuilder {
        SubscriberBuilder::new(self.broker())
    }

    /// What happens to keys on all primaries, as one stream; see [`Connection::keyspace_events`].
    ///
    /// A node tells only of its own keys, so each primary is subscribed to. Nodes that become primaries later are
    /// subscribed to when the map shows them, and the stream then yields
    /// [`Event::Resubscribed`](crate::Event::Resubscribed): what happened there before is missing. Events of one node come in
    /// their order; events of different nodes have no order.
    ///
    /// ```no_run
    /// # async fn example(cluster: typedis_core::cluster::Cluster) -> typedis_core::Result<()> {
    /// let mut expired = cluster.keyspace_events().event("expired").await?;
    /// while let Some(event) = expired.next().await {
    ///     if let Some(event) = event?.into_message() {
    ///         println!("{} is gone", event.key_text());
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// A primary is not configured to send events; otherwise as for [`Connection::subscribe`]. For a node that becomes a primary
    /// later and is not configured, the stream yields the error, and goes on with the events of the others.
    pub fn keyspace_events(&self) -> WatchKeyspace {
        WatchKeyspace::new(self.broker())
    }

    fn broker(&self) -> Arc<dyn Broker> {
        Arc::new(self.clone())
    }
}

impl Broker for Cluster {
    fn config(&self) -> &Config {
        self.config()
    }

    fn desk(&self, inbox: &Arc<Inbox<Message>>, lag: Lag, reach: Reach) -> Arc<dyn Desk> {
        Arc::new(ClusterDesk::new(self.shared(), reach, lag, inbox))
    }

    fn ready(&self) -> Ready<'_> {
        Box::pin(map_within(self.shared(), Patience::Default))
    }

    fn obstacle(&self) -> Option<Arc<Obstacle>> {
        if !self.shared().first_map.is_found() {
            return self.shared().first_map.obstacle();
        }
        let routes = self.shared().routes();
        let links = routes.nodes().iter().map(|node| node.link());
        let mut lost = links.filter(|link| !link.load().1);
        lost.find_map(|link| link.obstacle())
    }

    fn servers(&self) -> Vec<Connection> {
        let routes = self.shared().routes();
        let connection = |node: &Arc<Node>| node.connection().clone();
        routes.primaries().map(connection).collect()
    }
}
