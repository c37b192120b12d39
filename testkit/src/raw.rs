//! A plain connection: [`RawConnection`] sends commands and reads replies in RESP2, and blocks.
//!
//! Independent of the library under test, so that a test can check a server without the library.
//!
//! # Layout
//!
//! - `reply`: a reply as a tree

mod reply;

pub use reply::Reply;

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a reply may take.
const REPLY_WITHIN: Duration = Duration::from_secs(60);

/// A blocking connection to a server.
#[derive(Debug)]
pub struct RawConnection {
    reader: BufReader<TcpStream>,
}

impl RawConnection {
    /// Connects. Nothing is sent.
    ///
    /// # Errors
    ///
    /// If the address does not accept connections.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_WITHIN))?;
        Ok(Self {
            reader: BufReader::new(stream),
        })
    }

    /// Sends a command and reads its reply: the bytes of the frame, of any kind.
    ///
    /// # Errors
    ///
    /// If the connection fails, or the reply takes longer than a minute.
    pub fn frame(&mut self, words: &[&str]) -> io::Result<Vec<u8>> {
        self.reader.get_mut().write_all(&encode(words))?;
        self.read_frame()
    }

    /// Sends a command and returns the text of its reply: the value of a simple string, an integer or a bulk
    /// string; for other replies, the frame.
    ///
    /// # Errors
    ///
    /// As [`RawConnection::frame`]; and if the reply is an error, with the text of the server.
    pub fn call(&mut self, words: &[&str]) -> io::Result<String> {
        let frame = self.frame(words)?;
        let text = String::from_utf8_lossy(&frame).into_owned();
        if let Some(error) = text.strip_prefix('-') {
            return Err(io::Error::other(error.trim_end().to_owned()));
        }
        if let Some(value) = text.strip_prefix(['+', ':']) {
            return Ok(value.trim_end().to_owned());
        }
        let bulk = text
            .strip_prefix('$')
            .and_then(|rest| rest.split_once("\r\n"));
        let bulk = bulk
            .and_then(|(_, value)| value.strip_suffix("\r\n"))
            .map(str::to_owned);
        Ok(bulk.unwrap_or(text))
    }

    /// Sends a command and gives its reply as a tree.
    ///
    /// # Errors
    ///
    /// As [`RawConnection::call`].
    pub fn reply(&mut self, words: &[&str]) -> io::Result<Reply> {
        match Reply::parse(&self.frame(words)?)? {
            Reply::Error(error) => Err(io::Error::other(error)),
            reply => Ok(reply),
        }
    }

    fn read_frame(&mut self) -> io::Result<Vec<u8>> {
        let mut frame = Vec::new();
        // Elements that are still to come; an aggregate adds its own.
        let mut missing: u64 = 1;
        while missing > 0 {
            missing -= 1;
            let start = frame.len();
            if self.reader.read_until(b'\n', &mut frame)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let (kind, length) = header(frame.get(start..).unwrap_or_default());
            match (kind, length) {
                (b'$', Some(length)) => self.read_exactly(length + 2, &mut frame)?,
                (b'*', Some(length)) => missing += length,
                _ => {}
            }
        }
        Ok(frame)
    }

    fn read_exactly(&mut self, length: u64, frame: &mut Vec<u8>) -> io::Result<()> {
        let read = (&mut self.reader).take(length).read_to_end(frame)?;
        if read as u64 == length {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}

/// The first byte of a line, and the length after it if there is one and it is not negative.
fn header(line: &[u8]) -> (u8, Option<u64>) {
    let Some((kind, rest)) = line.split_first() else {
        return (0, None);
    };
    (
        *kind,
        str::from_utf8(rest)
            .ok()
            .and_then(|text| text.trim_end().parse().ok()),
    )
}

fn encode(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}
