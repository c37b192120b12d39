//! Announced maintenance: asking for it, reading it, and limits of time that are longer while it lasts.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use typedis_core::{
    Budget, CommandInfo, Config, Connection, ConnectionEvent, ErrorKind, Events,
    MaintNotifications, Maintenance, MovingEndpoint, Pool, Protocol, Request, Run, Timeout, raw,
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

/// A server that announces this, and then leaves everything unanswered until it is told to answer.
async fn stalling(pushes: String, released: Arc<Notify>) -> Fake {
    Fake::start(move |mut peer| {
        let (pushes, released) = (pushes.clone(), released.clone());
        async move {
            if greet(&mut peer).await?.is_none() {
                return Ok(());
            }
            peer.send(format!("{pushes}+first\r\n")).await?;
            released.notified().await;
            while let Some(command) = peer.command().await? {
                let text = match command.name().as_str() {
                    "PING" => "PONG".to_owned(),
                    _ => command.text(1),
                };
                peer.send(Resp::from(text.as_str())).await?;
            }
            Ok(())
        }
    })
    .await
    .unwrap()
}

fn migration() -> String {
    push!["MIGRATING", 1, 0, "1"].to_string()
}

/// A command with a deadline of its own, which is longer than the usual one, times out while it is still waited for
/// one with the usual limit.
#[tokio::test]
async fn usual_limits_are_longer_while_an_operation_lasts_and_deadlines_of_callers_are_kept() {
    let usual = Duration::from_millis(50);
    for (pushes, survives) in [
        (migration(), true),
        (push!["MOVING", 1, 600, Resp::null()].to_string(), true),
        (push!["SMIGRATING", 1, "5"].to_string(), true),
        // Requests that queued up meanwhile are answered a while after the end.
        (
            format!("{}{}", migration(), push!["MIGRATED", 1, "1"]),
            true,
        ),
        (String::new(), false),
    ] {
        let released = Arc::new(Notify::new());
        let fake = stalling(pushes.clone(), released.clone()).await;
        let config = asking(&fake).command_timeout(usual).maint_extra_time(LONG);
        let conn = connect(config).await;
        let first = conn.run(echo("x")).deadline(LONG).await.unwrap();
        assert_eq!(first, "first");
        let waiting = conn.run(echo("usual")).send();
        let own = conn.run(echo("own")).deadline(usual * 4).await;
        assert!(failed(own).is_timeout());
        released.notify_one();
        let outcome = soon("the usual command", waiting).await;
        assert_eq!(outcome.is_ok(), survives, "{pushes}: {outcome:?}");
    }
}

/// The same for a command that waits for room.
#[tokio::test]
async fn a_wait_for_room_is_longer_too() {
    let usual = Duration::from_millis(50);
    let released = Arc::new(Notify::new());
    let fake = stalling(migration(), released.clone()).await;
    let budget = Budget {
        commands: 1,
        ..Budget::default()
    };
    let config = asking(&fake)
        .command_timeout(usual)
        .maint_extra_time(LONG)
        .budget(budget);
    let conn = connect(config).await;
    conn.run(echo("x")).deadline(LONG).await.unwrap();
    let in_flight = conn.run(echo("in flight")).send();
    let mut in_line = Box::pin(conn.run(echo("in line")).into_future());
    assert!(poll_once(&mut in_line).await.is_none());
    let own = conn.run(echo("own")).deadline(usual * 4);
    let (own, in_line_meanwhile) = tokio::join!(own, poll_once(&mut in_line));
    assert!(failed(own).is_timeout() && in_line_meanwhile.is_none());
    released.notify_one();
    assert_eq!(soon("in flight", in_flight).await.unwrap(), "in flight");
    assert_eq!(soon("in line", in_line).await.unwrap(), "in line");
}

/// A connection without announcements gives its silent server up; the other one still waits by then.
#[tokio::test]
async fn a_silent_server_is_waited_for_longer_while_an_operation_lasts() {
    let bound = Duration::from_millis(60);
    let silent = stalling(String::new(), Arc::new(Notify::new())).await;
    let released = Arc::new(Notify::new());
    let fake = stalling(migration(), released.clone()).await;
    let config = asking(&fake).liveness(bound).maint_extra_time(LONG);
    let conn = connect(config).await;
    conn.run(echo("x")).await.unwrap();
    let waiting = conn.run(echo("late")).send();
    let other = connect(asking(&silent).liveness(bound * 2)).await;
    other.run(echo("x")).await.unwrap();
    let error = failed(soon("the other's loss", other.run(echo("lost"))).await);
    assert!(
        matches!(error.kind(), ErrorKind::ConnectionLost(_)),
        "{error}"
    );
    released.notify_one();
    assert_eq!(soon("late", waiting).await.unwrap(), "late");
    assert_eq!(fake.connections(), 1);
}

static BLPOP: CommandInfo = CommandInfo::new("BLPOP", b"$5\r\nBLPOP\r\n", 1);

/// A call that may block for a moment, on a socket that the pool leases for it.
fn blpop(pool: &Pool) -> Request<&Pool, String> {
    Request::new(pool, &BLPOP, |args| {
        let timeout = Timeout::from(Duration::from_millis(10));
        args.key("key", "popped");
        args.block(&timeout);
        args.arg("timeout", &timeout);
    })
}

/// The time of its socket is what the wait for it has left over.
#[tokio::test]
async fn the_usual_limit_of_a_command_that_blocks_is_longer_too() {
    let usual = Duration::from_millis(50);
    for (pushes, reports) in [
        (migration(), false),
        (migration(), true),
        (String::new(), false),
        (String::new(), true),
    ] {
        let released = Arc::new(Notify::new());
        let fake = stalling(pushes.clone(), released.clone()).await;
        let config = asking(&fake).command_timeout(usual).maint_extra_time(LONG);
        let pool = Pool::open(config.lanes(1).leases(1)).await.unwrap();
        if reports {
            pool.on_unclaimed(|_| {});
        }
        let leased = lease(&pool).await;
        for first in [
            known(&leased, &ECHO, &["x"]).deadline(LONG).await,
            pool.run(echo("x")).deadline(LONG).await,
        ] {
            assert_eq!(first.unwrap(), "first");
        }
        drop(leased);
        let waiting = blpop(&pool).into_future();
        let own = pool.run(echo("own")).deadline(usual * 4).into_future();
        let own = async {
            let own = own.await;
            released.notify_one();
            released.notify_one();
            own
        };
        let (outcome, own) = soon("both", async { tokio::join!(waiting, own) }).await;
        assert!(failed(own).is_timeout());
        let what = format!("{pushes}, {reports}: {outcome:?}");
        assert_eq!(outcome.is_ok(), !pushes.is_empty(), "{what}");
    }
}

#[tokio::test]
async fn a_deadline_of_a_command_that_blocks_is_kept() {
    for reports in [false, true] {
        let released = Arc::new(Notify::new());
        let fake = stalling(migration(), released.clone()).await;
        let config = asking(&fake).maint_extra_time(LONG);
        let pool = Pool::open(config.lanes(1).leases(1)).await.unwrap();
        if reports {
            pool.on_unclaimed(|_| {});
        }
        let leased = lease(&pool).await;
        let first: String = known(&leased, &ECHO, &["x"]).await.unwrap();
        assert_eq!(first, "first");
        drop(leased);
        let call = blpop(&pool).deadline(Duration::from_millis(50));
        assert!(failed(soon("the call", call).await).is_timeout());
    }
}
