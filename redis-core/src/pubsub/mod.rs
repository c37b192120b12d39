//! Publish and subscribe: channels, patterns and shard channels; keyspace events, invalidations, MONITOR.
//!
//! ```no_run
//! # extern crate typedis_core as typedis;
//! # async fn example(conn: typedis::Connection) -> typedis::Result<()> {
//! let mut news = conn.subscribe("news").await?; // the server has confirmed
//! while let Some(text) = news.get::<String>().await? {
//!     println!("{text}");
//! }
//! # Ok(()) }
//! ```
//!
//! # What is promised
//!
//! Redis delivers a message at most once: a client that is not connected misses it, and no client can change that.
//! If messages are known to be missing, the stream says so in their place: [`Event::Resubscribed`] after a lost
//! connection, [`Event::Interrupted`] where the server refuses to restore a subscription, [`Event::Lagged`] with the exact number of messages that were dropped because the reader was slow.
//!
//! Whatever is subscribed, unsubscribed and lost at the same time, the server ends up with exactly the wanted set.
//! Replies to commands never wait for a reader of messages, and are never mixed up with messages. Each subscription
//! chooses what happens to messages that are not read in time, and with it the socket that carries them: see [`Lag`].
//!
//! # Layout
//!
//! - `broker`: who makes subscriptions: a connection, or a cluster
//! - `subscribe`: the call, its options, the wait for the confirmation
//! - `prefixed`: the same over a handle with a prefix
//! - `channel`: a stream for each name; `subscriber`: one stream for many, `adding`: what calls are adding to it
//! - `keyspace`, `invalidations`, `monitor`: streams of other things that servers push; `keyspace_event`: one event;
//!   `keyspace_check`: whether servers are configured to tell them
//! - `publish`: values as JSON

mod adding;
mod broker;
mod channel;
mod invalidations;
mod keyspace;
mod keyspace_check;
mod keyspace_event;
mod monitor;
mod prefixed;
#[cfg(feature = "json")]
mod publish;
mod subscribe;
mod subscriber;

pub(crate) use broker::{Broker, Desk, Reach, Ready, Subscription, home};
pub(crate) use prefixed::subscriptions;

pub use crate::config::Lag;
pub use crate::engine::subscriptions::invalidation::Invalidation;
pub use crate::engine::subscriptions::message::{Event, Interruption, Message};
pub use crate::engine::subscriptions::source::{ChannelName, Source, SourceKind, ToChannels};
pub use channel::{Channel, Messages, PatternChannel};
pub use invalidations::Invalidations;
pub use keyspace::{KeyspaceEvents, WatchKeyspace};
pub use keyspace_event::KeyspaceEvent;
pub use monitor::{Monitor, MonitorEntry};
#[cfg(feature = "json")]
pub use publish::PublishJson;
pub use subscribe::Subscribe;
pub use subscriber::{Subscriber, SubscriberBuilder, Subscriptions};
