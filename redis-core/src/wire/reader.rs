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

    /// Goes on behind bytes that were read before.
    pub(crate) fn resume(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Keeps pushes from now on, for [`FrameReader::into_pushes`].
    pub(crate) fn keep_pushes(&mut self) {
        self.pushes.get_or_insert_default();
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

    /// What was read beside the replies that were taken: pushes, if they were kept, and the beginning of one that has not come as a
    /// whole. `None` if it is anything else.
    pub(crate) fn into_pushes(mut self) -> Option<BytesMut> {
        while let Some((frame, kind)) = self.take_frame().ok()? {
            if kind == FrameKind::Reply {
                return None;
            }
            self.note_push(&frame);
        }
        let mut pushes = self.pushes.unwrap_or_default();
        match self.buffer.first() {
            None | Some(b'>') => pushes.extend_from_slice(&self.buffer),
            Some(_) => return None,
        }
        Some(pushes)
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
        assert_eq!(reader.into_pushes().unwrap(), [PUSH, PUSH].concat());
    }

    /// A push may come in pieces, as everything may.
    #[tokio::test]
    async fn what_is_left_over_is_seen() {
        const HALF: &[u8] = b">1\r\n$1\r";
        let (whole_and_half, half_and_reply) = ([PUSH, HALF].concat(), [HALF, b":1\r\n"].concat());
        for (rest, left) in [
            (&b""[..], Some(&b""[..])),
            (PUSH, Some(b"")),
            (HALF, Some(HALF)),
            (b">", Some(b">")),
            (&whole_and_half, Some(HALF)),
            (&half_and_reply, None),
            (b":1\r\n", None),
            (b":1", None),
            (b"*1\r\n", None),
            (b"?", None),
        ] {
            let mut reader = FrameReader::new(Limits::default(), 64);
            let sent = [b"+OK\r\n", rest].concat();
            assert!(reader.next(&mut &sent[..]).await.is_ok());
            let found = reader.into_pushes();
            assert_eq!(found.as_deref(), left, "{rest:?}");
        }
    }

    #[tokio::test]
    async fn what_one_reader_left_over_is_completed_by_the_next() {
        let (first, second) = PUSH.split_at(5);
        let mut reader = FrameReader::new(Limits::default(), 64);
        reader.keep_pushes();
        let sent = [b"+OK\r\n", PUSH, first].concat();
        assert!(reader.next(&mut &sent[..]).await.is_ok());
        let mut next = FrameReader::new(Limits::default(), 64);
        next.resume(&reader.into_pushes().unwrap());
        next.keep_pushes();
        let sent = [second, b":1\r\n"].concat();
        assert_eq!(next.next(&mut &sent[..]).await.ok().unwrap(), ":1\r\n");
        assert_eq!(next.into_pushes().unwrap(), [PUSH, PUSH].concat());
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
