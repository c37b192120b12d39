//! Code of the user's that a [`Config`](super::Config) carries.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Address, Config};
use crate::credentials::{self, Credentials};
use crate::resolve;
use crate::transport;

/// A shared function or object; equal to itself and its clones only.
pub(crate) struct Hook<T: ?Sized>(Arc<T>);

/// What only code can say.
impl Config {
    /// Asks for credentials at each connect, and again before they expire.
    ///
    /// It takes the place of a configured user and password. A connection whose credentials are about to expire is
    /// authenticated anew between two commands, without a pause for anybody.
    ///
    /// ```
    /// use std::time::Duration;
    /// use typedis_core::{Config, Credentials};
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
            Box::pin(async move { asked.await.map_err(Into::into) }) as credentials::Asked
        })));
        self
    }

    /// Resolves names by other means than the system's. It is asked anew at each attempt to connect, and all its
    /// addresses are tried.
    ///
    /// ```
    /// use typedis_core::Config;
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
            Box::pin(resolver(host.to_owned(), port)) as resolve::Resolved
        })));
        self
    }

    /// Connects by other means than a TCP or Unix socket: through a proxy, a tunnel, or in memory. TLS, where it is
    /// configured, runs on top.
    ///
    /// ```
    /// use typedis_core::Config;
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
            Box::pin(
                async move { Ok(Box::new(connecting.await?) as Box<dyn transport::Transport>) },
            ) as transport::Connecting
        })));
        self
    }
}

impl<T: ?Sized> Hook<T> {
    pub(crate) fn new(inner: Arc<T>) -> Self {
        Self(inner)
    }
}

impl<T: ?Sized> Deref for Hook<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> Clone for Hook<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: ?Sized> PartialEq for Hook<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T: ?Sized> fmt::Debug for Hook<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(set)")
    }
}
