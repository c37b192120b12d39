//! What Sentinels may say, by script.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use typedis_core::{
    Config, Connection, ConnectionEvent, ErrorKind, MaintNotifications, Maintenance, Run,
    SentinelCause, ServiceRole, raw,
};
use typedis_testkit::fake::Fake;
use typedis_testkit::{ClosedPort, Server, ServerKind, push};

use crate::support::{by, naming, node, until, within};

async fn refusal(config: Config) -> (SentinelCause, String) {
    match within(Connection::open(config)).await {
        Ok(conn) => panic!("connected: {conn:?}"),
        Err(error) => match error.kind() {
            ErrorKind::Sentinel(reason) => (reason.cause(), error.to_string()),
            _ => panic!("{error:?}"),
        },
    }
}

#[tokio::test]
async fn a_node_that_is_not_the_primary_is_not_accepted_until_it_is() {
    let primary = Server::start(ServerKind::Valkey9).unwrap();
    let replica = Server::builder(ServerKind::Valkey9)
        .line(format!("replicaof 127.0.0.1 {}", primary.port()))
        .start()
        .unwrap();
    let named = Arc::new(AtomicU16::new(replica.port()));
    let sentinel = naming(named.clone()).await;
    let (cause, text) = refusal(by("shop", &[sentinel.addr()])).await;
    assert_eq!(cause, SentinelCause::Unusable);
    assert!(
        text.contains("is a replica, not (yet) the primary"),
        "{text}"
    );

    // A Sentinel that knows better is asked next.
    let better = naming(Arc::new(AtomicU16::new(primary.port()))).await;
    let conn = Connection::open(by("shop", &[sentinel.addr(), better.addr()]))
        .await
        .unwrap();
    assert_eq!(node(&conn).await.unwrap().0, primary.port());

    // One that waits connects as soon as the node is promoted.
    let waiting = Connection::lazy(by("shop", &[sentinel.addr()])).unwrap();
    let mut events = waiting.events();
    let asked = tokio::spawn(async move { node(&waiting).await });
    within(async { while !matches!(events.next().await, Some(ConnectionEvent::Failed(_))) {} })
        .await;
    replica
        .connect()
        .unwrap()
        .call(&["REPLICAOF", "NO", "ONE"])
        .unwrap();
    let (port, role) = within(asked).await.unwrap().unwrap();
    assert_eq!((port, role.as_str()), (replica.port(), "master"));
}

/// A node announces maintenance while it is greeted and asked for its role; the pieces end anywhere.
#[tokio::test]
async fn what_a_node_announces_while_it_is_asked_for_its_role_counts() {
    let node = Fake::start(|mut peer| async move {
        let first = push!["MIGRATING", 1, 0, "1"].to_string();
        let second = push!["FAILING_OVER", 2, 0, "2"].to_string();
        let ((one, two), (three, four)) = (first.split_at(20), second.split_at(20));
        while let Some(command) = peer.command().await? {
            let reply = match (command.name().as_str(), command.text(2).as_str()) {
                ("HELLO", _) => "%1\r\n$5\r\nproto\r\n:3\r\n".to_owned(),
                (_, "LIB-VER") => format!("+OK\r\n{one}"),
                ("ROLE", _) => format!("{two}*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n{three}"),
                ("PING", _) => format!("{four}+PONG\r\n"),
                _ => "+OK\r\n".to_owned(),
            };
            peer.send(reply).await?;
        }
        Ok(())
    })
    .await
    .unwrap();
    let sentinel = naming(Arc::new(AtomicU16::new(node.addr().port()))).await;
    let config = by("shop", &[sentinel.addr()]).maint_notifications(MaintNotifications::On);
    let conn = Connection::lazy(config).unwrap();
    let mut events = conn.events();
    let pong: String = within(conn.run(raw("PING").reply()).into_future())
        .await
        .unwrap();
    assert_eq!(pong, "PONG");
    let mut notices = Vec::new();
    while notices.len() < 2 {
        if let ConnectionEvent::Maintenance(notice) = within(events.next()).await.unwrap() {
            notices.push(notice);
        }
    }
    assert!(
        matches!(
            notices[..],
            [
                Maintenance::Migrating { .. },
                Maintenance::FailingOver { .. }
            ]
        ),
        "{notices:?}"
    );
    assert_eq!(node.connections(), 1);
}

#[tokio::test]
async fn a_move_that_no_message_tells_of_is_noticed() {
    let (one, two) = (
        Server::start(ServerKind::Valkey9).unwrap(),
        Server::start(ServerKind::Valkey9).unwrap(),
    );
    let named = Arc::new(AtomicU16::new(one.port()));
    let sentinel = naming(named.clone()).await;
    let conn = Connection::open(by("shop", &[sentinel.addr()]))
        .await
        .unwrap();
    assert_eq!(node(&conn).await.unwrap().0, one.port());
    named.store(two.port(), Ordering::SeqCst);
    until(async || node(&conn).await.is_ok_and(|(port, _)| port == two.port())).await;
}

#[tokio::test]
async fn each_failure_has_its_cause() {
    let server = Server::start(ServerKind::Valkey9).unwrap();
    let sentinel = naming(Arc::new(AtomicU16::new(server.port()))).await;
    let silent = Fake::start(|mut peer| async move {
        while peer.command().await?.is_some() {}
        Ok(())
    })
    .await
    .unwrap();
    let closed = ClosedPort::new().unwrap();
    let gone = closed.addr();

    let (cause, text) = refusal(by("shoe", &[sentinel.addr()])).await;
    assert_eq!(cause, SentinelCause::UnknownService);
    assert!(text.contains("`shoe`"), "{text}");
    let config = by("shoe", &[sentinel.addr()]).role(ServiceRole::Replica);
    assert_eq!(refusal(config).await.0, SentinelCause::UnknownService);
    let config = by("shop", &[sentinel.addr()]).role(ServiceRole::Replica);
    assert_eq!(refusal(config).await.0, SentinelCause::NoReplica);

    let config = by("shop", &[gone, silent.addr()]).connect_timeout(Duration::from_millis(500));
    let (cause, text) = refusal(config).await;
    assert_eq!(cause, SentinelCause::Unreachable);
    for address in [gone, silent.addr()] {
        assert!(text.contains(&address.to_string()), "{text}");
    }
    // They do not stand in the way of one that answers.
    let conn = Connection::open(by("shop", &[gone, silent.addr(), sentinel.addr()]))
        .await
        .unwrap();
    assert_eq!(node(&conn).await.unwrap().0, server.port());
}

#[tokio::test]
async fn sentinels_have_a_login_of_their_own() {
    let server = Server::builder(ServerKind::Valkey9)
        .password("inner")
        .start()
        .unwrap();
    let sentinel = Server::builder(ServerKind::Valkey9)
        .sentinel()
        .password("outer")
        .line(format!(
            "sentinel monitor shop 127.0.0.1 {} 1",
            server.port()
        ))
        .line("sentinel auth-pass shop inner")
        .start()
        .unwrap();
    let config = by("shop", &[sentinel.addr()]).password("inner");
    let (cause, text) = refusal(config.clone()).await;
    assert_eq!(cause, SentinelCause::Unreachable);
    assert!(text.contains("NOAUTH"), "{text}");
    let config = config.sentinel_password("outer");
    let conn = Connection::open(&config).await.unwrap();
    assert_eq!(node(&conn).await.unwrap().0, server.port());
    assert!(!config.to_url().contains("outer"), "{}", config.to_url());
}

#[test]
fn a_url_says_all_of_it() {
    let config = Config::sentinel("shop", [("s1", 26379), ("s2", 7)])
        .credentials("app", "pass")
        .database(3)
        .role(ServiceRole::Replica)
        .sentinel_credentials("watcher", "key");
    let url = config.to_url_with_secrets();
    assert_eq!(
        url,
        "redis+sentinel://app:pass@s1:26379/shop/3?role=replica&sentinel_username=watcher&sentinel_password=key&hosts=s2%3A7"
    );
    assert_eq!(Config::from_url(&url).unwrap(), config);
    let short = "redis+sentinel://app:pass@s1,s2:7/shop/3?role=replica&sentinel_username=watcher&sentinel_password=key";
    assert_eq!(Config::from_url(short).unwrap(), config);
    assert!(!config.to_url().contains("key"), "{}", config.to_url());
    for (url, reason) in [
        ("redis+sentinel://s1", "names no service"),
        ("redis+sentinel://s1/shop/x", "database"),
        ("redis+sentinel://s1/sh%20op", "no name of a service"),
        ("redis://s1?role=replica", "`role` is for a service"),
        (
            "redis://s1?sentinel_password=x",
            "`sentinel_password` is for a service",
        ),
        ("redis+sentinel://s1/shop?role=boss", "no role"),
        (
            "redis+sentinel://s1/shop?sentinel_username=x",
            "needs `sentinel_password`",
        ),
        ("unix:///tmp/s?service=shop", "exclude each other"),
    ] {
        let error = Config::from_url(url).unwrap_err().to_string();
        assert!(error.contains(reason), "{url}: {error}");
    }
    assert!(Config::sentinel::<&str>("shop", []).check().is_err());
}
