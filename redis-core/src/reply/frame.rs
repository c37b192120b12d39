//! One reply as it came: [`Frame`], and [`Frames`] for a chunk of many.

use std::fmt;

use bytes::Bytes;

use super::frame_ref::FrameRef;
use super::from_redis::FromRedis;
use super::value::Value;
use super::view::{self, Reply};
use crate::error::{DecodeError, Error};
use crate::wire::scan::Scanner;
use crate::wire::{Chunk, Limits};

/// The bytes of one complete reply.
///
/// It is cheap to clone. Read its content with [`Frame::reply`] or [`Frame::decode`].
///
/// ```
/// # extern crate typedis_core as typedis;
/// use typedis::Frame;
///
/// let frame = Frame::parse(&b"*2\r\n:1\r\n$3\r\ntwo\r\n"[..])?;
/// let (number, name): (i64, String) = frame.decode()?;
/// assert_eq!((number, name.as_str()), (1, "two"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Frame(Chunk);

impl Frame {
    /// Takes the bytes of exactly one reply; for tests and recorded replies.
    ///
    /// # Errors
    /// The bytes are not RESP, or are not exactly one reply.
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

    /// The bytes, for an error that keeps them.
    pub(crate) fn into_chunk(self) -> Chunk {
        self.0
    }

    /// A view of the reply.
    #[must_use]
    pub fn reply(&self) -> Reply<'_> {
        view::frame(self.0.span())
    }

    /// The frame, borrowed for decoding.
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

    /// Decodes the outcome of a command.
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

    /// The elements of an array, each as a separate frame; `None` for anything else.
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

    /// The elements of an array, lent; `None` for anything else.
    pub(crate) fn lent_elements(&self) -> Option<impl Iterator<Item = FrameRef<'_>>> {
        let Reply::Array(elements) = self.reply() else {
            return None;
        };
        let (mut at, mut remaining) = (elements.position(), elements.remaining());
        Some(std::iter::from_fn(move || {
            remaining = remaining.checked_sub(1)?;
            let (element, end) = FrameRef::next(self.0.span(), at)?;
            at = end;
            Some(element)
        }))
    }

    /// The pushes between the elements of this reply, where servers before 7.2 may put them. They are not elements,
    /// and [`Frame::reply`] skips them.
    pub(crate) fn inner_pushes(&self) -> Vec<Self> {
        view::inner_pushes(&self.0)
            .into_iter()
            .map(|range| Self(self.0.slice(range)))
            .collect()
    }
}

impl FrameRef<'_> {
    /// A frame that owns its bytes.
    #[must_use]
    pub fn to_frame(&self) -> Frame {
        Frame(self.to_chunk())
    }
}

impl Error {
    /// The reply that did not fit the wanted type, as it came.
    ///
    /// If an element that LPOP or BLPOP took from a list could not be decoded, it is in here.
    #[must_use]
    pub fn into_reply(self) -> Option<Value> {
        self.into_undecoded().map(|bytes| Frame(bytes).to_value())
    }
}

/// Frames are equal if their bytes are.
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

/// The elements of an array, one after another; pushes among them are skipped.
#[derive(Debug, Clone)]
pub struct Frames {
    source: Chunk,
    at: usize,
    /// How many are left.
    remaining: u64,
}

impl Iterator for Frames {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        self.remaining = self.remaining.checked_sub(1)?;
        let (range, _) = view::next(self.source.span(), self.at)?;
        self.at = range.end;
        Some(Frame(self.source.slice(range)))
    }
}
