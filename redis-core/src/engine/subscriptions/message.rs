//! What a subscriber reads: [`Event`], and the [`Message`] or the [`Interruption`] in it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::source::Source;
use crate::error::{Error, Result, ServerError};
use crate::reply::Frame;
use crate::reply::{FromRedis, Reply};
use crate::wire::encode;

/// Something that an inbox holds.
pub(crate) trait Parcel {
    /// How many bytes it holds.
    fn size(&self) -> usize;
}

/// What a stream of a subscription yields.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<M = Message> {
    /// A message came.
    Message(M),
    /// This many messages were dropped here, because they came faster than they were read.
    Lagged(u64),
    /// The connection was lost, and the subscription has been restored on a new one: messages that were published in
    /// between are missing.
    Resubscribed,
    /// The connection was lost, and the server refuses to restore the subscription: it is asked again and again, and messages
    /// are missing until [`Event::Resubscribed`] says that it agreed. Told once for each source.
    Interrupted(Interruption),
}

/// Why messages of a source do not come for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interruption {
    source: Arc<Source>,
    refusal: ServerError,
}

impl Interruption {
    pub(crate) fn new(source: Arc<Source>, refusal: ServerError) -> Self {
        Self { source, refusal }
    }

    /// The subscription that is missing.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// What the server said: `OOM` over its maxmemory, `NOPERM` where the user lost a right.
    #[must_use]
    pub fn refusal(&self) -> &ServerError {
        &self.refusal
    }
}

impl<M> Event<M> {
    /// The message, if it is one.
    #[must_use]
    pub fn into_message(self) -> Option<M> {
        match self {
            Self::Message(message) => Some(message),
            Self::Lagged(_) | Self::Resubscribed | Self::Interrupted(_) => None,
        }
    }

    /// The event with its message replaced by what `map` returns; `None` if `map` returns `None`.
    pub(crate) fn filter_map<N>(self, map: impl FnOnce(M) -> Option<N>) -> Option<Event<N>> {
        Some(match self {
            Self::Message(message) => Event::Message(map(message)?),
            Self::Lagged(count) => Event::Lagged(count),
            Self::Resubscribed => Event::Resubscribed,
            Self::Interrupted(interruption) => Event::Interrupted(interruption),
        })
    }
}

impl Event {
    /// The event of a subscription that its reader calls by another name, with channels that lack the prefix.
    pub(crate) fn shown_as(self, source: &Arc<Source>, prefix: &[u8]) -> Self {
        match self {
            Self::Message(message) => Self::Message(message.shown_as(source, prefix)),
            Self::Interrupted(interruption) => Self::Interrupted(Interruption {
                source: source.clone(),
                ..interruption
            }),
            Self::Lagged(_) | Self::Resubscribed => self,
        }
    }
}

/// A published message.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    source: Arc<Source>,
    /// The channel, if the source is a pattern.
    channel: Option<Bytes>,
    payload: Bytes,
}

impl Message {
    pub(crate) fn new(source: Arc<Source>, channel: Option<Bytes>, payload: Bytes) -> Self {
        Self {
            source,
            channel,
            payload,
        }
    }

    fn shown_as(self, source: &Arc<Source>, prefix: &[u8]) -> Self {
        let shorter = |channel: Bytes| match channel.starts_with(prefix) {
            true => channel.slice(prefix.len()..),
            false => channel,
        };
        Self {
            source: source.clone(),
            channel: self.channel.map(shorter),
            ..self
        }
    }

    /// The subscription that it came from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The channel that it was published to; bytes that are not UTF-8 are shown as `U+FFFD`.
    #[must_use]
    pub fn channel(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.channel_bytes())
    }

    /// The channel that it was published to.
    #[must_use]
    pub fn channel_bytes(&self) -> &Bytes {
        self.channel
            .as_ref()
            .unwrap_or_else(|| self.source.name_bytes())
    }

    /// What was published.
    #[must_use]
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// What was published.
    #[must_use]
    pub fn into_payload(self) -> Bytes {
        self.payload
    }

    /// What was published, decoded into a type.
    ///
    /// # Errors
    /// It does not fit the type. The payload stays in the error: [`Error::into_reply`].
    pub fn decode<T: FromRedis>(&self) -> Result<T> {
        T::from_redis(Reply::bulk(&self.payload))
            .map_err(|error| Error::decode(error, Some(bulk_frame(&self.payload).into_chunk())))
    }

    /// What was published, read as JSON.
    ///
    /// # Errors
    /// It is not JSON, or does not fit this type.
    #[cfg(feature = "json")]
    pub fn decode_json<T: serde_core::de::DeserializeOwned>(&self) -> Result<T> {
        self.decode().map(|crate::codec::Json(value)| value)
    }
}

/// The payload as a reply frame, for errors.
fn bulk_frame(payload: &[u8]) -> Frame {
    let mut encoded = Vec::new();
    encode::bulk(&mut encoded, payload);
    Frame::from_scanned(Bytes::from(encoded))
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("source", &self.source)
            .field("channel", &self.channel())
            .field("payload", &self.payload)
            .finish()
    }
}

impl Parcel for Message {
    fn size(&self) -> usize {
        self.payload.len() + self.channel.as_ref().map_or(0, Bytes::len)
    }
}
