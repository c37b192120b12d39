//! `examples/rustls.rs` on a real server that has TLS in front of it.

#![allow(clippy::expect_used, clippy::panic)]

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use typedis_testkit::{ServerKind, database};

/// An authority, as a PEM text, and the TLS of a server called `localhost` that it signed.
fn authority_and_server() -> (String, TlsAcceptor) {
    let key = KeyPair::generate().expect("keys can be made");
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let name = &mut authority.distinguished_name;
    name.push(DnType::CommonName, "the authority of a test");
    let pem = authority.self_signed(&key).expect("it signs itself").pem();
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate().expect("keys can be made");
    let names = vec!["localhost".to_owned()];
    let server = CertificateParams::new(names).expect("it is a name");
    let server = server
        .signed_by(&key, &issuer)
        .expect("the authority signs");
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![server.der().clone()], key)
        .expect("key and certificate fit");
    (pem, TlsAcceptor::from(Arc::new(config)))
}

/// Speaks TLS in front of a server; the port.
async fn terminate(acceptor: TlsAcceptor, server: SocketAddr) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let port = listener.local_addr().expect("it listens").port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut client = acceptor.accept(socket).await?;
                let mut server = TcpStream::connect(server).await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    port
}

/// Longer than the example takes, also if it has to be built on a busy machine.
const LONG: Duration = Duration::from_secs(10 * 60);

/// Runs the example; whether it succeeded, what it printed, and what it complained of.
async fn run(port: u16, authority: &str) -> (bool, String, String) {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join(format!("authority-{port}.pem"));
    std::fs::write(&file, authority).expect("it can be written");
    let mut child = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--example", "rustls", "--"])
        .args(["localhost", &port.to_string()])
        .arg(&file)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("cargo runs");
    let mut pipes = (child.stdout.take(), child.stderr.take());
    let (Some(stdout), Some(stderr)) = (&mut pipes.0, &mut pipes.1) else {
        panic!("both are piped")
    };
    let (mut printed, mut complaint) = (Vec::new(), Vec::new());
    let end = async {
        let read = tokio::try_join!(
            stdout.read_to_end(&mut printed),
            stderr.read_to_end(&mut complaint)
        );
        read.expect("it can be read");
        child.wait().await.expect("it ends")
    };
    let end = tokio::time::timeout(LONG, end).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (printed, complaint) = (text(&printed), text(&complaint));
    match end {
        Ok(status) => (status.success(), printed, complaint),
        Err(_) => panic!("it hangs after:\n{printed}\n{complaint}"),
    }
}

#[tokio::test]
async fn a_server_whose_authority_is_trusted_is_spoken_to_over_rustls() {
    let database = database(ServerKind::Valkey9);
    let (authority, acceptor) = authority_and_server();
    let port = terminate(acceptor, database.server().addr()).await;
    let (is_well, printed, complaint) = run(port, &authority).await;
    assert!(is_well, "{complaint}");
    assert!(printed.contains("Some(\"hello over rustls\")"), "{printed}");

    let (other, _) = authority_and_server();
    let (is_well, _, complaint) = run(port, &other).await;
    assert!(!is_well && complaint.contains("certificate"), "{complaint}");
}
