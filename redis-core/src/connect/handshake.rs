//! The first commands on a new socket: protocol, credentials, name, database, all in one round trip.
//!
//! If any of them fails or is cut short, the socket is not used.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;

use crate::config::{
    Config, Credentials, MaintNotifications, MovingEndpoint, Protocol, Transport, Unavailable,
};
use crate::error::{
    Error, ErrorKind, Phase, SentinelError, ServerError, ServerVersion, TlsCause, TlsError,
};
use crate::reply::from_redis::Fields;
use crate::reply::{Frame, Reply};
use crate::wire::{FrameReader, ReadError, encode};

/// Why a new socket cannot be used.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It could not be opened, or was lost.
    Io(io::Error),
    /// The TLS handshake failed.
    Tls(TlsError),
    /// There is nothing to log in with.
    Credentials(Unavailable),
    /// The Sentinels did not lead to a usable server.
    Sentinel(SentinelError),
    /// The server refuses the connection or the login.
    Server(ServerError),
    /// The peer does not know HELLO, or hung up on it; it may know RESP2.
    OldProtocol(io::Error),
}

impl Refusal {
    /// Whether waiting does not help, as with a wrong password: callers get the error at once.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Io(_) | Self::Credentials(_) | Self::Sentinel(_) | Self::OldProtocol(_) => false,
            Self::Tls(error) => error.cause() != TlsCause::NotTls,
            Self::Server(error) => {
                !error.is_transient() && !error.message().contains("max number of clients")
            }
        }
    }

    /// The error for callers who wait for the connection.
    pub(crate) fn into_kind(self) -> ErrorKind {
        match self {
            Self::Io(error) | Self::OldProtocol(error) => ErrorKind::Connect(error),
            Self::Tls(error) => ErrorKind::Tls(error),
            Self::Credentials(error) => ErrorKind::Credentials(error.into()),
            Self::Sentinel(error) => ErrorKind::Sentinel(error),
            Self::Server(error) => ErrorKind::Handshake(error),
        }
    }
}

impl Refusal {
    /// The error for callers who wait for another attempt.
    pub(crate) fn into_source(self) -> Arc<dyn std::error::Error + Send + Sync> {
        match self {
            Self::Io(error) | Self::OldProtocol(error) => Arc::new(error),
            Self::Tls(error) => Arc::new(error),
            Self::Sentinel(error) => Arc::new(error),
            Self::Server(error) => Arc::new(error),
            refusal @ Self::Credentials(_) => {
                Arc::new(Error::new(refusal.into_kind(), Phase::NotSent))
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) | Self::OldProtocol(error) => write!(f, "{error}"),
            Self::Tls(error) => write!(f, "{error}"),
            Self::Credentials(error) => write!(f, "the provider of credentials failed: {error}"),
            Self::Sentinel(error) => write!(f, "{error}"),
            Self::Server(error) => write!(f, "{error}"),
        }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// One step of the handshake.
struct HandshakeStep {
    words: Vec<Vec<u8>>,
    on_error: OnError,
}

/// What a step's error means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnError {
    /// The server may not know RESP3.
    MayBeOld,
    Fail,
    /// Not needed: a server that does not know it, or does not allow it, can be used.
    Optional,
}

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
    /// Pushes that came with the replies.
    pub(crate) pushes: BytesMut,
}

/// Sends the handshake, and gives what the server says. If anything fails, the socket must not be used. `peer` is where
/// the socket leads, if that is known.
pub(crate) async fn shake(
    stream: &mut dyn Transport,
    config: &Config,
    protocol: Protocol,
    credentials: Option<&Credentials>,
    peer: Option<IpAddr>,
) -> Result<Greeting, Refusal> {
    let steps = match protocol {
        Protocol::Newest => resp3_steps(config, credentials, peer),
        Protocol::Resp2 => resp2_steps(config, credentials),
    };
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
    let mut replies = Replies::new(config);
    if config.maintenance.is_asked_for() {
        replies.0.keep_pushes();
    }
    let mut server = None;
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
            server = introduction(&reply);
        }
    }
    let pushes = replies.finish()?;
    Ok(Greeting { server, pushes })
}

/// The server and its version, out of the reply of HELLO.
fn introduction(reply: &Frame) -> Option<ServerVersion> {
    let (mut server, mut version) = (None, None);
    for field in Fields::new(&reply.reply()).ok()? {
        let (name, value) = field.ok()?;
        let text = |value: &Reply<'_>| value.text()?.to_str().ok().map(str::to_owned);
        match text(&name).as_deref() {
            Some("server") => server = text(&value),
            Some("version") => version = text(&value),
            _ => {}
        }
    }
    ServerVersion::read(&server?, &version?)
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

/// Hides the password in an error: servers quote the arguments of commands that they do not understand.
fn without_password(error: ServerError, credentials: Option<&Credentials>) -> ServerError {
    match credentials.map(|credentials| credentials.password.expose()) {
        Some(password) if !password.is_empty() => {
            ServerError::new(&mask(&error.to_string(), password))
        }
        _ => error,
    }
}

/// Masks a password where it is quoted, as an argument is. One that is no plain word is masked wherever it stands; a plain word
/// may be one of the server's own, such as `password`.
fn mask(text: &str, password: &str) -> String {
    if !password.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return text.replace(password, "***");
    }
    ['\'', '"', '`']
        .into_iter()
        .fold(text.to_owned(), |text, quote| {
            text.replace(
                &format!("{quote}{password}{quote}"),
                &format!("{quote}***{quote}"),
            )
        })
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

fn resp3_steps(
    config: &Config,
    credentials: Option<&Credentials>,
    peer: Option<IpAddr>,
) -> Vec<HandshakeStep> {
    let mut hello = vec![b"HELLO".to_vec(), b"3".to_vec()];
    if let Some(credentials) = credentials {
        let user = credentials.username.as_deref().unwrap_or("default");
        let password = credentials.password.expose();
        hello.extend([b"AUTH".to_vec(), user.into(), password.into()]);
    }
    let mut steps = vec![HandshakeStep {
        words: hello,
        on_error: OnError::MayBeOld,
    }];
    steps.extend(maintenance_step(config, peer));
    steps.extend(common_steps(config));
    steps
}

/// Asks for announcements of maintenance. They are pushes, so this is a step of RESP3 only.
fn maintenance_step(config: &Config, peer: Option<IpAddr>) -> Option<HandshakeStep> {
    let on_error = match config.maintenance.notifications {
        MaintNotifications::Off => return None,
        MaintNotifications::Auto => OnError::Optional,
        MaintNotifications::On => OnError::Fail,
    };
    let mut words = vec!["CLIENT", "MAINT_NOTIFICATIONS", "ON"];
    if let Some(endpoint) = moving_endpoint(config, peer) {
        words.extend(["moving-endpoint-type", endpoint]);
    }
    Some(HandshakeStep {
        words: words.into_iter().map(|word| word.into()).collect(),
        on_error,
    })
}

/// Which address of a new node the server is to name; `None` leaves it to the server.
fn moving_endpoint(config: &Config, peer: Option<IpAddr>) -> Option<&'static str> {
    // With Sentinels, these say where the new node is.
    if config.service().is_some() {
        return Some("none");
    }
    Some(match config.maintenance.endpoint {
        MovingEndpoint::InternalIp => "internal-ip",
        MovingEndpoint::InternalFqdn => "internal-fqdn",
        MovingEndpoint::ExternalIp => "external-ip",
        MovingEndpoint::ExternalFqdn => "external-fqdn",
        MovingEndpoint::None => "none",
        MovingEndpoint::Auto => match (is_private(peer?), speaks_tls(config)) {
            (true, false) => "internal-ip",
            (true, true) => "internal-fqdn",
            (false, false) => "external-ip",
            (false, true) => "external-fqdn",
        },
    })
}

#[cfg(feature = "tls")]
fn speaks_tls(config: &Config) -> bool {
    config.tls.is_some()
}

#[cfg(not(feature = "tls"))]
fn speaks_tls(_: &Config) -> bool {
    false
}

/// Whether an address is not one of the public internet.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            // RFC 6598: shared by the customers of a carrier.
            let is_shared = matches!(address.octets(), [100, second, ..] if second & 0xc0 == 64);
            address.is_private() || address.is_loopback() || address.is_link_local() || is_shared
        }
        IpAddr::V6(address) => {
            address.is_unique_local() || address.is_loopback() || address.is_unicast_link_local()
        }
    }
}

fn resp2_steps(config: &Config, credentials: Option<&Credentials>) -> Vec<HandshakeStep> {
    let mut steps = Vec::new();
    if let Some(credentials) = credentials {
        let mut words = vec![b"AUTH".to_vec()];
        words.extend(credentials.username.clone().map(String::into_bytes));
        words.push(credentials.password.expose().into());
        steps.push(HandshakeStep {
            words,
            on_error: OnError::Fail,
        });
    }
    steps.extend(common_steps(config));
    steps
}

fn common_steps(config: &Config) -> Vec<HandshakeStep> {
    let step = |words: &[&str], on_error| HandshakeStep {
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
        steps.push(step(&["CLIENT", "SETNAME", name], OnError::Optional));
    }
    steps.push(step(
        &["CLIENT", "SETINFO", "LIB-NAME", "typedis"],
        OnError::Optional,
    ));
    steps.push(step(
        &["CLIENT", "SETINFO", "LIB-VER", env!("CARGO_PKG_VERSION")],
        OnError::Optional,
    ));
    steps.extend(config.introduction.iter().map(|introduction| {
        let on_error = if introduction.optional {
            OnError::Optional
        } else {
            OnError::Fail
        };
        step(introduction.words, on_error)
    }));
    steps
}

/// Replies of a socket that has no driver yet, or never gets one.
pub(crate) struct Replies(FrameReader);

impl Replies {
    pub(crate) fn new(config: &Config) -> Self {
        /// Enough for what most servers reply, so that one read suffices.
        const USUAL: usize = 512;
        Self(FrameReader::new(config.limits, USUAL))
    }

    /// Checks that nothing is left over: a reply to no command would be taken for the reply to the first
    /// command. Returns the pushes that came, if they were to be kept.
    pub(crate) fn finish(mut self) -> Result<BytesMut, Refusal> {
        if self.0.has_only_pushes() {
            return Ok(self.0.take_pushes());
        }
        Err(Refusal::Io(io::Error::new(
            io::ErrorKind::InvalidData,
            "the server sent more replies than it was asked for during the handshake",
        )))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use typedis_testkit::fake::Fake;

    use crate::config::{Address, Config, Introduction};
    use crate::error::ErrorKind;
    use crate::handle::Connection;

    #[test]
    fn a_password_is_masked_where_it_is_an_argument() {
        let text = "ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'default' 'password'";
        assert_eq!(
            super::mask(text, "password"),
            text.replace("'password'", "'***'")
        );
        let old = "ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `ERR`, ";
        assert_eq!(super::mask(old, "ERR"), old.replace("`ERR`", "`***`"));
        let words = "WRONGPASS invalid username-password pair or user is disabled.";
        assert_eq!(super::mask(words, "password"), words);
        assert_eq!(super::mask("ERR bad s3cret!", "s3cret!"), "ERR bad ***");
    }

    #[test]
    fn addresses_of_private_networks_are_told_from_public_ones() {
        for (address, private) in [
            ("10.1.2.3", true),
            ("172.16.0.1", true),
            ("192.168.1.1", true),
            ("127.0.0.1", true),
            ("169.254.1.1", true),
            ("100.64.0.1", true),
            ("100.127.255.255", true),
            ("::1", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("::ffff:10.0.0.1", true),
            ("100.128.0.1", false),
            ("172.32.0.1", false),
            ("54.78.247.156", false),
            ("2001:db8::1", false),
            ("::ffff:54.78.247.156", false),
        ] {
            assert_eq!(
                super::is_private(address.parse().unwrap()),
                private,
                "{address}"
            );
        }
    }

    #[test]
    fn a_service_is_asked_for_no_endpoint_because_sentinels_name_it() {
        let config = Config::from_url("redis+sentinel://10.0.0.1/service").unwrap();
        let peer = Some("10.0.0.2".parse().unwrap());
        assert_eq!(super::moving_endpoint(&config, peer), Some("none"));
    }

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
