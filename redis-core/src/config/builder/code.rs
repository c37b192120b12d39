//! Settings of a [`Config`] that only code can make.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use super::Config;
use crate::config::address::Address;
use crate::config::credentials::Credentials;
use crate::config::hook::{Asked, Connecting, Hook, Resolved, Transport};

/// Settings that only code can make.
impl Config {
    /// Asks for credentials at each connect, and again before they expire.
    ///
    /// It replaces a configured user and password. When the credentials of a connection are about to expire, it is
    /// authenticated again between two commands; callers do not notice.
    ///
    /// ```
    /// # extern crate typedis_core as typedis;
    /// use std::time::Duration;
    /// use typedis::{Config, Credentials};
    ///
    /// let config = Config::tcp("cache.example", 6379).credentials_provider(|| async {
    ///     let token = std::env::var("CACHE_TOKEN")?; // or ask a token service
    ///     Ok::<_, std::env::VarError>(Credentials::new("worker", token).valid_for(Duration::from_secs(900)))
    /// });
    /// ```
    #[must_use]
    pub fn credentials_provider<F, Fut, E>(mut self, provider: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Credentials, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.provider = Some(Hook::new(Arc::new(move || {
            let asked = provider();
            Box::pin(async move { asked.await.map_err(Into::into) }) as Asked
        })));
        self
    }

    /// Resolves host names with your own function. It is called at each attempt to connect. The addresses that it returns
    /// are tried in order, until one accepts the socket; one that then does not let us in comes last at the next attempt.
    ///
    /// ```
    /// # extern crate typedis_core as typedis;
    /// use typedis::Config;
    ///
    /// let config = Config::tcp("cache", 6379)
    ///     .resolver(|_host, port| async move { Ok(vec![([10, 0, 0, 7], port).into()]) });
    /// ```
    #[must_use]
    pub fn resolver<F, Fut>(mut self, resolver: F) -> Self
    where
        F: Fn(String, u16) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        self.resolver = Some(Hook::new(Arc::new(move |host: &str, port| {
            Box::pin(resolver(host.to_owned(), port)) as Resolved
        })));
        self
    }

    /// Connects with your own function, instead of a TCP or Unix socket: through a proxy, a tunnel, or in memory.
    /// If TLS is configured, it runs on top of this.
    ///
    /// ```
    /// # extern crate typedis_core as typedis;
    /// use typedis::Config;
    ///
    /// let config = Config::tcp("cache", 6379).transport(|address| async move {
    ///     tokio::net::TcpStream::connect("127.0.0.1:1080").await // … then ask the proxy for `address`
    /// });
    /// ```
    #[must_use]
    pub fn transport<F, Fut, S>(mut self, connect: F) -> Self
    where
        F: Fn(Address) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<S>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.connector = Some(Hook::new(Arc::new(move |address: &Address| {
            let connecting = connect(address.clone());
            Box::pin(async move { Ok(Box::new(connecting.await?) as Box<dyn Transport>) })
                as Connecting
        })));
        self
    }
}
