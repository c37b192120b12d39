//! The script's side of one connection: [`Peer`] reads what the client sends and sends what the script says.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Record, Words};

/// A connection of a client to a [`Fake`](super::Fake).
#[derive(Debug)]
pub struct Peer {
    stream: TcpStream,
    number: usize,
    record: Record,
    /// Bytes that came in and that the script has not read yet.
    unread: Vec<u8>,
}

impl Peer {
    pub(super) fn new(stream: TcpStream, number: usize, record: Record) -> Self {
        // Without it, pieces that are sent one by one may arrive late. A failure does not matter.
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            number,
            record,
            unread: Vec::new(),
        }
    }

    /// Which connection this is: 0 is the first.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// Reads the next command; `None` when the client has closed.
    ///
    /// # Errors
    ///
    /// If the bytes are not a command, or the connection fails.
    pub async fn command(&mut self) -> io::Result<Option<Words>> {
        loop {
            if let Some((words, length)) = Words::parse(&self.unread)? {
                self.unread.drain(..length);
                self.record.add(self.number, words.clone());
                return Ok(Some(words));
            }
            if !self.receive().await? {
                return if self.unread.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        }
    }

    /// Reads the next command, which must be this one.
    ///
    /// # Errors
    ///
    /// If it is another, or none comes.
    pub async fn expect(&mut self, words: &[&str]) -> io::Result<()> {
        match self.command().await? {
            Some(found) if found == *words => Ok(()),
            Some(found) => Err(io::Error::other(format!(
                "expected {words:?}, the client sent {found:?}"
            ))),
            None => Err(io::Error::other(format!(
                "expected {words:?}, the client closed the connection"
            ))),
        }
    }

    /// Reads commands and answers each with the same bytes, up to a command with this name. That command is
    /// returned and not answered. For a handshake whose details do not matter.
    ///
    /// # Errors
    ///
    /// If the client closes first.
    pub async fn answer_until(&mut self, name: &str, reply: impl AsRef<[u8]>) -> io::Result<Words> {
        while let Some(command) = self.command().await? {
            if command.name() == name {
                return Ok(command);
            }
            self.send(&reply).await?;
        }
        Err(io::Error::other(format!(
            "the client closed the connection before {name}"
        )))
    }

    /// Reads exactly `count` bytes, of any content.
    ///
    /// # Errors
    ///
    /// If the connection ends first.
    pub async fn bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < count {
            if !self.receive().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.unread.drain(..count).collect())
    }

    /// Sends bytes in one piece.
    ///
    /// # Errors
    ///
    /// If the connection fails.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await
    }

    /// Sends bytes in pieces of `length`, each sent separately.
    ///
    /// # Errors
    ///
    /// If the connection fails.
    pub async fn send_in_pieces(
        &mut self,
        bytes: impl AsRef<[u8]>,
        length: usize,
    ) -> io::Result<()> {
        for piece in bytes.as_ref().chunks(length.max(1)) {
            self.stream.write_all(piece).await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Waits until the client closes, and throws away what it sends before.
    ///
    /// # Errors
    ///
    /// If the connection fails, except by a reset.
    pub async fn until_closed(&mut self) -> io::Result<()> {
        loop {
            self.unread.clear();
            match self.receive().await {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Tells the client that nothing more will come (FIN); its commands can still be read.
    ///
    /// # Errors
    ///
    /// If the connection is gone.
    pub async fn half_close(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// Ends the connection with a reset (RST).
    ///
    /// # Errors
    ///
    /// If the connection is gone.
    pub fn reset(self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }

    /// Waits for bytes; `false` when the client has closed.
    async fn receive(&mut self) -> io::Result<bool> {
        Ok(self.stream.read_buf(&mut self.unread).await? > 0)
    }
}
