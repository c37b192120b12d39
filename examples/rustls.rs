//! TLS by rustls instead of the system's library: `Config::transport` carries the bytes. It needs no feature of typedis, and no OpenSSL.
//!
//! `cargo run --example rustls -- HOST PORT CA.pem`

use std::process::exit;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use typedis::prelude::*;
use typedis::{Address, Config};

type Error = Box<dyn std::error::Error>;

/// Trusts the authorities of a file. For those of public servers there are the crates `webpki-roots` and
/// `rustls-platform-verifier`.
fn connector(authorities: &str) -> Result<TlsConnector, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authorities)? {
        roots.add(certificate?)?;
    }
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// A configuration whose connections speak TLS. It is called for every connection, also after one was lost, with the address
/// that is wanted: in a cluster, or behind Sentinels, it is another one each time.
fn over_rustls(config: Config, connector: TlsConnector) -> Config {
    config.transport(move |address| {
        let connector = connector.clone();
        async move {
            let Address::Tcp(host, port) = address else {
                return Err(std::io::ErrorKind::Unsupported.into());
            };
            let socket = TcpStream::connect((host.as_str(), port)).await?;
            // Small commands are not held back.
            socket.set_nodelay(true)?;
            let name = ServerName::try_from(host).map_err(std::io::Error::other)?;
            connector.connect(name, socket).await
        }
    })
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [host, port, authorities] = words.as_slice() else {
        eprintln!("usage: rustls HOST PORT CA.pem");
        exit(2);
    };
    let config = Config::tcp(host, port.parse()?);
    let conn = typedis::connect(over_rustls(config, connector(authorities)?)).await?;
    conn.set("greeting", "hello over rustls").await?;
    println!("{:?}", conn.get::<String>("greeting").await?);
    Ok(())
}
