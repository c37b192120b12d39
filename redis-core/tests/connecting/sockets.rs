//! Own transports and resolvers, Unix sockets, several addresses.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;
use typedis_core::{Address, Config, Connection, Error, ErrorKind};
use typedis_testkit::fake::Fake;
use typedis_testkit::proxy::{Cut, Proxy};
use typedis_testkit::{ClosedPort, Server, ServerKind, shared};

use crate::support::{at, event, ping, quick, refusal, say, within};

#[tokio::test]
async fn a_connection_can_be_made_in_memory() {
    let config = quick(Config::tcp("nowhere", 1)).transport(|address| async move {
        assert_eq!(address, Address::Tcp("nowhere".to_owned(), 1));
        let (ours, mut theirs) = tokio::io::duplex(64);
        tokio::spawn(async move {
            // HELLO and two SETINFO, then a PING.
            let mut heard = Vec::new();
            let mut answered = 0;
            while theirs.read_buf(&mut heard).await? > 0 {
                let commands = heard.windows(1).filter(|window| window == b"*").count();
                while answered < commands {
                    let reply: &[u8] = if answered < 3 {
                        b"+OK\r\n"
                    } else {
                        b"+PONG\r\n"
                    };
                    theirs.write_all(reply).await?;
                    answered += 1;
                }
            }
            io::Result::Ok(())
        });
        Ok(ours)
    });
    let conn = within(Connection::open(config)).await.unwrap();
    assert_eq!(within(ping(&conn)).await.unwrap(), "PONG");
}

#[tokio::test]
async fn a_transport_that_gathers_bytes_is_told_to_send_them() {
    let address = shared(ServerKind::Valkey9).addr();
    let config = quick(Config::tcp("x", 1))
        .transport(move |_| async move { Ok(BufStream::new(TcpStream::connect(address).await?)) });
    let conn = within(Connection::open(config)).await.unwrap();
    let large = "x".repeat(1 << 20);
    assert_eq!(within(say(&conn, &["ECHO", &large])).await.unwrap(), large);
    assert_eq!(within(ping(&conn)).await.unwrap(), "PONG");
}

#[tokio::test]
async fn a_transport_that_fails_says_why() {
    let config = quick(Config::tcp("x", 1))
        .transport(|_| async { Err::<TcpStream, _>(io::Error::other("the tunnel is closed")) });
    let error = refusal(config).await;
    assert_eq!(
        error.to_string(),
        "cannot connect: x:1: the tunnel is closed"
    );
}

#[tokio::test]
async fn unix_sockets_are_sockets() {
    let server = Server::builder(ServerKind::Valkey9)
        .unix_socket()
        .password("pw")
        .start()
        .unwrap();
    let path = server.socket().unwrap();
    let by_url = Config::from_url(&format!("unix://:pw@{}?database=2", path.display())).unwrap();
    let by_hand = Config::unix(&path).password("pw").database(2);
    assert_eq!(by_url, by_hand);
    let conn = Connection::open(quick(by_url)).await.unwrap();
    assert_eq!(say(&conn, &["SET", "k", "v"]).await.unwrap(), "OK");
    let mut events = conn.events();
    server.restart().unwrap();
    event(&mut events, |event| {
        matches!(event, typedis_core::ConnectionEvent::Lost(_))
    })
    .await;
    assert_eq!(within(ping(&conn)).await.unwrap(), "PONG");
    let error = refusal(Config::unix("/nowhere/x.sock")).await.to_string();
    assert!(
        error.starts_with("cannot connect: /nowhere/x.sock: No such file"),
        "{error}"
    );
}

#[tokio::test]
async fn every_address_of_a_name_is_tried() {
    let nobody = ClosedPort::new().unwrap();
    let (closed, open) = (nobody.addr(), shared(ServerKind::Valkey9).addr());
    let config = quick(Config::tcp("cache.example", 6379)).resolver(move |host, port| async move {
        assert_eq!((host.as_str(), port), ("cache.example", 6379));
        Ok(vec![closed, open])
    });
    let conn = within(Connection::open(config)).await.unwrap();
    assert_eq!(ping(&conn).await.unwrap(), "PONG");
}

/// That an address accepts a socket does not mean that a server is there.
#[tokio::test]
async fn an_address_that_does_not_let_us_in_comes_last_at_the_next_attempt() {
    let closing = Fake::start(|_| async { Ok(()) }).await.unwrap();
    let denies = denying().await;
    let up = shared(ServerKind::Valkey9).addr();
    let named = |bad: SocketAddr| {
        quick(Config::tcp("cache.example", 6379))
            .resolver(move |_, _| async move { Ok(vec![bad, up]) })
    };
    let conn = Connection::lazy(named(closing.addr())).unwrap();
    assert_eq!(within(ping(&conn)).await.unwrap(), "PONG");
    // What one connection has learned holds for all of the configuration.
    let config = named(denies.addr());
    let error = refusal(config.clone()).await;
    assert!(matches!(error.kind(), ErrorKind::Handshake(_)), "{error:?}");
    let conn = within(Connection::open(config)).await.unwrap();
    assert_eq!(ping(&conn).await.unwrap(), "PONG");
}

#[tokio::test]
async fn names_that_lead_nowhere_are_errors() {
    let nowhere = quick(Config::tcp("cache.example", 1));
    let empty = nowhere.clone().resolver(|_, _| async { Ok(Vec::new()) });
    let error = refusal(empty).await.to_string();
    assert_eq!(
        error,
        "cannot connect: cache.example:1: the name leads to no address"
    );
    let failing = nowhere.resolver(|_, _| async { Err(io::Error::other("no such name")) });
    let error = refusal(failing).await.to_string();
    assert_eq!(
        error,
        "cannot connect: cache.example:1: the name cannot be resolved: no such name"
    );
}

#[tokio::test]
async fn a_name_is_resolved_anew_at_each_connect() {
    let [first, second] = [
        Server::start(ServerKind::Valkey9).unwrap(),
        Server::start(ServerKind::Valkey9).unwrap(),
    ];
    let now = Arc::new(Mutex::new(first.addr()));
    let asked = Arc::new(AtomicUsize::new(0));
    let (answer, count) = (now.clone(), asked.clone());
    let config = quick(Config::tcp("cache.example", 1)).resolver(move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
        let address = *answer.lock().unwrap();
        async move { Ok(vec![address]) }
    });
    let conn = Connection::open(config).await.unwrap();
    let port = |info: String| {
        info.lines()
            .find_map(|line| line.strip_prefix("tcp_port:").map(str::to_owned))
            .unwrap()
    };
    assert_eq!(
        port(say(&conn, &["INFO", "server"]).await.unwrap()),
        first.port().to_string()
    );

    // The first server becomes a replica of the second, to which the name leads from now on; its socket stays open.
    let start = Instant::now();
    *now.lock().unwrap() = second.addr();
    let mut raw = first.connect().unwrap();
    raw.call(&["REPLICAOF", "127.0.0.1", &second.port().to_string()])
        .unwrap();
    let write = async || say(&conn, &["SET", "k", "v"]).await;
    let readonly = |error: &Error| matches!(error.kind(), ErrorKind::Server(error) if error.code() == "READONLY");
    let error = write().await.unwrap_err();
    assert!(readonly(&error), "{error}");
    within(async {
        while let Err(error) = write().await {
            assert!(readonly(&error), "{error}");
        }
    })
    .await;
    assert_eq!(
        port(say(&conn, &["INFO", "server"]).await.unwrap()),
        second.port().to_string()
    );
    // Once at first, once for the renewal: a window of a second keeps a demoted server from being asked again and again.
    let most = 2 + start.elapsed().as_secs() as usize;
    let asked = asked.load(Ordering::SeqCst);
    assert!((2..=most).contains(&asked), "{asked} times");
}

#[tokio::test]
async fn the_next_host_is_tried_when_one_cannot_be_reached() {
    let (nobody, up) = (
        ClosedPort::new().unwrap(),
        shared(ServerKind::Valkey9).addr(),
    );
    let config = at(nobody.addr()).or_tcp("127.0.0.1", up.port());
    let conn = within(Connection::open(config)).await.unwrap();
    assert_eq!(ping(&conn).await.unwrap(), "PONG");
    // One that accepts and says nothing gets its share of the time only.
    let proxy = Proxy::start(up).await.unwrap();
    proxy.black_hole();
    let config = at(proxy.addr())
        .or_tcp("127.0.0.1", up.port())
        .connect_timeout(Duration::from_secs(1));
    let conn = within(Connection::open(config)).await.unwrap();
    assert_eq!(ping(&conn).await.unwrap(), "PONG");
}

/// A server that refuses everybody for good.
async fn denying() -> Fake {
    Fake::answering(|_| b"-DENIED Redis is running in protected mode\r\n".to_vec())
        .await
        .unwrap()
}

/// What one server refuses, another may accept.
#[tokio::test]
async fn a_host_that_refuses_for_good_gives_way_to_the_next() {
    let (denies, up) = (denying().await, shared(ServerKind::Valkey9).addr());
    let config = at(denies.addr()).or_tcp("127.0.0.1", up.port());
    let conn = within(Connection::open(config)).await.unwrap();
    assert_eq!(ping(&conn).await.unwrap(), "PONG");
    // If none can be used, the refusal for which waiting does not help is the one to report.
    let nobody = ClosedPort::new().unwrap();
    let down = nobody.addr();
    for (first, second) in [(denies.addr(), down), (down, denies.addr())] {
        let config = at(first).or_tcp("127.0.0.1", second.port());
        let error = refusal(config).await;
        let ErrorKind::Handshake(refused) = error.kind() else {
            panic!("{error:?}")
        };
        assert_eq!(refused.code(), "DENIED");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_does_not_hang_us() {
    let proxy = Proxy::start(shared(ServerKind::Valkey9).addr())
        .await
        .unwrap();
    proxy.black_hole();
    let error = refusal(at(proxy.addr()).connect_timeout(Duration::from_millis(100))).await;
    assert_eq!(
        error.to_string(),
        format!(
            "cannot connect: {}: it did not let us in within 100ms",
            proxy.addr()
        )
    );
}

#[tokio::test]
async fn a_handshake_that_is_cut_short_is_begun_anew() {
    let address = shared(ServerKind::Valkey9).addr();
    // Cut at every byte of the server's first words.
    for bytes in (0..200).step_by(7) {
        let proxy = Proxy::start(address).await.unwrap();
        let conn = Connection::lazy(at(proxy.addr()).client_name("w").database(1)).unwrap();
        proxy.to_client().cut_after(bytes, Cut::Reset);
        assert_eq!(
            within(ping(&conn)).await.unwrap(),
            "PONG",
            "cut after {bytes} bytes"
        );
        let me = say(&conn, &["CLIENT", "INFO"]).await.unwrap();
        assert!(me.contains(" name=w ") && me.contains(" db=1 "), "{me}");
    }
}
