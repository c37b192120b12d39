//! TLS for servers that have none: self-made certificates, and a proxy that speaks TLS with them.
//!
//! # Layout
//!
//! - `authority`: an authority, and the certificates that it signs
//! - this file: the proxy

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use openssl::pkey::PKey;
use openssl::ssl::{Ssl, SslAcceptor, SslMethod, SslVerifyMode, SslVersion};
use openssl::x509::X509;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_openssl::SslStream;

use crate::accepting;

mod authority;

pub use authority::{Authority, Identity};

/// How a [`TlsProxy`] speaks TLS.
#[derive(Debug, Clone)]
#[must_use]
pub struct TlsServer {
    identity: Identity,
    client_authority: Option<String>,
    newest: Option<SslVersion>,
}

impl TlsServer {
    /// Presents this certificate to clients.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            client_authority: None,
            newest: None,
        }
    }

    /// Demands a certificate of each client, signed by this authority (PEM).
    pub fn demand_client(mut self, authority_pem: &str) -> Self {
        self.client_authority = Some(authority_pem.to_owned());
        self
    }

    /// Speaks TLS 1.1 and nothing newer.
    pub fn only_tls_1_1(mut self) -> Self {
        self.newest = Some(SslVersion::TLS1_1);
        self
    }

    /// Speaks TLS 1.2 and nothing newer.
    pub fn only_tls_1_2(mut self) -> Self {
        self.newest = Some(SslVersion::TLS1_2);
        self
    }

    fn acceptor(&self) -> io::Result<SslAcceptor> {
        let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
        builder.set_certificate(&*X509::from_pem(self.identity.cert_pem().as_bytes())?)?;
        builder.set_private_key(&*PKey::private_key_from_pem(
            self.identity.key_pem().as_bytes(),
        )?)?;
        if let Some(pem) = &self.client_authority {
            let authority = X509::from_pem(pem.as_bytes())?;
            builder.cert_store_mut().add_cert(authority.clone())?;
            builder.add_client_ca(&authority)?;
            builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        }
        if let Some(newest) = self.newest {
            builder.set_min_proto_version(None)?;
            builder.set_max_proto_version(Some(newest))?;
            // Old versions need ciphers that are no longer considered secure.
            builder.set_cipher_list("DEFAULT:@SECLEVEL=0")?;
        }
        Ok(builder.build())
    }
}

/// A proxy that speaks TLS to its clients and plain bytes to a server. Dropping it closes its port.
pub struct TlsProxy {
    address: SocketAddr,
    acceptor: Arc<Mutex<SslAcceptor>>,
    names: Arc<Mutex<Vec<Option<String>>>>,
    accepting: JoinHandle<()>,
}

impl TlsProxy {
    /// Listens on a free port of 127.0.0.1 and connects each client to `upstream`.
    ///
    /// # Errors
    ///
    /// If no port is free, or the certificate cannot be used.
    pub async fn start(upstream: SocketAddr, server: &TlsServer) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let acceptor = Arc::new(Mutex::new(server.acceptor()?));
        let names = Arc::new(Mutex::new(Vec::new()));
        let accepting = tokio::spawn(accept(listener, upstream, acceptor.clone(), names.clone()));
        Ok(Self {
            address,
            acceptor,
            names,
            accepting,
        })
    }

    /// The address that clients connect to.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// From now on, uses other settings for new clients.
    ///
    /// # Errors
    ///
    /// If the certificate cannot be used.
    pub fn change(&self, server: &TlsServer) -> io::Result<()> {
        let acceptor = server.acceptor()?;
        *self.acceptor.lock().unwrap_or_else(PoisonError::into_inner) = acceptor;
        Ok(())
    }

    /// The server's name that each client asked for (SNI), in the order of their handshakes.
    #[must_use]
    pub fn names(&self) -> Vec<Option<String>> {
        let names = self.names.lock();
        names.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl std::fmt::Debug for TlsProxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsProxy")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Drop for TlsProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    upstream: SocketAddr,
    acceptor: Arc<Mutex<SslAcceptor>>,
    names: Arc<Mutex<Vec<Option<String>>>>,
) {
    // They are aborted with this task.
    let mut relays = tokio::task::JoinSet::new();
    loop {
        let client = accepting::next(&listener).await;
        let acceptor = acceptor
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let names = names.clone();
        relays.spawn(async move {
            // A client that is refused has been told so by TLS itself.
            let _ = relay(client, upstream, &acceptor, &names).await;
        });
        while relays.try_join_next().is_some() {}
    }
}

async fn relay(
    client: TcpStream,
    upstream: SocketAddr,
    acceptor: &SslAcceptor,
    names: &Mutex<Vec<Option<String>>>,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let ssl = Ssl::new(acceptor.context())?;
    let mut client = SslStream::new(ssl, client)?;
    let accepted = Pin::new(&mut client).accept().await;
    let name = client.ssl().servername(openssl::ssl::NameType::HOST_NAME);
    let name = name.map(str::to_owned);
    names
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(name);
    accepted.map_err(io::Error::other)?;
    let mut server = TcpStream::connect(upstream).await?;
    server.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
