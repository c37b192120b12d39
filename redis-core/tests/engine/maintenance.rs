//! Announced maintenance: asking for it, and reading it.

use typedis_core::{
    Config, Connection, ConnectionEvent, ErrorKind, Events, MaintNotifications, Maintenance,
    MovingEndpoint, Protocol, Run, raw,
};
use typedis_testkit::fake::{Fake, Peer, Words};
use typedis_testkit::resp::Resp;
use typedis_testkit::{array, push};

use crate::support::*;

pub(crate) const HELLO: &str = "%1\r\n$5\r\nproto\r\n:3\r\n";

/// The configuration for a fake server that announces maintenance.
pub(crate) fn asking(fake: &Fake) -> Config {
    at(fake.addr()).maint_notifications(MaintNotifications::On)
}

/// Greets a client of RESP3, and returns its first command after that.
pub(crate) async fn greet(peer: &mut Peer) -> std::io::Result<Option<Words>> {
    while let Some(command) = peer.command().await? {
        match command.name().as_str() {
            "HELLO" => peer.send(HELLO).await?,
            "CLIENT" => peer.send("+OK\r\n").await?,
            _ => return Ok(Some(command)),
        }
    }
    Ok(None)
}

/// The words with which notifications were asked for on a connection.
fn asked(fake: &Fake, connection: usize) -> Option<Vec<String>> {
    let asked = fake
        .received(connection)
        .into_iter()
        .find(|words| words.text(1) == "MAINT_NOTIFICATIONS")?;
    let texts = 0..asked.bytes().len();
    Some(texts.map(|index| asked.text(index)).collect())
}

/// The next announcement.
pub(crate) async fn next_notice(events: &mut Events) -> Maintenance {
    soon("an announcement", async {
        loop {
            match events.next().await {
                Some(ConnectionEvent::Maintenance(notice)) => return notice,
                Some(_) => {}
                None => panic!("the events ended"),
            }
        }
    })
    .await
}

/// A server that answers everything, and refuses to announce maintenance as open-source servers do.
async fn refusing() -> Fake {
    Fake::answering(|words| match words.text(1).as_str() {
        "3" => HELLO.into(),
        "MAINT_NOTIFICATIONS" => {
            "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n".into()
        }
        _ => "+OK\r\n".into(),
    })
    .await
    .unwrap()
}

/// A server that sends all of this with the reply to its first command, and echoes from then on.
async fn announcing(pushes: Vec<Resp>) -> Fake {
    Fake::start(move |mut peer| {
        let pushes: String = pushes.iter().map(Resp::to_string).collect();
        async move {
            let mut next = greet(&mut peer).await?;
            let mut before = pushes;
            while let Some(command) = next {
                let echo = Resp::from(command.text(1).as_str());
                peer.send(format!("{before}{echo}")).await?;
                before.clear();
                next = peer.command().await?;
            }
            Ok(())
        }
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn the_endpoint_that_is_asked_for_fits_the_socket_or_is_the_configured_one() {
    let cases = [
        (MovingEndpoint::Auto, "internal-ip"),
        (MovingEndpoint::InternalIp, "internal-ip"),
        (MovingEndpoint::InternalFqdn, "internal-fqdn"),
        (MovingEndpoint::ExternalIp, "external-ip"),
        (MovingEndpoint::ExternalFqdn, "external-fqdn"),
        (MovingEndpoint::None, "none"),
    ];
    for (endpoint, word) in cases {
        let fake = announcing(Vec::new()).await;
        let conn = connect(asking(&fake).maint_endpoint(endpoint)).await;
        ping_works(&conn).await;
        let wanted = [
            "CLIENT",
            "MAINT_NOTIFICATIONS",
            "ON",
            "moving-endpoint-type",
            word,
        ];
        assert_eq!(asked(&fake, 0).unwrap(), wanted);
        assert_eq!(fake.received(0)[0].name(), "HELLO");
    }
}

/// Where a transport of the user's own leads is not known.
#[tokio::test]
async fn without_a_known_peer_the_server_decides_about_the_endpoint() {
    let fake = announcing(Vec::new()).await;
    let address = fake.addr();
    let config = asking(&fake)
        .transport(move |_| async move { tokio::net::TcpStream::connect(address).await });
    let conn = connect(config).await;
    ping_works(&conn).await;
    let wanted = ["CLIENT", "MAINT_NOTIFICATIONS", "ON"];
    assert_eq!(asked(&fake, 0).unwrap(), wanted);
}

#[tokio::test]
async fn nothing_is_asked_where_it_is_off_or_the_protocol_has_no_pushes() {
    let off = announcing(Vec::new()).await;
    ping_works(&connect(at(off.addr())).await).await;
    assert_eq!(asked(&off, 0), None);
    let old = refusing().await;
    let config = at(old.addr()).protocol(Protocol::Resp2);
    let conn = connect(config.maint_notifications(MaintNotifications::Auto)).await;
    conn.run(raw("PING").reply::<()>()).await.unwrap();
    assert_eq!(asked(&old, 0), None);
}

#[tokio::test]
async fn a_refusal_is_an_error_only_where_announcements_are_demanded() {
    let fake = refusing().await;
    let auto = at(fake.addr()).maint_notifications(MaintNotifications::Auto);
    let conn = connect(auto).await;
    conn.run(raw("PING").reply::<()>()).await.unwrap();
    let error = failed(Connection::open(asking(&fake)).await);
    let ErrorKind::Handshake(refused) = error.kind() else {
        panic!("{error}")
    };
    assert!(refused.message().contains("MAINT_NOTIFICATIONS"), "{error}");
}

/// The refusal quotes the login, which neither the error nor an event repeats.
#[tokio::test]
async fn announcements_that_are_demanded_need_resp3() {
    let fake = Fake::answering(|words| match words.name().as_str() {
        "HELLO" => format!(
            "-ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'default' '{}' \r\n",
            words.text(4)
        )
        .into(),
        _ => "+OK\r\n".into(),
    })
    .await
    .unwrap();
    let demanding = asking(&fake).password("s3cret");
    let error = failed(Connection::open(&demanding).await);
    assert!(
        error
            .to_string()
            .contains("`maint_notifications=on` needs RESP3"),
        "{error}"
    );
    let lazy = Connection::lazy(demanding.command_timeout(LONG)).unwrap();
    let mut events = lazy.events();
    let waiting = lazy.run(echo("x")).send();
    let told = soon("a failure", async {
        loop {
            match events.next().await {
                Some(event @ ConnectionEvent::Failed(_)) => return event,
                Some(_) => {}
                None => panic!("the events ended"),
            }
        }
    })
    .await;
    assert!(told.to_string().contains("needs RESP3"), "{told}");
    for text in [format!("{error} {error:?}"), format!("{told} {told:?}")] {
        assert!(!text.contains("s3cret"), "{text}");
    }
    drop(waiting);
    let config = asking(&fake).protocol(Protocol::Resp2);
    assert!(failed(config.check()).to_string().contains("needs RESP3"));
    let auto = at(fake.addr()).maint_notifications(MaintNotifications::Auto);
    let conn = connect(auto).await;
    conn.run(raw("PING").reply::<()>()).await.unwrap();
}

/// As a server that is being restarted, or a proxy before it.
#[tokio::test]
async fn a_server_that_hangs_up_is_not_one_without_resp3() {
    let fake = Fake::start(|mut peer| async move {
        let _ = peer.command().await?;
        Ok(())
    })
    .await
    .unwrap();
    let error = failed(Connection::open(asking(&fake)).await);
    assert!(matches!(error.kind(), ErrorKind::Connect(_)), "{error}");
    let text = error.to_string();
    assert!(!text.contains("needs RESP3"), "{text}");
    assert!(text.contains(&fake.addr().to_string()), "{text}");
}

#[tokio::test]
async fn each_announcement_is_an_event_once() {
    let slots = array![array!["a:1", "b:2", "5,7-9"]];
    let pushes = vec![
        push!["MIGRATING", 1, 10, "1,2"],
        push!["MIGRATING", 1, 10, "1,2"],
        push!["MIGRATED", 1, "1,2"],
        push!["FAILING_OVER", 2, 20, "3"],
        push!["FAILED_OVER", 2, "3"],
        push!["FAILED_OVER", 2, "3"],
        push!["SMIGRATING", 3, "5,7-9"],
        push!["SMIGRATED", 3, slots],
    ];
    let fake = announcing(pushes).await;
    let conn = connect(asking(&fake)).await;
    let mut events = conn.events();
    ping_works(&conn).await;
    let mut told = Vec::new();
    for _ in 0..6 {
        told.push(next_notice(&mut events).await.to_string());
    }
    assert_eq!(
        told,
        [
            "shards migrate in 10s: 1,2",
            "shards have migrated: 1,2",
            "shards fail over in 20s: 3",
            "shards have failed over: 3",
            "slots migrate: 5,7-9",
            "slots have migrated: 5,7-9 from a:1 to b:2",
        ]
    );
    ping_works(&conn).await;
    assert_eq!(fake.connections(), 1);
}

/// Pushes that cannot be read, and those that were not asked for.
#[tokio::test]
async fn an_unreadable_or_unasked_announcement_does_no_harm() {
    let unreadable = vec![
        push!["MOVING"],
        push!["MOVING", 1, 2, array![]],
        push!["MOVING", 1, 2, "nowhere"],
        push!["MOVING", -1, -1, "a:1"],
        push!["MIGRATING", Resp::null(), 1],
        push!["SMIGRATED", 1, 2],
    ];
    let fake = announcing(unreadable).await;
    let conn = connect(asking(&fake)).await;
    let mut events = conn.events();
    ping_works(&conn).await;
    ping_works(&conn).await;
    drop(conn);
    while let Some(event) = soon("the end", events.next()).await {
        assert!(!matches!(event, ConnectionEvent::Maintenance(_)), "{event}");
    }
    assert_eq!(fake.connections(), 1);

    let unasked = announcing(vec![push!["MOVING", 1, 0, Resp::null()]]).await;
    let conn = connect(at(unasked.addr())).await;
    ping_works(&conn).await;
    ping_works(&conn).await;
    assert_eq!(unasked.connections(), 1);
}

/// What goes on is announced to those who connect meanwhile.
#[tokio::test]
async fn announcements_that_come_with_the_handshake_count() {
    let fake = Fake::start(|mut peer| async move {
        while let Some(command) = peer.command().await? {
            let push = match (command.name().as_str(), command.text(1).as_str()) {
                ("HELLO", _) => {
                    peer.send(HELLO).await?;
                    continue;
                }
                (_, "MAINT_NOTIFICATIONS") => push!["MIGRATING", 1, 0, "1"].to_string(),
                _ if command.text(2) == "LIB-VER" => {
                    let early = push!["FAILING_OVER", 2, 0, "2"];
                    peer.send(format!("+OK\r\n{early}")).await?;
                    continue;
                }
                ("ECHO", text) => {
                    peer.send(Resp::from(text)).await?;
                    continue;
                }
                _ => String::new(),
            };
            peer.send(format!("{push}+OK\r\n")).await?;
        }
        Ok(())
    })
    .await
    .unwrap();
    let conn = Connection::lazy(asking(&fake)).unwrap();
    let mut events = conn.events();
    ping_works(&conn).await;
    let first = next_notice(&mut events).await;
    assert!(matches!(first, Maintenance::Migrating { .. }), "{first}");
    let second = next_notice(&mut events).await;
    assert!(
        matches!(second, Maintenance::FailingOver { .. }),
        "{second}"
    );
}

/// The last reply of the handshake and the next bytes may come in any pieces.
#[tokio::test]
async fn an_announcement_may_come_half_with_the_handshake() {
    let push = push!["MIGRATING", 1, 0, "1"].to_string();
    for notifications in [MaintNotifications::On, MaintNotifications::Off] {
        for cut in 1..push.len() {
            let (first, rest) = push.split_at(cut);
            let (first, rest) = (first.to_owned(), rest.to_owned());
            let fake = Fake::start(move |mut peer| {
                let (first, rest) = (first.clone(), rest.clone());
                async move {
                    while let Some(command) = peer.command().await? {
                        let reply = match (command.name().as_str(), command.text(2).as_str()) {
                            ("HELLO", _) => HELLO.to_owned(),
                            ("ECHO", _) => {
                                // The client has read the first half: it is ready.
                                format!("{rest}{}", Resp::from(command.text(1).as_str()))
                            }
                            (_, "LIB-VER") => format!("+OK\r\n{first}"),
                            _ => "+OK\r\n".to_owned(),
                        };
                        peer.send(reply).await?;
                    }
                    Ok(())
                }
            })
            .await
            .unwrap();
            let config = at(fake.addr()).maint_notifications(notifications);
            let conn = connect(config).await;
            let mut events = conn.events();
            assert_eq!(conn.run(echo("x")).await.unwrap(), "x");
            if notifications == MaintNotifications::On {
                let notice = next_notice(&mut events).await;
                assert!(matches!(notice, Maintenance::Migrating { .. }), "{notice}");
            }
            assert_eq!(fake.connections(), 1);
        }
    }
}
