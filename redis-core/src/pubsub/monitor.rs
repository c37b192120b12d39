//! MONITOR: every command that the server carries out, as a stream on a separate socket.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_core::Stream;
use tokio::io::AsyncWriteExt;

use crate::config::Transport;
use crate::config::{Config, IntoConfig};
use crate::connect;
use crate::error::{Error, ErrorKind, Phase, Result};
use crate::handle::Connection;
use crate::handle::Pool;
use crate::handle::runtime;
use crate::reply::Frame;
use crate::reply::{FromRedis, Reply};
use crate::wire::{FrameReader, ReadError, fixed_command};

const READ: usize = 16 * 1024;

/// A command that the server carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorEntry {
    /// When it was carried out.
    pub time: SystemTime,
    /// The database it ran on.
    pub database: u32,
    /// The client: its address of the client, `lua` for scripts, `unix:` and a path.
    pub client: String,
    /// Its words, the command's name first.
    pub words: Vec<Bytes>,
}

impl MonitorEntry {
    /// The name of the command, as the client wrote it.
    #[must_use]
    pub fn command(&self) -> Cow<'_, str> {
        self.words
            .first()
            .map(|word| String::from_utf8_lossy(word))
            .unwrap_or_default()
    }

    /// Reads `1339518083.107412 [0 127.0.0.1:60866] "keys" "*"`.
    fn read(line: &[u8]) -> Option<Self> {
        let (time, rest) = cut(line, b" [")?;
        let (seconds, micros) = cut(time, b".")?;
        let (place, words) = cut(rest, b"] ")?;
        let (database, client) = cut(place, b" ")?;
        let since = Duration::from_secs(number(seconds)?)
            .checked_add(Duration::from_micros(number(micros)?))?;
        Some(Self {
            time: UNIX_EPOCH.checked_add(since)?,
            database: number(database)?,
            client: String::from_utf8_lossy(client).into_owned(),
            words: words_of(words)?,
        })
    }
}

fn cut<'a>(line: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let start = memchr::memmem::find(line, at)?;
    Some((line.get(..start)?, line.get(start + at.len()..)?))
}

fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Reads words in quotes, with the server's escapes.
fn words_of(mut rest: &[u8]) -> Option<Vec<Bytes>> {
    let mut words = Vec::new();
    while !rest.is_empty() {
        let mut word = Vec::new();
        rest = rest.strip_prefix(b"\"")?;
        loop {
            let (&byte, after) = rest.split_first()?;
            rest = after;
            match byte {
                b'"' => break,
                b'\\' => {
                    let (byte, after) = escaped(rest)?;
                    word.push(byte);
                    rest = after;
                }
                byte => word.push(byte),
            }
        }
        words.push(word.into());
        rest = rest.strip_prefix(b" ").unwrap_or(rest);
    }
    Some(words)
}

/// Reads what follows a backslash.
fn escaped(rest: &[u8]) -> Option<(u8, &[u8])> {
    let (&letter, after) = rest.split_first()?;
    let byte = match letter {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'a' => 7,
        b'b' => 8,
        b'x' => {
            let (digits, after) = after.split_at_checked(2)?;
            let byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
            return Some((byte, after));
        }
        other => other,
    };
    Some((byte, after))
}

/// Every command that the server carries out, as a stream.
///
/// It reads only when it is polled; if the reader is too slow, the server closes the connection. It does not
/// reconnect: when the connection is lost, it yields the error and ends. Dropping it closes its socket.
///
/// The words contain data and may contain secrets.
pub struct Monitor {
    /// `None` after the end.
    stream: Option<Box<dyn Transport>>,
    replies: FrameReader,
}

impl Monitor {
    /// Connects and sends MONITOR.
    ///
    /// # Errors
    /// A bad URL, an unreachable server, a refused login or command.
    pub async fn open(config: impl IntoConfig) -> Result<Self> {
        let config = config.into_config()?.for_one_server()?;
        runtime()?;
        let opening = Self::start(&config);
        match tokio::time::timeout(config.connect_timeout, opening).await {
            Ok(result) => result,
            Err(_) => {
                let obstacle = Arc::new(config.connecting());
                Err(Error::timeout(Phase::NotSent, Some(obstacle)))
            }
        }
        .map_err(|error| error.of_command("MONITOR".into()))
    }

    async fn start(config: &Config) -> Result<Self> {
        let ready = connect::connect(config, &|_| {})
            .await
            .map_err(|refusal| Error::new(refusal.into_kind(), Phase::NotSent))?;
        let mut stream = ready.stream;
        stream
            .write_all(fixed_command!("MONITOR"))
            .await
            .map_err(lost)?;
        stream.flush().await.map_err(lost)?;
        let mut limits = config.limits;
        // A line holds a whole command, and each of its bytes may be escaped.
        limits.max_line = limits.max_bulk.saturating_mul(4);
        let mut replies = FrameReader::new(limits, READ);
        replies.resume(&ready.pushes);
        let mut this = Self {
            stream: Some(stream),
            replies,
        };
        let reply = std::future::poll_fn(|cx| this.poll_frame(cx)).await?;
        reply.decode::<()>()?;
        Ok(this)
    }

    /// The next command.
    pub async fn next(&mut self) -> Option<Result<MonitorEntry>> {
        std::future::poll_fn(|cx| self.poll_entry(cx)).await
    }

    fn poll_entry(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<MonitorEntry>>> {
        if self.stream.is_none() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(match ready!(self.poll_frame(cx)) {
            Ok(frame) => read_entry(&frame),
            Err(error) => {
                self.stream = None;
                Err(error.of_command("MONITOR".into()))
            }
        }))
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Err(lost(io::ErrorKind::NotConnected.into())));
        };
        let read = ready!(self.replies.poll_next(cx, &mut **stream));
        Poll::Ready(read.map(Frame::from_scanned).map_err(|error| match error {
            ReadError::Io(error) => lost(error),
            ReadError::Closed => lost(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the server closed it",
            )),
            ReadError::Scan(error) => Error::protocol(error.to_string()),
        }))
    }
}

fn lost(error: io::Error) -> Error {
    Error::new(ErrorKind::ConnectionLost(error), Phase::MaybeApplied)
}

fn read_entry(frame: &Frame) -> Result<MonitorEntry> {
    match frame.reply() {
        Reply::Simple(line) => MonitorEntry::read(line.as_bytes()).ok_or_else(|| {
            let reason = crate::error::DecodeError::new("the line is not one of MONITOR");
            Error::decode(reason, Some(frame.clone().into_chunk()))
        }),
        // An error may come in place of a line; anything else is wrong.
        _ => <()>::from_outcome(Ok(frame.borrowed())).and(Err(Error::protocol(
            "MONITOR gave something that is not a line",
        ))),
    }
}

impl Connection {
    /// Every command that the server carries out, as a stream on a new socket.
    ///
    /// # Errors
    /// As for [`Monitor::open`].
    pub async fn monitor(&self) -> Result<Monitor> {
        Monitor::open(self.config()).await
    }
}

impl Pool {
    /// Every command that the server carries out, as a stream on a new socket, which does not count as leased.
    ///
    /// # Errors
    /// As for [`Monitor::open`].
    pub async fn monitor(&self) -> Result<Monitor> {
        Monitor::open(self.config()).await
    }
}

impl Stream for Monitor {
    type Item = Result<MonitorEntry>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_entry(cx)
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor")
            .field("is_open", &self.stream.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::MonitorEntry;

    #[test]
    fn a_line_is_taken_apart() {
        let line = br#"1339518083.107412 [3 127.0.0.1:60866] "set" "a b" "\"\\\n\x00\xff" """#;
        let entry = MonitorEntry::read(line).unwrap();
        assert_eq!(
            (entry.database, entry.client.as_str()),
            (3, "127.0.0.1:60866")
        );
        assert_eq!(entry.command(), "set");
        assert_eq!(entry.words, [&b"set"[..], b"a b", b"\"\\\n\x00\xff", b""]);
        let since = entry.time.duration_since(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(since.as_micros(), 1_339_518_083_107_412);
    }

    #[test]
    fn other_lines_are_none() {
        let lines: [&[u8]; 6] = [
            b"",
            b"OK",
            b"1.2 [0 a] \"open",
            b"1.2 [0 a] bare",
            b"1.2 [0 a] \"\\x0",
            b"x.2 [0 a] \"a\"",
        ];
        for line in lines {
            assert_eq!(MonitorEntry::read(line), None);
        }
    }
}
