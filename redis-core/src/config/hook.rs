//! The user's own code in a configuration: a resolver, a transport, a provider of credentials.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use super::address::Address;
use super::credentials::Credentials;

/// A stream that carries bytes in both directions.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// The future of a socket that the user's code is opening.
pub(crate) type Connecting = Pin<Box<dyn Future<Output = io::Result<Box<dyn Transport>>> + Send>>;

/// The user's own way of connecting.
pub(crate) type Connector = dyn Fn(&Address) -> Connecting + Send + Sync;

/// The future of addresses that the user's code is looking up.
pub(crate) type Resolved = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// The user's own way of resolving names.
pub(crate) type Resolver = dyn Fn(&str, u16) -> Resolved + Send + Sync;

/// The user's own way from the address that servers name to the one to connect to.
pub(crate) type MapAddress = dyn Fn(Address) -> Address + Send + Sync;

/// Why a provider has no credentials.
pub(crate) type Unavailable = Box<dyn std::error::Error + Send + Sync>;

/// The future of credentials that the provider was asked for.
pub(crate) type Asked = Pin<Box<dyn Future<Output = Result<Credentials, Unavailable>> + Send>>;

/// The user's own source of credentials.
pub(crate) type Provider = dyn Fn() -> Asked + Send + Sync;

/// A shared function or object; it equals only itself and its clones.
pub(crate) struct Hook<T: ?Sized>(Arc<T>);

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
