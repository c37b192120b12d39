//! Keyspace notifications: what happens to keys, as a typed stream.

use std::borrow::Cow;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;

use super::channel::PatternChannel;
use crate::config::{Capacity, Lag};
use crate::engine::subscriptions::message::{Event, Message};
use crate::error::{Error, Result};
use crate::handle::Connection;
use crate::handle::Pool;
use crate::request::{Run, raw};

/// Something that happened to a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyspaceEvent {
    /// The database of the key.
    pub database: u32,
    /// What happened: the command in lower case (`set`, `del`, `hset`), or `expired`, `evicted`, `new`.
    pub event: String,
    /// The key.
    pub key: Bytes,
}

impl KeyspaceEvent {
    /// The key as text; bytes that are not UTF-8 are shown as `U+FFFD`.
    #[must_use]
    pub fn key_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.key)
    }

    /// Reads `__keyevent@0__:set` with the key, or `__keyspace@0__:key` with the event; `None` for anything else.
    fn read(message: &Message) -> Option<Self> {
        let channel = message.channel_bytes();
        let payload = message.payload();
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
        if let Some((database, event)) = split(channel, b"__keyevent@") {
            Some(Self {
                database,
                event: text(event)?,
                key: payload.clone(),
            })
        } else {
            let (database, key) = split(channel, b"__keyspace@")?;
            Some(Self {
                database,
                event: text(payload)?,
                key: channel.slice_ref(key),
            })
        }
    }
}

/// The database and what follows `__:`.
fn split<'a>(channel: &'a [u8], prefix: &[u8]) -> Option<(u32, &'a [u8])> {
    let rest = channel.strip_prefix(prefix)?;
    let end = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    let (digits, rest) = rest.split_at_checked(end)?;
    let database = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((database, rest.strip_prefix(b"__:")?))
}

/// A stream of keyspace events that is not open yet: set what it covers, then await it.
#[derive(Debug)]
#[must_use = "nothing is subscribed to before this is awaited"]
pub struct WatchKeyspace {
    connection: Connection,
    database: Option<u32>,
    event: Option<String>,
    keys: Option<String>,
    capacity: Capacity,
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
        WatchKeyspace {
            connection: self.clone(),
            database: None,
            event: None,
            keys: None,
            capacity: self.config().inbox,
        }
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
    /// Only events in this database.
    pub fn database(mut self, number: u32) -> Self {
        self.database = Some(number);
        self
    }

    /// Only this event, such as `expired`; a glob-style pattern. If [`WatchKeyspace::keys`] is set too, typedis
    /// filters the events, not the server, and only `*` or the plain word is supported.
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

    /// How many bytes of events are held for the reader; 16 MiB by default.
    pub fn capacity_bytes(mut self, bytes: usize) -> Self {
        self.capacity.bytes = bytes;
        self
    }

    /// How many events are held for the reader; by default only the bytes are limited.
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
        match (&self.keys, &self.event) {
            (Some(keys), _) => format!("__keyspace@{database}__:{keys}"),
            (None, Some(event)) => format!("__keyevent@{database}__:{event}"),
            (None, None) => format!("__keyevent@{database}__:*"),
        }
    }

    async fn open(self) -> Result<KeyspaceEvents> {
        self.check_configuration().await?;
        let Capacity {
            bytes,
            messages,
            lag,
        } = self.capacity;
        let subscribe = self.connection.psubscribe(self.pattern());
        let subscribe = subscribe.capacity_bytes(bytes).capacity_messages(messages);
        let subscribe = subscribe.on_lag(lag);
        let only = self
            .event
            .filter(|event| self.keys.is_some() && event != "*");
        Ok(KeyspaceEvents {
            channel: subscribe.await?,
            only,
        })
    }

    /// If the server sends no events, that would look like a server on which nothing happens. If the
    /// configuration may not be read, the stream is opened all the same.
    async fn check_configuration(&self) -> Result<()> {
        let asked = raw("CONFIG GET")
            .arg("notify-keyspace-events")
            .readonly()
            .reply::<Vec<(String, String)>>();
        let flags = match self.connection.run(asked).await {
            Ok(pairs) => pairs.into_iter().next(),
            Err(error) if error.server().is_some() => return Ok(()),
            Err(error) => return Err(error),
        };
        let needed = if self.keys.is_some() { 'K' } else { 'E' };
        match flags {
            Some((_, flags)) if !flags.contains(needed) => Err(Error::usage(format!(
                "the server tells no such events: its `notify-keyspace-events` is {flags:?} and lacks `{needed}`; \
                 `CONFIG SET notify-keyspace-events KEA` turns all of them on"
            ))),
            _ => Ok(()),
        }
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
#[derive(Debug)]
pub struct KeyspaceEvents {
    channel: PatternChannel,
    /// Other events are skipped.
    only: Option<String>,
}

impl KeyspaceEvents {
    /// The next event; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Event<KeyspaceEvent>>> {
        std::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event<KeyspaceEvent>>>> {
        loop {
            let event = match ready!(Pin::new(&mut self.channel).poll_next(cx)) {
                Some(Ok(event)) => event.filter_map(|message| KeyspaceEvent::read(&message)),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            };
            // Any client may publish any text to these channels.
            let Some(event) = event else { continue };
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

impl fmt::Display for KeyspaceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} (database {})",
            self.event,
            self.key_text(),
            self.database
        )
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn channels_are_taken_apart() {
        assert_eq!(
            split(b"__keyevent@15__:set", b"__keyevent@"),
            Some((15, &b"set"[..]))
        );
        assert_eq!(
            split(b"__keyevent@0__:", b"__keyevent@"),
            Some((0, &b""[..]))
        );
        assert_eq!(
            split(b"__keyspace@3__:a__:b", b"__keyspace@"),
            Some((3, &b"a__:b"[..]))
        );
        for other in [
            &b"__keyevent@x__:set"[..],
            b"__keyevent@1_:set",
            b"__keyevent@",
            b"__keyevent@99999999999__:a",
        ] {
            assert_eq!(split(other, b"__keyevent@"), None);
        }
    }
}
