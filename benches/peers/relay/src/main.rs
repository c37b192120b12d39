//! What stands between a client and the server, as a process of its own, so that no client is charged for it.
//!
//! - `peer-relay chunks ADDRESS` hands replies on in pieces of 16 KiB, as a network does
//! - `peer-relay certificates FOLDER` writes `ca.pem`, `cert.pem` and `key.pem` for a server at 127.0.0.1
//! - `peer-relay tls ADDRESS FOLDER` writes them also, and speaks TLS for a server that does not
//!
//! A relay prints its address, and ends with its standard input.

use std::process::ExitCode;

mod chunks;
#[cfg(feature = "tls")]
mod tls;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["chunks", upstream] => chunks::run(upstream),
        #[cfg(feature = "tls")]
        ["certificates", folder] => tls::write_certificates(folder).map(drop),
        #[cfg(feature = "tls")]
        ["tls", upstream, folder] => tls::run(upstream, folder),
        _ => Err(
            "usage: peer-relay chunks ADDRESS | certificates FOLDER | tls ADDRESS FOLDER".into(),
        ),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Says where the relay listens, and returns when whoever started it is gone.
fn announce(address: std::net::SocketAddr) -> Result {
    println!("{address}");
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}
