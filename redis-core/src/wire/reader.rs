//! Replies of a socket that nothing else reads, one at a time: [`FrameReader`].

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::limits::{Limits, ScanError};
use super::scan::{FrameKind, Scanner};

/// Reads one reply after another, and leaves pushes out, or keeps them apart.
///
/// It is for where replies are few or simple: the handshake, Sentinels, MONITOR. A driver's session reads its socket itself.
pub(crate) struct FrameReader {
    scanner: Scanner,
    buffer: BytesMut,
    /// How many bytes room is made for where there is none.
    room: usize,
    /// The pushes that came, if they are kept.
    pushes: Option<BytesMut>,
}

/// Why there is no next reply.
pub(crate) enum ReadError {
    Io(io::Error),
    /// The server closed the connection.
    Closed,
    /// What came is not RESP, or is larger than allowed.
    Scan(ScanError),
}

impl FrameReader {
    pub(crate) fn new(limits: Limits, room: usize) -> Self {
        Self {
            scanner: Scanner::new(limits),
            buffer: BytesMut::with_capacity(room),
            room,
            pushes: None,
        }
    }

    /// Keeps pushes from now on, for [`FrameReader::take_pushes`].
    pub(crate) fn keep_pushes(&mut self) {
        self.pushes.get_or_insert_default();
    }

    /// The pushes that were kept.
    pub(crate) fn take_pushes(&mut self) -> BytesMut {
        self.pushes.take().unwrap_or_default()
    }

    fn note_push(&mut self, push: &[u8]) {
        /// The most bytes that are kept: far more than what servers push to a new connection.
        const MOST: usize = 64 * 1024;
        if let Some(pushes) = &mut self.pushes
            && pushes.len() + push.len() <= MOST
        {
            pushes.extend_from_slice(push);
        }
    }

    /// The next reply; can be dropped at any time without losing anything.
    pub(crate) async fn next<S>(&mut self, stream: &mut S) -> Result<Bytes, ReadError>
    where
        S: AsyncRead + Unpin + ?Sized,
    {
        std::future::poll_fn(|cx| self.poll_next(cx, stream)).await
    }

    pub(crate) fn poll_next<S>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
    ) -> Poll<Result<Bytes, ReadError>>
    where
        S: AsyncRead + Unpin + ?Sized,
    {
        loop {
            if let Some((bytes, kind)) = self.take_frame().map_err(ReadError::Scan)? {
                if kind == FrameKind::Reply {
                    return Poll::Ready(Ok(bytes));
                }
                self.note_push(&bytes);
                continue;
            }
            if self.buffer.capacity() == self.buffer.len() {
                self.buffer.reserve(self.room);
            }
            let read = pin!(stream.read_buf(&mut self.buffer)).poll(cx);
            if ready!(read).map_err(ReadError::Io)? == 0 {
                return Poll::Ready(Err(ReadError::Closed));
            }
        }
    }

    /// What was read and is not part of a whole frame.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.buffer
    }

    /// Whether nothing was read but whole pushes, which this takes.
    pub(crate) fn has_only_pushes(&mut self) -> bool {
        while !self.buffer.is_empty() {
            match self.take_frame() {
                Ok(Some((push, FrameKind::Push))) => self.note_push(&push),
                _ => return false,
            }
        }
        true
    }

    fn take_frame(&mut self) -> Result<Option<(Bytes, FrameKind)>, ScanError> {
        let found = self.scanner.scan(&self.buffer)?;
        Ok(found.map(|found| (self.buffer.split_to(found.len).freeze(), found.kind)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::io::AsyncWriteExt;

    use super::{FrameReader, ReadError};
    use crate::Limits;

    const PUSH: &[u8] = b">1\r\n$1\r\na\r\n";

    #[tokio::test]
    async fn replies_come_one_at_a_time_without_pushes() {
        let mut reader = FrameReader::new(Limits::default(), 4);
        // It holds a single byte, so that every reply comes in pieces.
        let (mut server, mut client) = tokio::io::duplex(1);
        let sent = [PUSH, b"+OK\r\n", PUSH, b"*2\r\n:1\r\n$2\r\nab\r\n", PUSH].concat();
        let sending = tokio::spawn(async move { server.write_all(&sent).await });
        assert_eq!(reader.next(&mut client).await.ok().unwrap(), "+OK\r\n");
        let second = reader.next(&mut client).await.ok().unwrap();
        assert_eq!(second, "*2\r\n:1\r\n$2\r\nab\r\n");
        assert!(matches!(
            reader.next(&mut client).await,
            Err(ReadError::Closed)
        ));
        sending.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn pushes_are_kept_if_that_is_wanted() {
        let mut reader = FrameReader::new(Limits::default(), 64);
        reader.keep_pushes();
        let sent = [PUSH, b"+OK\r\n", PUSH].concat();
        assert!(reader.next(&mut &sent[..]).await.is_ok());
        assert!(reader.has_only_pushes());
        assert_eq!(reader.take_pushes(), [PUSH, PUSH].concat());
    }

    #[tokio::test]
    async fn what_is_left_over_is_seen() {
        for (rest, only_pushes) in [
            (&b""[..], true),
            (PUSH, true),
            (b">1\r\n", false),
            (b":1\r\n", false),
            (b"?", false),
        ] {
            let mut reader = FrameReader::new(Limits::default(), 64);
            let sent = [b"+OK\r\n", rest].concat();
            assert!(reader.next(&mut &sent[..]).await.is_ok());
            assert_eq!(reader.has_only_pushes(), only_pushes, "{rest:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_resp_is_kept_for_the_error() {
        let mut reader = FrameReader::new(Limits::default(), 64);
        let outcome = reader.next(&mut &b"+OK\r\n\x15\x03"[..]).await;
        assert_eq!(outcome.ok().unwrap(), "+OK\r\n");
        assert!(matches!(
            reader.next(&mut &b""[..]).await,
            Err(ReadError::Scan(_))
        ));
        assert_eq!(reader.unread(), b"\x15\x03");
    }
}
