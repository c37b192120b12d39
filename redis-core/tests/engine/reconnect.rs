//! A connection that comes back: without an error where none is due, without a storm, and as it was configured.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use typedis_core::{Backoff, Connection, ErrorKind, Exclusive, Phase, Pool, Protocol, Run, raw};
use typedis_testkit::fake::Fake;
use typedis_testkit::proxy::{Cut, Proxy};
use typedis_testkit::{Server, ServerKind};

use crate::support::*;

#[tokio::test]
async fn a_connection_that_was_killed_while_idle_is_replaced_before_anyone_notices() {
    for protocol in BOTH {
        let db = db();
        let conn = connect(on(&db).protocol(protocol)).await;
        let other = connect(on(&db)).await;
        for _ in 0..20 {
            let victim = id(&conn).await;
            let kill = raw("CLIENT KILL ID").arg(victim).reply::<i64>();
            assert_eq!(other.run(kill).await.unwrap(), 1);
            conn.run(incr("n")).await.unwrap();
        }
        assert_eq!(counter(&conn, "n").await, 20);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_restarted_under_load_is_used_again() {
    let server = Server::builder(ServerKind::Valkey9).start().unwrap();
    let conn = connect(at(server.addr())).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for task in 0..32 {
        let (conn, stop) = (conn.clone(), stop.clone());
        tasks.spawn(async move {
            let mut round = 0;
            while !stop.load(Ordering::Relaxed) {
                let text = format!("{task}-{round}");
                round += 1;
                match conn.run(raw("ECHO").arg(&text).reply::<String>()).await {
                    Ok(reply) => assert_eq!(reply, text),
                    Err(error) => {
                        assert!(
                            matches!(error.kind(), ErrorKind::ConnectionLost(_)),
                            "{error}"
                        );
                    }
                }
            }
        });
    }
    for _ in 0..2 {
        server.kill().unwrap();
        server.restart().unwrap();
        ping_works(&conn).await;
    }
    stop.store(true, Ordering::Relaxed);
    soon("the load", tasks.join_all()).await;
    assert!(!conn.is_closed());
}

/// As a load balancer does that closes what it takes for idle.
#[tokio::test]
async fn commands_that_had_not_been_sent_wait_for_the_next_connection() {
    let (proxy, config) = proxied(&db()).await;
    let conn = connect(config).await;
    proxy.refuse(true);
    proxy.cut_all(Cut::Close);
    proxy.wait_for_accepted(3, LONG).await.unwrap();
    let mut calls: Vec<_> = (0..100).map(|_| conn.run(incr("n"))).collect();
    for call in &mut calls {
        poll_once(call).await;
    }
    proxy.refuse(false);
    let order: Vec<_> = all(calls).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(order, (1..=100).collect::<Vec<_>>());
}

/// Attempts grow with the logarithm of the time and not with the load.
#[tokio::test]
async fn a_closed_port_is_not_hammered() {
    let (proxy, config) = proxied(&db()).await;
    let backoff = Backoff {
        first: Duration::from_millis(20),
        longest: Duration::from_secs(60),
    };
    let conn = connect(config.backoff(backoff)).await;
    proxy.refuse(true);
    cut_and_return(&proxy).await;
    let results = all((0..50).map(|index| {
        conn.run(incr("n"))
            .deadline(Duration::from_millis(20 * index))
    }))
    .await;
    assert!(results.iter().all(Result::is_err));
    // Within a second: 10 + 20 + 40 + … + 640 at the fastest.
    let attempts = proxy.accepted() - 1;
    assert!((1..=12).contains(&attempts), "{attempts} attempts");
}

/// Not even by a server that lets everybody in and throws them out at once.
#[tokio::test]
async fn connections_that_are_lost_at_once_back_off_too() {
    let fake = Fake::start(|mut peer| async move {
        after_handshake(&mut peer).await?;
        Ok(())
    })
    .await
    .unwrap();
    let backoff = Backoff {
        first: Duration::from_millis(20),
        longest: Duration::from_secs(60),
    };
    let config = at(fake.addr()).protocol(Protocol::Resp2).backoff(backoff);
    let conn = connect(config).await;
    let call = conn.run(raw("INCR").key("n").reply::<i64>());
    let _ = call.deadline(Duration::from_millis(500)).await;
    until("it tries again", || fake.connections() >= 2).await;
    let connections = fake.connections();
    assert!((2..=10).contains(&connections), "{connections} connections");
}

#[tokio::test]
async fn database_name_and_user_are_as_configured_after_each_loss() {
    let server = Server::builder(ServerKind::Valkey9)
        .line("user worker on >secret ~* &* +@all")
        .start()
        .unwrap();
    let proxy = Proxy::start(server.addr()).await.unwrap();
    for protocol in BOTH {
        let config = at(proxy.addr())
            .protocol(protocol)
            .database(5)
            .client_name("typedis-test")
            .credentials("worker", "secret");
        let conn = connect(config).await;
        let mut ids = Vec::new();
        for round in 0..3 {
            let calls = conn
                .pipeline()
                .run(raw("CLIENT GETNAME").reply::<String>())
                .run(raw("ACL WHOAMI").reply::<String>())
                .run(raw("CLIENT INFO").reply::<String>())
                .run(incr("rounds"));
            let (name, user, info, rounds) = calls.await.unwrap();
            assert_eq!((name.as_str(), user.as_str()), ("typedis-test", "worker"));
            assert!(info.contains(" db=5 "), "{info}");
            let resp = if protocol == Protocol::Resp2 {
                " resp=2 "
            } else {
                " resp=3 "
            };
            assert!(
                info.contains(resp) && info.contains("lib-name=typedis"),
                "{info}"
            );
            assert_eq!(rounds, round + 1);
            ids.push(id(&conn).await);
            cut_and_return(&proxy).await;
        }
        ids.dedup();
        assert_eq!(ids.len(), 3);
        conn.run(raw("FLUSHALL").reply::<()>()).await.unwrap();
    }
}

/// A demoted primary: refuses writes, and keeps its connections open.
fn demoted(
    first: usize,
) -> impl Fn(
    typedis_testkit::fake::Peer,
) -> std::pin::Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>>
+ Send {
    move |mut peer| {
        Box::pin(async move {
            after_handshake(&mut peer).await?;
            while let Some(command) = peer.command().await? {
                let reply = match command.name().as_str() {
                    "MULTI" => "+OK\r\n",
                    "EXEC" if peer.number() < first => "-EXECABORT Transaction discarded.\r\n",
                    "EXEC" => "*1\r\n:1\r\n",
                    "INCR" if peer.number() < first => {
                        "-READONLY You can't write against a read only replica.\r\n"
                    }
                    "INCR" => ":1\r\n",
                    _ => "+other\r\n",
                };
                peer.send(reply).await?;
            }
            Ok(())
        })
    }
}

#[tokio::test]
async fn readonly_has_the_connection_replaced_once() {
    let fake = Fake::start(demoted(1)).await.unwrap();
    let conn = connect(at(fake.addr()).protocol(Protocol::Resp2)).await;
    let results = all((0..20).map(|_| conn.run(incr("n")))).await;
    for result in results {
        let error = failed(result);
        assert_eq!(error.server().unwrap().code(), "READONLY");
        assert_eq!(error.phase(), Phase::Refused);
    }
    assert_eq!(conn.run(incr("n")).await.unwrap(), 1);
    assert_eq!(fake.connections(), 2);
}

#[tokio::test]
async fn readonly_in_a_pipeline_or_transaction_counts_too() {
    for atomic in [false, true] {
        let fake = Fake::start(demoted(1)).await.unwrap();
        let conn = connect(at(fake.addr()).protocol(Protocol::Resp2)).await;
        if atomic {
            let error = failed(conn.transaction().run(incr("n")).await);
            assert_eq!(error.server().unwrap().code(), "READONLY");
            assert_eq!((error.command(), error.index()), (Some("INCR"), Some(0)));
        } else {
            let calls = conn.pipeline().run(echo("x")).run(incr("n")).attempt();
            let (_, refused) = calls.await.unwrap();
            assert_eq!(failed(refused).server().unwrap().code(), "READONLY");
        }
        assert_eq!(conn.run(incr("n")).await.unwrap(), 1);
        assert_eq!(fake.connections(), 2);
    }
}

/// Where every server is a replica, one reconnection in a while is enough.
#[tokio::test]
async fn a_server_that_stays_readonly_is_not_stormed() {
    let fake = Fake::start(demoted(usize::MAX)).await.unwrap();
    let conn = connect(at(fake.addr()).protocol(Protocol::Resp2)).await;
    let start = Instant::now();
    for _ in 0..200 {
        assert!(conn.run(incr("n")).await.is_err());
    }
    // On a busy machine, more than one while may pass.
    let most = 3 + start.elapsed().as_secs() as usize;
    let connections = fake.connections();
    assert!(connections <= most, "{connections} connections");
}

#[tokio::test]
async fn a_leased_socket_to_a_demoted_server_is_not_lent_again() {
    // Two lanes, and the first lease.
    let fake = Fake::start(demoted(3)).await.unwrap();
    let pool = Pool::open(at(fake.addr()).protocol(Protocol::Resp2))
        .await
        .unwrap();
    let lease = pool.exclusive().await.unwrap();
    let refused = known::<_, i64>(&lease, &INCR, &["n"]).await;
    assert_eq!(failed(refused).server().unwrap().code(), "READONLY");
    drop(lease);
    let lease = pool.exclusive().await.unwrap();
    assert_eq!(known::<_, i64>(&lease, &INCR, &["n"]).await.unwrap(), 1);
}

#[tokio::test]
async fn a_password_that_was_changed_is_told_at_once_and_not_tried_in_a_storm() {
    let server = Server::builder(ServerKind::Valkey9)
        .password("old")
        .start()
        .unwrap();
    let proxy = Proxy::start(server.addr()).await.unwrap();
    let backoff = Backoff {
        first: Duration::from_millis(20),
        longest: Duration::from_secs(60),
    };
    let conn = connect(at(proxy.addr()).password("old").backoff(backoff)).await;
    let mut outside = server.connect().unwrap();
    outside
        .call(&["CONFIG", "SET", "requirepass", "new"])
        .unwrap();
    ping_works(&conn).await;
    proxy.cut_all(Cut::Reset);
    // The first may still be under way when the connection is lost.
    let _ = conn.run(incr("n")).await;
    for _ in 0..200 {
        let error = failed(soon("a refusal", conn.run(incr("n"))).await);
        let ErrorKind::Handshake(refusal) = error.kind() else {
            panic!("{error}")
        };
        assert_eq!(
            (refusal.code(), error.phase()),
            ("WRONGPASS", Phase::NotSent)
        );
        assert!(!error.to_string().contains("old"), "{error}");
    }
    assert!(proxy.accepted() <= 12, "{} attempts", proxy.accepted());
    assert!(!conn.is_closed());
    // Once the password fits again, so does the connection.
    outside
        .call(&["CONFIG", "SET", "requirepass", "old"])
        .unwrap();
    until_async("it is let in again", async || {
        conn.run(incr("n")).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn is_closed_tells_the_truth() {
    let (proxy, config) = proxied(&db()).await;
    let conn = connect(config.clone()).await;
    assert!(!conn.is_closed());
    cut_and_return(&proxy).await;
    ping_works(&conn).await;
    assert!(!conn.is_closed(), "it comes back");
    let clone = conn.clone();
    conn.abort();
    assert!(conn.is_closed() && clone.is_closed());
    let error = failed(clone.run(incr("n")).await);
    assert!(matches!(error.kind(), ErrorKind::Closed), "{error}");
    assert_eq!(error.phase(), Phase::NotSent);

    let exclusive = Exclusive::open(config).await.unwrap();
    assert!(!exclusive.is_closed());
    proxy.cut_all(Cut::Reset);
    until("the loss is noticed", || exclusive.is_closed()).await;
    let error = failed(exclusive.run(incr("n")).await);
    assert!(error.is_connection(), "{error}");
    assert_eq!(error.phase(), Phase::NotSent);
}

#[tokio::test]
async fn closing_fails_what_is_in_flight_and_the_socket_goes() {
    let (proxy, config) = proxied(&db()).await;
    let conn: Connection = connect(config.liveness(None)).await;
    proxy.to_client().hold();
    let sent = conn.run(incr("n")).send();
    conn.abort();
    let error = failed(soon("what was in flight", sent).await);
    assert!(matches!(error.kind(), ErrorKind::Closed), "{error}");
    proxy.to_client().resume();
    proxy.wait_for_open(0, LONG).await.unwrap();
}
