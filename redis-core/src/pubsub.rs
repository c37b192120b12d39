//! Publish and subscribe: channels, patterns and shard channels; keyspace events, invalidations, MONITOR.
//!
//! ```no_run
//! # async fn example(conn: typedis_core::Connection) -> typedis_core::Result<()> {
//! let mut news = conn.subscribe("news").await?; // the server has confirmed
//! while let Some(text) = news.get::<String>().await? {
//!     println!("{text}");
//! }
//! # Ok(()) }
//! ```
//!
//! # What is promised
//!
//! Publishing is at most once: who is not connected misses it, and no client can change that. What can be known is
//! told, in the place in the stream where it happened: [`Event::Resubscribed`] after a lost connection,
//! [`Event::Lagged`] with the exact number of messages that were dropped because their reader was slow.
//!
//! Whatever subscribes, unsubscribes and is lost at the same time, the server ends up with exactly the wanted set.
//! Replies of commands never wait for a reader of messages, and are never mixed up with them. What becomes of messages
//! that are not read in time is each subscription's choice, and so is the socket that they come over: see [`Lag`].
//!
//! # Layout
//!
//! What is subscribed to and received:
//! - `source`: channels, patterns, shard channels, and lists of their names
//! - `message`: messages and the other events
//!
//! Who reads:
//! - `subscribe`: the call, its options, the wait for the confirmation (`ticket`)
//! - `channel`: a stream for each name; `subscriber`: one stream for many
//! - `inbox`: where messages wait for their reader
//! - `keyspace`, `invalidation`, `monitor`: streams of other things that servers tell
//! - `publish`: values as JSON
//!
//! How it reaches the server:
//! - `table`: what is wanted and what is confirmed; no I/O
//! - `push`: what servers push
//! - `hub`: which socket serves the table

mod channel;
pub(crate) mod hub;
mod inbox;
mod invalidation;
mod keyspace;
mod message;
mod monitor;
#[cfg(feature = "json")]
mod publish;
pub(crate) mod push;
mod source;
mod subscribe;
mod subscriber;
pub(crate) mod table;
mod ticket;

pub use channel::{Channel, Messages, PatternChannel};
pub(crate) use inbox::Capacity;
pub use inbox::Lag;
pub use invalidation::{Invalidation, Invalidations};
pub use keyspace::{KeyspaceEvent, KeyspaceEvents, WatchKeyspace};
pub use message::{Event, Message};
pub use monitor::{Monitor, MonitorEntry};
#[cfg(feature = "json")]
pub use publish::PublishJson;
pub use source::{ChannelName, Source, SourceKind, ToChannels};
pub use subscribe::Subscribe;
pub use subscriber::{Subscriber, Subscriptions};
