//! Every kind of socket, protocol, login and server: the same words get through.

use typedis_core::{Address, Config, Connection, ConnectionEvent, Protocol, Run, Value};
use typedis_testkit::servers::find;
use typedis_testkit::{Server, ServerBuilder, ServerKind};

use crate::support::{at, event, quick, say, within, words};

/// How one logs in.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Login {
    Nobody,
    Password,
    User,
}

const LOGINS: [Login; 3] = [Login::Nobody, Login::Password, Login::User];
const PROTOCOLS: [Protocol; 2] = [Protocol::Resp2, Protocol::Newest];

impl Login {
    fn put(self, config: Config) -> Config {
        match self {
            Self::Nobody => config,
            Self::Password => config.password("s3cret#"),
            Self::User => config.credentials("alice", "w/nder"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Nobody | Self::Password => "default",
            Self::User => "alice",
        }
    }
}

fn builder(kind: ServerKind, login: Login) -> ServerBuilder {
    let builder = Server::builder(kind)
        .unix_socket()
        .line("user alice on >w/nder ~* &* +@all");
    match login {
        Login::Password => builder.password("s3cret#"),
        Login::Nobody | Login::User => builder,
    }
}

/// What has to hold on any connection, before and after its socket was lost.
async fn examine(config: Config, login: Login, protocol: Protocol, spoken: Protocol) {
    let what = format!("{} {login:?} {protocol:?}", config.to_url());
    let config = login
        .put(config)
        .protocol(protocol)
        .database(3)
        .client_name("worker");
    let conn = within(Connection::open(config))
        .await
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut events = conn.events();
    for round in 0..2 {
        assert_eq!(
            say(&conn, &["ACL", "WHOAMI"]).await.unwrap(),
            login.name(),
            "{what}"
        );
        let id: i64 = conn.run(words(&["CLIENT", "ID"])).await.unwrap();
        let mine = say(&conn, &["CLIENT", "LIST", "ID", &id.to_string()])
            .await
            .unwrap();
        assert!(
            mine.contains(" name=worker ") && mine.contains(" db=3 "),
            "{what}: {mine}"
        );
        let shape: Value = conn
            .run(words(&["CONFIG", "GET", "databases"]))
            .await
            .unwrap();
        assert_eq!(
            matches!(shape, Value::Map(_)),
            spoken == Protocol::Newest,
            "{what}: {shape:?}"
        );
        // Large enough for many pieces, in both directions.
        let value = "v".repeat(300_000);
        let ((), back) = conn
            .pipeline()
            .run(words::<()>(&["SET", &what, &value]))
            .run(words::<String>(&["GET", &what]))
            .await
            .unwrap();
        assert_eq!(back, value, "{what}");
        if round == 0 {
            // Its reply may or may not make it.
            let _ = say(
                &conn,
                &["CLIENT", "KILL", "ID", &id.to_string(), "SKIPME", "no"],
            )
            .await;
            event(&mut events, |event| {
                matches!(event, ConnectionEvent::Lost(_))
            })
            .await;
            event(&mut events, |event| {
                matches!(event, ConnectionEvent::Ready(_))
            })
            .await;
        }
    }
    assert!(
        within(conn.close().into_future()).await.is_clean(),
        "{what}"
    );
}

/// All sockets of one server.
async fn sockets(server: &Server, login: Login, spoken: impl Fn(Protocol) -> Protocol) {
    for protocol in PROTOCOLS {
        let spoken = spoken(protocol);
        examine(at(server.addr()), login, protocol, spoken).await;
        let socket = Config::unix(server.socket().unwrap());
        assert!(matches!(socket.address(), Address::Unix(_)));
        examine(quick(socket), login, protocol, spoken).await;
        #[cfg(feature = "tls")]
        for config in secure::configs(server.addr()).await {
            examine(config.0.clone(), login, protocol, spoken).await;
        }
    }
}

#[cfg(feature = "tls")]
mod secure {
    use std::net::SocketAddr;

    use super::*;
    use typedis_core::Tls;
    use typedis_testkit::tls::{Authority, TlsProxy, TlsServer};

    /// TLS and mutual TLS in front of a server, each with the proxy that has to live as long.
    pub(super) async fn configs(upstream: SocketAddr) -> [(Config, TlsProxy); 2] {
        let authority = Authority::new("matrix").unwrap();
        let identity = authority.server(&["127.0.0.1"]).unwrap();
        let client = authority.client("worker").unwrap();
        let trust = Tls::new().ca_pem(authority.pem()).system_roots(false);
        let one_way = TlsServer::new(identity.clone());
        let mutual = TlsServer::new(identity).demand_client(authority.pem());
        let one_way = TlsProxy::start(upstream, &one_way).await.unwrap();
        let mutual = TlsProxy::start(upstream, &mutual).await.unwrap();
        let known = trust
            .clone()
            .identity_pem(client.cert_pem(), client.key_pem());
        [
            (at(one_way.addr()).tls(trust), one_way),
            (at(mutual.addr()).tls(known), mutual),
        ]
    }
}

async fn all_logins(kind: ServerKind) {
    for login in LOGINS {
        let server = builder(kind, login).start().unwrap();
        sockets(&server, login, |protocol| protocol).await;
    }
}

#[tokio::test]
async fn valkey_9() {
    all_logins(ServerKind::Valkey9).await;
}

#[tokio::test]
async fn valkey_8() {
    all_logins(ServerKind::Valkey8).await;
}

#[tokio::test]
async fn redis_8() {
    all_logins(ServerKind::Redis8).await;
}

#[tokio::test]
async fn redis_8_10() {
    if find(ServerKind::Redis8_10).is_err_and(|error| error.is_unavailable()) {
        eprintln!("skipped: Redis 8.10 cannot be built here");
        return;
    }
    all_logins(ServerKind::Redis8_10).await;
}

#[tokio::test]
async fn redis_6() {
    all_logins(ServerKind::Redis6).await;
}

/// A server that does not know HELLO, as behind a proxy that speaks RESP2 only.
#[tokio::test]
async fn without_hello() {
    for kind in [ServerKind::Valkey9, ServerKind::Redis6] {
        for login in LOGINS {
            let builder = builder(kind, login).line("rename-command HELLO \"\"");
            let server = builder.start().unwrap();
            sockets(&server, login, |_| Protocol::Resp2).await;
        }
    }
}

/// The installed server with its own TLS, where there is one.
#[cfg(feature = "tls")]
#[tokio::test]
async fn the_installed_server_with_its_own_tls() {
    if find(ServerKind::SystemRedis).is_err() {
        eprintln!("skipped: no redis-server is installed");
        return;
    }
    all_logins_with_its_own_tls(ServerKind::SystemRedis).await;
}

/// The newest server with its own TLS, where it could be built so.
#[cfg(feature = "tls")]
#[tokio::test]
async fn redis_8_10_with_its_own_tls() {
    match find(ServerKind::Redis8_10) {
        Ok(program) if program.was_built_with_tls() => {
            all_logins_with_its_own_tls(ServerKind::Redis8_10).await;
        }
        Err(error) if !error.is_unavailable() => panic!("{error}"),
        _ => eprintln!("skipped: there is no Redis 8.10 with TLS"),
    }
}

#[cfg(feature = "tls")]
async fn all_logins_with_its_own_tls(kind: ServerKind) {
    use typedis_core::Tls;
    use typedis_testkit::tls::Authority;

    let authority = Authority::new("matrix").unwrap();
    let own = authority.node(&["127.0.0.1"]).unwrap();
    let client = authority.client("worker").unwrap();
    for login in LOGINS {
        for clients in ["no", "yes"] {
            // The line that comes last counts.
            let builder = builder(kind, login)
                .own_tls(own.clone())
                .line(format!("tls-auth-clients {clients}"));
            let server = builder.start().unwrap();
            sockets(&server, login, |protocol| protocol).await;
            let mut tls = Tls::new().ca_pem(authority.pem()).system_roots(false);
            if clients == "yes" {
                tls = tls.identity_pem(client.cert_pem(), client.key_pem());
            }
            for protocol in PROTOCOLS {
                let config = at(server.tls_addr().unwrap()).tls(tls.clone());
                examine(config, login, protocol, protocol).await;
            }
        }
    }
}
