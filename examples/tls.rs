//! TLS with an authority and a client certificate of your own.
//!
//! `cargo run --example tls --features tls -- HOST PORT CA.pem [CERT.pem KEY.pem]`

use std::process::exit;

use typedis::prelude::*;
use typedis::{Config, ErrorKind, Tls, TlsCause};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (host, port, tls) = match words.as_slice() {
        [host, port, ca] => (host, port, Tls::new().ca_file(ca)),
        [host, port, ca, cert, key] => {
            let tls = Tls::new().ca_file(ca).identity_files(cert, key);
            (host, port, tls)
        }
        _ => {
            eprintln!("usage: tls HOST PORT CA.pem [CERT.pem KEY.pem]");
            exit(2);
        }
    };
    // The same as a URL: rediss://host:port?tls_ca=CA.pem&tls_cert=CERT.pem&tls_key=KEY.pem
    let config = Config::tcp(host, port.parse()?).tls(tls);
    println!("connecting to {}", config.to_url());

    let conn = match typedis::connect(config).await {
        Ok(conn) => conn,
        Err(error) => {
            if let ErrorKind::Tls(reason) = error.kind()
                && reason.cause() == TlsCause::ClientCertificate
            {
                eprintln!("give the client's certificate and key, too");
            }
            return Err(error.into());
        }
    };
    conn.set("greeting", "hello over TLS").await?;
    println!("{:?}", conn.get::<String>("greeting").await?);
    Ok(())
}
