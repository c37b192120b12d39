//! Received bytes: [`Chunk`] owns whole replies, [`Span`] is a view of a part.
//!
//! One rule decides what keeps a receive buffer alive: a chunk that is a good part of the buffer shares it, and so
//! may values that are decoded from the chunk. Anything smaller is copied.

use std::fmt;
use std::ops::{Deref, Range};

use bytes::{Buf, Bytes, BytesMut};

/// How many bytes are stored in place; with the rest of a [`Chunk`] that makes a cache line.
const INLINE: usize = 62;

/// A shared piece keeps alive at most this many times its own size.
const KEPT_ALIVE: usize = 4;

/// The bytes of one or several whole replies. A few bytes are stored in place; many are a part of the receive buffer.
#[derive(Clone)]
pub(crate) enum Chunk {
    Inline {
        len: u8,
        bytes: [u8; INLINE],
    },
    Shared {
        bytes: Bytes,
        /// The size of the buffer that the bytes keep alive.
        allocated: usize,
    },
}

impl Chunk {
    pub(crate) const EMPTY: Self = Self::Inline {
        len: 0,
        bytes: [0; INLINE],
    };

    /// A copy, if there are few bytes.
    #[inline]
    pub(crate) fn copied(source: &[u8]) -> Option<Self> {
        let mut bytes = [0; INLINE];
        bytes.get_mut(..source.len())?.copy_from_slice(source);
        // A length up to INLINE fits into a byte.
        let len = u8::try_from(source.len()).ok()?;
        Some(Self::Inline { len, bytes })
    }

    /// A copy of the first `len` bytes, if they are few. Some of the following bytes may be copied too, because that
    /// is faster than copying exactly `len`.
    #[inline]
    pub(crate) fn copied_from(source: &[u8], len: usize) -> Option<Self> {
        match (u8::try_from(len), source.first_chunk()) {
            (Ok(short), Some(bytes)) if len <= INLINE => Some(Self::Inline {
                len: short,
                bytes: *bytes,
            }),
            _ => Self::copied(source.get(..len)?),
        }
    }

    /// Takes the first `len` bytes of a receive buffer whose memory is `allocated` bytes.
    pub(crate) fn take(input: &mut BytesMut, len: usize, allocated: usize) -> Self {
        if let Some(chunk) = input.get(..len).and_then(Self::copied) {
            input.advance(len);
            return chunk;
        }
        Self::Shared {
            bytes: input.split_to(len).freeze(),
            allocated,
        }
    }

    /// A view of all of it.
    #[inline]
    pub(crate) fn span(&self) -> Span<'_> {
        match self {
            Self::Inline { .. } => Span {
                bytes: self,
                shared: None,
            },
            Self::Shared { bytes, allocated } => Span {
                bytes,
                shared: (bytes.len().saturating_mul(KEPT_ALIVE) >= *allocated).then_some(bytes),
            },
        }
    }

    /// A part of it.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        match self {
            Self::Inline { .. } => self
                .get(range)
                .and_then(Self::copied)
                .unwrap_or(Self::EMPTY),
            Self::Shared { bytes, allocated } => Self::Shared {
                bytes: bytes.slice(range),
                allocated: *allocated,
            },
        }
    }
}

impl Deref for Chunk {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Inline { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Self::Shared { bytes, .. } => bytes,
        }
    }
}

/// Nothing but the bytes themselves is kept alive.
impl From<Bytes> for Chunk {
    fn from(bytes: Bytes) -> Self {
        let allocated = bytes.len();
        Self::copied(&bytes).unwrap_or(Self::Shared { bytes, allocated })
    }
}

/// Replies may hold secrets.
impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Chunk").field(&self.len()).finish()
    }
}

/// A range of received bytes, and the buffer from which parts of it may be shared.
#[derive(Clone, Copy)]
pub(crate) struct Span<'a> {
    pub(crate) bytes: &'a [u8],
    /// The buffer that holds the bytes; `None` if parts are to be copied.
    pub(crate) shared: Option<&'a Bytes>,
}

impl<'a> Span<'a> {
    /// A part of it.
    pub(crate) fn slice(self, range: Range<usize>) -> Self {
        Self {
            bytes: self.bytes.get(range).unwrap_or_default(),
            shared: self.shared,
        }
    }

    /// The bytes, to be kept.
    pub(crate) fn detach(self) -> Bytes {
        match self.shared {
            Some(shared) => shared.slice_ref(self.bytes),
            None => Bytes::copy_from_slice(self.bytes),
        }
    }
}

impl<'a> From<&'a Bytes> for Span<'a> {
    #[inline]
    fn from(bytes: &'a Bytes) -> Self {
        Self {
            bytes,
            shared: Some(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(chunk: &Chunk) -> bool {
        let range = chunk.as_ptr_range();
        range.contains(&chunk.span().detach().as_ptr())
    }

    #[test]
    fn a_chunk_is_a_cache_line() {
        assert_eq!(size_of::<Chunk>(), 64);
    }

    #[test]
    fn few_bytes_keep_no_buffer_alive() {
        let mut input = BytesMut::from(&[7; 100][..]);
        let chunk = Chunk::take(&mut input, INLINE, 100);
        assert!(matches!(chunk, Chunk::Inline { .. }) && !shares(&chunk));
        assert_eq!((&*chunk, input.len()), (&[7; INLINE][..], 100 - INLINE));
    }

    #[test]
    fn a_good_part_of_a_buffer_is_shared_and_less_is_copied() {
        for (len, shared) in [(249, false), (250, true), (1000, true)] {
            let mut input = BytesMut::from(&[7; 1000][..]);
            let chunk = Chunk::take(&mut input, len, 1000);
            assert_eq!((shares(&chunk), chunk.len()), (shared, len));
        }
    }
}
