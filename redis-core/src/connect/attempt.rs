//! One attempt to reach one server: socket, TLS, handshake.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::{Instant, timeout_at};

use super::handshake::{self, Extras, Greeting, is_hang_up};
use super::refusal::Refusal;
use super::transport::{self, Place, Socket};
use crate::config::{Address, Config, Credentials, MaintNotifications, Protocol, Transport};
use crate::error::ServerVersion;
use crate::runtime::from_now;

/// A socket that is ready for commands.
pub(crate) struct Ready {
    pub(crate) stream: Box<dyn Transport>,
    pub(crate) address: Address,
    /// The address by which this server is known; it differs while the server is reached elsewhere.
    pub(crate) origin: Address,
    /// Which of the addresses of a name the socket leads to, if that is known.
    pub(crate) peer: Option<SocketAddr>,
    /// Pushes that came before, the last one maybe in part.
    pub(crate) pushes: BytesMut,
    /// Whether it speaks RESP3.
    pub(crate) resp3: bool,
    /// Which server it leads to, if it said so.
    pub(crate) server: Option<ServerVersion>,
    /// How long until new credentials are needed.
    pub(crate) renewal: Option<Duration>,
}

impl Ready {
    /// A socket to `address`, the present place of the server that is known as `origin`.
    pub(super) fn new(
        greeted: Greeted,
        address: Address,
        origin: Address,
        credentials: Option<&Credentials>,
    ) -> Self {
        Self {
            stream: greeted.stream,
            address,
            origin,
            peer: greeted.peer,
            pushes: greeted.greeting.pushes,
            resp3: greeted.protocol == Protocol::Newest,
            server: greeted.greeting.server,
            renewal: credentials.and_then(Credentials::renewal),
        }
    }
}

/// The future of something that is done rarely and needs much memory: it is on the heap, and only while it is
/// needed. Futures that wait for it stay small, and are compiled without its code.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, Refusal>> + Send + 'a>>;

/// A function that is called with each address to which a socket is open.
pub(crate) type Opened<'a> = &'a (dyn Fn(&Address) + Send + Sync);

/// When the next of several servers has used up its share of the time that is left.
pub(crate) fn share(end: Instant, servers: usize) -> Instant {
    let now = Instant::now();
    let servers = u32::try_from(servers).unwrap_or(u32::MAX).max(1);
    now + end.saturating_duration_since(now) / servers
}

/// A socket whose server let us in.
pub(crate) struct Greeted {
    pub(crate) stream: Box<dyn Transport>,
    peer: Option<SocketAddr>,
    pub(crate) protocol: Protocol,
    pub(crate) greeting: Greeting,
    /// Whether it was told what it need not know.
    extras: Extras,
}

/// One attempt to reach one server.
pub(crate) struct Attempt<'a> {
    pub(crate) config: &'a Config,
    pub(crate) address: &'a Address,
    /// The name that the server's certificate has to have, with TLS.
    #[cfg_attr(not(feature = "tls"), allow(dead_code))]
    pub(crate) host: Option<&'a str>,
    pub(crate) end: Instant,
    pub(crate) credentials: Option<&'a Credentials>,
    pub(crate) opened: Opened<'a>,
}

impl Attempt<'_> {
    pub(crate) fn run(&self) -> Boxed<'_, Greeted> {
        Box::pin(async move {
            let mut place = None;
            let greeted = self.negotiate(&mut place).await;
            if let Some(Place { address, .. }) = place.filter(|place| place.is_choice) {
                self.remember(address, greeted.is_ok());
            }
            greeted
        })
    }

    /// Finds out what the server understands. All sockets for that lead to the same address, which is in `place` afterwards:
    /// another address of the name may be another proxy.
    async fn negotiate(&self, place: &mut Option<Place>) -> Result<Greeted, Refusal> {
        let first = self.greet(self.config.protocol, Extras::Sent, place);
        let error = match first.await {
            Err(Refusal::OldProtocol(error)) if self.config.protocol == Protocol::Newest => error,
            other => return other,
        };
        let said_no = has_said_no(&error);
        if self.config.maintenance.notifications == MaintNotifications::On {
            if said_no {
                return Err(without_announcements(&error));
            }
            // Whoever hung up on HELLO may have been about to go away.
            let again = self.greet(self.config.protocol, Extras::Sent, place).await;
            return again.map_err(|refusal| self.announcing(refusal));
        }
        // A handshake that failed half-way is not continued: the old protocol gets a new socket.
        let old = self.greet(Protocol::Resp2, Extras::Sent, place).await?;
        if said_no {
            return Ok(old);
        }
        // Whoever hung up on HELLO may have been about to go away. It is there now, so a second HELLO decides: without what it
        // hangs up on in RESP2 as well, because the reply to HELLO may be lost with the socket.
        let again = self.in_half_the_time();
        let again = again.greet(Protocol::Newest, old.extras, place).await;
        Ok(again.unwrap_or(old))
    }

    /// The refusal of a server that must speak RESP3, since it is to announce maintenance.
    fn announcing(&self, refusal: Refusal) -> Refusal {
        match refusal {
            Refusal::OldProtocol(error) if has_said_no(&error) => without_announcements(&error),
            Refusal::OldProtocol(error) => self.located(self.explained(Refusal::Io(error))),
            other => other,
        }
    }

    /// Greets the server. One that hangs up on what it need not know is greeted without that.
    async fn greet(
        &self,
        protocol: Protocol,
        mut extras: Extras,
        place: &mut Option<Place>,
    ) -> Result<Greeted, Refusal> {
        let greeted = self.greet_once(protocol, &mut extras, place).await;
        if extras != Extras::Refused {
            return greeted;
        }
        let mut left_out = Extras::LeftOut;
        let bare = self.greet_once(protocol, &mut left_out, place).await?;
        // It may have hung up because it was about to go away. It is there now, so all of it once more decides.
        extras = Extras::Sent;
        let again = self.in_half_the_time();
        let whole = again.greet_once(protocol, &mut extras, place).await;
        Ok(whole.unwrap_or(bare))
    }

    /// The same with half of the time that is left, for what is sent once more: if that hangs, the socket that we have is used, and
    /// may have to say something first.
    fn in_half_the_time(&self) -> Self {
        let end = share(self.end, 2);
        Self { end, ..*self }
    }

    async fn greet_once(
        &self,
        protocol: Protocol,
        extras: &mut Extras,
        place: &mut Option<Place>,
    ) -> Result<Greeted, Refusal> {
        let known = *place;
        let socket = within(self.end, self.config, "it could not be reached", async {
            transport::open(self.config, self.address, known)
                .await
                .map_err(Refusal::Io)
        });
        let socket = socket.await.map_err(|refusal| self.located(refusal))?;
        *place = socket.place.or(known);
        (self.opened)(self.address);
        let greeted = self.greet_over(socket, protocol, extras).await;
        greeted.map_err(|refusal| self.located(refusal))
    }

    async fn greet_over(
        &self,
        socket: Socket,
        protocol: Protocol,
        extras: &mut Extras,
    ) -> Result<Greeted, Refusal> {
        let peer = socket.place.map(|place| place.address);
        let mut stream = self.secure(socket.stream).await?;
        let shaken = within(self.end, self.config, "it did not let us in", async {
            let (config, credentials) = (self.config, self.credentials);
            let ip = peer.map(|peer| peer.ip());
            handshake::shake(&mut *stream, config, protocol, credentials, ip, extras).await
        });
        let greeting = shaken.await.map_err(|refusal| match refusal {
            // A certificate that is refused has nothing to do with the protocol.
            #[cfg(feature = "tls")]
            Refusal::OldProtocol(error) if super::tls::is_of_tls(&error) => {
                self.explained(Refusal::Io(error))
            }
            refusal => self.explained(refusal),
        })?;
        Ok(Greeted {
            stream,
            peer,
            protocol,
            greeting,
            extras: *extras,
        })
    }

    /// Remembers whether one of several addresses of a name lets us in, for the order in which they are tried next.
    fn remember(&self, address: SocketAddr, lets_us_in: bool) {
        /// How long it comes last, once the next attempt has been made.
        const EXTRA: Duration = Duration::from_secs(60);
        let (config, failing) = (self.config, &self.config.failing);
        if lets_us_in {
            failing.forget(address);
            return;
        }
        let next = config
            .connect_timeout
            .saturating_add(config.backoff.longest);
        failing.note(address, from_now(next.saturating_add(EXTRA)));
    }

    #[cfg(feature = "tls")]
    async fn secure(&self, socket: Box<dyn Transport>) -> Result<Box<dyn Transport>, Refusal> {
        let Some(tls) = &self.config.tls else {
            return Ok(socket);
        };
        let silent = "it did not answer the TLS handshake, which it may not know,";
        within(self.end, self.config, silent, async {
            let wrapped = super::tls::wrap(tls, self.host, socket).await;
            wrapped.map_err(|failure| match failure {
                super::tls::Failure::Lost(error) => Refusal::Io(error),
                super::tls::Failure::Tls(error) => Refusal::Tls(error),
            })
        })
        .await
    }

    #[cfg(not(feature = "tls"))]
    async fn secure(&self, socket: Box<dyn Transport>) -> Result<Box<dyn Transport>, Refusal> {
        Ok(socket)
    }

    /// Explains what it probably means when a connection ends in the middle of the handshake.
    fn explained(&self, refusal: Refusal) -> Refusal {
        let Refusal::Io(error) = refusal else {
            return refusal;
        };
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.config.tls {
            // With TLS 1.3 a server refuses our certificate only after the TLS handshake is complete for us.
            return if super::tls::is_of_tls(&error) {
                Refusal::Tls(super::tls::classify(&error.to_string(), tls))
            } else {
                Refusal::Io(error)
            };
        }
        if !is_hang_up(&error) || matches!(self.address, Address::Unix(_)) {
            return Refusal::Io(error);
        }
        let text = format!("{error}; if it speaks TLS there, write rediss://");
        Refusal::Io(io::Error::new(error.kind(), text))
    }

    /// Adds the address to a failure.
    fn located(&self, refusal: Refusal) -> Refusal {
        match refusal {
            Refusal::Io(error) => {
                let kind = error.kind();
                Refusal::Io(io::Error::new(kind, format!("{}: {error}", self.address)))
            }
            other => other,
        }
    }
}

/// Whether a server answered HELLO with a refusal; otherwise it hung up.
fn has_said_no(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Other
}

/// Limits the time of a step; `silent` is the text of the error when the time is up.
pub(super) async fn within<T>(
    end: Instant,
    config: &Config,
    silent: &str,
    step: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    timeout_at(end, step).await.unwrap_or_else(|_| {
        Err(Refusal::Io(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("{silent} within {:?}", config.connect_timeout),
        )))
    })
}

/// The server does not speak RESP3, in which it would have to announce its maintenance.
fn without_announcements(error: &io::Error) -> Refusal {
    let text = format!("`maint_notifications=on` needs RESP3, which the server refused: {error}");
    Refusal::Io(io::Error::new(io::ErrorKind::Unsupported, text))
}
