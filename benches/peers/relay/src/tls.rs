//! TLS in front of a server that has none, and certificates for one that has.

use std::fs;
use std::path::Path;

use typedis_testkit::tls::{Authority, Identity, TlsProxy, TlsServer};

use crate::{Result, announce};

pub(crate) fn write_certificates(folder: &str) -> Result<Identity> {
    let folder = Path::new(folder);
    let authority = Authority::new("benchmark")?;
    let identity = authority.server(&["localhost", "127.0.0.1"])?;
    fs::write(folder.join("ca.pem"), authority.pem())?;
    fs::write(folder.join("cert.pem"), identity.cert_pem())?;
    fs::write(folder.join("key.pem"), identity.key_pem())?;
    Ok(identity)
}

pub(crate) fn run(upstream: &str, folder: &str) -> Result {
    let server = TlsServer::new(write_certificates(folder)?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let proxy = runtime.block_on(TlsProxy::start(upstream.parse()?, &server))?;
    announce(proxy.addr())
}
