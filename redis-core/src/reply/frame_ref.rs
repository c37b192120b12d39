//! One reply among others in a piece of received bytes: [`FrameRef`].

use std::fmt;

use bytes::Bytes;

use super::view::{self, Reply};
use crate::wire::{Chunk, Span, token};

/// One reply in received bytes, read up to its first token.
#[doc(hidden)]
#[derive(Clone)]
pub struct FrameRef<'a> {
    pub(super) span: Span<'a>,
    reply: Reply<'a>,
}

impl<'a> FrameRef<'a> {
    /// All of a chunk, which the scanner found to be one reply.
    #[inline]
    pub(crate) fn of_chunk(chunk: &'a Chunk) -> Self {
        let span = chunk.span();
        Self {
            span,
            reply: view::frame(span),
        }
    }

    /// All of some bytes that are known to be one reply.
    #[inline]
    pub(crate) fn of_bytes(bytes: &'a Bytes) -> Self {
        let span = Span::from(bytes);
        Self {
            span,
            reply: view::frame(span),
        }
    }

    /// The next reply of several, if it is a short string, and where it ends.
    #[inline]
    pub(crate) fn next_short(span: Span<'a>, at: usize) -> Option<(Self, usize)> {
        let (text, end) = view::short_string(span, at)?;
        let span = span.slice(at..end);
        let reply = Reply::Bulk(text);
        Some((Self { span, reply }, end))
    }

    /// The number of elements of the array that is the next reply of several, and where the first begins. `None` if it is
    /// something else, or has more than nine.
    #[inline]
    pub(crate) fn short_array_head(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
        let (count, after) = token::split_short_array_head(bytes.get(at..)?)?;
        Some((count, bytes.len() - after.len()))
    }

    /// The next reply of several, and where it ends.
    pub(crate) fn next(span: Span<'a>, at: usize) -> Option<(Self, usize)> {
        let (range, reply) = view::next(span, at)?;
        let end = range.end;
        let span = span.slice(range);
        Some((Self { span, reply }, end))
    }

    /// A view of the reply.
    #[inline]
    #[must_use]
    pub fn reply(&self) -> &Reply<'a> {
        &self.reply
    }

    /// The view of the reply, for decoding.
    #[inline]
    #[must_use]
    pub fn into_reply(self) -> Reply<'a> {
        self.reply
    }

    /// The bytes, to be kept.
    pub(crate) fn to_chunk(&self) -> Chunk {
        to_chunk(self.span)
    }

    pub(crate) fn as_bytes(&self) -> &'a [u8] {
        self.span.bytes
    }
}

impl fmt::Debug for FrameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.reply, f)
    }
}

/// The bytes of one reply, to be kept.
pub(super) fn to_chunk(span: Span<'_>) -> Chunk {
    Chunk::copied(span.bytes).unwrap_or_else(|| span.detach().into())
}
