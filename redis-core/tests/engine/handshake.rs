//! The first words: old servers, refusals, stalls; a socket on which they failed is never used.

use std::time::{Duration, Instant};

use typedis_core::{Config, Connection, ErrorKind, MaintNotifications, Phase, Protocol, Run, raw};
use typedis_testkit::fake::{Fake, Words};
use typedis_testkit::proxy::Proxy;
use typedis_testkit::{Server, ServerKind};

use crate::support::*;

/// A server that answers HELLO with this, and knows all else.
async fn answers_hello(reply: &'static str) -> Fake {
    Fake::answering(move |command: &Words| match command.name().as_str() {
        "HELLO" => reply.into(),
        "ECHO" => format!("+{}\r\n", command.text(1)).into_bytes(),
        _ => "+OK\r\n".into(),
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_server_without_resp3_is_spoken_to_in_resp2() {
    for refusal in [
        "-ERR unknown command 'HELLO'\r\n",
        "-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `worker`, `s3cret`, \r\n",
        "-NOPROTO unsupported protocol version\r\n",
        "-ERR unsupported command\r\n",
    ] {
        let fake = answers_hello(refusal).await;
        let conn = connect(at(fake.addr()).credentials("worker", "s3cret").database(3)).await;
        assert_eq!(conn.run(echo("x")).await.unwrap(), "x");
        // The socket on which HELLO failed is not gone on with.
        assert_eq!(fake.connections(), 2);
        assert_eq!(fake.received(0)[0].name(), "HELLO");
        let received = fake.received(1);
        assert_eq!(received[0], ["AUTH", "worker", "s3cret"]);
        assert_eq!(received[1], ["SELECT", "3"]);
    }
}

/// A proxy before a server that is being restarted: it hangs up on this many connections, whatever they say.
async fn hangs_up_at_first(count: usize) -> Fake {
    Fake::start(move |mut peer| async move {
        while let Some(command) = peer.command().await? {
            if peer.number() < count {
                return Ok(());
            }
            match command.name().as_str() {
                "HELLO" => peer.send("%1\r\n$5\r\nproto\r\n:3\r\n").await?,
                "ECHO" => peer.send(format!("+{}\r\n", command.text(1))).await?,
                _ => peer.send("+OK\r\n").await?,
            }
        }
        Ok(())
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_restart_that_a_proxy_hides_does_not_lead_to_resp2() {
    for count in 1..6 {
        let fake = hangs_up_at_first(count).await;
        let conn = Connection::lazy(at(fake.addr())).unwrap();
        assert_eq!(soon("an echo", conn.run(echo("x"))).await.unwrap(), "x");
        let asked = |number: usize| {
            fake.received(number)
                .iter()
                .any(|words| words.name() == "ECHO")
        };
        let used = (0..fake.connections())
            .find(|number| asked(*number))
            .unwrap();
        assert_eq!(fake.received(used)[0], ["HELLO", "3"], "{count} at first");
    }
}

#[tokio::test]
async fn a_refusal_is_told_at_once_and_shows_no_password() {
    for (refusal, code) in [
        (
            "-WRONGPASS invalid username-password pair or user is disabled.\r\n",
            "WRONGPASS",
        ),
        (
            "-NOPERM this user has no permissions to run the 'hello' command\r\n",
            "NOPERM",
        ),
        (
            "-ERR AUTH <password> called without any password configured: s3cret\r\n",
            "ERR",
        ),
        ("-DENIED Redis is running in protected mode\r\n", "DENIED"),
    ] {
        let fake = answers_hello(refusal).await;
        let config = at(fake.addr()).password("s3cret");
        let error = failed(Connection::open(&config).await);
        let ErrorKind::Handshake(refused) = error.kind() else {
            panic!("{error}")
        };
        assert_eq!((refused.code(), error.phase()), (code, Phase::NotSent));
        assert!(!format!("{error} {error:?} {config:?}").contains("s3cret"));
        assert_eq!(fake.connections(), 1);
    }
}

#[tokio::test]
async fn a_real_server_refuses_a_wrong_password_and_a_missing_one() {
    let server = Server::builder(ServerKind::Valkey9)
        .password("right")
        .start()
        .unwrap();
    for protocol in BOTH {
        let config = at(server.addr()).protocol(protocol);
        let error = failed(Connection::open(config.clone().password("wrong")).await);
        assert_eq!(error.server().unwrap().code(), "WRONGPASS");
        let error = failed(Connection::open(config.clone()).await);
        // RESP2 has no word of its own that needs a login: SETINFO is ignored, the first command is refused.
        if protocol == Protocol::Resp2 {
            panic!("{error}");
        }
        assert_eq!(error.server().unwrap().code(), "NOAUTH");
        connect(config.password("right"))
            .await
            .run(incr("n"))
            .await
            .unwrap();
        if protocol == Protocol::Newest {
            break;
        }
    }
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_a_refusal() {
    let server = Server::builder(ServerKind::Valkey9)
        .databases(4)
        .start()
        .unwrap();
    for protocol in BOTH {
        let config = at(server.addr()).protocol(protocol).database(99);
        let error = failed(Connection::open(config).await);
        assert!(matches!(error.kind(), ErrorKind::Handshake(_)), "{error}");
    }
}

#[tokio::test]
async fn a_user_without_permission_for_a_step_is_refused_unless_it_is_optional() {
    let server = Server::builder(ServerKind::Valkey9)
        .line("user narrow on >pw ~* &* +@all -select")
        .line("user silent on >pw ~* &* +@all -client|setinfo")
        .start()
        .unwrap();
    let config = at(server.addr());
    let error =
        failed(Connection::open(config.clone().credentials("narrow", "pw").database(1)).await);
    assert_eq!(error.server().unwrap().code(), "NOPERM");
    let conn = connect(config.credentials("silent", "pw").database(1)).await;
    ping_works(&conn).await;
}

#[tokio::test]
async fn redis_6_is_spoken_to_in_both_protocols() {
    let db = typedis_testkit::database(ServerKind::Redis6);
    for protocol in BOTH {
        let conn = connect(on(&db).protocol(protocol).client_name("old-one")).await;
        let name: String = conn.run(raw("CLIENT GETNAME").reply()).await.unwrap();
        assert_eq!(name, "old-one");
        let (n, m) = conn
            .transaction()
            .run(incr("n"))
            .run(incr("n"))
            .await
            .unwrap();
        assert_eq!(m, n + 1);
        cross_check(&conn).await;
    }
}

#[tokio::test]
async fn redis_8_is_spoken_to_in_both_protocols() {
    let db = typedis_testkit::database(ServerKind::Redis8);
    for protocol in BOTH {
        let conn = connect(on(&db).protocol(protocol)).await;
        cross_check(&conn).await;
    }
}

async fn cross_check(conn: &Connection) {
    let texts: Vec<_> = (0..500).map(|index| format!("text {index}")).collect();
    let replies = all(texts.iter().map(|text| conn.run(echo(text)))).await;
    for (text, reply) in texts.iter().zip(replies) {
        assert_eq!(reply.unwrap(), *text);
    }
}

/// Answers this many commands of the handshake, and then says nothing more or closes the connection.
async fn stops_after(answered: usize, goes: bool) -> Fake {
    Fake::start(move |mut peer| async move {
        for _ in 0..answered {
            if peer.command().await?.is_some() {
                peer.send("+OK\r\n").await?;
            }
        }
        if goes {
            return peer.reset();
        }
        peer.until_closed().await
    })
    .await
    .unwrap()
}

/// A server that hangs up on these commands, as long as `goes` says so of the number of the connection. Replies that are under way
/// are lost with the socket.
async fn hangs_up_on(words: &'static [&'static str], goes: fn(usize) -> bool) -> Fake {
    Fake::start(move |mut peer| async move {
        while let Some(command) = peer.command().await? {
            let name = command.name();
            if words.contains(&name.as_str()) && goes(peer.number()) {
                return peer.reset();
            }
            let reply = match name.as_str() {
                "HELLO" => "%1\r\n+proto\r\n:3\r\n".to_owned(),
                "ECHO" => format!("+{}\r\n", command.text(1)),
                _ => "+OK\r\n".to_owned(),
            };
            peer.send(reply).await?;
        }
        Ok(())
    })
    .await
    .unwrap()
}

fn names(fake: &Fake, connection: usize) -> Vec<String> {
    fake.received(connection).iter().map(Words::name).collect()
}

/// What was heard on the connection that is used.
fn heard(fake: &Fake) -> Vec<String> {
    let mut connections = (0..fake.connections()).map(|number| names(fake, number));
    let used = connections.find(|names| names.contains(&"ECHO".to_owned()));
    used.unwrap()
}

#[tokio::test]
async fn a_proxy_that_hangs_up_on_what_it_need_not_know_is_asked_for_less() {
    for (unknown, protocol, connections, told) in [
        (
            &["HELLO", "CLIENT"][..],
            Protocol::Newest,
            5,
            ["AUTH", "SELECT", "ECHO"],
        ),
        (
            &["CLIENT"],
            Protocol::Newest,
            3,
            ["HELLO", "SELECT", "ECHO"],
        ),
        (&["CLIENT"], Protocol::Resp2, 3, ["AUTH", "SELECT", "ECHO"]),
    ] {
        let fake = hangs_up_on(unknown, |_| true).await;
        let conn = connect(many_steps(&fake).protocol(protocol)).await;
        ping_works(&conn).await;
        assert_eq!(fake.connections(), connections, "{unknown:?}");
        assert_eq!(heard(&fake), told);
    }
}

/// An open socket alone is no server, as with a TLS port or a balancer that has none.
#[tokio::test]
async fn one_that_hangs_up_on_everything_is_no_server() {
    for protocol in BOTH {
        let fake = hangs_up_on(&["HELLO", "CLIENT", "PING"], |_| true).await;
        let config = at(fake.addr()).protocol(protocol);
        let error = failed(soon("a handshake", Connection::open(config)).await);
        assert!(matches!(error.kind(), ErrorKind::Connect(_)), "{error}");
        let fake = hangs_up_on(&["HELLO", "CLIENT"], |_| true).await;
        let conn = connect(at(fake.addr()).protocol(protocol)).await;
        ping_works(&conn).await;
        assert_eq!(heard(&fake), ["PING", "ECHO"]);
    }
}

/// A server that is being restarted hangs up too.
#[tokio::test]
async fn one_that_hangs_up_once_is_told_everything() {
    for protocol in BOTH {
        let fake = hangs_up_on(&["CLIENT"], |number| number == 0).await;
        let conn = connect(many_steps(&fake).protocol(protocol)).await;
        ping_works(&conn).await;
        let told = ["HELLO", "SELECT", "CLIENT", "CLIENT", "CLIENT", "ECHO"];
        assert_eq!(heard(&fake)[1..], told[1..]);
    }
}

/// Announcements need HELLO, so there is no older protocol to fall back to.
#[tokio::test]
async fn one_that_hangs_up_once_on_hello_is_asked_again_for_announcements() {
    let demanding = |fake: &Fake| at(fake.addr()).maint_notifications(MaintNotifications::On);
    let fake = hangs_up_on(&["HELLO"], |number| number == 0).await;
    let conn = connect(demanding(&fake)).await;
    ping_works(&conn).await;
    assert_eq!(fake.connections(), 2);
    let fake = hangs_up_on(&["HELLO"], |_| true).await;
    let error = failed(Connection::open(demanding(&fake)).await);
    assert!(matches!(error.kind(), ErrorKind::Connect(_)), "{error}");
    assert_eq!(fake.connections(), 2);
}

/// Kvrocks does so where `resp3-enabled` is `no`.
#[tokio::test]
async fn a_server_that_answers_hello_and_stays_in_resp2_is_spoken_to_in_resp2() {
    let maps = [
        "*4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:2\r\n",
        "*2\r\n$5\r\nproto\r\n$1\r\n2\r\n",
        "%1\r\n$5\r\nproto\r\n:2\r\n",
    ];
    for map in maps {
        let fake = Fake::answering(move |command: &Words| match command.name().as_str() {
            "HELLO" => map.into(),
            "ECHO" => format!("+{}\r\n", command.text(1)).into(),
            "SUBSCRIBE" => "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n\
                *3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nfirst\r\n"
                .into(),
            _ => "+OK\r\n".into(),
        })
        .await
        .unwrap();
        let conn = connect(at(fake.addr()).database(3)).await;
        ping_works(&conn).await;
        assert_eq!(names(&fake, 1), ["SELECT", "CLIENT", "CLIENT", "ECHO"]);
        let mut news = soon("a subscription", conn.subscribe("news"))
            .await
            .unwrap();
        let first: Option<String> = soon("a message", news.get()).await.unwrap();
        assert_eq!(first.as_deref(), Some("first"));
        ping_works(&conn).await;
        let demanding = at(fake.addr()).maint_notifications(MaintNotifications::On);
        let error = failed(Connection::open(demanding).await).to_string();
        assert!(
            error.contains("needs RESP3, which the server refused: it answers HELLO 3 in an older"),
            "{error}"
        );
    }
}

fn many_steps(fake: &Fake) -> Config {
    at(fake.addr())
        .credentials("worker", "pw")
        .database(3)
        .client_name("stalled")
}

#[tokio::test]
async fn a_handshake_that_stalls_at_any_step_ends_with_the_connect_timeout() {
    for protocol in BOTH {
        for answered in 0..5 {
            let fake = stops_after(answered, false).await;
            let timeout = Duration::from_millis(100);
            let config = many_steps(&fake)
                .protocol(protocol)
                .connect_timeout(timeout);
            let start = Instant::now();
            let error = failed(Connection::open(config).await);
            assert!(start.elapsed() >= timeout);
            let ErrorKind::Connect(cause) = error.kind() else {
                panic!("{error}")
            };
            assert_eq!(cause.kind(), std::io::ErrorKind::TimedOut);
            assert!(
                error.to_string().contains("did not let us in within 100ms"),
                "{error}"
            );
            // The script ends when the socket is closed, and would fail otherwise.
            until("the socket is closed", || fake.connections() == 1).await;
        }
    }
}

#[tokio::test]
async fn a_server_that_goes_during_the_handshake_is_an_error() {
    // It would be asked for less if it knew HELLO and SELECT.
    for answered in 0..2 {
        let fake = stops_after(answered, true).await;
        let error = failed(soon("a handshake", Connection::open(many_steps(&fake))).await);
        assert!(
            matches!(error.kind(), ErrorKind::Connect(_)),
            "{answered}: {error}"
        );
    }
}

/// A connection that stalls while it is replaced is thrown away, and its late replies with it.
#[tokio::test]
async fn a_stalled_reconnection_is_given_up_and_its_socket_never_used() {
    // The first connection is made within this time as well, which a busy machine may not manage.
    for limit in [100, 1_000, 10_000].map(Duration::from_millis) {
        let fake = stalling_once().await;
        let config = at(fake.addr()).protocol(Protocol::Resp2);
        let Ok(conn) = Connection::open(config.connect_timeout(limit)).await else {
            continue;
        };
        until("it tries again", || fake.connections() >= 2).await;
        assert_eq!(conn.run(echo("x")).await.unwrap(), "x");
        assert!(fake.received(1).iter().all(|words| words.name() != "ECHO"));
        fake.finish().await.unwrap();
        return;
    }
    panic!("there is no connection");
}

/// A server that hangs up after its first greeting, and does not answer the second one.
async fn stalling_once() -> Fake {
    Fake::start(|mut peer| async move {
        if peer.number() == 1 {
            return peer.until_closed().await;
        }
        after_handshake(&mut peer).await?;
        if peer.number() == 0 {
            return Ok(());
        }
        while let Some(command) = peer.command().await? {
            peer.send(format!("+{}\r\n", command.text(1))).await?;
        }
        Ok(())
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn too_many_clients_is_waited_out_on_reconnection_and_told_at_first() {
    let server = Server::builder(ServerKind::Valkey9)
        .line("maxclients 1")
        .start()
        .unwrap();
    // The server's readiness was asked for by a connection that may still be there.
    let proxy = Proxy::start(server.addr()).await.unwrap();
    let conn = async {
        loop {
            if let Ok(conn) = Connection::open(at(proxy.addr())).await {
                break conn;
            }
        }
    };
    let conn = soon("the first connection", conn).await;
    let error = failed(Connection::open(at(server.addr())).await);
    if let ErrorKind::Handshake(refused) = error.kind() {
        assert!(refused.message().contains("max number of clients"));
    } else {
        // The server may close before our words arrive, which then reset the connection.
        assert!(matches!(error.kind(), ErrorKind::Connect(_)), "{error}");
    }
    cut_and_return(&proxy).await;
    ping_works(&conn).await;
}

#[tokio::test]
async fn nobody_at_the_port_is_an_error_that_names_it() {
    let nobody = typedis_testkit::ClosedPort::new().unwrap();
    let address = nobody.addr();
    let error = failed(Connection::open(at(address)).await);
    assert!(matches!(error.kind(), ErrorKind::Connect(_)));
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

/// Many steps are one round trip.
#[tokio::test]
async fn nothing_of_a_caller_is_sent_before_the_handshake_is_over() {
    let fake = Fake::start(|mut peer| async move {
        after_handshake(&mut peer).await?;
        while let Some(command) = peer.command().await? {
            peer.send(format!("+{}\r\n", command.text(1))).await?;
            if peer.number() < 3 {
                return Ok(());
            }
        }
        Ok(())
    })
    .await
    .unwrap();
    let conn = connect(many_steps(&fake).protocol(Protocol::Resp2)).await;
    let calls = (0..20).map(|index| conn.run(raw("ECHO").arg(index).readonly().reply::<String>()));
    let _ = all(calls).await;
    for number in 0..fake.connections() {
        let names: Vec<_> = fake.received(number).iter().map(Words::name).collect();
        assert_eq!(
            names[..5],
            ["AUTH", "SELECT", "CLIENT", "CLIENT", "CLIENT"],
            "{number}"
        );
    }
    drop(conn);
}
