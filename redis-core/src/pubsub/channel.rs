//! Readers with one subscription each: [`Channel`] and [`PatternChannel`].

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;

use super::broker::{Broker, Subscription};
use crate::engine::subscriptions::inbox::Inbox;
use crate::engine::subscriptions::message::{Event, Message};
use crate::engine::subscriptions::source::Source;
use crate::error::{Error, ErrorKind, Phase, Result};
use crate::reply::FromRedis;

/// A subscription to one channel, and the stream of what is published to it.
///
/// The stream yields [`Event`]s: messages, and notes where messages are missing. It ends when the owner of the
/// connection closes it, or after [`Channel::close`]. If the subscription fails, the stream yields the error and then
/// ends. A lost connection does not end it: the subscription is restored, and the stream yields
/// [`Event::Resubscribed`].
///
/// It is read in a loop that awaits, not by `for`:
///
/// ```
/// # use typedis_core::{Channel, Event, Result};
/// async fn read(mut news: Channel) -> Result<()> {
///     while let Some(event) = news.next().await {
///         if let Event::Message(message) = event? {
///             println!("{:?}", message.payload());
///         }
///     }
///     Ok(())
/// }
/// ```
///
/// Several channels with the same name, on clones of one connection, share one subscription on the server. It ends
/// when the last of them is dropped. A channel keeps its connection open.
pub struct Channel {
    reader: Reader,
}

/// A subscription to a pattern of channel names, and the stream of what is published to all that match.
///
/// It works like [`Channel`], except that messages come with the name of their channel.
pub struct PatternChannel {
    reader: Reader,
}

/// The common part of both.
pub(crate) struct Reader {
    inbox: Arc<Inbox<Message>>,
    source: Arc<Source>,
    /// What is taken off the names of channels.
    prefix: Option<Bytes>,
    /// Set until it is closed. It must be dropped before the broker.
    subscription: Option<Box<dyn Subscription>>,
    _broker: Arc<dyn Broker>,
}

impl Reader {
    pub(super) fn new(
        inbox: Arc<Inbox<Message>>,
        source: Arc<Source>,
        subscription: Box<dyn Subscription>,
        broker: Arc<dyn Broker>,
    ) -> Self {
        Self {
            inbox,
            source,
            prefix: None,
            subscription: Some(subscription),
            _broker: broker,
        }
    }

    /// The same reader, which calls its source so, and its channels without the prefix.
    pub(super) fn shown_as(self, source: Source, prefix: &[u8]) -> Self {
        Self {
            source: Arc::new(source),
            prefix: Some(Bytes::copy_from_slice(prefix)),
            ..self
        }
    }

    pub(super) fn poll_event(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Event>>> {
        let event = self.inbox.poll_next(cx);
        match &self.prefix {
            None => event,
            Some(prefix) => event.map_ok(|event: Event| event.shown_as(&self.source, prefix)),
        }
    }

    async fn message(&self) -> Result<Option<Message>> {
        std::future::poll_fn(|cx| poll_message(|| self.poll_event(cx)))
            .await
            .transpose()
    }

    fn close(&mut self) {
        self.subscription = None;
        let mut woken = Vec::new();
        self.inbox.end(None, &mut woken);
        woken.into_iter().for_each(std::task::Waker::wake);
    }

    fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("source", &self.source)
            .field("is_active", &self.inbox.is_open())
            .finish_non_exhaustive()
    }
}

/// The next message of these events; if messages were lost before it, an error.
pub(super) fn poll_message(
    mut poll_event: impl FnMut() -> Poll<Option<Result<Event>>>,
) -> Poll<Option<Result<Message>>> {
    loop {
        return Poll::Ready(match ready!(poll_event()) {
            Some(Ok(Event::Message(message))) => Some(Ok(message)),
            Some(Ok(Event::Lagged(count))) => Some(Err(lagged(count))),
            Some(Ok(Event::Resubscribed)) => continue,
            Some(Ok(Event::Interrupted(interruption))) => {
                Some(Err(Error::refused(interruption.refusal().clone())))
            }
            Some(Err(error)) => Some(Err(error)),
            None => None,
        });
    }
}

pub(super) fn lagged(count: u64) -> Error {
    Error::new(ErrorKind::Lagged(count), Phase::Applied)
}

/// The methods that both kinds of channel have.
macro_rules! reader {
    ($name:ident) => {
        impl $name {
            pub(crate) fn new(reader: Reader) -> Self {
                Self { reader }
            }

            /// The next event; `None` at the end.
            ///
            /// You can drop the future at any time without losing a message.
            pub async fn next(&mut self) -> Option<Result<Event>> {
                std::future::poll_fn(|cx| self.reader.poll_event(cx)).await
            }

            /// Its name as text; bytes that are not UTF-8 are shown as `U+FFFD`.
            #[must_use]
            pub fn name(&self) -> Cow<'_, str> {
                self.reader.source.name()
            }

            /// Its name.
            #[must_use]
            pub fn name_bytes(&self) -> &Bytes {
                self.reader.source.name_bytes()
            }

            /// What it is subscribed to.
            #[must_use]
            pub fn source(&self) -> &Source {
                &self.reader.source
            }

            /// Whether more messages may come. What has been received can be read in any case.
            #[must_use]
            pub fn is_active(&self) -> bool {
                self.reader.inbox.is_open()
            }

            /// How many messages were received and not read.
            #[must_use]
            pub fn buffered(&self) -> usize {
                self.reader.inbox.held().0
            }

            /// How many bytes these messages count as.
            #[must_use]
            pub fn buffered_bytes(&self) -> usize {
                self.reader.inbox.held().1
            }

            /// Ends the subscription. What was received before can still be read; then the stream ends.
            pub fn close(&mut self) {
                self.reader.close();
            }
        }

        impl Stream for $name {
            type Item = Result<Event>;

            fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
                self.reader.poll_event(cx)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.reader.describe(stringify!($name), f)
            }
        }
    };
}

reader!(Channel);
reader!(PatternChannel);

impl Channel {
    /// The next message, decoded; `None` at the end.
    ///
    /// [`Event::Resubscribed`] is skipped; to see it, read with [`Channel::next`].
    ///
    /// # Errors
    /// The message does not fit the type, or messages were dropped before it ([`ErrorKind::Lagged`]), or the server refuses to
    /// restore the subscription after a lost connection ([`Event::Interrupted`]): the next call goes on behind. Or the
    /// subscription failed.
    pub async fn get<T: FromRedis>(&mut self) -> Result<Option<T>> {
        let message = self.reader.message().await?;
        message.map(|message| message.decode()).transpose()
    }

    /// The next message, read as JSON; `None` at the end.
    ///
    /// # Errors
    /// As for [`Channel::get`].
    #[cfg(feature = "json")]
    pub async fn get_json<T: serde_core::de::DeserializeOwned>(&mut self) -> Result<Option<T>> {
        Ok(self.get().await?.map(|crate::codec::Json(value)| value))
    }

    /// The messages as a stream of one type, with the errors of [`Channel::get`].
    pub fn iter<T: FromRedis>(&mut self) -> Messages<'_, T> {
        Messages::new(&self.reader, |message| message.decode())
    }
}

impl PatternChannel {
    /// The name of the channel and the next message, decoded; `None` at the end.
    ///
    /// # Errors
    /// As for [`Channel::get`].
    pub async fn get<T: FromRedis>(&mut self) -> Result<Option<(String, T)>> {
        let message = self.reader.message().await?;
        message.as_ref().map(named).transpose()
    }

    /// The name of the channel and the next message, read as JSON; `None` at the end.
    ///
    /// # Errors
    /// As for [`Channel::get`].
    #[cfg(feature = "json")]
    pub async fn get_json<T: serde_core::de::DeserializeOwned>(
        &mut self,
    ) -> Result<Option<(String, T)>> {
        let next = self.get().await?;
        Ok(next.map(|(channel, crate::codec::Json(value))| (channel, value)))
    }

    /// The messages, each with the name of its channel, as a stream of one type, with the errors of
    /// [`Channel::get`].
    pub fn iter<T: FromRedis>(&mut self) -> Messages<'_, (String, T)> {
        Messages::new(&self.reader, named)
    }
}

pub(super) fn named<T: FromRedis>(message: &Message) -> Result<(String, T)> {
    Ok((message.channel().into_owned(), message.decode()?))
}

/// Where [`Messages`] come from.
pub(super) trait Feed: Sync {
    fn poll_event(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Event>>>;

    fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl Feed for Reader {
    fn poll_event(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Event>>> {
        Reader::poll_event(self, cx)
    }

    fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Reader::describe(self, name, f)
    }
}

/// The messages of a channel or a [`Subscriber`](super::Subscriber) as values of one type; what `iter` gives.
pub struct Messages<'a, T> {
    feed: &'a dyn Feed,
    decode: fn(&Message) -> Result<T>,
    /// While this lives, the channel has no other reader.
    lifetime: PhantomData<&'a mut Reader>,
}

impl<'a, T> Messages<'a, T> {
    /// The caller lends its only reader.
    pub(super) fn new(feed: &'a dyn Feed, decode: fn(&Message) -> Result<T>) -> Self {
        Self {
            feed,
            decode,
            lifetime: PhantomData,
        }
    }
}

impl<T> Messages<'_, T> {
    /// The next message; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<T>> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        let message = ready!(poll_message(|| self.feed.poll_event(cx)));
        Poll::Ready(message.map(|message| (self.decode)(&message?)))
    }
}

impl<T> Stream for Messages<'_, T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx)
    }
}

impl<T> fmt::Debug for Messages<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.feed.describe("Messages", f)
    }
}
