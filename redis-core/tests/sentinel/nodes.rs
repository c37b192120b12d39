//! What nodes say before they are used.

use std::sync::Arc;
use std::sync::atomic::AtomicU16;
use std::time::Duration;

use typedis_core::{
    Config, Connection, ConnectionEvent, ErrorKind, MaintNotifications, Maintenance, Protocol, Run,
    ServiceRole, raw,
};
use typedis_testkit::fake::Fake;
use typedis_testkit::{Server, ServerKind, push};

use crate::support::{by, naming, within};

const BOTH: [Protocol; 2] = [Protocol::Newest, Protocol::Resp2];

/// A primary that announces something right before it says its role.
async fn announcing() -> Fake {
    Fake::answering(|words| match words.name().as_str() {
        "HELLO" => "%1\r\n$5\r\nproto\r\n:3\r\n".into(),
        "ROLE" => {
            let migrating = push!["MIGRATING", 1, 5, "1"];
            format!("{migrating}*1\r\n$6\r\nmaster\r\n").into()
        }
        "PING" => "+PONG\r\n".into(),
        _ => "+OK\r\n".into(),
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn an_announcement_that_comes_with_the_role_counts() {
    let primary = announcing().await;
    let sentinel = naming(Arc::new(AtomicU16::new(primary.addr().port()))).await;
    let config = by("shop", &[sentinel.addr()]).maint_notifications(MaintNotifications::On);
    let conn = Connection::lazy(config).unwrap();
    let mut events = conn.events();
    let pong: String = within(conn.run(raw("PING").reply())).await.unwrap();
    assert_eq!(pong, "PONG");
    within(async {
        loop {
            match events.next().await {
                Some(ConnectionEvent::Maintenance(Maintenance::Migrating { .. })) => return,
                Some(_) => {}
                None => panic!("the events ended"),
            }
        }
    })
    .await;
}

/// The service whose primary a Sentinel takes this server for.
async fn led_by(port: u16) -> (Fake, Config) {
    let sentinel = naming(Arc::new(AtomicU16::new(port))).await;
    let config = by("shop", &[sentinel.addr()]);
    (sentinel, config)
}

/// ROLE is among the dangerous commands. HELLO says the role as well.
#[tokio::test]
async fn a_user_who_may_not_ask_for_the_role_is_told_it_by_hello() {
    let user = "user app on >pw ~* &* +@all -@dangerous";
    for kind in [ServerKind::Valkey9, ServerKind::Redis6] {
        let primary = Server::builder(kind).line(user).start().unwrap();
        let replica = Server::builder(kind)
            .line(user)
            .line(format!("replicaof 127.0.0.1 {}", primary.port()))
            .start()
            .unwrap();
        let (_right, to_primary) = led_by(primary.port()).await;
        let (_wrong, to_replica) = led_by(replica.port()).await;
        for protocol in BOTH {
            let as_app =
                |config: &Config| config.clone().credentials("app", "pw").protocol(protocol);
            let conn = within(Connection::open(as_app(&to_primary))).await.unwrap();
            let done: String = within(conn.run(raw("SET").key("k").arg("v").reply()))
                .await
                .unwrap();
            assert_eq!(done, "OK");
            let error = within(Connection::open(as_app(&to_replica)))
                .await
                .unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains("is a replica, not (yet) the primary"),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn a_user_to_whom_nothing_tells_the_role_learns_which_permission_is_missing() {
    let server = Server::builder(ServerKind::Valkey9)
        .line("user app on >pw ~* &* +@all -role")
        .line("rename-command HELLO \"\"")
        .start()
        .unwrap();
    let (_sentinel, config) = led_by(server.port()).await;
    for protocol in BOTH {
        let config = config.clone().credentials("app", "pw").protocol(protocol);
        let error = within(Connection::open(config)).await.unwrap_err();
        let ErrorKind::Handshake(refused) = error.kind() else {
            panic!("{error:?}")
        };
        assert_eq!(refused.code(), "NOPERM");
        assert!(refused.message().contains("`+role` in the ACL"), "{error}");
    }
}

#[tokio::test]
async fn where_role_was_renamed_no_permission_is_advised() {
    let server = Server::builder(ServerKind::Valkey9)
        .line("rename-command ROLE \"\"")
        .line("rename-command HELLO \"\"")
        .start()
        .unwrap();
    let (_sentinel, config) = led_by(server.port()).await;
    for protocol in BOTH {
        let config = config.clone().protocol(protocol);
        let error = within(Connection::open(config)).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("unknown command"), "{text}");
        assert!(
            text.contains("were they renamed?") && !text.contains("+role"),
            "{text}"
        );
    }
}

/// A proxy that does not know HELLO.
#[tokio::test]
async fn a_connection_that_is_lost_over_hello_does_not_hide_the_missing_permission() {
    let node = Fake::start(|mut peer| async move {
        while let Some(command) = peer.command().await? {
            match command.name().as_str() {
                "HELLO" => return peer.reset(),
                "ROLE" => {
                    let refusal = "-NOPERM User app has no permissions to run the 'role' command";
                    peer.send(format!("{refusal}\r\n")).await?;
                }
                _ => peer.send("+OK\r\n").await?,
            }
        }
        Ok(())
    })
    .await
    .unwrap();
    let (_sentinel, config) = led_by(node.addr().port()).await;
    for protocol in BOTH {
        let config = config.clone().protocol(protocol);
        let error = within(Connection::open(config)).await.unwrap_err();
        assert!(error.to_string().contains("`+role` in the ACL"), "{error}");
    }
}

/// A Sentinel that names these replicas, and no primary.
async fn naming_replicas(ports: [u16; 2]) -> Fake {
    let replicas: String = ports
        .map(|port| {
            let port = port.to_string();
            let length = port.len();
            format!("*4\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$4\r\nport\r\n${length}\r\n{port}\r\n")
        })
        .concat();
    Fake::answering(move |words| match words.text(1).as_str() {
        "REPLICAS" => format!("*2\r\n{replicas}").into(),
        "SENTINELS" => "*0\r\n".into(),
        "GET-MASTER-ADDR-BY-NAME" => "*-1\r\n".into(),
        _ => "+OK\r\n".into(),
    })
    .await
    .unwrap()
}

/// They are tried in random order, so this is done again and again.
#[tokio::test]
async fn a_replica_that_refuses_for_good_gives_way_to_another() {
    let denying = Fake::answering(|_| b"-DENIED Redis is running in protected mode\r\n".to_vec());
    let denying = denying.await.unwrap();
    let good = Fake::answering(|words| match words.name().as_str() {
        "HELLO" => "%1\r\n$5\r\nproto\r\n:3\r\n".into(),
        "ROLE" => "*1\r\n$5\r\nslave\r\n".into(),
        "PING" => "+PONG\r\n".into(),
        _ => "+OK\r\n".into(),
    })
    .await
    .unwrap();
    let sentinel = naming_replicas([denying.addr().port(), good.addr().port()]).await;
    let config = by("shop", &[sentinel.addr()]).role(ServiceRole::Replica);
    within(async {
        while denying.connections() < 3 {
            let conn = Connection::open(&config).await.unwrap();
            let pong: String = conn.run(raw("PING").reply()).await.unwrap();
            assert_eq!(pong, "PONG");
        }
    })
    .await;
    let sentinel = naming_replicas([denying.addr().port(); 2]).await;
    let config = by("shop", &[sentinel.addr()]).role(ServiceRole::Replica);
    let error = within(Connection::open(config)).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Handshake(_)), "{error:?}");
}

/// The first connection is lost at CLIENT, so that all is sent once more on the third, which hangs.
#[tokio::test]
async fn a_node_that_hangs_when_it_is_greeted_once_more_has_time_to_say_its_role() {
    let primary = Fake::start(|mut peer| async move {
        if peer.number() == 2 {
            return peer.until_closed().await;
        }
        while let Some(command) = peer.command().await? {
            match command.name().as_str() {
                "CLIENT" if peer.number() == 0 => return peer.reset(),
                "HELLO" => peer.send("%1\r\n$5\r\nproto\r\n:3\r\n").await?,
                "ROLE" => peer.send("*1\r\n$6\r\nmaster\r\n").await?,
                "PING" => peer.send("+PONG\r\n").await?,
                _ => peer.send("+OK\r\n").await?,
            }
        }
        Ok(())
    })
    .await
    .unwrap();
    let (_sentinel, config) = led_by(primary.addr().port()).await;
    let config = config.connect_timeout(Duration::from_secs(2));
    let conn = within(Connection::open(config)).await.unwrap();
    let pong: String = within(conn.run(raw("PING").reply())).await.unwrap();
    assert_eq!(pong, "PONG");
    assert!(primary.connections() > 2);
}
