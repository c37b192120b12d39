//! Deadlines: when they pass, callers learn in which phase, and the connection keeps its order.

use std::time::Duration;

use typedis_core::{Budget, Connection, Error, Phase, Pool, Protocol, Run, Timeout, raw};
use typedis_testkit::fake::Fake;
use typedis_testkit::proxy::{Cut, Proxy};
use typedis_testkit::{Server, ServerKind};

use crate::support::*;

/// Long enough for what is sent before, on a busy machine too.
const SHORT: Duration = Duration::from_millis(300);

#[track_caller]
fn timed_out<T: std::fmt::Debug>(result: typedis_core::Result<T>, phase: Phase) -> Error {
    let error = failed(result);
    assert!(error.is_timeout(), "{error}");
    assert_eq!(error.phase(), phase, "{error}");
    error
}

#[tokio::test]
async fn a_stopped_server_times_out_as_maybe_applied_and_keeps_its_order_when_it_goes_on() {
    for protocol in BOTH {
        let server = Server::start(ServerKind::Valkey9).unwrap();
        let config = at(server.addr()).protocol(protocol);
        let conn = connect(config.liveness(None)).await;
        let before = id(&conn).await;
        server.pause().unwrap();
        let late = all((0..100).map(|_| conn.run(incr("late")).deadline(SHORT))).await;
        for result in late {
            let error = timed_out(result, Phase::MaybeApplied);
            assert_eq!(error.command(), Some("INCR"));
            assert!(
                error
                    .to_string()
                    .contains("may or may not have been carried out")
            );
        }
        // Queued behind the late ones, and answered once the server goes on.
        let texts: Vec<_> = (0..100).map(|index| format!("text {index}")).collect();
        let sent: Vec<_> = texts
            .iter()
            .map(|text| conn.run(echo(text)).send())
            .collect();
        server.resume().unwrap();
        for (text, reply) in texts.iter().zip(all(sent).await) {
            assert_eq!(reply.unwrap(), *text);
        }
        assert_eq!(counter(&conn, "late").await, 100);
        assert_eq!((id(&conn).await, conn.in_flight()), (before, 0));
    }
}

#[tokio::test]
async fn late_replies_are_consumed_for_pipelines_and_transactions_too() {
    let (proxy, config) = proxied(&db()).await;
    let conn = connect(config.command_timeout(SHORT).liveness(None)).await;
    let id = async || {
        let id = conn.run(raw("CLIENT ID").reply::<i64>()).deadline(LONG);
        id.await.unwrap()
    };
    let before = id().await;
    proxy.to_client().hold();
    let pipeline = conn.pipeline().run(incr("n")).run(echo("a"));
    let error = timed_out(pipeline.await, Phase::MaybeApplied);
    assert_eq!((error.command(), error.index()), (Some("INCR"), Some(0)));
    timed_out(
        conn.transaction().run(incr("n")).run(echo("b")).await,
        Phase::MaybeApplied,
    );
    timed_out(
        conn.pipeline_each(0..3, |c, _| c.run(incr("n"))).await,
        Phase::MaybeApplied,
    );
    assert_eq!(conn.in_flight(), 3);
    proxy.to_client().resume();
    until("all replies are consumed", || conn.in_flight() == 0).await;
    assert_eq!(conn.run(incr("n")).deadline(LONG).await.unwrap(), 6);
    assert_eq!(id().await, before);
}

/// The first replies of a pipeline are kept when the others come too late.
#[tokio::test]
async fn a_pipeline_keeps_the_replies_that_came_before_its_deadline() {
    let fake = Fake::start(|mut peer| async move {
        after_handshake(&mut peer).await?;
        peer.expect(&["INCR", "n"]).await?;
        peer.send(":1\r\n").await?;
        peer.expect(&["ECHO", "x"]).await?;
        peer.send("$1\r\nx\r\n$").await?;
        peer.until_closed().await
    })
    .await
    .unwrap();
    let config = at(fake.addr()).protocol(Protocol::Resp2);
    let conn = connect(config.command_timeout(4 * SHORT)).await;
    let calls = conn
        .pipeline()
        .run(incr("n"))
        .attempt()
        .run(echo("x"))
        .attempt();
    let (first, second, third) = calls.run(echo("y")).attempt().await.unwrap();
    assert_eq!((first.unwrap(), second.unwrap().as_str()), (1, "x"));
    let error = timed_out(third, Phase::MaybeApplied);
    assert_eq!((error.command(), error.index()), (Some("ECHO"), Some(2)));
    fake.finish().await.unwrap();
}

/// A line that is down, and stays down.
async fn disconnected(config: typedis_core::Config, proxy: &Proxy) -> Connection {
    let conn = connect(config).await;
    proxy.refuse(true);
    proxy.cut_all(Cut::Reset);
    let attempts = proxy.accepted() + 2;
    proxy.wait_for_accepted(attempts, LONG).await.unwrap();
    conn
}

#[tokio::test]
async fn while_disconnected_a_deadline_says_not_sent_and_nothing_is_sent_later() {
    let (proxy, config) = proxied(&db()).await;
    let conn = disconnected(config, &proxy).await;
    let results = all((0..100).map(|_| conn.run(incr("n")).deadline(SHORT))).await;
    for result in results {
        let error = timed_out(result, Phase::NotSent);
        assert!(error.is_retryable());
    }
    timed_out(
        conn.transaction()
            .run(incr("n"))
            .run(incr("n"))
            .deadline(SHORT)
            .await,
        Phase::NotSent,
    );
    let waits = conn.run(incr("other")).send();
    proxy.refuse(false);
    assert_eq!(waits.await.unwrap(), 1);
    assert_eq!(counter(&conn, "n").await, 0);
}

/// The promise of `NotSent` holds when the socket is there but takes no more.
#[tokio::test]
async fn what_timed_out_behind_a_blocked_write_is_never_sent() {
    // Few among many, and all that wait: what is given up is looked for at different times.
    for others in [100, 0] {
        let (proxy, config) = proxied(&db()).await;
        let conn = connect(config.liveness(None)).await;
        let before = id(&conn).await;
        proxy.to_server().hold();
        // More than the buffers of the kernel take.
        let big = "x".repeat(32 << 20);
        let set = conn.run(set("big", &big)).send();
        // The driver takes it alone, and is stuck with it.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        let waiting: Vec<_> = (0..others)
            .map(|_| conn.run(incr("other")).send())
            .collect();
        let late = all((0..10).map(|_| conn.run(incr("n")).deadline(SHORT))).await;
        for result in late {
            timed_out(result, Phase::NotSent);
        }
        let last = conn.run(incr("other")).send();
        proxy.to_server().resume();
        set.await.unwrap();
        assert!(all(waiting).await.iter().all(Result::is_ok));
        assert_eq!(last.await.unwrap(), others + 1);
        assert_eq!(counter(&conn, "n").await, 0);
        assert_eq!(id(&conn).await, before);
    }
}

#[tokio::test]
async fn over_budget_callers_wait_in_line_and_time_out_as_not_sent() {
    let (proxy, config) = proxied(&db()).await;
    let budget = Budget {
        commands: 4,
        ..Budget::default()
    };
    let conn = connect(config.budget(budget).liveness(None)).await;
    proxy.to_client().hold();
    let sent: Vec<_> = (0..4).map(|_| conn.run(incr("n")).send()).collect();
    let late = all((0..50).map(|_| conn.run(incr("n")).deadline(SHORT))).await;
    for result in late {
        timed_out(result, Phase::NotSent);
    }
    assert_eq!(conn.in_flight(), 4);
    proxy.to_client().resume();
    for result in all(sent).await {
        result.unwrap();
    }
    assert_eq!(counter(&conn, "n").await, 4);
}

#[tokio::test]
async fn a_deadline_of_one_call_goes_before_the_configured_one() {
    let (proxy, config) = proxied(&db()).await;
    let conn = connect(config.command_timeout(SHORT).liveness(None)).await;
    proxy.to_client().hold();
    let patient = conn.run(incr("n")).deadline(LONG).send();
    timed_out(conn.run(incr("n")).await, Phase::MaybeApplied);
    proxy.to_client().resume();
    assert_eq!(patient.await.unwrap(), 1);

    let (proxy, config) = proxied(&db()).await;
    let conn = connect(config.command_timeout(None).liveness(None)).await;
    proxy.to_client().hold();
    timed_out(
        conn.run(incr("n")).deadline(SHORT).await,
        Phase::MaybeApplied,
    );
}

/// An earlier deadline behind a later one is kept all the same.
#[tokio::test]
async fn deadlines_pass_in_their_own_order() {
    let (proxy, config) = proxied(&db()).await;
    let conn = connect(config.liveness(None)).await;
    proxy.to_client().hold();
    let mut first = conn.run(incr("n")).deadline(LONG);
    poll_once(&mut first).await;
    let calls = (1..20u32)
        .rev()
        .map(|n| conn.run(incr("n")).deadline(SHORT + n * SHORT / 10));
    for result in all(calls).await {
        timed_out(result, Phase::MaybeApplied);
    }
    proxy.to_client().resume();
    assert_eq!(first.await.unwrap(), 1);
}

#[tokio::test]
async fn a_blocking_command_gets_the_servers_timeout_on_top() {
    // What the calls need besides their waits may take almost as long.
    let usual = Duration::from_secs(2);
    let longer = Duration::from_millis(2_500);
    let config = on(&db()).command_timeout(usual);
    let pool = Pool::open(config).await.unwrap();
    drop((lease(&pool).await, lease(&pool).await));
    let pop = raw("BLPOP").key("k").arg(2.5).blocks_for(longer);
    let read = raw("XREAD BLOCK")
        .arg(2_500)
        .arg("STREAMS")
        .key("s")
        .arg("$");
    let read = read.blocks_for(longer);
    let (popped, read) = tokio::join!(
        pool.run(pop.reply::<Option<(String, i64)>>()),
        pool.run(read.reply::<Option<i64>>()),
    );
    assert_eq!((popped.unwrap(), read.unwrap()), (None, None));
}

#[tokio::test]
async fn a_server_that_overstays_a_blocking_timeout_is_not_waited_for() {
    let server = Server::start(ServerKind::Valkey9).unwrap();
    let pool = Pool::open(at(server.addr()).command_timeout(SHORT))
        .await
        .unwrap();
    let lease = lease(&pool).await;
    server.pause().unwrap();
    let pop = raw("BLPOP").key("k").arg(0.05).blocks_for(0.05);
    let popped = lease.run(pop.reply::<Option<(String, i64)>>());
    timed_out(soon("a pop", popped).await, Phase::MaybeApplied);
    server.resume().unwrap();
}

#[tokio::test]
async fn a_command_that_blocks_for_ever_has_no_deadline() {
    let pool = Pool::open(on(&db()).command_timeout(Duration::from_millis(400)))
        .await
        .unwrap();
    // Nothing has to be connected within that time.
    drop((lease(&pool).await, lease(&pool).await));
    let waiting = pool.clone();
    let pop = raw("BLPOP").key("k").arg(0).blocks_for(Timeout::FOREVER);
    let pop = pop.reply::<(String, i64)>();
    let blocked = tokio::spawn(async move { waiting.run(pop).await });
    // Longer than the deadline, by the server's clock.
    let clock = raw("BLPOP").key("clock").arg(0.5).blocks_for(0.5);
    let clock = pool.run(clock.reply::<Option<i64>>()).deadline(LONG);
    assert_eq!(clock.await.unwrap(), None);
    assert!(!blocked.is_finished());
    let push = raw("RPUSH").key("k").arg(7).reply::<i64>();
    pool.run(push).deadline(LONG).await.unwrap();
    assert_eq!(
        soon("a pop", blocked).await.unwrap().unwrap(),
        ("k".to_owned(), 7)
    );
}

#[tokio::test]
async fn a_shared_connection_refuses_what_blocks() {
    let conn = connect(on(&db())).await;
    let pop = || {
        raw("BLPOP")
            .key("k")
            .arg(0)
            .blocks_for(0)
            .reply::<Option<i64>>()
    };
    let error = failed(conn.run(pop()).await);
    assert!(error.to_string().contains("call it on a `Pool`"), "{error}");
    let error = failed(conn.pipeline().run(incr("n")).run(pop()).await);
    assert_eq!((error.index(), error.command()), (Some(1), Some("BLPOP")));
    assert_eq!(counter(&conn, "n").await, 0);
}
