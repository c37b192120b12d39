//! Events, numbers, lazy connections, the end in good order.

use std::future::IntoFuture;
use std::time::Duration;

use typedis_core::{
    Budget, Config, Connection, ConnectionEvent, ErrorKind, Phase, Pool, Run, Stats,
};
use typedis_testkit::proxy::{Cut, Proxy};
use typedis_testkit::{Server, ServerKind, shared};

use crate::support::{LONG, at, event, ping, say, until, within};

pub(crate) fn here() -> Config {
    at(shared(ServerKind::Valkey9).addr())
}

/// The sockets that a server sees, the one that asks not counted.
pub(crate) fn clients(server: &Server) -> usize {
    let mut raw = server.connect().unwrap();
    let list = raw.call(&["CLIENT", "LIST"]).unwrap();
    format!("{list:?}").matches("lib-name=typedis").count()
}

#[tokio::test]
async fn events_tell_the_story_of_a_connection() {
    let server = Server::start(ServerKind::Valkey9).unwrap();
    let proxy = Proxy::start(server.addr()).await.unwrap();
    let address = typedis_core::Address::Tcp("127.0.0.1".to_owned(), proxy.addr().port());
    let conn = Connection::lazy(at(proxy.addr())).unwrap();
    let mut events = conn.events();
    ping(&conn).await.unwrap();
    let mut story = Vec::new();
    proxy.refuse(true);
    proxy.cut_all(Cut::Close);
    let failed = |event: &ConnectionEvent| matches!(event, ConnectionEvent::Failed(_));
    loop {
        let event = within(events.next()).await.unwrap();
        let ends = failed(&event);
        story.push(event);
        if ends {
            break;
        }
    }
    proxy.refuse(false);
    event(&mut events, |event| {
        matches!(event, ConnectionEvent::Ready(_))
    })
    .await;
    assert!(conn.is_connected());
    conn.abort();
    event(&mut events, |event| *event == ConnectionEvent::Closed).await;
    assert_eq!(within(events.next()).await, None);
    assert!(!conn.is_connected());

    let reconnecting = |attempt| move |event: &ConnectionEvent| matches!(event, ConnectionEvent::Reconnecting { attempt: n, .. } if *n == attempt);
    assert!(reconnecting(0)(&story[0]), "{story:?}");
    assert_eq!(story[1], ConnectionEvent::Connected(address.clone()));
    assert_eq!(story[2], ConnectionEvent::Ready(address));
    assert_eq!(
        story[3],
        ConnectionEvent::Lost("the server closed it".into())
    );
    assert!(
        matches!(story[4], ConnectionEvent::Reconnecting { .. }),
        "{story:?}"
    );
    // A reader who comes late is told the present state, and that there is no more.
    let mut late = conn.events();
    assert_eq!(within(late.next()).await, Some(ConnectionEvent::Closed));
    assert_eq!(within(late.next()).await, None);
}

#[tokio::test]
async fn events_that_nobody_reads_cost_no_memory() {
    let proxy = Proxy::start(shared(ServerKind::Valkey9).addr())
        .await
        .unwrap();
    let conn = Connection::open(at(proxy.addr())).await.unwrap();
    let mut slow = conn.events();
    let mut fast = conn.events();
    for _ in 0..100 {
        event(&mut fast, |event| {
            matches!(event, ConnectionEvent::Ready(_))
        })
        .await;
        // So that the loss is not one of a socket that was no good.
        ping(&conn).await.unwrap();
        proxy.cut_all(Cut::Reset);
    }
    event(&mut fast, |event| {
        matches!(event, ConnectionEvent::Ready(_))
    })
    .await;
    let ConnectionEvent::Lagged(missed) = within(slow.next()).await.unwrap() else {
        panic!("nothing was missed");
    };
    assert!(missed > 100, "{missed}");
}

#[tokio::test]
async fn numbers_say_what_is_going_on() {
    let proxy = Proxy::start(shared(ServerKind::Valkey9).addr())
        .await
        .unwrap();
    let conn = Connection::open(at(proxy.addr()).budget(Budget {
        bytes: 1 << 20,
        commands: 3,
    }))
    .await
    .unwrap();
    let fresh = conn.stats();
    assert_eq!(
        (
            fresh.connected,
            fresh.in_flight,
            fresh.queued,
            fresh.answered
        ),
        (1, 0, 0, 0)
    );
    assert_eq!(fresh.owed_for, Duration::ZERO);
    ping(&conn).await.unwrap();
    assert_eq!(conn.stats().answered, 1);

    proxy.to_client().hold();
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let conn = conn.clone();
            tokio::spawn(async move { ping(&conn).await })
        })
        .collect();
    until(|| conn.stats().in_flight == 3 && conn.stats().waiting == 2).await;
    assert!(conn.stats().bytes > 0);
    until(|| conn.stats().owed_for >= Duration::from_millis(20)).await;
    proxy.heal();
    for call in calls {
        assert_eq!(within(call).await.unwrap().unwrap(), "PONG");
    }
    let after = conn.stats();
    assert_eq!(
        (after.answered, after.in_flight, after.bytes, after.waiting),
        (6, 0, 0, 0)
    );
    assert_eq!(after.owed_for, Duration::ZERO);

    proxy.to_client().hold();
    let late = conn.clone();
    let late = tokio::spawn(async move {
        late.run(crate::support::words::<String>(&["PING"]))
            .deadline(Duration::from_millis(20))
            .await
    });
    assert!(within(late).await.unwrap().unwrap_err().is_timeout());
    assert_eq!(conn.stats().timeouts, 1);
    proxy.heal();
    proxy.cut_all(Cut::Reset);
    until(|| conn.stats().reconnects == 1 && conn.stats().connected == 1).await;
}

#[tokio::test]
async fn a_lazy_connection_connects_at_the_first_command() {
    let server = Server::start(ServerKind::Valkey9).unwrap();
    let conn = Connection::lazy(at(server.addr())).unwrap();
    let pool = Pool::lazy(at(server.addr())).unwrap();
    // Begun later, and connected at once: if the others did so, they would be by now.
    let eager = Connection::open(at(server.addr())).await.unwrap();
    assert_eq!(within(ping(&eager)).await.unwrap(), "PONG");
    assert_eq!(clients(&server), 1);
    assert!(!conn.is_connected());
    assert_eq!(within(ping(&conn)).await.unwrap(), "PONG");
    assert_eq!(clients(&server), 2);
    assert_eq!(within(say(&pool, &["PING"])).await.unwrap(), "PONG");
    assert_eq!(clients(&server), 3);
    // A bad configuration is told at once.
    assert!(Connection::lazy("redis://localhost?lanes=0").is_err());
    // One that was never used goes as quietly as it came.
    assert!(
        Connection::lazy(at(server.addr()))
            .unwrap()
            .close()
            .await
            .is_clean()
    );
}

#[tokio::test]
async fn a_lazy_connection_waits_for_its_server_up_to_the_deadline() {
    let proxy = Proxy::start(shared(ServerKind::Valkey9).addr())
        .await
        .unwrap();
    proxy.refuse(true);
    let config = at(proxy.addr());
    let conn = Connection::lazy(config.clone().command_timeout(Duration::from_millis(50))).unwrap();
    let error = within(ping(&conn)).await.unwrap_err();
    assert!(
        error.is_timeout() && error.phase() == Phase::NotSent,
        "{error}"
    );
    let patient = Connection::lazy(config).unwrap();
    let call = tokio::spawn({
        let conn = patient.clone();
        async move { ping(&conn).await }
    });
    until(|| patient.stats().failed_connects > 2).await;
    proxy.refuse(false);
    assert_eq!(within(call).await.unwrap().unwrap(), "PONG");
}

#[tokio::test]
async fn closing_waits_for_what_was_sent() {
    let proxy = Proxy::start(shared(ServerKind::Valkey9).addr())
        .await
        .unwrap();
    let conn = Connection::open(at(proxy.addr())).await.unwrap();
    proxy.to_client().hold();
    let calls: Vec<_> = (0..10_000)
        .map(|_| {
            let conn = conn.clone();
            tokio::spawn(async move { ping(&conn).await })
        })
        .collect();
    until(|| conn.in_flight() == 10_000).await;
    let closing = tokio::spawn({
        let conn = conn.clone();
        async move { conn.close().within(LONG).await }
    });
    // Once it closes, nothing more is accepted.
    within(async {
        loop {
            match tokio::time::timeout(Duration::from_millis(5), ping(&conn)).await {
                Ok(Err(error)) => {
                    assert!(matches!(error.kind(), ErrorKind::Closed), "{error}");
                    assert_eq!(error.phase(), Phase::NotSent);
                    break;
                }
                Ok(Ok(_)) => panic!("the line is held"),
                Err(_) => {}
            }
        }
    })
    .await;
    proxy.heal();
    let closed = within(closing).await.unwrap();
    assert!(closed.is_clean(), "{closed:?}");
    assert!(closed.answered >= 10_000, "{closed:?}");
    for call in calls {
        assert_eq!(within(call).await.unwrap().unwrap(), "PONG");
    }
    assert!(conn.is_closed());
    within(proxy.wait_for_open(0, LONG)).await.unwrap();
    // Closing what is closed does nothing.
    assert_eq!(conn.close().await, typedis_core::Closed::default());
}

#[tokio::test]
async fn closing_gives_up_at_its_deadline_and_says_what_was_lost() {
    let proxy = Proxy::start(shared(ServerKind::Valkey9).addr())
        .await
        .unwrap();
    let conn = Connection::open(at(proxy.addr())).await.unwrap();
    proxy.to_client().hold();
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let conn = conn.clone();
            tokio::spawn(async move { ping(&conn).await })
        })
        .collect();
    until(|| conn.stats().in_flight == 100).await;
    let closed = within(conn.close().within(Duration::from_millis(50)).into_future()).await;
    assert_eq!((closed.answered, closed.failed), (0, 100));
    assert!(!closed.is_clean());
    for call in calls {
        let error = within(call).await.unwrap().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Closed), "{error}");
        assert_eq!(error.phase(), Phase::MaybeApplied);
    }
}

#[tokio::test]
async fn closing_does_not_count_commands_whose_calls_were_dropped_as_lost() {
    let proxy = Proxy::start(shared(ServerKind::Valkey9).addr())
        .await
        .unwrap();
    let conn = Connection::open(at(proxy.addr())).await.unwrap();
    proxy.to_client().hold();
    let [dropped, waits] = [(); 2].map(|()| {
        let conn = conn.clone();
        tokio::spawn(async move { ping(&conn).await })
    });
    until(|| conn.stats().in_flight == 2).await;
    dropped.abort();
    assert!(within(dropped).await.unwrap_err().is_cancelled());
    let closed = within(conn.close().within(Duration::from_millis(50)).into_future()).await;
    assert_eq!((closed.answered, closed.failed), (0, 1));
    assert!(within(waits).await.unwrap().is_err());
}

#[test]
fn numbers_are_added_up() {
    let mut one = Stats::default();
    (one.connected, one.owed_for, one.answered) = (1, Duration::from_secs(2), 3);
    let mut other = one;
    other.owed_for = Duration::from_secs(1);
    let sum: Stats = [one, other].iter().sum();
    assert_eq!(
        (sum.connected, sum.owed_for, sum.answered),
        (2, one.owed_for, 6)
    );
    assert_eq!([one, other].into_iter().sum::<Stats>(), sum);
}

/// Nothing but that reply has the driver look whether it is done.
#[tokio::test]
async fn closing_ends_with_the_last_reply() {
    let minutes = Duration::from_secs(600);
    let proxy = Proxy::start(shared(ServerKind::Valkey9).addr())
        .await
        .unwrap();
    let config = at(proxy.addr()).liveness(minutes).command_timeout(minutes);
    let conn = Connection::open(config).await.unwrap();
    proxy.to_client().hold();
    let sent = proxy.to_server().passed();
    let late = tokio::spawn({
        let conn = conn.clone();
        async move { ping(&conn).await }
    });
    until(|| proxy.to_server().passed() > sent).await;
    let (closed, ()) = within(async {
        tokio::join!(conn.close().within(minutes).into_future(), async {
            proxy.to_client().resume();
        })
    })
    .await;
    assert_eq!((closed.answered, closed.failed), (1, 0));
    assert_eq!(within(late).await.unwrap().unwrap(), "PONG");
}
