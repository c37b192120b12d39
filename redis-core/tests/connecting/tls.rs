//! Certificates good and bad.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use typedis_core::{Config, Connection, Error, ErrorKind, Tls, TlsCause, TlsVersion};
use typedis_testkit::proxy::{Cut, Proxy};
use typedis_testkit::tls::{Authority, Identity, TlsProxy, TlsServer};
use typedis_testkit::{ServerKind, shared};

use crate::support::{LONG, at, event, ping, quick, refusal, within};

fn authority() -> Authority {
    Authority::new("the tests' authority").unwrap()
}

/// A certificate for where the proxies listen.
fn here(authority: &Authority) -> Identity {
    authority.server(&["127.0.0.1", "localhost"]).unwrap()
}

async fn proxy(server: &TlsServer) -> TlsProxy {
    let upstream = shared(ServerKind::Valkey9).addr();
    TlsProxy::start(upstream, server).await.unwrap()
}

fn trusting(address: SocketAddr, authority: &Authority) -> Config {
    at(address).tls(trust(authority))
}

fn trust(authority: &Authority) -> Tls {
    Tls::new().ca_pem(authority.pem()).system_roots(false)
}

fn cause(error: &Error) -> TlsCause {
    match error.kind() {
        ErrorKind::Tls(error) => error.cause(),
        other => panic!("this is no error of TLS: {other}"),
    }
}

/// A folder for certificates that goes with the test.
fn folder() -> (tempfile::TempDir, impl Fn(&str, &str) -> PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    (folder, move |name: &str, content: &str| {
        let file = path.join(name);
        std::fs::write(&file, content).unwrap();
        file
    })
}

#[tokio::test]
async fn a_trusted_server_is_spoken_to() {
    let authority = authority();
    let proxy = proxy(&TlsServer::new(here(&authority))).await;
    let conn = Connection::open(trusting(proxy.addr(), &authority))
        .await
        .unwrap();
    assert_eq!(ping(&conn).await.unwrap(), "PONG");
    // More than TLS can take at once, in both directions.
    let large = "x".repeat(3 << 20);
    assert_eq!(
        crate::support::say(&conn, &["ECHO", &large]).await.unwrap(),
        large
    );
}

#[tokio::test]
async fn a_url_says_the_same() {
    let authority = authority();
    let (_folder, write) = folder();
    let ca = write("ca.pem", authority.pem());
    let proxy = proxy(&TlsServer::new(here(&authority))).await;
    for scheme in ["rediss", "valkeys"] {
        let url = format!(
            "{scheme}://localhost:{}?tls_ca={}",
            proxy.addr().port(),
            ca.display()
        );
        let conn = Connection::open(url.as_str()).await.unwrap();
        assert_eq!(ping(&conn).await.unwrap(), "PONG");
    }
    // The system's resolver may give ::1 first, where nobody listens: the name is asked for whichever address it is.
    assert_eq!(
        proxy.names(),
        [Some("localhost".to_owned()), Some("localhost".to_owned())]
    );
}

#[tokio::test]
async fn an_authority_that_is_not_trusted_is_refused() {
    let proxy = proxy(&TlsServer::new(here(&authority()))).await;
    let system = refusal(at(proxy.addr()).tls(Tls::new())).await;
    assert_eq!(cause(&system), TlsCause::Untrusted, "{system}");
    let other = refusal(trusting(proxy.addr(), &authority())).await;
    assert_eq!(cause(&other), TlsCause::Untrusted, "{other}");
    assert!(
        other
            .to_string()
            .contains("name its authority with `tls_ca`"),
        "{other}"
    );
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let authority = authority();
    let expired = authority.expired_server(&["127.0.0.1"]).unwrap();
    let proxy = proxy(&TlsServer::new(expired)).await;
    let error = refusal(trusting(proxy.addr(), &authority)).await;
    assert_eq!(cause(&error), TlsCause::Expired, "{error}");
}

#[tokio::test]
async fn a_host_with_an_expired_certificate_gives_way_to_the_next() {
    let authority = authority();
    let expired = authority.expired_server(&["127.0.0.1"]).unwrap();
    let expired = proxy(&TlsServer::new(expired)).await;
    let good = proxy(&TlsServer::new(here(&authority))).await;
    let config = trusting(expired.addr(), &authority).or_tcp("127.0.0.1", good.addr().port());
    let conn = within(Connection::open(config)).await.unwrap();
    assert_eq!(ping(&conn).await.unwrap(), "PONG");
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused_unless_that_name_is_meant() {
    let authority = authority();
    let proxy = proxy(&TlsServer::new(
        authority.server(&["cache.example"]).unwrap(),
    ))
    .await;
    let error = refusal(trusting(proxy.addr(), &authority)).await;
    assert_eq!(cause(&error), TlsCause::WrongHost, "{error}");
    let error = refusal(at(proxy.addr()).tls(trust(&authority).server_name("other.example"))).await;
    assert_eq!(cause(&error), TlsCause::WrongHost, "{error}");

    let named = at(proxy.addr()).tls(trust(&authority).server_name("cache.example"));
    assert_eq!(
        ping(&Connection::open(named).await.unwrap()).await.unwrap(),
        "PONG"
    );
    assert_eq!(
        proxy.names().last().unwrap().as_deref(),
        Some("cache.example")
    );
    let any = at(proxy.addr()).tls(trust(&authority).danger_accept_invalid_hostnames(true));
    assert_eq!(
        ping(&Connection::open(any).await.unwrap()).await.unwrap(),
        "PONG"
    );
}

#[tokio::test]
async fn danger_accepts_anybody() {
    let expired = authority().expired_server(&["elsewhere"]).unwrap();
    let proxy = proxy(&TlsServer::new(expired)).await;
    let config = at(proxy.addr()).tls(Tls::new().danger_accept_invalid_certs(true));
    assert_eq!(
        ping(&Connection::open(config).await.unwrap())
            .await
            .unwrap(),
        "PONG"
    );
}

#[tokio::test]
async fn a_server_may_want_to_know_the_client() {
    let (authority, clients) = (authority(), authority());
    let (_folder, write) = folder();
    let client = clients.client("worker").unwrap();
    let cert = write("cert.pem", client.cert_pem());
    let key = write("key.pem", client.key_pem());
    let archive = client.pkcs12("sesame").unwrap();
    let server = TlsServer::new(here(&authority)).demand_client(clients.pem());
    for server in [server.clone(), server.only_tls_1_2()] {
        let proxy = proxy(&server).await;
        for known in [
            trust(&authority).identity_pem(client.cert_pem(), client.key_pem()),
            trust(&authority).identity_files(&cert, &key),
            trust(&authority).pkcs12(&archive, "sesame"),
        ] {
            let conn = Connection::open(at(proxy.addr()).tls(known)).await.unwrap();
            assert_eq!(ping(&conn).await.unwrap(), "PONG");
        }
        let nobody = refusal(trusting(proxy.addr(), &authority)).await;
        assert_eq!(cause(&nobody), TlsCause::ClientCertificate, "{nobody}");
        let stranger = authority.client("stranger").unwrap();
        let stranger = trust(&authority).identity_pem(stranger.cert_pem(), stranger.key_pem());
        let stranger = refusal(at(proxy.addr()).tls(stranger)).await;
        assert_eq!(cause(&stranger), TlsCause::ClientCertificate, "{stranger}");
    }
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_named() {
    let authority = authority();
    let client = authority.client("worker").unwrap();
    let archive = client.pkcs12("sesame").unwrap();
    let proxy = proxy(&TlsServer::new(here(&authority))).await;
    for (tls, text) in [
        (
            Tls::new().ca_file("/nowhere/ca.pem"),
            "tls_ca: /nowhere/ca.pem: No such file",
        ),
        (
            Tls::new().ca_pem("nothing"),
            "tls_ca: there is no certificate in it",
        ),
        (
            Tls::new().identity_files("/nowhere/c", "/nowhere/k"),
            "tls_cert: /nowhere/c: No such file",
        ),
        (
            Tls::new().identity_pem(client.cert_pem(), "nothing"),
            "tls_key: there is no private key in PEM",
        ),
        (
            Tls::new().pkcs12(&archive, "wrong"),
            "tls_pkcs12 and its password: ",
        ),
    ] {
        let error = refusal(at(proxy.addr()).tls(tls)).await;
        assert_eq!(cause(&error), TlsCause::Settings, "{error}");
        assert!(error.to_string().contains(text), "{error}");
        assert!(!error.to_string().contains("sesame"));
    }
}

#[tokio::test]
async fn old_versions_are_refused() {
    let authority = authority();
    let proxy = proxy(&TlsServer::new(here(&authority)).only_tls_1_1()).await;
    let error = refusal(trusting(proxy.addr(), &authority)).await;
    assert_eq!(cause(&error), TlsCause::Version, "{error}");
    proxy
        .change(&TlsServer::new(here(&authority)).only_tls_1_2())
        .unwrap();
    assert!(
        Connection::open(trusting(proxy.addr(), &authority))
            .await
            .is_ok()
    );
    let newest = trust(&authority).min_version(TlsVersion::V1_3);
    let error = refusal(at(proxy.addr()).tls(newest)).await;
    assert_eq!(cause(&error), TlsCause::Version, "{error}");
}

#[tokio::test]
async fn plaintext_to_a_tls_port_is_told_so_and_does_not_hang() {
    let proxy = proxy(&TlsServer::new(here(&authority()))).await;
    let error = refusal(at(proxy.addr())).await;
    assert!(error.to_string().contains("write rediss://"), "{error}");
    // One that says in TLS what is wrong, before it hangs up.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let alerting = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"\x15\x03\x01\x00\x02\x02\x46").await;
    });
    let error = refusal(at(address)).await;
    assert_eq!(cause(&error), TlsCause::Wanted, "{error}");
    assert!(error.to_string().contains("write rediss://"), "{error}");
    alerting.await.unwrap();
}

#[tokio::test]
async fn tls_to_a_plaintext_port_is_told_so_and_does_not_hang() {
    // A server that answers something.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answering = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream
            .write_all(b"-ERR Protocol error: invalid multibulk length\r\n")
            .await;
    });
    let error = refusal(at(address).tls(Tls::new())).await;
    assert_eq!(cause(&error), TlsCause::NotTls, "{error}");
    answering.await.unwrap();
    // A real one waits for the end of a line that may never come.
    let real = at(shared(ServerKind::Valkey9).addr()).connect_timeout(Duration::from_millis(500));
    let error = refusal(real.tls(Tls::new())).await.to_string();
    assert!(
        error.contains("did not answer the TLS handshake")
            || error.contains("does not speak TLS there"),
        "{error}"
    );
}

#[tokio::test]
async fn a_connector_of_the_users_own_is_used() {
    let authority = authority();
    let proxy = proxy(&TlsServer::new(here(&authority))).await;
    let connector = native_tls::TlsConnector::builder()
        .disable_built_in_roots(true)
        .add_root_certificate(
            native_tls::Certificate::from_pem(authority.pem().as_bytes()).unwrap(),
        )
        .build()
        .unwrap();
    let config = at(proxy.addr()).tls(Tls::new().connector(connector));
    assert_eq!(
        ping(&Connection::open(config).await.unwrap())
            .await
            .unwrap(),
        "PONG"
    );
}

#[tokio::test]
async fn a_transport_of_the_users_own_carries_tls() {
    let authority = authority();
    let proxy = proxy(&TlsServer::new(
        authority.server(&["cache.example"]).unwrap(),
    ))
    .await;
    let address = proxy.addr();
    let config = quick(Config::tcp("cache.example", 1))
        .tls(trust(&authority))
        .transport(move |_| tokio::net::TcpStream::connect(address));
    assert_eq!(
        ping(&Connection::open(config).await.unwrap())
            .await
            .unwrap(),
        "PONG"
    );
}

#[tokio::test]
async fn certificates_are_read_again_at_each_connect() {
    let (first, second) = (authority(), authority());
    let (_folder, write) = folder();
    let ca = write("ca.pem", first.pem());
    let tls = proxy(&TlsServer::new(here(&first))).await;
    let cable = Proxy::start(tls.addr()).await.unwrap();
    let conn = Connection::open(at(cable.addr()).tls(Tls::new().ca_file(&ca)))
        .await
        .unwrap();
    let mut events = conn.events();
    assert_eq!(ping(&conn).await.unwrap(), "PONG");

    // The server shows a certificate of another authority: what cannot help is told at once.
    tls.change(&TlsServer::new(here(&second))).unwrap();
    cable.cut_all(Cut::Reset);
    let failed = |event: &typedis_core::ConnectionEvent| {
        matches!(event, typedis_core::ConnectionEvent::Failed(_))
    };
    event(&mut events, failed).await;
    let error = within(ping(&conn)).await.unwrap_err();
    assert_eq!(cause(&error), TlsCause::Untrusted, "{error}");

    // The file says that the other one is trusted, too: the next attempt succeeds.
    write("ca.pem", second.pem());
    within(async {
        while ping(&conn).await.is_err() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_socket_that_is_reset_amid_the_tls_handshake_is_tried_again() {
    let authority = authority();
    let tls = proxy(&TlsServer::new(here(&authority))).await;
    let cable = Proxy::start(tls.addr()).await.unwrap();
    let conn = Connection::open(trusting(cable.addr(), &authority))
        .await
        .unwrap();
    assert_eq!(ping(&conn).await.unwrap(), "PONG");
    let mut events = conn.events();

    // The next connection ends within the certificate of the server. The open one carries nothing meanwhile.
    cable.to_client().cut_after(300, Cut::Reset);
    cable.cut_all(Cut::Reset);
    let failed = |event: &typedis_core::ConnectionEvent| {
        matches!(event, typedis_core::ConnectionEvent::Failed(_))
    };
    let waiting = tokio::spawn({
        let conn = conn.clone();
        async move { ping(&conn).await }
    });
    let reason = event(&mut events, failed).await.to_string();
    assert!(!reason.contains("TLS"), "{reason}");
    assert_eq!(within(waiting).await.unwrap().unwrap(), "PONG");
    assert_eq!(cable.accepted(), 3);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_kernel_watches_a_line_with_tls_too() {
    let authority = authority();
    let proxy = proxy(&TlsServer::new(here(&authority))).await;
    let conn = Connection::open(trusting(proxy.addr(), &authority).keep_alive(LONG))
        .await
        .unwrap();
    ping(&conn).await.unwrap();
    // A line of the table: its peer is the proxy, and its timer is that of keep-alive (02).
    let peer = format!("0100007F:{:04X}", proxy.addr().port());
    let watched = || {
        let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
        table.lines().any(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            columns.get(2) == Some(&peer.as_str())
                && columns.get(5).is_some_and(|timer| timer.starts_with("02:"))
        })
    };
    // Right after a write the timer is that of a retransmission.
    crate::support::until(watched).await;
}
