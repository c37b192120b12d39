//! Many subscriptions in one stream, which can be added and removed while it is read: [`Subscriber`].

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_core::Stream;

use super::adding::Adding;
use super::broker::{Broker, Desk, Reach, Subscription, entrance};
use super::channel::{Feed, Messages, named, poll_message};
use super::subscribe::{Confirmation, each_name};
use crate::config::{Capacity, Lag};
use crate::engine::subscriptions::inbox::Inbox;
use crate::engine::subscriptions::message::{Event, Message};
use crate::engine::subscriptions::source::{Source, SourceKind, ToChannels};
use crate::engine::subscriptions::ticket::Ticket;
use crate::error::{Error, Result};
use crate::handle::Connection;
use crate::handle::Pool;
use crate::reply::FromRedis;
use crate::runtime::Lock;

/// One stream of the messages of any number of channels and patterns.
///
/// Each [`Message`] says which subscription it came from ([`Message::source`]). All subscriptions share one capacity.
/// You can add and remove channels with `&self`, or from other tasks through a [`Subscriptions`] handle, while the
/// stream is read.
///
/// ```no_run
/// # extern crate typedis_core as typedis;
/// # async fn example(conn: typedis::Connection) -> typedis::Result<()> {
/// use typedis::pubsub::Event;
///
/// let mut subscriber = conn.subscriber().open();
/// subscriber.subscribe(["news", "chat"]).await?;
/// subscriber.psubscribe("user:*").await?;
/// while let Some(event) = subscriber.next().await {
///     if let Event::Message(message) = event? {
///         match message.channel().as_ref() {
///             "chat" => subscriber.unsubscribe("news"),
///             channel => println!("{channel}: {:?}", message.payload()),
///         }
///     }
/// }
/// # Ok(()) }
/// ```
///
/// The stream does not end when nothing is subscribed to, but when the connection is closed. If the server refuses
/// to restore a subscription, the stream yields [`Event::Interrupted`], and the server is asked again; the others go on.
/// Only a shard channel of a [`Connection`] whose slot has moved to another node yields an error, and is removed.
pub struct Subscriber {
    subscriptions: Subscriptions,
    capacity: Capacity,
}

/// What a [`Subscriber`] is subscribed to; cheap to clone, for use while the stream is read elsewhere.
#[derive(Clone)]
pub struct Subscriptions {
    shared: Arc<Shared>,
    broker: Arc<dyn Broker>,
}

type Members = BTreeMap<Arc<Source>, Box<dyn Subscription>>;

struct Shared {
    inbox: Arc<Inbox<Message>>,
    desk: Arc<dyn Desk>,
    members: Lock<Members>,
    /// Whether the subscriber was dropped, so that nobody reads.
    is_dropped: AtomicBool,
    adding: Adding,
}

/// While this is here, a call waits for confirmations, and what stands before them has room.
struct OpenCall<'a> {
    inbox: &'a Inbox<Message>,
    ticket: &'a Arc<Ticket>,
}

impl Drop for OpenCall<'_> {
    fn drop(&mut self) {
        self.inbox.end_call(self.ticket);
    }
}

/// A [`Subscriber`] that has not been opened: set its options, then [`open`](Self::open) it.
#[derive(Debug, Clone)]
#[must_use = "there is no stream before this is opened"]
pub struct SubscriberBuilder {
    broker: Arc<dyn Broker>,
    capacity: Capacity,
}

impl Connection {
    /// One stream for many subscriptions; at first it has none. Set its options, then open it.
    ///
    /// ```no_run
    /// # async fn example(conn: typedis_core::Connection) -> typedis_core::Result<()> {
    /// let mut all = conn.subscriber().capacity_messages(1_000).open();
    /// all.psubscribe("user:*").await?;
    /// # Ok(()) }
    /// ```
    pub fn subscriber(&self) -> SubscriberBuilder {
        SubscriberBuilder::new(Arc::new(self.clone()))
    }
}

impl Pool {
    /// One stream for many subscriptions, on the pool's first lane: see [`Connection::subscriber`].
    pub fn subscriber(&self) -> SubscriberBuilder {
        self.first_lane().subscriber()
    }
}

impl SubscriberBuilder {
    pub(crate) fn new(broker: Arc<dyn Broker>) -> Self {
        Self {
            capacity: broker.config().inbox,
            broker,
        }
    }

    /// How many bytes of messages are held for the reader; 16 MiB by default.
    pub fn capacity_bytes(mut self, bytes: usize) -> Self {
        self.capacity.bytes = bytes;
        self
    }

    /// How many messages are held for the reader, at least 1; by default only the bytes are limited.
    pub fn capacity_messages(mut self, messages: usize) -> Self {
        self.capacity.messages = messages.max(1);
        self
    }

    /// What happens when there is no room; by default the oldest message is dropped, and the reader is told. With
    /// [`Lag::Wait`] there is one separate socket for all its subscriptions.
    pub fn on_lag(mut self, lag: Lag) -> Self {
        self.capacity.lag = lag;
        self
    }

    /// The stream, with nothing subscribed to. Nothing is sent before the first subscription.
    #[must_use]
    pub fn open(self) -> Subscriber {
        Subscriber::new(self.broker, self.capacity)
    }
}

impl Subscriber {
    fn new(broker: Arc<dyn Broker>, capacity: Capacity) -> Self {
        let inbox = Arc::new(Inbox::new(capacity));
        let desk = broker.desk(&inbox, capacity.lag, Reach::OneServer);
        desk.attend(&inbox);
        Self {
            subscriptions: Subscriptions {
                shared: Arc::new(Shared {
                    inbox,
                    desk,
                    members: Lock::default(),
                    is_dropped: AtomicBool::new(false),
                    adding: Adding::default(),
                }),
                broker,
            },
            capacity,
        }
    }

    /// The next event; `None` at the end.
    ///
    /// You can drop the future at any time without losing a message.
    pub async fn next(&mut self) -> Option<Result<Event>> {
        std::future::poll_fn(|cx| self.subscriptions.shared.inbox.poll_next(cx)).await
    }

    /// The name of the channel and the next message, decoded; `None` at the end.
    ///
    /// [`Event::Resubscribed`] is skipped, and all messages have to be of one type. To see everything, and which subscription a
    /// message came from, read with [`Subscriber::next`].
    ///
    /// # Errors
    /// As for [`Channel::get`](super::Channel::get).
    pub async fn get<T: FromRedis>(&mut self) -> Result<Option<(String, T)>> {
        let shared = &self.subscriptions.shared;
        let message = std::future::poll_fn(|cx| poll_message(|| shared.inbox.poll_next(cx))).await;
        message.map(|message| named(&message?)).transpose()
    }

    /// The name of the channel and the next message, read as JSON; `None` at the end.
    ///
    /// # Errors
    /// As for [`Channel::get`](super::Channel::get).
    #[cfg(feature = "json")]
    pub async fn get_json<T: serde_core::de::DeserializeOwned>(
        &mut self,
    ) -> Result<Option<(String, T)>> {
        let next = self.get().await?;
        Ok(next.map(|(channel, crate::codec::Json(value))| (channel, value)))
    }

    /// The messages, each with the name of its channel, as a stream of one type, with the errors of [`Subscriber::get`].
    pub fn iter<T: FromRedis>(&mut self) -> Messages<'_, (String, T)> {
        Messages::new(&*self.subscriptions.shared, named)
    }

    /// How many messages were received and not read.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.subscriptions.shared.inbox.held().0
    }

    /// How many bytes these messages count as.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.subscriptions.shared.inbox.held().1
    }

    /// Whether more messages may come: the connection was not closed. What has been received can be read in any case.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.subscriptions.shared.inbox.is_open()
    }

    /// A handle to add and remove subscriptions with, while this is read.
    #[must_use]
    pub fn subscriptions(&self) -> Subscriptions {
        self.subscriptions.clone()
    }

    /// Adds channels; resolves once the server has confirmed them.
    ///
    /// # Errors
    /// As for [`Connection::subscribe`]; then none of them is added. The stream may have yielded messages of some by then.
    pub async fn subscribe(&self, channels: impl ToChannels) -> Result<()> {
        self.subscriptions.subscribe(channels).await
    }

    /// Adds patterns; resolves once the server has confirmed them.
    ///
    /// # Errors
    /// As for [`Connection::subscribe`]; then none of them is added. The stream may have yielded messages of some by then.
    pub async fn psubscribe(&self, patterns: impl ToChannels) -> Result<()> {
        self.subscriptions.psubscribe(patterns).await
    }

    /// Adds shard channels; resolves once the server has confirmed them.
    ///
    /// # Errors
    /// As for [`Connection::subscribe`]; then none of them is added. The stream may have yielded messages of some by then.
    pub async fn ssubscribe(&self, shard_channels: impl ToChannels) -> Result<()> {
        self.subscriptions.ssubscribe(shard_channels).await
    }

    /// Removes channels. What was received from them before is still read.
    pub fn unsubscribe(&self, channels: impl ToChannels) {
        self.subscriptions.unsubscribe(channels);
    }

    /// Removes patterns. What was received by them before is still read.
    pub fn punsubscribe(&self, patterns: impl ToChannels) {
        self.subscriptions.punsubscribe(patterns);
    }

    /// Removes shard channels. What was received from them before is still read.
    pub fn sunsubscribe(&self, shard_channels: impl ToChannels) {
        self.subscriptions.sunsubscribe(shard_channels);
    }

    /// What it is subscribed to, in no order.
    #[must_use]
    pub fn sources(&self) -> Vec<Source> {
        self.subscriptions.sources()
    }
}

impl Subscriptions {
    /// Adds channels; resolves once the server has confirmed them.
    ///
    /// # Errors
    /// As for [`Connection::subscribe`]; then none of them is added. The stream may have yielded messages of some by then.
    pub async fn subscribe(&self, channels: impl ToChannels) -> Result<()> {
        self.add(SourceKind::Channel, channels).await
    }

    /// Adds patterns; resolves once the server has confirmed them.
    ///
    /// # Errors
    /// As for [`Connection::subscribe`]; then none of them is added. The stream may have yielded messages of some by then.
    pub async fn psubscribe(&self, patterns: impl ToChannels) -> Result<()> {
        self.add(SourceKind::Pattern, patterns).await
    }

    /// Adds shard channels; resolves once the server has confirmed them.
    ///
    /// # Errors
    /// As for [`Connection::subscribe`]; then none of them is added. The stream may have yielded messages of some by then.
    pub async fn ssubscribe(&self, shard_channels: impl ToChannels) -> Result<()> {
        self.add(SourceKind::Shard, shard_channels).await
    }

    /// Removes channels.
    pub fn unsubscribe(&self, channels: impl ToChannels) {
        self.remove(SourceKind::Channel, channels);
    }

    /// Removes patterns.
    pub fn punsubscribe(&self, patterns: impl ToChannels) {
        self.remove(SourceKind::Pattern, patterns);
    }

    /// Removes shard channels.
    pub fn sunsubscribe(&self, shard_channels: impl ToChannels) {
        self.remove(SourceKind::Shard, shard_channels);
    }

    /// What it is subscribed to, in no order.
    #[must_use]
    pub fn sources(&self) -> Vec<Source> {
        let members = self.shared.members.lock();
        let current = members.iter().filter(|(_, member)| member.is_current());
        current.map(|(source, _)| (**source).clone()).collect()
    }

    async fn add(&self, kind: SourceKind, names: impl ToChannels) -> Result<()> {
        let mut sources = Vec::new();
        each_name(names, |name| {
            sources.push(Arc::new(Source::new(kind, name)));
        });
        let mut confirmation = Confirmation::new(self.broker.clone(), kind);
        let turn = self.shared.adding.turn(&sources);
        let _turn = confirmation.preceded_by(turn).await?;
        self.shared.check_is_read()?;
        let has_ended = !self.shared.inbox.is_open();
        let ticket = confirmation.ticket.clone();
        let added = self.join(&sources, &ticket);
        let _call = self.shared.open_call(&ticket);
        // If the connection was closed, this is the error.
        std::future::poll_fn(|cx| confirmation.poll(cx)).await?;
        if has_ended {
            return Err(Error::usage(
                "the stream of this subscriber has ended: open another subscriber",
            ));
        }
        self.shared.members.lock().extend(added);
        // The subscriber may have been dropped while the server was asked.
        self.shared
            .check_is_read()
            .inspect_err(|_| self.shared.clear())
    }

    /// Asks the server for what is not subscribed to yet.
    fn join(&self, sources: &[Arc<Source>], ticket: &Arc<Ticket>) -> Members {
        let mut added = Members::new();
        for source in sources {
            // A second membership would yield each message twice.
            if !self.shared.has(source) {
                let inbox = self.shared.inbox.clone();
                let join = || {
                    let entrance = entrance(source.clone(), inbox, ticket.clone(), false);
                    self.shared.desk.join(entrance)
                };
                added.entry(source.clone()).or_insert_with(join);
            }
        }
        added
    }

    fn remove(&self, kind: SourceKind, names: impl ToChannels) {
        let mut removed = Vec::new();
        each_name(names, |name| {
            removed.extend(self.shared.members.lock().remove(&Source::new(kind, name)));
        });
    }
}

impl Shared {
    fn check_is_read(&self) -> Result<()> {
        if self.is_dropped.load(Ordering::Acquire) {
            return Err(Error::usage("the subscriber that would read it is gone"));
        }
        Ok(())
    }

    /// Notes that a call waits for this ticket.
    fn open_call<'a>(&'a self, ticket: &'a Arc<Ticket>) -> OpenCall<'a> {
        self.inbox.begin_call(ticket.clone());
        OpenCall {
            inbox: &self.inbox,
            ticket,
        }
    }

    /// Ends all subscriptions.
    fn clear(&self) {
        let members = std::mem::take(&mut *self.members.lock());
        drop(members);
    }

    fn has(&self, source: &Source) -> bool {
        let members = self.members.lock();
        members
            .get(source)
            .is_some_and(|member| member.is_current())
    }
}

impl Feed for Shared {
    fn poll_event(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Event>>> {
        self.inbox.poll_next(cx)
    }

    fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("is_active", &self.inbox.is_open())
            .finish_non_exhaustive()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let shared = &self.subscriptions.shared;
        let mut woken = Vec::new();
        // This comes first, so that a task that is adding sources sees it.
        shared.is_dropped.store(true, Ordering::Release);
        shared.inbox.end(None, &mut woken);
        shared.clear();
    }
}

impl Stream for Subscriber {
    type Item = Result<Event>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.subscriptions.shared.inbox.poll_next(cx)
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("sources", &self.sources())
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Subscriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriptions")
            .field("sources", &self.sources())
            .finish_non_exhaustive()
    }
}
