//! Subscribing: [`Subscribe`], the options of a subscription and the wait for the server's confirmation.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Sleep, sleep};

use super::broker::{Broker, Reach, entrance};
use super::channel::{Channel, PatternChannel, Reader};
use crate::command::prefix::NamePrefix;
use crate::config::{Capacity, Lag};
use crate::engine::subscriptions::inbox::Inbox;
use crate::engine::subscriptions::source::{Source, SourceKind, ToChannels};
use crate::engine::subscriptions::ticket::Ticket;
use crate::error::{Error, Obstacle, Phase, Result};
use crate::handle::Connection;
use crate::handle::Pool;

/// A subscription that is not made yet: set its options, then await it.
///
/// It resolves when the server has confirmed. If it is dropped before, there is no subscription.
#[must_use = "nothing is subscribed to before this is awaited"]
pub struct Subscribe<N: ToChannels, C> {
    broker: Arc<dyn Broker>,
    reach: Reach,
    kind: SourceKind,
    names: Option<N>,
    make: fn(Reader) -> C,
    /// What the server's names begin with, and the reader's do not.
    prefix: Option<NamePrefix>,
    capacity: Capacity,
    confirmation: Confirmation,
    /// The channels, until they are confirmed.
    channels: Option<N::Output<C>>,
}

/// The wait until everything that one call asked for is confirmed.
pub(super) struct Confirmation {
    pub(super) ticket: Arc<Ticket>,
    kind: SourceKind,
    patience: Option<Duration>,
    broker: Arc<dyn Broker>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    /// Subscribes to channels: `"a"` gives a [`Channel`], `["a", "b"]` a `[Channel; 2]`, a `Vec` a `Vec<Channel>`.
    ///
    /// ```no_run
    /// # extern crate typedis_core as typedis;
    /// # async fn example(conn: typedis::Connection) -> typedis::Result<()> {
    /// use typedis::pubsub::{Event, Lag};
    ///
    /// let [mut news, mut chat] = conn.subscribe(["news", "chat"]).await?;
    /// let first: Option<String> = news.get().await?;
    ///
    /// let mut log = conn.subscribe("log").capacity_messages(1_000).on_lag(Lag::Close).await?;
    /// while let Some(event) = log.next().await {
    ///     match event? {
    ///         Event::Message(message) => println!("{}: {:?}", message.channel(), message.payload()),
    ///         Event::Lagged(count) => println!("{count} messages were dropped"),
    ///         Event::Resubscribed => println!("the connection was lost for a while"),
    ///         Event::Interrupted(why) => println!("messages are missing: {}", why.refusal()),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// In RESP3, subscriptions use the connection's own socket. In RESP2, they share a second socket, which is opened
    /// for the first subscription and closed after the last. [`Lag`] says what the difference is, and when a
    /// subscription has its own socket.
    ///
    /// # Errors
    /// The server refuses, for instance with NOPERM; it does not confirm within the command timeout; the connection
    /// is closed. A refusal for a reason that goes away, such as BUSY, is no error yet: the server is asked again until the timeout,
    /// whose error then names it ([`Obstacle::Refused`](crate::Obstacle::Refused)).
    pub fn subscribe<N: ToChannels>(&self, channels: N) -> Subscribe<N, Channel> {
        let broker = Arc::new(self.clone());
        Subscribe::new(broker, SourceKind::Channel, channels, Channel::new)
    }

    /// Subscribes to glob-style patterns of channel names, as [`Connection::subscribe`] does to channels.
    ///
    /// # Errors
    /// As for [`Connection::subscribe`].
    pub fn psubscribe<N: ToChannels>(&self, patterns: N) -> Subscribe<N, PatternChannel> {
        let broker = Arc::new(self.clone());
        Subscribe::new(broker, SourceKind::Pattern, patterns, PatternChannel::new)
    }

    /// Subscribes to shard channels, as [`Connection::subscribe`] does to channels.
    ///
    /// In a cluster, the node of this connection must have the slot of the channel. For several channels in one call,
    /// use a common hash tag (`{news}:a`, `{news}:b`), so that they have the same slot. When the slot moves away
    /// later, the stream ends with the same error as below.
    ///
    /// # Errors
    /// As for [`Connection::subscribe`]. Servers before 7.0 have no shard channels. If the node does not have the
    /// slot, it answers MOVED: [`ServerError::moved_to`](crate::ServerError::moved_to) names the node to connect to.
    pub fn ssubscribe<N: ToChannels>(&self, shard_channels: N) -> Subscribe<N, Channel> {
        let broker = Arc::new(self.clone());
        Subscribe::new(broker, SourceKind::Shard, shard_channels, Channel::new)
    }
}

impl Pool {
    /// Subscribes to channels over the pool's first lane: see [`Connection::subscribe`].
    ///
    /// # Errors
    /// As for [`Connection::subscribe`].
    pub fn subscribe<N: ToChannels>(&self, channels: N) -> Subscribe<N, Channel> {
        self.first_lane().subscribe(channels)
    }

    /// Subscribes to patterns over the pool's first lane: see [`Connection::psubscribe`].
    ///
    /// # Errors
    /// As for [`Connection::subscribe`].
    pub fn psubscribe<N: ToChannels>(&self, patterns: N) -> Subscribe<N, PatternChannel> {
        self.first_lane().psubscribe(patterns)
    }

    /// Subscribes to shard channels over the pool's first lane: see [`Connection::ssubscribe`].
    ///
    /// # Errors
    /// As for [`Connection::ssubscribe`].
    pub fn ssubscribe<N: ToChannels>(&self, shard_channels: N) -> Subscribe<N, Channel> {
        self.first_lane().ssubscribe(shard_channels)
    }
}

impl<N: ToChannels, C> Subscribe<N, C> {
    pub(crate) fn new(
        broker: Arc<dyn Broker>,
        kind: SourceKind,
        names: N,
        make: fn(Reader) -> C,
    ) -> Self {
        Self {
            capacity: broker.config().inbox,
            confirmation: Confirmation::new(broker.clone(), kind),
            broker,
            reach: Reach::OneServer,
            kind,
            names: Some(names),
            make,
            prefix: None,
            channels: None,
        }
    }

    /// The same, with names that get this prefix on the way.
    pub(crate) fn prefixed(mut self, prefix: Option<&NamePrefix>) -> Self {
        self.prefix = prefix.cloned();
        self
    }

    /// Subscribes where this says.
    pub(super) fn with_reach(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
    }

    /// How many bytes of messages each channel holds for its reader; 16 MiB by default. A message counts with its
    /// payload, about 200 bytes, and the name of the channel if it matched a pattern. A message larger than all of
    /// this is held if it is the only one.
    pub fn capacity_bytes(mut self, bytes: usize) -> Self {
        self.capacity.bytes = bytes;
        self
    }

    /// How many messages each channel holds for its reader, at least 1; by default only the bytes are limited.
    pub fn capacity_messages(mut self, messages: usize) -> Self {
        self.capacity.messages = messages.max(1);
        self
    }

    /// What happens when there is no room. By default the oldest message is dropped, and the reader gets
    /// [`Event::Lagged`](crate::Event::Lagged). With [`Lag::Wait`] each channel has its own socket.
    pub fn on_lag(mut self, lag: Lag) -> Self {
        self.capacity.lag = lag;
        self
    }

    /// How long to wait for the server's confirmation, instead of the configured command timeout.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.confirmation.patience = Some(deadline);
        self
    }

    fn start(&mut self, names: N) {
        let (capacity, make, kind) = (self.capacity, self.make, self.kind);
        let (broker, ticket) = (&self.broker, &self.confirmation.ticket);
        let prefix = self.prefix.as_ref();
        self.channels = Some(names.map_names(|name| {
            let inbox = Arc::new(Inbox::new(capacity));
            let desk = broker.desk(&inbox, capacity.lag, self.reach);
            let source = Arc::new(Source::new(kind, whole_name(kind, &name, prefix)));
            let entrance = entrance(source.clone(), inbox.clone(), ticket.clone(), true);
            let subscription = desk.join(entrance);
            let reader = Reader::new(inbox, source, subscription, broker.clone());
            make(match prefix {
                Some(prefix) => reader.shown_as(Source::new(kind, name), &prefix.text),
                None => reader,
            })
        }));
    }
}

/// The name as the server knows it.
fn whole_name(kind: SourceKind, name: &Bytes, prefix: Option<&NamePrefix>) -> Bytes {
    let Some(prefix) = prefix else {
        return name.clone();
    };
    let prefix = match kind {
        SourceKind::Pattern => &prefix.pattern,
        SourceKind::Channel | SourceKind::Shard => &prefix.text,
    };
    [prefix, &**name].concat().into()
}

/// Does `work` for each name.
pub(super) fn each_name(names: impl ToChannels, work: impl FnMut(Bytes)) {
    names.map_names(work);
}

impl Confirmation {
    pub(super) fn new(broker: Arc<dyn Broker>, kind: SourceKind) -> Self {
        Self {
            ticket: Arc::default(),
            kind,
            patience: broker.config().command_timeout,
            broker,
            timer: None,
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if let Poll::Ready(outcome) = self.ticket.poll(cx) {
            return Poll::Ready(outcome.map_err(|cause| self.named(cause.into())));
        }
        Poll::Ready(Err(ready!(self.poll_timer(Phase::MaybeApplied, cx))))
    }

    /// What is waited for before anything is asked of the server, within the same time.
    pub(super) async fn preceded_by<T>(&mut self, wait: impl Future<Output = T>) -> Result<T> {
        let mut wait = std::pin::pin!(wait);
        std::future::poll_fn(|cx| match wait.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending => self.poll_timer(Phase::NotSent, cx).map(Err),
        })
        .await
    }

    /// Waits for the end of the time that the call has.
    fn poll_timer(&mut self, phase: Phase, cx: &mut Context<'_>) -> Poll<Error> {
        let Some(patience) = self.patience else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(timer.as_mut().poll(cx));
        // What the server says of it is nearer than what is known of its connection.
        let refusal = self.ticket.refusal();
        let obstacle = match refusal {
            Some(refusal) => Some(Arc::new(Obstacle::Refused(refusal))),
            None => self.broker.obstacle(),
        };
        Poll::Ready(self.named(Error::timeout(phase, obstacle)))
    }

    fn named(&self, error: Error) -> Error {
        let name = match self.kind {
            SourceKind::Channel => "SUBSCRIBE",
            SourceKind::Pattern => "PSUBSCRIBE",
            SourceKind::Shard => "SSUBSCRIBE",
        };
        error.of_command(name.into())
    }
}

impl<N: ToChannels, C> Unpin for Subscribe<N, C> {}

impl<N: ToChannels, C> Future for Subscribe<N, C> {
    type Output = Result<N::Output<C>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(names) = self.names.take() {
            self.start(names);
        }
        let outcome = std::task::ready!(self.confirmation.poll(cx));
        let channels = self.channels.take();
        Poll::Ready(outcome.and_then(|()| {
            channels.ok_or_else(|| Error::usage("this subscription was awaited to its end already"))
        }))
    }
}

impl<N: ToChannels, C> fmt::Debug for Subscribe<N, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribe")
            .field("kind", &self.kind)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}
