//! The first commands on a new socket: protocol, credentials, name, database, all in one round trip.
//!
//! If any of them fails or is cut short, the socket is not used.
//!
//! # Layout
//!
//! - `steps`: the commands, as the configuration and the protocol want them
//! - `hello`: what the reply of HELLO says

use std::io;
use std::net::IpAddr;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;

use super::refusal::Refusal;
use super::replies::Replies;
use crate::config::{Config, Credentials, Protocol, ServiceRole, Transport, Unavailable};
use crate::error::{ServerError, ServerVersion, without_secret};
use crate::wire::encode;

mod hello;
mod steps;

pub(crate) use hello::{Hello, role_named};
use steps::{HandshakeStep, OnError, leave_out_extras, resp2_steps, resp3_steps};

/// The credentials to use now: from the provider if there is one; otherwise the configured ones, if any.
pub(crate) async fn current_credentials(
    config: &Config,
) -> Result<Option<Credentials>, Unavailable> {
    if let Some(provider) = &config.provider {
        return provider().await.map(Some);
    }
    Ok(config.password.as_ref().map(|password| Credentials {
        username: config.username.clone(),
        password: password.clone(),
        valid_for: None,
    }))
}

/// What a server says when it is greeted.
pub(crate) struct Greeting {
    /// Which server it is, if it said so.
    pub(crate) server: Option<ServerVersion>,
    /// Whether it is a primary or a replica, if it said so.
    pub(crate) role: Option<ServiceRole>,
    /// Pushes that came with the replies, the last one maybe in part.
    pub(crate) pushes: BytesMut,
}

/// The commands that a server need not know, such as the name of the client.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extras {
    Sent,
    /// They were sent, and the server hung up.
    Refused,
    LeftOut,
}

/// Sends the handshake, and gives what the server says. If anything fails, the socket must not be used. `peer` is where
/// the socket leads, if that is known.
pub(crate) async fn shake(
    stream: &mut dyn Transport,
    config: &Config,
    protocol: Protocol,
    credentials: Option<&Credentials>,
    peer: Option<IpAddr>,
    extras: &mut Extras,
) -> Result<Greeting, Refusal> {
    let mut steps = match protocol {
        Protocol::Newest => resp3_steps(config, credentials, peer),
        Protocol::Resp2 => resp2_steps(config, credentials),
    };
    let mut has_extras = steps.iter().any(|step| step.on_error == OnError::Optional);
    if *extras == Extras::LeftOut {
        leave_out_extras(&mut steps);
        has_extras = false;
    }
    let shaken = send(stream, config, steps, credentials).await;
    // It need not be the step that was waited for: the replies to those before may be lost with the socket.
    if has_extras && matches!(&shaken, Err(Refusal::Io(error)) if is_hang_up(error)) {
        *extras = Extras::Refused;
    }
    shaken
}

/// Sends all steps, and reads what the server answers to each.
async fn send(
    stream: &mut dyn Transport,
    config: &Config,
    steps: Vec<HandshakeStep>,
    credentials: Option<&Credentials>,
) -> Result<Greeting, Refusal> {
    let mut out = Vec::new();
    for step in &steps {
        let count = u32::try_from(step.words.len()).unwrap_or(u32::MAX);
        encode::array_header(&mut out, count);
        step.words
            .iter()
            .for_each(|word| encode::bulk(&mut out, word));
    }
    stream.write_all(&out).await?;
    stream.flush().await?;
    let mut replies = Replies::with_pushes(config);
    let mut hello = Hello::default();
    for (index, step) in steps.into_iter().enumerate() {
        let reply = match replies.next(stream).await {
            // Some proxies hang up on a command that they do not know.
            Err(Refusal::Io(error)) if index == 0 && step.on_error == OnError::MayBeOld => {
                return Err(Refusal::OldProtocol(error));
            }
            reply => reply?,
        };
        if let Some(error) = reply.reply().error() {
            step.on_error.judge(error, credentials)?;
        } else if step.on_error == OnError::MayBeOld {
            hello = Hello::read(&reply);
            if hello.is_older {
                let text = "it answers HELLO 3 in an older protocol";
                return Err(Refusal::OldProtocol(io::Error::other(text)));
            }
        }
    }
    Ok(Greeting {
        server: hello.server,
        role: hello.role,
        pushes: replies.finish()?,
    })
}

/// Whether the other side closed the socket.
pub(super) fn is_hang_up(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe
    )
}

impl OnError {
    /// Whether the handshake goes on after an error.
    fn judge(self, error: ServerError, credentials: Option<&Credentials>) -> Result<(), Refusal> {
        match self {
            Self::Optional if !shuts_out(&error) => Ok(()),
            // A server that asks for a login although HELLO contained one does not know HELLO.
            Self::MayBeOld
                if knows_no_resp3(&error)
                    || (error.code() == "NOAUTH" && credentials.is_some()) =>
            {
                let error = without_password(error, credentials);
                Err(Refusal::OldProtocol(io::Error::other(error)))
            }
            _ => Err(Refusal::Server(without_password(error, credentials))),
        }
    }
}

/// Whether the server will refuse everything: no login, protected mode, too many clients.
fn shuts_out(error: &ServerError) -> bool {
    matches!(error.code(), "NOAUTH" | "DENIED") || error.message().contains("max number of clients")
}

/// Hides the password in an error, which may quote it.
fn without_password(error: ServerError, credentials: Option<&Credentials>) -> ServerError {
    match credentials {
        Some(credentials) => without_secret(error, credentials.password.expose()),
        None => error,
    }
}

/// Old servers do not know HELLO, and some proxies refuse it; any other error, such as a wrong password, is final.
fn knows_no_resp3(error: &ServerError) -> bool {
    let message = error.message().to_ascii_lowercase();
    match error.code() {
        "NOPROTO" => true,
        // The message goes on with the quoted arguments, which do not matter here.
        "ERR" if message.starts_with("unknown command") => true,
        "ERR" => !message.contains("max number of clients") && !message.contains("auth"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use typedis_testkit::fake::Fake;

    use crate::config::{Address, Config, Introduction};
    use crate::error::ErrorKind;
    use crate::handle::Connection;

    const READONLY: Introduction = Introduction {
        words: &["READONLY"],
        optional: false,
    };

    /// A server that refuses READONLY.
    async fn refusing() -> Fake {
        Fake::answering(|words| match words.name().as_str() {
            "HELLO" => b"%0\r\n".to_vec(),
            "READONLY" => b"-ERR This instance has cluster support disabled\r\n".to_vec(),
            _ => b"+OK\r\n".to_vec(),
        })
        .await
        .unwrap()
    }

    async fn open(fake: &Fake, introduction: Introduction) -> crate::Result<Connection> {
        let elsewhere = Config::from_url("redis://nowhere.invalid/0?client_name=me").unwrap();
        let address = Address::Tcp("127.0.0.1".to_owned(), fake.addr().port());
        Connection::open(elsewhere.for_node(address, &[introduction])).await
    }

    #[tokio::test]
    async fn a_node_is_introduced_by_what_it_adds_after_what_is_configured() {
        let fake = Fake::answering(|words| match words.name().as_str() {
            "HELLO" => b"%0\r\n".to_vec(),
            _ => b"+OK\r\n".to_vec(),
        })
        .await
        .unwrap();
        open(&fake, READONLY).await.unwrap();
        let names: Vec<String> = fake.received(0).iter().map(|words| words.name()).collect();
        assert_eq!(names, ["HELLO", "CLIENT", "CLIENT", "CLIENT", "READONLY"]);
    }

    #[tokio::test]
    async fn a_node_that_refuses_what_is_added_is_not_used_unless_that_is_optional() {
        let fake = refusing().await;
        let error = open(&fake, READONLY).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Handshake(_)), "{error}");
        let optional = Introduction {
            optional: true,
            ..READONLY
        };
        open(&fake, optional).await.unwrap();
    }
}
