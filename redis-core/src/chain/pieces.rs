//! The replies in pieces of received bytes, one after another: [`Pieces`].

use crate::error::ServerError;
use crate::reply::FrameRef;
use crate::wire::Chunk;

/// The frames in the chunks, lent one after another.
#[derive(Debug)]
pub(crate) struct Pieces {
    chunks: Vec<Chunk>,
    cursor: Cursor,
}

/// A place among the frames in some chunks, which are always the same. What it finds is lent from them alone, so that
/// frames at several places can be held at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor {
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
            cursor: Cursor::default(),
        }
    }

    /// The elements of the array that was the last frame.
    pub(super) fn within(mut self, at: usize, remaining: u64) -> Self {
        (self.cursor.at, self.cursor.remaining) = (at, remaining);
        self
    }

    pub(crate) fn next(&mut self) -> Option<FrameRef<'_>> {
        self.cursor.next(&self.chunks)
    }

    /// The next frame, if it is in the same chunk as the last one and is a short string.
    #[inline]
    pub(crate) fn next_short(&mut self) -> Option<FrameRef<'_>> {
        self.cursor.next_short(&self.chunks)
    }

    /// The next frame, as an error if it is one.
    pub(super) fn next_error(&mut self) -> Option<Option<ServerError>> {
        self.next().map(|frame| frame.reply().error())
    }
}

impl Default for Cursor {
    /// The first frame.
    fn default() -> Self {
        Self {
            chunk: 0,
            at: 0,
            remaining: u64::MAX,
        }
    }
}

impl Cursor {
    pub(crate) fn next<'c>(&mut self, chunks: &'c [Chunk]) -> Option<FrameRef<'c>> {
        let remaining = self.remaining.checked_sub(1)?;
        let (frame, end) = FrameRef::next(self.chunk_of_next(chunks)?.span(), self.at)?;
        (self.at, self.remaining) = (end, remaining);
        Some(frame)
    }

    /// The next frame, if it is in the same chunk as the last one and is a short string.
    #[inline]
    pub(crate) fn next_short<'c>(&mut self, chunks: &'c [Chunk]) -> Option<FrameRef<'c>> {
        let remaining = self.remaining.checked_sub(1)?;
        let span = chunks.get(self.chunk)?.span();
        let (frame, end) = FrameRef::next_short(span, self.at)?;
        (self.at, self.remaining) = (end, remaining);
        Some(frame)
    }

    /// Enters the array that is the next frame: its elements are the next frames then. Returns how many they are; `None`
    /// if it is something else, or has more than nine.
    pub(crate) fn enter_short_array(&mut self, chunks: &[Chunk]) -> Option<usize> {
        let (count, end) = FrameRef::short_array_head(self.chunk_of_next(chunks)?, self.at)?;
        self.at = end;
        Some(count)
    }

    /// The chunk in which the next frame begins.
    #[inline]
    fn chunk_of_next<'c>(&mut self, chunks: &'c [Chunk]) -> Option<&'c Chunk> {
        loop {
            let chunk = chunks.get(self.chunk)?;
            if self.at < chunk.len() {
                return Some(chunk);
            }
            (self.chunk, self.at) = (self.chunk + 1, 0);
        }
    }
}
