//! One attempt to reach one server: socket, TLS, handshake.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::handshake::{self, Refusal};
use super::transport;
use crate::config::{Address, Config, Credentials, Protocol, Transport};

/// A socket that is ready for commands.
pub(crate) struct Ready {
    pub(crate) stream: Box<dyn Transport>,
    pub(crate) address: Address,
    /// Whether it speaks RESP3.
    pub(crate) resp3: bool,
    /// How long until new credentials are needed.
    pub(crate) renewal: Option<Duration>,
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

/// A socket, and the protocol on it.
pub(crate) type Greeted = (Box<dyn Transport>, Protocol);

/// One attempt to reach one server.
pub(crate) struct Attempt<'a> {
    pub(crate) config: &'a Config,
    pub(crate) address: &'a Address,
    pub(crate) end: Instant,
    pub(crate) credentials: Option<&'a Credentials>,
    pub(crate) opened: Opened<'a>,
}

impl Attempt<'_> {
    pub(crate) fn run(&self) -> Boxed<'_, Greeted> {
        Box::pin(self.negotiate())
    }

    async fn negotiate(&self) -> Result<Greeted, Refusal> {
        let mut protocol = self.config.protocol;
        let mut asked_again = false;
        loop {
            let error = match self.greet(protocol).await {
                Err(Refusal::OldProtocol(error)) if protocol == Protocol::Newest => error,
                other => return other,
            };
            if error.kind() != io::ErrorKind::Other && !asked_again {
                // A server that has just died hangs up as well, so the answer to a second attempt decides.
                asked_again = true;
            } else {
                // A handshake that failed half-way is not continued: the old protocol gets a new socket.
                protocol = Protocol::Resp2;
            }
        }
    }

    async fn greet(&self, protocol: Protocol) -> Result<Greeted, Refusal> {
        let socket = within(self.end, self.config, "it could not be reached", async {
            transport::open(self.config, self.address)
                .await
                .map_err(Refusal::Io)
        });
        let socket = self.located(socket.await)?;
        (self.opened)(self.address);
        let mut stream = self.located(self.secure(socket).await)?;
        let shaken = within(self.end, self.config, "it did not let us in", async {
            handshake::shake(&mut *stream, self.config, protocol, self.credentials).await
        });
        let shaken = shaken.await.map_err(|refusal| match refusal {
            // A certificate that is refused has nothing to do with the protocol.
            #[cfg(feature = "tls")]
            Refusal::OldProtocol(error) if super::tls::is_of_tls(&error) => {
                self.explained(Refusal::Io(error))
            }
            refusal => self.explained(refusal),
        });
        self.located(shaken)?;
        Ok((stream, protocol))
    }

    #[cfg(feature = "tls")]
    async fn secure(&self, socket: Box<dyn Transport>) -> Result<Box<dyn Transport>, Refusal> {
        let Some(tls) = &self.config.tls else {
            return Ok(socket);
        };
        let silent = "it did not answer the TLS handshake, which it may not know,";
        within(self.end, self.config, silent, async {
            super::tls::wrap(tls, self.address.host(), socket)
                .await
                .map_err(Refusal::Tls)
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
        let hung_up = matches!(
            error.kind(),
            io::ErrorKind::ConnectionReset
                | io::ErrorKind::UnexpectedEof
                | io::ErrorKind::BrokenPipe
        );
        if !hung_up || matches!(self.address, Address::Unix(_)) {
            return Refusal::Io(error);
        }
        let text = format!("{error}; if it speaks TLS there, write rediss://");
        Refusal::Io(io::Error::new(error.kind(), text))
    }

    /// Adds the address to a failure.
    fn located<T>(&self, result: Result<T, Refusal>) -> Result<T, Refusal> {
        result.map_err(|refusal| match refusal {
            Refusal::Io(error) => {
                let kind = error.kind();
                Refusal::Io(io::Error::new(kind, format!("{}: {error}", self.address)))
            }
            other => other,
        })
    }
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
