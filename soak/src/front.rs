//! TLS in front of the single server: [`TlsFront`], whose certificate changes while clients use it.

use std::net::SocketAddr;

use typedis_testkit::proxy::{Cut, Proxy};
use typedis_testkit::tls::{Authority, TlsProxy, TlsServer};

use crate::Result;

/// A proxy that fails, before one that speaks TLS: faults meet encrypted bytes.
pub(crate) struct TlsFront {
    pub(crate) proxy: Proxy,
    pub(crate) authority: Authority,
    tls: TlsProxy,
}

impl TlsFront {
    pub(crate) async fn start(upstream: SocketAddr) -> Result<Self> {
        let authority = Authority::new("soak")?;
        let server = TlsServer::new(authority.server(&["127.0.0.1"])?);
        let tls = TlsProxy::start(upstream, &server).await?;
        let proxy = Proxy::start(tls.addr()).await?;
        Ok(Self {
            proxy,
            authority,
            tls,
        })
    }

    /// Presents a new certificate from now on, and has all clients connect again.
    pub(crate) fn rotate(&self) -> Result {
        let server = TlsServer::new(self.authority.server(&["127.0.0.1"])?);
        self.tls.change(&server)?;
        self.proxy.cut_all(Cut::Close);
        Ok(())
    }
}
