//! The first words on a new socket: protocol, credentials, name, database, all in one round trip.
//!
//! A socket on which any of this failed or was cut short is never used.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::config::{Config, Protocol};
use crate::error::ServerError;
use crate::frame::Frame;
use crate::resp::encode;
use crate::resp::scan::{FrameKind, Scanner};
use crate::transport::Transport;

/// Why a new socket is of no use.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It could not be opened, or was lost.
    Io(io::Error),
    /// The server does not want us.
    Server(ServerError),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// One step of the handshake.
struct Step {
    words: Vec<Vec<u8>>,
    on_error: OnError,
}

/// What a step's error means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnError {
    /// The server does not know RESP3: begin again without it.
    FallBack,
    Fail,
    /// Nice to have.
    Ignore,
}

/// Introduces the client to the server; says whether they speak RESP3.
pub(crate) async fn shake(stream: &mut dyn Transport, config: &Config) -> Result<bool, Refusal> {
    let newest = config.protocol == Protocol::Newest;
    if newest && run(stream, config, resp3_steps(config)).await? == Outcome::Ready {
        return Ok(true);
    }
    run(stream, config, resp2_steps(config)).await?;
    Ok(false)
}

#[derive(PartialEq, Eq)]
enum Outcome {
    Ready,
    FallBack,
}

/// Writes all steps at once and reads as many replies.
async fn run(
    stream: &mut dyn Transport,
    config: &Config,
    steps: Vec<Step>,
) -> Result<Outcome, Refusal> {
    if steps.is_empty() {
        return Ok(Outcome::Ready);
    }
    let mut out = Vec::new();
    for step in &steps {
        encode::array_header(
            &mut out,
            u32::try_from(step.words.len()).unwrap_or(u32::MAX),
        );
        step.words
            .iter()
            .for_each(|word| encode::bulk(&mut out, word));
    }
    stream.write_all(&out).await?;
    let mut replies = Replies {
        scanner: Scanner::new(config.limits),
        buffer: BytesMut::new(),
    };
    let mut outcome = Outcome::Ready;
    for step in steps {
        let reply = replies.next(stream).await?;
        let Some(error) = reply.reply().error() else {
            continue;
        };
        match step.on_error {
            _ if outcome == Outcome::FallBack => {}
            OnError::Ignore => {}
            OnError::FallBack if knows_no_resp3(&error) => outcome = Outcome::FallBack,
            OnError::Fail | OnError::FallBack => {
                return Err(Refusal::Server(without_password(error, config)));
            }
        }
    }
    replies.finish()?;
    Ok(outcome)
}

/// Servers quote the arguments of what they do not understand.
fn without_password(error: ServerError, config: &Config) -> ServerError {
    match &config.password {
        Some(password) if !password.expose().is_empty() => {
            ServerError::new(&error.to_string().replace(password.expose(), "***"))
        }
        _ => error,
    }
}

/// Old servers do not know HELLO, and some proxies refuse it; any other error, such as a wrong password, is final.
fn knows_no_resp3(error: &ServerError) -> bool {
    let message = error.message().to_ascii_lowercase();
    match error.code() {
        "NOPROTO" => true,
        // It quotes the arguments, so what else it says does not matter.
        "ERR" if message.starts_with("unknown command") => true,
        "ERR" => !message.contains("max number of clients") && !message.contains("auth"),
        _ => false,
    }
}

fn resp3_steps(config: &Config) -> Vec<Step> {
    let mut hello = vec![b"HELLO".to_vec(), b"3".to_vec()];
    if let Some(password) = &config.password {
        let user = config.username.as_deref().unwrap_or("default");
        hello.extend([b"AUTH".to_vec(), user.into(), password.expose().into()]);
    }
    let mut steps = vec![Step {
        words: hello,
        on_error: OnError::FallBack,
    }];
    steps.extend(common_steps(config));
    steps
}

fn resp2_steps(config: &Config) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(password) = &config.password {
        let mut words = vec![b"AUTH".to_vec()];
        words.extend(
            config
                .username
                .as_ref()
                .map(|user| user.clone().into_bytes()),
        );
        words.push(password.expose().into());
        steps.push(Step {
            words,
            on_error: OnError::Fail,
        });
    }
    steps.extend(common_steps(config));
    steps
}

fn common_steps(config: &Config) -> Vec<Step> {
    let step = |words: &[&str], on_error| Step {
        words: words.iter().map(|word| word.as_bytes().to_vec()).collect(),
        on_error,
    };
    let mut steps = Vec::new();
    if config.database != 0 {
        steps.push(step(
            &["SELECT", &config.database.to_string()],
            OnError::Fail,
        ));
    }
    if let Some(name) = &config.client_name {
        steps.push(step(&["CLIENT", "SETNAME", name], OnError::Fail));
    }
    steps.push(step(
        &["CLIENT", "SETINFO", "LIB-NAME", "typedis"],
        OnError::Ignore,
    ));
    steps.push(step(
        &["CLIENT", "SETINFO", "LIB-VER", env!("CARGO_PKG_VERSION")],
        OnError::Ignore,
    ));
    steps
}

/// Reads replies one at a time.
struct Replies {
    scanner: Scanner,
    buffer: BytesMut,
}

impl Replies {
    /// Makes sure that nothing is left over: a reply that nothing asked for would be taken for that of the first
    /// command.
    fn finish(mut self) -> Result<(), Refusal> {
        while !self.buffer.is_empty() {
            match self.scanner.scan(&self.buffer) {
                Ok(Some(found)) if found.kind == FrameKind::Push => {
                    drop(self.buffer.split_to(found.len));
                }
                _ => {
                    return Err(Refusal::Io(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "the server sent more replies than it was asked for during the handshake",
                    )));
                }
            }
        }
        Ok(())
    }

    async fn next(&mut self, stream: &mut dyn Transport) -> Result<Frame, Refusal> {
        loop {
            let found = self
                .scanner
                .scan(&self.buffer)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
            if let Some(found) = found {
                let bytes = self.buffer.split_to(found.len).freeze();
                if found.kind == FrameKind::Reply {
                    return Ok(Frame::from_scanned(bytes));
                }
                continue;
            }
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(Refusal::Io(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the server closed the connection during the handshake",
                )));
            }
        }
    }
}
