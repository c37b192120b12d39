//! The replies in pieces of received bytes, one after another: [`Pieces`].

use crate::error::ServerError;
use crate::reply::FrameRef;
use crate::wire::Chunk;

/// The frames in the chunks, lent one after another.
#[derive(Debug)]
pub(crate) struct Pieces {
    chunks: Vec<Chunk>,
    /// Which of the chunks the next frame is in, and where in it.
    chunk: usize,
    at: usize,
    /// At most this many frames are left.
    remaining: u64,
}

impl Pieces {
    pub(crate) fn new(chunks: Vec<Chunk>) -> Self {
        Self {
            chunks,
            chunk: 0,
            at: 0,
            remaining: u64::MAX,
        }
    }

    /// The elements of the array that was the last frame.
    pub(super) fn within(self, at: usize, remaining: u64) -> Self {
        Self {
            at,
            remaining,
            ..self
        }
    }

    pub(crate) fn next(&mut self) -> Option<FrameRef<'_>> {
        self.remaining = self.remaining.checked_sub(1)?;
        while self.at >= self.chunks.get(self.chunk)?.len() {
            (self.chunk, self.at) = (self.chunk + 1, 0);
        }
        let (frame, end) = FrameRef::next(self.chunks.get(self.chunk)?.span(), self.at)?;
        self.at = end;
        Some(frame)
    }

    /// The next frame, if it is in the same chunk as the last one and is a short string.
    #[inline]
    pub(crate) fn next_short(&mut self) -> Option<FrameRef<'_>> {
        let remaining = self.remaining.checked_sub(1)?;
        let span = self.chunks.get(self.chunk)?.span();
        let (frame, end) = FrameRef::next_short(span, self.at)?;
        (self.at, self.remaining) = (end, remaining);
        Some(frame)
    }

    /// The next frame, as an error if it is one.
    pub(super) fn next_error(&mut self) -> Option<Option<ServerError>> {
        self.next().map(|frame| frame.reply().error())
    }
}
