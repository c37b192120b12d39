//! Keyspace notifications: what happens to keys, as a typed stream.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::broker::{Broker, Reach};
use super::channel::PatternChannel;
use super::keyspace_check::{Checks, Needed};
use super::keyspace_event::KeyspaceEvent;
use super::subscribe::Subscribe;
use crate::config::{Capacity, Lag};
use crate::engine::subscriptions::message::Event;
use crate::engine::subscriptions::source::SourceKind;
use crate::error::Result;
use crate::handle::Connection;
use crate::handle::Pool;

/// A stream of keyspace events that has not been opened: narrow it down, then await it.
#[derive(Debug)]
#[must_use = "nothing is subscribed to before this is awaited"]
pub struct WatchKeyspace {
    broker: Arc<dyn Broker>,
    database: Option<u32>,
    event: Option<String>,
    keys: Option<String>,
    subkeys: Subkeys,
    capacity: Capacity,
}

/// What is told of the fields of hashes.
#[derive(Debug)]
enum Subkeys {
    Nothing,
    /// Which of them an event concerns.
    All,
    /// Only events of this one.
    One(String),
}

impl Connection {
    /// What happens to keys on the server, as a stream; in all databases, unless you choose one.
    ///
    /// The server sends these events only if it is configured to: `CONFIG SET notify-keyspace-events KEA` turns all
    /// of them on.
    ///
    /// ```no_run
    /// # extern crate typedis_core as typedis;
    /// # async fn example(conn: typedis::Connection) -> typedis::Result<()> {
    /// let mut expired = conn.keyspace_events().database(0).event("expired").await?;
    /// while let Some(event) = expired.next().await {
    ///     if let Some(event) = event?.into_message() {
    ///         println!("{} is gone", event.key_text());
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The server is not configured to send events; otherwise as for [`Connection::subscribe`].
    pub fn keyspace_events(&self) -> WatchKeyspace {
        WatchKeyspace::new(Arc::new(self.clone()))
    }
}

impl Pool {
    /// What happens to keys on the server, as a stream: see [`Connection::keyspace_events`].
    ///
    /// # Errors
    /// As for [`Connection::keyspace_events`].
    pub fn keyspace_events(&self) -> WatchKeyspace {
        self.first_lane().keyspace_events()
    }
}

impl WatchKeyspace {
    pub(crate) fn new(broker: Arc<dyn Broker>) -> Self {
        Self {
            capacity: broker.config().inbox,
            broker,
            database: None,
            event: None,
            keys: None,
            subkeys: Subkeys::Nothing,
        }
    }

    /// Only events in this database.
    pub fn database(mut self, number: u32) -> Self {
        self.database = Some(number);
        self
    }

    /// Only this event, such as `expired`; a glob-style pattern. If [`WatchKeyspace::keys`] or [`WatchKeyspace::subkey`] is
    /// set too, typedis filters the events, not the server, and only `*` or the plain word is supported.
    pub fn event(mut self, event: impl Into<String>) -> Self {
        self.event = Some(event.into());
        self
    }

    /// Only events of keys that match a glob-style pattern. The server then needs `K` in its
    /// `notify-keyspace-events`; without this option it needs `E`.
    pub fn keys(mut self, pattern: impl Into<String>) -> Self {
        self.keys = Some(pattern.into());
        self
    }

    /// Says which fields of hashes an event concerns, in [`KeyspaceEvent::subkeys`]; events that concern none are not told. Redis
    /// has it since 8.8. The server has to have `T` among its `notify-keyspace-events`, or `S` where [`WatchKeyspace::keys`] is
    /// given.
    ///
    /// ```no_run
    /// # async fn example(conn: typedis_core::Connection) -> typedis_core::Result<()> {
    /// let mut expired = conn.keyspace_events().event("hexpired").subkeys().await?;
    /// while let Some(event) = expired.next().await {
    ///     if let Some(event) = event?.into_message() {
    ///         println!("{} lost {:?}", event.key_text(), event.subkeys);
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    pub fn subkeys(mut self) -> Self {
        self.subkeys = Subkeys::All;
        self
    }

    /// Only of this field of hashes, a glob-style pattern. Redis has it since 8.8. The server has to have `I` among its
    /// `notify-keyspace-events`; of keys that contain a line feed it tells nothing.
    pub fn subkey(mut self, pattern: impl Into<String>) -> Self {
        self.subkeys = Subkeys::One(pattern.into());
        self
    }

    /// How many bytes of events are held for the reader; 16 MiB by default.
    pub fn capacity_bytes(mut self, bytes: usize) -> Self {
        self.capacity.bytes = bytes;
        self
    }

    /// How many events are held for the reader, at least 1; by default only the bytes are limited.
    pub fn capacity_messages(mut self, events: usize) -> Self {
        self.capacity.messages = events.max(1);
        self
    }

    /// What happens when there is no room; by default the oldest event is dropped, and the reader gets
    /// [`Event::Lagged`].
    pub fn on_lag(mut self, lag: Lag) -> Self {
        self.capacity.lag = lag;
        self
    }

    fn pattern(&self) -> String {
        let database = match self.database {
            Some(number) => number.to_string(),
            None => "*".to_owned(),
        };
        let sub = match &self.subkeys {
            Subkeys::Nothing => "",
            Subkeys::All => "sub",
            Subkeys::One(subkey) => {
                let keys = self.keys.as_deref().unwrap_or("*");
                return format!("__subkeyspaceitem@{database}__:{keys}\n{subkey}");
            }
        };
        match (&self.keys, &self.event) {
            (Some(keys), _) => format!("__{sub}keyspace@{database}__:{keys}"),
            (None, Some(event)) => format!("__{sub}keyevent@{database}__:{event}"),
            (None, None) => format!("__{sub}keyevent@{database}__:*"),
        }
    }

    /// What the servers have to have among their `notify-keyspace-events`.
    fn needed(&self) -> Needed {
        let class = match (&self.subkeys, &self.keys) {
            (Subkeys::One(_), _) => 'I',
            (Subkeys::All, Some(_)) => 'S',
            (Subkeys::All, None) => 'T',
            (Subkeys::Nothing, Some(_)) => 'K',
            (Subkeys::Nothing, None) => 'E',
        };
        let (all, since) = match self.subkeys {
            Subkeys::Nothing => ("KEA", ""),
            Subkeys::All | Subkeys::One(_) => ("KESTIVA", ", since Redis 8.8"),
        };
        Needed { class, all, since }
    }

    /// Whether the pattern on the server does not choose the event.
    fn chooses_events_here(&self) -> bool {
        self.keys.is_some() || matches!(self.subkeys, Subkeys::One(_))
    }

    async fn open(self) -> Result<KeyspaceEvents> {
        let needed = self.needed();
        self.broker.ready().await?;
        for server in self.broker.servers() {
            if let Some(error) = needed.is_missing(&server).await? {
                return Err(error);
            }
        }
        let Capacity {
            bytes,
            messages,
            lag,
        } = self.capacity;
        let (broker, checked, pattern) = (self.broker.clone(), self.broker.clone(), self.pattern());
        let subscribe = Subscribe::new(broker, SourceKind::Pattern, pattern, PatternChannel::new);
        let subscribe = subscribe.with_reach(Reach::EveryPrimary);
        let subscribe = subscribe.capacity_bytes(bytes).capacity_messages(messages);
        let subscribe = subscribe.on_lag(lag);
        let chooses_here = self.chooses_events_here();
        let only = self.event.filter(|event| chooses_here && event != "*");
        Ok(KeyspaceEvents {
            channel: subscribe.await?,
            only,
            checks: Checks::new(checked, needed),
        })
    }
}

impl IntoFuture for WatchKeyspace {
    type Output = Result<KeyspaceEvents>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

/// What happens to keys, as a stream; it works like [`PatternChannel`].
///
/// After each [`Event::Resubscribed`] the servers are asked once more whether they are configured to tell such events: it may be
/// another server, a restarted one, or a primary that has joined the cluster. For each that is not, the stream yields an error, and
/// goes on with the events of the others.
#[derive(Debug)]
pub struct KeyspaceEvents {
    channel: PatternChannel,
    /// Other events are skipped.
    only: Option<String>,
    checks: Checks,
}

impl KeyspaceEvents {
    /// The next event; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Event<KeyspaceEvent>>> {
        std::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event<KeyspaceEvent>>>> {
        loop {
            if let Some(error) = self.checks.poll(cx) {
                return Poll::Ready(Some(Err(error)));
            }
            let event = match ready!(Pin::new(&mut self.channel).poll_next(cx)) {
                Some(Ok(event)) => event.filter_map(|message| KeyspaceEvent::read(&message)),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            };
            // Any client may publish any text to these channels.
            let Some(event) = event else { continue };
            if matches!(event, Event::Resubscribed) {
                self.checks.begin();
            }
            if !self.passes_over(&event) {
                return Poll::Ready(Some(Ok(event)));
            }
        }
    }

    fn passes_over(&self, event: &Event<KeyspaceEvent>) -> bool {
        match (event, &self.only) {
            (Event::Message(event), Some(only)) => event.event != *only,
            _ => false,
        }
    }
}

impl Stream for KeyspaceEvents {
    type Item = Result<Event<KeyspaceEvent>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_event(cx)
    }
}
