//! One reply as it came: [`Frame`], [`FrameRef`] for one that is borrowed, and [`Frames`] for a chunk of many.

use std::fmt;

use bytes::Bytes;

use crate::chunk::{Chunk, Span};
use crate::error::Error;
use crate::from_redis::{DecodeError, FromRedis, Reply, read};
use crate::resp::scan::{Limits, Scanner};
use crate::value::Value;

/// The bytes of one complete reply.
///
/// It is cheap to clone. What is in it is read with [`Frame::reply`] or [`Frame::decode`].
///
/// ```
/// use typedis_core::Frame;
///
/// let frame = Frame::parse(&b"*2\r\n:1\r\n$3\r\ntwo\r\n"[..])?;
/// let (number, name): (i64, String) = frame.decode()?;
/// assert_eq!((number, name.as_str()), (1, "two"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Frame(Chunk);

impl Frame {
    /// Takes the bytes of exactly one reply; for tests and for replies that were recorded.
    ///
    /// # Errors
    /// The bytes are not RESP, are less than a reply, or more than one.
    pub fn parse(bytes: impl Into<Bytes>) -> Result<Self, DecodeError> {
        let bytes = bytes.into();
        let found = Scanner::new(Limits::default())
            .scan(&bytes)
            .map_err(|error| DecodeError::new(format!("this is not RESP: {error}")))?
            .ok_or_else(|| DecodeError::new("the reply is not complete"))?;
        if found.len < bytes.len() {
            return Err(DecodeError::new(format!(
                "{} bytes follow the reply",
                bytes.len() - found.len
            )));
        }
        Ok(Self(bytes.into()))
    }

    /// Takes bytes that the scanner found to be one reply.
    pub(crate) fn from_scanned(bytes: impl Into<Chunk>) -> Self {
        Self(bytes.into())
    }

    /// The reply, to be read.
    #[must_use]
    pub fn reply(&self) -> Reply<'_> {
        read::frame(self.0.span())
    }

    /// The frame as what decodes.
    pub(crate) fn borrowed(&self) -> FrameRef<'_> {
        FrameRef::of_chunk(&self.0)
    }

    /// Decodes the reply into a type.
    ///
    /// # Errors
    /// The reply is an error, or does not fit the type.
    pub fn decode<T: FromRedis>(self) -> Result<T, Error> {
        T::from_outcome(Ok(self.borrowed()))
    }

    /// Decodes what became of a command.
    pub(crate) fn decode_outcome<T: FromRedis>(outcome: Result<Self, Error>) -> Result<T, Error> {
        match outcome {
            Ok(frame) => frame.decode(),
            Err(error) => T::from_outcome(Err(error)),
        }
    }

    /// The reply as an owned tree; an error reply is [`Value::Error`].
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::from(self.reply())
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The elements of an array, each as a frame of its own; `None` for anything else.
    #[must_use]
    pub fn elements(&self) -> Option<Frames> {
        match self.reply() {
            Reply::Array(elements) => Some(Frames {
                source: self.0.clone(),
                at: elements.position(),
                remaining: elements.remaining(),
            }),
            _ => None,
        }
    }

    /// The pushes that stand between the elements of this reply, where servers before 7.2 may put them. They are no
    /// elements, and [`Frame::reply`] passes over them.
    pub(crate) fn inner_pushes(&self) -> Vec<Self> {
        read::inner_pushes(&self.0)
            .into_iter()
            .map(|range| Self(self.0.slice(range)))
            .collect()
    }
}

/// The bytes decide.
impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Frame {}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_value(), f)
    }
}

/// One reply that lies among received bytes, read as far as its first token: what [`FromRedis::from_outcome`] takes.
#[doc(hidden)]
#[derive(Clone)]
pub struct FrameRef<'a> {
    span: Span<'a>,
    reply: Reply<'a>,
}

impl<'a> FrameRef<'a> {
    /// All of a chunk, which the scanner found to be one reply.
    #[inline]
    pub(crate) fn of_chunk(chunk: &'a Chunk) -> Self {
        let span = chunk.span();
        Self {
            span,
            reply: read::frame(span),
        }
    }

    /// The next reply of several, if it is a short string, and where it ends.
    #[inline]
    pub(crate) fn next_short(span: Span<'a>, at: usize) -> Option<(Self, usize)> {
        let (text, end) = read::short_string(span, at)?;
        let span = span.slice(at..end);
        let reply = Reply::Bulk(text);
        Some((Self { span, reply }, end))
    }

    /// The next reply of several, and where it ends.
    pub(crate) fn next(span: Span<'a>, at: usize) -> Option<(Self, usize)> {
        let (range, reply) = read::next(span, at)?;
        let end = range.end;
        let span = span.slice(range);
        Some((Self { span, reply }, end))
    }

    /// The reply, to be read.
    #[inline]
    #[must_use]
    pub fn reply(&self) -> &Reply<'a> {
        &self.reply
    }

    /// The reply, to be decoded.
    #[inline]
    #[must_use]
    pub fn into_reply(self) -> Reply<'a> {
        self.reply
    }

    /// Decodes the reply, which is no error.
    #[inline]
    pub(crate) fn decode<T: FromRedis>(self) -> Result<T, Error> {
        let span = self.span;
        T::from_redis(self.reply).map_err(|error| does_not_fit(error, span))
    }

    /// A frame that lives by itself.
    #[must_use]
    pub fn to_frame(&self) -> Frame {
        to_frame(self.span)
    }

    pub(crate) fn as_bytes(&self) -> &'a [u8] {
        self.span.bytes
    }
}

fn to_frame(span: Span<'_>) -> Frame {
    Frame(Chunk::copied(span.bytes).unwrap_or_else(|| span.detach().into()))
}

#[cold]
fn does_not_fit(error: DecodeError, span: Span<'_>) -> Error {
    Error::decode(error, Some(to_frame(span)))
}

impl fmt::Debug for FrameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.reply, f)
    }
}

/// Replies that lie one after another in one chunk, such as those of a pipeline or of EXEC; pushes among them are
/// passed over.
#[derive(Debug, Clone)]
pub struct Frames {
    source: Chunk,
    at: usize,
    /// How many are to come; a bound that is never reached for a chunk whose end is the bound.
    remaining: u64,
}

impl Frames {
    /// Takes bytes that the scanner found to be complete replies.
    pub(crate) fn from_scanned(chunk: Chunk) -> Self {
        Self {
            source: chunk,
            at: 0,
            remaining: u64::MAX,
        }
    }
}

impl Iterator for Frames {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        self.remaining = self.remaining.checked_sub(1)?;
        let (range, _) = read::next(self.source.span(), self.at)?;
        self.at = range.end;
        Some(Frame(self.source.slice(range)))
    }
}
