//! Replies of a socket that has no driver yet, or never gets one.

use std::io;

use bytes::BytesMut;

use super::refusal::Refusal;
use crate::config::{Config, Transport};
use crate::error::{TlsCause, TlsError};
use crate::reply::Frame;
use crate::wire::{FrameReader, ReadError};

/// Replies of a socket that has no driver yet, or never gets one.
pub(crate) struct Replies(FrameReader);

impl Replies {
    pub(crate) fn new(config: &Config) -> Self {
        /// Enough for what most servers reply, so that one read suffices.
        const USUAL: usize = 512;
        Self(FrameReader::new(config.limits, USUAL))
    }

    /// The same; keeps the pushes that come between the replies, for [`finish`](Self::finish) to return, if the server is
    /// asked for any.
    pub(super) fn with_pushes(config: &Config) -> Self {
        let mut replies = Self::new(config);
        if config.maintenance.is_asked_for() {
            replies.0.keep_pushes();
        }
        replies
    }

    /// Goes on where the replies to earlier commands were finished: with the pushes of then.
    pub(super) fn after(config: &Config, pushes: &[u8]) -> Self {
        let mut replies = Self::with_pushes(config);
        replies.0.resume(pushes);
        replies
    }

    /// Checks that nothing is left over: a reply to no command would be taken for the reply to the first
    /// command. Returns the pushes that came, if they were kept; the last one may have come in part.
    pub(crate) fn finish(self) -> Result<BytesMut, Refusal> {
        self.0.into_pushes().ok_or_else(|| {
            Refusal::Io(io::Error::new(
                io::ErrorKind::InvalidData,
                "the server sent more replies than it was asked for during the handshake",
            ))
        })
    }

    /// The next reply; can be dropped at any time without losing anything.
    pub(crate) async fn next(&mut self, stream: &mut dyn Transport) -> Result<Frame, Refusal> {
        let read = self.0.next(stream).await;
        read.map(Frame::from_scanned)
            .map_err(|error| self.refusal(error))
    }

    fn refusal(&self, error: ReadError) -> Refusal {
        Refusal::Io(match error {
            ReadError::Io(error) => error,
            ReadError::Closed => io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the server closed the connection during the handshake",
            ),
            // What TLS servers send to clients that do not speak TLS: a fatal alert, or a handshake.
            ReadError::Scan(_)
                if [b"\x15\x03", b"\x16\x03"]
                    .iter()
                    .any(|tls| self.0.unread().starts_with(*tls)) =>
            {
                return Refusal::Tls(TlsError::new(TlsCause::Wanted, ""));
            }
            ReadError::Scan(error) => io::Error::new(io::ErrorKind::InvalidData, error.to_string()),
        })
    }
}
