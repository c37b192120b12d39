//! An endpoint that moves: the new socket is opened before the old one is left, and nothing is lost on the way.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use typedis_core::{
    Config, Connection, ConnectionEvent, Event, Exclusive, Maintenance, Pool, Run, raw,
};
use typedis_testkit::fake::Fake;
use typedis_testkit::resp::Resp;
use typedis_testkit::{ClosedPort, push};

use crate::maintenance::{asking, greet, next_notice};
use crate::support::*;

/// A server that echoes, with its name before each text.
async fn echoing(name: &'static str) -> Fake {
    scripted(name, |_| None).await
}

/// The same; `announce` says what it pushes before the reply to a text.
async fn scripted(
    name: &'static str,
    announce: impl Fn(&str) -> Option<Resp> + Clone + Send + Sync + 'static,
) -> Fake {
    Fake::start(move |mut peer| {
        let announce = announce.clone();
        async move {
            let mut next = greet(&mut peer).await?;
            while let Some(command) = next {
                let text = command.text(1);
                let push = announce(&text).map(|push| push.to_string());
                let reply = Resp::from(format!("{name}:{text}").as_str());
                let push = push.unwrap_or_default();
                peer.send(format!("{push}{reply}")).await?;
                next = peer.command().await?;
            }
            Ok(())
        }
    })
    .await
    .unwrap()
}

fn moving(seconds: i64, to: &Fake) -> Resp {
    push!["MOVING", 17, seconds, to.addr().to_string().as_str()]
}

async fn say(conn: &Connection, text: &str) -> String {
    soon("an echo", conn.run(echo(text))).await.unwrap()
}

/// Waits until a connection is answered by the server of this name.
async fn answered_by(conn: &Connection, name: &str) {
    until_async("the other server", async || {
        say(conn, "who").await == format!("{name}:who")
    })
    .await;
}

/// The old server owes a reply until the client has greeted the new one: a client that left the old one first would
/// lose it.
#[tokio::test]
async fn the_new_socket_is_open_before_the_old_one_is_left() {
    let new = Arc::new(echoing("new").await);
    let known = new.clone();
    let old = Fake::start(move |mut peer| {
        let new = known.clone();
        async move {
            let Some(command) = greet(&mut peer).await? else {
                return Ok(());
            };
            peer.send(moving(60, &new)).await?;
            let greeted = || {
                let received = new.received(0);
                received.iter().any(|words| words.text(2) == "LIB-VER")
            };
            until("the new server is greeted", greeted).await;
            peer.send(Resp::from(command.text(1).as_str())).await?;
            while let Some(command) = peer.command().await? {
                peer.send(Resp::from(command.text(1).as_str())).await?;
            }
            Ok(())
        }
    })
    .await
    .unwrap();
    let conn = connect(asking(&old)).await;
    let mut events = conn.events();
    assert_eq!(say(&conn, "in flight").await, "in flight");
    let to = typedis_core::Address::Tcp("127.0.0.1".to_owned(), new.addr().port());
    let announced = next_notice(&mut events).await;
    let within = Duration::from_secs(60);
    let to = Some(to);
    assert_eq!(announced, Maintenance::Moving { to, within });
    answered_by(&conn, "new").await;
    assert_eq!((old.connections(), new.connections()), (1, 1));
    old.finish().await.unwrap();
}

/// None of them may be repeated, so each arrives once, at one of the servers.
#[tokio::test]
async fn commands_during_a_move_are_carried_out_once_each() {
    const CALLS: usize = 2_000;
    let new = Arc::new(echoing("new").await);
    let target = new.clone();
    let old = scripted("old", move |text| {
        (text == "500").then(|| moving(60, &target))
    })
    .await;
    let conn = connect(asking(&old)).await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..20 {
        let conn = conn.clone();
        tasks.spawn(async move {
            for call in (task..CALLS).step_by(20) {
                let text = call.to_string();
                let reply: String = conn.run(raw("ECHO").arg(&text).reply()).await.unwrap();
                assert!(reply.ends_with(&format!(":{text}")), "{reply}");
            }
        });
    }
    soon("all calls", tasks.join_all()).await;
    answered_by(&conn, "new").await;
    let mut counts: HashMap<String, usize> = HashMap::new();
    for server in [&old, &*new] {
        for words in server.received(0) {
            if words.name() == "ECHO" && words.text(1) != "who" {
                *counts.entry(words.text(1)).or_default() += 1;
            }
        }
    }
    assert_eq!(counts.len(), CALLS);
    assert!(counts.values().all(|count| *count == 1));
    assert_eq!((old.connections(), new.connections()), (1, 1));
}

#[tokio::test]
async fn without_an_endpoint_the_configured_address_is_connected_to_again() {
    let fake = Fake::start(|mut peer| async move {
        let mut next = greet(&mut peer).await?;
        while let Some(command) = next {
            let moves = peer.number() == 0 && command.text(1) == "go";
            let push = moves.then(|| push!["MOVING", 1, 0, Resp::null()].to_string());
            let text = format!("{}:{}", peer.number(), command.text(1));
            let reply = Resp::from(text.as_str());
            peer.send(format!("{}{reply}", push.unwrap_or_default()))
                .await?;
            next = peer.command().await?;
        }
        Ok(())
    })
    .await
    .unwrap();
    let conn = connect(asking(&fake)).await;
    assert_eq!(say(&conn, "go").await, "0:go");
    answered_by(&conn, "1").await;
    assert_eq!(fake.connections(), 2);
}

/// The same announcement comes again on the old socket, and on the new one.
#[tokio::test]
async fn a_repeated_announcement_moves_nothing_again() {
    let (at_new, known) = watch::channel(None);
    let new = scripted("new", move |text| {
        (text == "again").then(|| known.borrow().clone().unwrap())
    })
    .await;
    let push = moving(60, &new);
    at_new.send_replace(Some(push.clone()));
    let twice = push.clone();
    let old = scripted("old", move |_| Some(twice.clone())).await;
    let conn = connect(asking(&old)).await;
    let mut events = conn.events();
    say(&conn, "first").await;
    answered_by(&conn, "new").await;
    say(&conn, "again").await;
    say(&conn, "after").await;
    assert_eq!((old.connections(), new.connections()), (1, 1));
    drop(conn);
    let mut notices = 0;
    while let Some(event) = soon("the end", events.next()).await {
        notices += usize::from(matches!(event, ConnectionEvent::Maintenance(_)));
    }
    assert_eq!(notices, 1);
}

/// A connection to a place that has announced another, which was tried in vain. The place ends with the command "end".
async fn after_a_failed_move(announcement: Resp) -> (Fake, Connection) {
    let fake = Fake::start(move |mut peer| {
        let announcement = announcement.clone();
        async move {
            let mut next = greet(&mut peer).await?;
            while let Some(command) = next {
                let text = command.text(1);
                if text == "go" {
                    peer.send(announcement.clone()).await?;
                }
                let reply = format!("{}:{text}", peer.number());
                peer.send(Resp::from(reply.as_str())).await?;
                if text == "end" {
                    return Ok(());
                }
                next = peer.command().await?;
            }
            Ok(())
        }
    })
    .await
    .unwrap();
    let conn = connect(asking(&fake)).await;
    let mut events = conn.events();
    say(&conn, "go").await;
    soon("a failed attempt", async {
        while !matches!(events.next().await, Some(ConnectionEvent::Failed(_))) {}
    })
    .await;
    (fake, conn)
}

/// The old socket is used for as long as it works, and then the configured address.
#[tokio::test]
async fn a_move_to_where_nothing_listens_leaves_the_old_place_in_use() {
    let closed = ClosedPort::new().unwrap();
    let nowhere = closed.addr().to_string();
    let announcement = push!["MOVING", 1, 60, nowhere.as_str()];
    let (_fake, conn) = after_a_failed_move(announcement).await;
    assert_eq!(say(&conn, "still").await, "0:still");
    assert_eq!(say(&conn, "end").await, "0:end");
    answered_by(&conn, "1").await;
}

/// The announced time is long, and the old place serves.
#[tokio::test]
async fn a_new_place_that_refuses_for_good_is_not_waited_for() {
    let refusing = Fake::answering(|_| b"-DENIED Redis is running in protected mode\r\n".to_vec());
    let refusing = refusing.await.unwrap();
    let (_fake, conn) = after_a_failed_move(moving(600, &refusing)).await;
    assert_eq!(say(&conn, "end").await, "0:end");
    answered_by(&conn, "1").await;
}

/// The server closes the old socket before a reply that it owes; the command may be repeated.
#[tokio::test]
async fn an_old_socket_that_is_closed_early_gives_way_to_the_new_one() {
    let new = Arc::new(echoing("new").await);
    let known = new.clone();
    let old = Fake::start(move |mut peer| {
        let new = known.clone();
        async move {
            if greet(&mut peer).await?.is_some() {
                peer.send(moving(60, &new)).await?;
                until("the new server is connected to", || new.connections() == 1).await;
            }
            Ok(())
        }
    })
    .await
    .unwrap();
    let conn = connect(asking(&old)).await;
    let read = raw("ECHO").arg("read").readonly().reply::<String>();
    assert_eq!(soon("a read", conn.run(read)).await.unwrap(), "new:read");
    assert_eq!(old.connections(), 1);
}

/// As long as the announced time is not over, its name may still lead to the old place.
#[tokio::test]
async fn sockets_that_are_opened_during_the_move_go_to_the_new_place() {
    let new = Arc::new(echoing("new").await);
    let target = new.clone();
    let old = scripted("old", move |text| {
        (text == "go").then(|| moving(600, &target))
    })
    .await;
    let pool = Pool::open(asking(&old).lanes(1)).await.unwrap();
    assert_eq!(pool.run(echo("go")).await.unwrap(), "old:go");
    until("the lane has moved", || new.connections() == 1).await;
    let lease = pool.exclusive().await.unwrap();
    assert_eq!(lease.run(echo("x")).await.unwrap(), "new:x");
    assert_eq!(old.connections(), 1);
}

/// The state of such a socket cannot be carried over.
#[tokio::test]
async fn an_exclusive_socket_stays_and_is_not_lent_again() {
    let new = Arc::new(echoing("new").await);
    let target = new.clone();
    let old = scripted("old", move |text| {
        (text == "go").then(|| moving(0, &target))
    })
    .await;
    let pool = Pool::open(asking(&old).lanes(1)).await.unwrap();
    let lease = pool.exclusive().await.unwrap();
    assert_eq!(lease.run(echo("go")).await.unwrap(), "old:go");
    assert_eq!(lease.run(echo("x")).await.unwrap(), "old:x");
    drop(lease);
    let lease = pool.exclusive().await.unwrap();
    assert_eq!(lease.run(echo("x")).await.unwrap(), "old:x");
    // The lane, the first lease and the second.
    assert_eq!((old.connections(), new.connections()), (3, 0));

    let exclusive = Exclusive::open(asking(&old)).await.unwrap();
    assert_eq!(exclusive.run(echo("go")).await.unwrap(), "old:go");
    assert_eq!(exclusive.run(echo("x")).await.unwrap(), "old:x");
    assert_eq!(new.connections(), 0);
}

#[tokio::test]
async fn subscriptions_go_along_and_their_readers_are_told() {
    let subscribable = |to: Option<Arc<Fake>>| {
        Fake::start(move |mut peer| {
            let to = to.clone();
            async move {
                let mut next = greet(&mut peer).await?;
                while let Some(command) = next {
                    if command.name() == "SUBSCRIBE" {
                        peer.send(push!["subscribe", "a", 1]).await?;
                        match &to {
                            Some(new) => peer.send(moving(60, new)).await?,
                            None => peer.send(push!["message", "a", "here"]).await?,
                        }
                    }
                    next = peer.command().await?;
                }
                Ok(())
            }
        })
    };
    let new = Arc::new(subscribable(None).await.unwrap());
    let old = subscribable(Some(new)).await.unwrap();
    let conn = connect(asking(&old)).await;
    let mut channel = conn.subscribe("a").await.unwrap();
    let first = soon("the gap", channel.next()).await.unwrap().unwrap();
    assert_eq!(first, Event::Resubscribed);
    let text: Option<String> = soon("a message", channel.get()).await.unwrap();
    assert_eq!(text.as_deref(), Some("here"));
}

/// It is closed while the new socket is on its way.
#[tokio::test]
async fn a_connection_that_is_closed_during_a_move_ends() {
    let closed = ClosedPort::new().unwrap();
    let nowhere = closed.addr().to_string();
    let old = scripted("old", move |_| {
        Some(push!["MOVING", 1, 60, nowhere.as_str()])
    })
    .await;
    let config: Config = asking(&old);
    let conn = connect(config).await;
    say(&conn, "go").await;
    assert!(soon("the end", conn.close()).await.is_clean());
}
